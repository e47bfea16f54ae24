//! What the speed of a model is compared with, and parts of it that no callback tells.

use std::time::Duration;

use super::{Engine, Session};
use crate::{DType, Error, Result};

impl Engine {
    /// The most multiply-adds per second that matrix products with weights of `dtype` reach here: those of the fastest of many products, by
    /// the kernels and on the threads of this engine, of 512 inputs with 128 outputs for each thread and 256 rows at once, which stay in
    /// caches. It takes a few hundredths of a second. `None` if the model does not run on the CPU.
    ///
    /// # Errors
    /// `Capacity` if there is no memory for them.
    pub fn product_rate(&self, dtype: DType) -> Result<Option<f64>> {
        self.shared.model.product_rate(dtype)
    }

    /// The most bytes per second that reading `bytes` bytes reaches here, in memory such as that of weights and on the threads of this
    /// engine: those of the fastest of five times. `None` if the model does not run on the CPU.
    ///
    /// # Errors
    /// `Capacity` if there is not so much memory.
    pub fn read_rate(&self, bytes: usize) -> Result<Option<f64>> {
        self.shared.model.read_rate(bytes)
    }
}

impl Session {
    /// How long a token takes to find what it reads: in each group of layers that chooses for itself the product for its query, the
    /// search of the landmarks of all chunks that are there now ([`Session::chunks`]), and the best of them brought into RAM. The mean of
    /// `times` searches with what the session has computed last. `None` if the model keeps no chunks or does not run on the CPU.
    ///
    /// # Errors
    /// `InvalidArgument` for no searches, failures of the memory, and those that made the session unusable.
    pub fn search_time(&mut self, times: u32) -> Result<Option<Duration>> {
        self.usable()?;
        if times == 0 {
            return Err(Error::invalid("the mean of no searches"));
        }
        let r = &mut self.resources;
        let (Some(memory), Some(scratch)) = (&mut r.memory, r.scratches.first_mut()) else { return Ok(None) };
        let time = r.engine.shared.model.search_time(scratch, memory, times)?;
        Ok(time.map(|time| time / times))
    }
}
