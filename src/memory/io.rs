//! Where the bytes of a chunk memory live: positioned reads and writes, without a memory map.

use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A growable array of bytes that survives outside of RAM.
///
/// A failed write may have written any part of its bytes; a failed `set_len` may have done nothing.
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
    fn write_all_at(&mut self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the storage off, or extends it with zeros, to `len` bytes.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Waits until everything written is on the device.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that exists as long as this value.
pub(super) struct TempFile {
    file: File,
    path: PathBuf,
}

impl TempFile {
    /// Creates the file, which must not exist. Its content can be private, so only the owner may read it.
    fn create(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(&path)?, path })
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_file(&self.path) {
            log::warn!("removing {:?}: {e}", self.path);
        }
    }
}

impl Storage for TempFile {
    fn name(&self) -> String {
        format!("{:?}", self.path)
    }

    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match read_at(&self.file, buf, offset) {
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

    fn write_all_at(&mut self, mut data: &[u8], mut offset: u64) -> io::Result<()> {
        while !data.is_empty() {
            match write_at(&self.file, data, offset) {
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

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
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

/// The two files of one memory, and what tells this memory from all others.
pub(super) struct Files {
    pub(super) chunks: TempFile,
    pub(super) landmarks: TempFile,
    pub(super) id: [u8; 16],
}

/// Creates the files of a memory in `dir`, which is made if it does not exist, under names that nobody else uses.
///
/// # Errors
/// `Io` if the directory or a file cannot be made.
pub(super) fn create_files(dir: &Path) -> Result<Files> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io(format!("making the memory directory {dir:?}"), e))?;
    let left = others(dir);
    if left > 0 {
        log::info!("{dir:?} holds {left} files of other sessions, or left by sessions that were killed");
    }
    let id = unique_id();
    let name: String = id.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let path = |kind: &str| dir.join(format!("ramba-{}-{name}.{kind}", std::process::id()));
    let create = |kind: &str| {
        let path = path(kind);
        TempFile::create(path.clone()).map_err(|e| Error::io(format!("creating {path:?}"), e))
    };
    Ok(Files { chunks: create("chunks")?, landmarks: create("landmarks")?, id })
}

/// The number of chunk memory files in `dir`.
fn others(dir: &Path) -> usize {
    let ours = |name: &str| name.starts_with("ramba-") && (name.ends_with(".chunks") || name.ends_with(".landmarks"));
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.flatten().filter(|e| e.file_name().to_str().is_some_and(ours)).count()
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
