//! Plays a story against a real server with real processes, and judges what comes of it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::content::{Content, Print};
use super::emulator::{BUCKET, Emulator};
use super::fault::Nature;
use super::odd::{self, OddSystem};
use super::report::{Finding, Tally, Trouble};
use super::run::{Ended, How, Run};
use super::story::{Act, Afterwards, Checkpoint, Ending, Story, Subject};
use super::tampering::{Backup, OwnFiles, Stage};
use crate::failure::{About, Result};

/// A disturbed run that takes longer is interrupted: some faults let every byte through, one by one.
const PATIENCE: Duration = Duration::from_secs(6);

/// What asks for an end in order. Not SIGINT: a shell starts what runs in the background with that ignored, and tosget, which
/// would be our child, keeps to it.
const END: Signal = Signal::TERM;

/// Far more than a calm run takes, or an interrupted one to end.
const LIMIT: Duration = Duration::from_secs(120);

/// Some kernels' time stamps move every 4 to 10 ms only, and a change within the same one can't be seen.
const TIME_STAMP_TICK: Duration = Duration::from_millis(25);

/// Where the calls stand that a story's odd system answered.
const ODD_LOG: &str = "odd-system.log";

/// What plays stories, one at a time.
pub(crate) struct Player {
    pub(crate) program: PathBuf,
    pub(crate) scratch: PathBuf,
    /// What odd systems are made of, where it can be made.
    pub(crate) library: Option<PathBuf>,
    pub(crate) with_range_crc: Emulator,
    pub(crate) without_range_crc: Emulator,
}

/// What a signal or a second process does, and when.
enum Event<'a> {
    Sent(Signal),
    RivalComes(&'a [String]),
    /// These rules hold from now on.
    ServerIs(Vec<&'a Value>),
}

impl Player {
    pub(crate) fn play(&self, story: &Story) -> Result<Tally> {
        let directory = self.scratch.join(format!("story-{}", story.number));
        let stage = Stage::build(directory).about("the stage of a story")?;
        let mut performance = Performance {
            player: self,
            story,
            stage,
            emulator: if story.grants_range_crc {
                &self.with_range_crc
            } else {
                &self.without_range_crc
            },
            tally: Tally::of_one_story(),
            runs: 0,
            shown: None,
        };
        let log = self.scratch.join(ODD_LOG);
        performance.whole()?;
        performance.tally.odd_answers += odd::take_uses(&log);
        let Performance { stage, tally, .. } = performance;
        if tally.findings.is_empty() {
            stage.remove().about("the stage of a story")?;
        }
        Ok(tally)
    }
}

struct Performance<'a> {
    player: &'a Player,
    story: &'a Story,
    stage: Stage,
    emulator: &'a Emulator,
    tally: Tally,
    runs: u32,
    /// What the destination was when it was last looked at.
    shown: Option<Print>,
}

impl Performance<'_> {
    fn whole(&mut self) -> Result<()> {
        self.emulator.put(&self.story.key(), self.story.object)?;
        for act in &self.story.acts {
            let backup = OwnFiles::find(&self.stage)
                .and_then(Backup::of)
                .about("what a run left")?;
            self.act(act)?;
            self.tamper(act, &backup).about("what a run left")?;
        }
        self.calm()
    }

    fn act(&mut self, act: &Act) -> Result<()> {
        if let Some(content) = act.replacement {
            self.emulator.put(&self.story.key(), content)?;
            self.tally.replaced += 1;
        }
        let mut candidates = vec![self.emulator.current(&self.story.key())?];
        candidates.extend(act.faults.iter().filter_map(|fault| fault.replaces));
        self.emulator.set_faults(&act.rules())?;
        self.emulator.set_bandwidth(act.bandwidth)?;
        let runs = self.perform(act)?;
        self.emulator.set_faults(&[])?;
        self.emulator.set_bandwidth(None)?;
        for strike in self.emulator.take_strikes()? {
            self.tally.count_strike(&strike);
        }
        for run in &runs {
            self.judge_end(act, run);
        }
        self.tally.outages += u64::from(act.outage.is_some());
        let done = runs.iter().any(Ended::is_done);
        self.judge_destination(&candidates, done, &runs)
    }

    /// One run, what befalls it, and the second one beside it, if there is one.
    fn perform(&mut self, act: &Act) -> Result<Vec<Ended>> {
        let start = Instant::now();
        let mut first = self.start_disturbed(&act.arguments)?;
        let mut rival = None;
        for (at, event) in timeline(act) {
            first
                .ends_within(at.saturating_sub(start.elapsed()))
                .about("tosget")?;
            match event {
                Event::Sent(signal) => first.signal(signal).about("tosget")?,
                Event::RivalComes(arguments) => rival = Some(self.start_disturbed(arguments)?),
                Event::ServerIs(rules) => self.emulator.set_faults(&rules)?,
            }
        }
        let mut ends = Vec::new();
        for mut run in [Some(first), rival].into_iter().flatten() {
            if !run.ends_within(PATIENCE).about("tosget")? {
                self.tally.patience_lost += 1;
                run.signal(END).about("tosget")?;
            }
            ends.push(run.end(LIMIT).about("tosget")?);
        }
        self.tally.count_ending(act.ending.name());
        self.tally.rivals += u64::from(ends.len() > 1);
        Ok(ends)
    }

    /// On the story's system.
    fn start_disturbed(&mut self, arguments: &[String]) -> Result<Run> {
        let Some(odd) = &self.story.odd else {
            return self.start(self.plain(), arguments);
        };
        let (library, here) = (self.player.library.as_deref(), self.stage.directory());
        let log = self.player.scratch.join(ODD_LOG);
        match odd.command(&self.player.program, library, here, &log) {
            Some(command) => {
                self.tally.count_odd(odd.kind.name());
                self.start(command, arguments)
            }
            None => {
                self.tally.count_odd("left out for want of a C compiler");
                self.start(self.plain(), arguments)
            }
        }
    }

    fn plain(&self) -> Command {
        let mut command = Command::new(&self.player.program);
        command.env_clear();
        command
    }

    fn start(&mut self, mut command: Command, arguments: &[String]) -> Result<Run> {
        let url = self.emulator.url();
        let key = self.story.key();
        let subject = match self.story.subject {
            Subject::Name => format!("tos://{BUCKET}/{key}"),
            Subject::Url => format!("{url}/{BUCKET}/{key}"),
        };
        command
            .env("TOS_ACCESS_KEY", "test-access-key")
            .env("TOS_SECRET_KEY", "test-secret-key")
            .arg("get")
            .arg(subject)
            .arg(self.stage.destination());
        if self.story.subject == Subject::Name {
            command.args(["--endpoint", &url, "--region", "cn-beijing"]);
        }
        command
            .args(self.stage.checkpoint_arguments(self.story.checkpoint))
            .args(arguments);
        self.runs += 1;
        self.tally.runs += 1;
        // Beside the stage, whose every file is accounted for.
        let name = format!("{}-run-{}", self.story.number, self.runs);
        Run::start(&mut command, &self.player.scratch.join(name)).about("tosget")
    }

    fn tamper(&mut self, act: &Act, backup: &Backup) -> io::Result<()> {
        if !act.tampering.is_empty() {
            sleep(TIME_STAMP_TICK);
        }
        for tampering in &act.tampering {
            let files = OwnFiles::find(&self.stage)?;
            if tampering.carry_out(&files, backup)? {
                self.tally.count_tampering(tampering.name());
            }
        }
        Ok(())
    }

    /// The last run, which nothing disturbs: it has to bring the object, and to leave nothing else.
    fn calm(&mut self) -> Result<()> {
        let object = self.emulator.current(&self.story.key())?;
        let mut run = self.run_calmly()?;
        if is_refused_journal(self.story, &run) {
            self.stage.remove_named_journal().about("the stage of a story")?;
            run = self.run_calmly()?;
        }
        if !run.is_done() {
            let trouble = if run.how == How::NotAtAll {
                Trouble::Hang
            } else {
                Trouble::Exit
            };
            self.report(trouble, "an undisturbed run did not succeed", &[&run]);
        }
        self.tally.count_end(&run);
        self.judge_destination(&[object], run.is_done(), std::slice::from_ref(&run))?;
        let files = self.stage.files().about("the stage of a story")?;
        let (mut left, mut stray) = (Vec::new(), 0);
        for path in files.iter().filter(|path| **path != self.stage.destination()) {
            match left_over(self.story, path) {
                LeftOver::Ours => left.push(path.display().to_string()),
                LeftOver::Stray => stray += 1,
                LeftOver::Somebodys => {}
            }
        }
        if run.is_done() && !left.is_empty() {
            self.report(Trouble::LeftOver, &left.join(", "), &[&run]);
        }
        self.tally.stray_files += stray;
        Ok(())
    }

    fn run_calmly(&mut self) -> Result<Ended> {
        let run = self.start(self.plain(), &self.story.calm)?;
        run.end(LIMIT).about("tosget")
    }

    fn judge_end(&mut self, act: &Act, run: &Ended) {
        self.tally.count_end(run);
        if run.how == How::NotAtAll {
            self.report(Trouble::Hang, "a run did not end", &[run]);
        } else if !is_explained(self.story, act, run) {
            self.report(Trouble::Exit, "nothing explains how a run ended", &[run]);
        }
        let steers = |text: &str| {
            text.chars()
                .any(|character| character.is_control() && character != '\n')
        };
        if steers(&run.stderr) || steers(&run.stdout) || run.stderr.contains("panicked") {
            self.report(Trouble::Output, "a run said what it should not", &[run]);
        }
    }

    /// The destination is what it was, or one of the states that the object had; after a success, one of these.
    fn judge_destination(&mut self, candidates: &[Content], done: bool, runs: &[Ended]) -> Result<()> {
        let found = Print::of_file(&self.stage.destination()).about("the destination")?;
        let is_object = found.is_some_and(|found| candidates.iter().any(|content| content.print() == found));
        if is_object && done {
            self.tally.bytes_verified += found.map_or(0, Print::len);
        }
        if !is_object && (done || found != self.shown) {
            let shown = found.map_or("nothing".to_owned(), |print| print.to_string());
            let objects: Vec<_> = candidates
                .iter()
                .map(|content| content.print().to_string())
                .collect();
            let text = format!("the destination is {shown}, the object {}", objects.join(" or "));
            self.report(Trouble::WrongFile, &text, &runs.iter().collect::<Vec<_>>());
        }
        self.shown = found;
        Ok(())
    }

    fn report(&mut self, trouble: Trouble, text: &str, runs: &[&Ended]) {
        self.tally.findings.push(Finding {
            trouble,
            story: self.story.clone(),
            text: text.to_owned(),
            runs: runs.iter().map(|&run| run.clone()).collect(),
            directory: self.stage.directory().to_owned(),
        });
    }
}

/// A journal that the caller named and somebody damaged may be anybody's file.
fn is_refused_journal(story: &Story, run: &Ended) -> bool {
    story.checkpoint == Checkpoint::File && story.tampers_with_journal() && run.said("is left as it is")
}

/// What a file is that the last run left.
enum LeftOver {
    /// It should be gone.
    Ours,
    /// Of a run that died where locks prove nothing: without a journal, or between two renames.
    Stray,
    /// What we wrote over a journal, which was set aside: tosget removes no file that it did not make.
    Somebodys,
}

fn left_over(story: &Story, path: &Path) -> LeftOver {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".aside") && story.overwrites_journal() {
        return LeftOver::Somebodys;
    }
    let stem = name
        .strip_suffix(".tosget-part")
        .or_else(|| name.strip_suffix(".tosget-journal"));
    // `.NAME.HASH` is everybody's, `.NAME.HASH.TOKEN` one run's own.
    let numbers = stem.map_or(0, |stem| stem.split('.').filter(|part| is_number(part)).count());
    let is_one_runs = numbers == 2;
    if is_one_runs && story.odd.as_ref().is_some_and(OddSystem::is_about_locks) {
        return LeftOver::Stray;
    }
    LeftOver::Ours
}

/// Of the kind that tosget puts into names.
fn is_number(part: &str) -> bool {
    part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What happens in the course of an act, in order.
fn timeline(act: &Act) -> Vec<(Duration, Event<'_>)> {
    let mut events = match act.ending {
        Ending::ByItself => Vec::new(),
        Ending::Killed(at) => vec![(at, Event::Sent(Signal::KILL))],
        Ending::Interrupted(at) => vec![(at, Event::Sent(END))],
        Ending::InterruptedTwice(at, again) => vec![(at, Event::Sent(END)), (at + again, Event::Sent(END))],
        Ending::Stopped { after, time, then } => {
            let last = match then {
                Afterwards::GoesOn => Signal::CONT,
                Afterwards::IsKilled => Signal::KILL,
            };
            vec![
                (after, Event::Sent(Signal::STOP)),
                (after + time, Event::Sent(last)),
            ]
        }
    };
    if let Some((at, arguments)) = &act.rival {
        events.push((*at, Event::RivalComes(arguments)));
    }
    if let Some(outage) = &act.outage {
        events.push((outage.from, Event::ServerIs(vec![&outage.rule])));
        events.push((outage.until, Event::ServerIs(Vec::new())));
    }
    events.sort_by_key(|(at, _)| *at);
    events
}

/// Whether what befell the run can be why it ended as it did. Success needs no reason.
fn is_explained(story: &Story, act: &Act, run: &Ended) -> bool {
    let is_ended_by = |endings: &[&str]| endings.contains(&act.ending.name());
    match run.how {
        How::Code(0) => true,
        How::Code(1) if story.odd.as_ref().is_some_and(|odd| odd.explains_failure(run)) => true,
        How::Code(1) if is_refused_journal(story, run) => true,
        // An outage is waited for.
        How::Code(1) if act.outage.is_some() => false,
        // Some runs take a pause of 0.3 s for the end of a connection, and try nothing again.
        How::Code(1) => {
            !act.faults.is_empty() || act.bandwidth.is_some() || is_ended_by(&["stopped, then let go on"])
        }
        How::Code(3) => act.has(&[Nature::Refusing, Nature::Replacing, Nature::Lying]),
        How::Code(4) => act.has(&[Nature::Lying]),
        How::Code(5) => act.rival.is_some(),
        // Anyone may have lost patience.
        How::Code(130) => true,
        How::Signal(9) => {
            is_ended_by(&["killed", "stopped, then killed"])
                || story.odd.as_ref().is_some_and(OddSystem::kills)
        }
        // Before it could say what it does then.
        How::Signal(15) => is_ended_by(&["interrupted", "interrupted twice"]),
        _ => false,
    }
}

impl Ending {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ByItself => "by itself",
            Self::Killed(_) => "killed",
            Self::Interrupted(_) => "interrupted",
            Self::InterruptedTwice(..) => "interrupted twice",
            Self::Stopped {
                then: Afterwards::GoesOn,
                ..
            } => "stopped, then let go on",
            Self::Stopped {
                then: Afterwards::IsKilled,
                ..
            } => "stopped, then killed",
        }
    }
}
