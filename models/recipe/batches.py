"""Training batches: a pool of document segments, and questions about the facts in them.

Documents are cut into segments of `segment_size` tokens with `segment_overlap` tokens of run-in, as the runtime
reads them; all chunks of all documents of a batch form one pool, so that every question has to find its chunk
among those of unrelated documents too.
"""

import bisect
import random
from dataclasses import dataclass, fields

import numpy as np
import torch
from tokenizers import Tokenizer

import tasks

PAD, END, QUESTION, ANSWER = 0, 1, 2, 3
CHARS_PER_TOKEN = 2.75


@dataclass
class Batch:
    ids: torch.Tensor  # (segments, V + Z) token ids, the first V are run-in
    mask: torch.Tensor  # (segments, V + Z) float, 0 for run-in before the start of a document
    lm: torch.Tensor  # (segments, Z) next tokens, -100 where there is none
    real: torch.Tensor  # (chunks) bool, chunks with at least one token that is not padding
    questions: torch.Tensor  # (questions, Lq) ids, right-padded
    use: torch.Tensor  # (questions, Lq) bool
    targets: torch.Tensor  # (questions, Lq) next token of answer positions, else -100
    chunk: torch.Tensor  # (questions, Lq, 2) chunks that hold the target digit, -1 for none
    row: torch.Tensor  # (questions, Lq, 2) and its row in the chunk, -1 for none
    hide: torch.Tensor  # (questions, chunks) bool, chunks that this question must not see
    kind: torch.Tensor  # (questions) 0 without key, 1 promised formats, 2 others

    def to(self, device):
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))


class Batcher:
    def __init__(self, cfg, tokenizer: str, books: list[str], words: list[str], seed: int):
        self.cfg, self.books, self.words = cfg, books, words
        self.tok = Tokenizer.from_file(tokenizer)
        self.rng = random.Random(seed)

    def tokens_of(self, text):
        enc = self.tok.encode(text, add_special_tokens=False)
        return enc.ids, [o[0] for o in enc.offsets]

    def make(self, segments: int, questions: int, density: float, siblings: float, doc_segments: tuple[int, int]) -> Batch:
        """`density`: facts per chunk; `siblings`: share of keys that resemble another key of the batch."""
        rng, cfg = self.rng, self.cfg
        z, v, s = cfg["segment_size"], cfg["segment_overlap"], cfg["chunk_size"]
        per_seg = z // s
        ids = np.full((segments, v + z), PAD, np.int64)
        mask = np.zeros((segments, v + z), np.float32)
        lm = np.full((segments, z), -100, np.int64)
        real = np.zeros(segments * per_seg, bool)
        used, asked, at = set(), [], 0
        bare_chunks = []
        while at < segments:
            m = min(segments - at, rng.randint(*doc_segments))
            want = m * z - (rng.randrange(s) if rng.random() < 0.7 else 0)
            n = max(1, round(density * m * per_seg * rng.uniform(0.6, 1.4)))
            facts = []
            if rng.random() < 0.8:
                facts.append(tasks.fact(rng, self.words, bare=True))
            while len(facts) < n:
                key = None
                if used and rng.random() < siblings:
                    key = tasks.sibling_key(rng, rng.choice(list(used)[-8:]), self.words)
                f = tasks.fact(rng, self.words, key)
                if f.key not in used:
                    used.add(f.key)
                    facts.append(f)
            text, spans = tasks.document(rng, self.books, self.words, facts, int(want * CHARS_PER_TOKEN))
            tok, starts = self.tokens_of(text)
            tok = tok[:want]
            doc = np.full(m * z, PAD, np.int64)
            doc[: len(tok)] = tok
            for i in range(m):
                lo = i * z
                ids[at + i, v:] = doc[lo : lo + z]
                mask[at + i, v:] = 1
                if i:
                    ids[at + i, :v] = doc[lo - v : lo]
                    mask[at + i, :v] = 1
                nxt = doc[lo + 1 : lo + z + 1]
                real_next = max(0, min(z, len(tok) - lo - 1))
                lm[at + i, :real_next] = nxt[:real_next]
            base = at * per_seg
            real[base : base + -(-len(tok) // s)] = True
            for f, sp in zip(facts, spans):
                digits = []
                for a, b in sp:
                    first = bisect.bisect_left(starts, a)
                    # a byte-level token of several bytes repeats its start: take the token that starts here
                    place = [first + j for j in range(b - a)]
                    if place[-1] < len(tok):
                        digits.append([(base + p // s, p % s) for p in place])
                if digits:
                    asked.append((f, digits))
                    if not f.key:
                        bare_chunks.append((len(asked) - 1, {c for d in digits for c, _ in d}))
            # facts that were cut away in part still occupy chunks; they are merely never asked
            at += m

        pick = list(range(len(asked)))
        rng.shuffle(pick)
        bare = [i for i, _ in bare_chunks]
        pick = (bare + pick) if rng.random() < 0.5 else pick
        pick = (pick * (questions // max(1, len(pick)) + 1))[:questions]
        rows = []
        for i in pick:
            f, digits = asked[i]
            q = [QUESTION, *self.tok.encode(f.question, add_special_tokens=False).ids, ANSWER]
            a = [*self.tok.encode(f.number, add_special_tokens=False).ids, END]
            assert len(a) == len(f.number) + 1
            rows.append((f, digits, q, a, i))
        width = max(len(q) + len(a) - 1 for _, _, q, a, _ in rows)
        nq = len(rows)
        out = np.full((nq, width), PAD, np.int64)
        use = np.zeros((nq, width), bool)
        targets = np.full((nq, width), -100, np.int64)
        chunk = np.full((nq, width, 2), -1, np.int64)
        row = np.full((nq, width, 2), -1, np.int64)
        hide = np.zeros((nq, len(real)), bool)
        kind = np.zeros(nq, np.int64)
        for r, (f, digits, q, a, i) in enumerate(rows):
            seq = q + a[:-1]
            out[r, : len(seq)] = seq
            use[r, : len(seq)] = True
            first = len(q) - 1
            targets[r, first : first + len(a)] = a
            for e, place in enumerate(digits[:2]):
                for j in range(len(a)):
                    c, p = place[min(j, len(place) - 1)]
                    chunk[r, first + j, e] = c
                    row[r, first + j, e] = p if j < len(place) else -1
            if not f.key:
                for k, chunks in bare_chunks:
                    if k != i:
                        hide[r, list(chunks)] = True
                own = {c for d in digits for c, _ in d}
                hide[r, list(own)] = False
            kind[r] = 0 if not f.key else (1 if f.question.startswith("What is the special") or "pass key of" in f.question else 2)
        t = torch.from_numpy
        return Batch(t(ids), t(mask), t(lm), t(real), t(out), t(use), t(targets), t(chunk), t(row), t(hide), t(kind))


def load_books(folder):
    return [p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.txt"))]
