//! Pages of glyphs as text: lines, paragraphs, words that a line end has cut, and what stands on every page.

use std::collections::{HashSet, VecDeque};

use ramba::{Error, Result};

use super::writer::Writer;

/// A glyph, with its place on the page in points from the top left.
#[derive(Debug, Clone)]
pub struct Glyph {
    pub text: String,
    /// Where it begins and where the next one would, on the base line.
    pub start: (f64, f64),
    pub end: (f64, f64),
    /// The size of its font.
    pub size: f64,
}

/// What was found on a page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In points.
    pub height: f64,
    pub glyphs: Vec<Glyph>,
    pub images: usize,
    pub paths: usize,
    /// Glyphs of which nobody knows what they mean.
    pub unknown: usize,
    /// Whether the page could not be read, or not all of it.
    pub broken: bool,
    pub cut: bool,
}

/// Neighbouring pages that are looked at for what stands on every page.
const NEIGHBOURS: usize = 2;

/// Words of a document that are remembered, to know how words that a line end has cut are spelt.
const WORDS: usize = 200_000;

/// A line, as it is drawn: in coordinates along it and across it.
#[derive(Debug, Clone, Default)]
struct Line {
    text: String,
    /// Where it begins and ends, and its base line.
    start: f64,
    end: f64,
    base: f64,
    size: f64,
    /// The direction it runs in, in quarters of a turn.
    turn: i8,
}

/// The lines of a page.
struct Lines {
    lines: Vec<Line>,
    height: f64,
    /// What people should know of it.
    complaint: Option<String>,
    empty: Option<&'static str>,
}

/// Writes `count` pages.
///
/// # Errors
/// Those of the pages and the output, and `Unsupported` if no page has text.
pub fn write(count: usize, pages: &mut dyn Iterator<Item = Result<Page>>, writer: &mut Writer) -> Result<()> {
    let mut window: VecDeque<Lines> = VecDeque::new();
    let mut text = Text::default();
    let mut complaints = Complaints::default();
    // The pages before the first of the window that are still looked at.
    let (mut behind, mut number, mut ended) = (0, 0, false);
    loop {
        while !ended && window.len() <= behind + NEIGHBOURS {
            match pages.next() {
                Some(page) => window.push_back(lines(&page?)),
                None => ended = true,
            }
        }
        let Some(page) = window.get(behind) else { break };
        number += 1;
        writer.progress(number, count as u64);
        let place = number;
        if let Some(complaint) = page.empty.map(str::to_owned).or(page.complaint.clone()) {
            complaints.add(place, complaint);
        }
        let kept: Vec<&Line> = page.lines.iter().filter(|line| !is_running(line, behind, &window)).collect();
        text.page(place, &kept, writer)?;
        behind += 1;
        if behind > NEIGHBOURS {
            window.pop_front();
            behind -= 1;
        }
    }
    text.finish(writer)?;
    complaints.tell(writer);
    if (number as usize) < count {
        writer.note(None, format!("{number} of {count} pages could be read: the rest is damaged"));
    }
    if writer.visible() == 0 {
        return Err(match complaints.what.first() {
            Some((_, why)) => Error::unsupported(format!("none of {count} pages has text: {why}")),
            None => Error::format(format!("none of {count} pages has text")),
        });
    }
    Ok(())
}

/// What is to be said of pages, with neighbours together.
#[derive(Default)]
struct Complaints {
    what: Vec<(std::ops::RangeInclusive<u64>, String)>,
}

impl Complaints {
    fn add(&mut self, page: u64, complaint: String) {
        match self.what.last_mut() {
            Some((pages, last)) if *last == complaint && pages.end() + 1 == page => *pages = *pages.start()..=page,
            _ => self.what.push((page..=page, complaint)),
        }
    }

    fn tell(&self, writer: &mut Writer) {
        for (pages, complaint) in &self.what {
            let place = match (pages.start(), pages.end()) {
                (first, last) if first == last => format!("page {first}"),
                (first, last) => format!("pages {first}–{last}"),
            };
            writer.note(Some(place), complaint.clone());
        }
    }
}

/// Puts the glyphs of a page together to lines, in the order in which they are drawn.
fn lines(page: &Page) -> Lines {
    let mut lines: Vec<Line> = Vec::new();
    let mut last: Option<&Glyph> = None;
    for glyph in &page.glyphs {
        let turn = turn(glyph);
        let along = |(x, y): (f64, f64)| match turn {
            1 => y,
            2 => -x,
            3 => -y,
            _ => x,
        };
        let across = |(x, y): (f64, f64)| match turn {
            1 => -x,
            2 => -y,
            3 => x,
            _ => y,
        };
        let (start, end, base) = (along(glyph.start), along(glyph.end), across(glyph.start));
        // Bold type is sometimes made by drawing twice.
        let again = last.is_some_and(|last| {
            last.text == glyph.text
                && (last.start.0 - glyph.start.0).abs() + (last.start.1 - glyph.start.1).abs() < 0.1 * glyph.size
        });
        last = Some(glyph);
        if again && !glyph.text.trim().is_empty() {
            continue;
        }
        let size = glyph.size.max(0.1);
        let line = lines.last_mut().filter(|line| {
            let higher = size.max(line.size);
            line.turn == turn && (line.base - base).abs() < 0.45 * higher && start > line.end - 0.6 * higher
        });
        match line {
            Some(line) => {
                if start - line.end > 0.13 * size.min(line.size) {
                    line.text.push(' ');
                }
                line.text += &glyph.text;
                line.end = end.max(line.end);
                if size > line.size {
                    (line.size, line.base) = (size, base);
                }
            }
            None if glyph.text.trim().is_empty() => {}
            None => lines.push(Line { text: glyph.text.clone(), start, end, base, size, turn }),
        }
    }
    lines.retain(|line| !line.text.trim().is_empty());
    let visible: usize = page.glyphs.iter().filter(|glyph| !glyph.text.trim().is_empty()).count();
    let empty = match () {
        () if page.broken => Some("damaged, and not read"),
        () if visible > 0 => None,
        () if page.images > 0 => Some("no text, only images: scanned? Its words have to be recognised first (OCR)"),
        () if page.paths > 100 => Some("no text, only drawings"),
        () => None,
    };
    let complaint = match () {
        () if page.cut => Some("too much on it, and not read to its end".to_owned()),
        () if page.unknown * 10 > visible => Some(format!(
            "{} of {visible} characters are in a font that does not say what they mean, and show as U+FFFD",
            page.unknown
        )),
        () => None,
    };
    Lines { lines, height: page.height, complaint, empty }
}

/// The direction that a glyph is drawn in, in quarters of a turn; text that runs otherwise counts as upright.
fn turn(glyph: &Glyph) -> i8 {
    let (dx, dy) = (glyph.end.0 - glyph.start.0, glyph.end.1 - glyph.start.1);
    match () {
        () if dx.abs() >= dy.abs() && dx >= 0.0 => 0,
        () if dy.abs() > dx.abs() && dy > 0.0 => 1,
        () if dx.abs() >= dy.abs() => 2,
        () => 3,
    }
}

/// Whether `line` of page `at` of the window stands on its neighbours too, at its top or bottom, apart from numbers.
fn is_running(line: &Line, at: usize, window: &VecDeque<Lines>) -> bool {
    let page = &window[at];
    let edge = |line: &Line, page: &Lines| {
        line.turn == 0 && (line.base < 0.13 * page.height || line.base > 0.88 * page.height)
    };
    if !edge(line, page) {
        return false;
    }
    let pattern = pattern(&line.text);
    let same = |other: &&Line| (other.base - line.base).abs() < 6.0 && self::pattern(&other.text) == pattern;
    let others = window.iter().enumerate().filter(|(i, _)| *i != at && i.abs_diff(at) <= NEIGHBOURS);
    let found =
        others.filter(|(_, other)| other.lines.iter().filter(|line| edge(line, other)).any(|line| same(&line))).count();
    // A number that changes from page to page is one of the page.
    found >= 2 || (found >= 1 && (pattern == "#" || window.len() <= 2 && pattern.contains('#')))
}

/// `text` with all numbers alike.
fn pattern(text: &str) -> String {
    let mut pattern = String::new();
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let number =
            !bare.is_empty() && (bare.chars().all(|c| c.is_ascii_digit()) || bare.chars().all(|c| "ivxlc".contains(c)));
        if number {
            pattern.push('#');
        } else {
            pattern.extend(word.chars().filter(|c| !c.is_ascii_digit()));
        }
    }
    pattern
}

/// The text of pages on its way out.
#[derive(Default)]
struct Text {
    /// The line before, which may be on another page, and that page.
    last: Option<Line>,
    last_page: u64,
    /// Its last word, if the end of the line may have cut it.
    held: String,
    /// Words, to know how those are spelt that a line end has cut.
    words: HashSet<String>,
}

impl Text {
    fn page(&mut self, number: u64, lines: &[&Line], writer: &mut Writer) -> Result<()> {
        for line in lines {
            if self.words.len() > WORDS {
                break;
            }
            self.words.extend(line.text.split(|c: char| !c.is_alphanumeric() && c != '-').map(str::to_lowercase));
        }
        let leading = leading(lines);
        for (i, line) in lines.iter().enumerate() {
            let mut text = line.text.trim();
            let joint = match &self.last {
                None => Joint::Paragraph,
                // A page between them could not be read.
                Some(_) if number > self.last_page + 1 => Joint::Paragraph,
                Some(last) if i == 0 => across_columns(last, line),
                Some(last) => joint(last, line, leading, lines),
            };
            let held = std::mem::take(&mut self.held);
            let mut word = String::new();
            if joint == Joint::Space && text.starts_with(char::is_lowercase) && !held.is_empty() {
                let (first, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
                word = self.joined(&held, first);
                text = rest;
            } else {
                writer.space();
                writer.words(&held, None)?;
            }
            writer.label(&format!("page {number}"));
            match joint {
                Joint::Paragraph => writer.paragraph(),
                Joint::Line => writer.line(),
                Joint::Space => writer.space(),
            }
            writer.words(&word, None)?;
            if is_cut(text) {
                let at = text
                    .rfind(char::is_whitespace)
                    .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
                self.held = text[at..].to_owned();
                text = &text[..at];
            }
            writer.words(text, None)?;
            self.last = Some((*line).clone());
            self.last_page = number;
        }
        Ok(())
    }

    /// A word that the end of a line has cut into `left`, with its hyphen, and `right`: with the hyphen if it is spelt so elsewhere, and not
    /// without it.
    fn joined(&self, left: &str, right: &str) -> String {
        let left = left.trim_end_matches(HYPHENS);
        let bare = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let (first, last) = (bare(left.rsplit(HYPHENS).next().unwrap_or_default()), bare(right));
        let with = self.words.contains(&format!("{first}-{last}")) && !self.words.contains(&format!("{first}{last}"));
        format!("{left}{}{right}", if with { "-" } else { "" })
    }

    fn finish(&mut self, writer: &mut Writer) -> Result<()> {
        writer.space();
        writer.words(&std::mem::take(&mut self.held), None)
    }
}

const HYPHENS: [char; 3] = ['-', '\u{ad}', '\u{2010}'];

/// Whether a line ends inside a word.
fn is_cut(text: &str) -> bool {
    let mut chars = text.trim_end().chars().rev();
    chars.next().is_some_and(|c| HYPHENS.contains(&c)) && chars.next().is_some_and(char::is_alphabetic)
}

/// What is between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    Space,
    Line,
    Paragraph,
}

/// How far base lines of a page are apart, mostly.
fn leading(lines: &[&Line]) -> f64 {
    let mut steps: Vec<f64> = lines
        .windows(2)
        .map(|pair| (pair[1].base - pair[0].base) / pair[1].size.max(pair[0].size))
        .filter(|step| (0.8..2.6).contains(step))
        .collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(1.2)
}

/// What is between `last` and `line`, which comes next on the same page. `leading` is that of the page, in sizes.
fn joint(last: &Line, line: &Line, leading: f64, lines: &[&Line]) -> Joint {
    let size = last.size.max(line.size);
    let step = (line.base - last.base) / size;
    if step.abs() < 0.5 && line.turn == last.turn {
        // Beside it.
        return if line.start > last.end { Joint::Space } else { Joint::Line };
    }
    if line.turn != last.turn {
        return Joint::Paragraph;
    }
    if !(0.0..6.0).contains(&step) {
        return across_columns(last, line);
    }
    let alike = (last.size - line.size).abs() < 0.12 * size;
    if step > 1.3 * leading || !alike {
        return Joint::Paragraph;
    }
    // Where other lines that begin about here end.
    let column = lines.iter().filter(|other| other.turn == line.turn && (other.start - last.start).abs() < 3.0 * size);
    let right = column.map(|other| other.end).fold(last.end, f64::max);
    let word = line.text.trim().find(char::is_whitespace).unwrap_or(line.text.trim().len());
    let per_character = (line.end - line.start) / line.text.chars().count().max(1) as f64;
    let full = last.end + (word + 1) as f64 * per_character > right - 0.5 * size;
    let bullet = line.text.trim_start().starts_with(['•', '–', '▪', '◦', '■', '●', '○', '➢', '✓', '\u{f0b7}']);
    let indented = line.start > last.start + 0.8 * size && line.text.trim_start().starts_with(char::is_uppercase);
    if full && !bullet && !indented { Joint::Space } else { Joint::Line }
}

/// What is between a line and one in another column or on another page: nothing, if a sentence goes on.
fn across_columns(last: &Line, line: &Line) -> Joint {
    let goes_on = line.text.trim_start().starts_with(char::is_lowercase);
    let ended = last.text.trim_end().ends_with(['.', '!', '?', ':', '”', '"']);
    let alike = (last.size - line.size).abs() < 0.12 * last.size.max(line.size);
    if goes_on && !ended && alike { Joint::Space } else { Joint::Paragraph }
}

#[cfg(test)]
mod tests {
    use super::super::writer::tests::Kept;
    use super::*;

    /// A page of lines of `(x, y, text)`, in ten points.
    fn page(lines: &[(f64, f64, &str)]) -> Page {
        let mut glyphs = Vec::new();
        for (x, y, text) in lines {
            for (i, c) in text.chars().enumerate().filter(|(_, c)| *c != ' ') {
                let at = |i: usize| (x + 5.0 * i as f64, *y);
                glyphs.push(Glyph { text: c.into(), start: at(i), end: at(i + 1), size: 10.0 });
            }
        }
        Page { height: 800.0, glyphs, ..Page::default() }
    }

    fn written(pages: Vec<Page>) -> (Result<Vec<super::super::writer::Note>>, Kept) {
        let mut kept = Kept::default();
        let mut writer = Writer::new(&mut kept);
        let done = write(pages.len(), &mut pages.into_iter().map(Ok), &mut writer);
        let notes = writer.finish().unwrap();
        (done.map(|()| notes), kept)
    }

    #[test]
    fn lines_become_paragraphs_and_cut_words_are_whole() {
        let (notes, kept) = written(vec![page(&[
            (50.0, 100.0, "The pump has a valve that is well-"),
            (50.0, 112.0, "known, and a pass key that was docu-"),
            (50.0, 124.0, "mented. A well-known key of the pumps"),
            (50.0, 136.0, "is short."),
            (50.0, 160.0, "Another paragraph of the same page, and"),
            (50.0, 172.0, "its last line."),
            (50.0, 196.0, "10 bar"),
            (50.0, 208.0, "80 degrees"),
        ])]);
        assert_eq!(
            kept.text,
            "The pump has a valve that is well-known, and a pass key that was documented. A well-known key of the pumps is short.\n\n\
             Another paragraph of the same page, and its last line.\n\n10 bar\n80 degrees"
        );
        assert!(notes.unwrap().is_empty());
    }

    #[test]
    fn what_stands_on_every_page_is_left_out_and_pages_are_labels() {
        let pages = (1..=6).map(|n| {
            let (head, foot) = (format!("Manual of the pump, page {n}"), format!("{n}"));
            let body = format!("sentence {n} goes on to the next page and says {n}{n}");
            page(&[(50.0, 40.0, &head), (50.0, 300.0, &body), (300.0, 780.0, &foot)])
        });
        let (notes, kept) = written(pages.collect());
        assert!(!kept.text.contains("Manual") && !kept.text.contains(" 1 sentence"), "{}", kept.text);
        assert!(
            kept.text.starts_with("sentence 1 goes on to the next page and says 11 sentence 2 goes"),
            "{}",
            kept.text
        );
        assert_eq!((kept.label("says 11"), kept.label("sentence 2"), kept.label("66")), ("page 1", "page 2", "page 6"));
        assert!(notes.unwrap().is_empty());
    }

    #[test]
    fn pages_without_text_are_told_by_their_numbers() {
        let scan = Page { images: 1, ..page(&[]) };
        let text = page(&[(50.0, 100.0, "text")]);
        let broken = Page { broken: true, ..Page::default() };
        let (notes, _) = written(vec![scan.clone(), scan.clone(), text, scan.clone(), broken, page(&[])]);
        let notes: Vec<String> = notes.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].starts_with("pages 1–2: no text, only images"), "{notes:?}");
        assert!(notes[1].starts_with("page 4: ") && notes[2].starts_with("page 5: damaged"), "{notes:?}");
        let (error, _) = written(vec![scan.clone(), scan]);
        let error = error.unwrap_err();
        assert!(
            error.kind() == ramba::ErrorKind::Unsupported && error.to_string().contains("none of 2 pages"),
            "{error}"
        );
    }

    #[test]
    fn text_runs_in_four_directions() {
        let mut turned = page(&[]);
        for (i, c) in "up".chars().enumerate() {
            let at = |i: usize| (20.0, 300.0 - 5.0 * i as f64);
            turned.glyphs.push(Glyph { text: c.into(), start: at(i), end: at(i + 1), size: 10.0 });
        }
        turned.glyphs.extend(page(&[(50.0, 100.0, "upright text")]).glyphs);
        let (_, kept) = written(vec![turned]);
        assert_eq!(kept.text, "up\n\nupright text");
    }
}
