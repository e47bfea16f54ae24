"""Write a RAMba or Mamba-2 checkpoint as GGUF, and read such a file back.

    python gguf_export.py --checkpoint ckpt.pt --tokenizer tokenizer.json --type Q8_0 --out model.gguf

A checkpoint is `torch.save({"config": {...}, "state": {name: tensor}})`: config keys as in the published
`config.json`, tensor names as in the published checkpoints.

Matrices get the chosen type; norms, biases, convolutions and SSM vectors stay F32. A matrix whose rows do not fill
whole quantization blocks is stored as F16. Models without HSA and segments become architecture `mamba2`, exactly as
llama.cpp writes it; all others `ramba`.
"""

import argparse
import json
import re
import math
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

import kquants
from reference import HSA_EPS, Config, layer_order

FILE_TYPE = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "BF16": gguf.LlamaFileType.MOSTLY_BF16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "Q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
    "Q4_K": gguf.LlamaFileType.MOSTLY_Q4_K_S,
    "Q6_K": gguf.LlamaFileType.MOSTLY_Q6_K,
}
# The embedding is also the output matrix of a tied model and suffers most from 4 bits.
EMBEDDING_TYPE = {"Q4_0": "Q8_0", "Q4_K": "Q6_K"}
SPECIAL_TOKENS = {  # config key -> names looked for among a tokenizer's added tokens
    "eos_token_id": ["<|end|>", "<|endoftext|>"],
    "pad_token_id": ["<|pad|>", "<|padding|>"],
    "question_token_id": ["<|question|>"],
    "answer_token_id": ["<|answer|>"],
}


def tensor_table(c: Config) -> list[tuple[str, str, tuple[int, ...], bool]]:
    """(GGUF name, published name, numpy shape in the file, is a matrix to quantize) of every tensor."""
    D, E, nh, N, Ng = c.hidden, c.inner, c.ssm_heads, c.state, c.ssm_groups
    conv = E + 2 * Ng * N
    rows = [("token_embd.weight", "backbone.embeddings.weight", (c.vocab, D), True)]
    if not c.tied:
        rows.append(("output.weight", "lm_head.weight", (c.vocab, D), True))
    rows.append(("output_norm.weight", "backbone.norm_f.weight", (D,), False))
    block = layer = 0
    for i, (kind, group) in enumerate(layer_order(c)):
        ours, theirs = {
            "mamba": (f"blk.{block}.", f"backbone.layers.{i}."),
            "chunking": ("", f"backbone.layers.{i}."),
            "retrieval": (f"ret.{group}.", f"backbone.layers.{i}."),
            "hsa": (f"hsa.{layer}.", f"backbone.layers.{i}."),
        }[kind]
        add = lambda name, published, shape, matrix=False: rows.append((ours + name, theirs + published, shape, matrix))
        if kind == "mamba":
            block += 1
            add("attn_norm.weight", "norm.weight", (D,))
            add("ssm_in.weight", "mixer.in_proj.weight", (E + conv + nh, D), True)
            add("ssm_conv1d.weight", "mixer.conv1d.weight", (conv, c.conv))
            add("ssm_conv1d.bias", "mixer.conv1d.bias", (conv,))
            add("ssm_dt.bias", "mixer.dt_bias", (nh,))
            add("ssm_a", "mixer.A_log", (nh, 1))  # holds -exp(A_log)
            add("ssm_d", "mixer.D", (nh, 1))
            add("ssm_norm.weight", "mixer.norm.weight", (Ng, E // Ng))
            add("ssm_out.weight", "mixer.out_proj.weight", (D, E), True)
        elif kind == "chunking":
            _chunking_table(c, add)
        elif kind == "retrieval":
            width = c.retrieval // c.retrieval_heads
            add("norm.weight", "pre_norm.weight", (D,))
            add("q.weight", "ln.weight", (c.retrieval, D), True)
            if c.landmark_norm:
                add("q_norm.weight", "lmk_q_norm.weight", (width,))
                add("k_norm.weight", "lmk_k_norm.weight", (width,))
            if c.pos_decay:
                add("pos_decay", "pos_decay", (1,))
        else:
            layer += 1
            add("norm.weight", "pre_norm.weight", (D,))
            add("q.weight", "q_proj.weight", (D, D), True)
            add("output.weight", "o_proj.weight", (D, D), True)
            if c.qk_norm:
                add("q_norm.weight", "q_norm.weight", (D // c.heads,))
    return rows


def _chunking_table(c: Config, add):
    D, F, kv = c.hidden, c.enc_ffn, c.kv_heads * (c.hidden // c.heads)
    for j in range(c.enc_layers):
        d = D // c.enc_heads
        blk, theirs = f"enc.blk.{j}.", f"encoder.layers.{j}."
        add(blk + "attn_norm.weight", theirs + "input_layernorm.weight", (D,))
        for name, heads in (("q", c.enc_heads), ("k", c.enc_kv_heads), ("v", c.enc_kv_heads)):
            add(blk + f"attn_{name}.weight", theirs + f"self_attn.{name}_proj.weight", (heads * d, D), True)
            add(blk + f"attn_{name}.bias", theirs + f"self_attn.{name}_proj.bias", (heads * d,))
        add(blk + "attn_q_norm.weight", theirs + "self_attn.q_norm.weight", (d,))
        add(blk + "attn_k_norm.weight", theirs + "self_attn.k_norm.weight", (d,))
        add(blk + "attn_output.weight", theirs + "self_attn.o_proj.weight", (D, D), True)
        add(blk + "ffn_norm.weight", theirs + "post_attention_layernorm.weight", (D,))
        add(blk + "ffn_gate.weight", theirs + "mlp.gate_proj.weight", (F, D), True)
        add(blk + "ffn_up.weight", theirs + "mlp.up_proj.weight", (F, D), True)
        add(blk + "ffn_down.weight", theirs + "mlp.down_proj.weight", (D, F), True)
    add("enc.output_norm.weight", "encoder.norm.weight" if c.enc_layers else "norm.weight", (D,))
    if c.enc_prenorm:
        add("enc.prenorm.weight", "enc_prenorm.weight", (D,))
    if c.enc_cls:
        add("enc.cls", "cls_emb", (D,))
    add("chunk.k.weight", "proj_k.weight", (kv, D), True)
    add("chunk.v.weight", "proj_v.weight", (kv, D), True)
    add("chunk.landmark.weight", "lmk_ln.weight", (c.retrieval, D), True)
    if c.qk_norm:
        add("chunk.k_norm.weight", "k_rmsnorm.weight", (D // c.heads,))


def metadata(c: Config, arch: str) -> list[tuple[str, str, object]]:
    """(key, kind, value) of everything but the tokenizer; kind: u32, f32, bool or str."""
    u, f, b = "u32", "f32", "bool"
    rows = [
        ("context_length", u, 1 << 20),
        ("embedding_length", u, c.hidden),
        ("feed_forward_length", u, 0),
        ("block_count", u, c.lower + c.upper),
        ("vocab_size", u, c.vocab),
        ("ssm.conv_kernel", u, c.conv),
        ("ssm.inner_size", u, c.inner),
        ("ssm.state_size", u, c.state),
        ("ssm.time_step_rank", u, c.ssm_heads),
        ("ssm.group_count", u, c.ssm_groups),
        ("attention.layer_norm_rms_epsilon", f, c.eps),
        ("attention.head_count", u, c.heads if c.groups else 0),
    ]
    if arch == "ramba":
        if c.dt_min > 0:
            rows.append(("ssm.time_step_min", f, c.dt_min))
        if math.isfinite(c.dt_max):
            rows.append(("ssm.time_step_max", f, c.dt_max))
        rows += [
            ("segment.size", u, c.segment),
            ("segment.overlap", u, c.overlap),
            ("lower_block_count", u, c.lower),
            ("upper_group_count", u, c.groups),
        ]
    if c.groups:
        rows += [
            ("blocks_per_hsa", u, c.per_hsa),
            ("attention.head_count_kv", u, c.kv_heads),
            ("attention.qk_norm", b, c.qk_norm),
            ("attention.softmax_off_by_one", b, c.softmax_off_by_one),
            ("hsa.layer_norm_rms_epsilon", f, HSA_EPS),
            ("chunk.size", u, c.chunk),
            ("chunk.top_k", u, c.top_k),
            ("retrieval.width", u, c.retrieval),
            ("retrieval.single_head", b, c.single_head),
            ("retrieval.landmark_norm", b, c.landmark_norm),
            ("retrieval.softmax", b, c.softmax),
            ("retrieval.position_decay", b, c.pos_decay),
            ("encoder.block_count", u, c.enc_layers),
            ("encoder.head_count", u, c.enc_heads),
            ("encoder.head_count_kv", u, c.enc_kv_heads),
            ("encoder.feed_forward_length", u, c.enc_ffn),
            ("encoder.cls", b, c.enc_cls),
            ("encoder.prenorm", b, c.enc_prenorm),
            ("encoder.rope.freq_base", f, c.rope_base),
        ]
    return [(f"{arch}.{key}", kind, value) for key, kind, value in rows]


def published_shape(theirs: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a tensor in a published checkpoint, from the one in the file."""
    if theirs.endswith(("mixer.A_log", "mixer.D", "mixer.norm.weight")):
        return (math.prod(shape),)
    if theirs.endswith("conv1d.weight"):
        return (shape[0], 1, shape[1])
    return (1, 1, *shape) if theirs.endswith("cls_emb") else shape


def architecture(c: Config) -> str:
    plain = not c.groups and not c.segment and c.dt_min <= 0 and not math.isfinite(c.dt_max)
    return "mamba2" if plain else "ramba"


def encode(array: np.ndarray, type_name: str) -> tuple[np.ndarray, Type]:
    """Quantize a matrix (rows, cols); F16 where the rows do not fill whole blocks."""
    kind = Type[type_name]
    if array.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = Type.F16
    if kind == Type.Q4_K:
        return kquants.quantize_q4_k(array), kind
    if kind == Type.Q6_K:
        return kquants.quantize_q6_k(array), kind
    return gguf.quants.quantize(np.ascontiguousarray(array), kind), kind


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: dict, c: Config, arch: str):
    """The arrays of a byte-level BPE `tokenizer.json` (Hugging Face)."""
    model = tokenizer["model"]
    if model["type"] != "BPE":
        raise ValueError(f"tokenizer model {model['type']!r}: only byte-level BPE is supported")
    ids = {i: t for t, i in model["vocab"].items()}
    types = {i: gguf.TokenType.NORMAL for i in ids}
    for added in tokenizer.get("added_tokens", []):
        ids[added["id"]] = added["content"]
        types[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    if max(ids) >= c.vocab:
        raise ValueError(f"tokenizer has id {max(ids)}, the model only {c.vocab} rows")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("ramba")
    writer.add_token_list([ids.get(i, f"[PAD{i}]") for i in range(c.vocab)])
    writer.add_token_types([types.get(i, gguf.TokenType.UNUSED) for i in range(c.vocab)])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])

    special = special_ids(tokenizer, c)
    if "eos_token_id" in special:
        writer.add_eos_token_id(special["eos_token_id"])
    if "pad_token_id" in special:
        writer.add_pad_token_id(special["pad_token_id"])
    if c.raw.get("bos_token_id") is not None:
        writer.add_bos_token_id(c.raw["bos_token_id"])
    if arch == "ramba" and "question_token_id" in special and "answer_token_id" in special:
        writer.add_uint32("ramba.ask.question_token_id", special["question_token_id"])
        writer.add_uint32("ramba.ask.answer_token_id", special["answer_token_id"])
        if c.raw.get("question_space"):
            writer.add_bool("ramba.ask.leading_space", True)
        if c.raw.get("no_answer_probability") is not None:
            writer.add_float32("ramba.ask.no_answer_probability", c.raw["no_answer_probability"])
        for key in ("rereading_chunks", "rereading_windows"):
            if c.raw.get(key):
                writer.add_uint32("ramba." + key.replace("_", "."), c.raw[key])
        if c.raw.get("rereading_lexical_weight"):
            writer.add_float32("ramba.rereading.lexical_weight", c.raw["rereading_lexical_weight"])


def special_ids(tokenizer: dict | None, c: Config) -> dict[str, int]:
    """Ids of the special tokens: the config's, else found by name in the tokenizer."""
    by_name = {t["content"]: t["id"] for t in (tokenizer or {}).get("added_tokens", [])}
    found = {}
    for key, names in SPECIAL_TOKENS.items():
        if c.raw.get(key) is not None:
            found[key] = c.raw[key]
        else:
            found.update({key: by_name[n] for n in names[::-1] if n in by_name})
    return found


def export(path, config: dict, state: dict, type_name="F32", embedding_type=None, tokenizer=None, name="ramba", note=print, tensor_types=()):
    """Write a model; `tokenizer` is the parsed tokenizer.json or None (a file of weights alone)."""
    c = Config.from_json(config)
    arch = architecture(c)
    writer = gguf.GGUFWriter(str(path), arch)
    writer.add_name(name)
    writer.add_file_type(FILE_TYPE[type_name])
    add = {"u32": writer.add_uint32, "f32": writer.add_float32, "bool": writer.add_bool, "str": writer.add_string}
    for key, kind, value in metadata(c, arch):
        add[kind](key, value)
    if tokenizer is not None:
        add_tokenizer(writer, tokenizer, c, arch)

    embedding_type = embedding_type or EMBEDDING_TYPE.get(type_name, type_name)
    used = set()
    for ours, theirs, shape, matrix in tensor_table(c):
        if theirs not in state:
            raise ValueError(f"checkpoint lacks {theirs}")
        used.add(theirs)
        array = state[theirs].detach().to(torch.float64)
        if theirs.endswith("A_log"):
            array = -array.exp()
        array = array.to(torch.float32).numpy()
        if array.size != math.prod(shape):
            raise ValueError(f"{theirs}: shape {array.shape}, expected {shape}")
        array = array.reshape(shape)
        if not np.isfinite(array).all():
            raise ValueError(f"{theirs}: not finite")
        if not matrix:
            writer.add_tensor(ours, array)
            continue
        wanted = embedding_type if ours in ("token_embd.weight", "output.weight") else type_name
        wanted = next((kind for pattern, kind in tensor_types if re.search(pattern, ours)), wanted)
        data, kind = encode(array, wanted)
        if kind.name != wanted:
            note(f"{ours}: rows of {shape[-1]} do not fill blocks of {wanted}, stored as {kind.name}")
        writer.add_tensor(ours, data, raw_dtype=kind)
    # A training program may keep a tensor under a second name, and a tied model its embedding as lm_head.
    stored = {state[name].data_ptr() for name in used}
    unused = {name for name, tensor in state.items() if tensor.data_ptr() not in stored} - {"lm_head.weight"}
    if unused:
        raise ValueError(f"checkpoint has tensors this format does not know: {sorted(unused)}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load(path) -> tuple[dict, dict]:
    """Read a file written by `export` back: (config, state) with dequantized f32 weights under published names."""
    reader = gguf.GGUFReader(str(path))
    field = lambda key: reader.fields[key].contents() if key in reader.fields else None
    arch = field("general.architecture")
    get = lambda key: field(f"{arch}.{key}")
    D, E = get("embedding_length"), get("ssm.inner_size")
    stored = {t.name: t for t in reader.tensors}
    dt_max = get("ssm.time_step_max")
    config = {
        "hidden_size": D,
        "expand": E / D,
        "num_heads": get("ssm.time_step_rank"),
        "head_dim": E // get("ssm.time_step_rank"),
        "state_size": get("ssm.state_size"),
        "n_groups": get("ssm.group_count"),
        "conv_kernel": get("ssm.conv_kernel"),
        "layer_norm_epsilon": get("attention.layer_norm_rms_epsilon"),
        "time_step_limit": [get("ssm.time_step_min") or 0.0, float("inf") if dt_max is None else dt_max],
        "vocab_size": int(stored["token_embd.weight"].shape[1]),
        "tie_word_embeddings": "output.weight" not in stored,
        "num_upper_groups": get("upper_group_count") or 0,
        "segment_size": get("segment.size") or 0,
        "segment_overlap": get("segment.overlap") or 0,
        "eos_token_id": field("tokenizer.ggml.eos_token_id"),
        "pad_token_id": field("tokenizer.ggml.padding_token_id"),
        "question_token_id": get("ask.question_token_id"),
        "answer_token_id": get("ask.answer_token_id"),
        "question_space": get("ask.leading_space") or False,
        "no_answer_probability": get("ask.no_answer_probability"),
        "rereading_chunks": get("rereading.chunks") or 0,
        "rereading_windows": get("rereading.windows") or 0,
        "rereading_lexical_weight": get("rereading.lexical_weight") or 0.0,
    }
    lower = get("lower_block_count")
    config["num_lower_layers"] = get("block_count") if lower is None else lower
    if config["num_upper_groups"]:
        config |= {
            "num_upper_layers": get("block_count") - get("lower_block_count"),
            "num_mamba_per_gca": get("blocks_per_hsa"),
            "num_attention_heads": get("attention.head_count"),
            "num_kv_heads": get("attention.head_count_kv"),
            "enable_qk_norm": get("attention.qk_norm"),
            "enable_softmax1": get("attention.softmax_off_by_one"),
            "chunk_size": get("chunk.size"),
            "chunk_topk": get("chunk.top_k"),
            "retrieval_dim": get("retrieval.width"),
            "singlehead_retrieval": get("retrieval.single_head"),
            "enable_lmk_norm": get("retrieval.landmark_norm"),
            "enable_softmax": get("retrieval.softmax"),
            "enable_pos_decay": get("retrieval.position_decay"),
            "encoder_layers": get("encoder.block_count"),
            "encoder_num_attention_heads": get("encoder.head_count"),
            "encoder_num_kv_heads": get("encoder.head_count_kv"),
            "encoder_intermediate_size": get("encoder.feed_forward_length"),
            "enable_enc_cls": get("encoder.cls"),
            "enc_prenorm": get("encoder.prenorm"),
            "encoder_rope_theta": get("encoder.rope.freq_base"),
        }
    state = {}
    for ours, theirs, shape, _ in tensor_table(Config.from_json(config)):
        tensor = stored[ours]
        if tuple(tensor.shape[::-1]) != shape:
            raise ValueError(f"{ours}: shape {tuple(tensor.shape[::-1])}, expected {shape}")
        array = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float64)
        if theirs.endswith("A_log"):
            array = np.log(-array)
        state[theirs] = torch.from_numpy(np.ascontiguousarray(array)).reshape(published_shape(theirs, shape))
    return config, state


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument("--tokenizer", type=Path, help="tokenizer.json (Hugging Face); without it the file has no tokenizer")
    ap.add_argument("--type", choices=FILE_TYPE, default="Q8_0", help="type of the matrices")
    ap.add_argument("--embedding-type", choices=FILE_TYPE, help="type of token_embd and output (default: by --type)")
    ap.add_argument("--name", default="ramba")
    ap.add_argument(
        "--tensor-type",
        action="append",
        default=[],
        metavar="REGEX=TYPE",
        help="type of the matrices whose GGUF names match, before --type; the first match counts",
    )
    ap.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=JSON",
        help="a key of the config beside those of the checkpoint, as rereading_chunks=3",
    )
    ap.add_argument("--out", type=Path, required=True)
    args = ap.parse_args()
    checkpoint = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    tokenizer = json.loads(args.tokenizer.read_text(encoding="utf-8")) if args.tokenizer else None
    config = dict(checkpoint["config"])
    if "none" in checkpoint:  # what training found to tell questions without an answer by
        config["no_answer_probability"] = checkpoint["none"]["limit"]
    config |= {key: json.loads(value) for key, value in (pair.split("=", 1) for pair in args.set)}
    export(args.out, config, checkpoint["state"], args.type, args.embedding_type, tokenizer, args.name,
        tensor_types=[tuple(t.rsplit("=", 1)) for t in args.tensor_type])
    c = Config.from_json(config)
    parameters = sum(math.prod(shape) for _, _, shape, _ in tensor_table(c))
    print(f"{args.out}: {parameters} parameters, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
