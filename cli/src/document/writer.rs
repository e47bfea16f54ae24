//! Where readers of formats put the text of a document, and what it was made from.

use std::fmt;

use ramba::{Mark, Result};
use serde_json::{Value, json};

use crate::show::one_line;

/// Something of a file that its text does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where: `page 7`; None if it concerns the whole file.
    pub place: Option<String>,
    /// What people should know.
    pub message: String,
}

impl Note {
    /// The note for programs.
    pub fn json(&self) -> Value {
        json!({"place": self.place, "message": self.message})
    }
}

/// Tells what there is to say of the document `name`, on standard error.
pub fn tell(name: &str, notes: &[Note]) {
    for note in notes {
        eprintln!("note: {}", one_line(&format!("{name}: {note}")));
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What takes the text of a document.
pub trait Output {
    /// Takes the next piece of text, with the marks in it, whose places count from the start of the document.
    fn text(&mut self, text: &str, marks: &[Mark]) -> Result<()>;

    /// Told which part of the document is read, 0 to 1, if that is known.
    fn progress(&mut self, _part: f64) {}

    /// Shown the file before its text comes, if it has places that only it can show: the pages of a PDF.
    fn original(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// How many bytes of the file a character of decoded text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// As many as it has in UTF-8.
    Utf8,
    /// As many as it has in UTF-16.
    Utf16,
    /// One.
    One,
}

impl Width {
    /// The bytes of `c`.
    pub fn of(self, c: char) -> u64 {
        match self {
            Self::Utf8 => c.len_utf8() as u64,
            Self::Utf16 => 2 * c.len_utf16() as u64,
            Self::One => 1,
        }
    }
}

/// What is between two words, or will be when the next one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

/// Text is handed out in pieces of about this many bytes.
const PIECE: usize = 32 << 10;

/// Most bytes of a label.
const LABEL: usize = 300;

/// Puts text together, without what only serves the eye, and keeps the marks.
pub struct Writer<'o> {
    output: &'o mut dyn Output,
    /// Text that was not handed out yet, and its marks.
    text: String,
    marks: Vec<Mark>,
    /// Byte of the document at the end of `text`.
    at: u64,
    /// The byte of the file that marks say stands there, and the one that does.
    marked: Option<u64>,
    origin: Option<u64>,
    /// Places of decoded text in the file, if places that readers give are those of decoded text.
    origins: Option<Origins>,
    gap: Gap,
    last: char,
    /// Line ends that the text ends with.
    newlines: usize,
    /// Whether a line feed belongs to the carriage return before it.
    returned: bool,
    label: String,
    label_due: bool,
    /// Visible characters so far.
    visible: u64,
    notes: Vec<Note>,
}

impl<'o> Writer<'o> {
    pub fn new(output: &'o mut dyn Output) -> Self {
        Self {
            output,
            text: String::new(),
            marks: Vec::new(),
            at: 0,
            marked: None,
            origin: None,
            origins: None,
            gap: Gap::None,
            last: '\n',
            newlines: 0,
            returned: false,
            label: String::new(),
            label_due: false,
            visible: 0,
            notes: Vec::new(),
        }
    }

    /// From here on, places that readers give are bytes of text that was decoded as `origins` say.
    pub fn decoded(&mut self, origins: Origins) {
        self.origins = Some(origins);
    }

    /// What the place is called from the next word on.
    pub fn label(&mut self, label: &str) {
        let mut label = label.split_whitespace().collect::<Vec<_>>().join(" ");
        while label.len() > LABEL {
            label.pop();
        }
        if self.label != label {
            self.label = label;
            self.label_due = true;
        }
    }

    /// Something that people should know.
    pub fn note(&mut self, place: Option<String>, message: impl Into<String>) {
        self.notes.push(Note { place, message: message.into() });
    }

    /// Tells that `done` of `all` is read.
    pub fn progress(&mut self, done: u64, all: u64) {
        self.output.progress((done as f64 / all.max(1) as f64).min(1.0));
    }

    /// Shows the file to the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn original(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.original(bytes)
    }

    /// Characters so far that are not white space.
    pub fn visible(&self) -> u64 {
        self.visible
    }

    /// The next word begins a line.
    pub fn line(&mut self) {
        self.gap = self.gap.max(Gap::Line);
    }

    /// The next word begins a paragraph.
    pub fn paragraph(&mut self) {
        self.gap = Gap::Paragraph;
    }

    /// The next word follows at once.
    pub fn tight(&mut self) {
        self.gap = Gap::None;
    }

    /// There is a space before the next word.
    pub fn space(&mut self) {
        self.gap = self.gap.max(Gap::Space);
    }

    /// Text as it is, with its white space, from byte `origin` on.
    pub fn verbatim(&mut self, text: &str, origin: Option<u64>, width: Width) -> Result<()> {
        self.pieces(text, origin, |writer, text, origin| {
            writer.close_gap();
            writer.origin = origin;
            // Most text is as it should be.
            let plain = text.bytes().all(|b| b.is_ascii() && !matches!(b, b'\r' | 0xb | 0xc));
            if plain && width != Width::Utf16 && writer.marked == origin && !writer.label_due && !writer.returned {
                return writer.append_plain(text);
            }
            text.chars().try_for_each(|c| writer.put(c, width.of(c)))
        })
    }

    /// A character that stands at byte `origin`.
    pub fn character(&mut self, c: char, origin: u64, width: Width) -> Result<()> {
        self.close_gap();
        self.origin = Some(origin);
        self.put(c, width.of(c))
    }

    /// Words of text from byte `origin` on. White space around and between them only parts them.
    pub fn words(&mut self, text: &str, origin: Option<u64>) -> Result<()> {
        self.pieces(text, origin, |writer, text, mut origin| {
            for c in text.chars() {
                if plain(c).is_some_and(char::is_whitespace) {
                    writer.gap = writer.gap.max(Gap::Space);
                } else {
                    if plain(c).is_some() {
                        writer.close_gap();
                    }
                    writer.origin = origin;
                    writer.put(c, c.len_utf8() as u64)?;
                }
                origin = origin.map(|at| at + c.len_utf8() as u64);
            }
            Ok(())
        })
    }

    /// Hands out what is left, and returns the notes.
    pub fn finish(mut self) -> Result<Vec<Note>> {
        self.flush()?;
        Ok(self.notes)
    }

    /// Calls `each` for parts of `text` that stand in the file as they do here.
    fn pieces(
        &mut self,
        mut text: &str,
        origin: Option<u64>,
        mut each: impl FnMut(&mut Self, &str, Option<u64>) -> Result<()>,
    ) -> Result<()> {
        let Some(mut place) = origin else { return each(self, text, origin) };
        let Some(origins) = self.origins.take() else { return each(self, text, origin) };
        let mut done = Ok(());
        while done.is_ok() && !text.is_empty() {
            let (at, next) = origins.find(place);
            let mut end = text.len().min((next - place).min(usize::MAX as u64) as usize);
            while !text.is_char_boundary(end) {
                end += 1;
            }
            let (head, tail) = text.split_at(end);
            done = each(self, head, Some(at));
            (text, place) = (tail, place + end as u64);
        }
        self.origins = Some(origins);
        done
    }

    /// Writes what parts the next word from the one before, as far as it is not there yet. A document does not begin with it.
    fn close_gap(&mut self) {
        let gap = std::mem::replace(&mut self.gap, Gap::None);
        let missing = match gap {
            _ if self.at == 0 => "",
            Gap::None => "",
            Gap::Space if self.last.is_whitespace() => "",
            Gap::Space => " ",
            Gap::Line if self.newlines > 0 => "",
            Gap::Line => "\n",
            Gap::Paragraph => "\n\n".get(self.newlines..).unwrap_or_default(),
        };
        missing.chars().for_each(|c| self.append(c));
    }

    fn append(&mut self, c: char) {
        match ligature(c) {
            Some(letters) => self.text.push_str(letters),
            None => self.text.push(c),
        }
        let len = ligature(c).map_or(c.len_utf8(), str::len) as u64;
        self.at += len;
        self.marked = self.marked.map(|at| at + len);
        self.newlines = if c == '\n' { self.newlines + 1 } else { 0 };
        self.last = c;
    }

    /// Adds a character that stands for `width` bytes of the file.
    fn put(&mut self, c: char, width: u64) -> Result<()> {
        let next = self.origin.map(|at| at + width);
        let line_feed = std::mem::replace(&mut self.returned, c == '\r') && c == '\n';
        let Some(c) = plain(c).filter(|_| !line_feed) else {
            self.origin = next;
            return Ok(());
        };
        let border = c.is_whitespace() || self.last.is_whitespace();
        let visible = !c.is_whitespace();
        if (self.marked != self.origin && border) || (self.label_due && visible) {
            let label = std::mem::replace(&mut self.label_due, false).then(|| self.label.clone());
            let mark = Mark::new(self.at).origin(self.origin);
            self.marks.push(label.map_or(mark.clone(), |label| mark.label(label)));
            self.marked = self.origin;
        }
        self.append(c);
        self.visible += u64::from(visible);
        self.origin = next;
        if self.text.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    /// Adds ASCII that stands in the file as it is.
    fn append_plain(&mut self, text: &str) -> Result<()> {
        let Some(last) = text.chars().next_back() else { return Ok(()) };
        self.text.push_str(text);
        self.at += text.len() as u64;
        self.origin = self.origin.map(|at| at + text.len() as u64);
        self.marked = self.origin;
        self.visible += text.bytes().filter(|b| !b.is_ascii_whitespace()).count() as u64;
        let ends = text.len() - text.trim_end_matches('\n').len();
        self.newlines = if ends == text.len() { self.newlines + ends } else { ends };
        self.last = last;
        if self.text.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.text.is_empty() {
            self.output.text(&self.text, &self.marks)?;
            self.text.clear();
            self.marks.clear();
        }
        Ok(())
    }
}

/// What a character says, apart from where it stands: no characters that only say where lines may break, spaces that are
/// spaces, and one kind of end of lines.
fn plain(c: char) -> Option<char> {
    match c {
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => None,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        c => Some(c),
    }
}

/// The letters of a character that is several of them set closely.
fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        _ => return None,
    })
}

/// Where decoded text stands in the file, if that is not one byte for one.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Byte of the text, and byte of the file.
    places: Vec<(u64, u64)>,
}

impl Origins {
    /// From byte `at` of the text on, which is not before those of earlier calls, the file stands at `origin`.
    pub fn add(&mut self, at: u64, origin: u64) {
        let expected = self.places.last().map_or(at, |&(text, file)| file + (at - text));
        if origin != expected {
            self.places.push((at, origin));
        }
    }

    /// The byte of the file at byte `at` of the text, and the byte of the text up to which the next ones follow.
    fn find(&self, at: u64) -> (u64, u64) {
        let after = self.places.partition_point(|&(text, _)| text <= at);
        let origin = after.checked_sub(1).map_or(at, |i| self.places[i].1 + (at - self.places[i].0));
        (origin, self.places.get(after).map_or(u64::MAX, |&(text, _)| text))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Text and marks, kept.
    #[derive(Default)]
    pub struct Kept {
        pub text: String,
        pub marks: Vec<Mark>,
    }

    impl Output for Kept {
        fn text(&mut self, text: &str, marks: &[Mark]) -> Result<()> {
            self.text += text;
            self.marks.extend_from_slice(marks);
            Ok(())
        }
    }

    impl Kept {
        /// The byte of the file that marks say the first `needle` begins at.
        pub fn origin(&self, needle: &str) -> Option<u64> {
            let at = self.text.find(needle).unwrap() as u64;
            let mark = self.marks.iter().rfind(|mark| mark.at <= at);
            mark.map_or(Some(at), |mark| mark.origin.map(|origin| origin + (at - mark.at)))
        }

        /// The label of the first `needle`.
        pub fn label(&self, needle: &str) -> &str {
            let at = self.text.find(needle).unwrap() as u64;
            let marks = self.marks.iter().rev().filter(|mark| mark.at <= at);
            marks.filter_map(|mark| mark.label.as_deref()).next().unwrap_or_default()
        }
    }

    fn written(write: impl FnOnce(&mut Writer) -> Result<()>) -> Kept {
        let mut kept = Kept::default();
        let mut writer = Writer::new(&mut kept);
        write(&mut writer).unwrap();
        writer.finish().unwrap();
        kept
    }

    #[test]
    fn text_that_is_as_it_should_be_needs_one_mark() {
        let text = "Ein Käse,\n\nzwei  Käse.\n";
        let kept = written(|w| w.verbatim(text, Some(0), Width::Utf8));
        assert_eq!((kept.text.as_str(), kept.marks), (text, vec![Mark::new(0).origin(0)]));
    }

    #[test]
    fn what_serves_the_eye_goes_and_marks_say_where_words_stand() {
        let text = "a\u{a0}b\r\nsoft\u{ad}ened \u{feff}ﬁne end";
        let kept = written(|w| w.verbatim(text, Some(0), Width::Utf8));
        assert_eq!(kept.text, "a b\nsoftened fine end");
        for word in ["a", "b", "soft", "end"] {
            assert_eq!(kept.origin(word), Some(text.find(word).unwrap() as u64), "{word}");
        }
        assert_eq!(kept.origin("fine"), Some(text.find('ﬁ').unwrap() as u64));
    }

    #[test]
    fn words_are_parted_by_what_was_asked_for_and_labels_begin_with_them() {
        let kept = written(|w| {
            w.paragraph();
            w.label("One");
            w.words("  first \n word ", Some(7))?;
            w.paragraph();
            w.label("Two");
            w.words("second", Some(40))?;
            w.line();
            w.words("line", None)
        });
        assert_eq!(kept.text, "first word\n\nsecond\nline");
        assert_eq!((kept.origin("first"), kept.origin("word"), kept.origin("second")), (Some(9), Some(17), Some(40)));
        assert_eq!((kept.label("first"), kept.label("second"), kept.label("line")), ("One", "Two", "Two"));
        assert_eq!(kept.origin("line"), None);
    }

    #[test]
    fn decoded_text_is_found_in_the_file() {
        // UTF-16: two bytes of the file for each.
        let kept = written(|w| w.verbatim("über alles", Some(2), Width::Utf16));
        assert_eq!((kept.origin("über"), kept.origin("alles")), (Some(2), Some(12)));
        let mut origins = Origins::default();
        origins.add(0, 2);
        origins.add(6, 12);
        let kept = written(|w| {
            w.decoded(origins);
            w.words("über alles", Some(0))
        });
        assert_eq!((kept.text.as_str(), kept.origin("über"), kept.origin("alles")), ("über alles", Some(2), Some(12)));
    }
}
