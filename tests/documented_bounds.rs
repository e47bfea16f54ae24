//! The bounds that `docs/format.md` states are those of the build.

use ramba::gguf::{Gguf, MAX_HEADER_BYTES, MAX_KEY_BYTES, MAX_KEYS, MAX_NAME_BYTES, MAX_TENSORS};
use ramba::model::Config;
use ramba::{ErrorKind, Result};
use test_support::gguf::string;
use test_support::model::Fixture;

/// The hyperparameters of a model with another u32 for `key`.
fn with(key: &str, value: u32) -> Result<Config> {
    let mut file = Fixture::open("base").bytes();
    let key = string(key.as_bytes());
    let at = file.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 4;
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    Config::from_gguf(&Gguf::parse(&file).unwrap())
}

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format.md")).unwrap()
}

/// The number that `text` begins with, written with commas.
fn number(text: &str) -> Option<u32> {
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
    digits.parse().ok()
}

#[test]
fn of_hyperparameters() {
    let document = document();
    let mut seen = Vec::new();
    for row in document.lines().filter(|line| line.starts_with("| `{arch}.") || line.starts_with("| `ramba.")) {
        let key = row.split('`').nth(1).unwrap().replace("{arch}", "ramba");
        let meaning = row.split('|').nth(3).unwrap();
        // "at most 64", or "2 to 8".
        let most = ["at most ", " to "].iter().find_map(|word| number(meaning.split_once(word)?.1));
        let Some(most) = most.filter(|_| row.contains("u32")) else { continue };
        let bound = format!("at most {most}");
        let beyond = with(&key, most + 1).expect_err(&key);
        assert_eq!(beyond.kind(), ErrorKind::Unsupported, "{key}: {beyond}");
        assert!(beyond.to_string().contains(&bound), "{key}, {bound} in docs/format.md: {beyond}");
        // Other reasons may be against the bound itself.
        let error = with(&key, most).err().map_or(String::new(), |e| e.to_string());
        assert!(!error.contains("at most"), "{key} = {most}: {error}");
        seen.push(key);
    }
    for key in ["ramba.ssm.conv_kernel", "ramba.block_count", "ramba.chunk.size", "ramba.chunk.top_k"] {
        assert!(seen.iter().any(|k| k == key), "{key} has no bound in docs/format.md: {seen:?}");
    }
}

#[test]
fn of_the_header() {
    let document = document();
    let grouped = |n: u64| format!("{},{:03}", n / 1000, n % 1000);
    for text in [
        format!("| tensor count | 8 | u64 | more than {},", grouped(MAX_TENSORS)),
        format!("| metadata count | 8 | u64 | more than {},", grouped(MAX_KEYS)),
        format!("longer than {} bytes", grouped(MAX_KEY_BYTES as u64)),
        format!("longer than {MAX_NAME_BYTES} bytes"),
        format!("within the first {} MiB", MAX_HEADER_BYTES >> 20),
    ] {
        assert!(document.contains(&text), "{text:?} is not in docs/format.md");
    }
}
