//! The same answer however the work is divided: over calls, tiles, threads, instruction sets and cache sizes.

use ramba::ErrorKind;
use ramba::cpu::{Cpu, Isa};
use ramba::memory::{ChunkMemory, Precision};
use ramba::model::{Logits, Model, Pass};
use ramba::topk::TopK;
use test_support::model::{Fixture, Runner, argmax, relative, token_range};

/// What a fixture's document gives: logits of all tokens, and all memories.
struct Outcome {
    logits: Vec<f32>,
    /// Keys, values and landmarks of all chunks, one after the other.
    memories: Vec<f32>,
}

fn outcome(run: &mut Runner<'_>, logits: Vec<f32>) -> Outcome {
    let mut memories = Vec::new();
    if run.memory.is_some() {
        for id in 0..run.memory.as_ref().unwrap().len() {
            let (keys, values) = run.chunk(id);
            memories.extend([keys, values].concat());
        }
        memories.extend(run.landmarks());
    }
    Outcome { logits, memories }
}

/// The document fed in the given pieces, the last of which repeats until the end.
fn feed(model: &Model<Cpu>, tokens: &[u32], pieces: &[usize]) -> Outcome {
    let mut run = Runner::new(model, Precision::F32);
    let (mut rest, mut logits) = (tokens, Vec::new());
    let mut sizes = pieces.iter().copied().chain(std::iter::repeat(pieces[pieces.len() - 1]));
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
        logits.extend(run.advance(piece, Logits::All));
        rest = after;
    }
    outcome(&mut run, logits)
}

/// Two times the fixture's tokens: more than one tile.
fn document(f: &Fixture) -> Vec<u32> {
    f.tokens().repeat(2)
}

fn assert_close(name: &str, what: &str, a: &Outcome, b: &Outcome, tolerance: f32) {
    let error = relative(&a.logits, &b.logits);
    assert!(error <= tolerance, "{name}: {what}: logits differ by {error:.1e}");
    let error = if a.memories.is_empty() { 0.0 } else { relative(&a.memories, &b.memories) };
    assert!(error <= tolerance, "{name}: {what}: memories differ by {error:.1e}");
}

fn assert_bits(name: &str, what: &str, a: &Outcome, b: &Outcome) {
    assert!(a.logits == b.logits, "{name}: {what}: logits differ");
    assert!(a.memories == b.memories, "{name}: {what}: memories differ");
}

#[test]
fn one_call_agrees_with_any_split() {
    for f in Fixture::all().iter().filter(|f| !f.quantized()) {
        let model = f.load(Cpu::new(2).unwrap());
        let tokens = document(f);
        let whole = feed(&model, &tokens, &[tokens.len()]);
        for pieces in [&[1][..], &[3, 61, 17, 1, 1, 130, 7], &[64], &[299]] {
            assert_close(&f.name, &format!("in pieces of {pieces:?}"), &feed(&model, &tokens, pieces), &whole, 1e-4);
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for f in Fixture::all() {
        let tokens = document(&f);
        let with = |threads| feed(&f.load(Cpu::new(threads).unwrap()), &tokens, &[257, 1, 1, 90]);
        let one = with(1);
        assert_bits(&f.name, "2 threads", &with(2), &one);
        assert_bits(&f.name, "3 threads", &with(3), &one);
    }
}

#[test]
fn instruction_sets_agree() {
    for f in Fixture::all() {
        let tokens = document(&f);
        let with = |isa| feed(&f.load(Cpu::with_isa(1, isa).unwrap()), &tokens, &[300, 1, 1, 90]);
        let scalar = with(Isa::Scalar);
        for isa in Isa::available().filter(|isa| *isa != Isa::Scalar) {
            // The last bit of an activation decides now and then how it is rounded to 8 bits, one step of 127 apart.
            assert_close(&f.name, &format!("{isa:?}"), &with(isa), &scalar, if f.quantized() { 1e-2 } else { 1e-4 });
        }
    }
}

#[test]
fn segments_read_apart_leave_the_same_memories() {
    for f in Fixture::all() {
        let model = f.load(Cpu::new(2).unwrap());
        let Some(shape) = model.chunk_shape() else { continue };
        let mut tokens = document(&f);
        tokens.truncate(tokens.len() / shape.chunk_size * shape.chunk_size);
        let whole = feed(&model, &tokens, &[tokens.len()]);
        let mut run = Runner::new(&model, Precision::F32);
        run.read(&tokens);
        let apart = outcome(&mut run, whole.logits.clone());
        assert_bits(&f.name, "segments apart", &apart, &whole);
    }
}

#[test]
fn the_size_of_the_cache_does_not_change_a_bit() {
    for f in Fixture::all() {
        let model = f.load(Cpu::new(2).unwrap());
        let Some(hsa) = &model.config().hsa else { continue };
        let tokens = document(&f);
        let mut large = Runner::new(&model, Precision::F32);
        let want = large.advance(&tokens, Logits::All);
        let mut small = Runner::with_slots(&model, Precision::F32, hsa.top_k * hsa.retrieval_heads);
        let slots = small.memory.as_ref().unwrap().slots() as u64;
        assert!(small.advance(&tokens, Logits::All) == want, "{}: with {slots} slots", f.name);
        assert!(small.trace == large.trace, "{}: with {slots} slots", f.name);
    }
}

#[test]
fn logits_of_the_last_token_are_those_of_all() {
    let f = Fixture::open("base");
    let model = f.load(Cpu::new(1).unwrap());
    let tokens = document(&f);
    let all = Runner::new(&model, Precision::F16).advance(&tokens, Logits::All);
    let last = Runner::new(&model, Precision::F16).advance(&tokens, Logits::Last);
    assert!(last == all[all.len() - model.config().vocab..]);
    assert!(Runner::new(&model, Precision::F16).advance(&tokens, Logits::None).is_empty());
    assert_ne!(argmax(&last), u32::MAX);
}

#[test]
fn the_highest_logits_are_those_of_the_last_token() {
    for name in ["base", "no_segments", "mamba2"] {
        let f = Fixture::open(name);
        let model = f.load(Cpu::new(2).unwrap());
        let tokens = document(&f);
        let logits = Runner::new(&model, Precision::F16).advance(&tokens, Logits::Last);
        let mut want = TopK::new(5).unwrap();
        logits.iter().enumerate().for_each(|(id, &logit)| want.push(id as u64, logit));

        let mut run = Runner::new(&model, Precision::F16);
        let mut top = TopK::new(5).unwrap();
        let source = token_range(model.chunk_shape().map_or(1, |shape| shape.chunk_size as u64));
        let remember = run.memory.is_some().then_some(&source as _);
        let pass = Pass { memory: run.memory.as_mut(), remember, logits: Logits::Top, ..Pass::default() };
        let pass = Pass { top: Some(&mut top), ..pass };
        assert!(model.advance(&mut run.state, &mut run.scratch, &tokens, pass).unwrap().is_empty());
        assert_eq!(top.best_first(), want.best_first(), "{name}");

        let pass = Pass { logits: Logits::Top, ..Pass::default() };
        let error = model.forward(&mut run.state, &mut run.scratch, &[1], pass).unwrap_err();
        assert!(error.to_string().contains("no place"), "{error}");
        // Nothing was done yet.
        model.forward(&mut run.state, &mut run.scratch, &[1], Pass::default()).unwrap();
    }
}

#[test]
fn a_copied_state_continues_alike_and_leaves_the_original_alone() {
    for name in ["base", "no_segments", "mamba2"] {
        let f = Fixture::open(name);
        let model = f.load(Cpu::new(1).unwrap());
        let tokens = f.tokens();
        let mut run = Runner::new(&model, Precision::F32);
        run.advance(&tokens[..101], Logits::None);
        let mut copy = model.state().unwrap();
        model.copy_state(&run.state, &mut copy).unwrap();
        let asked = run.question(&tokens[101..120], Logits::All);
        run.state = copy;
        assert!(run.question(&tokens[101..120], Logits::All) == asked, "{name}");
    }
}

#[test]
fn misuse_is_an_error_and_a_reset_mends_it() {
    let f = Fixture::open("base");
    let model = f.load(Cpu::new(1).unwrap());
    let tokens = f.tokens();
    let mut run = Runner::new(&model, Precision::F32);
    run.advance(&tokens[..40], Logits::None);

    // An id past the vocabulary is noticed before anything happens.
    let pass = Pass::default();
    let error = model.advance(&mut run.state, &mut run.scratch, &[7, 96], pass).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(run.state.position(), 40);
    run.advance(&tokens[40..41], Logits::None);

    // Chunks that would not follow those of the memory.
    let dir = tempfile::tempdir().unwrap();
    let shape = model.chunk_shape().unwrap();
    let budget = ChunkMemory::minimum_budget(&shape, Precision::F16, 8).unwrap();
    let mut empty = ChunkMemory::create(dir.path(), shape, Precision::F16, budget).unwrap();
    let source = token_range(16);
    let pass = Pass { memory: Some(&mut empty), remember: Some(&source), ..Pass::default() };
    assert!(model.advance(&mut run.state, &mut run.scratch, &tokens[41..], pass).is_err());
    // The state is between two tokens now.
    let error = model.advance(&mut run.state, &mut run.scratch, &tokens[41..42], Pass::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);

    let want = Runner::new(&model, Precision::F32).advance(&tokens, Logits::Last);
    model.reset(&mut run.state, 0).unwrap();
    run.memory.as_mut().unwrap().truncate(0).unwrap();
    assert!(run.advance(&tokens, Logits::Last) == want);

    let mut scratch = model.scratch().unwrap();
    let mut read = |segments: &[&[u32]], overlap| model.read_segments(&mut scratch, segments, overlap, &mut |_| Ok(()));
    assert!(read(&[&tokens[..17]], 0).is_err());
    assert!(read(&[&tokens[..16]], 17).is_err());
    assert!(read(&[&[96; 16]], 0).is_err());
    assert!(read(&[&tokens[..16], &tokens[..32]], 0).is_err());
    read(&[], 0).unwrap();
}

#[test]
fn segments_read_together_give_the_same_bits_as_alone() {
    for isa in Isa::available() {
        let f = Fixture::open("base");
        let model = f.load(Cpu::with_isa(1, isa).unwrap());
        let (chunk, tokens) = (model.chunk_shape().unwrap().chunk_size, f.tokens());
        let mut scratch = model.scratch().unwrap();
        let mut read = |segments: &[&[u32]], overlap| {
            let mut all: Vec<u32> = Vec::new();
            let mut emit = |e: ramba::model::EncodedChunk<'_>| {
                all.extend([e.keys, e.values, e.landmark].iter().flat_map(|v| v.iter().map(|v| v.to_bits())));
                Ok(())
            };
            model.read_segments(&mut scratch, segments, overlap, &mut emit).unwrap();
            all
        };
        assert!(model.segments_at_once() > 1, "this model's segments are short");
        for overlap in [0, 3] {
            let segments: Vec<&[u32]> = (0..9).map(|i| &tokens[5 * i..][..2 * chunk + overlap]).collect();
            let alone: Vec<u32> = segments.iter().flat_map(|tokens| read(&[tokens], overlap)).collect();
            assert!(read(&segments, overlap) == alone, "{isa:?}, {overlap} tokens of overlap");
        }
    }
}
