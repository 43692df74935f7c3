//! An emulator of our own: a server that keeps to the speeds it is given and refuses what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{About, Failure, Result};

const PATIENCE: Duration = Duration::from_secs(30);
/// Ticks of /proc/PID/stat in a second: the kernel's interface has had this value on all of Linux for long.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) struct Emulator {
    process: Child,
    /// `127.0.0.1:PORT`.
    address: String,
}

/// What the emulator has counted since the log was forgotten.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) body_bytes_sent: u64,
    pub(crate) in_flight: u64,
    pub(crate) peak_in_flight: u64,
}

impl Emulator {
    /// With a bucket that anyone may read, empty at first.
    pub(crate) fn start(program: &Path, root: &Path, bucket: &str) -> Result<Self> {
        let mut process = Command::new(program)
            .args(["--listen", "127.0.0.1:0", "--public-read", bucket, "--root"])
            .arg(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .about("tos-emulator")?;
        let mut line = String::new();
        let stdout = process.stdout.take().expect("standard output was piped above");
        BufReader::new(stdout)
            .read_line(&mut line)
            .about("tos-emulator")?;
        let address = line.trim().trim_start_matches("http://").to_owned();
        Ok(Self { process, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Stores generated content and returns its CRC64.
    pub(crate) fn make_object(&self, bucket: &str, key: &str, len: u64) -> Result<u64> {
        let object = json!({"bucket": bucket, "key": key, "size": len, "seed": 1});
        self.control("POST", "objects", &object)?;
        let head = self.exchange(&format!("HEAD /{bucket}/{key} HTTP/1.1"), "")?;
        let crc64 = head
            .lines()
            .find_map(|line| line.strip_prefix("x-tos-hash-crc64ecma: "));
        crc64
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| Failure::new(format!("the emulator names no CRC64 of {key}: {head}")))
    }

    /// Bytes per second of all connections together and of each.
    pub(crate) fn set_bandwidth(&self, total: Option<u64>, per_connection: Option<u64>) -> Result<()> {
        let caps = json!({"total": total, "per_connection": per_connection});
        self.control("PUT", "bandwidth", &caps).map(drop)
    }

    pub(crate) fn set_faults(&self, rules: &Value) -> Result<()> {
        self.control("PUT", "faults", rules).map(drop)
    }

    pub(crate) fn forget_requests(&self) -> Result<()> {
        self.control("DELETE", "requests", &Value::Null).map(drop)
    }

    pub(crate) fn stats(&self) -> Result<Stats> {
        let stats = self.control("GET", "stats", &Value::Null)?;
        let count = |name: &str| stats[name].as_u64().unwrap_or_default();
        Ok(Stats {
            body_bytes_sent: count("body_bytes_sent"),
            in_flight: count("in_flight"),
            peak_in_flight: count("peak_in_flight"),
        })
    }

    /// How many requests were answered, and how many of them with an error.
    pub(crate) fn requests(&self) -> Result<(usize, usize)> {
        let log = self.control("GET", "requests", &Value::Null)?;
        let log = log.as_array().map(Vec::as_slice).unwrap_or_default();
        let refused = log
            .iter()
            .filter(|request| request["status"].as_u64().is_some_and(|status| status >= 400));
        Ok((log.len(), refused.count()))
    }

    /// Seconds of CPU time so far; zero where the kernel does not tell.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.process.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // The name, in parentheses, may have spaces; user and system time are the 12th and 13th fields after it.
        let fields = text.rsplit_once(')').map_or("", |parts| parts.1);
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok());
        ticks.sum::<f64>() / TICKS_PER_SECOND
    }

    fn control(&self, method: &str, name: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.exchange(&format!("{method} /_emulator/{name} HTTP/1.1"), &body)?;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if !head.starts_with("HTTP/1.1 200") {
            return Err(Failure::new(format!(
                "the emulator answered {method} {name} by {answer}"
            )));
        }
        serde_json::from_str(text).map_err(|error| Failure::new(format!("{method} {name}: {error}: {text}")))
    }

    /// The whole answer, head and body.
    fn exchange(&self, request_line: &str, body: &str) -> Result<String> {
        let subject = "the emulator";
        let mut stream = TcpStream::connect(&self.address).about(subject)?;
        stream.set_read_timeout(Some(PATIENCE)).about(subject)?;
        let (host, len) = (&self.address, body.len());
        write!(
            stream,
            "{request_line}\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}"
        )
        .about(subject)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).about(subject)?;
        Ok(answer)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
