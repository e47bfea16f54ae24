//! Kernels of a token alone, put off and then begun together: as a graph, once the same ones have been begun before.
//!
//! A graph is found by all that makes its kernels: their functions, grids and the bytes of their arguments. What is repeated
//! is therefore exactly what would have been begun without it, and nobody has to say when a graph has become wrong.

use std::ffi::c_void;

use cudarc::driver::sys;

use super::driver::{Graph, RawStream, check};
use crate::Result;

/// From how many kernels on a graph is worth its making.
const WORTHWHILE: usize = 3;

/// Graphs of a stream, at most; the one that was not needed for longest makes room.
const MOST: usize = 64;

/// A kernel with its grid.
#[derive(Clone, Copy)]
pub(super) struct Launch {
    pub name: &'static str,
    pub function: sys::CUfunction,
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
        let Launch { name: _, function, grid, block, shared, early, together } = *self;
        (function, grid, block, shared, early, together)
            == (other.function, other.grid, other.block, other.shared, other.early, other.together)
    }
}

impl Launch {
    /// Starts it on `stream`.
    ///
    /// # Safety
    /// `arguments` must point to values of the types of the kernel's parameters, and what those point to on the device
    /// must be as long as the kernel's header says for this grid.
    pub unsafe fn start(&self, stream: &RawStream, arguments: &mut [*mut c_void]) -> Result<()> {
        let Launch { name, function, grid: [x, y, z], block, shared, early, together } = *self;
        use sys::CUlaunchAttributeID as Id;
        let attribute = |id, value| sys::CUlaunchAttribute { id, pad: [0; 4], value };
        let serial = sys::CUlaunchAttributeValue { programmaticStreamSerializationAllowed: 1 };
        let mut attributes = [
            attribute(Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, serial),
            attribute(Id::CU_LAUNCH_ATTRIBUTE_COOPERATIVE, sys::CUlaunchAttributeValue { cooperative: 1 }),
        ];
        let attributes = &mut attributes[usize::from(!early)..1 + usize::from(together)];
        let (null, arguments) = (std::ptr::null_mut(), arguments.as_mut_ptr());
        let status = if attributes.is_empty() {
            // SAFETY: function and stream exist; the arguments are the caller's promise. They are copied by the call.
            unsafe {
                sys::cuLaunchKernel(function, x, y, z, block[0], block[1], 1, shared, stream.handle, arguments, null)
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
            unsafe { sys::cuLaunchKernelEx(&config, function, arguments, null) }
        };
        check(status, name)
    }
}

/// Kernels in order, with their arguments.
#[derive(Default, Clone, PartialEq)]
struct List {
    launches: Vec<Launch>,
    /// For each kernel, the end of its arguments in `places`.
    ends: Vec<u32>,
    /// For each argument, its first word.
    places: Vec<u32>,
    /// The bytes of the arguments, each from a new word on.
    words: Vec<u64>,
}

impl List {
    fn push(&mut self, launch: Launch, arguments: &[&[u8]]) {
        for argument in arguments {
            self.places.push(self.words.len() as u32);
            self.words.extend(argument.chunks(8).map(|bytes| {
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                u64::from_ne_bytes(word)
            }));
        }
        self.launches.push(launch);
        self.ends.push(self.places.len() as u32);
    }

    fn clear(&mut self) {
        self.launches.clear();
        self.ends.clear();
        self.places.clear();
        self.words.clear();
    }

    /// Starts the kernels on `stream`, which may be recording.
    fn start(&self, stream: &RawStream) -> Result<()> {
        let mut first = 0;
        for (launch, &end) in self.launches.iter().zip(&self.ends) {
            let mut arguments = heapless::Vec::<*mut c_void, MOST_ARGUMENTS>::new();
            let places = self.places.get(first..end as usize).unwrap_or_default();
            arguments.extend(places.iter().filter_map(|&at| {
                let word = self.words.get(at as usize..)?;
                Some(word.as_ptr().cast_mut().cast())
            }));
            first = end as usize;
            // SAFETY: the arguments are copies of those that the caller of `Graphs::push` has promised to be right.
            unsafe { launch.start(stream, &mut arguments)? };
        }
        Ok(())
    }
}

/// The most arguments of a kernel.
pub(super) const MOST_ARGUMENTS: usize = 24;

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
    /// As [`Launch::start`], when [`Graphs::start`] is called: the bytes are copied, and what they point to on the device must still
    /// be there.
    pub unsafe fn push(&mut self, launch: Launch, arguments: &[&[u8]]) {
        self.list.push(launch, arguments);
    }

    /// Starts what was put off, in order.
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
        old.list.ends.clone_from(&list.ends);
        old.list.places.clone_from(&list.places);
        old.list.words.clone_from(&list.words);
        (old.made, old.used) = (Made::Nothing, used);
    }
}
