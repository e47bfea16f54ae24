//! A model file in other number formats.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::transfer::{Encoding, Job, Source, Transfer};
use super::writer::{Header, Slot, Writer};
use super::{Importance, OnProgress, Report, TensorReport, Types, names, tell, types};
use crate::gguf::{Gguf, MAX_HEADER_BYTES, Quoted, TensorInfo, Value, split};
use crate::model::Config;
use crate::{Error, Result, room};

/// Writes the model file `input` to `out` (which may be the same path) with its matrices in other types. The parts of a split model,
/// whose first one is `input`, become one file.
///
/// Matrices that `types` does not name keep their type, everything that is not a matrix its type and its bytes, and all
/// metadata but `general.file_type` their values. A matrix whose rows do not fill whole blocks of its new type becomes F16, which a
/// note of the report says. Every value is decoded and encoded anew, so a file that was quantized already loses more than
/// one made from the checkpoint; a note says that too.
///
/// # Errors
/// `Io` if a file cannot be read or written; those of [`Gguf::parse`]; `Format` for hyperparameters that do not fit, for NaN and infinity, for a
/// model that lacks tensors and for a split one that lacks parts; `Unsupported` for an architecture
/// other than `ramba` and `mamba2`; `InvalidArgument` for a type that names no matrix and for values beyond the range of
/// their new type; `Cancelled` if `progress` says so.
pub fn quantize(
    input: impl AsRef<Path>,
    out: impl AsRef<Path>,
    types: &Types,
    progress: &mut OnProgress<'_>,
) -> Result<Report> {
    quantize_with(input, out, types, &Importance::default(), progress)
}

/// As [`quantize`], with errors of Q4_0, Q4_K and Q6_K weighed by how much the inputs of a matrix matter.
///
/// Of two files of one size, the one that was weighed by a text of the right kind is closer to the original, at the price of larger
/// errors where they matter less: the errors of the report, which weighs nothing, are larger. A note names matrices
/// that `importance` knows nothing of.
///
/// # Errors
/// As for `quantize`.
pub fn quantize_with(
    input: impl AsRef<Path>,
    out: impl AsRef<Path>,
    types: &Types,
    importance: &Importance,
    progress: &mut OnProgress<'_>,
) -> Result<Report> {
    let input = input.as_ref();
    let done = rewrite(input, out.as_ref(), types, importance, progress);
    done.map_err(|e| e.context(format_args!("model {}", input.display())))
}

fn rewrite(
    input: &Path,
    out: &Path,
    types: &Types,
    importance: &Importance,
    progress: &mut OnProgress<'_>,
) -> Result<Report> {
    let (files, gguf) = split::open_set(input, open)?;
    let architecture = gguf.str("general.architecture")?;
    if !matches!(architecture, "ramba" | "mamba2") {
        return Err(Error::unsupported(format!("architecture {}: known are ramba and mamba2", Quoted(architecture))));
    }
    // A file that no reader would take is not written.
    Config::from_gguf(&gguf)?.check_complete(&gguf)?;
    if files.len() > 1 && files.iter().any(|(path, _)| same_file(path, out)) {
        return Err(Error::invalid(format!("{} is a part of the split model itself", out.display())));
    }
    let (mut slots, mut notes, mut coarse) = (Vec::new(), Vec::new(), Vec::new());
    for t in gguf.tensors() {
        let dtype = match is_matrix(t) {
            true => types.choose(&t.name, t.dims[0], types.rest().unwrap_or(t.dtype), &mut notes)?,
            false => t.dtype,
        };
        if dtype != t.dtype && t.dtype.block_len() > 1 && !coarse.contains(&t.dtype) {
            coarse.push(t.dtype);
        }
        slots.push(Slot { name: t.name.clone(), dims: t.dims.clone(), dtype });
    }
    types.check_used(gguf.tensors().iter().filter(|t| is_matrix(t)).map(|t| t.name.as_str()))?;
    for from in coarse {
        notes.push(format!("matrices of {from} are quantized a second time: errors are those against {from}"));
    }
    // The entries here, and once more as bytes.
    room::check(4 * gguf.tensors().iter().map(|t| t.offset).min().unwrap_or(0).min(MAX_HEADER_BYTES))?;
    let mut entries: Vec<(String, Value)> = gguf.entries().map(|(k, v)| (k.to_owned(), v.clone())).collect();
    // The new file has the usual alignment, and is whole.
    entries.retain(|(key, _)| key != "general.alignment" && !split::is_split_key(key));
    if let Some(default) = types.rest() {
        entries.retain(|(key, _)| key != "general.file_type");
        entries.push(("general.file_type".into(), Value::U32(types::file_type(default))));
    }
    let header = Header::new(&entries, slots)?;
    Gguf::parse_header(&header.bytes, header.total)?;

    let mut writer = Writer::create(out, &header)?;
    let (mut transfer, mut tensors) = (Transfer::new()?, Vec::with_capacity(header.slots.len()));
    for (i, (t, slot)) in gguf.tensors().iter().zip(&header.slots).enumerate() {
        let (path, file) = &files[t.part];
        let source = Source { file, path, offset: t.offset as u64, encoding: Encoding::Gguf(t.dtype) };
        let len = t.dims.iter().product();
        writer.begin(i, &header)?;
        let weights = importance.weigh(&t.name, slot.dtype);
        if let Some(weights) = weights
            && weights.len() as u64 != t.dims[0]
        {
            return Err(Error::invalid(format!("importance of {}: of another model", Quoted(&t.name))));
        }
        if !importance.is_empty() && weights.is_none() && is_matrix(t) && slot.dtype.can_be_weighted() {
            notes.push(format!("{}: the text said nothing about its inputs, errors are not weighed", Quoted(&t.name)));
        }
        let error = transfer
            .run(&Job { source, len, negate_exp: false, to: slot.dtype, importance: weights }, &mut |bytes| {
                writer.write(bytes)?;
                tell(progress, &slot.name, writer.written(), header.total)
            })
            .map_err(|e| e.context(format_args!("tensor {}", Quoted(&t.name))))?;
        tensors.push(TensorReport {
            name: slot.name.clone(),
            dims: slot.dims.clone(),
            from: t.dtype.name().to_owned(),
            to: slot.dtype,
            error,
        });
    }
    let bytes = writer.finish()?;
    Ok(Report { architecture: architecture.to_owned(), bytes, tensors, notes })
}

/// The file and its header, without a map of the rest: a map's pages would count as memory of this process.
fn open(path: &Path) -> Result<(File, Gguf)> {
    let io = |e| Error::io("opening it", e);
    let file = File::open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(Error::format("not a regular file"));
    }
    let mut header = Vec::new();
    (&file).take(MAX_HEADER_BYTES as u64).read_to_end(&mut header).map_err(io)?;
    let gguf = Gguf::parse_header(&header, meta.len())?;
    Ok((file, gguf))
}

/// Whether both paths lead to one file that is there.
fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Whether a tensor may be quantized: the names that are matrices in docs/format.md.
pub(super) fn is_matrix(t: &TensorInfo) -> bool {
    t.dims.len() == 2 && names::is_matrix(&t.name)
}
