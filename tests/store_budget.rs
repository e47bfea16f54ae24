//! The chunk memory's budget, counted by the allocator. One test alone in its process, without a harness: the counters are global.

use ramba::memory::{ChunkMemory, ChunkShape, Precision};
use ramba::topk::TopK;
use test_support::numbers::Random;

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

fn main() {
    ram_is_the_budget_whatever_the_length();
    // As the result of a test is told, for those who read it.
    println!("test ram_is_the_budget_whatever_the_length ... ok");
}

fn ram_is_the_budget_whatever_the_length() {
    let tiny = ChunkShape { chunk_size: 2, kv_heads: 1, head_dim: 2, retrieval_heads: 1, retrieval_width: 4 };
    let dir = tempfile::tempdir().unwrap();
    let budget = 1 << 16;
    let before = ALLOCATOR.allocated();
    let mut memory = ChunkMemory::create(dir.path(), tiny, Precision::Int8, budget).unwrap();
    let taken = || (ALLOCATOR.allocated() - before) as u64;
    assert!(taken() <= budget, "{} bytes of {budget}", taken());

    let mut top = TopK::new(8).unwrap();
    let mut random = Random(1);
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
                    (0..block.count as u64).for_each(|i| top.push(block.first + i, random.below(1000) as f32));
                    Ok(())
                })
                .unwrap();
            ids.clear();
            ids.extend(top.recent_first().iter().map(|c| c.id));
            ids.extend((0..40).map(|_| random.below(len)));
            memory.fetch(&ids).unwrap();
            assert!(ids.iter().all(|&id| memory.view(id).is_some()));
            memory.source(ids[0]).unwrap();
        }
    };
    // Warm when all of the budget is in use: from then on not one allocation, at any length.
    step(&mut memory, 1000);
    assert!(taken() <= budget, "{} bytes of {budget}", taken());
    assert!(taken() >= budget * 8 / 10, "{} bytes of {budget}", taken());
    assert!(memory.reserved_bytes() <= budget && taken() >= memory.reserved_bytes() * 9 / 10);
    let before = (ALLOCATOR.total_allocated(), ALLOCATOR.allocated());
    for chunks in [1000, 10_000, 100_000] {
        step(&mut memory, chunks);
        assert_eq!((ALLOCATOR.total_allocated(), ALLOCATOR.allocated()), before, "after {chunks} chunks");
    }
    memory.truncate(500).unwrap();
    memory.sync().unwrap();
    assert_eq!((ALLOCATOR.total_allocated(), ALLOCATOR.allocated()), before);
    drop(memory);

    // What is not used is not taken, however large the budget.
    let before = ALLOCATOR.allocated();
    let chunk = ChunkShape { chunk_size: 64, kv_heads: 1, head_dim: 64, retrieval_heads: 1, retrieval_width: 128 };
    for budget in [1 << 30, 1 << 50, u64::MAX] {
        let mut memory = ChunkMemory::create(dir.path(), chunk, Precision::F16, budget).unwrap();
        let (keys, landmark) = ([1.0; 64 * 64], [3.0; 128]);
        let append = |memory: &mut ChunkMemory, count: u64| {
            (0..count).for_each(|_| assert!(memory.append(&keys, &keys, &landmark, 0..1).is_ok()));
        };
        append(&mut memory, 2);
        memory.fetch(&[0, 1]).unwrap();
        let few = ALLOCATOR.allocated() - before;
        assert!(few < 6 << 20, "{few} bytes for two chunks and a budget of {budget}");
        // 1000 chunks of 16 KiB, all of them read.
        append(&mut memory, 998);
        memory.fetch(&(0..1000).collect::<Vec<_>>()).unwrap();
        let many = ALLOCATOR.allocated() - before;
        assert!((16 << 20..28 << 20).contains(&many), "{many} bytes for 1000 chunks and a budget of {budget}");
        assert!(memory.reserved_bytes() <= budget);
    }
}
