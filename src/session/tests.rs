//! What only a session with a disk of its own can show: that the disk fails.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::memory::Storage;

/// A file in memory that fails to write when it is told to.
struct Fragile {
    data: Mutex<Vec<u8>>,
    broken: Arc<AtomicBool>,
}

impl Storage for Fragile {
    fn name(&self) -> String {
        "the fragile disk".into()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.data.lock().unwrap();
        let bytes = bytes.get(offset as usize..offset as usize + buf.len());
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(io::Error::other("broken"));
        }
        let end = offset as usize + data.len();
        let mut bytes = self.data.lock().unwrap();
        let len = bytes.len().max(end);
        bytes.resize(len, 0);
        bytes[offset as usize..end].copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.data.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failed_write_makes_the_session_unusable() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/base.gguf");
    let engine = Engine::open(model, &EngineOptions { threads: 2, ..EngineOptions::default() }).unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let disk = |_| Box::new(Fragile { data: Mutex::default(), broken: broken.clone() }) as Box<dyn Storage>;
    let shape = engine.config().chunk_shape().unwrap();
    let memory = ChunkMemory::with_storage([0; 4].map(disk), shape, Precision::F16, 1 << 20).unwrap();
    let options = SessionOptions::default();
    let mut session = Session::with_memory(engine, Some(memory), &options).unwrap();

    let tokens: Vec<u32> = (0..50_000).map(|i| i * 7919 % 96).collect();
    session.feed_tokens(&tokens).unwrap();
    session.ask_tokens(&[1, 2, 3], &AskOptions::default(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    broken.store(true, Ordering::Relaxed);
    let mut failures = Vec::new();
    for _ in 0..20 {
        failures.extend(session.feed_tokens(&tokens).err());
    }
    let first = failures.first().expect("a million tokens do not fit the write buffer");
    assert!(first.kind() == ErrorKind::Io && first.to_string().contains("the fragile disk"), "{first}");
    // Whether the disk has recovered makes no difference.
    broken.store(false, Ordering::Relaxed);
    for error in [
        session.feed("more").unwrap_err(),
        session.prefill().unwrap_err(),
        session.answer("What?", &AskOptions::default()).unwrap_err(),
        session.generate("", &AskOptions::default(), &mut |_, _| ControlFlow::Continue(())).unwrap_err(),
    ] {
        assert!(error.to_string().contains("the fragile disk"), "{error}");
    }
}
