//! What `tosget batch --json` prints: a line for each object and one for the run. A run goes on when they can't be written.

use serde::Serialize;

use crate::console::Console;
use crate::exit::Exit;
use crate::interruption::Interruption;
use crate::output::{Output, Unwritten, unless_told};
use crate::report::json_line;

pub(crate) struct ResultLines<'a> {
    console: &'a Console,
    interruption: Interruption,
    /// Or what the run ends with, if by nothing worse, because a line could not be written.
    output: Result<Output, Exit>,
}

impl<'a> ResultLines<'a> {
    pub(crate) fn start(console: &'a Console, interruption: Interruption) -> Self {
        Self {
            console,
            interruption,
            output: Ok(Output::start()),
        }
    }

    /// Prints one; waits if many wait for their reader. Returns whether there still is somebody to print to.
    pub(crate) async fn print(&mut self, object: &impl Serialize) -> bool {
        let Ok(output) = &mut self.output else {
            return false;
        };
        let printed = output.print(json_line(object));
        if let Err(unwritten) = unless_told(printed, self.interruption.told()).await {
            self.output = Err(told(self.console, &unwritten));
        }
        self.output.is_ok()
    }

    /// Prints the last one, and waits until all are written. Otherwise returns what the run ends with if by nothing worse.
    pub(crate) async fn finish(mut self, last: &impl Serialize) -> Result<(), Exit> {
        self.print(last).await;
        let written = unless_told(self.output?.finish(), self.interruption.told()).await;
        written.map_err(|unwritten| told(self.console, &unwritten))
    }
}

fn told(console: &Console, unwritten: &Unwritten) -> Exit {
    let Some(failure) = unwritten.failure("the results") else {
        return Exit::Done;
    };
    failure.tell(console);
    failure.exit
}
