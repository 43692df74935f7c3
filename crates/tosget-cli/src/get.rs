//! `tosget get`: one download, watched and interruptible.

use std::time::Instant;

use tosget::{CancelHook, ErrorKind, Progress};

use crate::console::Console;
use crate::failure::Failure;
use crate::human;
use crate::interruption::{Interruption, SecondSignal};
use crate::meter::Meter;
use crate::progress_line::{Moment, progress_line};
use crate::rate::RateWindow;
use crate::report::{Answer, Downloaded, Voice};
use crate::settings::GetSettings;
use crate::terminal;

pub(crate) async fn get(settings: GetSettings, console: &Console, voice: Voice) -> Result<Answer, Failure> {
    let progress = Progress::new();
    // Reads files of certificates, which may take for ever: until then a signal just ends the process.
    let client = settings.client.build()?;
    let interruption = Interruption::listen(console, SecondSignal::ExitsAtOnce)?;
    let request = settings
        .request
        .with_progress(progress.clone())
        .with_cancel_hook(interruption.hook());
    let meter = match voice {
        Voice::Words => draw(console, progress.clone(), interruption.hook()),
        Voice::Quiet | Voice::Json => Meter::hidden(),
    };
    let result = client.download_file(request).await;
    drop(meter);
    match result {
        Ok(output) => Ok(Answer::Downloaded(Box::new(Downloaded {
            subject: settings.subject,
            output,
            crc_is_off: settings.crc_is_off,
        }))),
        Err(error) if error.kind() == ErrorKind::Canceled => {
            let kept = error.checkpoint().is_some();
            Err(Failure {
                message: what_is_kept(&progress, kept),
                ..error.into()
            })
        }
        Err(error) => Err(error.into()),
    }
}

fn draw(console: &Console, progress: Progress, hook: CancelHook) -> Meter {
    let mut rate = RateWindow::default();
    Meter::start(console, move || {
        let now = progress.snapshot();
        // Waiting for the first answer is no part of the rate.
        if now.total_bytes > 0 {
            rate.note(Instant::now(), now.fetched_bytes);
        }
        let moment = Moment {
            now,
            rate: rate.bytes_per_second(),
            stopping: hook.is_canceled(),
        };
        progress_line(&moment, terminal::columns())
    })
}

fn what_is_kept(progress: &Progress, kept: bool) -> String {
    let now = progress.snapshot();
    if !kept {
        return "nothing is kept".to_owned();
    }
    let there = now.consumed_bytes + now.rechecking_bytes;
    format!(
        "{} of {} are kept",
        human::bytes(there),
        human::bytes(now.total_bytes)
    )
}
