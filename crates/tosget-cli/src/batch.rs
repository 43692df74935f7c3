//! `tosget batch`: the objects of a list, as one run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tosget::{Batch, BatchResult, DownloadFile, DownloadFileOutput, ErrorKind, Progress, Verification};

use crate::batch_line::{BatchMoment, batch_line};
use crate::console::{Console, Tone};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::human;
use crate::interruption::{Interruption, SecondSignal};
use crate::list::Entry;
use crate::meter::Meter;
use crate::printable::printable_path;
use crate::rate::RateWindow;
use crate::report::{Answer, Downloaded, Voice};
use crate::result_lines::ResultLines;
use crate::settings::{BatchSettings, request_for};
use crate::terminal;

pub(crate) async fn batch(
    settings: BatchSettings,
    console: &Console,
    voice: Voice,
) -> Result<Answer, Failure> {
    let began = Instant::now();
    // Reads files of certificates, which may take for ever: until then a signal just ends the process.
    let client = settings.client.build()?;
    let interruption = Interruption::listen(console, SecondSignal::ExitsAtOnce)?;
    let run = Run::default();
    let (entries, directory) = (Arc::new(settings.entries), settings.directory);
    let requests = Requests {
        entries: entries.clone(),
        next: 0,
        terms: settings.terms,
        directory: directory.clone(),
        run: run.clone(),
    };
    let meter = match voice {
        Voice::Words => draw(console, &run, entries.len(), interruption.clone()),
        Voice::Quiet | Voice::Json => Meter::hidden(),
    };
    let mut batch = Batch::new(requests).with_cancel_hook(interruption.hook());
    if let Some(task_num) = settings.task_num {
        batch = batch.with_task_num(task_num);
    }
    let mut results = client.download_batch(batch)?;
    let mut lines = (voice == Voice::Json).then(|| ResultLines::start(console, interruption.clone()));
    let mut tally = Tally::default();
    while let Some(BatchResult {
        index,
        result,
        path_taken_by,
        ..
    }) = results.next().await
    {
        run.ended(index, result.as_ref().ok());
        let subject = entries[index].subject.clone();
        match result {
            Ok(output) => {
                tally.count(&output);
                if let Some(lines) = &mut lines {
                    let downloaded = Downloaded {
                        subject,
                        output,
                        crc_is_off: settings.crc_is_off,
                    };
                    lines.print(&downloaded.to_json()).await;
                }
            }
            // One by one that would say no more than the end does.
            Err(error) if error.kind() == ErrorKind::Canceled && interruption.is_told() => {}
            Err(error) => {
                let mut failure = Failure::from(error);
                if let Some(first) = path_taken_by {
                    failure.message = two_for_one_path(&entries[first], &entries[index]);
                }
                tally.fail(failure.exit);
                let is_printed = match &mut lines {
                    Some(lines) => lines.print(&failure.to_json_about(&subject)).await,
                    None => false,
                };
                if !is_printed {
                    failure.tell(console);
                }
            }
        }
    }
    drop(meter);
    tally.elapsed = began.elapsed();
    let all = entries.len() as u64;
    let failure = tally.failure(all, interruption.is_told());
    let exit = failure.as_ref().map_or(Exit::Done, |failure| failure.exit);
    let mut unwritten = None;
    if let Some(lines) = lines {
        match lines.finish(&tally.to_json(all, exit)).await {
            Ok(()) => return Ok(Answer::Told(exit)),
            Err(exit) => unwritten = Some(exit),
        }
    }
    if let Some(failure) = failure {
        failure.tell(console);
        return Ok(Answer::Told(exit));
    }
    if voice == Voice::Words || unwritten.is_some_and(|exit| exit != Exit::Done) {
        let (objects, directory) = (objects(all), printable_path(&directory));
        let text = format!("{objects} to {directory}, {}", tally.summary());
        console.say(Tone::Good, "done:", &text);
    }
    Ok(Answer::Told(unwritten.unwrap_or(Exit::Done)))
}

fn objects(count: u64) -> String {
    human::count(count, "object", "objects")
}

fn two_for_one_path(first: &Entry, later: &Entry) -> String {
    format!(
        "lines {} and {} of the list need the same path: {} and {}; the later one is left out",
        first.line, later.line, first.subject, later.subject
    )
}

/// The requests of a list, made as there is room for them.
struct Requests {
    entries: Arc<Vec<Entry>>,
    next: usize,
    terms: crate::transfer_args::Terms,
    directory: PathBuf,
    run: Run,
}

impl Iterator for Requests {
    type Item = DownloadFile;

    fn next(&mut self) -> Option<DownloadFile> {
        let entry = self.entries.get(self.next)?;
        let progress = self.run.begin(self.next);
        self.next += 1;
        let request = request_for(&entry.subject, self.directory.clone());
        Some((self.terms)(request).with_progress(progress))
    }
}

/// How far a run is, for those who watch it.
#[derive(Clone, Debug, Default)]
struct Run(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    under_way: HashMap<usize, Progress>,
    ended: u64,
    failed: u64,
    fetched_bytes: u64,
    retries: u64,
}

impl Run {
    fn begin(&self, index: usize) -> Progress {
        let progress = Progress::new();
        self.state().under_way.insert(index, progress.clone());
        progress
    }

    fn ended(&self, index: usize, output: Option<&DownloadFileOutput>) {
        let mut state = self.state();
        if let Some(progress) = state.under_way.remove(&index) {
            let last = progress.snapshot();
            state.fetched_bytes += last.fetched_bytes;
            state.retries += last.retries;
        }
        state.ended += 1;
        state.failed += u64::from(output.is_none());
    }

    fn moment(&self, objects: usize) -> BatchMoment {
        let state = self.state();
        let mut moment = BatchMoment {
            objects: objects as u64,
            ended: state.ended,
            failed: state.failed,
            fetched_bytes: state.fetched_bytes,
            retries: state.retries,
            tasks: 0,
            rate: None,
            stopping: false,
        };
        for progress in state.under_way.values() {
            let now = progress.snapshot();
            moment.fetched_bytes += now.fetched_bytes;
            moment.retries += now.retries;
            moment.tasks += u64::from(now.running_tasks);
        }
        moment
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn draw(console: &Console, run: &Run, objects: usize, interruption: Interruption) -> Meter {
    let (run, mut rate) = (run.clone(), RateWindow::default());
    Meter::start(console, move || {
        let mut moment = run.moment(objects);
        rate.note(Instant::now(), moment.fetched_bytes);
        moment.rate = rate.bytes_per_second();
        moment.stopping = interruption.is_told();
        batch_line(&moment, terminal::columns())
    })
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    /// Of these, objects that were there already.
    pub(crate) same: u64,
    /// Of these, objects whose CRC64 was compared.
    pub(crate) verified: u64,
    pub(crate) failed: u64,
    pub(crate) bytes_fetched: u64,
    pub(crate) bytes_resumed: u64,
    pub(crate) requests: u64,
    pub(crate) retries: u64,
    pub(crate) elapsed: Duration,
    exit: Option<Exit>,
}

impl Tally {
    fn count(&mut self, output: &DownloadFileOutput) {
        self.done += 1;
        self.same += u64::from(output.bytes_fetched == 0 && output.bytes_resumed > 0);
        self.verified += u64::from(output.verification == Verification::Crc64);
        self.bytes_fetched += output.bytes_fetched;
        self.bytes_resumed += output.bytes_resumed;
        self.requests += output.requests;
        self.retries += output.retries;
    }

    /// Failures of one kind are the run's; of several kinds it just failed.
    fn fail(&mut self, exit: Exit) {
        self.failed += 1;
        self.exit = match self.exit {
            None => Some(exit),
            Some(before) if before == exit => Some(exit),
            Some(_) => Some(Exit::Failed),
        };
    }

    /// What the run failed with, if it did.
    fn failure(&self, all: u64, is_interrupted: bool) -> Option<Failure> {
        let ended_early = self.done + self.failed < all;
        let failure = if is_interrupted && ended_early {
            let message = format!("{} of {} are there", human::grouped(self.done), objects(all));
            Failure::interrupted(message)
        } else {
            let message = format!("{} of {} failed", human::grouped(self.failed), objects(all));
            Failure::new(self.exit?, ErrorKind::InvalidArgument, message)
        };
        Some(failure.with_hint("run the same command again: what is there is not fetched again"))
    }

    fn summary(&self) -> String {
        let verified = match self.done - self.verified {
            _ if self.done == 0 => "the list names none".to_owned(),
            0 => "CRC64 verified".to_owned(),
            others => format!("{} of them by size only", human::grouped(others)),
        };
        let mut how = format!("{} fetched", human::bytes(self.bytes_fetched));
        if self.same > 0 {
            how.push_str(&format!(", {} there already", human::grouped(self.same)));
        }
        how.push_str(&format!(" in {}", human::span(self.elapsed)));
        let seconds = self.elapsed.as_secs_f64();
        if self.bytes_fetched > 0 && seconds > 0.0 {
            let objects = ((self.done - self.same) as f64 / seconds) as u64;
            let rate = human::rate(self.bytes_fetched as f64 / seconds);
            how.push_str(&format!(", {rate}, {} objects/s", human::grouped(objects)));
        }
        if self.retries > 0 {
            how.push_str(&format!(", {}", human::count(self.retries, "retry", "retries")));
        }
        format!("{verified} ({how})")
    }
}
