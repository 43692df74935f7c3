//! A server for tests that says what a script says, byte for byte, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::conditions::Conditions;
use crate::config::TosClientBuilder;
use crate::credentials::Credentials;
use crate::error::attempt::AttemptError;
use crate::object::ObjectId;
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::source::{Attempt, Body, HeadRequest, RangeRequest, RangeResponse, Source};
use crate::terms::Terms;

/// What the server does with the requests it gets, in their order.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends these bytes and waits for the next request on the same connection.
    Answer(Vec<u8>),
    /// Sends these bytes and closes the connection.
    AnswerAndClose(Vec<u8>),
    /// Sends these bytes and then nothing, until the client closes the connection.
    AnswerAndStall(Vec<u8>),
    /// The client now speaks TLS; the request after that takes the next step.
    AnswerAndStartTls(Vec<u8>),
}

/// A listening server. It ends with the test's runtime.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    script: Mutex<Vec<Step>>,
    /// Heads of the requests, in their order.
    asked: Mutex<Vec<String>>,
    connections: Mutex<usize>,
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// Plays the steps one per request, on however many connections they come.
    pub(super) async fn start(script: Vec<Step>) -> Self {
        Self::listen(script, None, false).await
    }

    /// The same behind TLS.
    pub(super) async fn start_tls(script: Vec<Step>, tls: TlsAcceptor) -> Self {
        Self::listen(script, Some(tls), true).await
    }

    /// A proxy that can turn to TLS in the middle of a connection.
    pub(super) async fn start_proxy(script: Vec<Step>, tls: TlsAcceptor) -> Self {
        Self::listen(script, Some(tls), false).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.state.asked.lock().expect("no panic").clone()
    }

    /// The only request.
    pub(super) fn only_request(&self) -> String {
        let [request] = self.asked().try_into().expect("one request");
        request
    }

    pub(super) fn connections(&self) -> usize {
        *self.state.connections.lock().expect("no panic")
    }

    async fn listen(mut script: Vec<Step>, tls: Option<TlsAcceptor>, tls_at_once: bool) -> Self {
        script.reverse();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            script: Mutex::new(script),
            asked: Mutex::default(),
            connections: Mutex::default(),
            tls,
        });
        tokio::spawn(accept(listener, Arc::clone(&state), tls_at_once));
        Self { address, state }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, tls_at_once: bool) {
    while let Ok((tcp, _)) = listener.accept().await {
        *state.connections.lock().expect("no panic") += 1;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            match &state.tls {
                Some(tls) if tls_at_once => {
                    if let Ok(stream) = tls.accept(tcp).await {
                        play(Box::new(stream), &state).await;
                    }
                }
                _ => play(Box::new(tcp), &state).await,
            }
        });
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn play(mut stream: Box<dyn Stream>, state: &State) {
    while let Some(head) = read_head(&mut stream).await {
        state.asked.lock().expect("no panic").push(head);
        let step = state.script.lock().expect("no panic").pop();
        match step.expect("the script foresees this request") {
            Step::Answer(bytes) => {
                let _ = stream.write_all(&bytes).await;
            }
            Step::AnswerAndClose(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Step::AnswerAndStall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Step::AnswerAndStartTls(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let tls = state.tls.as_ref().expect("a server with TLS");
                let Ok(secured) = tls.accept(stream).await else {
                    return;
                };
                stream = Box::new(secured);
            }
        }
    }
}

/// Up to the empty line; `None` when the client has gone.
async fn read_head(stream: &mut Box<dyn Stream>) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).expect("clients send ASCII"))
}

/// A 206 of `body` as the range from 0 of an object of `total` bytes, with further header lines.
pub(super) fn partial(body: &[u8], total: usize, headers: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes 0-{}/{total}\r\nx-tos-request-id: r\r\n{headers}\r\n",
        body.len(),
        body.len() - 1,
    );
    [head.as_bytes(), body].concat()
}

/// A refusal with this status line, header lines and body.
pub(super) fn refusal(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

pub(super) fn object(key: &str) -> ObjectId {
    ObjectId::new("bkt", key)
}

pub(super) const FIRST: Attempt = Attempt {
    number: 1,
    max_retries: 3,
    silence: None,
};

/// Whether a request has this header line; names compare without case.
pub(super) fn has_line(request: &str, line: &str) -> bool {
    let (name, value) = line.split_once(": ").expect("a header line");
    request.lines().any(|sent| {
        sent.split_once(": ")
            .is_some_and(|(sent_name, sent)| sent_name.eq_ignore_ascii_case(name) && sent == value)
    })
}

/// A builder for this server with test keys.
pub(super) fn builder(server: &Server) -> TosClientBuilder {
    TosClientBuilder::new()
        .endpoint(server.url())
        .region("cn-beijing")
        .credentials(Credentials::new("AKLT1", "very-secret"))
}

/// Asks for the first `length` bytes of `bkt/k`.
pub(super) async fn get(source: &dyn Source, length: u64) -> Result<RangeResponse, AttemptError> {
    let request = RangeRequest {
        object: &object("k"),
        range: ByteRange::new(0, length).expect("not empty"),
        pin: None,
        conditions: None,
        terms: &Terms::default(),
        attempt: FIRST,
    };
    source.get(request).await
}

pub(super) async fn head(source: &dyn Source) -> Result<ResponseHead, AttemptError> {
    head_of(source, &object("k")).await
}

pub(super) async fn head_of(source: &dyn Source, object: &ObjectId) -> Result<ResponseHead, AttemptError> {
    let request = HeadRequest {
        object,
        conditions: &Conditions::default(),
        terms: &Terms::default(),
        attempt: FIRST,
    };
    source.head(request).await
}

/// Reads a body to its end.
pub(super) async fn read_all(body: &mut (dyn Body + 'static)) -> Result<Vec<u8>, AttemptError> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}
