//! Data to compute with.

use ramba::backend::HsaShape;
use ramba::memory::ChunkShape;
use ramba::quant::{self, DType};
use ramba::weights::Tensor;
use test_support::numbers::Random;

/// Random values, uniform in −1 .. 1.
pub fn values(n: usize) -> Vec<f32> {
    Random(1).values(n)
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
