//! What programs are built against does not change unnoticed: every function of the C interface with its prototype, every constant, and
//! every structure with the places of its fields, against the list of its version in `include/abi`.

#![cfg(all(feature = "capi", target_os = "linux", target_pointer_width = "64"))]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use tempfile::TempDir;
use test_support::build::{libraries, run};
use test_support::root;

/// A header without its comments, white space as single spaces, in its declarations.
fn declarations(header: &str) -> Vec<String> {
    let code: Vec<&str> = header.lines().filter(|l| !l.trim_start().starts_with("//") && !l.starts_with('#')).collect();
    let code = code.join(" ");
    let code = code.split_once("*/").map_or(&*code, |(_, after)| after).replace("extern \"C\" {", "");
    let (mut all, mut depth, mut one) = (Vec::new(), 0, String::new());
    for c in code.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ';' if depth == 0 => {
                all.push(one.split_whitespace().collect::<Vec<_>>().join(" "));
                one.clear();
                continue;
            }
            _ => {}
        }
        one.push(c);
    }
    all
}

/// The name of a structure or enumeration, and its fields: the last word of each, for pointers to functions the name in parentheses.
fn fields(declaration: &str, kind: &str) -> Option<(String, Vec<String>)> {
    let (head, body) = declaration.strip_prefix(kind)?.split_once('{')?;
    let separator = if kind.contains("enum") { ',' } else { ';' };
    let parts = body.rsplit_once('}')?.0.split(separator).map(str::trim).filter(|part| !part.is_empty());
    let name = |part: &str| {
        let word = if separator == ',' { part.split_whitespace().next() } else { part.split_whitespace().last() };
        word.unwrap_or_default().trim_start_matches('*').to_owned()
    };
    Some((head.trim().to_owned(), parts.map(name).collect()))
}

/// What a program sees of the interface that the header describes.
fn interface(header: &str) -> String {
    let all = declarations(header);
    let mut source = "#include <stdio.h>\n#include \"ramba.h\"\nint main(void) {\n".to_owned();
    source +=
        "printf(\"version %d\\n\", RAMBA_ABI_VERSION);\nprintf(\"none %llu\\n\", (unsigned long long)RAMBA_NONE);\n";
    let mut functions = BTreeSet::new();
    for declaration in &all {
        if let Some((name, constants)) = fields(declaration, "typedef enum ") {
            writeln!(source, "printf(\"enum {name} of %zu bytes\\n\", sizeof({name}));").unwrap();
            for constant in constants {
                writeln!(source, "printf(\"    {constant} = %d\\n\", {constant});").unwrap();
            }
        } else if let Some((name, fields)) = fields(declaration, "typedef struct ") {
            writeln!(source, "printf(\"struct {name} of %zu bytes\\n\", sizeof({name}));").unwrap();
            for field in fields {
                let at = format!("offsetof({name}, {field}), sizeof((({name} *)0)->{field})");
                writeln!(source, "printf(\"    {field} at %zu, %zu bytes\\n\", {at});").unwrap();
            }
        } else {
            functions.insert(declaration.clone());
        }
    }
    source += "return 0;\n}\n";
    let dir = TempDir::new().unwrap();
    let [file, program] = ["layout.c", "layout"].map(|name| dir.path().join(name));
    fs::write(&file, source).unwrap();
    fs::write(dir.path().join("ramba.h"), header).unwrap();
    run(Command::new("cc").args(["-std=c99", "-Wall", "-Werror", "-o"]).arg(&program).arg(&file));
    let mut seen = String::from_utf8(run(&mut Command::new(program)).stdout).unwrap();
    functions.iter().for_each(|function| writeln!(seen, "{function};").unwrap());
    seen
}

/// What is wrong with the interface of `header` beside the list of its version, if anything.
fn changed(header: &str) -> Option<String> {
    let seen = interface(header);
    let version = seen.lines().next().unwrap().strip_prefix("version ").unwrap();
    let list = root().join(format!("include/abi/{version}.txt"));
    let frozen = fs::read_to_string(&list).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (seen_lines, frozen_lines) = (lines(&seen), lines(&frozen));
    if seen == frozen {
        return None;
    }
    let gone = frozen_lines.difference(&seen_lines).map(|line| format!("- {line}\n"));
    let new = seen_lines.difference(&frozen_lines).map(|line| format!("+ {line}\n"));
    Some(format!(
        "the interface is not that of version {version}:\n{}If a program that was built before could notice, raise RAMBA_ABI_VERSION \
         and keep a list of the new version; if there is only more of it, add that to {}. All of it:\n{seen}",
        gone.chain(new).collect::<String>(),
        list.display(),
    ))
}

fn header() -> String {
    fs::read_to_string(root().join("include/ramba.h")).unwrap()
}

#[test]
fn the_interface_is_that_of_its_version() {
    if let Some(what) = changed(&header()) {
        panic!("{what}");
    }
}

#[test]
fn a_change_is_noticed() {
    let header = header();
    for (from, to) in [
        ("uint32_t threads;", "uint64_t threads;"),
        ("    uint64_t budget_bytes;\n", ""),
        ("RAMBA_STATUS_IO = 1", "RAMBA_STATUS_IO = 11"),
        ("ramba_stop ramba_stop_reason(const struct", "ramba_stop ramba_stop_reason(struct"),
        ("const char *ramba_version(void);", ""),
        ("#define RAMBA_ABI_VERSION 1", "#define RAMBA_ABI_VERSION 2"),
    ] {
        assert!(header.contains(from), "{from}");
        assert!(changed(&header.replace(from, to)).is_some(), "{from} to {to}");
    }
}

/// `cargo cinstall` gives the shared library the name that `packages/build` does.
#[test]
fn libraries_are_named_after_the_version() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, library) = manifest.split_once("[package.metadata.capi.library]").unwrap();
    let version = library.lines().find_map(|line| line.strip_prefix("version = ")).unwrap();
    let defined = header().lines().find_map(|line| line.strip_prefix("#define RAMBA_ABI_VERSION ").map(str::to_owned));
    assert_eq!(version, format!("\"{}.0.0\"", defined.unwrap()));
}

/// The shared library has the functions of the header and no other name for anybody.
#[test]
fn the_shared_library_has_the_names_of_the_header() {
    let library = libraries().join("libramba.so");
    let output = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library)).stdout;
    let text = String::from_utf8(output).unwrap();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let declared = declarations(&header());
    let functions = declared.iter().filter(|d| !d.starts_with("typedef"));
    let functions: BTreeSet<&str> = functions
        .filter_map(|d| d.split_once('(').and_then(|(head, _)| head.split([' ', '*']).next_back()))
        .filter(|name| name.starts_with("ramba_"))
        .collect();
    assert!(functions.len() > 40, "{functions:?}");
    assert_eq!(names, functions);
}
