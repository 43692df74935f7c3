//! Where a download's files go: the destination, the temporary file and the journal beside it. Mostly pure: names in,
//! paths out; the few questions to the file system go through the storage seam.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::path::{Component, Path, PathBuf, absolute};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::error::Shown;
use crate::journal::format::{MAX_HEADER_LEN, decode_header, is_journal, was_journal};
use crate::spelling::{self, folded};
pub(crate) use crate::storage::directory_of;
use crate::storage::{Access, FileId, FileKind, Locked, OpenMode, Storage, open_locked};
use crate::strays::{self, STRAY};
use crate::taken::{InUse, Occupied};

/// Endings of our own files. A destination can't have them, so an object can't be saved over a checkpoint.
const TEMPORARY: &str = "tosget-part";
const JOURNAL: &str = "tosget-journal";
const ASIDE: &str = "aside";
const NEW: &str = "new";

/// How much of the destination's name our own names repeat, for the eyes of whoever lists the directory. Together
/// with the rest it stays below 143 bytes, the shortest limit in use (eCryptfs), however long the name is.
const STEM_LEN: usize = 90;

/// What a `file_path` and a key mean together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Write the object's bytes to this file.
    File(PathBuf),
    /// The key names a directory (it ends in a slash): create this directory and fetch nothing.
    Directory(PathBuf),
}

impl Destination {
    pub(crate) fn path(&self) -> &Path {
        let (Self::File(path) | Self::Directory(path)) = self;
        path
    }

    /// The same at another path.
    pub(crate) fn map(self, change: impl FnOnce(PathBuf) -> PathBuf) -> Self {
        match self {
            Self::File(path) => Self::File(change(path)),
            Self::Directory(path) => Self::Directory(change(path)),
        }
    }
}

/// Why a destination can't be used. Nothing was written.
#[derive(Debug, Error)]
pub(crate) enum BadDestination {
    #[error("the destination path is empty")]
    Empty,
    #[error("the key would be saved outside of {directory}: {reason}")]
    LeavesDirectory { directory: String, reason: &'static str },
    #[error("the URL names no file: its path ends in a slash")]
    Nameless,
    #[error("{0} has no file name")]
    NoFileName(String),
    #[error("{0} is a directory")]
    IsADirectory(String),
    #[error(
        "{0} is, or leads to, a device, a pipe, a socket or an entry of /proc, which no file can take the place of"
    )]
    NotAFile(String),
    #[error("{0} has a name that tosget keeps for its own files")]
    Reserved(String),
    #[error("the checkpoint file {checkpoint} is {what} itself")]
    CheckpointIsDestination { checkpoint: String, what: &'static str },
    #[error("could not look at {path}")]
    Look { path: String, source: io::Error },
}

/// Reads `file_path` as the SDKs of TOS do: an existing directory, or a path that ends in a separator, means
/// "below that directory, named by the key". With the rights of the file that is there, or that a link there leads to.
pub(crate) fn resolve(
    storage: &dyn Storage,
    file_path: &Path,
    key: &str,
) -> Result<(Destination, Option<Access>), BadDestination> {
    let (mut there, mut is_below) = (None, ends_in_separator(file_path));
    if !is_below && !file_path.as_os_str().is_empty() {
        there = look(storage, file_path)?;
        is_below = is_directory(storage, file_path, there)?;
    }
    let path = match name(file_path, key, is_below)? {
        Destination::Directory(path) => {
            refuse_links(storage, file_path, &path)?;
            refuse_reserved(&path)?;
            return Ok((Destination::Directory(path), None));
        }
        Destination::File(path) => path,
    };
    if is_below {
        refuse_links(storage, file_path, &path)?;
        there = look(storage, &path)?;
    }
    let access = check_file(storage, &path, there)?;
    Ok((Destination::File(path), access))
}

/// What they mean, whatever is there by now: another download may be about to change it.
pub(crate) fn named(
    storage: &dyn Storage,
    file_path: &Path,
    key: &str,
) -> Result<Destination, BadDestination> {
    name(file_path, key, names_directory(storage, file_path)?)
}

fn names_directory(storage: &dyn Storage, path: &Path) -> Result<bool, BadDestination> {
    Ok(ends_in_separator(path) || is_directory(storage, path, look_below(storage, path)?)?)
}

/// The name itself, where it is known whether `file_path` is a directory to save below.
fn name(file_path: &Path, key: &str, is_below: bool) -> Result<Destination, BadDestination> {
    match key {
        _ if file_path.as_os_str().is_empty() => Err(BadDestination::Empty),
        _ if !is_below => Ok(Destination::File(file_path.to_owned())),
        // No key is empty, but the last segment of a URL's path may be.
        "" => Err(BadDestination::Nameless),
        _ if key.ends_with('/') => join_key(file_path, key).map(Destination::Directory),
        _ => join_key(file_path, key).map(Destination::File),
    }
}

fn ends_in_separator(path: &Path) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .last()
        .is_some_and(|&byte| std::path::is_separator(byte as char))
}

fn look(storage: &dyn Storage, path: &Path) -> Result<Option<FileKind>, BadDestination> {
    match storage.stat(path) {
        Ok(stat) => Ok(stat.map(|stat| stat.kind)),
        Err(source) => Err(BadDestination::Look {
            path: Shown(path).to_string(),
            source,
        }),
    }
}

/// Whether a path means a directory, where `there` stands at its end. Follows a link there, since the user named it.
fn is_directory(storage: &dyn Storage, path: &Path, there: Option<FileKind>) -> Result<bool, BadDestination> {
    if there != Some(FileKind::Symlink) {
        return Ok(there == Some(FileKind::Directory));
    }
    look_below(storage, &path.join(".")).map(|kind| kind == Some(FileKind::Directory))
}

/// [`look`] where the way may lead through a file: below a file there is nothing.
fn look_below(storage: &dyn Storage, path: &Path) -> Result<Option<FileKind>, BadDestination> {
    match look(storage, path) {
        Err(BadDestination::Look { source, .. }) if source.kind() == io::ErrorKind::NotADirectory => Ok(None),
        looked => looked,
    }
}

/// Refuses what can't be replaced; returns the rights of what is.
fn check_file(
    storage: &dyn Storage,
    path: &Path,
    there: Option<FileKind>,
) -> Result<Option<Access>, BadDestination> {
    let shown = || Shown(path).to_string();
    if path.file_name().is_none() {
        return Err(BadDestination::NoFileName(shown()));
    }
    refuse_reserved(path)?;
    match there {
        None => Ok(None),
        Some(FileKind::Directory) => Err(BadDestination::IsADirectory(shown())),
        Some(FileKind::Other) => Err(BadDestination::NotAFile(shown())),
        // A symbolic link is replaced, never followed: it may lead out of the directory that the user named. Whoever names one
        // that leads to a device wants the bytes to go there. One whose end can't be seen leads to nothing that we could harm.
        Some(FileKind::File | FileKind::Symlink) => match storage.follow(path) {
            Ok(Some(end)) if end.kind == FileKind::Other => Err(BadDestination::NotAFile(shown())),
            Ok(Some(end)) if end.kind == FileKind::File => Ok(end.access),
            _ => Ok(None),
        },
    }
}

/// A directory of such a name would be in the way of the files as well.
fn refuse_reserved(path: &Path) -> Result<(), BadDestination> {
    let is_ours = |component| matches!(component, Component::Normal(name) if is_reserved(name));
    if path.components().any(is_ours) {
        return Err(BadDestination::Reserved(Shown(path).to_string()));
    }
    Ok(())
}

fn is_reserved(name: &OsStr) -> bool {
    // Where names are folded, another spelling of one of ours is one of ours.
    let name = folded(name);
    name.starts_with('.')
        && [TEMPORARY, JOURNAL, ASIDE, NEW].iter().any(|ending| {
            let follows_a_journal = [ASIDE, NEW].contains(ending);
            name.strip_suffix(ending)
                .is_some_and(|rest| rest.ends_with('.') && (!follows_a_journal || rest.contains(JOURNAL)))
        })
}

/// Appends a key to a directory, or says why that would leave it. The key is hostile: it came from whoever could
/// write to the bucket.
fn join_key(directory: &Path, key: &str) -> Result<PathBuf, BadDestination> {
    let refuse = |reason| {
        Err(BadDestination::LeavesDirectory {
            directory: Shown(directory).to_string(),
            reason,
        })
    };
    if key.starts_with('/') {
        return refuse("it is an absolute path");
    }
    if key.contains('\0') {
        return refuse("it holds a NUL");
    }
    let mut path = directory.to_owned();
    for name in key.split('/') {
        match name {
            // `a//b` names the same file as `a/b`, as everywhere on the system.
            "" => continue,
            "." | ".." => return refuse("it holds a . or .. segment"),
            _ => {}
        }
        // On Windows a name may hold a drive, a separator or a device.
        let mut components = Path::new(name).components();
        if !matches!(
            (components.next(), components.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return refuse("it is not a plain name on this system");
        }
        path.push(name);
    }
    Ok(path)
}

/// The directory itself is the user's choice; below it no link is followed.
fn refuse_links(storage: &dyn Storage, directory: &Path, path: &Path) -> Result<(), BadDestination> {
    let between = path.ancestors().skip(1).take_while(|above| *above != directory);
    let mut between: Vec<&Path> = between.collect();
    while let Some(above) = between.pop() {
        if look(storage, above)? == Some(FileKind::Symlink) {
            return Err(BadDestination::LeavesDirectory {
                directory: Shown(directory).to_string(),
                reason: "a symbolic link stands in the way",
            });
        }
    }
    Ok(())
}

/// The names of one download's files.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The final name.
    pub(crate) destination: PathBuf,
    /// The same without links, `.` and `..`: what a checkpoint knows it by.
    physical: PathBuf,
    /// The partial file, always in the destination's directory: a rename must not cross file systems.
    pub(crate) temporary: PathBuf,
    /// The journal; `None` where no checkpoint is wanted.
    pub(crate) journal: Option<PathBuf>,
    /// The rights of the file that is replaced.
    pub(crate) access: Option<Access>,
    /// The caller named the journal's file, so that another download may have been given the same one.
    pub(crate) journal_is_named: bool,
    /// A lock proves that nobody else is at work here. If not, the temporary file has a name that no other call's has, and
    /// what another call left is taken over by one rename that only one can make.
    pub(crate) locks_are_proof: bool,
    /// Random: tells the files of this call from those of any other.
    pub(crate) token: u64,
    /// The hidden start of the temporary file's name.
    stem: String,
    /// The temporary file and the journal that a checkpoint beside the destination has, where ours are others.
    pub(crate) beside: Option<[PathBuf; 2]>,
    /// The destination, and a journal that was named, are this download's in this process, until the last clone is gone.
    occupied: Arc<Mutex<Vec<Occupied>>>,
}

/// Where the journal shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CheckpointPlace {
    /// Hidden beside the destination.
    Beside,
    /// This file; or this directory, under a name that no other destination has.
    At(PathBuf),
    /// No journal.
    Nowhere,
}

impl CheckpointPlace {
    /// The files that a caller named with it, which no other download may have; ours have names that none can.
    pub(crate) fn named_files(&self, storage: &dyn Storage) -> Vec<PathBuf> {
        match self {
            Self::At(place) if matches!(names_directory(storage, place), Ok(false)) => {
                vec![place.clone(), aside(place)]
            }
            _ => Vec::new(),
        }
    }
}

impl Places {
    /// For a destination that was resolved, with the rights of what is there.
    pub(crate) fn new(
        storage: &dyn Storage,
        destination: &Path,
        access: Option<Access>,
        checkpoint: &CheckpointPlace,
    ) -> Result<Self, BadDestination> {
        let no_name = || BadDestination::NoFileName(Shown(destination).to_string());
        let look = |source| BadDestination::Look {
            path: Shown(destination).to_string(),
            source,
        };
        let destination = absolute(destination).map_err(look)?;
        let physical = spelling::physical(storage, &destination);
        let name = destination.file_name().ok_or_else(no_name)?;
        let hidden = hidden_stem(name, name.as_encoded_bytes());
        let mut journal_is_named = false;
        let journal = match checkpoint {
            CheckpointPlace::Nowhere => None,
            CheckpointPlace::Beside => Some(destination.with_file_name(format!("{hidden}.{JOURNAL}"))),
            CheckpointPlace::At(place) if names_directory(storage, place)? => {
                let identity = physical.as_os_str().as_encoded_bytes();
                let name = format!("{}.{JOURNAL}", hidden_stem(name, identity));
                Some(absolute(place.join(name)).map_err(look)?)
            }
            CheckpointPlace::At(place) => {
                journal_is_named = true;
                Some(absolute(place).map_err(look)?)
            }
        };
        let locks_are_proof = [Some(&destination), journal.as_ref()]
            .into_iter()
            .flatten()
            .all(|path| storage.locks_are_proof(directory_of(path)));
        let token = fastrand::u64(..);
        let beside =
            [TEMPORARY, JOURNAL].map(|ending| destination.with_file_name(format!("{hidden}.{ending}")));
        let stem = match &journal {
            Some(journal) => {
                let place = spelling::physical(storage, journal);
                if place.parent() == physical.parent() && place.file_name() == beside[1].file_name() {
                    hidden.clone()
                } else {
                    stem_at(name, place.as_os_str().as_encoded_bytes())
                }
            }
            None if storage.stat(&beside[1]).map_err(look)?.is_some() => stem_at(name, b""),
            None => hidden.clone(),
        };
        let temporary = destination.with_file_name(if locks_are_proof {
            format!("{stem}.{TEMPORARY}")
        } else {
            format!("{stem}.{token:016x}.{TEMPORARY}")
        });
        let beside = (locks_are_proof && stem != hidden).then_some(beside);
        let places = Self {
            access,
            destination,
            physical,
            temporary,
            journal,
            journal_is_named,
            locks_are_proof,
            token,
            stem,
            beside,
            occupied: Arc::default(),
        };
        places.refuse_one_file_for_two(storage)?;
        Ok(places)
    }

    /// A journal that the caller named must not be the file that is downloaded, whatever way its name leads there.
    fn refuse_one_file_for_two(&self, storage: &dyn Storage) -> Result<(), BadDestination> {
        let Some(journal) = self.journal.as_deref().filter(|_| self.journal_is_named) else {
            return Ok(());
        };
        let beside = self.beside.as_ref().map(|[temporary, _]| temporary);
        let taken = [
            (Some(&self.destination), "the destination"),
            (Some(&self.temporary), "the temporary file"),
            (beside, "the temporary file"),
        ];
        for (path, what) in taken {
            let Some(path) = path else { continue };
            let taken = Whereabouts::of(storage, path)?;
            for ours in [journal, &aside(journal), &unnamed(journal)] {
                if taken.is_same(&Whereabouts::of(storage, ours)?) {
                    return Err(BadDestination::CheckpointIsDestination {
                        checkpoint: Shown(ours).to_string(),
                        what,
                    });
                }
            }
        }
        Ok(())
    }

    /// Keeps other downloads of this process from the destination, by whatever spelling. False if one is at it.
    pub(crate) fn occupy(&self, storage: &dyn Storage, in_use: &InUse) -> bool {
        let mut occupied = self.occupied.lock().unwrap_or_else(PoisonError::into_inner);
        if occupied.is_empty() {
            let named = self.journal.as_ref().filter(|_| self.journal_is_named);
            let named = named.map(|path| spelling::physical(storage, path));
            let paths = [Some(&self.physical), named.as_ref()].into_iter().flatten();
            let all: Option<Vec<_>> = paths.map(|path| in_use.occupy(storage, path)).collect();
            *occupied = all.unwrap_or_default();
        }
        !occupied.is_empty()
    }

    /// The temporary file of a call without a journal. Where it has a name of its own, nobody will look for it.
    pub(crate) fn temporary_without_journal(&self) -> PathBuf {
        if self.locks_are_proof {
            return self.temporary.clone();
        }
        let name = format!("{}.{:016x}{STRAY}", self.stem, self.token);
        self.destination.with_file_name(name)
    }

    /// The temporary files that may belong to a journal with this nonce, likely ones first.
    pub(crate) fn temporaries_of(&self, nonce: u64) -> [PathBuf; 2] {
        let stem = &self.stem;
        let mut paths = [
            format!("{stem}.{TEMPORARY}"),
            format!("{stem}.{nonce:016x}.{TEMPORARY}"),
        ]
        .map(|name| self.destination.with_file_name(name));
        if !self.locks_are_proof {
            paths.reverse();
        }
        paths
    }

    /// Where this call writes a journal that is to replace another one.
    pub(crate) fn next_journal(&self) -> Option<PathBuf> {
        let journal = self.journal.as_deref()?;
        let name = journal.file_name().unwrap_or_default();
        let hidden = hidden_stem(name, name.as_encoded_bytes());
        Some(journal.with_file_name(format!("{hidden}.{:016x}.{JOURNAL}", self.token)))
    }

    /// Whether this is the name of a [next journal](Self::next_journal), of this call or of another one.
    pub(crate) fn is_next_journal(&self, name: &OsStr) -> bool {
        let journal = self
            .journal
            .as_deref()
            .and_then(Path::file_name)
            .unwrap_or_default();
        let hidden = hidden_stem(journal, journal.as_encoded_bytes());
        let is_next = |name: &str| {
            let token = name
                .strip_prefix(&hidden)?
                .strip_prefix('.')?
                .strip_suffix(JOURNAL)?;
            Some(token.len() == 17 && token.ends_with('.'))
        };
        name.to_str().and_then(is_next).unwrap_or(false)
    }

    /// A journal that was set aside has told what it had to, once the destination is the object. It may be there without
    /// one of ours: that of a large object, in whose place a small one came. Likewise a checkpoint of another call that was kept
    /// beside the destination.
    pub(crate) fn remove_leftovers(&self, storage: &dyn Storage) {
        if let Some(beside) = &self.beside
            && let Err(error) = remove_unless_in_use(storage, beside)
        {
            tracing::warn!(target: "tosget::checkpoint", path = %Shown(&beside[1]), %error, "another checkpoint was left behind");
        }
        if !self.locks_are_proof
            && let Ok(Some(own)) = storage.stat(&self.destination)
        {
            strays::remove(storage, directory_of(&self.destination), own.changed_ns);
        }
        let Some(aside) = self.journal.as_deref().map(aside) else {
            return;
        };
        if matches!(self.is_ours(storage, &aside), Ok(true))
            && let Err(error) = storage.remove(&aside)
        {
            tracing::warn!(target: "tosget::checkpoint", path = %aside.display(), %error, "a journal that was set aside was left behind");
        }
    }

    /// The text by which a checkpoint knows the destination.
    pub(crate) fn identity(&self) -> String {
        path_text(&self.physical)
    }

    /// Whether a checkpoint that knows its destination by this text is this download's.
    pub(crate) fn is_destination(&self, identity: &str) -> bool {
        // A link on the way may be another one by now.
        identity == self.identity() || identity == path_text(&self.destination)
    }

    /// Gives the journal, which can't be used, another name, and returns that. What somebody else has put there stays: then the
    /// journal is removed.
    pub(crate) fn set_aside(&self, storage: &dyn Storage, journal: &Path) -> io::Result<Option<PathBuf>> {
        let aside = aside(journal);
        if storage.stat(&aside)?.is_none() || self.is_ours(storage, &aside)? {
            storage.rename(journal, &aside)?;
            return Ok(Some(aside));
        }
        if !self.is_ours(storage, journal)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        storage.remove(journal)?;
        Ok(None)
    }

    /// Whether this download, or one to the same destination, wrote what is at a journal's path. What has one of our names may be
    /// damaged, and says nothing after a power cut; under a name that a caller chose, it may be any download's.
    fn is_ours(&self, storage: &dyn Storage, path: &Path) -> io::Result<bool> {
        match storage.stat(path)? {
            Some(stat) if stat.kind == FileKind::File => {}
            _ => return Ok(false),
        }
        let mut start = vec![0; MAX_HEADER_LEN];
        let len = storage.open(path, OpenMode::Read)?.read_at(&mut start, 0)?;
        let start = &start[..len];
        if !path.file_name().is_some_and(is_reserved) {
            let header = decode_header(start);
            return Ok(header.is_ok_and(|header| self.is_destination(&header.identity.destination)));
        }
        // The first write may be lost, while a later one is there.
        let says_nothing = start.iter().take(8).all(|&byte| byte == 0);
        Ok(is_journal(start) || says_nothing || was_journal(start))
    }
}

/// Where a journal that can't be used is kept for whoever wants to know.
fn aside(journal: &Path) -> PathBuf {
    let name = journal.file_name().unwrap_or_default();
    let mut aside = name.to_owned();
    aside.push(".");
    aside.push(ASIDE);
    if aside.len() > 255 {
        let hidden = hidden_stem(name, name.as_encoded_bytes());
        return journal.with_file_name(format!("{hidden}.{JOURNAL}.{ASIDE}"));
    }
    journal.with_file_name(aside)
}

/// Where a journal that the caller named is written before it gets that name. So nothing under that name is half a journal.
pub(crate) fn unnamed(journal: &Path) -> PathBuf {
    let name = journal.file_name().unwrap_or_default();
    let hidden = hidden_stem(name, name.as_encoded_bytes());
    journal.with_file_name(format!("{hidden}.{JOURNAL}.{NEW}"))
}

/// The rights of the file that is at a destination by now, or that a link there leads to.
pub(crate) fn access_at(storage: &dyn Storage, path: &Path) -> io::Result<Option<Access>> {
    let file = match storage.stat(path)? {
        Some(stat) if stat.kind == FileKind::Symlink => storage.follow(path).ok().flatten(),
        looked => looked,
    };
    let file = file.filter(|stat| stat.kind == FileKind::File);
    Ok(file.and_then(|stat| stat.access))
}

/// What the file system says of a path, so that two spellings of one file are known for it.
struct Whereabouts {
    /// The file that is there.
    file: Option<FileId>,
    /// The deepest directory on the way that is there …
    directory: Option<FileId>,
    /// … and the names below it.
    below: Vec<OsString>,
}

impl Whereabouts {
    fn of(storage: &dyn Storage, path: &Path) -> Result<Self, BadDestination> {
        let (directory, mut below) = Self::of_directory(storage, directory_of(path))?;
        below.extend(path.file_name().map(OsStr::to_owned));
        Ok(Self {
            file: follow(storage, path)?,
            directory,
            below,
        })
    }

    /// Goes by the file system's word as far as there is something, since links may be on the way; what is missing will be made
    /// of plain directories.
    fn of_directory(
        storage: &dyn Storage,
        directory: &Path,
    ) -> Result<(Option<FileId>, Vec<OsString>), BadDestination> {
        let (mut there, mut id, mut missing) = (PathBuf::new(), None, Vec::new());
        for component in directory.components() {
            match component {
                Component::ParentDir if missing.pop().is_some() => continue,
                Component::Normal(name) if !missing.is_empty() => missing.push(name.to_owned()),
                component => {
                    let next = there.join(component);
                    match follow(storage, &next)? {
                        Some(found) => (there, id) = (next, Some(found)),
                        None => missing.push(component.as_os_str().to_owned()),
                    }
                }
            }
        }
        Ok((id, missing))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.file.is_some() && self.file == other.file
            || (self.directory, &self.below) == (other.directory, &other.below)
    }
}

/// What is at the end of a path. Where that can't be told because nothing can be there, nothing is.
fn follow(storage: &dyn Storage, path: &Path) -> Result<Option<FileId>, BadDestination> {
    match storage.follow(path) {
        Ok(stat) => Ok(stat.map(|stat| stat.id)),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        // Our own files are not opened through links, so this is refused by name later on.
        Err(_) if matches!(storage.stat(path), Ok(Some(_))) => Ok(None),
        Err(source) => Err(BadDestination::Look {
            path: Shown(path).to_string(),
            source,
        }),
    }
}

/// A path as text that no other path has: what is not UTF-8, and `%`, is percent-encoded.
pub(crate) fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            // Writing to a String can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Removes files of ours that nobody is at work on; all of them, or none.
fn remove_unless_in_use(storage: &dyn Storage, paths: &[PathBuf]) -> io::Result<()> {
    let mut locked = Vec::new();
    for path in paths {
        match open_locked(storage, path, OpenMode::Existing)? {
            Locked::Ours(file, _) => locked.push((path, file)),
            Locked::Absent => {}
            Locked::Held => return Ok(()),
        }
    }
    locked.iter().try_for_each(|(path, _)| storage.remove(path))
}

/// The start of the temporary file's name where its journal is elsewhere, or there is none: what a journal of another place goes on
/// with has another name.
fn stem_at(name: &OsStr, place: &[u8]) -> String {
    hidden_stem(name, &[name.as_encoded_bytes(), place].join(&0))
}

/// `.name.0123456789abcdef`, to be followed by an ending of ours: short enough whatever the name, and no two names share one.
fn hidden_stem(name: &OsStr, identity: &[u8]) -> String {
    let lossy = name.to_string_lossy();
    let stem = &lossy[..lossy.floor_char_boundary(STEM_LEN)];
    let digest = Sha256::digest(identity);
    let mut start = [0; 8];
    start.copy_from_slice(&digest[..8]);
    format!(".{stem}.{:016x}", u64::from_be_bytes(start))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::storage::SystemStorage;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    fn places(destination: &Path, checkpoint: &CheckpointPlace) -> Places {
        Places::new(&SystemStorage, destination, None, checkpoint).expect("a good destination")
    }

    #[test]
    fn i10_no_key_leaves_the_named_directory() {
        let folder = folder();
        for key in [
            "../x",
            "a/../../x",
            "..",
            "/etc/passwd",
            "a/./b",
            "a\0b",
            ".",
            "./x",
            "a/..",
        ] {
            let result = resolve(&SystemStorage, folder.path(), key);
            assert!(
                matches!(result, Err(BadDestination::LeavesDirectory { .. })),
                "{key:?}: {result:?}"
            );
        }
        assert_eq!(
            fs::read_dir(folder.path()).expect("readable").count(),
            0,
            "nothing was written"
        );
    }

    #[cfg(unix)]
    #[test]
    fn i10_a_planted_symbolic_link_is_not_followed_by_a_key() {
        let (folder, outside) = (folder(), folder());
        std::os::unix::fs::symlink(outside.path(), folder.path().join("models")).expect("linked");
        let result = resolve(&SystemStorage, folder.path(), "models/a.bin");
        assert!(
            matches!(result, Err(BadDestination::LeavesDirectory { .. })),
            "{result:?}"
        );
        // The user's own path may go through a link.
        let (named, _) = resolve(&SystemStorage, &folder.path().join("models"), "a.bin").expect("fine");
        assert_eq!(named, Destination::File(folder.path().join("models/a.bin")));
    }

    #[test]
    fn a_directory_takes_the_key_as_its_name_and_a_file_path_is_taken_as_it_is() {
        let folder = folder();
        let path = |rest: &str| folder.path().join(rest);
        let resolve = |file_path: &Path, key| {
            resolve(&SystemStorage, file_path, key)
                .expect("a good destination")
                .0
        };
        assert_eq!(
            resolve(folder.path(), "a/b.bin"),
            Destination::File(path("a/b.bin"))
        );
        assert_eq!(
            resolve(&path("new/"), "a//b.bin"),
            Destination::File(path("new/a/b.bin"))
        );
        assert_eq!(
            resolve(&path("new/"), "a/"),
            Destination::Directory(path("new/a"))
        );
        assert_eq!(resolve(&path("file"), "a/"), Destination::File(path("file")));
        assert_eq!(resolve(&path("file"), "../../x"), Destination::File(path("file")));
    }

    #[test]
    fn names_stay_short_and_differ_whatever_the_file_is_called() {
        let folder = folder();
        let long_a = folder.path().join(format!("{}a", "模".repeat(84)));
        let long_b = folder.path().join(format!("{}b", "模".repeat(84)));
        let (a, b) = (
            places(&long_a, &CheckpointPlace::Beside),
            places(&long_b, &CheckpointPlace::Beside),
        );
        for path in [&a.temporary, &b.temporary, a.journal.as_ref().expect("wanted")] {
            assert!(path.file_name().expect("a name").len() <= 143, "{path:?}");
        }
        assert_ne!(a.temporary, b.temporary);
        assert_ne!(a.journal, b.journal);
    }

    #[test]
    fn our_own_names_are_refused_as_destinations() {
        let folder = folder();
        let own = places(&folder.path().join("x"), &CheckpointPlace::Beside);
        for path in [
            own.temporary,
            aside(own.journal.as_ref().expect("wanted")),
            own.journal.expect("wanted"),
        ] {
            let result = resolve(&SystemStorage, &path, "k");
            assert!(matches!(result, Err(BadDestination::Reserved(_))), "{path:?}");
        }
    }

    #[test]
    fn two_destinations_never_share_a_checkpoint_directory_entry() {
        let folder = folder();
        let checkpoints = CheckpointPlace::At(folder.path().join("checkpoints/"));
        let a = places(&folder.path().join("node0/model.bin"), &checkpoints);
        let b = places(&folder.path().join("node1/model.bin"), &checkpoints);
        assert_ne!(a.journal, b.journal);
        assert!(!a.journal_is_named);
    }

    #[test]
    fn a_checkpoint_file_may_be_named_without_a_directory() {
        let named = places(Path::new("out.bin"), &CheckpointPlace::At("my.ckpt".into()));
        assert_eq!(
            named.journal,
            Some(absolute("my.ckpt").expect("a current directory"))
        );
        assert!(named.journal_is_named);
    }

    #[test]
    fn the_destination_can_not_be_its_own_checkpoint() {
        let result = Places::new(
            &SystemStorage,
            Path::new("out.bin"),
            None,
            &CheckpointPlace::At("./out.bin".into()),
        );
        assert!(
            matches!(result, Err(BadDestination::CheckpointIsDestination { .. })),
            "{result:?}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_a_directory_where_it_leads_to_one_and_a_file_in_any_other_case() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "content").expect("written");
        fs::create_dir(path("directory")).expect("created");
        for (name, to, expected) in [
            ("to-file", "file", "to-file"),
            ("to-nothing", "nothing", "to-nothing"),
            ("to-directory", "directory", "to-directory/k"),
        ] {
            std::os::unix::fs::symlink(path(to), path(name)).expect("linked");
            let (resolved, _) = resolve(&SystemStorage, &path(name), "k").expect("a destination");
            assert_eq!(resolved, Destination::File(path(expected)));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_a_destination() {
        let result = resolve(&SystemStorage, Path::new("/dev/null"), "k");
        assert!(matches!(result, Err(BadDestination::NotAFile(_))), "{result:?}");
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_text_have_different_texts() {
        use std::os::unix::ffi::OsStrExt;
        let texts = [&b"/a\xff"[..], b"/a%FF", b"/a\xfe", "/a\u{fffd}".as_bytes()]
            .map(|bytes| path_text(Path::new(OsStr::from_bytes(bytes))));
        assert_eq!(texts, ["/a%FF", "/a%25FF", "/a%FE", "/a\u{fffd}"]);
    }
}
