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
}

impl Wire {
    /// A wire to `server`; `manner` tells what happens to the `n`th connection (from 0).
    pub(crate) async fn to(
        server: SocketAddr,
        manner: impl Fn(usize) -> Manner + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counting.connections.fetch_add(1, Ordering::SeqCst);
                let manner = manner(number);
                let counts = Arc::clone(&counting);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        pass(client, server, manner, &counts).await;
                    }
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
