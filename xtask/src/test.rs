//! `cargo xtask test`: every test there is, from the cheapest to the dearest, up to the first that fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::failure::{Failure, Result};
use crate::official;
use crate::python::Venv;
use crate::tally::Tally;
use crate::workspace::{Workspace, cargo};

/// The test suites, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Unit and integration tests, and the examples in the documentation.
    Rust,
    /// Clients that others wrote in Rust, against the emulator: a workspace of their own, with hundreds of dependencies.
    RustPeers,
    /// Clients that others wrote in Python, against the emulator.
    Peers,
    /// The command `tosget` against the emulator.
    Acceptance,
    /// The Python package against the emulator, with the official one beside it.
    Python,
}

impl Stage {
    const ALL: [Self; 5] = [
        Self::Rust,
        Self::RustPeers,
        Self::Peers,
        Self::Acceptance,
        Self::Python,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::RustPeers => "rust-peers",
            Self::Peers => "peers",
            Self::Acceptance => "acceptance",
            Self::Python => "python",
        }
    }

    /// Where the Python files of the suite are, below the repository's top.
    fn pytest_suite(self) -> Option<&'static str> {
        match self {
            Self::Rust | Self::RustPeers => None,
            Self::Peers => Some("crates/tos-emulator/tests/peers"),
            Self::Acceptance => Some("tests/acceptance"),
            Self::Python => Some("crates/tosget-py/tests"),
        }
    }

    fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|stage| stage.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Failure::usage(format!("there is no stage {name:?} of the tests, only {names}"))
        })
    }
}

/// `[STAGE]... [-- PYTEST_ARGUMENT...]`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut arguments = arguments.splitn(2, |argument| argument == "--");
    let named = arguments.next().unwrap_or_default();
    let stages: Vec<Stage> = named
        .iter()
        .map(|name| Stage::parse(name))
        .collect::<Result<_>>()?;
    let tests = Tests {
        workspace: Workspace::locate()?,
        stages: if stages.is_empty() {
            Stage::ALL.to_vec()
        } else {
            stages
        },
        pytest_arguments: arguments.next().unwrap_or_default(),
    };
    let mut tally = Tally::default();
    let outcome = tests.run(&mut tally);
    println!("{tally}");
    outcome
}

struct Tests<'a> {
    workspace: Workspace,
    stages: Vec<Stage>,
    pytest_arguments: &'a [String],
}

impl Tests<'_> {
    fn run(&self, tally: &mut Tally) -> Result<()> {
        if self.stages.contains(&Stage::Rust) {
            let mut tests = cargo();
            tests
                .current_dir(self.workspace.root())
                .args(["test", "--locked", "--workspace"]);
            command::run_watched(&mut tests, |line| tally.see(line))?;
        }
        if self.stages.contains(&Stage::RustPeers) {
            command::run_watched(&mut self.rust_peers(), |line| tally.see(line))?;
        }
        let suites: Vec<PathBuf> = self.suites(&self.stages);
        if suites.is_empty() {
            return Ok(());
        }
        let venv = self.venv()?;
        self.workspace.build_release(&["tos-emulator", "tosget-cli"])?;
        let mut official_tests = None;
        if self.stages.contains(&Stage::Python) {
            self.install_package(&venv)?;
            official_tests = Some(self.official_tests(&venv)?);
        }
        for suite in suites {
            let mut pytest = self.pytest(&venv, &suite);
            if let Some(directory) = &official_tests {
                pytest.env("TOS_OFFICIAL_TESTS", directory);
            }
            command::run_watched(&mut pytest, |line| tally.see(line))?;
        }
        // On success only: what a failed test left behind may tell why.
        let _ = fs::remove_dir_all(self.scratch());
        Ok(())
    }

    /// They build below the one target directory, so that it is all there is to clean.
    fn rust_peers(&self) -> Command {
        let mut tests = cargo();
        tests
            .current_dir(self.workspace.root())
            .args([
                "test",
                "--locked",
                "--manifest-path",
                "tests/rust-peers/Cargo.toml",
            ])
            .arg("--target-dir")
            .arg(self.workspace.target().join("rust-peers"));
        tests
    }

    /// One environment for all suites, so that their pins can't differ.
    fn venv(&self) -> Result<Venv> {
        let requirements: Vec<PathBuf> = self
            .suites(&Stage::ALL)
            .into_iter()
            .map(|suite| suite.join("requirements.txt"))
            .collect();
        Venv::ready(
            self.workspace.target().join("venv"),
            &requirements,
            &self.workspace.root().join("tests/constraints.txt"),
        )
    }

    /// Builds the Python package as a wheel and puts it into the environment, as `pip install` does from the folder.
    fn install_package(&self, venv: &Venv) -> Result<()> {
        let wheels = self.workspace.target().join("wheels");
        // A wheel of another version would be installed as well.
        let _ = fs::remove_dir_all(&wheels);
        let mut build = venv.python();
        build
            .current_dir(self.workspace.root().join("crates/tosget-py"))
            // The dependencies are optimised as they are for the other tests, and nothing is measured here.
            .args([
                "-m",
                "maturin",
                "build",
                "--quiet",
                "--locked",
                "--profile",
                "dev",
                "--out",
            ])
            .arg(&wheels)
            .arg("--interpreter")
            .arg(venv.interpreter());
        command::run(&mut build)?;
        let mut install = venv.pip("install");
        install
            .args(["--no-index", "--no-deps", "--force-reinstall", "--find-links"])
            .arg(&wheels)
            .arg("tosget");
        command::run(&mut install)
    }

    fn official_tests(&self, venv: &Venv) -> Result<PathBuf> {
        let pins = self.workspace.root().join("crates/tosget-py/tests/official");
        official::tests(venv, &pins, &self.workspace.target().join("official-sdk"))
    }

    fn pytest(&self, venv: &Venv, suite: &Path) -> Command {
        let mut pytest = venv.python();
        pytest
            .current_dir(self.workspace.root())
            .env("TOS_EMULATOR_BIN", self.workspace.release_program("tos-emulator"))
            .env("TOSGET_BIN", self.workspace.release_program("tosget"))
            .args(["-m", "pytest", "-p", "no:cacheprovider", "--basetemp"])
            .arg(self.scratch())
            .arg(suite)
            .args(self.pytest_arguments);
        pytest
    }

    fn suites(&self, stages: &[Stage]) -> Vec<PathBuf> {
        let suites = stages.iter().filter_map(|stage| stage.pytest_suite());
        suites.map(|suite| self.workspace.root().join(suite)).collect()
    }

    /// Several GiB go here, which a temporary directory in memory may not have.
    fn scratch(&self) -> PathBuf {
        self.workspace.target().join("test-scratch")
    }
}
