//! A document that lasts: a chunk memory in named files, and the commits that say what of it is there for good.

use std::sync::Arc;

use super::cache::Plan;
use super::commit::{Body, Commits};
use super::folder::{Access, Folder, Place};
use super::io::Storage;
use super::original::{Original, Seal};
use super::shape::{ChunkShape, Precision};
use super::store::{Layout, Store};
use super::text::Text;
use super::{ChunkMemory, Error, Marks, Result, TEXT};

/// How a document is kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The shape of its chunks; None for models without.
    pub shape: Option<ChunkShape>,
    /// How keys and values are stored.
    pub precision: Precision,
    /// Bytes of RAM for chunk memories.
    pub budget: u64,
}

impl Kept {
    /// # Errors
    /// `InvalidArgument` for a shape out of range, `Capacity` if the budget is too small.
    pub(super) fn layout(&self) -> Result<Option<(Layout, Plan)>> {
        let Some(shape) = self.shape else { return Ok(None) };
        let layout = Layout::new(shape, self.precision)?;
        Ok(Some((layout, Plan::new(&layout, self.budget)?)))
    }
}

/// The files of a document in a folder, of which the commits are held here. Its [`ChunkMemory`], which has the others open, is
/// made with it.
pub struct Document {
    folder: Arc<dyn Folder>,
    number: u64,
    layout: Option<Layout>,
    commits: Commits,
    /// For the next commit.
    original: Seal,
}

impl Document {
    /// An empty document with this id in a new folder of its own, of which nothing is committed yet.
    ///
    /// # Errors
    /// `InvalidArgument` for a shape out of range, `Capacity` if the budget is too small or the disk full, `Io` if the files
    /// cannot be made otherwise.
    pub fn create(
        folder: Arc<dyn Folder>,
        (number, id): (u64, [u8; 16]),
        kept: &Kept,
    ) -> Result<(Self, Option<ChunkMemory>)> {
        let layout = kept.layout()?;
        let io = |e| Error::io(format!("making document {number:016x} in {}", folder.name()), e);
        folder.create(number).map_err(io)?;
        let memory = match layout {
            Some((layout, plan)) => {
                let storages = storages(&*folder, number, Access::Create)?;
                Some(ChunkMemory::build(layout, plan, &id, storages)?)
            }
            None => None,
        };
        let commits = Commits::create(&*folder, number, id)?;
        let original = Seal::default();
        Ok((Self { folder, number, layout: layout.map(|l| l.0), commits, original }, memory))
    }

    /// The document as it was last committed, and what the session put into that commit. With [`Access::Read`] it can be read
    /// only, while another process writes to it.
    ///
    /// # Errors
    /// `Io` if its files cannot be read, `Format` if they are damaged, `Unsupported` if they are of another version, `Capacity`
    /// if the budget is too small.
    pub fn open(
        folder: Arc<dyn Folder>,
        number: u64,
        access: Access,
        kept: &Kept,
    ) -> Result<(Self, Option<ChunkMemory>, Vec<u8>)> {
        let layout = kept.layout()?;
        let commits = Commits::open(&*folder, number, access)?;
        let body = commits.body()?;
        let memory = match layout {
            Some((layout, plan)) => {
                let [chunks, landmarks, text, marks] = storages(&*folder, number, access)?;
                let at = (commits.head.chunks, commits.provisional());
                let store = Store::open(layout, &commits.id, [chunks, landmarks], plan.batch, at)?;
                let end = (commits.head.text, &body.text_end[..]);
                let text = Text::open(&layout, (TEXT, &commits.id), text, plan.text, end)?;
                let end = (commits.head.marks, &body.marks_end[..]);
                Some(ChunkMemory::of(store, text, Marks::open(&layout, &commits.id, marks, end)?, plan)?)
            }
            None => None,
        };
        let original = commits.head.original;
        Ok((Self { folder, number, layout: layout.map(|l| l.0), commits, original }, memory, body.session))
    }

    /// A document that is in another folder, `from`, as it was last committed there, as a new one here. It is committed.
    ///
    /// # Errors
    /// As [`Document::create`] and [`Document::open`], and `Format` if records are damaged or the two have not the same id.
    pub fn copy(
        folder: Arc<dyn Folder>,
        (number, id): (u64, [u8; 16]),
        (from, from_number): (Arc<dyn Folder>, u64),
        kept: &Kept,
    ) -> Result<Self> {
        let (from, from_memory, session) = Self::open(from, from_number, Access::Read, kept)?;
        if from.commits.id != id {
            return Err(Error::format(format!("document {from_number:016x} has not the id that its name gives it")));
        }
        let (mut document, mut memory) = Self::create(folder, (number, id), kept)?;
        if let (Some(memory), Some(from)) = (&mut memory, &from_memory) {
            memory.copy(from)?;
        }
        if let Some(original) = from.original()? {
            document.original = original.copy(&*document.folder, number)?;
        }
        document.commit(memory.as_mut(), from.commits.head.chunks, session)?;
        Ok(document)
    }

    /// Whether it was last committed with the same content as one in another folder: the same text, chunks and marks, as far as lengths and
    /// what the session needs tell.
    ///
    /// # Errors
    /// Those of reading the commits.
    pub fn is_copy(folder: &dyn Folder, number: u64, (from, from_number): (&dyn Folder, u64)) -> Result<bool> {
        let here = Commits::open(folder, number, Access::Read)?;
        let there = Commits::open(from, from_number, Access::Read)?;
        Ok(here.id == there.id && here.head.content() == there.head.content())
    }

    /// Keeps `bytes` as the file that its text was made of, from the next commit on, which must be the first.
    ///
    /// # Errors
    /// `InvalidArgument` if it was committed before, `Capacity` if the disk is full, `Io` if writing failed otherwise.
    pub fn keep_original(&mut self, bytes: &[u8]) -> Result<()> {
        if self.commits() > 0 {
            return Err(Error::invalid("the original of a document is kept before its first commit"));
        }
        self.original = Seal::default();
        self.original = Original::write(&*self.folder, self.number, bytes)?;
        Ok(())
    }

    /// From the next commit on, it has no original.
    pub fn forget_original(&mut self) {
        self.original = Seal::default();
    }

    /// The file that its text was made of, if it is kept.
    ///
    /// # Errors
    /// `Io` if it cannot be read, `Format` if it is not what it was.
    pub fn original(&self) -> Result<Option<Original>> {
        Original::open(&*self.folder, self.number, self.original)
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How often it was committed.
    pub fn commits(&self) -> u64 {
        self.commits.head.sequence
    }

    /// Makes what is in `memory`, which was made with this document, and `session` last: its first `chunks` chunks for good,
    /// the others until the document goes on. When this returns, a crash takes nothing of it away; a crash before that leaves
    /// the commit before.
    ///
    /// # Errors
    /// `Capacity` if the disk is full, `Io` if writing failed otherwise: the document is to be opened again then.
    pub fn commit(&mut self, memory: Option<&mut ChunkMemory>, chunks: u64, session: Vec<u8>) -> Result<()> {
        let mut body = Body { session, ..Body::default() };
        let (mut text, mut marks) = (0, 0);
        let first = self.commits.head.sequence == 0;
        if let Some(memory) = memory {
            memory.sync()?;
            text = memory.text.len();
            body.text_end = memory.text.end()?;
            marks = memory.marks.pages().len();
            body.marks_end = memory.marks.pages().end()?;
            body.records = memory.stores.own.sealed(chunks, self.commits.head.sequence + 1)?;
            memory.stores.own.commit(chunks);
        }
        if first {
            // The names of the files, and that of their folder.
            for place in [Place::Document(self.number), Place::Root] {
                let synced = self.folder.sync(place);
                synced.map_err(|e| Error::io(format!("writing to the folder {}", self.folder.name()), e))?;
            }
        }
        self.commits.write(self.layout.as_ref(), chunks, (text, marks), (&body, self.original))
    }
}

/// The files of chunks, landmarks, text and marks.
pub(super) fn storages(folder: &dyn Folder, number: u64, access: Access) -> Result<[Box<dyn Storage>; 4]> {
    let open = |name| {
        let opened = folder.open(Place::Document(number), name, access);
        opened.map_err(|e| Error::io(format!("opening the {name} of document {number:016x} in {}", folder.name()), e))
    };
    Ok([open("chunks")?, open("landmarks")?, open("text")?, open("marks")?])
}
