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
mod own_files;
mod presign;
mod printable;
mod progress_line;
mod rate;
mod report;
mod runtime;
mod settings;
mod size;
mod ssec_key;
mod stat;
mod subject;
mod task_num;
mod terminal;
mod timestamp;
mod transfer_args;
mod when;

use std::process::ExitCode;

use console::Console;
use failure::Failure;
use report::{Answer, Voice};
use settings::Settings;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(args) => args,
        Err(exit) => return exit.into(),
    };
    let console = Console::new();
    let voice = Voice::new(&args);
    logging::start(args.verbose, voice, &console);
    let result = Settings::new(args).and_then(|settings| run(settings, &console, voice));
    report::tell(&console, voice, &result).into()
}

fn run(settings: Settings, console: &Console, voice: Voice) -> Result<Answer, Failure> {
    let runtime = runtime::runtime()?;
    let result = runtime.block_on(async {
        match settings {
            Settings::Get(settings) => get::get(*settings, console, voice).await,
            Settings::Batch(settings) => batch::batch(*settings, console, voice).await,
            Settings::Presign(settings) => presign::presign(*settings).await,
            Settings::Stat(settings) => stat::stat(*settings, console).await,
            Settings::Demo(settings) => demo::demo(settings, console).await,
        }
    });
    // A name that is being resolved, or bytes that are being read back, would hold up an exit for seconds.
    runtime.shutdown_background();
    result
}
