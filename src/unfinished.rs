//! Files that get their names when they are complete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempPath};

use crate::{Error, Result};

/// A file in the making. Dropped before [`Unfinished::finish`], it leaves nothing behind. On Linux, where the file system can,
/// it has no name until then, so that nothing stays if the process is killed; elsewhere it has a random one.
pub(crate) struct Unfinished {
    file: File,
    name: Option<TempPath>,
    path: PathBuf,
}

impl Unfinished {
    /// An empty file that will be `path`, whose folder must exist.
    ///
    /// # Errors
    /// `InvalidArgument` if `path` cannot be a file's, `Io` if the file cannot be made.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if path.file_name().is_none() {
            return Err(Error::invalid(format!("{} names no file", path.display())));
        }
        if path.is_dir() {
            return Err(Error::invalid(format!("{} is a folder", path.display())));
        }
        let path = path.to_owned();
        if let Some(file) = unnamed(folder(&path)) {
            return Ok(Self { file, name: None, path });
        }
        let (file, name) = builder()
            .tempfile_in(folder(&path))
            .map_err(|e| Error::io(format!("creating {}", path.display()), e))?
            .into_parts();
        Ok(Self { file, name: Some(name), path })
    }

    /// The file, to be written to.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Where it will be.
    #[cfg(feature = "convert")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the file to the disk and gives it its name, in the place of a file that has it.
    ///
    /// # Errors
    /// `Io`; nothing is then left behind.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { file, name, path } = self;
        let io = |e| Error::io(format!("completing {}", path.display()), e);
        file.sync_all().map_err(io)?;
        let name = match name {
            Some(name) => name,
            // A link never replaces a file; a name of its own can be changed into one that is taken.
            None => builder().make_in(folder(&path), |name| link(&file, name)).map_err(io)?.into_temp_path(),
        };
        name.persist(&path).map_err(|e| io(e.error))?;
        // The name is in the folder, which is a file of its own.
        #[cfg(unix)]
        File::open(folder(&path)).and_then(|f| f.sync_all()).map_err(io)?;
        Ok(())
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Random names, and the permissions that any new file gets.
fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".ramba-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// A file without a name that can be given one, if there are such.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::TMPFILE.bits() as i32;
    let file = File::options().read(true).write(true).mode(0o666).custom_flags(flags).open(folder).ok()?;
    descriptor(&file).exists().then_some(file)
}

#[cfg(target_os = "linux")]
fn link(file: &File, name: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};

    Ok(linkat(CWD, descriptor(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

/// What the system calls an open file: see the end of linkat(2).
#[cfg(target_os = "linux")]
fn descriptor(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;

    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn link(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The names in a folder.
    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_when_it_is_complete_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.gguf");
        std::fs::write(&path, "old").unwrap();
        // Names that could be taken for those of files in the making.
        for name in ["model.gguf.part", ".model.gguf.part"] {
            std::fs::write(dir.path().join(name), "the user's").unwrap();
        }
        let before = names(dir.path());
        drop(Unfinished::create(&path).unwrap());
        assert_eq!(names(dir.path()), before);

        let mut new = Unfinished::create(&path).unwrap();
        new.file().write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        if cfg!(target_os = "linux") {
            assert_eq!(names(dir.path()), before, "no name yet");
        }
        new.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(dir.path()), before);
        assert_eq!(std::fs::read(dir.path().join("model.gguf.part")).unwrap(), b"the user's");
    }

    /// Not every file system has files without names.
    #[test]
    fn a_random_name_serves_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.gguf");
        let make = || {
            let (file, name) = builder().tempfile_in(dir.path()).unwrap().into_parts();
            Unfinished { file, name: Some(name), path: path.clone() }
        };
        drop(make());
        assert_eq!(names(dir.path()), Vec::<String>::new());
        let mut new = make();
        new.file().write_all(b"new").unwrap();
        new.finish().unwrap();
        assert_eq!(names(dir.path()), ["model.gguf"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_finished_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        Unfinished::create(&path).unwrap().finish().unwrap();
        std::fs::write(&other, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
    }
}
