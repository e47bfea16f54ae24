//! A model in several files is opened whole, by its first part, or not at all.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ramba::convert::{Report, quantize};
use ramba::weights::Weights;
use ramba::{AskOptions, Engine, EngineOptions, ErrorKind, Result, SessionOptions};
use tempfile::TempDir;
use test_support::gguf::{File, kind};
use test_support::random::{self, Shape};

/// A part with the keys of `gguf-split`.
fn part(mut file: File, no: u16, count: u16, tensors: i32) -> File {
    file = file.raw("split.no", kind::U16, &no.to_le_bytes());
    file = file.raw("split.count", kind::U16, &count.to_le_bytes());
    file.raw("split.tensors.count", kind::I32, &tensors.to_le_bytes())
}

/// The random model in parts that begin with these tensors.
fn parts(begins: &[usize]) -> Vec<File> {
    let whole = random::file(Shape::default());
    let count = begins.len() as u16;
    let mut parts: Vec<File> = Vec::new();
    for (no, &begin) in begins.iter().enumerate() {
        let end = begins.get(no + 1).copied().unwrap_or(whole.tensors.len());
        let mut file = File::new();
        if no == 0 {
            file.entries.clone_from(&whole.entries);
        }
        file = part(file, no as u16, count, whole.tensors.len() as i32);
        file.tensors = whole.tensors[begin..end].to_vec();
        parts.push(file);
    }
    parts
}

struct Set {
    dir: TempDir,
    count: usize,
}

impl Set {
    fn write(parts: &[File]) -> Set {
        let set = Set { dir: TempDir::new().unwrap(), count: parts.len() };
        for (no, file) in parts.iter().enumerate() {
            std::fs::write(set.path(no), file.build()).unwrap();
        }
        set
    }

    fn path(&self, no: usize) -> PathBuf {
        self.dir.path().join(format!("model-{:05}-of-{:05}.gguf", no + 1, self.count))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn quantize(&self, from: &Path, to: &str) -> Result<Report> {
        quantize(from, self.at(to), &"ssm_in=F32".parse().unwrap(), &mut |_| ControlFlow::Continue(()))
    }

    /// Neither opens nor becomes another file, for a reason that has all of `words`.
    fn refused(&self, path: &Path, kind: ErrorKind, words: &[&str]) {
        let opened = Weights::open(path).map(drop);
        let engine = Engine::open(path, &EngineOptions::default()).map(drop);
        let quantized = self.quantize(path, "out.gguf").map(drop);
        for result in [opened, engine, quantized] {
            let error = result.expect_err(&format!("accepted, where {words:?} was expected"));
            assert_eq!(error.kind(), kind, "{error}");
            for word in words {
                assert!(error.to_string().contains(word), "{word:?} is missing in: {error}");
            }
        }
        assert!(!self.at("out.gguf").exists());
    }
}

fn answer(path: &Path) -> String {
    let engine = Engine::open(path, &EngineOptions::default().threads(1)).unwrap();
    let mut session = engine.session(&SessionOptions::default().budget(1 << 20)).unwrap();
    session.feed(&"The pass key of QXRT is 482913. ".repeat(20)).unwrap();
    let answer = session.answer("What?", &AskOptions::default().max_tokens(20)).unwrap();
    format!("{:?} {:?}", answer.tokens, answer.sources)
}

#[test]
fn the_first_part_opens_the_whole_model() {
    let dir = TempDir::new().unwrap();
    let whole = answer(&random::write(dir.path(), Shape::default()));
    // With the metadata alone in the first part, too.
    for begins in [&[0, 5, 20][..], &[0, 0, 30], &[0, 1]] {
        let set = Set::write(&parts(begins));
        assert_eq!(answer(&set.path(0)), whole, "{begins:?}");
        assert_eq!(Weights::open(&set.path(0)).unwrap().gguf().tensors().last().unwrap().part, begins.len() - 1);
    }
    // A set of one part is a model.
    assert_eq!(answer(&Set::write(&parts(&[0])).path(0)), whole);
}

#[test]
fn what_quantize_makes_of_a_set_is_whole() {
    let set = Set::write(&parts(&[0, 5, 20]));
    let report = set.quantize(&set.path(0), "whole.gguf").unwrap();
    assert_eq!(report.tensors.len(), random::file(Shape::default()).tensors.len());
    let whole = Weights::open(&set.at("whole.gguf")).unwrap();
    assert!(whole.gguf().entries().all(|(key, _)| !key.starts_with("split.")));
    assert_eq!(answer(&set.at("whole.gguf")), answer(&set.path(0)));
    // Not over one of its own parts.
    let before = std::fs::read(set.path(1)).unwrap();
    let error = set.quantize(&set.path(0), "model-00002-of-00003.gguf").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(std::fs::read(set.path(1)).unwrap(), before);
}

#[test]
fn a_missing_part_is_named() {
    let set = Set::write(&parts(&[0, 5, 20]));
    std::fs::remove_file(set.path(1)).unwrap();
    set.refused(&set.path(0), ErrorKind::Format, &["part 2 of 3", "model-00002-of-00003.gguf", "missing"]);
    std::fs::remove_file(set.path(2)).unwrap();
    set.refused(&set.path(0), ErrorKind::Format, &["part 2 of 3", "1 more"]);
}

#[test]
fn another_part_names_the_first() {
    let set = Set::write(&parts(&[0, 5, 20]));
    for no in [1, 2] {
        let part = format!("part {} of 3", no + 1);
        set.refused(&set.path(no), ErrorKind::Format, &[&part, "model-00001-of-00003.gguf"]);
    }
    std::fs::rename(set.path(0), set.at("model.gguf")).unwrap();
    set.refused(&set.at("model.gguf"), ErrorKind::Format, &["part 1 of 3", "does not end in -00001-of-00003.gguf"]);
    let alone = std::fs::read(set.at("model.gguf")).unwrap();
    assert!(Weights::from_bytes(alone).err().unwrap().to_string().contains("part 1 of 3"));
}

#[test]
fn parts_that_do_not_belong_together() {
    let begins = [0, 5, 20];
    let total = random::file(Shape::default()).tensors.len();
    let with = |change: &dyn Fn(&mut Vec<File>), words: &[&str]| {
        let mut parts = parts(&begins);
        change(&mut parts);
        let set = Set::write(&parts);
        set.refused(&set.path(0), ErrorKind::Format, words);
    };
    with(&|p| p.swap(1, 2), &["part 2 of 3", "split.no = 2"]);
    with(&|p| p[2] = part(File::new(), 2, 4, total as i32), &["part 3 of 3", "split.count = 4"]);
    with(&|p| p[1].entries.clear(), &["part 2 of 3", "split.count = 0"]);
    with(&|p| p[1].tensors.truncate(3), &["split.tensors.count", &total.to_string()]);
    with(&|p| p[2].tensors[0] = p[1].tensors[0].clone(), &["two parts"]);
    with(&|p| p[1] = p[1].clone().u32("ramba.chunk.size", 7), &["part 2 of 3", "ramba.chunk.size"]);
}

#[test]
fn a_file_that_lacks_tensors_is_not_written() {
    let mut file = random::file(Shape::default());
    file.tensors.retain(|t| t.name != b"hsa.1.q.weight");
    let set = Set::write(&[file]);
    let error = set.quantize(&set.path(0), "out.gguf").unwrap_err();
    assert!(error.kind() == ErrorKind::Format && error.to_string().contains("\"hsa.1.q.weight\""), "{error}");
    assert!(!set.at("out.gguf").exists());
}
