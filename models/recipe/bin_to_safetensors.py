"""Make safetensors of a checkpoint that PyTorch saved as a pickle, so that `ramba convert` can read it.

    python bin_to_safetensors.py CHECKPOINT [--out FOLDER]

CHECKPOINT is a folder with `pytorch_model.bin`, or with shards and `pytorch_model.bin.index.json`. The result is
`model.safetensors`, or a shard for each shard and `model.safetensors.index.json`; other files are copied if FOLDER is
another one. Pickles are loaded with `weights_only=True`, which refuses everything but tensors and plain containers.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

SINGLE, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"


def load(path: Path) -> dict[str, torch.Tensor]:
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    wrong = [name for name, tensor in state.items() if not isinstance(tensor, torch.Tensor)]
    if wrong:
        raise SystemExit(f"{path}: not a tensor: {wrong[:5]}")
    return state


def write(state: dict[str, torch.Tensor], path: Path, seen: dict[int, str]):
    """Tensors that share memory (a tied output matrix) are written under each of their names."""
    apart = {}
    for name, tensor in state.items():
        shared = seen.setdefault(tensor.untyped_storage().data_ptr(), name) != name
        apart[name] = tensor.clone().contiguous() if shared else tensor.contiguous()
    save_file(apart, path, metadata={"format": "pt"})
    print(f"{path}: {len(apart)} tensors, {path.stat().st_size} bytes")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("checkpoint", type=Path)
    ap.add_argument("--out", type=Path, help="folder of the result (default: CHECKPOINT)")
    args = ap.parse_args()
    out = args.out or args.checkpoint
    out.mkdir(parents=True, exist_ok=True)
    if (args.checkpoint / INDEX).exists():
        index = json.loads((args.checkpoint / INDEX).read_text(encoding="utf-8"))
        weight_map = {}
        for shard in sorted(set(index["weight_map"].values())):
            if Path(shard).name != shard:
                raise SystemExit(f"{INDEX}: {shard!r} is not the name of a file")
            name = shard.removesuffix(".bin").replace("pytorch_model", "model") + ".safetensors"
            state = load(args.checkpoint / shard)
            write(state, out / name, {})
            weight_map |= dict.fromkeys(state, name)
        document = {"metadata": index.get("metadata", {}), "weight_map": weight_map}
        (out / "model.safetensors.index.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
    else:
        write(load(args.checkpoint / SINGLE), out / "model.safetensors", {})
    if out != args.checkpoint:
        for name in ("config.json", "tokenizer.json"):
            if (args.checkpoint / name).exists():
                shutil.copy(args.checkpoint / name, out / name)


if __name__ == "__main__":
    main()
