//! Questions that are answered oddly, late or by somebody else: what is there is not lost, and nothing hangs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tosget::{DownloadFile, DownloadFileOutput, Error, ErrorKind};

use crate::support::{BUCKET, MIB, chain};
use crate::unproven::{Asked, GOOD, Place, RawServer, large, of_tos, whole};

/// No download here takes as long, unless it hangs.
const FOR_EVER: Duration = Duration::from_secs(60);

const OLD: &str = "Last-Modified: Tue, 02 Jan 2024 03:04:05 GMT\r\nDate: Tue, 02 Jan 2024 04:04:05 GMT\r\n";

/// An answer without a body.
fn says(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

/// A refusal by the service.
fn refuses(status: &str) -> Vec<u8> {
    says(status, "x-tos-request-id: r1\r\n")
}

fn request(place: &Place) -> DownloadFile {
    DownloadFile::new(BUCKET, "object.bin", place.path())
        .with_part_size(MIB)
        .with_task_num(2)
}

async fn download(server: &RawServer, place: &Place) -> Result<DownloadFileOutput, Error> {
    let client = server.builder().build().expect("good");
    client.download_file(request(place)).await
}

#[tokio::test]
async fn a_second_question_needs_no_second_connection() {
    // An empty object is looked at twice; so is one that nothing identifies, where a URL names it.
    let server = RawServer::start(|_, asked| {
        if asked.path().contains("empty") {
            whole(
                b"",
                asked,
                "x-tos-request-id: r\r\nETag: \"x\"\r\nConnection: close\r\n",
            )
        } else {
            whole(b"nothing identifies it", asked, "Connection: close\r\n")
        }
    })
    .await;
    for connections in [1, 2] {
        let client = server
            .builder()
            .max_connections(connections)
            .build()
            .expect("good");
        let folder = tempfile::tempdir().expect("a directory");
        let mut downloads = Vec::new();
        for number in 0..12 {
            let path = folder.path().join(number.to_string());
            let request = match number % 2 {
                0 => DownloadFile::new(BUCKET, "empty", &path),
                _ => DownloadFile::from_pre_signed_url(format!("{}/full", server.url), &path),
            };
            let client = client.clone();
            downloads.push(tokio::spawn(async move { client.download_file(request).await }));
        }
        for (number, download) in downloads.into_iter().enumerate() {
            let done = timeout(FOR_EVER, download).await.expect("it does not hang");
            let done = done
                .expect("no panic")
                .unwrap_or_else(|error| panic!("{}", chain(&error)));
            let expected = ["", "nothing identifies it"][number % 2];
            assert_eq!(std::fs::read(done.file_path).expect("there"), expected.as_bytes());
        }
    }
}
