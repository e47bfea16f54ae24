//! Chunk encoders: the ONNX file has the layout that is documented, and tract and ONNX Runtime make the same memories of
//! it as the built-in encoder.
//!
//! Tests of ONNX Runtime need its library: they run if `ORT_DYLIB_PATH` names one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ramba::cpu::Cpu;
use ramba::memory::Precision;
use ramba::model::{ChunkEncoder, Config, HsaConfig, Logits, Memories, Model, NativeEncoder};
use ramba::weights::Weights;
use ramba::{
    AskOptions, EncoderOptions, Engine, EngineOptions, ErrorKind, OrtOptions, Provider, SessionOptions, chunk_encoder,
    onnx,
};
use test_support::model::{Fixture, Runner, relative};

/// The runtimes that this build has, by the options that choose them, for an encoder in `file` or the model's own.
fn runtimes(file: Option<&Path>) -> Vec<(&'static str, EncoderOptions)> {
    let file = file.map(Path::to_owned);
    let mut runtimes = Vec::new();
    if cfg!(feature = "tract") {
        runtimes.push(("tract", EncoderOptions::Tract { file: file.clone() }));
    }
    if ort_is_here() {
        runtimes.push(("ort", EncoderOptions::Ort(OrtOptions::default().file(file))));
    }
    if runtimes.is_empty() {
        test_support::require::not_built("other encoders than the built-in one (features tract and ort)");
    }
    runtimes
}

fn ort_is_here() -> bool {
    let named = std::env::var_os("ORT_DYLIB_PATH").is_some_and(|path| !path.is_empty());
    if cfg!(feature = "ort") && !named {
        test_support::require::lacking("ONNX Runtime: ORT_DYLIB_PATH names no library");
    }
    cfg!(feature = "ort") && named
}

/// Every fixture that has an encoder.
fn fixtures() -> Vec<(Fixture, Config, HsaConfig)> {
    let all = Fixture::all().into_iter().map(|f| (Config::from_gguf(f.weights().gguf()).unwrap(), f));
    all.filter_map(|(config, f)| config.hsa.clone().map(|hsa| (f, config, hsa))).collect()
}

/// Hidden states that look like a residual stream: some dimensions much larger than others.
fn hidden_states(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n * width).map(|i| uniform() * if i % width % 7 == 3 { 20.0 } else { 2.0 }).collect()
}

fn encode(encoder: &dyn ChunkEncoder, hidden: &[f32], chunks: usize, shape: &Memories) -> Memories {
    let mut memories = shape.clone();
    encoder.encode(hidden, chunks, &mut memories).unwrap();
    assert_eq!(memories.iter().count(), chunks);
    memories
}

/// The largest difference of keys, values and landmarks.
fn difference(a: &Memories, b: &Memories) -> f32 {
    assert_eq!(a.iter().count(), b.iter().count());
    let parts = a.iter().zip(b.iter()).flat_map(|(a, b)| {
        [(a.keys, b.keys), (a.values, b.values), (a.landmark, b.landmark)]
            .into_iter()
            .flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>())
    });
    parts.fold(0.0, |most, d| if d.is_nan() { f32::NAN } else { most.max(d) })
}

/// The same model with all matrices in F32: for products of 8-bit numbers the built-in encoder rounds activations too,
/// which ONNX files, whose weights are decoded, do not.
fn in_f32(f: &Fixture) -> Weights {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from.gguf"), dir.path().join("f32.gguf"));
    std::fs::write(&from, f.bytes()).unwrap();
    let keep = |_: ramba::convert::Progress<'_>| std::ops::ControlFlow::Continue(());
    ramba::convert::quantize(&from, &to, &"F32".parse().unwrap(), &mut { keep }).unwrap();
    Weights::from_bytes(std::fs::read(&to).unwrap()).unwrap()
}

#[test]
fn runtimes_agree_with_the_built_in_encoder() {
    let mut worst: Vec<(&str, f32)> = Vec::new();
    for (f, config, hsa) in fixtures() {
        let weights = if f.quantized() { in_f32(&f) } else { f.weights() };
        let native = NativeEncoder::load(&weights, Cpu::new(2).unwrap()).unwrap();
        let none = Memories::new(config.chunk_shape().unwrap());
        for (name, options) in runtimes(None) {
            // Of the file as it is, also where its weights are quantized: both decode them to the same numbers.
            let encoder = chunk_encoder::open(&options, &f.weights(), 2).unwrap().unwrap();
            // Large batches and then a small one again.
            for chunks in [1, 2, 7, 3] {
                let hidden = hidden_states(chunks * hsa.chunk_size, config.hidden, chunks as u64);
                let ours = encode(&native, &hidden, chunks, &none);
                let theirs = encode(encoder.as_ref(), &hidden, chunks, &none);
                let off = difference(&ours, &theirs);
                assert!(off <= 1e-3, "{} by {name}, {chunks} chunks: off by {off:e}", f.name);
                match worst.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, most)) => *most = most.max(off),
                    None => worst.push((name, off)),
                }
            }
        }
    }
    println!("largest differences from the built-in encoder: {worst:?}");
}

#[test]
#[ignore = "prints the table of docs/parity.md"]
fn parity_table() {
    println!("| model | {} |", runtimes(None).iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | "));
    for (f, config, hsa) in fixtures() {
        let weights = if f.quantized() { in_f32(&f) } else { f.weights() };
        let native = NativeEncoder::load(&weights, Cpu::new(2).unwrap()).unwrap();
        let none = Memories::new(config.chunk_shape().unwrap());
        let mut cells = Vec::new();
        for (_, options) in runtimes(None) {
            let encoder = chunk_encoder::open(&options, &f.weights(), 2).unwrap().unwrap();
            let worst = [1, 2, 7].map(|chunks| {
                let hidden = hidden_states(chunks * hsa.chunk_size, config.hidden, chunks as u64);
                let ours = encode(&native, &hidden, chunks, &none);
                difference(&ours, &encode(encoder.as_ref(), &hidden, chunks, &none))
            });
            cells.push(format!("{:.1e}", worst.into_iter().fold(0.0, f32::max)));
        }
        println!("| `{}` | {} |", f.name, cells.join(" | "));
    }
}

/// The other way into the encoder: chunks that end while the whole model runs.
#[test]
fn logits_do_not_depend_on_the_runtime() {
    let f = Fixture::open("base");
    let run = |encoder: Option<Arc<dyn ChunkEncoder>>| {
        let model = Model::load_with(&f.weights(), Cpu::new(1).unwrap(), encoder).unwrap();
        Runner::new(&model, Precision::F32).advance(&f.tokens(), Logits::All)
    };
    let native = run(None);
    for (name, options) in runtimes(None) {
        let off = relative(&run(chunk_encoder::open(&options, &f.weights(), 1).unwrap()), &native);
        assert!(off < 1e-3, "{name}: logits are off by {off:e}");
    }
}

fn shipped() -> PathBuf {
    test_support::shipped()
}

#[test]
fn answers_do_not_depend_on_the_runtime() {
    let text = format!(
        "{} The pass key of QXRT is 482913. {}",
        "The grass is green. The sky is blue. ".repeat(400),
        "The sun is yellow. Here we go. ".repeat(400)
    );
    let answer = |encoder: EncoderOptions| {
        let engine = Engine::open(shipped(), &EngineOptions::default().threads(2).encoder(encoder)).unwrap();
        let mut session = engine.session(&SessionOptions::default()).unwrap();
        session.feed(&text).unwrap();
        let answer = session.answer("What is the pass key of QXRT?", &AskOptions::default()).unwrap();
        (answer.text, answer.sources[0].bytes.clone())
    };
    let native = answer(EncoderOptions::Native);
    assert_eq!(native.0.trim(), "482913");
    for (name, options) in runtimes(None) {
        assert_eq!(answer(options), native, "{name}");
    }
}

/// Writes the encoder of a fixture to a file.
fn export(fixture: &str, dir: &Path) -> PathBuf {
    let path = dir.join(format!("{fixture}.onnx"));
    std::fs::write(&path, onnx::encoder(&Fixture::open(fixture).weights()).unwrap()).unwrap();
    path
}

#[test]
fn an_encoder_from_elsewhere_takes_the_place_of_the_built_in_one() {
    let dir = tempfile::tempdir().unwrap();
    // Of the same shapes, with other weights and two layers instead of one.
    let (base, other) = (Fixture::open("base"), Fixture::open("encoder_2"));
    let config = Config::from_gguf(base.weights().gguf()).unwrap();
    let none = Memories::new(config.chunk_shape().unwrap());
    let hidden = hidden_states(2 * none.shape().chunk_size, config.hidden, 5);
    let native =
        |f: &Fixture| encode(&NativeEncoder::load(&f.weights(), Cpu::new(1).unwrap()).unwrap(), &hidden, 2, &none);
    for (name, options) in runtimes(Some(&export("encoder_2", dir.path()))) {
        let encoder = chunk_encoder::open(&options, &base.weights(), 1).unwrap().unwrap();
        let memories = encode(encoder.as_ref(), &hidden, 2, &none);
        assert!(difference(&memories, &native(&other)) < 1e-3, "{name}");
        assert!(difference(&memories, &native(&base)) > 0.1, "{name}");
    }
}

#[test]
fn an_encoder_of_other_shapes_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let base = Fixture::open("base").weights();
    let shipped = dir.path().join("shipped.onnx");
    std::fs::write(&shipped, onnx::encoder(&Weights::open(&self::shipped()).unwrap()).unwrap()).unwrap();
    // What the encoder makes has other names: it is no encoder.
    let mut renamed = onnx::encoder(&base).unwrap();
    for at in 0..renamed.len() - 9 {
        if &renamed[at..at + 9] == b"landmarks" {
            renamed[at..at + 9].copy_from_slice(b"somewhere");
        }
    }
    let other = dir.path().join("renamed.onnx");
    std::fs::write(&other, renamed).unwrap();
    for (file, words) in [(shipped, ["\"hidden\"", "(any, 16, 32)"]), (other, ["no output", "\"landmarks\""])] {
        for (name, options) in runtimes(Some(&file)) {
            let error = chunk_encoder::open(&options, &base, 1).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Format, "{name}: {error}");
            for word in words {
                assert!(error.to_string().contains(word), "{name}: {error}");
            }
        }
    }
    // Landmarks of two heads where the model has one.
    for (name, options) in runtimes(Some(&export("qk_norm", dir.path()))) {
        let error = chunk_encoder::open(&options, &base, 1).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Format, "{name}: {error}");
    }
    for (_, options) in runtimes(None) {
        let plain = Fixture::open("mamba2").weights();
        assert_eq!(chunk_encoder::open(&options, &plain, 1).err().unwrap().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn damaged_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let base = Fixture::open("base").weights();
    let good = onnx::encoder(&base).unwrap();
    let path = dir.path().join("damaged.onnx");
    let attempt = |bytes: &[u8]| -> Vec<(&str, Option<ErrorKind>)> {
        std::fs::write(&path, bytes).unwrap();
        let opened = |options| chunk_encoder::open(&options, &base, 1).err().map(|e| e.kind());
        runtimes(Some(&path)).into_iter().map(|(name, options)| (name, opened(options))).collect()
    };
    for (what, bytes) in [("nothing", &b""[..]), ("text", b"not a model"), ("gguf", &Fixture::open("base").bytes())] {
        for (name, refused) in attempt(bytes) {
            assert_eq!(refused, Some(ErrorKind::Format), "{name}, {what}");
        }
    }
    for cut in (1..20).map(|i| good.len() * i / 20) {
        for (name, refused) in attempt(&good[..cut]) {
            assert_eq!(refused, Some(ErrorKind::Format), "{name}, cut at {cut}");
        }
    }
    // The graph before the constants: wherever a byte is changed, there is an answer. Some changes leave it as good.
    for at in (0..4000).step_by(37) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        for (name, refused) in attempt(&bytes) {
            assert!(matches!(refused, None | Some(ErrorKind::Format)), "{name}, byte {at}: {refused:?}");
        }
    }
    for (name, options) in runtimes(Some(&dir.path().join("missing.onnx"))) {
        assert_eq!(chunk_encoder::open(&options, &base, 1).err().unwrap().kind(), ErrorKind::Io, "{name}");
    }
    for (name, options) in runtimes(Some(dir.path())) {
        assert_eq!(chunk_encoder::open(&options, &base, 1).err().unwrap().kind(), ErrorKind::Io, "{name}");
    }
}

#[test]
fn what_is_not_a_number_never_becomes_a_memory() {
    let f = Fixture::open("base");
    let config = Config::from_gguf(f.weights().gguf()).unwrap();
    let mut memories = Memories::new(config.chunk_shape().unwrap());
    let mut hidden = hidden_states(memories.shape().chunk_size, config.hidden, 1);
    hidden[3] = f32::NAN;
    for (name, options) in runtimes(None) {
        let encoder = chunk_encoder::open(&options, &f.weights(), 1).unwrap().unwrap();
        let error = encoder.encode(&hidden, 1, &mut memories).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format, "{name}: {error}");
        assert_eq!(memories.iter().count(), 0);
        // Lengths are checked too.
        assert_eq!(encoder.encode(&hidden[1..], 1, &mut memories).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(encoder.encode(&[], 0, &mut memories).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn several_threads_may_encode_at_once() {
    let f = Fixture::open("base");
    let config = Config::from_gguf(f.weights().gguf()).unwrap();
    let none = Memories::new(config.chunk_shape().unwrap());
    for (name, options) in runtimes(None) {
        let encoder = chunk_encoder::open(&options, &f.weights(), 2).unwrap().unwrap();
        let hidden = |i: usize| hidden_states(i * none.shape().chunk_size, config.hidden, i as u64);
        let alone: Vec<_> = (1..5).map(|i| encode(encoder.as_ref(), &hidden(i), i, &none)).collect();
        std::thread::scope(|scope| {
            for (i, alone) in (1..5).zip(&alone) {
                let (encoder, none, hidden) = (&encoder, &none, &hidden);
                scope.spawn(move || {
                    for _ in 0..20 {
                        let off = difference(&encode(encoder.as_ref(), &hidden(i), i, none), alone);
                        assert!(off < 1e-5, "{name}: {off:e}");
                    }
                });
            }
        });
    }
}

#[test]
fn a_provider_that_is_not_there_is_an_error_unless_the_cpu_may_do() {
    if !ort_is_here() {
        return;
    }
    let f = Fixture::open("base");
    let config = Config::from_gguf(f.weights().gguf()).unwrap();
    let none = Memories::new(config.chunk_shape().unwrap());
    let hidden = hidden_states(none.shape().chunk_size, config.hidden, 1);
    let native = encode(&NativeEncoder::load(&f.weights(), Cpu::new(1).unwrap()).unwrap(), &hidden, 1, &none);
    for provider in Provider::ALL.into_iter().filter(|&p| p != Provider::Cpu) {
        let options = |allow_cpu| EncoderOptions::Ort(OrtOptions::default().provider(provider).allow_cpu(allow_cpu));
        match chunk_encoder::open(&options(false), &f.weights(), 1) {
            Ok(encoder) => {
                println!("{provider} is here");
                assert!(difference(&encode(encoder.unwrap().as_ref(), &hidden, 1, &none), &native) < 1e-2);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Device, "{provider}: {error}");
                assert!(error.to_string().contains("if it were allowed to"), "{provider}: {error}");
                let encoder = chunk_encoder::open(&options(true), &f.weights(), 1).unwrap().unwrap();
                assert!(difference(&encode(encoder.as_ref(), &hidden, 1, &none), &native) < 1e-3, "{provider}");
            }
        }
    }
}

/// One field of a message: number, and either a number or bytes.
enum Field<'a> {
    Int(u64, u64),
    Bytes(u64, &'a [u8]),
}

/// The fields of a protocol buffer, read independently of what wrote it.
fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = varint(&mut bytes);
        fields.push(match tag & 7 {
            0 => Field::Int(tag >> 3, value),
            2 => {
                let (inside, rest) = bytes.split_at(value as usize);
                bytes = rest;
                Field::Bytes(tag >> 3, inside)
            }
            kind => panic!("wire type {kind}"),
        });
    }
    fields
}

fn all(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let of = |field| match field {
        Field::Bytes(n, inside) if n == number => Some(inside),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn ints(bytes: &[u8], number: u64) -> Vec<u64> {
    let of = |field| match field {
        Field::Int(n, value) if n == number => Some(value),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Name and shape of an input or output; `None` for the number of chunks.
fn described(info: &[u8]) -> (String, Vec<Option<u64>>) {
    let tensor = all(all(info, 2)[0], 1)[0];
    assert_eq!(ints(tensor, 1), [1], "f32");
    let dims = all(all(tensor, 2)[0], 1).into_iter().map(|dim| match all(dim, 2)[..] {
        [name] => {
            assert_eq!(name, b"chunks");
            None
        }
        _ => Some(ints(dim, 1)[0]),
    });
    (text(all(info, 1)[0]), dims.collect())
}

#[test]
fn the_file_of_every_variant_has_the_layout_that_is_documented() {
    let documented: BTreeSet<&str> = [
        "Add",
        "Concat",
        "Div",
        "Identity",
        "MatMul",
        "Mul",
        "Pad",
        "Pow",
        "ReduceMean",
        "Reshape",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Sqrt",
        "Sub",
        "Transpose",
    ]
    .into();
    for (f, config, hsa) in fixtures() {
        let model = onnx::encoder(&f.weights()).unwrap();
        assert_eq!(ints(&model, 1), [8], "IR version");
        assert_eq!(ints(all(&model, 8)[0], 2), [17], "opset");
        let property = |key: &str| {
            let all = all(&model, 14).into_iter().map(|p| (text(self::all(p, 1)[0]), text(self::all(p, 2)[0])));
            all.into_iter().find(|(k, _)| k == key).unwrap().1
        };
        assert_eq!(property("ramba.kind"), "chunk_encoder");
        assert_eq!(property("ramba.layout"), "1");
        assert_eq!(property("ramba.chunk_size"), hsa.chunk_size.to_string());
        assert_eq!(property("ramba.hidden"), config.hidden.to_string());

        let graph = all(&model, 7)[0];
        let [s, d, g, w, gr, r] = [
            hsa.chunk_size,
            config.hidden,
            hsa.kv_heads,
            hsa.head_dim(config.hidden),
            hsa.retrieval_heads,
            hsa.landmark_width(),
        ]
        .map(|v| Some(v as u64));
        let described = |field| all(graph, field).into_iter().map(described).collect::<Vec<_>>();
        assert_eq!(described(11), [("hidden".to_owned(), vec![None, s, d])], "{}", f.name);
        let kv = vec![None, s, g, w];
        let outputs =
            [("keys".to_owned(), kv.clone()), ("values".to_owned(), kv), ("landmarks".to_owned(), vec![None, gr, r])];
        assert_eq!(described(12), outputs, "{}", f.name);

        // Constants have the bytes that their shapes say, and every input of an operator is there before it.
        let mut known: BTreeSet<String> = ["hidden".to_owned()].into();
        for constant in all(graph, 5) {
            let size = match ints(constant, 2)[..] {
                [1] => 4,
                [7] => 8,
                ref other => panic!("type {other:?}"),
            };
            let values: u64 = ints(constant, 1).iter().product();
            assert_eq!(all(constant, 9)[0].len() as u64, values * size);
            assert!(known.insert(text(all(constant, 8)[0])), "{}: a constant twice", f.name);
        }
        for node in all(graph, 1) {
            for input in all(node, 1) {
                assert!(known.contains(&text(input)), "{}: {} is not known", f.name, text(input));
            }
            let op = text(all(node, 4)[0]);
            assert!(documented.contains(op.as_str()), "{op}");
            for output in all(node, 2) {
                assert!(known.insert(text(output)), "{}: a value twice", f.name);
            }
        }
        for (name, _) in outputs {
            assert!(known.contains(&name));
        }
    }
}

#[test]
fn files_are_made_the_same_every_time() {
    let weights = Fixture::open("base").weights();
    assert_eq!(onnx::encoder(&weights).unwrap(), onnx::encoder(&weights).unwrap());
}

/// The built-in encoder by itself is that of the model, whatever the batches before.
#[test]
fn the_built_in_encoder_by_itself_takes_any_batch() {
    let f = Fixture::open("base");
    let config = Config::from_gguf(f.weights().gguf()).unwrap();
    let none = Memories::new(config.chunk_shape().unwrap());
    let native = NativeEncoder::load(&f.weights(), Cpu::new(1).unwrap()).unwrap();
    let hidden = hidden_states(9 * none.shape().chunk_size, config.hidden, 3);
    let together = encode(&native, &hidden, 9, &none);
    let each = hidden.len() / 9;
    for (i, expected) in together.iter().enumerate() {
        let alone = encode(&native, &hidden[i * each..][..each], 1, &none);
        let alone = alone.iter().next().unwrap();
        assert_eq!((alone.keys, alone.values, alone.landmark), (expected.keys, expected.values, expected.landmark));
    }
    assert!(native.encode(&hidden[1..], 9, &mut none.clone()).is_err());
}
