//! The table of the documents of a memory that lasts, and what model it belongs to.
//!
//! Two files take turns, as for commits: the one with the older table is written anew, and counts if it is whole.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::folder::{Access, Folder, Place};
use super::io::Storage;
use super::shape::{ChunkShape, Precision};
use super::store::write_error;
use crate::bytes::{Put, Take};
use crate::{Error, Result, room};

/// Format version of manifests.
const VERSION: u32 = 1;
/// Bytes of the head: magic, version, checksum, length of the rest.
const HEAD: usize = 24;
/// Most bytes of a manifest, which bounds what a damaged one can ask for.
const MAX_BYTES: u64 = 1 << 32;
/// The names of the two files.
const NAMES: [&str; 2] = ["manifest.0", "manifest.1"];
/// Most bytes of a name.
const MAX_NAME: usize = 1024;

/// What a memory was made by, and how. It is good for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maker {
    /// SHA-256 of the model.
    pub model: [u8; 32],
    /// SHA-256 of the tokenizer.
    pub tokenizer: [u8; 32],
    /// The shape of its chunks; None for models without.
    pub shape: Option<ChunkShape>,
    /// How keys and values are stored.
    pub precision: Precision,
}

impl Maker {
    fn numbers(&self) -> [u32; 6] {
        let precision = self.precision.number();
        match &self.shape {
            // `ChunkShape::check` keeps all of them far below 2^32.
            Some(s) => [s.chunk_size, s.kv_heads, s.head_dim, s.retrieval_heads, s.retrieval_width, precision as usize]
                .map(|n| n as u32),
            None => [0, 0, 0, 0, 0, precision],
        }
    }

    /// The id of the document with this name, whatever memory it is in: two that were made apart are the same bytes.
    pub fn document_id(&self, name: &str) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.model);
        hash.update(self.tokenizer);
        self.numbers().into_iter().for_each(|n| hash.update(n.to_le_bytes()));
        hash.update(name);
        hash.finalize().first_chunk().copied().unwrap_or_default()
    }

    /// Fails unless `self`, which made the memory, is `other`, which wants to use it.
    ///
    /// # Errors
    /// `InvalidArgument`, saying what is different.
    fn check(&self, other: &Maker) -> Result<()> {
        let different = if self.tokenizer != other.tokenizer {
            "with another tokenizer".to_owned()
        } else if self.model != other.model {
            "by another model".to_owned()
        } else if self.precision != other.precision {
            format!("in precision {:?}, not {:?}", self.precision, other.precision)
        } else if self.shape != other.shape {
            "of chunks of another shape".to_owned()
        } else {
            return Ok(());
        };
        let with = if self.precision == other.precision { "the model that made it" } else { "that precision" };
        Err(Error::invalid(format!(
            "the memory was made {different}: nothing in it can be used here. Open it with {with}"
        )))
    }
}

/// One document of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, which names its folder. No two documents have the same, one after the other neither.
    pub number: u64,
    /// What people call it.
    pub name: String,
}

/// The table of documents, in the order in which they came.
pub struct Manifest {
    files: [Box<dyn Storage>; 2],
    maker: Maker,
    /// Counts tables from 1 on.
    sequence: u64,
    /// The number of the next document.
    next: u64,
    documents: Vec<Entry>,
}

impl Manifest {
    /// Whether the folder `path` has a table.
    pub fn is_in(path: &Path) -> bool {
        path.join(NAMES[0]).is_file()
    }

    /// The table in `folder`, which `maker` must have made, if it is given. With [`Access::Create`] and a maker an empty one is made if
    /// there is none.
    ///
    /// # Errors
    /// `InvalidArgument` if another model, tokenizer or precision made it; `Io` if it cannot be read or made, `Format` if it is
    /// damaged, `Unsupported` if it is of another version.
    pub fn open(folder: &dyn Folder, maker: Option<Maker>, access: Access) -> Result<Self> {
        let existing = if access == Access::Create { Access::Write } else { access };
        let new = maker.filter(|_| access == Access::Create);
        let open = |name, access| folder.open(Place::Root, name, access);
        let failed = |e| Error::io(format!("opening the manifest of the memory {}", folder.name()), e);
        let mut files = Vec::new();
        for name in NAMES {
            match open(name, existing) {
                Ok(file) => files.push(file),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && new.is_some() => {
                    files.push(open(name, Access::Create).map_err(failed)?);
                }
                Err(e) => return Err(failed(e)),
            }
        }
        let files: [_; 2] = files.try_into().map_err(|_| Error::invalid("a manifest has two files"))?;
        let mut last: Option<(u64, Vec<u8>)> = None;
        let mut empty = true;
        for file in &files {
            let found = read(&**file)?;
            empty &= matches!(found, Found::Nothing);
            if let Found::Table(sequence, body) = found
                && last.as_ref().is_none_or(|(other, _)| *other < sequence)
            {
                last = Some((sequence, body));
            }
        }
        match (last, new) {
            (Some((_, body)), _) => {
                let name = files[0].name();
                Self::parse(files, &body, maker.as_ref()).map_err(|e| e.context(name))
            }
            (None, Some(maker)) if empty => {
                let mut manifest = Self { files, maker, sequence: 0, next: 1, documents: Vec::new() };
                manifest.write(folder)?;
                Ok(manifest)
            }
            _ => Err(Error::format(format!("the memory {} has no manifest that is whole", folder.name()))),
        }
    }

    /// The documents.
    pub fn documents(&self) -> &[Entry] {
        &self.documents
    }

    /// The document with this name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.documents.iter().find(|entry| entry.name == name)
    }

    /// A number for a new document.
    pub fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Gives no document that is made from now on a number below `number`.
    pub fn number_from(&mut self, number: u64) {
        self.next = self.next.max(number);
    }

    /// What the memory was made by.
    pub fn maker(&self) -> &Maker {
        &self.maker
    }

    /// Lists document `number` as `name`, in the place of the one that has the name, if there is one; returns that one.
    ///
    /// # Errors
    /// `Capacity` if the disk is full, `Io` if writing failed otherwise: the table on the disk is then the one before, or this.
    pub fn list(&mut self, folder: &dyn Folder, number: u64, name: &str) -> Result<Option<u64>> {
        let before = match self.documents.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => Some(std::mem::replace(&mut entry.number, number)),
            None => {
                self.documents.push(Entry { number, name: name.to_owned() });
                None
            }
        };
        self.write(folder)?;
        Ok(before)
    }

    /// Takes the document with this name from the table, and returns its number; None if there is none.
    ///
    /// # Errors
    /// As [`Manifest::list`].
    pub fn remove(&mut self, folder: &dyn Folder, name: &str) -> Result<Option<u64>> {
        let Some(at) = self.documents.iter().position(|entry| entry.name == name) else { return Ok(None) };
        let entry = self.documents.remove(at);
        self.write(folder)?;
        Ok(Some(entry.number))
    }

    fn write(&mut self, folder: &dyn Folder) -> Result<()> {
        self.sequence += 1;
        let mut body = Vec::new();
        body.put_u64(self.sequence);
        body.put_u64(self.next);
        body.put_bytes(&self.maker.model);
        body.put_bytes(&self.maker.tokenizer);
        self.maker.numbers().into_iter().for_each(|n| body.put_u32(n));
        body.put_u64(self.documents.len() as u64);
        for entry in &self.documents {
            body.put_u64(entry.number);
            body.put_counted(entry.name.as_bytes());
        }
        let mut bytes = Vec::new();
        bytes.put_bytes(b"RAMBALIB");
        bytes.put_u32(VERSION);
        bytes.put_u32(crc32fast::hash(&body));
        bytes.put_u64(body.len() as u64);
        bytes.put_bytes(&body);
        let file = &*self.files[(self.sequence % 2) as usize];
        file.write_all_at(&bytes, 0).and_then(|()| file.sync()).map_err(|e| write_error(file, e))?;
        if self.sequence == 1 {
            let synced = folder.sync(Place::Root);
            synced.map_err(|e| Error::io(format!("writing to the folder {}", folder.name()), e))?;
        }
        Ok(())
    }

    fn parse(files: [Box<dyn Storage>; 2], body: &[u8], expected: Option<&Maker>) -> Result<Self> {
        let mut take = Take::new(body);
        let (sequence, next) = (take.u64()?, take.u64()?);
        let hash = |take: &mut Take<'_>| take.bytes(32).map(|b| b.first_chunk().copied().unwrap_or_default());
        let (model, tokenizer) = (hash(&mut take)?, hash(&mut take)?);
        let [s, g, d, heads, width, precision] = [(); 6].map(|()| take.u32().unwrap_or_default());
        let precision = Precision::from_number(precision)
            .ok_or_else(|| Error::unsupported(format!("chunk memories in precision {precision}")))?;
        let shape = ChunkShape {
            chunk_size: s as usize,
            kv_heads: g as usize,
            head_dim: d as usize,
            retrieval_heads: heads as usize,
            retrieval_width: width as usize,
        };
        let shape = (s > 0).then_some(shape);
        let maker = Maker { model, tokenizer, shape, precision };
        match expected {
            Some(expected) => maker.check(expected)?,
            None => shape.map_or(Ok(()), |shape| shape.check()).map_err(|e| Error::format(e.to_string()))?,
        }
        let count = take.count(16)?;
        let mut documents = room::with_capacity(count)?;
        for _ in 0..count {
            let number = take.u64()?;
            let name = std::str::from_utf8(take.counted()?).map_err(|_| Error::format("a name that is not UTF-8"))?;
            check_name(name).map_err(|e| Error::format(e.to_string()))?;
            if number >= next {
                return Err(Error::format(format!("document {number}, the next one is {next}")));
            }
            documents.push(Entry { number, name: name.to_owned() });
        }
        take.end()?;
        Ok(Self { files, maker, sequence, next, documents })
    }
}

/// Fails unless `name` can be that of a document.
///
/// # Errors
/// `InvalidArgument`.
pub fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "the name of a document has 1 to {MAX_NAME} bytes and no control characters, unlike {name:?}"
        )));
    }
    Ok(())
}

/// What is in one of the files.
enum Found {
    /// It is empty.
    Nothing,
    /// A table that is not whole.
    Damage,
    /// Its number, and what it holds.
    Table(u64, Vec<u8>),
}

fn read(file: &dyn Storage) -> Result<Found> {
    let io = |e| Error::io(format!("reading {}", file.name()), e);
    let short = |e: &std::io::Error| e.kind() == std::io::ErrorKind::UnexpectedEof;
    let mut head = [0; HEAD];
    match file.read_exact_at(&mut head, 0) {
        Err(e) if short(&e) => {
            let mut first = [0];
            return match file.read_exact_at(&mut first, 0) {
                Err(e) if short(&e) => Ok(Found::Nothing),
                Err(e) => Err(io(e)),
                Ok(()) => Ok(Found::Damage),
            };
        }
        read => read.map_err(io)?,
    }
    let mut take = Take::new(&head);
    if take.bytes(8)? != b"RAMBALIB" {
        return Ok(Found::Damage);
    }
    let (version, crc, len) = (take.u32()?, take.u32()?, take.u64()?);
    if version != VERSION {
        return Err(Error::unsupported(format!("{}: manifest format {version}, not {VERSION}", file.name())));
    }
    if len > MAX_BYTES {
        return Ok(Found::Damage);
    }
    let mut body = Vec::new();
    while (body.len() as u64) < len {
        let (from, part) = (body.len(), (len - body.len() as u64).min(1 << 20) as usize);
        room::resize(&mut body, from + part, 0)?;
        match file.read_exact_at(body.get_mut(from..).unwrap_or_default(), (HEAD + from) as u64) {
            Err(e) if short(&e) => return Ok(Found::Damage),
            read => read.map_err(io)?,
        }
    }
    match Take::new(&body).u64() {
        Ok(sequence) if crc32fast::hash(&body) == crc => Ok(Found::Table(sequence, body)),
        _ => Ok(Found::Damage),
    }
}
