//! HTML: the main content, with its headings, and tables as rows.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use ramba::Result;

use super::blocks::{Block, Outline, Runs, is_empty};
use super::encoding::{Encoded, decode_all};
use super::writer::Writer;

/// A cell with more characters than this is no part of a table of data.
const CELL: usize = 600;

/// Elements inside each other that are kept account of.
const DEPTH: usize = 1000;

/// Where in a page a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    Body,
    Article,
    Main,
    /// What is there to find one's way: the same on every page.
    Navigation,
}

/// Reads a page.
///
/// # Errors
/// Those of the output.
pub fn read(bytes: &[u8], encoded: Encoded, writer: &mut Writer) -> Result<()> {
    let (text, origins, complaint) = decode_all(bytes, encoded)?;
    writer.decoded(origins);
    if let Some(complaint) = complaint {
        writer.note(None, complaint);
    }
    let page = Page::parse(&text);
    let size = |wanted: &dyn Fn(Region) -> bool| -> usize {
        page.blocks.iter().filter(|(region, _)| wanted(*region)).map(|(_, block)| length(block)).sum()
    };
    let all = size(&|_| true);
    let content = size(&|region| region != Region::Navigation);
    let (main, article) = (size(&|region| region == Region::Main), size(&|region| region == Region::Article));
    let chosen: &dyn Fn(Region) -> bool = match () {
        () if main > 0 && main * 4 >= content => &|region| region == Region::Main,
        () if article > 0 && article * 2 >= content => &|region| region == Region::Article,
        () if content * 10 >= all => &|region| region != Region::Navigation,
        () => &|_| true,
    };
    let mut outline = Outline::default();
    outline.begin(&page.title, writer);
    for (i, (_, block)) in page.blocks.iter().enumerate().filter(|(_, (region, _))| chosen(*region)) {
        writer.progress(i as u64, page.blocks.len() as u64);
        outline.write(block, writer)?;
    }
    let left = all - size(chosen);
    if left > 0 {
        writer.note(
            None,
            format!(
                "{left} of {all} characters are around the main content (menus, headers, footers) and are left out"
            ),
        );
    }
    Ok(())
}

/// The charset that a page says it has, in its first bytes.
pub fn declared(start: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let start = String::from_utf8_lossy(start.get(..4096).unwrap_or(start)).to_ascii_lowercase();
    let after = |what: &str| start.split_once(what).map(|(_, after)| after);
    // The declaration of XHTML, or that of HTML.
    let said = match start.strip_prefix("<?xml").and_then(|xml| xml.split_once("?>")).map(|(xml, _)| xml) {
        Some(xml) if xml.contains("encoding=") => xml.split_once("encoding=").map(|(_, after)| after.to_owned()),
        _ => after("charset=").map(str::to_owned),
    }?;
    let name: String =
        said.trim_start_matches(['"', '\'', ' ']).chars().take_while(|c| !" \"'/>;".contains(*c)).collect();
    encoding_rs::Encoding::for_label(name.as_bytes())
}

/// A page that is in no file of its own, as text.
///
/// # Errors
/// As for [`of_start`](super::encoding::of_start).
pub fn to_text(bytes: &[u8]) -> Result<String> {
    let declared = declared(bytes).filter(|_| std::str::from_utf8(bytes).is_err());
    let guess = Encoded { encoding: declared.unwrap_or(encoding_rs::UTF_8), mark: 0, guessed: false };
    Ok(decode_all(bytes, super::encoding::of_start(bytes)?.unwrap_or(guess))?.0)
}

fn length(block: &Block) -> usize {
    let count = |runs: &Runs| runs.iter().flat_map(|(text, _)| text.chars()).filter(|c| !c.is_whitespace()).count();
    match block {
        Block::Heading(_, runs) | Block::Paragraph(runs) | Block::Item(runs) | Block::Verbatim(runs) => count(runs),
        Block::Row(cells, _) => cells.iter().map(count).sum(),
        Block::EndTable => 0,
    }
}

/// The blocks of a page, and its title.
#[derive(Default)]
pub struct Page {
    pub title: String,
    blocks: Vec<(Region, Block)>,
}

impl Page {
    /// All of a page.
    pub fn parse(html: &str) -> Self {
        let mut builder = Builder { html, ..Builder::default() };
        let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, span: Span<usize>| -> Option<()> {
            builder.event(&event, span.start);
            None
        });
        emitter.naively_switch_states(true);
        // Nothing is handed out, and a text does not fail to be read.
        for _ in Tokenizer::new_with_emitter(html, emitter) {}
        builder.end_block();
        builder.end_tables();
        builder.page
    }

    /// The blocks of a page that is all content.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().map(|(_, block)| block)
    }

    /// The text of the first heading.
    pub fn heading(&self) -> Option<String> {
        self.blocks().find_map(|block| match block {
            Block::Heading(_, text) => Some(super::blocks::words(&super::blocks::plain(text))),
            _ => None,
        })
    }
}

/// What an open element is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Skipped,
    Region(Region),
    Preformatted,
    Title,
    Plain,
}

/// What is collected for the next block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Paragraph,
    Heading(usize),
    Item,
    Verbatim,
}

#[derive(Default)]
struct Table {
    /// The cells of the row, those with names of columns, and the blocks in the cell.
    cells: Vec<Runs>,
    names: usize,
    in_cell: bool,
    in_row: bool,
    head: bool,
    /// Whether a cell of the row holds more than a few words.
    layout: bool,
}

#[derive(Default)]
struct Builder<'t> {
    html: &'t str,
    page: Page,
    /// Elements that are open, with what they are.
    open: Vec<(Vec<u8>, Role)>,
    /// The element whose start is being read.
    tag: Vec<u8>,
    attribute: Vec<u8>,
    hidden: bool,
    role_main: bool,
    alt: String,
    kind: Kind,
    runs: Runs,
    tables: Vec<Table>,
}

impl Builder<'_> {
    fn event(&mut self, event: &CallbackEvent<'_>, at: usize) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag = name.to_vec();
                (self.hidden, self.role_main) = (false, false);
                self.alt.clear();
            }
            CallbackEvent::AttributeName { name } => {
                self.attribute = name.to_vec();
                self.hidden |= *name == b"hidden";
            }
            CallbackEvent::AttributeValue { value } => match self.attribute.as_slice() {
                b"role" => {
                    self.role_main |= *value == b"main";
                    self.hidden |= matches!(*value, b"navigation" | b"banner" | b"contentinfo");
                }
                b"style" => {
                    let style: Vec<u8> = value.iter().copied().filter(|b| *b != b' ').collect();
                    self.hidden |= style.windows(12).any(|window| window.eq_ignore_ascii_case(b"display:none"));
                }
                b"alt" => self.alt = String::from_utf8_lossy(value).into_owned(),
                _ => {}
            },
            CallbackEvent::CloseStartTag { self_closing } => self.start(*self_closing),
            CallbackEvent::EndTag { name } => self.end(name),
            CallbackEvent::String { value } => self.text(&String::from_utf8_lossy(value), at),
            _ => {}
        }
    }

    fn start(&mut self, self_closing: bool) {
        let tag = std::mem::take(&mut self.tag);
        let skipped = matches!(
            tag.as_slice(),
            b"script"
                | b"style"
                | b"template"
                | b"noscript"
                | b"svg"
                | b"iframe"
                | b"object"
                | b"select"
                | b"button"
                | b"textarea"
        );
        let role = match tag.as_slice() {
            _ if skipped || self.hidden => Role::Skipped,
            _ if self.role_main => Role::Region(Region::Main),
            b"main" => Role::Region(Region::Main),
            // What is inside of navigation, or of the main part, stays that.
            b"article" if self.region() == Region::Body => Role::Region(Region::Article),
            b"nav" | b"aside" => Role::Region(Region::Navigation),
            b"header" | b"footer" if self.region() == Region::Body => Role::Region(Region::Navigation),
            b"pre" | b"listing" | b"xmp" => Role::Preformatted,
            b"title" => Role::Title,
            _ => Role::Plain,
        };
        self.open_block(&tag);
        let void = matches!(
            tag.as_slice(),
            b"br"
                | b"hr"
                | b"img"
                | b"input"
                | b"meta"
                | b"link"
                | b"wbr"
                | b"col"
                | b"area"
                | b"base"
                | b"embed"
                | b"source"
                | b"track"
        );
        // Other elements that are not closed are closed by others; of those, none needs to be known.
        if role != Role::Plain && !void && !self_closing && self.open.len() < DEPTH {
            self.open.push((tag, role));
        }
    }

    /// What the start of an element means for blocks.
    fn open_block(&mut self, tag: &[u8]) {
        if self.skips() {
            return;
        }
        match tag {
            b"br" => self.push("\n", None),
            b"img" if !self.alt.trim().is_empty() => {
                let alt = std::mem::take(&mut self.alt);
                self.push(&format!(" {alt} "), None);
            }
            b"table" if self.tables.len() < DEPTH => {
                self.end_block();
                self.tables.push(Table::default());
            }
            b"tr" => self.open_row(),
            b"thead" => {
                self.end_row();
                if let Some(table) = self.tables.last_mut() {
                    table.head = true;
                }
            }
            b"tbody" | b"tfoot" => {
                self.end_row();
                if let Some(table) = self.tables.last_mut() {
                    table.head = false;
                }
            }
            b"td" | b"th" if !self.tables.is_empty() => {
                self.end_cell();
                if let Some(table) = self.tables.last_mut() {
                    (table.in_row, table.in_cell) = (true, true);
                    table.names += usize::from(tag == b"th" || table.head);
                }
            }
            _ if is_block(tag) => {
                self.end_block();
                self.kind = match tag {
                    [b'h', level @ b'1'..=b'6'] => Kind::Heading(usize::from(level - b'0')),
                    b"li" => Kind::Item,
                    b"pre" | b"listing" | b"xmp" => Kind::Verbatim,
                    // The first paragraph of an item belongs to it.
                    b"p" if self.kind == Kind::Item => Kind::Item,
                    _ => Kind::Paragraph,
                };
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: &[u8]) {
        let skips = self.skips();
        if let Some(at) = self.open.iter().rposition(|(open, _)| open == tag) {
            if !skips {
                self.end_block();
            }
            self.open.truncate(at);
        }
        if self.skips() || skips {
            return;
        }
        match tag {
            b"td" | b"th" => self.end_cell(),
            b"tr" => self.end_row(),
            b"table" => {
                self.end_row();
                self.tables.pop();
                if self.tables.is_empty() {
                    self.page.blocks.push((self.region(), Block::EndTable));
                }
            }
            _ if is_block(tag) => self.end_block(),
            _ => {}
        }
    }

    /// Text that begins at byte `at`. Where it is written otherwise in the file, as with `&amp;`, it becomes runs that are not.
    fn text(&mut self, text: &str, at: usize) {
        if let Some((_, Role::Title)) = self.open.last() {
            self.page.title += text;
            return;
        }
        if self.skips() {
            return;
        }
        let raw = self.html.as_bytes().get(at..).unwrap_or_default();
        let (mut from, mut shift) = (0, 0);
        for (i, c) in text.char_indices() {
            let here = raw.get(i + shift..).unwrap_or_default();
            let mut utf8 = [0; 4];
            if here.starts_with(c.encode_utf8(&mut utf8).as_bytes()) && !(c == '&' && reference(here) > 1) {
                continue;
            }
            // A character reference, or a line end that is one of two characters in the file.
            let (len, next) = (reference(here), i + c.len_utf8());
            self.push(&text[from..i], Some((at + from + shift) as u64));
            self.push(&text[i..next], Some((at + i + shift) as u64));
            shift = (shift + len).saturating_sub(c.len_utf8());
            from = next;
        }
        self.push(&text[from..], Some((at + from + shift) as u64));
    }

    fn push(&mut self, text: &str, origin: Option<u64>) {
        if text.is_empty() {
            return;
        }
        self.runs.push((text.to_owned(), origin));
    }

    fn end_block(&mut self) {
        let kind = std::mem::take(&mut self.kind);
        let in_cell = self.tables.last().is_some_and(|table| table.in_cell);
        if in_cell {
            // It stays in its cell, apart from what comes next.
            if let Some((text, _)) = self.runs.last().filter(|(text, _)| !text.ends_with('\n')) {
                let end = if text.trim().is_empty() { " " } else { "\n" };
                self.push(end, None);
            }
            return;
        }
        let mut runs = std::mem::take(&mut self.runs);
        if is_empty(&runs) {
            // An item, or what is in it, is still to come.
            self.kind = if kind == Kind::Item { kind } else { Kind::Paragraph };
            return;
        }
        let preformatted = self.open.iter().any(|(_, role)| *role == Role::Preformatted);
        let region = self.region();
        let block = match kind {
            Kind::Heading(level) => Block::Heading(level, runs),
            _ if preformatted || kind == Kind::Verbatim => {
                if let Some((text, _)) = runs.last_mut() {
                    text.truncate(text.trim_end().len());
                }
                // The line of the tag itself.
                if let Some((text, origin)) = runs.first_mut().filter(|(text, _)| text.starts_with('\n')) {
                    text.remove(0);
                    *origin = origin.map(|at| at + 1);
                }
                Block::Verbatim(runs)
            }
            Kind::Item => Block::Item(runs),
            _ => Block::Paragraph(runs),
        };
        self.page.blocks.push((region, block));
    }

    fn open_row(&mut self) {
        self.end_row();
        if let Some(table) = self.tables.last_mut() {
            table.in_row = true;
        }
    }

    fn end_cell(&mut self) {
        let Some(table) = self.tables.last_mut() else { return };
        if table.in_cell {
            let runs = std::mem::take(&mut self.runs);
            table.layout |= runs.iter().map(|(text, _)| text.len()).sum::<usize>() > CELL;
            table.cells.push(runs);
            table.in_cell = false;
        } else {
            self.end_block();
        }
    }

    fn end_row(&mut self) {
        self.end_cell();
        let nested = self.tables.len() > 1;
        let region = self.region();
        let Some(table) = self.tables.last_mut() else { return };
        table.in_row = false;
        let (names, layout) = (std::mem::take(&mut table.names), std::mem::take(&mut table.layout));
        let cells = std::mem::take(&mut table.cells);
        if cells.iter().all(is_empty) {
            return;
        }
        if nested {
            // A table in a cell: its words are that cell's.
            for cell in cells {
                self.runs.extend(cell);
                self.push(" ", None);
            }
            return;
        }
        if layout || cells.len() == 1 {
            let paragraphs =
                cells.into_iter().filter(|cell| !is_empty(cell)).map(|cell| (region, Block::Paragraph(cell)));
            self.page.blocks.extend(paragraphs);
            return;
        }
        let is_head = names == cells.len();
        self.page.blocks.push((region, Block::Row(cells, is_head)));
    }

    fn end_tables(&mut self) {
        while !self.tables.is_empty() {
            self.end_row();
            self.tables.pop();
        }
        self.end_block();
    }

    fn region(&self) -> Region {
        let mut regions = self.open.iter().rev().filter_map(|(_, role)| match role {
            Role::Region(region) => Some(*region),
            _ => None,
        });
        regions.next().unwrap_or(Region::Body)
    }

    fn skips(&self) -> bool {
        self.open.iter().any(|(_, role)| *role == Role::Skipped)
    }
}

/// Bytes of the character reference, the end of a line or the character that `raw` begins with.
fn reference(raw: &[u8]) -> usize {
    match raw {
        [b'\r', b'\n', ..] => 2,
        [b'&', rest @ ..] => {
            let name = rest.iter().take(40).take_while(|b| b.is_ascii_alphanumeric() || **b == b'#').count();
            1 + name + usize::from(name > 0 && rest.get(name) == Some(&b';'))
        }
        _ => 1,
    }
}

fn is_block(tag: &[u8]) -> bool {
    matches!(
        tag,
        b"address"
            | b"article"
            | b"aside"
            | b"blockquote"
            | b"body"
            | b"caption"
            | b"center"
            | b"dd"
            | b"details"
            | b"dialog"
            | b"div"
            | b"dl"
            | b"dt"
            | b"fieldset"
            | b"figcaption"
            | b"figure"
            | b"footer"
            | b"form"
            | b"h1"
            | b"h2"
            | b"h3"
            | b"h4"
            | b"h5"
            | b"h6"
            | b"header"
            | b"hr"
            | b"html"
            | b"legend"
            | b"li"
            | b"listing"
            | b"main"
            | b"menu"
            | b"nav"
            | b"ol"
            | b"p"
            | b"pre"
            | b"section"
            | b"summary"
            | b"ul"
            | b"xmp"
            | b"option"
    )
}

#[cfg(test)]
mod tests {
    use super::super::writer::tests::Kept;
    use super::*;

    fn page(html: &str) -> (Kept, Vec<super::super::writer::Note>) {
        let mut kept = Kept::default();
        let mut writer = Writer::new(&mut kept);
        read(html.as_bytes(), Encoded { encoding: encoding_rs::UTF_8, mark: 0, guessed: false }, &mut writer).unwrap();
        let notes = writer.finish().unwrap();
        (kept, notes)
    }

    #[test]
    fn the_main_content_is_read_and_the_rest_is_said_to_be_left_out() {
        let html = "<!doctype html><html><head><title>Pump &amp; valve</title><style>p { color: red }</style></head><body>\
            <nav><a href=/>Home</a> <a href=/shop>Shop</a></nav><header>ACME</header>\
            <main><p>Before any heading.</p><h1>Pump</h1><p>Switch it <b>on</b>&nbsp;&mdash; then&hellip;\r\nwait.</p>\
            <h2>Limits</h2><ul><li>10 bar<li><p>80&thinsp;°C</p></ul><pre>\n  a\n    b\n</pre>\
            <aside>Buy now!</aside><script>var x = '<p>no</p>';</script></main><footer>© ACME</footer>";
        let (kept, notes) = page(html);
        assert_eq!(
            kept.text,
            "Before any heading.\n\nPump\n\nSwitch it on — then… wait.\n\nLimits\n\n- 10 bar\n- 80 °C\n\n  a\n    b"
        );
        assert_eq!(
            (kept.label("Before"), kept.label("Switch"), kept.label("80")),
            ("Pump & valve", "Pump & valve › Pump", "Pump & valve › Pump › Limits")
        );
        for word in ["Before", "Switch", "on", "then", "wait", "10", "°C"] {
            let at = html.match_indices(word).map(|(at, _)| at as u64);
            assert!(
                at.clone().any(|at| kept.origin(word) == Some(at)),
                "{word}: {:?} {:?}",
                kept.origin(word),
                at.collect::<Vec<_>>()
            );
        }
        assert_eq!(notes.len(), 1);
        assert!(notes[0].message.contains("left out"), "{}", notes[0]);
    }

    #[test]
    fn rows_of_tables_have_the_names_of_the_columns() {
        let (kept, _) = page(
            "<table><caption>Prices</caption><thead><tr><th>Item<th>Price</thead>\
             <tr><td>Pump<td>12&nbsp;€<tr><td><a href=x>Valve</a></td><td></td></tr></table>\
             <table><tr><td>Weight</td><td>3 kg</td></tr></table><p>after",
        );
        assert_eq!(kept.text, "Prices\n\nItem; Price\nItem: Pump; Price: 12 €\nItem: Valve\n\nWeight; 3 kg\n\nafter");
    }

    #[test]
    fn soup_is_read_and_depth_is_bounded() {
        let (kept, _) = page(
            "a<b>b</i>c</p></table><td>d</tr>&nothing; &noentity; &#x41;&#0;<!-- x --> <p hidden>no</p><div style='display: none'>no</div>e",
        );
        assert!(kept.text.replace(char::is_whitespace, "").starts_with("abcd¬hing;&noentity;A"), "{}", kept.text);
        assert!(kept.text.ends_with('e') && !kept.text.contains("no<"), "{}", kept.text);
        let deep = format!("{}deep", "<div><nav><table><tr><td>".repeat(100_000));
        assert!(page(&deep).0.text.contains("deep"));
        assert_eq!(page("").0.text, "");
    }

    #[test]
    fn a_page_says_its_charset() {
        for (start, name) in [
            (&b"<?xml version='1.0' encoding='ISO-8859-1'?><html>"[..], Some("windows-1252")),
            (b"<html><meta http-equiv=Content-Type content=\"text/html; charset=Shift_JIS\">", Some("Shift_JIS")),
            (b"<meta charset=utf-8>", Some("UTF-8")),
            (b"<p>", None),
        ] {
            assert_eq!(declared(start).map(encoding_rs::Encoding::name), name);
        }
    }
}
