//! What the emulator can deliver to a client that does nothing: no program can be blamed for what is missing there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::emulator::Emulator;
use crate::bench::peers::{BUCKET, KEY};
use crate::bench::shaped::link::Link;
use crate::failure::{About, Failure, Result};

/// How long plain sockets read.
const TIME: Duration = Duration::from_secs(4);
const BUFFER_LEN: usize = 256 << 10;

/// Reads by as many sockets as the link takes, and tells how fast that was and what it cost the emulator.
pub(crate) fn reached(emulator: &Emulator, link: &Link) -> Result<String> {
    let (start, cpu) = (Instant::now(), emulator.cpu_seconds());
    let readers: Vec<_> = (0..link.needed)
        .map(|_| {
            let address = emulator.address().to_owned();
            thread::spawn(move || read_for(&address, TIME))
        })
        .collect();
    let mut bytes = 0;
    for reader in readers {
        let read = reader.join().map_err(|_| Failure::new("a reading thread died"))?;
        bytes += read?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let speed = bytes as f64 / seconds;
    Ok(format!(
        "{} plain socket(s) read {:.0} MB/s, {:.1} % of the best; the emulator used {:.0} % of a core meanwhile",
        link.needed,
        speed / 1e6,
        100.0 * speed / link.best() as f64,
        100.0 * (emulator.cpu_seconds() - cpu) / seconds,
    ))
}

fn read_for(address: &str, time: Duration) -> Result<u64> {
    let subject = "a plain socket";
    let end = Instant::now() + time;
    let mut stream = TcpStream::connect(address).about(subject)?;
    write!(stream, "GET /{BUCKET}/{KEY} HTTP/1.1\r\nHost: {address}\r\n\r\n").about(subject)?;
    let mut buffer = vec![0; BUFFER_LEN];
    let mut bytes = 0;
    while Instant::now() < end {
        let count = stream.read(&mut buffer).about(subject)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
    }
    Ok(bytes)
}
