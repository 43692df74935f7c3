//! Where things are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command;
use crate::failure::{Failure, Result};

/// The repository's top directory and the directory that cargo builds into.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo, since the target directory may be set in many places.
    pub(crate) fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut question = cargo();
        question
            .current_dir(root)
            .args(["metadata", "--no-deps", "--format-version", "1"]);
        let answer = command::output_of(&mut question)?;
        let metadata: Value = serde_json::from_str(&answer)
            .map_err(|error| Failure::new(format!("what cargo metadata said is no JSON: {error}")))?;
        let path = |name: &str| {
            let path = metadata[name].as_str().map(PathBuf::from);
            path.ok_or_else(|| Failure::new(format!("cargo metadata names no {name}")))
        };
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A program of this workspace, built by [`build_release`](Self::build_release).
    pub(crate) fn release_program(&self, name: &str) -> PathBuf {
        let name = format!("{name}{}", env::consts::EXE_SUFFIX);
        self.target.join("release").join(name)
    }

    /// Builds the programs as users get them: what is measured or timed is never a debug build.
    pub(crate) fn build_release(&self, packages: &[&str]) -> Result<()> {
        let mut build = cargo();
        build
            .current_dir(&self.root)
            .args(["build", "--release", "--locked", "--bins"]);
        for package in packages {
            build.args(["--package", package]);
        }
        command::run(&mut build)
    }
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
