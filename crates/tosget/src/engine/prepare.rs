//! Between the first answer and the first byte written: decide what of the earlier run is used, and have the temporary
//! file and the journal ready.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use tokio::runtime::Handle;

use super::earlier::{Earlier, LeftTemporary, held, refuse_what_is_taken};
use super::gate::Gate;
use super::probe::{EarlierFits, Opened, Probed};
use super::recorder::Recorder;
use super::{Engine, Recheck, Spec, blocking, output, takeovers};
use crate::checksum::Crc64;
use crate::coverage::{Coverage, Segment, Standing};
use crate::destination::{Places, directory_of, unnamed};
use crate::error::{Error, Shown};
use crate::events::{DownloadEventType, Narrator};
use crate::journal::format::{Identity, Record};
use crate::journal::{FoundJournal, Journal, current_owner};
use crate::object::HeadObjectOutput;
use crate::outcome::DownloadFileOutput;
use crate::plan::part_count;
use crate::range::ByteRange;
use crate::storage::{FileKind, Locked, OpenMode, Storage, make_directories, open_locked};
use crate::temporary::{OpenTemporary, TemporaryFile, create_mode};
use crate::verify::{Pin, Verification};

/// What is larger gets a journal though it comes in one part: this much takes a second or more to fetch again.
const ALWAYS_KEPT: u64 = 8 << 20;

/// A download whose files are open and locked, ready to take bytes.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) engine: Engine,
    pub(super) places: Places,
    pub(super) scratch: Scratch,
    pub(super) gate: Option<Gate>,
    pub(super) recorder: Recorder,
    pub(super) head: HeadObjectOutput,
    pub(super) pin: Pin,
    /// What is believed to be in the temporary file.
    pub(super) coverage: Coverage,
    /// What the journal claims and has to be read back first.
    pub(super) doubtful: Vec<Segment>,
    /// What is doubtful was fetched or read back by this very call before.
    pub(super) looks_again: bool,
    pub(super) opened: Option<Opened>,
    /// Why an earlier checkpoint could not be used.
    pub(super) set_aside: Option<String>,
}

impl Session {
    /// Believes nothing of `claims` any more before it is read back.
    pub(super) fn doubt(&mut self, claims: &Coverage, spec: &Spec) {
        self.coverage = Coverage::new();
        self.doubtful = claims.segments().collect();
        self.looks_again = true;
        spec.progress.holds(0);
    }
}

/// The temporary file, and whether it goes when the session goes: without a journal nobody could go on with it.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) file: TemporaryFile,
    pub(super) keep: bool,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = self.file.clone().remove()
        {
            tracing::warn!(target: "tosget::checkpoint", %error, "a temporary file was left behind");
        }
    }
}

#[derive(Debug)]
pub(super) enum Prepared {
    Ready(Box<Session>),
    /// An earlier run had finished but for the removal of its journal.
    AlreadyCommitted(Box<Committed>),
}

/// A destination that already is the object.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) head: HeadObjectOutput,
    pub(super) destination: PathBuf,
    /// All of it; `None` if it is empty.
    pub(super) content: Option<Segment>,
}

impl Committed {
    pub(super) fn output(self, spec: &Spec, narrator: &Narrator, began: Instant) -> DownloadFileOutput {
        let size = self.content.map_or(0, |content| content.range.len());
        let crc = self.content.map_or(Crc64::EMPTY, |content| content.crc);
        spec.progress.begin(size, part_count(size, spec.part_size));
        spec.progress.resumed(size);
        narrator.tell(DownloadEventType::Resumed {
            bytes: size,
            doubtful_bytes: 0,
        });
        narrator.transfer_started(size, size);
        narrator.transfer_succeeded();
        narrator.tell(DownloadEventType::RenameTempFileSucceed);
        let proven = spec.enable_crc && self.head.hash_crc64ecma == Some(crc.0);
        let by = if proven {
            Verification::Crc64
        } else {
            Verification::SizeOnly
        };
        output(spec, self.head, self.destination, by, Some(crc), began)
    }
}

pub(super) async fn prepare(
    engine: &Engine,
    spec: &Spec,
    places: Places,
    earlier: Earlier,
    probed: Probed,
) -> Result<Prepared, Error> {
    let size = probed.pin.fingerprint.size;
    spec.progress.begin(size, part_count(size, spec.part_size));
    let (engine, spec, runtime) = (engine.clone(), spec.clone(), Handle::current());
    let at_disk = spec.tasks.at_disk();
    blocking(move || {
        // It has the answer to the probe, with a slot.
        let _at_disk = at_disk;
        Preparation {
            runtime,
            engine,
            spec,
            places,
            probed,
        }
        .run(earlier)
    })
    .await
}

/// What the journal's claims are worth.
#[derive(Default)]
struct Judgement {
    /// Believed.
    coverage: Coverage,
    /// To be read back first.
    doubtful: Vec<Segment>,
    /// Beyond the end of the file, so not there, whatever the journal says.
    lost: Vec<ByteRange>,
}

struct Preparation {
    runtime: Handle,
    engine: Engine,
    spec: Spec,
    places: Places,
    probed: Probed,
}

impl Preparation {
    fn run(self, mut earlier: Earlier) -> Result<Prepared, Error> {
        if let Some(committed) = self.committed_before(&earlier)? {
            return Ok(Prepared::AlreadyCommitted(Box::new(committed)));
        }
        let set_aside = self.reason_to_start_afresh(&earlier);
        if let Some(reason) = &set_aside {
            self.set_aside(&mut earlier, reason)?;
        }
        self.create_directories()?;
        let gate = Gate::close(&self.engine.storage, &self.places)?;
        let Judgement {
            coverage,
            doubtful,
            lost,
        } = self.judge_claims(&earlier);
        self.tell(&earlier, &coverage, &doubtful);
        let resumes = earlier.journal.is_some();
        let (journal, left) = self.open_journal(earlier, &lost)?;
        let recorder = Recorder::new(journal, self.engine.file_work.records.clone(), &self.runtime);
        let path = match recorder.path() {
            Some(_) => self.places.temporary.clone(),
            None => self.places.temporary_without_journal(),
        };
        let mut scratch = match self.open_temporary(left, &path) {
            Ok(file) => Scratch { file, keep: resumes },
            Err(error) => return Err(self.not_prepared(error, resumes, recorder)),
        };
        if let Err(error) = scratch.file.reserve(self.probed.pin.fingerprint.size) {
            return Err(self.not_prepared(error, resumes, recorder));
        }
        scratch.keep = recorder.path().is_some();
        Ok(Prepared::Ready(Box::new(Session {
            engine: self.engine,
            places: self.places,
            scratch,
            gate,
            recorder,
            head: self.probed.head.object,
            pin: self.probed.pin,
            coverage,
            doubtful,
            looks_again: false,
            opened: self.probed.opened,
            set_aside,
        })))
    }

    /// A journal that has no bytes to tell of goes; any other is what the next run goes on with.
    fn not_prepared(&self, error: Error, resumes: bool, mut recorder: Recorder) -> Error {
        match recorder.path() {
            Some(journal) if resumes => error.with_checkpoint(journal),
            _ => {
                recorder.remove(&*self.engine.storage);
                error
            }
        }
    }

    /// The journal comes first: from here on others see that somebody is at work.
    fn open_journal(
        &self,
        earlier: Earlier,
        lost: &[ByteRange],
    ) -> Result<(Option<Journal>, Option<TemporaryFile>), Error> {
        let Earlier { temporary, journal } = earlier;
        let left = temporary.map(|left| left.file);
        match (journal, left) {
            (None, left) => Ok((self.create_journal()?, left)),
            (Some(journal), Some(left)) if !self.places.locks_are_proof => {
                let (journal, file) = self.take_over(&journal, left, lost)?;
                Ok((Some(journal), Some(file)))
            }
            (Some(journal), Some(left)) if journal.is_long() && left.path() == self.places.temporary => {
                Ok((Some(self.shorten(&journal, lost)?), Some(left)))
            }
            (Some(journal), left) => Ok((self.adopt(*journal, lost)?, left)),
        }
    }

    fn open_temporary(&self, left: Option<TemporaryFile>, path: &Path) -> Result<TemporaryFile, Error> {
        let file = match left {
            Some(file) => file,
            None => self.create_temporary(path)?,
        };
        Ok(file.with_page_cache(self.spec.page_cache))
    }

    /// Goes on with what another owner left, where no lock proves that it is gone: under names of our own, so that nothing it may
    /// still do to its own names can reach them. Who renames the temporary file has it.
    fn take_over(
        &self,
        found: &FoundJournal,
        mut left: TemporaryFile,
        lost: &[ByteRange],
    ) -> Result<(Journal, TemporaryFile), Error> {
        let (Some(path), Some(next)) = (&self.places.journal, self.places.next_journal()) else {
            return Err(held(&self.places, None));
        };
        let storage = &*self.engine.storage;
        let failed =
            |error| Error::disk("take over the checkpoint", path, error).with_checkpoint(path.clone());
        let rewritten = self.rewrite(found, lost, &next).map_err(failed)?;
        let journal = rewritten.ok_or_else(|| held(&self.places, None))?;
        let before = left.path().to_owned();
        let taken = left.take_as(&self.places.temporary);
        if !matches!(taken, Ok(true)) {
            let _ = storage.remove(&next);
            return Err(taken.err().unwrap_or_else(|| held(&self.places, None)));
        }
        let journal = journal.rename(storage, path).map_err(|error| {
            // All as it was. Where that fails as well, the next run finds it by the journal that has not got its name.
            let has_not_its_name = matches!(storage.stat(&next), Ok(Some(_)));
            if has_not_its_name && matches!(left.take_as(&before), Ok(true)) {
                let _ = storage.remove(&next);
            }
            failed(error)
        })?;
        takeovers::clear(storage, &self.places, found.path());
        Ok((journal, left))
    }

    /// Goes on with a journal that is written anew, in place of one that has grown too long.
    fn shorten(&self, found: &FoundJournal, lost: &[ByteRange]) -> Result<Journal, Error> {
        let path = found.path();
        let failed =
            |error| Error::disk("write anew the checkpoint", path, error).with_checkpoint(path.to_owned());
        let unnamed = self.unnamed(path).map_err(failed)?;
        let rewritten = self.rewrite(found, lost, &unnamed).map_err(failed)?;
        let journal = rewritten.ok_or_else(|| held(&self.places, None))?;
        journal.rename(&*self.engine.storage, path).map_err(failed)
    }

    /// Writes what a journal claims, joined, to a new one at another path.
    fn rewrite(&self, found: &FoundJournal, lost: &[ByteRange], path: &Path) -> io::Result<Option<Journal>> {
        let claims = found.claims.segments();
        let records: Vec<Record> = claims
            .map(|segment| Record::Landed(segment, Standing::Settled))
            .chain(lost.iter().map(|range| Record::Forgotten(*range)))
            .collect();
        let written = self.create_journal_at(path).and_then(|created| {
            let Some(mut journal) = created else {
                return Ok(None);
            };
            journal.append(&records)?;
            journal.sync()?;
            Ok(Some(journal))
        });
        written.inspect_err(|_| {
            let _ = self.engine.storage.remove(path);
        })
    }

    /// A crash can fall between the rename and the removal of the journal: then the destination *is* the temporary
    /// file that the journal's last owner sealed when it had everything.
    fn committed_before(&self, earlier: &Earlier) -> Result<Option<Committed>, Error> {
        let (EarlierFits::SameObject, None, Some(journal)) =
            (&self.probed.earlier, &earlier.temporary, &earlier.journal)
        else {
            return Ok(None);
        };
        let size = self.probed.pin.fingerprint.size;
        let mut joined = Coverage::new();
        journal
            .claims
            .segments()
            .for_each(|segment| joined.insert(segment, Standing::Settled));
        let (Some(crc), Some(range), Some((seal, _))) =
            (joined.whole(size), ByteRange::new(0, size), earlier.seal())
        else {
            return Ok(None);
        };
        let path = &self.places.destination;
        let stat = self
            .engine
            .storage
            .stat(path)
            .map_err(|error| Error::disk("look at", path, error))?;
        let is_it = stat.is_some_and(|stat| {
            stat.kind == FileKind::File
                && (stat.id, stat.len, stat.modified_ns) == (seal.id, seal.len, seal.modified_ns)
                && stat.len == size
        });
        if !is_it {
            return Ok(None);
        }
        // The run that renamed it may have died before its name was durable.
        let directory = directory_of(path);
        let synced = self.engine.storage.sync_dir(directory);
        synced.map_err(|error| Error::disk("make the new name durable in", directory, error))?;
        refuse_what_is_taken(journal, &*self.engine.storage, &self.places)?;
        match self.engine.storage.remove(journal.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::disk("remove", journal.path(), error));
            }
            _ => {}
        }
        self.places.remove_leftovers(&*self.engine.storage);
        let head = self.probed.head.object.clone();
        if let Some(time) = head.last_modified.filter(|_| self.spec.preserve_mtime) {
            set_modified(&*self.engine.storage, path, time);
        }
        Ok(Some(Committed {
            head,
            destination: path.clone(),
            content: Some(Segment { range, crc }),
        }))
    }

    /// Tells the log where the download begins.
    fn tell(&self, earlier: &Earlier, coverage: &Coverage, doubtful: &[Segment]) {
        let Some(journal) = earlier.journal.as_ref().and(self.places.journal.as_ref()) else {
            tracing::info!(target: "tosget::checkpoint", "no checkpoint to go on from: beginning at zero");
            return;
        };
        tracing::info!(
            target: "tosget::checkpoint",
            believed = coverage.covered(),
            to_recheck = doubtful.iter().map(|claim| claim.range.len()).sum::<u64>(),
            size = self.probed.pin.fingerprint.size,
            journal = %Shown(journal),
            "going on from a checkpoint"
        );
    }

    fn reason_to_start_afresh(&self, earlier: &Earlier) -> Option<String> {
        earlier.journal.as_ref()?;
        match &self.probed.earlier {
            EarlierFits::Useless(reason) => Some(reason.clone()),
            EarlierFits::SameObject if earlier.temporary.is_none() => {
                Some("its temporary file is gone".to_owned())
            }
            EarlierFits::SameObject => self.reason_to_disbelieve(earlier),
            EarlierFits::Nothing => None,
        }
    }

    /// Has what is in doubt written to the disk, and forgotten by the system: what is read back from here on is on the disk.
    fn reason_to_disbelieve(&self, earlier: &Earlier) -> Option<String> {
        let left = earlier.temporary.as_ref().filter(|_| earlier.is_doubted())?;
        let error = left.file.let_go_of_memory().err()?;
        Some(format!("the disk does not take what was written: {error}"))
    }

    /// The journal is kept under another name for whoever wants to know; its temporary file is used again from zero.
    fn set_aside(&self, earlier: &mut Earlier, reason: &str) -> Result<(), Error> {
        // Its lock is held until its name is another one.
        let (Some(found), Some(path)) = (earlier.journal.take(), &self.places.journal) else {
            return Ok(());
        };
        refuse_what_is_taken(&found, &*self.engine.storage, &self.places)?;
        tracing::warn!(target: "tosget::checkpoint", journal = %Shown(path), reason, "the checkpoint can't be used, starting afresh");
        match self.places.set_aside(&*self.engine.storage, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.places.locks_are_proof => {
                return Err(held(&self.places, None));
            }
            set_aside => set_aside.map_err(|error| Error::disk("set aside", path, error))?,
        };
        takeovers::clear(&*self.engine.storage, &self.places, found.path());
        self.leave_to_its_owner(earlier);
        Ok(())
    }

    /// Where no lock proves that its owner is gone, a temporary file is not used again for another content: it may still write.
    fn leave_to_its_owner(&self, earlier: &mut Earlier) {
        if self.places.locks_are_proof {
            return;
        }
        if let Some(left) = earlier.temporary.take()
            && let Err(error) = left.file.remove()
        {
            tracing::debug!(target: "tosget::checkpoint", %error, "the temporary file of another owner was gone already");
        }
    }

    fn create_directories(&self) -> Result<(), Error> {
        for path in [Some(&self.places.destination), self.places.journal.as_ref()]
            .into_iter()
            .flatten()
        {
            let directory = directory_of(path);
            let created = make_directories(&*self.engine.storage, directory);
            created.map_err(|error| Error::disk("create the directory", directory, error))?;
        }
        Ok(())
    }

    fn create_temporary(&self, path: &Path) -> Result<TemporaryFile, Error> {
        match TemporaryFile::open_or_create(&self.engine.storage, path, self.places.access)? {
            OpenTemporary::Ours(file) => Ok(file),
            OpenTemporary::Held | OpenTemporary::Absent => Err(held(&self.places, None)),
        }
    }

    /// Splits what the journal claims into what is believed and what has to be read back (invariant I3).
    fn judge_claims(&self, earlier: &Earlier) -> Judgement {
        let (Some(journal), Some(left)) = (&earlier.journal, &earlier.temporary) else {
            return Judgement::default();
        };
        let (there, beyond): (Vec<Segment>, Vec<Segment>) = journal
            .claims
            .segments()
            .partition(|segment| segment.range.end() <= left.stat.len);
        let mut judgement = Judgement {
            lost: beyond.into_iter().map(|segment| segment.range).collect(),
            ..Judgement::default()
        };
        if self.believes(earlier, left) {
            for segment in there {
                judgement.coverage.insert(segment, Standing::Settled);
            }
            self.spec.progress.resumed(judgement.coverage.covered());
        } else {
            judgement.doubtful = there;
        }
        judgement
    }

    fn believes(&self, earlier: &Earlier, left: &LeftTemporary) -> bool {
        match self.spec.recheck {
            Recheck::Never => !earlier.is_doubted(),
            Recheck::Always => false,
            Recheck::Auto => earlier.seal().is_some_and(|(seal, boot_id)| {
                let me = current_owner(&*self.engine.storage, [0; 16]);
                let same_boot = me.boot_id != [0; 16] && me.boot_id == boot_id;
                same_boot && seal == left.stat.into() && seal.len == self.probed.pin.fingerprint.size
            }),
        }
    }

    /// Takes the journal over. What was lost is forgotten in it as well: once the file has its length again, nothing would
    /// tell that those bytes are zeros.
    fn adopt(&self, journal: FoundJournal, lost: &[ByteRange]) -> Result<Option<Journal>, Error> {
        let path = self.places.journal.as_deref().unwrap_or(&self.places.temporary);
        let forgotten: Vec<Record> = lost.iter().map(|range| Record::Forgotten(*range)).collect();
        let storage = &self.engine.storage;
        let adopted = journal.adopt(
            storage,
            current_owner(&**storage, token()),
            self.places.locks_are_proof,
        );
        adopted
            .and_then(|mut journal| {
                if let Some(journal) = &mut journal
                    && !forgotten.is_empty()
                {
                    journal.append(&forgotten)?;
                }
                Ok(journal)
            })
            .map_err(|error| Error::disk("take over the checkpoint", path, error))
    }

    /// A journal for an object that is worth one. What comes in one answer can't be gone on with.
    fn create_journal(&self) -> Result<Option<Journal>, Error> {
        let size = self.probed.pin.fingerprint.size;
        let Some(path) = self
            .places
            .journal
            .as_deref()
            .filter(|_| self.spec.one_answer.is_none())
            .filter(|_| size > self.spec.part_size.get().min(ALWAYS_KEPT))
        else {
            return Ok(None);
        };
        self.spec.whereabouts.found(Some(path.to_owned()));
        let created = if self.places.journal_is_named {
            self.create_named(path)
        } else {
            self.create_journal_at(path)
        };
        match created.map_err(|error| Error::disk("create the checkpoint", path, error))? {
            Some(journal) => Ok(Some(journal)),
            None => Err(held(&self.places, None)),
        }
    }

    fn identity(&self) -> Identity {
        let object = &self.spec.object;
        Identity {
            endpoint: self.engine.source.endpoint().to_owned(),
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            version_id: object.version_id.clone(),
            url: object.url.clone(),
            object: (&self.probed.pin.fingerprint).into(),
            destination: self.places.identity(),
        }
    }

    fn create_journal_at(&self, path: &Path) -> io::Result<Option<Journal>> {
        let storage = &self.engine.storage;
        let owner = current_owner(&**storage, token());
        let (nonce, proof) = (self.places.token, self.places.locks_are_proof);
        let mode = create_mode(self.places.access);
        Journal::create(storage, path, &self.identity(), owner, nonce, mode, proof)
    }

    /// A file that the caller named is a journal from the first moment on, or the next run could not tell that it is ours.
    fn create_named(&self, path: &Path) -> io::Result<Option<Journal>> {
        let storage = &self.engine.storage;
        let unnamed = self.unnamed(path)?;
        let Some(journal) = self.create_journal_at(&unnamed)? else {
            return Ok(None);
        };
        let named = journal.named(&**storage, path)?;
        // Only now it shows where a file system takes two names for one.
        if let Err(error) = self.is_not_the_destination(&named) {
            named.remove(&**storage);
            return Err(error);
        }
        Ok(Some(named))
    }

    fn is_not_the_destination(&self, journal: &Journal) -> io::Result<()> {
        let there = self.engine.storage.follow(&self.places.destination)?;
        if there.map(|stat| stat.id) == Some(journal.id()?) {
            let reason = "it is the destination itself, by another spelling of its name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Ok(())
    }

    /// Where a named journal is written first.
    fn unnamed(&self, path: &Path) -> io::Result<PathBuf> {
        if !self.places.locks_are_proof
            && let Some(own) = self.places.next_journal()
        {
            return Ok(own);
        }
        let (storage, unnamed) = (&*self.engine.storage, unnamed(path));
        if let Locked::Ours(..) = open_locked(storage, &unnamed, OpenMode::Existing)? {
            // A run was killed before it could give it its name.
            storage.remove(&unnamed)?;
        }
        Ok(unnamed)
    }
}

fn token() -> [u8; 16] {
    fastrand::u128(..).to_le_bytes()
}

/// The run that committed the file may not have been asked for the object's time, as this one is. It is late for an error: the
/// download is done, and no journal is left that a next run could go by.
pub(super) fn set_modified(storage: &dyn Storage, path: &Path, time: SystemTime) {
    let file = storage.open(path, OpenMode::Read);
    if let Err(error) = file.and_then(|file| file.set_modified(time)) {
        tracing::warn!(target: "tosget::download", path = %Shown(path), %error, "the modification time could not be set");
    }
}
