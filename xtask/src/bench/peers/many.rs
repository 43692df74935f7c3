//! The programs that fetch many objects in one run, each given the list in its own way.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::bench::contest::{Contestant, Entry};
use crate::bench::machine;
use crate::bench::peers::others::OFFICIAL_SDK;
use crate::bench::peers::tosget::Tosget;
use crate::bench::peers::{BUCKET, LENGTH, Peers, absent, again, installed, unproxied};
use crate::bench::served_file::ServedFile;
use crate::command;
use crate::failure::{About, Failure, Result};

/// How many transfers go on at a time, where a program asks.
const AT_A_TIME: &str = "64";

/// Objects with the same content.
pub(crate) struct ManySource {
    pub(crate) url: String,
    pub(crate) names: Names,
    pub(crate) file: ServedFile,
    /// Where the lists are written.
    pub(crate) lists: PathBuf,
    pub(crate) tosget: PathBuf,
}

/// `small/00000.bin` and so on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) count: u32,
}

impl Names {
    pub(crate) fn keys(self) -> impl Iterator<Item = String> {
        (0..self.count).map(|number| format!("small/{number:05}.bin"))
    }
}

/// All of them; the lists name `destination`, so this is where they have to be sent.
pub(crate) fn many(peers: &Peers, source: &ManySource, destination: &Path) -> Vec<Entry> {
    vec![
        curl(source, destination),
        tosget_batch(source),
        aria2c(source, destination),
        s5cmd(peers, source, destination),
        official_sdk(peers, source),
    ]
}

fn curl(source: &ManySource, destination: &Path) -> Entry {
    let version = installed("curl", "curl")?;
    let list = source.list("curl.conf", |list, key| {
        let _ = writeln!(
            list,
            "url = \"{}\"\noutput = \"{}\"",
            source.url_of(key),
            place(destination, key)
        );
    });
    let list = list.map_err(|failure| absent("curl -Z", &failure))?;
    let remark = "a config file with all URLs, 64 transfers at a time";
    Ok(source.contestant("curl -Z", version, remark, LENGTH, move |_| {
        let mut command = unproxied("curl");
        command.args([
            "--parallel",
            "--parallel-max",
            AT_A_TIME,
            "--silent",
            "--show-error",
            "--fail",
        ]);
        command.args(["--create-dirs", "--config"]).arg(&list);
        command
    }))
}

fn aria2c(source: &ManySource, destination: &Path) -> Entry {
    let version = installed("aria2c", "aria2")?;
    let list = source.list("aria2.list", |list, key| {
        let place = PathBuf::from(place(destination, key));
        let name = place
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let _ = writeln!(
            list,
            "{}\n  dir={}\n  out={name}",
            source.url_of(key),
            destination.display()
        );
    });
    let list = list.map_err(|failure| absent("aria2c -i", &failure))?;
    let remark = "an input file with all URLs, 64 transfers at a time, no preallocation";
    Ok(source.contestant("aria2c -i", version, remark, LENGTH, move |_| {
        let mut command = unproxied("aria2c");
        command.args(["--quiet", "--no-conf", "--file-allocation=none", "--split=1"]);
        command
            .arg(format!("--max-concurrent-downloads={AT_A_TIME}"))
            .arg("--input-file")
            .arg(&list);
        command
    }))
}

fn s5cmd(peers: &Peers, source: &ManySource, destination: &Path) -> Entry {
    let program = peers.program("s5cmd", "s5cmd")?;
    let version = command::output_of(Command::new(&program).arg("version"));
    let version = version
        .map_err(|failure| absent("s5cmd run", &failure))?
        .trim()
        .to_owned();
    let list = source.list("s5cmd.run", |list, key| {
        let _ = writeln!(list, "cp s3://{BUCKET}/{key} {}", place(destination, key));
    });
    let (list, url) = (
        list.map_err(|failure| absent("s5cmd run", &failure))?,
        source.url.clone(),
    );
    let remark = "a file with all copies, 256 workers, its default";
    Ok(source.contestant("s5cmd run", version, remark, LENGTH, move |_| {
        let mut command = unproxied(&program);
        command
            .args(["--no-sign-request", "--endpoint-url", &url, "run"])
            .arg(&list);
        command.env("AWS_REGION", "us-east-1");
        command
    }))
}

fn official_sdk(peers: &Peers, source: &ManySource) -> Entry {
    let (script, version) = peers.script("get_many_by_tos.py", "tos")?;
    let list = source.list("keys.list", |list, key| {
        let _ = writeln!(list, "{key}");
    });
    let (list, url) = (
        list.map_err(|failure| absent(OFFICIAL_SDK, &failure))?,
        source.url.clone(),
    );
    let remark = "the official Python SDK's get_object_to_file in 64 threads";
    Ok(
        source.contestant(OFFICIAL_SDK, version, remark, "CRC64", move |destination| {
            let mut command = again(&script);
            command.args([&url, BUCKET]).arg(&list).arg(destination);
            command
        }),
    )
}

fn tosget_batch(source: &ManySource) -> Entry {
    let help = command::output_of(Command::new(&source.tosget).args(["batch", "--help"]));
    if help.is_err() {
        return Err(absent("tosget batch", &"this tosget has no subcommand `batch`"));
    }
    let list = source.list("tosget.list", |list, key| {
        let _ = writeln!(list, "tos://{BUCKET}/{key}");
    });
    let list = list.map_err(|failure| absent("tosget batch", &failure))?;
    let (program, url) = (source.tosget.clone(), source.url.clone());
    let version = machine::version(&program.to_string_lossy(), &["--version"]);
    let remark = "a list of all objects, its defaults, a line of JSON for each";
    let mut ours = source.contestant("tosget batch", version, remark, "CRC64", move |destination| {
        let mut command = unproxied(&program);
        command.arg("batch").arg(&list).arg(destination);
        command.args(Tosget::connection(&url, None));
        command
    });
    ours.is_ours = true;
    ours.confirm = expect_success;
    Ok(ours)
}

/// `batch` takes it for a success, and compared the CRC64 of every object.
fn expect_success(printed: &str) -> Result<()> {
    let last = printed.lines().last().unwrap_or_default();
    match serde_json::from_str::<Value>(last) {
        Ok(outcome) if outcome["ok"] == true && is_all_verified(&outcome["batch"]) => Ok(()),
        _ => Err(Failure::new(format!(
            "tosget batch --json printed {last:?} at last"
        ))),
    }
}

fn is_all_verified(batch: &Value) -> bool {
    batch["objects"].is_u64() && batch["verified"] == batch["objects"]
}

/// Where the object of this key goes: keys have one directory, and only their last name counts.
fn place(destination: &Path, key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or(key);
    destination.join(name).display().to_string()
}

impl ManySource {
    fn url_of(&self, key: &str) -> String {
        format!("{}/{BUCKET}/{key}", self.url)
    }

    fn list(&self, name: &str, mut add: impl FnMut(&mut String, &str)) -> Result<PathBuf> {
        let mut list = String::new();
        self.names.keys().for_each(|key| add(&mut list, &key));
        let path = self.lists.join(name);
        fs::write(&path, list).about(path.display())?;
        Ok(path)
    }

    fn contestant(
        &self,
        name: &str,
        version: String,
        remark: &str,
        checks: &'static str,
        command: impl Fn(&Path) -> Command + 'static,
    ) -> Contestant {
        let (file, count) = (self.file, self.names.count);
        Contestant {
            name: name.to_owned(),
            version,
            remark: remark.to_owned(),
            checks,
            is_ours: false,
            command: Box::new(command),
            confirm: |_| Ok(()),
            check: Box::new(move |directory| expect_copies_in(directory, file, count)),
        }
    }
}

/// Every file below `directory`, however deep, is a copy, and there are as many as there should be.
fn expect_copies_in(directory: &Path, file: ServedFile, count: u32) -> Result<()> {
    let mut found = 0;
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).about(directory.display())? {
            let path = entry.about(directory.display())?.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                file.expect_copy_at(&path)?;
                found += 1;
            }
        }
    }
    if found == count {
        return Ok(());
    }
    Err(Failure::new(format!("{found} files came instead of {count}")))
}
