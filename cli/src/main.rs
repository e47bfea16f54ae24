//! The command line: `ramba ask`, `ramba add`, `ramba docs`, `ramba remove`, `ramba verify`, `ramba merge`, `ramba text`, `ramba info`, `ramba estimate`, `ramba convert`, `ramba quantize`, `ramba export-encoder`,
//! `ramba bench`, `ramba evaluate`, `ramba version`.

mod commands;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use ramba::{Device, Engine, Error, Library, Result, Session, Support};
use ramba_cli::answers::{self, AnswerArgs};
use ramba_cli::document::{self, Document, DocumentArgs, Note, Reading};
use ramba_cli::engine::{BudgetArgs, EngineArgs};
use ramba_cli::interrupt;
use ramba_cli::model::{ModelFile, of_library};
use ramba_cli::show::{one_line, print, print_json};
use serde_json::json;

use commands::{bench, convert, estimate, evaluate, export, info, library, serve, text};

const STATUS_HELP: &str = "\
Exit status: 0 done, 1 failed, 2 wrong usage, 3 done, but a question was asked that the document does not answer, 4 done, but `verify` has found damage; when stopped by a signal, 128 + its number: 130 for Ctrl-C (SIGINT), 143 for SIGTERM,
129 for SIGHUP, and 141 if nobody reads what it prints any more. Progress is shown on terminals only, and colours unless NO_COLOR is set.";

/// Run RAMba models: documents of any length in bounded memory.
#[derive(Parser)]
#[command(name = "ramba", version, after_help = STATUS_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer questions about documents, or about those of a library
    Ask(AskArgs),
    /// Read documents into a library that lasts; what it has of them is not read again
    Add(library::AddArgs),
    /// List the documents of a library
    Docs(library::LibraryArgs),
    /// Remove documents from a library
    Remove(library::RemoveArgs),
    /// Check every byte of a library that is used
    Verify(library::LibraryArgs),
    /// Take the documents of libraries in that were made apart
    Merge(library::MergeArgs),
    /// Serve a library on a local page, and over HTTP
    Serve(serve::ServeArgs),
    /// Print the text that is read of a document, and where it stands
    Text(text::TextArgs),
    /// Show what a model file holds and how much memory it needs, without loading it
    Info(info::InfoArgs),
    /// Show what a model takes of memory and disk for a document of some length, before anything is loaded
    Estimate(estimate::EstimateArgs),
    /// Make a model file of a checkpoint (safetensors): RAMba or Mamba-2
    Convert(convert::ConvertArgs),
    /// Store a model file's matrices in other number formats, and show what that does to them
    Quantize(convert::QuantizeArgs),
    /// Write a model's chunk encoder as an ONNX file
    ExportEncoder(export::ExportArgs),
    /// Measure how fast a model reads and writes
    Bench(bench::BenchArgs),
    /// Score a model on the questions of a benchmark: SQuAD, BABILong, RULER
    Evaluate(evaluate::EvaluateArgs),
    /// Print what completes commands in a shell, to be put where its manual says
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    Man {
        /// The folder to write them to, which exists
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Show the version and what this build can do
    Version {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct AskArgs {
    /// The document: text, Markdown, HTML, PDF, EPUB, DOCX, CSV, TSV or JSON lines; several, a folder or a pattern; `-` for standard input; or the folder of a library
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A question (may be given several times)
    #[arg(short, long = "question", value_name = "QUESTION", required = true)]
    question: Vec<String>,
    /// A document of the library to ask (may be given several times) [default: all of them]
    #[arg(long, value_name = "NAME")]
    document: Vec<String>,
    #[command(flatten)]
    documents: DocumentArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Folder to keep the chunk memories in while the program runs [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    memory: Option<PathBuf>,
    #[command(flatten)]
    budget: BudgetArgs,
    /// Leave out damaged chunks of a library, with a warning, instead of failing
    #[arg(long)]
    skip_damaged: bool,
    #[command(flatten)]
    answers: AnswerArgs,
    /// Print where each answer comes from
    #[arg(short, long)]
    sources: bool,
    /// Print one JSON object, with the guesses that are not printed otherwise
    #[arg(long)]
    json: bool,
}

/// Which model, and on how many threads.
#[derive(Args)]
struct ModelArgs {
    #[command(flatten)]
    model: ModelFile,
    #[command(flatten)]
    engine: EngineArgs,
    /// Leave weights in pages of the file instead of repacking or copying them in memory: slower, but the system can drop them
    #[arg(long)]
    no_repack: bool,
}

impl ModelArgs {
    fn open(&self) -> Result<Engine> {
        self.model.open(&self.engine.options()?.no_repack(self.no_repack))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    interrupt::exit(interrupt::install().and_then(|()| run(&cli.command)))
}

fn run(command: &Command) -> Result<ExitCode> {
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Ask(args) => ask(args),
        Command::Add(args) => library::add(args).map(done),
        Command::Docs(args) => library::docs(args).map(done),
        Command::Remove(args) => library::remove(args).map(done),
        Command::Verify(args) => library::verify(args),
        Command::Merge(args) => library::merge(args).map(done),
        Command::Serve(args) => serve::run(args).map(done),
        Command::Text(args) => text::run(args).map(done),
        Command::Info(args) => info::run(args).map(done),
        Command::Estimate(args) => estimate::run(args).map(done),
        Command::Convert(args) => convert::convert(args).map(done),
        Command::Quantize(args) => convert::quantize(args).map(done),
        Command::ExportEncoder(args) => export::run(args).map(done),
        Command::Bench(args) => bench::run(args).map(done),
        Command::Evaluate(args) => evaluate::run(args).map(done),
        Command::Completions { shell } => completions(*shell).map(done),
        Command::Man { folder } => man(folder).map(done),
        Command::Version { json } => version(*json).map(done),
    }
}

fn ask(args: &AskArgs) -> Result<ExitCode> {
    let options = args.answers.options();
    let engine = args.model.open()?;
    // Everything that can be wrong without the document is found out before it is read.
    args.question.iter().try_for_each(|question| engine.check_question(question, &options))?;
    let (mut session, readings) = open(args, &engine)?;
    readings.iter().for_each(Reading::tell);
    let mut all = Vec::new();
    for question in &args.question {
        let answer = interrupt::answer(&mut session, question, &options)?;
        if !args.json {
            // Several answers are told apart by their questions.
            let indent = if args.question.len() > 1 { "  " } else { "" };
            if !indent.is_empty() {
                print(one_line(question))?;
            }
            print(format!("{indent}{}", answers::line(&answer)))?;
            let shown = args.sources && answer.support != Support::None;
            for source in answer.sources.iter().filter(|_| shown) {
                print(format!("{indent}  {}", answers::source_line(source, &answer)))?;
            }
        }
        all.push(answer);
    }
    if args.json {
        let answers = args
            .question
            .iter()
            .zip(&all)
            .map(|(question, answer)| answers::json(question, answer))
            .collect::<Vec<_>>();
        let notes = readings.iter().flat_map(|reading| {
            let of = |note: &Note| json!({"document": reading.name, "place": note.place, "message": note.message});
            reading.notes.iter().map(of)
        });
        print_json(&json!({
            "tokens": session.tokens(), "chunks": session.chunks(), "notes": notes.collect::<Vec<_>>(), "answers": answers,
        }))?;
    }
    Ok(answers::status(&all))
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ramba", &mut script);
    std::io::stdout().lock().write_all(&script).map_err(|e| Error::io("writing to standard output", e))
}

fn man(folder: &Path) -> Result<()> {
    clap_mangen::generate_to(Cli::command(), folder)
        .map_err(|e| Error::io(format!("writing to {}", folder.display()), e))
}

/// The session that is asked, and what it took to read its documents, if they are no library.
fn open(args: &AskArgs, engine: &Engine) -> Result<(Session, Vec<Reading>)> {
    let options = args.budget.options().directory(args.memory.clone()).skip_damaged(args.skip_damaged);
    if let [dir] = &args.files[..]
        && Library::is_in(dir)
    {
        let library = engine.read_library(dir, &options).map_err(of_library)?;
        let all = library.documents();
        let session = match (args.document.is_empty(), all.is_empty()) {
            (true, true) => Err(Error::invalid(format!("the library {} has no documents", dir.display()))),
            (true, false) => library.open_many(&all),
            (false, _) => match args.document.iter().find(|name| !all.contains(name)) {
                Some(name) => Err(library::no_document(name, all)),
                None => library.open_many(&args.document),
            },
        };
        return Ok((session?, Vec::new()));
    }
    if !args.document.is_empty() {
        let files: Vec<_> = args.files.iter().map(|file| file.display().to_string()).collect();
        return Err(Error::invalid(format!("--document is for a library, and {} is none", files.join(", "))));
    }
    let mut session = engine.session(&options)?;
    let files = document::find(&args.files)?;
    let documents = files.iter().map(|file| Document::open_as(file, &args.documents)).collect::<Result<Vec<_>>>()?;
    let readings = document::read_all(documents, &mut session)?;
    Ok((session, readings))
}

fn version(as_json: bool) -> Result<()> {
    let cpu = Device::Cpu.description()?;
    let encoders = [("native", true), ("tract", cfg!(feature = "tract")), ("ort", cfg!(feature = "ort"))];
    let encoders: Vec<_> = encoders.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if as_json {
        let version = env!("CARGO_PKG_VERSION");
        return print_json(&json!({
            "version": version, "instruction_sets": cpu.split(", ").collect::<Vec<_>>(), "encoders": encoders, "cuda": cfg!(feature = "cuda"),
        }));
    }
    print(format!("ramba {}", env!("CARGO_PKG_VERSION")))?;
    print(format!("instruction sets of this CPU, best first: {cpu}"))?;
    print(format!("chunk encoders: {}", encoders.join(", ")))?;
    #[cfg(feature = "cuda")]
    match Device::Cuda(0).description() {
        Ok(description) => print(format!("CUDA device 0: {description}"))?,
        Err(e) => print(format!("CUDA: {e}"))?,
    }
    Ok(())
}
