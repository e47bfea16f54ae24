"""Read held-out text of a given length with facts hidden in it, then ask: the share answered exactly.

    python evaluate.py --checkpoint runs/small/final.pt --tokenizer tokenizer.json \
        --books TRAIN --haystack TEST --lengths 4096,65536 --facts 100 --per-document 10

The document is read once (lower half and encoder), every question is then asked of the stored memories, as the
runtime does. Keys use words of --books; the text comes from --haystack, repeated where it is too short.
"""

import argparse
import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer

import tasks
from batches import ANSWER, END, PAD, QUESTION, load_books
from model import Ramba


@torch.no_grad()
def read(model, ids):
    """Memories of a document: keys, values (C, S, G, d), landmarks (C, R)."""
    cfg = model.cfg
    z, v, s = cfg["segment_size"], cfg["segment_overlap"], cfg["chunk_size"]
    real = -(-len(ids) // s)
    ids = ids + [PAD] * (-len(ids) % z)
    doc = torch.tensor(ids).view(-1, z)
    n = len(doc)
    run = torch.full((n, v), PAD)
    run[1:] = doc[:-1, z - v :]
    mask = torch.ones(n, v + z)
    mask[0, :v] = 0
    out = []
    for at in range(0, n, 16):
        part = slice(at, at + 16)
        x = model.read(torch.cat([run[part], doc[part]], 1), mask[part])[:, v:]
        out.append(model.memories(x))
    return [torch.cat(m)[:real] for m in zip(*out)]


@torch.no_grad()
def ask(model, memory, prompt, limit=10):
    ids = list(prompt)
    out = []
    while len(out) < limit:
        x = model.read(torch.tensor([ids]))
        use = torch.ones(1, len(ids), dtype=torch.bool)
        visible = torch.ones(len(ids), len(memory[0]), dtype=torch.bool)
        h, traces = model.answer(x, use, memory, visible)
        top = int(model.logits(h[-1]).argmax())
        if not out:
            first = traces[0]
        if top == END:
            break
        out.append(top)
        ids.append(top)
    return out, set(first[1][-1].tolist()), first[2][-1].sum().item()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument("--tokenizer", required=True)
    ap.add_argument("--books", type=Path, required=True)
    ap.add_argument("--haystack", type=Path, required=True)
    ap.add_argument("--lengths", default="4096,65536")
    ap.add_argument("--facts", type=int, default=100)
    ap.add_argument("--per-document", type=int, default=10)
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--verbose", action="store_true")
    args = ap.parse_args()
    torch.set_flush_denormal(True)
    tok = Tokenizer.from_file(args.tokenizer)
    saved = torch.load(args.checkpoint)
    model = Ramba(saved["config"])
    model.load_state_dict(saved["state"])
    words = tasks.word_list(args.books)
    text = "\n\n".join(load_books(args.haystack))
    for length in map(int, args.lengths.split(",")):
        rng = random.Random(args.seed)
        right = asked = 0
        by = {}
        while asked < args.facts:
            facts = [tasks.fact(rng, words, bare=True)]
            while len(facts) < args.per_document:
                f = tasks.fact(rng, words)
                if f.question.startswith(("What is the special", "What is the pass key of")):
                    facts.append(f)
            start = rng.randrange(len(text) // 2)
            chars = int(length * 2.69) - 80 * len(facts)
            hay = (text[start:] + text * (chars // len(text) + 1))[:chars]
            cuts = sorted((hay.find(" ", rng.randrange(len(hay) - 100)), f) for f in facts)
            parts, last = [], 0
            for cut, f in sorted(cuts, key=lambda c: c[0]):
                parts += [hay[last:cut], " ", f.text]
                last = cut
            enc = tok.encode("".join(parts) + hay[last:], add_special_tokens=False)
            memory = read(model, enc.ids)
            for f in facts:
                q = [QUESTION, *tok.encode(f.question, add_special_tokens=False).ids, ANSWER]
                out, chunks, total = ask(model, memory, q)
                got = tok.decode(out)
                ok = got == f.number
                right += ok
                asked += 1
                kind = "bare" if not f.key else ("magic" if "magic" in f.question else "pass")
                by.setdefault(kind, []).append(ok)
                if args.verbose and not ok:
                    print(f"  {f.key!r} wanted {f.number} got {got!r} weights {total:.3f}")
        kinds = {k: f"{sum(v)}/{len(v)}" for k, v in by.items()}
        print(json.dumps({"tokens": len(enc.ids), "asked": asked, "right": right, "kinds": kinds}), flush=True)


if __name__ == "__main__":
    main()
