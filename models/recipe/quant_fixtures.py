"""Writes tests/fixtures/quant/: what the `gguf` Python package makes of the number formats that ramba reads.

    python models/recipe/quant_fixtures.py            (needs numpy and gguf; the tests need neither)

TYPE.blocks     random blocks with finite scales
TYPE.values     f32: gguf.quants.dequantize of them
input.values    f32: values of many magnitudes, with ties, zeros and a block of zeros
TYPE.quantized  gguf.quants.quantize of input.values, for the types that the package can write

Everything is little-endian. The output depends on nothing but this file and the two packages.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize, quantize

OUT = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "quant"
BLOCK_VALUES = 2048  # values of each type in TYPE.blocks
# Where a block keeps its floats: byte offset of the one that holds the upper exponent bits, and the mask of those. A
# float whose exponent bits are all ones is NaN or infinity.
F16_AT = {"F16": [1], "Q8_0": [1], "Q4_0": [1], "Q4_K": [1, 3], "Q6_K": [209]}
F32_AT = {"F32": [3], "BF16": [1]}


def random_blocks(rng: np.random.Generator, name: str) -> np.ndarray:
    """(blocks, bytes) u8, with no NaN or infinity among the scales."""
    length, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (BLOCK_VALUES // length, size), dtype=np.uint8)
    for table, mask in ((F16_AT, 0x7C), (F32_AT, 0x7F)):
        for at in table.get(name, []):
            bad = blocks[:, at] & mask == mask
            blocks[bad, at] ^= 0x40
    return blocks


def inputs(rng: np.random.Generator) -> np.ndarray:
    """(2048,) f32: 8 stretches of 256 values of different kinds."""
    def normal(sigma):
        return rng.normal(0, sigma, 256)

    ties = rng.integers(-16, 17, 256) / 2.0  # halves: rounding ties once divided by the scale
    sparse = np.where(rng.random(256) < 0.9, 0.0, normal(1))
    zeros = np.zeros(256)
    skewed = np.abs(normal(0.3)) + 0.05
    parts = [normal(1), normal(0.02), normal(30), normal(1e-4), ties, sparse, zeros, skewed]
    return np.concatenate(parts).astype(np.float32)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240611)
    x = inputs(rng)
    x.tofile(OUT / "input.values")
    for name in ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q6_K"):
        qtype = gguf.GGMLQuantizationType[name]
        blocks = random_blocks(rng, name)
        blocks.tofile(OUT / f"{name}.blocks")
        values = dequantize(blocks, qtype).astype(np.float32)
        assert np.isfinite(values).all()
        values.tofile(OUT / f"{name}.values")
        try:
            quantize(x, qtype).tofile(OUT / f"{name}.quantized")
        except NotImplementedError:
            print(f"{name}: the gguf package cannot write it")


if __name__ == "__main__":
    main()
