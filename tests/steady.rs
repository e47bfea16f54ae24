//! Generating a token allocates nothing once the buffers are warm.

use ramba::backend::Backend;
use ramba::cpu::Cpu;
use ramba::memory::{ChunkMemory, Precision};
use ramba::model::{Logits, Model, Pass, Trace};
use ramba::topk::TopK;
use test_support::model::{Fixture, argmax};

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

// Without the harness, whose main thread allocates, too.
fn main() {
    for name in ["base", "two_groups", "q8_0", "mamba2"] {
        steady_on(name, Cpu::new(1).unwrap());
        #[cfg(feature = "cuda")]
        match ramba::cuda::Cuda::new(0) {
            Ok(cuda) => steady_on(name, cuda),
            Err(e) => test_support::require::no_cuda_device(e),
        }
    }
}

fn steady_on<B: Backend>(name: &str, backend: B) {
    let f = Fixture::open(name);
    let model = f.load(backend);
    for ample in [false, true] {
        // On one thread, of the pool if there is one, so that nothing is counted but the steps.
        let (bytes, steps) = model.backend().run(|| steps(&f, &model, ample));
        assert_eq!(bytes, 0, "{name}: {bytes} bytes in {steps} steps, ample room: {ample}");
    }
}

/// Bytes allocated during a number of steps after a document and some steps to warm up.
fn steps<B: Backend>(f: &Fixture, model: &Model<B>, ample: bool) -> (usize, usize) {
    let dir = tempfile::tempdir().unwrap();
    let (mut state, mut scratch, mut trace) = (model.state().unwrap(), model.scratch().unwrap(), Trace::new());
    let mut memory = model.chunk_shape().map(|shape| {
        // Room for the whole document, or too little: chunks are read from the file again and again.
        let hsa = model.config().hsa.as_ref().unwrap();
        let slots = if ample { 100 } else { hsa.top_k * hsa.retrieval_heads };
        if !ample {
            let least = model.backend().least_budget(&shape, Precision::F16, model.tile());
            model.set_device_budget(&mut scratch, least);
        }
        let budget = ChunkMemory::minimum_budget(&shape, Precision::F16, slots).unwrap();
        ChunkMemory::create(dir.path(), shape, Precision::F16, budget).unwrap()
    });
    let source = |chunk: u64| chunk..chunk + 1;
    let remember = memory.is_some().then_some(&source as _);
    let pass = Pass { memory: memory.as_mut(), remember, logits: Logits::Last, ..Pass::default() };
    let mut token = argmax(model.advance(&mut state, &mut scratch, &f.tokens(), pass).unwrap());

    let (warm_up, steps) = (40, 100);
    let mut before = 0;
    for step in 0..warm_up + steps {
        if step == warm_up {
            before = ALLOCATOR.total_allocated();
        }
        trace.clear();
        let pass = Pass { memory: memory.as_mut(), trace: Some(&mut trace), ..Pass::default() };
        // In turn all logits, the highest, and some of the highest.
        token = if step % 3 == 0 {
            let pass = Pass { logits: Logits::Last, ..pass };
            argmax(model.forward(&mut state, &mut scratch, &[token], pass).unwrap())
        } else {
            let mut top = TopK::new(if step % 3 == 1 { 1 } else { 40 }).unwrap();
            let pass = Pass { logits: Logits::Top, top: Some(&mut top), ..pass };
            model.forward(&mut state, &mut scratch, &[token], pass).unwrap();
            top.best_first()[0].id as u32
        };
    }
    (ALLOCATOR.total_allocated() - before, steps)
}
