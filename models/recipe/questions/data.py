"""Documents with questions, as tokens; and batches of them: pools of segments, and questions about what stands in them.

Every source becomes one long list of tokens in which each document is a range, and each question knows the tokens of its
answer there. Sources: SQuAD (its training part), generated questions (generate.py), and cloze questions: an entity or
a number of a sentence is replaced by "what".
"""

import bisect
import json
import lzma
import random
import re

import numpy as np
from tokenizers import Tokenizer

PAD, END, QUESTION, ANSWER = 0, 1, 2, 3
LONGEST_QUESTION, LONGEST_ANSWER = 30, 16
WIDTH = 48  # tokens of a row of questions: marks, question, answer
CANDIDATE = re.compile(r"\b(?:[A-Z][\w'-]+(?: (?:of |the |and |de )?[A-Z][\w'-]+)*|\d[\d,.]*\d%?|[a-z]{5,})\b")
SENTENCE = re.compile(r"[^.!?]+[.!?]+")


def open_xz(path):
    return json.loads(lzma.open(path).read())


class Source:
    """`documents`: lists of (passage, [(question, start, answer)]), positions in characters of the passage."""

    def __init__(self, name, documents, tokenizer, rng, cloze=False):
        self.name = name
        texts, marks = [], []
        for passages in documents:
            text, own = "", []
            for passage, questions in passages:
                own += [(q, len(text) + at, len(text) + at + len(a)) for q, at, a in questions]
                text += passage + "\n\n"
            texts.append(text)
            marks.append(own)
        tokens, ends, at = [], [0], 0
        spans, asked, self.cloze = [], [], []
        for lo in range(0, len(texts), 4096):
            for text, own, e in zip(
                texts[lo : lo + 4096], marks[lo : lo + 4096], tokenizer.encode_batch(texts[lo : lo + 4096], add_special_tokens=False)
            ):
                starts, stops = [o[0] for o in e.offsets], [o[1] for o in e.offsets]
                place = lambda a, b: (bisect.bisect_right(stops, a), bisect.bisect_left(starts, b))
                for q, a, b in own:
                    i, j = place(a, b)
                    if 0 < j - i <= LONGEST_ANSWER:
                        spans.append((at + i, at + j))
                        asked.append(q)
                if cloze:
                    self.cloze += [tuple(at + x for x in place(*m) + place(*s)) for m, s in clozes(text, rng)]
                tokens.append(np.array(e.ids, np.int32))
                at += len(e.ids)
                ends.append(at)
        self.tokens, self.ends = np.concatenate(tokens), np.array(ends)
        order = sorted(range(len(spans)), key=lambda k: spans[k])
        self.spans = np.array([spans[k] for k in order], np.int64).reshape(-1, 2)
        texts = [asked[k].strip() for k in order]
        self.texts = texts
        self.questions = []
        for lo in range(0, len(texts), 100_000):
            batch = tokenizer.encode_batch([" " + q for q in texts[lo : lo + 100_000]], add_special_tokens=False)
            self.questions += [np.array(e.ids, np.int32) for e in batch]
        self.cloze = np.array(sorted(c for c in self.cloze if 0 < c[1] - c[0] <= 10), np.int64).reshape(-1, 4)


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


def squad(articles):
    out = []
    for title, paragraphs in articles:
        passages = [(title.replace("_", " "), [])]
        for text, questions in paragraphs:
            passages.append((text, [(q, a[0][1], a[0][0]) for q, a in questions if a]))
        out.append(passages)
    return out


def generated(passages, questions, kind, rng):
    """Documents of the passages whose source begins with `kind`: those of one page together, others in groups of a dozen."""
    about = {}
    for i, q, at, a, _ in questions:
        about.setdefault(i, []).append((q, at, a))
    documents, last = [], None
    chosen = [i for i, (name, _) in enumerate(passages) if name.startswith(kind)]
    rng.shuffle(chosen)
    for n, i in enumerate(chosen):
        if n % 12 == 0:
            documents.append([])
        name, text = passages[i]
        title = name.split(":", 1)[1]
        head = title + "\n" if kind == "hotpot" and not text.startswith(title) else ""
        documents[-1].append((head + text, [(q, at + len(head), a) for q, at, a in about.get(i, [])]))
    return documents


class Batcher:
    """Pools of segments and questions about them. Shapes: n segments, L = overlap + segment tokens, Q rows of WIDTH."""

    def __init__(self, sources, shares, cfg, tokenizer, seed):
        self.sources, self.shares, self.cfg = sources, np.array(shares) / sum(shares), cfg
        self.tokenizer = tokenizer
        self.rng, self.random = np.random.default_rng(seed), random.Random(seed)
        self.what = tokenizer.encode(" what", add_special_tokens=False).ids

    def make(self, segments, questions, clozes, spans, teacher=None):
        z, ov, s = self.cfg["segment_size"], self.cfg["segment_overlap"], self.cfg["chunk_size"]
        rng = self.rng
        ids = np.zeros((segments, ov + z), np.int64)
        mask = np.zeros((segments, ov + z), np.float32)
        lm = np.full((segments, z), -100, np.int64)
        asked, hidden, at = [], [], 0
        while at < segments:
            source = self.sources[rng.choice(len(self.sources), p=self.shares)]
            doc = rng.integers(len(source.ends) - 1)
            first, last = source.ends[doc], source.ends[doc + 1]
            m = min(segments - at, int(rng.integers(2, 7)))
            lo = int(rng.integers(first, max(first + 1, last - m * z // 2)))
            if rng.random() < 0.25:
                lo = first
            m = max(1, min(m, -(-(last - lo) // z)))
            hi, base = min(last, lo + m * z), at * z
            a, b = np.searchsorted(source.spans[:, 0], (lo, hi))
            asked += [(source, k, lo, base) for k in range(a, b) if source.spans[k, 1] <= hi]
            a, b = np.searchsorted(source.cloze[:, 0], (lo, hi))
            hidden += [(source, k, lo, base) for k in range(a, b) if source.cloze[k, 2] >= lo and source.cloze[k, 3] <= hi]
            for i in range(m):
                p = lo + i * z
                part = source.tokens[p : min(p + z, hi)]
                ids[at, ov : ov + len(part)] = part
                mask[at, ov:] = 1
                if i:
                    ids[at, :ov] = source.tokens[p - ov : p]
                    mask[at, :ov] = 1
                following = source.tokens[p + 1 : min(p + z + 1, hi)]
                lm[at, : len(following)] = following
                at += 1
        rows = []  # (question, answer, first token of the answer in the pool, text or None)
        self.random.shuffle(asked)
        for source, k, lo, base in asked[:questions]:
            i, j = source.spans[k]
            q = source.questions[k]
            text = source.texts[k]
            if rng.random() < 0.15:  # as people type: without a question mark, in lower case
                text = text.rstrip("?").rstrip().lower() if rng.random() < 0.6 else text.rstrip("?").rstrip()
                q = np.array(self.tokenizer.encode(" " + text, add_special_tokens=False).ids, np.int32)
            rows.append((q[:LONGEST_QUESTION], source.tokens[i:j], base + i - lo, text))
        real_questions = len(rows)
        self.random.shuffle(hidden)
        for source, k, lo, base in hidden[: clozes + max(0, questions - len(rows))]:
            i, j, a, b = source.cloze[k]
            left, right = source.tokens[a:i], source.tokens[j:b]
            if rng.random() < 0.3:
                left = left[-int(rng.integers(1, 12)) :]
            if rng.random() < 0.3:
                right = right[: int(rng.integers(1, 12))]
            keep = 1 - rng.choice([0, 0.1, 0.3])
            left, right = left[rng.random(len(left)) < keep], right[rng.random(len(right)) < keep]
            parts = [left, self.what, right] if rng.random() < 0.6 else [self.what, left, right]
            q = np.concatenate(parts).astype(np.int32)[:LONGEST_QUESTION]
            rows.append((q, source.tokens[i:j], base + i - lo, None))
        total = questions + clozes + spans
        qs = np.zeros((total, WIDTH), np.int64)
        use = np.zeros((total, WIDTH), bool)
        target = np.full((total, WIDTH), -100, np.int64)
        gold = np.full((total, WIDTH), -1, np.int64)  # place in the pool of the token wanted next; after the last: that one
        last = np.zeros(total, np.int64)
        texts = []
        for r, (q, answer, where, text) in enumerate(rows):
            sequence = np.concatenate([[QUESTION], q, [ANSWER], answer])
            n, l = len(q) + 1, len(answer)
            qs[r, : len(sequence)], use[r, : len(sequence)] = sequence, True
            last[r] = n
            target[r, n : n + l], target[r, n + l] = answer, END
            gold[r, n : n + l + 1] = where + np.minimum(np.arange(l + 1), l - 1)
            texts.append(text)
        kept = len(rows)
        for r in range(kept, total):  # plain spans of the pool, for the embeddings alone
            l = int(rng.integers(6, 24))
            p = int(rng.integers(ov, ov + z - l))
            sequence = np.concatenate([[QUESTION], ids[rng.integers(segments), p : p + l], [ANSWER]])
            qs[r, : len(sequence)] = sequence
            last[r] = len(sequence) - 1
            texts.append(None)
        chunks = ids[:, ov:].reshape(-1, s)
        real = (chunks != PAD).any(1)
        batch = dict(ids=ids, mask=mask, lm=lm, qs=qs, use=use, target=target, gold=gold, last=last, real=real)
        batch["rows"], batch["asked"] = kept, real_questions
        if teacher is not None:
            lists = chunks.tolist() + [qs[r, 1 : last[r]].tolist() for r, t in enumerate(texts) if t is None]
            texts_of = self.tokenizer.decode_batch(lists, skip_special_tokens=True)
            rest = iter(texts_of[len(chunks) :])
            batch["teacher"] = teacher(texts_of[: len(chunks)] + [next(rest) if t is None else t for t in texts])
        return batch
