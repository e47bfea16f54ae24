//! What answers say that they rest on, measured on questions of which one knows whether the document answers them.
//!
//! ```text
//! cargo run --release --example support -- questions.json
//! ```
//!
//! The file is a JSON array of `{"document": TEXT, "questions": [{"question": TEXT, "answers": [TEXT, …]}, …]}`. A question
//! without answers is one that the document does not answer.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ramba::{Answer, Engine, EngineOptions, Error, Result, SessionOptions, Support};
use ramba_cli::answers::AnswerArgs;
use ramba_cli::files;
use ramba_cli::show::{one_line, print};
use serde_json::Value;

/// Measure how well answers know what they rest on.
#[derive(Parser)]
struct Args {
    /// Documents and questions, as JSON
    file: PathBuf,
    /// The model file [default: the shipped models/ramba-small.gguf]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    answers: AnswerArgs,
    /// Print every answer, to standard error
    #[arg(long)]
    all: bool,
}

/// Answers of one kind of question.
#[derive(Default)]
struct Kind {
    weights: Vec<f32>,
    probabilities: Vec<f32>,
    quoted: usize,
    found: usize,
    none: usize,
}

impl Kind {
    fn count(&mut self, answer: &Answer) {
        self.weights.push(answer.weight);
        self.probabilities.push(answer.probability);
        match answer.support {
            Support::Quoted(_) => self.quoted += 1,
            Support::None => self.none += 1,
            _ => self.found += 1,
        }
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let name = args.file.display();
    let text = std::fs::read_to_string(&args.file).map_err(|e| Error::io(format!("reading {name}"), e))?;
    let wrong = |what: &str| Error::format(format!("{name}: {what}"));
    let data: Value = serde_json::from_str(&text).map_err(|e| wrong(&e.to_string()))?;
    let engine = Engine::open(files::model_path(args.model.as_deref())?, &EngineOptions::default())?;
    let [mut right, mut other, mut absent] = [Kind::default(), Kind::default(), Kind::default()];
    for part in data.as_array().ok_or_else(|| wrong("no array"))? {
        let mut session = engine.session(&SessionOptions::default())?;
        session.feed(part["document"].as_str().ok_or_else(|| wrong("a part without a document"))?)?;
        for asked in part["questions"].as_array().ok_or_else(|| wrong("a part without questions"))? {
            let question = asked["question"].as_str().ok_or_else(|| wrong("no question"))?;
            let answers = asked["answers"].as_array().ok_or_else(|| wrong("a question without a list of answers"))?;
            let answer = session.answer(question, &args.answers.options())?;
            if args.all {
                let Answer { text, support, weight, probability, .. } = &answer;
                eprintln!("{question} -> {:?} {support:?} {weight:.4} {probability:.4}", one_line(text));
            }
            let best = answers.iter().filter_map(Value::as_str).map(|wanted| overlap(&answer.text, wanted));
            match best.reduce(f64::max) {
                Some(best) if best > 0.5 => right.count(&answer),
                Some(_) => other.count(&answer),
                None => absent.count(&answer),
            }
        }
    }

    let kinds = [("right", &right), ("wrong", &other), ("not in the document", &absent)];
    print("question                asked   quoted    found     none")?;
    for (name, kind) in kinds {
        print(format!("{name:<20} {:>8} {:>8} {:>8} {:>8}", kind.weights.len(), kind.quoted, kind.found, kind.none))?;
    }
    print("\nshare with less than    0.05     0.10     0.20     0.25     0.30     0.40     0.50     0.75")?;
    for (name, kind) in kinds {
        for (what, values) in [("weight", &kind.weights), ("probability", &kind.probabilities)] {
            let shares = [0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75].map(|least| {
                let less = values.iter().filter(|&&value| value < least).count();
                format!("{:>8.3}", less as f64 / values.len().max(1) as f64)
            });
            print(format!("{name}, {what}\n{:19}{}", "", shares.join(" ")))?;
        }
    }
    Ok(())
}

/// How far two texts have the same words (the F1 of SQuAD's evaluation, articles included): 0 to 1.
fn overlap(a: &str, b: &str) -> f64 {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (a, mut b) = (words(a), words(b));
    let total = a.len() + b.len();
    let same = a.iter().filter(|word| b.iter().position(|other| other == *word).map(|at| b.swap_remove(at)).is_some());
    2.0 * same.count() as f64 / total.max(1) as f64
}
