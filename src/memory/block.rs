//! Records of consecutive chunks, complete as they go to the files. Making them is most of the work of adding chunks and
//! needs nothing of the memory: threads make them side by side, and one adds them in order.

use std::ops::Range;

use super::buffer::Buffer;
use super::store::Layout;
use crate::{Error, Result};

/// What all records of one memory are made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seal {
    pub(super) layout: Layout,
    /// Tells the memory from all others.
    pub(super) id: [u8; 16],
    /// Checksums of the headers of both files, which every record's checksum continues: a record of another memory is not
    /// accepted.
    pub(super) chunk_seed: u32,
    pub(super) landmark_seed: u32,
}

/// Consecutive chunks in the form in which they go to the files of one memory, made apart from it:
/// [`ChunkMemory::block`](super::ChunkMemory::block) makes an empty block, any thread fills it, and
/// [`ChunkMemory::append_block`](super::ChunkMemory::append_block) adds what is in it. A block can be filled again and again,
/// and allocates nothing then.
pub struct Block {
    seal: Seal,
    first: u64,
    len: usize,
    capacity: usize,
    chunks: Buffer,
    landmarks: Buffer,
}

impl Block {
    /// An empty block for up to `capacity` chunks, the first of them chunk 0.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn new(seal: Seal, capacity: usize) -> Result<Self> {
        let buffer = |stride: usize| Buffer::new(stride.saturating_mul(capacity));
        let (chunks, landmarks) = (buffer(seal.layout.chunk_stride)?, buffer(seal.layout.landmark_stride)?);
        Ok(Self { seal, first: 0, len: 0, capacity, chunks, landmarks })
    }

    /// Empties the block. The next chunk to be pushed will have the id `first`.
    pub fn begin(&mut self, first: u64) {
        (self.first, self.len) = (first, 0);
    }

    /// Adds a chunk, whose id is [`end`](Self::end): keys and values (S, G, d), its landmark (Gr, R/Gr), and the bytes of
    /// the source that it was made of.
    ///
    /// # Errors
    /// `InvalidArgument` if a slice has the wrong length or the range ends before it starts, `Capacity` if the block is
    /// full. The chunk is then not added.
    pub fn push(&mut self, keys: &[f32], values: &[f32], landmark: &[f32], source: Range<u64>) -> Result<()> {
        let Seal { layout, chunk_seed, landmark_seed, .. } = self.seal;
        layout.check(keys, values, landmark, &source)?;
        if self.len == self.capacity {
            return Err(Error::capacity(format!("a block of {} chunks is full", self.capacity)));
        }
        let id = self.end();
        let record = slot(&mut self.chunks, layout.chunk_stride, self.len);
        layout.chunk_record(record, keys, values)?;
        Layout::seal(record, chunk_seed, id, &source);
        let record = slot(&mut self.landmarks, layout.landmark_stride, self.len);
        layout.landmark_record(record, landmark)?;
        Layout::seal(record, landmark_seed, id, &source);
        self.len += 1;
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
        let Layout { chunk_stride, landmark_stride, .. } = self.seal.layout;
        self.chunks.bytes_mut()[self.len * chunk_stride..][..other.chunks().len()].copy_from_slice(other.chunks());
        let landmarks = other.landmarks();
        self.landmarks.bytes_mut()[self.len * landmark_stride..][..landmarks.len()].copy_from_slice(landmarks);
        self.len += other.len;
        Ok(())
    }

    /// Forgets the chunks from the one with this id on.
    pub(super) fn truncate(&mut self, end: u64) {
        let len = usize::try_from(end.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.len = self.len.min(len);
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

    pub(super) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The records for the file of chunks.
    pub(super) fn chunks(&self) -> &[u8] {
        &self.chunks.bytes()[..self.len * self.seal.layout.chunk_stride]
    }

    /// The records for the file of landmarks.
    pub(super) fn landmarks(&self) -> &[u8] {
        &self.landmarks.bytes()[..self.len * self.seal.layout.landmark_stride]
    }
}

fn slot(records: &mut Buffer, stride: usize, index: usize) -> &mut [u8] {
    &mut records.bytes_mut()[index * stride..][..stride]
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

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

        fn write_all_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
            let mut bytes = self.0.lock().unwrap();
            let end = offset as usize + data.len();
            let len = bytes.len().max(end);
            bytes.resize(len, 0);
            bytes[offset as usize..end].copy_from_slice(data);
            Ok(())
        }

        fn set_len(&mut self, len: u64) -> io::Result<()> {
            self.0.lock().unwrap().resize(len as usize, 0);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
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
        (ChunkMemory::build(layout, plan, &[id; 16], Box::new(chunks), Box::new(landmarks)).unwrap(), files)
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
}
