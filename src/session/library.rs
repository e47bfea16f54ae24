//! A memory that lasts: documents in a folder, which are read once, added to, and asked for years.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Before, Engine, Session, SessionOptions};
use crate::memory::{
    Access, ChunkMemory, Committed, DiskFolder, Document, Entry, Folder, Kept, Maker, Manifest, WriteLock, check_name,
};
use crate::{Error, ErrorKind, Result};

/// Documents in a folder that lasts, each with its chunk memory, its text, and what is needed to go on reading it.
///
/// A document is a [`Session`] that can be [committed](Session::commit): what is committed is there for good, whatever happens to
/// the process or the machine afterwards. One process at a time may write, and any number read meanwhile what was
/// committed when they opened it.
///
/// ```no_run
/// # fn main() -> ramba::Result<()> {
/// use ramba::{AskOptions, Engine, EngineOptions, SessionOptions};
///
/// let engine = Engine::open("models/ramba-small.gguf", &EngineOptions::default())?;
/// let library = engine.library("manuals", &SessionOptions::default())?;
/// let mut manual = library.add("pump.txt")?;
/// manual.feed("The pass key of the pump is 482913. ")?;
/// manual.commit()?;
///
/// // In another process, years later: nothing is read again.
/// let mut manual = library.open("pump.txt")?;
/// let answer = manual.answer("What is the pass key of the pump?", &AskOptions::default())?;
/// # drop(answer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Library {
    shared: Arc<Shared>,
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
}

struct Shared {
    engine: Engine,
    folder: Arc<dyn Folder>,
    options: SessionOptions,
    /// None if the library is for reading only.
    lock: Option<WriteLock>,
    table: Mutex<Table>,
}

struct Table {
    manifest: Manifest,
    /// Documents that sessions write to.
    writing: BTreeSet<u64>,
    /// What failed, if the manifest on the disk may be another one.
    poison: Option<String>,
}

impl Engine {
    /// The library in the folder `path`, to be read and written. It is made if it is not there, with the permissions of its owner
    /// alone. [`SessionOptions::directory`] has no effect on it.
    ///
    /// # Errors
    /// `InvalidArgument` if another model, tokenizer or precision made it, `Busy` if it is being written by another process or
    /// [`Library`], `Io` and `Format` if it cannot be read or is damaged, `Unsupported` for a later version of the format.
    pub fn library(&self, path: impl AsRef<Path>, options: &SessionOptions) -> Result<Library> {
        let folder = DiskFolder::open(path.as_ref(), true)?;
        let lock = folder.lock()?;
        Library::open_in(self, Arc::new(folder), Some(lock), options)
    }

    /// The library in the folder `path`, to be read only: others may write to it meanwhile.
    ///
    /// # Errors
    /// As [`Engine::library`], but `Io` if it is not there.
    pub fn read_library(&self, path: impl AsRef<Path>, options: &SessionOptions) -> Result<Library> {
        Library::open_in(self, Arc::new(DiskFolder::open(path.as_ref(), false)?), None, options)
    }
}

impl Library {
    /// Whether there is a library in the folder `path`.
    pub fn is_in(path: impl AsRef<Path>) -> bool {
        Manifest::is_in(path.as_ref())
    }

    /// The library in `folder`, to be written if there is a `lock`.
    pub(super) fn open_in(
        engine: &Engine,
        folder: Arc<dyn Folder>,
        lock: Option<WriteLock>,
        options: &SessionOptions,
    ) -> Result<Self> {
        let fingerprint = engine.fingerprint();
        let maker = Maker {
            model: fingerprint.model,
            tokenizer: fingerprint.tokenizer,
            shape: engine.shared.model.chunk_shape(),
            precision: options.precision,
        };
        let access = if lock.is_some() { Access::Create } else { Access::Read };
        let manifest = Manifest::open(&*folder, maker, access)?;
        if lock.is_some() {
            remove_leftovers(&*folder, &manifest)?;
        }
        let table = Mutex::new(Table { manifest, writing: BTreeSet::new(), poison: None });
        let shared = Shared { engine: engine.clone(), folder, options: options.clone(), lock, table };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The names of the documents, in the order in which they came.
    pub fn documents(&self) -> Vec<String> {
        self.shared.table().manifest.documents().iter().map(|entry| entry.name.clone()).collect()
    }

    /// What a document is, without opening it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none of that name, `Io` or `Format` if its commit cannot be read or is damaged.
    pub fn info(&self, name: &str) -> Result<DocumentInfo> {
        let number = self.shared.table().number(name)?;
        let committed = Committed::read(&*self.shared.folder, number).and_then(|committed| {
            let tokens = super::saved_tokens(&committed.session)?;
            Ok(DocumentInfo { name: name.to_owned(), bytes: committed.text, tokens, chunks: committed.chunks })
        });
        committed.map_err(|e| e.context(format_args!("document {name:?}")))
    }

    /// A new document, empty. It is in the library when it is first committed.
    ///
    /// # Errors
    /// `InvalidArgument` if there is a document of that name, or it can be none, or the library is for reading only; else as
    /// for [`Engine::session`].
    pub fn add(&self, name: &str) -> Result<Session> {
        if self.shared.table().manifest.find(name).is_some() {
            return Err(Error::invalid(format!("there is a document {name:?} already: open, replace or remove it")));
        }
        self.replace(name)
    }

    /// A new document, empty, that takes the place of the one with that name, if there is one, when it is first committed.
    ///
    /// # Errors
    /// As for [`Library::add`].
    pub fn replace(&self, name: &str) -> Result<Session> {
        check_name(name)?;
        self.shared.writable()?;
        let mut table = self.shared.table();
        table.check()?;
        let number = table.manifest.number();
        let id = table.manifest.maker().document_id(name);
        let (document, memory) = Document::create(Arc::clone(&self.shared.folder), (number, id), &self.shared.kept())?;
        let library = self.write_to(&mut table, number)?;
        let stored = Stored { document, library, name: name.to_owned(), listed: false };
        // It is taken again when a session ends.
        drop(table);
        self.session(memory, stored)
    }

    /// A document as it was last committed: asked without reading anything again, and read on as if it had never been closed. In
    /// a library for reading only it can be asked.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none of that name; `Busy` if a session writes to it; else as for [`Engine::session`], and
    /// `Format` if it is damaged.
    pub fn open(&self, name: &str) -> Result<Session> {
        let mut table = self.shared.table();
        table.check()?;
        let entry = Entry { number: table.number(name)?, name: name.to_owned() };
        if self.shared.lock.is_none() {
            drop(table);
            return self.read(&entry);
        }
        let writing = self.write_to(&mut table, entry.number)?;
        drop(table);
        self.load(&entry, writing)
    }

    /// A document for reading only.
    fn read(&self, entry: &Entry) -> Result<Session> {
        self.load(entry, Writing { library: None, number: entry.number })
    }

    /// A document as it was last committed.
    fn load(&self, Entry { number, name }: &Entry, library: Writing) -> Result<Session> {
        let access = if library.library.is_some() { Access::Write } else { Access::Read };
        let about = |e: Error| e.context(format_args!("document {name:?}"));
        let opened = Document::open(Arc::clone(&self.shared.folder), *number, access, &self.shared.kept());
        let (document, memory, saved) = opened.map_err(about)?;
        let mut session = self.session(memory, Stored { document, library, name: name.clone(), listed: true })?;
        session.load(&saved).map_err(about)?;
        Ok(session)
    }

    /// Documents to be asked together, as they were last committed: the chunks that a question reads are the best of all of them.
    /// They stand one after the other in the order of [`Library::documents`], each once, whatever the order of `names`; each was
    /// read by itself, as if there were no other. Nothing is read again, and what they take in RAM does not grow with their lengths.
    /// The session is for questions only. Others may write to the library meanwhile, but a document that changes before its
    /// part has been looked at makes the question fail with `Busy`.
    ///
    /// With models that restart the recurrence at segments, a question begins with no state, as for one document. With others
    /// the recurrence before it is that of the end of the last document: a model that carries its state on has never seen a
    /// question without one, and with a single document nothing changes. Of the other documents, it knows whole chunks only: of each,
    /// what follows the last one, less than a chunk, is not found.
    ///
    /// A document whose reading was stopped is asked as far as it was read, and [`log`] has a warning that names it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no name or no document of a name; `Unsupported` for several documents and a model that keeps
    /// no chunks; else as for [`Library::open`].
    pub fn open_many<S: AsRef<str>>(&self, names: &[S]) -> Result<Session> {
        let entries = {
            let table = self.shared.table();
            table.check()?;
            let numbers = names.iter().map(|name| table.number(name.as_ref())).collect::<Result<BTreeSet<u64>>>()?;
            let chosen = table.manifest.documents().iter().filter(|entry| numbers.contains(&entry.number));
            chosen.cloned().collect::<Vec<_>>()
        };
        let (last, others) = entries.split_last().ok_or_else(|| Error::invalid("no document is to be asked"))?;
        let kept = self.shared.kept();
        let mut session = self.read(last)?;
        if !others.is_empty() {
            let memory = session.resources.memory.as_mut();
            let memory =
                memory.ok_or_else(|| Error::unsupported("the model keeps no chunks: ask its documents one by one"))?;
            let (mut committed, mut before) = (Vec::new(), Before::default());
            for Entry { number, name } in others {
                let mut document = Committed::read(&*self.shared.folder, *number)
                    .map_err(|e| e.context(format_args!("document {name:?}")))?;
                match super::saved_tokens(&std::mem::take(&mut document.session))? {
                    Some(tokens) => before.tokens += tokens,
                    None => warn_unfinished(name),
                }
                before.bytes += document.text;
                before.names.push(name.clone());
                committed.push(document);
            }
            memory.put_before(Arc::clone(&self.shared.folder), committed, &kept)?;
            session.put_after(before);
        }
        if session.prefilled.is_none() {
            warn_unfinished(&last.name);
            session.take_as_read();
        }
        Ok(session)
    }

    /// Gives no document that is added from now on a number below `number`, counted from 1. Documents are numbered as they come, and
    /// those of libraries that are [merged](Library::merge) stand in the order of their numbers. So machines that read parts of one list of
    /// documents number each by its place in the list.
    pub fn number_from(&self, number: u64) {
        self.shared.table().manifest.number_from(number);
    }

    /// Takes in the documents of the libraries in the folders `from`, which stay as they are: one after the other in the order of their
    /// numbers, and where these are equal, of `from`. What was read on several machines is then byte for byte what one machine
    /// makes of it that adds the documents in this order, each with one commit.
    ///
    /// A merge that is repeated goes on where it was stopped: documents that are here already, the same, are left out.
    ///
    /// # Errors
    /// `InvalidArgument`, before anything is taken in, if another model, tokenizer or precision made one of the libraries, or if a
    /// document has the name of another one, or if this library is for reading only; else those of reading and writing them.
    pub fn merge<P: AsRef<Path>>(&self, from: &[P]) -> Result<()> {
        self.shared.writable()?;
        let mut all: Vec<(Arc<dyn Folder>, Entry)> = Vec::new();
        for path in from {
            let folder: Arc<dyn Folder> = Arc::new(DiskFolder::open(path.as_ref(), false)?);
            let maker = *self.shared.table().manifest.maker();
            let manifest = Manifest::open(&*folder, maker, Access::Read)
                .map_err(|e| e.context(format_args!("{:?}", path.as_ref())))?;
            all.extend(manifest.documents().iter().map(|entry| (Arc::clone(&folder), entry.clone())));
        }
        // Stable: so are equal numbers.
        all.sort_by_key(|(_, entry)| entry.number);
        let mut new: Vec<(Arc<dyn Folder>, Entry)> = Vec::new();
        for (folder, entry) in all {
            let (name, shared) = (&entry.name, &self.shared);
            let here = shared.table().manifest.find(name).map(|here| here.number);
            let same = |here: &dyn Folder, number| Document::is_copy(here, number, (&*folder, entry.number));
            let taken = match (here, new.iter().find(|(_, other)| other.name == *name)) {
                (Some(number), _) => Some(same(&*shared.folder, number)?),
                (None, Some((other, twin))) => Some(same(&**other, twin.number)?),
                (None, None) => None,
            };
            match taken {
                None => new.push((folder, entry)),
                Some(true) => {}
                Some(false) => {
                    return Err(Error::invalid(format!(
                        "there are two different documents {name:?}: remove one of them"
                    )));
                }
            }
        }
        for (folder, Entry { number: from, name }) in new {
            let mut table = self.shared.table();
            table.check()?;
            let (number, id) = (table.manifest.number(), table.manifest.maker().document_id(&name));
            let writing = self.write_to(&mut table, number)?;
            drop(table);
            let copied =
                Document::copy(Arc::clone(&self.shared.folder), (number, id), (folder, from), &self.shared.kept());
            let document = copied.inspect_err(|_| self.shared.delete(number));
            let document = document.map_err(|e| e.context(format_args!("document {name:?}")))?;
            Stored { document, library: writing, name, listed: false }.list()?;
        }
        Ok(())
    }

    /// Removes a document, and gives its room on the disk back.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none of that name, or the library is for reading only; `Busy` if a session writes to it;
    /// `Io`.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.shared.writable()?;
        let mut table = self.shared.table();
        table.check()?;
        let number = table.number(name)?;
        if table.writing.contains(&number) {
            return Err(busy(name));
        }
        let removed = table.manifest.remove(&*self.shared.folder, name);
        table.keep(removed)?;
        self.shared.delete(number);
        Ok(())
    }

    /// Reads all of every document, and tells what of it is damaged; nothing if all is as it was written. Others may read and
    /// write meanwhile.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn verify(&self) -> Result<Vec<Damage>> {
        let documents = self.shared.table().manifest.documents().to_vec();
        let mut all = Vec::new();
        for Entry { number, name } in documents {
            let mut damaged = |chunk, error: Error| {
                all.push(Damage { document: name.clone(), chunk, message: error.to_string() });
            };
            let folder = Arc::clone(&self.shared.folder);
            match Document::open(folder, number, Access::Read, &self.shared.kept()) {
                Ok((_, Some(memory), _)) => memory.verify(&mut damaged)?,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Capacity => return Err(e),
                Err(e) => damaged(None, e),
            }
        }
        Ok(all)
    }

    /// The model.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    fn session(&self, memory: Option<ChunkMemory>, stored: Stored) -> Result<Session> {
        let mut session = Session::with_memory(self.shared.engine.clone(), memory, &self.shared.options)?;
        session.stored = Some(stored);
        Ok(session)
    }

    /// Marks a document as written to.
    fn write_to(&self, table: &mut Table, number: u64) -> Result<Writing> {
        if !table.writing.insert(number) {
            let name = table.manifest.documents().iter().find(|entry| entry.number == number);
            return Err(busy(name.map_or("", |entry| &entry.name)));
        }
        Ok(Writing { library: Some(self.clone()), number })
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Kept {
        let SessionOptions { precision, budget, .. } = self.options;
        Kept { shape: self.engine.shared.model.chunk_shape(), precision, budget }
    }

    fn writable(&self) -> Result<()> {
        match &self.lock {
            Some(_) => Ok(()),
            None => Err(Error::invalid("the library was opened for reading only")),
        }
    }

    /// Removes the files of a document that is in the table no more. What cannot be removed now is when the library is opened.
    fn delete(&self, number: u64) {
        if let Err(e) = self.folder.remove(number) {
            log::warn!("removing the files of document {number:016x} in {}: {e}", self.folder.name());
        }
    }
}

impl Table {
    fn check(&self) -> Result<()> {
        match &self.poison {
            Some(why) => {
                Err(Error::new(ErrorKind::Io, format!("the library is unusable since an earlier failure: {why}")))
            }
            None => Ok(()),
        }
    }

    /// Passes `result` on; after a failure, what is on the disk is not known.
    fn keep<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(e) = &result {
            self.poison = Some(e.to_string());
        }
        result
    }

    fn number(&self, name: &str) -> Result<u64> {
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

fn warn_unfinished(name: &str) {
    log::warn!("the document {name:?} is not read to its end: it is asked as far as it is");
}

fn busy(name: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("a session writes to the document {name:?}: close it first"))
}

/// The mark that a document is written to, until this is dropped.
struct Writing {
    /// None for documents that are read only.
    library: Option<Library>,
    number: u64,
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(library) = &self.library {
            library.shared.table().writing.remove(&self.number);
        }
    }
}

/// Where the document of a session is stored.
pub(super) struct Stored {
    document: Document,
    library: Writing,
    name: String,
    /// Whether it is in the table.
    listed: bool,
}

impl Stored {
    /// The name of the document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fails if the document can only be read.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn writable(&self) -> Result<()> {
        match &self.library.library {
            Some(_) => Ok(()),
            None => Err(Error::invalid("the document was opened for reading only")),
        }
    }

    /// Commits `memory`, of which `chunks` chunks are there for good, and `saved`.
    ///
    /// # Errors
    /// Those of [`Document::commit`] and of writing the table.
    pub fn commit(&mut self, memory: Option<&mut ChunkMemory>, chunks: u64, saved: Vec<u8>) -> Result<()> {
        self.document.commit(memory, chunks, saved)?;
        self.list()
    }

    /// Puts the document, which is committed, into the table, if it is not there.
    ///
    /// # Errors
    /// Those of writing the table.
    fn list(&mut self) -> Result<()> {
        if let (false, Some(library)) = (self.listed, &self.library.library) {
            let mut table = library.shared.table();
            table.check()?;
            let listed = table.manifest.list(&*library.shared.folder, self.document.number(), &self.name);
            let before = table.keep(listed)?;
            self.listed = true;
            if let Some(before) = before {
                library.shared.delete(before);
            }
        }
        Ok(())
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        // A document that was never committed is not in the library.
        if let (false, Some(library)) = (self.listed, &self.library.library) {
            library.shared.delete(self.document.number());
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("folder", &self.shared.folder.name())
            .field("documents", &self.documents())
            .finish_non_exhaustive()
    }
}
