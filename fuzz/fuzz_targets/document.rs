//! Documents of any bytes, under the names that decide where bytes do not, and as what is inside of a PDF, EPUB or DOCX file that is whole: read or
//! refused, in bounded memory, and the marks and the text that come are what a session takes.

#![no_main]

use std::io::{Cursor, Seek, Write};

use libfuzzer_sys::fuzz_target;
use ramba::{Mark, Result};
use ramba_cli::document::{Document, DocumentArgs, Output};
use test_support::pdf::{pdf, stream};
use zip::write::{SimpleFileOptions, ZipWriter};

const NAMES: [&str; 10] = ["a", "a.txt", "a.md", "a.html", "a.pdf", "a.epub", "a.docx", "a.csv", "a.tsv", "a.jsonl"];

/// Looks at what comes.
#[derive(Default)]
struct Checked {
    bytes: u64,
    marked: u64,
}

impl Output for Checked {
    fn text(&mut self, text: &str, marks: &[Mark]) -> Result<()> {
        self.bytes += text.len() as u64;
        for mark in marks {
            assert!((self.marked..=self.bytes).contains(&mark.at), "{} not in {}..={}", mark.at, self.marked, self.bytes);
            assert!(mark.label.as_ref().is_none_or(|label| label.len() <= 1024), "{:?}", mark.label);
            self.marked = mark.at;
        }
        Ok(())
    }
}

fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).expect("a name");
        zip.write_all(bytes).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

const CONTAINER: &[u8] = b"<container><rootfiles><rootfile full-path='p.opf'/></rootfiles></container>";
const PACKAGE: &[u8] = b"<package><manifest><item id='a' href='a.xhtml' media-type='application/xhtml+xml'/></manifest>\
    <spine><itemref idref='a'/></spine></package>";

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    let (name, bytes) = match usize::from(*kind) % (NAMES.len() + 4) {
        kind if kind < NAMES.len() => (NAMES[kind], bytes.to_vec()),
        10 => ("a.pdf", pdf(&[stream("", bytes)], "")),
        11 => ("a.pdf", pdf(&[stream("/Filter [/LZWDecode /ASCII85Decode]", bytes)], "")),
        12 => ("a.docx", archive(&[("word/document.xml", bytes)])),
        _ => ("a.epub", archive(&[("META-INF/container.xml", CONTAINER), ("p.opf", PACKAGE), ("a.xhtml", bytes)])),
    };
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&bytes).expect("room for it");
    file.rewind().expect("a file");
    if let Ok(document) = Document::from_file(name, file, &DocumentArgs::default()) {
        // Refusing is fine, too.
        let _ = document.read(&mut Checked::default());
    }
});
