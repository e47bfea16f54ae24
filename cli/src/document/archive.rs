//! The ZIP archives that EPUB and DOCX files are, with bounds on what they unpack to.

use std::collections::HashSet;
use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use ramba::{Error, Result};
use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes that an archive may have.
pub const ARCHIVE: u64 = 512 << 20;

/// Bytes that one of its parts may unpack to, and all that are read.
const PART: u64 = 128 << 20;
const ALL: u64 = 512 << 20;

/// Elements of XML inside each other.
const DEPTH: usize = 1000;

/// An archive in memory.
pub struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    /// Bytes that may still be unpacked.
    left: u64,
    encrypted: HashSet<String>,
}

impl Archive {
    /// # Errors
    /// `Format` if it is none.
    pub fn open(bytes: Vec<u8>) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| Error::format(format!("a damaged archive: {e}")))?;
        Ok(Self { zip, left: ALL, encrypted: HashSet::new() })
    }

    /// Takes it that the part `name` is encrypted by other means than the archive's.
    pub fn encrypt(&mut self, name: String) {
        self.encrypted.insert(name);
    }

    /// Whether there is a part of that name.
    pub fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// The part `name` unpacked; None if there is none.
    ///
    /// # Errors
    /// `Unsupported` if it is encrypted, `Format` if it is damaged, `Capacity` if it unpacks to more than it may.
    pub fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        if self.encrypted.contains(name) {
            return Err(Error::unsupported("encrypted"));
        }
        let mut file = match self.zip.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(Error::unsupported("encrypted"));
            }
            Err(e) => return Err(Error::format(format!("{name}: {e}"))),
        };
        let most = PART.min(self.left);
        let mut bytes = Vec::new();
        // What the archive says of its length is not relied on.
        let got = file.by_ref().take(most + 1).read_to_end(&mut bytes);
        let got = got.map_err(|e| Error::format(format!("{name} is damaged: {e}")))? as u64;
        if got > most {
            return Err(Error::capacity(format!("{name} unpacks to more than {most} bytes")));
        }
        self.left -= got;
        Ok(Some(bytes))
    }

    /// The same for one that must be there, as text.
    ///
    /// # Errors
    /// As for [`Archive::part`], and `Format` if there is none.
    pub fn text(&mut self, name: &str) -> Result<String> {
        let bytes = self.part(name)?.ok_or_else(|| Error::format(format!("the archive has no {name}")))?;
        let encoded = super::encoding::of_start(&bytes)?;
        Ok(match encoded {
            Some(encoded) => super::encoding::decode_all(&bytes, encoded)?.0,
            None => String::from_utf8_lossy(&bytes).into_owned(),
        })
    }
}

/// Something in a file of XML. Names are those without a prefix.
pub enum Xml<'x> {
    /// The start of an element; followed by its end, if it is empty, too.
    Start(&'x str, Attributes<'x>),
    /// The end of one.
    End(&'x str),
    /// Text.
    Text(&'x str),
}

/// The attributes of an element.
pub struct Attributes<'x>(&'x BytesStart<'x>);

impl Attributes<'_> {
    /// The value of the attribute `name`, whatever its prefix.
    pub fn get(&self, name: &str) -> Option<String> {
        let mut all = self.0.attributes();
        let found = all.with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
        Some(unescape(&found.value).map_or_else(|_| found.value.to_string(), |text| text.into_owned()))
    }
}

/// Calls `each` for all that is in `xml`, which is called `name`.
///
/// # Errors
/// Those of `each`, and `Format` for what is no XML.
pub fn xml(name: &str, xml: &str, each: &mut dyn FnMut(Xml) -> Result<()>) -> Result<()> {
    xml_in_places(name, xml, &mut |event, _| each(event))
}

/// The same, with the bytes of `xml` that were read.
///
/// # Errors
/// As for [`xml`].
pub fn xml_in_places(name: &str, xml: &str, each: &mut dyn FnMut(Xml, u64) -> Result<()>) -> Result<()> {
    let mut reader = Reader::from_str(xml);
    let config = reader.config_mut();
    (config.check_end_names, config.expand_empty_elements) = (false, true);
    let mut depth = 0_usize;
    loop {
        let bad = |reader: &Reader<_>, what: String| {
            Error::format(format!("{name}: byte {}: {what}", reader.error_position()))
        };
        let event = reader.read_event();
        let at = reader.buffer_position();
        match event {
            Err(e) => return Err(bad(&reader, e.to_string())),
            Ok(Event::Eof) => return Ok(()),
            Ok(Event::Start(start)) => {
                depth += 1;
                if depth > DEPTH {
                    return Err(Error::capacity(format!("{name}: more than {DEPTH} elements inside each other")));
                }
                let local = start.local_name();
                each(Xml::Start(local.as_ref(), Attributes(&start)), at)?;
            }
            Ok(Event::End(end)) => {
                depth = depth.saturating_sub(1);
                each(Xml::End(end.local_name().as_ref()), at)?;
            }
            Ok(Event::Text(text)) => each(Xml::Text(&text), at)?,
            Ok(Event::CData(text)) => each(Xml::Text(&text), at)?,
            // A reference to a character. Entities that a file defines are not expanded.
            Ok(Event::GeneralRef(reference)) => {
                let written = format!("&{};", &*reference);
                let text = unescape(&written).map_or(String::new(), |text| text.into_owned());
                each(Xml::Text(if text.is_empty() { &written } else { &text }), at)?;
            }
            Ok(_) => {}
        }
    }
}
