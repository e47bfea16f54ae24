//! Writes a model file: the header first, then the tensors as they come. The file gets its name when it is complete.

use std::io::Write;
use std::path::Path;

use crate::gguf::{Array, Value};
use crate::quant::DType;
use crate::unfinished::Unfinished;
use crate::{Error, Result};

/// Tensor data starts at multiples of this.
const ALIGNMENT: u64 = 32;

/// A tensor to be written.
pub(super) struct Slot {
    pub name: String,
    /// Fastest first; the first one is whole blocks of `dtype`.
    pub dims: Vec<u64>,
    pub dtype: DType,
}

/// Everything before the data, and where the data goes.
pub(super) struct Header {
    pub bytes: Vec<u8>,
    pub slots: Vec<Slot>,
    /// First byte of each slot, from the start of the file.
    offsets: Vec<u64>,
    /// Bytes of the file.
    pub total: u64,
}

impl Header {
    pub(super) fn new(entries: &[(String, Value)], slots: Vec<Slot>) -> Result<Self> {
        let mut bytes = Vec::new();
        bytes.extend(b"GGUF");
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((slots.len() as u64).to_le_bytes());
        bytes.extend((entries.len() as u64).to_le_bytes());
        for (key, value) in entries {
            put_text(&mut bytes, key);
            put_value(&mut bytes, value);
        }
        let (mut at, mut offsets) = (0u64, Vec::with_capacity(slots.len()));
        for slot in &slots {
            let too_large = || Error::invalid(format!("tensor {} of {:?} is too large", slot.name, slot.dims));
            put_text(&mut bytes, &slot.name);
            bytes.extend((slot.dims.len() as u32).to_le_bytes());
            slot.dims.iter().for_each(|d| bytes.extend(d.to_le_bytes()));
            bytes.extend(slot.dtype.ggml().to_le_bytes());
            bytes.extend(at.to_le_bytes());
            offsets.push(at);
            let len = slot.dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).ok_or_else(too_large)?;
            let size = (len / slot.dtype.block_len() as u64).checked_mul(slot.dtype.block_bytes() as u64);
            let end = size.and_then(|size| at.checked_add(size)?.checked_next_multiple_of(ALIGNMENT));
            at = end.ok_or_else(too_large)?;
        }
        let start = (bytes.len() as u64).next_multiple_of(ALIGNMENT);
        bytes.resize(start as usize, 0);
        let total = start.checked_add(at).ok_or_else(|| Error::invalid("the model is too large"))?;
        offsets.iter_mut().for_each(|o| *o += start);
        Ok(Self { bytes, slots, offsets, total })
    }
}

/// A file in the making. Dropped before [`Writer::finish`], it leaves nothing behind.
pub(super) struct Writer {
    file: Unfinished,
    written: u64,
    total: u64,
}

impl Writer {
    /// Writes the header of the file that will be `path`.
    pub(super) fn create(path: &Path, header: &Header) -> Result<Self> {
        let mut writer = Self { file: Unfinished::create(path)?, written: 0, total: header.total };
        writer.write(&header.bytes)?;
        Ok(writer)
    }

    /// Goes to the place of slot `i`, which is the next one.
    pub(super) fn begin(&mut self, i: usize, header: &Header) -> Result<()> {
        self.pad(header.offsets.get(i).copied().unwrap_or(header.total))
    }

    /// Appends bytes of the slot at hand.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.file().write_all(bytes);
        written.map_err(|e| Error::io(format!("writing {}", self.file.path().display()), e))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Brings the file to the disk and gives it its name. Returns its length.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.pad(self.total)?;
        self.file.finish()?;
        Ok(self.total)
    }

    fn pad(&mut self, to: u64) -> Result<()> {
        match to.checked_sub(self.written) {
            Some(n) if n < ALIGNMENT => self.write(&[0; ALIGNMENT as usize][..n as usize]),
            _ => Err(Error::invalid(format!("{} bytes are written where {to} belong", self.written))),
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    macro_rules! put {
        ($id:literal, $bytes:expr) => {{
            out.extend(u32::to_le_bytes($id));
            out.extend($bytes);
        }};
    }
    match value {
        Value::U8(v) => put!(0, v.to_le_bytes()),
        Value::I8(v) => put!(1, v.to_le_bytes()),
        Value::U16(v) => put!(2, v.to_le_bytes()),
        Value::I16(v) => put!(3, v.to_le_bytes()),
        Value::U32(v) => put!(4, v.to_le_bytes()),
        Value::I32(v) => put!(5, v.to_le_bytes()),
        Value::F32(v) => put!(6, v.to_le_bytes()),
        Value::Bool(v) => put!(7, [u8::from(*v)]),
        Value::U64(v) => put!(10, v.to_le_bytes()),
        Value::I64(v) => put!(11, v.to_le_bytes()),
        Value::F64(v) => put!(12, v.to_le_bytes()),
        Value::Str(text) => {
            out.extend(8u32.to_le_bytes());
            put_text(out, text);
        }
        Value::Array(array) => {
            out.extend(9u32.to_le_bytes());
            put_array(out, array);
        }
    }
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    let len = (array.len() as u64).to_le_bytes();
    macro_rules! put {
        ($id:literal, $values:expr) => {{
            out.extend(u32::to_le_bytes($id));
            out.extend(len);
            $values.iter().for_each(|v| out.extend(v.to_le_bytes()));
        }};
    }
    match array {
        Array::U8(v) => put!(0, v),
        Array::I8(v) => put!(1, v),
        Array::U16(v) => put!(2, v),
        Array::I16(v) => put!(3, v),
        Array::U32(v) => put!(4, v),
        Array::I32(v) => put!(5, v),
        Array::F32(v) => put!(6, v),
        Array::U64(v) => put!(10, v),
        Array::I64(v) => put!(11, v),
        Array::F64(v) => put!(12, v),
        Array::Bool(v) => {
            out.extend(7u32.to_le_bytes());
            out.extend(len);
            out.extend(v.iter().map(|&b| u8::from(b)));
        }
        Array::Str(texts) => {
            out.extend(8u32.to_le_bytes());
            out.extend(len);
            texts.iter().for_each(|text| put_text(out, text));
        }
    }
}
