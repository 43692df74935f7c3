//! The command line of tosget: a thin shell over the library.
//!
//! `args` is what was typed, `settings` what it means; a command returns an answer or a failure, and `report` tells
//! either to whoever asked, in the form they asked for. Data goes to stdout, everything else to stderr.

#[macro_use]
mod help;

mod args;
mod batch;
mod batch_line;
mod bit_rate;
mod conditions;
mod console;
mod demo;
mod duration;
mod exit;
mod failure;
mod get;
mod human;
mod interruption;
mod json;
mod limits;
mod list;
mod logging;
mod meter;
mod object_name;
mod output;
mod own_files;
mod presign;
mod printable;
mod progress_line;
mod rate;
mod report;
mod result_lines;
mod runtime;
mod settings;
mod size;
mod ssec_key;
mod stat;
mod stream;
mod subject;
mod task_num;
mod terminal;
mod timestamp;
mod transfer_args;
mod when;

use std::process::ExitCode;

use args::Args;
use console::Console;
use exit::Exit;
use failure::Failure;
use report::{Answer, Voice};
use settings::Settings;

fn main() -> ExitCode {
    let console = Console::new();
    let exit = match args::parse(&console) {
        Ok(args) => run(args, &console),
        Err(exit) => exit,
    };
    console.finish();
    exit.into()
}

fn run(args: Args, console: &Console) -> Exit {
    let voice = Voice::new(&args);
    logging::start(args.verbose, voice, console);
    let settings = Settings::new(args);
    let (runtime, settings) = match (runtime::runtime(), settings) {
        (Ok(runtime), settings) => (runtime, settings),
        (Err(failure), Ok(_)) | (Err(_), Err(failure)) => {
            return report::tell_now(console, voice, &Err(failure));
        }
    };
    let exit = runtime.block_on(async {
        let result = match settings {
            Ok(settings) => command(settings, console, voice).await,
            Err(failure) => Err(failure),
        };
        report::tell(console, voice, &result).await
    });
    // A name that is being resolved, or bytes that are being read back, would hold up an exit for seconds.
    runtime.shutdown_background();
    exit
}

async fn command(settings: Settings, console: &Console, voice: Voice) -> Result<Answer, Failure> {
    match settings {
        Settings::Get(settings) => get::get(*settings, console, voice).await,
        Settings::Batch(settings) => batch::batch(*settings, console, voice).await,
        Settings::Presign(settings) => presign::presign(*settings).await,
        Settings::Stat(settings) => stat::stat(*settings, console).await,
        Settings::Demo(settings) => demo::demo(settings, console).await,
    }
}
