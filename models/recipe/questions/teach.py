"""What a better reader would answer: MiniLM, fine-tuned on SQuAD, reads every question with the text around its answer, and its best
spans with their probabilities become part of what the model is trained towards (RGX, Luo et al. 2022, and others found that
a small reader learns more from a teacher's distribution than from the one right answer).

    python teach.py --pack PACK --seconds 240

writes PACK/alternatives.npz, which train.py takes if it is there.
"""

import argparse
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import minilm
import pack
from data import LONGEST_ANSWER, token_span
from pools import ALTERNATIVES

DEVICE = os.environ.get("RAMBA_DEVICE", "cuda")
AROUND = 200  # tokens of text that the reader sees


class Alternatives:
    """k -> [(first token, counted from the answer's; tokens; probability)] of question k."""

    def __init__(self, first, length, share):
        self.first, self.length, self.share = first, length, share

    def __call__(self, k):
        return [(int(a), int(n), float(p)) for a, n, p in zip(self.first[k], self.length[k], self.share[k]) if n and p > 0.01]


def attach(sources, path):
    if path.exists():
        file = np.load(path)
        for s in sources:
            if f"{s.name}.first" in file:
                s.alternatives = Alternatives(*(file[f"{s.name}.{part}"] for part in ("first", "length", "share")))
                assert len(s.alternatives.first) == len(s.texts), f"{path} is of other questions than {s.name} has"


def windows(source, chosen, tokenizer, rng):
    """(question, text, start, end of the answer in it, first token of the text) of the questions `chosen`."""
    decode = lambda a, b: tokenizer.decode(source.tokens[a:b].tolist())
    for k in chosen:
        i, j = map(int, source.spans[k])
        doc = int(np.searchsorted(source.ends, i, "right")) - 1
        a = max(int(source.ends[doc]), i - rng.randint(10, AROUND - 30))
        b = min(int(source.ends[doc + 1]), a + AROUND)
        start = len(decode(a, i))
        yield source.texts[k], decode(a, b), start, start + len(decode(i, j)), a


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pack", type=Path, required=True)
    ap.add_argument("--epochs", type=int, default=2)
    ap.add_argument("--seconds", type=float, default=240, help="reading stops then; questions that were not read have no alternatives")
    ap.add_argument("--most", type=int, help="questions to train on and to read, to try the program")
    args = ap.parse_args()
    begin, rng = time.time(), random.Random(5)
    log = lambda *a: print(f"[{time.time() - begin:6.1f}]", *a, flush=True)
    torch.set_float32_matmul_precision("high")
    tokenizer = Tokenizer.from_file(str(args.pack / "tokenizer.json"))
    sources, *_ = pack.read(args.pack / "data.xz")
    squad = next(s for s in sources if s.name == "squad")
    real = np.flatnonzero(squad.real).tolist()
    rng.shuffle(real)
    held, real = real[:1000][: args.most], real[1000:][: args.most]
    reader = minilm.Reader(args.pack / "minilm.npz", args.pack / "minilm_tokenizer.json", DEVICE)
    items = [w[:4] for w in windows(squad, real, tokenizer, rng)]
    log(f"{len(items)} questions to learn from")
    reader.fit(items, args.epochs, rng, log=log)
    test = list(windows(squad, held, tokenizer, rng))
    best = reader.best([w[:2] for w in test], 1, rng)
    same = sum(a < e and s < b for (_, _, s, e, _), [(a, b, _)] in zip(test, best))
    log(f"the best span touches the answer of {same / len(test):.3f} of {len(test)} questions held back")
    out = {}
    for source in sources:
        n = len(source.texts)
        first, length, share = np.zeros((n, ALTERNATIVES), np.int16), np.zeros((n, ALTERNATIVES), np.int8), np.zeros((n, ALTERNATIVES), np.float16)
        order = list(range(n))
        rng.shuffle(order)
        done = 0
        for lo in range(0, len(order[: args.most]), 20_000):
            if time.time() - begin > args.seconds:
                break
            chosen = order[: args.most][lo : lo + 20_000]
            seen = list(windows(source, chosen, tokenizer, rng))
            encodings = tokenizer.encode_batch([w[1] for w in seen], add_special_tokens=False)
            for k, (*_, a), e, spans in zip(chosen, seen, encodings, reader.best([w[:2] for w in seen], ALTERNATIVES, rng)):
                if not np.array_equal(e.ids, source.tokens[a : a + len(e.ids)]):
                    continue  # cut apart otherwise at the window's edge
                # It has learned the real ones by heart: their distribution is made wider.
                logp = np.array([p for *_, p in spans]) / (2 if source.real[k] else 1)
                p = np.exp(logp - logp.max())
                for c, (s, t, _) in enumerate(spans):
                    i, j = token_span(e, s, t)
                    if 0 < j - i <= LONGEST_ANSWER:
                        first[k, c], length[k, c], share[k, c] = a + i - source.spans[k, 0], j - i, p[c] / p.sum()
                done += 1
        out |= {f"{source.name}.first": first, f"{source.name}.length": length, f"{source.name}.share": share}
        top = share.argmax(1)
        rows = np.arange(n)
        agree = ((first[rows, top] == 0) & (length[rows, top] == source.spans[:, 1] - source.spans[:, 0]))[share.max(1) > 0].mean() if done else 0
        log(f"{source.name}: {done} of {n} read, {agree:.3f} answered with exactly the known span")
    np.savez_compressed(args.pack / "alternatives.npz", **out)
    log("written:", (args.pack / "alternatives.npz").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
