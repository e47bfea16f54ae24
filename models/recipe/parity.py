"""Random checkpoints of every variant, as others publish them, and the logits that an independent model gives them.

    python parity.py                                    # the fixtures: ../../tests/fixtures/convert/*
    python parity.py --shape 370m --out DIR NAME ...    # large ones, for the table of docs/parity.md
    python parity.py --weights 370m --out DIR           # a checkpoint of random weights alone (or 2.7b), to measure speed

A checkpoint is a folder with `config.json` and `model.safetensors` (or shards and their index). RAMba is judged by
`reference.py`, Mamba-2 by Hugging Face's `Mamba2ForCausalLM`, both in PyTorch on the weights as the folder holds them. Beside
the checkpoint lie `expected.json` (token ids of a prompt, positions, greedy continuation) and `expected.bin` (f32,
little-endian: a row of logits for each position, then one for each token of the continuation).

    cargo test --release --test parity                                    # the fixtures
    RAMBA_PARITY=DIR cargo test --release --test parity -- --ignored --nocapture parity_of_a_folder
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import gguf_export
from fixtures import random_state
from reference import Config, Reference

TINY = dict(
    vocab_size=64,
    hidden_size=16,
    expand=2,
    head_dim=8,
    num_heads=4,
    state_size=4,
    n_groups=1,
    conv_kernel=4,
    num_lower_layers=1,
    num_upper_layers=1,
    num_upper_groups=1,
    num_mamba_per_gca=1,
    chunk_topk=3,
    retrieval_dim=16,
    chunk_size=8,
    encoder_layers=1,
    encoder_intermediate_size=32,
    num_attention_heads=2,
    num_key_value_heads=2,
    num_kv_heads=1,
    segment_size=32,
)
# The published 370M (configs/ramba-370M/config_enc1_4096.json of the authors' repository), but with segments that a
# prompt of 200 tokens crosses.
LARGE = TINY | dict(
    vocab_size=50280,
    hidden_size=1024,
    head_dim=64,
    num_heads=32,
    state_size=128,
    num_lower_layers=24,
    num_upper_layers=24,
    num_mamba_per_gca=8,
    chunk_topk=2,
    retrieval_dim=1024,
    chunk_size=64,
    num_attention_heads=16,
    num_key_value_heads=16,
    segment_size=128,
)
del LARGE["encoder_intermediate_size"]
# What the published sizes have beside `LARGE`.
PUBLISHED = {
    "370m": {},
    "2.7b": dict(
        vocab_size=50288,
        hidden_size=2560,
        num_heads=80,
        num_lower_layers=32,
        num_upper_layers=32,
        num_mamba_per_gca=16,
        retrieval_dim=2560,
        encoder_layers=2,
        num_attention_heads=80,
        num_key_value_heads=80,
        num_kv_heads=5,
    ),
}
SHAPES = {"tiny": (TINY, 90, 12), "370m": (LARGE, 200, 8)}  # config, tokens of the prompt, of the continuation
SCALE = 0.05  # of a large embedding, which is the output matrix too: logits as large as those of a trained model
# What stands in every published config and changes nothing.
COMMON = dict(
    architectures=["Mamba2ForCausalLM"],
    model_type="mamba2",
    bos_token_id=0,
    eos_token_id=0,
    pad_token_id=0,
    hidden_act="silu",
    layer_norm_epsilon=1e-5,
    tie_word_embeddings=True,
    rms_norm=True,
    use_bias=False,
    use_conv_bias=True,
    residual_in_fp32=True,
    fused_add_norm=True,
    time_step_rank="auto",
    time_step_limit=[0.0, math.inf],
    mamba_chunk_size=256,
    block_q=1,
    lmk_token_id=1,
    ssm_cfg={},
    use_cache=False,
)
ENDLESS = dict(segment_size=-1)
# name -> (changes to the shape, type of the weights, shards)
RAMBA = {
    "base": ({}, "float32", 1),
    "no_segments": (ENDLESS, "bfloat16", 2),
    "softmax": (dict(enable_softmax=True), "float16", 1),
    "pos_decay": (dict(enable_softmax=True, enable_pos_decay=True) | ENDLESS, "bfloat16", 1),
    "softmax1": (dict(enable_softmax1=True), "bfloat16", 1),
    "qk_norm": (dict(enable_qk_norm=True, num_kv_heads=2), "float32", 1),
    "lmk_norm": (dict(enable_lmk_norm=True, num_kv_heads=2) | ENDLESS, "float16", 1),
    "singlehead": (dict(singlehead_retrieval=True, num_kv_heads=2), "bfloat16", 1),
    "encoder_none": (dict(encoder_layers=0), "bfloat16", 1),
    "encoder_2": (dict(encoder_layers=2, num_key_value_heads=1) | ENDLESS, "float16", 3),
    "no_cls": (dict(enable_enc_cls=False), "bfloat16", 1),
    "enc_prenorm": (dict(enc_prenorm=True), "float32", 1),
    "groups": (dict(num_upper_groups=2, num_upper_layers=4), "float16", 1),
    "untied": (dict(tie_word_embeddings=False, n_groups=2, time_step_limit=[0.03, 0.25]), "bfloat16", 1),
    "plain_segments": (dict(num_upper_groups=0, num_upper_layers=0, encoder_layers=0), "float32", 1),
}
# Changes that make a variant of the published 370M where those above do not fit its shape.
LARGE_CHANGES = {
    "qk_norm": dict(num_kv_heads=4),
    "lmk_norm": dict(num_kv_heads=4),
    "singlehead": dict(num_kv_heads=4),
    "encoder_2": dict(num_key_value_heads=4),
    "groups": dict(num_upper_groups=3, num_upper_layers=24),
}
# name -> (whether in the original names, changes to the shape, type)
MAMBA2 = {
    "mamba2_hf": (False, {}, "float32"),
    "mamba2_hf_groups": (False, dict(n_groups=2, tie_word_embeddings=False), "bfloat16"),
    "mamba2_original": (True, {}, "float16"),
}


def write(folder: Path, config: dict, state: dict, shards: int):
    """A checkpoint as the Hugging Face libraries save it: `Infinity` in JSON, shards with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    if shards == 1:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, weight_map = sorted(state), {}
    for i in range(shards):
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        part = names[i::shards]
        save_file({name: state[name] for name in part}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": sum(t.nbytes for t in state.values())}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> tuple[dict, dict]:
    """(config, state) of a checkpoint, the tensors as they are stored."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    state = {}
    for file in sorted(folder.glob("model*.safetensors")):
        state |= load_file(file)
    return config, state


def greedy(first, step, count: int):
    """`count` tokens, each the most likely one after those before; the rows of logits; the least margin."""
    rows, tokens, margin = [first], [], math.inf
    while True:
        top = rows[-1].topk(2).values
        margin = min(margin, float((top[0] - top[1]) / rows[-1].abs().max()))
        tokens.append(int(rows[-1].argmax()))
        if len(tokens) == count:
            return tokens, torch.stack(rows), margin
        rows.append(step(tokens))


def ramba(folder: Path, prompt: list[int], count: int, dtype):
    config, state = read(folder)
    ref = Reference(Config.from_json(config), state, dtype)
    logits, memory, _ = ref.read(prompt)
    again = lambda more: ref.read(prompt + more, known=memory if ref.c.segment and ref.c.groups else None)[0][-1]
    change = None
    if ref.c.groups:  # how much the upper half reads: a comparison of models that ignore their memory shows little
        without = ref.read(prompt, skip_hsa=True)[0]
        change = float((without - logits).abs().max() / logits.abs().max())
    return logits, *greedy(logits[-1], again, count), change


def mamba2(folder: Path, prompt: list[int], count: int, dtype):
    from transformers import Mamba2ForCausalLM

    model = Mamba2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    run = lambda ids: model(torch.tensor([ids]), use_cache=False).logits[0]
    logits = run(prompt)
    return logits, *greedy(logits[-1], lambda more: run(prompt + more)[-1], count), None


def expect(folder: Path, judge, vocab: int, length: int, count: int, seed: int, dtype, judged: Path):
    """Writes what `judge` makes of the checkpoint `judged`; -> least greedy margin, what HSA changes, rounding to f32."""
    rng = np.random.default_rng(seed)
    prompt = rng.integers(2, vocab, length)
    prompt[length // 2 : length // 2 + 10] = prompt[5:15]
    prompt = prompt.tolist()
    logits, tokens, rows, margin, change = judge(judged, prompt, count, dtype)
    chunk = 8 if length < 128 else 64
    kept = sorted({0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 1, length // 2, length - 2, length - 1})
    floats = torch.cat([logits[kept], rows]).to(torch.float32).numpy()
    (folder / "expected.bin").write_bytes(floats.astype("<f4").tobytes())
    document = {"prompt": prompt, "positions": kept, "greedy": tokens}
    (folder / "expected.json").write_text(json.dumps(document) + "\n", encoding="utf-8")
    return margin, change


def make_ramba(name: str, out: Path, shape: str, seed: int):
    base, length, count = SHAPES[shape]
    changes, kind, shards = RAMBA[name]
    config = COMMON | base | changes | (LARGE_CHANGES.get(name, {}) if shape == "370m" else {})
    c = Config.from_json(config)
    state = random_state(c, seed, shape != "tiny")
    if shape != "tiny":
        state["backbone.embeddings.weight"] *= SCALE
    state = {key: tensor.to(getattr(torch, kind)) for key, tensor in state.items()}
    write(out / name, config | dict(torch_dtype=kind), state, shards)
    dtype = torch.float64 if shape == "tiny" else torch.float32
    return expect(out / name, ramba, c.vocab, length, count, seed, dtype, out / name)


def make_mamba2(name: str, out: Path, shape: str, seed: int):
    from transformers import Mamba2Config, Mamba2ForCausalLM

    base, length, count = SHAPES[shape]
    original, changes, kind = MAMBA2[name]
    base = base | dict(tie_word_embeddings=True) | changes
    keys = ("vocab_size", "hidden_size", "expand", "head_dim", "num_heads", "state_size", "n_groups", "conv_kernel")
    layers = base["num_lower_layers"] + base["num_upper_layers"] + (1 if shape == "tiny" else 0)
    config = Mamba2Config(
        **{key: base[key] for key in keys},
        num_hidden_layers=layers,
        layer_norm_epsilon=1e-5,
        tie_word_embeddings=base["tie_word_embeddings"],
        pad_token_id=0,
        eos_token_id=0,
    )
    c = Config.from_json(config.to_dict() | dict(time_step_limit=None))
    model = Mamba2ForCausalLM(config)
    state = random_state(c, seed, shape != "tiny")
    if shape != "tiny":
        state["backbone.embeddings.weight"] *= SCALE
    if base["tie_word_embeddings"]:
        state["lm_head.weight"] = state["backbone.embeddings.weight"]
    model.load_state_dict(state)
    model = model.to(getattr(torch, kind))
    model.save_pretrained(out / name)
    (out / name / "generation_config.json").unlink(missing_ok=True)
    margin = expect(out / name, mamba2, c.vocab, length, count, seed, torch.float32, out / name)
    if original:
        state = {k.replace("embeddings.", "embedding."): t for k, t in model.state_dict().items()}
        state["lm_head.weight"] = state["lm_head.weight"].clone()
        ssm = dict(layer="Mamba2", d_state=c.state, expand=2, headdim=base["head_dim"], ngroups=c.ssm_groups)
        rest = dict(rms_norm=True, residual_in_fp32=True, fused_add_norm=True, pad_vocab_size_multiple=8)
        original = dict(d_model=c.hidden, d_intermediate=0, n_layer=layers, vocab_size=c.vocab - 3, ssm_cfg=ssm)
        write(out / name, original | dict(attn_layer_idx=[], attn_cfg={}) | rest | dict(tie_embeddings=True), state, 1)
    return margin


def weights_alone(shape: str, out: Path):
    """A checkpoint of random bf16 weights in shards of about 1 GB, made one tensor at a time."""
    if shape not in PUBLISHED:
        raise SystemExit(f"known: {', '.join(PUBLISHED)}")
    config = COMMON | LARGE | dict(chunk_topk=8, segment_size=4096) | PUBLISHED[shape]
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    generator, part, size, parts, weight_map = torch.Generator().manual_seed(1), {}, 0, 0, {}
    rows = gguf_export.tensor_table(Config.from_json(config))

    def flush():
        nonlocal part, size, parts
        file = f"model-{parts + 1:05}.safetensors"
        save_file(part, out / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(part, file))
        part, size, parts = {}, 0, parts + 1

    for _, name, shape, _ in rows:
        shape = gguf_export.published_shape(name, shape)
        part[name] = torch.randn(shape, generator=generator).mul_(0.02).to(torch.bfloat16)
        size += part[name].nbytes
        if size > 1 << 30:
            flush()
    flush()
    index = {"metadata": {}, "weight_map": weight_map}
    (out / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    print(f"{out}: {sum(math.prod(s) for _, _, s, _ in rows)} parameters in {parts} shards")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    ap.add_argument("--shape", choices=SHAPES, default="tiny")
    ap.add_argument("--weights", metavar="SHAPE", help="write random weights of this shape alone")
    ap.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "tests/fixtures/convert")
    args = ap.parse_args()
    if args.weights:
        return weights_alone(args.weights, args.out)
    torch.manual_seed(1)
    for name in args.names or [*RAMBA, *MAMBA2]:
        started = time.monotonic()
        make = make_ramba if name in RAMBA else make_mamba2
        for seed in range(1, 100):
            with torch.no_grad():
                margin, change = make(name, args.out, args.shape, seed)
            # A comparison is worth little where memory is not read, or where rounding decides which token is next.
            if margin > 0.004 and (change is None or change > 0.05) or args.shape != "tiny":
                break
        hsa = "" if change is None else f", HSA changes the logits by {change:.2f}"
        print(f"{name}: seed {seed}, margin {margin:.4f}{hsa}, {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
