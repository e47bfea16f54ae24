//! The operations a model is made of, and what a device must provide to run it.
//!
//! The operations are those of the model, not of an algebra library: a device is free to fuse and to lay out its
//! scratch as it likes. All activations are f32, row-major, in buffers that the device owns.
//!
//! | part | what it is | who has it |
//! |---|---|---|
//! | [`Device`] | buffers, weights, where work runs | a backend writes it |
//! | [`Compute`] | the bodies of the operations | a backend writes it |
//! | [`Fusions`] | whole layers in fewer steps | a backend may write some |
//! | [`ReadChunks`] | a reader of chunk memories | a backend writes it |
//! | [`Operations`], [`Layers`], [`Reader`] | what the model calls: checks in front of the bodies | every backend has them |
//!
//! Every operation
//! - checks the lengths of its arguments and returns [`InvalidArgument`](crate::ErrorKind::InvalidArgument) instead of
//!   reading or writing outside of them;
//! - computes each element of its result in an order of additions that depends on the shape of the model alone: not on
//!   the number of threads, nor, on the CPU, on the number of rows `n`: there a row gives the same bits alone and among
//!   others ([`Operations::ssm_mix`] states its one exception), while a GPU has other kernels for few rows than for many,
//!   which agree within rounding;
//! - may be called from several threads at once, and from inside a parallel task.
//!
//! Symbols: D hidden width · E inner width of a Mamba-2 block · nh heads, P = E / nh their width · N state · Ng groups ·
//! W conv width · H query heads · G key/value heads · d head width · S chunk size · K chunks per selection ·
//! Gr retrieval heads · R retrieval width.

mod choice;
mod compute;
mod device;
mod layers;
mod operations;
mod reader;
mod shapes;
mod weighting;

pub(crate) use choice::{Choice, Reads};
pub use compute::Compute;
pub use device::{Array, Checked, Device, Matrix};
pub use layers::{
    Attention, BLOCKS_AT_ONCE, Fusions, Layers, MambaScratch, MambaWeights, MemoryWeights, Mlp, Stateful,
};
pub use operations::Operations;
pub use reader::{HsaShape, Pick, ReadChunks, Reader, ReaderOptions, Selecting};
pub use shapes::{EncoderShape, HeadNorms, Norm, Product, Rows, SsmParams, SsmShape, SsmState};
pub(crate) use shapes::{MAX_CONV, SSM_SPAN};
// For backends, of which the CPU needs neither.
#[allow(unused_imports)]
pub(crate) use shapes::{check, need};
pub use weighting::Weighting;

/// Everything that a device needs to run the model.
pub trait Backend: Layers + ReadChunks {}

impl<B: Fusions + ReadChunks> Backend for B {}
