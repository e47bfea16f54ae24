//! Model files from checkpoints made elsewhere, and from model files of another number format.
//!
//! [`convert`] reads a folder as the Hugging Face libraries save it (`config.json`, `model.safetensors` or its shards,
//! `tokenizer.json`) and writes a GGUF file; [`quantize`] rewrites a GGUF file in other [`Types`]. Both go through the
//! tensors a few megabytes at a time, so that the memory they take does not depend on the size of the model, and both
//! write to a temporary file that gets its name when it is complete.
//!
//! What is in a checkpoint is not trusted. Sizes are checked against the bytes that are there before anything is
//! allocated, and a field, tensor or value that is not understood is refused by its name: a model that was converted
//! computes what its checkpoint says.
#![forbid(unsafe_code)]

mod config;
mod importance;
mod json;
mod names;
mod observer;
mod quantize;
mod safetensors;
mod tokenizer;
mod transfer;
mod types;
mod writer;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::gguf::{Gguf, Quoted, Value};
use crate::model::Config;
use crate::options::setters;
use crate::quant::DType;
use crate::{Error, ErrorKind, Result};

pub use importance::Importance;
pub use quantize::{quantize, quantize_with};
pub use types::Types;

use config::Shape;
use names::Row;
use safetensors::Checkpoint;
use transfer::{Job, Transfer};
use writer::{Header, Slot, Writer};

/// Largest `config.json`.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// How to convert a checkpoint.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// Types of the matrices; those that it does not name become F16.
    pub types: Types,
    /// The model's name in the file (`general.name`); the name of the folder if `None`.
    pub name: Option<String>,
    /// Fields of `config.json` that are known not to matter, although this crate does not know them.
    pub ignored_fields: Vec<String>,
    /// What becomes of the recurrence at the segments of a RAMba.
    pub segments: SegmentMode,
    /// Leave the tokenizer out: the model takes token ids alone. Without this, a folder that has none is refused.
    pub no_tokenizer: bool,
}

setters!(ConvertOptions {
    types: Types,
    name: impl Into<Option<String>>,
    ignored_fields: Vec<String>,
    segments: SegmentMode,
    no_tokenizer: bool,
});

/// What becomes of the recurrence of a RAMba at every `segment_size` tokens. The authors' code resets it while it trains, and carries it on in
/// evaluation: the same weights run in either way, and differ from the first boundary on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SegmentMode {
    /// It goes on, as in the evaluation that published results come from. Documents are read in order, through the whole model.
    #[default]
    Carry,
    /// It starts anew, as in training. Documents are read in parallel, through the lower half alone: for models made for that.
    Reset,
}

impl FromStr for SegmentMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "carry" => Ok(Self::Carry),
            "reset" => Ok(Self::Reset),
            other => Err(Error::invalid(format!("{} is neither carry nor reset", Quoted(other)))),
        }
    }
}

impl fmt::Display for SegmentMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Carry => "carry",
            Self::Reset => "reset",
        })
    }
}

/// How far a conversion is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The tensor at hand.
    pub tensor: &'a str,
    /// Bytes of the result that are written.
    pub written: u64,
    /// Bytes that the result will have.
    pub total: u64,
}

/// Called between blocks of a tensor; `Break` ends the work and leaves no file.
pub type OnProgress<'a> = dyn FnMut(Progress<'_>) -> ControlFlow<()> + 'a;

/// What was written.
#[derive(Debug, Clone)]
pub struct Report {
    /// `ramba` or `mamba2`.
    pub architecture: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// In file order.
    pub tensors: Vec<TensorReport>,
    /// What a user should know: types that were replaced, fields that were ignored, parts that are absent.
    pub notes: Vec<String>,
}

impl Report {
    /// Values in all tensors.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().map(|t| t.dims.iter().product::<u64>()).sum()
    }
}

/// What became of one tensor.
#[derive(Debug, Clone)]
pub struct TensorReport {
    /// Its name in the file.
    pub name: String,
    /// Its sizes, fastest first.
    pub dims: Vec<u64>,
    /// How its values were stored before: a name of safetensors or GGUF.
    pub from: String,
    /// How they are stored now.
    pub to: DType,
    /// What the change of type did to the values; `None` if it cannot change any.
    pub error: Option<TypeError>,
}

/// Difference between the values of a tensor and what a reader of the file will see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TypeError {
    /// Root of the mean squared difference, as a share of the root of the mean square of the values.
    pub relative_rms: f64,
    /// Largest difference.
    pub max: f32,
}

/// Converts the checkpoint in the folder `checkpoint` to the GGUF file `out`, which is replaced if it exists.
///
/// Read are `config.json`, `model.safetensors` or the shards that `model.safetensors.index.json` names, and
/// `tokenizer.json`, or `vocab.json` and `merges.txt` where that is missing. The tensors may have the names of a published RAMba checkpoint, of Hugging Face's
/// `Mamba2ForCausalLM` or of the original Mamba-2 models, all of them after one prefix if need be, and be of type F64, F32, F16 or BF16.
///
/// Norms, biases, convolutions and vectors are stored as F32; matrices as [`ConvertOptions::types`] says, but as F16 where
/// rows do not fill whole blocks of the type, which a note of the report says.
///
/// # Errors
/// `Io` if a file cannot be read or written; `Format` if one is damaged or they contradict each other; `Unsupported` for fields,
/// tensors, types and tokenizers that this crate does not know; `InvalidArgument` for options that name nothing, and for
/// values beyond the range of their new type; `Cancelled` if `progress` says so.
pub fn convert(
    checkpoint: impl AsRef<Path>,
    out: impl AsRef<Path>,
    options: &ConvertOptions,
    progress: &mut OnProgress<'_>,
) -> Result<Report> {
    let (folder, out) = (checkpoint.as_ref(), out.as_ref());
    plan(folder, options)
        .and_then(|plan| plan.write(out, progress))
        .map_err(|e| e.context(format_args!("checkpoint {}", folder.display())))
}

/// Everything that is decided before the first tensor is read.
struct Plan {
    checkpoint: Checkpoint,
    architecture: &'static str,
    header: Header,
    /// One per slot of the header.
    rows: Vec<Row>,
    notes: Vec<String>,
}

fn plan(folder: &Path, options: &ConvertOptions) -> Result<Plan> {
    let mut notes = Vec::new();
    let config_path = folder.join("config.json");
    let fields = json::object(&json::text(&config_path, MAX_CONFIG_BYTES)?).map_err(|e| e.context("config.json"))?;
    let mut shape = Shape::read(&fields, &options.ignored_fields, &mut notes).map_err(|e| e.context("config.json"))?;

    shape.resolve_segments(options.segments, &mut notes)?;

    let mut checkpoint = Checkpoint::open(folder)?;
    if let Some(prefix) = checkpoint.strip_prefix() {
        notes.push(format!("the names of all tensors begin with {}, which was taken off", Quoted(&prefix)));
    }
    shape.resolve_decay(&mut checkpoint, &mut notes);
    let tied = shape.resolve_output(&mut checkpoint)?;
    let rows = names::table(&shape, tied)?;
    checkpoint.check(&rows)?;

    let architecture = shape.architecture();
    let name = options.name.clone().unwrap_or_else(|| folder_name(folder));
    let default = options.types.rest().unwrap_or(DType::F16);
    let mut entries = vec![
        ("general.architecture".to_owned(), Value::Str(architecture.to_owned())),
        ("general.name".to_owned(), Value::Str(name)),
        ("general.file_type".to_owned(), Value::U32(types::file_type(default))),
    ];
    entries.extend(shape.entries());
    if options.no_tokenizer {
        notes.push("the file has no tokenizer, as asked, and can be used by token ids alone".into());
        entries.extend(tokenizer::none(&shape));
    } else {
        entries.extend(tokenizer::entries(folder, &shape, &mut notes)?);
    }

    let mut slots = Vec::with_capacity(rows.len());
    for row in &rows {
        let dtype = match row.matrix {
            true => options.types.choose(&row.gguf, row.dims[0], default, &mut notes)?,
            false => DType::F32,
        };
        slots.push(Slot { name: row.gguf.clone(), dims: row.dims.clone(), dtype });
    }
    options.types.check_used(rows.iter().filter(|r| r.matrix).map(|r| r.gguf.as_str()))?;
    let header = Header::new(&entries, slots)?;
    // The reader's own checks of every hyperparameter, before anything is written.
    let gguf = Gguf::parse_header(&header.bytes, header.total)?;
    let config = Config::from_gguf(&gguf).map_err(|e| e.context("config.json, by the names of the model file"))?;
    config.check_complete(&gguf)?;
    Ok(Plan { checkpoint, architecture, header, rows, notes })
}

impl Plan {
    fn write(self, out: &Path, progress: &mut OnProgress<'_>) -> Result<Report> {
        let mut writer = Writer::create(out, &self.header)?;
        let mut transfer = Transfer::new()?;
        let mut tensors = Vec::with_capacity(self.rows.len());
        for (i, (row, slot)) in self.rows.iter().zip(&self.header.slots).enumerate() {
            let (tensor, source) = self.checkpoint.source(row)?;
            let job = Job { source, len: row.len(), negate_exp: row.negate_exp, to: slot.dtype, importance: None };
            writer.begin(i, &self.header)?;
            let error = transfer
                .run(&job, &mut |bytes| {
                    writer.write(bytes)?;
                    tell(progress, &slot.name, writer.written(), self.header.total)
                })
                .map_err(|e| e.context(format_args!("tensor {}", Quoted(tensor.name))))?;
            tensors.push(TensorReport {
                name: slot.name.clone(),
                dims: slot.dims.clone(),
                from: tensor.dtype.to_owned(),
                to: slot.dtype,
                error,
            });
        }
        let bytes = writer.finish()?;
        for note in &self.notes {
            log::info!("{}: {note}", out.display());
        }
        Ok(Report { architecture: self.architecture.to_owned(), bytes, tensors, notes: self.notes })
    }
}

fn tell(progress: &mut OnProgress<'_>, tensor: &str, written: u64, total: u64) -> Result<()> {
    match progress(Progress { tensor, written, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::new(ErrorKind::Cancelled, "stopped by the caller")),
    }
}

fn folder_name(folder: &Path) -> String {
    let whole: PathBuf = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
