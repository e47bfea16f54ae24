"""A document in the making, whose text holds `<number|words>` that may answer questions; in the end some are chosen and marked."""

import re
from collections import ChainMap

import devices_bank as bank
import devices_texts as texts
from marked import Question, Task

SLOT, SPAN, NUMBERED = re.compile(r"\{(\w+)\}"), re.compile(r"<(\w)\|([^<>]*)>"), re.compile(r"<(\d+)\|([^<>]*)>")
ARTICLE = re.compile(r"\b([Aa]) (?=(?:<\d+\|)?(?:[aei]|o(?!ne\b)|8\b|8 |11\b))")
AGAIN = {"my", "mine", "it", "never"}  # drawn anew each time: other words for the same thing


def lower(text):
    return text[0].lower() + text[1:]


def upper(text):
    return text[0].upper() + text[1:]


def article(text):
    return ARTICLE.sub(r"\1n ", text)


class Book:
    def __init__(self, rng, words):
        self.rng, self.words, self.env, self.parts, self.own = rng, words, {}, [], {}
        self.lines, self.asked, self.vain, self.topics, self.count = [], [], [], set(), 0

    def env_of(self, **more):
        return ChainMap(more, self.env)

    def value(self, key, env):
        base = key.rstrip("0123456789")
        taken = [v for k, v in env.items() if k.rstrip("0123456789") == base]
        source = self.own.get(base) or bank.SLOTS.get(key) or bank.SLOTS.get(base) or [p for p, _ in self.parts]
        for _ in range(12):
            v = source(self.rng) if callable(source) else str(self.rng.choice(source))
            if v not in taken:
                break
        return self.fill(v, env) if "{" in v else v

    def fill(self, text, env):
        def one(m):
            key = m[1].lower()
            if key in env:
                v = str(env[key])
            else:
                v = self.value(key, env)
                if key not in AGAIN:
                    env[key] = v
            return v.upper() if m[1].isupper() and len(m[1]) > 2 and m[1] != "dB" else upper(v) if m[1][0].isupper() else v

        return SLOT.sub(one, text)

    def span(self, text, questions, env):
        """`text` as a span that answers the questions."""
        self.count += 1
        self.asked.append((self.count, tuple(questions), env))
        return f"<{self.count}|{text}>"

    def say(self, statement, questions, env=None):
        env = self.env_of() if env is None else env
        text = self.fill(statement, env)
        if self.rng.random() < 0.1 and "\n" not in text:
            text = self.rng.choice(texts.LEADS) + text
        return article(SPAN.sub(lambda m: self.span(m[2], questions[m[1]], env) if m[1] in questions else m[2], text))

    def add(self, *blocks):
        self.lines += [b for b in blocks if b]

    def heading(self, text):
        text = self.fill(text, self.env)
        style = self.style
        self.section += 1
        title = {
            "#": f"## {text}",
            "n": f"{self.section}. {text}",
            "N": f"{self.section} {text.upper()}",
            ":": f"{text}:",
            "A": text.upper(),
            "*": f"**{text}**",
            "": text,
        }[style]
        self.add(title)

    style, section = "", 0

    def start(self):
        self.style, self.section = self.rng.choice(("#", "n", "n", "N", ":", "A", "*", "")), 0

    def listed(self, items, numbers=False):
        """The statements of a section, as a paragraph, a list or numbered."""
        rng = self.rng
        kind = rng.choice(("text", "text", "-", "n", "lines")) if not numbers else "n"
        if kind == "text":
            return " ".join(items)
        if kind == "-":
            sign = rng.choice(("- ", "• ", "* ", "! " if rng.random() < 0.2 else "- "))
            return "\n".join(sign + x for x in items)
        if kind == "n":
            form = rng.choice(("{n}. ", "{s}.{n} ", "({n}) ", "{a}) "))
            return "\n".join(form.format(n=i, s=max(1, self.section), a="abcdefghijklmnopqrst"[i - 1]) + x for i, x in enumerate(items, 1))
        return "\n".join(items)

    def table(self, head, rows, headed=False):
        """Rows of cells in one of several forms."""
        rng = self.rng
        kind = rng.choice(("bar", "bar", "md", "colon", "tab"))
        if kind == "md":
            lines = ["| " + " | ".join(r) + " |" for r in (head, ["---"] * len(head), *rows)]
        elif kind == "bar":
            lines = [" | ".join(r) for r in ([head] if headed or rng.random() < 0.8 else []) + rows]
        elif kind == "tab":
            lines = ["\t".join(r) for r in [head] + rows]
        elif len(head) == 2:
            sign = rng.choice((": ", " – ", " ..... ", " = "))
            lines = [r[0] + sign + r[1] for r in rows]
        else:
            names = head[1:] if headed else ["", *(lower(h) for h in head[2:])]
            lines = [f"{r[0]}: " + "; ".join(f"{h} {c}".strip() for h, c in zip(names, r[1:])) for r in rows]
        return "\n".join(lines)

    def finish(self, kind):
        """The task: questions drawn, their spans marked."""
        rng, task = self.rng, Task(kind, [], [], ordered=True, rows=True)
        told = set(re.findall(r"<(\d+)\|", "\n".join(self.lines)))
        self.asked = [a for a in self.asked if str(a[0]) in told]
        rng.shuffle(self.asked)
        rng.shuffle(self.vain)
        want, seen, chosen = rng.randint(9 if len(self.asked) > 24 else 6, 14), set(), []
        vain = min(len(self.vain), rng.choice((0, 1, 2, 2, 2)) if want > 8 else rng.choice((0, 1, 1)))

        def put(i, forms, env):
            text = article(self.fill(rng.choice(forms), ChainMap({}, env)))
            text = text if rng.random() < 0.5 and text[0].islower() else upper(text)
            if text.lower() not in seen:
                seen.add(text.lower())
                chosen.append((text, i))

        for i, forms, env in self.asked[: want - vain]:
            put(i, forms, env)
        for i, forms, env in self.asked[: max(0, 6 - len(chosen))]:
            put(i, forms, env)
        for forms, env in self.vain[:vain]:
            put(None, forms, env)
        if rng.random() < 0.3 and self.asked:  # one of them in other words
            put(*self.asked[0])
        used = {i for _, i in chosen if i is not None}
        marks = {}

        def mark(m):
            if int(m[1]) not in used:
                return m[2]
            text, marks[int(m[1])] = task.mark(m[2])
            return text

        task.facts.append(NUMBERED.sub(mark, "\n\n".join(self.lines) if rng.random() < 0.8 else "\n".join(self.lines)))
        rng.shuffle(chosen)
        task.questions += [Question(text, [] if i is None else [marks[i]]) for text, i in chosen]
        return task


def ordered(b, steps, doing):
    """Steps one after the other, and questions about their order."""
    rng = b.rng
    form = rng.choice(("{n}. {s}.", "Step {n}: {s}.", "{n}) {s}.", "({n}) {s}", "prose"))
    out, last = [], len(steps) - 1
    for i, step in enumerate(steps):
        env = b.env_of(n=i + 1, before=i, doing=doing)
        forms = []
        if form != "prose":
            forms += ["What is step {n}?", "What do I do in step {n}?"] + (
                ["What comes after step {before}?", "What follows step {before}?"] * 2 if i else []
            )
        if i:
            forms += [f'What do I do after this: "{steps[i - 1]}"?', f'What comes right after "{lower(steps[i - 1])}"?']
        if i == 0:
            forms += ["What is the first thing to do when {doing}?", "What do I do first when {doing}?"]
        if i == last:
            forms += ["What is the last step of {doing}?", "What is done last when {doing}?"]
        said = step if form != "prose" or i == 0 and rng.random() < 0.5 else lower(step)
        marked = b.span(said, forms, env)
        if form == "prose":
            link = (
                "First, "
                if i == 0 and said[0].islower()
                else ""
                if i == 0
                else "Finally, "
                if i == last
                else rng.choice(("Then ", "After that, ", "Next, ", "Now "))
            )
            out.append(f"{link}{marked}.")
        else:
            out.append(form.format(n=i + 1, s=marked))
    if form != "prose":
        b.vain.append((("What is step {n}?", "What do I do in step {n}?"), b.env_of(n=len(steps) + rng.randint(1, 3))))
    b.add(" ".join(out) if form == "prose" else "\n".join(out))
