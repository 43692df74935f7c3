//! Which paths are taken, so that two downloads never end at one: those of a batch for as long as it runs, and those of this process's
//! downloads while they are under way. Locks see neither a download that has ended nor, where names are folded, one by another
//! spelling.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::destination::Destination;
use crate::error::{Error, Shown};
use crate::object::ObjectId;
use crate::spelling::{folded_path, is_one};
use crate::storage::{Stat, Storage};

/// The paths of downloads that are under way. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct InUse(Arc<Mutex<Vec<Used>>>);

#[derive(Clone, Debug)]
struct Used {
    number: u64,
    path: PathBuf,
    folded: PathBuf,
}

/// A path that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Occupied {
    number: u64,
    all: InUse,
}

impl InUse {
    /// Those of all clients of this process.
    pub(crate) fn of_process() -> Self {
        static ALL: LazyLock<InUse> = LazyLock::new(InUse::default);
        ALL.clone()
    }

    /// Takes a [physical](crate::spelling::physical) path; nothing if it is another's, by whatever spelling.
    pub(crate) fn occupy(&self, storage: &dyn Storage, path: &Path) -> Option<Occupied> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        // The file system is asked when the list is free again: of two that come at once, the first has the lower number.
        let folded = folded_path(path);
        let (occupied, others) = {
            let mut all = self.lock();
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            let alike = all.iter().filter(|used| used.folded == folded);
            let others: Vec<PathBuf> = alike.map(|used| used.path.clone()).collect();
            all.push(Used {
                number,
                path: path.to_owned(),
                folded,
            });
            let all = self.clone();
            (Occupied { number, all }, others)
        };
        let is_free = !others.iter().any(|other| is_one(storage, other, path));
        is_free.then_some(occupied)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Used>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.all.lock().retain(|used| used.number != self.number);
    }
}

/// The paths of a batch, from its begin to its end.
#[derive(Debug, Default)]
pub(crate) struct BatchPaths {
    /// By their folded names. A bucket holds more than one only where names differ in case and the like.
    entries: HashMap<u64, Vec<Entry>>,
    hasher: RandomState,
    /// The files that were committed: the hash of what each looked like, and whose it is.
    committed: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Entry {
    path: Box<Path>,
    /// Which request took it first.
    index: usize,
    is: Use,
}

/// What a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A file with the content of this object.
    File { object: u64 },
    /// A directory, for whatever is below it.
    Directory,
}

/// What came of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Ours,
    /// An earlier request brings the same object to the same place.
    SameAs(usize),
    Clash(Clash),
}

/// An earlier request of the batch has the path, or needs it in another way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    /// Which one.
    pub(crate) index: usize,
    wanted: PathBuf,
    theirs: PathBuf,
}

impl BatchPaths {
    /// Takes a destination, whose path is [physical](crate::spelling::physical), and where this is `there`.
    pub(crate) fn claim(
        &mut self,
        storage: &dyn Storage,
        destination: &Destination,
        there: Option<Stat>,
        object: &ObjectId,
        index: usize,
    ) -> Claim {
        let (path, wanted) = match destination {
            Destination::Directory(path) => (path, Use::Directory),
            Destination::File(path) => {
                let object = self.hasher.hash_one(object);
                (path, Use::File { object })
            }
        };
        let mut new = Vec::new();
        for directory in path.ancestors().skip(1) {
            match self.find(storage, directory) {
                None => new.push((directory, Use::Directory)),
                // Those above it are known as well.
                Some(there) if there.is == Use::Directory => break,
                Some(there) => return Claim::Clash(there.clash(path)),
            }
        }
        match self.find(storage, path) {
            None => new.push((path, wanted)),
            Some(there) if there.is != wanted => return Claim::Clash(there.clash(path)),
            Some(_) if wanted == Use::Directory => {}
            Some(there) => return Claim::SameAs(there.index),
        }
        if let Some(clash) = self.committed_as(path, there) {
            return Claim::Clash(clash);
        }
        for (path, is) in new {
            let entry = Entry {
                path: path.into(),
                index,
                is,
            };
            let key = self.key(path);
            let bucket = self.entries.entry(key).or_insert_with(|| Vec::with_capacity(1));
            bucket.push(entry);
        }
        Claim::Ours
    }

    /// Takes a file that the request needs besides.
    pub(crate) fn claim_file(
        &mut self,
        storage: &dyn Storage,
        path: PathBuf,
        there: Option<Stat>,
        index: usize,
    ) -> Claim {
        // Of no object: it is the same as no other's.
        let nothing = ObjectId::new("", index.to_string());
        match self.claim(storage, &Destination::File(path), there, &nothing, index) {
            // What a download does to itself, it tells.
            Claim::Clash(clash) if clash.index == index => Claim::Ours,
            claim => claim,
        }
    }

    /// Notes the file that a request has brought.
    pub(crate) fn committed(&mut self, file: Stat, index: usize) {
        self.committed.insert(self.hasher.hash_one(file), index);
    }

    /// A file that the batch itself has brought is at a path that nobody claimed: so the path is another one's by a spelling that
    /// can't be told from names.
    fn committed_as(&self, path: &Path, there: Option<Stat>) -> Option<Clash> {
        let index = *self.committed.get(&self.hasher.hash_one(there?))?;
        Some(Clash {
            index,
            wanted: path.to_owned(),
            theirs: path.to_owned(),
        })
    }

    fn find(&self, storage: &dyn Storage, path: &Path) -> Option<&Entry> {
        let bucket = self.entries.get(&self.key(path))?;
        bucket.iter().find(|entry| is_one(storage, &entry.path, path))
    }

    fn key(&self, path: &Path) -> u64 {
        self.hasher.hash_one(folded_path(path))
    }
}

impl Entry {
    fn clash(&self, wanted: &Path) -> Clash {
        Clash {
            index: self.index,
            wanted: wanted.to_owned(),
            theirs: self.path.to_path_buf(),
        }
    }
}

impl Clash {
    /// The error of the later request.
    pub(crate) fn error(&self, object: &ObjectId) -> Error {
        Error::invalid_argument(format!("can't download {object}: {self}"))
            .with_hint("save it elsewhere: two objects can't have one path, nor can a file and a directory")
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            wanted,
            theirs,
        } = self;
        write!(
            f,
            "its path {} is taken by request {index} of the batch",
            Shown(wanted)
        )?;
        if wanted == theirs {
            return Ok(());
        }
        write!(f, " (as {})", Shown(theirs))
    }
}

/// Which requests of a batch are under way.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    indexes: Mutex<HashSet<usize>>,
    one_ended: Notify,
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct OneUnderWay {
    index: usize,
    all: Arc<UnderWay>,
}

impl UnderWay {
    pub(crate) fn begin(self: &Arc<Self>, index: usize) -> OneUnderWay {
        self.lock().insert(index);
        OneUnderWay {
            index,
            all: self.clone(),
        }
    }

    /// Waits until a request is not under way any more.
    pub(crate) async fn ended(&self, index: usize) {
        loop {
            let mut one_ended = std::pin::pin!(self.one_ended.notified());
            one_ended.as_mut().enable();
            if !self.lock().contains(&index) {
                return;
            }
            one_ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<usize>> {
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OneUnderWay {
    fn drop(&mut self) {
        self.all.lock().remove(&self.index);
        self.all.one_ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::SystemStorage;
    use crate::testing::folding_storage::FoldingStorage;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    fn file(path: &Path) -> Destination {
        Destination::File(path.to_owned())
    }

    fn object(key: &str) -> ObjectId {
        ObjectId::new("bkt", key)
    }

    /// The first request that each of these files clashes with, below one directory.
    fn clashes(storage: &dyn Storage, root: &Path, names: &[&str]) -> Vec<Option<usize>> {
        let mut paths = BatchPaths::default();
        let claims = names.iter().enumerate().map(|(index, name)| {
            match paths.claim(storage, &file(&root.join(name)), None, &object(name), index) {
                Claim::Ours => None,
                Claim::SameAs(first) => panic!("{first} is no other object"),
                Claim::Clash(clash) => Some(clash.index),
            }
        });
        claims.collect()
    }

    #[test]
    fn names_that_a_file_system_folds_are_one_path_there_and_two_elsewhere() {
        let folder = folder();
        let root = folder.path();
        let names = ["A/x", "a/y", "a/X", "a", "caf\u{e9}", "cafe\u{301}", "b", "B/c"];
        let folding = FoldingStorage::below(root);
        let told = [None, None, Some(0), Some(0), None, Some(4), None, Some(6)];
        assert_eq!(clashes(&folding, root, &names), told);
        let told = [None, None, None, Some(1), None, None, None, None];
        assert_eq!(clashes(&SystemStorage, root, &names), told);
        assert_eq!(std::fs::read_dir(root).expect("readable").count(), 0);
    }

    #[test]
    fn the_same_object_at_the_same_path_is_no_clash() {
        let folder = folder();
        let (path, mut paths) = (folder.path().join("x"), BatchPaths::default());
        let mut claim =
            |object: ObjectId, index| paths.claim(&SystemStorage, &file(&path), None, &object, index);
        assert_eq!(claim(object("x"), 0), Claim::Ours);
        assert_eq!(claim(object("x"), 1), Claim::SameAs(0));
        for (other, index) in [
            (object("x").with_version(Some("v".into())), 2),
            (ObjectId::new("other", "x"), 3),
        ] {
            assert!(matches!(claim(other, index), Claim::Clash(clash) if clash.index == 0));
        }
    }

    #[test]
    fn a_file_that_the_batch_has_brought_is_known_by_any_name() {
        let folder = folder();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let mut paths = BatchPaths::default();
        paths.claim(&SystemStorage, &file(&one), None, &object("one"), 0);
        std::fs::write(&one, "content").expect("written");
        // As a directory that is mounted twice would show it.
        std::fs::hard_link(&one, &other).expect("linked");
        let look = |path: &Path| SystemStorage.stat(path).expect("it can be looked at");
        paths.committed(look(&one).expect("it is there"), 0);
        let claim = paths.claim(&SystemStorage, &file(&other), look(&other), &object("other"), 1);
        assert!(matches!(claim, Claim::Clash(clash) if clash.index == 0));
    }

    #[test]
    fn a_path_in_use_is_free_again_when_its_user_has_ended() {
        let folder = folder();
        let (in_use, storage) = (InUse::default(), FoldingStorage::below(folder.path()));
        let occupy = |name: &str| in_use.occupy(&storage, &folder.path().join(name));
        let first = occupy("x").expect("free");
        assert!(occupy("X").is_none() && occupy("x").is_none());
        assert!(occupy("y").is_some());
        drop(first);
        assert!(occupy("X").is_some());
    }
}
