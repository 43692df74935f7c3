//! A raw HTTP/1.1 client on a blocking socket: what it sends is what was written, what it gets is every byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tos_emulator::Emulator;

use crate::signing::{Signer, date};

/// Longer than anything here takes, so that a hang fails the test instead of the run.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one emulator.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    pub(crate) signer: Signer,
}

/// A request in the making.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    client: Client,
    method: String,
    target: String,
    /// What goes into the request line instead of the target.
    absolute: Option<String>,
    host: String,
    headers: Vec<(String, String)>,
    unsigned: Vec<(String, String)>,
    body: Vec<u8>,
    anonymous: bool,
    separator: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

/// How the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// After as many bytes as `Content-Length` said.
    Whole,
    /// FIN before that.
    Closed,
    /// RST before that.
    Reset,
}

impl Client {
    pub(crate) fn of(emulator: &Emulator) -> Self {
        let signer = Signer {
            access_key: emulator.access_key().to_owned(),
            secret_key: emulator.secret_key().to_owned(),
            region: emulator.region().to_owned(),
        };
        Self {
            address: emulator.address(),
            signer,
        }
    }

    pub(crate) fn at(address: SocketAddr, access_key: &str, secret_key: &str) -> Self {
        let signer = Signer {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            region: "cn-beijing".to_owned(),
        };
        Self { address, signer }
    }

    /// `target` is the path and the query, encoded.
    pub(crate) fn ask(&self, method: &str, target: &str) -> Ask {
        Ask {
            client: self.clone(),
            method: method.to_owned(),
            target: target.to_owned(),
            absolute: None,
            host: self.host(),
            headers: Vec::new(),
            unsigned: Vec::new(),
            body: Vec::new(),
            anonymous: false,
            separator: ", ".to_owned(),
        }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask("GET", target).send()
    }

    pub(crate) fn head(&self, target: &str) -> Answer {
        self.ask("HEAD", target).send()
    }

    pub(crate) fn put(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask("PUT", target).body(body).send()
    }

    pub(crate) fn delete(&self, target: &str) -> Answer {
        self.ask("DELETE", target).send()
    }

    pub(crate) fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask("POST", target).body(body).send()
    }

    /// A GET of a range.
    pub(crate) fn range(&self, target: &str, range: &str) -> Answer {
        self.ask("GET", target).header("range", range).send()
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the emulator listens");
        stream
            .set_read_timeout(Some(TIMEOUT))
            .expect("a socket takes a timeout");
        stream
    }
}

impl Ask {
    /// A header that is signed.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A header that is not.
    pub(crate) fn unsigned_header(mut self, name: &str, value: &str) -> Self {
        self.unsigned.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// Sends the target in absolute form, as to a proxy.
    pub(crate) fn through_a_proxy(mut self) -> Self {
        self.absolute = Some(format!("http://{}{}", self.host, self.target));
        self
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    pub(crate) fn separator(mut self, separator: &str) -> Self {
        self.separator = separator.to_owned();
        self
    }

    /// Sends the request on a connection of its own, and reads all of the answer.
    pub(crate) fn send(&self) -> Answer {
        let mut stream = self.client.connect();
        self.send_on(&mut stream)
            .unwrap_or_else(|ending| panic!("no answer: {ending:?}"))
    }

    /// As [`send`](Self::send), for answers that may not come.
    pub(crate) fn try_send(&self) -> Result<Answer, Ending> {
        self.send_on(&mut self.client.connect())
    }

    /// Sends the request on `stream` and reads the answer.
    pub(crate) fn send_on(&self, stream: &mut TcpStream) -> Result<Answer, Ending> {
        self.write(stream);
        read(stream, &self.method)
    }

    /// Sends the request without reading anything.
    pub(crate) fn write(&self, stream: &mut TcpStream) {
        stream.write_all(&self.bytes()).expect("the emulator reads");
    }

    /// The request's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut headers = self.headers.clone();
        headers.push(("host".into(), self.host.clone()));
        if !self.anonymous {
            if !headers.iter().any(|(name, _)| name == "x-tos-date") {
                headers.push(("x-tos-date".into(), date(0)));
            }
            let authorization =
                self.client
                    .signer
                    .authorization(&self.method, &self.target, &headers, &self.separator);
            headers.push(("authorization".into(), authorization));
        }
        headers.extend(self.unsigned.iter().cloned());
        if !self.body.is_empty() {
            headers.push(("content-length".into(), self.body.len().to_string()));
        }
        let target = self.absolute.as_ref().unwrap_or(&self.target);
        let head: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let mut bytes = format!("{} {target} HTTP/1.1\r\n{head}\r\n", self.method).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a header that must be there.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a JSON error.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["Code"].as_str().expect("a code").to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }
}

/// Reads an answer to its end; an error is how the connection ended before the head was complete.
pub(crate) fn read(stream: &mut TcpStream, method: &str) -> Result<Answer, Ending> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return Err(Ending::Closed),
            Ok(_) => head.push(byte[0]),
            Err(error) => return Err(ending(&error)),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.trim_end().split("\r\n");
    let status_line = lines.next().expect("a status line");
    let status: u16 = status_line
        .split(' ')
        .nth(1)
        .and_then(|text| text.parse().ok())
        .expect("a status");
    if status == 100 {
        return read(stream, method);
    }
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let announced = headers.iter().find(|(name, _)| name == "content-length");
    let len = announced.map_or(0, |(_, len)| len.parse::<usize>().expect("a length"));
    let bodiless = method == "HEAD" || status == 204 || status == 304;
    let (body, ending) = read_body(stream, if bodiless { 0 } else { len });
    Ok(Answer {
        status,
        headers,
        body,
        ending,
    })
}

fn read_body(stream: &mut TcpStream, len: usize) -> (Vec<u8>, Ending) {
    let mut body = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while body.len() < len {
        let wanted = buffer.len().min(len - body.len());
        match stream.read(&mut buffer[..wanted]) {
            Ok(0) => return (body, Ending::Closed),
            Ok(read) => body.extend_from_slice(&buffer[..read]),
            Err(error) => return (body, ending(&error)),
        }
    }
    (body, Ending::Whole)
}

fn ending(error: &std::io::Error) -> Ending {
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    Ending::Reset
}

/// An emulator on a thread of its own, with the bucket `bkt`, and a client for it.
pub(crate) fn emulator() -> (Emulator, Client) {
    let emulator = Emulator::builder().spawn().expect("a free port");
    emulator.create_bucket("bkt");
    let client = Client::of(&emulator);
    (emulator, client)
}

/// An emulator that keeps its objects in `root`, as another one before it may have done.
pub(crate) fn emulator_in(root: &Path) -> Emulator {
    Emulator::builder().root(root).spawn().expect("a free port")
}

/// Bytes of a ramp modulo a prime, so that a shifted part cannot look right.
pub(crate) fn ramp(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}
