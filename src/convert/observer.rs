//! What products multiply, summed up: how much each input of a matrix matters. The CPU is wrapped; it knows nothing of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::Result;
use crate::backend::{
    Checked, Compute, Device, EncoderShape, Fusions, HeadNorms, HsaShape, ReadChunks, ReaderOptions, Rows, Selecting,
    SsmParams, SsmShape, SsmState,
};
use crate::cpu::{Buffer, ChunkReader, Cpu, Weight};
use crate::memory::{ChunkMemory, ChunkShape, Precision};
use crate::topk::TopK;
use crate::weights::Tensor;

/// The CPU, watched: every product is one of [`Compute::matmul`], since no layer is fused.
pub(super) struct Observed {
    cpu: Cpu,
    observer: Observer,
}

impl Observed {
    /// As [`Cpu::new`].
    ///
    /// # Errors
    /// As [`Cpu::new`].
    pub(super) fn new(threads: usize) -> Result<Observed> {
        Ok(Observed { cpu: Cpu::new(threads)?.repacking(false), observer: Observer::default() })
    }

    /// The mean squares (cols) of what `w` was multiplied with, if it was.
    pub(super) fn inputs(&self, w: &Tensor) -> Option<Vec<f32>> {
        self.observer.of(w)
    }
}

impl Device for Observed {
    type Buffer = Buffer;
    type Weight = Weight;

    fn tile(&self, hidden: usize) -> usize {
        self.cpu.tile(hidden)
    }

    fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.cpu.run(f)
    }

    fn weight(&self, tensor: Tensor) -> Result<Weight> {
        self.cpu.weight(tensor)
    }

    fn buffer(&self, len: usize) -> Result<Buffer> {
        self.cpu.buffer(len)
    }

    fn zero(&self, buffer: &mut Buffer) -> Result<()> {
        self.cpu.zero(buffer)
    }
}

/// Bodies that are those of the CPU.
macro_rules! of_the_cpu {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $name(&self, checked: Checked, $($argument: $type),*) -> Result<()> {
            Compute::$name(&self.cpu, checked, $($argument),*)
        }
    )*};
}

impl Compute for Observed {
    fn matmul(
        &self,
        checked: Checked,
        w: &Weight,
        x: &Buffer,
        n: usize,
        y: &mut Buffer,
        accumulate: bool,
    ) -> Result<()> {
        self.observer.see(&w.tensor, x, n);
        Compute::matmul(&self.cpu, checked, w, x, n, y, accumulate)
    }

    fn look<const K: usize>(
        &self,
        checked: Checked,
        buffers: [(&Buffer, usize); K],
        f: impl FnOnce([&[f32]; K]) -> Result<()>,
    ) -> Result<()> {
        Compute::look(&self.cpu, checked, buffers, f)
    }

    of_the_cpu! {
        read(buffer: &Buffer, out: &mut [f32]);
        write(buffer: &mut Buffer, data: &[f32]);
        copy(from: (&Buffer, Rows), to: (&mut Buffer, Rows), rows: [usize; 2], width: usize);
        embed(table: &Weight, ids: &[u32], out: &mut Buffer);
        rms_norm(x: &Buffer, norm: (&Buffer, f32), size: [usize; 2], out: &mut Buffer);
        rms_norm_in_place(x: &mut Buffer, norm: (&Buffer, f32), size: [usize; 2]);
        add_bias(y: &mut Buffer, bias: &Buffer, size: [usize; 2]);
        silu_mul(gate: &mut Buffer, up: &Buffer, len: usize);
        mean_rows(x: &Buffer, size: [usize; 3], out: &mut Buffer);
        top_logits(logits: &Buffer, count: usize, top: &mut TopK);
        ssm_mix(
            mixer: (&SsmShape, &SsmParams<Buffer>), zxbcdt: &Buffer, size: [usize; 2], state: &mut SsmState<Buffer>,
            y: &mut Buffer
        );
        encoder_attention(
            shape: (&EncoderShape, &HeadNorms<'_, Buffer>), qkv: [&Buffer; 3], chunks: usize, out: &mut Buffer
        );
    }
}

impl Fusions for Observed {}

impl ReadChunks for Observed {
    type Reader = ChunkReader;

    fn least_budget(&self, shape: &ChunkShape, precision: Precision, tokens: usize) -> u64 {
        self.cpu.least_budget(shape, precision, tokens)
    }

    fn reader(&self, options: &ReaderOptions) -> ChunkReader {
        self.cpu.reader(options)
    }

    fn select(
        &self,
        checked: Checked,
        reader: &mut ChunkReader,
        memory: &mut ChunkMemory,
        choosing: (usize, &Selecting),
        queries: (&Buffer, &[u64]),
    ) -> Result<bool> {
        self.cpu.select(checked, reader, memory, choosing, queries)
    }

    fn choose(
        &self,
        checked: Checked,
        reader: &mut ChunkReader,
        memory: &mut ChunkMemory,
        group: usize,
        chosen: &[(u64, f32)],
        per_token: usize,
    ) -> Result<bool> {
        self.cpu.choose(checked, reader, memory, group, chosen, per_token)
    }

    fn attend(
        &self,
        checked: Checked,
        reader: &mut ChunkReader,
        memory: &mut ChunkMemory,
        shape: &HsaShape,
        q: &Buffer,
        out: &mut Buffer,
    ) -> Result<()> {
        self.cpu.attend(checked, reader, memory, shape, q, out)
    }

    fn trace(&self, checked: Checked, reader: &mut ChunkReader, group: usize, out: &mut [(u64, f32)]) -> Result<()> {
        self.cpu.trace(checked, reader, group, out)
    }
}

/// For each matrix that was multiplied, the sums of the squares of its inputs.
#[derive(Default)]
struct Observer {
    /// By the place of the matrix in memory: rows of activations seen, and (cols) sums.
    seen: Mutex<HashMap<usize, (usize, Vec<f64>)>>,
}

impl Observer {
    /// Takes the `n` rows of `x` that are multiplied with `w`.
    fn see(&self, w: &Tensor, x: &[f32], n: usize) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, sums) = seen.entry(place(w)).or_insert_with(|| (0, vec![0.0; w.cols()]));
        *rows += n;
        for x in x.chunks_exact(w.cols().max(1)).take(n) {
            sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
        }
    }

    /// The mean squares of the inputs of `w`, if it was multiplied.
    fn of(&self, w: &Tensor) -> Option<Vec<f32>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, sums) = seen.get(&place(w))?;
        Some(sums.iter().map(|sum| (sum / *rows as f64) as f32).collect())
    }
}

/// Tensors of one file share its bytes, so that the same matrix is always at the same place.
fn place(w: &Tensor) -> usize {
    w.bytes().as_ptr().addr()
}
