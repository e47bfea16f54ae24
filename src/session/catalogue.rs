//! What can be done with a library without the model that made it: its documents are listed, checked and removed.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::memory::{
    Access, ChunkMemory, Committed, DiskFolder, Document, Entry, Folder, Kept, Maker, Manifest, Original, WriteLock,
};
use crate::{Error, ErrorKind, Result};

/// The documents of a library, for who has no model at hand or needs none. Questions and new documents are a
/// [`Library`](super::Library)'s.
///
/// ```no_run
/// # fn main() -> ramba::Result<()> {
/// let catalogue = ramba::Catalogue::open("manuals")?;
/// for name in catalogue.documents() {
///     println!("{name}: {} chunks", catalogue.info(&name)?.chunks);
/// }
/// assert!(catalogue.verify()?.is_empty(), "every byte is as it was written");
/// # Ok(())
/// # }
/// ```
pub struct Catalogue {
    pub(super) folder: Arc<dyn Folder>,
    /// None if the library is for reading only.
    pub(super) lock: Option<WriteLock>,
    table: Mutex<Table>,
}

/// Something in a library that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The name of the document.
    pub document: String,
    /// The chunk whose keys and values, or whose landmark, are damaged; None for its text, and if nothing of the document
    /// can be used.
    pub chunk: Option<u64>,
    /// What is wrong, in which file.
    pub message: String,
}

/// A document of a library as it was last committed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentInfo {
    /// Its name.
    pub name: String,
    /// Bytes of its text.
    pub bytes: u64,
    /// Its tokens; None if its reading was stopped and not all of it is read.
    pub tokens: Option<u64>,
    /// Its chunks, those that may change when it goes on too.
    pub chunks: u64,
    /// Bytes of the file that the text was made of, if that is [kept](super::Session::keep_original).
    pub original: Option<u64>,
}

/// The table of documents, and what is done with them.
pub(super) struct Table {
    pub(super) manifest: Manifest,
    /// Documents that sessions write to.
    pub(super) writing: BTreeSet<u64>,
    /// What failed, if the manifest on the disk may be another one.
    poison: Option<String>,
}

impl Catalogue {
    /// The documents of the library in the folder `path`, to be listed and checked: others may write to it meanwhile.
    ///
    /// # Errors
    /// `Io` and `Format` if it is not there, cannot be read or is damaged, `Unsupported` for a later version of the format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(Arc::new(DiskFolder::open(path.as_ref(), false)?), None, None)
    }

    /// The same, to be changed too.
    ///
    /// # Errors
    /// As [`Catalogue::open`], and `Busy` if it is being written by another process or [`Library`](super::Library).
    pub fn open_to_write(path: impl AsRef<Path>) -> Result<Self> {
        // Of a folder that is none no lock is made.
        drop(Self::open(&path)?);
        let folder = DiskFolder::open(path.as_ref(), false)?;
        let lock = folder.lock()?;
        Self::open_in(Arc::new(folder), None, Some(lock))
    }

    /// The library in `folder`, which `maker` must have made if it is given, and in which it may be made. It is to be written if there
    /// is a `lock`.
    pub(super) fn open_in(folder: Arc<dyn Folder>, maker: Option<Maker>, lock: Option<WriteLock>) -> Result<Self> {
        let access = match (&lock, maker) {
            (None, _) => Access::Read,
            (Some(_), None) => Access::Write,
            (Some(_), Some(_)) => Access::Create,
        };
        let manifest = Manifest::open(&*folder, maker, access)?;
        if lock.is_some() {
            remove_leftovers(&*folder, &manifest)?;
        }
        let table = Mutex::new(Table { manifest, writing: BTreeSet::new(), poison: None });
        Ok(Self { folder, lock, table })
    }

    /// The names of the documents, in the order in which they came.
    pub fn documents(&self) -> Vec<String> {
        self.table().manifest.documents().iter().map(|entry| entry.name.clone()).collect()
    }

    /// What a document is, without opening it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none of that name, `Io` or `Format` if its commit cannot be read or is damaged.
    pub fn info(&self, name: &str) -> Result<DocumentInfo> {
        let number = self.table().number(name)?;
        let committed = Committed::read(&*self.folder, number).and_then(|committed| {
            let tokens = super::saved_tokens(&committed.session)?;
            let original = Some(committed.original).filter(|&bytes| bytes > 0);
            let Committed { text: bytes, chunks, .. } = committed;
            Ok(DocumentInfo { name: name.to_owned(), bytes, tokens, chunks, original })
        });
        committed.map_err(|e| e.context(format_args!("document {name:?}")))
    }

    /// The file that the text of a document was made of, if that was [kept](super::Session::keep_original), to be read from its beginning. It is
    /// looked at to its end before: what is returned is the file that was read.
    ///
    /// # Errors
    /// As [`Catalogue::info`], and `Format` if it has changed since.
    pub fn original(&self, name: &str) -> Result<Option<Original>> {
        let number = self.table().number(name)?;
        Original::of(&*self.folder, number).map_err(|e| e.context(format_args!("document {name:?}")))
    }

    /// Removes a document, and gives its room on the disk back.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none of that name, or the library is for reading only; `Busy` if a session writes to it;
    /// `Io`.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.writable()?;
        let mut table = self.table();
        table.check()?;
        let number = table.number(name)?;
        if table.writing.contains(&number) {
            return Err(busy(name));
        }
        let removed = table.manifest.remove(&*self.folder, name);
        table.keep(removed)?;
        self.delete(number);
        Ok(())
    }

    /// Reads all of every document, and tells what of it is damaged; nothing if all is as it was written. Others may read and
    /// write meanwhile.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn verify(&self) -> Result<Vec<Damage>> {
        let (documents, maker) = {
            let table = self.table();
            (table.manifest.documents().to_vec(), *table.manifest.maker())
        };
        let Maker { shape, precision, .. } = maker;
        let budget = shape.map_or(Ok(0), |shape| ChunkMemory::minimum_budget(&shape, precision, 1))?;
        let kept = Kept { shape, precision, budget };
        let mut all = Vec::new();
        for Entry { number, name } in documents {
            let mut damaged = |chunk, error: Error| {
                all.push(Damage { document: name.clone(), chunk, message: error.to_string() });
            };
            match Document::open(Arc::clone(&self.folder), number, Access::Read, &kept) {
                Ok((document, memory, _)) => {
                    memory.map_or(Ok(()), |memory| memory.verify(&mut damaged))?;
                    document.original().map_or_else(|e| damaged(None, e), drop);
                }
                Err(e) if e.kind() == ErrorKind::Capacity => return Err(e),
                Err(e) => damaged(None, e),
            }
        }
        Ok(all)
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if the library is for reading only.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(super) fn writable(&self) -> Result<()> {
        match &self.lock {
            Some(_) => Ok(()),
            None => Err(Error::invalid("the library was opened for reading only")),
        }
    }

    /// Removes the files of a document that is in the table no more. What cannot be removed now is when the library is opened.
    pub(super) fn delete(&self, number: u64) {
        if let Err(e) = self.folder.remove(number) {
            log::warn!("removing the files of document {number:016x} in {}: {e}", self.folder.name());
        }
    }
}

impl Table {
    /// Fails if it is not known what is on the disk.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn check(&self) -> Result<()> {
        match &self.poison {
            Some(why) => {
                Err(Error::new(ErrorKind::Io, format!("the library is unusable since an earlier failure: {why}")))
            }
            None => Ok(()),
        }
    }

    /// Passes `result` on; after a failure, what is on the disk is not known.
    pub(super) fn keep<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(e) = &result {
            self.poison = Some(e.to_string());
        }
        result
    }

    /// The number of the document with this name.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub(super) fn number(&self, name: &str) -> Result<u64> {
        let entry = self.manifest.find(name);
        entry.map(|entry| entry.number).ok_or_else(|| Error::invalid(format!("there is no document {name:?}")))
    }
}

/// Removes what documents have left that were never listed, or are no more: their process ended before it could.
fn remove_leftovers(folder: &dyn Folder, manifest: &Manifest) -> Result<()> {
    let io = |e| Error::io(format!("reading the folder {}", folder.name()), e);
    for number in folder.documents().map_err(io)? {
        if manifest.documents().iter().all(|entry| entry.number != number) {
            log::info!("removing what is left of document {number:016x} in {}", folder.name());
            folder.remove(number).map_err(io)?;
        }
    }
    Ok(())
}

/// A session writes to the document `name`.
pub(super) fn busy(name: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("a session writes to the document {name:?}: close it first"))
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("folder", &self.folder.name())
            .field("documents", &self.documents())
            .finish_non_exhaustive()
    }
}
