//! GGUF: bytes of a model file → metadata and tensor table.
//!
//! The bytes are not trusted. Every count and length is compared with the bytes that are left before anything is
//! allocated or looped over, every sum and product of sizes is checked, and everything that the header promises
//! (types, alignment, offsets, names) is verified here, so that the rest of the crate can rely on a [`Gguf`].
//! An error names the field and the byte that it is at. `docs/format.md` describes the file and the limits.
#![forbid(unsafe_code)]

use std::fmt;

use crate::quant::DType;
use crate::{Error, Result};

/// Everything before the tensor data must lie within this many bytes. The largest tokenizers in use take about 20 MiB.
pub const MAX_HEADER_BYTES: usize = 64 << 20;
/// Most metadata keys that a file may have.
pub const MAX_KEYS: u64 = 1 << 16;
/// Most tensors that a file may have.
pub const MAX_TENSORS: u64 = 1 << 16;
/// Longest metadata key, in bytes (a limit of the format).
pub const MAX_KEY_BYTES: usize = 65_535;
/// Longest tensor name, in bytes (a limit of the format).
pub const MAX_NAME_BYTES: usize = 64;
/// How Git LFS begins the file that stands for one that was not fetched (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
pub(crate) const LFS_POINTER: &[u8] = b"version https://git-lfs";
/// What to do about it.
pub(crate) const LFS_ADVICE: &str =
    "this is a Git LFS pointer, not the file that it stands for: `git lfs pull` fetches that";
/// Alignment of tensor data if the file does not say.
const DEFAULT_ALIGNMENT: u32 = 32;
/// Alignments beyond this are nonsense; it is more than any page.
const MAX_ALIGNMENT: u32 = 1 << 16;

/// The metadata and the tensor table of a model file. Holds no tensor data.
#[derive(Debug, Clone)]
pub struct Gguf {
    version: u32,
    alignment: u32,
    /// In file order.
    entries: Vec<(String, Value)>,
    /// Indices of `entries`, sorted by key.
    by_key: Vec<u32>,
    /// In file order.
    tensors: Vec<TensorInfo>,
    /// Indices of `tensors`, sorted by name.
    by_name: Vec<u32>,
}

/// What the table says of one tensor. All of it has been checked against the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Unique in the file.
    pub name: String,
    /// 1 to 4 sizes, none of them 0, **fastest first** (ggml's `ne`): a matrix of `rows` × `cols` is `[cols, rows]`.
    pub dims: Vec<u64>,
    /// How the values are stored.
    pub dtype: DType,
    /// Which file holds the data: 0, or that of a later part of a split model.
    pub part: usize,
    /// First byte of the data, from the start of that file.
    pub offset: usize,
    /// Length of the data in bytes.
    pub bytes: usize,
}

impl TensorInfo {
    /// Values in a row: the fastest dimension.
    pub fn cols(&self) -> usize {
        // The parser has checked that the element count fits a usize, so each of its factors does.
        self.dims.first().map_or(0, |&d| d as usize)
    }

    /// Rows: the product of all dimensions but the fastest.
    pub fn rows(&self) -> usize {
        self.dims.iter().skip(1).map(|&d| d as usize).product()
    }
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// 8 bits, unsigned.
    U8(u8),
    /// 8 bits, signed.
    I8(i8),
    /// 16 bits, unsigned.
    U16(u16),
    /// 16 bits, signed.
    I16(i16),
    /// 32 bits, unsigned.
    U32(u32),
    /// 32 bits, signed.
    I32(i32),
    /// 64 bits, unsigned.
    U64(u64),
    /// 64 bits, signed.
    I64(i64),
    /// Single precision; may be NaN or infinite.
    F32(f32),
    /// Double precision; may be NaN or infinite.
    F64(f64),
    /// True or false.
    Bool(bool),
    /// UTF-8 text; may hold control characters.
    Str(String),
    /// Any number of values of one type.
    Array(Array),
}

/// An array of the metadata. Arrays of arrays are refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// 8 bits, unsigned.
    U8(Vec<u8>),
    /// 8 bits, signed.
    I8(Vec<i8>),
    /// 16 bits, unsigned.
    U16(Vec<u16>),
    /// 16 bits, signed.
    I16(Vec<i16>),
    /// 32 bits, unsigned.
    U32(Vec<u32>),
    /// 32 bits, signed.
    I32(Vec<i32>),
    /// 64 bits, unsigned.
    U64(Vec<u64>),
    /// 64 bits, signed.
    I64(Vec<i64>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
    /// True or false.
    Bool(Vec<bool>),
    /// Texts.
    Str(Strings),
}

/// Many texts in one allocation: in memory they never take more than they do in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strings {
    text: String,
    /// End of each string in `text`.
    ends: Vec<u32>,
}

impl Strings {
    /// The texts of a list.
    ///
    /// # Errors
    /// `InvalidArgument` if they are longer than any header of a file may be.
    #[cfg(feature = "convert")]
    pub(crate) fn new<S: AsRef<str>>(texts: &[S]) -> Result<Strings> {
        let mut strings = Strings { text: String::new(), ends: Vec::with_capacity(texts.len()) };
        for text in texts {
            strings.text.push_str(text.as_ref());
            if strings.text.len() > MAX_HEADER_BYTES {
                return Err(Error::invalid(format!("texts of more than {MAX_HEADER_BYTES} bytes")));
            }
            strings.ends.push(strings.text.len() as u32);
        }
        Ok(strings)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Number `i`, or `None` past the end.
    pub fn get(&self, i: usize) -> Option<&str> {
        let end = *self.ends.get(i)? as usize;
        let start = if i == 0 { 0 } else { *self.ends.get(i - 1)? as usize };
        self.text.get(start..end)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }
}

impl Array {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self {
            Array::U8(v) => v.len(),
            Array::I8(v) => v.len(),
            Array::U16(v) => v.len(),
            Array::I16(v) => v.len(),
            Array::U32(v) => v.len(),
            Array::I32(v) => v.len(),
            Array::U64(v) => v.len(),
            Array::I64(v) => v.len(),
            Array::F32(v) => v.len(),
            Array::F64(v) => v.len(),
            Array::Bool(v) => v.len(),
            Array::Str(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the type of the whole, for messages.
    fn type_name(&self) -> &'static str {
        match self {
            Array::U8(_) => "array of u8",
            Array::I8(_) => "array of i8",
            Array::U16(_) => "array of u16",
            Array::I16(_) => "array of i16",
            Array::U32(_) => "array of u32",
            Array::I32(_) => "array of i32",
            Array::U64(_) => "array of u64",
            Array::I64(_) => "array of i64",
            Array::F32(_) => "array of f32",
            Array::F64(_) => "array of f64",
            Array::Bool(_) => "array of bool",
            Array::Str(_) => "array of strings",
        }
    }
}

impl Value {
    /// Name of the type, for messages.
    fn type_name(&self) -> &'static str {
        match self {
            Value::U8(_) => "u8",
            Value::I8(_) => "i8",
            Value::U16(_) => "u16",
            Value::I16(_) => "i16",
            Value::U32(_) => "u32",
            Value::I32(_) => "i32",
            Value::U64(_) => "u64",
            Value::I64(_) => "i64",
            Value::F32(_) => "f32",
            Value::F64(_) => "f64",
            Value::Bool(_) => "bool",
            Value::Str(_) => "string",
            Value::Array(a) => a.type_name(),
        }
    }
}

/// A getter that wants the key, and one for an optional key.
macro_rules! getters {
    ($($(#[$doc:meta])* $get:ident, $opt:ident -> $type:ty, $name:literal, $pattern:pat $(if $guard:expr)? => $value:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// `Format` if the key is missing or of another type.
        pub fn $get(&self, key: &str) -> Result<$type> {
            self.$opt(key)?.ok_or_else(|| missing(key))
        }

        $(#[$doc])*
        /// `None` if the key is missing.
        ///
        /// # Errors
        /// `Format` if the key is of another type.
        pub fn $opt(&self, key: &str) -> Result<Option<$type>> {
            match self.get(key) {
                None => Ok(None),
                Some($pattern) $(if $guard)? => Ok(Some($value)),
                Some(other) => Err(wrong_type(key, other, $name)),
            }
        }
    )*};
}

impl Gguf {
    /// Reads and checks everything before the tensor data, and that the tensor data lies within `bytes`.
    /// Takes time and memory in proportion to the header, which may have at most [`MAX_HEADER_BYTES`].
    ///
    /// # Errors
    /// `Format` for a damaged file, `Unsupported` for a well-formed one with features that this crate lacks
    /// (versions other than 2 and 3, big-endian files, other tensor types, arrays of arrays).
    pub fn parse(bytes: &[u8]) -> Result<Gguf> {
        parse::gguf(bytes, bytes.len())
    }

    /// [`Gguf::parse`] of a file of `file_len` bytes of which `header` is the beginning: all of it, or at least
    /// [`MAX_HEADER_BYTES`], or everything before the tensor data.
    ///
    /// # Errors
    /// As [`Gguf::parse`].
    #[cfg(feature = "convert")]
    pub(crate) fn parse_header(header: &[u8], file_len: u64) -> Result<Gguf> {
        let len = usize::try_from(file_len)
            .map_err(|_| Error::unsupported(format!("a file of {file_len} bytes is too large for this system")))?;
        parse::gguf(header, len)
    }

    /// Version of the file format: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Alignment of tensor data in the file, in bytes: a power of two.
    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    /// All metadata, in file order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let entry = |i: &u32| self.entries.get(*i as usize);
        let found = self.by_key.binary_search_by(|i| entry(i).map(|(k, _)| k.as_str()).cmp(&Some(key))).ok()?;
        self.by_key.get(found).and_then(entry).map(|(_, value)| value)
    }

    getters! {
        /// A u32.
        u32, opt_u32 -> u32, "u32", Value::U32(v) => *v;
        /// A bool.
        bool, opt_bool -> bool, "bool", Value::Bool(v) => *v;
        /// A text.
        str, opt_str -> &str, "string", Value::Str(v) => v.as_str();
        /// An f32 other than NaN (which is treated as a wrong type); may be infinite.
        f32, opt_f32 -> f32, "f32 (not NaN)", Value::F32(v) if !v.is_nan() => *v;
        /// An array of any type.
        array, opt_array -> &Array, "array", Value::Array(v) => v;
        /// An array of texts.
        strings, opt_strings -> &Strings, "array of strings", Value::Array(Array::Str(v)) => v;
        /// An array of i32.
        i32s, opt_i32s -> &[i32], "array of i32", Value::Array(Array::I32(v)) => v.as_slice();
    }

    /// All tensors, in file order.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        let tensor = |i: &u32| self.tensors.get(*i as usize);
        let found = self.by_name.binary_search_by(|i| tensor(i).map(|t| t.name.as_str()).cmp(&Some(name))).ok()?;
        self.by_name.get(found).and_then(tensor)
    }
}

fn missing(key: &str) -> Error {
    Error::format(format!("metadata key {} is missing", Quoted(key)))
}

fn wrong_type(key: &str, found: &Value, wanted: &str) -> Error {
    Error::format(format!("metadata key {} is of type {}, expected {wanted}", Quoted(key), found.type_name()))
}

/// A text of the file in a message: quoted, control characters escaped, and cut off if long.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_CHARS: usize = 80;
        match self.0.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

mod parse;
pub(crate) mod split;
