//! The structs that kernels are given, or that lie in memory which the host makes for them: their sizes and where their fields are, which
//! both compilers assert.

/// A file of `kernels/`, a struct in it, its bytes, and the bytes before fields of it: of those that the host has a twin of, the first of
/// several that are an array here.
struct Row(&'static str, &'static str, usize, &'static [(&'static str, usize)]);

/// All of them. The kernels' side asserts the same numbers, and a test reads that it does.
const ROWS: [Row; 19] = [
    Row("copy", "Place", 24, &[("at", 0), ("group", 8), ("stride", 16)]),
    Row(
        "mamba_block",
        "Spans",
        64,
        &[("x", 0), ("c", 8), ("gram", 16), ("steps", 24), ("own", 32), ("decay", 40), ("before", 48), ("kept", 56)],
    ),
    Row(
        "mamba_blocks",
        "Block",
        96,
        &[
            ("in_proj", 0),
            ("out_proj", 8),
            ("norm", 16),
            ("conv_weight", 24),
            ("conv_bias", 32),
            ("dt_bias", 40),
            ("a", 48),
            ("d", 56),
            ("gated_norm", 64),
            ("history", 72),
            ("state", 80),
            ("eps", 88),
            ("gated_eps", 92),
        ],
    ),
    Row("mamba_blocks", "Blocks", 3088, &[("count", 0), ("dt_min", 4), ("dt_max", 8), ("head", 12), ("block", 16)]),
    Row("mamba_blocks", "Exchange", 57_348, &[]),
    Row("mamba_blocks", "Shared", 231_808, &[]),
    Row("matmul", "Factors", 24, &[("scale", 0), ("less", 8), ("sums", 16)]),
    Row("matmul", "Products", 88, &[("w", 0), ("bias", 24), ("y", 48), ("rows", 72), ("count", 84)]),
    Row(
        "mlp",
        "Mlp",
        48,
        &[("gate", 0), ("up", 8), ("down", 16), ("norm", 24), ("eps", 32), ("cols", 36), ("width", 40)],
    ),
    Row(
        "encoder_attention",
        "Encoder",
        24,
        &[("rows", 0), ("heads", 4), ("kv_heads", 8), ("d", 12), ("base", 16), ("eps", 20)],
    ),
    Row("encoder_attention", "Layer", 88, &[("q", 0), ("q_bias", 32), ("norm", 56), ("eps", 80)]),
    Row(
        "chunk_memory",
        "Memory",
        80,
        &[("k", 0), ("norm", 24), ("keys", 40), ("eps", 64), ("cols", 68), ("width", 72), ("landmark_width", 76)],
    ),
    Row("hsa", "Pick", 8, &[("slot", 0), ("weight", 4)]),
    Row(
        "hsa",
        "Hsa",
        28,
        &[
            ("heads", 0),
            ("kv_heads", 4),
            ("d", 8),
            ("size", 12),
            ("retrieval_heads", 16),
            ("top", 20),
            ("off_by_one", 24),
        ],
    ),
    Row("score_top_k", "Found", 8, &[("score", 0), ("id", 4)]),
    Row("score_top_k", "Pick", 8, &[("chunk", 0), ("weight", 4)]),
    Row("score_top_k", "Choice", 24, &[("softmax", 0), ("decay", 4), ("picks", 8), ("readings", 16)]),
    Row(
        "common",
        "Ssm",
        36,
        &[
            ("inner", 0),
            ("heads", 4),
            ("state", 8),
            ("groups", 12),
            ("taps", 16),
            ("dt_min", 20),
            ("dt_max", 24),
            ("channels", 28),
            ("projected", 32),
        ],
    ),
    Row("common", "Weight", 40, &[("q", 0), ("scales", 8), ("more", 16), ("bits", 24), ("rows", 32), ("cols", 36)]),
];

/// The row of a struct; it does not compile for one that is not in the table.
const fn row(file: &str, name: &str) -> &'static Row {
    let mut i = 0;
    while i < ROWS.len() {
        if same(ROWS[i].0, file) && same(ROWS[i].1, name) {
            return &ROWS[i];
        }
        i += 1;
    }
    panic!("the table of arguments has no such row")
}

/// The bytes of a struct of the table.
pub(super) const fn bytes_of(file: &str, name: &str) -> usize {
    row(file, name).2
}

/// Whether a struct with so many bytes, and before its fields so many, is laid out as its twin.
pub(super) const fn is_alike(file: &str, name: &str, bytes: usize, offsets: &[usize]) -> bool {
    let Row(.., twin, fields) = row(file, name);
    let mut i = 0;
    while i < fields.len() && i < offsets.len() && fields[i].1 == offsets[i] {
        i += 1;
    }
    *twin == bytes && i == fields.len() && i == offsets.len()
}

pub(super) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Asserts that a struct is laid out as its twin in a file of kernels, with these of its fields where the table says.
macro_rules! alike {
    ($name:ident: $file:literal, $twin:literal { $($field:ident),* }) => {
        const _: () = assert!($crate::cuda::arguments::is_alike(
            $file,
            $twin,
            size_of::<$name>(),
            &[$(std::mem::offset_of!($name, $field)),*],
        ));
    };
}
pub(super) use alike;

/// Makes a struct an [`Argument`](super::module::Argument): it is [`alike`] one of a file of kernels.
macro_rules! twin {
    ($name:ident: $file:literal, $twin:literal { $($field:ident),* }) => {
        $crate::cuda::arguments::alike!($name: $file, $twin { $($field),* });
        // SAFETY: sizes and places of fields are asserted here and there.
        unsafe impl $crate::cuda::module::Argument for $name {
            const TYPES: &'static [&'static str] = &[$twin];
        }
    };
}
pub(super) use twin;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_assert_the_same_layouts() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let rows: Vec<&Row> = ROWS.iter().filter(|row| path.file_stem().unwrap() == row.0).collect();
            let text = std::fs::read_to_string(&path).unwrap();
            let (sizes, places) = (text.matches("static_assert(sizeof(").count(), text.matches("FIELD_AT(").count());
            assert_eq!(sizes, rows.len(), "{}: every assertion has a row", path.display());
            let fields: usize = rows.iter().map(|row| row.3.len()).sum();
            // More where the macro is made.
            assert_eq!(places, fields + text.matches("#define FIELD_AT(").count(), "{}", path.display());
            for Row(_, name, bytes, fields) in rows {
                let size = format!("static_assert(sizeof({name}) == {bytes}, ");
                let places = fields.iter().map(|(field, at)| format!("FIELD_AT({name}, {field}, {at});"));
                for line in places.chain([size]) {
                    assert!(text.contains(&line), "{}: {line}", path.display());
                }
            }
        }
    }
}
