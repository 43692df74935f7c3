//! The files that the command itself reads and writes. No object may be saved over one of them.

use std::fs::{self, Metadata};
use std::path::Path;

use crate::failure::Failure;
use crate::list::name_of;
use crate::printable::printable_path;
use crate::subject::Subject;

/// What they are called, and what the file system says they are.
#[derive(Debug, Default)]
pub(crate) struct OwnFiles(Vec<(&'static str, Identity)>);

/// Device and inode number.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(not(unix))]
type Identity = std::path::PathBuf;

impl OwnFiles {
    /// Those that standard output and standard error go to.
    pub(crate) fn of_streams() -> Self {
        let mut files = Self::default();
        #[cfg(unix)]
        {
            use std::os::fd::AsFd;
            let streams = [
                (
                    std::io::stdout().as_fd().try_clone_to_owned(),
                    "what standard output goes to",
                ),
                (
                    std::io::stderr().as_fd().try_clone_to_owned(),
                    "what standard error goes to",
                ),
            ];
            for (stream, what) in streams {
                let metadata = stream.and_then(|stream| fs::File::from(stream).metadata());
                if let Ok(metadata) = metadata.as_ref()
                    && metadata.is_file()
                {
                    files.0.push((what, identity(metadata)));
                }
            }
        }
        files
    }

    /// Adds one, if it is named.
    pub(crate) fn with(mut self, what: &'static str, path: Option<&Path>) -> Self {
        if let Some(identity) = path.and_then(identity_at) {
            self.0.push((what, identity));
        }
        self
    }

    /// Fails if `subject`, saved to `destination`, would take the place of one.
    pub(crate) fn refuse(&self, subject: &Subject, destination: &Path) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        let path = if destination.is_dir() {
            destination.join(name_of(subject))
        } else {
            destination.to_owned()
        };
        let Some(there) = identity_at(&path) else {
            return Ok(());
        };
        let Some((what, _)) = self.0.iter().find(|(_, own)| *own == there) else {
            return Ok(());
        };
        let path = printable_path(&path);
        Err(
            Failure::usage(format!("can't save {subject} to {path}: this is {what}"))
                .with_hint("choose another destination"),
        )
    }
}

fn identity_at(path: &Path) -> Option<Identity> {
    #[cfg(unix)]
    return fs::metadata(path)
        .ok()
        .filter(Metadata::is_file)
        .map(|metadata| identity(&metadata));
    #[cfg(not(unix))]
    fs::canonicalize(path).ok()
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}
