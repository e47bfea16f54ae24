//! Commits of a document: what of it is there for good.
//!
//! Records of whole chunks and whole records of text are written once, to their places in the data files, and never changed
//! while a commit counts them. All that changes as a document grows is in the commit itself: its numbers, the end of the
//! text, what the session needs to go on, and the records of chunks that are provisional. Two files take turns: the one with
//! the older commit is written anew, first all but its head, which makes it the newer one. So a crash leaves the commit
//! before as it was.

use std::ops::Range;
use std::sync::Arc;

use super::folder::{Access, Folder, Place};
use super::io::Storage;
use super::original::Seal;
use super::store::{Layout, checksum, write_error};
use crate::aligned::ALIGN;
use crate::bytes::{Put, Take};
use crate::{Error, Result, room};

/// Format version of commits.
const VERSION: u32 = 2;
/// Bytes of the head.
const HEAD: usize = 128;
/// The names of the two files.
const NAMES: [&str; 2] = ["commit.0", "commit.1"];
/// Most bytes of the end of a text, which bounds what a damaged head can ask for.
const MAX_TEXT: u64 = 1 << 16;

/// The head of a commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Counts commits from 1 on.
    pub(super) sequence: u64,
    /// Chunks in the data files.
    pub(super) chunks: u64,
    /// Chunks after them, whose records are in the commit.
    pub(super) provisional: u64,
    /// Bytes of the whole text.
    pub(super) text: u64,
    /// Bytes of its end, which are in the commit.
    text_end: u64,
    /// Bytes of all marks.
    pub(super) marks: u64,
    /// Bytes of their end, which are in the commit.
    marks_end: u64,
    /// Bytes of what the session needs.
    session: u64,
    /// Checksum of the three.
    body: u32,
    /// What the document's original is.
    pub(super) original: Seal,
}

impl Head {
    fn bytes(&self, id: &[u8; 16]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.put_bytes(b"RAMBACMT");
        bytes.put_u32(VERSION);
        bytes.put_u32(self.body);
        bytes.put_bytes(id);
        let Self { sequence, chunks, provisional, text, text_end, marks, marks_end, session, .. } = *self;
        for n in [sequence, chunks, provisional, text, text_end, session, marks, marks_end] {
            bytes.put_u64(n);
        }
        bytes.put_u64(self.original.len);
        bytes.put_u32(self.original.crc);
        bytes.resize(HEAD - 4, 0);
        let crc = crc32fast::hash(&bytes);
        bytes.put_u32(crc);
        bytes
    }

    /// The head in `bytes`, and the id of its document; None if there is none that is whole.
    fn parse(bytes: &[u8; HEAD]) -> Result<Option<(Self, [u8; 16])>> {
        let (fields, crc) = bytes.split_at(HEAD - 4);
        if !fields.starts_with(b"RAMBACMT") || crc != crc32fast::hash(fields).to_le_bytes() {
            return Ok(None);
        }
        let mut take = Take::new(fields.get(8..).unwrap_or_default());
        let version = take.u32()?;
        if version != VERSION {
            return Err(Error::unsupported(format!("commit format {version}: this build reads {VERSION}")));
        }
        let body = take.u32()?;
        let id = take.bytes(16)?.first_chunk().copied().unwrap_or_default();
        let [sequence, chunks, provisional, text, text_end, session, marks, marks_end] =
            [(); 8].map(|()| take.u64().unwrap_or_default());
        let original = Seal { len: take.u64()?, crc: take.u32()? };
        let head = Self { sequence, chunks, provisional, text, text_end, marks, marks_end, session, body, original };
        let ends = text_end <= text.min(MAX_TEXT) && marks_end <= marks.min(MAX_TEXT);
        let sound = ends && session <= 1 << 40 && provisional <= 1 << 32;
        if sound { Ok(Some((head, id))) } else { Err(Error::format(format!("a commit that cannot be: {head:?}"))) }
    }

    /// What it says of the document, whenever and of whichever file it was made.
    pub(super) fn content(&self) -> Self {
        Self { sequence: 0, original: Seal::default(), ..*self }
    }

    /// Where the body ends.
    fn end(&self) -> u64 {
        HEAD as u64 + self.text_end + self.marks_end + self.session
    }

    /// Where the records of provisional landmarks and chunks begin, and where the last one ends.
    pub(super) fn records(&self, layout: &Layout) -> [u64; 3] {
        let landmarks = self.end().next_multiple_of(ALIGN as u64);
        let chunks = (landmarks + self.provisional * layout.landmark_stride as u64).next_multiple_of(ALIGN as u64);
        [landmarks, chunks, chunks + self.provisional * layout.chunk_stride as u64]
    }
}

/// The body of a commit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// The end of the text.
    pub(super) text_end: Vec<u8>,
    /// The end of the marks.
    pub(super) marks_end: Vec<u8>,
    /// What the session needs to go on.
    pub(super) session: Vec<u8>,
    /// Records of provisional landmarks, and of chunks.
    pub(super) records: [Vec<u8>; 2],
}

impl Body {
    /// Over all but the records, which have their own.
    fn checksum(&self) -> u32 {
        checksum(checksum(checksum(0, &self.text_end), &self.marks_end), &self.session)
    }
}

/// The two files of the commits of one document.
pub(super) struct Commits {
    files: Arc<CommitFiles>,
    /// The document's.
    pub(super) id: [u8; 16],
    /// The last one.
    pub(super) head: Head,
}

impl Commits {
    /// None yet, in two new files.
    ///
    /// # Errors
    /// `Io` if they cannot be made.
    pub(super) fn create(folder: &dyn Folder, document: u64, id: [u8; 16]) -> Result<Self> {
        Ok(Self { files: Arc::new(open_both(folder, document, Access::Create)?), id, head: Head::default() })
    }

    /// The last one in two files that are there.
    ///
    /// # Errors
    /// `Io` if they cannot be read, `Format` if there is none that is whole, `Unsupported` for another version.
    pub(super) fn open(folder: &dyn Folder, document: u64, access: Access) -> Result<Self> {
        let files = open_both(folder, document, access)?;
        let mut last: Option<(Head, [u8; 16])> = None;
        for file in &files.0 {
            let mut bytes = [0; HEAD];
            match file.read_exact_at(&mut bytes, 0) {
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => continue,
                read => read.map_err(|e| Error::io(format!("reading {}", file.name()), e))?,
            }
            if let Some(found) = Head::parse(&bytes).map_err(|e| e.context(file.name()))?
                && last.is_none_or(|(head, _)| head.sequence < found.0.sequence)
            {
                last = Some(found);
            }
        }
        match last {
            Some((head, id)) => Ok(Self { files: Arc::new(files), id, head }),
            None => Err(Error::format(format!("{} and {} hold no commit", files.0[0].name(), files.0[1].name()))),
        }
    }

    /// The ends of text and marks, and the session, of the last commit.
    ///
    /// # Errors
    /// `Io` if they cannot be read, `Format` if they are damaged, `Capacity` if there is not enough memory.
    pub(super) fn body(&self) -> Result<Body> {
        let (head, file) = (&self.head, self.files.of(self.head.sequence));
        let read = |at: u64, len: u64| {
            let len = usize::try_from(len).map_err(|_| Error::capacity(format!("{len} bytes of a commit")))?;
            let mut bytes = Vec::new();
            // The length comes from the file: memory is taken as the bytes are there.
            while bytes.len() < len {
                let (from, part) = (bytes.len(), (len - bytes.len()).min(1 << 20));
                room::resize(&mut bytes, from + part, 0)?;
                let into = bytes.get_mut(from..).unwrap_or_default();
                file.read_exact_at(into, at + from as u64)
                    .map_err(|e| Error::io(format!("reading {}", file.name()), e))?;
            }
            Ok(bytes)
        };
        let text_end = read(HEAD as u64, head.text_end)?;
        let marks_end = read(HEAD as u64 + head.text_end, head.marks_end)?;
        let session = read(HEAD as u64 + head.text_end + head.marks_end, head.session)?;
        let body = Body { text_end, marks_end, session, records: Default::default() };
        if body.checksum() != head.body {
            return Err(Error::format(format!("{}: commit {} is damaged", file.name(), head.sequence)));
        }
        Ok(body)
    }

    /// Makes a commit: `chunks` chunks, text and marks before their ends, and the original, are in their files and on the device. When this returns,
    /// it is the last one; until then, the one before is.
    ///
    /// # Errors
    /// `Capacity` if the disk is full, `Io` if writing failed otherwise. The files may no longer be written to then.
    pub(super) fn write(
        &mut self,
        layout: Option<&Layout>,
        chunks: u64,
        (text, marks): (u64, u64),
        (body, original): (&Body, Seal),
    ) -> Result<()> {
        let provisional = match layout {
            Some(layout) => (body.records[1].len() / layout.chunk_stride) as u64,
            None => 0,
        };
        let head = Head {
            sequence: self.head.sequence + 1,
            chunks,
            provisional,
            text,
            text_end: body.text_end.len() as u64,
            marks,
            marks_end: body.marks_end.len() as u64,
            session: body.session.len() as u64,
            body: body.checksum(),
            original,
        };
        let file = self.files.of(head.sequence);
        let write = |bytes: &[u8], at: u64| file.write_all_at(bytes, at).map_err(|e| write_error(file, e));
        write(&body.text_end, HEAD as u64)?;
        write(&body.marks_end, HEAD as u64 + head.text_end)?;
        write(&body.session, HEAD as u64 + head.text_end + head.marks_end)?;
        if let Some(layout) = layout {
            let [landmarks, chunks, _] = head.records(layout);
            write(&body.records[0], landmarks)?;
            write(&body.records[1], chunks)?;
        }
        // The head counts only what is there.
        file.sync().map_err(|e| write_error(file, e))?;
        write(&head.bytes(&self.id), 0)?;
        file.sync().map_err(|e| write_error(file, e))?;
        self.head = head;
        Ok(())
    }

    /// The records of the chunks that are provisional in the last commit; None if there are none.
    pub(super) fn provisional(&self) -> Option<Provisional> {
        let Head { chunks, provisional, .. } = self.head;
        (provisional > 0).then(|| Provisional {
            files: Arc::clone(&self.files),
            head: self.head,
            first: chunks,
            len: provisional,
        })
    }
}

/// Records of provisional chunks, in a commit. They are sealed with its number: those of a later one are not taken for them.
pub(super) struct Provisional {
    files: Arc<CommitFiles>,
    head: Head,
    pub(super) first: u64,
    pub(super) len: u64,
}

impl Provisional {
    pub(super) fn chunks(&self) -> Range<u64> {
        self.first..self.first + self.len
    }

    pub(super) fn sequence(&self) -> u64 {
        self.head.sequence
    }

    /// The file that they are in.
    pub(super) fn file(&self) -> &dyn Storage {
        self.files.of(self.head.sequence)
    }

    /// Where the records of landmarks begin in it, and those of chunks.
    pub(super) fn offsets(&self, layout: &Layout) -> [u64; 2] {
        let [landmarks, chunks, _] = self.head.records(layout);
        [landmarks, chunks]
    }
}

/// The two files that commits go to in turn.
struct CommitFiles([Box<dyn Storage>; 2]);

impl CommitFiles {
    /// The file of the commit with this number.
    fn of(&self, sequence: u64) -> &dyn Storage {
        &*self.0[(sequence % 2) as usize]
    }
}

fn open_both(folder: &dyn Folder, document: u64, access: Access) -> Result<CommitFiles> {
    let open = |name| {
        folder
            .open(Place::Document(document), name, access)
            .map_err(|e| Error::io(format!("opening {name} of document {document:016x} in {}", folder.name()), e))
    };
    let [first, second] = NAMES;
    Ok(CommitFiles([open(first)?, open(second)?]))
}
