//! The file that a document's text was made of, as it was, beside the text.

use std::io::{self, Read};

use super::commit::Commits;
use super::folder::{Access, Folder, Place};
use super::io::Storage;
use super::store::write_error;
use crate::{Error, Result, room};

/// The name of the file.
const NAME: &str = "original";

/// Bytes that are read or written at once.
const BLOCK: usize = 1 << 16;

/// What a commit says of an original: enough to know that it is still what it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seal {
    /// Bytes of the file; 0 if there is none.
    pub(super) len: u64,
    /// CRC-32 of them.
    pub(super) crc: u32,
}

/// The file that the text of a document was made of, byte for byte, kept in the library. It is read from its beginning to its end; that it is
/// whole was checked when it was opened.
pub struct Original {
    file: Box<dyn Storage>,
    len: u64,
    at: u64,
}

impl Original {
    /// Writes `bytes` as the original of a document that has none yet. They are on the device when this returns, their name is not.
    ///
    /// # Errors
    /// `Capacity` if the disk is full, `Io` if writing failed otherwise.
    pub(super) fn write(folder: &dyn Folder, document: u64, bytes: &[u8]) -> Result<Seal> {
        let file = open(folder, document, Access::Create)?;
        for (block, at) in bytes.chunks(BLOCK).zip((0_u64..).step_by(BLOCK)) {
            file.write_all_at(block, at).map_err(|e| write_error(&*file, e))?;
        }
        file.sync().map_err(|e| write_error(&*file, e))?;
        Ok(Seal { len: bytes.len() as u64, crc: crc32fast::hash(bytes) })
    }

    /// The original of a document as it was last committed; None if it has none.
    ///
    /// # Errors
    /// Those of reading the commit; `Io` if it cannot be read, `Format` if it is not what it was.
    pub fn of(folder: &dyn Folder, document: u64) -> Result<Option<Self>> {
        Self::open(folder, document, Commits::open(folder, document, Access::Read)?.head.original)
    }

    /// The original of a document, which is read once to its end for that; None if it has none.
    ///
    /// # Errors
    /// `Io` if it cannot be read, `Format` if it is not what it was.
    pub(super) fn open(folder: &dyn Folder, document: u64, seal: Seal) -> Result<Option<Self>> {
        if seal.len == 0 {
            return Ok(None);
        }
        let mut original = Self { file: open(folder, document, Access::Read)?, len: seal.len, at: 0 };
        let (mut crc, mut block) = (crc32fast::Hasher::new(), room::filled(BLOCK, 0_u8)?);
        loop {
            match original.read(&mut block) {
                Ok(0) => break,
                Ok(got) => crc.update(block.get(..got).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(changed(&*original.file)),
                Err(e) => return Err(Error::io(format!("reading {}", original.file.name()), e)),
            }
        }
        if crc.finalize() != seal.crc {
            return Err(changed(&*original.file));
        }
        original.at = 0;
        Ok(Some(original))
    }

    /// Its bytes, all of them.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes, which none has.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies what is left of it to a document in another folder, as [`Self::write`] does.
    ///
    /// # Errors
    /// Those of reading and writing.
    pub(super) fn copy(mut self, folder: &dyn Folder, document: u64) -> Result<Seal> {
        let to = open(folder, document, Access::Create)?;
        let (mut crc, mut block, mut len) = (crc32fast::Hasher::new(), room::filled(BLOCK, 0_u8)?, 0);
        loop {
            let got = self.read(&mut block).map_err(|e| Error::io(format!("reading {}", self.file.name()), e))?;
            let Some(part @ [_, ..]) = block.get(..got) else { break };
            to.write_all_at(part, len).map_err(|e| write_error(&*to, e))?;
            crc.update(part);
            len += got as u64;
        }
        to.sync().map_err(|e| write_error(&*to, e))?;
        Ok(Seal { len, crc: crc.finalize() })
    }
}

impl Read for Original {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.at).unwrap_or(usize::MAX);
        let most = left.min(buf.len());
        let part = buf.get_mut(..most).unwrap_or_default();
        self.file.read_exact_at(part, self.at)?;
        self.at += most as u64;
        Ok(most)
    }
}

fn open(folder: &dyn Folder, document: u64, access: Access) -> Result<Box<dyn Storage>> {
    let opened = folder.open(Place::Document(document), NAME, access);
    opened.map_err(|e| Error::io(format!("opening the {NAME} of document {document:016x} in {}", folder.name()), e))
}

fn changed(file: &dyn Storage) -> Error {
    Error::format(format!("{} is not the file that was read: it has changed since", file.name()))
}
