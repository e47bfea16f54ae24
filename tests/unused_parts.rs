//! Tensors and hyperparameters that would be left unused are refused by name: whoever wrote them meant something by them.

use ramba::cpu::Cpu;
use ramba::model::{Config, Model};
use ramba::weights::Weights;
use ramba::{ErrorKind, Precision};
use test_support::gguf::string;
use test_support::model::Fixture;

/// The file with the value of `key` replaced by another of its length: u32 and bool values follow key and type.
fn with(name: &str, key: &str, value: &[u8]) -> Vec<u8> {
    let mut file = Fixture::open(name).bytes();
    let key = string(key.as_bytes());
    let at = file.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 4;
    file[at..at + value.len()].copy_from_slice(value);
    file
}

/// The file with `from`, a key or a name of a tensor, called `to`, which is as long.
fn renamed(name: &str, from: &str, to: &str) -> Vec<u8> {
    let mut file = Fixture::open(name).bytes();
    let (from, to) = (string(from.as_bytes()), string(to.as_bytes()));
    let at = file.windows(from.len()).position(|w| w == from).unwrap();
    file[at..at + to.len()].copy_from_slice(&to);
    file
}

/// Expects an error with all of `words`, from the header alone and from whoever loads the model.
fn refused(file: Vec<u8>, words: &[&str]) {
    let weights = Weights::from_bytes(file).unwrap();
    let header = Config::from_gguf(weights.gguf()).map(drop);
    let needs = ramba::MemoryNeeds::of(weights.gguf(), 1, Precision::F16).map(drop);
    let loaded = Model::load(&weights, Cpu::new(1).unwrap()).map(drop);
    for result in [header, needs, loaded] {
        let error = result.expect_err(&format!("accepted, where {words:?} was expected"));
        assert!(matches!(error.kind(), ErrorKind::Format | ErrorKind::Unsupported), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} is missing in: {error}");
        }
    }
}

fn n(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

#[test]
fn blocks_beyond_the_block_count() {
    // 2 lower blocks, then HSA layers with a block each.
    refused(with("base", "ramba.block_count", &n(3)), &["12 tensors", "\"blk.3.", "ramba.block_count", "8 more"]);
    refused(with("mamba2", "mamba2.block_count", &n(1)), &["\"blk.1.", "mamba2.block_count"]);
    refused(with("encoder_2", "ramba.encoder.block_count", &n(1)), &["\"enc.blk.1.", "ramba.encoder.block_count"]);
}

#[test]
fn an_upper_half_that_the_hyperparameters_leave_out() {
    refused(with("base", "ramba.upper_group_count", &n(0)), &["ramba.upper_group_count is 0", "ramba."]);
    refused(with("two_groups", "ramba.upper_group_count", &n(1)), &["\"ret.1.", "ramba.upper_group_count"]);
    // Nothing but the count of lower blocks tells.
    refused(with("plain_segments", "ramba.lower_block_count", &n(7)), &["ramba.lower_block_count is 7 of"]);
}

#[test]
fn parts_whose_switch_is_off_or_missing() {
    for (fixture, switch, tensor) in [
        ("base", "ramba.encoder.cls", "\"enc.cls\""),
        ("enc_prenorm", "ramba.encoder.prenorm", "\"enc.prenorm.weight\""),
        ("qk_norm", "ramba.attention.qk_norm", "\"chunk.k_norm.weight\""),
        ("landmark_norm", "ramba.retrieval.landmark_norm", "\"ret.0."),
        ("pos_decay", "ramba.retrieval.position_decay", "\"ret.0.pos_decay\""),
    ] {
        refused(with(fixture, switch, &[0]), &[tensor, switch]);
        // A key of no architecture, which nobody reads.
        let elsewhere = format!("other{}", &switch[5..]);
        refused(renamed(fixture, switch, &elsewhere), &[tensor, switch]);
    }
    refused(with("pos_decay", "ramba.retrieval.softmax", &[0]), &["ramba.retrieval.position_decay"]);
}

#[test]
fn keys_and_tensors_that_are_unknown() {
    refused(renamed("base", "ramba.retrieval.single_head", "ramba.retrieval.double_head"), &["double_head", "unknown"]);
    refused(renamed("plain_segments", "ramba.context_length", "ramba.context_Length"), &["ramba.context_Length"]);
    refused(renamed("base", "hsa.0.norm.weight", "hsa.0.gate.weight"), &["a tensor", "\"hsa.0.gate.weight\""]);
    refused(renamed("mamba2", "blk.0.ssm_dt.bias", "blk.0.ssm_in.bias"), &["\"blk.0.ssm_in.bias\""]);
}

#[test]
fn what_is_used_is_accepted() {
    for fixture in Fixture::all() {
        Config::from_gguf(fixture.weights().gguf()).unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
    }
    // Other keys are others' affair.
    let file = renamed("base", "general.file_type", "general.File_type");
    Config::from_gguf(Weights::from_bytes(file).unwrap().gguf()).unwrap();
}
