//! `ramba add`, `docs`, `remove`, `verify`, `merge`: documents that last.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use clap::Args;
use ramba::{Catalogue, Error, ErrorKind, Library, Result, Session, SessionOptions};
use ramba_cli::document::{self, Document, DocumentArgs, Note};
use ramba_cli::engine::BudgetArgs;
use ramba_cli::model::of_library;
use ramba_cli::show::{counted, grouped, one_line, print, print_json, size};
use ramba_cli::similar::similar;
use ramba_cli::{adding, interrupt};
use serde_json::{Value, json};

use crate::ModelArgs;

/// The exit status of `verify` when it has found damage.
const DAMAGED_STATUS: u8 = 4;

#[derive(Args)]
pub struct AddArgs {
    /// The folder of the library, made if it is not there
    dir: PathBuf,
    /// Documents as for `ask`: files, folders, patterns; `-` for standard input, which needs --name
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The name of the document in the library [default: the path of its file, as given]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Read documents anew that are there with another text
    #[arg(long)]
    replace: bool,
    /// Put the files at the end of the document NAME, all of them or, if it is stopped, none
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "replace", "shard"])]
    append: Option<String>,
    /// Read part I of N of the files, for `merge`: every process is given all of them in the same order, and a library of its own
    #[arg(long, value_name = "I/N", conflicts_with = "name")]
    shard: Option<Shard>,
    #[command(flatten)]
    documents: DocumentArgs,
    #[command(flatten)]
    originals: OriginalArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    budget: BudgetArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is kept of files beside their text.
#[derive(Args)]
pub struct OriginalArgs {
    /// Keep no copies of PDF files in the library: `serve` shows the text of their pages then, and not the pages
    #[arg(long)]
    no_originals: bool,
}

impl OriginalArgs {
    /// Whether files that have pages are kept.
    pub fn keep(&self) -> bool {
        !self.no_originals
    }
}

/// A library that is there.
#[derive(Args)]
pub struct LibraryArgs {
    /// The folder of the library
    dir: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    library: LibraryArgs,
    /// Names of documents
    #[arg(required = true)]
    names: Vec<String>,
}

#[derive(Args)]
pub struct MergeArgs {
    /// The folder of the library that takes the documents in, made if it is not there
    dir: PathBuf,
    /// Folders of the libraries that have them
    #[arg(required = true)]
    from: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Part `index` of `of`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shard {
    index: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err("expected I/N, as in 2/4, with I from 1 to N".into()),
        }
    }
}

/// What became of a file.
struct Added {
    name: String,
    what: &'static str,
    bytes: u64,
    tokens: u64,
    chunks: u64,
    computed: u64,
    seconds: f64,
    notes: Vec<Note>,
}

/// Fails for a folder that has other things in it: a library is not made among them.
pub fn check_folder(dir: &Path) -> Result<()> {
    let Ok(mut entries) = std::fs::read_dir(dir) else { return Ok(()) };
    if Library::is_in(dir) || entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == "lock")) {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is a folder with other files in it: a library has one of its own", dir.display())))
}

pub fn add(args: &AddArgs) -> Result<()> {
    check_folder(&args.dir)?;
    let files = document::find(&args.files)?;
    if args.name.is_some() && files.len() > 1 {
        return Err(Error::invalid("--name is for one file"));
    }
    let engine = args.model.open()?;
    let library = engine.library(&args.dir, &args.budget.options()).map_err(of_library)?;
    let mut all = Vec::new();
    if let Some(name) = &args.append {
        all.push(append(&library, name, &files, args)?);
    } else {
        for (i, file) in files.iter().enumerate() {
            if let Some(shard) = args.shard {
                if i % shard.of + 1 != shard.index {
                    continue;
                }
                library.number_from(i as u64 + 1);
            }
            let name = name_of(file, args.name.as_deref())?;
            let added = add_one(&library, &name, file, args)?;
            if !args.json {
                added.tell()?;
            }
            all.push(added);
        }
    }
    match args.json {
        true => print_json(&json!({"documents": all.iter().map(Added::json).collect::<Vec<_>>()})),
        false if args.append.is_some() => all.iter().try_for_each(Added::tell),
        false => Ok(()),
    }
}

fn name_of(file: &Path, given: Option<&str>) -> Result<String> {
    if let Some(name) = given {
        return Ok(name.to_owned());
    }
    if file == Path::new("-") {
        return Err(Error::invalid("standard input has no name: give one with --name"));
    }
    let name = file.to_str().ok_or_else(|| Error::invalid(format!("{} is no UTF-8: give a --name", file.display())))?;
    Ok(name.to_owned())
}

/// Reads what the library does not have of `file`.
fn add_one(library: &Library, name: &str, file: &Path, args: &AddArgs) -> Result<Added> {
    if !library.documents().iter().any(|known| known == name) {
        return read(library.add(name)?, name, file, (args, "added"));
    }
    match read(library.open(name)?, name, file, (args, "continued")) {
        Err(e) if args.replace && e.kind() == ErrorKind::InvalidArgument => {
            read(library.replace(name)?, name, file, (args, "replaced"))
        }
        done => done,
    }
}

fn read(mut session: Session, name: &str, file: &Path, (args, what): (&AddArgs, &'static str)) -> Result<Added> {
    let started = Instant::now();
    let before = session.bytes();
    let document = Document::open_as(file, &args.documents)?;
    let notes = adding::read(document, &mut session, args.originals.keep())?;
    let same = session.bytes() == before && session.tokens_computed() == 0;
    Ok(Added::of(&session, name, if same { "unchanged" } else { what }, started, notes))
}

fn append(library: &Library, name: &str, files: &[PathBuf], args: &AddArgs) -> Result<Added> {
    let started = Instant::now();
    let mut session = library.open(name)?;
    let mut notes = Vec::new();
    // Its pages are those of one file.
    session.forget_original()?;
    for file in files {
        notes.extend(Document::open_as(file, &args.documents)?.read_into(&mut session)?.notes);
    }
    interrupt::check()?;
    session.commit()?;
    Ok(Added::of(&session, name, "appended", started, notes))
}

impl Added {
    fn of(session: &Session, name: &str, what: &'static str, started: Instant, notes: Vec<Note>) -> Self {
        Self {
            name: name.to_owned(),
            what,
            bytes: session.bytes(),
            tokens: session.tokens(),
            chunks: session.chunks(),
            computed: session.tokens_computed(),
            seconds: started.elapsed().as_secs_f64(),
            notes,
        }
    }

    /// Prints what became of it, and on standard error what there is to say.
    fn tell(&self) -> Result<()> {
        document::tell(&self.name, &self.notes);
        print(self.line())
    }

    fn line(&self) -> String {
        let Self { name, what, tokens, computed, seconds, .. } = self;
        let rate = *computed as f64 / seconds.max(1e-9);
        let read = if *computed > 0 { format!(", {} tokens/s", grouped(rate as u64)) } else { String::new() };
        format!("{}: {what}, {} tokens{read}", one_line(name), grouped(*tokens))
    }

    fn json(&self) -> Value {
        let Self { name, what, bytes, tokens, chunks, computed, seconds, notes } = self;
        json!({
            "document": name, "what": what, "bytes": bytes, "tokens": tokens, "chunks": chunks, "tokens_computed": computed,
            "seconds": seconds, "notes": notes.iter().map(Note::json).collect::<Vec<_>>(),
        })
    }
}

/// Fails for a folder that is no library, with what makes it one.
fn check_library(dir: &Path) -> Result<()> {
    match Library::is_in(dir) {
        true => Ok(()),
        false => Err(Error::invalid(format!("{} is no library: `ramba add LIBRARY FILE` makes one", dir.display()))),
    }
}

/// The error of a document that is not among `known`.
pub fn no_document(name: &str, known: Vec<String>) -> Error {
    let meant = similar(name, known).map_or(String::new(), |meant| format!(": did you mean {meant:?}?"));
    Error::invalid(format!("there is no document {name:?} in the library{meant}"))
}

pub fn docs(args: &LibraryArgs) -> Result<()> {
    check_library(&args.dir)?;
    let library = Catalogue::open(&args.dir)?;
    let all = library.documents().iter().map(|name| library.info(name)).collect::<Result<Vec<_>>>()?;
    if args.json {
        let document = |d: &ramba::DocumentInfo| json!({"document": d.name, "bytes": d.bytes, "tokens": d.tokens, "chunks": d.chunks, "original_bytes": d.original});
        return print_json(&json!({"documents": all.iter().map(document).collect::<Vec<_>>()}));
    }
    for document in &all {
        let tokens = match document.tokens {
            Some(tokens) => format!("{} tokens", grouped(tokens)),
            None => "not read to its end".into(),
        };
        let (name, chunks) = (one_line(&document.name), counted(document.chunks, "chunk"));
        let file = document.original.map_or(String::new(), |bytes| format!(", its file of {} kept", size(bytes)));
        print(format!("{name}: {tokens} in {chunks}, {} of text{file}", size(document.bytes)))?;
    }
    Ok(())
}

pub fn remove(RemoveArgs { library: args, names }: &RemoveArgs) -> Result<()> {
    check_library(&args.dir)?;
    let library = Catalogue::open_to_write(&args.dir)?;
    // All or none.
    let known = library.documents();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(no_document(name, known));
    }
    for name in names {
        // A name that is given twice is gone.
        if library.documents().contains(name) {
            library.remove(name)?;
        }
    }
    if args.json { print_json(&json!({"removed": names})) } else { Ok(()) }
}

pub fn verify(args: &LibraryArgs) -> Result<ExitCode> {
    check_library(&args.dir)?;
    let library = Catalogue::open(&args.dir)?;
    let damage = library.verify()?;
    if args.json {
        let one = |d: &ramba::Damage| json!({"document": d.document, "chunk": d.chunk, "message": d.message});
        print_json(
            &json!({"documents": library.documents().len(), "damage": damage.iter().map(one).collect::<Vec<_>>()}),
        )?;
    } else {
        for one in &damage {
            let chunk = one.chunk.map_or(String::new(), |chunk| format!(", chunk {chunk}"));
            print(format!("{}{chunk}: {}", one_line(&one.document), one_line(&one.message)))?;
        }
        if damage.is_empty() {
            print(format!("{}, all as written", counted(library.documents().len() as u64, "document")))?;
        }
    }
    Ok(if damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED_STATUS) })
}

pub fn merge(args: &MergeArgs) -> Result<()> {
    check_folder(&args.dir)?;
    let engine = args.model.open()?;
    let library = engine.library(&args.dir, &SessionOptions::default()).map_err(of_library)?;
    library.merge(&args.from)?;
    let documents = library.documents();
    match args.json {
        true => print_json(&json!({"documents": documents})),
        false => print(counted(documents.len() as u64, "document")),
    }
}
