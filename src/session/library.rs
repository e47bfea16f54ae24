//! A memory that lasts: documents in a folder, which are read once, added to, and asked for years.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::catalogue::{Catalogue, Damage, DocumentInfo, Table, busy};
use super::{Before, Engine, Session, SessionOptions};
use crate::memory::{
    Access, ChunkMemory, Committed, DiskFolder, Document, Entry, Folder, Kept, Maker, Manifest, Original, WriteLock,
    check_name,
};
use crate::{Error, Result};

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

struct Shared {
    engine: Engine,
    options: SessionOptions,
    catalogue: Catalogue,
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
        let catalogue = Catalogue::open_in(folder, Some(maker), lock)?;
        let shared = Shared { engine: engine.clone(), options: options.clone(), catalogue };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What can be done with the library without its model.
    pub fn catalogue(&self) -> &Catalogue {
        &self.shared.catalogue
    }

    /// As [`Catalogue::documents`].
    pub fn documents(&self) -> Vec<String> {
        self.catalogue().documents()
    }

    /// As [`Catalogue::info`].
    ///
    /// # Errors
    /// As there.
    pub fn info(&self, name: &str) -> Result<DocumentInfo> {
        self.catalogue().info(name)
    }

    /// As [`Catalogue::original`].
    ///
    /// # Errors
    /// As there.
    pub fn original(&self, name: &str) -> Result<Option<Original>> {
        self.catalogue().original(name)
    }

    /// A new document, empty. It is in the library when it is first committed.
    ///
    /// # Errors
    /// `InvalidArgument` if there is a document of that name, or it can be none, or the library is for reading only; else as
    /// for [`Engine::session`].
    pub fn add(&self, name: &str) -> Result<Session> {
        if self.shared.catalogue.table().manifest.find(name).is_some() {
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
        self.shared.catalogue.writable()?;
        let mut table = self.shared.catalogue.table();
        table.check()?;
        let number = table.manifest.number();
        let id = table.manifest.maker().document_id(name);
        let (document, memory) =
            Document::create(Arc::clone(&self.shared.catalogue.folder), (number, id), &self.shared.kept())?;
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
        let mut table = self.shared.catalogue.table();
        table.check()?;
        let entry = Entry { number: table.number(name)?, name: name.to_owned() };
        if self.shared.catalogue.lock.is_none() {
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
        let opened = Document::open(Arc::clone(&self.shared.catalogue.folder), *number, access, &self.shared.kept());
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
            let table = self.shared.catalogue.table();
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
                let mut document = Committed::read(&*self.shared.catalogue.folder, *number)
                    .map_err(|e| e.context(format_args!("document {name:?}")))?;
                match super::saved_tokens(&std::mem::take(&mut document.session))? {
                    Some(tokens) => before.tokens += tokens,
                    None => warn_unfinished(name),
                }
                before.bytes += document.text;
                before.names.push(name.clone());
                committed.push(document);
            }
            memory.put_before(Arc::clone(&self.shared.catalogue.folder), committed, &kept)?;
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
        self.shared.catalogue.table().manifest.number_from(number);
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
        self.shared.catalogue.writable()?;
        let mut all: Vec<(Arc<dyn Folder>, Entry)> = Vec::new();
        for path in from {
            let folder: Arc<dyn Folder> = Arc::new(DiskFolder::open(path.as_ref(), false)?);
            let maker = *self.shared.catalogue.table().manifest.maker();
            let manifest = Manifest::open(&*folder, Some(maker), Access::Read)
                .map_err(|e| e.context(format_args!("{:?}", path.as_ref())))?;
            all.extend(manifest.documents().iter().map(|entry| (Arc::clone(&folder), entry.clone())));
        }
        // Stable: so are equal numbers.
        all.sort_by_key(|(_, entry)| entry.number);
        let mut new: Vec<(Arc<dyn Folder>, Entry)> = Vec::new();
        for (folder, entry) in all {
            let (name, shared) = (&entry.name, &self.shared);
            let here = shared.catalogue.table().manifest.find(name).map(|here| here.number);
            let same = |here: &dyn Folder, number| Document::is_copy(here, number, (&*folder, entry.number));
            let taken = match (here, new.iter().find(|(_, other)| other.name == *name)) {
                (Some(number), _) => Some(same(&*shared.catalogue.folder, number)?),
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
            let mut table = self.shared.catalogue.table();
            table.check()?;
            let (number, id) = (table.manifest.number(), table.manifest.maker().document_id(&name));
            let writing = self.write_to(&mut table, number)?;
            drop(table);
            let copied = Document::copy(
                Arc::clone(&self.shared.catalogue.folder),
                (number, id),
                (folder, from),
                &self.shared.kept(),
            );
            let document = copied.inspect_err(|_| self.shared.catalogue.delete(number));
            let document = document.map_err(|e| e.context(format_args!("document {name:?}")))?;
            Stored { document, library: writing, name, listed: false }.list()?;
        }
        Ok(())
    }

    /// As [`Catalogue::remove`].
    ///
    /// # Errors
    /// As there.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.catalogue().remove(name)
    }

    /// As [`Catalogue::verify`].
    ///
    /// # Errors
    /// As there.
    pub fn verify(&self) -> Result<Vec<Damage>> {
        self.catalogue().verify()
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
    fn kept(&self) -> Kept {
        let SessionOptions { precision, budget, .. } = self.options;
        Kept { shape: self.engine.shared.model.chunk_shape(), precision, budget }
    }
}

fn warn_unfinished(name: &str) {
    log::warn!("the document {name:?} is not read to its end: it is asked as far as it is");
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
            library.shared.catalogue.table().writing.remove(&self.number);
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

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The same, to be written.
    ///
    /// # Errors
    /// As [`Self::writable`].
    pub fn document_mut(&mut self) -> Result<&mut Document> {
        self.writable()?;
        Ok(&mut self.document)
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
            let mut table = library.shared.catalogue.table();
            table.check()?;
            let listed = table.manifest.list(&*library.shared.catalogue.folder, self.document.number(), &self.name);
            let before = table.keep(listed)?;
            self.listed = true;
            if let Some(before) = before {
                library.shared.catalogue.delete(before);
            }
        }
        Ok(())
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        // A document that was never committed is not in the library.
        if let (false, Some(library)) = (self.listed, &self.library.library) {
            library.shared.catalogue.delete(self.document.number());
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("folder", &self.shared.catalogue.folder.name())
            .field("documents", &self.documents())
            .finish_non_exhaustive()
    }
}
