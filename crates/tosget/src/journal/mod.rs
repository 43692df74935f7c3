//! The journal: what the temporary file of one download holds, kept so that the next run can go on.
//!
//! It is an append-only list of small checksummed records behind a header that says what it belongs to. Recording a
//! segment is one small write, whatever the size of the object. All calls block.

pub(crate) mod format;
mod lease;
mod owner;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::coverage::Coverage;
use crate::error::Shown;
use crate::storage::{FileId, Locked, OpenMode, Stat, Storage, StoredFile, named, open_locked, rename_open};

use format::{
    Damage, Header, Identity, MAX_HEADER_LEN, OWNER_AT, Owner, OwnerBlock, OwnerState, RECORD_LEN, Record,
    decode_header, encode_header,
};
pub(crate) use lease::{Lease, Ownership, owner_at};
pub(crate) use owner::{Liveness, current_owner, liveness};

/// Claims are joined up to this many bytes: what is read back at a time, and what one bad byte can cost.
const CLAIM_LIMIT: u64 = 1 << 20;

/// … or up to this part of the object, if that is more, so that their number stays bounded.
const MOST_CLAIMS: u64 = 1 << 16;

/// No journal gets as long as this, but a damaged or a made-up one may, and would be read for hours.
const MOST_LEN: u64 = 256 << 20;

/// So many records fit in it. Very small parts of a very large object would be more, or a line that breaks all the time.
const MOST_RECORDS: u64 = (MOST_LEN - MAX_HEADER_LEN as u64) / RECORD_LEN as u64;

/// From here on only what is forgotten is recorded: what landed may be fetched again, but nothing may be claimed that is not there.
const FULL: u64 = MOST_RECORDS / 8 * 7;

/// A journal with more records than this is written anew by the next run, which joins its claims.
const LONG: u64 = MOST_RECORDS / 2;

/// How many records are read at a time.
const RECORDS_AT_A_TIME: usize = 2048;

/// A journal that is open, locked and ours to write.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Arc<dyn StoredFile>,
    path: PathBuf,
    nonce: u64,
    /// Of the object.
    size: u64,
    records_at: u64,
    next_index: u64,
    lease: Arc<Lease>,
}

impl Journal {
    /// Starts a journal where there is none. `None`: somebody else was faster, look again.
    ///
    /// The header is made durable, so that a power cut costs the newest records at most.
    pub(crate) fn create(
        storage: &Arc<dyn Storage>,
        path: &Path,
        identity: &Identity,
        owner: Owner,
        nonce: u64,
        mode: OpenMode,
        locks_are_proof: bool,
    ) -> io::Result<Option<Self>> {
        let block = OwnerBlock {
            owner,
            beat: 0,
            state: OwnerState::Running,
        };
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the journal's identity is too long");
        let header = encode_header(identity, nonce, &block).ok_or_else(too_long)?;
        let file = match open_locked(&**storage, path, mode) {
            Ok(Locked::Ours(file, _)) => file,
            Ok(Locked::Held | Locked::Absent) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Err(error) = file.write_at(&header, 0).and_then(|()| file.sync()) {
            remove_unless_renamed(&**storage, path, &*file);
            return Err(error);
        }
        Ok(Some(Self {
            lease: Arc::new(Lease::new(storage, &file, path, block, !locks_are_proof, nonce)),
            file,
            path: path.to_owned(),
            nonce,
            size: identity.object_size(),
            records_at: header.len() as u64,
            next_index: 0,
        }))
    }

    /// Gives the journal the name that it was made for, which nobody must have yet; or removes it.
    pub(crate) fn named(self, storage: &dyn Storage, path: &Path) -> io::Result<Self> {
        let (file, unnamed) = (self.file.clone(), self.path.clone());
        let named = match storage.stat(path) {
            Ok(None) => self.rename(storage, path),
            Ok(Some(_)) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) => Err(error),
        };
        named.inspect_err(|_| remove_unless_renamed(storage, &unnamed, &*file))
    }

    /// Removes a journal that nobody goes on with.
    pub(crate) fn remove(self, storage: &dyn Storage) {
        remove_unless_renamed(storage, &self.path, &*self.file);
    }

    /// Whether it has no record.
    pub(crate) fn is_empty(&self) -> bool {
        self.next_index == 0
    }

    /// Appends records in one write, as far as there is room.
    pub(crate) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let at = self.records_at + self.next_index * RECORD_LEN as u64;
        let mut bytes = Vec::with_capacity(records.len() * RECORD_LEN);
        let mut next_index = self.next_index;
        for record in records {
            let is_lost = matches!(record, Record::Forgotten(_));
            if next_index >= FULL && !is_lost {
                continue;
            }
            if next_index >= MOST_RECORDS {
                return Err(io::Error::other("the journal is full"));
            }
            bytes.extend(record.encode(self.nonce, next_index));
            next_index += 1;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.write_at(&bytes, at)?;
        self.next_index = next_index;
        Ok(())
    }

    /// What the records say that the temporary file holds, joined into pieces of a mebibyte or so.
    pub(crate) fn claims(&self) -> io::Result<Coverage> {
        replay(&*self.file, self.records_at, self.nonce, self.size).map(|replayed| replayed.claims)
    }

    /// Makes the records durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// Lets go in order: `temporary` is how the temporary file looks after the last write to it, and a sync.
    pub(crate) fn release(&mut self, temporary: Stat) -> io::Result<()> {
        self.lease.set_state(OwnerState::Released(temporary.into()))
    }

    /// Notes that what the system has in memory of the temporary file may not reach the disk.
    pub(crate) fn doubt(&mut self) -> io::Result<()> {
        self.lease.set_state(OwnerState::Doubted)
    }

    /// Takes back a [doubt](Self::doubt).
    pub(crate) fn trust(&mut self) -> io::Result<()> {
        self.lease.set_state(OwnerState::Running)
    }

    /// The right to write it, which is to be renewed.
    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    pub(crate) fn id(&self) -> io::Result<FileId> {
        self.file.stat().map(|stat| stat.id)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the journal this name, in place of the one that has it.
    pub(crate) fn rename(mut self, storage: &dyn Storage, to: &Path) -> io::Result<Self> {
        rename_open(storage, &*self.file, &self.path, to)?;
        self.path = to.to_owned();
        let lease = Arc::get_mut(&mut self.lease).expect("nobody renews it yet");
        to.clone_into(&mut lease.path);
        Ok(self)
    }
}

/// Removes a journal that could not be begun, unless its name means another file by now.
fn remove_unless_renamed(storage: &dyn Storage, path: &Path, file: &dyn StoredFile) {
    let removed = match named(storage, path, file) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => storage.remove(path),
        Err(error) => Err(error),
    };
    if let Err(error) = removed {
        tracing::warn!(target: "tosget::checkpoint", path = %Shown(path), %error, "a journal was left behind");
    }
}

/// A journal that was there before us: locked, read, and not changed yet.
#[derive(Debug)]
pub(crate) struct FoundJournal {
    file: Arc<dyn StoredFile>,
    path: PathBuf,
    /// What it belongs to, or why it can't be used.
    pub(crate) header: Result<Header, Damage>,
    /// Its last owner; `None` if that can't be read.
    pub(crate) last_owner: Option<OwnerBlock>,
    /// What it says the temporary file holds, joined into pieces of a mebibyte or so.
    pub(crate) claims: Coverage,
    /// Records that were torn or damaged and are not believed.
    pub(crate) dropped: u64,
    next_index: u64,
}

/// What is at a journal's path.
#[derive(Debug)]
pub(crate) enum Look {
    Nothing,
    Found(Box<FoundJournal>),
    /// In use; by whom, where that can be read.
    Held(Option<Box<Owner>>),
}

impl FoundJournal {
    /// Opens, locks and reads the journal at `path`, if there is one.
    pub(crate) fn look(storage: &dyn Storage, path: &Path) -> io::Result<Look> {
        match open_locked(storage, path, OpenMode::Existing)? {
            Locked::Absent => Ok(Look::Nothing),
            Locked::Held => {
                // It may be gone by now. Whoever it was, it is held.
                let holder = owner_at(storage, path).ok().flatten();
                Ok(Look::Held(holder.map(|block| Box::new(block.owner))))
            }
            Locked::Ours(file, _) => Ok(Look::Found(Box::new(Self::read(file, path)?))),
        }
    }

    fn read(file: Arc<dyn StoredFile>, path: &Path) -> io::Result<Self> {
        let mut start = vec![0; MAX_HEADER_LEN];
        let len = file.read_at(&mut start, 0)?;
        start.truncate(len);
        let header = if file.read_at(&mut [0], MOST_LEN)? > 0 {
            Err(Damage::TooLong)
        } else {
            decode_header(&start)
        };
        let last_owner = usize::try_from(OWNER_AT)
            .ok()
            .and_then(|at| OwnerBlock::decode(start.get(at..)?));
        let mut found = Self {
            file,
            path: path.to_owned(),
            header,
            last_owner,
            claims: Coverage::new(),
            dropped: 0,
            next_index: 0,
        };
        if let Ok(header) = found.header.clone() {
            found.read_records(&header)?;
        }
        Ok(found)
    }

    fn read_records(&mut self, header: &Header) -> io::Result<()> {
        let size = header.identity.object_size();
        let replayed = replay(&*self.file, header.records_at, header.nonce, size)?;
        self.claims = replayed.claims;
        self.dropped = replayed.dropped;
        self.next_index = replayed.records;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is so long that it is better written anew.
    pub(crate) fn is_long(&self) -> bool {
        self.next_index > LONG
    }

    /// Who owns the journal's name now: looked at through a fresh open, since what is open already may show what it showed before.
    pub(crate) fn owner_now(&self, storage: &dyn Storage) -> io::Result<Option<OwnerBlock>> {
        owner_at(storage, &self.path)
    }

    /// Takes the journal over and goes on with it. `None` if its header can't be used.
    pub(crate) fn adopt(
        self,
        storage: &Arc<dyn Storage>,
        owner: Owner,
        locks_are_proof: bool,
    ) -> io::Result<Option<Journal>> {
        let Ok(header) = self.header else { return Ok(None) };
        let block = OwnerBlock {
            owner,
            beat: self.last_owner.map_or(0, |block| block.beat),
            state: OwnerState::Running,
        };
        let synced = !locks_are_proof;
        let lease = Lease::new(storage, &self.file, &self.path, block, synced, header.nonce);
        let mut journal = Journal {
            file: self.file,
            path: self.path,
            nonce: header.nonce,
            size: header.identity.object_size(),
            records_at: header.records_at,
            next_index: self.next_index,
            lease: Arc::new(lease),
        };
        journal.trust()?;
        Ok(Some(journal))
    }
}

/// What a journal's records amount to.
struct Replayed {
    claims: Coverage,
    /// Records that were torn or damaged.
    dropped: u64,
    /// Places for records that are taken, damaged ones included.
    records: u64,
}

/// Replays the records in order. A damaged one costs itself only: places are fixed, so the next one is found.
fn replay(file: &dyn StoredFile, records_at: u64, nonce: u64, size: u64) -> io::Result<Replayed> {
    let mut replayed = Replayed {
        claims: Coverage::with_join_limit(CLAIM_LIMIT.max(size / MOST_CLAIMS)),
        dropped: 0,
        records: 0,
    };
    let mut buffer = vec![0; RECORDS_AT_A_TIME * RECORD_LEN];
    loop {
        let at = records_at + replayed.records * RECORD_LEN as u64;
        let len = file.read_at(&mut buffer, at)?;
        let (records, torn) = buffer[..len].as_chunks::<RECORD_LEN>();
        for bytes in records {
            match Record::decode(bytes, nonce, replayed.records) {
                Some(Record::Landed(segment, standing)) if segment.range.end() <= size => {
                    replayed.claims.insert(segment, standing);
                }
                Some(Record::Settled(range)) => replayed.claims.settle(range),
                Some(Record::Forgotten(range)) => {
                    replayed.claims.forget(range);
                }
                Some(Record::Landed(..)) | None => replayed.dropped += 1,
            }
            replayed.records += 1;
        }
        if len < buffer.len() {
            // The torn tail is overwritten by the next record.
            replayed.dropped += u64::from(!torn.is_empty());
            return Ok(replayed);
        }
    }
}

#[cfg(test)]
mod tests;
