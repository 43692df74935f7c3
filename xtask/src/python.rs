//! A virtual environment with the Python packages that tests need, all of exact versions.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::failure::{About, Failure, Result};

/// What the pinned pytest needs.
const OLDEST: (u32, u32) = (3, 10);

const MISSING: &str = "\
Python is needed for these tests, and there is no working `python3`.
Install it (Debian: apt-get install python3 python3-venv; macOS: brew install python), or name another one by the
environment variable PYTHON";

const NO_VENV: &str = "\
This Python can't make virtual environments: its module venv or ensurepip is missing.
Debian and Ubuntu have them in a package of their own: apt-get install python3-venv";

/// A virtual environment whose packages are in place.
#[derive(Debug)]
pub(crate) struct Venv {
    directory: PathBuf,
}

impl Venv {
    /// Makes the environment, or takes the one that is there when it was made for these very requirements.
    pub(crate) fn ready(directory: PathBuf, requirements: &[PathBuf], constraints: &Path) -> Result<Self> {
        let venv = Self { directory };
        let wanted = Interpreter::find()?.stamp(requirements, constraints)?;
        let stamp = venv.directory.join("made-for.txt");
        if fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == wanted) {
            return Ok(venv);
        }
        venv.make()?;
        venv.install(requirements, constraints)?;
        // Last, so that an environment that was left half made is made again.
        fs::write(&stamp, wanted).about(stamp.display())?;
        Ok(venv)
    }

    /// The environment's own interpreter.
    pub(crate) fn python(&self) -> Command {
        Command::new(self.interpreter())
    }

    /// Where that is.
    pub(crate) fn interpreter(&self) -> PathBuf {
        let inside = if cfg!(windows) {
            "Scripts/python.exe"
        } else {
            "bin/python"
        };
        self.directory.join(inside)
    }

    /// The environment's own pip, told what to do.
    pub(crate) fn pip(&self, what: &str) -> Command {
        let mut pip = self.python();
        pip.args(["-m", "pip", what, "--quiet", "--disable-pip-version-check"]);
        pip
    }

    fn make(&self) -> Result<()> {
        let interpreter = Interpreter::find()?;
        let can = interpreter
            .command()
            .args(["-c", "import venv, ensurepip"])
            .output();
        if !can.about("python3")?.status.success() {
            return Err(Failure::new(NO_VENV));
        }
        let mut make = interpreter.command();
        make.args(["-m", "venv", "--clear"]).arg(&self.directory);
        command::run(&mut make)
    }

    fn install(&self, requirements: &[PathBuf], constraints: &Path) -> Result<()> {
        let mut install = self.pip("install");
        install.arg("--constraint").arg(constraints);
        for file in requirements {
            install.arg("--requirement").arg(file);
        }
        command::run(&mut install)
    }
}

/// A Python outside any environment of ours, new enough.
struct Interpreter {
    program: OsString,
    version: (u32, u32),
}

impl Interpreter {
    fn find() -> Result<Self> {
        let program = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let version = version_of(&program).ok_or_else(|| Failure::new(MISSING))?;
        if version < OLDEST {
            let ((major, minor), (old_major, old_minor)) = (version, OLDEST);
            return Err(Failure::new(format!(
                "Python {old_major}.{old_minor} or newer is needed, {} is {major}.{minor}; \
                 name another one by the environment variable PYTHON",
                program.to_string_lossy()
            )));
        }
        Ok(Self { program, version })
    }

    fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// Everything that an environment depends on: it is good as long as this is the same.
    fn stamp(&self, requirements: &[PathBuf], constraints: &Path) -> Result<String> {
        let mut stamp = format!("{} {:?}\n", self.program.to_string_lossy(), self.version);
        for file in requirements.iter().map(PathBuf::as_path).chain([constraints]) {
            stamp += &fs::read_to_string(file).about(file.display())?;
        }
        Ok(stamp)
    }
}

fn version_of(program: &OsString) -> Option<(u32, u32)> {
    let script = "import sys; print(sys.version_info[0], sys.version_info[1])";
    let answer = command::output_of(Command::new(program).args(["-c", script])).ok()?;
    let (major, minor) = answer.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
