//! One large object over loopback HTTP: what the client itself costs when neither network nor disk is in its way.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::contest::{self, Contestant};
use crate::bench::nginx::Nginx;
use crate::bench::report::Report;
use crate::bench::served_file::ServedFile;
use crate::bench::{Settings, machine};
use crate::failure::{About, Failure, Result};

const OBJECT_LEN: u64 = 2 << 30;
const KEY: &str = "object.bin";
const CRC64_HEADER: &str = "x-tos-hash-crc64ecma";

pub(crate) fn measure(settings: &Settings) -> Result<Report> {
    let report = Report::new("2 GiB over loopback HTTP to a RAM disk", &settings.command);
    settings.workspace.build_release(&["tosget-cli"])?;
    let scratch = scratch(&settings.directory)?;
    let file = ServedFile::generate(&scratch.path().join(KEY), OBJECT_LEN)?;
    let nginx = Nginx::serve(scratch.path(), &[(CRC64_HEADER, file.crc64.to_string())])?;
    let tosget = settings.workspace.release_program("tosget");
    let contestants = [curl(&nginx), tosget_with(&nginx, &tosget)];
    let series = contest::hold(&contestants, settings.rounds, &file, scratch.path())?;
    Ok(report
        .with_fact(
            "server",
            format!("{}, 2 workers, sendfile", machine::version("nginx", &["-v"])),
        )
        .with_fact("curl", machine::version("curl", &["--version"]))
        .with_fact(
            "tosget",
            machine::version(&tosget.to_string_lossy(), &["--version"]),
        )
        .with_fact(
            "rounds",
            format!("{} by turns, after one that is not counted", settings.rounds),
        )
        .with_fact(
            "check",
            "length and CRC64 of every copy, outside the measured time",
        )
        .with_series(series))
}

/// A directory that nginx's workers, which run as another user when we are root, may read.
fn scratch(parent: &Path) -> Result<tempfile::TempDir> {
    let scratch = tempfile::Builder::new()
        .prefix("tosget-bench-")
        .tempdir_in(parent);
    let scratch = scratch.about(parent.display())?;
    open_to_others(scratch.path())?;
    Ok(scratch)
}

#[cfg(unix)]
fn open_to_others(directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).about(directory.display())
}

fn curl(nginx: &Nginx) -> Contestant {
    let url = format!("{}/{KEY}", nginx.url());
    Contestant {
        name: "curl",
        remark: "1 connection, unverified",
        command: Box::new(move |destination| {
            let mut command = Command::new("curl");
            command
                .args(["--silent", "--show-error", "--fail", &url, "--output"])
                .arg(destination);
            command
        }),
        confirm: |_| Ok(()),
    }
}

fn tosget_with(nginx: &Nginx, program: &Path) -> Contestant {
    let (program, url) = (program.to_owned(), nginx.url());
    Contestant {
        name: "tosget",
        remark: "4 tasks, verified by CRC64",
        command: Box::new(move |destination| {
            let mut command = Command::new(&program);
            command
                .args(["get", &format!("tos://bench/{KEY}")])
                .arg(destination);
            command.args([
                "--custom-domain",
                "--endpoint",
                &url,
                "--region",
                "local",
                "--anonymous",
            ]);
            command.args(["--task-num", "4", "--json"]);
            command
        }),
        confirm: expect_verified,
    }
}

/// A download that only looked fast because it checked nothing is no result.
fn expect_verified(printed: &str) -> Result<()> {
    let last = printed.lines().last().unwrap_or_default();
    let outcome: Value = serde_json::from_str(last)
        .map_err(|error| Failure::new(format!("tosget --json printed {last:?}: {error}")))?;
    if outcome["verification"] == "crc64" {
        return Ok(());
    }
    Err(Failure::new(format!("tosget did not verify by CRC64: {last}")))
}
