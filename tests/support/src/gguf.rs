//! Writes GGUF files in memory: sound ones with [`File::new`] and its setters, hostile ones by changing the fields.

use ramba::quant::{self, DType};

/// Numbers of the value types in a file.
pub mod kind {
    pub const U8: u32 = 0;
    pub const I8: u32 = 1;
    pub const U16: u32 = 2;
    pub const I16: u32 = 3;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const STRING: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;
    pub const I64: u32 = 11;
    pub const F64: u32 = 12;
}

/// A file to be. Every field may be set to nonsense.
#[derive(Clone)]
pub struct File {
    pub magic: [u8; 4],
    pub version: u32,
    /// Written instead of the true number.
    pub n_tensors: Option<u64>,
    /// Written instead of the true number.
    pub n_entries: Option<u64>,
    /// Metadata entries, already encoded.
    pub entries: Vec<Vec<u8>>,
    pub tensors: Vec<Tensor>,
    /// Of the data section. A key `general.alignment` must be added by hand.
    pub alignment: usize,
    /// After the last tensor.
    pub trailer: Vec<u8>,
}

/// A row of the tensor table, and the data.
#[derive(Clone)]
pub struct Tensor {
    pub name: Vec<u8>,
    /// Written instead of the length of `dims`.
    pub n_dims: Option<u32>,
    /// Fastest first.
    pub dims: Vec<u64>,
    pub dtype: u32,
    /// Written instead of the place where `data` really goes.
    pub offset: Option<u64>,
    pub data: Vec<u8>,
}

impl File {
    pub fn new() -> File {
        File {
            magic: *b"GGUF",
            version: 3,
            n_tensors: None,
            n_entries: None,
            entries: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
            trailer: Vec::new(),
        }
    }

    /// An entry of any type: `kind` and the bytes that follow it.
    pub fn raw(mut self, key: impl AsRef<[u8]>, kind: u32, value: &[u8]) -> File {
        self.entries.push([&string(key.as_ref())[..], &kind.to_le_bytes(), value].concat());
        self
    }

    pub fn u32(self, key: &str, v: u32) -> File {
        self.raw(key, kind::U32, &v.to_le_bytes())
    }

    pub fn f32(self, key: &str, v: f32) -> File {
        self.raw(key, kind::F32, &v.to_le_bytes())
    }

    pub fn bool(self, key: &str, v: bool) -> File {
        self.raw(key, kind::BOOL, &[u8::from(v)])
    }

    pub fn str(self, key: &str, v: &str) -> File {
        self.raw(key, kind::STRING, &string(v.as_bytes()))
    }

    /// An array: `kind` of the elements, their number, and their bytes.
    pub fn array(self, key: &str, kind: u32, len: u64, elements: &[u8]) -> File {
        self.raw(key, kind::ARRAY, &[&kind.to_le_bytes()[..], &len.to_le_bytes(), elements].concat())
    }

    pub fn strings<S: AsRef<str>>(self, key: &str, v: &[S]) -> File {
        let elements: Vec<u8> = v.iter().flat_map(|s| string(s.as_ref().as_bytes())).collect();
        self.array(key, kind::STRING, v.len() as u64, &elements)
    }

    pub fn i32s(self, key: &str, v: &[i32]) -> File {
        self.array(key, kind::I32, v.len() as u64, &v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
    }

    /// A tensor of F32 values; `dims` fastest first.
    pub fn tensor_f32(self, name: &str, dims: &[u64], values: &[f32]) -> File {
        self.tensor(name, dims, DType::F32, values)
    }

    /// A tensor of any type; `dims` fastest first.
    pub fn tensor(mut self, name: &str, dims: &[u64], dtype: DType, values: &[f32]) -> File {
        assert_eq!(dims.iter().product::<u64>(), values.len() as u64, "{name}");
        let mut data = vec![0; dtype.row_bytes(values.len()).unwrap()];
        quant::quantize(dtype, values, &mut data).unwrap();
        self.tensors.push(Tensor {
            name: name.into(),
            n_dims: None,
            dims: dims.to_vec(),
            dtype: dtype.ggml(),
            offset: None,
            data,
        });
        self
    }

    /// The same file with a change to its last tensor.
    pub fn with_last(mut self, change: impl FnOnce(&mut Tensor)) -> File {
        change(self.tensors.last_mut().unwrap());
        self
    }

    /// The bytes of the file.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.magic);
        out.extend(self.version.to_le_bytes());
        out.extend(self.n_tensors.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.n_entries.unwrap_or(self.entries.len() as u64).to_le_bytes());
        out.extend(self.entries.concat());
        let mut data = Vec::new();
        for t in &self.tensors {
            data.resize(data.len().next_multiple_of(self.alignment), 0);
            out.extend(string(&t.name));
            out.extend(t.n_dims.unwrap_or(t.dims.len() as u32).to_le_bytes());
            out.extend(t.dims.iter().flat_map(|d| d.to_le_bytes()));
            out.extend(t.dtype.to_le_bytes());
            out.extend(t.offset.unwrap_or(data.len() as u64).to_le_bytes());
            data.extend(&t.data);
        }
        if !data.is_empty() {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
        }
        out.extend(data);
        out.extend(&self.trailer);
        out
    }
}

/// A length and the bytes, as the format stores text.
pub fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text].concat()
}
