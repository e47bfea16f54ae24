"""Packs what a leg of training needs, as small as it goes: texts as tokens, the teacher in eight bits, a checkpoint.

    python pack.py --data DATA --out PACK                       data.xz, minilm.npz, tokenizers: about 48 MB
    python pack.py --checkpoint checkpoint.pt --out PACK        checkpoint.pt without what is soon learned again: about 44 MB
"""

import argparse
import collections
import io
import json
import lzma
import random
import re
import shutil
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import data

HELD_OUT = 8  # articles of SQuAD's training part that are never trained on: limits are chosen by them
WRITTEN = Path(__file__).with_name("written")
SMALL = ["tokenizer.json", "minilm_tokenizer.json", "impossible-dev.json"]


def words(passages, least=12, most=20_000):
    """Common lower-case words of three to eleven letters."""
    counts = collections.Counter()
    for _, text in passages:
        counts.update(re.findall(r"\b[a-z]{3,11}\b", text))
    return sorted(w for w, c in counts.most_common(most) if c >= least)


def build(folder, rng, small=False):
    """(sources, words, dev articles, held-out articles) of what prepare.py and generate.py wrote."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    squad = data.open_xz(folder / "squad.json.xz")
    passages = data.open_xz(folder / "passages.json.xz")
    questions = [q for path in sorted(folder.glob("questions.*.xz")) for q in data.open_xz(path)]
    kept, more = {}, {}
    for q in questions:
        kind = passages[q[0]][0].split(":")[0]
        kept.setdefault(kind, []).append(q)
        if kind == "squad":
            more.setdefault(passages[q[0]][1], []).append((q[1], q[2], q[3]))
    held, train = squad["train"][-HELD_OUT:], squad["train"][:-HELD_OUT]
    if small:
        train, held, squad["dev"] = train[:10], held[:1], squad["dev"][:1]
        passages = [p if i % 40 == 0 else ("", "") for i, p in enumerate(passages)]
    sources = [data.Source.of("squad", data.squad(train, more), tokenizer, rng)]
    for kind in ("hotpot", "manual", "book"):
        documents = data.generated(passages, kept.get(kind, []), kind, rng)
        if documents:
            sources.append(data.Source.of(kind, documents, tokenizer, rng, cloze=True))
    # Last, so that the others are cut into tokens and clozes as they are without it.
    if documents := data.written(passages, WRITTEN):
        sources.append(data.Source.of("written", documents, tokenizer, rng, cloze=True))
    return sources, words(passages), squad["dev"], held


def write(path, sources, vocabulary, dev, held):
    """One compressed file."""
    arrays = {}
    for source in sources:
        arrays |= source.arrays()
    arrays["names"] = np.array([s.name for s in sources])
    text = json.dumps(dict(words=vocabulary, dev=dev, held=held), ensure_ascii=False)
    arrays["text"] = np.frombuffer(text.encode(), np.uint8)
    raw = io.BytesIO()
    np.savez(raw, **arrays)
    path.write_bytes(lzma.compress(raw.getvalue(), preset=9))


def read(path):
    file = np.load(io.BytesIO(lzma.open(path).read()))
    text = json.loads(file["text"].tobytes())
    return [data.Source.from_arrays(str(n), file) for n in file["names"]], text["words"], text["dev"], text["held"]


def eight_bits(source, path):
    """Matrices int8 by rows, as `minilm.load` takes them."""
    file, out = np.load(source), {}
    for name in file.files:
        value = file[name]
        if value.ndim == 2 and not name.endswith((".q", ".s")):
            value = value.astype(np.float32)
            scale = np.maximum(np.abs(value).max(1, keepdims=True), 1e-8) / 127
            out[f"{name}.q"], out[f"{name}.s"] = np.round(value / scale).astype(np.int8), scale.astype(np.float32)
        else:
            out[name] = value
    np.savez_compressed(path, **out)


def slim(checkpoint, path):
    """Without AdamW's states (mostly those of the embeddings): they are there again after some dozen steps."""
    checkpoint = torch.load(checkpoint, weights_only=False)
    checkpoint["moments"] = {n: m for n, m in checkpoint.get("moments", {}).items() if len(m) == 1}
    torch.save(checkpoint, path)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=Path)
    ap.add_argument("--checkpoint", type=Path)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.data:
        built = build(args.data, random.Random(args.seed))
        write(args.out / "data.xz", *built)
        eight_bits(args.data / "minilm.npz", args.out / "minilm.npz")
        for name in SMALL:
            shutil.copyfile(args.data / name, args.out / name)
        for s in built[0]:
            print(f"{s.name}: {len(s.tokens):,} tokens, {len(s.texts):,} questions, {len(s.cloze):,} clozes")
    if args.checkpoint:
        slim(args.checkpoint, args.out / "checkpoint.pt")
    for path in sorted(args.out.iterdir()):
        print(f"{path.stat().st_size / 1e6:6.1f} MB {path.name}")


if __name__ == "__main__":
    main()
