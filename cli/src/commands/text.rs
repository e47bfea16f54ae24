//! `ramba text`: what is read of documents, and where it stands in them.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use ramba::{Error, Mark, Result, printable};
use serde_json::json;

use ramba_cli::document::{self, Document, DocumentArgs, Note, Output};
use ramba_cli::show::{one_line, print, print_json};

#[derive(Args)]
pub struct TextArgs {
    /// The documents, as for `ask`
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    documents: DocumentArgs,
    /// Print a line before each place with another name: a page, a heading, a row
    #[arg(long)]
    labels: bool,
    /// Print one JSON object a document, with its text, its marks and what could not be read
    #[arg(long)]
    json: bool,
}

pub fn run(args: &TextArgs) -> Result<()> {
    for file in document::find(&args.files)? {
        let document = Document::open_as(&file, &args.documents)?;
        let (name, format) = (document.name().to_owned(), document.format());
        let notes = if args.json {
            let mut all = All::default();
            let notes = document.read(&mut all)?;
            let mark = |mark: &Mark| json!({"at": mark.at, "origin": mark.origin, "label": mark.label});
            print_json(&json!({
                "document": name, "format": format.name(), "text": all.text,
                "marks": all.marks.iter().map(mark).collect::<Vec<_>>(), "notes": notes.iter().map(Note::json).collect::<Vec<_>>(),
            }))?;
            continue;
        } else {
            document.read(&mut Printed { labels: args.labels, at: 0 })?
        };
        print("")?;
        document::tell(&name, &notes);
    }
    Ok(())
}

/// Text and marks in memory.
#[derive(Default)]
struct All {
    text: String,
    marks: Vec<Mark>,
}

impl Output for All {
    fn text(&mut self, text: &str, marks: &[Mark]) -> Result<()> {
        self.text += text;
        self.marks.extend_from_slice(marks);
        Ok(())
    }
}

/// Text on standard output, as it comes.
struct Printed {
    labels: bool,
    at: u64,
}

impl Output for Printed {
    fn text(&mut self, text: &str, marks: &[Mark]) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let terminal = out.is_terminal();
        let mut put = |text: &str| {
            let safe = || text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
            let shown = if terminal { Cow::Owned(safe()) } else { Cow::Borrowed(text) };
            out.write_all(shown.as_bytes()).map_err(|e| Error::io("writing to standard output", e))
        };
        let mut from = 0;
        for mark in marks.iter().filter(|_| self.labels) {
            let Some(label) = &mark.label else { continue };
            let at = (mark.at - self.at) as usize;
            put(&text[from..at])?;
            put(&format!("\n[{}]\n", one_line(label)))?;
            from = at;
        }
        put(&text[from..])?;
        self.at += text.len() as u64;
        Ok(())
    }
}
