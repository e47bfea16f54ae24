//! Writes the table of Unicode letters. With the feature `cuda`: compiles `kernels/*.cu` if there is a CUDA compiler, embeds their
//! source in any case, and makes a table of their parameters, which `src/cuda/module.rs` compares with what it starts them with.
//!
//! - `RAMBA_NVCC`: the compiler; `none` for none. By default `$CUDA_HOME/bin/nvcc`, then `nvcc` in the path. Without one
//!   the kernels are compiled by NVRTC when they are first used.
//! - `RAMBA_CUDA_ARCHS`: the compute capabilities to make machine code for, for example `87,90`. By default those of
//!   [`ARCHS`] that the compiler knows. Other devices from 8.0 on run the PTX of 8.0.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use regex_syntax::hir::{Class, HirKind};

/// Turing, Orin, Hopper, Thor.
const ARCHS: [&str; 4] = ["75", "87", "90", "110"];
/// What machine code for other devices is made of.
const PTX: &str = "80";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("letters.rs"), letters()).expect("the folder of build scripts");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo:rerun-if-changed=kernels");
    for name in ["RAMBA_NVCC", "RAMBA_CUDA_ARCHS", "CUDA_HOME", "PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let mut files: Vec<PathBuf> = fs::read_dir(root.join("kernels"))
        .expect("the folder kernels")
        .map(|entry| entry.expect("an entry of the folder kernels").path())
        .filter(|path| path.extension().is_some_and(|e| e == "cu"))
        .collect();
    files.sort();

    let nvcc = nvcc();
    if let Some(nvcc) = &nvcc {
        let archs = archs(nvcc);
        // Two at a time: a compiler takes up to half a gigabyte.
        for pair in files.chunks(2) {
            let children: Vec<_> = pair.iter().map(|file| (file, compile(nvcc, &archs, file, &out))).collect();
            for (file, mut child) in children {
                let status = child.wait().expect("nvcc");
                assert!(status.success(), "{} could not compile {}", nvcc.display(), file.display());
            }
        }
    }

    let mut table = String::from("static SOURCES: &[Source] = &[\n");
    for file in &files {
        let name = stem(file);
        let binary = match nvcc {
            Some(_) => format!("Some(include_bytes!({:?}))", out.join(format!("{name}.fatbin"))),
            None => "None".to_owned(),
        };
        writeln!(table, "    Source {{ name: {name:?}, text: include_str!({file:?}), binary: {binary} }},")
            .expect("text");
    }
    table.push_str("];\n");
    table.push_str("const PARAMETERS: &[(&str, &[&str])] = &[\n");
    for file in &files {
        for (name, types) in parameters(&fs::read_to_string(file).expect("a file of kernels")) {
            writeln!(table, "    ({name:?}, &{types:?}),").expect("text");
        }
    }
    table.push_str("];\n");
    writeln!(table, "static COMMON: &str = include_str!({:?});", root.join("kernels/common.cuh")).expect("text");
    fs::write(out.join("kernels.rs"), table).expect("the table of kernels");
}

/// The kernels in the text of a file: their names, and the types of their parameters, all pointers as `*`.
fn parameters(text: &str) -> BTreeMap<String, Vec<String>> {
    let lines = text.replace("\\\n", " ");
    let lines: Vec<&str> = lines.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let (directives, code): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.starts_with('#'));
    // Macros of kernels: name, parameters, body.
    let macros = directives.iter().filter_map(|line| {
        let (name, rest) = line.strip_prefix("#define ")?.split_once('(')?;
        let (parameters, body) = parenthesized(rest)?;
        Some((name, parameters, body))
    });
    let macros: Vec<(&str, Vec<&str>, &str)> = macros.collect();
    let mut kernels = BTreeMap::new();
    let code = expand(&code.join("\n"), &macros);
    for part in code.split("__global__ void").skip(1) {
        let part = match part.trim_start().strip_prefix("__launch_bounds__") {
            Some(bounds) => parenthesized(bounds.trim_start().trim_start_matches('(')).expect("bounds").1,
            None => part,
        };
        let (name, rest) = part.split_once('(').expect("parameters of a kernel");
        let (list, _) = parenthesized(rest).expect("parameters of a kernel");
        let types = list.iter().filter(|parameter| !parameter.is_empty()).map(|parameter| {
            let words = parameter
                .split_whitespace()
                .filter(|word| !["const", "__grid_constant__"].contains(word))
                .collect::<Vec<_>>();
            if parameter.contains('*') { "*".to_owned() } else { words[..words.len() - 1].join(" ") }
        });
        let types: Vec<String> = types.collect();
        // For devices that cannot run it, a kernel may have an empty stand-in.
        let known: &mut Vec<String> = kernels.entry(name.trim().to_owned()).or_default();
        if types.len() > known.len() {
            *known = types;
        }
    }
    kernels
}

/// `text` with the uses of `macros` replaced, as the preprocessor does it.
fn expand(text: &str, macros: &[(&str, Vec<&str>, &str)]) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let end = rest[start..].find(|c| !is_word(c)).map_or(rest.len(), |len| start + len);
        let word = &rest[start..end];
        out.push_str(&rest[..start]);
        rest = &rest[end..];
        let used = macros.iter().find(|(name, ..)| *name == word).zip(rest.strip_prefix('('));
        let Some(((_, names, body), (values, after))) = used.and_then(|(m, rest)| Some((m, parenthesized(rest)?)))
        else {
            out.push_str(word);
            continue;
        };
        // The body has words of its own, which may be macros too.
        let arguments: Vec<_> = names.iter().copied().zip(values).collect();
        out.push_str(&expand(&substitute(body, &arguments).replace("##", ""), macros));
        rest = after;
    }
    out + rest
}

/// `body` with each parameter of a macro replaced by its argument.
fn substitute(body: &str, arguments: &[(&str, &str)]) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = body;
    while let Some(start) = rest.find(is_word) {
        let end = rest[start..].find(|c| !is_word(c)).map_or(rest.len(), |len| start + len);
        let word = &rest[start..end];
        out.push_str(&rest[..start]);
        out.push_str(arguments.iter().find(|(name, _)| *name == word).map_or(word, |(_, value)| value));
        rest = &rest[end..];
    }
    out + rest
}

/// What stands between parentheses, of which the first is not part of `text`: its parts between commas, and what follows.
fn parenthesized(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ')' | ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
                if c == ')' {
                    return Some((parts, &text[start..]));
                }
            }
            _ => {}
        }
    }
    None
}

fn stem(file: &Path) -> String {
    file.file_stem().expect("a file").to_string_lossy().into_owned()
}

/// The compiler, if there is one that runs.
fn nvcc() -> Option<PathBuf> {
    let wanted = env::var_os("RAMBA_NVCC").filter(|v| !v.is_empty());
    let candidates = match &wanted {
        Some(path) if path == "none" => return None,
        Some(path) => vec![PathBuf::from(path)],
        None => {
            let home = env::var_os("CUDA_HOME").map(|home| Path::new(&home).join("bin/nvcc"));
            home.into_iter().chain([PathBuf::from("nvcc")]).collect()
        }
    };
    let found = candidates
        .into_iter()
        .find(|nvcc| Command::new(nvcc).arg("--version").output().is_ok_and(|o| o.status.success()));
    assert!(found.is_some() || wanted.is_none(), "RAMBA_NVCC is {wanted:?}, which does not run");
    found
}

fn archs(nvcc: &Path) -> Vec<String> {
    if let Ok(wanted) = env::var("RAMBA_CUDA_ARCHS") {
        return wanted.split([',', ' ']).filter(|a| !a.is_empty()).map(str::to_owned).collect();
    }
    let known = Command::new(nvcc).arg("--list-gpu-code").output().expect("nvcc");
    let known = String::from_utf8_lossy(&known.stdout).into_owned();
    let has = |arch: &str| known.lines().any(|line| line.trim() == format!("sm_{arch}"));
    ARCHS.into_iter().filter(|arch| has(arch)).map(str::to_owned).collect()
}

fn compile(nvcc: &Path, archs: &[String], file: &Path, out: &Path) -> std::process::Child {
    let mut command = Command::new(nvcc);
    command.args(["-std=c++17", "-O3", "--fatbin", "-o"]).arg(out.join(format!("{}.fatbin", stem(file)))).arg(file);
    for arch in archs {
        command.arg(format!("-gencode=arch=compute_{arch},code=sm_{arch}"));
    }
    command.arg(format!("-gencode=arch=compute_{PTX},code=compute_{PTX}"));
    command.spawn().expect("nvcc")
}

/// The ranges of `\p{L}`, first and last character, in order: as the expressions of tokenizers mean it.
fn letters() -> String {
    let parsed = regex_syntax::Parser::new().parse(r"\p{L}").expect("Unicode's general categories");
    let HirKind::Class(Class::Unicode(class)) = parsed.kind() else { panic!("not a class of characters: {parsed:?}") };
    let ranges: Vec<_> = class.iter().map(|range| (range.start(), range.end())).collect();
    format!("static LETTERS: [(char, char); {}] = {ranges:?};\n", ranges.len())
}
