//! What the server does with its library, one thing at a time where that has to be.

use std::collections::HashMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ramba::{Answer, AskOptions, Cancel, DocumentInfo, Error, ErrorKind, Library, Mark, Original, Result, Session};
use serde_json::{Value, json};

use super::Served;
use crate::document::{Document, DocumentArgs, Note, Output};

/// Bytes of text that are shown before and after a place.
const AROUND: u64 = 3000;

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// The library of a server.
pub struct Shelf {
    library: Library,
    pub model: String,
    options: AskOptions,
    originals: bool,
    /// What is known of documents that have not changed.
    known: Mutex<HashMap<String, DocumentInfo>>,
    /// Who writes.
    writing: Mutex<()>,
    /// The session of the last question, with the documents and the state of the library that it is about.
    asked: Mutex<Option<Asked>>,
    running: Mutex<Work>,
    changes: Mutex<u64>,
}

struct Asked {
    names: Vec<String>,
    changes: u64,
    session: Session,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic has left is looked at anew, or made anew.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is told while something is done: a JSON value a line. Fails when nobody listens any more.
pub type Tell<'t> = &'t mut dyn FnMut(Value) -> Result<()>;

impl Shelf {
    pub fn new(Served { library, model, options, originals }: Served) -> Self {
        Self {
            library,
            model,
            options,
            originals,
            known: Mutex::default(),
            writing: Mutex::default(),
            asked: Mutex::default(),
            running: Mutex::default(),
            changes: Mutex::default(),
        }
    }

    /// The documents, with what they take.
    ///
    /// # Errors
    /// Those of opening documents.
    pub fn documents(&self) -> Result<Value> {
        let mut documents = Vec::new();
        for name in self.library.documents() {
            let known = lock(&self.known).get(&name).cloned();
            let known = match known {
                Some(known) => known,
                None => {
                    let mut known = match self.library.info(&name) {
                        // Removed meanwhile.
                        Err(e) if e.kind() == ErrorKind::InvalidArgument => continue,
                        known => known?,
                    };
                    if known.tokens.is_none() {
                        // As far as it was read.
                        known.tokens = Some(self.library.open_many(&[&name])?.tokens());
                    }
                    lock(&self.known).insert(name.clone(), known.clone());
                    known
                }
            };
            documents.push(json!({
                "name": name, "bytes": known.bytes, "tokens": known.tokens, "chunks": known.chunks,
                "original_bytes": known.original,
            }));
        }
        Ok(json!({"documents": documents}))
    }

    /// Reads `file` into the library as `name`, in the place of the document of that name if there is one. `begun` gets what stops it.
    ///
    /// # Errors
    /// Those of reading it, and of the library; nothing of it is kept then.
    pub fn add(&self, name: &str, file: File, begun: impl FnOnce(Cancel), tell: Tell) -> Result<()> {
        let _writing = lock(&self.writing);
        let document = Document::from_file(name, file, &DocumentArgs::default())?;
        let mut session = self.library.replace(name)?;
        let _running = self.run(session.cancel());
        begun(session.cancel());
        let format = document.format().name();
        let notes = document.read(&mut Feed {
            session: &mut session,
            keep: self.originals,
            tell: &mut *tell,
            started: Instant::now(),
            told: None,
            part: None,
        })?;
        if session.bytes() == 0 {
            return Err(Error::invalid("there is no text in it"));
        }
        // What was stopped is not kept: a commit would take it as far as it is read.
        session.prefill()?;
        session.commit()?;
        // Until it is closed, it cannot be asked together with others.
        drop(session);
        self.changed(name);
        let notes = notes.iter().map(Note::json).collect::<Vec<_>>();
        tell(json!({"document": {"name": name, "format": format, "notes": notes}}))
    }

    /// # Errors
    /// Those of [`Library::remove`].
    pub fn remove(&self, name: &str) -> Result<()> {
        let _writing = lock(&self.writing);
        self.library.remove(name)?;
        self.changed(name);
        Ok(())
    }

    fn changed(&self, name: &str) {
        lock(&self.known).remove(name);
        *lock(&self.changes) += 1;
    }

    /// Answers `question` from the documents `names`, or from all of them. `on_text` gets the text as it comes, and may stop it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is nothing to ask, and those of the session.
    pub fn ask(
        &self,
        question: &str,
        names: Option<Vec<String>>,
        max_tokens: Option<usize>,
        begun: impl FnOnce(Cancel),
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer> {
        let mut options = self.options.clone().min_source_weight(0.002);
        options.max_tokens = max_tokens.unwrap_or(options.max_tokens).min(options.max_tokens);
        self.library.engine().check_question(question, &options)?;
        let mut asked = lock(&self.asked);
        let names = names.unwrap_or_else(|| self.library.documents());
        if names.is_empty() {
            return Err(Error::invalid("there are no documents to ask yet"));
        }
        let changes = *lock(&self.changes);
        let mut current = match asked.take() {
            Some(last) if last.names == names && last.changes == changes => last,
            _ => Asked { session: self.library.open_many(&names)?, names, changes },
        };
        let cancel = current.session.cancel();
        cancel.clear();
        let _running = self.run(cancel.clone());
        begun(cancel);
        let answer = current.session.ask(question, &options, &mut |_, text| on_text(text));
        // After a failure, another one is opened.
        if answer.is_ok() {
            *asked = Some(current);
        }
        answer
    }

    /// The text of a document around `start..end`, and the byte of it where that begins.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such document or place.
    pub fn text(&self, name: &str, start: u64, end: u64) -> Result<Value> {
        let session = self.library.open_many(&[name])?;
        let end = end.min(session.bytes());
        if start > end {
            return Err(Error::invalid("there is no such place"));
        }
        let (from, to) =
            (start.saturating_sub(AROUND), end.min(start + AROUND).saturating_add(AROUND).min(session.bytes()));
        let text = session.text(from..to)?;
        // Whole characters, and their place.
        let cut = text.chars().take_while(|&c| c == '\u{fffd}').take(3).count();
        let text: String = text.chars().skip(cut).collect();
        Ok(json!({"start": from + cut as u64, "text": text.trim_end_matches('\u{fffd}')}))
    }

    /// The file of a document, a PDF, as it was read.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such document, or its file was not kept; `Format` if it has changed since.
    pub fn original(&self, name: &str) -> Result<Original> {
        let original = self.library.original(name)?;
        original.ok_or_else(|| Error::invalid(format!("the file of {name:?} is not kept: there is its text alone")))
    }

    /// Stops what runs.
    pub fn stop(&self) {
        lock(&self.running).work.values().for_each(Cancel::cancel);
    }

    /// Takes account of work that `cancel` stops, until what is returned is dropped.
    fn run(&self, cancel: Cancel) -> Running<'_> {
        let mut running = lock(&self.running);
        running.begun += 1;
        let number = running.begun;
        running.work.insert(number, cancel);
        Running { shelf: self, number }
    }
}

/// What runs, to be stopped with the server.
#[derive(Default)]
struct Work {
    begun: u64,
    work: HashMap<u64, Cancel>,
}

/// Something that runs.
struct Running<'s> {
    shelf: &'s Shelf,
    number: u64,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        lock(&self.shelf.running).work.remove(&self.number);
    }
}

/// Feeds a session, and tells how far it has come.
struct Feed<'s, 't> {
    session: &'s mut Session,
    /// Whether the file is kept, if it has pages.
    keep: bool,
    tell: Tell<'t>,
    started: Instant,
    told: Option<Instant>,
    /// The part that is read, if that is known.
    part: Option<f64>,
}

impl Output for Feed<'_, '_> {
    fn text(&mut self, text: &str, marks: &[Mark]) -> Result<()> {
        self.session.feed_marked(text, marks)?;
        if self.told.is_none_or(|told| told.elapsed() > PROGRESS) {
            self.told = Some(Instant::now());
            let tokens = self.session.tokens();
            let rate = tokens as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
            (self.tell)(json!({"progress": {"tokens": tokens, "tokens_per_s": rate, "done": self.part}}))?;
        }
        Ok(())
    }

    fn original(&mut self, bytes: &[u8]) -> Result<()> {
        if self.keep { self.session.keep_original(bytes) } else { Ok(()) }
    }

    fn progress(&mut self, part: f64) {
        self.part = Some(part);
    }
}
