//! What happens to our files between two runs: cut, altered, deleted, restored from an old backup.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::story::Checkpoint;

/// One thing that is done to one of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tampering {
    target: Target,
    deed: Deed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Temporary,
    Journal,
}

/// Places in a file are numbers that are taken modulo its length, which nobody knows beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Truncate(u64),
    /// Append so many bytes.
    Extend(u64),
    FlipBit(u64),
    /// Overwrite with zeros from here on, so many bytes.
    Zero(u64, u64),
    Overwrite,
    Delete,
    /// Put back what the file was one run earlier.
    Restore,
}

impl Tampering {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            target: if rng.bool() {
                Target::Temporary
            } else {
                Target::Journal
            },
            deed: match rng.u8(..10) {
                0 | 1 => Deed::Truncate(rng.u64(..)),
                2 => Deed::Extend(rng.u64(1..10_000)),
                3..=5 => Deed::FlipBit(rng.u64(..)),
                6 => Deed::Zero(rng.u64(..), rng.u64(1..100_000)),
                7 => Deed::Overwrite,
                8 => Deed::Delete,
                _ => Deed::Restore,
            },
        }
    }

    pub(crate) fn is_of_journal(self) -> bool {
        self.target == Target::Journal
    }

    /// Whether the journal is a journal no more, nor anything that was one.
    pub(crate) fn overwrites_journal(self) -> bool {
        (self.target, self.deed) == (Target::Journal, Deed::Overwrite)
    }

    /// How the report calls it.
    pub(crate) fn name(self) -> String {
        let target = match self.target {
            Target::Temporary => "temporary file",
            Target::Journal => "journal",
        };
        let deed = match self.deed {
            Deed::Truncate(_) => "cut off",
            Deed::Extend(_) => "extended",
            Deed::FlipBit(_) => "bit flipped",
            Deed::Zero(..) => "zeros written",
            Deed::Overwrite => "overwritten",
            Deed::Delete => "deleted",
            Deed::Restore => "put back from a backup",
        };
        format!("{target} {deed}")
    }

    /// Whether there was anything to do it to.
    pub(crate) fn carry_out(self, files: &OwnFiles, backup: &Backup) -> io::Result<bool> {
        let (path, former) = match self.target {
            Target::Temporary => (files.temporary.as_deref(), &backup.temporary),
            Target::Journal => (files.journal.as_deref(), &backup.journal),
        };
        if let (Deed::Restore, Some((path, bytes))) = (self.deed, former) {
            return fs::write(path, bytes).map(|()| true);
        }
        let Some(path) = path else { return Ok(false) };
        match self.deed {
            Deed::Delete => fs::remove_file(path).map(|()| true),
            Deed::Overwrite => fs::write(path, "not what it was\n").map(|()| true),
            Deed::Restore => Ok(false),
            deed => alter(path, deed),
        }
    }
}

fn alter(path: &Path, deed: Deed) -> io::Result<bool> {
    let file = File::options().read(true).write(true).open(path)?;
    let len = file.metadata()?.len();
    if len == 0 {
        return Ok(false);
    }
    match deed {
        Deed::Truncate(at) => file.set_len(at % len)?,
        Deed::Extend(by) => file.write_all_at(&vec![0xa5; by as usize], len)?,
        Deed::Zero(at, count) => {
            let at = at % len;
            file.write_all_at(&vec![0; count.min(len - at) as usize], at)?;
        }
        Deed::FlipBit(place) => {
            let at = place / 8 % len;
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            file.write_all_at(&[byte[0] ^ (1 << (place % 8))], at)?;
        }
        Deed::Overwrite | Deed::Delete | Deed::Restore => return Ok(false),
    }
    Ok(true)
}

/// Where a story's checkpoint is, as far as it is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnFiles {
    temporary: Option<PathBuf>,
    journal: Option<PathBuf>,
}

impl OwnFiles {
    pub(crate) fn find(stage: &Stage) -> io::Result<Self> {
        let mut found = Self::default();
        for path in stage.files()? {
            let name = path.to_string_lossy();
            if name.ends_with(".tosget-part") {
                found.temporary = Some(path);
            } else if name.ends_with("journal") {
                found.journal = Some(path);
            }
        }
        Ok(found)
    }
}

/// The two files as they were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backup {
    temporary: Option<(PathBuf, Vec<u8>)>,
    journal: Option<(PathBuf, Vec<u8>)>,
}

impl Backup {
    pub(crate) fn of(files: OwnFiles) -> io::Result<Self> {
        let read = |path: Option<PathBuf>| match path {
            Some(path) => fs::read(&path).map(|bytes| Some((path, bytes))),
            None => Ok(None),
        };
        Ok(Self {
            temporary: read(files.temporary)?,
            journal: read(files.journal)?,
        })
    }
}

const NAMED_JOURNAL: &str = "named.journal";

/// The directory of one story.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    directory: PathBuf,
}

impl Stage {
    pub(crate) fn build(directory: PathBuf) -> io::Result<Self> {
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(directory.join("checkpoints"))?;
        Ok(Self { directory })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn destination(&self) -> PathBuf {
        self.directory.join("file")
    }

    /// The arguments that say where the checkpoint is.
    pub(crate) fn checkpoint_arguments(&self, checkpoint: Checkpoint) -> Vec<String> {
        let at = |name: &str| {
            let path = self.directory.join("checkpoints").join(name);
            vec!["--checkpoint-file".to_owned(), path.display().to_string()]
        };
        match checkpoint {
            Checkpoint::Beside => Vec::new(),
            Checkpoint::File => at(NAMED_JOURNAL),
            Checkpoint::Directory => at(""),
            Checkpoint::Nowhere => vec!["--no-checkpoint".to_owned()],
        }
    }

    /// As the command advises where it can't know whose the file is.
    pub(crate) fn remove_named_journal(&self) -> io::Result<()> {
        fs::remove_file(self.directory.join("checkpoints").join(NAMED_JOURNAL))
    }

    /// Every file there is.
    pub(crate) fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for directory in [self.directory.clone(), self.directory.join("checkpoints")] {
            for entry in fs::read_dir(directory)? {
                let path = entry?.path();
                if !path.is_dir() {
                    files.push(path);
                }
            }
        }
        Ok(files)
    }

    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(self.directory)
    }
}
