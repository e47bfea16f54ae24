//! How fast products and memory are where nothing holds them up: what the speed of a model is compared with.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::{Cpu, packed};
use crate::backend::{Device as _, Operations as _};
use crate::quant::{self, DType};
use crate::weights::Tensor;
use crate::{Result, room};

/// Values in a row.
const COLS: usize = 512;
/// Rows of activations, those of a tile.
const ROWS: usize = 256;
/// Rows of weights for each thread.
const OUTPUTS: usize = 128;
/// How long products are repeated.
const LONG: Duration = Duration::from_millis(30);
/// Times that memory is read.
const READS: usize = 5;
/// Bytes that a thread reads at a time.
const PART: usize = 1 << 20;

impl Cpu {
    /// Multiply-adds per second of the fastest of many products (256 rows of 512 activations, 128 rows of weights for each thread) with
    /// weights of `dtype`, whose operands stay in caches.
    ///
    /// # Errors
    /// `Capacity` if there is no memory for them.
    pub fn product_rate(&self, dtype: DType) -> Result<f64> {
        let values: Vec<f32> = (0..COLS).map(|i| (i * 37 % 64) as f32 / 32.0 - 1.0).collect();
        let mut row = vec![0; COLS / dtype.block_len() * dtype.block_bytes()];
        quant::quantize(dtype, &values, &mut row)?;
        let outputs = OUTPUTS * self.threads();
        let mut weights = room::with_capacity(outputs * row.len())?;
        (0..outputs).for_each(|_| weights.extend_from_slice(&row));
        let weight = self.weight(Tensor::from_bytes(dtype, outputs, COLS, weights)?)?;
        let (x, mut y) = (self.vector(&values.repeat(ROWS))?, self.buffer(ROWS * outputs)?);
        self.run(|| {
            let (mut least, started) = (Duration::MAX, Instant::now());
            while least == Duration::MAX || started.elapsed() < LONG {
                let begun = Instant::now();
                self.matmul(&weight, &x, ROWS, &mut y, false)?;
                least = least.min(begun.elapsed());
            }
            Ok((ROWS * COLS * outputs) as f64 / least.as_secs_f64().max(1e-9))
        })
    }

    /// Bytes per second of the fastest of a few times of reading `bytes` bytes, in memory as that of weights, on all threads.
    ///
    /// # Errors
    /// `Capacity` if there is not so much memory.
    pub fn read_rate(&self, bytes: usize) -> Result<f64> {
        let mut memory = packed::anonymous(bytes.next_multiple_of(PART).max(PART))?;
        self.pool.each_part(&mut memory, PART, bytes, |_, part| {
            part.fill(1);
            Ok(())
        })?;
        let read = |part: usize| {
            let (words, _) = memory[part * PART..][..PART].as_chunks::<8>();
            let sums = words.as_chunks::<16>().0.iter().fold([0u64; 16], |mut sums, words| {
                sums.iter_mut().zip(words).for_each(|(sum, word)| *sum = sum.wrapping_add(u64::from_ne_bytes(*word)));
                sums
            });
            black_box(sums);
            Ok(())
        };
        let mut least = Duration::MAX;
        for _ in 0..READS {
            let begun = Instant::now();
            self.pool.each(memory.len() / PART, memory.len(), read)?;
            least = least.min(begun.elapsed());
        }
        Ok(memory.len() as f64 / least.as_secs_f64().max(1e-9))
    }
}
