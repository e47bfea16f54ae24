//! How soon work ends that is cancelled from another thread, in units of the time that a chunk takes to be read:
//!
//!     cargo bench --bench cancel -- [MODEL.gguf] [THREADS] [CANCELS] [cuda]
//!
//! A chunk's time is that of one thread: the time of reading a long text, times threads, divided by chunks. A device reads thousands at
//! once: there it is the time divided by chunks.

use std::thread;
use std::time::{Duration, Instant};

use ramba::{AskOptions, Decoding, Device, Engine, EngineOptions, ErrorKind, Result, Session, SessionOptions};
use test_support::numbers::Random;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let argument = |i: usize, otherwise: &str| arguments.get(i).map_or(otherwise.to_owned(), String::clone);
    let threads = argument(1, "2").parse().expect("a number of threads");
    let cancels: usize = argument(2, "1000").parse().expect("a number of cancels");
    let device: Device = argument(3, "cpu").parse()?;
    let options = EngineOptions::default().threads(threads).device(device);
    let engine = Engine::open(argument(0, "models/ramba-small.gguf"), &options)?;
    let text = "The orchard lay beyond the northern road, and the ferryman had read the letter twice. ".repeat(40_000);

    let mut session = engine.session(&SessionOptions::default())?;
    let started = Instant::now();
    session.feed(&text[..400_000])?;
    // A device takes in more than that at once.
    session.prefill()?;
    let at_once = if device == Device::Cpu { threads as u32 } else { 1 };
    let chunk = started.elapsed() * at_once / u32::try_from(session.chunks()).expect("few chunks");
    println!("{device}, {threads} threads, a chunk takes {:.1} us", micros(chunk));
    println!("cancelled while   times   median us   99 % us   worst us   worst in chunks");

    let mut random = Random(1);
    let read = latencies(&mut session, cancels, chunk * 6, &mut random, |session| session.feed(&text))?;
    show("reading", read, chunk);
    session.prefill()?;
    let options = AskOptions::default().decoding(Decoding::Free).ignore_end(true).max_tokens(1 << 20);
    let decode = |session: &mut Session| -> Result<()> {
        loop {
            session.answer("Who had read the letter twice?", &options)?;
        }
    };
    show("decoding", latencies(&mut session, cancels, chunk * 3, &mut random, decode)?, chunk);
    Ok(())
}

/// The times from `cancels` requests, each up to `longest` after `work` was begun, to its end.
fn latencies(
    session: &mut Session,
    cancels: usize,
    longest: Duration,
    random: &mut Random,
    work: impl Fn(&mut Session) -> Result<()> + Sync,
) -> Result<Vec<Duration>> {
    let cancel = session.cancel();
    let mut all = Vec::with_capacity(cancels);
    while all.len() < cancels {
        let delay = longest.mul_f64((random.bits() >> 40) as f64 / (1u64 << 24) as f64);
        let (result, ended, asked) = thread::scope(|scope| {
            let worker = scope.spawn(|| (work(session), Instant::now()));
            thread::sleep(delay);
            let asked = Instant::now();
            cancel.cancel();
            let (result, ended) = worker.join().expect("no panic");
            (result, ended, asked)
        });
        cancel.clear();
        match result {
            Err(e) if e.kind() == ErrorKind::Cancelled => all.push(ended.saturating_duration_since(asked)),
            // It was done before.
            Ok(()) => {}
            Err(e) => return Err(e),
        }
    }
    all.sort();
    Ok(all)
}

fn show(what: &str, all: Vec<Duration>, chunk: Duration) {
    let at = |share: f64| micros(all[((all.len() - 1) as f64 * share) as usize]);
    let (median, most, worst) = (at(0.5), at(0.99), at(1.0));
    println!("{what:15} {:7} {median:11.0} {most:9.0} {worst:10.0} {:17.2}", all.len(), worst / micros(chunk));
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
