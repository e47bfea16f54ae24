//! Sizes and counts as people write and read them, and lines on standard output.

use std::fmt::Display;
use std::io::Write;

use ramba::{Error, Result, printable};
use serde_json::Value;

/// Prints a line. A pipe that nobody reads any more is an error like any other, where `println!` would panic.
pub fn print(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(|e| Error::io("writing to standard output", e))
}

/// Reads a size such as `64MiB`, `64M`, `1.5GiB`, `500kB` or `1048576` as bytes. K, M and G alone mean powers of 1024.
pub fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let (value, unit) = split_unit(text)?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1048576.0,
        "g" | "gib" => 1073741824.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        _ => return Err(format!("unknown unit {unit:?} (use KiB, MiB, GiB, kB, MB or GB)")),
    };
    whole(value * scale)
}

/// Reads a count such as `4k`, `64K`, `1m` or `4096`: k and m are powers of 1024, as lengths of contexts are counted.
pub fn parse_count(text: &str) -> std::result::Result<u64, String> {
    let (value, unit) = split_unit(text)?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" => 1.0,
        "k" => 1024.0,
        "m" => 1048576.0,
        "g" => 1073741824.0,
        _ => return Err(format!("unknown unit {unit:?} (use k, m or g)")),
    };
    whole(value * scale)
}

fn split_unit(text: &str) -> std::result::Result<(f64, &str), String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let value: f64 = text[..digits].parse().map_err(|_| "expected a number, as in 64MiB".to_string())?;
    Ok((value, text[digits..].trim_start()))
}

fn whole(value: f64) -> std::result::Result<u64, String> {
    // Beyond 2^53 a double no longer counts bytes, and no machine has them.
    if (1.0..=9e15).contains(&value) { Ok(value as u64) } else { Err("out of range".into()) }
}

/// `1234567` as `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Bytes in MiB with one digit after the point.
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1048576.0)
}

/// Bytes as people read them: to the byte, or in MiB.
pub fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} bytes", grouped(bytes)) } else { mib(bytes) }
}

/// `n` of what is called `one`, as in `1 document` and `2,000 documents`.
pub fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `text` on one line, with runs of white space and control characters (which an untrusted document may hold, and which
/// must not reach a terminal) as single spaces, and those that change the direction of text escaped.
pub fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    printable(&words.collect::<Vec<_>>().join(" ")).into_owned()
}

/// As [`one_line`], cut off after 120 characters.
pub fn one_short_line(text: &str) -> String {
    // Enough of it: a text may have megabytes.
    let start = text.char_indices().nth(1000).map_or(text, |(at, _)| &text[..at]);
    let line = one_line(start);
    match line.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if start.len() < text.len() => format!("{line}…"),
        None => line,
    }
}

/// Prints a JSON value. What could steer a terminal is escaped, which means the same to who reads the JSON.
pub fn print_json(value: &Value) -> Result<()> {
    let mut line = String::new();
    for c in value.to_string().chars() {
        // Outside of texts JSON has no such characters.
        if printable(c.encode_utf8(&mut [0; 4])).len() == c.len_utf8() {
            line.push(c);
        } else {
            line += &format!("\\u{:04x}", u32::from(c));
        }
    }
    print(line)
}
