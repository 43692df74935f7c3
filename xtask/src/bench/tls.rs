//! One large object over TLS 1.3: what deciphering adds, with the same cipher for all.

use std::collections::BTreeSet;
use std::fs;

use crate::bench::certificate::Certificate;
use crate::bench::contest::{self, Schedule};
use crate::bench::loopback::four_tasks;
use crate::bench::measured;
use crate::bench::nginx::{Nginx, Site};
use crate::bench::peers::{KEY, Peers, Source, aria2c, boto3, curl, s5cmd, tosget};
use crate::bench::report::Report;
use crate::bench::scratch::Scratch;
use crate::bench::served_file::ServedFile;
use crate::bench::warm::WarmMemory;
use crate::bench::{Settings, size_in_words};
use crate::failure::{About, Result};

const OBJECT_MIB: u64 = 2 << 10;
/// What OpenSSL and rustls agree on when neither is told, and the only one that nginx offers here.
const CIPHER: &str = "TLS_AES_256_GCM_SHA384";

pub(crate) fn measure(settings: &Settings) -> Result<Report> {
    let len = settings.object_len(OBJECT_MIB);
    let title = format!("{} over loopback HTTPS to a RAM disk", size_in_words(len));
    let report = Report::new(title, &settings.command);
    settings.build()?;
    let scratch = Scratch::below(&settings.memory_directory())?;
    let peers = Peers::ready(settings, &scratch.home());
    let certificate = Certificate::make_in(scratch.path())?;
    let file = ServedFile::generate(&scratch.object()?, len)?;
    let site = Site {
        directory: scratch.path(),
        crc64: file.crc64,
        tls: Some((&certificate, CIPHER)),
    };
    let nginx = Nginx::serve(&site)?;
    let source = |url: String| Source {
        url,
        key: KEY.to_owned(),
        file,
        ca_file: Some(certificate.authority.clone()),
    };
    let entries = |source: &Source| {
        vec![
            curl(source),
            tosget(source, &four_tasks(settings)),
            aria2c(source, 4),
            s5cmd(&peers, source),
            boto3(&peers, source),
        ]
    };
    let agreed = agreed(&nginx, entries(&source(nginx.logged_url())), &scratch)?;
    let schedule = Schedule {
        warm_ups: 1,
        rounds: settings.rounds,
        destination: &scratch.destination(),
    };
    let memory = WarmMemory {
        directory: &scratch.home(),
        copy_len: len,
    };
    let results = contest::hold(entries(&source(nginx.url())), &schedule, &memory)?;
    Ok(report
        .with_fact(
            "server",
            format!(
                "{} (without effect here, as it enciphers in user space)",
                Nginx::in_words()
            ),
        )
        .with_fact("protocol and cipher, by the server's log", agreed)
        .with_fact("rounds", schedule.in_words())
        .with_fact("memory given back", WarmMemory::in_words())
        .with_fact(
            "check",
            "length and CRC64 of every copy, outside the measured time",
        )
        .with_results("tls-2gib.svg", results, &[]))
}

/// What the server and each program agreed on, in a run that is not measured.
fn agreed(nginx: &Nginx, entries: Vec<contest::Entry>, scratch: &Scratch) -> Result<String> {
    let destination = scratch.destination();
    let mut agreed = Vec::new();
    for contestant in entries.into_iter().flatten() {
        let run = measured::run(&contestant.name, &mut (contestant.command)(&destination), None);
        if destination.exists() {
            fs::remove_file(&destination).about(destination.display())?;
        }
        let kinds: BTreeSet<String> = nginx.take_log()?.into_iter().map(|request| request.tls).collect();
        if run.is_ok() {
            agreed.push(format!(
                "{} {}",
                contestant.name,
                Vec::from_iter(kinds).join(" and ")
            ));
        }
    }
    Ok(agreed.join(", "))
}
