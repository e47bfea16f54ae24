//! Models as ONNX files: a small writer, and the chunk encoder by it. What the file of an encoder holds is described in
//! `docs/onnx.md`.

mod encoder;
mod graph;
mod wire;

#[cfg(any(feature = "tract", feature = "ort", test))]
pub(crate) use encoder::names;
pub use encoder::{encoder, export};
pub use graph::{Attribute, Dim, Element, Graph, OPSET, Value};
