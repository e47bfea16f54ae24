//! ONNX Runtime that is not there: an error, at the second attempt too. A test file of its own, since what becomes of the
//! first attempt holds for the whole process.

#![cfg(feature = "ort")]

use std::path::PathBuf;

use ramba::weights::Weights;
use ramba::{EncoderOptions, ErrorKind, OrtOptions, chunk_encoder};

#[test]
fn every_attempt_is_an_error() {
    let weights = Weights::from_bytes(include_bytes!("fixtures/golden/base.gguf").to_vec()).unwrap();
    for library in ["/nowhere/libonnxruntime.so", "/elsewhere/libonnxruntime.so"] {
        let options = OrtOptions::default().library(PathBuf::from(library));
        let error = chunk_encoder::open(&EncoderOptions::Ort(options), &weights, 1).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.to_string().contains("/nowhere/"), "the first attempt decides: {error}");
    }
}
