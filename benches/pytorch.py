"""PyTorch and Triton on the work that the GPU benchmarks of this repository measure.

    python3 benches/pytorch.py hsa ingest model --json out.jsonl     # on a GPU
    python3 benches/pytorch.py hsa ingest model --device cpu --tiny  # every path but CUDA's own, at toy sizes

`hsa`     Attention inside chosen chunks: a Triton kernel, and full causal attention over as many keys (flash, cuDNN).
`ingest`  The reading path of the shipped small model (../models/recipe/small.json): chunk memories a second.
`model`   The published 370M shape: a prompt of 4096 tokens, and one token at a time.

Weights are random: no timing here depends on them. In `hsa` each timed call finds the L2 cache flushed. `ingest` counts
the 512 own tokens of a segment, not its 64 of run-in, and ends with the memories in pinned host memory. The prompt of
`model` reads 256 chunks and also makes its own; the states after its last token are not formed.

One JSON line a result, as soon as it is there; a short table at the end. Each section has a budget of seconds
(`--model-budget 40`): what would not fit in it is skipped, and named.

Picks: which chunks each token reads, the same in every implementation that follows these lines (all of u64, wrapping)

    draw(seed, j): z = seed + (j + 1) * 0x9E3779B97F4A7C15         the j-th output of splitmix64 (Steele et al. 2014)
                   z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
                   z = (z ^ z >> 27) * 0x94D049BB133111EB
                   z ^ z >> 31
    Token t sees V = t / 64 chunks, 0 .. V. For i in 0 .. min(8, V), one after the other:
        c = ((draw(1, 8t + i) >> 32) * V) >> 32;   while an earlier pick of t is c: c = (c + 1) % V
    The picks are then sorted, most recent (largest) first. The i-th of the sorted breaks off its share of the stick:
        p = ((draw(2, 8t + i) >> 41) + 0.5) / 2^23;   weight = p * left;   left = left * (1 - p)      in f32, left = 1
    so p = sigmoid(score) of a logistic score. Places that are left over have chunk 0 and weight 0.
"""

import argparse
import copy
import json
import math
import os
import signal
import statistics
import sys
import time
import traceback
from pathlib import Path

if any("cpu" in a for a in sys.argv):
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported

import numpy as np
import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch.nn.attention import SDPBackend, sdpa_kernel

RECIPE = Path(__file__).resolve().parents[1] / "models/recipe"
sys.path.insert(0, str(RECIPE))
from model import Hsa, Mamba, Ramba, Retrieval  # noqa: E402

SECTIONS = ("hsa", "ingest", "model")
S, K = 64, 8  # tokens of a chunk, chunks that a token reads
ROWS = []


# ---- measuring ------------------------------------------------------------------------------------------------------


class OutOfTime(BaseException):
    """A section overran its budget by far. No `except Exception` swallows it."""


class Clock:
    compile_s = 10.0  # what the next compilation is expected to take: as long as the last

    def __init__(self, args, section):
        self.args, self.section = args, section
        self.end = time.monotonic() + getattr(args, f"{section}_budget")
        self.cuda = args.device == "cuda"

    def left(self):
        return self.end - time.monotonic()

    def emit(self, **row):
        row = {"section": self.section, **row}
        row = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in row.items()}
        ROWS.append(row)
        line = json.dumps(row)
        print(line, flush=True)
        if self.args.json:
            with open(self.args.json, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def attempt(self, name, call, needs=1.0):
        """`call()`, unless less than `needs` seconds are left; a failure is a row, too."""
        if self.left() < needs:
            return self.emit(what=name, skipped=f"{self.left():.1f} s left, about {needs:.1f} needed")
        try:
            return call()
        except Exception as e:
            traceback.print_exc()
            self.emit(what=name, error=f"{type(e).__name__}: {e}"[:500])
            if self.cuda:
                torch.cuda.synchronize()  # raises where the context is beyond use
                torch.cuda.empty_cache()

    def first(self, call, compiles=True):
        """Seconds of the first call of a compiled function."""
        started = time.monotonic()
        call()
        self.wait()
        took = time.monotonic() - started
        Clock.compile_s = 1.2 * took if compiles else Clock.compile_s
        return round(took, 1)

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def median_ms(self, call, rep=60):
        """Of one call, by events; the L2 cache is flushed before each."""
        if self.cuda:
            return triton.testing.do_bench(call, warmup=15, rep=rep, return_mode="median")
        return 1e3 * self.median_s(call)

    def median_s(self, call, limit=0.25):
        """Of one call and the wait for it, by the wall clock."""

        def once():
            started = time.perf_counter()
            call()
            self.wait()
            return time.perf_counter() - started

        once()
        least, most = (3, 30) if self.cuda else (1, 2)
        return statistics.median(once() for _ in range(max(least, min(most, int(limit / once())))))


def recorded(call):
    """A CUDA graph of `call`; -> what replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def error(a, b):
    """Relative, in the L2 norm; NaN where there is any."""
    a, b = a.double(), b.double()
    return float((a - b).norm() / b.norm())


# ---- HSA ------------------------------------------------------------------------------------------------------------


def draw(seed, count):
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def picks(n):
    """ids (n, K) int32 and weights (n, K) f32, as described at the top."""
    visible = np.arange(n, dtype=np.int64) // S
    draws = ((draw(1, n * K) >> np.uint64(32)).reshape(n, K) * visible[:, None].astype(np.uint64)) >> np.uint64(32)
    ids = np.full((n, K), -1, np.int64)
    for i in range(K):
        rows = np.flatnonzero(visible > i)
        c = draws[rows, i].astype(np.int64)
        ids[rows, i] = c
        while len(rows):
            again = (ids[rows, :i] == c[:, None]).any(1)
            rows, c = rows[again], (c[again] + 1) % visible[rows[again]]
            ids[rows, i] = c
    ids = -np.sort(-ids, 1)
    p = ((draw(2, n * K) >> np.uint64(41)).astype(np.float32).reshape(n, K) + np.float32(0.5)) * np.float32(2.0**-23)
    weights, left = np.zeros((n, K), np.float32), np.ones(n, np.float32)
    for i in range(K):
        weights[:, i] = p[:, i] * left
        left = left * (np.float32(1) - p[:, i])
    return np.maximum(ids, 0).astype(np.int32), np.where(ids >= 0, weights, np.float32(0))


def gather_hsa(q, keys, values, ids, weights):
    """Plain PyTorch: q (n, H, d), keys and values (C, S, 1, d), ids and weights (n, K) -> (n, H, d)."""
    k, v = keys[:, :, 0][ids], values[:, :, 0][ids]  # (n, K, S, d)
    att = (q[:, None] @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
    return (weights[:, :, None, None] * (att @ v)).sum(1)


def brief_bench(call, quantiles):
    return triton.testing.do_bench(call, warmup=5, rep=20, quantiles=quantiles)


# Tiles are addressed by ids that are loaded in the same loop: so a further buffer takes two stages (3, 5, 7: 1, 2, 3).
CONFIGS = [triton.Config({}, num_warps=w, num_stages=s) for w in (1, 2, 4) for s in (1, 3, 5, 7)]
if os.environ.get("TRITON_INTERPRET") == "1":
    CONFIGS = CONFIGS[:1]


@triton.autotune(CONFIGS, key=["n"], do_bench=brief_bench)
@triton.jit
def hsa_kernel(
    q_ptr, k_ptr, v_ptr, ids_ptr, weights_ptr, out_ptr, n, scale,
    G: tl.constexpr, H: tl.constexpr, D: tl.constexpr, S: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    """One program for one token and one kv head, whose H query heads are the rows of the products.

    The way of Native Sparse Attention's forward (arXiv 2502.11089), but each chunk has a softmax of its own.
    `scale` includes log2 e.
    """
    t, g = tl.program_id(0), tl.program_id(1)
    e = tl.arange(0, D)
    s = tl.arange(0, S)
    rows = (t * G + g) * (H * D) + tl.arange(0, H)[:, None] * D + e[None, :]
    q = tl.load(q_ptr + rows)
    acc = tl.zeros((H, D), tl.float32)
    for i in range(K):
        base = tl.load(ids_ptr + t * K + i) * (S * G * D) + g * D
        weight = tl.load(weights_ptr + t * K + i)
        k = tl.load(k_ptr + base + s[None, :] * (G * D) + e[:, None])
        v = tl.load(v_ptr + base + s[:, None] * (G * D) + e[None, :])
        x = tl.dot(q, k) * scale
        p = tl.exp2(x - tl.max(x, 1)[:, None])
        p *= (weight / tl.sum(p, 1))[:, None]
        acc = tl.dot(p.to(v.dtype), v, acc)
    tl.store(out_ptr + rows, acc.to(out_ptr.dtype.element_ty))


def triton_hsa(q, keys, values, ids, weights, out):
    (n, heads, d), g = q.shape, keys.shape[2]
    shape = dict(G=g, H=heads // g, D=d, S=keys.shape[1], K=ids.shape[1])
    hsa_kernel[(n, g)](q, keys, values, ids, weights, out, n, d**-0.5 * math.log2(math.e), **shape)
    return out


def full_attention(q, keys, values, backend):
    """-> calls of causal attention over as many keys as queries, the kv head shared or as 16 views of it."""
    n, d = q.shape[0], q.shape[2]
    q = q.transpose(0, 1)[None]  # (1, 16, n, d)
    k, v = (m.reshape(1, 1, n, d) for m in (keys, values))
    wide = [m.expand(1, q.shape[1], n, d) for m in (k, v)]

    def shared():
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    def views():
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(q, *wide, is_causal=True)

    return {"gqa": shared, "expanded": views}


def ceilings(clock, tiny):
    size, m = (1 << 20, 256) if tiny else (1 << 30, 8192)
    device = clock.args.device
    a = torch.zeros(size, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    copy_ms = clock.median_ms(lambda: b.copy_(a))
    a, b = (torch.randn(m, m, device=device, dtype=torch.bfloat16) for _ in range(2))
    matmul_ms = clock.median_ms(lambda: a @ b)
    figures = dict(copy_gb_s=round(2e-6 * size / copy_ms, 1), matmul_tflop_s=round(2e-9 * m**3 / matmul_ms, 1))
    clock.emit(what="ceilings", **figures)


def section_hsa(clock):
    args, device = clock.args, clock.args.device
    clock.attempt("ceilings", lambda: ceilings(clock, args.tiny))
    torch.manual_seed(1)

    def one(n):
        ids, weights = (torch.from_numpy(a).to(device) for a in picks(n))
        # Triton's interpreter multiplies the bits of bf16 as if they were integers.
        kind = torch.bfloat16 if clock.cuda else torch.float16
        rand = lambda *shape: torch.randn(*shape, device=device, dtype=kind)
        q, keys, values = rand(n, 16, 64), rand(n // S, S, 1, 64), rand(n // S, S, 1, 64)
        out = torch.full_like(q, math.nan)
        run = lambda: triton_hsa(q, keys, values, ids, weights, out)
        run()  # tunes
        out.fill_(math.nan)
        run()
        some = torch.randperm(n, device=device)[:4096]
        want = [gather_hsa(q[r].float(), keys.float(), values.float(), ids[r], weights[r]) for r in some.split(512)]
        want = torch.cat(want)
        check = error(out[some], want)
        row = dict(n=n, flash_ms=None, cudnn_ms=None, triton_ms=None, check=check)
        if not check < 1e-2:
            return clock.emit(**row, error="the Triton kernel is wrong")
        out.fill_(math.nan)
        row["triton_ms"] = round(clock.median_ms(run), 5)
        check = error(out[some], want)
        finite = bool(out.isfinite().all())
        row |= dict(check=check if finite else math.inf, config=str(getattr(hsa_kernel, "best_config", "")))
        for name, backend in (("flash", SDPBackend.FLASH_ATTENTION), ("cudnn", SDPBackend.CUDNN_ATTENTION)):
            forms = {}
            for form, call in full_attention(q, keys, values, backend).items():
                try:
                    forms[form] = clock.median_ms(call)
                except Exception as e:
                    row[f"{name}_{form}_error"] = str(e).splitlines()[0][:120]
            if forms:
                best = min(forms, key=forms.get)
                row |= {f"{name}_ms": round(forms[best], 5), f"{name}_form": best}
        clock.emit(**row)

    for n in (128,) if args.tiny else (4096, 8192, 16384, 32768, 65536):
        clock.attempt(f"n {n}", lambda: one(n))


# ---- ingest ---------------------------------------------------------------------------------------------------------


def halved(model):
    """A copy with matrices in bf16; embedding, norms and what the recurrence is made of stay f32."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.to(torch.bfloat16)
    return model


def section_ingest(clock):
    args, device, cuda = clock.args, clock.args.device, clock.cuda
    cfg = json.loads((RECIPE / "small.json").read_text(encoding="utf-8"))
    run_in = cfg["segment_overlap"]
    own = 128 if args.tiny else cfg["segment_size"]
    batches = (1, 2) if args.tiny else (1, 16, 64, 256, 1024)
    torch.manual_seed(1)
    with torch.device(device):
        f32 = Ramba(cfg).eval().requires_grad_(False)
    models = {"f32": f32, "bf16": halved(f32)}
    side = torch.cuda.Stream() if cuda else None

    def memories(model, ids):
        return tuple(m.half() for m in model.memories(model.read(ids)[:, run_in:]))

    class Reader:
        """Reads batches of `batch` segments one after the other; copies overlap with the next batch."""

        def __init__(self, batch, kind, call):
            self.kind = kind
            ids = torch.randint(cfg["vocab_size"], (batch, run_in + own))
            self.ids, self.at = (ids.pin_memory() if cuda else ids), 0
            self.forward = lambda: call(models[kind], self.ids.to(device, non_blocking=True))
            with self.precision():
                made = self.forward()
            self.host = [[torch.empty(m.shape, dtype=m.dtype, pin_memory=cuda) for m in made] for _ in range(2)]

        def precision(self):
            return torch.autocast(device, torch.bfloat16, enabled=self.kind == "bf16")

        def keep(self, memory):
            self.at ^= 1
            if not cuda:
                return [to.copy_(m) for to, m in zip(self.host[self.at], memory)]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for to, m in zip(self.host[self.at], memory):
                    to.copy_(m, non_blocking=True)
                    m.record_stream(side)

        def three(self):
            with self.precision():
                for _ in range(3):
                    self.keep(self.forward())

    def report(batch, mode, reader, **more):
        seconds = clock.median_s(reader.three, 0.15)
        if not all(bool(m.isfinite().all()) for m in reader.host[0]):
            raise ValueError("not finite")
        clock.emit(batch=batch, mode=mode, tokens_per_s=round(3 * batch * own / seconds), **more)

    def eager(batch, kind):
        report(batch, f"eager {kind}", Reader(batch, kind, memories))

    fast, shapes = torch.compile(memories, backend=args.backend), dict.fromkeys(models, 0)

    def compiled(batch, kind, new):
        made = []
        took = clock.first(lambda: made.append(Reader(batch, kind, fast)), new)
        shapes[kind] += 1
        report(batch, f"compile {kind}", made[0], compile_s=took)

    for batch in batches:
        for kind in models:
            clock.attempt(f"{batch} eager {kind}", lambda: eager(batch, kind))
    # The largest batch gets code for its exact shape, the next one code for any; 1 is a shape of its own, and last.
    first, *rest = sorted(batches, reverse=True)
    jobs = [(first, "bf16"), (first, "f32")] + [(b, kind) for kind in ("bf16", "f32") for b in rest]
    for batch, kind in jobs:
        new = batch == 1 or shapes[kind] < 2
        call = lambda: compiled(batch, kind, new)
        clock.attempt(f"{batch} compile {kind}", call, needs=Clock.compile_s if new else 1.0)
    if made := [r for r in ROWS if r["section"] == "ingest" and "tokens_per_s" in r]:
        best = max(made, key=lambda r: r["tokens_per_s"])
        clock.emit(what="best", batch=best["batch"], mode=best["mode"], tokens_per_s=best["tokens_per_s"])


# ---- model ----------------------------------------------------------------------------------------------------------

SMALL = json.loads((RECIPE / "small.json").read_text(encoding="utf-8")) | dict(
    hidden_size=256, num_heads=8, retrieval_dim=256, num_attention_heads=16, encoder_intermediate_size=640
)
PUBLISHED = SMALL | dict(
    hidden_size=1024, num_heads=32, state_size=128, vocab_size=50280, num_lower_layers=24, num_upper_layers=24,
    num_mamba_per_gca=8, retrieval_dim=1024, encoder_num_attention_heads=16, encoder_num_kv_heads=16,
    encoder_intermediate_size=2688,
)  # fmt: skip


def project(layer, x):
    return F.linear(x.to(layer.weight.dtype), layer.weight)


def retrieve(layer, x, landmarks):
    """x (T, D), landmarks (C, R), all visible -> ids and weights (T, K), most recent first."""
    with torch.autocast(x.device.type, enabled=False):
        scores = project(layer.ln, layer.pre_norm(x)).float() @ landmarks.T / math.sqrt(layer.r)
        ids = scores.topk(layer.k).indices.sort(-1, descending=True).values
        s = scores.gather(-1, ids)
        return ids, (s - F.softplus(s).cumsum(-1)).exp()


def read_chunks(layer, x, memory, ids, weights, kernel):
    keys, values, _ = memory
    q = layer.q_norm(project(layer.q_proj, layer.pre_norm(x)).view(-1, layer.h, layer.d)).to(keys.dtype)
    if kernel:
        out = triton_hsa(q.contiguous(), keys, values, ids.int(), weights, torch.empty_like(q))
    else:
        out = gather_hsa(q, keys, values, ids, weights.to(keys.dtype))
    return x + project(layer.o_proj, out.flatten(1))


def prefill(model, head, ids, memory, mamba, kernel):
    """A prompt from zero state -> logits of the last token, and the chunk memories of the prompt (not read by it)."""
    x = model.backbone.embeddings(ids)[None]
    for layer in model.lower:
        x = mamba(layer, x)
    whole = x.shape[1] // S * S
    new = model.memories(x[:, :whole]) if whole else None
    for layer in model.upper:
        if isinstance(layer, Retrieval):
            chosen = retrieve(layer, x[0], memory[2])
        elif isinstance(layer, Hsa):
            x = read_chunks(layer, x[0], memory, *chosen, kernel)[None]
        else:
            x = mamba(layer, x)
    return F.linear(model.backbone.norm_f(x[0, -1:]).to(head.dtype), head)[0].float(), new


def mamba_prefill(layer, x):
    return layer(x)


def mamba_step(layer, x, conv, ssm):
    """One token: x (1, D) f32; conv (3, channels) and ssm (h, P, N) are moved on."""
    m = layer.mixer
    z, xbc, dt = project(m.in_proj, layer.norm(x)).float()[0].split([m.e, m.e + 2 * m.n, m.h])
    window = torch.cat([conv, xbc[None]])
    conv.copy_(window[1:])
    mixed = F.silu((window * m.conv1d.weight[:, 0].T).sum(0) + m.conv1d.bias)
    xs, b, c = mixed.split([m.e, m.n, m.n])
    xs = xs.view(m.h, m.p)
    dt = F.softplus(dt + m.dt_bias)
    ssm.copy_(ssm * (dt * -m.A_log.exp()).exp()[:, None, None] + (dt[:, None] * xs)[..., None] * b)
    y = (ssm * c).sum(-1) + m.D[:, None] * xs
    return x + project(m.out_proj, m.norm(y.flatten() * F.silu(z)))[None]


class Decoder:
    """The whole stack, one token a step; the token, the states and the logits stay where they are in memory."""

    def __init__(self, model, head, memory, step):
        self.model, self.head, self.memory, self.step = model, head, memory, step
        blocks = [m.mixer for m in model.backbone.layers if isinstance(m, Mamba)]
        zeros = lambda *shape: torch.zeros(*shape, device=head.device)
        self.states = [
            (zeros(m.conv1d.weight.shape[2] - 1, m.conv1d.weight.shape[0]), zeros(m.h, m.p, m.n)) for m in blocks
        ]
        self.token = torch.zeros(1, dtype=torch.long, device=head.device)
        self.logits = torch.zeros(head.shape[0], device=head.device)

    def reset(self):
        for state in self.states:
            for part in state:
                part.zero_()
        self.token.fill_(1)

    def forward(self):
        model, states = self.model, iter(self.states)
        x = model.backbone.embeddings(self.token)
        for layer in [*model.lower, *model.upper]:
            if isinstance(layer, Retrieval):
                chosen = retrieve(layer, x, self.memory[2])
            elif isinstance(layer, Hsa):
                x = read_chunks(layer, x, self.memory, *chosen, False)
            else:
                x = self.step(layer, x, *next(states))
        self.logits.copy_(F.linear(model.backbone.norm_f(x).to(self.head.dtype), self.head)[0])

    def greedy(self):
        self.forward()
        self.token.copy_(self.logits.argmax(-1, keepdim=True))

    def bytes_per_token(self):
        model = self.model
        size = lambda tensors: sum(t.numel() * t.element_size() for t in tensors)
        keys, values, landmarks = self.memory
        weights = size(p for layer in [*model.lower, *model.upper] for p in layer.parameters()) + size([self.head])
        states = 2 * size(part for state in self.states for part in state)  # read and written
        layers = sum(isinstance(layer, Hsa) for layer in model.upper)
        memory = size([landmarks]) + layers * model.cfg["chunk_topk"] * (size([keys, values]) // len(keys))
        parts = dict(weight_bytes=weights, state_bytes=states, memory_bytes=memory)
        return parts | dict(bytes_per_token=sum(parts.values()))


def chunk_memory(cfg, chunks, device, dtype):
    d = cfg["hidden_size"] // cfg["num_attention_heads"]
    rand = lambda *shape: torch.randn(*shape, device=device)
    keys, values = (rand(chunks, S, 1, d).to(dtype) for _ in range(2))
    return keys, values, rand(chunks, cfg["retrieval_dim"])


def check_model(clock):
    """A narrow model in f32: the recipe's batched form, `prefill` and 32 single tokens must agree."""
    device = clock.args.device
    torch.set_float32_matmul_precision("highest")
    with torch.device(device):
        model = Ramba(SMALL).eval().requires_grad_(False)
    ids = torch.randint(SMALL["vocab_size"], (32,), device=device)
    memory = chunk_memory(SMALL, 16, device, torch.float32)
    whole = torch.ones(1, 32, dtype=torch.bool, device=device)
    hidden, _ = model.answer(model.read(ids[None]), whole, memory, whole.new_ones(32, 16))
    want, head = model.logits(hidden)[-1], model.backbone.embeddings.weight
    batched, _ = prefill(model, head, ids, memory, mamba_prefill, False)
    decoder = Decoder(model, head, memory, mamba_step)
    for token in ids:
        decoder.token.copy_(token)
        decoder.forward()
    errors = dict(prefill_error=error(batched, want), decode_error=error(decoder.logits, want))
    clock.emit(what="check", **errors, ok=all(e < 1e-3 for e in errors.values()))
    torch.set_float32_matmul_precision("high")


def section_model(clock):
    args, device, cuda = clock.args, clock.args.device, clock.cuda
    torch.manual_seed(1)
    clock.attempt("check", lambda: check_model(clock))
    torch.set_float32_matmul_precision("high")  # TF32
    cfg, length, chunks = (SMALL, 128, 16) if args.tiny else (PUBLISHED, 4096, 256)
    with torch.device(device):
        model = Ramba(cfg).eval().requires_grad_(False)
    embeddings = model.backbone.embeddings.weight
    memory = chunk_memory(cfg, chunks, device, torch.float32)
    half = [m.bfloat16() for m in memory[:2]]
    kinds = {
        "f32": (model, embeddings, memory, False),
        "bf16": (halved(model), embeddings.bfloat16(), (*half, memory[2]), cuda),
    }
    ids = torch.randint(cfg["vocab_size"], (length,), device=device)
    best_block = {}

    def prompt(kind, mamba):
        model, head, memory, kernel = kinds[kind]

        def call():
            with torch.autocast(device, torch.bfloat16, enabled=kind == "bf16"):
                return prefill(model, head, ids, memory, mamba, kernel)[0]

        return call

    answers = []  # of the first, in f32

    def report_prefill(mode, call, **more):
        logits = call().clone()
        answers.append(logits)
        if not bool(logits.isfinite().all()):
            raise ValueError("not finite")
        seconds = clock.median_s(call, 0.4)
        row = dict(ms=round(1e3 * seconds, 2), tokens_per_s=round(length / seconds), change=error(logits, answers[0]))
        clock.emit(what="prefill", mode=mode, **row, **more)
        return seconds

    def set_block(block):
        for kind in kinds:
            for layer in kinds[kind][0].modules():
                if isinstance(layer, Mamba):
                    layer.mixer.block = block

    def eager_prefill(kind, block):
        set_block(block)
        seconds = report_prefill(f"eager {kind}", prompt(kind, mamba_prefill), block=block)
        best_block[kind] = min(best_block.get(kind, (math.inf, 0)), (seconds, block))

    def compiled_prefill(kind):
        block = best_block.get(kind, (0, 128))[1]
        set_block(block)
        call = prompt(kind, torch.compile(mamba_prefill, dynamic=False, backend=args.backend))
        compile_s = clock.first(call)
        report_prefill(f"compile {kind}", call, block=block, compile_s=compile_s)
        if cuda and kind == "bf16":
            made = []
            replay = recorded(lambda: made.append(call()))
            report_prefill(f"compile, CUDA graph, {kind}", lambda: (replay(), made[-1])[1], block=block)

    decoded = {}

    def report_decode(mode, decoder, step, tokens, **more):
        decoder.reset()
        got = []
        for _ in range(8):
            step()
            got.append(decoder.token.clone())
        decoded[mode] = torch.cat(got).tolist()
        if not bool(decoder.logits.isfinite().all()):
            raise ValueError("not finite")
        if cuda:
            marks = [torch.cuda.Event(enable_timing=True) for _ in range(tokens + 1)]
            marks[0].record()
            for mark in marks[1:]:
                step()
                mark.record()
            clock.wait()
            ms = statistics.median(a.elapsed_time(b) for a, b in zip(marks, marks[1:]))
        else:
            ms = 1e3 * clock.median_s(step)
        work = decoder.bytes_per_token()
        row = dict(ms_per_token=round(ms, 4), tokens_per_s=round(1e3 / ms, 1), **work)
        row |= dict(gb_s=round(1e-6 * work["bytes_per_token"] / ms, 1))
        clock.emit(what="decode", mode=mode, **row, same_tokens=decoded[mode] == next(iter(decoded.values())), **more)

    def decode(mode, step, tokens=128, compiles=False):
        model, head, memory, _ = kinds["bf16"]
        decoder = Decoder(model, head, memory, step)
        more = dict(compile_s=clock.first(decoder.greedy)) if compiles else {}
        graph = cuda and "graph" in mode
        report_decode(mode, decoder, recorded(decoder.greedy) if graph else decoder.greedy, tokens, **more)

    clock.attempt("decode eager", lambda: decode("eager bf16", mamba_step, 24))
    if cuda:
        clock.attempt("decode graph", lambda: decode("eager, CUDA graph, bf16", mamba_step))
    for kind in kinds:
        for block in (32, 64) if args.tiny else (64, 128, 256):
            clock.attempt(f"prefill eager {kind} block {block}", lambda: eager_prefill(kind, block))
    graph = "CUDA graph, " if cuda else ""
    fast_step = torch.compile(mamba_step, dynamic=False, backend=args.backend)
    compile_decode = lambda: decode(f"compile, {graph}bf16", fast_step, compiles=True)
    clock.attempt("decode compile", compile_decode, needs=Clock.compile_s)
    for kind in ("bf16", "f32"):
        clock.attempt(f"prefill compile {kind}", lambda: compiled_prefill(kind), needs=Clock.compile_s)
    if cuda and args.backend == "inductor":

        def tuned():
            torch._dynamo.reset()
            step = torch.compile(mamba_step, dynamic=False, options={"coordinate_descent_tuning": True})
            decode("compile with coordinate descent, CUDA graph, bf16", step, compiles=True)

        clock.attempt("decode compile, tuned", tuned, needs=1.5 * Clock.compile_s)


# ---- the program ----------------------------------------------------------------------------------------------------


FIGURES = (
    "triton_ms flash_ms cudnn_ms copy_gb_s matmul_tflop_s ms ms_per_token tokens_per_s ok seconds skipped error".split()
)


def table():
    print("\n| section | what | figure |\n|---|---|---|")
    for r in ROWS:
        name = f"n {r['n']}" if "n" in r else f"batch {r['batch']}" if "batch" in r else ""
        name = ", ".join(str(part) for part in (r.get("what"), name, r.get("mode")) if part)
        if figures := [f"{key} {str(r[key])[:60]}" for key in FIGURES if key in r]:
            print(f"| {r['section']} | {name} | {', '.join(figures)} |")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all")
    ap.add_argument("--json", metavar="FILE", help="append the rows to this file, too")
    ap.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    ap.add_argument("--tiny", action="store_true", help="toy sizes")
    ap.add_argument("--backend", default="inductor", help="of torch.compile (aot_eager: checks it in little time)")
    for section, budget in zip(SECTIONS, (20, 22, 34)):
        ap.add_argument(f"--{section}-budget", type=float, default=budget, metavar="SECONDS", help=f"default {budget}")
    args = ap.parse_args()
    sections = args.sections or list(SECTIONS)
    if unknown := set(sections) - set(SECTIONS):
        ap.error(f"unknown section {', '.join(sorted(unknown))}")
    calls = dict(hsa=section_hsa, ingest=section_ingest, model=section_model)
    torch.set_grad_enabled(False)
    torch.set_float32_matmul_precision("high")  # TF32

    def overrun(*_):
        raise OutOfTime("the section ran over its budget")

    signal.signal(signal.SIGALRM, overrun)
    if args.device == "cuda" and args.backend == "inductor" and {"ingest", "model"} & set(sections):
        from torch._inductor.async_compile import maybe_warm_pool

        maybe_warm_pool()  # its processes start while the first section runs
    for i, section in enumerate(sections):
        clock, started = Clock(args, section), time.monotonic()
        if i == 0:
            name = torch.cuda.get_device_name() if clock.cuda else "cpu"
            clock.emit(what="machine", device=name, torch=torch.__version__, triton=triton.__version__)
        signal.setitimer(signal.ITIMER_REAL, clock.left() + 10)
        try:
            calls[section](clock)
        except (Exception, OutOfTime) as e:
            traceback.print_exc()
            clock.emit(what="section", error=f"{type(e).__name__}: {e}"[:500])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        clock.emit(what="time", seconds=round(time.monotonic() - started, 1))
        if clock.cuda:
            try:
                torch.cuda.synchronize()
                torch.cuda.empty_cache()
            except Exception:  # the context is beyond use: a fresh process does the rest
                rest = sections[i + 1 :]
                options = [a for a in sys.argv[1:] if a not in SECTIONS]
                if rest:
                    sys.stdout.flush()
                    os.execv(sys.executable, [sys.executable, __file__, *rest, *options])
    table()


if __name__ == "__main__":
    main()
