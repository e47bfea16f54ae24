//! The kernels by name: machine code made with the program, or else compiled by NVRTC when first used.

use std::ffi::CString;
use std::io::Write;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use cudarc::driver::sys;
use cudarc::nvrtc;
use zerocopy::{Immutable, IntoBytes};

use super::arguments::same;
use super::driver::{Context, check};
use crate::unfinished::Unfinished;
use crate::{Error, ErrorKind, Result};

/// One file of `kernels/`.
struct Source {
    name: &'static str,
    text: &'static str,
    /// Machine code for several devices, if there was a compiler.
    binary: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// A loaded kernel.
struct Function {
    handle: sys::CUfunction,
    /// Bytes of dynamic shared memory that it may use.
    shared: AtomicUsize,
}

/// All kernels of a device.
pub(super) struct Kernels {
    context: Arc<Context>,
    modules: Vec<sys::CUmodule>,
    /// In the order of [`PARAMETERS`], each since it was first used.
    functions: Vec<OnceLock<Function>>,
}

// SAFETY: modules and functions may be used from any thread in which the context is current.
unsafe impl Send for Kernels {}
// SAFETY: as above.
unsafe impl Sync for Kernels {}
// SAFETY: a function may be used from any thread in which the context is current.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

/// Dynamic shared memory that every kernel may use unasked.
const SHARED: usize = 48 << 10;

impl Kernels {
    /// # Errors
    /// `Unsupported` if there is no machine code for this device and no NVRTC to make it.
    pub fn load(context: &Arc<Context>) -> Result<Kernels> {
        context.enter()?;
        let mut kernels = Kernels {
            context: Arc::clone(context),
            modules: Vec::new(),
            functions: PARAMETERS.iter().map(|_| OnceLock::new()).collect(),
        };
        for source in SOURCES {
            let module = match source.binary.map(load_module) {
                Some(Ok(module)) => module,
                // Made for other devices only.
                Some(Err(e)) => {
                    log::info!("kernels {}: {e}; compiling them here", source.name);
                    load_module(&compile(source, context.capability)?)?
                }
                None => load_module(&compile(source, context.capability)?)?,
            };
            kernels.modules.push(module);
        }
        Ok(kernels)
    }

    fn function<A: Arguments>(&self, kernel: Kernel<A>) -> Result<&Function> {
        let (name, place) = (kernel.name(), &self.functions[kernel.number]);
        if let Some(function) = place.get() {
            return Ok(function);
        }
        self.context.enter()?;
        let symbol = CString::new(name).map_err(|_| Error::invalid(format!("kernel {name:?}")))?;
        let find = |module: &sys::CUmodule| {
            let mut handle = std::ptr::null_mut();
            // SAFETY: the module is loaded, the name ends with a zero, the result goes to a place of its type.
            let status = unsafe { sys::cuModuleGetFunction(&mut handle, *module, symbol.as_ptr()) };
            (status == sys::CUresult::CUDA_SUCCESS).then_some(handle)
        };
        let handle = self.modules.iter().find_map(find);
        let handle = handle.ok_or_else(|| Error::new(ErrorKind::Device, format!("there is no kernel {name}")))?;
        Ok(place.get_or_init(|| Function { handle, shared: AtomicUsize::new(SHARED) }))
    }

    /// The function of a kernel, for `grid` blocks with `shared` bytes of dynamic shared memory each.
    ///
    /// # Errors
    /// `Unsupported` for more blocks or shared memory than the device has, `Device` if there is no such kernel.
    pub fn prepare<A: Arguments>(&self, kernel: Kernel<A>, grid: [usize; 3], shared: usize) -> Result<sys::CUfunction> {
        let limits = [i32::MAX as usize, 65535, 65535];
        if grid.iter().zip(limits).any(|(&g, limit)| g > limit) || shared > self.context.shared {
            let name = kernel.name();
            return Err(Error::unsupported(format!("{name}: {grid:?} blocks with {shared} bytes of shared memory")));
        }
        let function = self.function(kernel)?;
        if shared > function.shared.load(Ordering::Relaxed) {
            self.context.enter()?;
            let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function is loaded.
            check(unsafe { sys::cuFuncSetAttribute(function.handle, attribute, shared as i32) }, kernel.name())?;
            function.shared.store(shared, Ordering::Relaxed);
        }
        Ok(function.handle)
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        for module in &self.modules {
            // SAFETY: loaded by `load`; nothing runs any more, because whoever launches waits before it lets go.
            let gone =
                self.context.enter().and_then(|()| check(unsafe { sys::cuModuleUnload(*module) }, "unloading kernels"));
            if let Err(e) = gone {
                log::warn!("{e}");
            }
        }
    }
}

fn load_module(image: &[u8]) -> Result<sys::CUmodule> {
    let mut module = std::ptr::null_mut();
    // SAFETY: the image is a fat binary, which says how long it is, or text with a zero at the end.
    check(unsafe { sys::cuModuleLoadData(&mut module, image.as_ptr().cast()) }, "loading kernels")?;
    Ok(module)
}

/// PTX of `source` for a device, with a zero at the end; kept on disk.
fn compile(source: &Source, (major, minor): (i32, i32)) -> Result<Vec<u8>> {
    let text = source.text.replace("#include \"common.cuh\"", COMMON).replace("#pragma once", "");
    let arch = format!("compute_{major}{minor}");
    let sum = crc32fast::hash(text.as_bytes());
    let cache = cache_folder().map(|dir| dir.join(format!("{}-{arch}-{sum:08x}-{}.ptx", source.name, text.len())));
    if let Some(kept) = cache.as_ref().and_then(|path| std::fs::read(path).ok()).filter(|kept| kept.last() == Some(&0))
    {
        return Ok(kept);
    }
    // SAFETY: only looks for the library.
    if !unsafe { nvrtc::sys::is_culib_present() } {
        return Err(Error::unsupported(format!(
            "this build has no kernels for compute capability {major}.{minor}, and the library to compile them (libnvrtc) is \
             not installed"
        )));
    }
    let options = nvrtc::CompileOptions {
        options: vec![format!("--gpu-architecture={arch}"), "--std=c++17".to_owned()],
        ..nvrtc::CompileOptions::default()
    };
    let ptx = nvrtc::compile_ptx_with_opts(text, options)
        .map_err(|e| Error::new(ErrorKind::Device, format!("compiling the kernels {}: {e:?}", source.name)))?;
    let mut ptx = ptx.to_src().into_bytes();
    ptx.retain(|&b| b != 0);
    ptx.push(0);
    if let Some(path) = cache {
        // Only a cache. Nobody reads half of it: it gets its name when it is complete.
        if let Err(e) = keep(&path, &ptx) {
            log::info!("compiled kernels are not kept: {e}");
        }
    }
    Ok(ptx)
}

fn keep(path: &Path, ptx: &[u8]) -> Result<()> {
    let io = |e| Error::io(format!("writing {}", path.display()), e);
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(io)?;
    let mut file = Unfinished::create(path)?;
    file.file().write_all(ptx).map_err(io)?;
    file.finish()
}

/// `$RAMBA_CACHE`, or `ramba` in the user's folder for caches.
fn cache_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    folder("RAMBA_CACHE")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("ramba")))
        .or_else(|| Some(folder("HOME")?.join(".cache/ramba")))
}

/// A parameter of a kernel: plain data as CUDA C++ lays it out.
///
/// # Safety
/// The type must have the layout of its twins in the kernels.
pub(super) unsafe trait Argument: Copy + IntoBytes + Immutable {
    /// Its twins there; `*` stands for all pointers.
    const TYPES: &'static [&'static str];
}
// SAFETY: as the names say.
unsafe impl Argument for u32 {
    const TYPES: &'static [&'static str] = &["u32"];
}
// SAFETY: as the names say; a place on the device is a number of 64 bits.
unsafe impl Argument for u64 {
    const TYPES: &'static [&'static str] = &["u64", "*"];
}
// SAFETY: as the names say.
unsafe impl Argument for f32 {
    const TYPES: &'static [&'static str] = &["float"];
}

/// The arguments of a kernel: a tuple of [`Argument`]s.
pub(super) trait Arguments {
    /// For each, the types that it is a twin of.
    const TYPES: &'static [&'static [&'static str]];
    /// For each, its words.
    const WORDS: &'static [usize];

    /// Appends them to `words`, each from a new word on.
    fn write(&self, words: &mut Vec<u64>);
}

/// Words that an argument begins and ends with.
const fn words<A>() -> usize {
    size_of::<A>().div_ceil(8)
}

macro_rules! arguments {
    ($($name:ident)*) => {
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            const TYPES: &'static [&'static [&'static str]] = &[$($name::TYPES),*];
            const WORDS: &'static [usize] = &[$(words::<$name>()),*];

            #[allow(non_snake_case)]
            fn write(&self, all: &mut Vec<u64>) {
                let (($($name,)*), start) = (self, all.len());
                all.resize(start + const { 0 $(+ words::<$name>())* }, 0);
                let own = all[start..].as_mut_bytes();
                $(let (place, own) = own.split_at_mut(8 * words::<$name>());
                place[..size_of::<$name>()].copy_from_slice($name.as_bytes());)*
                let _ = own;
            }
        }
    };
}
arguments!(A B C);
arguments!(A B C D);
arguments!(A B C D E);
arguments!(A B C D E F);
arguments!(A B C D E F G);
arguments!(A B C D E F G H);
arguments!(A B C D E F G H I);
arguments!(A B C D E F G H I J);
arguments!(A B C D E F G H I J K);
arguments!(A B C D E F G H I J K L);
arguments!(A B C D E F G H I J K L M);

/// A kernel that takes `A`.
pub(super) struct Kernel<A> {
    /// Its place in [`PARAMETERS`].
    number: usize,
    arguments: PhantomData<fn(A)>,
}

impl<A> Clone for Kernel<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Kernel<A> {}

impl<A: Arguments> Kernel<A> {
    /// Evaluated by the compiler, it does not compile for a name that no kernel has, or if the kernel takes other arguments.
    pub const fn named(name: &'static str) -> Self {
        let mut i = 0;
        while !same(PARAMETERS[i].0, name) {
            i += 1;
            assert!(i < PARAMETERS.len(), "there is a kernel of this name");
        }
        let (number, parameters) = (i, PARAMETERS[i].1);
        assert!(parameters.len() == A::TYPES.len(), "as many arguments as the kernel has parameters");
        let mut i = 0;
        while i < parameters.len() {
            let (types, mut j) = (A::TYPES[i], 0);
            while !same(types[j], parameters[i]) {
                j += 1;
                assert!(j < types.len(), "an argument of the type of the kernel's parameter");
            }
            i += 1;
        }
        Self { number, arguments: PhantomData }
    }

    pub fn name(self) -> &'static str {
        PARAMETERS[self.number].0
    }
}

/// [`Stream::launch`](super::stream::Stream::launch) of a kernel, a [`Kernel`] or its name, with a list of [`Argument`]s; to be used inside
/// `unsafe`, with the reason why the buffers are as long as the kernel reads and writes. With `together:` in front, of a kernel whose
/// blocks wait for each other.
macro_rules! launch {
    (@kernel $name:literal) => { const { $crate::cuda::module::Kernel::named($name) } };
    (@kernel $kernel:ident) => { $kernel };
    ($kernels:expr, $stream:expr, $kernel:tt, $grid:expr, $block:expr, $shared:expr; $($argument:expr),* $(,)?) => {
        $crate::cuda::module::launch!(@ false, $kernels, $stream, $kernel, $grid, $block, $shared; $($argument),*)
    };
    (together: $kernels:expr, $stream:expr, $kernel:tt, $grid:expr, $block:expr, $shared:expr; $($argument:expr),* $(,)?) => {
        $crate::cuda::module::launch!(@ true, $kernels, $stream, $kernel, $grid, $block, $shared; $($argument),*)
    };
    (@ $together:expr, $kernels:expr, $stream:expr, $kernel:tt, $grid:expr, $block:expr, $shared:expr; $($argument:expr),*) => {
        $stream.launch(
            &$kernels, $crate::cuda::module::launch!(@kernel $kernel), $grid, $block, $shared, $together, &($($argument,)*),
        )
    };
}
pub(super) use launch;

#[cfg(test)]
mod tests {
    use super::super::weight::Parts;
    use super::*;

    /// What the compiler is asked in constants, asked here: names and parameters come from the kernels' sources.
    #[test]
    fn a_kernel_is_named_with_its_own_arguments_only() {
        fn named<A: Arguments>(name: &'static str) -> bool {
            std::panic::catch_unwind(|| Kernel::<A>::named(name).name()).is_ok_and(|found| found == name)
        }
        assert!(named::<(u64, u64, u64)>("silu_mul"));
        assert!(!named::<(u64, u64, u32)>("silu_mul"), "a number of another length");
        assert!(!named::<(u64, u64, f32)>("silu_mul"), "another type");
        assert!(!named::<(u64, u64, u64, u64)>("silu_mul"), "one more");
        assert!(!named::<(u64, u64, u64)>("silu_mull"), "another name");
        // Made by macros of macros.
        assert!(named::<(Parts, u64, u64, u32, f32, u64, u32)>("matvec_q4_k_4"));
        assert!(!named::<(Parts, u64, u64, f32, u32, u64, u32)>("matvec_q4_k_4"), "two in another order");
    }

    #[test]
    fn every_argument_begins_with_a_new_word() {
        type Three = (u32, Parts, f32);
        assert_eq!(Three::WORDS, [1, 5, 1]);
        let parts = Parts::new([2, 3, 4, 5], 6, 7);
        let mut words = vec![9];
        (1u32, parts, 1.0f32).write(&mut words);
        let [size, one] = [6 | 7 << 32, u64::from(1f32.to_bits())];
        assert_eq!(words, [9, 1, 2, 3, 4, 5, size, one], "on a machine of little-endian words");
    }

    /// It is stricter than nvcc: no generic lambda, for one.
    #[test]
    fn nvrtc_compiles_every_source() {
        // SAFETY: only looks for the library.
        if !unsafe { nvrtc::sys::is_culib_present() } {
            return test_support::require::lacking("libnvrtc is not installed: nothing is compiled by it");
        }
        for source in SOURCES {
            for capability in [(7, 5), (8, 7), (9, 0)] {
                let ptx = compile(source, capability).unwrap();
                assert!(ptx.ends_with(&[0]) && ptx.windows(6).any(|w| w == b".entry"), "{}", source.name);
            }
        }
    }
}
