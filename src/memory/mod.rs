//! The chunk memory: what the model remembers of a document of any length, in a fixed amount of RAM.
//!
//! Keys, values and landmarks of every finished chunk go to two files, the first of them in several parts, and the text
//! that the chunks are made of to a third one, what that was made from to a fourth. A byte budget, of which as much is taken as is used, holds the chunks in
//! use, the landmarks of the first chunks and the buffers; nothing in RAM grows with the number of chunks. Files are
//! read with positioned reads, never mapped, so that the budget is the whole truth.

mod block;
mod cache;
mod coder;
mod codes;
mod commit;
mod document;
mod folder;
mod io;
mod landmarks;
mod manifest;
mod marks;
mod original;
mod rows;
mod shape;
mod store;
mod text;
mod union;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use block::Block;
pub use coder::Coder;
pub use document::{Document, Kept};
pub use folder::{Access, DiskFolder, Folder, Place, WriteLock};
pub use io::Storage;
pub use manifest::{Entry, Maker, Manifest, check_name};
pub use marks::{Mark, Marks, Origin};
pub use original::Original;
pub use shape::{ChunkShape, ChunkView, KvData, LandmarkBlock, LandmarkData, Precision};
pub use text::Text;
pub use union::Committed;

use crate::aligned::Buffer;
use crate::{Error, ErrorKind, Result, room};
use cache::{Cache, Plan};
use codes::Codes;
use landmarks::Landmarks;
use store::{Files, Layout, Store};
use union::{Stores, Union};

/// Magic of the file of text.
const TEXT: &[u8; 8] = b"RAMBATXT";

/// The [`ChunkMemory::id`] of the next memory.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// What a memory has done since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Ids given to [`ChunkMemory::fetch`] that were resident.
    pub hits: u64,
    /// Chunks that `fetch` had to bring in.
    pub misses: u64,
    /// Reads from the files; adjacent chunks share one.
    pub reads: u64,
    /// Bytes read from the files.
    pub bytes_read: u64,
    /// Writes to the files.
    pub writes: u64,
    /// Bytes written to the files.
    pub bytes_written: u64,
}

impl Stats {
    /// Adds what was read and written of these files.
    fn add(&mut self, store: &Store, text: &Text, marks: &Marks) {
        let Files { reads, writes, .. } = &*store.files;
        let marks = marks.pages();
        let sum = |all: [&AtomicU64; 3]| all.into_iter().map(|one| one.load(Ordering::Relaxed)).sum::<u64>();
        self.reads += sum([&reads.calls, &text.reads.calls, &marks.reads.calls]);
        self.bytes_read += sum([&reads.bytes, &text.reads.bytes, &marks.reads.bytes]);
        self.writes += sum([&writes.calls, &text.writes.calls, &marks.writes.calls]);
        self.bytes_written += sum([&writes.bytes, &text.writes.bytes, &marks.writes.bytes]);
    }
}

/// Codes that are made in one search at most, so that none takes much longer for it.
const CODED_AT_ONCE: u64 = 4096;

/// The best chunks so far for each of some queries, which [`ChunkMemory::search`] offers landmarks to.
pub trait Best {
    /// What the score of a chunk must be at least to be of use for row `row` of the queries; None if the row wants no chunk from number
    /// `chunk` on.
    fn least(&self, row: usize, chunk: u64) -> Option<f32>;

    /// Looks at landmarks.
    ///
    /// # Errors
    /// What went wrong.
    fn offer(&mut self, block: &LandmarkBlock<'_>) -> Result<()>;
}

/// The document that a chunk belongs to.
pub struct Part {
    /// Which one, in their order.
    pub index: usize,
    /// Its chunks.
    pub chunks: Range<u64>,
    /// The text that their source ranges point into.
    pub text: Arc<Text>,
    /// What the text was made from.
    pub marks: Arc<Marks>,
}

/// The memories of all chunks of one timeline, in order; a chunk's id is its position.
///
/// After an error the memory is as it was before the call, save for what the cache holds; the call can be repeated.
pub struct ChunkMemory {
    stores: Stores,
    text: Arc<Text>,
    marks: Arc<Marks>,
    cache: Cache,
    landmarks: Landmarks,
    /// Of landmarks that follow those.
    codes: Option<Codes>,
    /// Records on their way from the disk: runs of chunks, or a block of landmarks.
    read: Buffer,
    /// Ids that `fetch` has to read; room for twice the slots.
    missing: Vec<u64>,
    /// What is taken whatever the number of chunks.
    fixed: usize,
    /// Whether damaged chunks are left out instead of being an error, and which were.
    skip_damaged: bool,
    skipped: BTreeSet<u64>,
    hits: u64,
    misses: u64,
    id: u64,
    /// How often it was cut off.
    version: u64,
    /// Where it was cut off lately, the last one last.
    cuts: heapless::Deque<u64, 16>,
}

impl ChunkMemory {
    /// An empty memory whose files live in the folder `dir` as long as this value. They have no names there: nothing
    /// else in the folder is touched, and nothing stays in it however the process ends. Of `budget_bytes` of RAM as
    /// much is taken as is used.
    ///
    /// # Errors
    /// `InvalidArgument` for a shape out of range, `Capacity` if the budget is too small (the message names the
    /// smallest), `Io` if there is no such folder or the files cannot be made in it.
    pub fn create(dir: &Path, shape: ChunkShape, precision: Precision, budget_bytes: u64) -> Result<Self> {
        let layout = Layout::new(shape, precision)?;
        let plan = Plan::new(&layout, budget_bytes)?;
        let files = io::create_files(dir)?;
        let storages =
            [files.chunks, files.landmarks, files.text, files.marks].map(|file| Box::new(file) as Box<dyn Storage>);
        Self::build(layout, plan, &files.id, storages)
    }

    /// As [`ChunkMemory::create`], in four empty storages of the caller's: of chunks, landmarks, text and marks.
    ///
    /// # Errors
    /// As [`ChunkMemory::create`].
    pub fn with_storage(
        storages: [Box<dyn Storage>; 4],
        shape: ChunkShape,
        precision: Precision,
        budget_bytes: u64,
    ) -> Result<Self> {
        let layout = Layout::new(shape, precision)?;
        let plan = Plan::new(&layout, budget_bytes)?;
        Self::build(layout, plan, &io::unique_id(), storages)
    }

    fn build(layout: Layout, plan: Plan, id: &[u8; 16], storages: [Box<dyn Storage>; 4]) -> Result<Self> {
        let [chunks, landmarks, text, marks] = storages;
        let store = Store::new(layout, id, chunks, landmarks, plan.batch)?;
        let text = Text::new(&layout, (TEXT, id), text, plan.text)?;
        Self::of(store, text, Marks::new(&layout, id, marks)?, plan)
    }

    /// A memory of these records, this text and these marks, with nothing of them in RAM.
    fn of(store: Store, text: Text, marks: Marks, plan: Plan) -> Result<Self> {
        let layout = store.files.layout;
        Ok(Self {
            stores: Stores { before: None, own: store },
            text: Arc::new(text),
            marks: Arc::new(marks),
            cache: Cache::new(plan.slots, layout.chunk_stride),
            landmarks: Landmarks::new(&layout, plan.landmarks),
            codes: plan.codes.map(|(shape, capacity)| Codes::new(shape, plan.landmarks as u64, capacity as u64)),
            read: Buffer::zeros(plan.read_bytes)?,
            missing: Vec::new(),
            fixed: plan.fixed,
            skip_damaged: false,
            skipped: BTreeSet::new(),
            hits: 0,
            misses: 0,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            version: 0,
            cuts: heapless::Deque::new(),
        })
    }

    /// A budget, in bytes, with which the cache has room for `slots` chunks.
    ///
    /// # Errors
    /// `InvalidArgument` for a shape out of range, `Capacity` if no budget is enough.
    pub fn minimum_budget(shape: &ChunkShape, precision: Precision, slots: usize) -> Result<u64> {
        Plan::minimum(&Layout::new(*shape, precision)?, slots)
    }

    /// Bytes that each chunk takes on disk, beside its text.
    ///
    /// # Errors
    /// `InvalidArgument` for a shape out of range.
    pub fn chunk_bytes(shape: &ChunkShape, precision: Precision) -> Result<u64> {
        let layout = Layout::new(*shape, precision)?;
        Ok((layout.chunk_stride + layout.landmark_stride) as u64)
    }

    /// Most bytes of RAM that a memory of so many chunks takes with this budget.
    ///
    /// # Errors
    /// `InvalidArgument` for a shape out of range, `Capacity` if the budget is too small.
    pub fn most_bytes(shape: &ChunkShape, precision: Precision, budget: u64, chunks: u64) -> Result<u64> {
        let layout = Layout::new(*shape, precision)?;
        Ok(Plan::new(&layout, budget)?.most_bytes(&layout, chunks).min(budget))
    }

    /// Bytes of the files of a memory of so many chunks and `text` bytes of text, without marks.
    ///
    /// # Errors
    /// `InvalidArgument` for a shape out of range.
    pub fn file_bytes(shape: &ChunkShape, precision: Precision, chunks: u64, text: u64) -> Result<u64> {
        let records = chunks * Self::chunk_bytes(shape, precision)?;
        Ok(store::HEADERS + records + text.div_ceil(text::PAYLOAD as u64) * text::STRIDE as u64)
    }

    /// The shape of every chunk.
    pub fn shape(&self) -> ChunkShape {
        self.stores.own.files.layout.shape
    }

    /// How keys and values are stored.
    pub fn precision(&self) -> Precision {
        self.stores.own.files.layout.precision
    }

    /// The number of chunks.
    pub fn len(&self) -> u64 {
        self.stores.len()
    }

    /// Whether there is no chunk.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many chunks can be resident at once.
    pub fn slots(&self) -> usize {
        self.cache.slots.len()
    }

    /// Bytes of RAM that the memory takes now: it takes them as chunks come and are read, up to its budget.
    pub fn reserved_bytes(&self) -> u64 {
        let missing = self.missing.capacity() * size_of::<u64>();
        let codes = self.codes.as_ref().map_or(0, Codes::bytes);
        (self.fixed + self.landmarks.bytes() + codes + self.cache.bytes() + missing) as u64
    }

    /// Bytes of the files in use. Chunks, text and marks still in the write buffers are not among them.
    pub fn disk_bytes(&self) -> u64 {
        self.stores.disk_bytes() + self.text.disk_bytes() + self.marks.pages().disk_bytes()
    }

    /// What this memory has done so far.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stores.before.as_ref().map_or(Stats::default(), Union::stats);
        stats.add(&self.stores.own, &self.text, &self.marks);
        Stats { hits: self.hits, misses: self.misses, ..stats }
    }

    /// Puts the chunks of other documents before those of this one. From then on the memory can only be read.
    ///
    /// # Errors
    /// `InvalidArgument` if there are such chunks already or `kept` is not of this memory.
    pub fn put_before(
        &mut self,
        folder: Arc<dyn Folder>,
        documents: impl IntoIterator<Item = Committed>,
        kept: &Kept,
    ) -> Result<()> {
        self.alone()?;
        if (kept.shape, kept.precision) != (Some(self.shape()), self.precision()) {
            return Err(Error::invalid("chunks of another shape or precision"));
        }
        self.stores.before = Some(Union::new(folder, documents, kept)?);
        // What is in RAM is that of other chunks now.
        self.cache.slots.truncate(0);
        self.landmarks.truncate(0);
        self.codes.iter_mut().for_each(|codes| codes.truncate(0));
        self.id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The document that a chunk, or what follows the last one, belongs to.
    ///
    /// # Errors
    /// `Io` or `Format` if its files cannot be opened, `Busy` if it was written to or removed after it was put before this one.
    pub fn part(&mut self, chunk: u64) -> Result<Part> {
        let chunks = self.stores.first()..self.len();
        match &mut self.stores.before {
            Some(before) if chunk < chunks.start => before.part(chunk),
            before => Ok(Part {
                index: before.as_ref().map_or(0, Union::documents),
                chunks,
                text: Arc::clone(&self.text),
                marks: Arc::clone(&self.marks),
            }),
        }
    }

    /// Takes all chunks, text and marks of `from`, a memory with the same id, into this one, which is empty.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not empty or of another shape, `Format` if records are damaged, and those of reading and writing.
    fn copy(&mut self, from: &ChunkMemory) -> Result<()> {
        from.alone()?;
        if !self.is_empty() || (self.shape(), self.precision()) != (from.shape(), from.precision()) {
            return Err(Error::invalid("a memory can only be copied into an empty one of the same shape"));
        }
        self.stores.own.copy(&from.stores.own)?;
        self.text.copy(&from.text)?;
        self.marks.pages().copy(from.marks.pages())
    }

    /// From now on a chunk that cannot be read as it was written is left out, with a warning, instead of being an error. Whoever was
    /// to read it, when that is found, reads nothing in its place.
    pub fn skip_damaged(&mut self) {
        self.skip_damaged = true;
    }

    /// `error`, unless it is damage that is to be left out.
    ///
    /// # Errors
    /// `error`.
    pub fn tolerate(&self, error: Error) -> Result<()> {
        match self.skip_damaged && error.kind() == ErrorKind::Format {
            true => {
                log::warn!("what is damaged is left out: {error}");
                Ok(())
            }
            false => Err(error),
        }
    }

    /// The chunks that were left out so far.
    pub fn skipped(&self) -> &BTreeSet<u64> {
        &self.skipped
    }

    /// The first chunk of the document itself, behind those of others.
    pub fn first(&self) -> u64 {
        self.stores.first()
    }

    /// Fails if there are chunks of other documents.
    fn alone(&self) -> Result<()> {
        match &self.stores.before {
            Some(_) => Err(Error::invalid("a memory of several documents is for reading only")),
            None => Ok(()),
        }
    }

    /// The text that the source ranges of the chunks point into. Whoever feeds the document appends to it; it does not
    /// change with the chunks.
    pub fn text(&self) -> &Arc<Text> {
        &self.text
    }

    /// What the text was made from.
    pub fn marks(&self) -> &Arc<Marks> {
        &self.marks
    }

    /// Adds a chunk and returns its id: keys and values (S, G, d), its landmark (Gr, R/Gr), and the bytes of the
    /// source that it was made of. Chunks are collected and written many at a time.
    ///
    /// # Errors
    /// `InvalidArgument` if a slice has the wrong length or the range ends before it starts; `Capacity` if the disk
    /// is full and `Io` if writing failed otherwise. The chunk is then not added.
    pub fn append(&mut self, keys: &[f32], values: &[f32], landmark: &[f32], source: Range<u64>) -> Result<u64> {
        self.alone()?;
        let (layout, id) = (self.stores.own.files.layout, self.len());
        self.landmarks.reserve(id + 1)?;
        let record = self.stores.own.append(keys, values, landmark, source)?;
        self.landmarks.keep(&layout, id, record);
        Ok(id)
    }

    /// An empty block for up to `capacity` chunks, to be filled on any thread and then added here. It is not part of
    /// the budget: [`chunk_bytes`](Self::chunk_bytes) for each chunk.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn block(&self, capacity: usize) -> Result<Block> {
        self.stores.own.block(capacity)
    }

    /// Adds the chunks of `block`, which must be those that follow. This is as good as [`ChunkMemory::append`] for each
    /// of them, and much less work on this thread. A large block is written from where it is.
    ///
    /// # Errors
    /// `InvalidArgument` if the block was made for another memory or its first chunk is not the next one; `Capacity` if
    /// the disk is full and `Io` if writing failed otherwise. No chunk is then added.
    pub fn append_block(&mut self, block: &Block) -> Result<()> {
        self.alone()?;
        self.landmarks.reserve(block.end())?;
        self.stores.own.append_block(block)?;
        self.landmarks.keep(&self.stores.own.files.layout, block.first(), block.landmarks());
        Ok(())
    }

    /// Forgets the chunks from `len` on.
    ///
    /// # Errors
    /// `InvalidArgument` if there are fewer than `len` chunks, or some of the others are committed.
    pub fn truncate(&mut self, len: u64) -> Result<()> {
        self.alone()?;
        if len > self.len() {
            return Err(Error::invalid(format!("cutting a memory of {} chunks off at {len}", self.len())));
        }
        self.stores.own.check_truncate(len)?;
        self.cache.slots.truncate(len);
        self.landmarks.truncate(len);
        self.codes.iter_mut().for_each(|codes| codes.truncate(len));
        self.stores.own.truncate(len);
        if self.cuts.is_full() {
            self.cuts.pop_front();
        }
        // There is room for one more.
        let _ = self.cuts.push_back(len);
        self.version += 1;
        Ok(())
    }

    /// Tells memories apart: no two of a process have the same.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Changes with every [`ChunkMemory::truncate`].
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many of the first chunks are certainly the ones they were at `version`, for who keeps copies of them.
    pub fn unchanged_since(&self, version: u64) -> u64 {
        let since = usize::try_from(self.version - version.min(self.version)).unwrap_or(usize::MAX);
        if since > self.cuts.len() {
            return 0;
        }
        self.cuts.iter().rev().take(since).copied().fold(self.len(), u64::min)
    }

    /// Writes what is buffered and waits until all chunks are on the device.
    ///
    /// # Errors
    /// `Capacity` if the disk is full, `Io` if writing failed otherwise.
    pub fn sync(&mut self) -> Result<()> {
        self.alone()?;
        self.stores.own.sync()?;
        self.text.sync()?;
        self.marks.pages().sync()
    }

    /// The bytes of the source that chunk `id` was made of, read from the disk.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such chunk, `Io` or `Format` if its record cannot be read or is damaged.
    pub fn source(&mut self, id: u64) -> Result<Range<u64>> {
        self.check_id(id)?;
        let record = &mut self.read.bytes_mut()[..self.stores.own.files.layout.landmark_stride];
        self.stores.read_landmarks(id, record)?;
        Ok(Store::source(record))
    }

    /// Calls `visit` with the landmarks of `chunks`, in order, in blocks: those in RAM first, then the rest as they are
    /// read from the disk.
    ///
    /// # Errors
    /// `InvalidArgument` if there are no such chunks, `Io` or `Format` if records cannot be read or are damaged, and
    /// what `visit` returns.
    pub fn for_each_landmarks(
        &mut self,
        chunks: Range<u64>,
        mut visit: impl FnMut(LandmarkBlock<'_>) -> Result<()>,
    ) -> Result<()> {
        let Range { start: mut first, end: upto } = chunks;
        if upto > self.len() {
            return Err(Error::invalid(format!("landmarks of {upto} chunks, there are {}", self.len())));
        }
        let layout = self.stores.own.files.layout;
        let room = self.read.bytes().len() / layout.landmark_stride;
        let mut most = room as u64;
        while first < upto {
            if self.skipped.contains(&first) {
                first += 1;
                continue;
            }
            let end = self.skipped.range(first..upto).next().map_or(upto, |&skipped| skipped);
            let kept = end.min(self.landmarks.kept());
            if first < kept {
                let block = self.landmarks.block(&layout, first..kept)?;
                first += block.count as u64;
                visit(block)?;
                continue;
            }
            let count = (end - first).min(self.stores.contiguous(first)?).min(most);
            let records = &mut self.read.bytes_mut()[..count as usize * layout.landmark_stride];
            match self.stores.read_landmarks(first, records) {
                Err(e) if count == 1 => {
                    skip(self.skip_damaged.then_some(&mut self.skipped), first, e)?;
                    most = room as u64;
                    continue;
                }
                // One by one, to see which it is.
                Err(e) if self.skip_damaged && e.kind() == ErrorKind::Format => {
                    most = 1;
                    continue;
                }
                read => read?,
            }
            // After a memory was opened, they come to stay as they are first read.
            if first <= self.landmarks.kept() {
                self.landmarks.reserve(first + count)?;
                self.landmarks.keep(&layout, first, records);
            }
            visit(landmarks::pack(&layout, first, records)?)?;
            first += count;
        }
        Ok(())
    }

    /// Offers the landmarks of the first `upto` chunks to `best`, but for some of those whose product with every row of `queries` (n, Gr, w),
    /// times `scale`, is less than what `best` asks for: they need not be read. Codes of landmarks are made as these are read for the
    /// first time, some with each call.
    ///
    /// # Errors
    /// As for [`ChunkMemory::for_each_landmarks`].
    pub fn search(&mut self, queries: &[f32], upto: u64, scale: f32, best: &mut dyn Best) -> Result<()> {
        // With other factors a bound is none.
        let bounded = scale > 0.0 && scale.is_finite() && self.landmarks.is_full() && self.landmarks.kept() < upto;
        let Some(mut codes) = self.codes.take_if(|codes| bounded && codes.is_for(queries)) else {
            return self.for_each_landmarks(0..upto, |block| best.offer(&block));
        };
        let searched = self.search_coded(&mut codes, queries, upto, scale, best);
        self.codes = Some(codes);
        searched
    }

    /// [`ChunkMemory::search`] with codes.
    fn search_coded(
        &mut self,
        codes: &mut Codes,
        queries: &[f32],
        upto: u64,
        scale: f32,
        best: &mut dyn Best,
    ) -> Result<()> {
        if codes.coder.is_new() {
            self.choose(&mut codes.coder)?;
        }
        let Range { start, end } = codes.chunks();
        let end = end.min(upto);
        self.for_each_landmarks(0..start, |block| best.offer(&block))?;
        codes.coder.prepare(queries)?;
        let mut first = start;
        while first < end {
            let tile = first..(first + coder::TILE as u64).min(end);
            first = tile.end;
            if let Some(chunks) = codes.candidates(tile.clone(), scale, |row| best.least(row, tile.start))? {
                self.for_each_landmarks(chunks, |block| best.offer(&block))?;
            }
        }
        let mut most = CODED_AT_ONCE;
        self.for_each_landmarks(end..upto, |block| {
            most -= codes.keep(&block, most)?;
            best.offer(&block)
        })
    }

    /// Chooses the directions of codes that are kept elsewhere, by the landmarks in RAM. False if these are too few.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn choose_directions(&self, coder: &mut Coder) -> Result<bool> {
        if self.landmarks.kept() < coder::LEAST_SAMPLE as u64 {
            return Ok(false);
        }
        self.choose(coder).map(|()| true)
    }

    /// Chooses the directions of codes by the landmarks in RAM.
    fn choose(&self, coder: &mut Coder) -> Result<()> {
        let layout = self.stores.own.files.layout;
        coder.choose(self.landmarks.kept() as usize, |i| self.landmarks.block(&layout, i as u64..i as u64 + 1))
    }

    /// Makes all of `ids` resident at once, so that [`ChunkMemory::view`] finds them until the next `fetch` or
    /// `truncate`. Ids may repeat. What is missing is read in ascending order, adjacent chunks together.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such chunk, `Capacity` if these are more different chunks than
    /// [`ChunkMemory::slots`], `Io` or `Format` if a record cannot be read or is damaged.
    pub fn fetch(&mut self, ids: &[u64]) -> Result<()> {
        for &id in ids {
            self.check_id(id)?;
        }
        self.cache.slots.begin();
        self.missing.clear();
        let slots = self.cache.slots.len();
        let mut hits = 0;
        for &id in ids {
            if self.cache.slots.pin(id) {
                hits += 1;
                continue;
            }
            if self.missing.len() == 2 * slots {
                self.sort_missing()?;
            }
            if self.missing.len() == self.missing.capacity() {
                let len = self.missing.len();
                room::grow(&mut self.missing, len.max(64).min(2 * slots - len))?;
            }
            self.missing.push(id);
        }
        self.sort_missing()?;
        self.hits += hits;

        let stride = self.stores.own.files.layout.chunk_stride;
        let longest = (self.read.bytes().len() / stride).max(1);
        let Self { stores, cache, read, missing, misses, skip_damaged, skipped, .. } = self;
        let mut rest = missing.as_slice();
        while let Some(&first) = rest.first() {
            let longest = longest.min(usize::try_from(stores.contiguous(first)?).unwrap_or(usize::MAX));
            let adjacent = (first..).zip(rest).take(longest).take_while(|(a, b)| a == *b).count();
            // One record goes straight to its slot; the slots of several need not be adjacent.
            let run = adjacent.max(1);
            let together = run > 1 && {
                match stores.read_chunks(first, &mut read.bytes_mut()[..run * stride]) {
                    // One by one, to see which it is.
                    Err(e) if *skip_damaged && e.kind() == ErrorKind::Format => false,
                    done => done.map(|()| true)?,
                }
            };
            for (i, &id) in rest.iter().take(run).enumerate() {
                let slot = cache.claim()?.ok_or_else(|| too_many(slots + 1, slots))?;
                let record = cache.record_mut(slot);
                if together {
                    record.copy_from_slice(&read.bytes()[i * stride..][..stride]);
                } else if let Err(e) = stores.read_chunks(id, record) {
                    skip(skip_damaged.then_some(&mut *skipped), id, e)?;
                    // Keys that nothing is like, and values that add nothing.
                    record.fill(0);
                }
                cache.slots.publish(slot, id);
            }
            *misses += run as u64;
            rest = rest.get(run..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads every record there is and tells `damaged` of each that cannot be read or is not as it was written, with the number of
    /// the chunk if it is one's.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn verify(&self, damaged: &mut dyn FnMut(Option<u64>, Error)) -> Result<()> {
        let layout = self.stores.own.files.layout;
        let (mut chunk, mut landmark) = (Buffer::zeros(layout.chunk_stride)?, Buffer::zeros(layout.landmark_stride)?);
        for id in 0..self.len() {
            for read in [
                self.stores.own.read_chunks(id, chunk.bytes_mut()),
                self.stores.own.read_landmarks(id, landmark.bytes_mut()),
            ] {
                read.unwrap_or_else(|e| damaged(Some(id), e));
            }
        }
        for text in [&*self.text, self.marks.pages()] {
            text.verify(&mut |e| damaged(None, e));
        }
        Ok(())
    }

    /// Keys and values of a resident chunk; None unless [`ChunkMemory::fetch`] has brought it in.
    pub fn view(&self, id: u64) -> Option<ChunkView<'_>> {
        self.stores.own.files.layout.view(self.cache.get(id)?).ok()
    }

    /// Makes the list of misses ascending and free of repetitions, and checks that there is room for all.
    fn sort_missing(&mut self) -> Result<()> {
        self.missing.sort_unstable();
        self.missing.dedup();
        let (wanted, slots) = (self.cache.slots.pinned() + self.missing.len(), self.cache.slots.len());
        if wanted > slots { Err(too_many(wanted, slots)) } else { Ok(()) }
    }

    fn check_id(&self, id: u64) -> Result<()> {
        if id < self.len() { Ok(()) } else { Err(Error::invalid(format!("chunk {id}, there are {}", self.len()))) }
    }
}

/// Leaves chunk `id` out, with those in `skipped` if there is such a list, if `error` says that it is damaged.
fn skip(skipped: Option<&mut BTreeSet<u64>>, id: u64, error: Error) -> Result<()> {
    match skipped.filter(|_| error.kind() == ErrorKind::Format) {
        Some(skipped) => {
            if skipped.insert(id) {
                log::warn!("a damaged chunk is left out: {error}");
            }
            Ok(())
        }
        None => Err(error),
    }
}

fn too_many(wanted: usize, slots: usize) -> Error {
    Error::capacity(format!("{wanted} chunks at once, the memory budget holds {slots}"))
}
