//! Model files with absurd hyperparameters: an error or a model that runs, but no panic and no huge allocation.

use ramba::cpu::Cpu;
use ramba::gguf::Value;
use ramba::memory::{ChunkMemory, Precision};
use ramba::model::{Logits, Model, Pass};
use ramba::weights::Weights;
use test_support::model::Fixture;

/// Fails what would take more than this.
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, 512 << 20);

/// Loads the model and runs it for as long as it takes to make and read chunks.
fn run(file: Vec<u8>) -> ramba::Result<()> {
    let model = Model::load(&Weights::from_bytes(file)?, Cpu::new(1)?)?;
    let (mut state, mut scratch) = (model.state()?, model.scratch()?);
    let dir = tempfile::tempdir().unwrap();
    let mut memory = None;
    if let Some(shape) = model.chunk_shape() {
        let budget = ChunkMemory::minimum_budget(&shape, Precision::F16, 64)?;
        memory = Some(ChunkMemory::create(dir.path(), shape, Precision::F16, budget)?);
    }
    let source = |chunk: u64| chunk..chunk + 1;
    let tokens = vec![1; 150];
    let remember = memory.is_some().then_some(&source as _);
    let pass = Pass { memory: memory.as_mut(), remember, logits: Logits::Last, ..Pass::default() };
    let logits = model.advance(&mut state, &mut scratch, &tokens, pass)?;
    assert_eq!(logits.len(), model.config().vocab);
    Ok(())
}

#[test]
fn any_value_of_any_number_is_survived() {
    let values = [
        0u32,
        1,
        2,
        3,
        5,
        7,
        8,
        16,
        17,
        31,
        32,
        33,
        64,
        128,
        1 << 10,
        1 << 16,
        (1 << 16) + 1,
        1 << 20,
        1 << 31,
        u32::MAX,
    ];
    let (mut refused, mut ran) = (0, 0);
    for name in ["base", "two_groups", "mamba2_groups"] {
        let f = Fixture::open(name);
        let bytes = f.bytes();
        run(bytes.clone()).unwrap();
        for (key, value) in f.weights().gguf().entries() {
            if !matches!(value, Value::U32(_) | Value::F32(_)) {
                continue;
            }
            let at = bytes.windows(key.len()).position(|w| w == key.as_bytes()).unwrap() + key.len() + 4;
            let floats = [-1.0, 1e30, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE].map(f32::to_bits);
            for new in values.iter().copied().chain(floats) {
                let mut changed = bytes.clone();
                changed[at..at + 4].copy_from_slice(&new.to_le_bytes());
                match run(changed) {
                    Ok(()) => ran += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    println!("{refused} files refused, {ran} ran");
    assert!(refused > 0 && ran > 0);
}
