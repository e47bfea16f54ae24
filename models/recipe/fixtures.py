"""Random tiny models of every variant and weight type, with what the reference makes of them.

    python fixtures.py [--out ../../tests/fixtures/golden] [NAME ...]

Each NAME becomes NAME.gguf, NAME.json and NAME.bin; ../../tests/fixtures/golden/README.md describes them. The
reference runs in f64 on the weights as the file holds them (dequantized). Weights are drawn so that everything
matters: the script fails if HSA barely changes the logits, if a tensor or the carried-over run-in can be ignored, if
a chosen chunk or a greedy token was almost a tie, or if int8 activations would already exceed the tolerance of the
tests.
"""

import argparse
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import torch

import gguf_export
import reference
from golden import Floats, choice, dumps, trace
from reference import Config, Reference

VOCAB = 96
TOKENS = 250  # of the document: three segments of 64 and most of a fourth; the continuation enters the fifth
GREEDY = 16
QUESTION, ANSWER = 9, 8
TRACED = (40, 64, 130, 195, 249)  # positions whose selections are stored
MEMORIES = (0, 14)  # chunks whose memory is stored
WITHOUT = (64, 193, TOKENS - 1)  # positions whose logits without HSA are stored

BASE = dict(
    hidden_size=32,
    expand=2,
    head_dim=16,
    state_size=8,
    n_groups=1,
    conv_kernel=4,
    layer_norm_epsilon=1e-5,
    vocab_size=VOCAB,
    num_lower_layers=2,
    num_upper_layers=2,
    num_upper_groups=1,
    num_mamba_per_gca=1,
    chunk_topk=4,
    retrieval_dim=32,
    chunk_size=16,
    encoder_layers=1,
    num_attention_heads=4,
    num_kv_heads=1,
    encoder_num_attention_heads=2,
    encoder_num_kv_heads=2,
    encoder_intermediate_size=64,
    segment_size=64,
    segment_overlap=16,
    enable_qk_norm=False,
    tie_word_embeddings=True,
    pad_token_id=0,
    eos_token_id=1,
)
SMALL = dict(expand=1, head_dim=8, num_lower_layers=1, num_upper_layers=1, encoder_intermediate_size=32)
# Of the coarse types: int8 activations could tip a choice among chunks, so here all chunks are chosen.
WIDE = SMALL | dict(hidden_size=64, head_dim=16, retrieval_dim=64, chunk_topk=16, tie_word_embeddings=False)
KWIDE = WIDE | dict(hidden_size=256, expand=1, head_dim=64,)
PLAIN = dict(num_upper_groups=0, num_upper_layers=0, encoder_layers=0, segment_size=0, segment_overlap=0)

# name -> (weight type, changes to BASE, what is special)
FIXTURES = {
    "base": ("F32", {}, "the published layout: CLS, stick-breaking, tied output; segments with a run-in"),
    "no_segments": ("F32", SMALL | dict(segment_size=0, segment_overlap=0), "one recurrence for ever"),
    "no_overlap": ("F32", SMALL | dict(segment_overlap=0), "segments without a run-in"),
    "odd_overlap": ("F32", SMALL | dict(segment_overlap=37), "a run-in of two chunks and a bit"),
    "softmax": ("F16", SMALL | dict(enable_softmax=True), "softmax over the chosen chunks"),
    "pos_decay": ("F16", SMALL | dict(enable_softmax=True, enable_pos_decay=True), "softmax with position decay"),
    "softmax_off_by_one": ("F16", SMALL | dict(enable_softmax1=True), "denominator + 1 inside a chunk"),
    "qk_norm": ("F32", SMALL | dict(enable_qk_norm=True, num_kv_heads=2), "normed memory keys and queries; 2 kv heads"),
    "landmark_norm": ("F32", SMALL | dict(enable_lmk_norm=True, num_kv_heads=2), "normed retrieval; 2 retrieval heads"),
    "single_head": ("F16", SMALL | dict(singlehead_retrieval=True, num_kv_heads=2), "one retrieval for 2 kv heads"),
    "encoder_0": ("F32", SMALL | dict(encoder_layers=0), "no encoder: norm and mean"),
    "encoder_2": (
        "F16",
        SMALL | dict(encoder_layers=2, encoder_num_attention_heads=4, encoder_num_kv_heads=1),
        "2 encoder layers with grouped kv heads",
    ),
    "no_cls": ("F16", SMALL | dict(enable_enc_cls=False), "landmark from the mean of the encoder's rows"),
    "enc_prenorm": ("F16", SMALL | dict(enc_prenorm=True), "norm before the encoder"),
    "two_groups": (
        "F32",
        SMALL | dict(hidden_size=16, retrieval_dim=16, num_upper_groups=2, num_upper_layers=8, num_mamba_per_gca=2)
        | dict(tie_word_embeddings=False),
        "2 upper groups of 2 HSA layers with 2 blocks each; untied output",
    ),
    "ssm_groups": (
        "F32",
        SMALL | dict(expand=2, n_groups=2, conv_kernel=3, time_step_limit=[0.03, 0.25], num_kv_heads=4, enable_qk_norm=True),
        "2 SSM groups, conv width 3, clamped time step, 4 kv heads",
    ),
    "plain_segments": ("F32", SMALL | PLAIN | dict(segment_size=64, segment_overlap=16), "no upper half, but segments"),
    "mamba2": ("F32", PLAIN | dict(num_lower_layers=3), "architecture mamba2, as llama.cpp writes it"),
    "mamba2_groups": (
        "Q8_0",
        PLAIN | dict(hidden_size=64, n_groups=2, tie_word_embeddings=False),
        "architecture mamba2, 2 SSM groups, untied, Q8_0",
    ),
    "bf16": ("BF16", SMALL, "BF16 weights"),
    "q8_0": ("Q8_0", WIDE, "Q8_0 weights"),
    "q4_0": ("Q4_0", WIDE, "Q4_0 weights, Q8_0 embedding"),
    "q4_k": ("Q4_K", KWIDE | dict(encoder_layers=0), "Q4_K weights, Q6_K embedding"),
    "q6_k": ("Q6_K", KWIDE | PLAIN, "architecture mamba2, Q6_K weights"),
}


# The first seed that passes every check, where it is not 1.
SEED = {
    "no_overlap": 5,
    "pos_decay": 4,
    "qk_norm": 2,
    "landmark_norm": 2,
    "single_head": 2,
    "no_cls": 7,
    "enc_prenorm": 3,
    "two_groups": 4,
    "ssm_groups": 2,
    "plain_segments": 2,
    "bf16": 9,
    "q8_0": 3,
    "q4_0": 2,
    "q4_k": 6,
    "q6_k": 3,
}


def random_state(c: Config, seed: int, calm: bool) -> dict:
    """Weights of a model in which every part has a say; `calm`: less of it, so that int8 noise is not amplified."""
    rng = np.random.default_rng(seed)
    normal = lambda shape, std: rng.standard_normal(shape) * std
    state = {}
    for ours, theirs, shape, matrix in gguf_export.tensor_table(c):
        leaf = theirs.split(".", 3)[-1] if theirs.startswith("backbone.layers") else theirs
        if leaf.endswith("A_log"):
            value = np.log(rng.uniform(0.3, 4.0, shape))
        elif leaf.endswith("dt_bias"):
            dt = np.exp(rng.uniform(math.log(0.02), math.log(0.5), shape))
            value = dt + np.log(-np.expm1(-dt))  # inverse softplus
        elif leaf.endswith("mixer.D"):
            value = 1 + normal(shape, 0.3)
        elif leaf == "pos_decay":
            value = np.full(shape, -0.4)
        elif leaf == "cls_emb":
            value = normal(shape, 0.5)
        elif leaf.endswith("bias"):
            value = normal(shape, 0.1)
        elif leaf.endswith("conv1d.weight"):
            value = normal(shape, 0.5)
        elif leaf == "backbone.embeddings.weight":
            value = normal(shape, 1.0 if calm else 0.3)
        elif matrix:
            gain = 0.5 if calm and leaf == "mixer.out_proj.weight" else 1.0
            if leaf in ("ln.weight", "lmk_ln.weight"):
                gain = 1.0 if c.landmark_norm or calm else 1.3  # scores that spread
            elif leaf in ("q_proj.weight", "proj_k.weight", "proj_v.weight"):
                gain = 1.0 if calm else 1.6  # sharp reading inside a chunk
            elif leaf == "o_proj.weight":
                gain = 1.0 if calm else 1.5
            value = normal(shape, gain / math.sqrt(shape[1]))
        else:  # a norm
            value = 1 + normal(shape, 0.2)
            if leaf in ("lmk_q_norm.weight", "q_norm.weight", "k_rmsnorm.weight"):
                value *= 1.5
        state[theirs] = torch.from_numpy(np.asarray(value, dtype=np.float32)).reshape(gguf_export.published_shape(theirs, shape))
    return state


def relative(a, b) -> float:
    """Largest difference as a share of the largest value."""
    return float((a - b).abs().max() / b.abs().max())


class Judge:
    """The checks that make a fixture worth having."""

    def __init__(self, name, int8_block):
        self.name, self.said = name, []
        self.tie = 0.012 if int8_block else 0.004  # margins below are too close to a tie
        self.noise = 0.02 if int8_block == 256 else 0.015  # what int8 activations alone may change

    def need(self, ok, what):
        self.said.append(what)
        if not ok:
            raise Rejected(f"{self.name}: {what}")


class Rejected(Exception):
    pass


def int8_rows(x, block=32):
    """Activations as an int8 dot product sees them: rounded to 127 steps of each block's largest value."""
    pad = -x.shape[-1] % block
    blocks = torch.nn.functional.pad(x, (0, pad)).unflatten(-1, (-1, block))
    step = (blocks.abs().amax(-1, keepdim=True) / 127).clamp(min=1e-30)
    return ((blocks / step).round() * step).flatten(-2)[..., : x.shape[-1]]


def positions_kept(c: Config) -> list[int]:
    """Positions whose logits are stored: around boundaries of chunks and segments, a few others, and the last."""
    kept = {0, 1, 2, 15, 16, 17, 63, 64, 65, 80, 127, 128, 143, 144, 191, 192, 193, 208, 230, TOKENS - 2, TOKENS - 1}
    return sorted(kept)


def make(name: str, out: Path, seed: int) -> list[str]:
    type_name, changes, what = FIXTURES[name]
    quantized = type_name not in ("F32", "F16", "BF16")
    block = (256 if type_name.endswith("K") else 32) if quantized else None  # of int8 activations
    judge = Judge(name, block)
    config = BASE | changes
    gguf_path = out / f"{name}.gguf"
    notes = []
    state = random_state(Config.from_json(config), seed, quantized)
    gguf_export.export(gguf_path, config, state, type_name, name=f"fixture {name}", note=notes.append)
    stored_config, stored = gguf_export.load(gguf_path)
    c = Config.from_json(stored_config)
    ref = Reference(c, stored)
    rng = np.random.default_rng(seed + 1)
    tokens = rng.integers(2, VOCAB, TOKENS)
    tokens[150:170] = tokens[20:40]  # something worth remembering
    tokens = tokens.tolist()

    logits, memory, selections = ref.read(tokens)
    kept = positions_kept(c)
    if quantized:
        error = relative(with_int8(block, lambda: ref.read(tokens))[0][kept], logits[kept])
        judge.need(error < judge.noise, f"int8 activations change the logits by {error:.4f}")
    greedy, greedy_logits, margin = continuation(judge, ref, tokens)
    judge.need(len(set(greedy)) > 3, f"{len(set(greedy))} different tokens in the continuation")
    plain32 = Reference(c, stored, torch.float32).read(tokens)[0]
    rounding = relative(plain32.double(), logits)
    judge.need(rounding < 1e-4, f"f32 differs by {rounding:.1e}")

    document = {
        "what": what,
        "type": type_name,
        "config": {k: v for k, v in stored_config.items() if v is not None and v != [0.0, math.inf]},
        "tokens": tokens,
        "logits": {"positions": kept},
        "greedy": {"tokens": greedy, "margin": round(margin, 5)},
    }
    floats = Floats()
    document["logits"]["offset"] = floats.add(logits[kept])
    document["greedy"]["offset"] = floats.add(greedy_logits)

    check_run_in(judge, c, stored, tokens, logits)
    if c.groups:
        without = ref.read(tokens, skip_hsa=True)[0]
        change = relative(without[64:], logits[64:])
        judge.need(change > 0.05, f"HSA changes the logits by {change:.2f}")
        document["skip_hsa"] = {"positions": list(WITHOUT), "offset": floats.add(without[list(WITHOUT)])}
        document["memory"] = [
            {
                "chunk": i,
                "keys": floats.add(memory.keys[i]),
                "values": floats.add(memory.values[i]),
                "landmark": floats.add(memory.landmarks[i]),
            }
            for i in MEMORIES
        ]
        document["selections"] = trace(ref, selections, TRACED)
        check_selections(judge, selections, c)
        document["ask"] = asked(judge, ref, tokens, rng, floats, block)
    check_tensors(judge, c, stored, tokens, logits[kept], kept)
    if quantized:
        judge.need(with_int8(block, lambda: ref.generate(tokens, GREEDY))[0] == greedy, "int8 keeps the continuation")

    (out / f"{name}.bin").write_bytes(floats.bytes())
    (out / f"{name}.json").write_text(dumps(document), encoding="utf-8")
    return judge.said + notes


def check_selections(judge: Judge, selections, c: Config):
    """Weights that are neither all nothing nor all the same, and no choice that rounding could change."""
    margins, sums = [], []
    for per_segment in selections:
        for s in per_segment:
            if s.scores.shape[-1] > c.top_k:
                best = s.scores.topk(c.top_k + 1).values
                gap = best[..., -2] - best[..., -1]
                margins.append(gap[gap.isfinite()])
            sums.append(s.weights.sum(-1).flatten())
    total = torch.cat(sums)
    mean = float(total[total > 0].mean())
    judge.need(mean > 0.3, f"mean sum of weights {mean:.2f}")
    margin = min((float(m.min()) for m in margins if m.numel()), default=math.inf)
    judge.need(margin > 2e-4, f"margin of the last chosen chunk {margin:.1e}")


def check_run_in(judge: Judge, c: Config, stored, tokens, logits):
    if c.overlap:
        cold = Reference(dataclasses.replace(c, overlap=0), stored).read(tokens)[0]
        change = relative(cold[64:80], logits[64:80])
        judge.need(change > 0.02, f"the run-in changes the logits after a boundary by {change:.2f}")


def check_tensors(judge: Judge, c: Config, stored, tokens, logits, kept):
    """Each tensor reversed in its last dimension must show in the logits: none can be ignored or read wrongly."""
    least = (math.inf, "")
    for name, tensor in stored.items():
        flipped = tensor.flip(-1) if tensor.dim() and tensor.shape[-1] > 1 else tensor.flip(0)
        if tensor.numel() == 1:
            flipped = -tensor
        got = Reference(c, stored | {name: flipped}).read(tokens)[0][kept]
        least = min(least, (relative(got, logits), name))
    judge.need(least[0] > 5e-3, f"least important tensor {least[1]}: {least[0]:.4f}")


def continuation(judge: Judge, ref: Reference, tokens):
    """Greedy continuation, given up at the first token that was almost a tie."""
    ids, rows, least = [], [], math.inf
    for _ in range(GREEDY):
        (token,), row = ref.generate(tokens + ids, 1)
        top = row[0].topk(2).values
        least = min(least, float((top[0] - top[1]) / row.abs().max()))
        if least < judge.tie:
            break
        ids.append(token)
        rows.append(row[0])
    judge.need(least >= judge.tie, f"greedy margin {least:.4f} of the largest logit")
    return ids, torch.stack(rows), least


def with_int8(block, work):
    """The result of `work` when every matrix product sees its activations through int8."""
    exact = reference.linear
    try:
        reference.linear = lambda x, weight, bias=None: exact(int8_rows(x, block), weight, bias)
        return work()
    finally:
        reference.linear = exact


def asked(judge: Judge, ref: Reference, tokens, rng, floats: Floats, block) -> dict:
    """A question about the document's first part, whose last chunk is incomplete."""
    length = 213
    question = rng.integers(2, VOCAB, QUESTION).tolist()
    logits, answer, selections = ref.ask(tokens[:length], question, pad=0, limit=ANSWER)
    top = logits[QUESTION - 1 : -1].topk(2).values
    margin = float(((top[:, 0] - top[:, 1]) / logits.abs().max()).min())
    judge.need(margin > judge.tie, f"margin of the answer {margin:.4f}")
    if block:
        again = with_int8(block, lambda: ref.ask(tokens[:length], question, pad=0, limit=ANSWER))
        error = relative(again[0], logits) if again[1] == answer else math.inf
        judge.need(error < judge.noise, f"int8 activations change the answer's logits by {error:.4f}")
    return {
        "document": length,
        "pad": 0,
        "question": question,
        "answer": answer,
        "offset": floats.add(logits),
        "last_question_token": choice(selections[0], QUESTION - 1, 0),
    }


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "tests/fixtures/golden"
    ap.add_argument("--out", type=Path, default=default)
    ap.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIXTURES))
    args = ap.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or FIXTURES:
        for seed in range(SEED.get(name, 1), 200):
            try:
                said = make(name, args.out, seed)
            except Rejected as e:
                print(f"  seed {seed}: {e}", flush=True)
                continue
            print(f"{name} (seed {seed}): " + "; ".join(said), flush=True)
            break
        else:
            raise SystemExit(f"{name}: no seed gives a usable fixture")
    total = sum(f.stat().st_size for f in args.out.iterdir())
    print(f"{args.out}: {total} bytes")


if __name__ == "__main__":
    main()
