//! What a backend writes: the bodies of the operations. The operations themselves, with their formulas and checks, are in
//! [`Operations`](super::Operations).

use super::device::{Checked, Device};
use super::shapes::{EncoderShape, HeadNorms, Rows, SsmParams, SsmShape, SsmState};
use crate::Result;
use crate::topk::TopK;

/// The bodies of [`Operations`](super::Operations), which has checked all lengths and says what each computes. An error is a
/// failure of the device, or a shape that it has no kernel for.
#[allow(missing_docs, reason = "each is the operation of the same name")]
pub trait Compute: Device {
    fn read(&self, checked: Checked, buffer: &Self::Buffer, out: &mut [f32]) -> Result<()>;

    fn look<const K: usize>(
        &self,
        checked: Checked,
        buffers: [(&Self::Buffer, usize); K],
        f: impl FnOnce([&[f32]; K]) -> Result<()>,
    ) -> Result<()>;

    fn write(&self, checked: Checked, buffer: &mut Self::Buffer, data: &[f32]) -> Result<()>;

    /// Neither rows nor width are 0.
    fn copy(
        &self,
        checked: Checked,
        from: (&Self::Buffer, Rows),
        to: (&mut Self::Buffer, Rows),
        rows: [usize; 2],
        width: usize,
    ) -> Result<()>;

    fn embed(&self, checked: Checked, table: &Self::Weight, ids: &[u32], out: &mut Self::Buffer) -> Result<()>;

    /// `size` are rows and width, neither of them 0.
    fn rms_norm(
        &self,
        checked: Checked,
        x: &Self::Buffer,
        norm: (&Self::Buffer, f32),
        size: [usize; 2],
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// `size` are rows and width, neither of them 0.
    fn rms_norm_in_place(
        &self,
        checked: Checked,
        x: &mut Self::Buffer,
        norm: (&Self::Buffer, f32),
        size: [usize; 2],
    ) -> Result<()>;

    fn matmul(
        &self,
        checked: Checked,
        w: &Self::Weight,
        x: &Self::Buffer,
        n: usize,
        y: &mut Self::Buffer,
        accumulate: bool,
    ) -> Result<()>;

    /// `size` are rows and width, neither of them 0.
    fn add_bias(&self, checked: Checked, y: &mut Self::Buffer, bias: &Self::Buffer, size: [usize; 2]) -> Result<()>;

    fn silu_mul(&self, checked: Checked, gate: &mut Self::Buffer, up: &Self::Buffer, len: usize) -> Result<()>;

    /// `size` are blocks, rows and width, none of them 0.
    fn mean_rows(&self, checked: Checked, x: &Self::Buffer, size: [usize; 3], out: &mut Self::Buffer) -> Result<()>;

    fn top_logits(&self, checked: Checked, logits: &Self::Buffer, count: usize, top: &mut TopK) -> Result<()>;

    /// `size` are sequences and tokens of each, neither of them 0.
    fn ssm_mix(
        &self,
        checked: Checked,
        mixer: (&SsmShape, &SsmParams<Self::Buffer>),
        zxbcdt: &Self::Buffer,
        size: [usize; 2],
        state: &mut SsmState<Self::Buffer>,
        y: &mut Self::Buffer,
    ) -> Result<()>;

    fn encoder_attention(
        &self,
        checked: Checked,
        shape: (&EncoderShape, &HeadNorms<'_, Self::Buffer>),
        qkv: [&Self::Buffer; 3],
        chunks: usize,
        out: &mut Self::Buffer,
    ) -> Result<()>;
}
