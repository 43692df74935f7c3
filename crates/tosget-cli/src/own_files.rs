//! The files that the command itself reads and writes. No object may be saved over one of them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::path::Path;

use crate::failure::Failure;
use crate::list::name_of;
use crate::printable::printable_path;
use crate::subject::Subject;

/// Those that are there.
#[derive(Debug, Default)]
pub(crate) struct OwnFiles(Vec<OwnFile>);

#[derive(Debug)]
struct OwnFile {
    what: &'static str,
    /// The last component of its path, if it is known.
    name: Option<OsString>,
    /// What the file system says it is.
    identity: Identity,
}

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
                    "/proc/self/fd/1",
                    "what standard output goes to",
                ),
                (
                    std::io::stderr().as_fd().try_clone_to_owned(),
                    "/proc/self/fd/2",
                    "what standard error goes to",
                ),
            ];
            for (stream, link, what) in streams {
                let metadata = stream.and_then(|stream| fs::File::from(stream).metadata());
                if let Ok(metadata) = metadata.as_ref()
                    && metadata.is_file()
                {
                    let path = fs::read_link(link).ok();
                    files.0.push(OwnFile {
                        what,
                        name: path.as_deref().and_then(Path::file_name).map(OsStr::to_owned),
                        identity: identity(metadata),
                    });
                }
            }
        }
        files
    }

    /// Adds one, if it is named.
    pub(crate) fn with(mut self, what: &'static str, path: Option<&Path>) -> Self {
        if let Some(path) = path
            && let Some(identity) = identity_at(path)
        {
            let name = path.file_name().map(OsStr::to_owned);
            self.0.push(OwnFile { what, name, identity });
        }
        self
    }

    /// The same for one of many. A list may have very many lines, and a disk may take long to answer, so it is asked only where the
    /// names are alike.
    pub(crate) fn refuse_one_of_many(&self, subject: &Subject, directory: &Path) -> Result<(), Failure> {
        let name = name_of(subject);
        let is_alike = self.0.iter().any(|own| own.may_be_called(Path::new(&name)));
        if is_alike {
            self.refuse(subject, directory)?;
        }
        Ok(())
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
        let Some(OwnFile { what, .. }) = self.0.iter().find(|own| own.identity == there) else {
            return Ok(());
        };
        let path = printable_path(&path);
        Err(
            Failure::usage(format!("can't save {subject} to {path}: this is {what}"))
                .with_hint("choose another destination"),
        )
    }
}

impl OwnFile {
    /// Whether the name is the file's on some file system, which may fold case and Unicode's forms.
    fn may_be_called(&self, path: &Path) -> bool {
        let (Some(own), Some(name)) = (&self.name, path.file_name()) else {
            return true;
        };
        own.eq_ignore_ascii_case(name) || !own.is_ascii() || !name.is_ascii()
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
