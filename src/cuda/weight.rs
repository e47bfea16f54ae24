//! Weights on the device, in layouts whose parts start at multiples of what a thread loads at once.

use std::sync::Arc;

use zerocopy::{Immutable, IntoBytes};

use super::arguments::twin;
use super::driver::{Context, Memory, RawStream};
use super::product::FewRows;
use crate::quant::DType;
use crate::weights::Tensor;
use crate::{Error, Result};

/// A weight matrix on the device; the parts are described in `kernels/common.cuh`.
pub struct Weight {
    pub(super) dtype: DType,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) few: Option<FewRows>,
    q: Memory,
    scales: Memory,
    more: Memory,
    bits: Memory,
}

/// `Weight` of `kernels/common.cuh`.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Parts {
    pub q: u64,
    scales: u64,
    more: u64,
    bits: u64,
    rows: u32,
    cols: u32,
}
twin!(Parts: "common", "Weight" { q, scales, more, bits, rows, cols });

impl Parts {
    pub fn new([q, scales, more, bits]: [u64; 4], rows: u32, cols: u32) -> Parts {
        Parts { q, scales, more, bits, rows, cols }
    }
}

/// The parts on the host.
#[derive(Default)]
struct Host {
    q: Vec<u8>,
    scales: Vec<u8>,
    more: Vec<u8>,
    bits: Vec<u8>,
}

impl Weight {
    /// # Errors
    /// `Capacity` if the device has no memory for it.
    pub(super) fn new(context: &Arc<Context>, stream: &RawStream, tensor: &Tensor) -> Result<Weight> {
        if u32::try_from(tensor.rows()).is_err() || u32::try_from(tensor.cols()).is_err() {
            return Err(Error::unsupported(format!("a matrix of {} x {}", tensor.rows(), tensor.cols())));
        }
        let mut host = Host::default();
        for block in tensor.bytes().chunks_exact(tensor.dtype().block_bytes()) {
            match tensor.dtype() {
                // As it is in the file.
                DType::F32 | DType::F16 | DType::BF16 => break,
                DType::Q8_0 | DType::Q4_0 => {
                    host.scales.extend_from_slice(&block[..2]);
                    host.q.extend_from_slice(&block[2..]);
                }
                DType::Q4_K => q4_k(block, &mut host),
                DType::Q6_K => q6_k(block, &mut host),
            }
        }
        let upload = |data: &[u8]| {
            let memory = Memory::new(context, data.len())?;
            stream.upload(memory.at, data)?;
            Ok(memory)
        };
        let q = if host.q.is_empty() { tensor.bytes() } else { &host.q };
        let (dtype, rows, cols) = (tensor.dtype(), tensor.rows(), tensor.cols());
        Ok(Weight {
            dtype,
            rows,
            cols,
            few: FewRows::of(context, dtype, rows, cols),
            q: upload(q)?,
            scales: upload(&host.scales)?,
            more: upload(&host.more)?,
            bits: upload(&host.bits)?,
        })
    }

    pub(super) fn parts(&self) -> Parts {
        let at = [&self.q, &self.scales, &self.more, &self.bits].map(|part| part.at);
        Parts::new(at, self.rows as u32, self.cols as u32)
    }

    /// Bytes that a product reads.
    pub fn bytes(&self) -> usize {
        self.q.bytes + self.scales.bytes + self.more.bytes + self.bits.bytes
    }
}

/// 256 values: `d`, `dmin`, 8 scales and 8 minima of 6 bits in 12 bytes, and two blocks of 32 values in every 32 bytes.
fn q4_k(block: &[u8], host: &mut Host) {
    host.more.extend_from_slice(&block[..4]);
    let s = &block[4..16];
    for j in 0..8 {
        let (scale, minimum) = if j < 4 {
            (s[j] & 63, s[j + 4] & 63)
        } else {
            (s[j + 4] & 15 | s[j - 4] >> 6 << 4, s[j + 4] >> 4 | s[j] >> 6 << 4)
        };
        host.scales.extend([scale, minimum]);
    }
    for pair in block[16..].chunks_exact(32) {
        for shift in [0, 4] {
            let value = |i: usize| pair[i] >> shift & 15;
            host.q.extend((0..16).map(|i| value(i) | value(i + 16) << 4));
        }
    }
}

/// 256 values in two halves: 64 bytes with low and 32 bytes with high bits each, 16 scales, `d`.
fn q6_k(block: &[u8], host: &mut Host) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, d) = rest.split_at(16);
    host.scales.extend_from_slice(scales);
    host.more.extend_from_slice(d);
    for (low, high) in low.chunks_exact(64).zip(high.chunks_exact(32)) {
        for part in 0..4 {
            // 32 neighbours: the low or high half of 32 bytes, and two of the eight bits of 32 bytes.
            let nibble = |i: usize| low[part % 2 * 32 + i] >> (part / 2 * 4) & 15;
            let two = |i: usize| u32::from(high[i] >> (2 * part) & 3);
            host.q.extend((0..16).map(|i| nibble(i) | nibble(i + 16) << 4));
            for word in 0..2 {
                let mut bits = 0u32;
                for i in 0..16 {
                    bits |= two(word * 16 + i) << (8 * (i % 4) + 2 * (i / 4));
                }
                host.bits.extend_from_slice(&bits.to_le_bytes());
            }
        }
    }
}

/// Whether the weights are all of the same 16 bits, f16 or bfloat16.
pub(super) fn halves<const N: usize>(all: [&Weight; N]) -> bool {
    let first = all[0].dtype;
    matches!(first, DType::F16 | DType::BF16) && all.iter().all(|w| w.dtype == first)
}
