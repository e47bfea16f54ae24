//! The chunk memory's budget, counted by the allocator. One test alone in its process: the counters are global.

use ramba::memory::{ChunkMemory, ChunkShape, Precision};
use ramba::topk::TopK;

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

#[test]
fn ram_is_the_budget_whatever_the_length() {
    let tiny = ChunkShape { chunk_size: 2, kv_heads: 1, head_dim: 2, retrieval_heads: 1, retrieval_width: 4 };
    let dir = tempfile::tempdir().unwrap();
    let budget = 1 << 16;
    let before = ALLOCATOR.allocated();
    let mut memory = ChunkMemory::create(dir.path(), tiny, Precision::Int8, budget).unwrap();
    let made = (ALLOCATOR.allocated() - before) as u64;
    assert!(made <= budget, "{made} bytes of {budget}");
    assert!(made >= memory.reserved_bytes() * 9 / 10, "{made} of {}", memory.reserved_bytes());
    assert!(memory.reserved_bytes() >= budget * 9 / 10);

    let mut top = TopK::new(8).unwrap();
    // xorshift64 (Marsaglia 2003).
    let mut x = 88_172_645_463_325_252u64;
    let mut below = move |n: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x % n
    };
    let mut ids = Vec::with_capacity(100);
    let mut step = |memory: &mut ChunkMemory, chunks: u64| {
        for _ in 0..chunks {
            memory.append(&[1.0; 4], &[2.0; 4], &[3.0; 4], 5..8).unwrap();
        }
        let len = memory.len();
        for _ in 0..50 {
            top.clear();
            memory
                .for_each_landmarks(0..len.min(3000), |block| {
                    (0..block.count as u64).for_each(|i| top.push(block.first + i, below(1000) as f32));
                    Ok(())
                })
                .unwrap();
            ids.clear();
            ids.extend(top.recent_first().iter().map(|c| c.id));
            ids.extend((0..40).map(|_| below(len)));
            memory.fetch(&ids).unwrap();
            assert!(ids.iter().all(|&id| memory.view(id).is_some()));
            memory.source(ids[0]).unwrap();
        }
    };
    // Warm from the first chunk on: not one allocation, at any length.
    let before = (ALLOCATOR.total_allocated(), ALLOCATOR.allocated());
    for chunks in [1000, 10_000, 100_000] {
        step(&mut memory, chunks);
        assert_eq!((ALLOCATOR.total_allocated(), ALLOCATOR.allocated()), before, "after {chunks} chunks");
    }
    memory.truncate(500).unwrap();
    memory.sync().unwrap();
    assert_eq!((ALLOCATOR.total_allocated(), ALLOCATOR.allocated()), before);
}
