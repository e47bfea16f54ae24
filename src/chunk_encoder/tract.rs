//! The encoder by tract: pure Rust, on the CPU, one thread a call.

use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::DimLike;

use crate::gguf::Quoted;
use crate::model::{ChunkEncoder, Memories};
use crate::{Error, Result, room};

use super::guarded;
use super::signature::{Port, Signature};

type Plan = TypedRunnableModel<TypedModel>;

/// An ONNX model that tract has prepared.
pub(super) struct Tract {
    /// For one chunk, so that every shape is known and checked when it is made; with the number of chunks open it is no faster.
    /// Calls share it, and each has its own state.
    plan: Plan,
    signature: Signature,
}

impl Tract {
    /// Prepares the ONNX model in `bytes`.
    ///
    /// # Errors
    /// `Format` if it is damaged or of other shapes than `signature`'s.
    pub fn new(bytes: &[u8], signature: Signature) -> Result<Self> {
        // It ends the process if it gets no memory: some is asked for first.
        room::check(bytes.len().saturating_mul(8))?;
        let plan = guarded("tract", || prepare(bytes, &signature))?;
        Ok(Self { plan, signature })
    }
}

fn prepare(mut bytes: &[u8], signature: &Signature) -> Result<Plan> {
    let onnx = tract_onnx::onnx();
    let proto = onnx.proto_model_for_read(&mut bytes).map_err(damaged)?;
    check_nodes(&proto)?;
    // From memory, so that the file can name no other files.
    let mut model = onnx.model_for_proto_model(&proto).map_err(damaged)?;
    let mut inputs = Vec::new();
    for &outlet in model.input_outlets().map_err(damaged)? {
        inputs.push(port(model.node(outlet.node).name.clone(), model.outlet_fact(outlet).map_err(damaged)?));
    }
    signature.check_inputs(&inputs)?;

    let [chunk, hidden] = signature.input();
    model.set_input_fact(0, f32::fact([1, chunk, hidden]).into()).map_err(damaged)?;
    // First whether they are there, for a clear message.
    let labels: Vec<_> = model.outputs.iter().map(|&o| model.outlet_label(o).unwrap_or_default().to_owned()).collect();
    let named = |name: &str| Port { name: name.to_owned(), f32: None, dims: None };
    signature.check_outputs(&labels.iter().map(|name| named(name)).collect::<Vec<_>>())?;
    let wanted = signature.outputs();
    model.set_output_names(wanted.each_ref().map(|(name, _)| name)).map_err(damaged)?;

    let model = model.into_typed().map_err(damaged)?;
    let mut outputs = Vec::new();
    for (&outlet, (name, _)) in model.outputs.iter().zip(&wanted) {
        let fact = model.outlet_fact(outlet).map_err(damaged)?;
        let mut dims: Vec<_> = fact.shape.iter().map(|d| d.to_usize().ok()).collect();
        // The one chunk stands for any number of them.
        dims.iter_mut().take(1).for_each(|d| *d = d.filter(|&d| d != 1));
        outputs.push(Port {
            name: (*name).to_owned(),
            f32: Some(fact.datum_type == f32::datum_type()),
            dims: Some(dims),
        });
    }
    signature.check_outputs(&outputs)?;
    model.into_optimized().and_then(|model| model.into_runnable()).map_err(damaged)
}

/// Refuses what tract takes for granted: for a transposition that is none it would allocate for ever. Graphs inside of
/// operators are not looked into, and refused.
fn check_nodes(proto: &pb::ModelProto) -> Result<()> {
    for node in proto.graph.iter().flat_map(|graph| &graph.node) {
        for attribute in &node.attribute {
            if attribute.g.is_some() || !attribute.graphs.is_empty() {
                return Err(Error::format(format!("operator {} holds a graph", Quoted(&node.name))));
            }
            if node.op_type != "Transpose" {
                continue;
            }
            let mut order = attribute.ints.clone();
            order.sort_unstable();
            if !order.iter().copied().eq((0..).take(order.len())) {
                return Err(Error::format(format!(
                    "operator {}: {:?} is no order",
                    Quoted(&node.name),
                    attribute.ints
                )));
            }
        }
    }
    Ok(())
}

/// What the file says of an input.
fn port(name: String, fact: &InferenceFact) -> Port {
    let dims: Vec<_> = fact.shape.dims().map(|d| d.concretize().and_then(|d| d.to_usize().ok())).collect();
    Port {
        name,
        f32: fact.datum_type.concretize().map(|t| t == f32::datum_type()),
        dims: (!fact.shape.is_open()).then_some(dims),
    }
}

impl ChunkEncoder for Tract {
    fn encode(&self, hidden: &[f32], chunks: usize, out: &mut Memories) -> Result<()> {
        self.signature.check_hidden(hidden, chunks)?;
        let [chunk, width] = self.signature.input();
        let outputs = self.signature.outputs();
        let [mut keys, mut values, mut landmarks] = outputs.each_ref().map(|(_, dims)| {
            let each: usize = dims.iter().product();
            Vec::with_capacity(chunks * each)
        });
        for hidden in hidden.chunks_exact(chunk * width) {
            let results = guarded("tract", || {
                let input = Tensor::from_shape(&[1, chunk, width], hidden).map_err(failed)?;
                self.plan.run(tvec![input.into_tvalue()]).map_err(failed)
            })?;
            let all = [&mut keys, &mut values, &mut landmarks];
            for ((all, result), (name, dims)) in all.into_iter().zip(&results).zip(&outputs) {
                if result.shape().split_first() != Some((&1, dims)) {
                    let shape = result.shape();
                    return Err(Error::format(format!("output \"{name}\" came as {shape:?} for a chunk of {dims:?}")));
                }
                all.extend_from_slice(result.as_slice::<f32>().map_err(failed)?);
            }
        }
        out.fill(chunks, &keys, &values, &landmarks)
    }
}

fn damaged(error: TractError) -> Error {
    // With the chain of causes, of which the last says what it is.
    Error::format(format!("tract: {error:#}"))
}

fn failed(error: TractError) -> Error {
    Error::format(format!("tract, while running: {error:#}"))
}
