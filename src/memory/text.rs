//! The text of a document, kept beside its chunks: what their source ranges point into, so that passages can be quoted
//! when the file that the text came from is gone or changed.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::io::Storage;
use super::store::{Layout, RECORD_HEADER, Records, Traffic};
use crate::aligned::Buffer;
use crate::{Error, Result};

/// Bytes from one record of text to the next.
pub(super) const STRIDE: usize = 4096;
/// Bytes of text in a record; only the last one may have fewer.
pub(super) const PAYLOAD: usize = STRIDE - RECORD_HEADER;

/// The text that the chunks of one memory were made of, byte for byte as it was fed. It is appended to on one thread
/// while others add chunks; byte `i` of it is byte `i` of their source ranges.
pub struct Text {
    records: Records,
    pending: Mutex<Pending>,
    pub(super) reads: Traffic,
    pub(super) writes: Traffic,
}

/// The end of the text, which is not in the file yet.
struct Pending {
    /// Records from `first` on. Their headers are made when they are written.
    data: Buffer,
    first: u64,
    /// Bytes of the whole text.
    len: u64,
}

impl Pending {
    /// Bytes of text from record `first` on.
    fn bytes(&self) -> usize {
        (self.len - self.first * PAYLOAD as u64) as usize
    }

    /// How many records there is room for.
    fn capacity(&self) -> usize {
        self.data.bytes().len() / STRIDE
    }
}

impl Text {
    /// An empty text in an empty storage of this kind and id, with a buffer of `capacity` records, at least one.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory or disk, `Io` if writing failed otherwise.
    pub(super) fn new(
        layout: &Layout,
        (magic, id): (&[u8; 8], &[u8; 16]),
        storage: Box<dyn Storage>,
        capacity: usize,
    ) -> Result<Self> {
        let records = Records::new(storage, layout.header(magic, id, STRIDE), STRIDE)?;
        let data = Buffer::zeros(capacity.max(1) * STRIDE)?;
        let pending = Mutex::new(Pending { data, first: 0, len: 0 });
        Ok(Self { records, pending, reads: Traffic::default(), writes: Traffic::default() })
    }

    /// The text of `len` bytes in a storage that holds all but its `end`, with a buffer of at least `capacity` records.
    ///
    /// # Errors
    /// `Io` if the storage cannot be read, `Format` if it is not of this text, `Capacity` if there is not enough memory.
    pub(super) fn open(
        layout: &Layout,
        (magic, id): (&[u8; 8], &[u8; 16]),
        storage: Box<dyn Storage>,
        capacity: usize,
        (len, end): (u64, &[u8]),
    ) -> Result<Self> {
        let records = Records::open(storage, layout.header(magic, id, STRIDE), STRIDE)?;
        let whole = len.checked_sub(end.len() as u64).filter(|whole| whole.is_multiple_of(PAYLOAD as u64));
        let whole = whole.ok_or_else(|| Error::format(format!("{} bytes end no text of {len}", end.len())))?;
        let data = Buffer::zeros(capacity.max(end.len() / PAYLOAD + 1) * STRIDE)?;
        let pending = Mutex::new(Pending { data, first: whole / PAYLOAD as u64, len: whole });
        let text = Self { records, pending, reads: Traffic::default(), writes: Traffic::default() };
        // It fits into the buffer.
        text.append(end)?;
        Ok(text)
    }

    /// The end of the text that may still change: what is left after whole records, none of which ends in a character that
    /// may be taken back because its last bytes never come.
    ///
    /// # Errors
    /// As [`Text::read`].
    pub(super) fn end(&self) -> Result<Vec<u8>> {
        let len = self.len();
        self.read(len.saturating_sub(3) / PAYLOAD as u64 * PAYLOAD as u64..len)
    }

    /// The number of bytes.
    pub fn len(&self) -> u64 {
        self.lock().len
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds `bytes` to the end.
    ///
    /// # Errors
    /// `Capacity` if the disk is full, `Io` if writing failed otherwise. A part of them may have been added then, as
    /// [`Text::len`] tells.
    pub fn append(&self, mut bytes: &[u8]) -> Result<()> {
        let mut pending = self.lock();
        while !bytes.is_empty() {
            let (record, within) = (pending.bytes() / PAYLOAD, pending.bytes() % PAYLOAD);
            if record == pending.capacity() {
                self.write(&mut pending)?;
                continue;
            }
            let (part, rest) = bytes.split_at(bytes.len().min(PAYLOAD - within));
            let at = record * STRIDE + RECORD_HEADER + within;
            pending.data.bytes_mut()[at..][..part.len()].copy_from_slice(part);
            pending.len += part.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Adds all of `from`.
    ///
    /// # Errors
    /// As [`Text::append`] and [`Text::read`].
    pub(super) fn copy(&self, from: &Text) -> Result<()> {
        let (len, step) = (from.len(), 64 * PAYLOAD);
        (0..len).step_by(step).try_for_each(|at| self.append(&from.read(at..len.min(at + step as u64))?))
    }

    /// Forgets the bytes from `len` on; none if there are fewer.
    ///
    /// # Errors
    /// `Io` or `Format` if the record that is cut cannot be read or is damaged. Nothing is forgotten then.
    pub fn truncate(&self, len: u64) -> Result<()> {
        let mut pending = self.lock();
        if len >= pending.len {
            return Ok(());
        }
        let (record, within) = (len / PAYLOAD as u64, len % PAYLOAD as u64);
        if record < pending.first {
            if within > 0 {
                // What is buffered must survive a failure.
                let mut read = [0; STRIDE];
                self.records.read(record, pending.first, &[], &mut read, &self.reads)?;
                pending.data.bytes_mut()[..STRIDE].copy_from_slice(&read);
            }
            pending.first = record;
        }
        pending.len = len;
        Ok(())
    }

    /// The bytes of the text at `bytes`.
    ///
    /// # Errors
    /// `InvalidArgument` if there are no such bytes, `Io` or `Format` if a record cannot be read or is damaged.
    pub fn read(&self, bytes: Range<u64>) -> Result<Vec<u8>> {
        let pending = self.lock();
        let Range { start: mut at, end } = bytes;
        if at > end || end > pending.len {
            return Err(Error::invalid(format!("bytes {at} to {end} of a text of {}", pending.len)));
        }
        let mut out = Vec::new();
        let mut read = [0; STRIDE];
        while at < end {
            let (record, within) = (at / PAYLOAD as u64, (at % PAYLOAD as u64) as usize);
            let record = match record.checked_sub(pending.first) {
                Some(index) => &pending.data.bytes()[index as usize * STRIDE..][..STRIDE],
                None => {
                    self.records.read(record, pending.first, &[], &mut read, &self.reads)?;
                    &read[..]
                }
            };
            let part = &record[RECORD_HEADER + within..];
            let part = &part[..part.len().min(usize::try_from(end - at).unwrap_or(usize::MAX))];
            out.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(out)
    }

    /// Reads every record there is and tells `damaged` of each that cannot be read or is not as it was written.
    pub(super) fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        let len = self.len();
        for start in (0..len).step_by(PAYLOAD) {
            self.read(start..len.min(start + PAYLOAD as u64)).map_or_else(&mut *damaged, drop);
        }
    }

    /// Writes what is buffered and waits until all of it is on the device.
    ///
    /// # Errors
    /// `Capacity` or `Io`.
    pub(super) fn sync(&self) -> Result<()> {
        self.write(&mut self.lock())?;
        self.records.sync()
    }

    /// Bytes of the file that are in use.
    pub(super) fn disk_bytes(&self) -> u64 {
        STRIDE as u64 * (1 + self.lock().first)
    }

    /// Writes the buffered records. The last one stays in the buffer unless it is full.
    fn write(&self, pending: &mut Pending) -> Result<()> {
        let (bytes, first) = (pending.bytes(), pending.first);
        let count = bytes.div_ceil(PAYLOAD);
        let records = &mut pending.data.bytes_mut()[..count * STRIDE];
        if let Some(unused) = records.get_mut(bytes + count * RECORD_HEADER..) {
            unused.fill(0);
        }
        for (id, record) in (first..).zip(records.chunks_exact_mut(STRIDE)) {
            let start = id * PAYLOAD as u64;
            Layout::seal(record, self.records.seed, id, &(start..pending.len.min(start + PAYLOAD as u64)));
        }
        self.records.write(first, records, &self.writes)?;
        let whole = bytes / PAYLOAD;
        records.copy_within(whole.min(count.saturating_sub(1)) * STRIDE.., 0);
        pending.first += whole as u64;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
