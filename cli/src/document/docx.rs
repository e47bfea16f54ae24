//! DOCX, Office Open XML: paragraphs with the numbers of their lists, headings, tables, notes.

use std::collections::HashMap;

use ramba::Result;

use super::archive::{Archive, Attributes, Xml, xml, xml_in_places};
use super::blocks::{Block, Outline, Runs, is_empty};
use super::writer::Writer;

/// Reads a document.
///
/// # Errors
/// Those of the archive and the output.
pub fn read(bytes: Vec<u8>, writer: &mut Writer) -> Result<()> {
    let mut archive = Archive::open(bytes)?;
    let styles = Styles::read(&mut archive)?;
    let numbering = Numbering::read(&mut archive)?;
    let mut notes = HashMap::new();
    for (path, kind) in [("word/footnotes.xml", "footnote"), ("word/endnotes.xml", "endnote")] {
        if archive.has(path) {
            let text = archive.text(path)?;
            read_notes(path, &text, kind, &mut notes)?;
        }
    }
    let text = archive.text("word/document.xml")?;
    let mut body = Body {
        styles: &styles,
        numbering,
        outline: Outline::default(),
        writer,
        notes: &notes,
        runs: Vec::new(),
        style: Style::default(),
        tables: Vec::new(),
        skipped: 0,
        in_text: false,
        deleted: 0,
        images: 0,
    };
    xml_in_places("word/document.xml", &text, &mut |event, at| {
        body.writer.progress(at, text.len() as u64);
        body.event(event)
    })?;
    body.finish()
}

/// The styles of paragraphs, with what matters of them.
#[derive(Default)]
struct Styles {
    styles: HashMap<String, Style>,
}

#[derive(Default, Clone)]
struct Style {
    based_on: Option<String>,
    /// 1 for the highest heading.
    level: Option<usize>,
    list: List,
}

/// The list that a paragraph is in, and its level.
#[derive(Default, Clone)]
struct List {
    id: Option<String>,
    level: Option<usize>,
}

impl Styles {
    fn read(archive: &mut Archive) -> Result<Self> {
        const PATH: &str = "word/styles.xml";
        let mut styles = Self::default();
        if !archive.has(PATH) {
            return Ok(styles);
        }
        let text = archive.text(PATH)?;
        let mut id = None;
        xml(PATH, &text, &mut |event| {
            let Xml::Start(name, attributes) = event else { return Ok(()) };
            if name == "style" {
                id = attributes.get("styleId");
            }
            let Some(id) = &id else { return Ok(()) };
            let style = styles.styles.entry(id.clone()).or_default();
            match name {
                // Its name is the same in every language that Word speaks.
                "name" => {
                    let name = attributes.get("val").unwrap_or_default().to_lowercase();
                    let level = name.strip_prefix("heading ").and_then(|level| level.trim().parse().ok());
                    style.level = style.level.or(if name == "title" { Some(1) } else { level });
                }
                "basedOn" => style.based_on = attributes.get("val"),
                "outlineLvl" => style.level = outline_level(&attributes).or(style.level),
                "numId" => style.list.id = attributes.get("val"),
                "ilvl" => style.list.level = number(&attributes),
                _ => {}
            }
            Ok(())
        })?;
        Ok(styles)
    }

    /// The style `id`, with what it takes from those that it is based on.
    fn get(&self, id: &str) -> Style {
        let mut style = self.styles.get(id).cloned().unwrap_or_default();
        // Styles that are based on each other end somewhere.
        for _ in 0..16 {
            let Some(base) = style.based_on.take().and_then(|id| self.styles.get(&id)) else { break };
            style.based_on = base.based_on.clone();
            style.level = style.level.or(base.level);
            style.list.id = style.list.id.or_else(|| base.list.id.clone());
            style.list.level = style.list.level.or(base.list.level);
        }
        style
    }
}

fn number(attributes: &Attributes) -> Option<usize> {
    attributes.get("val").and_then(|value| value.parse().ok())
}

fn outline_level(attributes: &Attributes) -> Option<usize> {
    number(attributes).filter(|&level| level < 9).map(|level| level + 1)
}

/// How the paragraphs of lists are numbered.
#[derive(Default)]
struct Numbering {
    /// For each list, that which it is a use of.
    lists: HashMap<String, String>,
    levels: HashMap<(String, usize), Level>,
    /// Where counting is, for each kind of list.
    counters: HashMap<String, [u32; 9]>,
}

#[derive(Default, Clone)]
struct Level {
    start: u32,
    format: String,
    text: String,
}

impl Numbering {
    fn read(archive: &mut Archive) -> Result<Self> {
        const PATH: &str = "word/numbering.xml";
        let mut numbering = Self::default();
        if !archive.has(PATH) {
            return Ok(numbering);
        }
        let text = archive.text(PATH)?;
        let (mut kind, mut list, mut at) = (None, None, 0);
        xml(PATH, &text, &mut |event| {
            let Xml::Start(name, attributes) = event else { return Ok(()) };
            match name {
                "abstractNum" => (kind, list) = (attributes.get("abstractNumId"), None),
                "num" => (kind, list) = (None, attributes.get("numId")),
                "abstractNumId" => {
                    if let (Some(list), Some(kind)) = (&list, attributes.get("val")) {
                        numbering.lists.insert(list.clone(), kind);
                    }
                }
                "lvl" => at = attributes.get("ilvl").and_then(|level| level.parse().ok()).unwrap_or(0),
                "start" | "numFmt" | "lvlText" => {
                    let Some(kind) = &kind else { return Ok(()) };
                    let level = numbering.levels.entry((kind.clone(), at)).or_default();
                    let value = attributes.get("val").unwrap_or_default();
                    match name {
                        "start" => level.start = value.parse().unwrap_or(1),
                        "numFmt" => level.format = value,
                        _ => level.text = value,
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(numbering)
    }

    /// What stands before the next paragraph of `list` at `level`: `3.2`, `(a)`, or nothing but a dash.
    fn next(&mut self, list: &str, level: usize) -> Option<String> {
        let kind = self.lists.get(list)?.clone();
        let own = self.levels.get(&(kind.clone(), level))?.clone();
        let levels = &self.levels;
        let start = |level: usize| levels.get(&(kind.clone(), level)).map_or(1, |level| level.start);
        let counters =
            self.counters.entry(kind.clone()).or_insert_with(|| std::array::from_fn(|i| start(i).wrapping_sub(1)));
        let at = level.min(8);
        counters[at] = counters[at].wrapping_add(1);
        for (below, counter) in counters.iter_mut().enumerate().skip(at + 1) {
            *counter = start(below).wrapping_sub(1);
        }
        if own.format == "bullet" || own.format == "none" {
            return Some("-".into());
        }
        let mut text = own.text.clone();
        for (i, counter) in counters.iter().enumerate().take(at + 1) {
            let format = levels.get(&(kind.clone(), i)).map_or("decimal", |level| level.format.as_str());
            // Levels above that no paragraph has counted yet begin with their first number.
            let count = (*counter).max(if i < at { start(i) } else { 0 });
            text = text.replace(&format!("%{}", i + 1), &numeral(count, format));
        }
        Some(text)
    }
}

/// `n` as lists are numbered.
fn numeral(n: u32, format: &str) -> String {
    let letters = |n: u32| {
        // aa comes after z, and bb after that.
        let letter = char::from(b'a' + (n.saturating_sub(1) % 26) as u8);
        letter.to_string().repeat((n.saturating_sub(1) / 26 + 1).min(20) as usize)
    };
    let roman = |mut n: u32| {
        let mut text = String::new();
        let values = [1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1];
        let names = ["m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"];
        n = n.min(3999);
        for (value, name) in values.into_iter().zip(names) {
            while n >= value {
                text += name;
                n -= value;
            }
        }
        text
    };
    match format {
        "lowerLetter" => letters(n),
        "upperLetter" => letters(n).to_uppercase(),
        "lowerRoman" => roman(n),
        "upperRoman" => roman(n).to_uppercase(),
        "decimalZero" => format!("{n:02}"),
        _ => n.to_string(),
    }
}

/// The texts of footnotes or endnotes, by their kind and number.
fn read_notes(
    path: &str,
    text: &str,
    kind: &'static str,
    notes: &mut HashMap<(&'static str, String), String>,
) -> Result<()> {
    let (mut id, mut inside) = (None, false);
    xml(path, text, &mut |event| {
        match event {
            Xml::Start(name, attributes) if name == kind => {
                // Those with a type are lines between notes and text.
                id = attributes.get("id").filter(|_| attributes.get("type").is_none());
            }
            Xml::Start("t", _) => inside = true,
            Xml::End("t") => inside = false,
            Xml::End("p") => {
                if let Some(id) = &id {
                    notes.entry((kind, id.clone())).or_default().push(' ');
                }
            }
            Xml::Text(text) if inside => {
                if let Some(id) = &id {
                    *notes.entry((kind, id.clone())).or_default() += text;
                }
            }
            _ => {}
        }
        Ok(())
    })
}

#[derive(Default)]
struct Table {
    cells: Vec<Runs>,
    head: bool,
    /// Rows so far.
    rows: usize,
    /// Whether its first row is set apart.
    first_row: bool,
}

/// The body of a document on its way to text.
struct Body<'b, 'o> {
    styles: &'b Styles,
    numbering: Numbering,
    outline: Outline,
    writer: &'b mut Writer<'o>,
    notes: &'b HashMap<(&'static str, String), String>,
    runs: Runs,
    style: Style,
    tables: Vec<Table>,
    /// Elements open of which the content is not read: older versions of what is read already, what was deleted.
    skipped: usize,
    in_text: bool,
    deleted: u64,
    images: u64,
}

impl Body<'_, '_> {
    fn event(&mut self, event: Xml) -> Result<()> {
        match event {
            Xml::Start("Fallback" | "del" | "moveFrom" | "pPrChange" | "rPrChange" | "tblPrChange", _) => {
                self.skipped += 1
            }
            Xml::End("Fallback" | "pPrChange" | "rPrChange" | "tblPrChange") => {
                self.skipped = self.skipped.saturating_sub(1)
            }
            Xml::End("del" | "moveFrom") => {
                self.skipped = self.skipped.saturating_sub(1);
                self.deleted += 1;
            }
            _ if self.skipped > 0 => {}
            Xml::Start(name, attributes) => self.start(name, &attributes),
            Xml::End(name) => return self.end(name),
            Xml::Text(text) if self.in_text => self.push(text),
            Xml::Text(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, name: &str, attributes: &Attributes) {
        match name {
            // A paragraph in a text box stands inside of another one.
            "p" => {
                if !self.runs.is_empty() {
                    self.push("\n");
                }
                self.style = Style::default();
            }
            "pStyle" => {
                let list = std::mem::take(&mut self.style.list);
                self.style = attributes.get("val").map(|id| self.styles.get(&id)).unwrap_or_default();
                self.style.list.id = list.id.or(self.style.list.id.take());
                self.style.list.level = list.level.or(self.style.list.level.take());
            }
            "outlineLvl" => self.style.level = outline_level(attributes).or(self.style.level),
            "numId" => self.style.list.id = attributes.get("val"),
            "ilvl" => self.style.list.level = number(attributes),
            "t" => self.in_text = true,
            "tab" | "br" | "cr" => self.push(" "),
            "noBreakHyphen" => self.push("-"),
            "footnoteReference" => self.note("footnote", attributes),
            "endnoteReference" => self.note("endnote", attributes),
            "drawing" | "pict" => self.images += 1,
            "tbl" => self.tables.push(Table::default()),
            "tblLook" => {
                if let Some(table) = self.tables.last_mut() {
                    // Bit 5 of the old form.
                    let bits = attributes.get("val").and_then(|bits| u32::from_str_radix(&bits, 16).ok());
                    let said = attributes.get("firstRow");
                    table.first_row = said.map_or(bits.is_some_and(|bits| bits & 0x20 != 0), |said| said == "1");
                }
            }
            "tblHeader" => {
                if let Some(table) = self.tables.last_mut() {
                    table.head = true;
                }
            }
            "tc" if self.tables.len() == 1 => self.runs.clear(),
            _ => {}
        }
    }

    fn note(&mut self, kind: &'static str, attributes: &Attributes) {
        let text = attributes.get("id").and_then(|id| self.notes.get(&(kind, id)));
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            let text = format!(" ({}) ", text.trim());
            self.push(&text);
        }
    }

    fn push(&mut self, text: &str) {
        self.runs.push((text.to_owned(), None));
    }

    fn end(&mut self, name: &str) -> Result<()> {
        match name {
            "t" => self.in_text = false,
            "p" => return self.end_paragraph(),
            "tc" if self.tables.len() == 1 => {
                let cell = std::mem::take(&mut self.runs);
                if let Some(table) = self.tables.last_mut() {
                    table.cells.push(cell);
                }
            }
            "tr" if self.tables.len() == 1 => {
                let Some(table) = self.tables.last_mut() else { return Ok(()) };
                let cells = std::mem::take(&mut table.cells);
                let head = std::mem::take(&mut table.head) || (table.first_row && table.rows == 0 && cells.len() > 1);
                table.rows += 1;
                if cells.len() == 1 && !cells.iter().all(is_empty) {
                    // A table to lay out text.
                    let text = cells.into_iter().flatten().collect();
                    return self.outline.write(&Block::Paragraph(text), self.writer);
                }
                if !cells.iter().all(is_empty) {
                    return self.outline.write(&Block::Row(cells, head), self.writer);
                }
            }
            "tbl" => {
                self.tables.pop();
                if self.tables.is_empty() {
                    return self.outline.write(&Block::EndTable, self.writer);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<()> {
        super::check_stop()?;
        let style = std::mem::take(&mut self.style);
        let list = style.list.id.filter(|id| id != "0" && !is_empty(&self.runs));
        let number = list.as_ref().and_then(|list| self.numbering.next(list, style.list.level.unwrap_or(0)));
        if !self.tables.is_empty() {
            self.push("\n");
            return Ok(());
        }
        let mut runs = std::mem::take(&mut self.runs);
        if is_empty(&runs) {
            return Ok(());
        }
        let bullet = number.as_deref() == Some("-");
        if let Some(number) = number.filter(|number| !bullet && !number.trim().is_empty()) {
            runs.insert(0, (format!("{number} "), None));
        }
        let block = match style.level {
            Some(level) => Block::Heading(level, runs),
            None if bullet => Block::Item(runs),
            None => Block::Paragraph(runs),
        };
        self.outline.write(&block, self.writer)
    }

    fn finish(self) -> Result<()> {
        if self.deleted > 0 {
            self.writer.note(None, format!("{} tracked deletions are left out", self.deleted));
        }
        if self.images > 0 {
            self.writer.note(None, format!("{} pictures or drawings are not read, but for text in them", self.images));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerals_are_those_of_lists() {
        let all =
            |format: &str, numbers: &[u32]| numbers.iter().map(|&n| numeral(n, format)).collect::<Vec<_>>().join(" ");
        assert_eq!(all("lowerLetter", &[1, 26, 27, 28]), "a z aa bb");
        assert_eq!(all("upperRoman", &[4, 9, 14, 1990]), "IV IX XIV MCMXC");
        assert_eq!(all("decimal", &[1, 10]), "1 10");
        assert_eq!(all("lowerRoman", &[0, u32::MAX]).len(), " mmmcmxcix".len());
    }
}
