//! Documents in folders, and names with `*` and `?`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ramba::{Error, ErrorKind, Result};
use walkdir::WalkDir;

use super::Format;

/// The files that `paths` stand for, each once: a file or `-` itself, in a folder those that look like documents by their names, and for a
/// name with `*`, `?` or `[` that is no file, those that match.
///
/// # Errors
/// `Io` if something is not there or cannot be read, and if there is no document in a folder; `InvalidArgument` for a bad pattern.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for path in paths {
        let mut here = Vec::new();
        let text = path.to_str().unwrap_or_default();
        if path != Path::new("-") && !path.exists() && text.contains(['*', '?', '[']) {
            let pattern = glob::glob(text).map_err(|e| Error::invalid(format!("{text}: {e}")))?;
            for entry in pattern {
                let entry = entry.map_err(|e| Error::io(format!("looking for {text}"), e.into()))?;
                if entry.is_file() {
                    here.push(entry);
                }
            }
            if here.is_empty() {
                return Err(Error::new(ErrorKind::Io, format!("no file matches {text}")));
            }
        } else if path.is_dir() {
            let walk = WalkDir::new(path).sort_by_file_name().into_iter();
            // What is hidden is not meant.
            for entry in
                walk.filter_entry(|entry| entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b"."))
            {
                let entry = entry.map_err(|e| Error::io(format!("searching {}", path.display()), e.into()))?;
                if entry.file_type().is_file() && Format::is_wanted(entry.path()) {
                    here.push(entry.into_path());
                }
            }
            if here.is_empty() {
                let message = format!("{} is a directory without documents in it", path.display());
                return Err(Error::new(ErrorKind::Io, message));
            }
        } else {
            here.push(path.clone());
        }
        found.extend(here.into_iter().filter(|path| seen.insert(path.clone())));
    }
    Ok(found)
}

/// The file in the folder of `path` with the name that is most like its.
pub fn similar(path: &Path) -> Option<PathBuf> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // In a folder with many files, not all are looked at.
    let names =
        std::fs::read_dir(folder).ok()?.take(10_000).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    crate::similar::similar(wanted, names).map(|name| path.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folders_and_patterns_are_searched() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("b/.git")).unwrap();
        for name in ["z.txt", "a.PDF", "b/c.md", "b/.git/d.txt", "b/e.png", ".hidden.txt", "odd[1].txt"] {
            fs::write(at(name), "x").unwrap();
        }
        let names = |paths: &[PathBuf]| -> Vec<String> {
            let found = find(paths).unwrap();
            found
                .iter()
                .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap().replace('\\', "/"))
                .collect()
        };
        assert_eq!(names(&[at("")]), ["a.PDF", "b/c.md", "odd[1].txt", "z.txt"]);
        assert_eq!(names(&[at("**/*.md"), at("z.*"), at("z.txt")]), ["b/c.md", "z.txt"]);
        assert_eq!(names(&[at("odd[1].txt"), at("b/e.png")]), ["odd[1].txt", "b/e.png"]);
        assert_eq!(find(&["-".into()]).unwrap(), [PathBuf::from("-")]);
        assert!(find(&[at("*.none")]).is_err() && find(&[at("b/.git/d.txt/x")]).is_ok());
        fs::create_dir(at("empty")).unwrap();
        assert!(find(&[at("empty")]).unwrap_err().to_string().contains("directory"));
    }
}
