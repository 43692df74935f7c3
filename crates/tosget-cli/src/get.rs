//! `tosget get`: one download, watched and interruptible.

use tosget::{ErrorKind, Progress};

use crate::console::Console;
use crate::failure::Failure;
use crate::human;
use crate::interruption::{Interruption, SecondSignal};
use crate::meter::Meter;
use crate::report::{Answer, Downloaded, Voice};
use crate::settings::GetSettings;

pub(crate) async fn get(settings: GetSettings, console: &Console, voice: Voice) -> Result<Answer, Failure> {
    let interruption = Interruption::listen(console, SecondSignal::ExitsAtOnce)?;
    let progress = Progress::new();
    let client = settings.client.build()?;
    let request = settings
        .request
        .with_progress(progress.clone())
        .with_cancel_hook(interruption.hook());
    let meter = match voice {
        Voice::Words => Meter::start(console, progress.clone(), interruption.hook()),
        Voice::Quiet | Voice::Json => Meter::hidden(console),
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
