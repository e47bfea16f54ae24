//! Tokens one by one, where the device chooses what they read and where the host does: the same tokens, sources and states.

use ramba::backend::Backend;
use ramba::cpu::Cpu;
use ramba::memory::Precision;
use ramba::model::{Logits, Model, Pass, RetrievedChunk};
use ramba::topk::TopK;
use test_support::model::{Fixture, Runner, argmax, relative};

/// A backend, and how far its ways may differ.
trait Named: Backend {
    const NAME: &str;
    const NEAR: f32;
}

impl Named for Cpu {
    const NAME: &str = "cpu";
    const NEAR: f32 = 0.0;
}

#[cfg(feature = "cuda")]
impl Named for ramba::cuda::Cuda {
    const NAME: &str = "cuda";
    const NEAR: f32 = 1e-3;
}

/// Runs a test on the CPU, and on the first CUDA device if there is one.
macro_rules! everywhere {
    ($test:ident, $name:expr) => {
        $test($name, Cpu::new(2).unwrap());
        #[cfg(feature = "cuda")]
        match ramba::cuda::Cuda::new(0) {
            Ok(cuda) => $test($name, cuda),
            Err(e) => test_support::require::no_cuda_device(e),
        }
    };
}

/// Where the chunks are: all on the device, or so few that the host must choose.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Room {
    Ample,
    Scarce,
}

fn runner<B: Backend>(model: &Model<B>, room: Room) -> Runner<'_, B> {
    let hsa = model.config().hsa.as_ref();
    let slots = hsa.map_or(1, |hsa| hsa.top_k * hsa.retrieval_heads);
    let mut run = Runner::with_slots(model, Precision::F16, if room == Room::Ample { 500 } else { slots });
    if let (Room::Scarce, Some(shape)) = (room, model.chunk_shape()) {
        let least = model.backend().least_budget(&shape, Precision::F16, model.tile());
        model.set_device_budget(&mut run.scratch, least);
    }
    run
}

/// What comes of a document.
#[derive(Default)]
struct Outcome {
    tokens: Vec<u32>,
    logits: Vec<Vec<f32>>,
    read: Vec<RetrievedChunk>,
}

impl Outcome {
    /// Greedy tokens after `first`: with all logits or the highest, as part of the document or not.
    fn go_on<B: Backend>(&mut self, run: &mut Runner<'_, B>, first: u32, count: usize, grows: bool) -> u32 {
        let mut token = first;
        for i in 0..count {
            run.trace.clear();
            if !grows && i % 3 == 1 {
                let mut top = TopK::new(3).unwrap();
                let pass = Pass { memory: run.memory.as_mut(), trace: Some(&mut run.trace), ..Pass::default() };
                let pass = Pass { logits: Logits::Top, top: Some(&mut top), ..pass };
                run.model.forward(&mut run.state, &mut run.scratch, &[token], pass).unwrap();
                self.logits.push(top.best_first().iter().map(|c| c.score).collect());
                token = top.best_first()[0].id as u32;
            } else if i % 7 == 2 {
                // None wanted: the token is fed again.
                let step = if grows { Runner::advance } else { Runner::question };
                assert!(step(run, &[token], Logits::None).is_empty());
            } else {
                let step = if grows { Runner::advance } else { Runner::question };
                let logits = step(run, &[token], if i % 2 == 0 { Logits::Last } else { Logits::All });
                token = argmax(&logits);
                self.logits.push(logits);
            }
            self.tokens.push(token);
            self.read.extend(&run.trace);
        }
        token
    }

    fn assert_near(&self, what: &str, other: &Outcome, near: f32) {
        assert_eq!(self.tokens, other.tokens, "{what}: tokens");
        for (i, (a, b)) in self.logits.iter().zip(&other.logits).enumerate() {
            let error = relative(a, b);
            assert!(error <= near, "{what}: logits {i} differ by {error:.1e}");
        }
        assert_eq!(self.read.len(), other.read.len(), "{what}: readings");
        for (a, b) in self.read.iter().zip(&other.read) {
            let same = (a.position, a.group, a.head, a.chunk) == (b.position, b.group, b.head, b.chunk);
            assert!(same && (a.weight - b.weight).abs() <= near, "{what}: {a:?} and {b:?}");
        }
    }
}

/// A document that is read, asked about, written on and cut off.
fn life<B: Backend>(f: &Fixture, model: &Model<B>, room: Room) -> Outcome {
    let mut run = runner(model, room);
    let tokens = f.tokens();
    let mut outcome = Outcome::default();
    let chunk = model.chunk_shape().map_or(1, |shape| shape.chunk_size as u64);

    // From the very first token, with nothing to read yet.
    let first = outcome.go_on(&mut run, tokens[0], 10, true);
    let mut token = argmax(&run.advance(&tokens, Logits::Last));
    outcome.tokens.push(first);
    // Written on, over the ends of several chunks, with questions in between.
    for part in 0..3 {
        token = outcome.go_on(&mut run, token, 25, true);
        let mut state = model.state().unwrap();
        model.copy_state(&run.state, &mut state).unwrap();
        std::mem::swap(&mut run.state, &mut state);
        run.question(&tokens[part..part + 5], Logits::None);
        outcome.go_on(&mut run, token, 12, false);
        run.state = state;
    }
    // Cut off, and other chunks in the place of the last ones.
    if let Some(len) = run.memory.as_ref().map(|memory| memory.len()) {
        for (cut, tokens) in [(2, &tokens[3..70]), (4, &tokens[7..60]), (1, &tokens[..0])] {
            let left = len - cut;
            run.memory.as_mut().unwrap().truncate(left).unwrap();
            model.reset(&mut run.state, left * chunk).unwrap();
            if !tokens.is_empty() && model.config().segments.size().is_none() {
                run.advance(tokens, Logits::None);
            }
            outcome.go_on(&mut run, 5, 15, false);
            while run.memory.as_ref().unwrap().len() < len {
                let memory = run.memory.as_mut().unwrap();
                let shape = memory.shape();
                let value = 0.01 * memory.len() as f32 + cut as f32;
                let filled =
                    |n: usize| (0..n).map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0) * value).collect::<Vec<_>>();
                let (kv, landmark) = (filled(shape.kv_len()), filled(shape.landmark_len()));
                memory.append(&kv, &kv, &landmark, 0..1).unwrap();
            }
            model.reset(&mut run.state, len * chunk).unwrap();
            outcome.go_on(&mut run, 6, 15, false);
        }
    }
    outcome
}

fn lives_are_alike<B: Named>(name: &str, backend: B) {
    let f = Fixture::open(name);
    let model = f.load(backend);
    let [ample, scarce] = [Room::Ample, Room::Scarce].map(|room| life(&f, &model, room));
    assert!(model.chunk_shape().is_none() || !scarce.read.is_empty(), "{name}");
    // The last bit of an activation decides now and then how it is rounded to 8 bits.
    let near = if f.quantized() && B::NEAR > 0.0 { 3e-2 } else { B::NEAR };
    ample.assert_near(&format!("{name} on {}", B::NAME), &scarce, near);
}

#[test]
fn who_chooses_makes_no_difference() {
    let names =
        ["base", "two_groups", "landmark_norm", "pos_decay", "softmax", "single_head", "no_segments", "q8_0", "mamba2"];
    for name in names {
        everywhere!(lives_are_alike, name);
    }
}

/// A working memory that is used for one document after the other, and again for the first.
fn memories_take_turns<B: Named>(name: &str, backend: B) {
    let f = Fixture::open(name);
    let model = f.load(backend);
    let tokens = f.tokens();
    let reads = |run: &mut Runner<'_, B>, from: usize| run.advance(&tokens[from..from + 120], Logits::None);
    let asks = |run: &mut Runner<'_, B>, outcome: &mut Outcome| {
        outcome.go_on(run, 3, 8, false);
    };
    let alone = [0, 40].map(|from| {
        let (mut run, mut outcome) = (runner(&model, Room::Ample), Outcome::default());
        reads(&mut run, from);
        (0..3).for_each(|_| asks(&mut run, &mut outcome));
        outcome
    });
    let [mut a, mut b] = [0, 40].map(|from| {
        let mut run = runner(&model, Room::Ample);
        reads(&mut run, from);
        run
    });
    let mut together = [Outcome::default(), Outcome::default()];
    for turn in 0..3 {
        // The states stay where they are, the scratch goes back and forth.
        asks(&mut a, &mut together[0]);
        std::mem::swap(&mut a.scratch, &mut b.scratch);
        if turn == 1 {
            model.set_device_budget(&mut a.scratch, 32 << 20);
        }
        asks(&mut b, &mut together[1]);
    }
    for (together, alone) in together.iter().zip(&alone) {
        together.assert_near(&format!("{name} on {}", B::NAME), alone, B::NEAR);
    }
}

#[test]
fn a_working_memory_serves_several_documents() {
    for name in ["base", "two_groups"] {
        everywhere!(memories_take_turns, name);
    }
}

/// Two documents of one model on two threads.
fn threads_do_not_meet<B: Named>(name: &str, backend: B) {
    let f = Fixture::open(name);
    let model = f.load(backend);
    let tokens = f.tokens();
    let answers = |from: usize| {
        let (mut run, mut outcome) = (runner(&model, Room::Ample), Outcome::default());
        run.advance(&tokens[from..from + 130], Logits::None);
        for _ in 0..6 {
            outcome.go_on(&mut run, 3, 20, false);
        }
        outcome
    };
    let alone = [0, 30].map(answers);
    let together = std::thread::scope(|scope| {
        [0, 30].map(|from| scope.spawn(move || answers(from))).map(|handle| handle.join().unwrap())
    });
    for (together, alone) in together.iter().zip(&alone) {
        together.assert_near(&format!("{name} on {}", B::NAME), alone, B::NEAR);
    }
}

#[test]
fn documents_on_several_threads_are_independent() {
    for name in ["base", "no_segments"] {
        everywhere!(threads_do_not_meet, name);
    }
}
