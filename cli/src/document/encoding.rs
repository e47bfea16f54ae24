//! Encodings of text: which one a file has, and how it becomes UTF-8.

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use ramba::{Error, Result};

use super::writer::{Origins, Width};

/// The encoding of a text, and how that is known.
#[derive(Debug, Clone, Copy)]
pub struct Encoded {
    /// Which it is.
    pub encoding: &'static Encoding,
    /// Bytes of the mark at the start that says so.
    pub mark: usize,
    /// Whether it is a guess that people should know of.
    pub guessed: bool,
}

impl Encoded {
    fn certain(encoding: &'static Encoding, mark: usize) -> Self {
        Self { encoding, mark, guessed: false }
    }
}

/// The encoding with the label `name`, as browsers know them.
///
/// # Errors
/// A message for people if there is none.
pub fn by_name(name: &str) -> std::result::Result<&'static Encoding, String> {
    Encoding::for_label(name.as_bytes()).ok_or_else(|| {
        format!("unknown encoding {name:?} (such as utf-8, utf-16le, windows-1252, iso-8859-2, shift_jis, gbk)")
    })
}

/// The encoding that a text says it has, or that its first bytes give away.
///
/// # Errors
/// `Unsupported` for UTF-32.
pub fn of_start(start: &[u8]) -> Result<Option<Encoded>> {
    if start.starts_with(&[0xff, 0xfe, 0, 0]) || start.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(Error::unsupported("the text is in UTF-32: convert it to UTF-8 first"));
    }
    if let Some((encoding, mark)) = Encoding::for_bom(start) {
        return Ok(Some(Encoded::certain(encoding, mark)));
    }
    Ok(utf16(start).map(|encoding| Encoded { encoding, mark: 0, guessed: true }))
}

/// Which of UTF-16's two orders of bytes `start` is in, if it looks like one: its spaces, line ends and digits, which text in any script has,
/// then have a zero byte on one side only.
fn utf16(start: &[u8]) -> Option<&'static Encoding> {
    let pairs = start.chunks_exact(2);
    let (mut little, mut big, mut both) = (0, 0, 0);
    for pair in pairs.clone() {
        match pair {
            [0, 0] => both += 1,
            [low, 0] if low.is_ascii_graphic() || low.is_ascii_whitespace() => little += 1,
            [0, low] if low.is_ascii_graphic() || low.is_ascii_whitespace() => big += 1,
            _ => {}
        }
    }
    let (encoding, most, least) = if little > big { (UTF_16LE, little, big) } else { (UTF_16BE, big, little) };
    let enough = most >= 1.max(pairs.len() / 50) && least * 50 <= most && both == 0;
    let whole = pairs.len() * 2 - if start.len() > 4096 { 2 } else { 0 };
    (enough && !encoding.decode_without_bom_handling(start.get(..whole)?).1).then_some(encoding)
}

/// Tells whether a text is UTF-8, and what else it may be if it is not, as its bytes come.
pub struct Examiner {
    detector: chardetng::EncodingDetector,
    /// The start of a character that may go on in the next piece.
    rest: Vec<u8>,
    /// Characters of several bytes, and bytes that are in none.
    characters: u64,
    invalid: u64,
    /// Bytes that no text has.
    pub controls: u64,
    /// All bytes.
    pub bytes: u64,
}

impl Default for Examiner {
    fn default() -> Self {
        let detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Allow);
        Self { detector, rest: Vec::new(), characters: 0, invalid: 0, controls: 0, bytes: 0 }
    }
}

impl Examiner {
    /// Looks at the next piece of the text.
    pub fn feed(&mut self, piece: &[u8]) {
        self.detector.feed(piece, false);
        self.bytes += piece.len() as u64;
        let control = |b: &&u8| matches!(b, 0..=8 | 14..=26 | 28..=31);
        self.controls += piece.iter().filter(control).count() as u64;
        if piece.is_ascii() && self.rest.is_empty() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(piece);
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.characters += chunk.valid().chars().filter(|c| !c.is_ascii()).count() as u64;
            let may_go_on =
                chunks.peek().is_none() && std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
            if may_go_on {
                self.rest = chunk.invalid().to_vec();
            } else {
                self.invalid += chunk.invalid().len() as u64;
            }
        }
    }

    /// The encoding of all that was seen: of the whole text, or its start.
    pub fn end(mut self, whole: bool) -> Encoded {
        // A text that is cut inside a character, and one with a few bad bytes among many good ones, are UTF-8 all the same.
        if self.invalid == 0 || self.characters >= 8 * self.invalid {
            return Encoded::certain(UTF_8, 0);
        }
        self.detector.feed(b"", whole);
        let encoding = self.detector.guess(None, chardetng::Utf8Detection::Deny);
        Encoded { encoding, mark: 0, guessed: true }
    }
}

/// Turns bytes into text, piece by piece.
pub struct Decoder {
    decoder: encoding_rs::Decoder,
    width: Option<Width>,
    /// Bytes taken.
    at: u64,
    /// Bytes that are no characters, and the first of them.
    bad: u64,
    first_bad: u64,
}

impl Decoder {
    /// For text that begins at byte `at` of a file, after its mark.
    pub fn new(encoding: &'static Encoding, at: u64) -> Self {
        let width = match encoding {
            e if e == UTF_8 => Some(Width::Utf8),
            e if e == UTF_16LE || e == UTF_16BE => Some(Width::Utf16),
            e if e.is_single_byte() => Some(Width::One),
            _ => None,
        };
        Self { decoder: encoding.new_decoder_without_bom_handling(), width, at, bad: 0, first_bad: 0 }
    }

    /// Decodes `bytes`, the last ones if `last`, and hands the text out in parts, with the byte at which each begins. What is no character
    /// becomes U+FFFD.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn decode(
        &mut self,
        mut bytes: &[u8],
        last: bool,
        each: &mut dyn FnMut(&str, u64, Width) -> Result<()>,
    ) -> Result<()> {
        // Where a character has any number of bytes, few at a time, so that the place of each is known.
        let mut block = vec![0; if self.width.is_some() { 64 << 10 } else { 8 }];
        loop {
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(bytes, &mut block, last);
            let text =
                std::str::from_utf8(&block[..written]).map_err(|_| Error::format("a decoder's text is not UTF-8"))?;
            if !text.is_empty() {
                each(text, self.at, self.width.unwrap_or(Width::Utf8))?;
            }
            bytes = &bytes[read..];
            self.at += read as u64;
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(bad, after) => {
                    let first = self.at.saturating_sub(u64::from(bad) + u64::from(after));
                    if self.bad == 0 {
                        self.first_bad = first;
                    }
                    self.bad += u64::from(bad);
                    each("\u{fffd}", first, Width::Utf8)?;
                }
            }
        }
    }

    /// What people should know of the bytes that were no characters.
    pub fn complaint(&self) -> Option<String> {
        let (name, bad, first) = (self.decoder.encoding().name(), self.bad, self.first_bad);
        match bad {
            0 => None,
            1 => Some(format!("byte {first} is not {name} and shows as U+FFFD")),
            _ => Some(format!("{bad} bytes, from byte {first} on, are not {name} and show as U+FFFD")),
        }
    }
}

/// All of `bytes` as text, and where it stands in them.
///
/// # Errors
/// `Capacity` if the text is longer than can be counted.
pub fn decode_all(bytes: &[u8], encoded: Encoded) -> Result<(String, Origins, Option<String>)> {
    let mut decoder = Decoder::new(encoded.encoding, encoded.mark as u64);
    let (mut text, mut origins) = (String::with_capacity(bytes.len()), Origins::default());
    decoder.decode(&bytes[encoded.mark..], true, &mut |piece, mut at, width| {
        if width == Width::Utf8 {
            origins.add(text.len() as u64, at);
            text.push_str(piece);
            return Ok(());
        }
        for c in piece.chars() {
            origins.add(text.len() as u64, at);
            text.push(c);
            at += if width == Width::Utf16 { 2 * c.len_utf16() as u64 } else { 1 };
        }
        Ok(())
    })?;
    Ok((text, origins, decoder.complaint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(bytes: &[u8]) -> Encoded {
        // Any split gives the same.
        let mut examiner = Examiner::default();
        bytes.chunks(3).for_each(|piece| examiner.feed(piece));
        examiner.end(true)
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn encodings_are_told_apart() {
        for text in ["plain ASCII", "Käse überall, naïve façade", "日本語のテキスト", "half of one: 日"] {
            assert_eq!(examined(text.as_bytes()).encoding, UTF_8, "{text}");
        }
        assert_eq!(examined("half of one: 日".as_bytes().split_last().unwrap().1).encoding, UTF_8);
        let german = "Der Käufer überweist die Gebühr für die Übergabe der Schlüssel.";
        let latin = german.chars().map(|c| c as u8).collect::<Vec<_>>();
        let guess = examined(&latin);
        assert_eq!((guess.encoding.name(), guess.guessed), ("windows-1252", true));
        let (japanese, _, _) = encoding_rs::SHIFT_JIS.encode("これは日本語の文章です。鍵は玄関の下にあります。");
        assert_eq!(examined(&japanese).encoding.name(), "Shift_JIS");
        let (russian, _, _) = encoding_rs::WINDOWS_1251.encode("Ключ лежит под ковриком у входной двери дома.");
        assert_eq!(examined(&russian).encoding.name(), "windows-1251");
        // A long text in UTF-8 with one bad byte.
        let damaged = [german.repeat(10).as_bytes(), b"\xff", german.as_bytes()].concat();
        assert_eq!(examined(&damaged).encoding, UTF_8);
    }

    #[test]
    fn utf16_is_known_with_its_mark_and_without() {
        for text in ["The pass key is 7.\r\n", "Ключ: 7, дом 12\nдверь", "鍵は 玄関\nの下に あります。 番号 12", "a"]
        {
            for (big, name) in [(false, "UTF-16LE"), (true, "UTF-16BE")] {
                let bytes = utf16(text, big);
                assert_eq!(of_start(&bytes).unwrap().unwrap().encoding.name(), name, "{text}");
                let marked = utf16(&format!("\u{feff}{text}"), big);
                let encoded = of_start(&marked).unwrap().unwrap();
                assert_eq!((encoded.encoding.name(), encoded.mark, encoded.guessed), (name, 2, false));
                let (decoded, _, complaint) = decode_all(&marked, encoded).unwrap();
                assert_eq!((decoded.as_str(), complaint), (text, None));
            }
        }
        for bytes in [&b"plain text"[..], b"\0\0\0\0\0\0", b"", b"x", "日本語".as_bytes()] {
            assert!(of_start(bytes).unwrap().is_none(), "{bytes:?}");
        }
        assert!(of_start(b"\xff\xfe\0\0a\0\0\0").is_err());
        assert_eq!(of_start(b"\xef\xbb\xbfa").unwrap().unwrap().mark, 3);
    }

    #[test]
    fn what_is_no_character_is_counted() {
        let (text, _, complaint) = decode_all(b"ab\xffcd\xc3", Encoded::certain(UTF_8, 0)).unwrap();
        assert_eq!(text, "ab\u{fffd}cd\u{fffd}");
        let complaint = complaint.unwrap();
        assert!(complaint.starts_with("2 bytes, from byte 2 on, are not UTF-8"), "{complaint}");
        assert!(by_name("latin1").is_ok() && by_name("klingon").is_err());
    }
}
