//! Programs that a chore runs: printed before they start, and their failure is the chore's.

use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{About, Failure, Result};

/// Runs the program on this terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().about(name(command))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::of_program(&name(command), status.code()))
}

/// Runs the program and hands each line of its standard output to `see`, after printing it.
pub(crate) fn run_watched(command: &mut Command, mut see: impl FnMut(&str)) -> Result<()> {
    announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().about(name(command))?;
    let lines = child.stdout.take().expect("standard output was piped above");
    for line in BufReader::new(lines).split(b'\n') {
        let line = line.about(name(command))?;
        let text = String::from_utf8_lossy(&line);
        // A closed pipe behind us must not stop the program in the middle of its work.
        let _ = writeln!(stdout(), "{text}");
        see(&text);
    }
    let status = child.wait().about(name(command))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::of_program(&name(command), status.code()))
}

/// Runs the program silently and returns its standard output; its standard error is part of the failure.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let done = command.output().about(name(command))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let failure = Failure::of_program(&name(command), done.status.code());
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Failure::new(format!("{failure}: {}", said.trim())))
}

/// The command as one would type it where the program is in the path.
pub(crate) fn as_typed(command: &Command) -> String {
    let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
    [name(command)]
        .into_iter()
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

fn announce(command: &Command) {
    eprintln!("+ {}", as_typed(command));
}

/// The program without its directories.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned()
}
