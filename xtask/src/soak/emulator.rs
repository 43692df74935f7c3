//! A `tos-emulator` of our own: started as a process, told what to do over its control endpoint.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::content::Content;
use crate::failure::{About, Failure, Result};

/// Anyone may read it, so that we can ask for an object without signing.
pub(crate) const BUCKET: &str = "soak";

/// The emulator answers from memory; this is for a machine that is busy.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// A running emulator, ended when dropped.
pub(crate) struct Emulator {
    child: Child,
    /// `HOST:PORT`.
    address: String,
    stderr: PathBuf,
}

impl Emulator {
    /// Starts `program`, which writes its objects and what it says on stderr below `directory`.
    pub(crate) fn start(program: &Path, directory: &Path, grants_range_crc: bool) -> Result<Self> {
        fs::create_dir_all(directory).about(directory.display())?;
        let stderr = directory.join("stderr");
        let mut command = Command::new(program);
        command
            .args(["--listen", "127.0.0.1:0", "--public-read", BUCKET, "--root"])
            .arg(directory.join("objects"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).about(stderr.display())?);
        if grants_range_crc {
            command.arg("--grant-range-crc");
        }
        let mut child = command.spawn().about(program.display())?;
        let stdout = child.stdout.take().expect("standard output was piped above");
        let mut url = String::new();
        BufReader::new(stdout)
            .read_line(&mut url)
            .about(program.display())?;
        let address = url.trim().strip_prefix("http://").map(str::to_owned);
        let emulator = Self {
            child,
            address: address.unwrap_or_default(),
            stderr,
        };
        if emulator.address.is_empty() {
            return Err(Failure::new(format!(
                "the emulator said {url:?} instead of its URL"
            )));
        }
        Ok(emulator)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes the object under `key` this content.
    pub(crate) fn put(&self, key: &str, content: Content) -> Result<()> {
        let Content { seed, size } = content;
        let object = json!({"bucket": BUCKET, "key": key, "size": size, "seed": seed});
        self.control("POST", "objects", &object).map(drop)
    }

    /// What is under `key` now. The emulator's ETags begin with the seed.
    pub(crate) fn current(&self, key: &str) -> Result<Content> {
        let head = self.exchange("HEAD", &format!("/{BUCKET}/{key}"), "")?.head;
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.find_map(|(given, value)| given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned()))
        };
        let seed = header("etag").and_then(|etag| u64::from_str_radix(etag.get(1..17)?, 16).ok());
        let size = header("content-length").and_then(|length| length.parse().ok());
        match (seed, size) {
            (Some(seed), Some(size)) => Ok(Content { seed, size }),
            _ => Err(Failure::new(format!("the emulator described {key} as {head:?}"))),
        }
    }

    pub(crate) fn set_faults(&self, rules: &[&Value]) -> Result<()> {
        self.control("PUT", "faults", &json!(rules)).map(drop)
    }

    /// Bytes per second of all bodies together; `None` for no limit.
    pub(crate) fn set_bandwidth(&self, total: Option<u64>) -> Result<()> {
        self.control("PUT", "bandwidth", &json!({ "total": total }))
            .map(drop)
    }

    /// The names of the verdicts that struck since the last call.
    pub(crate) fn take_strikes(&self) -> Result<Vec<String>> {
        let records = self.control("GET", "requests", &Value::Null)?;
        self.control("DELETE", "requests", &Value::Null)?;
        let records = records.as_array().map(Vec::as_slice).unwrap_or_default();
        let strikes = records.iter().filter_map(|record| record["faults"].as_array());
        let names = strikes.flatten().filter_map(Value::as_str);
        Ok(names.map(str::to_owned).collect())
    }

    /// What it complained of; an emulator that works has nothing to say.
    pub(crate) fn complaints(&self) -> Result<String> {
        fs::read_to_string(&self.stderr).about(self.stderr.display())
    }

    fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.exchange(method, &format!("/_emulator/{path}"), &body)?;
        if !answer.head.starts_with("HTTP/1.1 200 ") {
            return Err(Failure::new(format!(
                "{method} {path}: {}{}",
                answer.head, answer.body
            )));
        }
        serde_json::from_str(&answer.body)
            .map_err(|error| Failure::new(format!("{method} {path}: {error} in {:?}", answer.body)))
    }

    /// One request on a connection of its own, so that the answer ends where the connection does.
    fn exchange(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let about = || format!("{method} {}{path}", self.url());
        let mut stream = TcpStream::connect(&self.address).about(about())?;
        stream.set_read_timeout(Some(LONGEST_ANSWER)).about(about())?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).about(about())?;
        let mut text = String::new();
        stream.read_to_string(&mut text).about(about())?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Ok(Answer {
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }
}

struct Answer {
    head: String,
    body: String,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
