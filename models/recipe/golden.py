"""What the reference makes of a real checkpoint and a real text: the golden files of the runtime's tests.

    python golden.py --checkpoint ckpt.pt --tokenizer tokenizer.json --text book.txt --tokens 1500 \\
        --ask "What is the pass key?" --type F32 --out golden/small
    python golden.py --gguf model.gguf --tokenizer tokenizer.json --text book.txt --type Q8_0 --out golden/small-q8_0

Writes OUT.json and OUT.bin; ../../tests/fixtures/golden/README.md describes both. With --gguf the weights are those
of the file, dequantized, so that a quantized file is judged by what it holds.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import gguf_export
from reference import Config, Reference


class Floats:
    """The .bin file: f32, little-endian; offsets count values."""

    def __init__(self):
        self.parts, self.length = [], 0

    def add(self, tensor) -> int:
        at = self.length
        self.parts.append(tensor.detach().to(torch.float32).contiguous().numpy().astype("<f4").ravel())
        self.length += self.parts[-1].size
        return at

    def bytes(self) -> bytes:
        return np.concatenate(self.parts).tobytes()


def dumps(document: dict) -> str:
    """JSON with one line for each top-level key, so that diffs stay readable."""
    lines = [f" {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in document.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def choice(selection, row: int, head: int) -> dict:
    """The chunks and weights of one token and retrieval head, unused places left out."""
    ids, weights = selection.chunks[row, head], selection.weights[row, head]
    used = ids >= 0
    return {"chunks": ids[used].tolist(), "weights": [float(f"{w:.8g}") for w in weights[used].tolist()]}


def trace(ref: Reference, selections, positions) -> list[dict]:
    """Selections at `positions` of a document that was read from its start."""
    rows, segments = [], ref.segments(max(positions) + 1)
    for group, per_segment in enumerate(selections):
        for position in positions:
            n = next(i for i, (_, _, end) in enumerate(segments) if position < end)
            for head in range(ref.c.retrieval_heads):
                place = {"position": position, "group": group, "head": head}
                rows.append(place | choice(per_segment[n], position - segments[n][1], head))
    return rows


def positions_kept(c: Config, length: int, count: int) -> list[int]:
    """About `count` positions: the first of each segment and its neighbours, the last, and others evenly between."""
    kept = {0, 1, length - 2, length - 1}
    if c.segment:
        for boundary in range(c.segment, length, c.segment):
            kept |= {boundary - 1, boundary, boundary + 1}
    rest = max(2, count - len(kept))
    kept |= {round(i * (length - 1) / rest) for i in range(rest)}
    return sorted(p for p in kept if 0 <= p < length)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = ap.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path)
    source.add_argument("--gguf", type=Path)
    ap.add_argument("--tokenizer", type=Path, required=True)
    ap.add_argument("--text", type=Path, required=True)
    ap.add_argument("--tokens", type=int, default=1500, help="read so many tokens of the text")
    ap.add_argument("--skip", type=int, default=0, help="after so many characters of it")
    ap.add_argument("--positions", type=int, default=16, help="store logits at about so many")
    ap.add_argument("--greedy", type=int, default=16)
    ap.add_argument("--ask", help="a question about the text")
    ap.add_argument("--answer-limit", type=int, default=16)
    ap.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    ap.add_argument("--type", required=True, help="type of the weights of the file that is to be tested")
    ap.add_argument("--model", help="that file, from the root of the repository; otherwise OUT.gguf")
    ap.add_argument("--out", type=Path, required=True, help="without suffix")
    args = ap.parse_args()
    torch.set_num_threads(1)

    if args.gguf:
        config, state = gguf_export.load(args.gguf)
    else:
        checkpoint = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
        config, state = checkpoint["config"], checkpoint["state"]
    c = Config.from_json(config)
    ref = Reference(c, state, getattr(torch, args.dtype))
    tokenizer_json = json.loads(args.tokenizer.read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    tokenizer.encode_special_tokens = True  # text is only text
    special = gguf_export.special_ids(tokenizer_json, c)
    text = args.text.read_text(encoding="utf-8")[args.skip :][: args.tokens * 16]
    tokens = tokenizer.encode(text, add_special_tokens=False).ids[: args.tokens]

    started, floats = time.monotonic(), Floats()
    with torch.no_grad():
        logits, memory, selections = ref.read(tokens)
        kept = positions_kept(c, len(tokens), args.positions)
        greedy, greedy_logits = ref.generate(tokens, args.greedy)
        document = {
            "type": args.type,
            **({"model": args.model} if args.model else {}),
            "what": f"{len(tokens)} tokens of {args.text.name}",
            "tokens": tokens,
            "logits": {"positions": kept, "offset": floats.add(logits[kept])},
            "greedy": {"tokens": greedy, "offset": floats.add(greedy_logits)},
        }
        if c.groups and len(memory):
            document["memory"] = [
                {
                    "chunk": i,
                    "keys": floats.add(memory.keys[i]),
                    "values": floats.add(memory.values[i]),
                    "landmark": floats.add(memory.landmarks[i]),
                }
                for i in sorted({0, len(memory) - 1})
            ]
            document["selections"] = trace(ref, selections, kept)
        if args.ask:
            question = tokenizer.encode(args.ask, add_special_tokens=False).ids
            if "question_token_id" in special and "answer_token_id" in special:
                question = [special["question_token_id"], *question, special["answer_token_id"]]
            pad, eos = special.get("pad_token_id", 0), special.get("eos_token_id")
            logits, answer, asked = ref.ask(tokens, question, pad, args.answer_limit, eos)
            document["ask"] = {
                "document": len(tokens),
                "pad": pad,
                "question": question,
                "answer": answer,
                "offset": floats.add(logits),
            }
            if asked:
                document["ask"]["last_question_token"] = choice(asked[0], len(question) - 1, 0)
            print(f"{args.ask} -> {tokenizer.decode(answer)!r}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{args.out}.bin").write_bytes(floats.bytes())
    Path(f"{args.out}.json").write_text(dumps(document), encoding="utf-8")
    print(f"{args.out}: {len(tokens)} tokens, {len(kept)} positions, {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
