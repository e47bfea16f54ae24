//! Byte buffers of fixed size, aligned for SIMD, and checked casts between bytes and numbers.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::slots::filled;
use crate::{Error, Result};

/// Alignment of every buffer: a cache line.
pub(super) const ALIGN: usize = 64;

/// Bytes whose first one lies on a cache line, reserved and touched when made: no later page fault can fail.
pub(super) struct Buffer {
    words: Vec<u64>,
    /// Offset of the first byte inside `words`, and how many there are.
    start: usize,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` bytes of arbitrary content. It takes at most [`ALIGN`] bytes more than that.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn new(len: usize) -> Result<Self> {
        let words = (len / 8).saturating_add(ALIGN / 8);
        let words = filled(words, u64::MAX)?;
        let start = words.as_ptr().addr().wrapping_neg() % ALIGN;
        Ok(Self { words, start, len })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.words.as_bytes()[self.start..][..self.len]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.words.as_mut_bytes()[self.start..][..self.len]
    }
}

/// The numbers that `bytes` hold in the host's byte order.
pub(super) fn numbers<T: FromBytes + Immutable>(bytes: &[u8]) -> Result<&[T]>
where
    [T]: KnownLayout,
{
    <[T]>::ref_from_bytes(bytes).map_err(|e| Error::invalid(format!("bytes as numbers: {e:?}")))
}

/// As [`numbers`], to write to.
pub(super) fn numbers_mut<T: FromBytes + IntoBytes>(bytes: &mut [u8]) -> Result<&mut [T]>
where
    [T]: KnownLayout,
{
    <[T]>::mut_from_bytes(bytes).map_err(|_| Error::invalid("bytes as numbers: size or alignment"))
}

/// Turns numbers of `width` bytes from the host's byte order to little-endian, or back.
pub(super) fn swap_if_big_endian(bytes: &mut [u8], width: usize) {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_of_the_asked_size() {
        for len in [0, 1, 7, 8, 63, 64, 65, 4097] {
            let mut b = Buffer::new(len).unwrap();
            assert_eq!(b.bytes().len(), len);
            assert_eq!(b.bytes_mut().as_ptr().addr() % ALIGN, 0);
        }
        assert!(Buffer::new(usize::MAX).is_err());
    }

    #[test]
    fn casts_check_size_and_alignment() {
        let b = Buffer::new(16).unwrap();
        assert_eq!(numbers::<f32>(b.bytes()).unwrap().len(), 4);
        assert!(numbers::<f32>(&b.bytes()[..7]).is_err());
        assert!(numbers::<u16>(&b.bytes()[1..3]).is_err());
    }
}
