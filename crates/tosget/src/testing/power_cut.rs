//! A disk in memory that keeps what is live and what is durable apart, so that its power can be cut; and that can lose what
//! it has acknowledged, to report it with a later call.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::storage::{Access, Allocation, FileId, FileKind, OpenMode, Stat, Storage, StoredFile};

/// What the kernel writes back at a time.
const PAGE: usize = 512;

/// A write reports what was lost before it where the clock is a multiple of this.
const REPORT_EVERY: i64 = 7;

/// A disk. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    platters: Arc<Mutex<Platters>>,
    /// The machine that has it mounted: one sees at once what it writes itself.
    host: u64,
}

#[derive(Debug)]
struct Platters {
    /// Names as they are, and as they were when their directory was last synced.
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Changes of names since, oldest first: a journaling file system keeps their order.
    changes: Vec<Change>,
    files: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// Ticks with every change: no two look alike.
    clock: i64,
    boot: u64,
    /// Handles of an earlier boot are dead.
    calls: u64,
    /// The power goes at this call.
    fuse: u64,
    /// From this call on, writes are acknowledged and lost.
    lossy_from: u64,
    /// Every lock is granted to everybody, and what a machine writes is seen by others so long after, unless it is synced.
    lag: Option<Duration>,
    /// Machines that are cut off until then: what they write is seen by others after it, and they can sync nothing.
    cut_off: BTreeMap<u64, Instant>,
}

#[derive(Clone, Debug)]
enum Change {
    Named(PathBuf, u64),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
}

#[derive(Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// Pages that were acknowledged, and can never be written to the platters.
    doomed: BTreeSet<usize>,
    /// What other machines do not see yet, oldest first.
    unseen: Vec<Unseen>,
    modified: i64,
    changed: i64,
    locked_by: Option<u64>,
}

/// A write of one machine that the others do not see yet.
#[derive(Debug)]
struct Unseen {
    host: u64,
    offset: usize,
    bytes: Vec<u8>,
    seen_from: Instant,
}

impl Unseen {
    fn apply(&self, content: &mut Vec<u8>) {
        let end = self.offset + self.bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[self.offset..end].copy_from_slice(&self.bytes);
    }
}

impl Inode {
    /// The content as one machine sees it.
    fn seen_by(&self, host: u64) -> Cow<'_, [u8]> {
        if self.unseen.iter().all(|write| write.host != host) {
            return Cow::Borrowed(&self.live);
        }
        let mut content = self.live.clone();
        let own = self.unseen.iter().filter(|write| write.host == host);
        own.for_each(|write| write.apply(&mut content));
        Cow::Owned(content)
    }

    /// Shows everybody what `is_seen`.
    fn show(&mut self, now: i64, is_seen: impl Fn(&Unseen) -> bool) {
        for write in std::mem::take(&mut self.unseen) {
            if is_seen(&write) {
                write.apply(&mut self.live);
                self.touch(now);
            } else {
                self.unseen.push(write);
            }
        }
    }

    /// The content changes.
    fn touch(&mut self, now: i64) {
        (self.modified, self.changed) = (now, now);
    }

    /// What could not be written back is dropped from memory; reported once, as NFS does for a quota.
    fn report_loss(&mut self) -> io::Result<()> {
        if self.lose_doomed() {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(())
    }

    /// Drops what could not be written back. Whether there was any.
    fn lose_doomed(&mut self) -> bool {
        let doomed = std::mem::take(&mut self.doomed);
        for page in &doomed {
            let start = (page * PAGE).min(self.live.len());
            let end = ((page + 1) * PAGE).min(self.live.len());
            for at in start..end {
                self.live[at] = self.durable.get(at).copied().unwrap_or(0);
            }
            self.dirty.remove(page);
        }
        !doomed.is_empty()
    }
}

impl Disk {
    /// An empty disk.
    pub(crate) fn new() -> Self {
        let platters = Platters {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            files: BTreeMap::new(),
            next_inode: 1,
            clock: 1,
            boot: 1,
            calls: 0,
            fuse: u64::MAX,
            lossy_from: u64::MAX,
            lag: None,
            cut_off: BTreeMap::new(),
        };
        Self {
            platters: Arc::new(Mutex::new(platters)),
            host: 0,
        }
    }

    /// The disk as another machine has it mounted, over a network that grants every lock, and shows what is not synced late.
    pub(crate) fn shared(&self, host: u64, lag: Duration) -> Self {
        self.platters().lag = Some(lag);
        Self {
            platters: self.platters.clone(),
            host,
        }
    }

    /// Until then nobody sees what this machine writes, and it can sync nothing.
    pub(crate) fn cut_off(&self, until: Instant) {
        self.platters().cut_off.insert(self.host, until);
    }

    /// Fails every call from the `n`th from now on, until [`cut`](Self::cut).
    pub(crate) fn fail_from(&self, n: u64) {
        let mut platters = self.platters();
        platters.fuse = platters.calls + n;
    }

    /// From the `n`th call from now on, writes are acknowledged and lost; a later sync or write of the file may tell. Until
    /// [`keep_writes`](Self::keep_writes).
    pub(crate) fn lose_writes_from(&self, n: u64) {
        let mut platters = self.platters();
        platters.lossy_from = platters.calls + n;
    }

    /// Writes are kept again. What was lost before stays lost.
    pub(crate) fn keep_writes(&self) {
        self.platters().lossy_from = u64::MAX;
    }

    /// Whether the fuse has burnt.
    pub(crate) fn has_failed(&self) -> bool {
        let platters = self.platters();
        platters.calls > platters.fuse
    }

    /// The power goes and comes back: of everything that was not synced, `random` says what is there. Another boot begins.
    pub(crate) fn cut(&self, random: &mut fastrand::Rng) {
        self.platters().cut(random);
    }

    /// The process dies, the machine does not: what the kernel has is there, but for what it could not write back. Nobody holds
    /// a lock any more.
    pub(crate) fn kill(&self) {
        let mut platters = self.platters();
        platters.fuse = u64::MAX;
        for file in platters.files.values_mut() {
            file.locked_by = None;
            file.lose_doomed();
        }
    }

    /// The system finds out that it can't write back what it has acknowledged, and tells nobody.
    pub(crate) fn drop_what_is_lost(&self) {
        let mut platters = self.platters();
        for file in platters.files.values_mut() {
            file.lose_doomed();
        }
    }

    /// A file's content; `None` where there is no such file.
    pub(crate) fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let platters = self.platters();
        let inode = platters.names.get(path)?;
        Some(platters.files[inode].seen_by(self.host).into_owned())
    }

    /// The names that there are.
    pub(crate) fn names(&self) -> Vec<PathBuf> {
        self.platters().names.keys().cloned().collect()
    }

    /// Flips a bit of a file. Its times tell: what alters a file without them (a disk that rots) only `Recheck::Always`
    /// can find.
    pub(crate) fn flip(&self, path: &Path, at: usize, bit: u8) {
        let mut platters = self.platters();
        let (inode, now) = (platters.names[path], platters.tick());
        let file = platters.files.get_mut(&inode).expect("names have files");
        file.live[at] ^= 1 << (bit % 8);
        file.dirty.insert(at / PAGE);
        file.changed = now;
    }

    fn platters(&self) -> MutexGuard<'_, Platters> {
        self.platters.lock().expect("no call panics")
    }

    fn call(&self) -> io::Result<MutexGuard<'_, Platters>> {
        let mut platters = self.platters();
        platters.calls += 1;
        if platters.calls > platters.fuse {
            return Err(io::Error::other("the power is gone"));
        }
        Ok(platters)
    }
}

impl Platters {
    fn cut(&mut self, random: &mut fastrand::Rng) {
        let survived = random.usize(..=self.changes.len());
        let mut names = self.durable_names.clone();
        for change in self.changes.drain(..).take(survived) {
            apply(&mut names, change);
        }
        self.names.clone_from(&names);
        self.durable_names = names;
        for file in self.files.values_mut() {
            file.cut(random);
        }
        self.boot += 1;
        self.fuse = u64::MAX;
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, change.clone());
        self.changes.push(change);
    }

    fn tick(&mut self) -> i64 {
        self.clock += 1;
        self.clock
    }
}

impl Inode {
    /// Each page is there or not, and the length is the new one or the old one.
    fn cut(&mut self, random: &mut fastrand::Rng) {
        self.lose_doomed();
        let keeps_length = random.bool();
        let len = if keeps_length {
            self.live.len()
        } else {
            self.durable.len()
        };
        let mut after = self.durable.clone();
        after.resize(len, 0);
        for page in std::mem::take(&mut self.dirty) {
            let range = page * PAGE..((page + 1) * PAGE).min(len).min(self.live.len());
            if random.bool() && range.start < range.end {
                after[range.clone()].copy_from_slice(&self.live[range]);
            }
        }
        self.live.clone_from(&after);
        self.durable = after;
        self.locked_by = None;
    }
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, change: Change) {
    match change {
        Change::Named(path, inode) => {
            names.insert(path, inode);
        }
        Change::Renamed(from, to) => {
            if let Some(inode) = names.remove(&from) {
                names.insert(to, inode);
            }
        }
        Change::Removed(path) => {
            names.remove(&path);
        }
    }
}

impl Storage for Disk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StoredFile>> {
        let mut platters = self.call()?;
        let inode = match (platters.inode(path), mode) {
            (Ok(_), OpenMode::CreateNew | OpenMode::CreatePrivate) => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            (Err(error), OpenMode::Existing | OpenMode::Read) => return Err(error),
            (Ok(inode), OpenMode::Existing | OpenMode::Read) => inode,
            (Err(_), OpenMode::CreateNew | OpenMode::CreatePrivate) => {
                let inode = platters.next_inode;
                platters.next_inode += 1;
                platters.files.insert(inode, Inode::default());
                platters.change(Change::Named(path.to_owned(), inode));
                inode
            }
        };
        Ok(Arc::new(DiskFile {
            disk: self.clone(),
            inode,
            boot: platters.boot,
            handle: platters.calls,
            host: self.host,
        }))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let platters = self.call()?;
        if path == Path::new("/") {
            return Ok(Some(ROOT));
        }
        Ok(platters
            .names
            .get(path)
            .map(|inode| stat(&platters, *inode, self.host)))
    }

    /// There are no links.
    fn follow(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.stat(path)
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        self.call().map(|_| ())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platters = self.call()?;
        platters.inode(from)?;
        platters.change(Change::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let platters = self.call()?;
        let below = platters
            .names
            .keys()
            .filter(|path| path.parent() == Some(directory));
        Ok(below
            .filter_map(|path| path.file_name())
            .map(OsString::from)
            .collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut platters = self.call()?;
        platters.inode(path)?;
        platters.change(Change::Removed(path.to_owned()));
        Ok(())
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        let boot = u128::from(self.platters().boot);
        Some((boot << 64 | u128::from(self.host)).to_be_bytes())
    }

    fn locks_are_proof(&self, _: &Path) -> bool {
        self.platters().lag.is_none()
    }

    /// There is one directory.
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut platters = self.call()?;
        platters.durable_names = platters.names.clone();
        platters.changes.clear();
        Ok(())
    }
}

#[derive(Debug)]
struct DiskFile {
    disk: Disk,
    inode: u64,
    boot: u64,
    handle: u64,
    host: u64,
}

impl DiskFile {
    fn with<T>(&self, work: impl FnOnce(&mut Inode, i64) -> io::Result<T>) -> io::Result<T> {
        let mut platters = self.disk.call()?;
        if platters.boot != self.boot {
            return Err(io::Error::other("opened before the power was cut"));
        }
        let now = platters.tick();
        let is_shared = platters.lag.is_some();
        let file = platters.files.get_mut(&self.inode).expect("open files stay");
        if is_shared {
            file.show(now, |write| write.seen_from <= Instant::now());
        }
        work(file, now)
    }

    /// From when on others see what is written now; `None` where there are no others.
    fn seen_from(&self) -> Option<Instant> {
        let platters = self.disk.platters();
        let seen_from = Instant::now() + platters.lag?;
        let until = platters.cut_off.get(&self.host);
        Some(until.map_or(seen_from, |until| seen_from.max(*until)))
    }

    fn is_cut_off(&self) -> bool {
        let platters = self.disk.platters();
        platters
            .cut_off
            .get(&self.host)
            .is_some_and(|until| *until > Instant::now())
    }

    fn is_lossy(&self) -> bool {
        let platters = self.disk.platters();
        platters.calls >= platters.lossy_from
    }
}

impl StoredFile for DiskFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|file, _| {
            let content = file.seen_by(self.host);
            let from = (offset as usize).min(content.len());
            let len = buffer.len().min(content.len() - from);
            buffer[..len].copy_from_slice(&content[from..from + len]);
            Ok(len)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let lossy = self.is_lossy();
        let seen_from = self.seen_from();
        self.with(|file, now| {
            if let Some(seen_from) = seen_from {
                file.unseen.push(Unseen {
                    host: self.host,
                    offset: offset as usize,
                    bytes: bytes.to_owned(),
                    seen_from,
                });
                return Ok(());
            }
            if now % REPORT_EVERY == 0 {
                file.report_loss()?;
            }
            let (from, to) = (offset as usize, offset as usize + bytes.len());
            if file.live.len() < to {
                file.live.resize(to, 0);
            }
            file.live[from..to].copy_from_slice(bytes);
            file.dirty.extend(from / PAGE..to.div_ceil(PAGE));
            if lossy {
                file.doomed.extend(from / PAGE..to.div_ceil(PAGE));
            }
            file.touch(now);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|file, now| {
            file.live.resize(len as usize, 0);
            file.touch(now);
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<Allocation> {
        self.with(|file, now| {
            if file.live.len() < len as usize {
                file.live.resize(len as usize, 0);
                file.touch(now);
            }
            Ok(Allocation::Reserved)
        })
    }

    fn sync(&self) -> io::Result<()> {
        if self.is_cut_off() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.with(|file, now| {
            file.show(now, |write| write.host == self.host);
            file.report_loss()?;
            file.durable.clone_from(&file.live);
            file.dirty.clear();
            Ok(())
        })
    }

    /// Memory has nothing that the platters do not have, but for what was not synced.
    fn drop_cached(&self) -> io::Result<()> {
        self.disk.call().map(|_| ())
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        let since = time.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        self.with(|file, now| {
            file.modified = i64::try_from(since.as_nanos()).map_err(io::Error::other)?;
            file.changed = now;
            Ok(())
        })
    }

    fn set_access(&self, _access: Access) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        let grants_all = self.disk.platters().lag.is_some();
        self.with(|file, _| Ok(*file.locked_by.get_or_insert(self.handle) == self.handle || grants_all))
    }

    fn unlock(&self) -> io::Result<()> {
        self.with(|file, _| {
            if file.locked_by == Some(self.handle) {
                file.locked_by = None;
            }
            Ok(())
        })
    }

    fn stat(&self) -> io::Result<Stat> {
        let platters = self.disk.call()?;
        Ok(stat(&platters, self.inode, self.host))
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        let mut platters = self.disk.platters();
        if platters.boot == self.boot
            && let Some(file) = platters.files.get_mut(&self.inode)
            && file.locked_by == Some(self.handle)
        {
            file.locked_by = None;
        }
    }
}

/// The one directory.
const ROOT: Stat = Stat {
    kind: FileKind::Directory,
    id: FileId { device: 1, inode: 0 },
    access: None,
    names: 1,
    len: 0,
    modified_ns: 0,
    changed_ns: 0,
};

fn stat(platters: &Platters, inode: u64, host: u64) -> Stat {
    let file = &platters.files[&inode];
    Stat {
        kind: FileKind::File,
        id: FileId { device: 1, inode },
        access: None,
        names: 1,
        len: file.seen_by(host).len() as u64,
        modified_ns: file.modified,
        changed_ns: file.changed,
    }
}
