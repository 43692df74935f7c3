//! The directory of a scenario: what is served, where it goes, and what programs keep at home.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::bench::peers::{BUCKET, KEY};
use crate::failure::{About, Result};

pub(crate) struct Scratch {
    directory: TempDir,
}

impl Scratch {
    /// Below `parent`, gone when dropped.
    pub(crate) fn below(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent).about(parent.display())?;
        let directory = tempfile::Builder::new()
            .prefix("tosget-bench-")
            .tempdir_in(parent);
        let scratch = Self {
            directory: directory.about(parent.display())?,
        };
        // nginx's workers run as another user when we are root.
        open_to_others(scratch.path())?;
        for directory in [scratch.bucket(), scratch.home(), scratch.path().join("to")] {
            fs::create_dir_all(&directory).about(directory.display())?;
        }
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What is here is served as the bucket's objects.
    pub(crate) fn bucket(&self) -> PathBuf {
        self.path().join("www").join(BUCKET)
    }

    /// The one object's place, which also is the server's top directory: some clients are told that the server's name
    /// stands for the bucket.
    pub(crate) fn object(&self) -> Result<PathBuf> {
        let link = self.path().join("www").join(KEY);
        let object = self.bucket().join(KEY);
        std::os::unix::fs::symlink(Path::new(BUCKET).join(KEY), &link).about(link.display())?;
        Ok(object)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// Where programs put the object: nothing else is in that directory.
    pub(crate) fn destination(&self) -> PathBuf {
        self.path().join("to/destination.bin")
    }
}

fn open_to_others(directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).about(directory.display())
}
