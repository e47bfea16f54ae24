//! Activations on the CPU, which start at a cache line.

use std::ops::{Deref, DerefMut};

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::{Result, aligned};

/// Activations on the CPU: f32 values at the start of a cache line.
#[derive(Default)]
pub struct Buffer {
    values: aligned::Buffer,
}

impl Buffer {
    /// `len` zeros.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn zeros(len: usize) -> Result<Buffer> {
        Ok(Buffer { values: aligned::Buffer::zeros(len.saturating_mul(size_of::<f32>()))? })
    }

    /// The first `len` values, of any content, after making the buffer that long.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn scratch(&mut self, len: usize) -> Result<&mut [f32]> {
        if self.len() < len {
            // What it held is given back first.
            *self = Buffer::default();
            *self = Buffer::zeros(len)?;
        }
        Ok(&mut self[..len])
    }
}

/// The same memory as integers of at most the size of an f32.
pub(super) fn cast_mut<T: FromBytes + IntoBytes>(values: &mut [f32]) -> &mut [T]
where
    [T]: KnownLayout,
{
    // The size and alignment of an f32 do for any `T`, so that there always are such integers.
    aligned::numbers_mut(values.as_mut_bytes()).unwrap_or_default()
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // The bytes are whole values and start at a cache line.
        aligned::numbers(self.values.bytes()).unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        aligned::numbers_mut(self.values.bytes_mut()).unwrap_or_default()
    }
}
