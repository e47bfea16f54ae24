//! The file format of a chunk memory, described byte by byte in docs/format.md: a file of chunks, one of landmarks and
//! one of text, each a header page and then records of one size, and a block that collects records for a large write.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::block::Block;
use super::commit::Provisional;
use super::io::Storage;
use super::rows::swap_if_big_endian;
use super::shape::{ChunkShape, ChunkView, KvData, LandmarkData, Precision};
use crate::aligned::{ALIGN, numbers, numbers_mut};
use crate::{Error, Result, room};

/// Format version of all files.
const VERSION: u32 = 3;
/// Bytes before the first record. The header proper is shorter; the rest of the page is zero.
const PAGE: usize = 4096;
/// Bytes of the header pages of all four files.
pub(super) const HEADERS: u64 = 4 * PAGE as u64;
/// Bytes of the header that have a meaning; its last four are the checksum of the others.
const HEADER: usize = 64;
/// Bytes at the start of every record: checksum, zero, chunk id, source range.
pub(super) const RECORD_HEADER: usize = 32;

/// Bytes of chunks that are copied at once.
const COPIED: usize = 1 << 20;

/// Sizes and places inside the records of one memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) shape: ChunkShape,
    pub(super) precision: Precision,
    /// Bytes from one chunk record to the next, a multiple of [`ALIGN`].
    pub(super) chunk_stride: usize,
    /// Bytes from one landmark record to the next, a multiple of 8.
    pub(super) landmark_stride: usize,
    /// Bytes of the keys and values of one chunk.
    chunk_bytes: usize,
    /// Bytes of one landmark.
    pub(super) landmark_bytes: usize,
}

impl Layout {
    /// # Errors
    /// `InvalidArgument` if the shape is out of range.
    pub(super) fn new(shape: ChunkShape, precision: Precision) -> Result<Self> {
        shape.check()?;
        let chunk_bytes = match precision {
            Precision::F32 => 8 * shape.kv_len(),
            Precision::F16 => 4 * shape.kv_len(),
            Precision::Int8 => 2 * (shape.kv_len() + 4 * shape.kv_rows()),
        };
        let landmark_bytes = shape.landmark_len() * landmark_width(precision);
        Ok(Self {
            shape,
            precision,
            chunk_stride: (RECORD_HEADER + chunk_bytes).next_multiple_of(ALIGN),
            landmark_stride: (RECORD_HEADER + landmark_bytes).next_multiple_of(8),
            chunk_bytes,
            landmark_bytes,
        })
    }

    /// The keys and values in a chunk record in the host's byte order.
    pub(super) fn view<'a>(&self, record: &'a [u8]) -> Result<ChunkView<'a>> {
        let payload = record.get(RECORD_HEADER..).unwrap_or_default();
        let payload = payload.get(..self.chunk_bytes).ok_or_else(|| Error::invalid("chunk record too short"))?;
        Ok(match self.precision {
            Precision::F32 => {
                let (keys, values) = halves(numbers(payload)?);
                ChunkView { keys: KvData::F32(keys), values: KvData::F32(values) }
            }
            Precision::F16 => {
                let (keys, values) = halves(numbers(payload)?);
                ChunkView { keys: KvData::F16(keys), values: KvData::F16(values) }
            }
            Precision::Int8 => {
                let (scales, data) = payload.split_at(self.scale_bytes());
                let (key_scales, value_scales) = halves(numbers(scales)?);
                let (keys, values) = halves(numbers(data)?);
                ChunkView {
                    keys: KvData::Int8 { scales: key_scales, data: keys },
                    values: KvData::Int8 { scales: value_scales, data: values },
                }
            }
        })
    }

    /// The landmarks in packed bytes in the host's byte order.
    pub(super) fn landmarks<'a>(&self, bytes: &'a [u8]) -> Result<LandmarkData<'a>> {
        Ok(match self.precision {
            Precision::F32 => LandmarkData::F32(numbers(bytes)?),
            _ => LandmarkData::F16(numbers(bytes)?),
        })
    }

    /// Checks what a chunk is made of.
    ///
    /// # Errors
    /// `InvalidArgument` if a slice has the wrong length or the range ends before it starts.
    pub(super) fn check(&self, keys: &[f32], values: &[f32], landmark: &[f32], source: &Range<u64>) -> Result<()> {
        let (kv, marks) = (self.shape.kv_len(), self.shape.landmark_len());
        for (what, len, expected) in
            [("keys", keys.len(), kv), ("values", values.len(), kv), ("landmark", landmark.len(), marks)]
        {
            if len != expected {
                return Err(Error::invalid(format!("{what} of a chunk: {len} numbers, expected {expected}")));
            }
        }
        if source.start > source.end {
            return Err(Error::invalid(format!("source range of a chunk: {source:?}")));
        }
        Ok(())
    }

    /// Fills a chunk record, all but its header. The lengths of the slices are the caller's to check.
    pub(super) fn chunk_record(&self, record: &mut [u8], keys: &[f32], values: &[f32]) -> Result<()> {
        let (payload, padding) = record[RECORD_HEADER..].split_at_mut(self.chunk_bytes);
        self.encode_chunk(keys, values, payload)?;
        padding.fill(0);
        self.swap_chunk(record);
        Ok(())
    }

    /// The same for a landmark record.
    pub(super) fn landmark_record(&self, record: &mut [u8], landmark: &[f32]) -> Result<()> {
        let (payload, padding) = record[RECORD_HEADER..].split_at_mut(self.landmark_bytes);
        match self.precision {
            Precision::F32 => encode_f32(landmark, payload)?,
            _ => encode_f16(landmark, payload)?,
        }
        padding.fill(0);
        self.swap_landmarks(payload);
        Ok(())
    }

    /// Writes keys and values into the payload of a record, in the host's byte order.
    fn encode_chunk(&self, keys: &[f32], values: &[f32], payload: &mut [u8]) -> Result<()> {
        let n = self.shape.kv_len();
        match self.precision {
            Precision::F32 => {
                let (k, rest) = payload.split_at_mut(4 * n);
                encode_f32(keys, k)?;
                encode_f32(values, rest)
            }
            Precision::F16 => {
                let (k, rest) = payload.split_at_mut(2 * n);
                encode_f16(keys, k)?;
                encode_f16(values, rest)
            }
            Precision::Int8 => {
                let (scales, data) = payload.split_at_mut(self.scale_bytes());
                let (key_scales, value_scales) = scales.split_at_mut(self.scale_bytes() / 2);
                let (k, v) = data.split_at_mut(n);
                encode_int8(keys, self.shape.head_dim, key_scales, k)?;
                encode_int8(values, self.shape.head_dim, value_scales, v)
            }
        }
    }

    /// Bytes of all int8 scales at the start of the payload.
    fn scale_bytes(&self) -> usize {
        8 * self.shape.kv_rows()
    }

    /// Turns the numbers of a chunk record from little-endian to the host's byte order, or back.
    fn swap_chunk(&self, record: &mut [u8]) {
        let payload = record.get_mut(RECORD_HEADER..).unwrap_or_default();
        match self.precision {
            Precision::F32 => swap_if_big_endian(payload, 4),
            Precision::F16 => swap_if_big_endian(payload, 2),
            Precision::Int8 => swap_if_big_endian(payload.get_mut(..self.scale_bytes()).unwrap_or_default(), 4),
        }
    }

    /// The same for packed landmarks.
    pub(super) fn swap_landmarks(&self, bytes: &mut [u8]) {
        swap_if_big_endian(bytes, landmark_width(self.precision));
    }

    /// Fills the header of a record that is complete otherwise.
    pub(super) fn seal(record: &mut [u8], seed: u32, id: u64, source: &Range<u64>) {
        record[4..8].fill(0);
        record[8..16].copy_from_slice(&id.to_le_bytes());
        record[16..24].copy_from_slice(&source.start.to_le_bytes());
        record[24..32].copy_from_slice(&source.end.to_le_bytes());
        let crc = checksum(seed, &record[4..]);
        record[..4].copy_from_slice(&crc.to_le_bytes());
    }

    /// The header of one of the files.
    pub(super) fn header(&self, magic: &[u8; 8], id: &[u8; 16], stride: usize) -> [u8; HEADER] {
        let precision = self.precision.number() as usize;
        let s = &self.shape;
        let fields = [s.chunk_size, s.kv_heads, s.head_dim, s.retrieval_heads, s.retrieval_width, precision, stride];
        let mut h = [0; HEADER];
        h[..8].copy_from_slice(magic);
        h[8..12].copy_from_slice(&VERSION.to_le_bytes());
        h[12..16].copy_from_slice(&(PAGE as u32).to_le_bytes());
        h[16..32].copy_from_slice(id);
        for (at, value) in h[32..60].chunks_exact_mut(4).zip(fields) {
            // The check of the shape keeps all of them far below 2^32.
            at.copy_from_slice(&(value as u32).to_le_bytes());
        }
        let crc = crc32fast::hash(&h[..60]);
        h[60..].copy_from_slice(&crc.to_le_bytes());
        h
    }
}

fn landmark_width(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 4,
        _ => 2,
    }
}

fn halves<T>(all: &[T]) -> (&[T], &[T]) {
    all.split_at(all.len() / 2)
}

fn encode_f32(src: &[f32], out: &mut [u8]) -> Result<()> {
    let out = numbers_mut::<f32>(&mut out[..4 * src.len()])?;
    out.copy_from_slice(src);
    Ok(())
}

fn encode_f16(src: &[f32], out: &mut [u8]) -> Result<()> {
    let out = numbers_mut::<u16>(&mut out[..2 * src.len()])?;
    out.reinterpret_cast_mut::<f16>().convert_from_f32_slice(src);
    Ok(())
}

/// Rounds each row of `width` values to whole multiples of its largest magnitude / 127.
fn encode_int8(src: &[f32], width: usize, scales: &mut [u8], out: &mut [u8]) -> Result<()> {
    // Adding 1.5 · 2^23 leaves the nearest integer in the low bits of the sum. Unlike `round`, which is a call on
    // processors without SSE4.1, this becomes vector code everywhere.
    const TO_INTEGER: f32 = 12_582_912.0;
    let scales = numbers_mut::<f32>(scales)?;
    let out = numbers_mut::<i8>(&mut out[..src.len()])?;
    for ((row, out), scale) in src.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(scales) {
        let largest = row.iter().fold(0f32, |m, x| m.max(x.abs()));
        // The reciprocal of a subnormal scale would overflow; such a row is as good as zero.
        let (s, inverse) =
            if largest / 127.0 >= f32::MIN_POSITIVE { (largest / 127.0, 127.0 / largest) } else { (0.0, 0.0) };
        *scale = s;
        for (q, x) in out.iter_mut().zip(row) {
            *q = ((x * inverse).clamp(-127.0, 127.0) + TO_INTEGER).to_bits() as i8;
        }
    }
    Ok(())
}

/// Calls and bytes.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) calls: AtomicU64,
    pub(super) bytes: AtomicU64,
}

impl Traffic {
    pub(super) fn count(&self, bytes: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// One of the files.
pub(super) struct Records {
    storage: Box<dyn Storage>,
    stride: usize,
    /// Checksum of the header, which every record's checksum continues: a record of another memory is not accepted.
    pub(super) seed: u32,
}

impl Records {
    /// # Errors
    /// `Io` or `Capacity` if the header cannot be written.
    pub(super) fn new(storage: Box<dyn Storage>, header: [u8; HEADER], stride: usize) -> Result<Self> {
        let seed = crc32fast::hash(&header[..60]);
        let mut page = [0; PAGE];
        page[..HEADER].copy_from_slice(&header);
        storage.write_all_at(&page, 0).map_err(|e| write_error(&*storage, e))?;
        Ok(Self { storage, stride, seed })
    }

    /// As [`Records::new`], for a storage that has this header already.
    ///
    /// # Errors
    /// `Io` if it cannot be read, `Format` if it has another one.
    pub(super) fn open(storage: Box<dyn Storage>, header: [u8; HEADER], stride: usize) -> Result<Self> {
        let mut found = [0; HEADER];
        let read = storage.read_exact_at(&mut found, 0);
        read.map_err(|e| Error::io(format!("reading the header of {}", storage.name()), e))?;
        if found != header {
            return Err(Error::format(format!("{}: its header is not the one that belongs there", storage.name())));
        }
        Ok(Self { storage, stride, seed: crc32fast::hash(&header[..60]) })
    }

    /// The seed of the checksums of records that are kept in commit `sequence`.
    fn seed_in(&self, sequence: u64) -> u32 {
        checksum(self.seed, &sequence.to_le_bytes())
    }

    /// Where record `id` starts in the file.
    fn offset(&self, id: u64) -> Result<u64> {
        id.checked_mul(self.stride as u64)
            .and_then(|o| o.checked_add(PAGE as u64))
            .filter(|&o| o <= i64::MAX as u64)
            .ok_or_else(|| Error::capacity(format!("{}: chunk {id} lies beyond the largest file", self.storage.name())))
    }

    /// Writes whole records, `first` and following.
    ///
    /// # Errors
    /// `Io` or `Capacity`.
    pub(super) fn write(&self, first: u64, data: &[u8], traffic: &Traffic) -> Result<()> {
        let offset = self.offset(first)?;
        self.storage.write_all_at(data, offset).map_err(|e| write_error(&*self.storage, e))?;
        traffic.count(data.len());
        Ok(())
    }

    /// Reads and checks as many records as fit `out`, all of them in the file, which has those before `flushed`, or all
    /// of them in `pending`, which has those from there on.
    ///
    /// # Errors
    /// `Io` if they cannot be read, `Format` if one is damaged.
    pub(super) fn read(
        &self,
        first: u64,
        flushed: u64,
        pending: &[u8],
        out: &mut [u8],
        traffic: &Traffic,
    ) -> Result<()> {
        match first.checked_sub(flushed) {
            Some(index) => {
                let from = index as usize * self.stride;
                let data = pending.get(from..).and_then(|p| p.get(..out.len()));
                out.copy_from_slice(data.ok_or_else(|| Error::invalid(format!("chunk {first} is not there")))?);
            }
            None => {
                let offset = self.offset(first)?;
                self.storage
                    .read_exact_at(out, offset)
                    .map_err(|e| Error::io(format!("reading {} at byte {offset}", self.storage.name()), e))?;
                traffic.count(out.len());
            }
        }
        let at = self.offset(first)?;
        self.check(first, self.seed, out, (&*self.storage, at))
    }

    /// The same for records of a commit, the first of which is at `offset` there.
    ///
    /// # Errors
    /// As [`Records::read`].
    fn read_provisional(
        &self,
        first: u64,
        (from, offset): (&Provisional, u64),
        out: &mut [u8],
        traffic: &Traffic,
    ) -> Result<()> {
        let (file, offset) = (from.file(), offset + (first - from.first) * self.stride as u64);
        let read = file.read_exact_at(out, offset);
        read.map_err(|e| Error::io(format!("reading {} at byte {offset}", file.name()), e))?;
        traffic.count(out.len());
        self.check(first, self.seed_in(from.sequence()), out, (file, offset))
    }

    /// Fails unless `records`, from `storage` at byte `at`, are those from number `first` on.
    fn check(&self, first: u64, seed: u32, records: &[u8], (storage, at): (&dyn Storage, u64)) -> Result<()> {
        for (i, record) in (0..).zip(records.chunks_exact(self.stride)) {
            let id = first + i;
            if le_u32(record, 0) != checksum(seed, &record[4..]) || le_u64(record, 8) != id {
                let (name, at) = (storage.name(), at + i * self.stride as u64);
                return Err(Error::format(format!("{name}: record {id} at byte {at} is damaged")));
            }
        }
        Ok(())
    }

    /// Waits until everything written is on the device.
    ///
    /// # Errors
    /// `Io` or `Capacity`.
    pub(super) fn sync(&self) -> Result<()> {
        self.storage.sync().map_err(|e| write_error(&*self.storage, e))
    }
}

/// Both files of a memory, which its store and its blocks write to.
pub(super) struct Files {
    pub(super) layout: Layout,
    pub(super) chunks: Records,
    pub(super) landmarks: Records,
    /// Chunks before this one are in the files for good.
    kept: AtomicU64,
    /// From how many chunks on they are worth a write of their own.
    pub(super) many: usize,
    pub(super) reads: Traffic,
    pub(super) writes: Traffic,
}

impl Files {
    /// Writes the records of `block`, chunks first.
    ///
    /// # Errors
    /// `InvalidArgument` if the memory has chunks in their places, `Io` or `Capacity` if they cannot be written.
    pub(super) fn write(&self, block: &Block) -> Result<()> {
        let (first, kept) = (block.first(), self.kept.load(Ordering::Acquire));
        if first < kept {
            return Err(Error::invalid(format!("a block of chunks from {first} on for a memory of {kept}")));
        }
        self.chunks.write(first, block.chunks(), &self.writes)?;
        self.landmarks.write(first, block.landmarks(), &self.writes)
    }
}

pub(super) fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

fn le_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

fn le_u64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

pub(super) fn write_error(storage: &dyn Storage, e: std::io::Error) -> Error {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let what = format!("writing {}", storage.name());
    match e.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Error::capacity(format!("{what}: {e}")),
        _ => Error::io(what, e),
    }
}

/// The files of chunks and landmarks and the records that are still to be written to them.
///
/// Chunk ids are positions: the records before the first `pending` one are in the files. A write that fails leaves both
/// parts as they were, and the next attempt writes the same bytes to the same places.
pub(super) struct Store {
    pub(super) files: Arc<Files>,
    /// Records of a commit that follow those in the files, and are dropped before others do.
    provisional: Option<Provisional>,
    pending: Block,
    /// Records before this one are in the last commit, and do not change.
    committed: u64,
}

impl Store {
    /// Starts an empty store in two empty storages, with buffers for `batch` records.
    pub(super) fn new(
        layout: Layout,
        id: &[u8; 16],
        chunks: Box<dyn Storage>,
        landmarks: Box<dyn Storage>,
        batch: usize,
    ) -> Result<Self> {
        let (chunk_stride, landmark_stride) = (layout.chunk_stride, layout.landmark_stride);
        let files = Arc::new(Files {
            layout,
            chunks: Records::new(chunks, layout.header(b"RAMBACHK", id, chunk_stride), chunk_stride)?,
            landmarks: Records::new(landmarks, layout.header(b"RAMBALMK", id, landmark_stride), landmark_stride)?,
            kept: AtomicU64::new(0),
            many: batch.div_ceil(2),
            reads: Traffic::default(),
            writes: Traffic::default(),
        });
        Ok(Self { provisional: None, pending: Block::new(Arc::clone(&files), batch)?, committed: 0, files })
    }

    /// The store of a commit in two storages that have the records of its first `committed` chunks.
    ///
    /// # Errors
    /// `Io` if they cannot be read, `Format` if they are of another store, `Capacity` if there is not enough memory.
    pub(super) fn open(
        layout: Layout,
        id: &[u8; 16],
        [chunks, landmarks]: [Box<dyn Storage>; 2],
        batch: usize,
        (committed, provisional): (u64, Option<Provisional>),
    ) -> Result<Self> {
        let (chunk_stride, landmark_stride) = (layout.chunk_stride, layout.landmark_stride);
        let files = Arc::new(Files {
            layout,
            chunks: Records::open(chunks, layout.header(b"RAMBACHK", id, chunk_stride), chunk_stride)?,
            landmarks: Records::open(landmarks, layout.header(b"RAMBALMK", id, landmark_stride), landmark_stride)?,
            kept: AtomicU64::new(committed),
            many: batch.div_ceil(2),
            reads: Traffic::default(),
            writes: Traffic::default(),
        });
        let mut pending = Block::new(Arc::clone(&files), batch)?;
        pending.begin(provisional.as_ref().map_or(committed, |p| p.chunks().end));
        Ok(Self { files, provisional, pending, committed })
    }

    /// How many of the first records are in the files.
    fn flushed(&self) -> u64 {
        self.provisional.as_ref().map_or(self.pending.first(), |p| p.first)
    }

    /// The records from number `first` on, of landmarks and of chunks, for commit `sequence`.
    ///
    /// # Errors
    /// `Io` if they cannot be read, `Format` if one is damaged, `Capacity` if there is not enough memory.
    pub(super) fn sealed(&self, first: u64, sequence: u64) -> Result<[Vec<u8>; 2]> {
        let Files { layout, chunks, landmarks, .. } = &*self.files;
        let count = self.len().saturating_sub(first) as usize;
        let seal = |file: &Records, stride: usize, read: &dyn Fn(u64, &mut [u8]) -> Result<()>| -> Result<Vec<u8>> {
            let mut records = room::filled(count * stride, 0)?;
            for (id, record) in (first..).zip(records.chunks_exact_mut(stride)) {
                read(id, record)?;
                let source = Self::source(record);
                Layout::seal(record, file.seed_in(sequence), id, &source);
            }
            Ok(records)
        };
        Ok([
            seal(landmarks, layout.landmark_stride, &|id, record| self.read_landmarks(id, record))?,
            seal(chunks, layout.chunk_stride, &|id, record| self.read_raw_chunks(id, record))?,
        ])
    }

    /// Takes all records of `from`, which is of the same layout, into this store, which is empty, and whose records they become.
    ///
    /// # Errors
    /// `Format` if one is damaged, `Capacity` if there is not enough memory or disk, `Io`.
    pub(super) fn copy(&mut self, from: &Store) -> Result<()> {
        let files = Arc::clone(&self.files);
        let Layout { chunk_stride, landmark_stride, .. } = files.layout;
        let most = (COPIED / chunk_stride).max(1) as u64;
        let (mut chunks, mut landmarks) = (Vec::new(), Vec::new());
        let mut first = 0;
        while first < from.len() {
            let count = from.contiguous(first).min(most);
            room::resize(&mut chunks, count as usize * chunk_stride, 0)?;
            room::resize(&mut landmarks, count as usize * landmark_stride, 0)?;
            from.read_raw_chunks(first, &mut chunks)?;
            from.read_landmarks(first, &mut landmarks)?;
            for (file, records) in [(&files.chunks, &mut chunks), (&files.landmarks, &mut landmarks)] {
                for (id, record) in (first..).zip(records.chunks_exact_mut(file.stride)) {
                    let source = Self::source(record);
                    Layout::seal(record, file.seed, id, &source);
                }
                file.write(first, records, &files.writes)?;
            }
            first += count;
        }
        self.begin(first);
        Ok(())
    }

    /// To be called when the records before `chunks` are to be in a commit.
    pub(super) fn commit(&mut self, chunks: u64) {
        self.committed = chunks;
    }

    /// Fails for records that may not be forgotten.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(super) fn check_truncate(&self, len: u64) -> Result<()> {
        let committed = self.committed;
        if len >= committed {
            return Ok(());
        }
        Err(Error::invalid(format!("cutting a memory off at chunk {len}, of which {committed} are committed")))
    }

    /// The number of records.
    pub(super) fn len(&self) -> u64 {
        self.pending.end()
    }

    /// How many records from `first` on can be read with one call.
    pub(super) fn contiguous(&self, first: u64) -> u64 {
        let ends = [self.flushed(), self.pending.first(), self.len()];
        ends.into_iter().find(|&end| first < end).map_or(0, |end| end - first)
    }

    /// Bytes of the two files that are in use.
    pub(super) fn disk_bytes(&self) -> u64 {
        let Layout { chunk_stride, landmark_stride, .. } = self.files.layout;
        2 * PAGE as u64 + self.flushed() * (chunk_stride + landmark_stride) as u64
    }

    /// A block for records of this store.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn block(&self, capacity: usize) -> Result<Block> {
        Block::new(Arc::clone(&self.files), capacity)
    }

    /// Adds a record to both files, and returns that of the landmark.
    ///
    /// # Errors
    /// As for [`Block::push`], and `Io` or `Capacity` if the buffered records cannot be written; the store then has the
    /// same records as before.
    pub(super) fn append(
        &mut self,
        keys: &[f32],
        values: &[f32],
        landmark: &[f32],
        source: Range<u64>,
    ) -> Result<&[u8]> {
        self.goes_on()?;
        if self.pending.len() == self.pending.capacity() {
            self.flush()?;
        }
        let before = self.pending.landmarks().len();
        self.pending.push(keys, values, landmark, source)?;
        Ok(self.pending.landmarks().get(before..).unwrap_or_default())
    }

    /// Adds the records of `block`, which were made for this store and follow those in it.
    ///
    /// # Errors
    /// `InvalidArgument` if they were not or do not, `Io` or `Capacity` if records cannot be written; the store then
    /// has the same records as before.
    pub(super) fn append_block(&mut self, block: &Block) -> Result<()> {
        if !block.is_for(&self.files) {
            return Err(Error::invalid("a block of chunks that was made for another memory"));
        }
        if block.first() != self.len() {
            let (first, len) = (block.first(), self.len());
            return Err(Error::invalid(format!("a block of chunks from {first} on for a memory of {len}")));
        }
        self.goes_on()?;
        // Few records are worth a copy, which saves calls of the system; many are not.
        let few = block.len() < self.files.many;
        if !few || block.len() > self.pending.capacity() - self.pending.len() {
            self.flush()?;
        }
        if few {
            return self.pending.extend(block);
        }
        if !block.is_written() {
            self.files.write(block)?;
        }
        self.begin(block.end());
        Ok(())
    }

    /// Writes the buffered records.
    ///
    /// # Errors
    /// `Io` or `Capacity`; the records are then still buffered.
    pub(super) fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.files.write(&self.pending)?;
            self.begin(self.pending.end());
        }
        Ok(())
    }

    /// Fails while there are records of a commit that others cannot follow.
    fn goes_on(&self) -> Result<()> {
        match &self.provisional {
            Some(_) => Err(Error::invalid("chunks after provisional ones, which are to be dropped first")),
            None => Ok(()),
        }
    }

    /// Goes on behind the records before `end`, which are in the files.
    fn begin(&mut self, end: u64) {
        self.pending.begin(end);
        self.files.kept.store(end, Ordering::Release);
    }

    /// Writes the buffered records and waits until all are on the device.
    ///
    /// # Errors
    /// `Io` or `Capacity`.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.flush()?;
        for file in [&self.files.chunks, &self.files.landmarks] {
            file.sync()?;
        }
        Ok(())
    }

    /// Forgets the records from `len` on. Their room on the disk is given back if the system lets us, and is used
    /// again by later records in any case.
    pub(super) fn truncate(&mut self, len: u64) {
        if len >= self.pending.first() {
            self.pending.truncate(len);
            return;
        }
        if let Some(provisional) = &mut self.provisional {
            if len > provisional.first {
                provisional.len = len - provisional.first;
                self.pending.begin(len);
                return;
            }
            self.provisional = None;
        }
        self.begin(len);
        for file in [&self.files.chunks, &self.files.landmarks] {
            let cut = file.offset(len).map(|end| file.storage.set_len(end));
            if let Ok(Err(e)) = cut {
                log::warn!("cutting off {}: {e}", file.storage.name());
            }
        }
    }

    /// Reads chunk records `first` and following, at most [`Store::contiguous`], and turns them to the host's byte
    /// order. `out` is a multiple of the stride.
    ///
    /// # Errors
    /// `Io` if they cannot be read, `Format` if one is damaged.
    pub(super) fn read_chunks(&self, first: u64, out: &mut [u8]) -> Result<()> {
        self.read_raw_chunks(first, out)?;
        let layout = &self.files.layout;
        out.chunks_exact_mut(layout.chunk_stride).for_each(|r| layout.swap_chunk(r));
        Ok(())
    }

    /// The same in the byte order of the file.
    fn read_raw_chunks(&self, first: u64, out: &mut [u8]) -> Result<()> {
        let Files { layout, chunks, reads, .. } = &*self.files;
        match self.provisional.as_ref().filter(|p| p.chunks().contains(&first)) {
            Some(p) => chunks.read_provisional(first, (p, p.offsets(layout)[1]), out, reads),
            None => chunks.read(first, self.pending.first(), self.pending.chunks(), out, reads),
        }
    }

    /// The same for landmark records, left in the byte order of the file.
    ///
    /// # Errors
    /// `Io` if they cannot be read, `Format` if one is damaged.
    pub(super) fn read_landmarks(&self, first: u64, out: &mut [u8]) -> Result<()> {
        let Files { layout, landmarks, reads, .. } = &*self.files;
        match self.provisional.as_ref().filter(|p| p.chunks().contains(&first)) {
            Some(p) => landmarks.read_provisional(first, (p, p.offsets(layout)[0]), out, reads),
            None => landmarks.read(first, self.pending.first(), self.pending.landmarks(), out, reads),
        }
    }

    /// The source range in a landmark record.
    pub(super) fn source(record: &[u8]) -> Range<u64> {
        le_u64(record, 16)..le_u64(record, 24)
    }
}
