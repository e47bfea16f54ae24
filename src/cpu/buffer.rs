//! Memory that starts at a cache line, so that whole vectors never straddle two.

use std::ops::{Deref, DerefMut};

use crate::{Result, room};

/// One cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Activations on the CPU: f32 values at the start of a cache line.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn zeros(len: usize) -> Result<Buffer> {
        Ok(Buffer { lines: room::filled(len.div_ceil(16), Line([0.0; 16]))?, len })
    }

    /// The first `len` values, of any content, after making the buffer that long.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn scratch(&mut self, len: usize) -> Result<&mut [f32]> {
        let lines = len.div_ceil(16);
        if lines > self.lines.len() {
            room::resize(&mut self.lines, lines, Line([0.0; 16]))?;
        }
        self.len = self.len.max(len);
        Ok(&mut self[..len])
    }
}

/// The same memory as another plain number type.
pub(super) fn cast<T: Plain>(values: &[f32]) -> &[T] {
    // SAFETY: the values span `len · 4` initialised bytes, borrowed for the lifetime of the result and aligned to 4,
    // which is enough for a `Plain` type, any bits of which are a value.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values) / size_of::<T>()) }
}

/// The same memory as another plain number type.
pub(super) fn cast_mut<T: Plain>(values: &mut [f32]) -> &mut [T] {
    // SAFETY: as for `cast`; the borrow is exclusive, and any bits are a value of f32 as well.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values) / size_of::<T>()) }
}

/// Number types of at most 4 bytes alignment for which any bits are a value.
///
/// # Safety
/// That is a promise about the type.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: every pattern of bits is a value.
unsafe impl Plain for i8 {}
// SAFETY: every pattern of bits is a value.
unsafe impl Plain for u8 {}
// SAFETY: every pattern of bits is a value.
unsafe impl Plain for i16 {}
// SAFETY: every pattern of bits is a value.
unsafe impl Plain for i32 {}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` values without gaps: a `Line` is an array of 16 values, size 64.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
