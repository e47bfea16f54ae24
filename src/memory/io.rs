//! Where the bytes of a chunk memory live: positioned reads and writes, without a memory map.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;

use crate::{Error, Result};

/// Bytes of a part of a file that lie next to each other.
const STRIPE: u64 = 1 << 20;

/// Parts of the file of chunks: threads that write at once are mostly in different ones. A system lets one thread at a
/// time write to a file, at 3 to 5 GB/s where it was measured, and several of them to several files.
const PARTS: usize = 4;

/// A growable array of bytes that survives outside of RAM.
///
/// Several threads may write at once, to places that do not overlap. A failed write may have written any part of its
/// bytes; a failed `set_len` may have done nothing.
pub trait Storage: Send + Sync {
    /// How messages call it.
    fn name(&self) -> String;

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are fewer; whatever the system reports otherwise.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `data` at `offset`, growing the storage if need be.
    ///
    /// # Errors
    /// Whatever the system reports; a full disk is `StorageFull`.
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the storage off, or extends it with zeros, to `len` bytes.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Waits until everything written is on the device.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn sync(&self) -> io::Result<()>;
}

/// A file that is read and written at positions. One of a temporary memory has no name: the system deletes it with this value or
/// when the process ends, however it ends. Its content can be private, so only the owner may read it.
pub(super) struct DataFile(pub(super) File);

impl DataFile {
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match read_at(&self.0, buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buf = buf.get_mut(n..).unwrap_or_default();
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn write_all_at(&self, mut data: &[u8], mut offset: u64) -> io::Result<()> {
        while !data.is_empty() {
            match write_at(&self.0, data, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    data = data.get(n..).unwrap_or_default();
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// One array of bytes in several files, a stripe after the other in each of them in turn.
pub(super) struct Striped {
    parts: Vec<DataFile>,
    /// How messages call it.
    name: String,
}

impl Striped {
    /// One file by itself.
    pub(super) fn whole(file: DataFile, name: String) -> Self {
        Self { parts: vec![file], name }
    }

    /// The file of the byte at `offset`, where it is there, and how many bytes of the stripe there are from it on.
    fn place(&self, offset: u64) -> (&DataFile, u64, usize) {
        let (stripe, within) = (offset / STRIPE, offset % STRIPE);
        let parts = self.parts.len() as u64;
        (&self.parts[(stripe % parts) as usize], stripe / parts * STRIPE + within, (STRIPE - within) as usize)
    }
}

impl Storage for Striped {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let (file, at, len) = self.place(offset);
            let (part, rest) = buf.split_at_mut(len.min(buf.len()));
            file.read_exact_at(part, at)?;
            offset += part.len() as u64;
            buf = rest;
        }
        Ok(())
    }

    fn write_all_at(&self, mut data: &[u8], mut offset: u64) -> io::Result<()> {
        while !data.is_empty() {
            let (file, at, len) = self.place(offset);
            let (part, rest) = data.split_at(len.min(data.len()));
            file.write_all_at(part, at)?;
            offset += part.len() as u64;
            data = rest;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (parts, whole) = (self.parts.len() as u64, len / STRIPE);
        for (i, part) in (0..).zip(&self.parts) {
            // Whole stripes before the end, and what is left of the one that the end is in.
            let stripes = whole / parts + u64::from(i < whole % parts);
            let rest = if i == whole % parts { len % STRIPE } else { 0 };
            part.0.set_len(stripes * STRIPE + rest)?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.parts.iter().try_for_each(|part| part.0.sync_data())
    }
}

#[cfg(unix)]
use std::os::unix::fs::FileExt;
#[cfg(windows)]
use std::os::windows::fs::FileExt;

#[cfg(unix)]
fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buf, offset)
}

#[cfg(unix)]
fn write_at(file: &File, data: &[u8], offset: u64) -> io::Result<usize> {
    file.write_at(data, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buf, offset)
}

#[cfg(windows)]
fn write_at(file: &File, data: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(data, offset)
}

/// The files of one memory, and what tells this memory from all others.
pub(super) struct Files {
    pub(super) chunks: Striped,
    pub(super) landmarks: Striped,
    pub(super) text: Striped,
    pub(super) marks: Striped,
    pub(super) id: [u8; 16],
}

/// Creates the files of a memory in the folder `dir`. They have no names there, or lose them at once.
///
/// # Errors
/// `Io` if there is no such folder or a file cannot be made in it.
pub(super) fn create_files(dir: &Path) -> Result<Files> {
    let there =
        std::fs::metadata(dir).and_then(|m| if m.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) });
    there.map_err(|e| Error::io(format!("opening the folder {dir:?} for chunk memories"), e))?;
    let create = |what: &str, parts: usize| {
        let name = format!("the {what} file in {dir:?}");
        let part = |_| tempfile::tempfile_in(dir).map(DataFile);
        match (0..parts).map(part).collect() {
            Ok(parts) => Ok(Striped { parts, name }),
            Err(e) => Err(Error::io(format!("creating {name}"), e)),
        }
    };
    let (chunks, landmarks, text) = (create("chunk", PARTS)?, create("landmark", 1)?, create("text", 1)?);
    Ok(Files { chunks, landmarks, text, marks: create("marks", 1)?, id: unique_id() })
}

/// Sixteen bytes that no other memory has: the standard library's hash keys are random and differ at every call.
pub(super) fn unique_id() -> [u8; 16] {
    let mut id = [0; 16];
    for half in id.chunks_exact_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_are_one_array_of_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let files = create_files(dir.path()).unwrap();
        let stripe = STRIPE as usize;
        // Several rounds of stripes, written in pieces that begin and end anywhere, the last ones first.
        let all: Vec<u8> = (0..11 * stripe + 5).map(|i| (i * 31 + i / stripe * 7) as u8).collect();
        let cuts = [0, 1, stripe - 1, stripe, 3 * stripe, 3 * stripe + 9, 7 * stripe - 3, all.len()];
        for storage in [&files.chunks, &files.landmarks] {
            for cut in cuts.windows(2).rev() {
                storage.write_all_at(&all[cut[0]..cut[1]], cut[0] as u64).unwrap();
            }
            let mut read = vec![0; all.len()];
            storage.read_exact_at(&mut read, 0).unwrap();
            assert!(read == all);
            storage.read_exact_at(&mut read[..stripe + 2], 4 * STRIPE - 1).unwrap();
            assert!(read[..stripe + 2] == all[4 * stripe - 1..][..stripe + 2]);
            storage.sync().unwrap();
            let beyond = storage.read_exact_at(&mut [0; 6], all.len() as u64 - 5).unwrap_err();
            assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
            for len in [all.len(), 8 * stripe + 1, 8 * stripe, 5 * stripe - 1, 1, 0] {
                storage.set_len(len as u64).unwrap();
                let kept: u64 = storage.parts.iter().map(|part| part.0.metadata().unwrap().len()).sum();
                assert_eq!(kept, len as u64);
                let last = &mut [0; 2][..len.min(2)];
                storage.read_exact_at(last, (len - last.len()) as u64).unwrap();
                assert_eq!(last, &all[len - last.len()..len]);
                let beyond = storage.read_exact_at(&mut [0], len as u64).unwrap_err();
                assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }

    #[test]
    fn every_part_gets_its_share() {
        let dir = tempfile::tempdir().unwrap();
        let files = create_files(dir.path()).unwrap();
        files.chunks.write_all_at(&vec![1; 3 * PARTS * STRIPE as usize], 0).unwrap();
        assert_eq!(files.chunks.parts.len(), PARTS);
        for part in &files.chunks.parts {
            assert_eq!(part.0.metadata().unwrap().len(), 3 * STRIPE);
        }
    }
}
