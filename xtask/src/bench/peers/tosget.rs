//! Ours.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::contest::{Contestant, Entry};
use crate::bench::machine;
use crate::bench::peers::{BUCKET, Source, unproxied};
use crate::failure::{Failure, Result};

/// How it is called.
#[derive(Clone, Debug)]
pub(crate) struct Tosget {
    pub(crate) program: PathBuf,
    /// Beyond `tosget`, for variants.
    pub(crate) name: &'static str,
    pub(crate) remark: &'static str,
    pub(crate) options: &'static [&'static str],
}

impl Tosget {
    /// What it is called with whatever the source.
    pub(crate) fn connection(url: &str, ca_file: Option<&Path>) -> Vec<String> {
        let mut options: Vec<String> = ["--endpoint", url, "--region", "local", "--anonymous", "--json"]
            .map(str::to_owned)
            .into();
        if let Some(file) = ca_file {
            options.extend(["--ca-file".to_owned(), file.to_string_lossy().into_owned()]);
        }
        options
    }
}

pub(crate) fn tosget(source: &Source, how: &Tosget) -> Entry {
    let program = how.program.clone();
    let object = format!("tos://{BUCKET}/{}", source.key);
    let mut options: Vec<String> = how.options.iter().map(|&option| option.to_owned()).collect();
    options.extend(Tosget::connection(&source.url, source.ca_file.as_deref()));
    Ok(Contestant {
        name: how.name.to_owned(),
        version: machine::version(&how.program.to_string_lossy(), &["--version"]),
        remark: how.remark.to_owned(),
        checks: "CRC64",
        is_ours: true,
        command: Box::new(move |destination| {
            let mut command = unproxied(&program);
            command.args(["get", &object]).arg(destination).args(&options);
            command
        }),
        confirm: expect_verified,
        check: source.check(),
    })
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
