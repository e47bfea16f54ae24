//! The folder of a memory that lasts: the files of its documents, each document's in a folder of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::io::{DataFile, Storage, Striped};
use crate::{Error, ErrorKind, Result};

/// Where a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the folder of the memory.
    Root,
    /// In that of the document with this number.
    Document(u64),
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be read; it must exist.
    Read,
    /// To be read and written; it must exist.
    Write,
    /// To be read and written, empty; it may exist.
    Create,
}

/// Files in folders that survive the process. Names are numbers and words of this crate: none comes from a file's contents.
pub trait Folder: Send + Sync {
    /// How messages call it.
    fn name(&self) -> String;

    /// Opens the file `name` in `place`.
    ///
    /// # Errors
    /// Whatever the system reports; a file that is not there is `NotFound`.
    fn open(&self, place: Place, name: &str, access: Access) -> io::Result<Box<dyn Storage>>;

    /// Makes the folder of a document.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn create(&self, document: u64) -> io::Result<()>;

    /// Removes the folder of a document with all files in it, as far as it is there.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn remove(&self, document: u64) -> io::Result<()>;

    /// The documents that have folders, in any order.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn documents(&self) -> io::Result<Vec<u64>>;

    /// Waits until the names in `place` are on the device: files and folders that were made in it are there after a crash.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn sync(&self, place: Place) -> io::Result<()>;
}

/// A folder of the file system. Only its owner may enter it, and read what is in it.
#[derive(Debug)]
pub struct DiskFolder {
    path: PathBuf,
}

/// The right to write to a folder. It ends when this is dropped, or with the process, however it ends.
#[derive(Debug)]
pub struct WriteLock {
    _file: File,
}

impl DiskFolder {
    /// The folder at `path`, made with its parents if it is not there and `create`.
    ///
    /// # Errors
    /// `Io` if it is not there or cannot be made.
    pub fn open(path: &Path, create: bool) -> Result<Self> {
        let io = |e| Error::io(format!("opening the memory {path:?}"), e);
        if create {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(path).map_err(io)?;
        }
        if !fs::metadata(path).map_err(io)?.is_dir() {
            return Err(io(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Takes the right to write. Whoever had it and is gone no longer has it.
    ///
    /// # Errors
    /// `Busy` if another process has it, or this one; `Io`.
    pub fn lock(&self) -> Result<WriteLock> {
        let path = self.path.join("lock");
        let io = |e| Error::io(format!("locking {path:?}"), e);
        let file = options(Access::Create).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(WriteLock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "the memory {:?} is being written by another process or session: wait, or read only",
                    self.path
                ),
            )),
            Err(fs::TryLockError::Error(e)) => Err(io(e)),
        }
    }

    fn folder(&self, place: Place) -> PathBuf {
        match place {
            Place::Root => self.path.clone(),
            Place::Document(number) => self.path.join(format!("{number:016x}")),
        }
    }
}

/// Files that only their owner may read.
fn options(access: Access) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(access != Access::Read).create(access == Access::Create);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

impl Folder for DiskFolder {
    fn name(&self) -> String {
        format!("{:?}", self.path)
    }

    fn open(&self, place: Place, name: &str, access: Access) -> io::Result<Box<dyn Storage>> {
        let path = self.folder(place).join(name);
        let file = options(access).open(&path)?;
        if access == Access::Create {
            file.set_len(0)?;
        }
        Ok(Box::new(Striped::whole(DataFile(file), format!("{path:?}"))))
    }

    fn create(&self, document: u64) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(self.folder(Place::Document(document)))
    }

    fn remove(&self, document: u64) -> io::Result<()> {
        match fs::remove_dir_all(self.folder(Place::Document(document))) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn documents(&self) -> io::Result<Vec<u64>> {
        let mut documents = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().filter(|name| name.len() == 16);
            documents.extend(number.and_then(|name| u64::from_str_radix(name, 16).ok()));
        }
        Ok(documents)
    }

    fn sync(&self, place: Place) -> io::Result<()> {
        // Elsewhere folders cannot be opened, and names need no help.
        if cfg!(unix) { File::open(self.folder(place))?.sync_all() } else { Ok(()) }
    }
}
