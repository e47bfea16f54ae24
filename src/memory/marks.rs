//! What the text of a document was made from: places in the original file, and labels such as a page or a heading.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::io::Storage;
use super::store::Layout;
use super::text::{PAYLOAD, Text};
use crate::bytes::{Put, Take};
use crate::{Error, Result};

/// Most bytes of a label.
const MAX_LABEL: usize = 1024;
/// Bytes of an entry beside its label.
const ENTRY: usize = 20;
/// In the place of an origin: there is none.
const NO_ORIGIN: u64 = u64::MAX;
/// In the place of the length of a label: it is that of the entry before.
const SAME_LABEL: u32 = u32::MAX;
/// Where entries lie whole: what does not fit goes to the next page.
const PAGE: u64 = PAYLOAD as u64;

/// What stands at a byte of a document's text, and after it until the next mark.
///
/// ```
/// use ramba::Mark;
///
/// // Byte 120 of the text is byte 4000 of the file, the byte after it is byte 4001, and so on. Page 2 begins here.
/// let mark = Mark::new(120).origin(4000).label("page 2");
/// # assert_eq!((mark.at, mark.origin, mark.label.as_deref()), (120, Some(4000), Some("page 2")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// The byte of the text, counted from the start of the document.
    pub at: u64,
    /// The byte of the original file that stands there; following bytes go one for one until the next mark. None where the
    /// original has no such place.
    pub origin: Option<u64>,
    /// What people call the place, such as `page 12` or `Installation › Limits`: at most 1024 bytes. It holds until the next
    /// label; with None that of the mark before goes on, and an empty one ends it.
    pub label: Option<String>,
}

impl Mark {
    /// A mark at byte `at` that says nothing of the original yet.
    pub fn new(at: u64) -> Self {
        Self { at, origin: None, label: None }
    }

    /// With byte `origin` of the original file standing there.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<Option<u64>>) -> Self {
        self.origin = origin.into();
        self
    }

    /// With a label.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// # Errors
    /// `InvalidArgument` if it cannot be kept.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.label {
            Some(label) if label.len() > MAX_LABEL => {
                Err(Error::invalid(format!("a label of {} bytes: at most {MAX_LABEL}", label.len())))
            }
            _ if self.origin == Some(NO_ORIGIN) => Err(Error::invalid("a place beyond the largest file")),
            _ => Ok(()),
        }
    }
}

/// What a range of the text was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The label that holds where it begins.
    pub label: Option<String>,
    /// Its bytes in the original file, from that of its first byte to that of its last one.
    pub bytes: Option<Range<u64>>,
}

/// A mark with the label that holds there, empty if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    at: u64,
    origin: u64,
    label: String,
}

impl Entry {
    /// The byte of the original that byte `at` of the text is.
    fn origin(&self, at: u64) -> Option<u64> {
        Some(self.origin).filter(|&origin| origin != NO_ORIGIN)?.checked_add(at.checked_sub(self.at)?)
    }

    /// Appends it to `bytes`.
    fn put(&self, same_label: bool, bytes: &mut Vec<u8>) {
        bytes.put_u64(self.at);
        bytes.put_u64(self.origin);
        if same_label {
            bytes.put_u32(SAME_LABEL);
        } else {
            // `Mark::check` keeps it far below 2^32.
            bytes.put_u32(self.label.len() as u32);
            bytes.put_bytes(self.label.as_bytes());
        }
    }
}

/// The marks of one document, in order, in pages that are each understood by themselves: nothing of them stays in RAM but the
/// page that is begun.
pub struct Marks {
    pages: Text,
    last: Mutex<Option<Entry>>,
}

impl Marks {
    /// None yet, in an empty storage.
    ///
    /// # Errors
    /// As [`Text::new`].
    pub(super) fn new(layout: &Layout, id: &[u8; 16], storage: Box<dyn Storage>) -> Result<Self> {
        let pages = Text::new(layout, (b"RAMBAMRK", id), storage, 1)?;
        Ok(Self { pages, last: Mutex::new(None) })
    }

    /// Those of `len` bytes in a storage that holds all but their `end`.
    ///
    /// # Errors
    /// As [`Text::open`], and `Format` if they are damaged.
    pub(super) fn open(
        layout: &Layout,
        id: &[u8; 16],
        storage: Box<dyn Storage>,
        (len, end): (u64, &[u8]),
    ) -> Result<Self> {
        let marks =
            Self { pages: Text::open(layout, (b"RAMBAMRK", id), storage, 1, (len, end))?, last: Mutex::new(None) };
        if let Some(last) = len.checked_sub(1) {
            *marks.last() = marks.find_on(last / PAGE, u64::MAX)?;
        }
        Ok(marks)
    }

    /// Bytes and files: as those of a text.
    pub(super) fn pages(&self) -> &Text {
        &self.pages
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Adds a mark. One that says nothing new is left out.
    ///
    /// # Errors
    /// `InvalidArgument` if it comes before the last one or has too long a label; `Capacity` if the disk is full, `Io` if
    /// writing failed otherwise.
    pub fn push(&self, mark: &Mark) -> Result<()> {
        mark.check()?;
        let mut last = self.last();
        let label = mark.label.as_deref().or(last.as_ref().map(|last| &*last.label)).unwrap_or_default();
        let entry = Entry { at: mark.at, origin: mark.origin.unwrap_or(NO_ORIGIN), label: label.to_owned() };
        let goes_on = match &*last {
            Some(last) if last.at > entry.at => {
                return Err(Error::invalid(format!("a mark at byte {} after one at byte {}", entry.at, last.at)));
            }
            Some(last) => last.label == entry.label && last.origin(entry.at) == mark.origin,
            None => false,
        };
        if goes_on {
            return Ok(());
        }
        let within = (self.pages.len() % PAGE) as usize;
        let mut bytes = Vec::new();
        entry.put(within > 0 && last.as_ref().is_some_and(|last| last.label == entry.label), &mut bytes);
        if within > 0 && within + bytes.len() > PAYLOAD {
            bytes.clear();
            bytes.resize(PAYLOAD - within, 0xff);
            entry.put(false, &mut bytes);
        }
        self.pages.append(&bytes)?;
        *last = Some(entry);
        Ok(())
    }

    /// What `bytes` of the text were made from.
    ///
    /// # Errors
    /// `Io` or `Format` if marks cannot be read or are damaged.
    pub fn origin(&self, bytes: Range<u64>) -> Result<Origin> {
        let Some(first) = self.find(bytes.start)? else { return Ok(Origin::default()) };
        let end = match bytes.end.checked_sub(1).filter(|&last| last > bytes.start) {
            Some(at) => self.find(at)?.and_then(|last| last.origin(at)),
            None => first.origin(bytes.start),
        };
        let length = u64::from(!bytes.is_empty());
        let range = first.origin(bytes.start).zip(end).map(|(start, end)| start..end + length);
        Ok(Origin {
            bytes: range.filter(|range| range.start <= range.end),
            label: Some(first.label).filter(|label| !label.is_empty()),
        })
    }

    /// The last entry at or before byte `at`.
    fn find(&self, at: u64) -> Result<Option<Entry>> {
        // The pages before `low` begin at or before it, those from `high` on after it.
        let (mut low, mut high) = (0, self.pages.len().div_ceil(PAGE));
        while low < high {
            let middle = low + (high - low) / 2;
            let first = self.pages.read(middle * PAGE..middle * PAGE + 8)?;
            if Take::new(&first).u64()? <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1).map_or(Ok(None), |page| self.find_on(page, at))
    }

    /// The last entry of a page at or before byte `at`.
    fn find_on(&self, page: u64, at: u64) -> Result<Option<Entry>> {
        let bytes = self.pages.read(page * PAGE..self.pages.len().min((page + 1) * PAGE))?;
        let mut rest = &bytes[..];
        let mut found: Option<Entry> = None;
        while rest.len() >= ENTRY {
            let mut take = Take::new(rest);
            let (start, origin, len) = (take.u64()?, take.u64()?, take.u32()?);
            // The page ends before its last byte, or what follows is after `at`.
            if start > at || start == u64::MAX {
                break;
            }
            let label = match (len, &found) {
                (SAME_LABEL, Some(before)) => before.label.clone(),
                (len, _) => {
                    let label = take.bytes(usize::try_from(len).unwrap_or(usize::MAX))?;
                    String::from_utf8(label.to_vec()).map_err(|_| Error::format("a label that is not UTF-8"))?
                }
            };
            rest = rest.get(ENTRY + if len == SAME_LABEL { 0 } else { label.len() }..).unwrap_or_default();
            found = Some(Entry { at: start, origin, label });
        }
        Ok(found)
    }

    fn last(&self) -> MutexGuard<'_, Option<Entry>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use test_support::numbers::Random;

    use super::super::io::create_files;
    use super::super::shape::{ChunkShape, Precision};
    use super::*;

    fn layout() -> Layout {
        let shape = ChunkShape { chunk_size: 1, kv_heads: 1, head_dim: 1, retrieval_heads: 1, retrieval_width: 1 };
        Layout::new(shape, Precision::F16).unwrap()
    }

    /// Every byte has the label and the origin that a list of all marks gives it, over many pages, before and after they are
    /// opened anew.
    #[test]
    fn marks_are_found_at_every_byte() {
        let dir = tempfile::tempdir().unwrap();
        let file = create_files(dir.path()).unwrap().marks;
        let file = std::sync::Arc::new(file);
        let marks = Marks::new(&layout(), &[7; 16], Box::new(Shared(file.clone()))).unwrap();
        assert_eq!(marks.origin(3..9).unwrap(), Origin::default());
        let mut naive: Vec<Option<(Option<u64>, String)>> = vec![None; 5];
        let mut random = Random(1);
        for i in 0..3000u64 {
            let n = random.bits() as u32;
            let at = naive.len() as u64;
            let origin = (n >> 20 & 3 != 0).then_some(at * 2 + u64::from(n >> 24));
            let label = match n >> 28 {
                0..4 => Some(format!("page {i} {}", "x".repeat((n >> 16) as usize % 900))),
                4 => Some(String::new()),
                _ => None,
            };
            let before = naive.last().cloned().flatten().map_or(String::new(), |(_, label)| label);
            let holds = label.clone().unwrap_or(before);
            marks.push(&Mark { at, origin, label }).unwrap();
            for k in 0..u64::from(n >> 8 & 7) {
                naive.push(Some((origin.map(|origin| origin + k), holds.clone())));
            }
            if n >> 8 & 7 == 0 {
                // Another mark follows at the same byte; a label that is not said again still holds.
                naive.push(Some((origin, holds)));
            }
        }
        let check = |marks: &Marks| {
            for (at, expected) in (0..).zip(&naive) {
                let found = marks.origin(at..at + 1).unwrap();
                let (origin, label) = expected.clone().map_or((None, String::new()), |(origin, label)| (origin, label));
                let expected = Origin {
                    label: Some(label).filter(|label| !label.is_empty()),
                    bytes: origin.map(|origin| origin..origin + 1),
                };
                assert_eq!(found, expected, "byte {at}");
            }
        };
        check(&marks);
        assert!(marks.pages.len() > 50 * PAGE);
        marks.pages.sync().unwrap();
        let end = marks.pages.end().unwrap();
        let at = (marks.pages.len(), &end[..]);
        let opened = Marks::open(&layout(), &[7; 16], Box::new(Shared(file.clone())), at).unwrap();
        check(&opened);
        assert_eq!(*opened.last(), *marks.last());
    }

    #[test]
    fn ranges_reach_from_their_first_to_their_last_byte() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Marks::new(&layout(), &[7; 16], Box::new(create_files(dir.path()).unwrap().marks)).unwrap();
        for mark in [
            Mark::new(10).origin(100).label("page 1"),
            Mark::new(20).origin(200),
            Mark::new(30),
            Mark::new(40).origin(50).label("page 2"),
        ] {
            marks.push(&mark).unwrap();
        }
        let origin = |bytes: Range<u64>| marks.origin(bytes).unwrap().bytes;
        assert_eq!(origin(10..10), Some(100..100));
        assert_eq!(origin(12..20), Some(102..110));
        assert_eq!(origin(12..25), Some(102..205));
        assert_eq!(origin(12..31), None, "its last byte has no place");
        assert_eq!(origin(29..45), None, "it goes backwards");
        assert_eq!(marks.origin(39..45).unwrap().label.as_deref(), Some("page 1"));
        assert_eq!(marks.origin(40..45).unwrap(), Origin { label: Some("page 2".into()), bytes: Some(50..55) });
        let len = marks.pages.len();
        marks.push(&Mark::new(44).origin(54)).unwrap();
        marks.push(&Mark::new(45).origin(55).label("page 2")).unwrap();
        assert_eq!(marks.pages.len(), len, "what goes on anyhow takes no room");
        for wrong in [Mark::new(39), Mark::new(50).label("x".repeat(1025)), Mark::new(50).origin(u64::MAX)] {
            assert_eq!(marks.push(&wrong).unwrap_err().kind(), crate::ErrorKind::InvalidArgument);
        }
    }

    /// A file that is opened twice.
    struct Shared(std::sync::Arc<super::super::io::Striped>);

    impl Storage for Shared {
        fn name(&self) -> String {
            self.0.name()
        }
        fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
            self.0.read_exact_at(buf, offset)
        }
        fn write_all_at(&self, data: &[u8], offset: u64) -> std::io::Result<()> {
            self.0.write_all_at(data, offset)
        }
        fn set_len(&self, len: u64) -> std::io::Result<()> {
            self.0.set_len(len)
        }
        fn sync(&self) -> std::io::Result<()> {
            self.0.sync()
        }
    }
}
