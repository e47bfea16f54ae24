//! Records of consecutive chunks, complete as they go to the files. Making them is most of the work of adding chunks
//! and needs nothing of the memory: threads make them side by side, and one adds them in order.

use std::ops::Range;
use std::sync::Arc;

use super::store::{Files, Layout};
use crate::aligned::Buffer;
use crate::{Error, Result};

/// Consecutive chunks in the form in which they go to the files of one memory, made apart from it:
/// [`ChunkMemory::block`](super::ChunkMemory::block) makes an empty block, any thread fills it, and
/// [`ChunkMemory::append_block`](super::ChunkMemory::append_block) adds what is in it. A block can be filled again and
/// again, and allocates nothing then.
pub struct Block {
    files: Arc<Files>,
    first: u64,
    len: usize,
    capacity: usize,
    /// Whether its chunks, as they are, have been written to the files.
    written: bool,
    chunks: Buffer,
    landmarks: Buffer,
}

impl Block {
    /// An empty block for up to `capacity` chunks, the first of them chunk 0.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn new(files: Arc<Files>, capacity: usize) -> Result<Self> {
        let buffer = |stride: usize| Buffer::zeros(stride.saturating_mul(capacity));
        let (chunks, landmarks) = (buffer(files.layout.chunk_stride)?, buffer(files.layout.landmark_stride)?);
        Ok(Self { files, first: 0, len: 0, capacity, written: false, chunks, landmarks })
    }

    /// Empties the block. The next chunk to be pushed will have the id `first`.
    pub fn begin(&mut self, first: u64) {
        (self.first, self.len, self.written) = (first, 0, false);
    }

    /// Adds a chunk, whose id is [`end`](Self::end): keys and values (S, G, d), its landmark (Gr, R/Gr), and the bytes
    /// of the source that it was made of.
    ///
    /// # Errors
    /// `InvalidArgument` if a slice has the wrong length or the range ends before it starts, `Capacity` if the block is
    /// full. The chunk is then not added.
    pub fn push(&mut self, keys: &[f32], values: &[f32], landmark: &[f32], source: Range<u64>) -> Result<()> {
        let Files { layout, chunks, landmarks, .. } = &*self.files;
        layout.check(keys, values, landmark, &source)?;
        if self.len == self.capacity {
            return Err(Error::capacity(format!("a block of {} chunks is full", self.capacity)));
        }
        let id = self.first.saturating_add(self.len as u64);
        let record = slot(&mut self.chunks, layout.chunk_stride, self.len);
        layout.chunk_record(record, keys, values)?;
        Layout::seal(record, chunks.seed, id, &source);
        let record = slot(&mut self.landmarks, layout.landmark_stride, self.len);
        layout.landmark_record(record, landmark)?;
        Layout::seal(record, landmarks.seed, id, &source);
        (self.len, self.written) = (self.len + 1, false);
        Ok(())
    }

    /// Adds the chunks of `other`, which follow those here.
    ///
    /// # Errors
    /// `Capacity` if there is no room for them; none is then added.
    pub(super) fn extend(&mut self, other: &Block) -> Result<()> {
        if other.len > self.capacity - self.len {
            return Err(Error::capacity(format!("{} more chunks for a block of {}", other.len, self.capacity)));
        }
        let Layout { chunk_stride, landmark_stride, .. } = self.files.layout;
        self.chunks.bytes_mut()[self.len * chunk_stride..][..other.chunks().len()].copy_from_slice(other.chunks());
        let landmarks = other.landmarks();
        self.landmarks.bytes_mut()[self.len * landmark_stride..][..landmarks.len()].copy_from_slice(landmarks);
        (self.len, self.written) = (self.len + other.len, false);
        Ok(())
    }

    /// Forgets the chunks from the one with this id on.
    pub(super) fn truncate(&mut self, end: u64) {
        let len = usize::try_from(end.saturating_sub(self.first)).unwrap_or(usize::MAX);
        (self.len, self.written) = (self.len.min(len), false);
    }

    /// The id of the first chunk.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The id after that of the last chunk.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.len as u64)
    }

    /// The number of chunks.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no chunk.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many chunks there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Writes the chunks to their places in the files, if they are many enough to be worth it, so that
    /// [`ChunkMemory::append_block`](super::ChunkMemory::append_block) has only to count them. Threads with blocks of
    /// their own can do so side by side, and while the memory is in use; until their blocks are added or given up, no
    /// other chunks may be added in these places.
    ///
    /// # Errors
    /// `InvalidArgument` if the memory has chunks in these places; `Capacity` if the disk is full and `Io` if writing
    /// failed otherwise. Nothing is lost then: adding the block tries again.
    pub fn write(&mut self) -> Result<()> {
        if self.len >= self.files.many {
            self.files.write(self)?;
            self.written = true;
        }
        Ok(())
    }

    pub(super) fn is_for(&self, files: &Arc<Files>) -> bool {
        Arc::ptr_eq(&self.files, files)
    }

    pub(super) fn is_written(&self) -> bool {
        self.written
    }

    /// The records for the file of chunks.
    pub(super) fn chunks(&self) -> &[u8] {
        &self.chunks.bytes()[..self.len * self.files.layout.chunk_stride]
    }

    /// The records for the file of landmarks.
    pub(super) fn landmarks(&self) -> &[u8] {
        &self.landmarks.bytes()[..self.len * self.files.layout.landmark_stride]
    }
}

fn slot(records: &mut Buffer, stride: usize, index: usize) -> &mut [u8] {
    &mut records.bytes_mut()[index * stride..][..stride]
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::super::cache::Plan;
    use super::super::{ChunkMemory, ChunkShape, Precision, Storage};
    use super::*;
    use crate::ErrorKind;

    /// A file in memory, looked into by the test.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Storage for Shared {
        fn name(&self) -> String {
            "a file in memory".into()
        }

        fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
            let bytes = self.0.lock().unwrap();
            let bytes = bytes.get(offset as usize..offset as usize + buf.len());
            buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }

        fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
            let mut bytes = self.0.lock().unwrap();
            let end = offset as usize + data.len();
            let len = bytes.len().max(end);
            bytes.resize(len, 0);
            bytes[offset as usize..end].copy_from_slice(data);
            Ok(())
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.lock().unwrap().resize(len as usize, 0);
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A memory whose records are those of every other one with the same `id`, and its files.
    fn memory(precision: Precision, id: u8, batch: usize) -> (ChunkMemory, [Shared; 2]) {
        // Odd sizes: every record has padding.
        let shape = ChunkShape { chunk_size: 3, kv_heads: 1, head_dim: 5, retrieval_heads: 1, retrieval_width: 7 };
        let layout = Layout::new(shape, precision).unwrap();
        let least = Plan::minimum(&layout, 8).unwrap();
        let plan = Plan { batch, ..Plan::new(&layout, least).unwrap() };
        assert!(plan.landmarks > 1, "some are kept");
        let files = [Shared::default(), Shared::default()];
        let [chunks, landmarks] = files.clone();
        let storages = [chunks, landmarks, Shared::default(), Shared::default()];
        let storages = storages.map(|file| Box::new(file) as Box<dyn Storage>);
        (ChunkMemory::build(layout, plan, &[id; 16], storages).unwrap(), files)
    }

    /// Keys, values and landmark of a chunk.
    fn chunk(id: u64) -> [Vec<f32>; 3] {
        [15, 15, 7].map(|len| (0..len).map(|i| ((id * 131 + i * 7919 + len) % 255) as f32 / 63.0 - 2.0).collect())
    }

    fn landmarks(memory: &mut ChunkMemory) -> String {
        let mut all = String::new();
        let visit = |block: super::super::LandmarkBlock<'_>| {
            all += &format!("{block:?}");
            Ok(())
        };
        memory.for_each_landmarks(0..memory.len(), visit).unwrap();
        all
    }

    #[test]
    fn blocks_leave_the_same_bytes_as_single_chunks() {
        for precision in [Precision::F32, Precision::F16, Precision::Int8] {
            for batch in [1, 2, 7, 16] {
                let (mut single, single_files) = memory(precision, 7, batch);
                let (mut mixed, mixed_files) = memory(precision, 7, batch);
                let mut block = mixed.block(20).unwrap();
                // Sizes of blocks, and single chunks where they are 0; in the end some are forgotten and made again.
                for n in [0, 1, 3, 0, 8, 20, 0, 0, 7, 2, 2, 2, 16, 1, 0, 4, 19] {
                    let first = mixed.len();
                    block.begin(first);
                    for id in first..first + n.max(1) {
                        let [keys, values, landmark] = chunk(id);
                        single.append(&keys, &values, &landmark, id..2 * id).unwrap();
                        if n == 0 {
                            mixed.append(&keys, &values, &landmark, id..2 * id).unwrap();
                        } else {
                            block.push(&keys, &values, &landmark, id..2 * id).unwrap();
                        }
                    }
                    if n > 0 {
                        // With or without a thread of their own that writes them.
                        if n % 2 == 0 {
                            block.write().unwrap();
                        }
                        mixed.append_block(&block).unwrap();
                    }
                    assert_eq!(mixed.len(), single.len());
                    if n == 16 {
                        single.truncate(first + 9).unwrap();
                        mixed.truncate(first + 9).unwrap();
                    }
                    assert_eq!(landmarks(&mut mixed), landmarks(&mut single));
                }
                single.sync().unwrap();
                mixed.sync().unwrap();
                for (a, b) in single_files.iter().zip(&mixed_files) {
                    assert!(*a.0.lock().unwrap() == *b.0.lock().unwrap(), "{precision:?}, batches of {batch}");
                }
                let all = [0, 1, 40, single.len() - 1];
                single.fetch(&all).unwrap();
                mixed.fetch(&all).unwrap();
                for id in all {
                    assert_eq!(format!("{:?}", mixed.view(id)), format!("{:?}", single.view(id)));
                    assert_eq!(mixed.source(id).unwrap(), id..2 * id);
                }
            }
        }
    }

    #[test]
    fn blocks_that_do_not_follow_are_refused() {
        let (mut memory, _) = memory(Precision::F16, 7, 4);
        let mut block = memory.block(3).unwrap();
        let [keys, values, landmark] = chunk(0);
        (0..3).for_each(|_| block.push(&keys, &values, &landmark, 0..1).unwrap());
        let full = block.push(&keys, &values, &landmark, 0..1).unwrap_err();
        assert_eq!((full.kind(), block.len()), (ErrorKind::Capacity, 3));
        memory.append_block(&block).unwrap();
        let mut refused = |block: &Block| {
            assert_eq!(memory.append_block(block).unwrap_err().kind(), ErrorKind::InvalidArgument);
            assert_eq!(memory.len(), 3);
        };
        refused(&block);
        for first in [2, 4, u64::MAX] {
            block.begin(first);
            block.push(&keys, &values, &landmark, 0..1).unwrap();
            refused(&block);
        }
        let mut other = self::memory(Precision::F16, 8, 4).0.block(3).unwrap();
        other.begin(3);
        other.push(&keys, &values, &landmark, 0..1).unwrap();
        refused(&other);

        block.begin(3);
        for wrong in [
            block.push(&keys[1..], &values, &landmark, 0..1),
            block.push(&keys, &[], &landmark, 0..1),
            block.push(&keys, &values, &keys, 0..1),
            #[allow(clippy::reversed_empty_ranges, reason = "that is the mistake to refuse")]
            block.push(&keys, &values, &landmark, 2..1),
        ] {
            assert_eq!(wrong.unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        memory.append_block(&block).unwrap();
        assert_eq!((block.is_empty(), memory.len()), (true, 3));
        assert_eq!(memory.block(usize::MAX).err().unwrap().kind(), ErrorKind::Capacity);
    }

    #[test]
    fn blocks_are_written_in_any_order_but_never_over_chunks_that_are_there() {
        let (mut memory, files) = memory(Precision::F16, 7, 2);
        let block = |first: u64| {
            let mut block = memory.block(5).unwrap();
            block.begin(first);
            for id in first..first + 5 {
                let [keys, values, landmark] = chunk(id);
                block.push(&keys, &values, &landmark, id..2 * id).unwrap();
            }
            block
        };
        let mut blocks: Vec<Block> = (0..40).map(|i| block(5 * i)).collect();
        let other = block(0);
        thread::scope(|scope| {
            for block in blocks.iter_mut().rev() {
                scope.spawn(|| block.write().unwrap());
            }
        });
        // All the bytes are there, and no chunk is.
        let written = files.clone().map(|file| file.0.lock().unwrap().clone());
        assert!(blocks.iter().all(Block::is_written) && memory.is_empty());
        for block in &blocks {
            memory.append_block(block).unwrap();
        }
        assert_eq!((memory.len(), memory.stats().writes), (200, 80));
        assert!(files.iter().zip(&written).all(|(file, bytes)| *file.0.lock().unwrap() == *bytes));
        for id in 0..200 {
            memory.fetch(&[id]).unwrap();
            assert_eq!(memory.source(id).unwrap(), id..2 * id);
        }

        for mut block in [other, blocks.swap_remove(39)] {
            let refused = block.write().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        }
        memory.truncate(195).unwrap();
        blocks[0].begin(195);
        assert!(!blocks[0].is_written());
        blocks[0].write().unwrap();
        memory.append_block(&blocks[0]).unwrap();
        assert_eq!(memory.len(), 195, "an empty block");
    }
}
