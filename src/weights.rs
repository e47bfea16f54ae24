//! The model file in memory, and checked views of its tensors.
//!
//! The file is mapped, not read: pages come in when a kernel first touches them and the system may drop them again.
//! This is the only map of a file in the crate. What makes a map unsafe, and what follows for the user, is at
//! [`Weights::open`].
//!
//! A tensor is handed out only after its shape has matched what the model wants and all its scales (or, for plain
//! floats, all its values) have been seen to be finite.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

use crate::gguf::{Gguf, Quoted, TensorInfo, split};
use crate::quant::{self, DType};
use crate::{Error, ErrorKind, Result, room};

/// A model file, or all parts of a split one: its metadata and the bytes of its tensors. Cheap to clone; the clones share the file.
#[derive(Clone)]
pub struct Weights {
    /// One, or the parts of a split model in their order.
    files: Arc<[Arc<Bytes>]>,
    gguf: Arc<Gguf>,
    /// Told of the tensors that are handed out.
    watch: Option<Arc<Watch>>,
}

/// Where bytes are kept.
enum Bytes {
    Mapped(Mmap),
    Owned(Cow<'static, [u8]>),
}

/// Told how far the loading of a model has come: bytes of tensors that are loaded, and of all of them. May ask to stop.
#[derive(Clone)]
pub struct OnLoad(Arc<Tell>);

type Tell = dyn Fn(u64, u64) -> ControlFlow<()> + Send + Sync;

impl OnLoad {
    /// Calls `tell` now and then, always when all is loaded, on the thread that loads.
    pub fn new(tell: impl Fn(u64, u64) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for OnLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnLoad(…)")
    }
}

/// Who is told of the tensors that are handed out.
struct Watch {
    on_load: OnLoad,
    loaded: AtomicU64,
    all: u64,
}

impl Watch {
    fn tell(&self, loaded: u64) -> Result<()> {
        match (self.on_load.0)(loaded.min(self.all), self.all) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                Err(Error::new(ErrorKind::Cancelled, "loading the model was stopped by the caller"))
            }
        }
    }
}

impl Bytes {
    /// Maps the file at `path`.
    fn map(path: &Path) -> Result<Bytes> {
        let io = |e| Error::io(format!("opening the model {path:?}"), e);
        let file = File::open(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        if !meta.is_file() {
            return Err(io(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
        }
        if meta.len() == 0 {
            // Mapping nothing is an error of its own on some systems.
            return Err(Error::format("the file is empty"));
        }
        // SAFETY: the map is read-only and private to this module, which hands out `&[u8]` only. Such a slice is sound
        // while nobody changes the file. This process never writes to a model file; other processes cannot be
        // kept from it (advisory locks bind only the willing), so this is a documented condition of `Weights::open`, and
        // the damage of breaking it is bounded: nothing is read from the map that steers memory accesses, because
        // the header is copied out and checked once by `Gguf::parse`.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(format!("mapping the model {path:?}"), e))?;
        Ok(Bytes::Mapped(map))
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

impl Weights {
    /// Maps the model file at `path` and reads its header. If it is the first part of a split model
    /// (`…-00001-of-00003.gguf`), the other parts are looked for beside it.
    ///
    /// The file must not change while it is mapped. If another process truncates it, a read of the lost part kills
    /// this process (SIGBUS); if another process writes into it, the weights change under the kernels, which
    /// gives wrong numbers but no memory error, because no size, index or offset is ever read from tensor data.
    /// To replace a model, write a new file and rename it over the old one: a map keeps the old file alive.
    /// Where that cannot be relied on, read the file and use [`Weights::from_bytes`].
    ///
    /// # Errors
    /// `Io` if the file cannot be opened or mapped, or is not a regular file; `Format` for a later part of a split model and for parts
    /// that are missing or of another model; otherwise those of [`Gguf::parse`].
    pub fn open(path: &Path) -> Result<Weights> {
        let map = |path: &Path| {
            let bytes = Bytes::map(path)?;
            let gguf = Gguf::parse(bytes.as_slice())?;
            Ok((Arc::new(bytes), gguf))
        };
        let (files, gguf) = split::open_set(path, map).map_err(|e| match e.kind() {
            // Which names the path.
            ErrorKind::Io => e,
            _ => e.context(format_args!("model {path:?}")),
        })?;
        Ok(Weights { files: files.into_iter().map(|(_, bytes)| bytes).collect(), gguf: Arc::new(gguf), watch: None })
    }

    /// A model file that is in memory already: owned, or of the program itself and then not copied.
    ///
    /// # Errors
    /// Those of [`Gguf::parse`], and `Format` for a part of a split model.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Weights> {
        let bytes = bytes.into();
        let gguf = Gguf::parse(&bytes)?;
        if let Some((no, count)) = gguf.part()? {
            return Err(Error::format(format!(
                "part {} of {count} of a split model alone: such a model is opened by the path of its first part",
                no + 1
            )));
        }
        Ok(Weights { files: [Arc::new(Bytes::Owned(bytes))].into(), gguf: Arc::new(gguf), watch: None })
    }

    /// The same, whose tensors `on_load` is told of as they are handed out.
    pub(crate) fn watched(&self, on_load: Option<OnLoad>) -> Weights {
        let all = self.gguf.tensors().iter().map(|t| t.bytes as u64).sum();
        let watch = on_load.map(|on_load| Arc::new(Watch { on_load, loaded: AtomicU64::new(0), all }));
        Weights { watch, ..self.clone() }
    }

    /// Tells whoever watches that all is loaded.
    ///
    /// # Errors
    /// `Cancelled` if that is the answer.
    pub(crate) fn loaded(&self) -> Result<()> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch.tell(watch.all))
    }

    /// The metadata and the tensor table.
    pub fn gguf(&self) -> &Gguf {
        &self.gguf
    }

    /// The bytes of a tensor of the table, as they are in the file.
    pub(crate) fn bytes(&self, info: &TensorInfo) -> &[u8] {
        self.files
            .get(info.part)
            .and_then(|file| file.as_slice().get(info.offset..)?.get(..info.bytes))
            .unwrap_or_default()
    }

    /// The tensor `name` of any shape, seen as rows of its fastest dimension.
    ///
    /// # Errors
    /// `Format` if it is missing or holds NaN or infinity.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.view(self.info(name)?)
    }

    /// The matrix `name` of `rows` outputs × `cols` inputs (in the file: `[cols, rows]`).
    ///
    /// # Errors
    /// `Format` if it is missing, of another shape, or holds NaN or infinity.
    pub fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Tensor> {
        let info = self.info(name)?;
        if (info.rows(), info.cols()) != (rows, cols) {
            return Err(wrong_shape(info, &format!("[{cols}, {rows}]")));
        }
        self.view(info)
    }

    /// The matrix `name` (`rows` × `cols`) decoded to f32, row-major: for small ones such as convolutions.
    ///
    /// # Errors
    /// As [`Weights::matrix`].
    pub fn matrix_f32(&self, name: &str, rows: usize, cols: usize) -> Result<Vec<f32>> {
        self.matrix(name, rows, cols)?.to_f32()
    }

    /// The vector `name` of `len` values, decoded to f32. In the file it is `[len]`, with any dimensions of 1 around.
    ///
    /// # Errors
    /// `Format` if it is missing, of another shape, or holds NaN or infinity.
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        let info = self.info(name)?;
        let mut dims = info.dims.iter().filter(|&&d| d != 1);
        let found = dims.next().copied().unwrap_or(1);
        if found != len as u64 || dims.next().is_some() {
            return Err(wrong_shape(info, &format!("[{len}]")));
        }
        self.view(info)?.to_f32()
    }

    /// [`Weights::matrix`], or `None` if the file has no such tensor.
    ///
    /// # Errors
    /// As [`Weights::matrix`].
    pub fn try_matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Option<Tensor>> {
        self.gguf.tensor(name).map(|_| self.matrix(name, rows, cols)).transpose()
    }

    /// [`Weights::vector`], or `None` if the file has no such tensor.
    ///
    /// # Errors
    /// As [`Weights::vector`].
    pub fn try_vector(&self, name: &str, len: usize) -> Result<Option<Vec<f32>>> {
        self.gguf.tensor(name).map(|_| self.vector(name, len)).transpose()
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.gguf.tensor(name).ok_or_else(|| Error::format(format!("tensor {} is missing", Quoted(name))))
    }

    fn view(&self, info: &TensorInfo) -> Result<Tensor> {
        let tensor = Tensor {
            dtype: info.dtype,
            rows: info.rows(),
            cols: info.cols(),
            offset: info.offset,
            len: info.bytes,
            // The parts of a set were counted when it was opened.
            data: Arc::clone(&self.files[info.part]),
        };
        match quant::first_non_finite(tensor.dtype, tensor.bytes()) {
            Some(i) => Err(Error::format(format!(
                "tensor {} ({}, from byte {}): NaN or infinity in value {i} or the scale of its block",
                Quoted(&info.name),
                info.dtype,
                info.offset
            ))),
            None => {
                if let Some(watch) = &self.watch {
                    let bytes = tensor.len as u64;
                    watch.tell(watch.loaded.fetch_add(bytes, Ordering::Relaxed) + bytes)?;
                }
                Ok(tensor)
            }
        }
    }
}

fn wrong_shape(info: &TensorInfo, wanted: &str) -> Error {
    Error::format(format!("tensor {} has the shape {:?}, expected {wanted}", Quoted(&info.name), info.dims))
}

/// A matrix of weights, (rows, cols) row-major: outputs × inputs. Cheap to clone; the clones share the data.
///
/// The bytes are little-endian blocks of `dtype` without any promise of alignment in memory.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    rows: usize,
    cols: usize,
    /// Where the data lies in `data`.
    offset: usize,
    len: usize,
    data: Arc<Bytes>,
}

impl Tensor {
    /// A matrix of F32 that is not in a file: `values` is (rows, cols), row-major.
    ///
    /// # Errors
    /// `InvalidArgument` if `values` has another length.
    pub fn from_f32(rows: usize, cols: usize, values: Vec<f32>) -> Result<Tensor> {
        Tensor::from_bytes(DType::F32, rows, cols, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A matrix of `dtype` that is not in a file: `bytes` holds its rows as whole blocks.
    ///
    /// # Errors
    /// `InvalidArgument` if `bytes` has another length or the rows are not whole blocks.
    pub fn from_bytes(dtype: DType, rows: usize, cols: usize, bytes: Vec<u8>) -> Result<Tensor> {
        if dtype.row_bytes(cols).and_then(|b| b.checked_mul(rows)) != Some(bytes.len()) {
            return Err(Error::invalid(format!("{} bytes are not {rows} x {cols} values of {dtype}", bytes.len())));
        }
        Ok(Tensor { dtype, rows, cols, offset: 0, len: bytes.len(), data: Arc::new(Bytes::Owned(bytes.into())) })
    }

    /// How the values are stored.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Rows: outputs of the matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values in a row: inputs of the matrix.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.len.checked_div(self.rows).unwrap_or(0)
    }

    /// All rows: `rows · row_bytes` bytes.
    pub fn bytes(&self) -> &[u8] {
        // Within bounds: `Gguf::parse` or `from_bytes` has checked it.
        self.data.as_slice().get(self.offset..self.offset + self.len).unwrap_or_default()
    }

    /// Row `i`; empty past the end.
    pub fn row(&self, i: usize) -> &[u8] {
        let len = self.row_bytes();
        let start = i.saturating_mul(len);
        self.bytes().get(start..start.saturating_add(len)).unwrap_or_default()
    }

    /// Tells the system that the bytes are not needed soon. Where they are mapped from a file, their pages count no longer as memory of this
    /// process, and come back when they are read.
    pub(crate) fn give_back(&self) {
        #[cfg(unix)]
        if let Bytes::Mapped(map) = &*self.data {
            // SAFETY: what this advice can lose is what has been written. The map is read-only and of a file, so that the next read finds the
            // same bytes; pages that are shared with other tensors too.
            let given =
                unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, self.offset, self.len) };
            if let Err(e) = given {
                log::debug!("pages of the model stay mapped: {e}");
            }
        }
    }

    /// All values, decoded: (rows, cols), row-major.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let mut values = room::filled(self.rows * self.cols, 0.0)?;
        quant::dequantize(self.dtype, self.bytes(), &mut values)?;
        Ok(values)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} x {}, {})", self.rows, self.cols, self.dtype)
    }
}
