//! The parser proper. All positions are bytes from the start of the file.

use super::*;
use crate::room;

const MAGIC: &[u8; 4] = b"GGUF";

/// Smallest metadata entry: length of the key, one byte of key, type, one byte of value.
const MIN_ENTRY_BYTES: u64 = 8 + 1 + 4 + 1;
/// Smallest row of the tensor table: length of the name, one byte of name, dimension count, a dimension, type, offset.
const MIN_TENSOR_BYTES: u64 = 8 + 1 + 4 + 8 + 4 + 8;

/// Reads the header front to back.
struct Reader<'a> {
    /// The file, but no more than `MAX_HEADER_BYTES` of it.
    bytes: &'a [u8],
    at: usize,
    /// Whether the file has more than the reader may see.
    cut: bool,
}

impl<'a> Reader<'a> {
    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len);
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or_else(|| self.too_long(what, self.at, len as u64, "bytes"))?;
        self.at += len;
        Ok(found)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let bytes = self.take(N, what)?;
        bytes.try_into().map_err(|_| self.too_long(what, self.at, N as u64, "bytes"))
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things (`unit`) that take at least `min_bytes` each, which therefore must still be in the file.
    fn count(&mut self, what: &str, min_bytes: u64, unit: &str) -> Result<usize> {
        let start = self.at;
        let count = self.u64(what)?;
        if count > self.left() as u64 / min_bytes {
            return Err(self.too_long(what, start, count, unit));
        }
        // Not more than the length of a slice, so it fits.
        Ok(count as usize)
    }

    /// A length and as many bytes of UTF-8.
    fn text(&mut self, what: &str) -> Result<&'a str> {
        let start = self.at;
        let len = self.count(what, 1, "bytes")?;
        let bytes = self.take(len, what)?;
        std::str::from_utf8(bytes).map_err(|e| {
            let at = start + 8 + e.valid_up_to();
            Error::format(format!("{what} at byte {start}: not UTF-8 at byte {at}"))
        })
    }

    fn too_long(&self, what: &str, at: usize, len: u64, unit: &str) -> Error {
        let left = self.left();
        let limit = if self.cut { " before the limit of the header's size" } else { "" };
        Error::format(format!("{what} at byte {at}: {len} {unit}, but only {left} bytes are left{limit}"))
    }
}

/// Reads the header at the start of `bytes`, which are the beginning of a file of `file_len` bytes.
pub(super) fn gguf(bytes: &[u8], file_len: usize) -> Result<Gguf> {
    let header = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
    let mut r = Reader { bytes: header, at: 0, cut: header.len() < file_len };

    let magic: [u8; 4] = r.array("magic")?;
    if header.starts_with(LFS_POINTER) {
        return Err(Error::format(LFS_ADVICE));
    }
    if magic != *MAGIC {
        return Err(Error::format(format!("magic at byte 0: {}, not a GGUF file", magic.escape_ascii())));
    }
    let version = r.u32("version")?;
    match version {
        2 | 3 => {}
        0 => return Err(Error::format("version at byte 4: 0")),
        // As ggml does: no version number will ever use the upper half only.
        _ if version.trailing_zeros() >= 16 => {
            return Err(Error::unsupported(format!("version at byte 4: {version:#010x}, a big-endian file")));
        }
        _ => return Err(Error::unsupported(format!("version at byte 4: {version}, only 2 and 3 are supported"))),
    }
    let n_tensors = r.count("tensor count", MIN_TENSOR_BYTES, "tensors")?;
    let n_entries = r.count("metadata count", MIN_ENTRY_BYTES, "entries")?;
    limit("tensor count", 8, n_tensors as u64, MAX_TENSORS)?;
    limit("metadata count", 16, n_entries as u64, MAX_KEYS)?;

    let mut entries = room::with_capacity(n_entries)?;
    for i in 0..n_entries {
        entries.push(entry(&mut r).map_err(|e| e.context(format_args!("metadata entry {i}")))?);
    }
    let by_key = index(&entries, |(key, _)| key)
        .map_err(|key| Error::format(format!("metadata key {} occurs twice", Quoted(key))))?;

    let mut gguf = Gguf { version, alignment: 0, entries, by_key, tensors: Vec::new(), by_name: Vec::new() };
    gguf.alignment = gguf.opt_u32("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
    let alignment = gguf.alignment;
    if !(alignment.is_power_of_two() && (8..=MAX_ALIGNMENT).contains(&alignment)) {
        return Err(Error::format(format!(
            "metadata key \"general.alignment\" is {alignment}, expected a power of two from 8 to {MAX_ALIGNMENT}"
        )));
    }

    let mut tensors = room::with_capacity(n_tensors)?;
    for i in 0..n_tensors {
        tensors.push(tensor(&mut r).map_err(|e| e.context(format_args!("tensor {i}")))?);
    }
    // No overflow: `at` is at most MAX_HEADER_BYTES.
    let data_start = r.at.next_multiple_of(alignment as usize);
    for t in &mut tensors {
        place(t, data_start, alignment, file_len).map_err(|e| e.context(format_args!("tensor {}", Quoted(&t.name))))?;
    }
    gguf.by_name = index(&tensors, |t| &t.name)
        .map_err(|name| Error::format(format!("tensor name {} occurs twice", Quoted(name))))?;
    no_overlap(&tensors)?;
    gguf.tensors = tensors;
    Ok(gguf)
}

fn limit(what: &str, at: usize, count: u64, max: u64) -> Result<()> {
    if count <= max {
        return Ok(());
    }
    Err(Error::format(format!("{what} at byte {at}: {count}, more than the limit of {max}")))
}

/// The order of `items` by name, or a name that occurs twice. The items number at most 2¹⁶.
pub(super) fn index<T>(items: &[T], name: impl Fn(&T) -> &String) -> std::result::Result<Vec<u32>, &str> {
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    let name = |i: &u32| items.get(*i as usize).map(&name);
    order.sort_unstable_by(|a, b| name(a).cmp(&name(b)));
    let twice = order.windows(2).find_map(|w| match w {
        [a, b] if name(a) == name(b) => name(a),
        _ => None,
    });
    twice.map_or(Ok(order), |name| Err(name.as_str()))
}

fn entry(r: &mut Reader) -> Result<(String, Value)> {
    let start = r.at;
    let key = r.text("key")?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(Error::format(format!("key at byte {start}: {} bytes, expected 1 to {MAX_KEY_BYTES}", key.len())));
    }
    let value = value(r).map_err(|e| e.context(format_args!("key {}", Quoted(key))))?;
    Ok((key.to_owned(), value))
}

fn value(r: &mut Reader) -> Result<Value> {
    let start = r.at;
    let type_id = r.u32("value type")?;
    Ok(match type_id {
        0 => Value::U8(u8::from_le_bytes(r.array("value")?)),
        1 => Value::I8(i8::from_le_bytes(r.array("value")?)),
        2 => Value::U16(u16::from_le_bytes(r.array("value")?)),
        3 => Value::I16(i16::from_le_bytes(r.array("value")?)),
        4 => Value::U32(r.u32("value")?),
        5 => Value::I32(i32::from_le_bytes(r.array("value")?)),
        6 => Value::F32(f32::from_le_bytes(r.array("value")?)),
        7 => {
            let at = r.at;
            Value::Bool(boolean(r.array("value")?, at)?)
        }
        8 => {
            let mut text = String::new();
            room::append(&mut text, r.text("value")?)?;
            Value::Str(text)
        }
        9 => Value::Array(array(r)?),
        10 => Value::U64(r.u64("value")?),
        11 => Value::I64(i64::from_le_bytes(r.array("value")?)),
        12 => Value::F64(f64::from_le_bytes(r.array("value")?)),
        _ => return Err(Error::format(format!("value type at byte {start}: {type_id} is unknown"))),
    })
}

fn array(r: &mut Reader) -> Result<Array> {
    let start = r.at;
    let type_id = r.u32("array type")?;
    Ok(match type_id {
        0 => Array::U8(numbers(r, u8::from_le_bytes)?),
        1 => Array::I8(numbers(r, i8::from_le_bytes)?),
        2 => Array::U16(numbers(r, u16::from_le_bytes)?),
        3 => Array::I16(numbers(r, i16::from_le_bytes)?),
        4 => Array::U32(numbers(r, u32::from_le_bytes)?),
        5 => Array::I32(numbers(r, i32::from_le_bytes)?),
        6 => Array::F32(numbers(r, f32::from_le_bytes)?),
        7 => {
            let at = r.at + 8;
            let raw: Vec<u8> = numbers(r, u8::from_le_bytes)?;
            let mut bools = room::with_capacity(raw.len())?;
            for (i, b) in raw.into_iter().enumerate() {
                bools.push(boolean([b], at + i)?);
            }
            Array::Bool(bools)
        }
        8 => Array::Str(strings(r)?),
        9 => return Err(Error::unsupported(format!("array type at byte {start}: arrays of arrays are not supported"))),
        10 => Array::U64(numbers(r, u64::from_le_bytes)?),
        11 => Array::I64(numbers(r, i64::from_le_bytes)?),
        12 => Array::F64(numbers(r, f64::from_le_bytes)?),
        _ => return Err(Error::format(format!("array type at byte {start}: {type_id} is unknown"))),
    })
}

/// A count and as many numbers of `N` bytes.
fn numbers<const N: usize, T>(r: &mut Reader, from: fn([u8; N]) -> T) -> Result<Vec<T>> {
    let count = r.count("array length", N as u64, "elements")?;
    // No overflow: `count` has been checked to fit the bytes that are left.
    let bytes = r.take(count * N, "array")?;
    let mut numbers = room::with_capacity(count)?;
    numbers.extend(bytes.as_chunks::<N>().0.iter().map(|b| from(*b)));
    Ok(numbers)
}

/// A count and as many texts.
fn strings(r: &mut Reader) -> Result<Strings> {
    let count = r.count("array length", 8, "elements")?;
    let mut strings = Strings { text: String::new(), ends: room::with_capacity(count)? };
    for i in 0..count {
        let text = r.text("string").map_err(|e| e.context(format_args!("element {i}")))?;
        room::append(&mut strings.text, text)?;
        // Fits: the header is at most MAX_HEADER_BYTES long.
        strings.ends.push(strings.text.len() as u32);
    }
    Ok(strings)
}

fn boolean(byte: [u8; 1], at: usize) -> Result<bool> {
    match byte {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => Err(Error::format(format!("bool at byte {at}: {other}, expected 0 or 1"))),
    }
}

/// A row of the tensor table, with `offset` still relative to the start of the data.
fn tensor(r: &mut Reader) -> Result<TensorInfo> {
    let start = r.at;
    let name = r.text("name")?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Error::format(format!(
            "name at byte {start}: {} bytes, expected 1 to {MAX_NAME_BYTES}",
            name.len()
        )));
    }
    tensor_sizes(r, name).map_err(|e| e.context(Quoted(name)))
}

fn tensor_sizes(r: &mut Reader, name: &str) -> Result<TensorInfo> {
    let start = r.at;
    let n_dims = r.u32("dimension count")?;
    if !(1..=4).contains(&n_dims) {
        return Err(Error::format(format!("dimension count at byte {start}: {n_dims}, expected 1 to 4")));
    }
    let mut dims = Vec::with_capacity(n_dims as usize);
    for i in 0..n_dims {
        let at = r.at;
        let dim = r.u64("dimension")?;
        // ggml keeps dimensions as i64, so the upper half of the range is negative numbers.
        if dim == 0 || dim > i64::MAX as u64 {
            return Err(Error::format(format!("dimension {i} at byte {at}: {}, expected at least 1", dim as i64)));
        }
        dims.push(dim);
    }
    let at = r.at;
    let id = r.u32("type")?;
    let dtype = DType::from_ggml(id).ok_or_else(|| {
        Error::unsupported(format!("type at byte {at}: {id}{}, expected one of {}", ggml_name(id), known_types()))
    })?;
    let overflow = || Error::format(format!("dimensions at byte {start}: {dims:?} of {dtype} are too large"));
    let mut sizes = dims.iter().map(|&d| usize::try_from(d).ok());
    let cols = sizes.next().flatten().ok_or_else(overflow)?;
    let rows = sizes.try_fold(1usize, |rows, d| rows.checked_mul(d?)).ok_or_else(overflow)?;
    cols.checked_mul(rows).ok_or_else(overflow)?;
    if !cols.is_multiple_of(dtype.block_len()) {
        return Err(Error::format(format!(
            "dimensions at byte {start}: rows of {cols} values are not whole blocks of {} ({dtype})",
            dtype.block_len()
        )));
    }
    let bytes = dtype.row_bytes(cols).and_then(|b| b.checked_mul(rows)).ok_or_else(overflow)?;
    let at = r.at;
    let offset = r.u64("offset")?;
    let offset = usize::try_from(offset)
        .map_err(|_| Error::format(format!("offset at byte {at}: {offset} is beyond any file")))?;
    Ok(TensorInfo { name: name.to_owned(), dims, dtype, part: 0, offset, bytes })
}

/// Makes the offset of a tensor absolute, once the start of the data is known.
fn place(t: &mut TensorInfo, data_start: usize, alignment: u32, file_len: usize) -> Result<()> {
    let offset = t.offset;
    if !offset.is_multiple_of(alignment as usize) {
        return Err(Error::format(format!("offset {offset} is not a multiple of the alignment {alignment}")));
    }
    let start = data_start.checked_add(offset);
    match start.and_then(|start| start.checked_add(t.bytes)) {
        Some(end) if end <= file_len => {
            t.offset = end - t.bytes;
            Ok(())
        }
        _ => Err(Error::format(format!(
            "{} bytes at offset {offset} of the data, which starts at byte {data_start} of a file of {file_len} bytes: \
             the file is too short",
            t.bytes
        ))),
    }
}

/// Two tensors that share bytes are a sign of a forged or damaged table.
fn no_overlap(tensors: &[TensorInfo]) -> Result<()> {
    let mut order: Vec<&TensorInfo> = tensors.iter().collect();
    order.sort_by_key(|t| t.offset);
    for pair in order.windows(2) {
        // No overflow: `place` has checked that each end lies in the file.
        if let [a, b] = pair
            && a.offset + a.bytes > b.offset
        {
            return Err(Error::format(format!(
                "tensors {} (bytes {}..{}) and {} (from byte {}) overlap",
                Quoted(&a.name),
                a.offset,
                a.offset + a.bytes,
                Quoted(&b.name),
                b.offset
            )));
        }
    }
    Ok(())
}

fn known_types() -> String {
    DType::ALL.map(DType::name).join(", ")
}

/// Names of the common types that this crate does not read, for messages (ggml.h, `enum ggml_type`).
fn ggml_name(id: u32) -> &'static str {
    match id {
        3 => " (Q4_1)",
        6 => " (Q5_0)",
        7 => " (Q5_1)",
        10 => " (Q2_K)",
        11 => " (Q3_K)",
        13 => " (Q5_K)",
        15 => " (Q8_K)",
        20 => " (IQ4_NL)",
        23 => " (IQ4_XS)",
        28 => " (F64)",
        _ => "",
    }
}
