//! What a program takes before it asks for anything, which is what small downloads mostly are.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::Settings;
use crate::bench::chart::{Bar, Chart, Panel};
use crate::bench::contest::{Absent, Contestant};
use crate::bench::figures::{Order, short};
use crate::bench::peers::{KEY, Peers, Source, Tosget, curl, official_sdk, s5cmd, tosget, ve_tos_cli};
use crate::bench::report::{Report, table};
use crate::bench::scratch::Scratch;
use crate::bench::served_file::ServedFile;
use crate::failure::{About, Failure, Result};

/// Milliseconds scatter more than seconds.
const FEWEST_ROUNDS: u32 = 20;
/// No program takes that long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn measure(settings: &Settings) -> Result<Report> {
    let title = "From the start of the process to the first byte of its request";
    let mut report = Report::new(title, &settings.command);
    settings.build()?;
    let scratch = Scratch::below(&settings.memory_directory())?;
    let peers = Peers::ready(settings, &scratch.home());
    let listener = TcpListener::bind("127.0.0.1:0").about("a free port")?;
    let address = listener.local_addr().about("a free port")?;
    let source = Source {
        url: format!("http://{address}"),
        key: KEY.to_owned(),
        file: ServedFile { len: 0, crc64: 0 },
        ca_file: None,
    };
    let program = settings.workspace.release_program("tosget");
    let len = program.metadata().about(program.display())?.len();
    let ours = Tosget {
        program,
        name: "tosget",
        remark: "its defaults",
        options: &[],
    };
    let entries = vec![
        curl(&source),
        tosget(&source, &ours),
        s5cmd(&peers, &source),
        ve_tos_cli(&peers, &source, false),
        official_sdk(&peers, &source),
    ];
    let (mut runs, mut missing): (Vec<(Contestant, Vec<f64>)>, Vec<Absent>) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Ok(contestant) => runs.push((contestant, Vec::new())),
            Err(absent) => missing.push(absent),
        }
    }
    let rounds = settings.rounds.max(FEWEST_ROUNDS);
    for round in 0..=rounds {
        for (contestant, milliseconds) in &mut runs {
            let took = first_byte(contestant, &listener, &scratch.destination())?;
            if round > 0 {
                milliseconds.push(took.as_secs_f64() * 1000.0);
            }
        }
    }
    let orders: Vec<(Contestant, Order)> = runs
        .into_iter()
        .filter_map(|(contestant, milliseconds)| Some((contestant, Order::of(milliseconds)?)))
        .collect();
    let row = |(contestant, order): &(Contestant, Order)| {
        let numbers = [order.median, order.min, order.max].map(short);
        [contestant.name.clone()].into_iter().chain(numbers).collect()
    };
    let rows: Vec<Vec<String>> = orders.iter().map(row).collect();
    let bar = |(contestant, order): &(Contestant, Order)| Bar {
        label: contestant.name.clone(),
        order: *order,
        is_ours: contestant.is_ours,
    };
    let panel = Panel {
        name: "milliseconds (less is better)".to_owned(),
        bars: orders.iter().map(bar).collect(),
    };
    let chart = Chart {
        title: title.to_owned(),
        panels: vec![panel],
    };
    for absent in missing {
        report = report.with_note(format!("Not measured: {}: {}", absent.name, absent.reason));
    }
    for (contestant, _) in &orders {
        let typed = contestant.typed(&scratch.destination());
        report = report.with_ran(format!("{} ({}): `{typed}`", contestant.name, contestant.version));
    }
    Ok(report
        .with_table(table(&["program", "median, ms", "min", "max"], &rows))
        .with_note(format!(
            "The program `tosget` as released, stripped: {:.1} MiB. The listener is a plain socket that reads one byte.",
            len as f64 / f64::from(1 << 20)
        ))
        .with_fact("rounds", format!("{rounds} by turns, after one that is not counted"))
        .with_chart("start-up.svg", chart.to_svg()))
}

/// Starts the program, waits for its first byte, and ends it.
fn first_byte(contestant: &Contestant, listener: &TcpListener, destination: &Path) -> Result<Duration> {
    let mut command = (contestant.command)(destination);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let address = listener.local_addr().about("a free port")?;
    let start = Instant::now();
    let mut child = command.spawn().about(&contestant.name)?;
    let (came, over) = channel::<()>();
    // Instead of a program that never comes, this thread does.
    let watchdog = thread::spawn(move || {
        if over.recv_timeout(PATIENCE).is_err() {
            let _ = TcpStream::connect(address);
        }
    });
    let (mut stream, _) = listener.accept().about("the listener")?;
    let count = stream.read(&mut [0]).about("the listener")?;
    let took = start.elapsed();
    let _ = came.send(());
    let _ = watchdog.join();
    child.kill().about(&contestant.name)?;
    child.wait().about(&contestant.name)?;
    drop(stream);
    forget_waiting(listener)?;
    if count == 0 {
        return Err(Failure::new(format!("{} asked for nothing", contestant.name)));
    }
    Ok(took)
}

/// Connections of a program that has ended must not pass for the next one's.
fn forget_waiting(listener: &TcpListener) -> Result<()> {
    listener.set_nonblocking(true).about("the listener")?;
    while listener.accept().is_ok() {}
    listener.set_nonblocking(false).about("the listener")
}
