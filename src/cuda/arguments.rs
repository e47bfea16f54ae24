//! The structs that kernels are given, or that lie in memory which the host makes for them: their sizes, which both compilers assert.

/// A file of `kernels/`, a struct in it, and its bytes.
struct Row(&'static str, &'static str, usize);

/// All of them. The kernels' side asserts the same sizes, and a test reads that it does.
const ROWS: [Row; 19] = [
    Row("copy", "Place", 24),
    Row("mamba_block", "Spans", 64),
    Row("mamba_blocks", "Block", 96),
    Row("mamba_blocks", "Blocks", 3088),
    Row("mamba_blocks", "Exchange", 57_348),
    Row("mamba_blocks", "Shared", 231_808),
    Row("matmul", "Factors", 24),
    Row("matmul", "Products", 88),
    Row("mlp", "Mlp", 48),
    Row("encoder_attention", "Encoder", 24),
    Row("encoder_attention", "Layer", 88),
    Row("chunk_memory", "Memory", 80),
    Row("hsa", "Pick", 8),
    Row("hsa", "Hsa", 28),
    Row("score_top_k", "Found", 8),
    Row("score_top_k", "Pick", 8),
    Row("score_top_k", "Choice", 24),
    Row("common", "Ssm", 36),
    Row("common", "Weight", 40),
];

/// The bytes of a struct of the table; it does not compile for any other.
pub(super) const fn bytes_of(file: &str, name: &str) -> usize {
    let mut i = 0;
    while i < ROWS.len() {
        if same(ROWS[i].0, file) && same(ROWS[i].1, name) {
            return ROWS[i].2;
        }
        i += 1;
    }
    panic!("the table of arguments has no such row")
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

/// Makes a struct an [`Argument`](super::module::Argument): the twin of one of a file of kernels, of the same size.
macro_rules! twin {
    ($name:ident: $file:literal, $twin:literal) => {
        // SAFETY: the same fields in the same order; the size is asserted here and there.
        unsafe impl $crate::cuda::module::Argument for $name {
            const TYPES: &'static [&'static str] = &[$twin];
        }
        const _: () = assert!(size_of::<$name>() == $crate::cuda::arguments::bytes_of($file, $twin));
    };
}
pub(super) use twin;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_assert_the_same_sizes() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let asserts = |text: &str| text.matches("static_assert(sizeof(").count();
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let rows = ROWS.iter().filter(|row| path.file_stem().unwrap() == row.0).count();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(asserts(&text), rows, "{}: every assertion has a row", path.display());
        }
        for Row(file, name, bytes) in ROWS {
            let file = dir.join(format!("{file}.{}", if file == "common" { "cuh" } else { "cu" }));
            let text = std::fs::read_to_string(&file).unwrap();
            let line = format!("static_assert(sizeof({name}) == {bytes}, ");
            assert!(text.contains(&line), "{}: {line}", file.display());
        }
    }
}
