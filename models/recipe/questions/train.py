"""Trains a model that answers questions about documents, in legs that resume.

    python train.py --data DATA --init checkpoint.pt --minutes 8 --out runs/next
    torchrun --nproc-per-node 2 train.py …

A leg starts from a checkpoint (weights, and optimizer states if it has them) and writes one at its end. Its learning rate
goes linearly from `--rate-from` to `--rate-to` of the full one, after a short warm-up. README.md tells what is trained and why.
"""

import argparse
import json
import math
import os
import random
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parent.parent))
import data
import minilm
import reread
from evaluate import DEVICE, evaluate
from model import EncoderLayer, Mamba, Ramba


def options():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=Path, required=True)
    start = ap.add_mutually_exclusive_group(required=True)
    start.add_argument("--init", type=Path, help="checkpoint to go on from")
    start.add_argument("--config", type=Path, help="shape of a new model, with word embeddings from MiniLM's")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--minutes", type=float, default=8, help="of training, evaluations not counted")
    ap.add_argument("--rate", type=float, default=0.02, help="Muon, for matrices")
    ap.add_argument("--adam", type=float, default=3e-3, help="AdamW, for everything else")
    ap.add_argument("--rate-from", type=float, default=0.5)
    ap.add_argument("--rate-to", type=float, default=0.05)
    ap.add_argument("--decay", type=float, default=0.05, help="weight decay of matrices")
    ap.add_argument("--dropout", type=float, default=0.1)
    ap.add_argument("--encoder-layers", type=int, help="grow the chunk encoder to this depth, unchanged in what it computes")
    ap.add_argument("--segments", type=int, default=96)
    ap.add_argument("--questions", type=int, default=288)
    ap.add_argument("--cloze", type=int, default=96)
    ap.add_argument("--spans", type=int, default=64)
    ap.add_argument("--reread", type=int, default=128, help="questions a step that read again; 0 for none")
    ap.add_argument("--absent", type=float, default=0.1, help="share of those whose answer is taken away")
    ap.add_argument("--average", type=float, default=0.998, help="of weights, for the result")
    ap.add_argument("--shares", default="squad=3,more=1,hotpot=3,manual=1,book=0.5")
    ap.add_argument("--workers", type=int, default=10)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--evaluate", type=int, default=800, help="questions of the evaluation at the end")
    ap.add_argument("--before", type=int, default=300, help="and of one at the beginning; 0 for none")
    ap.add_argument("--no-compile", action="store_true")
    ap.add_argument("--steps", type=int, help="stop after so many, to try the program")
    return ap.parse_args()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalized by Newton-Schulz iterations (Jordan et al. 2024), for hidden matrices."""

    def __init__(self, params, lr, decay):
        super().__init__(params, dict(lr=lr, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alike = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(p.shape, []).append(p)
            for (rows, columns), ps in alike.items():
                grad = torch.stack([p.grad for p in ps])
                buf = torch.stack([self.state[p].get("momentum", torch.zeros_like(p)) for p in ps])
                buf.lerp_(grad, 0.05)
                g = grad.lerp(buf, 0.95)
                x = g.mT if rows > columns else g
                x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = (x.mT if rows > columns else x).float()
                for p, m, change in zip(ps, buf, x):
                    self.state[p]["momentum"] = m
                    p.mul_(1 - group["lr"] * group["decay"])
                    p.add_(change, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


def sources(folder, tokenizer, rng, small=False):
    squad = data.open_xz(folder / "squad.json.xz")
    found = [data.Source("squad", data.squad(squad["train"][:12] if small else squad["train"]), tokenizer, rng)]
    dev = data.Source("dev", data.squad(squad["dev"]), tokenizer, rng)
    passages = data.open_xz(folder / "passages.json.xz")
    questions = [q for path in sorted(folder.glob("questions.*.xz")) for q in data.open_xz(path)]
    by = {}
    for q in questions:
        by.setdefault(passages[q[0]][0].split(":")[0], []).append(q)
    if small:
        passages = passages[15000:24000] + passages[-200:]
    for kind in ("hotpot", "manual", "book") + (("squad",) if by.get("squad") else ()):
        own = by.get(kind, [])
        documents = data.generated(passages, own, kind, rng)
        if documents:
            found.append(data.Source(kind if kind != "squad" else "more", documents, tokenizer, rng, cloze=kind == "hotpot" or bool(own)))
    return found, dev, squad["dev"][:1] if small else squad["dev"]


def first_pass(model, b, cfg, teacher_vectors, guide):
    """Reads the pool and asks every question of all of it. Returns losses, statistics, and what the second pass needs."""
    v, s = cfg["segment_overlap"], cfg["chunk_size"]
    n = b["rows"]
    with torch.autocast(DEVICE, torch.bfloat16):
        lower = model.read(b["ids"], b["mask"])
        memory = model.memories(lower[:, v:])
        noisy = torch.where((torch.rand(b["qs"].shape, device=DEVICE) < 0.05) & (b["qs"] > 3), 0, b["qs"])
        q = model.read(noisy)
        flat = b["use"].flatten()
        visible = b["real"][None].expand(int(flat.sum()), -1)
        x, [(scores, ids, weights, atts)] = model.answer(q, b["use"], memory, visible)
        target = b["target"].flatten()[flat]
        at = target >= 0
        logits = model.logits(x[at]).float()
    losses, gold = {}, b["gold"].flatten()[flat][at]
    losses["answer"] = F.cross_entropy(logits, target[at])
    chunk, row = gold // s, gold % s
    losses["nce"] = F.cross_entropy(scores[at].float().masked_fill(~b["real"][None], -1e4), chunk)
    losses["attend"] = guide * attention(atts, at, ids[at] == chunk[:, None], row)
    rows = torch.arange(len(q), device=DEVICE)
    retrieval = model.upper[0]
    with torch.autocast(DEVICE, torch.bfloat16):
        vectors = retrieval.ln(retrieval.pre_norm(q[rows, b["last"]])).float()
    landmarks = memory[2].float()
    pair = vectors @ landmarks.T / math.sqrt(cfg["retrieval_dim"])
    pair = pair.masked_fill(~b["real"][None], -1e4)
    chunks, asked = teacher_vectors[: len(landmarks)], teacher_vectors[len(landmarks) :]
    losses["embed"] = (1 - F.cosine_similarity(vectors, asked)).mean() + (1 - F.cosine_similarity(landmarks, chunks)[b["real"]]).mean()
    wanted = (asked @ chunks.T * 25).masked_fill(~b["real"][None], -1e4).softmax(-1)
    losses["distill"] = F.kl_div(pair.log_softmax(-1), wanted, reduction="batchmean")
    with torch.no_grad():
        first = b["gold"][torch.arange(n, device=DEVICE), b["last"][:n]] // s
        best = pair[:n].topk(8, -1).indices == first[:, None]
        a = b["asked"]
        stats = dict(top1=best[:a, 0].float().mean(), top8=best[:a].any(-1).float().mean(), exact=exact(logits, target[at], b, flat, at)[:a].mean())
    return losses, stats, lower, memory, q, pair


def attention(atts, at, hit, row):
    """-log of the attention that the best head gives to the wanted row, the mean over layers; rows of -1 do not count."""
    ok = hit.any(-1) & (row >= 0)
    j, t = hit.float().argmax(-1), torch.arange(len(row), device=DEVICE)
    mass = sum(a[at].transpose(1, 2).float()[t, :, j, row.clamp(min=0)].max(-1).values for a in atts)
    return -(mass[ok] / len(atts)).clamp(min=1e-6).log().mean()


def exact(logits, target, b, flat, at, rows=None):
    which = torch.arange(len(b["qs"]) if rows is None else rows, device=DEVICE)[:, None].expand(-1, b["qs"].shape[1]).flatten()[flat][at]
    wrong = torch.zeros(int(which.max()) + 1, device=DEVICE).index_add_(0, which, (logits.argmax(-1) != target).float())
    return (wrong == 0).float()


def second_pass(model, b, cfg, q, pair, count, absent, guide):
    s, n = cfg["chunk_size"], b["rows"]
    pick = torch.randperm(n, device=DEVICE)[:count]
    lost = torch.rand(count, device=DEVICE) < absent
    use = b["use"][pick].clone()
    target, gold = b["target"][pick].clone(), b["gold"][pick].clone()
    column = torch.arange(use.shape[1], device=DEVICE)[None]
    behind = column > b["last"][pick][:, None]
    use &= ~(behind & lost[:, None])
    target[lost] = torch.where(column == b["last"][pick][lost][:, None], data.END, -100)
    lengths = b["last"][pick] - 1
    first = gold.gather(1, b["last"][pick][:, None])[:, 0] // s
    final = gold.amax(1) // s
    score = pair[pick].detach().float() + 1e-6
    bonus = torch.where(lost, -1e6, 1e4)[:, None]
    score = score.scatter_add(1, first[:, None], bonus)
    score = torch.where((final != first)[:, None], score.scatter_add(1, final[:, None], bonus), score)
    best = score.topk(reread.MOST, -1)
    chunks = torch.where(best.values < -5e3, -1, best.indices)
    ids, shown = reread.lay_out(b["qs"][pick][:, 1:], lengths, chunks, b["ids"][:, cfg["segment_overlap"] :].reshape(-1, s), s)
    window, row = reread.place(gold, shown, lengths, s)
    window = torch.where(lost[:, None] | (window < 0), -1, window + reread.WINDOWS * torch.arange(count, device=DEVICE)[:, None])
    with torch.autocast(DEVICE, torch.bfloat16):
        memory = model.memories(model.read(ids))
        flat = use.flatten()
        own = torch.arange(count * reread.WINDOWS, device=DEVICE)[None] // reread.WINDOWS == torch.arange(count, device=DEVICE)[:, None]
        visible = own[:, None].expand(-1, use.shape[1], -1).flatten(0, 1)[flat]
        x, [(scores, found, weights, atts)] = model.answer(q[pick], use, memory, visible)
        wanted = target.flatten()[flat]
        at = wanted >= 0
        logits = model.logits(x[at]).float()
    losses = dict(again=F.cross_entropy(logits, wanted[at]))
    chunk, row = window.flatten()[flat][at], row.flatten()[flat][at]
    has = chunk >= 0
    hard = scores[at].float().masked_fill(~visible[at], -1e4)
    losses["window"] = F.cross_entropy(hard[has], chunk[has])
    losses["attend_again"] = guide * attention(atts, at, (found[at] == chunk[:, None]) & has[:, None], row)
    with torch.no_grad():
        good = exact(logits, wanted[at], dict(qs=use), flat, at)
        real = (pick < b["asked"]) & ~lost
        stats = dict(exact_again=good[real].mean(), refused=good[lost].mean())
    return losses, stats


def language(model, b, cfg, lower, memory, count=4):
    v, s, z = cfg["segment_overlap"], cfg["chunk_size"], cfg["segment_size"]
    pick = torch.randperm(len(b["ids"]), device=DEVICE)[:count]
    use = torch.zeros(count, v + z, dtype=torch.bool, device=DEVICE)
    use[:, v:] = b["lm"][pick] >= 0
    pos = (pick[:, None] * z + torch.arange(v + z, device=DEVICE)[None] - v).flatten()[use.flatten()]
    visible = ((torch.arange(len(b["real"]), device=DEVICE)[None] + 1) * s <= pos[:, None]) & b["real"][None]
    with torch.autocast(DEVICE, torch.bfloat16):
        x, _ = model.answer(lower[pick], use, memory, visible, b["mask"][pick])
        return F.cross_entropy(model.logits(x).float(), b["lm"][pick][use[:, v:]])


def pack(tensor):
    """int8 by rows: optimizer states need no more."""
    scale = tensor.abs().amax(-1, keepdim=True).clamp(min=1e-20) / 127 if tensor.dim() else tensor.abs().clamp(min=1e-20) / 127
    return (tensor / scale).round().to(torch.int8).cpu(), scale.float().cpu()


def unpack(packed):
    return packed[0].float().to(DEVICE) * packed[1].to(DEVICE)


def save(path, cfg, model, average, names, muon, adam):
    """f16 weights (averaged) and int8 optimizer states."""
    state = {k: average[k].half().cpu() for k in model.state()}
    moments = {}
    for name, p in names.items():
        s = muon.state.get(p) or adam.state.get(p) or {}
        if "momentum" in s:
            moments[name] = [pack(s["momentum"])]
        elif "exp_avg" in s:
            moments[name] = [pack(s["exp_avg"]), pack(s["exp_avg_sq"].sqrt()), float(s["step"])]
    torch.save(dict(config={k: v for k, v in cfg.items() if k != "dropout"}, state=state, moments=moments), path)


def restore(moments, names, muon_params, muon, adam):
    hidden = set(map(id, muon_params))
    for name, p in names.items():
        m = moments.get(name)
        if m and m[0][0].shape == p.shape:
            if id(p) in hidden:
                muon.state[p]["momentum"] = unpack(m[0])
            else:
                adam.state[p] = dict(exp_avg=unpack(m[0]), exp_avg_sq=unpack(m[1]).square(), step=torch.tensor(m[2]).to(DEVICE))


def grow(state, cfg, layers):
    """More encoder layers behind those there are; their output projections are zero, so that nothing changes at first."""
    prefix = f"backbone.layers.{cfg['num_lower_layers']}.encoder.layers."
    have = cfg["encoder_layers"]
    for i in range(have, layers):
        for name in [n for n in state if n.startswith(f"{prefix}{have - 1}.")]:
            t = state[name].clone()
            if "o_proj" in name or "down_proj" in name:
                t.zero_()
            state[name.replace(f"{prefix}{have - 1}.", f"{prefix}{i}.")] = t
    cfg["encoder_layers"] = layers


def new(args):
    """A checkpoint of random weights, with token embeddings that are the means of MiniLM's for the pieces of each token."""
    cfg = json.loads(args.config.read_text())
    torch.manual_seed(args.seed)
    model = Ramba(cfg)
    tokenizer = Tokenizer.from_file(str(args.data / "tokenizer.json"))
    words = Tokenizer.from_file(str(args.data / "minilm_tokenizer.json"))
    words.no_padding()
    table = minilm.load(args.data / "minilm.npz").embeddings.word_embeddings.weight.detach()
    texts = [tokenizer.decode([i]).strip() or "." for i in range(cfg["vocab_size"])]
    pieces = [words.encode(t, add_special_tokens=False).ids or [100] for t in texts]
    rows = torch.stack([table[p].mean(0) for p in pieces])[:, : cfg["hidden_size"]]
    rows = (rows - rows.mean(0)) / rows.std() * cfg["hidden_size"] ** -0.5
    own = model.backbone.embeddings.weight.data
    own.copy_(rows + 0.2 * cfg["hidden_size"] ** -0.5 * torch.randn_like(own))
    return dict(config=cfg, state=model.state())


def memory_used():
    return torch.cuda.max_memory_allocated() / 2**30 if DEVICE == "cuda" else 0.0


def main():
    args = options()
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    begin = time.time()
    log = lambda *a: rank == 0 and print(f"[{time.time() - begin:6.1f}]", *a, flush=True)
    rng = random.Random(args.seed)
    checkpoint = torch.load(args.init, weights_only=False) if args.init else new(args)
    cfg, state = checkpoint["config"], {k: v.float() for k, v in checkpoint["state"].items()}
    if args.encoder_layers and args.encoder_layers > cfg["encoder_layers"]:
        grow(state, cfg, args.encoder_layers)
    cfg.setdefault("mamba_chunk_size", 64)
    cfg["dropout"] = args.dropout
    cfg["expand"] = int(cfg["expand"])
    tokenizer = Tokenizer.from_file(str(args.data / "tokenizer.json"))
    found, dev, dev_articles = sources(args.data, tokenizer, rng, small=args.steps is not None)
    shares = dict((k, float(v)) for k, v in (x.split("=") for x in args.shares.split(",")))
    found = [f for f in found if shares.get(f.name, 0) > 0]
    for f in found:
        log(f"{f.name}: {len(f.tokens):,} tokens, {len(f.texts):,} questions, {len(f.cloze):,} clozes")
    words = Tokenizer.from_file(str(args.data / "minilm_tokenizer.json"))
    words.enable_truncation(128)
    words.no_padding()

    def teacher_tokens(texts):
        ids, mask, _ = minilm.pad(words.encode_batch([t if t.strip() else "." for t in texts]))
        return ids.astype("int32"), mask.astype("int8")

    context = torch.multiprocessing.get_context("fork")  # before CUDA is touched: workers share the tokens
    queue = context.Queue(3 * args.workers)

    def producer(seed):
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        batcher = data.Batcher(found, [shares[f.name] for f in found], cfg, tokenizer, seed)
        while True:
            queue.put(batcher.make(args.segments, args.questions, args.cloze, args.spans, teacher_tokens))

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    for i in range(args.workers):
        context.Process(target=producer, args=(args.seed * 1000 + rank * 100 + i,), daemon=True).start()

    if DEVICE == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    if world > 1:
        torch.distributed.init_process_group("nccl")
    torch.manual_seed(args.seed * 100 + rank)
    torch.set_float32_matmul_precision("high")
    model = Ramba(cfg).to(DEVICE)
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert not [n for n in missing if n.startswith("backbone.")], missing
    log(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    names = dict(model.named_parameters())
    hidden = [p for n, p in names.items() if p.dim() == 2 and "embeddings" not in n]
    other = [p for n, p in names.items() if not (p.dim() == 2 and "embeddings" not in n)]
    muon = Muon(hidden, args.rate, args.decay)
    adam = torch.optim.AdamW(other, args.adam, betas=(0.9, 0.95), weight_decay=0.0, fused=DEVICE == "cuda")
    restore(checkpoint.get("moments", {}), names, hidden, muon, adam)
    average = {n: p.detach().clone() for n, p in names.items()}
    teacher = minilm.load(args.data / "minilm.npz").to(DEVICE).eval()
    teacher = teacher.half() if DEVICE == "cuda" else teacher
    embedder = minilm.Teacher.__new__(minilm.Teacher)
    embedder.model, embedder.device = teacher, DEVICE
    plain = Mamba.forward, EncoderLayer.forward
    if not args.no_compile:
        Mamba.forward = torch.compile(Mamba.forward, dynamic=False)
        EncoderLayer.forward = torch.compile(EncoderLayer.forward, dynamic=False)
    compiled = Mamba.forward, EncoderLayer.forward

    def measure(count, absent=0, distract=0):
        """With averaged weights, uncompiled (its shapes vary)."""
        own = {n: p.detach().clone() for n, p in names.items()}
        for n, p in names.items():
            p.data.copy_(average[n])
        Mamba.forward, EncoderLayer.forward = plain
        model.eval()
        other_text = next(f.tokens for f in found if f.name == "hotpot")[:distract] if distract else None
        result = evaluate(model, cfg, tokenizer, dev_articles, count, other_text, args.data / "impossible-dev.json" if absent else None)
        model.train()
        Mamba.forward, EncoderLayer.forward = compiled
        for n, p in names.items():
            p.data.copy_(own[n])
        return result

    weight = dict(answer=0.5, nce=0.5, attend=0.2, embed=1.0, distill=0.5, lm=0.1, again=1.0, window=0.3, attend_again=0.3)
    model.train()
    spent, step, mean, lost = 0.0, 0, {}, 0
    if rank == 0 and args.before and args.steps is None:
        log("before:", json.dumps(measure(args.before)))
    while True:
        progress = torch.tensor([spent / 60 / args.minutes], device=DEVICE)
        if world > 1:
            torch.distributed.broadcast(progress, 0)
        p = float(progress)
        if p >= 1 or (args.steps is not None and step >= args.steps):
            break
        start = time.time()
        b = {k: v if isinstance(v, (int, tuple)) else torch.as_tensor(v).to(DEVICE, non_blocking=True) for k, v in queue.get().items()}
        rate = (args.rate_from + (args.rate_to - args.rate_from) * p) * min(1, (step + 1) / 60)
        for optimizer, full in ((muon, args.rate), (adam, args.adam)):
            for g in optimizer.param_groups:
                g["lr"] = full * rate
        vectors = embedder.embed(b["teacher"][0].astype("int64"), b["teacher"][1].astype("int64"))
        losses, stats, lower, memory, q, pair = first_pass(model, b, cfg, vectors, 1.0)
        losses["lm"] = language(model, b, cfg, lower, memory)
        if args.reread:
            more, more_stats = second_pass(model, b, cfg, q, pair, args.reread, args.absent, 1.0)
            losses.update(more)
            stats.update(more_stats)
        loss = sum(weight[k] * v for k, v in losses.items())
        loss.backward()
        if world > 1:
            flat = torch.cat([g.grad.flatten() for g in names.values()])
            torch.distributed.all_reduce(flat)
            flat /= world
            at = 0
            for g in names.values():
                g.grad.copy_(flat[at : at + g.numel()].view_as(g))
                at += g.numel()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if torch.isfinite(norm):
            muon.step()
            adam.step()
        else:
            lost += 1
        model.zero_grad(set_to_none=True)
        keep = min(args.average, (step + 1) / (step + 20))
        torch._foreach_lerp_(list(average.values()), [p.detach() for p in names.values()], 1 - keep)
        step += 1
        if step % 10 == 0:
            for k, v in {**losses, **stats}.items():
                v = float(v.detach())
                if not math.isnan(v):
                    mean[k] = mean.get(k, v) * 0.9 + v * 0.1
        if step > 15:  # the first ones compile
            spent += time.time() - start
        if step % 100 == 0 or step in (1, 15):
            log(
                f"step {step} {p:.2f} {spent / max(1, step - 15):.3f} s/step queue {queue.qsize()} lost {lost} "
                f"{memory_used():.0f}G " + " ".join(f"{k} {v:.3f}" for k, v in mean.items())
            )
    if rank == 0:
        log("steps", step)
        args.out.mkdir(parents=True, exist_ok=True)
        save(args.out / "checkpoint.pt", cfg, model, average, names, muon, adam)
        raw = (args.out / "checkpoint.pt").read_bytes()
        log("checkpoint", len(raw), "bytes")
        log("after:", json.dumps(measure(args.evaluate, absent=1)))
        log("with 2M tokens of other text:", json.dumps(measure(args.evaluate // 2, distract=2_000_000)))
    os._exit(0)


if __name__ == "__main__":
    main()
