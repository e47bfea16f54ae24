//! The CUDA driver: a context, memory, streams and recorded graphs, each freed by its owner.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys;

use crate::{Error, ErrorKind, Result};

/// Turns the status of a driver call into an error that says what was tried.
pub(super) fn check(status: sys::CUresult, what: &str) -> Result<()> {
    let Err(e) = status.result() else { return Ok(()) };
    let text = match (e.error_name(), e.error_string()) {
        (Ok(name), Ok(text)) => format!("{what}: {} ({})", text.to_string_lossy(), name.to_string_lossy()),
        _ => format!("{what}: CUDA error {:?}", e.0),
    };
    let kind = match e.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => ErrorKind::Capacity,
        _ => ErrorKind::Device,
    };
    Err(Error::new(kind, text))
}

/// The primary context of a device.
pub(super) struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
    /// For people.
    pub name: String,
    /// Major and minor.
    pub capability: (i32, i32),
    /// Streaming multiprocessors.
    pub processors: u32,
    /// Most bytes of shared memory of one block.
    pub shared: usize,
    /// Cycles per second of a multiprocessor, bytes per second of the memory: at most, by what the driver says; 0 if it does not.
    pub speed: (f64, f64),
    /// Whether what the host writes for kernels stays in its memory, which they read there: where host and device have
    /// one memory, copies would be for nothing.
    pub mapped: bool,
    /// Streams on which kernels are put off.
    waiting: AtomicUsize,
    /// Memory that was given up meanwhile, which those kernels may use.
    given_up: Mutex<Vec<Memories>>,
}

/// Memory that nobody owns any more.
enum Memories {
    Device(sys::CUdeviceptr),
    Host(*mut c_void),
}

// SAFETY: addresses with one owner.
unsafe impl Send for Memories {}

impl Memories {
    fn free(self, context: &Context) {
        let freed = context.enter().and_then(|()| match self {
            // SAFETY: allocated by `Memory::new`. The call waits for work that may still use it.
            Memories::Device(at) => check(unsafe { sys::cuMemFree_v2(at) }, "freeing device memory"),
            // SAFETY: allocated by `Pinned::new`.
            Memories::Host(at) => check(unsafe { sys::cuMemFreeHost(at) }, "freeing pinned memory"),
        });
        if let Err(e) = freed {
            log::warn!("{e}");
        }
    }
}

// SAFETY: a context may be used from any thread that makes it current, which every use does.
unsafe impl Send for Context {}
// SAFETY: as above; the driver's calls are thread-safe.
unsafe impl Sync for Context {}

impl Context {
    /// `mapped` as the field, by default whether host and device have one memory.
    ///
    /// # Errors
    /// `Unsupported` if there is no driver or no such device.
    pub fn new(ordinal: i32, mapped: Option<bool>) -> Result<Arc<Context>> {
        // SAFETY: only looks for the library.
        if !unsafe { sys::is_culib_present() } {
            return Err(Error::unsupported("no CUDA device: the driver's library (libcuda) is not installed"));
        }
        let none = |e: Error| Error::unsupported(format!("no CUDA device {ordinal}: {e}"));
        let (mut device, mut context) = (0, std::ptr::null_mut());
        // SAFETY: the results go to places of their types.
        unsafe {
            check(sys::cuInit(0), "starting the driver").map_err(none)?;
            check(sys::cuDeviceGet(&mut device, ordinal), "looking for the device").map_err(none)?;
            check(sys::cuDevicePrimaryCtxRetain(&mut context, device), "opening the device")?;
        }
        use sys::CUdevice_attribute_enum as Attribute;
        let attribute = |which| {
            let mut value = 0;
            // SAFETY: the result goes to a place of its type; the device exists.
            check(unsafe { sys::cuDeviceGetAttribute(&mut value, which, device) }, "asking the device").map(|()| value)
        };
        // Only a hint: a driver need not know.
        let hint = |which| attribute(which).map_or(0.0, f64::from);
        let cycles = hint(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE) * 1e3;
        // Two transfers a cycle.
        let bus = hint(Attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH) / 8.0 * 2.0;
        let memory = bus * hint(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE) * 1e3;
        let mut name = [0; 256];
        // SAFETY: writes at most 256 bytes, with a zero at the end.
        check(unsafe { sys::cuDeviceGetName(name.as_mut_ptr(), 256, device) }, "asking the device")?;
        let name = name.iter().take_while(|&&c| c != 0).map(|&c| char::from(c.to_ne_bytes()[0])).collect();
        Ok(Arc::new(Context {
            device,
            context,
            name,
            capability: (
                attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
                attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
            ),
            processors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1) as u32,
            speed: (cycles, memory),
            mapped: match mapped {
                Some(mapped) => mapped,
                None => attribute(Attribute::CU_DEVICE_ATTRIBUTE_INTEGRATED)? != 0,
            },
            shared: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?.max(48 << 10) as usize,
            waiting: AtomicUsize::new(0),
            given_up: Mutex::default(),
        }))
    }

    /// Whether kernels may start before their predecessor has ended: see `wait_for_previous` in common.cuh.
    pub fn early(&self) -> bool {
        self.capability.0 >= 9
    }

    /// To be called when the first kernel is put off on a stream.
    pub fn put_off(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    /// To be called when those of a stream have begun.
    pub fn begun(&self) {
        if self.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.free_given_up();
        }
    }

    /// Frees memory, now or when no kernels are put off that may use it.
    fn give_up(&self, memory: Memories) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return memory.free(self);
        }
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    fn free_given_up(&self) {
        let given_up = std::mem::take(&mut *self.given_up.lock().unwrap_or_else(PoisonError::into_inner));
        given_up.into_iter().for_each(|memory| memory.free(self));
    }

    /// Makes the context current on this thread.
    pub fn enter(&self) -> Result<()> {
        // SAFETY: the context lives as long as `self`.
        check(unsafe { sys::cuCtxSetCurrent(self.context) }, "entering the device's context")
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.free_given_up();
        // SAFETY: retained in `new`; nothing that uses it outlives its `Arc`.
        if let Err(e) = check(unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) }, "closing the device") {
            log::warn!("{e}");
        }
    }
}

/// Device memory, from `cuMemAlloc`: virtual-memory pools fail on small boards.
pub(super) struct Memory {
    context: Arc<Context>,
    pub at: sys::CUdeviceptr,
    pub bytes: usize,
    /// Where the host has it, if it is the host's.
    host: Option<Pinned>,
}

impl Memory {
    /// Memory of any content.
    ///
    /// # Errors
    /// `Capacity` if there is not enough.
    pub fn new(context: &Arc<Context>, bytes: usize) -> Result<Memory> {
        let mut at = 0;
        if bytes > 0 {
            context.enter()?;
            // SAFETY: the result goes to a place of its type.
            check(unsafe { sys::cuMemAlloc_v2(&mut at, bytes) }, &format!("{bytes} bytes of device memory"))?;
        }
        Ok(Memory { context: Arc::clone(context), at, bytes, host: None })
    }

    /// Memory that the host fills, and kernels may, of any content: in the host's memory if the context is `mapped`.
    ///
    /// # Errors
    /// `Capacity` if there is not enough.
    pub fn filled_by_host(context: &Arc<Context>, bytes: usize) -> Result<Memory> {
        if !context.mapped || bytes == 0 {
            return Memory::new(context, bytes);
        }
        let host = Pinned::new(context, bytes)?;
        Ok(Memory { context: Arc::clone(context), at: host.device_at(), bytes, host: Some(host) })
    }

    /// The memory, if the host has it. Kernels may be reading it: who writes waits for them first.
    pub fn host_mut(&mut self) -> Option<&mut [u8]> {
        self.host.as_mut().map(Pinned::bytes_mut)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.at == 0 || self.host.is_some() {
            return;
        }
        self.context.give_up(Memories::Device(self.at));
    }
}

/// Host memory that the device copies from and to, or works on, directly.
pub(super) struct Pinned {
    context: Arc<Context>,
    at: *mut u8,
    device_at: sys::CUdeviceptr,
    pub bytes: usize,
}

// SAFETY: plain memory with one owner.
unsafe impl Send for Pinned {}
// SAFETY: a shared reference gives no access to the bytes.
unsafe impl Sync for Pinned {}

impl Pinned {
    pub fn new(context: &Arc<Context>, bytes: usize) -> Result<Pinned> {
        context.enter()?;
        let mut at = std::ptr::null_mut();
        let flags = sys::CU_MEMHOSTALLOC_DEVICEMAP;
        // SAFETY: the result goes to a place of its type.
        check(unsafe { sys::cuMemHostAlloc(&mut at, bytes, flags) }, &format!("{bytes} bytes of pinned memory"))?;
        // SAFETY: `bytes` bytes were just allocated.
        unsafe { at.cast::<u8>().write_bytes(0, bytes) };
        let mut pinned = Pinned { context: Arc::clone(context), at: at.cast(), device_at: 0, bytes };
        // SAFETY: just allocated; the result goes to a place of its type.
        check(unsafe { sys::cuMemHostGetDevicePointer_v2(&mut pinned.device_at, at, 0) }, "mapping pinned memory")?;
        Ok(pinned)
    }

    /// Where the device has it.
    pub fn device_at(&self) -> sys::CUdeviceptr {
        self.device_at
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `bytes` bytes, initialised by `new`, with one owner, who waits for the device before it looks at them.
        unsafe { std::slice::from_raw_parts_mut(self.at, self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.context.give_up(Memories::Host(self.at.cast()));
    }
}

/// An order of operations on the device.
pub(super) struct RawStream {
    context: Arc<Context>,
    pub handle: sys::CUstream,
}

// SAFETY: streams may be used from any thread in which the context is current.
unsafe impl Send for RawStream {}

impl RawStream {
    pub fn new(context: &Arc<Context>) -> Result<RawStream> {
        context.enter()?;
        let mut handle = std::ptr::null_mut();
        let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: the result goes to a place of its type.
        check(unsafe { sys::cuStreamCreate(&mut handle, flags) }, "making a stream")?;
        Ok(RawStream { context: Arc::clone(context), handle })
    }

    /// Waits for everything begun.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the stream exists.
        check(unsafe { sys::cuStreamSynchronize(self.handle) }, "computing on the device")
    }

    /// Zeros.
    pub fn zero(&self, at: sys::CUdeviceptr, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: callers pass ranges of a `Memory` that they hold.
        check(unsafe { sys::cuMemsetD8Async(at, 0, bytes, self.handle) }, "clearing device memory")
    }

    /// Copies `data` to the device. It may change as soon as this returns, if it is not pinned.
    pub fn upload(&self, at: sys::CUdeviceptr, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let from = data.as_ptr().cast::<c_void>();
        // SAFETY: callers pass ranges of a `Memory` that they hold. Pageable memory the driver copies before it returns; pinned
        // memory stays as it is until the copy has ended, see `Stream::upload`.
        check(unsafe { sys::cuMemcpyHtoDAsync_v2(at, from, data.len(), self.handle) }, "copying to the device")
    }

    /// Copies from the device and waits.
    pub fn download(&self, at: sys::CUdeviceptr, out: &mut [u8]) -> Result<()> {
        self.download_all(&[(at, out.len())], 1, out)
    }

    /// Copies parts from the device, places and bytes, one after the other at multiples of `align` of `out`, and waits for all.
    pub fn download_all(&self, parts: &[(sys::CUdeviceptr, usize)], align: usize, mut out: &mut [u8]) -> Result<()> {
        let mut begun = Ok(());
        for &(at, len) in parts.iter().filter(|(_, len)| *len > 0) {
            let Some((to, rest)) = out.split_at_mut_checked(len.next_multiple_of(align)) else {
                begun = Err(Error::invalid("no room for what comes back"));
                break;
            };
            let to = to.as_mut_ptr().cast::<c_void>();
            // SAFETY: callers pass ranges of a `Memory` that they hold; `out` is borrowed until the copies have ended below.
            begun = check(unsafe { sys::cuMemcpyDtoHAsync_v2(to, at, len, self.handle) }, "copying from the device");
            if begun.is_err() {
                break;
            }
            out = rest;
        }
        // Also when one has failed: those before it write to `out`.
        let ended = self.synchronize();
        begun.and(ended)
    }

    /// Begins to record instead of to compute.
    pub fn begin_capture(&self) -> Result<()> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream exists.
        check(unsafe { sys::cuStreamBeginCapture_v2(self.handle, mode) }, "recording")
    }

    /// Ends recording.
    pub fn end_capture(&self) -> Result<Graph> {
        let (mut graph, mut exec) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the results go to places of their types; the graph is destroyed once it has been instantiated.
        unsafe {
            check(sys::cuStreamEndCapture(self.handle, &mut graph), "recording")?;
            let made = check(sys::cuGraphInstantiateWithFlags(&mut exec, graph, 0), "preparing a recording");
            check(sys::cuGraphDestroy(graph), "recording")?;
            made?;
        }
        Ok(Graph { context: Arc::clone(&self.context), exec })
    }

    /// Repeats what was recorded.
    pub fn launch(&self, graph: &Graph) -> Result<()> {
        // SAFETY: both exist. Graphs are found by the places of the buffers in them, which the kernels that are begun use.
        check(unsafe { sys::cuGraphLaunch(graph.exec, self.handle) }, "repeating a recording")
    }
}

impl Drop for RawStream {
    fn drop(&mut self) {
        // SAFETY: made by `new`.
        let gone = self
            .context
            .enter()
            .and_then(|()| check(unsafe { sys::cuStreamDestroy_v2(self.handle) }, "closing a stream"));
        if let Err(e) = gone {
            log::warn!("{e}");
        }
    }
}

/// A moment on a stream.
pub(super) struct Event {
    context: Arc<Context>,
    handle: sys::CUevent,
}

impl Event {
    /// The moment when everything begun on `stream` will have ended.
    pub fn on(stream: &RawStream) -> Result<Event> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the result goes to a place of its type; the stream exists.
        unsafe {
            check(sys::cuEventCreate(&mut handle, 0), "making an event")?;
            let event = Event { context: Arc::clone(&stream.context), handle };
            check(sys::cuEventRecord(handle, stream.handle), "recording an event")?;
            Ok(event)
        }
    }

    /// From `earlier` to this one, waiting for both.
    pub fn since(&self, earlier: &Event) -> Result<std::time::Duration> {
        let mut milliseconds = 0.0;
        // SAFETY: both events exist and were recorded; the result goes to a place of its type.
        unsafe {
            check(sys::cuEventSynchronize(self.handle), "waiting for an event")?;
            check(sys::cuEventElapsedTime(&mut milliseconds, earlier.handle, self.handle), "timing")?;
        }
        Ok(std::time::Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made by `on`.
        let gone = self
            .context
            .enter()
            .and_then(|()| check(unsafe { sys::cuEventDestroy_v2(self.handle) }, "freeing an event"));
        if let Err(e) = gone {
            log::warn!("{e}");
        }
    }
}

/// Recorded operations.
pub(super) struct Graph {
    context: Arc<Context>,
    exec: sys::CUgraphExec,
}

// SAFETY: may be used from any thread in which the context is current, by one at a time.
unsafe impl Send for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: made by `end_capture`.
        let gone = self
            .context
            .enter()
            .and_then(|()| check(unsafe { sys::cuGraphExecDestroy(self.exec) }, "freeing a recording"));
        if let Err(e) = gone {
            log::warn!("{e}");
        }
    }
}
