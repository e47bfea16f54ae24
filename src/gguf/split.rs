//! Models in several files, as llama.cpp's `gguf-split` writes them: the first part has the metadata of the whole, and each part a
//! table of its own tensors. The parts of `model` are `model-00001-of-00003.gguf` and so on, and each has the keys `split.no`
//! (from 0), `split.count` and `split.tensors.count` (of the whole)
//! (<https://github.com/ggml-org/llama.cpp/tree/master/tools/gguf-split>).

use std::path::{Path, PathBuf};

use super::*;

/// Most parts of a model; more would be too many open files.
const MAX_PARTS: u64 = 512;

const PREFIX: &str = "split.";
const NO: &str = "split.no";
const COUNT: &str = "split.count";
const TENSORS: &str = "split.tensors.count";

/// Whether `key` says how a model is divided into files.
pub(crate) fn is_split_key(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// Opens the model at `path`, and the other parts if it is the first part of a set. `open` is given the path of each part.
///
/// # Errors
/// What `open` returns, and `Format` for another part than the first, for parts that are missing and for parts that do not belong
/// together.
pub(crate) fn open_set<F>(
    path: &Path,
    mut open: impl FnMut(&Path) -> Result<(F, Gguf)>,
) -> Result<(Vec<(PathBuf, F)>, Gguf)> {
    let (file, gguf) = open(path)?;
    let mut files = vec![(path.to_owned(), file)];
    let Some((no, count)) = gguf.part()? else { return Ok((files, gguf)) };
    let paths = part_paths(path, no, count)?;
    if no != 0 {
        return Err(Error::format(format!(
            "this is part {} of {count} of a split model: open it by its first part, {}",
            no + 1,
            paths[0].display()
        )));
    }
    let missing: Vec<_> = (1..count).filter(|&i| !paths[i].exists()).collect();
    if let Some(&first) = missing.first() {
        let more =
            if missing.len() > 1 { format!(", and {} more parts are", missing.len() - 1) } else { String::new() };
        return Err(Error::format(format!(
            "part {} of {count} of the model is missing: {}{more}{}",
            first + 1,
            paths[first].display(),
            if more.is_empty() { "" } else { " missing" }
        )));
    }
    let mut others = Vec::with_capacity(count - 1);
    for path in &paths[1..] {
        let (file, part) = open(path).map_err(|e| e.context(format_args!("part {}", path.display())))?;
        files.push((path.clone(), file));
        others.push(part);
    }
    Ok((files, gguf.join(others)?))
}

impl Gguf {
    /// Which part of a split model this is, from 0, and how many there are; `None` for a whole model.
    ///
    /// # Errors
    /// `Format` for a part of another number than there are, `Unsupported` for too many parts.
    pub fn part(&self) -> Result<Option<(usize, usize)>> {
        let count = self.whole_number(COUNT)?.unwrap_or(0);
        if count <= 1 {
            return Ok(None);
        }
        if count > MAX_PARTS {
            return Err(Error::unsupported(format!("{COUNT} is {count}, more than the limit of {MAX_PARTS} parts")));
        }
        let no = self.whole_number(NO)?.ok_or_else(|| missing(NO))?;
        if no >= count {
            return Err(Error::format(format!("{NO} is {no}, but {COUNT} is {count}")));
        }
        Ok(Some((no as usize, count as usize)))
    }

    /// The model that this first part and `others` are together.
    fn join(mut self, others: Vec<Gguf>) -> Result<Gguf> {
        let count = others.len() + 1;
        for (i, other) in others.into_iter().enumerate() {
            let no = i + 1;
            let about = |e: Error| e.context(format_args!("part {} of {count}", no + 1));
            if other.part().map_err(about)? != Some((no, count)) {
                return Err(about(Error::format(format!(
                    "its keys say {NO} = {}, {COUNT} = {}",
                    other.whole_number(NO)?.unwrap_or(0),
                    other.whole_number(COUNT)?.unwrap_or(0)
                ))));
            }
            for (key, value) in &other.entries {
                let allowed = is_split_key(key) || key == "general.alignment" || self.get(key) == Some(value);
                if !allowed {
                    return Err(about(Error::format(format!("{} is not as in the first part", Quoted(key)))));
                }
            }
            self.tensors.extend(other.tensors.into_iter().map(|t| TensorInfo { part: no, ..t }));
            if self.tensors.len() as u64 > MAX_TENSORS {
                return Err(Error::format(format!("more than {MAX_TENSORS} tensors in all parts")));
            }
        }
        self.by_name = parse::index(&self.tensors, |t| &t.name)
            .map_err(|name| Error::format(format!("tensor {} is in two parts", Quoted(name))))?;
        let stated = self.whole_number(TENSORS)?;
        if let Some(stated) = stated.filter(|&n| n != self.tensors.len() as u64) {
            return Err(Error::format(format!(
                "{TENSORS} is {stated}, but the {count} parts have {} tensors",
                self.tensors.len()
            )));
        }
        Ok(self)
    }

    /// A number that writers store in different types.
    fn whole_number(&self, key: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = match *value {
            Value::U8(v) => Some(v.into()),
            Value::U16(v) => Some(v.into()),
            Value::U32(v) => Some(v.into()),
            Value::U64(v) => Some(v),
            Value::I8(v) => u64::try_from(v).ok(),
            Value::I16(v) => u64::try_from(v).ok(),
            Value::I32(v) => u64::try_from(v).ok(),
            Value::I64(v) => u64::try_from(v).ok(),
            _ => return Err(wrong_type(key, value, "a whole number")),
        };
        number.map(Some).ok_or_else(|| Error::format(format!("{} is negative", Quoted(key))))
    }
}

/// The paths of all parts, by the path of part `no`.
fn part_paths(path: &Path, no: usize, count: usize) -> Result<Vec<PathBuf>> {
    let suffix = |no: usize| format!("-{:05}-of-{count:05}.gguf", no + 1);
    let name = path.file_name().and_then(|name| name.to_str());
    let stem = name.and_then(|name| name.strip_suffix(&suffix(no))).ok_or_else(|| {
        Error::format(format!(
            "this is part {} of {count} of a split model, but its name does not end in {}: the other parts cannot be found",
            no + 1,
            suffix(no)
        ))
    })?;
    Ok((0..count).map(|no| path.with_file_name(format!("{stem}{}", suffix(no)))).collect())
}
