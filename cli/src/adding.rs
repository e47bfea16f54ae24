//! A text that a document of a library has the beginning of, or nothing yet: what is there is compared, what follows is read.

use std::io::Read;

use ramba::{Error, ErrorKind, Mark, Original, Result, Session};

use crate::document::{Document, Note, Output, Watch, watch};

/// Bytes of text after which a document is committed while it is read on, so that a crash costs no more than that.
const COMMITTED: u64 = 64 << 20;

/// Reads into `session`, which has the beginning of the text of `document` or nothing, what it does not have yet, and commits it. If that
/// is stopped, what was read is committed. With `keep`, a file that has pages is kept beside its text. Returns what there is to say of the
/// document.
///
/// # Errors
/// `InvalidArgument` if the session has another text, or if there is none; else those of the document and of the session.
pub fn read(document: Document, session: &mut Session, keep: bool) -> Result<Vec<Note>> {
    let name = document.name().to_owned();
    let bar = watch(&name, session);
    let had = session.bytes();
    let mut adding = Adding { session, bar: bar.clone(), at: 0, had, committed: had, keep };
    let read = document.read(&mut adding);
    let at = adding.at;
    let read = read.and_then(|notes| {
        if at < had {
            return Err(changed());
        }
        session.prefill().map(|()| notes)
    });
    bar.end(session);
    match read {
        Ok(_) if session.bytes() == 0 => Err(Error::invalid(format!("{name} is empty: there is nothing to read"))),
        Ok(notes) => session.commit().map(|()| notes),
        Err(e) => {
            if e.kind() == ErrorKind::Cancelled && session.bytes() > 0 {
                session.commit()?;
                log::warn!("{name}: what was read is kept, the same command goes on from there");
            }
            Err(e.context(name))
        }
    }
}

/// A document that takes a text from its beginning.
struct Adding<'s> {
    session: &'s mut Session,
    bar: Watch,
    /// Bytes of the text that have come.
    at: u64,
    /// Bytes that the document had before.
    had: u64,
    /// Bytes that it had at the last commit.
    committed: u64,
    /// Whether its file is kept, if it has pages.
    keep: bool,
}

impl Output for Adding<'_> {
    fn text(&mut self, text: &str, marks: &[Mark]) -> Result<()> {
        let known = text.len().min(usize::try_from(self.had.saturating_sub(self.at)).unwrap_or(usize::MAX));
        let (known, new) = text.as_bytes().split_at(known);
        if !known.is_empty()
            && self.session.text(self.at..self.at + known.len() as u64)? != String::from_utf8_lossy(known)
        {
            return Err(changed());
        }
        self.at += text.len() as u64;
        if new.is_empty() {
            return Ok(());
        }
        let marks: Vec<Mark> = marks.iter().filter(|mark| mark.at >= self.had).cloned().collect();
        match std::str::from_utf8(new) {
            Ok(new) => self.session.feed_marked(new, &marks)?,
            // Reading was stopped inside of a character.
            Err(_) => {
                self.session.feed_bytes(new)?;
                marks.iter().try_for_each(|mark| self.session.mark(mark))?;
            }
        }
        if self.session.bytes() - self.committed >= COMMITTED {
            self.session.commit()?;
            self.committed = self.session.bytes();
        }
        Ok(())
    }

    fn original(&mut self, bytes: &[u8]) -> Result<()> {
        if self.had == 0 && self.keep {
            return self.session.keep_original(bytes);
        }
        // The text may go on as another file has it.
        let Some(original) = self.session.original()? else { return Ok(()) };
        if self.keep && is(original, bytes)? { Ok(()) } else { self.session.forget_original() }
    }

    fn progress(&mut self, part: f64) {
        self.bar.fed(part, self.session);
    }
}

/// Whether a file that is kept has these bytes.
fn is(mut original: Original, mut bytes: &[u8]) -> Result<bool> {
    if original.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut block = vec![0; 1 << 20];
    loop {
        let got = original.read(&mut block).map_err(|e| Error::io("reading the file that is kept", e))?;
        if got == 0 {
            return Ok(true);
        }
        let (part, rest) = bytes.split_at(got);
        if part != &block[..got] {
            return Ok(false);
        }
        bytes = rest;
    }
}

fn changed() -> Error {
    Error::invalid(
        "the document in the library has another text: --replace reads it anew, --name gives it another name",
    )
}
