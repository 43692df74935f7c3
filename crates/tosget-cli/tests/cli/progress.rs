//! The progress line on a terminal: it fits, and it does not lie after a resume.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::stage::{MIB, Running, Stage};

const SIZE: u64 = 48 * MIB;
const RATE: u64 = 16 * MIB;

/// What a command writes to a terminal of so many columns.
fn on_a_terminal(columns: u16, mut command: Command) -> String {
    let (master, slave) = terminal(columns);
    command.stdout(Stdio::null()).stderr(slave);
    let running = Running::start_as_is(&mut command);
    // The command holds our end of the terminal open.
    drop(command);
    let reader = thread::spawn(move || {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        let mut master = File::from(master);
        // Reading fails when the last writer is gone.
        while let Ok(length @ 1..) = master.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8(bytes).expect("UTF-8")
    });
    running.wait().ends_with(0);
    reader.join().expect("read")
}

pub(crate) fn terminal(columns: u16) -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("granted");
    unlockpt(&master).expect("unlocked");
    let name = ptsname(&master, Vec::new()).expect("a name");
    let slave = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).expect("a size");
    (master, slave)
}

fn drawn(screen: &str) -> Vec<&str> {
    let lines = screen
        .split(['\r', '\n'])
        .map(|line| line.trim_end_matches("\u{1b}[K"));
    lines
        .filter(|line| line.contains('%') && !line.contains("done:"))
        .collect()
}

#[test]
fn it_fits_on_terminals_of_any_width() {
    for columns in [120, 60, 40, 12] {
        let stage = Stage::with_big_object(SIZE / 2);
        stage.slow_down(RATE);
        let screen = on_a_terminal(columns, stage.command(&["get", "tos://bkt/big"]));
        let lines = drawn(&screen);
        assert!(lines.len() > 5, "{screen:?}");
        for line in lines {
            assert!(line.len() < usize::from(columns), "{columns}: {line:?}");
        }
        assert!(screen.contains("done:"), "{screen:?}");
    }
}

#[test]
fn after_a_resume_the_rate_is_that_of_the_network() {
    let stage = Stage::with_big_object(SIZE);
    let get = ["get", "tos://bkt/big", "--part-size", "1MiB"];
    stage.slow_down(2 * RATE);
    let running = stage.start(&get);
    stage.wait_until_sent(SIZE / 2);
    running.kill();
    stage.slow_down(RATE);
    let screen = on_a_terminal(140, stage.command(&get));
    let lines = drawn(&screen);
    let resumed: Vec<_> = lines.iter().filter(|line| line.contains("% resumed")).collect();
    assert!(resumed.len() > 3, "{screen:?}");
    for line in &resumed {
        let rate = line.split("  ").find_map(|field| field.strip_suffix(" MiB/s"));
        let Some(rate) = rate else { continue };
        let rate: f64 = rate.trim().parse().expect("a number");
        assert!(rate < 1.5 * (RATE / MIB) as f64, "{line}");
        assert!(line.contains("[===="), "{line}");
    }
}

/// The lines that are left on a terminal wide enough for all of them.
fn left_on_the_screen(written: &str) -> Vec<String> {
    let (mut lines, mut column) = (vec![Vec::new()], 0);
    let mut rest = written.chars();
    while let Some(character) = rest.next() {
        let line: &mut Vec<char> = lines.last_mut().expect("never empty");
        match character {
            '\r' => column = 0,
            '\n' => lines.push(Vec::new()),
            '\u{1b}' if rest.as_str().starts_with("[K") => {
                line.truncate(column);
                rest.nth(1);
            }
            _ => {
                if column < line.len() {
                    line[column] = character;
                } else {
                    line.push(character);
                }
                column += 1;
            }
        }
    }
    lines.into_iter().map(String::from_iter).collect()
}

#[test]
fn the_log_and_the_progress_line_leave_each_other_whole() {
    let stage = Stage::with_big_object(SIZE / 2);
    stage.slow_down(RATE);
    let get = ["get", "tos://bkt/big", "-vv", "--part-size", "256KiB"];
    let screen = on_a_terminal(200, stage.command(&get));
    assert!(drawn(&screen).len() > 5, "{screen:?}");
    let left = left_on_the_screen(&screen);
    let is_log = |line: &&String| line.starts_with("20") && line.contains(" tosget::");
    assert!(left.iter().filter(is_log).count() >= 96 + 3, "{left:#?}");
    for line in &left {
        let is_whole = is_log(&line) || line.contains("done:") || line.is_empty();
        assert!(is_whole && !line.contains("%  ["), "{line}");
    }
}

#[test]
fn no_color_and_quiet_are_honoured() {
    let stage = Stage::with_big_object(MIB);
    let get = ["get", "tos://bkt/big"];
    let screen = on_a_terminal(80, stage.command(&["get", "tos://bkt/big", "--quiet"]));
    assert_eq!(screen, "");
    let screen = on_a_terminal(80, stage.command(&get));
    assert!(screen.contains("\u{1b}[1;32mdone:"), "{screen:?}");
    let mut plain = stage.command(&get);
    plain.env("NO_COLOR", "1");
    let screen = on_a_terminal(80, plain);
    assert!(
        screen.contains("done:") && !screen.contains("\u{1b}["),
        "{screen:?}"
    );
}
