"""Trains a model that answers questions about documents, in legs that resume.

    python train.py --pack PACK --init checkpoint.pt --seconds 480 --out runs/next
    torchrun --nproc-per-node 2 train.py …

A leg starts from a checkpoint (weights, and optimizer states if it has them) and writes one at its end. Its learning rate
goes linearly from `--rate-from` to `--rate-to` of the full one, after a short warm-up. README.md tells what is trained and why;
leg.py starts it on whatever GPUs there are.
"""

import argparse
import json
import os
import sys
import time
import traceback
from pathlib import Path

import torch
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parent.parent))
import checkpoint as checkpoints
import losses as objectives
import minilm
import pack
import teach
from evaluate import DEVICE, calibrate, evaluate, generated
from model import EncoderLayer, Mamba, Ramba
from muon import Muon
from pools import KINDS, Batcher

WARM = 15  # steps that compile: the clock of the schedule starts behind them


def options():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pack", type=Path, required=True, help="what pack.py wrote")
    start = ap.add_mutually_exclusive_group(required=True)
    start.add_argument("--init", type=Path, help="checkpoint to go on from")
    start.add_argument("--config", type=Path, help="shape of a new model, with word embeddings from MiniLM's")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seconds", type=float, default=480, help="of everything, from the start of the program on")
    ap.add_argument("--began", type=float, default=time.time(), help="when that was, in seconds since 1970")
    ap.add_argument("--reserve", type=float, default=50, help="seconds kept for the evaluations at the end")
    ap.add_argument("--rate", type=float, default=0.02, help="Muon, for matrices")
    ap.add_argument("--adam", type=float, default=3e-3, help="AdamW, for everything else")
    ap.add_argument("--rate-from", type=float, default=0.5)
    ap.add_argument("--rate-to", type=float, default=0.05)
    ap.add_argument("--decay", type=float, default=0.05, help="weight decay of matrices")
    ap.add_argument("--dropout", type=float, default=0.1)
    ap.add_argument("--encoder-layers", type=int, help="grow the chunk encoder to this depth, unchanged in what it computes")
    ap.add_argument("--segments", type=int, default=96)
    ap.add_argument("--questions", type=int, default=448, help="asked in words")
    ap.add_argument("--cloze", type=int, default=64)
    ap.add_argument("--spans", type=int, default=64)
    ap.add_argument("--foreign", type=int, default=12, help="of the questions: about other documents")
    ap.add_argument("--edited", type=int, default=24, help="of the questions: changed so that nothing answers them")
    ap.add_argument("--synthetic", type=float, default=0.45, help="of the questions: the share about generated facts")
    ap.add_argument("--again", type=int, default=384, help="questions a step that get a second look")
    ap.add_argument("--absent", type=float, default=0.08, help="share of those whose answer is taken away")
    ap.add_argument("--bank", type=int, default=12, help="pools before whose chunks compete too")
    ap.add_argument("--reader", type=float, default=0.5, help="weight of a reader's expectation against the one right answer, where it is known")
    ap.add_argument("--average", type=float, default=0.998, help="of weights, for the result")
    ap.add_argument("--shares", default="squad=3.5,hotpot=3,manual=1,book=0.3,written=0.5,synthetic=12")
    ap.add_argument("--kinds", default="", help="of generated facts, where they are to be others than synthetic.py says: needle=8,track=4,world=8")
    ap.add_argument("--weights", default="", help="of losses, where they are to be others than losses.py says: again=2,lm=0")
    ap.add_argument("--workers", type=int, default=12)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--evaluate", type=int, default=500, help="questions of the evaluation at the end")
    ap.add_argument("--distract", type=int, default=0, help="tokens of other text of a second one; 0 for none")
    ap.add_argument("--before", type=int, default=0, help="questions of one at the beginning; 0 for none")
    ap.add_argument("--compiled", type=Path, help="what the compiler made the last time, and will have made this time")
    ap.add_argument("--no-compile", action="store_true")
    ap.add_argument("--profile", action="store_true", help="writes what the GPU did in three steps")
    ap.add_argument("--steps", type=int, help="stop after so many, to try the program")
    return ap.parse_args()


def pairs(text):
    return {k: float(v) for k, v in (x.split("=") for x in text.split(",") if x)}


def to_device(batch):
    batch = {k: v if isinstance(v, (int, tuple)) else torch.as_tensor(v).to(DEVICE, non_blocking=True) for k, v in batch.items()}
    return batch | {k: batch[k].long() for k in ("some",)}


def memory_used():
    return torch.cuda.max_memory_allocated() / 2**30 if DEVICE == "cuda" else 0.0


def share_gradients(parameters, world):
    for p in parameters:
        if p.grad is None:  # this one has run out of memory
            p.grad = torch.zeros_like(p)
    flat = torch.cat([p.grad.flatten() for p in parameters])
    torch.distributed.all_reduce(flat)
    flat /= world
    at = 0
    for p in parameters:
        p.grad.copy_(flat[at : at + p.numel()].view_as(p))
        at += p.numel()


class Means:
    """Running means of losses and figures, and how many of each kind of question were right in both looks."""

    def __init__(self):
        self.values = {}
        self.kinds = torch.zeros(2, 2, len(KINDS), device=DEVICE)

    def add(self, values, looks):
        for i, look in enumerate(looks):
            self.kinds[i] += look
        for k, v in values.items():
            v = v.detach().float()
            old = self.values.get(k, v)
            self.values[k] = torch.where(v.isfinite(), torch.where(old.isfinite(), old.lerp(v, 0.05), v), old)

    def line(self):
        said = " ".join(f"{k} {float(v):.3f}" for k, v in self.values.items())
        of = lambda look, k: f"{float(look[0, k] / look[1, k].clamp(min=1)):.2f}" if look[1, k] else "-"
        kinds = " ".join(f"{name} {of(self.kinds[0], k)}/{of(self.kinds[1], k)}" for k, name in enumerate(KINDS))
        self.kinds.zero_()
        return f"{said} | right by the first/second look: {kinds}"


def main():
    args = options()
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    log = lambda *a: rank == 0 and print(f"[{time.time() - args.began:6.1f}]", *a, flush=True)
    checkpoint = torch.load(args.init, weights_only=False) if args.init else checkpoints.new(args.config, args.pack, args.seed)
    cfg, state = checkpoint["config"], {k: v.float() for k, v in checkpoint["state"].items()}
    if args.encoder_layers and args.encoder_layers > cfg["encoder_layers"]:
        checkpoints.grow(state, cfg, args.encoder_layers)
    cfg.setdefault("mamba_chunk_size", 64)
    cfg["dropout"] = args.dropout
    cfg["expand"] = int(cfg["expand"])
    tokenizer = Tokenizer.from_file(str(args.pack / "tokenizer.json"))
    sources, words, dev, held = pack.read(args.pack / "data.xz")
    if args.steps is not None:
        dev, held = dev[:1], held[:2]
    teach.attach(sources, args.pack / "alternatives.npz")
    for s in sources:
        reader = "" if s.alternatives is None else ", with a reader's answers"
        log(f"{s.name}: {len(s.tokens):,} tokens, {len(s.texts):,} questions{reader}, {len(s.cloze):,} clozes")
    pieces = Tokenizer.from_file(str(args.pack / "minilm_tokenizer.json"))
    pieces.enable_truncation(128)
    pieces.no_padding()

    def teacher_tokens(texts):
        ids, mask, _ = minilm.pad(pieces.encode_batch([t if t.strip() else "." for t in texts]))
        return ids.astype("int32"), mask.astype("int8")

    context = torch.multiprocessing.get_context("fork")  # before CUDA is touched: workers share the tokens
    queue = context.Queue(3 * args.workers)

    def producer(seed):
        batcher = Batcher(sources, pairs(args.shares), cfg, tokenizer, words, seed, pairs(args.kinds))
        sizes = args.segments, args.questions, args.cloze, args.spans, teacher_tokens, args.foreign, args.edited, args.synthetic
        while True:
            try:
                batch = batcher.make(*sizes)
            except Exception:  # one batch is lost, not the worker
                traceback.print_exc()
                continue
            queue.put(batch)

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    seeds = [args.seed * 1000 + rank * 100 + i for i in range(args.workers)]
    workers = [context.Process(target=producer, args=(seed,), daemon=True) for seed in seeds]
    for worker in workers:
        worker.start()

    if DEVICE == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    if world > 1:
        torch.distributed.init_process_group("nccl" if DEVICE == "cuda" else "gloo")
    torch.manual_seed(args.seed * 100 + rank)
    torch.set_float32_matmul_precision("high")
    model = Ramba(cfg).to(DEVICE)
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert not [n for n in missing if n.startswith("backbone.")], missing
    log(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    names = dict(model.named_parameters())
    is_hidden = lambda n, p: p.dim() == 2 and "embeddings" not in n
    hidden = [p for n, p in names.items() if is_hidden(n, p)]
    muon = Muon(hidden, args.rate, args.decay, torch.bfloat16)
    other = [p for n, p in names.items() if not is_hidden(n, p)]
    adam = torch.optim.AdamW(other, args.adam, betas=(0.9, 0.95), weight_decay=0.0, fused=DEVICE == "cuda")
    checkpoints.restore(checkpoint.get("moments", {}), names, hidden, muon, adam, DEVICE)
    average = {n: p.detach().clone() for n, p in names.items()}
    teacher = minilm.load(args.pack / "minilm.npz").to(DEVICE).eval()
    embedder = minilm.Teacher.of(teacher.half() if DEVICE == "cuda" else teacher, DEVICE)
    plain = Mamba.forward, EncoderLayer.forward
    if not args.no_compile:
        torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is
        torch._dynamo.config.cache_size_limit = 32  # one for each shape
        if args.compiled and args.compiled.exists():
            torch.compiler.load_cache_artifacts(args.compiled.read_bytes())
        Mamba.forward = torch.compile(Mamba.forward, dynamic=False)
        EncoderLayer.forward = torch.compile(EncoderLayer.forward, dynamic=False)
    compiled = Mamba.forward, EncoderLayer.forward

    def averaged(task):
        """`task` with averaged weights, uncompiled (its shapes vary)."""
        own = {n: p.detach().clone() for n, p in names.items()}
        for n, p in names.items():
            p.data.copy_(average[n])
        Mamba.forward, EncoderLayer.forward = plain
        model.eval()
        result = task()
        model.train()
        Mamba.forward, EncoderLayer.forward = compiled
        for n, p in names.items():
            p.data.copy_(own[n])
        return json.dumps(result)

    def work(b, again):
        """Gradients of a batch; (losses and figures, right answers by kind)."""
        vectors = embedder.embed(b["teacher"][0].astype("int64"), b["teacher"][1].astype("int64"))
        parts, figures, one, (lower, memory, q, every) = objectives.first_look(model, b, cfg, vectors, bank, args.reader)
        if weight["lm"]:
            parts["lm"] = objectives.language(model, b, cfg, lower, memory)
        two = torch.zeros_like(one)
        if again:
            more, stats, two = objectives.second_look(model, b, cfg, q, every, bank, again, args.absent, args.reader)
            parts |= more
            figures |= stats
        sum(weight[k] * v for k, v in parts.items()).backward()
        bank.put(objectives.chunks_of(b, cfg), memory[2].float(), vectors[: len(b["real"])], b)
        return {**parts, **figures}, (one, two)

    def keep(**more):
        if rank == 0:
            args.out.mkdir(parents=True, exist_ok=True)
            checkpoints.save(args.out / "checkpoint.pt", cfg, average, names, muon, adam, **more)

    weight = objectives.WEIGHTS | pairs(args.weights)
    bank = objectives.Bank(args.bank * args.segments * cfg["segment_size"] // cfg["chunk_size"], cfg["retrieval_dim"], 384, cfg["chunk_size"])
    model.train()
    if rank == 0 and args.before:
        log("before:", averaged(lambda: evaluate(model, cfg, tokenizer, dev, args.before)))
    means, step, lost, half, again = Means(), 0, 0, False, args.again
    start = time.time()
    end = args.began + args.seconds - args.reserve
    while True:
        clock = torch.tensor([(time.time() - start) / max(1.0, end - start)], device=DEVICE)
        if world > 1:
            torch.distributed.broadcast(clock, 0)
        p = float(clock)
        if p >= 1 or (args.steps is not None and step >= args.steps):
            break
        b = to_device(queue.get(timeout=60))
        rate = (args.rate_from + (args.rate_to - args.rate_from) * p) * min(1, (step + 1) / 60)
        for optimizer, full in ((muon, args.rate), (adam, args.adam)):
            for g in optimizer.param_groups:
                g["lr"] = full * rate
        if args.profile and rank == 0 and step == WARM + 10:
            kinds = torch.profiler.ProfilerActivity
            profiler = torch.profiler.profile(activities=[kinds.CUDA if DEVICE == "cuda" else kinds.CPU])
            profiler.start()
        done = None
        try:
            done = work(b, again)
        except torch.OutOfMemoryError:
            model.zero_grad(set_to_none=True)
            again = again * 3 // 4
            print(f"rank {rank}: out of memory, {again} second looks a step from now on", flush=True)
            torch.cuda.empty_cache()
        if world > 1:
            share_gradients(list(names.values()), world)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if torch.isfinite(norm) and (done or world > 1):
            muon.step()
            adam.step()
            old = min(args.average, (step + 1) / (step + 20))
            torch._foreach_lerp_(list(average.values()), [p.detach() for p in names.values()], 1 - old)
        else:
            lost += 1
        model.zero_grad(set_to_none=True)
        if done:
            means.add(*done)
        step += 1
        if args.profile and rank == 0 and step == WARM + 13:
            profiler.stop()
            by = "self_cuda_time_total" if DEVICE == "cuda" else "self_cpu_time_total"
            args.out.mkdir(parents=True, exist_ok=True)
            (args.out / "profile.txt").write_text(profiler.key_averages().table(sort_by=by, row_limit=40))
        if step == WARM:
            if args.compiled and not args.no_compile and rank == 0:
                made = torch.compiler.save_cache_artifacts()
                if made:
                    args.compiled.write_bytes(made[0])
            start = time.time()
        if step % 100 == 0 or step in (1, WARM):
            pace = (time.time() - start) / max(1, step - WARM)
            log(f"step {step} {p:.2f} {pace:.3f} s/step queue {queue.qsize()} lost {lost} {memory_used():.0f}G {means.line()}")
        if p > 0.5 and not half and step > WARM:
            half = True
            keep()
    if rank == 0:
        log("steps", step, "lost", lost, means.line())
        keep()
        log("checkpoint", (args.out / "checkpoint.pt").stat().st_size, "bytes")
        left = lambda: args.began + args.seconds - time.time()
        none = None
        if args.evaluate:
            log("after:", averaged(lambda: evaluate(model, cfg, tokenizer, dev, args.evaluate, impossible=args.pack / "impossible-dev.json")))
        if left() > 8:
            none = averaged(lambda: calibrate(model, cfg, tokenizer, held, 300))
            log("not in the document, on articles held out of the training part:", none)
            keep(none=json.loads(none))
        filler = next(s for s in sources if s.name == "hotpot").tokens
        if left() > 12:
            log("generated:", averaged(lambda: generated(model, cfg, tokenizer, words, filler, time.time() + left() - 6, pairs(args.kinds))))
        if left() > 12 and args.distract:
            other_text = filler[: args.distract].astype("int64")
            log("with other text:", averaged(lambda: evaluate(model, cfg, tokenizer, dev, args.evaluate // 2, other_text, verbose=0)))
    for worker in workers:
        worker.kill()
    sys.stdout.flush()
    os._exit(0)  # without waiting for what is still in the queue


if __name__ == "__main__":
    main()
