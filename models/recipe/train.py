"""Train the small RAMba that ships.

    python train.py --books DIR --tokenizer tokenizer.json --config small.json --minutes 90 --out runs/small

The schedule is in minutes of wall time, so that the same command makes the best of any machine. See README.md of
this folder for the recipe and its reasons.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

import tasks
from batches import Batcher, load_books
from model import Ramba
from muon import Muon


def stage(progress, rng, scale):
    """What a batch is made of at this share of the run: dense and short first, then like real documents.

    `scale` multiplies its size.
    """
    if progress < 0.12:
        return dict(segments=6 * scale, questions=96 * scale, density=1.2, siblings=0.1, doc_segments=(1, 3))
    if progress < 0.4:
        size = dict(segments=12 * scale, questions=96 * scale, doc_segments=(1, 8))
        return dict(size, density=rng.choice([1.2, 0.8, 0.5]), siblings=0.25)
    size = dict(segments=10 * scale, questions=128 * scale, doc_segments=(1, 8))
    return dict(size, density=rng.choice([1.4, 1.0, 0.6, 0.4]), siblings=rng.choice([0.1, 0.4]))


def producer(queue, cfg, tokenizer, books, seed, progress, scale):
    torch.set_num_threads(1)
    folder = Path(books)
    batcher = Batcher(cfg, tokenizer, load_books(folder), tasks.word_list(folder), seed)
    rng = random.Random(seed + 1)
    while True:
        queue.put(batcher.make(**stage(progress.value, rng, scale)))


def losses(model, b, lm_segments):
    cfg = model.cfg
    v, s = cfg["segment_overlap"], cfg["chunk_size"]
    # Read: lower half and encoder of every segment.
    lower = model.read(b.ids, b.mask)
    memory = model.memories(lower[:, v:])
    # Ask: questions start from zero state and see every chunk of the pool.
    q = model.read(b.questions)
    flat = b.use.flatten()
    visible = b.real[None] & ~b.hide
    visible = visible[:, None].expand(-1, b.use.shape[1], -1).flatten(0, 1)[flat]
    x, [(scores, ids, weights, atts)] = model.answer(q, b.use, memory, visible)
    target = b.targets.flatten()[flat]
    at = target >= 0
    logits = model.logits(x[at])
    answer = F.cross_entropy(logits, target[at])
    # Retrieval: the chunk of the wanted digit above all others, and calibrated for stick-breaking.
    chunk = b.chunk.flatten(0, 1)[flat][at]  # (T, 2)
    row = b.row.flatten(0, 1)[flat][at]
    sc, vis = scores[at], visible[at]
    positive = torch.zeros_like(vis)
    for e in range(2):
        has = chunk[:, e] >= 0
        positive[has.nonzero()[:, 0], chunk[has, e]] = True
    # A fact cut by a chunk border leaves relevant rows in the neighbour too: neither wanted nor punished.
    near = positive.roll(1, 1) | positive.roll(-1, 1)
    hard = sc.masked_fill(~vis, -1e4)
    nce = (hard.logsumexp(-1) - hard.masked_fill(~positive, -1e4).logsumexp(-1)).mean()
    best = hard.masked_fill(~positive, -1e4).amax(-1)
    negative = vis & ~positive & ~near
    cal = F.softplus(2 - best).mean() + F.softplus(hard + 3).masked_fill(~negative, 0).sum(-1).mean() * 0.3
    # Reading inside the chunk: some head of some layer looks at the digit's own row.
    att_loss, found = 0.0, 0
    idt = ids[at]
    mass = 0
    for att in atts:
        a = att[at].transpose(1, 2)  # (T, H, K, S)
        m = 0
        for e in range(2):
            hit = (idt == chunk[:, e : e + 1]) & (row[:, e : e + 1] >= 0)  # (T, K)
            j = hit.float().argmax(-1)
            t = torch.arange(len(j))
            m = m + a[t, :, j, row[:, e].clamp(min=0)] * hit.any(-1, keepdim=True)
        mass = mass + m.mean(-1)
    ok = mass > 0
    att_loss = -(mass[ok] / len(atts)).clamp(min=1e-6).log().mean() if ok.any() else torch.zeros(())
    # Language modelling on a few whole segments, HSA reading earlier chunks of the pool.
    lm = torch.zeros(())
    if lm_segments:
        pick = torch.randperm(b.ids.shape[0])[:lm_segments]
        length = b.ids.shape[1]
        use = torch.zeros(len(pick), length, dtype=torch.bool)
        use[:, v:] = b.lm[pick] >= 0
        chunks = torch.arange(len(b.real))
        pos = (pick[:, None] * cfg["segment_size"] + torch.arange(length)[None] - v).flatten()[use.flatten()]
        vis = ((chunks[None] + 1) * s <= pos[:, None]) & b.real[None]
        x, _ = model.answer(lower[pick], use, memory, vis, b.mask[pick])
        lm = F.cross_entropy(model.logits(x), b.lm[pick][use[:, v:]])
    with torch.no_grad():
        right = logits.argmax(-1) == target[at]
        which = torch.arange(b.use.shape[0])[:, None].expand_as(b.use).flatten()[flat][at]
        wrong = torch.zeros(b.use.shape[0]).index_add_(0, which, (~right).float())
        whole = (wrong == 0).float()
        found = ((idt[:, :, None] == chunk[:, None]) & (chunk[:, None] >= 0)).any(-1).any(-1).float().mean()
        top1 = positive.gather(1, hard.argmax(-1, keepdim=True)).float().mean()
        stats = dict(
            exact=whole.mean(), bare=whole[b.kind == 0].mean(), keyed=whole[b.kind == 1].mean(), digit=right.float().mean(),
            found=found, top1=top1, wsum=weights[at].sum(-1).mean(), mass=mass[ok].mean() / len(atts),
        )
    return dict(answer=answer, nce=nce, cal=cal, att=att_loss, lm=lm), stats


def save(model, path):
    """A crash while writing leaves the file of before."""
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    partial = path.with_suffix(".partial")
    torch.save({"config": model.cfg, "state": state}, partial)
    partial.rename(path)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--books", type=Path, required=True)
    ap.add_argument("--tokenizer", required=True)
    ap.add_argument("--config", type=Path, required=True)
    ap.add_argument("--minutes", type=float, default=90)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--lr", type=float, default=0.02, help="Muon, for matrices")
    ap.add_argument("--adam-lr", type=float, default=3e-3)
    ap.add_argument("--lm-segments", type=int, default=1)
    ap.add_argument("--init", type=Path, help="start from the weights of a checkpoint")
    ap.add_argument("--start", type=float, default=0.0, help="start at this share of the curriculum")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--device", default="cpu", help="cpu or cuda")
    ap.add_argument("--scale", type=int, default=1, help="size of a batch; 3 suits a large GPU")
    ap.add_argument("--workers", type=int, default=1, help="processes that make batches")
    args = ap.parse_args()
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)
    cfg = json.loads(args.config.read_text())
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_default_device(args.device)
    model = Ramba(cfg)
    if args.init:
        model.load_state_dict(torch.load(args.init, map_location=args.device)["state"])
    hidden, other = [], []
    for name, p in model.named_parameters():
        (hidden if p.dim() == 2 and "embeddings" not in name else other).append(p)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    muon = Muon(hidden, args.lr)
    adam = torch.optim.AdamW(other, args.adam_lr, betas=(0.9, 0.95), weight_decay=0.0)

    ctx = mp.get_context("spawn")
    queue, progress = ctx.Queue(3 * args.workers), ctx.Value("d", args.start)
    for i in range(args.workers):
        seed = args.seed + 1000 * i
        data = (queue, cfg, args.tokenizer, str(args.books), seed, progress, args.scale)
        ctx.Process(target=producer, args=data, daemon=True).start()
    begin, step, mean, tokens = time.time(), 0, {}, 0
    while (p := args.start + (1 - args.start) * (time.time() - begin) / 60 / args.minutes) < 1:
        progress.value = p
        b = queue.get().to(args.device)
        warm = min(1, (step + 1) / 100)
        factor = warm * min(1, (1 - p) / 0.4) + 1e-3
        for opt, lr in ((muon, args.lr), (adam, args.adam_lr)):
            for g in opt.param_groups:
                g["lr"] = lr * factor
        parts, stats = losses(model, b, args.lm_segments * args.scale)
        guide = 1.0 if p < 0.6 else 0.3
        loss = parts["answer"] + 0.3 * parts["nce"] + 0.1 * parts["cal"] + 0.2 * guide * parts["att"] + 0.15 * parts["lm"]
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        muon.step()
        adam.step()
        model.zero_grad(set_to_none=True)
        step += 1
        tokens += b.ids.numel() + b.questions.numel()
        news = {**{k: x.detach() for k, x in parts.items()}, **stats, "norm": norm}
        for k, x in zip(news, torch.stack(list(news.values())).tolist()):
            if not math.isnan(x):
                mean[k] = mean[k] * 0.95 + x * 0.05 if k in mean else x
        if step % (25 * args.scale) == 0:
            t = time.time() - begin
            print(
                f"{t / 60:6.1f} min {step:6d} {p:.3f} {tokens / t:6.0f} tok/s q={queue.qsize()} "
                + " ".join(f"{k} {x:.3f}" for k, x in mean.items()),
                flush=True,
            )
        if step % 200 == 0:
            save(model, args.out / "checkpoint.pt")
    save(model, args.out / "final.pt")


if __name__ == "__main__":
    main()
