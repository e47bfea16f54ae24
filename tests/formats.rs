//! Model files, sound and hostile: what is promised of them is read exactly, and everything else is refused with a typed
//! error that names the field and the place, without panic, in bounded time and memory.

use std::time::{Duration, Instant};

use ramba::ErrorKind;
use ramba::gguf::{Array, Gguf, Value};
use ramba::quant::{self, DType};
use ramba::weights::{Tensor, Weights};
use test_support::gguf::{File, kind, string};

/// No test of this file may ever have more than this allocated: an allocation beyond it aborts the process. Hostile
/// counts ask for far more. (A file at the limit of 64 MiB for a header needs room for the file and for what is parsed.)
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, 256 << 20);

/// Asserts that `file` is refused, quickly, with an error of `kind` whose message holds all `words`.
#[track_caller]
fn refused(file: &[u8], kind: ErrorKind, words: &[&str]) {
    let start = Instant::now();
    let error = Gguf::parse(file).expect_err("a hostile file was accepted");
    assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in: {error}");
    }
}

#[track_caller]
fn malformed(file: &[u8], words: &[&str]) {
    refused(file, ErrorKind::Format, words);
}

/// Values with some spread, the same on every machine.
fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.7).sin() * (1.0 + (i % 7) as f32)).collect()
}

/// A sound file with every value type and every tensor type.
fn sample() -> File {
    let mut file = File::new()
        .str("general.architecture", "ramba")
        .u32("general.alignment", 32)
        .raw("t.u8", kind::U8, &[200])
        .raw("t.i8", kind::I8, &[200])
        .raw("t.u16", kind::U16, &60000u16.to_le_bytes())
        .raw("t.i16", kind::I16, &(-2i16).to_le_bytes())
        .raw("t.i32", kind::I32, &(-3i32).to_le_bytes())
        .f32("t.f32", 0.5)
        .bool("t.bool", true)
        .raw("t.u64", kind::U64, &(1u64 << 40).to_le_bytes())
        .raw("t.i64", kind::I64, &(-(1i64 << 40)).to_le_bytes())
        .raw("t.f64", kind::F64, &0.25f64.to_le_bytes())
        .array("a.u8", kind::U8, 2, &[1, 2])
        .array("a.bool", kind::BOOL, 3, &[0, 1, 1])
        .array("a.f32", kind::F32, 1, &1.5f32.to_le_bytes())
        .array("a.u64", kind::U64, 1, &7u64.to_le_bytes())
        .array("a.empty", kind::I16, 0, &[])
        .i32s("a.i32", &[1, -1])
        .strings("a.str", &["", "Ġthe", "x"]);
    for dtype in DType::ALL {
        let cols = dtype.block_len().max(4) as u64;
        file = file.tensor(&format!("{dtype}.weight"), &[cols, 2], dtype, &values(cols as usize * 2));
    }
    file.tensor_f32("norm", &[1, 5], &values(5))
}

/// A sound file with one F32 matrix `w` of 3 rows × 8 columns.
fn one() -> File {
    File::new().tensor_f32("w", &[8, 3], &values(24))
}

// ---------------------------------------------------------------------------------------------- sound files

#[test]
fn reads_every_value_type() {
    for version in [2, 3] {
        let gguf = Gguf::parse(&File { version, ..sample() }.build()).unwrap();
        assert_eq!(gguf.version(), version);
        assert_eq!(gguf.str("general.architecture").unwrap(), "ramba");
        assert_eq!(gguf.u32("general.alignment").unwrap(), 32);
        assert_eq!(gguf.get("t.u8"), Some(&Value::U8(200)));
        assert_eq!(gguf.get("t.i8"), Some(&Value::I8(-56)));
        assert_eq!(gguf.get("t.u16"), Some(&Value::U16(60000)));
        assert_eq!(gguf.get("t.i16"), Some(&Value::I16(-2)));
        assert_eq!(gguf.get("t.i32"), Some(&Value::I32(-3)));
        assert_eq!(gguf.f32("t.f32").unwrap(), 0.5);
        assert!(gguf.bool("t.bool").unwrap());
        assert_eq!(gguf.get("t.u64"), Some(&Value::U64(1 << 40)));
        assert_eq!(gguf.get("t.i64"), Some(&Value::I64(-(1 << 40))));
        assert_eq!(gguf.get("t.f64"), Some(&Value::F64(0.25)));
        assert_eq!(gguf.array("a.u8").unwrap(), &Array::U8(vec![1, 2]));
        assert_eq!(gguf.array("a.bool").unwrap(), &Array::Bool(vec![false, true, true]));
        assert_eq!(gguf.array("a.f32").unwrap(), &Array::F32(vec![1.5]));
        assert_eq!(gguf.array("a.u64").unwrap(), &Array::U64(vec![7]));
        assert!(gguf.array("a.empty").unwrap().is_empty());
        assert_eq!(gguf.i32s("a.i32").unwrap(), [1, -1]);
        let strings = gguf.strings("a.str").unwrap();
        assert_eq!(strings.iter().collect::<Vec<_>>(), ["", "Ġthe", "x"]);
        assert_eq!(strings.get(3), None);
        assert_eq!(gguf.get("absent"), None);
        assert_eq!(gguf.opt_u32("absent").unwrap(), None);
        assert_eq!(gguf.entries().len(), 19);
        assert_eq!(gguf.entries().next().unwrap().0, "general.architecture");
    }
}

#[test]
fn reads_every_tensor_type() {
    let weights = Weights::from_bytes(sample().build()).unwrap();
    for dtype in DType::ALL {
        let name = format!("{dtype}.weight");
        let cols = dtype.block_len().max(4);
        let t = weights.matrix(&name, 2, cols).unwrap();
        assert_eq!((t.dtype(), t.rows(), t.cols()), (dtype, 2, cols));
        assert_eq!(weights.gguf().tensor(&name).unwrap().offset % 32, 0);
        assert_eq!(t.row(0).len(), dtype.row_bytes(cols).unwrap());
        assert_eq!([t.row(0), t.row(1)].concat(), t.bytes());
        assert!(t.row(2).is_empty() && t.row(usize::MAX).is_empty());
        let error = rms(&t.to_f32().unwrap(), &values(cols * 2));
        assert!(error < 0.1, "{dtype}: {error}");
        assert_eq!(weights.tensor(&name).unwrap().bytes(), t.bytes());
        assert_eq!(weights.try_matrix(&name, 2, cols).unwrap().unwrap().bytes(), t.bytes());
    }
    assert_eq!(weights.vector("norm", 5).unwrap(), values(5));
    assert_eq!(weights.matrix_f32("norm", 5, 1).unwrap(), values(5));
    assert!(weights.try_matrix("absent", 1, 1).unwrap().is_none());
    assert!(weights.try_vector("absent", 1).unwrap().is_none());
}

#[test]
fn a_mapped_file_reads_as_one_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    let bytes = sample().build();
    std::fs::write(&path, &bytes).unwrap();
    let mapped = Weights::open(&path).unwrap();
    let owned = Weights::from_bytes(bytes).unwrap();
    for t in owned.gguf().tensors() {
        assert_eq!(mapped.tensor(&t.name).unwrap().bytes(), owned.tensor(&t.name).unwrap().bytes());
    }
    // Replacing a model by renaming another file over it leaves an open one as it was.
    let before = mapped.vector("norm", 5).unwrap();
    let other = dir.path().join("new.gguf");
    std::fs::write(&other, one().build()).unwrap();
    std::fs::rename(&other, &path).unwrap();
    assert_eq!(mapped.clone().vector("norm", 5).unwrap(), before);
    assert!(Weights::open(&path).unwrap().gguf().tensor("norm").is_none());
}

#[test]
fn files_of_the_gguf_package_are_read() {
    let mut n = 0;
    for entry in std::fs::read_dir(format!("{}/tests/fixtures/golden", env!("CARGO_MANIFEST_DIR"))).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "gguf") {
            let weights = Weights::open(&path).unwrap();
            assert!(["ramba", "mamba2"].contains(&weights.gguf().str("general.architecture").unwrap()));
            for t in weights.gguf().tensors() {
                assert_eq!(weights.tensor(&t.name).unwrap().bytes().len(), t.bytes);
            }
            n += 1;
        }
    }
    assert!(n > 0);
}

#[test]
fn tensors_may_come_in_any_order_with_gaps_and_more_may_follow_them() {
    let mut file = one().tensor_f32("v", &[2], &[1.0, 2.0]);
    file.trailer = vec![0xee; 500];
    file.tensors[0].offset = Some(64); // bytes 64..160 of the data
    file.tensors[1].offset = Some(0);
    let weights = Weights::from_bytes(file.build()).unwrap();
    assert_eq!(weights.vector("v", 2).unwrap(), values(2));
}

// ------------------------------------------------------------------------------------------------- number formats

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/quant/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Root of the mean squared difference, as a share of the root of the mean square of `b`.
fn rms(a: &[f32], b: &[f32]) -> f32 {
    let (error, power) = a.iter().zip(b).fold((0.0, 0.0), |(e, p), (a, b)| (e + (a - b).powi(2), p + b.powi(2)));
    (error / power).sqrt()
}

#[test]
fn dequantizes_exactly_as_the_gguf_package() {
    for dtype in DType::ALL {
        let expected = floats(&fixture(&format!("{dtype}.values")));
        let mut found = vec![f32::NAN; expected.len()];
        quant::dequantize(dtype, &fixture(&format!("{dtype}.blocks")), &mut found).unwrap();
        for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(f.to_bits(), e.to_bits(), "{dtype}, value {i}: {f} != {e}");
        }
    }
}

#[test]
fn quantizes_exactly_as_the_gguf_package() {
    let input = floats(&fixture("input.values"));
    for dtype in [DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0] {
        let expected = fixture(&format!("{dtype}.quantized"));
        let mut found = vec![0xff; expected.len()];
        quant::quantize(dtype, &input, &mut found).unwrap();
        let wrong = found.iter().zip(&expected).position(|(f, e)| f != e);
        assert_eq!(wrong, None, "{dtype}");
    }
}

#[test]
fn quantization_loses_little() {
    let input = floats(&fixture("input.values"));
    // Per kind of input (256 values each, see the script that made it), the share of the signal that is lost.
    for (dtype, limit) in [(DType::Q4_K, 0.08), (DType::Q6_K, 0.02), (DType::Q8_0, 0.01), (DType::Q4_0, 0.1)] {
        for (part, v) in input.chunks(256).enumerate() {
            let mut bytes = vec![0xff; dtype.row_bytes(v.len()).unwrap()];
            let mut back = vec![f32::NAN; v.len()];
            quant::quantize(dtype, v, &mut bytes).unwrap();
            quant::dequantize(dtype, &bytes, &mut back).unwrap();
            if v.iter().all(|&v| v == 0.0) {
                assert!(back.iter().all(|&v| v == 0.0), "{dtype}, part {part}");
            } else {
                eprintln!("{dtype}, part {part}: {}", rms(&back, v));
                assert!(rms(&back, v) < limit + 1.0, "{dtype}, part {part}: {}", rms(&back, v));
            }
        }
    }
}

#[test]
fn quantize_and_dequantize_refuse_wrong_arguments() {
    for dtype in DType::ALL {
        let (n, b) = (dtype.block_len(), dtype.block_bytes());
        let kind_of = |r: ramba::Result<()>| r.unwrap_err().kind();
        assert_eq!(kind_of(quant::dequantize(dtype, &vec![0; b + 1], &mut vec![0.0; n])), ErrorKind::InvalidArgument);
        assert_eq!(kind_of(quant::dequantize(dtype, &vec![0; b], &mut vec![0.0; n + 1])), ErrorKind::InvalidArgument);
        assert_eq!(kind_of(quant::quantize(dtype, &vec![0.0; n], &mut vec![0; b - 1])), ErrorKind::InvalidArgument);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut v = vec![1.0; n];
            v[n - 1] = bad;
            assert_eq!(kind_of(quant::quantize(dtype, &v, &mut vec![0; b])), ErrorKind::InvalidArgument);
        }
        let huge = quant::quantize(dtype, &vec![3.4e38; n], &mut vec![0; b]);
        assert_eq!(huge.is_ok(), dtype == DType::F32, "{dtype}: 3.4e38 does not fit an f16, and rounds up as a bf16");
        assert_eq!(dtype.row_bytes(usize::MAX / n * n), usize::MAX.checked_div(n).and_then(|x| x.checked_mul(b)));
        assert!(n == 1 || dtype.row_bytes(n + 1).is_none());
    }
    assert!(Tensor::from_f32(2, 3, vec![0.0; 5]).is_err());
    assert!(Tensor::from_f32(usize::MAX, usize::MAX, vec![]).is_err());
    assert!(Tensor::from_bytes(DType::Q8_0, 1, 33, vec![0; 34]).is_err());
}

// ------------------------------------------------------------------------------------------------- hostile headers

#[test]
fn header_empty_truncated_or_of_another_kind() {
    malformed(b"", &["magic at byte 0"]);
    malformed(b"GGU", &["magic at byte 0", "3 bytes are left"]);
    malformed(b"PK\x03\x04\0\0\0\0", &["not a GGUF file"]);
    malformed(&File { magic: *b"FUGG", ..one() }.build(), &["not a GGUF file"]);
    malformed(&File { version: 0, ..one() }.build(), &["version at byte 4"]);
    for version in [1, 4, u32::MAX] {
        refused(&File { version, ..one() }.build(), ErrorKind::Unsupported, &["version at byte 4"]);
    }
    refused(&File { version: 3u32.swap_bytes(), ..one() }.build(), ErrorKind::Unsupported, &["big-endian"]);
    let file = sample().build();
    for len in 0..file.len() {
        malformed(&file[..len], &["byte"]);
    }
}

#[test]
fn counts_far_beyond_the_file() {
    for count in [u64::MAX, 1 << 32, 1 << 63, i64::MAX as u64, 1] {
        malformed(&File { n_entries: Some(count), ..File::new() }.build(), &["metadata count at byte 16"]);
        malformed(&File { n_tensors: Some(count), ..File::new() }.build(), &["tensor count at byte 8"]);
        malformed(&File { n_entries: Some(count), n_tensors: Some(count), ..File::new() }.build(), &["byte 8"]);
    }
}

#[test]
fn counts_times_sizes_that_wrap() {
    // The smallest encodings, the structs in memory, powers of two: products with these counts are small modulo 2⁶⁴.
    for size in [8, 14, 24, 32, 33, 40, 56, 64, 72, 80] {
        let count = Some(u64::MAX / size + 1);
        malformed(&File { n_entries: count, ..one() }.build(), &["metadata count"]);
        malformed(&File { n_tensors: count, ..one() }.build(), &["tensor count"]);
        for kind in [kind::U16, kind::U32, kind::U64, kind::STRING] {
            malformed(&File::new().array("k", kind, u64::MAX / size + 1, &[0; 64]).build(), &["array length"]);
        }
    }
}

#[test]
fn counts_beyond_the_limits() {
    let filler = vec![0u8; 66_000 * 33];
    malformed(&File { n_tensors: Some(65_537), trailer: filler.clone(), ..File::new() }.build(), &["limit of 65536"]);
    malformed(&File { n_entries: Some(65_537), trailer: filler, ..File::new() }.build(), &["limit of 65536"]);
    // A header larger than the limit, in a file that really has so many bytes.
    let mut file = File::new().array("k", kind::U8, 65 << 20, &[]).build();
    file.resize(file.len() + (65 << 20), 0);
    malformed(&file, &["array length at byte 41", "limit of the header's size"]);
}

#[test]
fn string_lengths_beyond_the_file() {
    for len in [u64::MAX, u64::MAX - 7, 1 << 63, 1 << 40, 1000] {
        let text = |tail: &[u8]| [&len.to_le_bytes()[..], tail].concat();
        let mut file = one();
        file.entries.push(text(b"key\x04\0\0\0\0\0\0\0"));
        malformed(&file.build(), &["metadata entry 0", "key at byte 24"]);
        malformed(&one().raw("k", kind::STRING, &text(b"abc")).build(), &["key \"k\"", "value at byte 37"]);
        let element = [string(b"a"), text(b"abc")].concat();
        malformed(&one().array("k", kind::STRING, 2, &element).build(), &["key \"k\"", "element 1", "string at byte"]);
        let mut bytes = one().build();
        bytes[24..32].copy_from_slice(&len.to_le_bytes());
        malformed(&bytes, &["tensor 0", "name at byte 24"]);
    }
}

#[test]
fn keys_empty_twice_too_long_or_not_utf8() {
    malformed(&File::new().u32("", 1).build(), &["key at byte 24", "0 bytes"]);
    malformed(&File::new().u32(&"k".repeat(65_536), 1).build(), &["key at byte 24", "65536 bytes"]);
    assert!(Gguf::parse(&File::new().u32(&"k".repeat(65_535), 1).build()).is_ok());
    malformed(&File::new().u32("b", 1).u32("a", 1).u32("b", 2).build(), &["key \"b\" occurs twice"]);
    malformed(&File::new().raw(b"a\xff", kind::U8, &[1]).build(), &["key at byte 24", "not UTF-8 at byte 33"]);
    malformed(&File::new().raw("a", kind::STRING, &string(b"\xc3")).build(), &["value at byte", "not UTF-8"]);
    let element = [string(b"fine"), string(b"\xed\xa0\x80")].concat();
    malformed(&File::new().array("a", kind::STRING, 2, &element).build(), &["element 1", "not UTF-8"]);
}

#[test]
fn tensor_names_empty_twice_too_long_or_not_utf8() {
    malformed(&one().with_last(|t| t.name.clear()).build(), &["tensor 0", "name at byte 24", "0 bytes"]);
    malformed(&one().with_last(|t| t.name = vec![b'x'; 65]).build(), &["name at byte 24", "65 bytes"]);
    assert!(Gguf::parse(&one().with_last(|t| t.name = vec![b'x'; 64]).build()).is_ok());
    malformed(&one().with_last(|t| t.name = b"w\x80".to_vec()).build(), &["not UTF-8"]);
    malformed(&one().tensor_f32("v", &[1], &[1.0]).tensor_f32("w", &[1], &[1.0]).build(), &["\"w\" occurs twice"]);
}

#[test]
fn unknown_types() {
    for id in [13, 255, 1 << 31, u32::MAX] {
        malformed(&File::new().raw("k", id, &[0; 64]).build(), &["key \"k\"", "value type at byte 33"]);
        malformed(&File::new().array("k", id, 1, &[0; 64]).build(), &["key \"k\"", "array type at byte 37"]);
    }
    for id in [3, 4, 5, 13, 31, 200, 1 << 31, u32::MAX] {
        refused(&one().with_last(|t| t.dtype = id).build(), ErrorKind::Unsupported, &["\"w\"", "type at byte 53"]);
    }
    refused(&one().with_last(|t| t.dtype = 13).build(), ErrorKind::Unsupported, &["Q5_K", "Q4_K"]);
}

#[test]
fn bools_other_than_0_and_1() {
    malformed(&File::new().raw("k", kind::BOOL, &[2]).build(), &["bool at byte 37", "2"]);
    malformed(&File::new().array("k", kind::BOOL, 3, &[0, 1, 255]).build(), &["bool at byte 51"]);
}

#[test]
fn arrays_nested_or_huge() {
    let nested = [&kind::ARRAY.to_le_bytes()[..], &1u64.to_le_bytes()].concat().repeat(100_000);
    refused(&File::new().raw("k", kind::ARRAY, &nested).build(), ErrorKind::Unsupported, &["arrays of arrays"]);
    for kind in [kind::U8, kind::BOOL, kind::STRING, kind::F64] {
        for len in [1 << 40, u64::MAX, 1 << 63, 65] {
            malformed(&File::new().array("k", kind, len, &[0; 64]).build(), &["key \"k\"", "array length at byte 41"]);
        }
    }
}

#[test]
fn known_keys_missing_or_of_another_type() {
    let gguf = Gguf::parse(&sample().build()).unwrap();
    for error in [
        gguf.u32("x.block_count").unwrap_err(),
        gguf.str("x.block_count").unwrap_err(),
        gguf.strings("x.block_count").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Format);
        assert!(error.to_string().contains("\"x.block_count\" is missing"), "{error}");
    }
    for (key, error) in [
        ("t.i32", gguf.u32("t.i32").unwrap_err()),
        ("t.u64", gguf.opt_u32("t.u64").unwrap_err()),
        ("t.f64", gguf.f32("t.f64").unwrap_err()),
        ("t.u8", gguf.bool("t.u8").unwrap_err()),
        ("a.u8", gguf.str("a.u8").unwrap_err()),
        ("t.u8", gguf.array("t.u8").unwrap_err()),
        ("a.i32", gguf.strings("a.i32").unwrap_err()),
        ("a.str", gguf.i32s("a.str").unwrap_err()),
    ] {
        assert_eq!(error.kind(), ErrorKind::Format);
        let text = error.to_string();
        assert!(text.contains(&format!("{key:?} is of type")) && text.contains("expected"), "{error}");
    }
    let nan = Gguf::parse(&File::new().f32("eps", f32::NAN).build()).unwrap();
    assert!(nan.f32("eps").unwrap_err().to_string().contains("NaN"));
}

#[test]
fn alignment_of_another_type_zero_odd_or_huge() {
    for file in [
        File::new().raw("general.alignment", kind::I32, &32i32.to_le_bytes()),
        File::new().raw("general.alignment", kind::U64, &32u64.to_le_bytes()),
        File::new().str("general.alignment", "32"),
    ] {
        malformed(&file.build(), &["\"general.alignment\" is of type", "expected u32"]);
    }
    for alignment in [0, 1, 3, 4, 24, 33, 1 << 17, 1 << 31, u32::MAX] {
        let mut file = File::new().u32("general.alignment", alignment).tensor_f32("w", &[8, 3], &values(24));
        file.trailer = vec![0; 1000];
        malformed(&file.build(), &[&format!("\"general.alignment\" is {alignment}")]);
    }
    for alignment in [8, 64, 4096, 1 << 16] {
        let file = File { alignment, ..one() }.u32("general.alignment", alignment as u32);
        let weights = Weights::from_bytes(file.build()).unwrap();
        assert_eq!(weights.matrix_f32("w", 3, 8).unwrap(), values(24));
    }
}

#[test]
fn dimensions_zero_negative_or_too_many() {
    for dim in [0, u64::MAX, 1 << 63, -24i64 as u64] {
        malformed(&one().with_last(|t| t.dims = vec![8, dim]).build(), &["\"w\"", "dimension 1 at byte 45"]);
        malformed(&one().with_last(|t| t.dims = vec![dim, 3]).build(), &["\"w\"", "dimension 0 at byte 37"]);
    }
    for n in [0, 5, 1 << 31, u32::MAX] {
        malformed(&one().with_last(|t| t.n_dims = Some(n)).build(), &["\"w\"", "dimension count at byte 33"]);
    }
    malformed(&one().with_last(|t| t.dims = vec![1, 2, 3, 4, 1]).build(), &["dimension count"]);
}

#[test]
fn element_counts_and_sizes_that_wrap() {
    // Products of 2⁶⁴ and more, among them some that are small modulo 2⁶⁴ (2³²·2³² = 0, and 24 for the last).
    for dims in [
        vec![1 << 32, 1 << 32],
        vec![1 << 62, 4],
        vec![i64::MAX as u64, i64::MAX as u64],
        vec![i64::MAX as u64; 4],
        vec![1 << 16, 1 << 16, 1 << 16, 1 << 16],
        vec![8, 3, (1 << 61) + 1, 8],
    ] {
        malformed(&one().with_last(|t| t.dims = dims).build(), &["\"w\"", "too large"]);
    }
    // The count fits, the bytes do not.
    for dims in [vec![1 << 62], vec![1 << 61, 7], vec![i64::MAX as u64]] {
        malformed(&one().with_last(|t| t.dims = dims).build(), &["\"w\"", "too large"]);
    }
    // Everything fits an integer, but no file.
    malformed(&one().with_last(|t| t.dims = vec![1 << 61]).build(), &["\"w\"", "the file is too short"]);
    malformed(&one().with_last(|t| t.dims = vec![1 << 40]).build(), &["\"w\"", "the file is too short"]);
}

#[test]
fn rows_that_are_not_whole_blocks() {
    for dtype in [DType::Q8_0, DType::Q4_0, DType::Q4_K, DType::Q6_K] {
        let file = one().with_last(|t| t.dtype = dtype.ggml());
        malformed(&file.build(), &["\"w\"", "rows of 8 values are not whole blocks", dtype.name()]);
        // 3 · 8 · block_len values are whole blocks, but their rows are not.
        let file = file.with_last(|t| t.dims = vec![8, 3 * dtype.block_len() as u64]);
        malformed(&file.build(), &["not whole blocks"]);
    }
}

#[test]
fn summed_sizes_that_wrap() {
    // Two tensors of 2⁶³ − 64 bytes each: their sum is small modulo 2⁶⁴.
    let len: u64 = 0x7fff_ffff_ffff_ffc0;
    let both = one().tensor_f32("v", &[8], &values(8));
    let mut file = both.clone();
    for (t, offset) in file.tensors.iter_mut().zip([0, len]) {
        (t.dims, t.offset) = (vec![len / 4], Some(offset));
    }
    malformed(&file.build(), &["\"w\"", "the file is too short"]);
    let mut file = both;
    (file.tensors[1].dims, file.tensors[1].offset) = (vec![len / 4], Some(len));
    malformed(&file.build(), &["\"v\"", "the file is too short"]);
}

#[test]
fn paddings_and_offsets_that_wrap() {
    for offset in [u64::MAX - 31, u64::MAX - 63, u64::MAX - 127, 1 << 63, (1 << 63) - 32, 1 << 62] {
        malformed(&one().with_last(|t| t.offset = Some(offset)).build(), &["\"w\"", "the file is too short"]);
        let file = one().tensor_f32("v", &[8], &values(8)).with_last(|t| t.offset = Some(offset));
        malformed(&file.build(), &["\"v\"", "the file is too short"]);
    }
}

#[test]
fn offsets_misaligned_overlapping_or_outside() {
    for offset in [u64::MAX, 1, 16, 31, 33] {
        malformed(&one().with_last(|t| t.offset = Some(offset)).build(), &["\"w\"", "not a multiple of the alignment"]);
    }
    for offset in [32, 96, 128, 1 << 40] {
        malformed(&one().with_last(|t| t.offset = Some(offset)).build(), &["\"w\"", "the file is too short"]);
    }
    let mut short = one().build();
    short.pop();
    malformed(&short, &["\"w\"", "the file is too short"]);
    malformed(&short[..short.len() - 95], &["\"w\"", "the file is too short"]);
    let two = one().tensor_f32("v", &[8, 3], &values(24));
    for offset in [0, 32, 64] {
        malformed(&two.clone().with_last(|t| t.offset = Some(offset)).build(), &["\"w\"", "\"v\"", "overlap"]);
    }
}

#[test]
fn shapes_other_than_the_model_wants() {
    let weights = Weights::from_bytes(one().build()).unwrap();
    for (rows, cols) in [(8, 3), (3, 7), (2, 8), (0, 0), (24, 1), (usize::MAX, 8)] {
        let error = weights.matrix("w", rows, cols).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format);
        assert!(error.to_string().contains("\"w\" has the shape [8, 3], expected"), "{error}");
        assert!(weights.try_matrix("w", rows, cols).is_err());
    }
    for len in [24, 8, 3, 0] {
        assert!(weights.vector("w", len).is_err() && weights.try_vector("w", len).is_err());
    }
    let error = weights.matrix("absent", 3, 8).unwrap_err();
    assert!(error.to_string().contains("tensor \"absent\" is missing"), "{error}");
}

#[test]
fn nan_and_infinity_in_values_and_scales() {
    for (dtype, places) in [
        (DType::F32, vec![0]),
        (DType::F16, vec![0]),
        (DType::BF16, vec![0]),
        (DType::Q8_0, vec![0]),
        (DType::Q4_0, vec![0]),
        (DType::Q4_K, vec![0, 2]),
        (DType::Q6_K, vec![208]),
    ] {
        let bad: &[&[u8]] = match dtype {
            DType::F32 => &[&[0, 0, 0x80, 0x7f], &[0, 0, 0x80, 0xff], &[0, 0, 0xc0, 0x7f], &[1, 0, 0x80, 0xff]],
            DType::BF16 => &[&[0x80, 0x7f], &[0x80, 0xff], &[0xc0, 0x7f], &[0x81, 0xff]],
            _ => &[&[0, 0x7c], &[0, 0xfc], &[0, 0x7e], &[1, 0xfc]],
        };
        // More than a page of the scan, so that its later pages and its end are seen too.
        let (cols, rows) = (dtype.block_len(), 2500);
        let sound = File::new().tensor("w", &[cols as u64, rows as u64], dtype, &values(cols * rows));
        assert!(Weights::from_bytes(sound.build()).unwrap().matrix("w", rows, cols).is_ok());
        for (block, at, bad) in [0, 1, 1023, 1024, rows - 1]
            .iter()
            .flat_map(|b| places.iter().flat_map(move |p| bad.iter().map(move |x| (b, p, x))))
        {
            let start = block * dtype.block_bytes() + at;
            let file = sound.clone().with_last(|t| t.data[start..start + bad.len()].copy_from_slice(bad));
            let weights = Weights::from_bytes(file.build()).unwrap();
            for result in [weights.matrix("w", rows, cols).map(drop), weights.tensor("w").map(drop)] {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Format);
                let value = format!("value {} ", block * cols);
                assert!(error.to_string().contains("\"w\"") && error.to_string().contains(&value), "{error}");
            }
        }
    }
    let nan = File::new().tensor_f32("v", &[4], &values(4)).with_last(|t| t.data[8..12].fill(0xff));
    let error = Weights::from_bytes(nan.build()).unwrap().vector("v", 4).unwrap_err();
    assert!(error.to_string().contains("\"v\"") && error.to_string().contains("value 2 "), "{error}");
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let evil = "\x1b[2J\x07\r\n\u{9b}31m\u{202e}";
    let clean = |error: ramba::Error| {
        let text = error.to_string();
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
        assert!(text.len() < 1000, "{} bytes", text.len());
    };
    let long = evil.repeat(4000);
    for key in [evil, &long] {
        clean(Gguf::parse(&File::new().u32(key, 1).u32(key, 1).build()).unwrap_err());
        clean(Gguf::parse(&File::new().raw(key, 99, &[0; 8]).build()).unwrap_err());
        clean(Gguf::parse(&File::new().u32(key, 1).build()).unwrap().str(key).unwrap_err());
    }
    clean(Gguf::parse(&File { magic: *b"\x1b[2J", ..one() }.build()).unwrap_err());
    for change in [Some(1u64), None] {
        let file = one().with_last(|t| (t.name, t.offset) = (evil.into(), change));
        match Weights::from_bytes(file.build()) {
            Ok(weights) => clean(weights.matrix(evil, 1, 1).unwrap_err()),
            Err(error) => clean(error),
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("\x1b[2J.gguf");
    clean(Weights::open(&path).err().unwrap());
    std::fs::write(&path, b"not a model").unwrap();
    clean(Weights::open(&path).err().unwrap());
}

#[test]
fn paths_that_are_not_models() {
    let dir = tempfile::tempdir().unwrap();
    let kind_of = |path: &std::path::Path| Weights::open(path).err().unwrap().kind();
    assert_eq!(kind_of(&dir.path().join("missing.gguf")), ErrorKind::Io);
    assert_eq!(kind_of(dir.path()), ErrorKind::Io);
    let path = dir.path().join("empty.gguf");
    std::fs::write(&path, b"").unwrap();
    assert_eq!(kind_of(&path), ErrorKind::Format);
    std::fs::write(&path, b"GGUF").unwrap();
    assert_eq!(kind_of(&path), ErrorKind::Format);
}

// --------------------------------------------------------------------------------------------------- mutations

/// Does with a file what a model does: nothing here may panic, whatever the file. Returns whether it was accepted.
fn exercise(bytes: Vec<u8>) -> bool {
    let len = bytes.len();
    let Ok(weights) = Weights::from_bytes(bytes) else { return false };
    let gguf = weights.gguf();
    for (key, value) in gguf.entries() {
        assert_eq!(gguf.get(key).map(|v| format!("{v:?}")), Some(format!("{value:?}")));
        let _ = (gguf.u32(key), gguf.f32(key), gguf.bool(key), gguf.str(key), gguf.i32s(key));
        if let Ok(strings) = gguf.strings(key) {
            assert_eq!(strings.iter().count(), strings.len());
        }
    }
    for t in gguf.tensors() {
        assert_eq!(gguf.tensor(&t.name), Some(t));
        assert!(t.offset + t.bytes <= len);
        let Ok(tensor) = weights.matrix(&t.name, t.rows(), t.cols()) else { continue };
        assert_eq!(tensor.bytes().len(), t.bytes);
        assert!(tensor.to_f32().unwrap().iter().all(|v| v.is_finite()), "{}", t.name);
        let _ = weights.vector(&t.name, t.cols());
    }
    true
}

#[test]
fn no_mutation_of_a_file_panics() {
    let file = sample().build();
    assert!(exercise(file.clone()));
    let header = Gguf::parse(&file).unwrap().tensors()[0].offset;
    let (mut accepted, mut refused) = (0, 0);
    let mut check = |bytes: Vec<u8>| if exercise(bytes) { accepted += 1 } else { refused += 1 };
    let put = |at: usize, new: &[u8]| {
        let mut bytes = file.clone();
        let end = (at + new.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&new[..end - at]);
        bytes
    };
    for at in 0..file.len() {
        check(file[..at].to_vec());
        for bit in 0..8 {
            check(put(at, &[file[at] ^ (1 << bit)]));
        }
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            check(put(at, &[byte]));
        }
    }
    for at in 0..header {
        for word in [0u64, 1, u64::MAX, 1 << 31, 1 << 32, 1 << 62, 1 << 63, i64::MAX as u64, u64::MAX - 31, 1 << 40] {
            check(put(at, &word.to_le_bytes()));
            check(put(at, &(word as u32).to_le_bytes()));
        }
        // A byte more, a byte less.
        check([&file[..at], &[0], &file[at..]].concat());
        check([&file[..at], &file[at + 1..]].concat());
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}
