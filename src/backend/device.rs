//! What a device is before it computes anything: where buffers and weights lie, and who runs.

use crate::Result;
use crate::weights::Tensor;

/// Something of so many values.
pub trait Array {
    /// The number of f32 values.
    fn values(&self) -> usize;
}

/// Something of rows and columns.
pub trait Matrix {
    /// Outputs of a product.
    fn rows(&self) -> usize;
    /// Inputs of a product.
    fn cols(&self) -> usize;
}

/// Proof that the lengths of an operation's arguments have been checked. Only [`Operations`](super::Operations),
/// [`Layers`](super::Layers) and [`Reader`](super::Reader) make one, so that nobody else can call what trusts in them.
#[derive(Debug, Clone, Copy)]
pub struct Checked(());

impl Checked {
    pub(super) const YES: Checked = Checked(());
}

/// A device: its memory, and where its work runs.
pub trait Device: Send + Sync + 'static {
    /// Activations and small parameters: f32, row-major.
    type Buffer: Array + Send + Sync;
    /// A weight matrix (rows = outputs, cols = inputs) as the device keeps it.
    type Weight: Matrix + Send + Sync;

    /// Tokens of a model of width `hidden` that are best computed at once: enough to make products efficient, few enough
    /// to keep the scratch small.
    fn tile(&self, hidden: usize) -> usize;

    /// Runs `f` where the operations are cheapest to call, for the CPU on a thread of its pool, and waits for it.
    ///
    /// Never needed for a correct result. Around many small operations (a generated token) it saves waking a thread in
    /// each, and parallel iterators of `rayon` inside `f` use the threads of the backend.
    fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R;

    /// Begins every operation that the device has put off, so that a failure to begin one is reported here. Never needed
    /// before an operation that brings something to the host.
    ///
    /// # Errors
    /// Failures of the device.
    fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Takes a weight matrix. The CPU repacks quantized ones, and reads small ones of plain floats from the mapped file.
    ///
    /// # Errors
    /// If the device has no memory for it.
    fn weight(&self, tensor: Tensor) -> Result<Self::Weight>;

    /// Takes a matrix whose rows are only looked up ([`Operations::embed`](super::Operations::embed)).
    ///
    /// # Errors
    /// If the device has no memory for it.
    fn table(&self, tensor: Tensor) -> Result<Self::Weight> {
        self.weight(tensor)
    }

    /// A buffer of `len` zeros.
    ///
    /// # Errors
    /// If the device has no memory for it.
    fn buffer(&self, len: usize) -> Result<Self::Buffer>;

    /// Sets all of `buffer` to zero.
    ///
    /// # Errors
    /// Failures of the device.
    fn zero(&self, buffer: &mut Self::Buffer) -> Result<()>;
}
