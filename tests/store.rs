//! The chunk memory against a naive model, with failing storage and with damaged files.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use ramba::ErrorKind;
use ramba::Mark;
use ramba::memory::{ChunkMemory, ChunkShape, Precision, Storage};
use test_support::chunks::{Chunk, Faults, Memory, Naive};
use test_support::numbers::Random;

const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::F16, Precision::Int8];

/// Odd sizes, so that nothing is aligned by luck.
const SMALL: ChunkShape =
    ChunkShape { chunk_size: 3, kv_heads: 2, head_dim: 5, retrieval_heads: 1, retrieval_width: 7 };

fn smallest(shape: &ChunkShape, precision: Precision) -> u64 {
    ChunkMemory::minimum_budget(shape, precision, 1).unwrap()
}

fn fill(memory: &mut ChunkMemory, naive: &mut Naive, count: u64) {
    for _ in 0..count {
        let seed = naive.0.len() as u64 * 3 + 1;
        assert_eq!(Chunk::new(&memory.shape(), seed).append_to(memory).unwrap(), naive.0.len() as u64);
        naive.0.push(seed);
    }
}

/// Adds the chunks that these seeds stand for at once.
fn append_block(memory: &mut ChunkMemory, seeds: &[u64]) -> ramba::Result<()> {
    let mut block = memory.block(seeds.len()).unwrap();
    block.begin(memory.len());
    for &seed in seeds {
        let chunk = Chunk::new(&memory.shape(), seed);
        block.push(&chunk.keys, &chunk.values, &chunk.landmark, chunk.source).unwrap();
    }
    // As a thread of its own does.
    if seeds.len().is_multiple_of(2) {
        block.write()?;
    }
    memory.append_block(&block)
}

#[test]
fn agrees_with_a_naive_model() {
    let wide = ChunkShape { chunk_size: 16, kv_heads: 1, head_dim: 32, retrieval_heads: 2, retrieval_width: 40 };
    for (case, shape) in [SMALL, wide].into_iter().enumerate() {
        for precision in PRECISIONS {
            for factor in [1, 4] {
                let dir = tempfile::tempdir().unwrap();
                let budget = factor * smallest(&shape, precision);
                let mut memory = ChunkMemory::create(dir.path(), shape, precision, budget).unwrap();
                let mut naive = Naive::default();
                let mut random = Random(case as u64 * 10 + factor);
                for step in 0..400 {
                    let len = naive.0.len() as u64;
                    match random.below(11) {
                        10 => {
                            let seeds: Vec<u64> = (0..random.below(24)).map(|_| random.below(1 << 40)).collect();
                            append_block(&mut memory, &seeds).unwrap();
                            naive.0.extend(seeds);
                        }
                        0..=3 => {
                            for _ in 0..random.below(12) {
                                let seed = random.below(1 << 40);
                                assert_eq!(
                                    Chunk::new(&shape, seed).append_to(&mut memory).unwrap(),
                                    naive.0.len() as u64
                                );
                                naive.0.push(seed);
                            }
                        }
                        4..=6 if len > 0 => {
                            // Clustered ids with repetitions, as neighbouring tokens choose them.
                            let base = random.below(len);
                            let n = random.below(memory.slots() as u64 + 1);
                            let ids: Vec<u64> = (0..n)
                                .map(|_| {
                                    if random.below(2) == 0 {
                                        random.below(len)
                                    } else {
                                        (base + random.below(5)) % len
                                    }
                                })
                                .collect();
                            naive.check_chunks(&mut memory, &ids).unwrap();
                            let repeated: Vec<u64> = ids.iter().cycle().take(ids.len() * 5).copied().collect();
                            naive.check_chunks(&mut memory, &repeated).unwrap();
                        }
                        7 => naive.check_landmarks(&mut memory, random.below(len + 1)).unwrap(),
                        8 if len > 0 => {
                            let id = random.below(len);
                            let expected = Chunk::new(&shape, naive.0[id as usize]).source;
                            assert_eq!(memory.source(id).unwrap(), expected);
                        }
                        9 if step % 3 == 0 => {
                            let len = len - random.below(len.min(40) + 1);
                            memory.truncate(len).unwrap();
                            naive.0.truncate(len as usize);
                            assert!(memory.view(len).is_none());
                        }
                        _ => {}
                    }
                    assert_eq!(memory.len(), naive.0.len() as u64);
                }
                naive.check_all(&mut memory).unwrap();
            }
        }
    }
}

#[test]
fn wrong_arguments_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = ChunkMemory::create(dir.path(), SMALL, Precision::F16, 1 << 17).unwrap();
    let mut naive = Naive::default();
    fill(&mut memory, &mut naive, 2000);
    let slots = memory.slots() as u64;
    assert!(slots < 1000, "the cache is smaller than the memory");

    let invalid = |r: ramba::Result<()>| assert_eq!(r.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let good = Chunk::new(&SMALL, 1);
    invalid(memory.append(&good.keys[1..], &good.values, &good.landmark, 0..1).map(drop));
    invalid(memory.append(&good.keys, &[], &good.landmark, 0..1).map(drop));
    invalid(memory.append(&good.keys, &good.values, &good.keys, 0..1).map(drop));
    #[allow(clippy::reversed_empty_ranges, reason = "that is the mistake to refuse")]
    invalid(memory.append(&good.keys, &good.values, &good.landmark, 2..1).map(drop));
    invalid(memory.truncate(2001));
    invalid(memory.source(2000).map(drop));
    invalid(memory.fetch(&[0, 2000]));
    invalid(memory.fetch(&[u64::MAX]));
    invalid(memory.for_each_landmarks(0..2001, |_| Ok(())));

    memory.fetch(&[7]).unwrap();
    let many: Vec<u64> = (0..=slots).collect();
    assert_eq!(memory.fetch(&many).unwrap_err().kind(), ErrorKind::Capacity);
    let many: Vec<u64> = (0..6000).map(|i| i % 2000).collect();
    assert_eq!(memory.fetch(&many).unwrap_err().kind(), ErrorKind::Capacity);
    assert!(memory.view(7).is_some(), "a refused fetch evicts nothing");
    let exactly: Vec<u64> = (500..500 + slots).chain(500..500 + slots).collect();
    naive.check_chunks(&mut memory, &exactly).unwrap();

    let stop = memory.for_each_landmarks(0..2000, |_| Err(ramba::Error::new(ErrorKind::Cancelled, "stop")));
    assert_eq!(stop.unwrap_err().kind(), ErrorKind::Cancelled);
    naive.check_all(&mut memory).unwrap();

    let shape = ChunkShape { head_dim: 0, ..SMALL };
    invalid(ChunkMemory::create(dir.path(), shape, Precision::F16, 1 << 20).map(drop));
    invalid(ChunkMemory::minimum_budget(&shape, Precision::F16, 1).map(drop));
}

#[test]
fn any_failing_operation_leaves_the_memory_consistent() {
    // What a session does: read, look, add for a question, take back, read on.
    #[derive(Clone, Copy)]
    enum Do {
        Append(u64),
        Block(u64),
        Fetch(u64, u64),
        Landmarks,
        Source(u64),
        Truncate(u64),
        Write(usize),
        Cut(u64),
        Sync,
    }
    use Do::*;
    let script = [
        Append(45),
        Fetch(0, 8),
        Write(5000),
        Landmarks,
        Write(7000),
        Sync,
        Write(3),
        Append(9),
        Fetch(38, 54),
        Source(3),
        Truncate(41),
        Cut(8127),
        Write(100),
        Append(30),
        Block(2),
        Block(20),
        Landmarks,
        Fetch(36, 44),
        Truncate(69),
        Append(5),
        Source(70),
        Fetch(64, 72),
    ];
    let budget = smallest(&SMALL, Precision::F16);
    let mut total = 0;
    for transient in [true, false] {
        for fail_at in 0.. {
            let faults = Arc::new(Faults::default());
            let storage = |_| {
                let memory = Memory { bytes: Arc::new(Mutex::new(vec![])), faults: faults.clone() };
                Box::new(memory) as Box<dyn Storage>
            };
            let failing = if transient { fail_at..fail_at + 1 } else { fail_at..u64::MAX };
            faults.set(failing);
            let made = ChunkMemory::with_storage([0; 4].map(storage), SMALL, Precision::F16, budget);
            let mut memory = match made {
                Ok(memory) => memory,
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Capacity);
                    continue;
                }
            };
            let mut naive = Naive::default();
            let mut text: Vec<u8> = Vec::new();
            let mut errors = 0;
            let mut note = |r: ramba::Result<()>| {
                if let Err(e) = r {
                    assert!(matches!(e.kind(), ErrorKind::Io | ErrorKind::Capacity), "{e:?}");
                    errors += 1;
                }
            };
            for step in script {
                let before = memory.len();
                match step {
                    Append(n) => {
                        for _ in 0..n {
                            let seed = naive.0.len() as u64 * 7 + 5;
                            let added = Chunk::new(&SMALL, seed).append_to(&mut memory);
                            if added.is_ok() {
                                naive.0.push(seed);
                            }
                            note(added.map(drop));
                        }
                    }
                    Block(n) => {
                        let seeds: Vec<u64> = (before..before + n).map(|id| id * 7 + 5).collect();
                        let added = append_block(&mut memory, &seeds);
                        if added.is_ok() {
                            naive.0.extend(seeds);
                        }
                        note(added);
                    }
                    Fetch(from, to) => {
                        let len = memory.len();
                        let ids: Vec<u64> = (from.min(len)..to.min(len)).take(memory.slots()).collect();
                        note(naive.check_chunks(&mut memory, &ids));
                    }
                    Landmarks => note(naive.check_landmarks(&mut memory, before)),
                    Source(id) if id < before => note(memory.source(id).map(drop)),
                    Source(_) => {}
                    Truncate(to) => {
                        // Giving room back is not promised, forgetting is.
                        let to = to.min(before);
                        memory.truncate(to).unwrap();
                        naive.0.truncate(to as usize);
                    }
                    Write(n) => {
                        text.extend((0..n).map(|i| (i * 31 + n) as u8));
                        let added = memory.text().append(&text[text.len() - n..]);
                        // What could be kept of it is there.
                        assert!(added.is_err() || memory.text().len() == text.len() as u64);
                        text.truncate(memory.text().len() as usize);
                        note(added);
                    }
                    Cut(len) => {
                        let cut = memory.text().truncate(len);
                        if cut.is_ok() {
                            text.truncate(len as usize);
                        }
                        note(cut);
                    }
                    Sync => note(memory.sync()),
                }
                assert_eq!(memory.len(), naive.0.len() as u64);
                // Whatever is still resident is right.
                for (id, seed) in naive.0.iter().enumerate() {
                    if let Some(view) = memory.view(id as u64) {
                        test_support::chunks::check_view(&SMALL, view, &Chunk::new(&SMALL, *seed));
                    }
                }
            }
            let done = faults.done.load(Relaxed);
            faults.set(0..0);
            naive.check_all(&mut memory).unwrap();
            assert!(memory.text().read(0..text.len() as u64).unwrap() == text);
            fill_with_7(&mut memory, &mut naive, 25);
            memory.sync().unwrap();
            naive.check_all(&mut memory).unwrap();
            if fail_at >= done {
                assert_eq!((errors, naive.0.len()), (0, 99), "the script ran without a failure");
                total += fail_at;
                break;
            }
        }
    }
    assert!(total > 40, "only {total} operations were tried");

    fn fill_with_7(memory: &mut ChunkMemory, naive: &mut Naive, count: u64) {
        for _ in 0..count {
            let seed = naive.0.len() as u64 * 7 + 5;
            Chunk::new(&SMALL, seed).append_to(memory).unwrap();
            naive.0.push(seed);
        }
    }
}

/// The bytes of a file.
type Bytes = Arc<Mutex<Vec<u8>>>;

/// A memory of the smallest budget, and the bytes of its files: chunks, landmarks, text, marks.
fn with_files(shape: ChunkShape, precision: Precision) -> (ChunkMemory, [Bytes; 4]) {
    let files: [Bytes; 4] = Default::default();
    let storage = |bytes: Bytes| Box::new(Memory { bytes, faults: Arc::default() }) as Box<dyn Storage>;
    let budget = smallest(&shape, precision);
    let memory = ChunkMemory::with_storage(files.clone().map(storage), shape, precision, budget);
    (memory.unwrap(), files)
}

fn write(file: &Bytes, bytes: &[u8]) {
    *file.lock().unwrap() = bytes.to_vec();
}

fn read(file: &Bytes) -> Vec<u8> {
    file.lock().unwrap().clone()
}

#[test]
fn text_is_kept_and_can_be_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    for budget in [smallest(&SMALL, Precision::F16), 1 << 24] {
        let mut memory = ChunkMemory::create(dir.path(), SMALL, Precision::F16, budget).unwrap();
        let mut naive: Vec<u8> = Vec::new();
        let mut random = Random(1);
        for step in 0..400 {
            // Pieces of a byte to some records, and now and then a cut, near or far.
            let n = random.index([2, 10, 5000, 30_000][step % 4]);
            match step % 7 {
                6 => {
                    let len = naive.len() - n.min(naive.len());
                    memory.text().truncate(len as u64).unwrap();
                    naive.truncate(len);
                }
                _ => {
                    naive.extend((0..n).map(|i| (i * 7 + step) as u8));
                    memory.text().append(&naive[naive.len() - n..]).unwrap();
                }
            }
            if step % 50 == 3 {
                memory.sync().unwrap();
            }
            assert_eq!((memory.text().len(), memory.text().is_empty()), (naive.len() as u64, naive.is_empty()));
            let (from, to) = (naive.len() * (step % 5) / 7, naive.len());
            for range in [from..to, from..(from + 300).min(to), to..to] {
                let read = memory.text().read(range.start as u64..range.end as u64).unwrap();
                assert!(read == naive[range], "step {step}");
            }
        }
        assert!(naive.len() > 100_000 && memory.disk_bytes() > naive.len() as u64 * 9 / 10);
        let beyond = memory.text().read(5..naive.len() as u64 + 1).unwrap_err();
        assert_eq!(beyond.kind(), ErrorKind::InvalidArgument);
        // Cutting beyond the end is no cut.
        memory.text().truncate(u64::MAX).unwrap();
        assert_eq!(memory.text().len(), naive.len() as u64);
    }
}

#[test]
fn every_flipped_byte_of_text_is_noticed() {
    let (mut memory, [.., text, _]) = with_files(SMALL, Precision::F16);
    memory.text().append(&vec![b'a'; 9000]).unwrap();
    memory.sync().unwrap();
    let whole = read(&text);
    for at in (4096..8192).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 16;
        write(&text, &damaged);
        let error = memory.text().read(10..20).unwrap_err();
        assert!(error.kind() == ErrorKind::Format && error.to_string().contains("record 0"), "{error}");
    }
    write(&text, &whole);
    assert_eq!(memory.text().read(4060..4070).unwrap(), [b'a'; 10]);
}

#[test]
fn every_flipped_byte_of_a_record_is_noticed() {
    for precision in PRECISIONS {
        let (mut memory, [chunks, landmarks, ..]) = with_files(SMALL, precision);
        let mut naive = Naive::default();
        // More than the landmarks and slots in RAM, so that all is read from the files.
        fill(&mut memory, &mut naive, 700);
        memory.sync().unwrap();
        let good = (read(&chunks), read(&landmarks));
        let chunk_stride = (good.0.len() - 4096) / 700;
        let landmark_stride = (good.1.len() - 4096) / 700;
        let id = 698;

        for at in 0..chunk_stride {
            let mut bad = good.0.clone();
            bad[4096 + id * chunk_stride + at] ^= 1 << (at % 8);
            write(&chunks, &bad);
            memory.fetch(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
            let ids = [697, 698, 699];
            let error = memory.fetch(if at % 2 == 0 { &ids } else { &ids[1..2] }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Format);
            assert!(error.to_string().contains("record 698"), "{error}");
            assert!(memory.view(698).is_none());
        }
        write(&chunks, &good.0);

        for at in 0..landmark_stride {
            let mut bad = good.1.clone();
            bad[4096 + id * landmark_stride + at] ^= 1 << (at % 8);
            write(&landmarks, &bad);
            assert_eq!(memory.source(698).unwrap_err().kind(), ErrorKind::Format);
            assert_eq!(memory.for_each_landmarks(0..700, |_| Ok(())).unwrap_err().kind(), ErrorKind::Format);
            memory.for_each_landmarks(0..698, |_| Ok(())).unwrap();
            memory.source(699).unwrap();
        }
        // Two whole records in each other's place are not what they claim to be.
        let mut bad = good.1.clone();
        let (a, b) = (4096 + 698 * landmark_stride, 4096 + 699 * landmark_stride);
        bad.copy_within(a..b, b);
        write(&landmarks, &bad);
        assert_eq!(memory.source(699).unwrap_err().kind(), ErrorKind::Format);
        // A file that lost its end.
        write(&landmarks, &good.1[..good.1.len() - 1]);
        assert_eq!(memory.source(699).unwrap_err().kind(), ErrorKind::Io);

        write(&landmarks, &good.1);
        naive.check_all(&mut memory).unwrap();
    }
}

/// CRC-32 as in zlib, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let shape = ChunkShape { chunk_size: 2, kv_heads: 1, head_dim: 3, retrieval_heads: 1, retrieval_width: 3 };
    let (keys, values) = ([1.0, -2.0, 0.5, 0.0, 127.0, -63.5], [0.25, 1.0, -1.0, 2.0, 4.0, -8.0]);
    let landmark = [1.5, -1.0, 3.0];
    let f32s = |x: &[f32]| x.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let f16s = |x: &[f32]| x.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect::<Vec<u8>>();
    let int8 = [
        f32s(&[2.0 / 127.0, 1.0, 1.0 / 127.0, 8.0 / 127.0]),
        [64, -127, 32, 0, 127, -64, 32, 127, -127, 32, 64, -127].map(|q: i8| q as u8).to_vec(),
    ]
    .concat();
    for (number, precision, payload, mark, strides) in [
        (0u32, Precision::F32, [f32s(&keys), f32s(&values)].concat(), f32s(&landmark), (128usize, 48usize)),
        (1, Precision::F16, [f16s(&keys), f16s(&values)].concat(), f16s(&landmark), (64, 40)),
        (2, Precision::Int8, int8, f16s(&landmark), (64, 40)),
    ] {
        let (mut memory, [chunks, landmarks, text, marks]) = with_files(shape, precision);
        memory.append(&values, &keys, &landmark, 0..9).unwrap();
        memory.append(&keys, &values, &landmark, 0x0102_0304..0x1122_3344_5566).unwrap();
        memory.sync().unwrap();
        let store_id = read(&chunks)[16..32].to_vec();
        for (file, magic, payload, stride) in
            [(chunks, b"RAMBACHK", payload, strides.0), (landmarks, b"RAMBALMK", mark, strides.1)]
        {
            let file = read(&file);
            assert_eq!(file.len(), 4096 + 2 * stride);
            let mut header = magic.to_vec();
            header.extend([3u32, 4096].iter().flat_map(|v| v.to_le_bytes()));
            header.extend(&store_id);
            header.extend([2, 1, 3, 1, 3, number, stride as u32].iter().flat_map(|v| v.to_le_bytes()));
            assert_eq!(&file[..60], header);
            assert_eq!(file[60..64], crc32(&header).to_le_bytes());
            assert!(file[64..4096].iter().all(|&b| b == 0));

            let mut record = vec![0; 4];
            record.extend(1u64.to_le_bytes());
            record.extend(0x0102_0304u64.to_le_bytes());
            record.extend(0x1122_3344_5566u64.to_le_bytes());
            record.extend(&payload);
            record.resize(stride - 4, 0);
            let second = &file[4096 + stride..];
            assert_eq!(&second[4..], record, "{precision:?}");
            assert_eq!(second[..4], crc32(&[&header[..], &record].concat()).to_le_bytes());
        }
        let pages = 4 * 4096;
        assert_eq!(memory.disk_bytes(), pages + 2 * (strides.0 + strides.1) as u64);

        // Text: a full record, then the rest of it.
        let letters: Vec<u8> = (0..5000).map(|i| b'a' + (i % 23) as u8).collect();
        memory.text().append(&letters).unwrap();
        memory.sync().unwrap();
        let file = read(&text);
        assert_eq!((file.len(), memory.disk_bytes()), (3 * 4096, pages + 4096 + 2 * (strides.0 + strides.1) as u64));
        let mut header = b"RAMBATXT".to_vec();
        header.extend([3u32, 4096].iter().flat_map(|v| v.to_le_bytes()));
        header.extend(&store_id);
        header.extend([2, 1, 3, 1, 3, number, 4096].iter().flat_map(|v| v.to_le_bytes()));
        assert_eq!(&file[..60], header);
        for (id, part) in letters.chunks(4064).enumerate() {
            let (start, end) = (4064 * id as u64, (4064 * id + part.len()) as u64);
            let mut record = vec![0; 4];
            [id as u64, start, end].iter().for_each(|n| record.extend(n.to_le_bytes()));
            record.extend(part);
            record.resize(4092, 0);
            let found = &file[4096 * (1 + id)..][..4096];
            assert_eq!(&found[4..], record);
            assert_eq!(found[..4], crc32(&[&header[..], &record].concat()).to_le_bytes());
        }

        // Marks: pages of whole entries, which do not need those of other pages.
        let label = "§".repeat(500);
        for mark in [
            Mark::new(1).origin(7).label("one"),
            Mark::new(2),
            Mark::new(3).label(&label),
            Mark::new(4).origin(8).label(format!("{label}!")),
            Mark::new(5).label(&label),
            Mark::new(6).origin(9).label(&label),
            Mark::new(7).origin(7),
            Mark::new(8).origin(5).label(format!("{label}!")),
            Mark::new(9),
        ] {
            memory.marks().push(&mark).unwrap();
        }
        memory.sync().unwrap();
        let file = read(&marks);
        assert_eq!((&file[..8], file.len()), (&b"RAMBAMRK"[..], 3 * 4096));
        let long = format!("{label}!");
        let pages: [&[(u64, u64, Option<&str>)]; 2] = [
            &[
                (1, 7, Some("one")),
                (2, u64::MAX, None),
                (3, u64::MAX, Some(&label)),
                (4, 8, Some(&long)),
                (5, u64::MAX, Some(&label)),
                (6, 9, None),
                (7, 7, None),
            ],
            // For the label there is no more room on the first page.
            &[(8, 5, Some(&long)), (9, u64::MAX, None)],
        ];
        for (number, page) in pages.into_iter().enumerate() {
            let mut entries = Vec::new();
            for (at, origin, label) in page {
                entries.extend(at.to_le_bytes());
                entries.extend(origin.to_le_bytes());
                entries.extend(label.map_or(u32::MAX, |label| label.len() as u32).to_le_bytes());
                entries.extend(label.unwrap_or_default().as_bytes());
            }
            let found = &file[4096 * (1 + number) + 32..][..4064];
            assert_eq!(&found[..entries.len()], entries);
            let rest = if number == 0 { 0xff } else { 0 };
            assert!(found[entries.len()..].iter().all(|&byte| byte == rest));
        }
    }
}

#[test]
fn sessions_share_a_folder_and_leave_no_trace_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let count = || std::fs::read_dir(dir.path()).unwrap().count();
    let budget = smallest(&SMALL, Precision::Int8);
    let mut memories: Vec<_> =
        (0..3).map(|_| ChunkMemory::create(dir.path(), SMALL, Precision::Int8, budget).unwrap()).collect();
    let mut naive = vec![Naive::default(); 3];
    for round in 1..20 {
        for (memory, naive) in memories.iter_mut().zip(&mut naive) {
            fill(memory, naive, round);
        }
    }
    for (memory, naive) in memories.iter_mut().zip(&naive) {
        naive.check_all(memory).unwrap();
    }
    // On Windows files have names as long as they are open.
    assert!(cfg!(windows) || count() == 0);
    // What somebody else left is not touched.
    std::fs::write(dir.path().join("ramba-1-00.chunks"), "left").unwrap();
    drop(memories);
    assert_eq!(std::fs::read(dir.path().join("ramba-1-00.chunks")).unwrap(), b"left");
    assert_eq!(count(), 1);
}

#[test]
fn a_place_that_cannot_be_written_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = ChunkMemory::create(&file, SMALL, Precision::F16, 1 << 16).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("file"), "{error}");
    let missing = dir.path().join("missing");
    let error = ChunkMemory::create(&missing, SMALL, Precision::F16, 1 << 16).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("missing") && !missing.exists(), "{error}");
    let error = ChunkMemory::create(dir.path(), SMALL, Precision::F16, 1000).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Capacity);
    assert!(error.to_string().contains(&smallest(&SMALL, Precision::F16).to_string()), "{error}");
    // What is not used is not taken: a budget beyond all memory is no mistake.
    ChunkMemory::create(dir.path(), SMALL, Precision::F16, u64::MAX).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no files of refused memories");
}

#[test]
fn adjacent_chunks_are_read_together_and_written_in_batches() {
    let dir = tempfile::tempdir().unwrap();
    let budget = 1 << 17;
    let mut memory = ChunkMemory::create(dir.path(), SMALL, Precision::F16, budget).unwrap();
    let mut naive = Naive::default();
    fill(&mut memory, &mut naive, 3000);
    let stats = memory.stats();
    assert!(stats.writes < 300, "{stats:?}");
    memory.sync().unwrap();

    // Two runs and a single chunk, in any order and repeated.
    let before = memory.stats();
    naive.check_chunks(&mut memory, &[103, 100, 2000, 101, 102, 9, 100, 8, 103]).unwrap();
    let after = memory.stats();
    assert_eq!((after.reads - before.reads, after.misses - before.misses), (3, 7));
    naive.check_chunks(&mut memory, &[8, 9, 101]).unwrap();
    let again = memory.stats();
    assert_eq!((again.reads, again.misses, again.hits - after.hits), (after.reads, after.misses, 3));
}
