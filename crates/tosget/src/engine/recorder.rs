//! Keeps the journal: records what tasks report, beats its heart, lets go of it. Without a journal it does nothing.

use std::io;
use std::path::PathBuf;

use super::blocking;
use crate::coverage::Coverage;
use crate::error::Error;
use crate::journal::format::Record;
use crate::journal::{Journal, Ownership};
use crate::short_work::ShortWork;
use crate::storage::Stat;

/// Writes the journal from async code: one small write at a time.
#[derive(Debug)]
pub(super) struct Recorder {
    journal: Option<Journal>,
    records: ShortWork,
}

impl Recorder {
    pub(super) fn new(journal: Option<Journal>, records: ShortWork) -> Self {
        Self { journal, records }
    }

    /// Where the journal is, if there is one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.journal.as_ref().map(|journal| journal.path().to_owned())
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

    /// Gives a sign of life; tells if somebody else has the checkpoint by now.
    pub(super) async fn beat(&mut self) -> Result<Ownership, Error> {
        let beaten = self.write(Journal::beat).await?;
        Ok(beaten.unwrap_or(Ownership::Ours))
    }

    /// Lets go of the journal. With the temporary file's looks, the next run may believe it without reading.
    pub(super) async fn release(&mut self, temporary: Option<Stat>) -> Result<(), Error> {
        let Some(stat) = temporary else {
            // Left as "running": who looks at it next can't tell us from a process that died, and reads back.
            return Ok(());
        };
        self.write(move |journal| journal.release(stat)).await.map(|_| ())
    }

    /// Closes the journal, which gives its lock back.
    pub(super) fn close(&mut self) {
        self.journal = None;
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
