//! The model on the device that was asked for: the only place that knows them all. Sessions see one type for each of
//! model, scratch and state.

use std::sync::Arc;
use std::time::Duration;

use crate::cpu::{Cpu, Isa};
#[cfg(feature = "cuda")]
use crate::cuda::Cuda;
use crate::memory::{ChunkMemory, ChunkShape, Precision};
use crate::model::{self, ChunkEncoder, Config, EncodedChunk, Pass};
use crate::weights::Weights;
use crate::{Cancel, DType, Error, Result};

/// Where the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// The processor, with the best instruction set that it has.
    #[default]
    Cpu,
    /// The CUDA device with this number, counted from 0; in builds with the feature `cuda`.
    Cuda(i32),
}

impl std::str::FromStr for Device {
    type Err = Error;

    /// `cpu`, `cuda` or `cuda:1`.
    fn from_str(s: &str) -> Result<Self> {
        let unknown = || Error::invalid(format!("device {s:?}, expected cpu, cuda or cuda:NUMBER"));
        match s.split_once(':') {
            None if s == "cpu" => Ok(Device::Cpu),
            None if s == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", number)) => Ok(Device::Cuda(number.parse().map_err(|_| unknown())?)),
            _ => Err(unknown()),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu => write!(f, "cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Device {
    /// What it is on this machine, for people: the instruction sets of the processor that there are kernels for, best first (the best
    /// one is used), or the name of a GPU and its compute capability.
    ///
    /// # Errors
    /// `Unsupported` if there is no such device, or this build has no backend for it.
    pub fn description(&self) -> Result<String> {
        match *self {
            Device::Cpu => {
                let sets: Vec<_> = Isa::available().map(|isa| format!("{isa:?}").to_lowercase()).collect();
                Ok(sets.join(", "))
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(number) => {
                let cuda = Cuda::new(number)?;
                let (major, minor) = cuda.capability();
                Ok(format!("{}, compute capability {major}.{minor}", cuda.name()))
            }
            #[cfg(not(feature = "cuda"))]
            Device::Cuda(_) => Err(no_cuda()),
        }
    }
}

#[cfg(not(feature = "cuda"))]
fn no_cuda() -> Error {
    Error::unsupported("this build has no CUDA backend (feature `cuda`)")
}

/// One type over all devices, for each of the generic types of the model.
macro_rules! on_every_device {
    ($($(#[$doc:meta])* $name:ident),*) => {
        $(
            $(#[$doc])*
            // One of each exists per session: the space that the largest takes is no matter.
            #[allow(clippy::large_enum_variant)]
            pub(super) enum $name {
                Cpu(model::$name<Cpu>),
                #[cfg(feature = "cuda")]
                Cuda(model::$name<Cuda>),
            }
        )*
    };
}

on_every_device! {
    /// A loaded model.
    Model,
    /// Working memory.
    Scratch,
    /// What a sequence carries.
    State
}

/// `$call` with the insides of values of one device.
macro_rules! on_device {
    (($($value:expr),+), ($($name:ident($inside:ident)),+) => $call:expr) => {
        match ($($value),+) {
            ($($name::Cpu($inside)),+) => $call,
            #[cfg(feature = "cuda")]
            ($($name::Cuda($inside)),+) => $call,
            #[cfg(feature = "cuda")]
            _ => Err(Error::invalid("model, scratch and state are of different devices")),
        }
    };
}

impl Model {
    /// With `encoder` in the place of the one in the file, if given.
    pub fn load(
        weights: &Weights,
        device: Device,
        threads: usize,
        repack: bool,
        encoder: Option<Arc<dyn ChunkEncoder>>,
    ) -> Result<Self> {
        match device {
            Device::Cpu => {
                let cpu = Cpu::new(threads)?.repacking(repack);
                Ok(Model::Cpu(model::Model::load_with(weights, cpu, encoder)?))
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(number) => Ok(Model::Cuda(model::Model::load_with(weights, Cuda::new(number)?, encoder)?)),
            #[cfg(not(feature = "cuda"))]
            Device::Cuda(_) => Err(no_cuda()),
        }
    }

    pub fn config(&self) -> &Config {
        match self {
            Model::Cpu(model) => model.config(),
            #[cfg(feature = "cuda")]
            Model::Cuda(model) => model.config(),
        }
    }

    pub fn chunk_shape(&self) -> Option<ChunkShape> {
        self.config().chunk_shape()
    }

    pub fn tile(&self) -> usize {
        match self {
            Model::Cpu(model) => model.tile(),
            #[cfg(feature = "cuda")]
            Model::Cuda(model) => model.tile(),
        }
    }

    /// Working memory that keeps chunk memories in up to `budget` bytes of the device's own. Calls with it end when `cancel` asks for it.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables))]
    pub fn scratch(&self, budget: u64, cancel: &Cancel) -> Result<Scratch> {
        match self {
            Model::Cpu(model) => {
                let mut scratch = model.scratch()?;
                scratch.stop_with(cancel.clone());
                Ok(Scratch::Cpu(scratch))
            }
            #[cfg(feature = "cuda")]
            Model::Cuda(model) => {
                let mut scratch = model.scratch()?;
                model.set_device_budget(&mut scratch, budget);
                scratch.stop_with(cancel.clone());
                Ok(Scratch::Cuda(scratch))
            }
        }
    }

    /// As [`model::Model::least_device_budget`].
    pub fn least_device_budget(&self, shape: &ChunkShape, precision: Precision, chunks: usize) -> u64 {
        match self {
            Model::Cpu(model) => model.least_device_budget(shape, precision, chunks),
            #[cfg(feature = "cuda")]
            Model::Cuda(model) => model.least_device_budget(shape, precision, chunks),
        }
    }

    pub fn state(&self) -> Result<State> {
        match self {
            Model::Cpu(model) => Ok(State::Cpu(model.state()?)),
            #[cfg(feature = "cuda")]
            Model::Cuda(model) => Ok(State::Cuda(model.state()?)),
        }
    }

    /// The state in `slot`, made if there is none.
    pub fn state_in<'s>(&self, slot: &'s mut Option<State>) -> Result<&'s mut State> {
        match slot {
            Some(state) => Ok(state),
            none => Ok(none.insert(self.state()?)),
        }
    }

    pub fn reset(&self, state: &mut State, position: u64) -> Result<()> {
        on_device!((self, state), (Model(model), State(state)) => model.reset(state, position))
    }

    pub fn copy_state(&self, state: &State, to: &mut State) -> Result<()> {
        on_device!((self, state, to), (Model(model), State(state), State(to)) => model.copy_state(state, to))
    }

    pub fn save_state(&self, state: &State) -> Result<Vec<u8>> {
        on_device!((self, state), (Model(model), State(state)) => model.save_state(state))
    }

    pub fn load_state(&self, bytes: &[u8]) -> Result<State> {
        match self {
            Model::Cpu(model) => Ok(State::Cpu(model.load_state(bytes)?)),
            #[cfg(feature = "cuda")]
            Model::Cuda(model) => Ok(State::Cuda(model.load_state(bytes)?)),
        }
    }

    pub fn segments_at_once(&self) -> usize {
        match self {
            Model::Cpu(model) => model.segments_at_once(),
            #[cfg(feature = "cuda")]
            Model::Cuda(model) => model.segments_at_once(),
        }
    }

    pub fn read_segments(
        &self,
        scratch: &mut Scratch,
        segments: &[&[u32]],
        overlap: usize,
        emit: &mut (dyn FnMut(EncodedChunk<'_>) -> Result<()> + Send),
    ) -> Result<()> {
        on_device!((self, scratch), (Model(model), Scratch(scratch)) =>
            model.read_segments(scratch, segments, overlap, emit))
    }

    pub fn forward<'s>(
        &self,
        state: &mut State,
        scratch: &'s mut Scratch,
        tokens: &[u32],
        pass: Pass<'_>,
    ) -> Result<&'s [f32]> {
        on_device!((self, state, scratch), (Model(model), State(state), Scratch(scratch)) =>
            model.forward(state, scratch, tokens, pass))
    }

    pub fn advance<'s>(
        &self,
        state: &mut State,
        scratch: &'s mut Scratch,
        tokens: &[u32],
        pass: Pass<'_>,
    ) -> Result<&'s [f32]> {
        on_device!((self, state, scratch), (Model(model), State(state), Scratch(scratch)) =>
            model.advance(state, scratch, tokens, pass))
    }

    /// As [`Cpu::product_rate`]; `None` on other devices.
    pub fn product_rate(&self, dtype: DType) -> Result<Option<f64>> {
        match self {
            Model::Cpu(model) => model.backend().product_rate(dtype).map(Some),
            #[cfg(feature = "cuda")]
            Model::Cuda(_) => Ok(None),
        }
    }

    /// As [`Cpu::read_rate`]; `None` on other devices.
    pub fn read_rate(&self, bytes: usize) -> Result<Option<f64>> {
        match self {
            Model::Cpu(model) => model.backend().read_rate(bytes).map(Some),
            #[cfg(feature = "cuda")]
            Model::Cuda(_) => Ok(None),
        }
    }

    /// As [`model::Model::search_time`]; `None` on other devices than the CPU, where a search goes on after the call for it.
    pub fn search_time(&self, scratch: &mut Scratch, memory: &mut ChunkMemory, times: u32) -> Result<Option<Duration>> {
        match (self, scratch) {
            (Model::Cpu(model), Scratch::Cpu(scratch)) => model.search_time(scratch, memory, times).map(Some),
            #[cfg(feature = "cuda")]
            _ => Ok(None),
        }
    }
}

impl State {
    /// Position of the next token.
    pub fn position(&self) -> u64 {
        match self {
            State::Cpu(state) => state.position(),
            #[cfg(feature = "cuda")]
            State::Cuda(state) => state.position(),
        }
    }

    pub fn shift(&mut self, by: u64) {
        match self {
            State::Cpu(state) => state.shift(by),
            #[cfg(feature = "cuda")]
            State::Cuda(state) => state.shift(by),
        }
    }
}
