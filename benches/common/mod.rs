//! Data to compute with.

use ramba::backend::HsaShape;
use ramba::memory::ChunkShape;
use ramba::quant::{self, DType};
use ramba::weights::Tensor;

/// A small deterministic generator (xorshift64*, Vigna 2016), uniform in −1 .. 1.
pub fn values(n: usize) -> Vec<f32> {
    let mut s = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        s ^= s >> 12;
        s ^= s << 25;
        s ^= s >> 27;
        (s.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Random weights of a type, without the time that a good quantization of large ones takes.
pub fn weights(dtype: DType, rows: usize, cols: usize) -> Tensor {
    let mut one = vec![0; dtype.row_bytes(cols).expect("whole blocks")];
    quant::quantize(dtype, &values(cols), &mut one).expect("finite");
    Tensor::from_bytes(dtype, rows, cols, one.repeat(rows)).expect("whole rows")
}

/// HSA of the published 370M, and a chunk memory of its keys and values with a landmark of one value.
pub fn hsa_shape() -> (HsaShape, ChunkShape) {
    let shape = HsaShape {
        heads: 16,
        kv_heads: 1,
        head_dim: 64,
        chunk_size: 64,
        retrieval_heads: 1,
        top_k: 8,
        softmax_off_by_one: false,
    };
    let kept = ChunkShape { chunk_size: 64, kv_heads: 1, head_dim: 64, retrieval_heads: 1, retrieval_width: 1 };
    (shape, kept)
}
