"""Writes questions with answers about passages, and keeps those that a reader finds again.

SmolLM2-135M is fine-tuned to write "A: answer / Q: question" pairs behind a passage of SQuAD (its training part), then
writes some for every passage of all sources; MiniLM, fine-tuned as a reader on the same data, answers each question,
and those are kept whose answer comes out again (as PAQ, Lewis et al. 2021, and RGX, Luo et al. 2022, filter theirs).

    python generate.py --data DATA --out OUT --minutes 5
"""

import argparse
import json
import lzma
import random
import re
import time
from multiprocessing import Pool
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import minilm
import scores
from smollm import SmolLm, Writer

PAIR = re.compile(r"A: (.+)\nQ: (.+)\n")
LONGEST = 256  # tokens of a passage

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--data", type=Path, required=True)
ap.add_argument("--out", type=Path, required=True)
ap.add_argument("--epochs", type=int, default=3)
ap.add_argument("--new", type=int, default=224, help="tokens written behind each passage")
ap.add_argument("--minutes", type=float, default=5, help="time for writing; passages come in random order")
ap.add_argument("--rows", type=int, default=1024)
ap.add_argument("--seed", type=int, default=1)
ap.add_argument("--small", action="store_true", help="a few steps of everything, to try the program")


def fine_tune(model, tokenizer, articles, epochs, rng, log, small):
    """`articles`: [(title, [(paragraph, [(question, [(answer, start)])])])]."""
    rows = []
    for _, paragraphs in articles:
        for text, questions in paragraphs:
            pairs = [(q.strip(), answers[0][0]) for q, answers in questions if answers]
            rows.append((text, pairs))
    if small:
        rows = rows[:192]
    passages = [e.ids[:LONGEST] for e in tokenizer.encode_batch([t + "\n\n" for t, _ in rows])]
    adam = torch.optim.AdamW(model.parameters(), 4e-4, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    size = 96
    total, step, mean = epochs * (len(rows) // size), 0, 0.0
    for _ in range(epochs):
        written = []
        for _, pairs in rows:
            rng.shuffle(pairs)
            written.append("".join(f"A: {a}\nQ: {q}\n" for q, a in pairs))
        sequences = [(p, e.ids[: 480 - len(p)]) for p, e in zip(passages, tokenizer.encode_batch(written))]
        order = sorted(range(len(rows)), key=lambda i: sum(map(len, sequences[i])) + rng.random() * 16)
        groups = [order[i : i + size] for i in range(0, len(order) - size + 1, size)]
        rng.shuffle(groups)
        for group in groups:
            width = max(sum(map(len, sequences[i])) for i in group)
            ids = torch.zeros(size, width, dtype=torch.long)
            use = torch.zeros(size, width, dtype=torch.bool)
            for r, i in enumerate(group):
                p, q = sequences[i]
                ids[r, : len(p) + len(q)] = torch.tensor(p + q)
                use[r, len(p) - 1 : len(p) + len(q) - 1] = True
            ids, use = ids.cuda(), use.cuda()
            for g in adam.param_groups:
                g["lr"] = 4e-4 * min(1, (step + 1) / 50) * (1 - step / (total + 1)) + 1e-6
            with torch.autocast("cuda", torch.bfloat16):
                x = model(ids)[use]
                target = ids[use.roll(1, 1)]
                loss = F.cross_entropy(model.logits(x).float(), target)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad(set_to_none=True)
            step += 1
            if step % 20 == 0:
                mean = mean * 0.8 + loss.item() * 0.2 if mean else loss.item()
            if step % 100 == 0:
                log(f"writer {step}/{total} loss {mean:.3f}")


def parse(job):
    """(passage, text written) -> [(question, start, answer)], each once, the answer word for word in the passage."""
    passage, written = job
    out, seen = [], set()
    for answer, question in PAIR.findall(written):
        question, answer = question.strip(), answer.strip()
        at = passage.find(answer)
        # Whole words only; of several places the first that is one.
        while at >= 0 and (passage[at - 1 : at].isalnum() or passage[at + len(answer) : at + len(answer) + 1].isalnum()):
            at = passage.find(answer, at + 1)
        if at < 0 or not 8 < len(question) < 200 or len(answer) > 120 or question.lower() in seen:
            continue
        if len(answer) > 3 and answer.lower() in question.lower():
            continue
        seen.add(question.lower())
        out.append((question, at, answer))
    return out


def compress(job):
    path, rows = job
    path.write_bytes(lzma.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(), preset=4))


def main():
    args = ap.parse_args()
    begin = time.time()
    log = lambda *a: print(f"[{time.time() - begin:6.1f}]", *a, flush=True)
    rng = random.Random(args.seed)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    squad = json.loads(lzma.open(args.data / "squad.json.xz").read())
    passages = json.loads(lzma.open(args.data / "passages.json.xz").read())
    tokenizer = Tokenizer.from_file(str(args.data / "smollm_tokenizer.json"))
    model = SmolLm.from_gguf(args.data / "smollm.gguf").cuda()
    log("loaded;", len(passages), "passages")
    fine_tune(model, tokenizer, squad["train"], 1 if args.small else args.epochs, rng, log, args.small)
    model = model.bfloat16().eval()

    order = list(range(len(passages)))
    rng.shuffle(order)
    if args.small:
        order = order[: 2 * args.rows]
    prompts = {i: e.ids for i, e in zip(order, tokenizer.encode_batch([passages[i][1] + "\n\n" for i in order]))}
    order = [i for i in order if len(prompts[i]) <= LONGEST]
    writer = Writer(model, args.rows, LONGEST, args.new)
    written, start = [], time.time()
    for at in range(0, len(order), args.rows):
        if time.time() - start > args.minutes * 60:
            break
        group = order[at : at + args.rows]
        for i, ids in zip(group, writer([prompts[i] for i in group])):
            written.append((i, tokenizer.decode(ids, skip_special_tokens=True)))
        if at // args.rows % 20 == 0:
            log(f"{len(written)} passages")
    with Pool(12) as pool:
        found = pool.map(parse, [(passages[i][1], w) for i, w in written], chunksize=512)
    rows = [(i, *q) for (i, _), qs in zip(written, found) for q in qs]
    log(f"{len(rows)} questions about {len(written)} passages, {sum(w.count(chr(10) + 'Q: ') for _, w in written)} written")
    for i, q, at, a in rng.sample(rows, min(12, len(rows))):
        log(repr(a), "|", q, "|", passages[i][0])
    del writer, model
    torch.cuda.empty_cache()
    if args.small and not (args.data / "minilm.npz").exists():
        return

    reader = minilm.Reader(args.data / "minilm.npz", args.data / "minilm_tokenizer.json", "cuda")
    items = [
        (q, text, answers[0][1], answers[0][1] + len(answers[0][0]))
        for _, paragraphs in squad["train"] for text, questions in paragraphs for q, answers in questions if answers
    ]
    held = rng.sample(items, 2000)
    skip = set(id(x) for x in held)
    items = [x for x in items if id(x) not in skip]
    reader.fit(items[:2000] if args.small else items, 1 if args.small else 2, rng, log=log)
    spans = reader.read(held, rng)
    f1 = sum(scores.f1(t[a:b], t[s:e]) for (q, t, s, e), (a, b, _) in zip(held, spans)) / len(held)
    log(f"reader: F1 {f1:.3f} on {len(held)} held-out training questions")
    spans = reader.read([(q, passages[i][1]) for i, q, *_ in rows], rng)
    log("read")
    kept = []
    for (i, q, at, a), (s, e, p) in zip(rows, spans):
        same = s < at + len(a) and at < e  # the same place, or the same words elsewhere
        f = scores.f1(passages[i][1][s:e], a)
        if f >= 0.6 if same else f == 1.0:
            kept.append([i, q, at if same else s, a if same else passages[i][1][s:e], round(p, 1)])
    kept.sort()
    log(f"{len(kept)} kept")
    args.out.mkdir(parents=True, exist_ok=True)
    parts = [kept[k::6] for k in range(6)]
    with Pool(6) as pool:
        pool.map(compress, [(args.out / f"questions.{args.seed}.{k}.json.xz", part) for k, part in enumerate(parts)])
    log("written")


if __name__ == "__main__":
    main()
