//! A folder for chunk memories and for a generated document.

use std::path::{Path, PathBuf};

use ramba::{Error, Result};

/// A folder to work in: one that the user named (made if missing, and kept), or a new temporary one, deleted at the end.
pub struct WorkDir {
    path: PathBuf,
    temporary: bool,
}

impl WorkDir {
    /// `given`, or a new folder under the system's temporary one.
    pub fn new(given: Option<&Path>) -> Result<Self> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("ramba-{}", std::process::id())),
        };
        std::fs::create_dir_all(&path).map_err(|e| Error::io(format!("creating the folder {}", path.display()), e))?;
        Ok(Self { path, temporary: given.is_none() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if self.temporary {
            // A folder left under the temporary one does no harm, and there is nobody to tell.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
