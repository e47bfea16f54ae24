//! A chunk memory in storages that fail and whose bytes change behind its back: nothing panics, and what is read is either what was
//! stored or an error.
#![no_main]

use std::sync::{Arc, Mutex};

use libfuzzer_sys::fuzz_target;
use ramba::memory::{ChunkMemory, ChunkShape, Precision, Storage};
use test_support::chunks::{Chunk, Faults, Memory, Naive};

/// Most chunks of a memory.
const MOST: u64 = 400;

/// Precision and shape, bytes of budget beyond the least, and calls with an argument each.
type Input = (u8, u16, Vec<(u8, u16)>);

fuzz_target!(|input: Input| {
    let (kind, budget, calls) = input;
    let precision = [Precision::F16, Precision::F32, Precision::Int8][usize::from(kind) % 3];
    let size = 1 + usize::from(kind) / 3 % 4;
    let shape =
        ChunkShape { chunk_size: size, kv_heads: 1, head_dim: 5, retrieval_heads: 1, retrieval_width: 3 + size };
    let faults = Arc::new(Faults::default());
    // Of chunks, of landmarks, and of the text.
    let files: [Arc<Mutex<Vec<u8>>>; 4] = Default::default();
    let storages =
        files.clone().map(|bytes| Box::new(Memory { bytes, faults: Arc::clone(&faults) }) as Box<dyn Storage>);
    let budget = ChunkMemory::minimum_budget(&shape, precision, 8).expect("small") + u64::from(budget);
    let mut memory = ChunkMemory::with_storage(storages, shape, precision, budget).expect("no faults yet");
    let (mut naive, mut text) = (Naive::default(), Vec::<u8>::new());
    let mut damaged = false;

    for (call, argument) in calls {
        let (len, argument) = (memory.len(), u64::from(argument));
        match call % 14 {
            0 | 1 => {
                for seed in (argument..).take((MOST - len).min(u64::from(call) / 14 + 1) as usize) {
                    if Chunk::new(&shape, seed).append_to(&mut memory).is_ok() {
                        naive.0.push(seed);
                    }
                }
            }
            2 => {
                let seeds: Vec<u64> = (argument..).take(usize::from(call)).take((MOST - len) as usize).collect();
                let mut block = memory.block(seeds.len()).expect("small");
                block.begin(len);
                for &seed in &seeds {
                    let Chunk { keys, values, landmark, source } = Chunk::new(&shape, seed);
                    block.push(&keys, &values, &landmark, source).expect("room");
                }
                let written = argument % 2 == 0 || block.write().is_ok();
                if written && memory.append_block(&block).is_ok() {
                    naive.0.extend(seeds);
                }
            }
            3 | 4 => {
                let first = argument % len.max(1);
                let ids: Vec<u64> = (first..len).take(memory.slots().min(usize::from(call))).collect();
                let read = naive.check_chunks(&mut memory, &ids);
                assert!(read.is_ok() || damaged);
            }
            5 => {
                let read = naive.check_landmarks(&mut memory, argument % (len + 1));
                assert!(read.is_ok() || damaged);
            }
            6 if len > 0 => match memory.source(argument % len) {
                Ok(source) => assert_eq!(source, Chunk::new(&shape, naive.0[(argument % len) as usize]).source),
                Err(_) => assert!(damaged),
            },
            7 => {
                let upto = argument % (len + 1);
                memory.truncate(upto).expect("so many are there");
                naive.0.truncate(upto as usize);
            }
            8 => assert!(memory.sync().is_ok() || damaged),
            9 | 10 => {
                // A byte of a file is another one, behind the header.
                let mut bytes = files[usize::from(argument as u8) % 3].lock().expect("no panics");
                if bytes.len() > 4096 {
                    let at = 4096 + argument as usize % (bytes.len() - 4096);
                    bytes[at] ^= call / 14 + 1;
                    damaged = true;
                }
            }
            11 if call < 128 => {
                // The end of a file is gone.
                let mut bytes = files[usize::from(call / 14) % 3].lock().expect("no panics");
                let keep = bytes.len().saturating_sub(argument as usize % 512).max(4096);
                damaged |= keep < bytes.len();
                bytes.truncate(keep);
            }
            11 => {
                // The next operations fail.
                let done = faults.done.load(std::sync::atomic::Ordering::Relaxed);
                faults.set(done..done + argument % 4);
                damaged = true;
            }
            12 => {
                let more: Vec<u8> = (0..argument % 9000).map(|i| (i * argument + 7) as u8).collect();
                let added = memory.text().append(&more);
                assert!(added.is_ok() || damaged);
                // After a failure a part may be there.
                let there = memory.text().len() as usize - text.len();
                assert!(there == more.len() || added.is_err());
                text.extend(&more[..there]);
            }
            13 => {
                let first = argument.min(text.len() as u64);
                let end = (first + u64::from(call) * 40).min(text.len() as u64);
                match memory.text().read(first..end) {
                    Ok(read) => assert!(read == text[first as usize..end as usize]),
                    Err(_) => assert!(damaged),
                }
            }
            _ => assert!(memory.source(len).is_err()),
        }
        assert_eq!(memory.len(), naive.0.len() as u64);
        for (id, &seed) in (0..).zip(&naive.0) {
            if let Some(view) = memory.view(id) {
                test_support::chunks::check_view(&shape, view, &Chunk::new(&shape, seed));
            }
        }
    }
});
