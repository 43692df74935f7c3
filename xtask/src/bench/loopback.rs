//! One large object over loopback HTTP: what the client itself costs when neither network nor disk is in its way.

use crate::bench::contest::{self, Schedule};
use crate::bench::nginx::{Nginx, Site};
use crate::bench::peers::{
    KEY, Peers, Source, Tosget, aria2c, awscrt, boto3, curl, obstore, official_sdk, s5cmd, tosget, ve_tos_cli,
};
use crate::bench::report::Report;
use crate::bench::scratch::Scratch;
use crate::bench::served_file::ServedFile;
use crate::bench::warm::WarmMemory;
use crate::bench::{Settings, size_in_words};
use crate::failure::Result;

const OBJECT_MIB: u64 = 2 << 10;

pub(crate) fn measure(settings: &Settings) -> Result<Report> {
    let len = settings.object_len(OBJECT_MIB);
    let title = format!("{} over loopback HTTP to a RAM disk", size_in_words(len));
    let report = Report::new(title, &settings.command);
    settings.build()?;
    let scratch = Scratch::below(&settings.memory_directory())?;
    let peers = Peers::ready(settings, &scratch.home());
    let file = ServedFile::generate(&scratch.object()?, len)?;
    let nginx = Nginx::serve(&Site {
        directory: scratch.path(),
        crc64: file.crc64,
        tls: None,
    })?;
    let source = Source {
        url: nginx.url(),
        key: KEY.to_owned(),
        file,
        ca_file: None,
    };
    let entries = vec![
        curl(&source),
        tosget(&source, &four_tasks(settings)),
        aria2c(&source, 4),
        s5cmd(&peers, &source),
        awscrt(&peers, &source),
        boto3(&peers, &source),
        obstore(&peers, &source),
        official_sdk(&peers, &source),
        ve_tos_cli(&peers, &source, false),
        ve_tos_cli(&peers, &source, true),
    ];
    let schedule = Schedule {
        warm_ups: 1,
        rounds: settings.rounds,
        destination: &scratch.destination(),
    };
    let memory = WarmMemory {
        directory: &scratch.home(),
        copy_len: len,
    };
    let results = contest::hold(entries, &schedule, &memory)?;
    Ok(report
        .with_fact("server", Nginx::in_words())
        .with_fact("rounds", schedule.in_words())
        .with_fact("memory given back", WarmMemory::in_words())
        .with_fact(
            "check",
            "length and CRC64 of every copy, outside the measured time",
        )
        .with_results("loopback-2gib.svg", results, &[]))
}

pub(crate) fn four_tasks(settings: &Settings) -> Tosget {
    Tosget {
        program: settings.workspace.release_program("tosget"),
        name: "tosget",
        remark: "4 tasks",
        options: &["--task-num", "4"],
    }
}
