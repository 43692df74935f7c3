//! Programs that know nothing of object stores: what the machine and plain HTTP come to.

use crate::bench::contest::{Contestant, Entry};
use crate::bench::peers::{LENGTH, NOTHING, Source, installed, unproxied};

pub(crate) fn curl(source: &Source) -> Entry {
    let version = installed("curl", "curl")?;
    let (url, ca_file) = (source.object_url(), source.ca_file.clone());
    Ok(Contestant {
        name: "curl".to_owned(),
        version,
        remark: "1 connection".to_owned(),
        checks: LENGTH,
        is_ours: false,
        command: Box::new(move |destination| {
            let mut command = unproxied("curl");
            command.args(["--silent", "--show-error", "--fail", "--http1.1"]);
            if let Some(file) = &ca_file {
                command.arg("--cacert").arg(file);
            }
            command.args([&url, "--output"]).arg(destination);
            command
        }),
        confirm: |_| Ok(()),
        check: source.check(),
    })
}

/// `connections` to one server, as many pieces of at least 1 MiB.
pub(crate) fn aria2c(source: &Source, connections: u32) -> Entry {
    let version = installed("aria2c", "aria2")?;
    let (url, ca_file) = (source.object_url(), source.ca_file.clone());
    Ok(Contestant {
        name: format!("aria2c -x{connections}"),
        version,
        remark: format!("{connections} connections, no preallocation"),
        checks: LENGTH,
        is_ours: false,
        command: Box::new(move |destination| {
            let mut command = unproxied("aria2c");
            command.args([
                "--quiet",
                "--no-conf",
                "--file-allocation=none",
                "--min-split-size=1M",
            ]);
            command.arg(format!("--max-connection-per-server={connections}"));
            command.arg(format!("--split={connections}"));
            if let Some(file) = &ca_file {
                command.arg(format!("--ca-certificate={}", file.display()));
            }
            let name = destination.file_name().unwrap_or_default().to_string_lossy();
            command
                .arg("--dir")
                .arg(destination.parent().unwrap_or(destination));
            command.args(["--out", &name, &url]);
            command
        }),
        confirm: |_| Ok(()),
        check: source.check(),
    })
}

/// Zeros written and synced: what the disk takes when there is no network.
pub(crate) fn dd(source: &Source) -> Entry {
    let version = installed("dd", "coreutils")?;
    let mib = source.file.len >> 20;
    Ok(Contestant {
        name: "dd".to_owned(),
        version,
        remark: "no network, writes of 1 MiB, fsync at the end".to_owned(),
        checks: NOTHING,
        is_ours: false,
        command: Box::new(move |destination| {
            let mut command = unproxied("dd");
            command.args(["if=/dev/zero", "bs=1M", "conv=fsync", "status=none"]);
            command.arg(format!("count={mib}"));
            command.arg(format!("of={}", destination.display()));
            command
        }),
        confirm: |_| Ok(()),
        check: source.check(),
    })
}

/// The same from the server: one connection through a pipe.
pub(crate) fn curl_into_dd(source: &Source) -> Entry {
    let version = format!(
        "{}, {}",
        installed("curl", "curl")?,
        installed("dd", "coreutils")?
    );
    let url = source.object_url();
    Ok(Contestant {
        name: "curl into dd".to_owned(),
        version,
        remark: "1 connection, writes of 1 MiB, fsync at the end".to_owned(),
        checks: NOTHING,
        is_ours: false,
        command: Box::new(move |destination| {
            let mut command = unproxied("sh");
            let pipe = "curl --silent --show-error --fail \"$1\" | \
                        dd of=\"$2\" bs=1M iflag=fullblock conv=fsync status=none";
            command.args(["-c", pipe, "sh", &url]).arg(destination);
            command
        }),
        confirm: |_| Ok(()),
        check: source.check(),
    })
}
