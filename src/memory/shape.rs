//! What a chunk memory looks like: shapes, number formats and the views that the model computes with.

use crate::{Error, Result};

/// Upper limit of one dimension and of the bytes of one chunk: far above every model, far below an overflow.
const MAX_CHUNK_BYTES: usize = 1 << 30;

/// The shape of every chunk of one memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkShape {
    /// Tokens in a chunk (S).
    pub chunk_size: usize,
    /// Key/value heads (G).
    pub kv_heads: usize,
    /// Width of a key or value of one head (d).
    pub head_dim: usize,
    /// Retrieval heads (Gr).
    pub retrieval_heads: usize,
    /// Width of a landmark per retrieval head (R / Gr).
    pub retrieval_width: usize,
}

impl ChunkShape {
    /// Values in the keys of one chunk, and in its values: S · G · d.
    pub fn kv_len(&self) -> usize {
        self.chunk_size * self.kv_heads * self.head_dim
    }

    /// Rows of keys per chunk that share one int8 scale each: S · G.
    pub fn kv_rows(&self) -> usize {
        self.chunk_size * self.kv_heads
    }

    /// Values in the landmark of one chunk: Gr · R / Gr = R.
    pub fn landmark_len(&self) -> usize {
        self.retrieval_heads * self.retrieval_width
    }

    /// Checks that no dimension is zero and that a chunk has a sane size, so that the products above cannot overflow.
    ///
    /// # Errors
    /// `InvalidArgument`, with the offending dimensions.
    pub fn check(&self) -> Result<()> {
        let product = |dims: &[usize]| dims.iter().try_fold(8usize, |p, &d| p.checked_mul(d)).unwrap_or(usize::MAX);
        let kv = product(&[self.chunk_size, self.kv_heads, self.head_dim]);
        let landmark = product(&[self.retrieval_heads, self.retrieval_width]);
        if kv == 0 || landmark == 0 || kv > MAX_CHUNK_BYTES || landmark > MAX_CHUNK_BYTES {
            return Err(Error::invalid(format!("chunk shape out of range: {self:?}")));
        }
        Ok(())
    }
}

/// How keys and values are stored. Landmarks are f32 with [`Precision::F32`] and f16 otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// As computed, 4 bytes a value.
    F32,
    /// IEEE half precision, 2 bytes a value.
    #[default]
    F16,
    /// One byte a value and one f32 scale per token and head: value = scale · byte.
    Int8,
}

impl Precision {
    /// Its number in files.
    pub(super) fn number(self) -> u32 {
        match self {
            Precision::F32 => 0,
            Precision::F16 => 1,
            Precision::Int8 => 2,
        }
    }

    /// The precision with this number.
    pub(super) fn from_number(number: u32) -> Option<Self> {
        [Precision::F32, Precision::F16, Precision::Int8].into_iter().find(|precision| precision.number() == number)
    }
}

/// The keys, or the values, of one chunk in the precision of the memory. All are row-major, in the host's byte order.
#[derive(Debug, Clone, Copy)]
pub enum KvData<'a> {
    /// (S, G, d)
    F32(&'a [f32]),
    /// (S, G, d), the bits of IEEE half-precision values.
    F16(&'a [u16]),
    /// Values scale · data.
    Int8 {
        /// (S, G)
        scales: &'a [f32],
        /// (S, G, d)
        data: &'a [i8],
    },
}

/// The memory of one chunk, resident in the cache.
#[derive(Debug, Clone, Copy)]
pub struct ChunkView<'a> {
    /// (S, G, d)
    pub keys: KvData<'a>,
    /// (S, G, d)
    pub values: KvData<'a>,
}

/// The landmarks of consecutive chunks.
#[derive(Debug, Clone, Copy)]
pub struct LandmarkBlock<'a> {
    /// Id of the first chunk of the block.
    pub first: u64,
    /// Number of chunks in the block, at least 1.
    pub count: usize,
    /// The landmarks, (count, Gr, R/Gr), row-major.
    pub data: LandmarkData<'a>,
}

/// The values of a [`LandmarkBlock`], (count, Gr, R/Gr).
#[derive(Debug, Clone, Copy)]
pub enum LandmarkData<'a> {
    /// With [`Precision::F32`].
    F32(&'a [f32]),
    /// With the other precisions: the bits of IEEE half-precision values.
    F16(&'a [u16]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked() {
        let good = ChunkShape { chunk_size: 64, kv_heads: 2, head_dim: 64, retrieval_heads: 2, retrieval_width: 64 };
        assert!(good.check().is_ok());
        assert_eq!((good.kv_len(), good.kv_rows(), good.landmark_len()), (8192, 128, 128));
        assert!(ChunkShape { chunk_size: 0, ..good }.check().is_err());
        assert!(ChunkShape { retrieval_width: 0, ..good }.check().is_err());
        assert!(ChunkShape { head_dim: usize::MAX / 3, ..good }.check().is_err());
        assert!(ChunkShape { retrieval_heads: 1 << 40, ..good }.check().is_err());
    }
}
