//! Who may know whom: the `use crate::` lines of `src/` against the table in `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// For each module, those that it may use.
type Table = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows `| module | what it is | may use |` of the table under "Allowed dependencies".
fn table() -> Table {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let section = text.split("\n## ").find(|part| part.starts_with("Allowed dependencies")).expect("the section");
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').collect();
        (names(cells[1]).into_iter().next().unwrap(), names(cells[3]))
    };
    rows.map(row).collect()
}

/// The Rust files below `dir`.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
    all.sort();
    all
}

/// The module of a file: the first part of its path in `src/`.
fn module(path: &Path) -> String {
    let first = path.strip_prefix(root().join("src")).unwrap().iter().next().unwrap();
    Path::new(first).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// What follows `crate::` wherever it stands, comments apart: one name, or those in braces.
fn named(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut all = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            all.insert(word(rest));
            continue;
        };
        // The first name of each part of the list, at its own depth.
        let (mut depth, mut part) = (0, String::new());
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    all.insert(word(part.trim()));
                    part.clear();
                    continue;
                }
                _ => {}
            }
            part.push(c);
        }
        all.insert(word(part.trim()));
    }
    all.remove("");
    all
}

/// What a file of `module` uses and may not.
fn forbidden(table: &Table, module: &str, text: &str) -> Vec<String> {
    let Some(allowed) = table.get(module) else { return vec![format!("{module} is not in the table")] };
    let known = named(text).into_iter().filter(|name| table.contains_key(name) && name != module);
    known.filter(|name| !allowed.contains(name)).map(|name| format!("{module} uses {name}")).collect()
}

#[test]
fn modules_use_what_the_table_allows() {
    let table = table();
    let mut wrong = Vec::new();
    let mut modules = BTreeSet::new();
    for path in sources(&root().join("src")) {
        let module = module(&path);
        if module == "lib" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let found = forbidden(&table, &module, &text);
        wrong.extend(found.into_iter().map(|what| format!("{}: {what}", path.display())));
        modules.insert(module);
    }
    assert!(wrong.is_empty(), "against docs/architecture.md:\n{}", wrong.join("\n"));
    let rows: BTreeSet<String> = table.into_keys().collect();
    assert_eq!(rows, modules, "the table has a row for every module, and no other");
}

#[test]
fn a_forbidden_use_is_found() {
    let table = table();
    let model = fs::read_to_string(root().join("src/memory/mod.rs")).unwrap();
    assert!(forbidden(&table, "memory", &model).is_empty());
    for line in [
        "use crate::model::Model;",
        "use crate::{Error, model::Config, Result};",
        "use crate::{\n    Result,\n    model::{Config, Model},\n};",
        "fn f(model: &crate::model::Model<Cpu>) {}",
    ] {
        assert_eq!(forbidden(&table, "memory", &format!("{model}\n{line}\n")), ["memory uses model"], "{line}");
    }
    assert!(
        forbidden(&table, "memory", "// crate::model is not used\n/// [`Model`](crate::model::Model)\n").is_empty()
    );
    assert!(forbidden(&table, "backend", "use crate::cpu::Cpu;").len() == 1);
    assert!(forbidden(&table, "nowhere", "").len() == 1);
}

#[test]
fn the_table_has_no_cycles() {
    let mut left = table();
    // Modules that use nothing that is left go first; in the end none must be left.
    while let Some(free) = left.iter().find(|(_, uses)| uses.iter().all(|u| !left.contains_key(u))) {
        let free = free.0.clone();
        left.remove(&free);
    }
    assert!(left.is_empty(), "these use each other: {:?}", left.keys());
}

#[test]
fn the_memory_knows_no_device() {
    for path in sources(&root().join("src/memory")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("cfg(feature"), "{}", path.display());
    }
}
