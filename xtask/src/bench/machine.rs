//! What a result was measured on and with.

use std::env;
use std::fs;
use std::process::Command;
use std::thread;

use crate::command;

const UNKNOWN: &str = "unknown";

/// The processor's name and how many of its cores there are.
pub(crate) fn processor() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = described
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or(env::consts::ARCH, |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    format!("{model}, {cores} cores")
}

/// How much memory there is, as the kernel says it.
pub(crate) fn memory() -> String {
    let described = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = described.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    total.map_or(UNKNOWN, str::trim).to_owned()
}

pub(crate) fn kernel() -> String {
    first_line("uname", &["-sr"])
}

/// The load averages before the run: others' work makes results worse.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = load.split(' ').take(3).collect();
    averages.join(" ")
}

pub(crate) fn today() -> String {
    first_line("date", &["-u", "+%Y-%m-%d"])
}

/// Name and version of a program, without what curl says of its libraries.
pub(crate) fn version(program: &str, arguments: &[&str]) -> String {
    let said = first_line(program, arguments);
    said.split(" (").next().unwrap_or_default().to_owned()
}

/// What the program says about itself; nginx says it on standard error.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let Ok(done) = Command::new(program).args(arguments).output() else {
        return UNKNOWN.to_owned();
    };
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or(UNKNOWN).to_owned()
}

/// The commit that was measured.
pub(crate) fn commit() -> String {
    let mut question = Command::new("git");
    question.args(["describe", "--always", "--dirty", "--exclude=*"]);
    command::output_of(&mut question).map_or_else(|_| UNKNOWN.to_owned(), |text| text.trim().to_owned())
}

/// The kind of file system at `path` and what it is on.
pub(crate) fn file_system(path: &std::path::Path) -> String {
    let mut question = Command::new("df");
    question.args(["--output=fstype,source"]).arg(path);
    let said = command::output_of(&mut question).unwrap_or_default();
    let fields: Vec<&str> = said
        .lines()
        .nth(1)
        .unwrap_or(UNKNOWN)
        .split_whitespace()
        .collect();
    fields.join(" on ")
}
