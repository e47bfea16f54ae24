//! The tensors of a checkpoint: one safetensors file, or the shards that an index names.
//!
//! A file is a u64 length, so many bytes of JSON, and the data. The JSON maps each name to `dtype`, `shape` and
//! `data_offsets` (first byte and the byte after the last one, from the start of the data); the key `__metadata__` holds
//! texts. Bytes are little-endian; the tensors cover the data without gap or overlap
//! (<https://github.com/huggingface/safetensors>, "Format").
//!
//! Why not the crate of that name: it takes the file as one slice, the last of two equal names, and does not say where an
//! error is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::json::{self, Unique};
use super::names::{self, Row};
use super::transfer::{Encoding, Source};
use crate::gguf::{LFS_ADVICE, LFS_POINTER, Quoted};
use crate::quant::DType;
use crate::{Error, Result, room};

/// Largest header: 65,536 tensors with long names take half of it.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// Most tensors of a file, and most dimensions of a tensor.
const MAX_TENSORS: usize = 1 << 16;
const MAX_DIMS: usize = 8;
/// Largest index of shards, and most shards.
const MAX_INDEX_BYTES: u64 = 16 << 20;
const MAX_SHARDS: usize = 1 << 10;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// All tensors of a checkpoint, found but not read.
pub(super) struct Checkpoint {
    shards: Vec<Shard>,
    /// By name.
    tensors: BTreeMap<String, Place>,
}

struct Shard {
    path: PathBuf,
    file: File,
}

/// Where a tensor lies.
struct Place {
    shard: usize,
    dtype: &'static Dtype,
    shape: Vec<u64>,
    /// From the start of the file.
    offset: u64,
}

/// A tensor of the checkpoint, as a report names it.
pub(super) struct Found<'a> {
    pub name: &'a str,
    pub dtype: &'static str,
}

/// A type of the format.
#[derive(Debug, PartialEq)]
struct Dtype {
    name: &'static str,
    bits: u64,
    /// How to read it, if the type can hold weights.
    encoding: Option<Encoding>,
}

#[rustfmt::skip]
static DTYPES: [Dtype; 18] = [
    Dtype { name: "F64", bits: 64, encoding: Some(Encoding::F64) },
    Dtype { name: "F32", bits: 32, encoding: Some(Encoding::Gguf(DType::F32)) },
    Dtype { name: "F16", bits: 16, encoding: Some(Encoding::Gguf(DType::F16)) },
    Dtype { name: "BF16", bits: 16, encoding: Some(Encoding::Gguf(DType::BF16)) },
    Dtype { name: "F8_E4M3", bits: 8, encoding: None },
    Dtype { name: "F8_E5M2", bits: 8, encoding: None },
    Dtype { name: "F8_E8M0", bits: 8, encoding: None },
    Dtype { name: "F4", bits: 4, encoding: None },
    Dtype { name: "C64", bits: 64, encoding: None },
    Dtype { name: "BOOL", bits: 8, encoding: None },
    Dtype { name: "U8", bits: 8, encoding: None },
    Dtype { name: "I8", bits: 8, encoding: None },
    Dtype { name: "U16", bits: 16, encoding: None },
    Dtype { name: "I16", bits: 16, encoding: None },
    Dtype { name: "U32", bits: 32, encoding: None },
    Dtype { name: "I32", bits: 32, encoding: None },
    Dtype { name: "U64", bits: 64, encoding: None },
    Dtype { name: "I64", bits: 64, encoding: None },
];

/// A tensor in the header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header: tensors by name, in its order. `__metadata__` must be texts and is not kept.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Header;
        impl<'de> Visitor<'de> for Header {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries, A::Error> {
                let (mut entries, mut seen) = (Vec::new(), HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    let about = |e: A::Error| A::Error::custom(format_args!("{}: {e}", Quoted(&name)));
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("the key {} occurs twice", Quoted(&name))));
                    }
                    if name == "__metadata__" {
                        map.next_value::<HashMap<String, String>>().map_err(about)?;
                    } else if entries.len() < MAX_TENSORS {
                        let entry = map.next_value().map_err(about)?;
                        entries.push((name, entry));
                    } else {
                        return Err(A::Error::custom(format_args!("more than {MAX_TENSORS} tensors")));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Header)
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: Unique<String>,
}

impl Checkpoint {
    /// Finds the tensors of `folder` and checks the headers of its files.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        if folder.join(SINGLE).exists() {
            let mut tensors = BTreeMap::new();
            let shard = Shard::open(folder.join(SINGLE))?;
            shard.list(0, &mut tensors).map_err(|e| e.context(SINGLE))?;
            return Ok(Self { shards: vec![shard], tensors });
        }
        if folder.join(INDEX).exists() {
            let text = json::text(&folder.join(INDEX), MAX_INDEX_BYTES)?;
            let index: Index = json::parse(&text).map_err(|e| e.context(INDEX))?;
            return Self::from_index(folder, index.weight_map.0);
        }
        std::fs::metadata(folder).map_err(|e| Error::io("opening the folder", e))?;
        let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json"].iter().find(|f| folder.join(f).exists());
        Err(match pickled {
            Some(file) => Error::unsupported(format!(
                "there is {file}, but the weights in it or that it lists are Python pickles, which can run any code and are \
                 not read here: models/recipe/bin_to_safetensors.py makes {SINGLE} of them"
            )),
            None => Error::format(format!("neither {SINGLE} nor {INDEX} is there")),
        })
    }

    fn from_index(folder: &Path, weight_map: Vec<(String, String)>) -> Result<Self> {
        let mut files: Vec<&str> = weight_map.iter().map(|(_, file)| file.as_str()).collect();
        files.sort_unstable();
        files.dedup();
        if files.len() > MAX_SHARDS {
            return Err(Error::unsupported(format!("{INDEX}: {} shards, at most {MAX_SHARDS}", files.len())));
        }
        let (mut shards, mut tensors) = (Vec::with_capacity(files.len()), BTreeMap::new());
        for (i, file) in files.iter().enumerate() {
            // A name and nothing else: an index must not reach out of its folder.
            if Path::new(file).file_name() != Some(file.as_ref()) || file.contains(['/', '\\']) {
                return Err(Error::format(format!("{INDEX}: {} is not the name of a file", Quoted(file))));
            }
            let shard = Shard::open(folder.join(file))?;
            shard.list(i, &mut tensors).map_err(|e| e.context(Quoted(file)))?;
            shards.push(shard);
        }
        for (name, file) in &weight_map {
            let there = tensors.get(name).and_then(|place| files.get(place.shard));
            if there != Some(&file.as_str()) {
                return Err(Error::format(format!("{INDEX}: tensor {} is not in {}", Quoted(name), Quoted(file))));
            }
        }
        if tensors.len() != weight_map.len() {
            let listed: HashSet<_> = weight_map.iter().map(|(name, _)| name).collect();
            let extra = tensors.keys().find(|name| !listed.contains(name)).map_or("", String::as_str);
            return Err(Error::format(format!("{INDEX} does not list the tensor {} of its shards", Quoted(extra))));
        }
        Ok(Self { shards, tensors })
    }

    /// Whether there is a tensor called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Takes the prefix off that all names have before those of a model (`_orig_mod.`, `module.`, `model.` …), and returns it.
    pub(super) fn strip_prefix(&mut self) -> Option<String> {
        let prefix = self.tensors.keys().find_map(|name| {
            let before = names::EMBEDDING.iter().find_map(|embedding| name.strip_suffix(embedding))?;
            before.ends_with('.').then(|| before.to_owned())
        })?;
        if !self.tensors.keys().all(|name| name.starts_with(&prefix)) {
            return None;
        }
        let tensors = std::mem::take(&mut self.tensors);
        self.tensors = tensors.into_iter().map(|(name, place)| (name[prefix.len()..].to_owned(), place)).collect();
        Some(prefix)
    }

    /// Leaves out all tensors called `leaf` in any layer. Returns how many there were.
    pub(super) fn forget_leaf(&mut self, leaf: &str) -> usize {
        let before = self.tensors.len();
        self.tensors.retain(|name, _| name.rsplit('.').next() != Some(leaf));
        before - self.tensors.len()
    }

    /// Leaves `name` out of what [`Self::check`] looks at.
    pub(super) fn forget(&mut self, name: &str) {
        self.tensors.remove(name);
    }

    /// Whether the tensors `a` and `b` are of one type and shape and have the same bytes.
    pub(super) fn same(&self, a: &str, b: &str) -> Result<bool> {
        let (Some(a), Some(b)) = (self.tensors.get(a), self.tensors.get(b)) else { return Ok(false) };
        if a.dtype != b.dtype || a.shape != b.shape {
            return Ok(false);
        }
        let mut left = a.bytes();
        let (mut at_a, mut at_b) = (a.offset, b.offset);
        let (mut block_a, mut block_b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        while left > 0 {
            let n = left.min(1 << 20) as usize;
            self.shard(a).read(at_a, &mut block_a[..n])?;
            self.shard(b).read(at_b, &mut block_b[..n])?;
            if block_a[..n] != block_b[..n] {
                return Ok(false);
            }
            left -= n as u64;
            at_a += n as u64;
            at_b += n as u64;
        }
        Ok(true)
    }

    /// Checks that `rows` name every tensor that there is, and each with the shape it has.
    pub(super) fn check(&self, rows: &[Row]) -> Result<()> {
        let wanted: HashSet<&str> = rows.iter().flat_map(|row| row.names.iter().map(String::as_str)).collect();
        let extra: Vec<_> = self.tensors.keys().filter(|name| !wanted.contains(name.as_str())).collect();
        let list = || {
            const SHOWN: usize = 5;
            let list: Vec<_> = extra.iter().take(SHOWN).map(|name| Quoted(name).to_string()).collect();
            let more = if extra.len() > SHOWN { format!(" and {} more", extra.len() - SHOWN) } else { String::new() };
            list.join(", ") + &more
        };
        for row in rows {
            let (name, place) = self.find(row).map_err(|e| match extra.len() {
                0 => e,
                n => Error::format(format!("{e}; {n} tensors are not understood: {}", list())),
            })?;
            if place.shape != row.shape {
                return Err(Error::format(format!(
                    "tensor {} has the shape {:?}, config.json asks for {:?}",
                    Quoted(name),
                    place.shape,
                    row.shape
                )));
            }
            if place.dtype.encoding.is_none() {
                return Err(Error::unsupported(format!(
                    "tensor {} is of type {}; weights can be read from F64, F32, F16 and BF16",
                    Quoted(name),
                    place.dtype.name
                )));
            }
        }
        if extra.is_empty() {
            return Ok(());
        }
        Err(Error::unsupported(format!("{} tensors are not understood with this config.json: {}", extra.len(), list())))
    }

    /// Where to read the tensor of `row`, whose shape has been checked.
    pub(super) fn source(&self, row: &Row) -> Result<(Found<'_>, Source<'_>)> {
        let (name, place) = self.find(row)?;
        let shard = self.shard(place);
        let encoding = place.dtype.encoding.ok_or_else(|| Error::unsupported(place.dtype.name))?;
        let source = Source { file: &shard.file, path: &shard.path, offset: place.offset, encoding };
        Ok((Found { name, dtype: place.dtype.name }, source))
    }

    fn find(&self, row: &Row) -> Result<(&str, &Place)> {
        let mut found = row.names.iter().filter_map(|name| self.tensors.get_key_value(name));
        let first = found.next().ok_or_else(|| {
            Error::format(format!("tensor {} is missing (it becomes {})", Quoted(&row.names[0]), row.gguf))
        })?;
        if let Some(other) = found.next() {
            return Err(Error::format(format!("both {} and {} are there", Quoted(first.0), Quoted(other.0))));
        }
        Ok((first.0, first.1))
    }

    fn shard(&self, place: &Place) -> &Shard {
        // `shard` was counted while the shards were opened.
        &self.shards[place.shard]
    }
}

impl Place {
    fn bytes(&self) -> u64 {
        // Checked when the header was read.
        self.shape.iter().product::<u64>() * self.dtype.bits / 8
    }
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self> {
        let file = File::open(&path).map_err(|e| Error::io(format!("opening {}", path.display()), e))?;
        Ok(Self { path, file })
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        super::transfer::read_at(&self.file, &self.path, offset, into)
    }

    /// Adds the tensors of this file, number `shard`.
    fn list(&self, shard: usize, tensors: &mut BTreeMap<String, Place>) -> Result<()> {
        let io = |e| Error::io(format!("reading {}", self.path.display()), e);
        let meta = self.file.metadata().map_err(io)?;
        if !meta.is_file() {
            return Err(Error::format("not a regular file"));
        }
        let file_len = meta.len();
        if file_len >= LFS_POINTER.len() as u64 {
            let mut start = [0; LFS_POINTER.len()];
            self.read(0, &mut start)?;
            if start == *LFS_POINTER {
                return Err(Error::format(LFS_ADVICE));
            }
        }
        if file_len < 8 {
            return Err(Error::format(format!("header length at byte 0: the file has only {file_len} bytes")));
        }
        let mut length = [0; 8];
        self.read(0, &mut length)?;
        let length = u64::from_le_bytes(length);
        if length > file_len - 8 {
            return Err(Error::format(format!(
                "header length at byte 0: {length} bytes, but only {} are left",
                file_len - 8
            )));
        }
        if length > MAX_HEADER_BYTES {
            return Err(Error::unsupported(format!(
                "header length at byte 0: {length} bytes, more than the limit of {MAX_HEADER_BYTES}"
            )));
        }
        let mut text = Vec::new();
        self.read_header(length, &mut text)?;
        let text = std::str::from_utf8(&text)
            .map_err(|e| Error::format(format!("header: not UTF-8 at byte {}", 8 + e.valid_up_to())))?;
        let header: Entries = json::parse(text).map_err(|e| e.context("header at byte 8"))?;
        let data_start = 8 + length;
        places(header.0, shard, data_start, file_len - data_start, tensors)
    }

    fn read_header(&self, length: u64, text: &mut Vec<u8>) -> Result<()> {
        let io = |e| Error::io(format!("reading {}", self.path.display()), e);
        // The file is at byte 8: the length has just been read.
        let got = (&self.file).take(length).read_to_end(text).map_err(io)?;
        // What is made of it, piece by piece.
        room::check(got.saturating_mul(8))?;
        if got as u64 != length {
            return Err(Error::format("header at byte 8: the file became shorter"));
        }
        Ok(())
    }
}

/// Checks the entries of a header against `data_len` bytes of data, and adds their places.
fn places(
    entries: Vec<(String, Entry)>,
    shard: usize,
    data_start: u64,
    data_len: u64,
    tensors: &mut BTreeMap<String, Place>,
) -> Result<()> {
    let mut spans = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let place = place(&entry, shard, data_start, data_len)
            .map_err(|e| e.context(format_args!("tensor {}", Quoted(&name))))?;
        spans.push((entry.data_offsets, name.clone()));
        if tensors.insert(name.clone(), place).is_some() {
            return Err(Error::format(format!("tensor {} is in two shards", Quoted(&name))));
        }
    }
    spans.sort();
    let mut end = 0;
    for ((begin, next), name) in &spans {
        if *begin != end {
            let what = if *begin < end { "shares bytes with another tensor" } else { "leaves a gap before it" };
            return Err(Error::format(format!("tensor {}: data_offsets [{begin}, {next}] {what}", Quoted(name))));
        }
        end = *next;
    }
    if end != data_len {
        return Err(Error::format(format!(
            "the tensors end at byte {end} of the data, which has {data_len} bytes from byte {data_start} on"
        )));
    }
    Ok(())
}

fn place(entry: &Entry, shard: usize, data_start: u64, data_len: u64) -> Result<Place> {
    let dtype = DTYPES
        .iter()
        .find(|d| d.name == entry.dtype)
        .ok_or_else(|| Error::format(format!("dtype {} is unknown", Quoted(&entry.dtype))))?;
    let (begin, end) = entry.data_offsets;
    if begin > end || end > data_len {
        return Err(Error::format(format!("data_offsets [{begin}, {end}] do not lie in {data_len} bytes of data")));
    }
    if entry.shape.len() > MAX_DIMS {
        return Err(Error::format(format!("shape: {} dimensions, at most {MAX_DIMS}", entry.shape.len())));
    }
    let bits = entry.shape.iter().try_fold(dtype.bits, |n, &d| n.checked_mul(d));
    match bits {
        Some(bits) if bits.is_multiple_of(8) && bits / 8 == end - begin => {
            Ok(Place { shard, dtype, shape: entry.shape.clone(), offset: data_start + begin })
        }
        _ => Err(Error::format(format!(
            "shape {:?} of {} does not take the {} bytes of data_offsets [{begin}, {end}]",
            entry.shape,
            dtype.name,
            end - begin
        ))),
    }
}
