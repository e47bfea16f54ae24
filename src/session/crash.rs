//! What survives when a disk fails or a machine stops: every image that a crash may leave, and every operation that may fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{AskOptions, Engine, EngineOptions, Library, SessionOptions};
use crate::memory::{Access, DiskFolder, Folder, Place, Storage};
use crate::{ErrorKind, Result};
use test_support::numbers::Random;

/// A file: its place and name.
type Name = (Place, String);

/// One thing that was done to the disk.
#[derive(Clone)]
enum Operation {
    Write { file: Name, at: u64, data: Vec<u8> },
    Truncate { file: Name, len: u64 },
    SyncFile { file: Name },
    MakeFile { file: Name },
    MakeFolder { document: u64 },
    RemoveFolder { document: u64 },
    SyncFolder { place: Place },
}

/// What is on a disk.
#[derive(Clone, Default)]
struct Image {
    files: BTreeMap<Name, Vec<u8>>,
    folders: BTreeSet<u64>,
}

impl Image {
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { file, at, data } => {
                let Some(bytes) = self.files.get_mut(file) else { return };
                let end = *at as usize + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at as usize..end].copy_from_slice(data);
            }
            Operation::Truncate { file, len } => {
                self.files.entry(file.clone()).and_modify(|bytes| bytes.resize(*len as usize, 0));
            }
            Operation::MakeFile { file } => {
                self.files.entry(file.clone()).or_default();
            }
            Operation::MakeFolder { document } => {
                self.folders.insert(*document);
            }
            Operation::RemoveFolder { document } => {
                self.folders.remove(document);
                self.files.retain(|(place, _), _| *place != Place::Document(*document));
            }
            Operation::SyncFile { .. } | Operation::SyncFolder { .. } => {}
        }
    }
}

/// What may be on a disk after a crash behind these operations: whatever was done since the last sync of its file or folder is
/// there, or not, or in part, and independently of what was done before and after it.
fn after_crash(operations: &[Operation], random: &mut Random) -> Image {
    let synced = |from: usize, wanted: &dyn Fn(&Operation) -> bool| operations[from + 1..].iter().any(wanted);
    let mut image = Image::default();
    for (i, operation) in operations.iter().enumerate() {
        let durable = match operation {
            Operation::Write { file, .. } | Operation::Truncate { file, .. } => {
                synced(i, &|o| matches!(o, Operation::SyncFile { file: f } if f == file))
            }
            Operation::MakeFile { file: (place, _) } => {
                synced(i, &|o| matches!(o, Operation::SyncFolder { place: p } if p == place))
            }
            Operation::MakeFolder { .. } | Operation::RemoveFolder { .. } => {
                synced(i, &|o| matches!(o, Operation::SyncFolder { place: Place::Root }))
            }
            Operation::SyncFile { .. } | Operation::SyncFolder { .. } => continue,
        };
        if durable {
            image.apply(operation);
            continue;
        }
        match operation {
            // Whole, not at all, or any sectors of it.
            Operation::Write { file, at, data } => match random.index(4) {
                0 => {}
                1 => image.apply(operation),
                _ => {
                    for (n, sector) in (0..).zip(data.chunks(512)) {
                        if random.index(2) == 0 {
                            let at = at + 512 * n;
                            image.apply(&Operation::Write { file: file.clone(), at, data: sector.to_vec() });
                        }
                    }
                }
            },
            // Some of the files.
            Operation::RemoveFolder { document } if random.index(2) == 0 => {
                image.files.retain(|(place, _), _| *place != Place::Document(*document) || random.index(2) == 0);
            }
            _ if random.index(2) == 0 => {}
            _ => image.apply(operation),
        }
    }
    // A file is where its folder is.
    let folders = image.folders.clone();
    image.files.retain(|(place, _), _| match place {
        Place::Root => true,
        Place::Document(number) => folders.contains(number),
    });
    image
}

/// A disk that remembers what was done to it, and fails when it is told to.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    image: Image,
    operations: Vec<Operation>,
    /// From how many operations on all fail.
    fails_at: Option<usize>,
}

impl Disk {
    fn of(image: Image) -> Self {
        Self(Arc::new(Mutex::new(State { image, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn done(&self) -> usize {
        self.state().operations.len()
    }

    fn run(&self, operation: Operation) -> io::Result<()> {
        let mut state = self.state();
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        if state.fails_at.is_some_and(|at| state.operations.len() >= at) {
            // A write may come to be in part.
            if let Operation::Write { file, at, data } = operation {
                let data = data[..data.len() / 2].to_vec();
                let part = Operation::Write { file, at, data };
                state.image.apply(&part);
                state.operations.push(part);
            }
            return Err(full());
        }
        state.image.apply(&operation);
        state.operations.push(operation);
        Ok(())
    }
}

struct DiskFile {
    disk: Disk,
    file: Name,
}

impl Storage for DiskFile {
    fn name(&self) -> String {
        format!("{:?}", self.file)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        let bytes = state.image.files.get(&self.file).ok_or(io::ErrorKind::NotFound)?;
        let bytes = bytes.get(offset as usize..).and_then(|bytes| bytes.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, data: &[u8], at: u64) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        self.disk.run(Operation::Write { file: self.file.clone(), at, data: data.to_vec() })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.run(Operation::Truncate { file: self.file.clone(), len })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.run(Operation::SyncFile { file: self.file.clone() })
    }
}

impl Folder for Disk {
    fn name(&self) -> String {
        "the disk".into()
    }

    fn open(&self, place: Place, name: &str, access: Access) -> io::Result<Box<dyn Storage>> {
        let file = (place, name.to_owned());
        let there = self.state().image.files.contains_key(&file);
        match (access, there) {
            (Access::Create, true) => self.run(Operation::Truncate { file: file.clone(), len: 0 })?,
            (Access::Create, false) => self.run(Operation::MakeFile { file: file.clone() })?,
            (_, true) => {}
            (_, false) => return Err(io::ErrorKind::NotFound.into()),
        }
        Ok(Box::new(DiskFile { disk: self.clone(), file }))
    }

    fn create(&self, document: u64) -> io::Result<()> {
        if self.state().image.folders.contains(&document) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.run(Operation::MakeFolder { document })
    }

    fn remove(&self, document: u64) -> io::Result<()> {
        self.run(Operation::RemoveFolder { document })
    }

    fn documents(&self) -> io::Result<Vec<u64>> {
        Ok(self.state().image.folders.iter().copied().collect())
    }

    fn sync(&self, place: Place) -> io::Result<()> {
        self.run(Operation::SyncFolder { place })
    }
}

fn engine(fixture: &str) -> Engine {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(fixture);
    Engine::open(model, &EngineOptions { threads: 1, ..EngineOptions::default() }).unwrap()
}

fn open(engine: &Engine, disk: &Disk) -> Result<Library> {
    // The right to write is not the disk's business.
    let dir = tempfile::tempdir().unwrap();
    let lock = DiskFolder::open(dir.path(), false).unwrap().lock().unwrap();
    let options = SessionOptions { budget: 1 << 18, ..SessionOptions::default() };
    Library::open_in(engine, Arc::new(disk.clone()), Some(lock), &options)
}

fn tokens(seed: u32, count: u32) -> Vec<u32> {
    (0..count).map(|i| (i * 7919 + seed * 31) % 90).collect()
}

/// All that can be seen of a library: names, lengths, and an answer with everything that was read for it.
fn contents(library: &Library) -> Result<String> {
    let mut all = String::new();
    for name in library.documents() {
        let mut document = library.open(&name)?;
        let options = AskOptions { max_tokens: 3, min_source_weight: 0.0, ..AskOptions::default() };
        let mut go = |_: u32, _: &str| ControlFlow::Continue(());
        let answer = document.ask_tokens(&[5, 6, 7], &options, &mut go)?;
        let sources: Vec<_> = answer.sources.iter().map(|s| (s.chunk, s.weight.to_bits())).collect();
        let mut file = Vec::new();
        if let Some(mut original) = library.original(&name)? {
            original.read_to_end(&mut file).unwrap();
        }
        let file = (file.len(), crc32fast::hash(&file));
        all += &format!("{name}: {} tokens, {:?} {sources:?} of {file:?}\n", document.tokens(), answer.tokens);
        assert_eq!(document.tokens_computed(), 0, "nothing is read again");
    }
    Ok(all)
}

/// The life of a library, step by step. Each step ends with what must last.
fn step(library: &Library, step: usize) -> Result<bool> {
    let grow = |name: &str, seed: u32, count: u32| -> Result<()> {
        let mut document = library.open(name)?;
        document.feed_tokens(&tokens(seed, count))?;
        document.commit()
    };
    match step {
        0 => {
            let mut document = library.add("a")?;
            document.keep_original(b"the file that a was made of")?;
            document.feed_tokens(&tokens(1, 50))?;
            document.commit()?;
        }
        // To the end of a segment, over it, and a long way.
        1 => grow("a", 2, 14)?,
        2 => grow("a", 3, 1)?,
        3 => grow("a", 4, 700)?,
        4 => {
            let mut document = library.add("b")?;
            document.feed_tokens(&tokens(5, 130))?;
            document.commit()?;
        }
        5 => grow("a", 6, 40)?,
        6 => {
            let mut document = library.replace("a")?;
            document.keep_original(&b"another file".repeat(10_000))?;
            document.feed_tokens(&tokens(7, 90))?;
            document.commit()?;
        }
        7 => library.remove("b")?,
        8 => grow("a", 8, 300)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What the library holds after each step, and how many operations had been done by then.
fn life(engine: &Engine, disk: &Disk) -> Vec<(usize, String)> {
    let library = open(engine, disk).unwrap();
    let mut states = vec![(disk.done(), String::new())];
    for number in 0.. {
        if !step(&library, number).unwrap() {
            break;
        }
        // Before it is looked at, which opens documents.
        let done = disk.done();
        states.push((done, contents(&library).unwrap()));
    }
    states
}

/// A model that reads by segments, and one whose recurrence is never reset.
const MODELS: [&str; 2] = ["base.gguf", "no_segments.gguf"];

#[test]
fn a_crash_leaves_what_was_committed() {
    // For each number of operations after which the machine stops.
    let images = if cfg!(debug_assertions) { 1 } else { 12 };
    let mut points = 0;
    for model in MODELS {
        let engine = engine(model);
        let disk = Disk::default();
        let states = life(&engine, &disk);
        let operations = disk.state().operations.clone();
        let mut random = Random(1);
        for at in states[0].0..=operations.len() {
            for _ in 0..images {
                points += 1;
                let crashed = Disk::of(after_crash(&operations[..at], &mut random));
                let library = open(&engine, &crashed).unwrap();
                let found = contents(&library).unwrap();
                // The last state that was complete, or the one that was under way.
                let last = states.iter().rposition(|(done, _)| *done <= at).unwrap();
                let possible: Vec<_> = states[last..].iter().take(2).map(|(_, contents)| contents).collect();
                assert!(possible.contains(&&found), "{model} after {at} operations: {found} of {possible:?}");
                // And it goes on.
                if points % 7 == 0 && found.contains("a: ") {
                    let mut document = library.open("a").unwrap();
                    document.feed_tokens(&tokens(9, 100)).unwrap();
                    document.commit().unwrap();
                }
            }
        }
    }
    println!("{points} images of disks after a crash");
    assert!(points >= 300 * images, "{points}");
}

#[test]
fn a_failing_disk_loses_nothing_that_was_committed() {
    for model in MODELS {
        let engine = engine(model);
        let disk = Disk::default();
        let states = life(&engine, &disk);
        let all = disk.done();
        let mut random = Random(2);
        println!("{model}: each of {all} operations fails");
        for fails_at in 0..=all {
            let disk = Disk::default();
            disk.state().fails_at = Some(fails_at);
            let mut complete = 0;
            if let Ok(library) = open(&engine, &disk) {
                for number in 0.. {
                    match step(&library, number) {
                        Ok(true) => complete += 1,
                        Ok(false) => break,
                        Err(e) => {
                            assert!(matches!(e.kind(), ErrorKind::Capacity | ErrorKind::Io), "{e:?}");
                            break;
                        }
                    }
                }
            }
            // The disk is well again; the process has ended in order, or the machine stopped.
            disk.state().fails_at = None;
            let operations = disk.state().operations.clone();
            let images = [disk.state().image.clone(), after_crash(&operations, &mut random)];
            for image in images {
                let library = match open(&engine, &Disk::of(image)) {
                    Ok(library) => library,
                    // The library itself was not made.
                    Err(e) => {
                        assert!(complete == 0 && e.kind() == ErrorKind::Format, "{e:?}");
                        continue;
                    }
                };
                let found = contents(&library).unwrap();
                let possible: Vec<_> = states[complete..].iter().take(2).map(|(_, contents)| contents).collect();
                assert!(possible.contains(&&found), "{model} failing at {fails_at}: {found} of {possible:?}");
            }
        }
    }
}
