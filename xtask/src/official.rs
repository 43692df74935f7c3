//! The official Python package's own tests: they are in its source distribution only, and not ours to copy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command;
use crate::failure::{About, Failure, Result};
use crate::python::Venv;

/// Fetches them below `directory`, unless they are there, and says where they are. `pins` has the hashes of all that is
/// fetched.
pub(crate) fn tests(venv: &Venv, pins: &Path, directory: &Path) -> Result<PathBuf> {
    let (builder, sdist) = (pins.join("builder.txt"), pins.join("sdist.txt"));
    let wanted = fs::read_to_string(&sdist).about(sdist.display())?;
    let stamp = directory.join("made-for.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == wanted) {
        return unpacked(directory);
    }
    let _ = fs::remove_dir_all(directory);
    let mut install = venv.pip("install");
    install.args([
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--requirement",
    ]);
    command::run(install.arg(builder))?;
    let mut fetch = venv.pip("download");
    fetch.args([
        "--no-deps",
        "--no-binary=:all:",
        "--no-build-isolation",
        "--require-hashes",
    ]);
    command::run(fetch.arg("--requirement").arg(sdist).arg("--dest").arg(directory))?;
    let mut unpack = venv.python();
    unpack.args(["-m", "tarfile", "--extract"]);
    command::run(
        unpack
            .arg(entry(directory, |name| name.ends_with(".tar.gz"))?)
            .arg(directory),
    )?;
    // Last, so that what was left half done is done again.
    fs::write(&stamp, wanted).about(stamp.display())?;
    unpacked(directory)
}

fn unpacked(directory: &Path) -> Result<PathBuf> {
    let top = entry(directory, |name| {
        name.starts_with("tos-") && !name.ends_with(".gz")
    })?;
    Ok(top.join("tests"))
}

fn entry(directory: &Path, is_it: impl Fn(&str) -> bool) -> Result<PathBuf> {
    for entry in fs::read_dir(directory).about(directory.display())? {
        let entry = entry.about(directory.display())?;
        if entry.file_name().to_str().is_some_and(&is_it) {
            return Ok(entry.path());
        }
    }
    Err(Failure::new(format!(
        "{} has no source distribution of the official package",
        directory.display()
    )))
}
