"""The parts of software.py's documents: options, statements, tables, steps, functions …, with the questions that they answer or leave open."""

import re

import needles
import software_bank as bank
import software_fields
from marked import Task, strip
from software_facts import FACTS, PATHS, PROCEDURES, THEMES, VALUES

SPAN = re.compile(r"«(?:([a-z]):)?([^»]*)»")
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
SUFFIXES = ("", "", "", "ctl", "d", "kit", "box", "wise", "er", "hub", "line", "works", "mate", "gate", "ly", "x", "2", "-ng")


class Env(dict):
    """Values for one statement: those of the document, others drawn when first used; `size` and `size2` differ."""

    def __init__(self, rng, base):
        super().__init__(base)
        self.rng = rng

    def __missing__(self, key):
        if key == "ver2":  # later than the first
            major, minor = self["ver"].split(".")[:2]
            self[key] = f"{int(major) + 1}.0" if self.rng.random() < 0.5 else f"{major}.{int(minor) + self.rng.randint(1, 9)}"
            return self[key]
        if key == "ver":  # not after the version of the document
            self[key] = f"{self.rng.randint(max(1, self['major'] - 3), self['major'])}.{self.rng.randint(0, 19)}" + (
                f".{self.rng.randint(1, 9)}" if self.rng.random() < 0.2 else ""
            )
            return self[key]
        draw = VALUES[key if key in VALUES else key.rstrip("0123456789")]
        value = draw(self.rng)
        while value in self.values():
            value = draw(self.rng)
        self[key] = value
        return value


def cap(text):
    """With a capital at its beginning, behind marks; names of commands and options stay as they are."""
    m = re.match(r"[\ue000-\uefff]*([a-z]+)[\ue000-\uefff]*([ .,]|$)", text)
    return text[: m.start(1)] + text[m.start(1)].upper() + text[m.start(1) + 1 :] if m else text


def an(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def plural(noun):
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"


class Writer:
    """One document in the making: its text with marks, questions, and those that it leaves open."""

    def __init__(self, rng, words):
        self.rng, self.task = rng, Task("software", [], [], ordered=True, rows=True)
        self.asked, self.open = [], []  # questions with answers, and without
        self.field = f = rng.choice(software_fields.FIELDS)
        t = rng.choice(f.stems.split() if rng.random() < 0.6 else words).lower()
        t = re.sub(r"[^a-z]", "", t) or "tool"
        t += rng.choice([s for s in SUFFIXES if not (s and t.endswith(s))])
        host = f"{re.sub('[^a-z]', '', t)}.{rng.choice(('org', 'net', 'dev', 'example', 'io'))}"
        self.style = rng.choice(("flag", "flag", "flag", "key"))
        self.base = {
            "t": t,
            "T": t.capitalize() if rng.random() < 0.7 else t,
            "item": f.item,
            "items": plural(f.item),
            "Items": plural(f.item).capitalize(),
            "an_item": an(f.item),
            "store": f.store,
            "a_store": an(f.store),
            "peer": f.peer,
            "do": f.do,
            "site": f"{rng.choice(('https://', '', 'docs.'))}{host}{rng.choice(('', '/docs', '/manual'))}",
            "mail": f"{rng.choice(('bugs', 'help', 'dev', 'support', 'team', t))}@{host}",
        }
        self.base["major"] = rng.randint(2, 9)
        self.base["conf"] = rng.choice(PATHS["conf"]).format(t=t)
        self.joint = rng.choice(("-", "_", "camel"))
        self.word()
        self.off, self.low = rng.choice(("false", "no", "off")), rng.random() < 0.5
        self.heads, self.level = 0, rng.choice(("## ", "### ", "upper", "number", "plain", "plain", "under", "colon"))
        clash = {"max-size"} if f.item == "request" else set()
        self.options = [o for o in bank.OPTIONS if o.names.split()[0] not in clash] + list(f.options) * 2
        self.events, self.facts, self.terms = list(enumerate(bank.EVENTS)), list(FACTS), list(bank.TERMS) + list(f.terms)
        self.events += [(None, e) for e in f.events]
        for x in (self.options, self.events, self.facts, self.terms):
            rng.shuffle(x)
        self.lists = [
            x for x in bank.LISTS if not {w for w in (x[1],)} & {y[1] for y in f.lists} and not (x[0] == "role" and "role" in f.lists[0][0])
        ] + list(f.lists) * 2
        rng.shuffle(self.lists)
        self.names, self.past = set(), rng.random() < 0.5  # a history of versions excludes a statement of the current one
        if self.past:
            self.facts = [f for f in self.facts if f[0] != "release"]

    def word(self):
        self.base["opt"] = self.rng.choice(
            ("option", "flag", "switch", "option") if self.style == "flag" else ("setting", "key", "setting", "option")
        )

    def env(self, **more):
        return Env(self.rng, {**self.base, **more})

    def fill(self, text, env):
        return text.format_map(env)

    def say(self, text, asks, env=None, most=2, raw=False):
        """The statement with its marks; some of the questions about it are noted."""
        env = env if env is not None else self.env()
        text, seen = self.fill(text, env), set()

        def mark(m):
            label = m.group(1) or "a"
            seen.add(label)
            said, i = self.task.mark(m.group(2))
            for q in self.rng.sample(asks.get(label, ()), min(most, len(asks.get(label, ())))):
                self.asked.append((cap(self.fill(q, env)), i))
            return said

        out = SPAN.sub(mark, text)
        for q in asks.get("", ()):
            self.open.append(self.fill(q, env))
        bare = strip(out)
        return out if raw or bare.startswith(self.base["t"] + " ") and self.base["T"] + " " not in text[: len(self.base["T"]) + 1] else cap(out)

    def head(self, title):
        self.heads += 1
        title = self.fill(title, self.env())
        return {
            "upper": title.upper(),
            "number": f"{self.heads}. {title}",
            "plain": title,
            "under": f"{title}\n{'-' * len(title)}",
            "colon": title + ":",
        }.get(self.level, self.level + title)

    def bullets(self, lines):
        sign = self.rng.choice(("- ", "* ", "• ", "  - ", ""))
        return "\n".join(sign + x for x in lines)

    def table(self, head, rows):
        kind = self.rng.randrange(3)
        if kind == 0:
            return "\n".join("| " + " | ".join(r) + " |" for r in [head, ["---"] * len(head), *rows])
        if kind == 1:
            return "\n".join("\t".join(r) for r in [head, *rows])
        width = [max(len(strip(r[i])) for r in [head, *rows]) for i in range(len(head))]
        return "\n".join("  ".join(c + " " * (w - len(strip(c))) for c, w in zip(r, width)).rstrip() for r in [head, *rows])

    # Options

    def name(self, words):
        name = self.rng.choice(words.split())
        if self.style == "flag":
            return "--" + name
        if self.joint == "camel":
            first, *rest = name.split("-")
            return first + "".join(r.capitalize() for r in rest)
        return name.replace("-", self.joint)

    def default(self, kind):
        return self.rng.choice(PATHS[kind]).format(t=self.base["t"]) if kind in PATHS else VALUES[kind](self.rng)

    def take(self, n):
        """The next options, with names that differ from all others."""
        out = []
        while self.options and len(out) < n:
            o = self.options.pop()
            name = self.name(o.names)
            if o not in [x for x, _ in out] and not {o.about, name} & self.names:
                self.names |= {o.about, name}
                out.append((o, name))
        return out

    def option(self, o, name, others):
        """Parts: the marked name, its description, its default (or None), further remarks."""
        rng, env = self.rng, self.env(name=name, about=o.about)
        head = self.say("«" + name + "»", {"a": o.which}, env, raw=True)
        says = rng.choice(o.says)
        text = self.fill(says, env)
        first = re.match(r"[^.;,]+", text).group()
        if len(first.split()) <= 9 and rng.random() < 0.4:
            marked = "«" + first + "»" + text[len(first) :]
            text = self.say(
                marked.replace("{", "{{").replace("}", "}}"), {"a": (f"What does {name} do?", f"What is {name} for?", f"Meaning of {name}?")}, env, 1
            )
        if o.kind is None:
            value = self.off if self.style == "key" and o.arg is None and rng.random() < 0.8 else None
        elif rng.random() < 0.2:
            value, _ = None, self.open.extend([f"What is the default of {name}?", *(self.fill(q, env) for q in o.default[:1])])
        else:
            value = self.default(o.kind)
        more = []
        if rng.random() < 0.4:
            says, asks = rng.choice([d[1:] for d in bank.DETAILS if d[0] == "*" or o.arg in d[0].split()])
            env2 = self.env(
                name=name,
                zero=rng.choice(bank.ZERO),
                times=rng.choice(bank.TIMES),
                system=rng.choice(bank.NAMES),
                rights=self.fill(rng.choice(bank.RIGHTS), env),
                case=rng.choice(("treated alike", "told apart")),
            )
            more.append(self.say(rng.choice(says), asks, env2, 1))
        if rng.random() < 0.35:
            more.append(self.extra(name, o.about, others))
        elif o.kind in {"secs", "mins", "small", "count", "size", "rate", "hours", "days"} and rng.random() < 0.2:
            other = self.default(o.kind)
            if other != value:
                more.append(
                    self.say(
                        rng.choice(bank.ADVICE), {"a": bank.ASK_ADVICE}, self.env(name=name, about=o.about, v=other, place=rng.choice(bank.PLACES)), 1
                    )
                )
        elif o.kind in {"small", "count"} and value and rng.random() < 0.5:
            high = str(int(value) * rng.choice((2, 4, 10)) + rng.choice((0, 1)) * 10)
            more.append(
                self.say(rng.choice(bank.RANGE), {"a": bank.ASK_RANGE}, self.env(name=name, about=o.about, low=rng.choice(("0", "1")), high=high), 1)
            )
        else:
            self.open += [rng.choice(bank.ASK_SINCE).format(name=name), rng.choice(bank.ASK_REPLACED).format(name=name)][: rng.randint(0, 2)]
        return head, text, value, more

    def extra(self, name, about, others):
        kind = self.rng.choices(range(len(bank.EXTRAS)), (3, 2, 1, 1, 0.4, 1.5, 1 if self.style == "key" else 0))[0]
        says, asks = bank.EXTRAS[kind]
        old = kind == 1
        switches = [n for o, n in others if n != name and (kind not in {3, 4} or not o.arg)]
        other = self.rng.choice(switches or [None])
        var = re.sub("[^A-Z0-9_]", "", f"{self.base['t']}_{re.sub('^--', '', name).replace('-', '_')}".upper())
        if other is None and not old:
            says, asks = bank.EXTRAS[0]
        elif old:
            new = self.rng.choice("new set use the my".split())
            other = (
                f"--{new}-{name[2:]}"
                if self.style == "flag"
                else f"{new}{name[0].upper()}{name[1:]}"
                if self.joint == "camel"
                else f"{new}{self.joint}{name}"
            )
        return self.say(self.rng.choice(says), asks, self.env(name=name, about=about, other=other, var=var, late=self.rng.choice(bank.LATE)), 1)

    def set_default(self, o, name, value, text):
        """`text` with {v} marked, asked for by name or in other words."""
        asks = list(self.rng.sample(o.default, min(2, len(o.default)))) + [self.rng.choice(bank.ASK_DEFAULT)]
        if o.kind is None:
            asks = ["Is {name} on by default?", "Do I have to turn on {name} myself?"]
        return self.say(text, {"d": tuple(asks)}, self.env(v=value, name=name, about=o.about), raw=text[0] == "«")

    def options_section(self, n, layout=None):
        rng, chosen = self.rng, self.take(n)
        layout = layout or rng.choice(
            ("man", "man", "help", "bullets", "table") if self.style == "flag" else ("blocks", "table", "sample", "bullets", "bullets")
        )
        names, out = chosen, []
        phrase, letters = rng.choice(bank.DEFAULTS), set()
        types = {"n": "integer", "time": "duration", "size": "size", "file": "path", "dir": "path", None: "boolean"}
        for o, name in chosen:
            head, text, value, more = self.option(o, name, names)
            mores = "".join(" " + m for m in more)
            given = phrase if rng.random() < 0.8 else rng.choice(bank.DEFAULTS)
            if layout == "table":
                cell = self.set_default(o, name, value, "«d:{v}»") if value else "-"
                out.append([head, types.get(o.arg, "string"), cell, text + mores])
                continue
            if layout == "blocks":
                cell = "\nDefault: " + self.set_default(o, name, value, "«d:{v}»") if value else ""
                out.append(f"{head}\nType: {types.get(o.arg, 'string')}{cell}\n{text}{mores}")
                continue
            if layout == "sample":
                cell = self.set_default(o, name, value, "«d:{v}»") if value else ""
                out.append(f"# {text}{mores}\n{'' if value else '#'}{head} = {cell}".rstrip())
                continue
            close = "" if not value else " " + self.set_default(o, name, value, given)
            arg = "" if not o.arg else f"=<{o.arg}>" if layout == "man" else "=" + o.arg.upper() if self.style == "flag" else ""
            letter = o.names[0] if self.style == "flag" and o.names[0] not in letters and rng.random() < 0.5 else ""
            letters.add(letter)
            short = f"-{letter}, " if letter else ""
            line = f"{text}{close}{mores}"
            out.append(
                f"  {short}{head}{arg}\n      {line}"
                if layout == "man"
                else f"  {short}{head}{arg}   {line}"
                if layout == "help"
                else f"{head}{arg}: {line}"
            )
        if layout == "table":
            return self.table([rng.choice(("Option", "Name", "Key")), "Type", "Default", "Meaning"], out)
        return (
            self.bullets(out)
            if layout == "bullets"
            else ("\n" if layout == "help" else rng.choice(("\n", "\n\n"))).join(out)
            if layout == "man" or layout == "help"
            else "\n\n".join(out)
        )

    # Statements

    def event(self, faq=False):
        i, e = self.events.pop()
        env = self.env()
        env["w"], env["d"] = self.fill(self.rng.choice(e.when), env), self.fill(self.rng.choice(e.does), env)
        if faq:
            first, *rest = e.asks
            return f"Q: {self.fill(first, env)}\nA: " + self.say(
                self.rng.choice(("It «{d}».", "In that case {t} «{d}».", "{T} «{d}».")), {"a": tuple(rest)}, env
            )
        text = self.say(self.rng.choice(bank.FRAMES), {"a": e.asks}, env)
        more = self.rng.random()
        if more < 0.15:
            env["x"] = (
                ("--" if self.style == "flag" else "")
                + self.rng.choice(("on-", "when-", "if-"))
                + self.rng.choice("trouble failure problem mishap accident doubt".split())
            )
            if env["x"] not in self.names:
                self.names.add(env["x"])
                text += " " + self.say(
                    self.rng.choice(
                        ("This can be changed by «{x}».", "Use «{x}» if you want something else.", "Another reaction may be chosen with «{x}».")
                    ),
                    {"a": ("How can I change what happens if {w}?", "What do I set to choose another reaction if {w}?")},
                    env,
                    1,
                )
        elif more < 0.35:
            env["x"] = f"{self.rng.choice('WENX')}{self.rng.randint(100, 9999)}"
            text += " " + self.say(
                self.rng.choice(
                    ("The log then contains the code «{x}».", "In the log you will find «{x}».", "It reports «{x}».", "Look for «{x}» in the log.")
                ),
                {"a": ("What code is logged if {w}?", "What do I find in the log when {w}?")},
                env,
                1,
            )
        return text

    def event_rows(self, n):
        rows = []
        for _, e in [self.events.pop() for _ in range(min(n, len(self.events)))]:
            env = self.env()
            rows.append([cap(self.fill(self.rng.choice(e.when), env)), self.say("«" + self.rng.choice(e.does) + "»", {"a": e.asks}, env)])
        return self.table(self.rng.choice((["Situation", "Reaction"], ["If", "then it"], ["Event", "What {t} does".format(t=self.base["t"])])), rows)

    def filler(self):
        """A sentence that answers nothing, not said before."""
        left = [x for x in bank.FILLER if x not in self.names]
        if not left:
            return self.event()
        self.names.add(x := self.rng.choice(left))
        return self.say(x, {})

    def fact(self):
        topic, says, asks = self.facts.pop()
        return self.say(self.rng.choice(says), asks)

    def about(self, theme, n):
        """Statements on one subject, in one or two paragraphs."""
        self.names.add(theme)
        chosen = [f for f in self.facts if f[0] in THEMES[theme]][:n]
        self.facts = [f for f in self.facts if f not in chosen]
        out = [self.say(self.rng.choice(says), asks) for _, says, asks in chosen]
        out += [self.event() for _ in range(max(0, 2 - len(out)))] + [self.filler() for _ in range(self.rng.randint(0, 1))]
        cut = self.rng.randint(1, len(out))
        return "\n\n".join(" ".join(p) for p in (out[:cut], out[cut:]) if p)

    def prose(self, n):
        rng, out = self.rng, []
        for _ in range(n):
            kind = rng.random()
            out.append(self.fact() if kind < 0.45 and self.facts else self.event() if kind < 0.85 and self.events else self.filler())
        parts = [out[i : i + 3] for i in range(0, len(out), 3)]
        return "\n\n".join(" ".join(dict.fromkeys(p)) for p in parts)

    def kinds(self):
        rng = self.rng
        one, many, members = self.lists.pop()
        self.lists = [x for x in self.lists if x[1] != many]
        few = sorted(rng.sample(range(len(members)), rng.randint(3, min(5, len(members)))))
        chosen, left = [members[i] for i in few], [m for i, m in enumerate(members) if i not in few]
        inline = rng.random() < 0.65
        listed = ", ".join(m[0] for m in chosen[:-1]) + rng.choice((" and ", ", and ")) + chosen[-1][0]
        asks = {
            "a": (f"What {many} are there?", f"Which {many} does {{T}} know?", f"List the {many}.", f"Which {many} can I choose from?"),
            "b": (f"How many {many} are there?", f"How many different {many} does it have?"),
        }
        start = rng.choice(
            (
                f"There are «b:{{c}}» {many}",
                f"{{T}} knows «b:{{c}}» {many}",
                f"You can choose among «b:{{c}}» {many}",
                f"«b:{{c}}» {many} are available",
            )
        )
        text = self.say(start + (": «a:{l}»." if inline else ":"), asks, self.env(c=COUNTS[len(chosen)], l=listed))
        if inline and rng.random() < 0.3:
            return text
        rows, joint = [], rng.choice((": ", " - ", " – "))
        for name, meaning, ask in chosen:
            env = self.env()
            a = self.say("«a:" + name + "»", {"a": (ask,)}, env, raw=self.low)
            b = self.say(
                "«a:" + meaning + "»",
                {"a": (f'What does "{name}" mean?', f"What is the {one} {name}?", f"What does {name} stand for?")},
                env,
                1,
                raw=True,
            )
            rows.append(a + joint + b)
        self.open += [self.fill(m[2], self.env()) for m in left]
        return text + "\n" + self.bullets(rows)

    def procedure(self):
        rng, p = self.rng, self.rng.choice(PROCEDURES)
        env = self.env()  # one conf, one mail; other values differ by step
        steps = [self.say(s, asks, Env(rng, dict(env))) for s, asks in p[1]]
        sign = rng.choice(("{}. ", "{}) ", "Step {}: ", "({}) "))
        return self.fill(rng.choice(p[0].split("|")), env), "\n".join(sign.format(i) + s for i, s in enumerate(steps, 1))

    def pairs(self, rows):
        """Names with descriptions, as a list or as in a man page."""
        kind = self.rng.randrange(3)
        return "\n".join(f"  {a}\n      {b}" if kind == 0 else f"{a}: {b}" if kind == 1 else f"- {a} - {b}" for a, b in rows)

    def files(self):
        rows = []
        chosen = self.rng.sample(bank.FILES, self.rng.randint(3, 6))
        for path, says, asks in chosen:
            env = self.env()
            path = self.rng.choice(path.split("|")).replace("{store}", self.base["store"].replace(" ", "-"))
            rows.append((self.say("«" + path + "»", {"a": asks}, env, raw=True), self.fill(self.rng.choice(says), env)))
        return self.pairs(rows)

    def exits(self):
        rng = self.rng
        chosen = [bank.EXITS[0]] + rng.sample(bank.EXITS[1:], rng.randint(3, 6))
        numbers = [0] + sorted(rng.sample((1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 20, 64, 65, 69, 70, 73, 75, 77), len(chosen) - 1))
        rows = []
        for (says, asks), n in zip(chosen, numbers):
            text = rng.choice(says)
            cut = text.rstrip(".")
            a = self.say(f"«{n}»", {"a": asks})
            b = self.say("«" + cut + "».", {"a": (f"What does exit status {n} mean?", f"It ended with code {n}, why?", f"Exit code {n}?")}, most=1)
            rows.append((a, b))
        absent = rng.choice([n for n in range(1, 90) if n not in numbers])
        self.open += [
            f"What does exit status {absent} mean?",
            *(self.fill(rng.choice(e[1]), self.env()) for e in rng.sample([e for e in bank.EXITS if e not in chosen], 2)),
        ]
        return self.pairs(rows)

    def variables(self):
        rng, rows = self.rng, []
        prefix = re.sub("[^A-Z0-9]", "", self.base["t"].upper())
        chosen = rng.sample(bank.ENVIRONMENT, rng.randint(2, 5))
        for names, says, asks in chosen:
            rows.append((self.say(f"«{prefix}_{rng.choice(names.split())}»", {"a": asks}), self.fill(rng.choice(says), self.env())))
        self.open += [self.fill(q, self.env()) for e in bank.ENVIRONMENT if e not in chosen for q in e[2] if "Which" in q][:2]
        return self.pairs(rows)

    def signals(self):
        chosen = self.rng.sample(bank.SIGNALS, self.rng.randint(2, 4))
        self.open += [s[2][0] for s in bank.SIGNALS if s not in chosen and "signal" in s[2][0]][:1]
        return self.pairs([(self.say(f"«{n}»", {"a": asks}), self.fill(self.rng.choice(says), self.env())) for n, says, asks in chosen])

    def errors(self, n):
        rng, rows = self.rng, []
        chosen = rng.sample(bank.ERRORS, n)
        coded, first = rng.random() < 0.4, rng.randint(100, 900)
        for k, (message, causes, remedies, asks) in enumerate(chosen):
            env = self.env()
            m, which = self.fill(message, env), rng.randrange(len(causes))  # each remedy is for the cause at its place
            env["m"], code = m, f"{'E' if first % 2 else 'ERR-'}{first + k * 7}"
            a = self.say("«" + message + "»", {"a": asks}, env, raw=True)
            if coded:
                a = self.say(f"«{code}»", {"a": (f'What is the code of "{m}"?',)}, env) + " " + a
            b = self.say("«" + causes[which] + "»", {"a": bank.ASK_CAUSE}, env, raw=self.low)
            c = self.say("«" + remedies[which] + "»", {"a": bank.ASK_REMEDY}, env, raw=self.low)
            rows.append([a, b, c])
        other = self.fill(rng.choice([e for e in bank.ERRORS if e not in chosen])[0], self.env())
        self.open += [rng.choice(bank.ASK_CAUSE).format(m=other), rng.choice(bank.ASK_REMEDY).format(m=other)]
        kind = rng.randrange(4)
        if kind == 0:
            return self.table(["Message", "Cause", "Remedy"], rows)
        if kind == 1:
            return "\n\n".join(f"{a}\n  Cause: {b}.\n  Remedy: {c}." for a, b, c in rows)
        if kind == 2:
            return "\n\n".join(f'"{a}"\n{cap(b)}. What to do: {c}.' for a, b, c in rows)
        return self.bullets([f"{a}: Possible reason: {b}. {cap(c)}." for a, b, c in rows])

    def glossary(self, n):
        rows = []
        for term, meaning, ask in self.terms[:n]:
            env = self.env()
            a = self.say(f"«{term}»", {"a": (ask,)}, env, raw=self.low)
            b = self.say(f"«{meaning}»", {"a": (f'What does "{term}" mean?', f"What is meant by {term}?", f"Define {term}.")}, env, raw=self.low)
            rows.append((a, b if self.low else b + "."))
        self.open += [f'What does "{t}" mean?' for t, _, _ in self.terms[n : n + 1]] + [
            self.fill(t[2], self.env()) for t in self.terms[n + 1 : n + 2]
        ]
        self.terms = self.terms[n + 2 :]
        return self.pairs(sorted(rows, key=lambda r: strip(r[0]).lower()))

    def commands(self):
        chosen = self.rng.sample(bank.COMMANDS, self.rng.randint(4, 9))
        self.open += [self.fill(q, self.env()) for c in bank.COMMANDS if c not in chosen for q in c[2] if q.startswith("Which")][:2]
        short, rows = self.rng.random() < 0.6, []
        for names, says, asks in chosen:
            name = self.rng.choice(names.split())
            rows.append((self.say(f"«{name}»" if short else f"«{{t}} {name}»", {"a": asks}, raw=True), self.fill(self.rng.choice(says), self.env())))
        return self.pairs(rows)

    def editions(self):
        rng = self.rng
        names = rng.choice(bank.EDITION_NAMES)
        chosen = rng.sample(bank.EDITIONS, rng.randint(2, 5))
        rows = []
        for row, values, asks in chosen:
            mine = [values[i] for i in sorted(rng.sample(range(len(values)), 3))]
            rows.append([row] + [self.say(f"«{v}»", {"a": asks}, self.env(e=e), 1, raw=True) for v, e in zip(mine, names)])
        self.open += [q.format(e=rng.choice(names)) for _, _, asks in bank.EDITIONS if _ not in [c[1] for c in chosen] for q in asks[:1]]
        self.open.append(rng.choice(chosen)[2][0].format(e=rng.choice(("Student", "Developer", "Ultimate"))))
        return self.table(["", *names], rows)

    def systems(self):
        rng, rows = self.rng, []
        chosen = rng.sample(bank.SYSTEMS, rng.randint(3, 5))
        prose = rng.random() < 0.3
        for name, versions, packages in chosen:
            env = self.env(s=name)
            version = self.say(
                "«" + rng.choice(versions) + "»",
                {
                    "a": (
                        "Which version of {s} do I need at least?",
                        "What is the oldest {s} that is supported?",
                        "Does it run on old versions of {s}, from which one on?",
                    )
                },
                env,
                1,
                raw=True,
            )
            package = self.say(
                "«" + rng.choice(packages) + "»",
                {"a": ("In what form does it come for {s}?", "Which kind of package is there for {s}?")},
                env,
                1,
                raw=True,
            )
            processor = self.say(
                "«" + rng.choice(bank.ARCHITECTURES) + "»",
                {"a": ("Which processors are supported on {s}?", "On what hardware does it run under {s}?")},
                env,
                1,
                raw=True,
            )
            rows.append(f"{name}: from version {version} on; {package}; processors: {processor}." if prose else [name, version, package, processor])
        self.open += [f"Which version of {n} do I need at least?" for n, _, _ in bank.SYSTEMS if n not in [c[0] for c in chosen]][:2]
        return self.bullets(rows) if prose else self.table(["System", "Oldest version", "Package", "Processors"], rows)

    def history(self):
        rng = self.rng
        if not self.past:
            return ""
        chosen = rng.sample(bank.CHANGES, rng.randint(4, 9))
        self.open += [self.fill(q, self.env()) for c in bank.CHANGES if c not in chosen for q in c[1][:1]][:2]
        major, minor, months, out = self.base["major"], rng.randint(0, 9), 12 * rng.randint(2019, 2025) + rng.randrange(12), []
        kind = rng.randrange(3)
        while chosen:
            few, chosen = chosen[: (k := rng.randint(1, 3))], chosen[k:]
            env = self.env(v=f"{major}.{minor}")
            month, year = needles.MONTHS[months % 12], months // 12
            asks = [q for c in few for q in c[1]]
            version = self.say("«{v}»", {"a": tuple(rng.sample(asks, min(3, len(asks))))}, env, 3)
            when = self.say(
                f"«{month} {year}»", {"a": ("When was version {v} published?", "When did {v} come out?", "What is the date of version {v}?")}, env, 1
            )
            lines = [self.say(rng.choice(says), {}) for says, _ in few]
            out.append(
                f"{('### ', '', 'Version ')[kind]}{version} ({when})\n" + "\n".join("- " + x for x in lines)
                if kind < 2
                else f"Version {version} ({when}): {' '.join(lines)}"
            )
            months -= rng.randint(1, 11)
            major, minor = (major - 1, rng.randint(3, 14)) if minor == 0 or rng.random() < 0.2 else (major, minor - 1)
        return "\n\n".join(out)

    def functions(self, n):
        rng, out = self.rng, []
        item, prefix = self.base["item"].replace(" ", "_"), re.sub("[^a-z0-9]", "", self.base["t"])
        style, chosen = rng.randrange(3), rng.sample(bank.FUNCTIONS, n)
        for verb, says, result, asks, back in chosen:
            noun = "" if verb in {"open", "close", "flush"} else item
            f = (
                f"{prefix}_{verb}{'_' + noun if noun else ''}"
                if style == 0
                else f"{verb}{'_' + noun if noun else ''}"
                if style == 1
                else verb + "".join(x.capitalize() for x in noun.split("_") if x)
            )
            env = self.env(f=f)
            name = strip(f)
            head, i = self.task.mark(name)
            self.asked += [(self.fill(q, env), i) for q in asks]
            args = rng.sample(bank.ARGUMENTS, rng.randint(1, 3))
            values = [self.default(a[3]) for a in args]
            shown = rng.random() < 0.4
            lines = [
                f"{head}({', '.join(([] if verb in {'open', 'count', 'flush', 'close'} else ['key']) + [a[0] for a in args])})",
                self.fill(rng.choice(says), env),
            ]
            for a, v in zip(args, values):
                given = self.say(rng.choice(("Default: «d:{v}».", "(default «d:{v}»)", "If omitted, «d:{v}».")), {"d": a[4]}, self.env(f=f, v=v))
                lines.append(f"  {a[0]} ({a[1]}): {a[2]}. {given}")
            if back:
                lines.append(
                    self.say(
                        rng.choice(("Returns: «{r}».", "Result: «{r}».", "Return value: «{r}».")),
                        {"a": back},
                        self.env(f=f, r=self.fill(result, env)),
                        1,
                    )
                )
            elif shown:
                lines.append("Returns nothing.")
            errors = rng.sample(bank.RAISES, rng.randint(1, 3))
            for names, whens, qs in errors:
                e = self.env(f=f)
                code, i = self.task.mark(rng.choice(names.split()))
                self.asked += [(self.fill(q, e), i) for q in qs[:1]]
                lines.append(f"  {rng.choice(('Error', 'Raises', 'Fails with'))} {code} if {self.fill(rng.choice(whens), e)}.")
            self.open += [q.format_map(env) for r in bank.RAISES if r not in errors for q in r[2]][:1] + [
                q.format_map(env) for a in bank.ARGUMENTS if a not in args for q in a[4]
            ][:1]
            out.append("\n".join(lines))
        self.open += [self.fill(f[3][0], self.env()) for f in bank.FUNCTIONS if f not in chosen][:2]
        return "\n\n".join(out)

    def faq(self, n):
        out = [self.event(faq=True) for _ in range(n)]
        for topic, says, asks in [f for f in self.facts if len(f[2].get("a", ())) > 1][: self.rng.randint(1, n)]:
            self.facts = [f for f in self.facts if f[0] != topic]
            env, (first, *rest) = self.env(), asks["a"]
            text = self.rng.choice(says)
            out.append(
                f"Q: {self.fill(first, env)}\nA: {self.say(text, {**asks, 'a': tuple(rest)}, env)}" if "«a:" in text else self.say(text, asks, env)
            )
        self.rng.shuffle(out)
        if self.rng.random() < 0.5:
            out = [x.replace("Q: ", "", 1).replace("\nA: ", "\n", 1) for x in out]
        return "\n\n".join(out)

    def what(self, man=False):
        noun, verb = self.field.what
        if man:
            return self.say(
                self.rng.choice(("{t} - «{x}»", "{t} – «{x}»")), {"a": ("What kind of program is {t}?", "What is {t}?")}, self.env(x=noun), 1
            )
        verb = (
            verb
            if re.match(r"(makes|delivers|translates|lets|runs|stands|converts|installs|synchronises|measures|reads|turns|connects|finds)", verb)
            else None
        )
        if verb and self.rng.random() < 0.5:
            return self.say("{T} «{x}».", {"a": ("What does {T} do?", "What is {T} good for?")}, self.env(x=verb), 1)
        return self.say("{T} is «{x}».", {"a": ("What is {T}?", "What kind of software is {T}?")}, self.env(x=noun), 1, raw=True)

    def section(self, title, text):
        if not text:
            return ""
        gap = "\n" if self.level in {"plain", "upper", "colon", "under"} and self.rng.random() < 0.7 else "\n\n"
        return self.head(title) + gap + text
