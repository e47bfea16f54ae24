//! Which format a document has: what its bytes say first, then its name.

use std::path::Path;

use clap::ValueEnum;
use ramba::{Error, Result};

/// A format of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text without markup
    Text,
    /// Markdown
    Markdown,
    /// HTML
    Html,
    /// PDF
    Pdf,
    /// EPUB
    Epub,
    /// Word, as Office Open XML
    Docx,
    /// A table with commas or semicolons
    Csv,
    /// A table with tabs
    Tsv,
    /// A JSON value on each line
    Jsonl,
}

/// Bytes at the start of files that are no text, and what such files are.
const NO_TEXT: &[(&[u8], &str)] = &[
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "a file of Office before 2007, or one with a password: save it as DOCX, without a password",
    ),
    (b"{\\rtf", "RTF: save it as DOCX or as text"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ\0", "compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it first"),
    (b"\x89PNG\r\n", "an image: its words have to be recognised first (OCR)"),
    (b"\xff\xd8\xff", "an image: its words have to be recognised first (OCR)"),
    (b"GIF8", "an image: its words have to be recognised first (OCR)"),
    (b"II*\0", "an image: its words have to be recognised first (OCR)"),
    (b"MM\0*", "an image: its words have to be recognised first (OCR)"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"GGUF", "a model file"),
    (b"%!PS", "PostScript: make a PDF of it first"),
    (b"SQLite format 3\0", "an SQLite database: export its tables as CSV"),
];

impl Format {
    /// The format of a file that begins with `start` and is called `name`.
    ///
    /// # Errors
    /// `Unsupported` if it is something that is not read.
    pub fn detect(start: &[u8], name: &Path) -> Result<Self> {
        if find(start.get(..1024).unwrap_or(start), b"%PDF-").is_some() {
            return Ok(Self::Pdf);
        }
        if start.starts_with(b"PK\x03\x04") {
            return of_archive(start);
        }
        if let Some((_, what)) = NO_TEXT.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(Error::unsupported(format!("it is {what}")));
        }
        if is_html(start) {
            return Ok(Self::Html);
        }
        let extension = name.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        Ok(match extension.as_str() {
            "md" | "markdown" | "mdown" | "mkd" => Self::Markdown,
            "html" | "htm" | "xhtml" => Self::Html,
            "csv" => Self::Csv,
            "tsv" | "tab" => Self::Tsv,
            "jsonl" | "ndjson" => Self::Jsonl,
            _ if is_jsonl(start) => Self::Jsonl,
            _ => Self::Text,
        })
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "Markdown",
            Self::Html => "HTML",
            Self::Pdf => "PDF",
            Self::Epub => "EPUB",
            Self::Docx => "DOCX",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Jsonl => "JSON lines",
        }
    }

    /// Extensions of files that folders are searched for.
    pub fn is_wanted(name: &Path) -> bool {
        const WANTED: &[&str] = &[
            "txt", "text", "log", "md", "markdown", "mdown", "mkd", "rst", "adoc", "org", "tex", "html", "htm",
            "xhtml", "pdf", "epub", "docx", "csv", "tsv", "tab", "jsonl", "ndjson",
        ];
        let extension = name.extension().and_then(|e| e.to_str()).unwrap_or_default();
        WANTED.iter().any(|wanted| extension.eq_ignore_ascii_case(wanted))
    }
}

/// Which of the formats that are ZIP archives the archive that begins with `start` is.
fn of_archive(start: &[u8]) -> Result<Format> {
    // The first record says what an archive is, where its format asks for that; else names of records do.
    let has = |what: &[u8]| find(start, what).is_some();
    if has(b"mimetypeapplication/epub+zip") {
        return Ok(Format::Epub);
    }
    let other = match () {
        () if has(b"mimetypeapplication/vnd.oasis.opendocument") => "an OpenDocument file: save it as DOCX or PDF",
        () if has(b"word/") => return Ok(Format::Docx),
        () if has(b"META-INF/container.xml") => return Ok(Format::Epub),
        () if has(b"xl/") => "an Excel workbook: save its sheets as CSV",
        () if has(b"ppt/") => "a PowerPoint file: save it as PDF",
        // A DOCX file may name its parts further on.
        () if has(b"[Content_Types].xml") => return Ok(Format::Docx),
        () => "a ZIP archive: unpack it first",
    };
    Err(Error::unsupported(format!("it is {other}")))
}

/// Whether a text begins as HTML does.
fn is_html(start: &[u8]) -> bool {
    let text: String = match super::encoding::of_start(start) {
        Ok(Some(encoded)) => encoded.encoding.decode_without_bom_handling(&start[encoded.mark..]).0.into_owned(),
        _ => String::from_utf8_lossy(start).into_owned(),
    };
    let mut text = text.trim_start();
    // What may stand before it.
    while let Some(rest) = text.strip_prefix("<?").or(text.strip_prefix("<!--")) {
        let end = if text.starts_with("<?") { "?>" } else { "-->" };
        let Some((_, after)) = rest.split_once(end) else { return false };
        text = after.trim_start();
    }
    let begins = |what: &str| text.get(..what.len()).is_some_and(|head| head.eq_ignore_ascii_case(what));
    ["<!doctype html", "<html", "<head>", "<body"].into_iter().any(begins)
}

/// Whether the first two lines of a text are JSON objects.
fn is_jsonl(start: &[u8]) -> bool {
    let mut lines = start.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut object = || lines.next().is_some_and(|line| serde_json::from_slice::<serde_json::Map<_, _>>(line).is_ok());
    start.starts_with(b"{") && object() && object()
}

/// Where `needle` begins in `bytes`.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        let detect = |start: &[u8], name: &str| Format::detect(start, Path::new(name));
        for (start, name, format) in [
            (&b"%PDF-1.7\n"[..], "a.txt", Format::Pdf),
            (b"\n\n%PDF-1.4", "-", Format::Pdf),
            (b"PK\x03\x04....mimetypeapplication/epub+zip", "a.zip", Format::Epub),
            (b"PK\x03\x04....[Content_Types].xml...word/document.xml", "a.pdf", Format::Docx),
            (b"\xef\xbb\xbf <!-- x --> <!DOCTYPE HTML PUBLIC", "a", Format::Html),
            (b"<?xml version=\"1.0\"?>\n<html xmlns=", "a.txt", Format::Html),
            (b"<\0h\0t\0m\0l\0>\0", "a", Format::Html),
            (b"# Title", "README.MD", Format::Markdown),
            (b"a;b\n1;2", "a.csv", Format::Csv),
            (b"a\tb\n", "a.tsv", Format::Tsv),
            (b"{\"a\": 1}\n{\"a\": 2}\n{\"a", "-", Format::Jsonl),
            (b"{\n \"a\": 1}", "a.json", Format::Text),
            (b"plain", "a.txt", Format::Text),
            (b"", "a", Format::Text),
        ] {
            assert_eq!(detect(start, name).unwrap(), format, "{name}");
        }
    }

    #[test]
    fn what_is_not_read_is_called_by_its_name() {
        for (start, word) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "image"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "password"),
            (b"PK\x03\x04..xl/workbook.xml", "Excel"),
            (b"PK\x03\x04..a.txt", "ZIP"),
            (b"PK\x03\x04..mimetypeapplication/vnd.oasis.opendocument.text", "OpenDocument"),
            (b"{\\rtf1", "RTF"),
        ] {
            let e = Format::detect(start, Path::new("a.txt")).unwrap_err();
            assert!(e.kind() == ramba::ErrorKind::Unsupported && e.to_string().contains(word), "{e}");
        }
    }
}
