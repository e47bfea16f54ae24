//! What documents with headings and tables are made of, whatever their format, and how it is written as text.

use ramba::Result;

use super::writer::Writer;

/// Text in pieces, each with its place in the file if it has one.
pub type Runs = Vec<(String, Option<u64>)>;

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading and its level, 1 for the highest.
    Heading(usize, Runs),
    /// Words in a row.
    Paragraph(Runs),
    /// An item of a list.
    Item(Runs),
    /// Text whose white space matters.
    Verbatim(Runs),
    /// A row of a table, and whether it has the names of the columns.
    Row(Vec<Runs>, bool),
    /// What comes next is no part of the table before it.
    EndTable,
}

impl Block {
    /// The same, of which it is not known where it stands in the file.
    pub fn without_places(&self) -> Self {
        let without = |runs: &Runs| runs.iter().map(|(text, _)| (text.clone(), None)).collect();
        match self {
            Self::Heading(level, runs) => Self::Heading(*level, without(runs)),
            Self::Paragraph(runs) => Self::Paragraph(without(runs)),
            Self::Item(runs) => Self::Item(without(runs)),
            Self::Verbatim(runs) => Self::Verbatim(without(runs)),
            Self::Row(cells, head) => Self::Row(cells.iter().map(without).collect(), *head),
            Self::EndTable => Self::EndTable,
        }
    }
}

/// Blocks of which several stand close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    Row,
    Item,
}

/// Writes blocks, with headings as labels.
#[derive(Default)]
pub struct Outline {
    /// What comes before the headings in a label.
    prefix: String,
    /// The headings that hold, with their levels.
    headings: Vec<(usize, String)>,
    /// The names of the columns of the table.
    columns: Vec<String>,
    /// What the block before was, if it is of those that stand close.
    close: Option<Close>,
}

impl Outline {
    /// From here on, labels begin with `prefix`, and no heading holds.
    pub fn begin(&mut self, prefix: &str, writer: &mut Writer) {
        self.prefix = words(prefix);
        self.headings.clear();
        self.columns.clear();
        self.show(writer);
    }

    /// Writes the next block.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, block: &Block, writer: &mut Writer) -> Result<()> {
        let close = match block {
            Block::Row(..) => Some(Close::Row),
            Block::Item(_) => Some(Close::Item),
            _ => None,
        };
        if close.is_some() && close == self.close {
            writer.line();
        } else {
            writer.paragraph();
        }
        self.close = close;
        if !matches!(block, Block::Row(..)) {
            self.columns.clear();
        }
        match block {
            Block::Heading(level, text) => {
                self.headings.retain(|(other, _)| other < level);
                self.headings.push((*level, words(&plain(text))));
                self.show(writer);
                runs(text, writer)
            }
            Block::Paragraph(text) => runs(text, writer),
            Block::Item(text) => {
                writer.words("- ", None)?;
                runs(text, writer)
            }
            Block::Verbatim(text) => {
                text.iter().try_for_each(|(text, origin)| writer.verbatim(text, *origin, super::writer::Width::Utf8))
            }
            Block::Row(cells, true) if self.columns.is_empty() => {
                self.columns = cells.iter().map(|cell| words(&plain(cell))).collect();
                // Said with each value; here for what they are called alone.
                row(&[], cells, writer)
            }
            Block::Row(cells, _) => row(&self.columns, cells, writer),
            Block::EndTable => Ok(()),
        }
    }

    fn show(&self, writer: &mut Writer) {
        let headings = self.headings.iter().map(|(_, text)| text.as_str());
        let mut path: Vec<&str> =
            Some(self.prefix.as_str()).into_iter().chain(headings).filter(|text| !text.is_empty()).collect();
        // A chapter often has its title as its heading, with its number.
        path.dedup_by(|next, before| {
            let same = next.trim_start_matches(|c: char| !c.is_alphabetic())
                == before.trim_start_matches(|c: char| !c.is_alphabetic());
            if same && next.len() > before.len() {
                *before = next;
            }
            same
        });
        writer.label(&path.join(" › "));
    }
}

/// Writes a row of a table: the cells, each with the name of its column before it. Cells without text are left out.
///
/// # Errors
/// Those of the output.
pub fn row(columns: &[String], cells: &[Runs], writer: &mut Writer) -> Result<()> {
    let mut first = true;
    for (i, cell) in cells.iter().enumerate().filter(|(_, cell)| !is_empty(cell)) {
        if !first {
            writer.tight();
            writer.words("; ", None)?;
        }
        first = false;
        if let Some(name) = columns.get(i).filter(|name| !name.is_empty()) {
            writer.words(name, None)?;
            writer.words(": ", None)?;
        }
        runs(cell, writer)?;
    }
    Ok(())
}

fn runs(runs: &Runs, writer: &mut Writer) -> Result<()> {
    runs.iter().try_for_each(|(text, origin)| writer.words(text, *origin))
}

/// Whether there are no words in `runs`.
pub fn is_empty(runs: &Runs) -> bool {
    runs.iter().all(|(text, _)| text.trim().is_empty())
}

/// The text of `runs`.
pub fn plain(runs: &Runs) -> String {
    runs.iter().map(|(text, _)| text.as_str()).collect()
}

/// `text` with one space between words.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
