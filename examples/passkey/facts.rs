//! Facts to hide in a text, and the questions that ask for them.

use ramba_cli::prose::Rng;

/// One sentence with a number in it, the question that asks for the number, and the number.
#[derive(Debug, Clone)]
pub struct Fact {
    pub text: String,
    pub question: String,
    pub answer: String,
}

/// Words that keys are made of.
const WORDS: &[&str] = &[
    "wandering",
    "age",
    "silver",
    "morning",
    "river",
    "candle",
    "honest",
    "winter",
    "marble",
    "garden",
    "quiet",
    "engine",
    "harbour",
    "violet",
    "thunder",
    "copper",
    "gentle",
    "island",
    "paper",
    "orchard",
    "hollow",
    "summer",
    "ancient",
    "bridge",
    "golden",
    "feather",
    "distant",
    "mountain",
    "lantern",
    "mirror",
    "velvet",
    "forest",
    "broken",
    "castle",
    "secret",
    "window",
    "northern",
    "basket",
    "pleasant",
    "journey",
    "crimson",
    "shadow",
];

/// `count` facts with different keys, in the three formats that `ramba-small` is promised to understand. At most
/// one of them is the pass key without a name.
pub fn facts(rng: &mut Rng, count: usize) -> Vec<Fact> {
    let mut keys: Vec<String> = Vec::with_capacity(count);
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let n = number(rng);
        let i = out.len();
        if i == 0 && count > 1 {
            out.push(Fact {
                text: format!("The pass key is {n}. Remember it. {n} is the pass key."),
                question: "What is the pass key?".into(),
                answer: n,
            });
            continue;
        }
        // Words for the magic numbers, letters for the pass keys, and now and then the other way round.
        let words = i % 2 == 1;
        let key = if words ^ (rng.below(4) == 0) {
            format!("{}-{}", rng.pick(WORDS), rng.pick(WORDS))
        } else {
            (0..4).map(|_| char::from(b'A' + rng.below(26) as u8)).collect()
        };
        if keys.contains(&key) {
            continue;
        }
        out.push(if words {
            Fact {
                text: format!("One of the special magic numbers for {key} is: {n}."),
                question: format!("What is the special magic number for {key} mentioned in the provided text?"),
                answer: n,
            }
        } else {
            Fact {
                text: format!("The pass key of {key} is {n}."),
                question: format!("What is the pass key of {key}?"),
                answer: n,
            }
        });
        keys.push(key);
    }
    out
}

/// A number of 5 to 7 digits.
fn number(rng: &mut Rng) -> String {
    let low = [10_000, 100_000, 1_000_000][rng.below(3)];
    (low + rng.below(9 * low)).to_string()
}
