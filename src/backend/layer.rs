//! The halves of an encoder's layer and its end, and the operations that they are made of where a device has none for the whole.

use super::{Backend, EncoderShape, HeadNorms, Norm, Product, Span};
use crate::Result;

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
