//! Tells what came of a command: in words for people, or as one JSON object for programs.

use std::future::pending;

use serde::Serialize;
use tosget::{DownloadFileOutput, HeadObjectOutput, Verification};

use crate::args::Args;
use crate::console::{Console, Tone};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::human;
use crate::interruption::{Interruption, SecondSignal};
use crate::output::{self, Unwritten};
use crate::printable::{printable, printable_path};
use crate::subject::{Subject, Url};
use crate::timestamp::rfc3339;

/// How the user wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    Words,
    /// Errors only.
    Quiet,
    /// One object on stdout, nothing on stderr.
    Json,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) enum Answer {
    Downloaded(Box<Downloaded>),
    Known(Box<Known>),
    /// A URL that opens an object.
    Signed(Url),
    /// What was asked for is a text.
    Help(String),
    /// The command has told everything itself.
    Told(Exit),
}

/// A download that succeeded.
#[derive(Debug)]
pub(crate) struct Downloaded {
    pub(crate) subject: Subject,
    pub(crate) output: DownloadFileOutput,
    /// The user did not want the CRC64 compared.
    pub(crate) crc_is_off: bool,
}

/// What the service knows of an object.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) subject: Subject,
    pub(crate) object: HeadObjectOutput,
}

impl Voice {
    pub(crate) fn new(args: &Args) -> Self {
        match (args.command.json(), args.quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Words,
        }
    }
}

/// Tells the result, and says what the process ends with. A signal ends it where nobody reads stdout.
pub(crate) async fn tell(console: &Console, voice: Voice, result: &Result<Answer, Failure>) -> Exit {
    let Some(text) = on_stdout(voice, result) else {
        return in_words(console, voice, result);
    };
    let interruption = Interruption::listen(console, SecondSignal::ExitsAtOnce);
    let told = async {
        match interruption {
            _ if exit_of(result) == Exit::Interrupted => {}
            Ok(mut interruption) => interruption.told().await,
            Err(_) => pending().await,
        }
    };
    let written = output::print(text, told).await;
    written_or_told(console, result, written)
}

/// … before there is a runtime.
pub(crate) fn tell_now(console: &Console, voice: Voice, result: &Result<Answer, Failure>) -> Exit {
    match on_stdout(voice, result) {
        Some(text) => written_or_told(console, result, output::print_now(&text)),
        None => in_words(console, voice, result),
    }
}

/// An object as a line of JSON.
pub(crate) fn json_line(object: &impl Serialize) -> String {
    let text = serde_json::to_string(object).expect("names are strings, so it can be written");
    text + "\n"
}

/// The part of a result that belongs on stdout.
fn on_stdout(voice: Voice, result: &Result<Answer, Failure>) -> Option<String> {
    let is_json = voice == Voice::Json;
    match result {
        Err(failure) => is_json.then(|| json_line(&failure.to_json())),
        Ok(Answer::Downloaded(downloaded)) => is_json.then(|| json_line(&downloaded.to_json())),
        Ok(Answer::Known(known)) if is_json => Some(json_line(&known.to_json())),
        Ok(Answer::Known(known)) => Some(known.lines()),
        Ok(Answer::Signed(url)) => Some(format!("{}\n", url.0)),
        Ok(Answer::Help(text)) => Some(text.clone()),
        Ok(Answer::Told(_)) => None,
    }
}

/// Tells the others on stderr.
fn in_words(console: &Console, voice: Voice, result: &Result<Answer, Failure>) -> Exit {
    match result {
        Err(failure) => failure.tell(console),
        Ok(Answer::Downloaded(downloaded)) if voice == Voice::Words => downloaded.tell(console),
        Ok(_) => {}
    }
    exit_of(result)
}

/// Tells on stderr what did not get to stdout. A reader that left hides no failure, and changes nothing else.
fn written_or_told(
    console: &Console,
    result: &Result<Answer, Failure>,
    written: Result<(), Unwritten>,
) -> Exit {
    let Err(unwritten) = written else {
        return exit_of(result);
    };
    let failure = unwritten.failure("the result");
    if let Some(failure) = &failure {
        failure.tell(console);
    }
    match (result, failure) {
        (Err(failure), _) => {
            failure.tell(console);
            failure.exit
        }
        (Ok(Answer::Downloaded(downloaded)), Some(failure)) => {
            downloaded.tell(console);
            failure.exit
        }
        (Ok(_), failure) => failure.map_or(Exit::Done, |failure| failure.exit),
    }
}

fn exit_of(result: &Result<Answer, Failure>) -> Exit {
    match result {
        Err(failure) => failure.exit,
        Ok(Answer::Told(exit)) => *exit,
        Ok(_) => Exit::Done,
    }
}

impl Downloaded {
    fn tell(&self, console: &Console) {
        if let Some(reason) = &self.output.set_aside {
            console.say(
                Tone::Advice,
                "note:",
                &format!("an earlier checkpoint was set aside: {reason}"),
            );
        }
        if let Some(reason) = &self.output.one_answer {
            let message = format!("{reason}: it came in one answer, and could not have been gone on with");
            console.say(Tone::Advice, "note:", &message);
        }
        if self.output.restarts > 0 {
            let times = human::count(self.output.restarts, "time", "times");
            let message = format!("the object was replaced during the download, which started over {times}");
            console.say(Tone::Advice, "note:", &message);
        }
        console.say(Tone::Good, "done:", &self.summary());
    }

    fn summary(&self) -> String {
        let output = &self.output;
        let path = printable_path(&output.file_path);
        if output.content_crc64.is_none() {
            return format!("the directory {path} (the key ends in a slash, so there is nothing to fetch)");
        }
        let mut how = format!("{} fetched", human::bytes(output.bytes_fetched));
        if output.bytes_resumed > 0 {
            how.push_str(&format!(" and {} resumed", human::bytes(output.bytes_resumed)));
        }
        how.push_str(&format!(" in {}", human::span(output.elapsed)));
        let seconds = output.elapsed.as_secs_f64();
        if output.bytes_fetched > 0 && seconds > 0.0 {
            how.push_str(&format!(
                ", {}",
                human::rate(output.bytes_fetched as f64 / seconds)
            ));
        }
        if output.retries > 0 {
            how.push_str(&format!(", {}", human::count(output.retries, "retry", "retries")));
        }
        let size = human::bytes(output.object.content_length);
        format!("{size} to {path}, {} ({how})", self.verified())
    }

    fn verified(&self) -> &'static str {
        match self.output.verification {
            Verification::Crc64 => "CRC64 verified",
            _ if self.crc_is_off => "only the size verified: --no-crc",
            _ => "only the size verified: the server gave no CRC64",
        }
    }
}

impl Known {
    fn lines(&self) -> String {
        let object = &self.object;
        let size = format!(
            "{} ({} bytes)",
            human::bytes(object.content_length),
            human::grouped(object.content_length)
        );
        let optional = [
            ("etag", object.etag.clone()),
            ("crc64", object.hash_crc64ecma.map(|crc| crc.to_string())),
            ("last modified", object.last_modified.map(rfc3339)),
            ("version id", object.version_id.clone()),
            ("object type", object.object_type.clone()),
            ("target size", object.symlink_target_size.map(human::bytes)),
            ("storage class", object.storage_class.clone()),
            ("restore", object.restore.clone()),
            ("restore tier", object.restore_tier.clone()),
            ("encryption", encryption(object)),
            ("content type", object.content_type.clone()),
            ("encoding", object.content_encoding.clone()),
            ("language", object.content_language.clone()),
            ("disposition", object.content_disposition.clone()),
            ("cache control", object.cache_control.clone()),
            ("expires", object.expires.clone()),
            ("expiration", object.expiration.clone()),
            ("tags", object.tagging_count.map(|count| count.to_string())),
            ("replication", object.replication_status.clone()),
            ("redirect", object.website_redirect_location.clone()),
        ];
        let mut text = line("object", &self.subject.to_string()) + &line("size", &size);
        for (label, value) in optional {
            text.push_str(&value.map(|value| line(label, &value)).unwrap_or_default());
        }
        for (index, (name, value)) in object.meta.iter().enumerate() {
            let label = if index == 0 { "metadata" } else { "" };
            text.push_str(&line(label, &format!("{name}: {value}")));
        }
        let request_id = object.request_id.as_deref();
        text + &request_id.map(|id| line("request id", id)).unwrap_or_default()
    }
}

/// With whose key, and by which algorithm.
fn encryption(object: &HeadObjectOutput) -> Option<String> {
    match (&object.ssec_algorithm, &object.server_side_encryption) {
        (Some(algorithm), _) => Some(format!("{algorithm}, its owner's key (SSE-C)")),
        (None, algorithm) => algorithm.clone(),
    }
}

fn line(label: &str, value: &str) -> String {
    format!("{label:<14} {}\n", printable(value))
}

impl Failure {
    /// One line, its causes, what to do about it, and where it will go on.
    pub(crate) fn tell(&self, console: &Console) {
        let label = match self.exit {
            Exit::Interrupted => "interrupted:",
            _ => "error:",
        };
        console.say(Tone::Bad, label, &self.message);
        for cause in &self.causes {
            console.detail("caused by:", cause);
        }
        if let Some(hint) = &self.hint {
            console.detail("hint:", hint);
        }
        if let Some(checkpoint) = &self.checkpoint {
            let path = printable_path(checkpoint);
            console.detail(
                "checkpoint:",
                &format!("{path} (run the same command again to go on)"),
            );
        }
    }
}
