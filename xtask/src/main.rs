//! The project's chores: what `cargo xtask` can do, and the way from arguments to a chore.

mod bench;
mod command;
mod failure;
mod official;
mod python;
mod soak;
mod tally;
mod test;
mod workspace;

use std::env;
use std::process::ExitCode;

use crate::failure::{Failure, Result};

const HELP: &str = "\
The project's chores

Usage: cargo xtask CHORE [ARGUMENT]...

Chores:
  test [STAGE]... [-- PYTEST_ARGUMENT...]
          Run all tests; needs Rust and Python >= 3.10, nothing else. What Python needs comes into target/venv.
          Stages, all by default: rust (cargo test), rust-peers and peers (others' clients in Rust and in Python
          against the emulator), acceptance (the command tosget against the emulator), python (the Python package)
  bench [SCENARIO]... [--rounds N] [--dir DIR] [--gib N | --mib N] [--out DIR]
          Measure tosget against other programs and write bench/results/, or what --out names; `bench --list` names the
          scenarios. DIR [default: /dev/shm, or target/ where a disk is measured] takes the files that are moved;
          bench/README.md tells what is measured and how
  soak [--minutes N] [--seed S] [--jobs N] [--story N]
          Download, kill, corrupt and resume at random against a faulty emulator for N minutes [default: 5], 4 stories
          at a time; the seed it prints makes the same choices again, and --story plays one story of them alone
  help    Show this
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.exit_code()
        }
    }
}

fn carry_out(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        None => help(),
        Some((chore, rest)) => match chore.as_str() {
            "test" => test::run(rest),
            "bench" => bench::run(rest),
            "soak" => soak::run(rest),
            "help" | "--help" | "-h" => help(),
            other => Err(Failure::usage(format!(
                "there is no chore {other:?}; `cargo xtask` lists them"
            ))),
        },
    }
}

fn help() -> Result<()> {
    print!("{HELP}");
    Ok(())
}
