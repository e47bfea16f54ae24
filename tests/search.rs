//! Landmarks that are left out by their codes make no difference: chunks and weights are bit for bit those of a memory that has all
//! landmarks in RAM, or on the device, and scores each, whatever they are like.

use ramba::backend::{Backend, Reader, ReaderOptions, Selecting, Weighting};
use ramba::cpu::{Cpu, Isa};
use ramba::memory::{ChunkMemory, ChunkShape, Precision};
use test_support::numbers::Random;

const CHUNKS: usize = 3000;
/// Enough for codes, and for the landmarks of some hundred chunks.
const SMALL: u64 = 3 << 20;
/// Enough for all landmarks.
const LARGE: u64 = 256 << 20;

fn shape(heads: usize, width: usize) -> ChunkShape {
    ChunkShape { chunk_size: 1, kv_heads: heads, head_dim: 1, retrieval_heads: heads, retrieval_width: width }
}

/// Landmarks of one retrieval head (w).
type Make = fn(&mut Random, usize, usize) -> Vec<f32>;

/// As trained models make them: much alike, different in few directions, and some unlike all others.
fn alike(random: &mut Random, i: usize, width: usize) -> Vec<f32> {
    let mut landmark: Vec<f32> = (0..width).map(|j| 3.0 + (j % 5) as f32).collect();
    for direction in 0..6 {
        let x = random.value() * 4.0 / (1 + direction) as f32;
        landmark.iter_mut().enumerate().for_each(|(j, l)| *l += x * ((j * (direction + 1)) as f32).sin());
    }
    let noise = random.normals(width, if i % 100 == 57 { 2.0 } else { 0.01 });
    landmark.iter_mut().zip(noise).for_each(|(l, x)| *l += x);
    landmark
}

const KINDS: [(&str, Make); 8] = [
    ("alike", alike),
    ("random", |random, _, width| random.values(width)),
    ("the same", |_, _, width| (0..width).map(|j| j as f32 / 7.0 - 3.0).collect()),
    ("zeros", |_, _, width| vec![0.0; width]),
    // Many products are infinite, and many are none.
    ("the largest", |random, _, width| (0..width).map(|_| 65504.0 * (random.below(3) as f32 - 1.0)).collect()),
    ("the smallest", |random, _, width| (0..width).map(|_| 6e-8 * (random.below(9) as f32 - 4.0)).collect()),
    ("growing", |random, i, width| random.values(width).iter().map(|x| x * 1.01f32.powi((i % 900) as i32)).collect()),
    // Most by far with the same product as others, in one direction that few have.
    ("few numbers", |random, i, width| {
        let mut landmark = vec![if i < 1000 { 0.0 } else { (random.below(3) as f32 - 1.0) * 2.0 }; width];
        landmark[i % width] = random.below(4) as f32;
        landmark
    }),
];

fn memory(
    shape: ChunkShape,
    precision: Precision,
    budget: u64,
    landmarks: &[Vec<f32>],
) -> (ChunkMemory, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = ChunkMemory::create(dir.path(), shape, precision, budget).unwrap();
    append(&mut memory, landmarks);
    (memory, dir)
}

fn append(memory: &mut ChunkMemory, landmarks: &[Vec<f32>]) {
    let kv = vec![1.0; memory.shape().kv_len()];
    for landmark in landmarks {
        memory.append(&kv, &kv, landmark, 0..1).unwrap();
    }
}

/// Chunks and bits of weights that tokens choose by the queries `q` (n, Gr, w).
fn chosen(cpu: &Cpu, memory: &mut ChunkMemory, q: &[f32], top_k: usize, scale: f32) -> Vec<(u64, u32)> {
    let mut reader = Reader::new(cpu, ReaderOptions { budget: 0, tokens: 64, groups: 1 });
    chosen_by(cpu, &mut reader, memory, q, top_k, scale)
}

fn chosen_by<B: Backend>(
    b: &B,
    reader: &mut Reader<B>,
    memory: &mut ChunkMemory,
    q: &[f32],
    top_k: usize,
    scale: f32,
) -> Vec<(u64, u32)> {
    let n = q.len() / memory.shape().landmark_len();
    let weighting = Weighting::Softmax { position_decay: false };
    let selecting = Selecting { top_k, scale, weighting, position_decay: 0.0 };
    // All, and fewer and fewer.
    let visible: Vec<u64> = (0..n as u64).map(|i| memory.len() - i * memory.len() / 9 % 800).collect();
    reader.select(b, memory, (0, &selecting), &b.vector(q).unwrap(), &visible).unwrap();
    let mut out = Vec::new();
    reader.trace(b, 0, &mut out).unwrap();
    out.iter().map(|&(chunk, weight)| (chunk, weight.to_bits())).collect()
}

/// Retrieval heads, their width, and how keys and values are kept.
const SHAPES: [(usize, usize, Precision); 4] =
    [(1, 128, Precision::F16), (2, 67, Precision::F16), (1, 64, Precision::F32), (1, 9, Precision::Int8)];

/// Tokens, and how many chunks each chooses.
const ROUNDS: [(usize, usize); 6] = [(1, 8), (1, 8), (20, 8), (3, 64), (1, 1), (2, 8)];

fn queries(random: &mut Random, round: usize, len: usize, landmarks: &[Vec<f32>]) -> Vec<f32> {
    let mut q = random.values(len);
    match round % 3 {
        // Like a landmark, which is then among the best.
        1 => q[..landmarks[0].len()].copy_from_slice(&landmarks[random.index(CHUNKS)]),
        2 => q.iter_mut().for_each(|q| *q *= 1e3),
        _ => {}
    }
    q
}

#[test]
fn what_is_left_out_makes_no_difference() {
    let mut random = Random(11);
    for (name, make) in KINDS {
        for (heads, width, precision) in SHAPES {
            let shape = shape(heads, width);
            let landmarks: Vec<Vec<f32>> =
                (0..CHUNKS).map(|i| (0..heads).flat_map(|_| make(&mut random, i, width)).collect()).collect();
            let (mut small, _dir) = memory(shape, precision, SMALL, &landmarks);
            let (mut large, _other) = memory(shape, precision, LARGE, &landmarks);
            let row = heads * width;
            for (round, (n, top_k)) in ROUNDS.into_iter().enumerate() {
                let q = queries(&mut random, round, n * row, &landmarks);
                let scale = if round == 5 { -0.5 } else { 1.0 / (width as f32).sqrt() };
                for isa in Isa::available() {
                    let cpu = Cpu::with_isa(2, isa).unwrap();
                    let [a, b] = [&mut small, &mut large].map(|memory| chosen(&cpu, memory, &q, top_k, scale));
                    assert_eq!(a, b, "{name}, {heads} x {width}, {precision:?}, round {round}, {isa:?}");
                }
                if round == 2 {
                    for memory in [&mut small, &mut large] {
                        memory.truncate(1700).unwrap();
                        append(memory, &landmarks[..CHUNKS - 1700]);
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_left_out_is_not_read() {
    let mut random = Random(12);
    let landmarks: Vec<Vec<f32>> = (0..20_000).map(|i| alike(&mut random, i, 128)).collect();
    let (mut memory, _dir) = memory(shape(1, 128), Precision::F16, 8 << 20, &landmarks);
    assert!(memory.reserved_bytes() <= 8 << 20);
    let cpu = Cpu::new(1).unwrap();
    let mut ask = |memory: &mut ChunkMemory| {
        let before = memory.stats().bytes_read;
        let q = random.values(128);
        chosen(&cpu, memory, &q, 8, 1.0);
        memory.stats().bytes_read - before
    };
    let all = ask(&mut memory);
    assert!(all > 10_000 * 256, "{all} bytes of landmarks that are not in RAM");
    // Codes of some are made with each question.
    for _ in 0..10 {
        let _ = ask(&mut memory);
    }
    let asked = 50;
    let read: u64 = (0..asked).map(|_| ask(&mut memory)).sum();
    println!("{} of {all} bytes for a token", read / asked);
    assert!(read / asked < all / 50, "{} of {all} bytes", read / asked);
    assert!(memory.reserved_bytes() <= 8 << 20);
}

#[cfg(feature = "cuda")]
mod device {
    use ramba::backend::ReadChunks;
    use ramba::cuda::Cuda;

    use super::*;

    /// On the first device, with copies of what the host gives it, and without.
    fn devices() -> impl Iterator<Item = Cuda> {
        [false, true].into_iter().filter_map(|mapped| {
            Cuda::with_mapped_memory(0, mapped).map_err(test_support::require::no_cuda_device).ok()
        })
    }

    /// A reader for more groups than the device chooses for: what has room there is chosen as what has none.
    fn reader(cuda: &Cuda, budget: u64) -> Reader<Cuda> {
        Reader::new(cuda, ReaderOptions { budget, tokens: 64, groups: 33 })
    }

    #[test]
    fn what_the_device_leaves_out_makes_no_difference() {
        for cuda in devices() {
            let mut random = Random(13);
            for (name, make) in KINDS {
                for (heads, width, precision) in SHAPES {
                    let shape = shape(heads, width);
                    let landmarks: Vec<Vec<f32>> =
                        (0..CHUNKS).map(|i| (0..heads).flat_map(|_| make(&mut random, i, width)).collect()).collect();
                    let (mut memory, _dir) = memory(shape, precision, SMALL, &landmarks);
                    let least = cuda.least_budget(&shape, precision, 64);
                    // No landmarks fit, or some, or all; codes of some, or all.
                    let mut readers = [64 << 20, least, least + (100 << 10), least + (300 << 10), least + (700 << 10)]
                        .map(|budget| reader(&cuda, budget));
                    let row = heads * width;
                    for (round, (n, top_k)) in ROUNDS.into_iter().enumerate() {
                        let q = queries(&mut random, round, n * row, &landmarks);
                        let scale = if round == 5 { -0.5 } else { 1.0 / (width as f32).sqrt() };
                        let mut all = readers.iter_mut().map(|reader| {
                            // The first time codes are made.
                            [(); 2].map(|()| chosen_by(&cuda, reader, &mut memory, &q, top_k, scale))
                        });
                        let [want, same] = all.next().unwrap();
                        assert_eq!(want, same);
                        for (i, [first, second]) in all.enumerate() {
                            let what = format!("{name}, {heads} x {width}, {precision:?}, round {round}, budget {i}");
                            assert_eq!(first, want, "{what}");
                            assert_eq!(second, want, "{what}, again");
                        }
                        if round == 2 {
                            memory.truncate(1700).unwrap();
                            append(&mut memory, &landmarks[..CHUNKS - 1700]);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_the_device_leaves_out_is_not_read() {
        for cuda in devices() {
            let mut random = Random(14);
            let landmarks: Vec<Vec<f32>> = (0..20_000).map(|i| alike(&mut random, i, 128)).collect();
            let (mut memory, _dir) = memory(shape(1, 128), Precision::F16, 8 << 20, &landmarks);
            let least = cuda.least_budget(&memory.shape(), memory.precision(), 64);
            let mut reader = reader(&cuda, least + (4 << 20));
            let mut ask = |memory: &mut ChunkMemory| {
                let before = memory.stats().bytes_read;
                chosen_by(&cuda, &mut reader, memory, &random.values(128), 8, 1.0);
                memory.stats().bytes_read - before
            };
            let all = ask(&mut memory);
            assert!(all > 10_000 * 256, "{all} bytes of landmarks that are not in RAM");
            let asked = 50;
            let read: u64 = (0..asked).map(|_| ask(&mut memory)).sum();
            println!("{} of {all} bytes for a token", read / asked);
            assert!(read / asked < all / 50, "{} of {all} bytes", read / asked);
        }
    }
}
