//! Markdown: its text without the markup, with its headings, and tables as rows.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use ramba::Result;

use super::blocks::{Block, Outline, Runs, is_empty};
use super::encoding::{Encoded, decode_all};
use super::html::Page;
use super::writer::Writer;

/// Reads a document.
///
/// # Errors
/// Those of the output.
pub fn read(bytes: &[u8], encoded: Encoded, writer: &mut Writer) -> Result<()> {
    let (text, origins, complaint) = decode_all(bytes, encoded)?;
    writer.decoded(origins);
    if let Some(complaint) = complaint {
        writer.note(None, complaint);
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_DEFINITION_LIST;
    let mut builder = Builder {
        source: &text,
        writer,
        outline: Outline::default(),
        kind: Kind::Paragraph,
        runs: Vec::new(),
        cells: Vec::new(),
        html: String::new(),
    };
    for (event, place) in Parser::new_ext(&text, options).into_offset_iter() {
        builder.writer.progress(place.start as u64, text.len() as u64);
        builder.event(event, place)?;
    }
    builder.end()
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Paragraph,
    Heading(usize),
    Item,
    Verbatim,
}

struct Builder<'b, 'o> {
    source: &'b str,
    writer: &'b mut Writer<'o>,
    outline: Outline,
    kind: Kind,
    runs: Runs,
    cells: Vec<Runs>,
    html: String,
}

impl Builder<'_, '_> {
    fn event(&mut self, event: Event, place: Range<usize>) -> Result<()> {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.finish(tag),
            Event::Text(text) => self.push(&text, place),
            Event::Code(text) => {
                // Between marks of any number.
                let inside = self.source.get(place.clone()).and_then(|raw| raw.find(text.as_ref())).unwrap_or_default();
                self.push(&text, place.start + inside..place.end)
            }
            Event::SoftBreak | Event::HardBreak => self.push("\n", place),
            Event::FootnoteReference(name) => self.push(&format!("[{name}]"), place),
            Event::Rule => self.end(),
            Event::Html(html) => {
                self.html += &html;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, tag: &Tag) -> Result<()> {
        let kind = match tag {
            Tag::Paragraph if self.kind == Kind::Item && is_empty(&self.runs) => Kind::Item,
            Tag::Heading { level, .. } => Kind::Heading(*level as usize),
            Tag::Item => Kind::Item,
            Tag::CodeBlock(_) | Tag::MetadataBlock(_) => Kind::Verbatim,
            Tag::Paragraph
            | Tag::BlockQuote(_)
            | Tag::Table(_)
            | Tag::List(_)
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::HtmlBlock => Kind::Paragraph,
            _ => return Ok(()),
        };
        self.end()?;
        self.kind = kind;
        Ok(())
    }

    fn finish(&mut self, tag: TagEnd) -> Result<()> {
        match tag {
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.runs)),
            TagEnd::TableHead | TagEnd::TableRow => {
                let row = Block::Row(std::mem::take(&mut self.cells), tag == TagEnd::TableHead);
                return self.outline.write(&row, self.writer);
            }
            TagEnd::Table => return self.outline.write(&Block::EndTable, self.writer),
            TagEnd::HtmlBlock => {
                let page = Page::parse(&std::mem::take(&mut self.html));
                for block in page.blocks() {
                    // Its places are not those of this file.
                    let block = block.without_places();
                    self.outline.write(&block, self.writer)?;
                }
            }
            TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::Item
            | TagEnd::CodeBlock
            | TagEnd::BlockQuote(_)
            | TagEnd::MetadataBlock(_)
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::FootnoteDefinition => return self.end(),
            _ => {}
        }
        Ok(())
    }

    /// Text that stands at `place`, or something else that means it.
    fn push(&mut self, text: &str, place: Range<usize>) -> Result<()> {
        let origin = self.source.get(place.clone()).is_some_and(|raw| raw.starts_with(text) || raw.len() < 12);
        self.runs.push((text.to_owned(), origin.then_some(place.start as u64)));
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let kind = std::mem::replace(&mut self.kind, Kind::Paragraph);
        if is_empty(&self.runs) {
            self.runs.clear();
            return Ok(());
        }
        let mut runs = std::mem::take(&mut self.runs);
        let block = match kind {
            Kind::Paragraph => Block::Paragraph(runs),
            Kind::Heading(level) => Block::Heading(level, runs),
            Kind::Item => Block::Item(runs),
            Kind::Verbatim => {
                if let Some((text, _)) = runs.last_mut() {
                    text.truncate(text.trim_end().len());
                }
                Block::Verbatim(runs)
            }
        };
        self.outline.write(&block, self.writer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::tests::Kept;
    use super::*;

    #[test]
    fn markup_goes_and_headings_are_labels() {
        let text = "---\ntitle: X\n---\n# Pump *two*\n\nSwitch it **on**\nand `wait`.\n\n## Limits\n\n- 10 bar\n- 80 °C,\n  at most\n\n\
            | Part | Price |\n|---|---|\n| Pump | 12 € |\n| Valve | |\n\nSetext\n======\n\n```sh\nmake  all\n  x\n```\n\n<div><b>raw</b> &amp; html</div>\n\nend &amp; [link](http://x) \\*";
        let mut kept = Kept::default();
        let mut writer = Writer::new(&mut kept);
        read(text.as_bytes(), Encoded { encoding: encoding_rs::UTF_8, mark: 0, guessed: false }, &mut writer).unwrap();
        writer.finish().unwrap();
        assert_eq!(
            kept.text,
            "title: X\n\nPump two\n\nSwitch it on and wait.\n\nLimits\n\n- 10 bar\n- 80 °C, at most\n\nPart; Price\n\
             Part: Pump; Price: 12 €\nPart: Valve\n\nSetext\n\nmake  all\n  x\n\nraw & html\n\nend & link *"
        );
        assert_eq!(
            (kept.label("Switch"), kept.label("80"), kept.label("make")),
            ("Pump two", "Pump two › Limits", "Setext")
        );
        for word in ["Switch", "wait", "80", "at most", "12 €", "make", "link"] {
            assert_eq!(kept.origin(word), Some(text.find(word).unwrap() as u64), "{word}");
        }
        assert_eq!(kept.origin("raw"), None);
    }
}
