//! Whole layers: products of a normed input, the gated half of an MLP, a Mamba-2 block, the halves of an encoder's layer and its end.
//! A backend may have a body for each, which is tried first; without one, the layer is made of [`Operations`].

use super::compute::Compute;
use super::device::{Array, Checked, Matrix};
use super::operations::Operations;
use super::shapes::{EncoderShape, HeadNorms, Norm, Product, Rows, SsmParams, SsmShape, SsmState, check, need};
use crate::{Cancel, Result};

/// The weights of [`Layers::mamba_block`].
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

/// Scratch of [`Layers::mamba_block`], which may be left as it is, and what stops it between two steps.
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
    /// Once it asks for it, a block ends with `Cancelled` before its next step, and its state and x may have changed.
    pub cancel: Cancel,
}

/// The weights of [`Layers::norm_mlp`].
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

/// The weights of [`Layers::norm_attention`], for rows of D values, heads and kv_heads of d.
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

/// The weights of [`Layers::chunk_memory`], for rows of D values, G heads of d, and landmarks of R.
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

/// Bodies of whole layers, for those that a device does in fewer steps than [`Layers`] would. Each says whether it has done it;
/// if not, nothing has changed. [`Layers`] has checked all lengths but those of scratch, and says what each computes.
#[allow(missing_docs, unused_variables, reason = "each is the layer of the same name")]
pub trait Fusions: Compute {
    /// There is a product, and all are of weights with as many columns.
    fn norm_matmul(
        &self,
        checked: Checked,
        norm: &Norm<'_, Self::Buffer>,
        x: (&Self::Buffer, usize),
        normed: &mut Self::Buffer,
        products: &mut [Product<'_, Self::Weight, Self::Buffer>],
        accumulate: bool,
    ) -> Result<bool> {
        Ok(false)
    }

    fn norm_swiglu(
        &self,
        checked: Checked,
        norm: &Norm<'_, Self::Buffer>,
        x: (&Self::Buffer, usize),
        products: &mut [Product<'_, Self::Weight, Self::Buffer>; 2],
    ) -> Result<bool> {
        Ok(false)
    }

    fn norm_mlp(
        &self,
        checked: Checked,
        norm: &Norm<'_, Self::Buffer>,
        mlp: &Mlp<'_, Self::Weight>,
        x: &mut Self::Buffer,
        n: usize,
    ) -> Result<bool> {
        Ok(false)
    }

    /// Neither number of `size` is 0.
    fn mamba_block(
        &self,
        checked: Checked,
        shape: &SsmShape,
        weights: &MambaWeights<'_, Self::Weight, Self::Buffer>,
        x: &mut Self::Buffer,
        size: [usize; 2],
        state: &mut SsmState<Self::Buffer>,
    ) -> Result<bool> {
        Ok(false)
    }

    /// One token of one sequence through some blocks, at most [`BLOCKS_AT_ONCE`].
    fn mamba_blocks(
        &self,
        checked: Checked,
        shape: &SsmShape,
        blocks: &mut [Stateful<'_, Self::Weight, Self::Buffer>],
        x: &mut Self::Buffer,
    ) -> Result<bool> {
        Ok(false)
    }

    fn norm_attention(
        &self,
        checked: Checked,
        shape: &EncoderShape,
        norm: &Norm<'_, Self::Buffer>,
        attention: &Attention<'_, Self::Weight, Self::Buffer>,
        x: &mut Self::Buffer,
        chunks: usize,
    ) -> Result<bool> {
        Ok(false)
    }

    fn chunk_memory(
        &self,
        checked: Checked,
        norm: &Norm<'_, Self::Buffer>,
        memory: &MemoryWeights<'_, Self::Weight, Self::Buffer>,
        x: &Self::Buffer,
        size: [usize; 2],
        out: &mut [&mut Self::Buffer; 3],
    ) -> Result<bool> {
        Ok(false)
    }
}

/// Mamba-2 blocks that [`Fusions::mamba_blocks`] gets at once, at most.
pub const BLOCKS_AT_ONCE: usize = 32;

/// The layers, for every backend. Each checks the lengths of its arguments, as [`Operations`] do.
pub trait Layers: Operations {
    /// [`Operations::rms_norm`], several of [`Operations::matmul`] and [`Operations::add_bias`] in one: for each of `products`
    /// `out (n, rows) = norm(x) (n, cols) · weightᵀ + bias`, or added to `out`. Each row of x is normed in parts of `width`
    /// values. `normed` (n, cols) is scratch.
    ///
    /// # Errors
    /// If a buffer is too short, or weights have different numbers of columns.
    fn norm_matmul(
        &self,
        norm: &Norm<'_, Self::Buffer>,
        x: &Self::Buffer,
        n: usize,
        normed: &mut Self::Buffer,
        products: &mut [Product<'_, Self::Weight, Self::Buffer>],
        accumulate: bool,
    ) -> Result<()>;

    /// The gated half of an MLP: `out (n, width) = silu(norm(x) · gateᵀ) · (norm(x) · upᵀ)`, with both weights (width, cols).
    /// `scratch` is for what is normed, (n, cols), and for the second product, (n, width).
    ///
    /// # Errors
    /// As [`Layers::norm_matmul`].
    fn norm_swiglu(
        &self,
        norm: &Norm<'_, Self::Buffer>,
        gated: ([&Self::Weight; 2], usize),
        x: &Self::Buffer,
        n: usize,
        scratch: [&mut Self::Buffer; 2],
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// An MLP, added to its input: `x (n, cols) += (silu(norm(x) · gateᵀ) · (norm(x) · upᵀ)) · downᵀ`. `scratch` is for what is
    /// normed, (n, cols), and twice for what is between the products, (n, width).
    ///
    /// # Errors
    /// As [`Layers::norm_matmul`]; `Cancelled` between two steps.
    fn norm_mlp(
        &self,
        norm: &Norm<'_, Self::Buffer>,
        mlp: &Mlp<'_, Self::Weight>,
        x: &mut Self::Buffer,
        n: usize,
        scratch: ([&mut Self::Buffer; 3], &Cancel),
    ) -> Result<()>;

    /// A whole Mamba-2 block, x ← x + out_proj(gated_norm(mixer(in_proj(norm(x))))), for n tokens of each of some sequences
    /// (`size` is both numbers, sequences first), which follow those of `state`: [`Layers::norm_matmul`], [`Operations::ssm_mix`]
    /// and `norm_matmul` in one.
    ///
    /// x is (sequences, n, D). `state` is updated.
    ///
    /// # Errors
    /// As those operations.
    fn mamba_block(
        &self,
        shape: &SsmShape,
        weights: &MambaWeights<'_, Self::Weight, Self::Buffer>,
        x: &mut Self::Buffer,
        size: [usize; 2],
        state: &mut SsmState<Self::Buffer>,
        scratch: &mut MambaScratch<Self::Buffer>,
    ) -> Result<()>;

    /// Mamba-2 blocks of one `shape`, one after the other, each as [`Layers::mamba_block`]. The states are those of the blocks.
    ///
    /// # Errors
    /// As [`Layers::mamba_block`].
    fn mamba_blocks<'a>(
        &self,
        shape: &SsmShape,
        blocks: impl Iterator<Item = Stateful<'a, Self::Weight, Self::Buffer>>,
        x: &mut Self::Buffer,
        size: [usize; 2],
        scratch: &mut MambaScratch<Self::Buffer>,
    ) -> Result<()>
    where
        Self::Weight: 'a,
        Self::Buffer: 'a;

    /// The attention of an encoder's layer, added to its input: `x (chunks, rows, D) += attended · outputᵀ`, where attended is
    /// [`Operations::encoder_attention`] of q, k and v, the products of norm(x) with their weights, and biases. `scratch` is for
    /// what is normed, (chunks, rows, D), q, k, v, and what is attended.
    ///
    /// # Errors
    /// As [`Layers::norm_matmul`] and [`Operations::encoder_attention`]; `Cancelled` between two steps.
    fn norm_attention(
        &self,
        shape: &EncoderShape,
        norm: &Norm<'_, Self::Buffer>,
        attention: &Attention<'_, Self::Weight, Self::Buffer>,
        x: &mut Self::Buffer,
        chunks: usize,
        scratch: ([&mut Self::Buffer; 5], &Cancel),
    ) -> Result<()>;

    /// The memories of chunks from their encoded rows `x` (chunks, rows, D), where `size` is chunks and rows: `keys` and `values`
    /// (chunks, rows, G·d) are the products of norm(x) with their weights, each d keys then normed if there is a norm for them, with
    /// the same eps, and `landmarks` (chunks, R) the product of the normed last row of each chunk. `scratch` is for what is normed,
    /// (chunks, rows, D), and the last rows, (chunks, D); `out` are keys, values, landmarks.
    ///
    /// # Errors
    /// As [`Layers::norm_matmul`].
    fn chunk_memory(
        &self,
        norm: &Norm<'_, Self::Buffer>,
        memory: &MemoryWeights<'_, Self::Weight, Self::Buffer>,
        x: &Self::Buffer,
        size: [usize; 2],
        scratch: [&mut Self::Buffer; 2],
        out: [&mut Self::Buffer; 3],
    ) -> Result<()>;
}

const YES: Checked = Checked::YES;

impl<B: Fusions> Layers for B {
    fn norm_matmul(
        &self,
        norm: &Norm<'_, B::Buffer>,
        x: &B::Buffer,
        n: usize,
        normed: &mut B::Buffer,
        products: &mut [Product<'_, B::Weight, B::Buffer>],
        accumulate: bool,
    ) -> Result<()> {
        let Some(cols) = products.first().map(|product| product.weight.cols()) else { return Ok(()) };
        norm.check(cols)?;
        need("norm_matmul: input", x.values(), &[n, cols])?;
        products.iter().try_for_each(|product| product.check(n, cols))?;
        if Fusions::norm_matmul(self, YES, norm, (x, n), normed, products, accumulate)? {
            return Ok(());
        }
        Operations::rms_norm(self, x, norm.weight, norm.eps, n * (cols / norm.width), norm.width, normed)?;
        for Product { weight, bias, out } in products {
            Operations::matmul(self, weight, normed, n, out, accumulate)?;
            if let Some(bias) = bias {
                Operations::add_bias(self, out, bias, n, weight.rows())?;
            }
        }
        Ok(())
    }

    fn norm_swiglu(
        &self,
        norm: &Norm<'_, B::Buffer>,
        ([gate, up], width): ([&B::Weight; 2], usize),
        x: &B::Buffer,
        n: usize,
        [normed, spare]: [&mut B::Buffer; 2],
        out: &mut B::Buffer,
    ) -> Result<()> {
        let [rows, cols] = [gate.rows(), gate.cols()];
        check(rows == width && up.rows() == width, || format!("norm_swiglu: {rows} and {} rows", up.rows()))?;
        norm.check(cols)?;
        need("norm_swiglu: input", x.values(), &[n, cols])?;
        let mut both = [Product::new(gate, &mut *out), Product::new(up, &mut *spare)];
        both.iter().try_for_each(|product| product.check(n, cols))?;
        if Fusions::norm_swiglu(self, YES, norm, (x, n), &mut both)? {
            return Ok(());
        }
        Layers::norm_matmul(self, norm, x, n, normed, &mut both, false)?;
        Operations::silu_mul(self, out, spare, n * width)
    }

    fn norm_mlp(
        &self,
        norm: &Norm<'_, B::Buffer>,
        mlp: &Mlp<'_, B::Weight>,
        x: &mut B::Buffer,
        n: usize,
        ([normed, spare, between], cancel): ([&mut B::Buffer; 3], &Cancel),
    ) -> Result<()> {
        need("norm_mlp: norm", norm.weight.values(), &[norm.width])?;
        need("norm_mlp: input", x.values(), &[n, norm.width])?;
        if Fusions::norm_mlp(self, YES, norm, mlp, x, n)? {
            return Ok(());
        }
        Layers::norm_swiglu(self, norm, ([mlp.gate, mlp.up], mlp.width), x, n, [normed, spare], between)?;
        cancel.check()?;
        Operations::matmul(self, mlp.down, between, n, x, true)
    }

    fn mamba_block(
        &self,
        shape: &SsmShape,
        weights: &MambaWeights<'_, B::Weight, B::Buffer>,
        x: &mut B::Buffer,
        size: [usize; 2],
        state: &mut SsmState<B::Buffer>,
        scratch: &mut MambaScratch<B::Buffer>,
    ) -> Result<()> {
        check_block(shape, weights, x, size, state, scratch)?;
        block(self, shape, weights, x, size, state, scratch)
    }

    fn mamba_blocks<'a>(
        &self,
        shape: &SsmShape,
        mut blocks: impl Iterator<Item = Stateful<'a, B::Weight, B::Buffer>>,
        x: &mut B::Buffer,
        size: [usize; 2],
        scratch: &mut MambaScratch<B::Buffer>,
    ) -> Result<()>
    where
        B::Weight: 'a,
        B::Buffer: 'a,
    {
        if size != [1, 1] {
            return blocks
                .try_for_each(|(weights, state)| Layers::mamba_block(self, shape, &weights, x, size, state, scratch));
        }
        let mut some = heapless::Vec::<_, BLOCKS_AT_ONCE>::new();
        loop {
            some.clear();
            some.extend(blocks.by_ref().take(BLOCKS_AT_ONCE));
            if some.is_empty() {
                return Ok(());
            }
            for (weights, state) in &some {
                check_block(shape, weights, x, size, state, scratch)?;
            }
            if Fusions::mamba_blocks(self, YES, shape, &mut some, x)? {
                continue;
            }
            for (weights, state) in &mut some {
                block(self, shape, weights, x, size, state, scratch)?;
            }
        }
    }

    fn norm_attention(
        &self,
        shape: &EncoderShape,
        norm: &Norm<'_, B::Buffer>,
        attention: &Attention<'_, B::Weight, B::Buffer>,
        x: &mut B::Buffer,
        chunks: usize,
        ([normed, q, k, v, attended], cancel): ([&mut B::Buffer; 5], &Cancel),
    ) -> Result<()> {
        let n = chunks.saturating_mul(shape.rows);
        shape.check()?;
        norm.check(norm.width)?;
        attention.norms.check(shape.head_dim)?;
        need("norm_attention: input", x.values(), &[chunks, shape.rows, norm.width])?;
        for (weight, bias) in [attention.q, attention.k, attention.v] {
            need("norm_attention: bias", bias.values(), &[weight.rows()])?;
        }
        if Fusions::norm_attention(self, YES, shape, norm, attention, x, chunks)? {
            return Ok(());
        }
        let of = |(weight, bias), out| Product { weight, bias: Some(bias), out };
        let products = &mut [of(attention.q, &mut *q), of(attention.k, &mut *k), of(attention.v, &mut *v)];
        Layers::norm_matmul(self, norm, x, n, normed, products, false)?;
        cancel.check()?;
        Operations::encoder_attention(self, shape, &attention.norms, [q, k, v], chunks, attended)?;
        Operations::matmul(self, attention.output, attended, n, x, true)
    }

    fn chunk_memory(
        &self,
        norm: &Norm<'_, B::Buffer>,
        memory: &MemoryWeights<'_, B::Weight, B::Buffer>,
        x: &B::Buffer,
        [chunks, rows]: [usize; 2],
        [normed, last]: [&mut B::Buffer; 2],
        mut out: [&mut B::Buffer; 3],
    ) -> Result<()> {
        let MemoryWeights { k, v, landmark, k_norm, heads, head_dim } = *memory;
        let width = norm.width;
        norm.check(width)?;
        need("chunk_memory: input", x.values(), &[chunks, rows, width])?;
        need("chunk_memory: norm of keys", k_norm.map_or(head_dim, Array::values), &[head_dim])?;
        need("chunk_memory: keys", out[0].values(), &[chunks, rows, k.rows()])?;
        need("chunk_memory: values", out[1].values(), &[chunks, rows, v.rows()])?;
        need("chunk_memory: landmarks", out[2].values(), &[chunks, landmark.rows()])?;
        if Fusions::chunk_memory(self, YES, norm, memory, x, [chunks, rows], &mut out)? {
            return Ok(());
        }
        let [keys, values, landmarks] = out;
        let from = Rows::of(rows.saturating_sub(1) * width, rows * width);
        Operations::copy(self, x, from, last, Rows::of(0, width), [1, chunks], width)?;
        let product = &mut [Product::new(landmark, landmarks)];
        Layers::norm_matmul(self, norm, last, chunks, normed, product, false)?;
        let products = &mut [Product::new(k, &mut *keys), Product::new(v, values)];
        Layers::norm_matmul(self, norm, x, chunks * rows, normed, products, false)?;
        let Some(weight) = k_norm else { return Ok(()) };
        Operations::rms_norm_in_place(self, keys, weight, norm.eps, chunks * rows * heads, head_dim)
    }
}

/// The checks of [`Layers::mamba_block`].
fn check_block<Weight: Matrix, Buffer: Array>(
    shape: &SsmShape,
    weights: &MambaWeights<'_, Weight, Buffer>,
    x: &Buffer,
    size: [usize; 2],
    state: &SsmState<Buffer>,
    scratch: &MambaScratch<Buffer>,
) -> Result<()> {
    shape.check_mix(weights.mixer, size, [&scratch.projected, &scratch.mixed], state)?;
    weights.check(shape)?;
    need("mamba_block: x", x.values(), &[size[0], size[1], weights.in_proj.cols()])
}

/// [`Layers::mamba_block`] after its checks.
fn block<B: Fusions>(
    backend: &B,
    shape: &SsmShape,
    weights: &MambaWeights<'_, B::Weight, B::Buffer>,
    x: &mut B::Buffer,
    size: [usize; 2],
    state: &mut SsmState<B::Buffer>,
    scratch: &mut MambaScratch<B::Buffer>,
) -> Result<()> {
    if size.contains(&0) || Fusions::mamba_block(backend, YES, shape, weights, x, size, state)? {
        return Ok(());
    }
    let MambaWeights { norm, in_proj, mixer, gated_norm, out_proj } = weights;
    let MambaScratch { normed, projected, mixed, mixed_norm, cancel } = scratch;
    let rows = size[0] * size[1];
    Layers::norm_matmul(backend, norm, x, rows, normed, &mut [Product::new(in_proj, projected)], false)?;
    cancel.check()?;
    Compute::ssm_mix(backend, YES, (shape, mixer), projected, size, state, mixed)?;
    cancel.check()?;
    Layers::norm_matmul(backend, gated_norm, mixed, rows, mixed_norm, &mut [Product::new(out_proj, x)], true)
}

impl<Weight: Matrix, Buffer: Array> MambaWeights<'_, Weight, Buffer> {
    /// # Errors
    /// `InvalidArgument` if the parts of the block do not fit each other.
    fn check(&self, shape: &SsmShape) -> Result<()> {
        let MambaWeights { norm, in_proj, gated_norm, out_proj, .. } = self;
        let [inner, outer] = [in_proj, out_proj].map(|w| [w.rows(), w.cols()]);
        check(inner[0] == shape.projected() && outer == [inner[1], shape.inner], || {
            format!("mamba_block: projections {inner:?} and {outer:?} for {shape:?}")
        })?;
        norm.check(inner[1])?;
        gated_norm.check(shape.inner)?;
        need("mamba_block: norm", norm.weight.values(), &[inner[1]])?;
        need("mamba_block: gated norm", gated_norm.weight.values(), &[shape.inner])
    }
}
