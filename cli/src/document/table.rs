//! Tables as text, CSV and its relatives, and JSON lines: rows of any number, each value with its name.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

use encoding_rs::UTF_8;
use ramba::{Error, Result};
use serde_json::Value;

use super::blocks::{Runs, row};
use super::encoding::{Encoded, decode_all};
use super::writer::Writer;
use super::{Input, interruptible};

/// A row with more bytes than this is refused.
const ROW: usize = 64 << 20;

/// Delimiters that are looked for.
const DELIMITERS: &[u8] = b",;\t|";

/// Reads a table of which the cells have `delimiter` between them; None to find out.
///
/// # Errors
/// Those of reading and writing, `Format` if it is no table, `Capacity` for a row that is too long.
pub fn read_csv(
    input: Input,
    encoded: Encoded,
    delimiter: Option<u8>,
    start: &[u8],
    writer: &mut Writer,
) -> Result<()> {
    let len = input.len;
    let (source, from) = text(input, encoded, writer)?;
    let delimiter = delimiter.unwrap_or_else(|| likely_delimiter(start));
    let tape = Tape { source, kept: Rc::default() };
    let kept = Rc::clone(&tape.kept);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(64 << 10)
        .from_reader(tape);
    let (mut record, mut columns, mut number) = (csv::StringRecord::new(), None, 0_u64);
    loop {
        let begin = reader.position().byte();
        let more = reader.read_record(&mut record).map_err(|e| table_error(e, number + 1))?;
        if !more {
            return Ok(());
        }
        number += 1;
        let end = reader.position().byte();
        let raw = kept.borrow_mut().take(begin, end);
        if columns.is_none() {
            columns = Some(names(&record));
        }
        writer.label(&format!("row {number}"));
        writer.line();
        let places = places(&raw, delimiter);
        let cells: Vec<Runs> = record
            .iter()
            .enumerate()
            .map(|(i, cell)| vec![(cell.to_owned(), places.get(i).map(|at| from + begin + at))])
            .collect();
        // The row of names is one too: what columns there are can be asked.
        let names = columns.as_deref().filter(|_| number > 1).unwrap_or_default();
        row(names, &cells, writer)?;
        if let Some(len) = len {
            writer.progress(from + end, len);
        }
    }
}

/// Reads a file with a JSON value on each line. What is in objects is called by its path: `address.city`.
///
/// # Errors
/// Those of reading and writing, `Format` for a line that is not JSON, `Capacity` for one that is too long.
pub fn read_jsonl(input: Input, encoded: Encoded, writer: &mut Writer) -> Result<()> {
    let len = input.len;
    let (source, from) = text(input, encoded, writer)?;
    let mut source = BufReader::with_capacity(256 << 10, source);
    let (mut line, mut at, mut number) = (Vec::new(), from, 0_u64);
    loop {
        line.clear();
        let got =
            (&mut source).take(ROW as u64 + 1).read_until(b'\n', &mut line).map_err(|e| read_error(e, number + 1))?;
        if got == 0 {
            return Ok(());
        }
        if got > ROW {
            return Err(Error::capacity(format!("row {}: more than {ROW} bytes in a line", number + 1)));
        }
        number += 1;
        if !line.trim_ascii().is_empty() {
            let value: Value =
                serde_json::from_slice(&line).map_err(|e| Error::format(format!("row {number}: not JSON: {e}")))?;
            writer.label(&format!("row {number}"));
            writer.line();
            let mut values = Vec::new();
            flatten("", &value, &mut values);
            let mut said = false;
            for (name, value) in &values {
                if said {
                    writer.words("; ", None)?;
                }
                // The first word stands for the row.
                let origin = (!said).then_some(at);
                said = true;
                if name.is_empty() {
                    writer.words(value, origin)?;
                } else {
                    writer.words(&format!("{name}: "), origin)?;
                    writer.words(value, None)?;
                }
            }
        }
        at += got as u64;
        if let Some(len) = len {
            writer.progress(at, len);
        }
    }
}

/// The text of `input` in UTF-8, and the byte of the file at which it begins. UTF-8 is read as it comes, and anything else at once.
fn text(input: Input, encoded: Encoded, writer: &mut Writer) -> Result<(Box<dyn Read>, u64)> {
    if encoded.encoding == UTF_8 {
        let mut source = interruptible(input.source);
        io::copy(&mut (&mut source).take(encoded.mark as u64), &mut io::sink()).map_err(|e| Error::io("reading", e))?;
        return Ok((source, encoded.mark as u64));
    }
    let bytes = input.whole(256 << 20)?;
    let (text, origins, complaint) = decode_all(&bytes, encoded)?;
    writer.decoded(origins);
    if let Some(complaint) = complaint {
        writer.note(None, complaint);
    }
    Ok((Box::new(Cursor::new(text)), 0))
}

/// Hands bytes on and keeps those that are not done with.
struct Tape {
    source: Box<dyn Read>,
    kept: Rc<RefCell<Kept>>,
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    start: u64,
}

impl Kept {
    /// The bytes `begin..end` of what was read; those before `end` are dropped.
    fn take(&mut self, begin: u64, end: u64) -> Vec<u8> {
        let place = |at: u64| (at.saturating_sub(self.start) as usize).min(self.bytes.len());
        let (begin, end) = (place(begin), place(end));
        let taken = self.bytes[begin..end].to_vec();
        self.bytes.drain(..end);
        self.start += end as u64;
        taken
    }
}

impl Read for Tape {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        let mut kept = self.kept.borrow_mut();
        if kept.bytes.len() > ROW {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {ROW} bytes in a row")));
        }
        kept.bytes.extend_from_slice(&buffer[..got]);
        Ok(got)
    }
}

/// Where the cells of a row begin in it.
fn places(raw: &[u8], delimiter: u8) -> Vec<u64> {
    // Lines without cells are no rows.
    let begin = raw.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
    let quoted = |at: usize| raw.get(at) == Some(&b'"');
    let mut places = vec![(begin + usize::from(quoted(begin))) as u64];
    let mut inside = false;
    for (at, &byte) in raw.iter().enumerate().skip(begin) {
        match byte {
            b'"' => inside = !inside,
            _ if byte == delimiter && !inside => places.push((at + 1 + usize::from(quoted(at + 1))) as u64),
            _ => {}
        }
    }
    places
}

/// The names of the columns, if the first row looks like names and not like values.
fn names(first: &csv::StringRecord) -> Vec<String> {
    let is_name = |cell: &str| !cell.trim().is_empty() && cell.trim().parse::<f64>().is_err() && cell.len() < 200;
    match first.iter().all(is_name) {
        true => first.iter().map(|cell| cell.trim().to_owned()).collect(),
        false => (1..=first.len()).map(|i| format!("column {i}")).collect(),
    }
}

/// The delimiter of which the first lines have most, and all as many.
fn likely_delimiter(start: &[u8]) -> u8 {
    let lines: Vec<&[u8]> =
        start.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(20).collect();
    // The last one may be cut.
    let whole = if lines.len() > 2 { &lines[..lines.len() - 1] } else { &lines[..] };
    let cells = |line: &[u8], delimiter: u8| places(line, delimiter).len();
    let score = |delimiter: u8| {
        let first = whole.first().map_or(1, |line| cells(line, delimiter));
        let same = whole.iter().filter(|line| cells(line, delimiter) == first).count();
        if first > 1 { (same, first) } else { (0, 0) }
    };
    DELIMITERS.iter().copied().rev().max_by_key(|&delimiter| score(delimiter)).unwrap_or(b',')
}

/// The values inside of `value`, with the way to each.
fn flatten(name: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(&name, value, out);
            }
        }
        Value::Array(list) if list.iter().any(|value| value.is_object() || value.is_array()) => {
            list.iter().for_each(|value| flatten(name, value, out));
        }
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(plain).collect();
            out.push((name.to_owned(), list.join(", ")));
        }
        value => out.push((name.to_owned(), plain(value))),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn table_error(e: csv::Error, number: u64) -> Error {
    match e.into_kind() {
        csv::ErrorKind::Io(e) => read_error(e, number),
        csv::ErrorKind::Utf8 { err, .. } => {
            Error::format(format!("row {number}: {err}: say which encoding it is with --encoding"))
        }
        kind => Error::format(format!("row {number}: {kind:?}")),
    }
}

/// The error of a read of ours: one that is too long is no failure of the disk.
fn read_error(e: io::Error, number: u64) -> Error {
    match e.kind() {
        io::ErrorKind::FileTooLarge => Error::capacity(format!("row {number}: {e}")),
        _ => match super::check_stop() {
            Err(stopped) => stopped,
            Ok(()) => Error::io("reading", e),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::tests::Kept;
    use super::*;

    fn input(bytes: &[u8]) -> Input {
        Input { source: Box::new(Cursor::new(bytes.to_vec())), len: Some(bytes.len() as u64) }
    }

    const UTF8: Encoded = Encoded { encoding: UTF_8, mark: 0, guessed: false };

    fn table(bytes: &[u8], encoded: Encoded) -> Result<Kept> {
        let mut kept = Kept::default();
        let mut writer = Writer::new(&mut kept);
        read_csv(input(bytes), encoded, None, bytes, &mut writer)?;
        writer.finish()?;
        Ok(kept)
    }

    #[test]
    fn values_have_their_names_and_rows_their_numbers() {
        let text = "name;born;\"place; \"\"of birth\"\"\"\nAda Lovelace;1815;\"London; \"\"here\"\"\"\n\nGrace Hopper;1906;\nLinus;1969;Helsinki;more\n";
        let kept = table(text.as_bytes(), UTF8).unwrap();
        assert_eq!(
            kept.text,
            "name; born; place; \"of birth\"\nname: Ada Lovelace; born: 1815; place; \"of birth\": London; \"here\"\n\
             name: Grace Hopper; born: 1906\nname: Linus; born: 1969; place; \"of birth\": Helsinki; more"
        );
        assert_eq!((kept.label("name"), kept.label("Ada"), kept.label("Helsinki")), ("row 1", "row 2", "row 4"));
        for word in ["Ada", "1815", "London", "Grace", "1906", "Helsinki", "more"] {
            assert_eq!(kept.origin(word), Some(text.find(word).unwrap() as u64), "{word}");
        }
        let latin: Vec<u8> = "Stadt,Preis\nKöln,12\nBonn,7\n".chars().map(|c| c as u8).collect();
        let kept = table(&latin, Encoded { encoding: encoding_rs::WINDOWS_1252, mark: 0, guessed: true }).unwrap();
        assert_eq!(
            (kept.text.as_str(), kept.origin("Bonn")),
            ("Stadt; Preis\nStadt: Köln; Preis: 12\nStadt: Bonn; Preis: 7", Some(20))
        );
        // Without names, and with a byte order mark.
        let kept = table(b"\xef\xbb\xbf1\t2\n3\t4\n", Encoded { mark: 3, ..UTF8 }).unwrap();
        assert_eq!((kept.text.as_str(), kept.origin("3")), ("1; 2\ncolumn 1: 3; column 2: 4", Some(7)));
    }

    #[test]
    fn json_lines_are_flattened() {
        let text = "{\"id\": 7, \"address\": {\"city\": \"Köln\", \"zip\": null}, \"tags\": [\"a\", 2]}\n\n[1, {\"b\": true}]\n\"word\"\n";
        let mut kept = Kept::default();
        let mut writer = Writer::new(&mut kept);
        read_jsonl(input(text.as_bytes()), UTF8, &mut writer).unwrap();
        writer.finish().unwrap();
        assert!(
            kept.text.starts_with("address.city: Köln; ")
                && kept.text.contains("tags: a, 2")
                && kept.text.ends_with("1; b: true\nword"),
            "{}",
            kept.text
        );
        assert_eq!(
            (kept.label("Köln"), kept.label("true"), kept.origin("word")),
            ("row 1", "row 3", text.find("\"word").map(|at| at as u64))
        );
        let mut kept = Kept::default();
        let e = read_jsonl(input(b"{}\nnot json\n"), UTF8, &mut Writer::new(&mut kept)).unwrap_err();
        assert!(e.to_string().starts_with("row 2: not JSON"), "{e}");
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert!(read_jsonl(input(&deep), UTF8, &mut Writer::new(&mut Kept::default())).is_err());
    }

    #[test]
    fn a_row_without_end_is_refused() {
        let endless = Box::new(io::repeat(b'a').take(1 << 30));
        let mut kept = Kept::default();
        let source = Input { source: Box::new(Cursor::new(&b"a,\""[..]).chain(endless)), len: None };
        let e = read_csv(source, UTF8, Some(b','), b"", &mut Writer::new(&mut kept)).unwrap_err();
        assert_eq!(e.kind(), ramba::ErrorKind::Capacity, "{e}");
    }
}
