"""Check exported chunk encoders: ONNX's own checker, and ONNX Runtime beside the reference.

    python check_encoder.py MODEL.gguf ENCODER.onnx
    python check_encoder.py --structure ENCODER.onnx...      # the checker alone: needs only `pip install onnx`

The reference (reference.py) runs in f64 with the weights of the model file. Differences are absolute; both sides get the
same random hidden states. Needs `pip install onnx onnxruntime` besides requirements.txt.
"""

import argparse
import sys

import numpy as np
import onnx

BATCHES = (1, 2, 7, 64)
TOLERANCE = 1e-3


def structure(path: str) -> onnx.ModelProto:
    """The model, if ONNX's checker accepts it, with shapes and types inferred for every value."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    shape = lambda v: tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim)
    described = ", ".join(f"{v.name} {shape(v)}" for v in [*model.graph.input, *model.graph.output])
    print(f"{path}: accepted; {len(model.graph.node)} operators, opset {model.opset_import[0].version}; {described}")
    return model


def compare(gguf_path: str, onnx_path: str) -> float:
    """The largest difference between ONNX Runtime and the reference over all outputs and batches."""
    import onnxruntime
    import torch

    from gguf_export import load
    from reference import HSA_EPS, Config, Reference, rms_norm

    config, state = load(gguf_path)
    reference = Reference(Config.from_json(config), state)
    c = reference.c
    session = onnxruntime.InferenceSession(onnx_path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    worst = 0.0
    for chunks in BATCHES:
        hidden = rng.normal(size=(chunks, c.chunk, c.hidden)).astype(np.float32) * 3
        memory = reference.chunking(torch.from_numpy(hidden).double().reshape(-1, c.hidden))
        got = dict(zip(["keys", "values", "landmarks"], session.run(["keys", "values", "landmarks"], {"hidden": hidden})))
        # The runtime norms landmarks when it makes them, the reference when it reads them.
        unit = torch.ones(memory.landmarks.shape[-1], dtype=torch.float64)
        landmarks = rms_norm(memory.landmarks, unit, HSA_EPS) if c.landmark_norm else memory.landmarks
        want = {"keys": memory.keys, "values": memory.values, "landmarks": landmarks}
        for name in got:
            expected = want[name].numpy().reshape(got[name].shape)
            worst = max(worst, float(np.abs(got[name] - expected).max()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structure", action="store_true", help="run the checker alone, over any number of files")
    parser.add_argument("files", nargs="+", help="MODEL.gguf ENCODER.onnx, or with --structure ONNX files")
    args = parser.parse_args()
    if args.structure:
        for path in args.files:
            structure(path)
        return
    if len(args.files) != 2:
        parser.error("MODEL.gguf and ENCODER.onnx are wanted")
    structure(args.files[1])
    worst = compare(*args.files)
    print(f"largest difference from the reference: {worst:.1e}")
    if not worst <= TOLERANCE:
        sys.exit(f"more than {TOLERANCE}")


if __name__ == "__main__":
    main()
