//! Clients of object stores that others wrote, from PyPI.

use std::path::Path;
use std::process::Command;

use crate::bench::contest::{Contestant, Entry};
use crate::bench::peers::{BUCKET, LENGTH, Peers, Source, absent, again, unproxied};
use crate::command;

/// Nowhere: the host names of buckets are reached with the server as the proxy.
const DOMAIN: &str = "http://tos.test";

/// Better known than by its package's name, `tos`.
pub(super) const OFFICIAL_SDK: &str = "official SDK (tos)";

pub(crate) fn s5cmd(peers: &Peers, source: &Source) -> Entry {
    let program = peers.program("s5cmd", "s5cmd")?;
    let version = command::output_of(Command::new(&program).arg("version"));
    let version = version
        .map_err(|failure| absent("s5cmd", &failure))?
        .trim()
        .to_owned();
    let (url, object) = (source.url.clone(), format!("s3://{BUCKET}/{}", source.key));
    let ca_file = source.ca_file.clone();
    Ok(contestant(
        "s5cmd",
        version,
        "cp with its defaults: 5 parts of 50 MiB at a time",
        LENGTH,
        source,
        move |destination| {
            let mut command = unproxied(&program);
            command.args(["--no-sign-request", "--endpoint-url", &url, "cp", &object]);
            command.arg(destination);
            command.env("AWS_REGION", "us-east-1");
            if let Some(file) = &ca_file {
                command.env("SSL_CERT_FILE", file);
            }
            command
        },
    ))
}

pub(crate) fn awscrt(peers: &Peers, source: &Source) -> Entry {
    let remark = "S3Client of the AWS Common Runtime with its defaults, straight to the file";
    script(peers, "get_by_awscrt.py", "awscrt", remark, LENGTH, source)
}

pub(crate) fn boto3(peers: &Peers, source: &Source) -> Entry {
    let remark = "download_file, 4 threads, parts of 20 MiB";
    script(peers, "get_by_boto3.py", "boto3", remark, LENGTH, source)
}

pub(crate) fn obstore(peers: &Peers, source: &Source) -> Entry {
    let remark = "its one stream, chunks of 8 MiB; it has no parallel download to a file";
    script(peers, "get_by_obstore.py", "obstore", remark, LENGTH, source)
}

pub(crate) fn official_sdk(peers: &Peers, source: &Source) -> Entry {
    let remark = "the official Python SDK's download_file, 4 tasks, parts of 20 MiB";
    let mut entry = script(peers, "get_by_tos.py", "tos", remark, "CRC64", source);
    if let Ok(contestant) = &mut entry {
        contestant.name = OFFICIAL_SDK.to_owned();
    }
    entry
}

/// One of our scripts, which takes URL BUCKET KEY PATH and perhaps the authority's file.
fn script(
    peers: &Peers,
    file: &str,
    package: &'static str,
    remark: &str,
    checks: &'static str,
    source: &Source,
) -> Entry {
    let (script, version) = peers.script(file, package)?;
    let (url, key, ca_file) = (source.url.clone(), source.key.clone(), source.ca_file.clone());
    Ok(contestant(
        package,
        version,
        remark,
        checks,
        source,
        move |destination| {
            let mut command = again(&script);
            command.args([&url, BUCKET, &key]).arg(destination);
            command.args(&ca_file);
            command
        },
    ))
}

/// `with_checkpoint` is its resumable mode: a file a part, put together in the end.
pub(crate) fn ve_tos_cli(peers: &Peers, source: &Source, with_checkpoint: bool) -> Entry {
    let program = peers.program("ve_tos_cli_package", "ve-tos-cli")?;
    let version = command::output_of(Command::new(&program).arg("--version"));
    let version = version
        .map_err(|failure| absent("ve-tos-cli", &failure))?
        .trim()
        .to_owned();
    let (url, object, home) = (
        source.url.clone(),
        format!("tos://{BUCKET}/{}", source.key),
        peers.home.clone(),
    );
    let (name, remark) = if with_checkpoint {
        (
            "ve-tos-cli --checkpoint",
            "resumable: a file a part, then put together",
        )
    } else {
        ("ve-tos-cli", "1 connection")
    };
    Ok(contestant(
        name,
        version,
        remark,
        "CRC64",
        source,
        move |destination| {
            let mut command = unproxied(&program);
            command
                .current_dir(&home)
                .env("HOME", &home)
                .env("http_proxy", &url);
            command
                .env("TOS_ACCESS_KEY", "ak")
                .env("TOS_SECRET_KEY", "sk")
                .env("TOS_REGION", "cn-beijing");
            command.args(["cp", &object]).arg(destination);
            command.args(["--endpoint", DOMAIN]);
            if with_checkpoint {
                command.arg("--checkpoint");
            }
            command
        },
    ))
}

fn contestant(
    name: &str,
    version: String,
    remark: &str,
    checks: &'static str,
    source: &Source,
    command: impl Fn(&Path) -> Command + 'static,
) -> Contestant {
    Contestant {
        name: name.to_owned(),
        version,
        remark: remark.to_owned(),
        checks,
        is_ours: false,
        command: Box::new(command),
        confirm: |_| Ok(()),
        check: source.check(),
    }
}
