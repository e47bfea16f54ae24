//! Other text that a document is hidden in.

use std::ops::Range;
use std::path::PathBuf;

use ramba::{Error, Result};

/// Text to hide documents in; it is repeated as often as needed.
pub struct Haystack {
    text: String,
}

/// A document, hidden.
pub struct Hidden {
    pub text: String,
    /// Where each part of the document began there, and begins now; in order.
    moved: Vec<(usize, usize)>,
}

impl Haystack {
    /// All of `paths`, one after the other.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut text = String::new();
        for path in paths {
            let name = path.display();
            text += &std::fs::read_to_string(path).map_err(|e| Error::io(format!("reading {name}"), e))?;
            text.push_str("\n\n");
        }
        Ok(Self { text })
    }

    /// `document` spread over so much of the haystack that both have about `bytes` bytes together: its paragraphs stay whole
    /// and in order, with text of equal length around each.
    pub fn hide(&self, document: &str, bytes: u64) -> Hidden {
        let around = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_sub(document.len());
        let parts: Vec<&str> = document.split_inclusive("\n\n").collect();
        if self.text.trim().is_empty() || around == 0 || parts.is_empty() {
            return Hidden { text: document.into(), moved: vec![(0, 0)] };
        }
        let (mut text, mut moved, mut from, mut at) =
            (String::with_capacity(around + document.len()), Vec::new(), 0, 0);
        let mut taken = 0;
        for (i, part) in parts.iter().enumerate() {
            // As much as is due before this part.
            let due = around as u128 * (i as u128 + 1) / (parts.len() as u128 + 1);
            self.take(&mut at, due as usize - taken, &mut text);
            taken = due as usize;
            moved.push((from, text.len()));
            text.push_str(part);
            if !part.ends_with("\n\n") {
                text.push_str("\n\n");
            }
            from += part.len();
        }
        self.take(&mut at, around - taken, &mut text);
        Hidden { text, moved }
    }

    /// Appends about `count` bytes of the haystack, from `at` on and from its beginning again, up to whole words.
    fn take(&self, at: &mut usize, count: usize, out: &mut String) {
        let mut left = count;
        while left > 0 {
            let rest = self.text.get(*at..).unwrap_or_default();
            let end = match rest.len() <= left {
                true => rest.len(),
                false => {
                    let least = (left..rest.len()).find(|&end| rest.is_char_boundary(end)).unwrap_or(rest.len());
                    rest[least..].find(char::is_whitespace).map_or(rest.len(), |more| least + more)
                }
            };
            out.push_str(&rest[..end]);
            *at = if end == rest.len() { 0 } else { *at + end };
            left = left.saturating_sub(end);
        }
        if count > 0 {
            out.push_str("\n\n");
        }
    }
}

impl Hidden {
    /// Where bytes of the document are now.
    pub fn place(&self, bytes: &Range<usize>) -> Range<u64> {
        let part = self.moved.partition_point(|&(from, _)| from <= bytes.start).saturating_sub(1);
        let (from, to) = self.moved.get(part).copied().unwrap_or((0, 0));
        let start = (bytes.start - from + to) as u64;
        start..start + bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_move_with_their_paragraphs() {
        let haystack = Haystack { text: "wörter über wörter ".repeat(7) };
        let document = "First one.\n\nThe second.\n\nA third";
        for bytes in [0, 10, 40, 500, 5000] {
            let hidden = haystack.hide(document, bytes);
            for word in ["First", "second", "third"] {
                let at = document.find(word).unwrap();
                let place = hidden.place(&(at..at + word.len()));
                assert_eq!(&hidden.text[place.start as usize..place.end as usize], word);
            }
            let expected = (bytes as usize).max(document.len());
            assert!((expected..expected + 100).contains(&hidden.text.len()), "{bytes}: {}", hidden.text.len());
        }
        let hidden = haystack.hide(document, 3000);
        let depth = |word: &str| hidden.text.find(word).unwrap() as f64 / hidden.text.len() as f64;
        assert!((0.2..0.3).contains(&depth("First")) && (0.7..0.8).contains(&depth("third")));
    }

    #[test]
    fn no_haystack_changes_nothing() {
        let haystack = Haystack::open(&[]).unwrap();
        assert_eq!(haystack.hide("text", 1 << 20).text, "text");
    }
}
