//! A wire between a client and a server that a test can cut wherever it likes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Through,
    /// The server's side falls silent for good after so many bytes, and the connection is closed.
    CutAfter(usize),
    /// It is closed when a second request comes, as by a server that was tired of waiting for it.
    CloseAtSecondRequest,
    /// It is reset when a request comes.
    Reset,
    /// Nothing is ever said.
    Silent,
    /// A request is answered so, and the connection is closed.
    Says(&'static str),
}

/// Passes on what comes, connection by connection. It ends with the test's runtime.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    bytes_down: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Wire {
    /// A wire to `server`; `manner` tells what happens to the `n`th connection (from 0).
    pub(crate) async fn to(
        server: SocketAddr,
        manner: impl Fn(usize) -> Manner + Send + Sync + 'static,
    ) -> Self {
        Self::between(server, move |number, _| manner(number)).await
    }

    /// A wire that lets `most` connections through at a time, and treats all others in another manner.
    pub(crate) async fn limited(server: SocketAddr, most: usize, others: Manner) -> Self {
        Self::between(
            server,
            move |_, open| if open <= most { Manner::Through } else { others },
        )
        .await
    }

    /// `manner` is told the connection's number, from 0, and how many are open with it.
    async fn between(
        server: SocketAddr,
        manner: impl Fn(usize, usize) -> Manner + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counting.connections.fetch_add(1, Ordering::SeqCst);
                let open = counting.open.fetch_add(1, Ordering::SeqCst) + 1;
                counting.most_open.fetch_max(open, Ordering::SeqCst);
                let manner = manner(number, open);
                let counts = Arc::clone(&counting);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        pass(client, server, manner, &counts).await;
                    }
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counts }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// The most that were open at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.counts.most_open.load(Ordering::SeqCst)
    }

    /// Bytes that went to clients so far.
    pub(crate) fn bytes_down(&self) -> usize {
        self.counts.bytes_down.load(Ordering::SeqCst)
    }
}

/// Returns, and so closes both ends, when either end has closed or the manner says so.
async fn pass(mut client: TcpStream, mut server: TcpStream, manner: Manner, counts: &Counts) {
    let mut room = match manner {
        Manner::CutAfter(bytes) => bytes,
        Manner::Through | Manner::CloseAtSecondRequest => usize::MAX,
        Manner::Reset | Manner::Silent | Manner::Says(_) => return refuse(client, manner).await,
    };
    let (mut up, mut down) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let mut has_answered = false;
    while room > 0 {
        tokio::select! {
            read = client.read(&mut up) => {
                let len = read.unwrap_or(0);
                let is_second = matches!(manner, Manner::CloseAtSecondRequest) && has_answered;
                if len == 0 || is_second || server.write_all(&up[..len]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let len = read.unwrap_or(0).min(room);
                if len == 0 || client.write_all(&down[..len]).await.is_err() {
                    return;
                }
                has_answered = true;
                room -= len;
                counts.bytes_down.fetch_add(len, Ordering::SeqCst);
            }
        }
    }
}

/// Lets nobody through.
async fn refuse(mut client: TcpStream, manner: Manner) {
    let mut request = vec![0; 16 << 10];
    while client.read(&mut request).await.is_ok_and(|len| len > 0) {
        match manner {
            Manner::Silent => continue,
            Manner::Says(answer) => {
                let _ = client.write_all(answer.as_bytes()).await;
            }
            // What was received and not read makes it a reset.
            _ => client.set_zero_linger().expect("a socket"),
        }
        return;
    }
}
