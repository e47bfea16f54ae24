//! Kernels of a token alone, put off and then begun together: as a graph, once the same ones have been begun before.
//!
//! A graph is found by all that makes its kernels: their functions, grids and the bytes of their arguments. What is repeated
//! is therefore exactly what would have been begun without it, and nobody has to say when a graph has become wrong.

use std::ffi::c_void;

use cudarc::driver::sys;

use super::driver::{Graph, RawStream, check};
use super::module::Arguments;
use crate::{Error, Result};

/// From how many kernels on a graph is worth its making.
const WORTHWHILE: usize = 3;

/// Graphs of a stream, at most; the one that was not needed for longest makes room.
const MOST: usize = 64;

/// A kernel with its grid.
#[derive(Clone, Copy)]
pub(super) struct Launch {
    pub name: &'static str,
    pub function: sys::CUfunction,
    /// For each argument, its words.
    pub arguments: &'static [usize],
    pub grid: [u32; 3],
    pub block: [u32; 2],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// Whether it may start before its predecessor has ended.
    pub early: bool,
    /// Whether none of its blocks starts before all can.
    pub together: bool,
}

// SAFETY: a function may be used from any thread in which the context is current.
unsafe impl Send for Launch {}

impl PartialEq for Launch {
    fn eq(&self, other: &Self) -> bool {
        let Launch { name: _, function, arguments: _, grid, block, shared, early, together } = *self;
        (function, grid, block, shared, early, together)
            == (other.function, other.grid, other.block, other.shared, other.early, other.together)
    }
}

impl Launch {
    /// Starts it on `stream` with the arguments at the beginning of `words`; gives what follows them.
    ///
    /// # Safety
    /// The arguments must be of the types of the kernel's parameters, and what they point to on the device as long as the kernel's
    /// header says for this grid.
    unsafe fn start<'w>(&self, stream: &RawStream, mut words: &'w [u64]) -> Result<&'w [u64]> {
        let Launch { name, function, arguments, grid: [x, y, z], block, shared, early, together } = *self;
        let mut pointers = heapless::Vec::<*mut c_void, MOST_ARGUMENTS>::new();
        for &len in arguments {
            let parts = words.split_at_checked(len).filter(|_| !pointers.is_full());
            let (argument, rest) = parts.ok_or_else(|| Error::invalid(format!("the arguments of {name}")))?;
            pointers.extend([argument.as_ptr().cast_mut().cast()]);
            words = rest;
        }
        use sys::CUlaunchAttributeID as Id;
        let attribute = |id, value| sys::CUlaunchAttribute { id, pad: [0; 4], value };
        let serial = sys::CUlaunchAttributeValue { programmaticStreamSerializationAllowed: 1 };
        let mut attributes = [
            attribute(Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, serial),
            attribute(Id::CU_LAUNCH_ATTRIBUTE_COOPERATIVE, sys::CUlaunchAttributeValue { cooperative: 1 }),
        ];
        let attributes = &mut attributes[usize::from(!early)..1 + usize::from(together)];
        let (null, pointers) = (std::ptr::null_mut(), pointers.as_mut_ptr());
        let status = if attributes.is_empty() {
            // SAFETY: function and stream exist; the arguments are the caller's promise. They are copied by the call.
            unsafe {
                sys::cuLaunchKernel(function, x, y, z, block[0], block[1], 1, shared, stream.handle, pointers, null)
            }
        } else {
            let config = sys::CUlaunchConfig {
                gridDimX: x,
                gridDimY: y,
                gridDimZ: z,
                blockDimX: block[0],
                blockDimY: block[1],
                blockDimZ: 1,
                sharedMemBytes: shared,
                hStream: stream.handle,
                attrs: attributes.as_mut_ptr(),
                numAttrs: attributes.len() as u32,
            };
            // SAFETY: as above.
            unsafe { sys::cuLaunchKernelEx(&config, function, pointers, null) }
        };
        check(status, name).map(|()| words)
    }
}

/// Kernels in order, with their arguments.
#[derive(Default, Clone, PartialEq)]
struct List {
    launches: Vec<Launch>,
    /// The arguments of all of them, each from a new word on.
    words: Vec<u64>,
}

impl List {
    fn clear(&mut self) {
        self.launches.clear();
        self.words.clear();
    }

    /// Starts the kernels on `stream`, which may be recording.
    fn start(&self, stream: &RawStream) -> Result<()> {
        let mut words = &*self.words;
        for launch in &self.launches {
            // SAFETY: the arguments are those that the caller of `Graphs::push` has promised to be right.
            words = unsafe { launch.start(stream, words)? };
        }
        Ok(())
    }
}

/// The most arguments of a kernel.
const MOST_ARGUMENTS: usize = 24;

/// Kernels that were begun together before.
struct Known {
    list: List,
    made: Made,
    /// When it was last needed, by the number of times that any was.
    used: u64,
}

enum Made {
    /// Nothing yet: they have been begun once, and what that takes has been allocated.
    Nothing,
    Graph(Graph),
    /// The driver cannot record them.
    Never,
}

impl Known {
    fn start(&mut self, stream: &RawStream) -> Result<()> {
        match &self.made {
            Made::Graph(graph) => return stream.launch(graph),
            Made::Never => return self.list.start(stream),
            Made::Nothing => {}
        }
        self.made = Made::Never;
        // Nothing but these kernels meets the stream while it records.
        stream.begin_capture()?;
        let done = self.list.start(stream);
        let graph = stream.end_capture();
        done?;
        let graph = graph?;
        stream.launch(&graph)?;
        self.made = Made::Graph(graph);
        Ok(())
    }
}

/// What is put off on a stream, and the graphs made of what was before.
#[derive(Default)]
pub(super) struct Graphs {
    list: List,
    known: Vec<Known>,
    times: u64,
}

impl Graphs {
    /// Whether nothing is put off.
    pub fn is_empty(&self) -> bool {
        self.list.launches.is_empty()
    }

    /// Puts a kernel off.
    ///
    /// # Safety
    /// As [`Launch::start`], when [`Graphs::start`] or [`Graphs::start_each`] is called: what `arguments` point to on the device must
    /// still be there.
    pub unsafe fn push(&mut self, launch: Launch, arguments: &impl Arguments) {
        self.list.launches.push(launch);
        arguments.write(&mut self.list.words);
    }

    /// Starts what was put off, in order, and forgets it.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn start_each(&mut self, stream: &RawStream) -> Result<()> {
        let done = self.list.start(stream);
        self.list.clear();
        done
    }

    /// Starts what was put off, in order, as a graph if it was put off before.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn start(&mut self, stream: &RawStream) -> Result<()> {
        let Self { list, known, times } = self;
        *times += 1;
        let found = known.iter_mut().find(|known| known.list == *list);
        let done = match found {
            Some(found) => {
                found.used = *times;
                found.start(stream)
            }
            None => {
                if list.launches.len() >= WORTHWHILE {
                    remember(known, list, *times);
                }
                list.start(stream)
            }
        };
        list.clear();
        done
    }
}

/// Adds `list` to `known`, in the place of the one not needed for longest if there are too many.
fn remember(known: &mut Vec<Known>, list: &List, used: u64) {
    if known.len() < MOST {
        known.push(Known { list: list.clone(), made: Made::Nothing, used });
    } else if let Some(old) = known.iter_mut().min_by_key(|known| known.used) {
        old.list.launches.clone_from(&list.launches);
        old.list.words.clone_from(&list.words);
        (old.made, old.used) = (Made::Nothing, used);
    }
}
