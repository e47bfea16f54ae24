//! Documents that are read together with one: their chunks come before those of it.

use std::ops::Range;
use std::sync::Arc;

use super::commit::Commits;
use super::document::{Kept, storages};
use super::folder::{Access, Folder};
use super::marks::Marks;
use super::store::{Layout, Store};
use super::text::{self, Text};
use super::{Part, Stats, TEXT};
use crate::{Error, ErrorKind, Result};

/// Most documents that are open at once.
const MOST_OPEN: usize = 32;

/// What of a document is read: the chunks of one commit.
#[derive(Debug, Clone, Copy)]
struct Chunks {
    document: u64,
    commit: u64,
    /// In the union.
    first: u64,
    count: u64,
}

/// The files of a document, open for reading.
struct Opened {
    index: usize,
    store: Store,
    text: Arc<Text>,
    marks: Arc<Marks>,
}

/// The chunks of several documents, one after the other, for reading. What it takes in RAM is a few numbers for each of them,
/// and what a bounded number of open ones does.
pub(super) struct Union {
    folder: Arc<dyn Folder>,
    layout: Layout,
    documents: Vec<Chunks>,
    /// The number of all chunks.
    len: u64,
    disk_bytes: u64,
    /// The one that was used last is the last one.
    open: Vec<Opened>,
    most_open: usize,
    /// Of documents that are closed.
    stats: Stats,
}

/// The records of a memory: those of a document, after those of others if there are any.
pub(super) struct Stores {
    /// Where there are such, the memory can only be read.
    pub(super) before: Option<Union>,
    pub(super) own: Store,
}

impl Stores {
    /// The first chunk of the document itself.
    pub(super) fn first(&self) -> u64 {
        self.before.as_ref().map_or(0, |before| before.len)
    }

    /// The number of chunks.
    pub(super) fn len(&self) -> u64 {
        self.first() + self.own.len()
    }

    /// Bytes of the files that are in use.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.before.as_ref().map_or(0, |before| before.disk_bytes) + self.own.disk_bytes()
    }

    /// How many records from `first` on can be read with one call.
    ///
    /// # Errors
    /// As [`Union::part`].
    pub(super) fn contiguous(&mut self, first: u64) -> Result<u64> {
        let (store, within) = self.store(first)?;
        Ok(store.contiguous(within))
    }

    /// As [`Store::read_chunks`].
    ///
    /// # Errors
    /// As [`Union::part`], and `Format` if a record is damaged.
    pub(super) fn read_chunks(&mut self, first: u64, out: &mut [u8]) -> Result<()> {
        let (store, within) = self.store(first)?;
        store.read_chunks(within, out)
    }

    /// As [`Store::read_landmarks`].
    ///
    /// # Errors
    /// As [`Union::part`], and `Format` if a record is damaged.
    pub(super) fn read_landmarks(&mut self, first: u64, out: &mut [u8]) -> Result<()> {
        let (store, within) = self.store(first)?;
        store.read_landmarks(within, out)
    }

    /// Where chunk `chunk` is, and its number there.
    fn store(&mut self, chunk: u64) -> Result<(&Store, u64)> {
        match (chunk.checked_sub(self.first()), &mut self.before) {
            (None, Some(before)) => before.open(chunk).map(|(opened, within)| (&opened.store, within)),
            (own, _) => Ok((&self.own, own.unwrap_or(chunk))),
        }
    }
}

/// What a union needs to know of a document, as it was last committed.
pub struct Committed {
    document: u64,
    commit: u64,
    /// Its chunks, provisional ones too.
    pub chunks: u64,
    /// Bytes of its text.
    pub text: u64,
    /// Bytes of the file that the text was made of; 0 if that is not kept.
    pub original: u64,
    /// What the session put into the commit.
    pub session: Vec<u8>,
}

impl Committed {
    /// # Errors
    /// As [`Document::open`](super::Document::open).
    pub fn read(folder: &dyn Folder, document: u64) -> Result<Self> {
        let commits = Commits::open(folder, document, Access::Read)?;
        let head = &commits.head;
        let chunks = head.chunks + head.provisional;
        let (text, original) = (head.text, head.original.len);
        Ok(Self { document, commit: head.sequence, chunks, text, original, session: commits.body()?.session })
    }
}

impl Union {
    /// The chunks of `documents`. `bytes` of RAM are there for those that are open; one always is.
    ///
    /// # Errors
    /// `InvalidArgument` for models without chunks or a shape out of range, `Capacity` if the budget is too small.
    pub(super) fn new(
        folder: Arc<dyn Folder>,
        documents: impl IntoIterator<Item = Committed>,
        kept: &Kept,
    ) -> Result<Self> {
        let (layout, plan) = kept.layout()?.ok_or_else(|| Error::invalid("the model keeps no chunks"))?;
        let (mut all, mut len, mut disk_bytes) = (Vec::new(), 0, 0);
        for Committed { document, commit, chunks, text, .. } in documents {
            all.push(Chunks { document, commit, first: len, count: chunks });
            len += chunks;
            disk_bytes += chunks * (layout.chunk_stride + layout.landmark_stride) as u64 + text;
        }
        // In the place of the records that would be collected before a write.
        let bytes = plan.batch * (layout.chunk_stride + layout.landmark_stride);
        let most_open = (bytes / (4 * text::STRIDE)).clamp(1, MOST_OPEN);
        let (open, stats) = (Vec::new(), Stats::default());
        Ok(Self { folder, layout, documents: all, len, disk_bytes, open, most_open, stats })
    }

    /// The number of documents.
    pub(super) fn documents(&self) -> usize {
        self.documents.len()
    }

    /// What was read.
    pub(super) fn stats(&self) -> Stats {
        let mut all = self.stats;
        self.open.iter().for_each(|opened| all.add(&opened.store, &opened.text, &opened.marks));
        all
    }

    /// The document that a chunk belongs to.
    ///
    /// # Errors
    /// `Io` or `Format` if its files cannot be opened, `Busy` if it was written to or removed after it was chosen.
    pub(super) fn part(&mut self, chunk: u64) -> Result<Part> {
        let (opened, _) = self.open(chunk)?;
        let (index, text, marks) = (opened.index, Arc::clone(&opened.text), Arc::clone(&opened.marks));
        Ok(Part { index, chunks: self.chunks(index), text, marks })
    }

    fn chunks(&self, index: usize) -> Range<u64> {
        self.documents.get(index).map_or(0..0, |d| d.first..d.first + d.count)
    }

    /// The files that chunk `chunk` is in, and its number there.
    fn open(&mut self, chunk: u64) -> Result<(&mut Opened, u64)> {
        let index = self.documents.partition_point(|d| d.first + d.count <= chunk);
        let wanted = *self.documents.get(index).ok_or_else(|| Error::invalid(format!("chunk {chunk} is not there")))?;
        match self.open.iter().position(|opened| opened.index == index) {
            Some(at) => self.open[at..].rotate_left(1),
            None => {
                if self.open.len() == self.most_open {
                    let closed = self.open.remove(0);
                    self.stats.add(&closed.store, &closed.text, &closed.marks);
                }
                let opened = self.opened(index, &wanted)?;
                self.open.push(opened);
            }
        }
        let opened = self.open.last_mut().ok_or_else(|| Error::invalid("no document is open"))?;
        Ok((opened, chunk - wanted.first))
    }

    fn opened(&self, index: usize, wanted: &Chunks) -> Result<Opened> {
        let Self { folder, layout, .. } = self;
        let changed = |_| {
            let what = format!("document {:016x} was changed while it was asked: ask again", wanted.document);
            Error::new(ErrorKind::Busy, what)
        };
        let commits = match Commits::open(&**folder, wanted.document, Access::Read) {
            Ok(commits) if commits.head.sequence == wanted.commit => commits,
            Ok(_) => return Err(changed(())),
            Err(e) if e.kind() == ErrorKind::Io => return Err(changed(()).context(e)),
            Err(e) => return Err(e),
        };
        let (body, head) = (commits.body()?, &commits.head);
        let [chunks, landmarks, text, marks] = storages(&**folder, wanted.document, Access::Read)?;
        let at = (head.chunks, commits.provisional());
        let store = Store::open(*layout, &commits.id, [chunks, landmarks], 0, at)?;
        let text = Text::open(layout, (TEXT, &commits.id), text, 0, (head.text, &body.text_end[..]))?;
        let marks = Marks::open(layout, &commits.id, marks, (head.marks, &body.marks_end[..]))?;
        Ok(Opened { index, store, text: Arc::new(text), marks: Arc::new(marks) })
    }
}
