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
mod presign;
mod printable;
mod progress_line;
mod rate;
mod report;
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

use std::panic;
use std::process::ExitCode;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};
use tosget::ErrorKind;

use console::Console;
use exit::Exit;
use failure::Failure;
use report::{Answer, Voice};
use settings::Settings;

/// More threads would not bring more: one core copies and checks over 1 GB/s.
const MOST_THREADS: usize = 4;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(args) => args,
        Err(exit) => return exit.into(),
    };
    let console = Console::new();
    let voice = Voice::new(&args);
    logging::start(args.verbose, &console);
    let result = Settings::new(args).and_then(|settings| run(settings, &console, voice));
    report::tell(&console, voice, &result).into()
}

fn run(settings: Settings, console: &Console, voice: Voice) -> Result<Answer, Failure> {
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let own_console = console.clone();
        match settings {
            Settings::Get(settings) => {
                on_a_worker(async move { get::get(*settings, &own_console, voice).await }).await
            }
            Settings::Batch(settings) => {
                on_a_worker(async move { batch::batch(*settings, &own_console, voice).await }).await
            }
            Settings::Presign(settings) => presign::presign(*settings).await,
            Settings::Stat(settings) => stat::stat(*settings, console).await,
            Settings::Demo(settings) => demo::demo(settings, console).await,
        }
    });
    // A name that is being resolved, or bytes that are being read back, would hold up an exit for seconds.
    runtime.shutdown_background();
    result
}

/// Where most of what it waits for happens: to wake the main thread for each piece would take longer than to go on.
async fn on_a_worker<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let result = tokio::spawn(work).await;
    result.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()))
}

fn runtime() -> Result<Runtime, Failure> {
    let threads = available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    runtime.map_err(|error| {
        Failure::new(Exit::Failed, ErrorKind::Disk, "could not start the threads").with_cause(&error)
    })
}
