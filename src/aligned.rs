//! Memory whose first byte lies on a cache line, so that whole vectors never straddle two, and checked casts between bytes and numbers.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::room::filled;
use crate::{Error, Result};

/// Alignment of every buffer: a cache line.
pub(crate) const ALIGN: usize = 64;

/// Bytes whose first one lies on a cache line.
#[derive(Default)]
pub(crate) struct Buffer {
    words: Vec<u64>,
    /// Offset of the first byte inside `words`, and how many there are.
    start: usize,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` zeros. It takes at most [`ALIGN`] bytes more than that.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(crate) fn zeros(len: usize) -> Result<Self> {
        let words = (len / 8).saturating_add(ALIGN / 8);
        let words = filled(words, 0)?;
        let start = words.as_ptr().addr().wrapping_neg() % ALIGN;
        Ok(Self { words, start, len })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.words.as_bytes()[self.start..][..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.words.as_mut_bytes()[self.start..][..self.len]
    }
}

/// The numbers that `bytes` hold in the host's byte order.
pub(crate) fn numbers<T: FromBytes + Immutable>(bytes: &[u8]) -> Result<&[T]>
where
    [T]: KnownLayout,
{
    <[T]>::ref_from_bytes(bytes).map_err(|e| Error::invalid(format!("bytes as numbers: {e:?}")))
}

/// As [`numbers`], to write to.
pub(crate) fn numbers_mut<T: FromBytes + IntoBytes>(bytes: &mut [u8]) -> Result<&mut [T]>
where
    [T]: KnownLayout,
{
    <[T]>::mut_from_bytes(bytes).map_err(|_| Error::invalid("bytes as numbers: size or alignment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_of_the_asked_size() {
        for len in [0, 1, 7, 8, 63, 64, 65, 4097] {
            let mut b = Buffer::zeros(len).unwrap();
            assert_eq!(b.bytes().len(), len);
            assert_eq!(b.bytes_mut().as_ptr().addr() % ALIGN, 0);
        }
        assert!(Buffer::zeros(usize::MAX).is_err());
    }

    #[test]
    fn casts_check_size_and_alignment() {
        let b = Buffer::zeros(16).unwrap();
        assert_eq!(numbers::<f32>(b.bytes()).unwrap().len(), 4);
        assert!(numbers::<f32>(&b.bytes()[..7]).is_err());
        assert!(numbers::<u16>(&b.bytes()[1..3]).is_err());
    }
}
