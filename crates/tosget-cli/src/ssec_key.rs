//! The key of an object that is encrypted with its owner's key. It is read from a file or from the environment, never from the
//! command line, which other users of the machine can see.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use tosget::{ErrorKind, SsecKey};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::printable::printable_path;

const VARIABLE: &str = "TOS_SSEC_KEY";

const RAW_LEN: usize = 32;

/// No key is longer, in whatever form; a larger file is another one.
const LONGEST: u64 = 1024;

/// Where the key is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Encryption")]
pub(crate) struct SsecKeyArgs {
    /// File with the key of an object that is encrypted with its owner's key (SSE-C): 32 bytes, or the same in base64
    /// [default: base64 in TOS_SSEC_KEY, if that is set]
    #[arg(long, value_name = "FILE")]
    pub(crate) ssec_key_file: Option<PathBuf>,
}

impl SsecKeyArgs {
    /// The key, if there is one.
    pub(crate) fn read(&self) -> Result<Option<SsecKey>, Failure> {
        match &self.ssec_key_file {
            Some(path) => from_file(path).map(Some),
            None => from_environment(),
        }
    }
}

fn from_file(path: &Path) -> Result<SsecKey, Failure> {
    let bytes = read(path).map_err(|error| {
        let message = format!("could not read {}", printable_path(path));
        Failure::new(Exit::Usage, ErrorKind::InvalidArgument, message).with_cause(&error)
    })?;
    if let Ok(key) = <[u8; RAW_LEN]>::try_from(bytes.as_slice()) {
        return Ok(SsecKey::new(key));
    }
    SsecKey::from_base64(&String::from_utf8_lossy(&bytes)).map_err(|_| {
        let message = format!("{} holds no SSE-C key", printable_path(path));
        Failure::usage(message).with_hint("it must hold 32 bytes, or the same in base64, and nothing else")
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An empty variable is one that is not set.
fn from_environment() -> Result<Option<SsecKey>, Failure> {
    let key = env::var(VARIABLE).unwrap_or_default();
    if key.trim().is_empty() {
        return Ok(None);
    }
    SsecKey::from_base64(&key)
        .map(Some)
        .map_err(|_| Failure::usage(format!("{VARIABLE} is not the base64 of 32 bytes")))
}
