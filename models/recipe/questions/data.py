"""Documents with questions, as tokens.

Every source becomes one long list of tokens in which each document is a range, and each question knows the tokens of its
answer there. Sources: SQuAD (its training part) with real and generated questions; passages of Wikipedia, manuals and books with
generated ones (generate.py); and cloze questions: an entity or a number of a sentence is replaced by "what".
"""

import bisect
import json
import lzma
import re

import numpy as np

PAD, END, QUESTION, ANSWER = 0, 1, 2, 3
LONGEST_QUESTION, LONGEST_ANSWER = 30, 16
CANDIDATE = re.compile(r"\b(?:[A-Z][\w'-]+(?: (?:of |the |and |de )?[A-Z][\w'-]+)*|\d[\d,.]*\d%?|[a-z]{5,})\b")
SENTENCE = re.compile(r"[^.!?]+[.!?]+")
TOGETHER = 12  # passages of a document that is made of passages
START = 40  # characters that tell passages of one name apart


def open_xz(path):
    return json.loads(lzma.open(path).read())


def token_span(encoding, a, b):
    """The tokens that hold the characters a..b."""
    return bisect.bisect_right(encoding.offsets, a, key=lambda o: o[1]), bisect.bisect_left(encoding.offsets, b, key=lambda o: o[0])


class Source:
    """Documents one after the other: `tokens` (T) of 16 bits, `ends` (documents + 1).

    `spans` (questions, 2): the tokens of each answer, in order of place; `texts`: the questions; `real`: whether people asked them;
    `cloze` (n, 4): tokens of an answer and of the sentence around it.
    """

    FIELDS = ("tokens", "ends", "spans", "real", "cloze")

    def __init__(self, name, texts, **arrays):
        self.name, self.texts = name, texts
        for field in self.FIELDS:
            setattr(self, field, arrays[field])
        self.alternatives = None  # (first token, length, probability) of what a reader would answer: see teach.py

    @classmethod
    def of(cls, name, documents, tokenizer, rng, cloze=False):
        """`documents`: lists of (passage, [(question, start, answer, whether people asked it)]), positions in characters of the passage.
        A question with an empty answer is about the passage, which does not answer it: its span is empty."""
        texts, marks = [], []
        for passages in documents:
            text, own = "", []
            for passage, questions in passages:
                own += [(q.strip(), len(text) + at, len(text) + at + len(a), real) for q, at, a, real in questions]
                text += passage + "\n\n"
            texts.append(text)
            marks.append(own)
        tokens, ends, at, asked, hidden = [], [0], 0, [], []
        for lo in range(0, len(texts), 4096):
            encodings = tokenizer.encode_batch(texts[lo : lo + 4096], add_special_tokens=False)
            for text, own, e in zip(texts[lo : lo + 4096], marks[lo : lo + 4096], encodings):
                starts, stops = [o[0] for o in e.offsets], [o[1] for o in e.offsets]
                place = lambda a, b: (bisect.bisect_right(stops, a), bisect.bisect_left(starts, b))
                for q, a, b, real in own:
                    i, j = place(a, b) if a < b else (bisect.bisect_right(stops, a),) * 2
                    if 0 < j - i <= LONGEST_ANSWER or a == b:
                        asked.append((at + i, at + j, q, real))
                if cloze:
                    hidden += [tuple(at + x for x in place(*m) + place(*s)) for m, s in clozes(text, rng)]
                tokens.append(np.array(e.ids, np.uint16))
                at += len(e.ids)
                ends.append(at)
        asked.sort(key=lambda a: a[:2])
        return cls(
            name,
            [a[2] for a in asked],
            tokens=np.concatenate(tokens),
            ends=np.array(ends, np.int32),
            spans=np.array([a[:2] for a in asked], np.int32).reshape(-1, 2),
            real=np.array([a[3] for a in asked], bool),
            cloze=np.array(sorted(c for c in hidden if 0 < c[1] - c[0] <= 10), np.int32).reshape(-1, 4),
        )

    def arrays(self):
        """Everything, as arrays that compress well: places as differences."""
        out = {f"{self.name}.{f}": getattr(self, f) for f in ("tokens", "ends", "real")}
        for field in ("spans", "cloze"):
            value = getattr(self, field).copy()
            value[:, 1:] -= value[:, :1]
            value[1:, 0] -= value[:-1, 0].copy()
            out[f"{self.name}.{field}"] = value
        out[f"{self.name}.texts"] = np.frombuffer("\n".join(self.texts).encode(), np.uint8)
        return out

    @classmethod
    def from_arrays(cls, name, file):
        fields = {f: file[f"{name}.{f}"] for f in cls.FIELDS}
        for field in ("spans", "cloze"):
            value = fields[field]
            value[:, 0] = value[:, 0].cumsum()
            value[:, 1:] += value[:, :1]
        text = file[f"{name}.texts"].tobytes().decode()
        return cls(name, text.split("\n") if text else [], **fields)


def clozes(text, rng):
    """(answer, sentence), each as (start, end), at most one a sentence."""
    for s in SENTENCE.finditer(text):
        if not 40 < s.end() - s.start() < 260:
            continue
        found = [m for m in CANDIDATE.finditer(text, s.start(), s.end()) if m.start() > s.start() + 3]
        names = [m for m in found if not m.group()[0].islower()]
        found = names if names and rng.random() < 0.85 else found
        if found:
            yield rng.choice(found).span(), s.span()


def squad(articles, more=()):
    """Documents of SQuAD's articles. `more`: {paragraph: [(question, start, answer)]} that was generated."""
    more, out = dict(more), []
    for title, paragraphs in articles:
        passages = [(title.replace("_", " "), [])]
        for text, questions in paragraphs:
            real = [(one_line(q), a[0][1], a[0][0], True) for q, a in questions if a]
            passages.append((text, real + [(one_line(q), at, a, False) for q, at, a in more.get(text, [])]))
        out.append(passages)
    return out


def one_line(text):
    return " ".join(text.split())


def generated(passages, questions, kind, rng):
    """Documents of a dozen passages whose source begins with `kind`, of one origin or about alike things, so that what does not
    answer a question looks much like what does."""
    about = {}
    for i, q, at, a, _ in questions:
        about.setdefault(i, []).append((one_line(q), at, a, False))
    chosen = [i for i, (name, _) in enumerate(passages) if name.startswith(kind)]
    if kind == "hotpot":
        groups = alike([passages[i][1] for i in chosen], rng)
        groups = [[chosen[k] for k in g] for g in groups]
    else:
        chosen.sort(key=lambda i: passages[i][0])
        groups = [chosen[k : k + TOGETHER] for k in range(0, len(chosen), TOGETHER)]
    documents = []
    for group in groups:
        documents.append([])
        for i in group:
            name, text = passages[i]
            title = name.split(":", 1)[1]
            head = title + "\n" if kind == "hotpot" and not text.startswith(title) else ""
            documents[-1].append((head + text, [(q, at + len(head), a, real) for q, at, a, real in about.get(i, [])]))
    return documents


def written(passages, folder):
    """Documents of the passages that questions were written about by hand: the files of `folder` hold JSON lines of `name` and `starts` of a
    passage and `questions`, [question, answer], the answer null where the passage does not hold one."""
    place = {}
    for name, text in passages:
        place.setdefault((name, text[:START]), text)
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for row in map(json.loads, path.read_text().splitlines()):
            text, questions = place.get((row["name"], row["starts"][:START])), []
            for question, answer in row["questions"] if text else ():
                at = word_place(text, answer) if answer else len(text) // 2
                if at >= 0:
                    questions.append((one_line(question), at, answer or "", True))
            if questions:
                found.append((text, questions))
    return [found[k : k + TOGETHER] for k in range(0, len(found), TOGETHER)]


def word_place(text, answer):
    """Where `answer` stands in `text` as whole words, or -1."""
    m = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text)
    return m.start() if m else -1


def alike(texts, rng, width=64):
    """Groups of up to TOGETHER texts that share rare words: halves of halves of random projections of their words."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    words = {}
    bags = [[words.setdefault(w, len(words)) for w in sorted(set(re.findall(r"[A-Za-z]{3,}|\d{4}", t.lower())))] for t in texts]
    counts = np.bincount(np.concatenate(bags), minlength=len(words))
    weight = np.log(len(texts) / (1 + counts)).clip(min=0)
    weight[counts < 2] = 0
    table = numbers.standard_normal((len(words), width), dtype=np.float32) * weight[:, None].astype(np.float32)
    vectors = np.stack([table[b].sum(0) for b in bags])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    out, todo = [], [np.arange(len(texts))]
    while todo:
        group = todo.pop()
        if len(group) <= TOGETHER:
            out.append(group.tolist())
            continue
        # Towards the one of two far members that is nearer.
        one = vectors[group[numbers.integers(len(group))]]
        other = vectors[group[(vectors[group] @ one).argmin()]]
        order = group[np.argsort(vectors[group] @ (one - other))]
        todo += [order[: len(order) // 2], order[len(order) // 2 :]]
    rng.shuffle(out)
    return out
