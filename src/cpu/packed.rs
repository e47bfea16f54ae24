//! Weights as the CPU keeps them. Quantized matrices are repacked for vectors: a product then reads whole cache lines in order, with a
//! lane for each row, and neither gathers scales nor adds up lanes. Large matrices of plain floats are copied as they are, for larger pages
//! than those of a mapped file: finding where 4 KiB are costs a fifth of the time in which a token reads them.
//!
//! A panel is [`ROWS`] rows, and holds the bytes of the file in another order, so that it takes as much memory. First the lines of 64
//! bytes: of every block (of [`crate::quant`]) in turn, each 4-byte word of its integers, that of row 0, that of row 1, and so on. Then,
//! of every block, its f16 values: each of the 16 rows, 32 bytes. Rows past the end of the matrix are zeros. With instructions that take
//! weights as unsigned bytes, those of Q8_0 have the first bit of each byte turned.
//!
//! | type | words of a block | f16 values |
//! |---|---|---|
//! | Q8_0 | 8: q | d |
//! | Q4_0 | 4: q | d |
//! | Q4_K | 35: 3 of the 6-bit scales, 32 of q | d, dmin |
//! | Q6_K | 52: 32 of ql, 16 of qh, 4 of the scales | d |

use memmap2::MmapMut;

use super::kernels::Kernels;
use super::pool::Pool;
use crate::backend::Matrix;
use crate::quant::DType;
use crate::weights::Tensor;
use crate::{Error, Result, room};

/// From this size on a matrix of plain floats is copied: that of a large page.
const WORTH_COPYING: usize = 2 << 20;

/// Bytes that a task copies.
const COPIED_AT_ONCE: usize = 1 << 20;

/// Rows of a panel.
pub(super) const ROWS: usize = 16;

/// Bytes of a line: a word of each row.
pub(super) const LINE: usize = 4 * ROWS;

/// Bytes of one f16 value of each row.
pub(super) const HALVES: usize = 2 * ROWS;

/// How the rows of a matrix lie in a panel.
#[derive(Debug, Clone, Copy)]
pub(super) struct PanelShape {
    /// Of the type, in a row.
    pub(super) blocks: usize,
    block_bytes: usize,
    /// Where the words of a block begin in the file.
    words_at: usize,
    words: usize,
    /// Where the f16 values of a block stand in the file.
    halves_at: &'static [usize],
}

impl PanelShape {
    /// That of rows of `cols` values; `None` for plain floats.
    pub(super) fn of(dtype: DType, cols: usize) -> Option<PanelShape> {
        let (words_at, words, halves_at): (_, _, &[usize]) = match dtype {
            DType::Q8_0 => (2, 8, &[0]),
            DType::Q4_0 => (2, 4, &[0]),
            DType::Q4_K => (4, 35, &[0, 2]),
            DType::Q6_K => (0, 52, &[208]),
            DType::F32 | DType::F16 | DType::BF16 => return None,
        };
        let blocks = cols / dtype.block_len();
        Some(PanelShape { blocks, block_bytes: dtype.block_bytes(), words_at, words, halves_at })
    }

    /// Bytes of a panel before its f16 values.
    pub(super) fn lines(&self) -> usize {
        self.blocks * self.words * LINE
    }

    /// Bytes of a panel, whole cache lines.
    pub(super) fn bytes(&self) -> usize {
        (self.lines() + self.blocks * self.halves_at.len() * HALVES).next_multiple_of(LINE)
    }

    /// Fills `panel` with up to [`ROWS`] rows as they are in the file, words XORed with `flip`.
    pub(super) fn pack(&self, rows: &[u8], flip: u32, panel: &mut [u8]) {
        let flip = flip.to_ne_bytes();
        let row_bytes = self.blocks * self.block_bytes;
        if rows.len() < ROWS * row_bytes {
            panel.fill(0);
        }
        let (lines, halves) = panel.split_at_mut(self.lines());
        let (lines, halves) = (lines.as_chunks_mut::<4>().0, halves.as_chunks_mut::<2>().0);
        for (r, row) in rows.chunks_exact(row_bytes).take(ROWS).enumerate() {
            for (b, block) in row.chunks_exact(self.block_bytes).enumerate() {
                let words = block[self.words_at..].as_chunks::<4>().0;
                let lines = lines[b * self.words * ROWS..].chunks_exact_mut(ROWS).take(self.words);
                for (line, word) in lines.zip(words) {
                    line[r] = std::array::from_fn(|i| word[i] ^ flip[i]);
                }
                for (h, &at) in self.halves_at.iter().enumerate() {
                    halves[(b * self.halves_at.len() + h) * ROWS + r] = [block[at], block[at + 1]];
                }
            }
        }
    }
}

/// A matrix of weights on the CPU.
#[derive(Debug)]
pub struct Weight {
    /// As in the file.
    pub(crate) tensor: Tensor,
    /// In memory of the process: all panels, one after the other; the rows, if they are plain floats.
    kept: Option<MmapMut>,
}

impl Weight {
    /// The matrix as it is in the file. Where its products need panels, each makes those that it needs again.
    pub(super) fn mapped(tensor: Tensor) -> Weight {
        Weight { tensor, kept: None }
    }

    /// The matrix repacked if it is quantized, or copied if it is large. The pages of the file are not needed any more then, and are given
    /// back.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn kept(kernels: &Kernels, pool: &Pool, tensor: Tensor) -> Result<Weight> {
        let (row_bytes, rows, bytes) = (tensor.row_bytes(), tensor.rows(), tensor.bytes());
        if !is_kept(tensor.dtype(), bytes.len()) {
            return Ok(Weight::mapped(tensor));
        }
        let kept = match PanelShape::of(tensor.dtype(), tensor.cols()) {
            Some(shape) => {
                let (mut panels, flip) =
                    (anonymous(rows.div_ceil(ROWS) * shape.bytes())?, kernels.flip(tensor.dtype()));
                let len = panels.len();
                pool.each_part(&mut panels, shape.bytes(), len, |i, panel| {
                    let from = i * ROWS * row_bytes;
                    shape.pack(&bytes[from..bytes.len().min(from + ROWS * row_bytes)], flip, panel);
                    Ok(())
                })?;
                panels
            }
            None => {
                let mut copy = anonymous(bytes.len())?;
                pool.each_part(&mut copy, COPIED_AT_ONCE, bytes.len(), |i, part| {
                    part.copy_from_slice(&bytes[i * COPIED_AT_ONCE..][..part.len()]);
                    Ok(())
                })?;
                copy
            }
        };
        tensor.give_back();
        Ok(Weight { tensor, kept: Some(kept) })
    }

    /// Panel `i` of `shape`, if the matrix is quantized and has been repacked.
    #[inline]
    pub(super) fn panel(&self, shape: &PanelShape, i: usize) -> Option<&[u8]> {
        self.kept.as_ref().map(|panels| &panels[i * shape.bytes()..(i + 1) * shape.bytes()])
    }

    /// All rows of a matrix of plain floats.
    #[inline]
    pub(super) fn floats(&self) -> &[u8] {
        self.kept.as_deref().unwrap_or_else(|| self.tensor.bytes())
    }
}

/// Whether [`Weight::kept`] keeps a matrix of `bytes` bytes in memory of the process.
pub(crate) fn is_kept(dtype: DType, bytes: usize) -> bool {
    bytes >= if PanelShape::of(dtype, 0).is_some() { 1 } else { WORTH_COPYING }
}

/// Memory of the process, in large pages where there are such.
pub(super) fn anonymous(len: usize) -> Result<MmapMut> {
    let memory = {
        let _turn = room::turn();
        room::check(len)?;
        MmapMut::map_anon(len).map_err(|e| Error::capacity(format!("{len} bytes of memory for weights: {e}")))?
    };
    // Pages of 2 MiB spare most of the translations of addresses that a token costs. A system without them may refuse.
    #[cfg(target_os = "linux")]
    if let Err(e) = memory.advise(memmap2::Advice::HugePage) {
        log::debug!("no huge pages for {len} bytes of weights: {e}");
    }
    Ok(memory)
}

impl Matrix for Weight {
    fn rows(&self) -> usize {
        self.tensor.rows()
    }

    fn cols(&self) -> usize {
        self.tensor.cols()
    }
}
