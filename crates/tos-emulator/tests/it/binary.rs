//! The command.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tos_emulator::virtual_content;

use crate::client::Client;

struct Running {
    child: Child,
    url: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tos-emulator"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--access-key",
                "AK",
                "--secret-key",
                "SK",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut url = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        Self {
            child,
            url: url.trim_end().to_owned(),
        }
    }

    fn client(&self) -> Client {
        let address = self
            .url
            .rsplit('/')
            .next()
            .and_then(|text| text.parse::<SocketAddr>().ok());
        Client::at(address.expect("an address"), "AK", "SK")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .expect("the binary ends");
    }
}

#[test]
fn one_line_names_the_url_and_objects_survive_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().to_str().expect("text");
    let mut first = Running::start(&["--root", root]);
    assert!(first.url.starts_with("http://127.0.0.1:"), "{}", first.url);
    first.client().put("/bkt", "").expect(200);
    first.client().put("/bkt/k", "survives").expect(200);
    first.child.kill().expect("a kill");
    let mut rest = String::new();
    first
        .child
        .stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut rest)
        .expect("text");
    assert_eq!(rest, "");
    drop(first);
    let second = Running::start(&["--root", root, "--public-read", "bkt", "--public-read", "new"]);
    assert_eq!(
        second
            .client()
            .ask("GET", "/bkt/k")
            .anonymous()
            .send()
            .expect(200)
            .text(),
        "survives"
    );
    second.client().ask("HEAD", "/new").send().expect(200);
}

#[test]
fn flags_reach_the_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let faults = directory.path().join("faults.json");
    std::fs::write(
        &faults,
        r#"[{"key": "gone", "verdict": {"status": {"status": 418}}}]"#,
    )
    .expect("a write");
    let running = Running::start(&[
        "--faults",
        faults.to_str().expect("text"),
        "--grant-range-crc",
        "--custom-domain",
        "cdn.example.com=media",
        "--base-domain",
        "objects.example",
        "--temporary-key",
        "STS:secret:token",
        "--public-read",
        "media",
    ]);
    let client = running.client();
    client
        .ask("GET", "/gone")
        .host("cdn.example.com")
        .anonymous()
        .send()
        .expect(418);
    let body = r#"{"bucket": "media", "key": "v", "size": 100, "seed": 1}"#;
    client
        .ask("POST", "/_emulator/objects")
        .anonymous()
        .body(body)
        .send()
        .expect(200);
    let ask = client
        .ask("GET", "/v")
        .host("media.objects.example")
        .header("range", "bytes=0-9");
    let ask = ask
        .header("x-tos-trailer", "x-tos-hash-range-crc64ecma")
        .header("accept-encoding", "tos-raw-trailer");
    assert_eq!(
        ask.send().expect(206).body[..10],
        virtual_content(1).read_at(0, 10)
    );
    let temporary = Client::at(client.connect().peer_addr().expect("an address"), "STS", "secret");
    temporary
        .ask("HEAD", "/media")
        .header("x-tos-security-token", "token")
        .send()
        .expect(200);
}

#[test]
fn what_cannot_be_is_told_on_stderr() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tos-emulator"))
            .args(arguments)
            .output()
            .expect("it runs");
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(run(&["--faults", "/no/such/file"]).contains("/no/such/file"));
    assert!(run(&["--tls-cert", "x"]).contains("--tls-key"));
    assert!(run(&["--custom-domain", "x"]).contains("HOST=BUCKET"));
}

#[cfg(target_os = "linux")]
#[test]
fn with_too_few_files_it_serves_or_names_the_limit() {
    for files in 4..=20 {
        let binary = env!("CARGO_BIN_EXE_tos-emulator");
        let started = Command::new("prlimit")
            .args([&format!("--nofile={files}"), binary, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            eprintln!("skipped: there is no prlimit");
            return;
        };
        let mut url = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut url)
            .expect("a line, or its end");
        // One that serves would go on for ever; one that does not has ended.
        let _ = child.kill();
        let ended = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!said.contains("panicked"), "{files}: {said}");
        assert!(
            url.starts_with("http://")
                || said.contains("ulimit -n")
                || said.contains("os error 24")
                || said.contains("Error 24"),
            "{files}: {said}"
        );
    }
}
