//! Numbers of fixed width, little-endian, as they stand in files.

use crate::{Error, Result};

/// Appends to a file in the making.
pub(crate) trait Put {
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    /// As many bytes as there are, without their number.
    fn put_bytes(&mut self, bytes: &[u8]);

    /// The number of bytes, a u64, and the bytes.
    fn put_counted(&mut self, bytes: &[u8]) {
        self.put_u64(bytes.len() as u64);
        self.put_bytes(bytes);
    }
}

impl Put for Vec<u8> {
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Takes from the bytes of a file, as far as there are any.
pub(crate) struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// `Format` if there are fewer.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(|| Error::format("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.bytes(N)?.first_chunk().copied().ok_or_else(|| Error::format("it ends too early"))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of things of `width` bytes each, no more than are there.
    pub(crate) fn count(&mut self, width: usize) -> Result<usize> {
        let count = self.u64()?;
        usize::try_from(count)
            .ok()
            .filter(|n| n.checked_mul(width).is_some_and(|bytes| bytes <= self.0.len()))
            .ok_or_else(|| Error::format(format!("it ends too early for {count} entries")))
    }

    /// Bytes with their number before them.
    pub(crate) fn counted(&mut self) -> Result<&'a [u8]> {
        let count = self.count(1)?;
        self.bytes(count)
    }

    /// Fails unless all has been taken.
    pub(crate) fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::format(format!("{} bytes too many", self.0.len()))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken_and_no_more() {
        let mut bytes = Vec::new();
        bytes.put_u32(7);
        bytes.put_u64(u64::MAX);
        bytes.put_counted(b"abc");
        let mut take = Take::new(&bytes);
        assert_eq!((take.u32().unwrap(), take.u64().unwrap(), take.counted().unwrap()), (7, u64::MAX, &b"abc"[..]));
        take.end().unwrap();
        assert!(take.u32().is_err());
        for len in 0..bytes.len() {
            let mut take = Take::new(&bytes[..len]);
            let all = take.u32().and_then(|_| take.u64()).and_then(|_| take.counted());
            assert!(all.is_err(), "{len}");
        }
        let mut take = Take::new(&bytes[4..]);
        assert!(take.count(1).is_err(), "more than there are bytes");
        assert!(take.end().is_err());
    }
}
