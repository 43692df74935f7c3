//! Keeps the journal: records what tasks report, renews its lease, lets go of it. Without a journal it does nothing.

use std::io;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use super::blocking;
use super::heart::Heart;
use crate::coverage::Coverage;
use crate::error::{Error, Shown};
use crate::journal::Journal;
use crate::journal::format::{Owner, Record};
use crate::short_work::ShortWork;
use crate::storage::{Stat, Storage};

/// Writes the journal from async code: one small write at a time.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    journal: Option<Journal>,
    heart: Option<Heart>,
    records: ShortWork,
}

impl Recorder {
    /// Renews the lease on `runtime`, since the threads of file work have none.
    pub(super) fn new(journal: Option<Journal>, records: ShortWork, runtime: &Handle) -> Self {
        Self {
            heart: journal
                .as_ref()
                .map(|journal| Heart::start(journal.lease(), runtime)),
            journal,
            records,
        }
    }

    /// Where the journal is, if there is one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.journal.as_ref().map(|journal| journal.path().to_owned())
    }

    /// Whether nothing is recorded that a next run could go on with.
    pub(super) fn is_empty(&self) -> bool {
        self.journal.as_ref().is_none_or(Journal::is_empty)
    }

    pub(super) async fn record(&mut self, records: Vec<Record>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        self.write(move |journal| journal.append(&records))
            .await
            .map(|_| ())
    }

    /// What the journal says is there, in pieces of a mebibyte or so; `None` if there is no journal.
    pub(super) async fn claims(&mut self) -> Result<Option<Coverage>, Error> {
        let Some(journal) = self.journal.take() else {
            return Ok(None);
        };
        let (journal, claims) = blocking(move || {
            let claims = journal.claims();
            (journal, claims)
        })
        .await;
        self.put_back(journal, "read the checkpoint", claims).map(Some)
    }

    /// Who has taken the checkpoint over; for ever if nobody does. Cancel safe.
    pub(super) async fn taken(&mut self) -> Box<Owner> {
        match &mut self.heart {
            Some(heart) => heart.taken().await,
            None => std::future::pending().await,
        }
    }

    /// Removes the journal, unless its name is another owner's by now. Only then its lock is given back: who waits for
    /// it finds nothing, and never a journal that is about to go. Blocks.
    pub(super) fn remove(&mut self, storage: &dyn Storage) {
        self.give_away(|path| storage.remove(path));
    }

    /// Lets `give` move or remove the journal, unless its name is another owner's by now. Blocks.
    pub(super) fn give_away<T>(&mut self, give: impl FnOnce(&Path) -> io::Result<T>) -> Option<T> {
        self.heart = None;
        let journal = self.journal.take()?;
        let given = journal.lease().other_owner().and_then(|other| match other {
            None => give(journal.path()).map(Some),
            Some(_) => Ok(None),
        });
        given.unwrap_or_else(|error| {
            let path = Shown(journal.path());
            tracing::warn!(target: "tosget::checkpoint", %path, %error, "a journal was left behind");
            None
        })
    }

    /// Makes the records durable.
    pub(super) async fn sync(&mut self) -> Result<(), Error> {
        self.write(|journal| journal.sync()).await.map(|_| ())
    }

    /// Lets go of the journal in order: with the metadata of a temporary file that was synced, the next run can trust it
    /// without reading it.
    pub(super) async fn release(&mut self, temporary: Stat) -> Result<(), Error> {
        self.write(move |journal| journal.release(temporary))
            .await
            .map(|_| ())
    }

    /// Notes that what the system has in memory of the temporary file may not reach the disk.
    pub(super) async fn doubt(&mut self) -> Result<(), Error> {
        self.write(Journal::doubt).await.map(|_| ())
    }

    /// Notes that all is well again.
    pub(super) async fn trust(&mut self) -> Result<(), Error> {
        self.write(Journal::trust).await.map(|_| ())
    }

    async fn write<T: Send + Unpin + 'static>(
        &mut self,
        work: impl FnOnce(&mut Journal) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let Some(mut journal) = self.journal.take() else {
            return Ok(None);
        };
        let written = self.records.run(move || {
            let result = work(&mut journal);
            (journal, result)
        });
        let (journal, result) = written.await;
        self.put_back(journal, "write the checkpoint", result).map(Some)
    }

    fn put_back<T>(&mut self, journal: Journal, doing: &str, result: io::Result<T>) -> Result<T, Error> {
        let result = result.map_err(|error| Error::disk(doing, journal.path(), error));
        self.journal = Some(journal);
        result
    }
}
