//! Moves the values of one tensor from a file into another number format, a few megabytes at a time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::TypeError;
use crate::cpu::MAX_THREADS;
use crate::quant::{self, DType};
use crate::{Error, Result, room};

/// Values in a block: 4 MiB as f32. A multiple of the values in a block of every format, as [`PIECE`] is.
const BLOCK: usize = 1 << 20;
/// Values that one thread takes at a time.
const PIECE: usize = 1 << 15;

/// How values are stored in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// IEEE double precision, little-endian.
    F64,
    /// As in a model file.
    Gguf(DType),
}

impl Encoding {
    /// Bytes of `len` values, which are whole blocks.
    fn bytes(self, len: usize) -> usize {
        match self {
            Encoding::F64 => len * 8,
            Encoding::Gguf(dtype) => len / dtype.block_len() * dtype.block_bytes(),
        }
    }

    fn decode(self, bytes: &[u8], values: &mut [f32]) -> Result<()> {
        match self {
            Encoding::F64 => {
                for (v, b) in values.iter_mut().zip(bytes.as_chunks::<8>().0) {
                    *v = f64::from_le_bytes(*b) as f32;
                }
                Ok(())
            }
            Encoding::Gguf(dtype) => quant::dequantize(dtype, bytes, values),
        }
    }
}

/// Where values lie.
pub(super) struct Source<'a> {
    pub file: &'a File,
    /// Of the file, for messages.
    pub path: &'a Path,
    /// First byte.
    pub offset: u64,
    pub encoding: Encoding,
}

/// One tensor to move. Its rows are whole blocks of both formats, so it is a flat sequence of values here.
pub(super) struct Job<'a> {
    pub source: Source<'a>,
    /// Number of values.
    pub len: u64,
    /// Store −exp(value) instead of the value.
    pub negate_exp: bool,
    pub to: DType,
    /// What errors are weighed by: (cols), positive for whoever counts.
    pub importance: Option<&'a [f32]>,
}

impl Job<'_> {
    /// Whether the new format holds every value of the old one.
    fn is_exact(&self) -> bool {
        match self.source.encoding {
            Encoding::F64 => self.to == DType::F32,
            Encoding::Gguf(from) => {
                from == self.to || self.to == DType::F32 && matches!(from, DType::F16 | DType::BF16)
            }
        }
    }
}

/// Threads and buffers, used again for every tensor.
pub(super) struct Transfer {
    threads: ThreadPool,
    raw: Vec<u8>,
    values: Vec<f32>,
    out: Vec<u8>,
}

/// What is summed up for [`TypeError`].
#[derive(Default, Clone, Copy)]
struct Sums {
    values: f64,
    errors: f64,
    max: f32,
}

impl Transfer {
    /// One thread per core.
    ///
    /// # Errors
    /// `Capacity` if they cannot be started.
    pub(super) fn new() -> Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, |n| n.get()).min(MAX_THREADS);
        let _turn = room::turn();
        room::check(count * room::STACK)?;
        let threads = ThreadPoolBuilder::new().num_threads(count).build();
        let threads = threads.map_err(|e| Error::capacity(format!("starting {count} threads: {e}")))?;
        Ok(Self { threads, raw: Vec::new(), values: Vec::new(), out: Vec::new() })
    }

    /// Hands the tensor to `sink` block by block, in order.
    ///
    /// # Errors
    /// `Io` if it cannot be read, `InvalidArgument` for NaN, infinity and values beyond the range of the new format, and
    /// what `sink` returns.
    pub(super) fn run(
        &mut self,
        job: &Job<'_>,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Option<TypeError>> {
        let (from, to) = (job.source.encoding, job.to);
        let copy = from == Encoding::Gguf(to) && !job.negate_exp;
        let mut sums = Sums::default();
        let mut done = 0;
        while done < job.len {
            let len = (job.len - done).min(BLOCK as u64) as usize;
            room::resize(&mut self.raw, from.bytes(len), 0)?;
            // Blocks before this one were full.
            let before = done / BLOCK as u64 * from.bytes(BLOCK) as u64;
            read_at(job.source.file, job.source.path, job.source.offset + before, &mut self.raw)?;
            if copy {
                if let Some(i) = quant::first_non_finite(to, &self.raw) {
                    return Err(not_finite(done + i as u64));
                }
                sink(&self.raw)?;
            } else {
                room::resize(&mut self.values, len, 0.0)?;
                room::resize(&mut self.out, Encoding::Gguf(to).bytes(len), 0)?;
                sums = sums.and(self.recode(job, done)?);
                sink(&self.out)?;
            }
            done += len as u64;
        }
        Ok((!job.is_exact()).then(|| TypeError {
            relative_rms: if sums.values > 0.0 { (sums.errors / sums.values).sqrt() } else { 0.0 },
            max: sums.max,
        }))
    }

    /// The block in `raw`, whose first value is number `first`, in the new format in `out`.
    fn recode(&mut self, job: &Job<'_>, first: u64) -> Result<Sums> {
        let (from, to, exact) = (job.source.encoding, job.to, job.is_exact());
        let pieces = self.values.par_chunks_mut(PIECE).zip(self.raw.par_chunks(from.bytes(PIECE)));
        let pieces = pieces.zip(self.out.par_chunks_mut(Encoding::Gguf(to).bytes(PIECE))).enumerate();
        let sums = pieces.map(|(i, ((values, raw), out))| {
            let first = first + (i * PIECE) as u64;
            from.decode(raw, values)?;
            if job.negate_exp {
                values.iter_mut().for_each(|v| *v = -f64::from(*v).exp() as f32);
            }
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                return Err(not_finite(first + i as u64));
            }
            match job.importance {
                None => quant::quantize(to, values, out),
                Some(columns) => {
                    let begun = (first % columns.len().max(1) as u64) as usize;
                    let mut weights = room::with_capacity(values.len())?;
                    weights.extend(columns.iter().cycle().skip(begun).take(values.len()));
                    quant::quantize_weighted(to, values, &weights, out)
                }
            }
            .map_err(|e| e.context(format_args!("from value {first} on")))?;
            if exact {
                return Ok(Sums::default());
            }
            let mut seen = room::filled(values.len(), 0.0)?;
            quant::dequantize(to, out, &mut seen)?;
            let mut sums = Sums::default();
            for (v, s) in values.iter().zip(&seen) {
                let error = s - v;
                sums.values += f64::from(*v).powi(2);
                sums.errors += f64::from(error).powi(2);
                sums.max = sums.max.max(error.abs());
            }
            Ok(sums)
        });
        // In the order of the pieces, so that sums do not depend on the threads.
        let sums: Vec<Result<Sums>> = self.threads.install(|| sums.collect());
        sums.into_iter().try_fold(Sums::default(), |all, piece| Ok(all.and(piece?)))
    }
}

impl Sums {
    fn and(self, other: Sums) -> Sums {
        Sums { values: self.values + other.values, errors: self.errors + other.errors, max: self.max.max(other.max) }
    }
}

fn not_finite(i: u64) -> Error {
    Error::format(format!("NaN or infinity in value {i} or the scale of its block"))
}

/// Fills `into` from byte `offset` of `file` on.
pub(super) fn read_at(mut file: &File, path: &Path, offset: u64, into: &mut [u8]) -> Result<()> {
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_exact(into))
        .map_err(|e| Error::io(format!("reading {} bytes at byte {offset} of {}", into.len(), path.display()), e))
}
