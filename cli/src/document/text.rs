//! Text without markup, of any length in bounded memory: lines that were broken only to fit a width are joined again.

use ramba::{Error, Result};

use super::encoding::{Decoder, Encoded};
use super::writer::{Width, Writer};
use super::{Input, block};

/// Bytes of text that show whether its lines are broken to fit a width.
const SAMPLE: usize = 64 << 10;

/// Widths that lines are broken at, in characters.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=132;

/// Reads text of the given encoding. If it could not be examined to its end, and `sure` is false, bytes that are no characters are an
/// error: it may be in another encoding.
///
/// # Errors
/// Those of reading and writing, and `Format`.
pub fn read(input: &mut Input, encoded: Encoded, sure: bool, writer: &mut Writer) -> Result<()> {
    let mut decoder = Decoder::new(encoded.encoding, encoded.mark as u64);
    let mut lines = Lines::default();
    let (mut buffer, mut total, mut skip) = (vec![0; 64 << 10], 0, encoded.mark);
    loop {
        let got = block(&mut input.source, &mut buffer)?;
        total += got as u64;
        let bytes = &buffer[skip.min(got)..got];
        skip -= skip.min(got);
        decoder.decode(bytes, got == 0, &mut |text, origin, width| lines.take(text, origin, width, writer))?;
        if let Some(complaint) = decoder.complaint().filter(|_| !sure && got > 0) {
            return Err(Error::format(format!("{complaint}: say which encoding it is with --encoding")));
        }
        if let Some(len) = input.len {
            writer.progress(total, len);
        }
        if got == 0 {
            break;
        }
    }
    lines.finish(writer)?;
    if let Some(complaint) = decoder.complaint() {
        writer.note(None, complaint);
    }
    Ok(())
}

/// Characters that were not written yet, with their places in the file.
type Waiting = Vec<(char, u64, Width)>;

/// Joins lines as they come.
#[derive(Default)]
struct Lines {
    /// Text that was not looked at, before it is known how wide lines are: with its place in the file.
    sample: Vec<(String, u64, Width)>,
    bytes: usize,
    /// The width that lines are broken at, once that is known; None inside if they are not.
    width: Option<Option<usize>>,
    /// The line that is being written, and the one that begins after it, with all of it that came.
    line: Line,
    next: Option<(Line, Waiting)>,
}

/// What is known of a line.
#[derive(Default, Clone, Copy)]
struct Line {
    /// Characters.
    width: usize,
    /// White space at its start.
    indent: usize,
    /// Characters of its first word.
    word: usize,
    /// Whether it begins as a part of a list, a table, a quotation or a log does, which are lines for a reason.
    begins: bool,
    /// Whether it has columns.
    columns: bool,
    /// The last two characters.
    last: [char; 2],
}

impl Line {
    fn push(&mut self, c: char) {
        let space = c.is_whitespace();
        if self.width == self.indent && space {
            self.indent += 1;
        } else if self.width == self.indent + self.word && !space {
            if self.word == 0 {
                self.begins = c.is_ascii_digit() || "-*+•–>|#=[({<\"'".contains(c) && !"\"'(".contains(c);
            }
            self.word += 1;
        }
        self.columns |= c == '|' || c == '\t' || (space && self.last == [' '; 2] && self.word > 0);
        self.last = [self.last[1], c];
        self.width += 1;
    }

    fn is_blank(&self) -> bool {
        self.word == 0
    }

    /// Whether `next`, of which the first word is known, would have gone on in this line, had it not been for the width.
    fn goes_on(&self, next: &Self, width: usize) -> bool {
        let full = self.width - self.trailing() + 1 + next.word > width;
        let prose = !self.is_blank() && !self.columns && !next.is_blank() && !next.columns && !next.begins;
        // The first line of a paragraph may be further in, or further out where it is the first of a list.
        full && prose && next.indent <= self.indent + 6
    }

    fn trailing(&self) -> usize {
        usize::from(self.last[1].is_whitespace())
    }
}

impl Lines {
    fn take(&mut self, text: &str, origin: u64, width: Width, writer: &mut Writer) -> Result<()> {
        match self.width {
            None => {
                self.sample.push((text.to_owned(), origin, width));
                self.bytes += text.len();
                if self.bytes >= SAMPLE { self.decide(writer) } else { Ok(()) }
            }
            Some(None) => writer.verbatim(text, Some(origin), width),
            Some(Some(broken_at)) => {
                let mut at = origin;
                text.chars().try_for_each(|c| {
                    let place = at;
                    at += width.of(c);
                    self.push(c, place, width, broken_at, writer)
                })
            }
        }
    }

    fn finish(&mut self, writer: &mut Writer) -> Result<()> {
        if self.width.is_none() {
            self.decide(writer)?;
        }
        self.flush(None, writer)
    }

    /// Looks at the sample, and writes it.
    fn decide(&mut self, writer: &mut Writer) -> Result<()> {
        let sample = std::mem::take(&mut self.sample);
        let text: String = sample.iter().map(|(text, ..)| text.as_str()).collect();
        self.width = Some(broken_at(&text));
        sample.iter().try_for_each(|(text, origin, width)| self.take(text, *origin, *width, writer))
    }

    fn push(&mut self, c: char, origin: u64, width: Width, broken_at: usize, writer: &mut Writer) -> Result<()> {
        match &mut self.next {
            None if c == '\n' || c == '\r' => {
                self.next = Some((Line::default(), vec![(c, origin, width)]));
                Ok(())
            }
            Some((_, waiting)) if c == '\n' && matches!(waiting[..], [('\r', ..)]) => {
                waiting.push((c, origin, width));
                Ok(())
            }
            None => {
                self.line.push(c);
                writer.character(c, origin, width)
            }
            Some((next, waiting)) => {
                let known =
                    c == '\n' || c == '\r' || (next.word > 0 && c.is_whitespace()) || waiting.len() > 2 * WIDTHS.end();
                if !known {
                    next.push(c);
                    waiting.push((c, origin, width));
                    return Ok(());
                }
                self.flush(Some(broken_at), writer)?;
                self.push(c, origin, width, broken_at, writer)
            }
        }
    }

    /// Writes the start of the next line, which goes on with this one if it is `broken_at` a width.
    fn flush(&mut self, broken_at: Option<usize>, writer: &mut Writer) -> Result<()> {
        let Some((next, waiting)) = self.next.take() else { return Ok(()) };
        let joined = broken_at.is_some_and(|width| self.line.goes_on(&next, width));
        let hyphen = joined && self.line.last[1] == '-' && self.line.last[0].is_alphabetic();
        for (i, (c, origin, width)) in waiting.into_iter().enumerate() {
            match c {
                _ if joined && i == 0 && !hyphen => writer.character(' ', origin, width)?,
                c if joined && c.is_whitespace() => {}
                c => writer.character(c, origin, width)?,
            }
        }
        self.line = next;
        Ok(())
    }
}

/// The width that the lines of a text are broken at, if they are: most of them would not have had room for the first word of the
/// next one, and most go on with a small letter.
fn broken_at(text: &str) -> Option<usize> {
    let lines: Vec<(Line, bool)> = text
        .lines()
        .map(|text| {
            let mut line = Line::default();
            text.trim_end().chars().for_each(|c| line.push(c));
            (line, text.trim_start().chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_uppercase()))
        })
        .collect();
    let mut widths: Vec<usize> = lines.iter().map(|(line, _)| line.width).filter(|&width| width > 0).collect();
    widths.sort_unstable();
    let width = *widths.get((widths.len().checked_sub(1)?) * 98 / 100)?;
    if !WIDTHS.contains(&width) {
        return None;
    }
    let (mut pairs, mut full, mut small) = (0, 0, 0);
    for pair in lines.windows(2) {
        let ((line, _), (next, goes_on)) = (pair[0], pair[1]);
        if !line.is_blank() && !next.is_blank() {
            pairs += 1;
            full += usize::from(line.goes_on(&next, width));
            small += usize::from(goes_on);
        }
    }
    (pairs >= 3 && full * 10 >= pairs * 7 && small * 2 >= pairs).then_some(width)
}

#[cfg(test)]
mod tests {
    use encoding_rs::UTF_8;

    use super::super::writer::tests::Kept;
    use super::*;

    fn read_text(text: &str, split: usize) -> Kept {
        let mut kept = Kept::default();
        let mut writer = Writer::new(&mut kept);
        let mut lines = Lines::default();
        let mut decoder = Decoder::new(UTF_8, 0);
        for piece in text.as_bytes().chunks(split).chain([&[][..]]) {
            let mut take = |text: &str, origin, width| lines.take(text, origin, width, &mut writer);
            decoder.decode(piece, piece.is_empty(), &mut take).unwrap();
        }
        lines.finish(&mut writer).unwrap();
        writer.finish().unwrap();
        kept
    }

    const WRAPPED: &str = "\
Chapter 1

It was a bright cold day in the village, and the clocks of the
church and of the town hall were striking at the same time for
once. The ferryman had a letter in his pocket, of a well-
known kind, and did not open it before the evening, when the
others had gone.

  - a list that has an item, which is longer than a line can
    be, so that it goes on in the next one
  - and another
";

    #[test]
    fn lines_that_fit_a_width_are_joined_and_others_are_not() {
        for (text, broken) in [(WRAPPED.to_owned(), 2), (WRAPPED.replace('\n', "\r\n"), 3)] {
            let whole = read_text(&text, 1 << 20);
            assert!(whole.text.starts_with("Chapter 1\n\nIt was"), "{}", whole.text);
            assert!(whole.text.contains("of the church and of the town hall were"), "{}", whole.text);
            assert!(whole.text.contains("of a well-known kind"), "{}", whole.text);
            assert!(whole.text.contains("gone.\n\n  - a list"), "{}", whole.text);
            assert!(
                whole.text.contains("a line can be, so that it goes on in the next one\n  - and"),
                "{}",
                whole.text
            );
            for word in ["clocks", "ferryman", "kind", "others", "so that", "another"] {
                assert_eq!(whole.origin(word), Some(text.find(word).unwrap() as u64), "{word}");
            }
            for split in [1, 2, broken, 7, 64] {
                let parts = read_text(&text, split);
                assert_eq!((&parts.text, &parts.marks), (&whole.text, &whole.marks), "pieces of {split}");
            }
        }
    }

    #[test]
    fn lines_with_a_reason_stay() {
        let log: String = (0..50)
            .map(|i| format!("2026-11-30T10:{i:02}:00Z INFO  worker {i} has done its part of the work in {i} ms\n"))
            .collect();
        let syslog: String = (10..60)
            .map(|i| format!("Nov 30 10:{i}:00 host systemd[1]: Started Session {i} of User root.\n"))
            .collect();
        let poem =
            "Half a league, half a league,\nHalf a league onward,\nAll in the valley of Death\nRode the six hundred.\n"
                .repeat(5);
        let code = "fn main() {\n    let a = 1;\n    let b = a + 1;\n    println!(\"{a} {b}\");\n}\n".repeat(20);
        let long = format!("{}\n", "word ".repeat(100)).repeat(10);
        for text in [log, syslog, poem, code, long, String::new(), "one\ntwo\n".into()] {
            let kept = read_text(&text, 1 << 20);
            assert_eq!((kept.text, kept.marks.len()), (text.clone(), usize::from(!text.is_empty())));
        }
    }
}
