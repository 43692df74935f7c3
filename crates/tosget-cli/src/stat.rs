//! `tosget stat`: what the service knows of an object.

use crate::console::Console;
use crate::failure::Failure;
use crate::interruption::{Interruption, SecondSignal};
use crate::report::{Answer, Known};
use crate::settings::StatSettings;

pub(crate) async fn stat(settings: StatSettings, console: &Console) -> Result<Answer, Failure> {
    let mut interruption = Interruption::listen(console, SecondSignal::ExitsAtOnce)?;
    let client = settings.client.build()?;
    let object = tokio::select! {
        biased;
        () = interruption.told() => return Err(Failure::interrupted("there is no answer yet")),
        answer = client.head_object(settings.request) => answer?,
    };
    Ok(Answer::Known(Box::new(Known {
        subject: settings.subject,
        object,
    })))
}
