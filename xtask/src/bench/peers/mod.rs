//! The programs that are measured, ours and others', as contestants.

mod many;
mod others;
mod plain;
mod tosget;

pub(crate) use many::{ManySource, Names, many};
pub(crate) use others::{awscrt, boto3, obstore, official_sdk, s5cmd, ve_tos_cli};
pub(crate) use plain::{aria2c, curl, curl_into_dd, dd};
pub(crate) use tosget::{Tosget, tosget};

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Settings;
use crate::bench::contest::{Absent, Check};
use crate::bench::served_file::ServedFile;
use crate::command;
use crate::python::Venv;

pub(crate) const BUCKET: &str = "bench";
pub(crate) const KEY: &str = "object.bin";

const NOTHING: &str = "nothing";
const LENGTH: &str = "length";

/// One object and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// `http://127.0.0.1:PORT`; the object is at `/BUCKET/KEY`.
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) file: ServedFile,
    /// The authority that vouches for the server.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Source {
    pub(crate) fn object_url(&self) -> String {
        format!("{}/{BUCKET}/{}", self.url, self.key)
    }

    /// A look at the destination that is content with this object.
    fn check(&self) -> Check {
        let file = self.file;
        Box::new(move |path| file.expect_copy_at(path))
    }
}

/// The packages of `bench/requirements.txt`, in an environment of their own.
pub(crate) struct Peers {
    venv: Result<Venv, String>,
    scripts: PathBuf,
    /// Where programs keep what they would keep in the home directory.
    home: PathBuf,
}

impl Peers {
    pub(crate) fn ready(settings: &Settings, home: &Path) -> Self {
        let root = settings.workspace.root().join("bench");
        let venv = Venv::ready(
            settings.workspace.target().join("bench-venv"),
            &[root.join("requirements.txt")],
            &root.join("constraints.txt"),
        );
        Self {
            venv: venv.map_err(|failure| failure.to_string()),
            scripts: root.join("peers"),
            home: home.to_owned(),
        }
    }

    /// The program that a package brought, and not the Python script in front of it; `module` is the package's directory.
    fn program(&self, module: &str, name: &str) -> Result<PathBuf, Absent> {
        let venv = self.venv(name)?;
        let question = format!("import {module}; print({module}.__file__)");
        let file = command::output_of(venv.python().args(["-c", &question]));
        let file = file.map_err(|failure| absent(name, &failure))?;
        Ok(Path::new(file.trim()).with_file_name("bin").join(name))
    }

    /// One of our scripts that use a package, and the version of that.
    fn script(&self, file: &str, package: &str) -> Result<(Command, String), Absent> {
        let venv = self.venv(package)?;
        let question = format!("from importlib.metadata import version; print(version('{package}'))");
        let version = command::output_of(venv.python().args(["-c", &question]));
        let version = version.map_err(|failure| absent(package, &failure))?;
        let mut script = venv.python();
        script.arg(self.scripts.join(file));
        Ok((script, version.trim().to_owned()))
    }

    fn venv(&self, name: &str) -> Result<&Venv, Absent> {
        self.venv.as_ref().map_err(|reason| absent(name, reason))
    }
}

/// Starts a program on this machine's network alone: a proxy in the environment would be measured with it.
fn unproxied(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// A copy, since a command can't be cloned.
fn again(command: &Command) -> Command {
    let mut copy = unproxied(command.get_program());
    copy.args(command.get_args());
    copy
}

fn absent(name: &str, reason: &dyn std::fmt::Display) -> Absent {
    Absent {
        name: name.to_owned(),
        reason: reason.to_string().replace('\n', " "),
    }
}

/// The program's version, or that it is missing and how to get it.
fn installed(program: &str, package: &str) -> Result<String, Absent> {
    let said = command::output_of(Command::new(program).arg("--version"));
    let said = said.map_err(|_| {
        absent(
            program,
            &format_args!("it is not installed (Debian: apt-get install {package})"),
        )
    })?;
    let first = said.lines().next().unwrap_or_default();
    Ok(first.split(" (").next().unwrap_or_default().to_owned())
}
