//! How fast a text is encoded as a stream, on one thread or several:
//! `cargo bench --bench tokenizer -- MODEL.gguf TEXT [THREADS]`

use std::time::Instant;

use ramba::gguf::Gguf;
use ramba::tokenizer::Tokenizer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    let (Some(model), Some(text)) = (args.next(), args.next()) else {
        return Err("usage: cargo bench --bench tokenizer -- MODEL.gguf TEXT [THREADS]".into());
    };
    let threads = args.next().map_or(Ok(1), |n| n.parse())?;
    let tokenizer = Tokenizer::from_gguf(&Gguf::parse(&std::fs::read(model)?)?)?;
    let text = std::fs::read_to_string(text)?;
    let mut runs = Vec::new();
    let mut tokens = 0;
    for _ in 0..7 {
        tokens = 0;
        let start = Instant::now();
        let mut stream = tokenizer.stream().with_threads(threads);
        for piece in text.as_bytes().chunks((64 << 10) * threads) {
            stream.push_bytes(piece, &mut |_, _| tokens += 1)?;
        }
        stream.finish(&mut |_, _| tokens += 1)?;
        runs.push(text.len() as f64 / 1e6 / start.elapsed().as_secs_f64());
    }
    let first = runs[0];
    runs.sort_by(f64::total_cmp);
    println!(
        "{:.1} MB, {tokens} tokens ({:.2} bytes each): {first:.1} MB/s cold, {:.1} MB/s median of {}",
        text.len() as f64 / 1e6,
        text.len() as f64 / tokens as f64,
        runs[runs.len() / 2],
        runs.len()
    );
    Ok(())
}
