"""Batches: pools of segments, and questions about what stands in them, about what does not, and about what nearly does."""

import random

import numpy as np

import edits
import forms
import lexical
import synthetic
from data import ANSWER, END, LONGEST_ANSWER, LONGEST_QUESTION, PAD, QUESTION, token_span

WIDTH = 64  # tokens of a row of questions: marks, question, answer
SUPPORT = 6  # places that have to be read beside the answer's
ALTERNATIVES = 4  # of a reader's answers
KINDS = ["real", "generated", "cloze", "needle", "values", "track", "world", "table", "contract", "paper", "change", "software", "device", "record"]
KINDS += ["edited", "foreign"]
# Asked of their own document alone: "How much is the rent?" is a question about any lease.
OWN = {"contract", "paper", "change", "software", "device", "record"}
# Asked of all text but other documents with facts of their kind: "Where is Mary?" has one answer in every world.
APART = {"world"}


class Row:
    """A question: its tokens, those of its answer (none: the pool holds none), places of these in the pool, and of what else is needed;
    the chunks (first, end) that it is asked of, None for all; the number of its document among those that are asked apart, 0 for others."""

    __slots__ = ("kind", "text", "question", "answer", "gold", "support", "others", "own", "apart")

    def __init__(self, kind, text, question, answer=(), gold=(), support=(), others=None, own=None, apart=0):
        self.kind, self.text, self.question = kind, text, question
        self.answer, self.gold, self.support, self.others, self.own, self.apart = answer, gold, support, others, own, apart

    def fits(self):
        return len(self.question) + len(self.answer) + 2 < WIDTH


class Batcher:
    """Makes batches of n segments of L = overlap + segment tokens, and R rows of WIDTH tokens. `shares`: {source or "synthetic": weight};
    `kinds`: {kind of generated facts: weight}, those of synthetic.py if there are none."""

    def __init__(self, sources, shares, cfg, tokenizer, words, seed, kinds=None):
        self.sources = [s for s in sources if shares.get(s.name, 0) > 0]
        weights = [shares[s.name] for s in self.sources] + [shares.get("synthetic", 0)]
        self.shares = np.array(weights) / sum(weights)
        self.cfg, self.tokenizer, self.words, self.kinds = cfg, tokenizer, words, kinds
        self.rng, self.random = np.random.default_rng(seed), random.Random(seed)
        self.what = self.encode(" what")
        self.comma = self.encode(",")

    def encode(self, text):
        return np.array(self.tokenizer.encode(text, add_special_tokens=False).ids, np.int64)

    def asked(self, text, changed=0.3):
        return self.encode(" " + forms.vary(self.random, text, changed))

    def make(self, segments, questions, clozes, spans, teacher=None, foreign=12, edited=24, synthetic_rows=0.35):
        """`questions` rows are asked in words, `clozes` are clozes (and fill what is missing of the others), `spans` plain spans of text."""
        z, v, s = self.cfg["segment_size"], self.cfg["segment_overlap"], self.cfg["chunk_size"]
        self.ids = np.zeros((segments, v + z), np.int64)
        self.mask = np.zeros((segments, v + z), np.float32)
        self.lm = np.full((segments, z), -100, np.int64)
        self.first = np.zeros((segments, z // self.cfg["chunk_size"]), bool)  # chunks that something begins with
        self.apart = np.zeros((segments, z // self.cfg["chunk_size"]), np.int64)
        natural, made, hidden, seen, at = [], [], [], set(), 0
        while at < segments:
            k = self.rng.choice(len(self.shares), p=self.shares)
            if k == len(self.sources):
                at += self.synthetic(at, segments - at, made)
            else:
                at += self.stretch(self.sources[k], at, segments - at, natural, hidden, seen)
        self.random.shuffle(made)
        made = made[: int(questions * synthetic_rows)]
        room = questions - len(made) - foreign - edited
        self.random.shuffle(natural)
        rows = made + [self.natural(*n) for n in natural[:room]]
        rows += self.edited(natural[:room], edited) + self.foreign(seen, foreign)
        rows = [r for r in rows if r.fits()]
        self.random.shuffle(rows)
        count = len(rows)
        self.random.shuffle(hidden)
        rows += [r for r in (self.cloze(*h) for h in hidden[: clozes + questions - count]) if r.fits()]
        return self.arrays(rows, count, questions + clozes + spans, segments, teacher)

    # -- text

    def place(self, at, tokens, first, end, m):
        """Segments of tokens[first:end] from segment `at` of the pool on."""
        z, v = self.cfg["segment_size"], self.cfg["segment_overlap"]
        self.first[at, 0] = True
        for i in range(m):
            p = first + i * z
            part = tokens[p : min(p + z, end)]
            self.ids[at + i, v : v + len(part)] = part
            self.mask[at + i, v:] = 1
            if i:
                self.ids[at + i, :v] = tokens[p - v : p]
                self.mask[at + i, :v] = 1
            following = tokens[p + 1 : min(p + z + 1, end)]
            self.lm[at + i, : len(following)] = following

    def stretch(self, source, at, room, natural, hidden, seen):
        """Some segments of one document; now and then many, so that chunks of the same article compete."""
        z = self.cfg["segment_size"]
        doc = int(self.rng.integers(len(source.ends) - 1))
        seen.add((source.name, doc))
        first, last = int(source.ends[doc]), int(source.ends[doc + 1])
        m = min(room, int(self.rng.integers(2, 7)) if self.rng.random() < 0.6 else int(self.rng.integers(7, 21)))
        lo = int(self.rng.integers(first, max(first + 1, last - m * z // 2)))
        if self.rng.random() < 0.25 or last - first <= m * z:
            lo = first
        m = max(1, min(m, -(-(last - lo) // z)))
        hi, base = min(last, lo + m * z), at * z
        a, b = np.searchsorted(source.spans[:, 0], (lo, hi))
        natural += [(source, k, base - lo, doc) for k in range(a, b) if source.spans[k, 1] <= hi]
        a, b = np.searchsorted(source.cloze[:, 0], (lo, hi))
        hidden += [(source, k, base - lo) for k in range(a, b) if source.cloze[k, 2] >= lo and source.cloze[k, 3] <= hi]
        self.place(at, source.tokens, lo, hi, m)
        return m

    def synthetic(self, at, room, made):
        """A document of generated facts in text of some source."""
        z = self.cfg["segment_size"]
        source = self.sources[self.rng.integers(len(self.sources))]
        m = min(room, int(self.rng.integers(1, 5) if self.rng.random() < 0.8 else self.rng.integers(5, 17)))
        length = int(self.rng.integers(0, m * z)) if self.rng.random() < 0.9 else 0
        p = int(self.rng.integers(0, max(1, len(source.tokens) - length)))
        text = self.tokenizer.decode(source.tokens[p : p + length].tolist())
        document = synthetic.document(self.random, self.words, text.replace("\ufffd", ""), self.kinds)
        e = self.tokenizer.encode(document.text, add_special_tokens=False)
        m = min(room, max(1, -(-len(e.ids) // z)))
        tokens, base = np.array(e.ids[: m * z], np.int64), at * z
        self.place(at, tokens, 0, len(tokens), m)
        chunks = z // self.cfg["chunk_size"]
        number = at + 1 if any(q.kind in APART for q in document.questions) else 0
        self.apart[at : at + m] = number
        for q in document.questions:
            own = (at * chunks, (at + m) * chunks) if q.kind in OWN else None
            apart = number if q.kind in APART else 0
            places = [token_span(e, *a) for a in q.answers]
            support = [token_span(e, *a)[0] for a in q.support]
            if any(j > len(tokens) for _, j in places) or any(p >= len(tokens) for p in support):
                continue
            answer, gold = [], []
            for n, (i, j) in enumerate(places):
                if n:
                    answer.append(self.comma)
                    gold.append([gold[-1][-1]])
                answer.append(tokens[i:j])
                gold.append(range(base + i, base + j))
            question = self.asked(q.text)
            flat = [int(t) for g in gold for t in g]
            said = np.concatenate(answer) if answer else ()
            made.append(Row(q.kind, q.text, question, said, flat, [base + p for p in support], own=own, apart=apart))
        return m

    # -- questions

    def natural(self, source, k, shift, doc):
        i, j = map(int, source.spans[k])
        if i == j:
            return Row("edited", source.texts[k], self.asked(source.texts[k])[:LONGEST_QUESTION], support=[i + shift])
        others = None
        if source.alternatives is not None:
            others = [(source.tokens[i + a : i + a + n].astype(np.int64), p) for a, n, p in source.alternatives(k)]
        question = self.asked(source.texts[k])[:LONGEST_QUESTION]
        kind = "real" if source.real[k] else "generated"
        return Row(kind, source.texts[k], question, source.tokens[i:j].astype(np.int64), list(range(i + shift, j + shift)), others=others)

    def edited(self, natural, count):
        """Questions changed so that the passage that they are about does not answer them."""
        names, out = {}, []
        natural = [n for n in natural if n[0].spans[n[1], 0] < n[0].spans[n[1], 1]]
        for source, k, _, doc in natural:
            names.setdefault((source.name, doc), []).extend(edits.names(source.texts[k]))
        for source, k, shift, doc in self.random.sample(natural, min(len(natural), 3 * count)):
            i, j = map(int, source.spans[k])
            passage = self.tokenizer.decode(source.tokens[max(source.ends[doc], i - 160) : min(source.ends[doc + 1], j + 160)].tolist())
            text = edits.impossible(self.random, source.texts[k], passage, names[source.name, doc])
            if text and len(out) < count:
                out.append(Row("edited", text, self.asked(text)[:LONGEST_QUESTION], support=[i + shift]))
        return out

    def foreign(self, seen, count):
        """Questions about documents that are not in the pool."""
        out = []
        share = np.array([weight * (len(s.texts) > 0) for s, weight in zip(self.sources, self.shares)])
        while share.any() and len(out) < count:
            source = self.sources[self.rng.choice(len(share), p=share / share.sum())]
            k = int(self.rng.integers(len(source.texts)))
            doc = int(np.searchsorted(source.ends, source.spans[k, 0], "right")) - 1
            if (source.name, doc) not in seen:
                out.append(Row("foreign", source.texts[k], self.asked(source.texts[k])[:LONGEST_QUESTION]))
        return out

    def cloze(self, source, k, shift):
        rng = self.rng
        i, j, a, b = map(int, source.cloze[k])
        left, right = source.tokens[a:i], source.tokens[j:b]
        if rng.random() < 0.3:
            left = left[-int(rng.integers(1, 12)) :]
        if rng.random() < 0.3:
            right = right[: int(rng.integers(1, 12))]
        keep = 1 - rng.choice([0, 0.1, 0.3])
        left, right = left[rng.random(len(left)) < keep], right[rng.random(len(right)) < keep]
        parts = [left, self.what, right] if rng.random() < 0.6 else [self.what, left, right]
        question = np.concatenate(parts).astype(np.int64)[:LONGEST_QUESTION]
        return Row("cloze", None, question, source.tokens[i:j].astype(np.int64), list(range(i + shift, j + shift)))

    # -- arrays

    def arrays(self, rows, asked, total, segments, teacher):
        """The batch. For R rows of W tokens, of which the first `rows` are questions and the first `asked` asked in words:

        qs, use (R, W); target (R, W) next token or -100; gold (R, W) its place in the pool, behind the last one that one, -1 for none;
        last (R) place of the token that asks; support (R, SUPPORT) places or -1; kind (R); some (R, W, ALTERNATIVES) next tokens
        that a reader expects, with probabilities `share`, which are all 0 where none is known; own (R, 2) the chunks that a question is
        asked of, 0 to C for all; apart (R) and apart_chunks (C): a question with a number is not asked of chunks that have another one, 0 for
        none; words (C, MOST_WORDS) of the chunks and
        asked_words (R, MOST_WORDS) of the questions, as lexical.py counts them; follows (C) whether a chunk goes on where the one before it ends.
        """
        z, v, s = self.cfg["segment_size"], self.cfg["segment_overlap"], self.cfg["chunk_size"]
        qs = np.zeros((total, WIDTH), np.int64)
        use = np.zeros((total, WIDTH), bool)
        target = np.full((total, WIDTH), -100, np.int64)
        gold = np.full((total, WIDTH), -1, np.int64)
        last = np.zeros(total, np.int64)
        support = np.full((total, SUPPORT), -1, np.int64)
        kind = np.full(total, -1, np.int64)
        own = np.tile(np.array([0, segments * z // s], np.int64), (total, 1))
        apart = np.zeros(total, np.int64)
        some = np.zeros((total, WIDTH, ALTERNATIVES), np.int64)
        share = np.zeros((total, WIDTH, ALTERNATIVES), np.float32)
        rows = rows[:total]
        for r, row in enumerate(rows):
            n, l = len(row.question) + 1, len(row.answer)
            qs[r, :n] = [QUESTION, *row.question]
            qs[r, n], qs[r, n + 1 : n + 1 + l] = ANSWER, row.answer
            use[r, : n + 1 + l] = True
            last[r] = n
            target[r, n : n + l], target[r, n + l] = row.answer, END
            if l:
                gold[r, n : n + l], gold[r, n + l] = row.gold, row.gold[-1]
            needed = row.support[:SUPPORT]
            support[r, : len(needed)] = needed
            kind[r] = KINDS.index(row.kind)
            own[r], apart[r] = row.own or own[r], row.apart
            for t in range(l + 1) if row.others else ():
                fit = [(int(o[t]) if len(o) > t else END, p) for o, p in row.others if len(o) >= t and np.array_equal(o[:t], row.answer[:t])]
                for a, (token, p) in enumerate(fit[:ALTERNATIVES]):
                    some[r, n + t, a], share[r, n + t, a] = token, p
        kept = len(rows)
        texts = [row.text for row in rows]
        for r in range(kept, total):  # plain spans of the pool, for the embeddings alone
            l = int(self.rng.integers(6, 24))
            p = int(self.rng.integers(v, v + z - l))
            sequence = [QUESTION, *self.ids[self.rng.integers(segments), p : p + l], ANSWER]
            qs[r, : len(sequence)] = sequence
            last[r] = len(sequence) - 1
            texts.append(None)
        share /= np.maximum(share.sum(-1, keepdims=True), 1e-6)
        chunks = self.ids[:, v:].reshape(-1, s)
        batch = dict(ids=self.ids, mask=self.mask, lm=self.lm, qs=qs, use=use, target=target, gold=gold, last=last, support=support, kind=kind)
        batch |= dict(own=own, apart=apart, apart_chunks=self.apart.reshape(-1), some=some, share=share, real=(chunks != PAD).any(1), rows=kept, asked=min(asked, kept))
        lists = chunks.tolist() + [qs[r, 1 : last[r]].tolist() for r, t in enumerate(texts) if t is None]
        decoded = self.tokenizer.decode_batch(lists, skip_special_tokens=True)
        rest = iter(decoded[len(chunks) :])
        asks = [next(rest) if t is None else t for t in texts]
        word = lambda these: np.array([lexical.buckets(t) for t in these], np.int16)
        batch |= dict(words=word(decoded[: len(chunks)]), asked_words=word(asks), follows=~self.first.reshape(-1))
        if teacher is not None:
            batch["teacher"] = teacher(decoded[: len(chunks)] + asks)
        return batch
