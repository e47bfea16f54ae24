//! Any bytes as a model file: parsing, lookups and tensor views must not panic, hang or allocate by counts of the file,
//! and what they accept must be consistent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ramba::gguf::Value;
use ramba::weights::Weights;

fuzz_target!(|file: &[u8]| {
    let Ok(weights) = Weights::from_bytes(file.to_vec()) else { return };
    let gguf = weights.gguf();
    for (key, value) in gguf.entries() {
        assert!(std::ptr::eq(gguf.get(key).expect("listed"), value));
        assert_eq!(gguf.opt_u32(key).is_ok(), matches!(value, Value::U32(_)));
        assert_eq!(gguf.array(key).is_ok(), matches!(value, Value::Array(_)));
        if let Ok(strings) = gguf.strings(key) {
            assert!((0..strings.len()).all(|i| strings.get(i).is_some()) && strings.get(strings.len()).is_none());
        }
    }
    for t in gguf.tensors() {
        assert_eq!(gguf.tensor(&t.name), Some(t));
        assert!(t.offset.checked_add(t.bytes).is_some_and(|end| end <= file.len()));
        let Ok(tensor) = weights.matrix(&t.name, t.rows(), t.cols()) else { continue };
        assert_eq!(tensor.row_bytes() * tensor.rows(), tensor.bytes().len());
        assert!(tensor.to_f32().expect("lengths were checked").iter().all(|v| v.is_finite()));
    }
});
