//! Whole layers: a Mamba-2 block, the halves of an encoder's layer and its end. What they have for weights, and the operations that they
//! are made of where a device has none for the whole.

use super::{Backend, EncoderShape, HeadNorms, Norm, Product, Span, SsmParams, SsmShape, SsmState};
use crate::Result;

/// The weights of [`Backend::mamba_block`].
#[derive(Debug)]
pub struct MambaWeights<'a, Weight, Buffer> {
    /// Of all D values of a row of x.
    pub norm: Norm<'a, Buffer>,
    /// (2·E + 2·Ng·N + nh, D), rows z, x, B, C, dt
    pub in_proj: &'a Weight,
    /// Convolution, time step, A and D.
    pub mixer: &'a SsmParams<Buffer>,
    /// Of E / Ng values each.
    pub gated_norm: Norm<'a, Buffer>,
    /// (D, E)
    pub out_proj: &'a Weight,
}

/// A Mamba-2 block and the state of its sequence.
pub type Stateful<'a, Weight, Buffer> = (MambaWeights<'a, Weight, Buffer>, &'a mut SsmState<Buffer>);

/// Scratch of [`Backend::mamba_block`], which may be left as it is.
#[derive(Debug)]
pub struct MambaScratch<Buffer> {
    /// (sequences, n, D)
    pub normed: Buffer,
    /// (sequences, n, 2·E + 2·Ng·N + nh)
    pub projected: Buffer,
    /// (sequences, n, E)
    pub mixed: Buffer,
    /// (sequences, n, E)
    pub mixed_norm: Buffer,
}

/// The weights of [`Backend::norm_mlp`].
#[derive(Debug)]
pub struct Mlp<'a, Weight> {
    /// (width, cols)
    pub gate: &'a Weight,
    /// (width, cols)
    pub up: &'a Weight,
    /// (cols, width)
    pub down: &'a Weight,
    /// Values between the products.
    pub width: usize,
}

/// The weights of [`Backend::norm_attention`], for rows of D values, heads and kv_heads of d.
#[derive(Debug)]
pub struct Attention<'a, Weight, Buffer> {
    /// (heads·d, D), and the bias (heads·d)
    pub q: (&'a Weight, &'a Buffer),
    /// (kv_heads·d, D), and the bias (kv_heads·d)
    pub k: (&'a Weight, &'a Buffer),
    /// (kv_heads·d, D), and the bias (kv_heads·d)
    pub v: (&'a Weight, &'a Buffer),
    /// (D, heads·d)
    pub output: &'a Weight,
    /// The norms of heads.
    pub norms: HeadNorms<'a, Buffer>,
}

/// The weights of [`Backend::chunk_memory`], for rows of D values, G heads of d, and landmarks of R.
#[derive(Debug)]
pub struct MemoryWeights<'a, Weight, Buffer> {
    /// (G·d, D)
    pub k: &'a Weight,
    /// (G·d, D)
    pub v: &'a Weight,
    /// (R, D)
    pub landmark: &'a Weight,
    /// (d), the norm of the keys per head, if they are normed
    pub k_norm: Option<&'a Buffer>,
    /// G.
    pub heads: usize,
    /// d.
    pub head_dim: usize,
}

/// [`Backend::mamba_block`] of other operations.
#[allow(clippy::too_many_arguments)]
pub(crate) fn mamba<B: Backend + ?Sized>(
    backend: &B,
    shape: &SsmShape,
    weights: &MambaWeights<'_, B::Weight, B::Buffer>,
    x: &mut B::Buffer,
    sequences: usize,
    n: usize,
    state: &mut SsmState<B::Buffer>,
    scratch: &mut MambaScratch<B::Buffer>,
) -> Result<()> {
    let MambaWeights { norm, in_proj, mixer, gated_norm, out_proj } = weights;
    let (rows, MambaScratch { normed, projected, mixed, mixed_norm }) = (sequences.saturating_mul(n), scratch);
    backend.norm_matmul(norm, x, rows, normed, &mut [Product::new(in_proj, projected)], false)?;
    backend.ssm_mix(shape, mixer, projected, sequences, n, state, mixed)?;
    backend.norm_matmul(gated_norm, mixed, rows, mixed_norm, &mut [Product::new(out_proj, x)], true)
}

/// [`Backend::mamba_block`] of `blocks`, one after the other, for `n` tokens of each of `sequences`.
pub(crate) fn mamba_blocks<'a, B: Backend + ?Sized>(
    backend: &B,
    shape: &SsmShape,
    mut blocks: impl Iterator<Item = Stateful<'a, B::Weight, B::Buffer>>,
    x: &mut B::Buffer,
    [sequences, n]: [usize; 2],
    scratch: &mut MambaScratch<B::Buffer>,
) -> Result<()>
where
    B::Weight: 'a,
    B::Buffer: 'a,
{
    blocks.try_for_each(|(weights, state)| backend.mamba_block(shape, &weights, x, sequences, n, state, scratch))
}

/// [`Backend::norm_mlp`] of other operations.
pub(crate) fn mlp<B: Backend + ?Sized>(
    backend: &B,
    norm: &Norm<'_, B::Buffer>,
    mlp: &Mlp<'_, B::Weight>,
    x: &mut B::Buffer,
    n: usize,
    [normed, spare, between]: [&mut B::Buffer; 3],
) -> Result<()> {
    backend.norm_swiglu(norm, [mlp.gate, mlp.up], mlp.width, x, n, normed, spare, between)?;
    backend.matmul(mlp.down, between, n, x, true)
}

/// [`Backend::norm_attention`] of other operations.
pub(crate) fn attention<B: Backend + ?Sized>(
    backend: &B,
    shape: &EncoderShape,
    norm: &Norm<'_, B::Buffer>,
    attention: &Attention<'_, B::Weight, B::Buffer>,
    x: &mut B::Buffer,
    chunks: usize,
    [normed, q, k, v, attended]: [&mut B::Buffer; 5],
) -> Result<()> {
    let n = chunks * shape.rows;
    let of = |(weight, bias), out| Product { weight, bias: Some(bias), out };
    let products = &mut [of(attention.q, &mut *q), of(attention.k, &mut *k), of(attention.v, &mut *v)];
    backend.norm_matmul(norm, x, n, normed, products, false)?;
    backend.encoder_attention(shape, &attention.norms, q, k, v, chunks, attended)?;
    backend.matmul(attention.output, attended, n, x, true)
}

/// [`Backend::chunk_memory`] of other operations.
pub(crate) fn memory<B: Backend + ?Sized>(
    backend: &B,
    norm: &Norm<'_, B::Buffer>,
    memory: &MemoryWeights<'_, B::Weight, B::Buffer>,
    x: &B::Buffer,
    [chunks, rows]: [usize; 2],
    [normed, last]: [&mut B::Buffer; 2],
    [keys, values, landmarks]: [&mut B::Buffer; 3],
) -> Result<()> {
    let width = norm.width;
    let from = Span::rows(rows.saturating_sub(1) * width, rows * width);
    backend.copy(x, from, last, Span::rows(0, width), [1, chunks], width)?;
    let product = &mut [Product::new(memory.landmark, landmarks)];
    backend.norm_matmul(norm, last, chunks, normed, product, false)?;
    let products = &mut [Product::new(memory.k, &mut *keys), Product::new(memory.v, values)];
    backend.norm_matmul(norm, x, chunks * rows, normed, products, false)?;
    let Some(weight) = memory.k_norm else { return Ok(()) };
    backend.rms_norm_in_place(keys, weight, norm.eps, chunks * rows * memory.heads, memory.head_dim)
}
