//! ONNX models from operators and constants. Field numbers are those of `onnx.proto` (<https://github.com/onnx/onnx>).

use crate::{Error, Result};

use super::wire::Message;

/// The version of the standard operators: the last one that takes the axes of `ReduceMean` as an attribute, which every
/// runtime in use understands.
pub const OPSET: i64 = 17;

/// The version of the file format that came with [`OPSET`].
const IR_VERSION: i64 = 8;

/// What protocol buffers allow in one message: 2 GiB.
const MAX_BYTES: usize = i32::MAX as usize;

/// The types of values, by their numbers in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats.
    F32 = 1,
    /// 64-bit signed integers.
    I64 = 7,
}

/// One dimension of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim {
    /// This many.
    Fixed(usize),
    /// Any number; the same for all dimensions of this name.
    Any(&'static str),
}

/// An attribute of an operator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attribute<'a> {
    /// A number.
    Int(i64),
    /// Numbers.
    Ints(&'a [i64]),
}

/// A value of the graph: an input, a constant or the result of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(String);

/// An ONNX graph being made. Operators are added in the order in which they run.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Message,
    constants: Message,
    inputs: Message,
    outputs: Message,
    /// Values that have been named.
    named: usize,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// An input.
    pub fn input(&mut self, name: &str, element: Element, dims: &[Dim]) -> Value {
        self.inputs.message(11, &described(name, element, dims));
        Value(name.to_owned())
    }

    /// A constant of shape `dims`, row-major. Names of constants are unique.
    ///
    /// # Errors
    /// `InvalidArgument` if `dims` are not those of `values`, `Unsupported` if the file would become larger than 2 GiB.
    pub fn constant(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Result<Value> {
        if dims.iter().try_fold(1usize, |p, &d| p.checked_mul(d)) != Some(values.len()) {
            return Err(Error::invalid(format!("constant {name:?}: {} values for {dims:?}", values.len())));
        }
        // Before anything is copied.
        self.check_size(values.len().saturating_mul(4))?;
        let mut tensor = self.tensor(name, Element::F32, dims);
        tensor.floats(9, values);
        self.constants.message(5, &tensor);
        Ok(Value(name.to_owned()))
    }

    /// A number, broadcast to any shape.
    ///
    /// # Errors
    /// As [`Graph::constant`].
    pub fn scalar(&mut self, value: f32) -> Result<Value> {
        let name = self.name("scalar");
        self.constant(&name, &[], &[value])
    }

    /// A list of integers: what shapes, axes and bounds are given by.
    pub fn integers(&mut self, values: &[i64]) -> Value {
        let name = self.name("integers");
        let mut tensor = self.tensor(&name, Element::I64, &[values.len()]);
        tensor.bytes(9, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
        self.constants.message(5, &tensor);
        Value(name)
    }

    /// The result of operator `op` of the standard.
    pub fn op(&mut self, op: &str, inputs: &[&Value]) -> Value {
        self.op_with(op, inputs, &[])
    }

    /// The result of operator `op` of the standard with attributes.
    pub fn op_with(&mut self, op: &str, inputs: &[&Value], attributes: &[(&str, Attribute<'_>)]) -> Value {
        let name = self.name(op);
        self.node(op, inputs, &name, attributes);
        Value(name)
    }

    /// Makes `value` an output.
    pub fn output(&mut self, name: &str, value: &Value, element: Element, dims: &[Dim]) {
        self.node("Identity", &[value], name, &[]);
        self.outputs.message(12, &described(name, element, dims));
    }

    /// The whole model, as the bytes of a file. `properties` are texts for whoever reads it.
    ///
    /// # Errors
    /// `Unsupported` if it is larger than the 2 GiB that the format allows.
    pub fn into_model(self, name: &str, properties: &[(&str, String)]) -> Result<Vec<u8>> {
        self.check_size(1 << 16)?;
        let mut graph = self.nodes;
        graph.bytes(2, name).append(&self.constants).append(&self.inputs).append(&self.outputs);
        drop(self.constants);
        let mut opset = Message::default();
        opset.bytes(1, "").int(2, OPSET);
        let mut model = Message::default();
        model.int(1, IR_VERSION).bytes(2, "ramba").bytes(3, env!("CARGO_PKG_VERSION"));
        model.message(7, &graph).message(8, &opset);
        for (key, value) in properties {
            let mut property = Message::default();
            property.bytes(1, key).bytes(2, value);
            model.message(14, &property);
        }
        Ok(model.into_bytes())
    }

    fn node(&mut self, op: &str, inputs: &[&Value], output: &str, attributes: &[(&str, Attribute<'_>)]) {
        let mut node = Message::default();
        for input in inputs {
            node.bytes(1, &input.0);
        }
        // Each has one result and goes by its name.
        node.bytes(2, output).bytes(3, output).bytes(4, op);
        for (name, attribute) in attributes {
            let mut message = Message::default();
            message.bytes(1, name);
            match attribute {
                Attribute::Int(value) => message.int(3, *value).int(20, 2),
                Attribute::Ints(values) => {
                    values.iter().for_each(|&v| _ = message.int(8, v));
                    message.int(20, 7)
                }
            };
            node.message(5, &message);
        }
        self.nodes.message(1, &node);
    }

    fn tensor(&self, name: &str, element: Element, dims: &[usize]) -> Message {
        let mut tensor = Message::default();
        dims.iter().for_each(|&dim| _ = tensor.int(1, dim as i64));
        tensor.int(2, element as i64).bytes(8, name);
        tensor
    }

    fn name(&mut self, what: &str) -> String {
        self.named += 1;
        format!("{what}.{}", self.named)
    }

    fn check_size(&self, more: usize) -> Result<()> {
        let parts = [&self.nodes, &self.constants, &self.inputs, &self.outputs];
        match parts.iter().fold(more, |sum, part| sum.saturating_add(part.len())) {
            0..=MAX_BYTES => Ok(()),
            _ => Err(Error::unsupported("an ONNX file of more than 2 GiB, which the format does not allow")),
        }
    }
}

/// The name and type of an input or output.
fn described(name: &str, element: Element, dims: &[Dim]) -> Message {
    let mut shape = Message::default();
    for dim in dims {
        let mut message = Message::default();
        match dim {
            Dim::Fixed(n) => message.int(1, *n as i64),
            Dim::Any(name) => message.bytes(2, name),
        };
        shape.message(1, &message);
    }
    let mut tensor = Message::default();
    tensor.int(1, element as i64).message(2, &shape);
    let mut of_type = Message::default();
    of_type.message(1, &tensor);
    let mut info = Message::default();
    info.bytes(1, name).message(2, &of_type);
    info
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn constants_have_the_shape_that_they_say() {
        let mut graph = Graph::new();
        assert_eq!(graph.constant("a", &[2, 3], &[0.0; 5]).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(graph.constant("a", &[usize::MAX, 2], &[0.0; 5]).unwrap_err().kind(), ErrorKind::InvalidArgument);
        graph.constant("a", &[2, 3], &[0.0; 6]).unwrap();
    }

    #[test]
    fn too_large_a_file_is_refused_before_it_is_made() {
        let graph = Graph::new();
        graph.check_size(MAX_BYTES).unwrap();
        assert_eq!(graph.check_size(MAX_BYTES + 1).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
