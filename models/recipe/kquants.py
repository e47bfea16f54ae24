"""Q4_K and Q6_K, which the `gguf` package can read but not write.

Round-to-nearest with the scales that cover each sub-block's range: no search for better scales, so a little less
accurate than llama.cpp's quantizer for the same bytes. Byte layout as in ggml (`block_q4_K`, `block_q6_K`).
"""

import numpy as np

BLOCK = 256  # values


def _inverse(x):
    return np.divide(1.0, x, out=np.zeros_like(x), where=x != 0)


def _half(x):
    """Through f16, as the reader will see it. -> (f32 value, bytes (n, 2))"""
    half = x.astype(np.float16)
    return half.astype(np.float32), half.reshape(-1, 1).view(np.uint8)


def quantize_q4_k(rows: np.ndarray) -> np.ndarray:
    """(r, c) f32, c % 256 == 0 -> (r, c / 256 * 144) bytes: d, dmin (f16), 12 bytes of 6-bit scales and minima of
    the 8 sub-blocks of 32, 128 bytes of quants. value = d * scale * q - dmin * min, q in 0..=15."""
    x = rows.astype(np.float32).reshape(-1, 8, 32)
    low = np.minimum(x.min(-1), 0.0)  # (n, 8); the offset can only be subtracted
    step = (x.max(-1) - low) / 15
    d, d_bytes = _half(step.max(-1) / 63)
    dmin, dmin_bytes = _half((-low).max(-1) / 63)
    scale = np.clip(np.rint(step * _inverse(d)[:, None]), 0, 63).astype(np.uint8)
    offset = np.clip(np.rint(-low * _inverse(dmin)[:, None]), 0, 63).astype(np.uint8)
    real = d[:, None] * scale
    q = np.rint((x + (dmin[:, None] * offset)[..., None]) * _inverse(real)[..., None])
    q = np.clip(q, 0, 15).astype(np.uint8)

    # Sub-blocks 0..4 keep their low 6 bits whole; of 4..8 the low 4 bits share a byte and the high 2 bits ride on top.
    head = scale[:, :4] | (scale[:, 4:] >> 4 << 6)
    middle = offset[:, :4] | (offset[:, 4:] >> 4 << 6)
    tail = (scale[:, 4:] & 15) | (offset[:, 4:] & 15) << 4
    pairs = q.reshape(-1, 4, 2, 32)  # two sub-blocks share 32 bytes: low and high nibbles
    quants = (pairs[:, :, 0] | pairs[:, :, 1] << 4).reshape(-1, 128)
    return np.concatenate([d_bytes, dmin_bytes, head, middle, tail, quants], axis=1).reshape(rows.shape[0], -1)


def quantize_q6_k(rows: np.ndarray) -> np.ndarray:
    """(r, c) f32, c % 256 == 0 -> (r, c / 256 * 210) bytes: 128 bytes of low nibbles, 64 of high bits, 16 int8
    scales of the sub-blocks of 16, d (f16). value = d * scale * (q - 32), q in 0..64."""
    x = rows.astype(np.float32).reshape(-1, 16, 16)
    peak = np.take_along_axis(x, np.abs(x).argmax(-1)[..., None], -1)[..., 0]  # signed value of largest magnitude
    step = peak / -32  # maps it to -32, the end of the range with one more step
    top = np.take_along_axis(step, np.abs(step).argmax(-1)[:, None], -1)[:, 0]
    d, d_bytes = _half(top / -128)
    scale = np.clip(np.rint(step * _inverse(d)[:, None]), -128, 127).astype(np.int8)
    real = d[:, None] * scale
    q = np.clip(np.rint(x * _inverse(real)[..., None]), -32, 31).astype(np.int8) + 32
    q = q.astype(np.uint8).reshape(-1, 2, 4, 32)  # halves of 128 values, four runs of 32 each
    low = np.stack([(q[:, :, 0] & 15) | (q[:, :, 2] & 15) << 4, (q[:, :, 1] & 15) | (q[:, :, 3] & 15) << 4], axis=2)
    high = sum((q[:, :, j] >> 4) << (2 * j) for j in range(4))
    parts = [low.reshape(-1, 128), high.reshape(-1, 64), scale.view(np.uint8), d_bytes]
    return np.concatenate(parts, axis=1).reshape(rows.shape[0], -1)
