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

/// Serves `large(1)` by ranges; the first call ends at two thirds of it, and in the second call the first answers are `odd` ones.
async fn begun_download(odd: Vec<Vec<u8>>, headers: &'static str) -> (RawServer, Place) {
    let (content, begun) = (large(1), Arc::new(AtomicUsize::new(usize::MAX)));
    let is_over = begun.clone();
    let server = RawServer::start(move |number, asked| {
        let since = number.checked_sub(is_over.load(Ordering::SeqCst));
        match (since, asked.range()) {
            (None, Some((first, _))) if first >= 6 << 20 => refuses("400 Bad Request"),
            (Some(number), _) if number < odd.len() => odd[number].clone(),
            _ => of_tos(&content, asked, headers),
        }
    })
    .await;
    let place = Place::new();
    let error = download(&server, &place)
        .await
        .expect_err("it ends before its end");
    assert!(error.is_resumable(), "{}", chain(&error));
    begun.store(server.asked().len(), Ordering::SeqCst);
    (server, place)
}

#[tokio::test]
async fn a_stray_refusal_of_what_is_pinned_does_not_throw_a_checkpoint_away() {
    let strong = "ETag: \"e\"\r\nLast-Modified: Tue, 02 Jan 2024 03:04:05 GMT\r\n";
    let busy = || refuses("503 Busy");
    for (odd, headers) in [
        (vec![refuses("416 Range Not Satisfiable")], strong),
        (vec![refuses("416 Range Not Satisfiable"); 2], strong),
        (vec![refuses("416 Range Not Satisfiable"), busy()], strong),
        (vec![refuses("412 Precondition Failed"), busy()], strong),
        (vec![refuses("412 Precondition Failed"), busy(), busy()], strong),
        (
            vec![refuses("412 Precondition Failed"), refuses("404 Not Found")],
            strong,
        ),
        (vec![refuses("416 Range Not Satisfiable")], OLD),
        (vec![refuses("412 Precondition Failed"), busy()], OLD),
    ] {
        let told: Vec<_> = odd
            .iter()
            .map(|answer| String::from_utf8_lossy(&answer[9..12]).into_owned())
            .collect();
        let (server, place) = begun_download(odd, headers).await;
        let done = download(&server, &place).await;
        let done = done.unwrap_or_else(|error| panic!("{told:?}: {}", chain(&error)));
        assert!(place.content() == large(1), "{told:?}");
        assert!(
            done.bytes_resumed >= 5 * MIB,
            "{told:?}: only {} bytes were kept",
            done.bytes_resumed
        );
        assert_eq!(done.restarts, 0, "{told:?}");
    }
}

#[tokio::test]
async fn a_stray_refusal_in_the_middle_is_a_retry_and_no_replaced_object() {
    for (first, then) in [
        ("416 Range Not Satisfiable", None),
        ("416 Range Not Satisfiable", Some("503 Busy")),
        ("412 Precondition Failed", Some("503 Busy")),
    ] {
        let content = large(1);
        let odd = AtomicUsize::new(0);
        let server = RawServer::start(move |_, asked| {
            if asked.range().is_some_and(|(first, _)| first == 4 << 20) {
                match odd.fetch_add(1, Ordering::SeqCst) {
                    0 => return refuses(first),
                    1 => {
                        if let Some(then) = then {
                            return refuses(then);
                        }
                    }
                    _ => {}
                }
            }
            of_tos(&content, asked, &format!("ETag: \"e\"\r\n{OLD}"))
        })
        .await;
        let place = Place::new();
        let done = download(&server, &place).await;
        let done = done.unwrap_or_else(|error| panic!("{first}, {then:?}: {}", chain(&error)));
        assert!(
            place.content() == large(1) && done.restarts == 0,
            "{first}, {then:?}"
        );
    }
}

#[tokio::test]
async fn a_weak_etag_that_a_server_must_not_match_costs_one_request_and_a_503_is_a_retry() {
    for old in [OLD, "x-tos-hash-crc64ecma: 5\r\n"] {
        let content = large(1);
        let server = RawServer::start(move |number, asked| {
            // As RFC 9110 section 13.1.1 has it.
            if asked.header("if-match").is_some() {
                return refuses("412 Precondition Failed");
            }
            match number {
                2 | 6 => refuses("503 Busy"),
                _ => of_tos(&content, asked, &format!("ETag: W/\"e\"\r\n{old}")),
            }
        })
        .await;
        let place = Place::new();
        let client = server.builder().enable_crc(false).build().expect("good");
        let done = client.download_file(request(&place)).await;
        done.unwrap_or_else(|error| panic!("{}", chain(&error)));
        assert!(place.content() == large(1));
        // Ten pieces, two of them busy; and the tag is tried by no more than the tasks that begin at once.
        let asked = server.asked();
        assert!(asked.len() <= 10 + 2 + 3, "{} requests", asked.len());
        if old == OLD {
            assert!(
                asked
                    .iter()
                    .any(|asked| asked.header("if-unmodified-since").is_some())
            );
        }
    }
}

/// Answers one request with 256 KiB in chunks of no announced length; slowly where it breaks off.
async fn drip(client: &mut TcpStream, breaks_off: bool) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let headers =
        "HTTP/1.1 200 OK\r\nx-tos-request-id: r\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(headers.as_bytes()).await?;
    let chunk = [&b"10000\r\n"[..], &[7; 0x10000], b"\r\n"].concat();
    for _ in 0..4 {
        client.write_all(&chunk).await?;
        if breaks_off {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    if breaks_off {
        Ok(())
    } else {
        client.write_all(b"0\r\n\r\n").await
    }
}

#[tokio::test]
async fn the_one_answer_may_take_longer_than_an_outage_is_borne() {
    // In chunks of no announced length: twice it breaks off after a time that is longer than `retry_for`.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        for number in 0.. {
            let (mut client, _) = listener.accept().await.expect("a client");
            let breaks_off = number < 3;
            // The first one hangs up, since no length is told.
            let _ = drip(&mut client, breaks_off).await;
        }
    });
    let place = Place::new();
    let client = tosget::TosClient::builder()
        .endpoint(&url)
        .anonymous()
        .retry_for(Duration::from_secs(1));
    let client = client.build().expect("good");
    let done = client.download_file(request(&place)).await;
    let done = done.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(done.retries, 2);
    assert!(place.content() == [7; 0x40000]);
}

#[tokio::test]
async fn what_breaks_off_each_time_is_asked_for_as_often_as_was_allowed() {
    let content = large(1);
    let server = RawServer::start(move |_, asked| {
        let answer = whole(
            &content,
            asked,
            "x-tos-request-id: r\r\nETag: \"e\"\r\nConnection: close\r\n",
        );
        answer[..answer.len() / 2].to_vec()
    })
    .await;
    let place = Place::new();
    let client = server.builder().max_retry_count(3).build().expect("good");
    client
        .download_file(request(&place).with_part_size(1 << 30))
        .await
        .expect_err("it never ends");
    place.assert_untouched("broken off");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_length_that_only_some_answers_tell_is_no_other_length() {
    let chunked = |asked: &Asked, ends: bool| {
        let mut answer =
            b"HTTP/1.1 200 OK\r\nx-tos-request-id: r\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                .to_vec();
        if !asked.is_head() {
            answer.extend(b"5\r\nhello\r\n");
        }
        if ends {
            answer.extend(b"0\r\n\r\n");
        }
        answer
    };
    let told = |asked: &Asked| {
        whole(
            b"hello",
            asked,
            "x-tos-request-id: r\r\nETag: \"e\"\r\nConnection: close\r\n",
        )
    };
    // Which answers of a body tell a length. The last one is whole.
    for tells in [[false, true], [false, false]] {
        let bodies = AtomicUsize::new(0);
        let server = RawServer::start(move |number, asked| {
            // The first one is refused for its missing length, and makes it one answer.
            let number = number
                .checked_sub(1)
                .map(|_| bodies.fetch_add(1, Ordering::SeqCst));
            match number {
                None | Some(0) => chunked(asked, false),
                Some(number) if tells[number.min(1)] => told(asked),
                Some(_) => chunked(asked, true),
            }
        })
        .await;
        let place = Place::new();
        let done = download(&server, &place).await;
        let done = done.unwrap_or_else(|error| panic!("{tells:?}: {}", chain(&error)));
        assert_eq!(place.content(), b"hello", "{tells:?}");
        // That it is read by 200 then is no reason of its own.
        assert!(
            done.one_answer.is_some_and(|reason| reason.contains("length")),
            "{tells:?}"
        );
    }
}

/// What a portal, a proxy or another server says in the service's place.
fn page(status: &str) -> Vec<u8> {
    let page = "<html>please log in</html>";
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nLocation: http://portal.test/login\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{page}",
        page.len()
    )
    .into_bytes()
}

const REFUSALS: [&str; 8] = [
    "302 Found",
    "307 Temporary Redirect",
    "400 Bad Request",
    "401 Unauthorized",
    "403 Forbidden",
    "404 Not Found",
    "412 Precondition Failed",
    "416 Range Not Satisfiable",
];

#[tokio::test]
async fn a_refusal_that_does_not_come_from_tos_is_a_retry() {
    for status in REFUSALS {
        for odd in [0, 3] {
            let content = large(1);
            let server = RawServer::start(move |number, asked| match number {
                number if number == odd => page(status),
                _ => of_tos(&content, asked, "ETag: \"e\"\r\n"),
            })
            .await;
            let place = Place::new();
            let done = download(&server, &place).await;
            let done = done.unwrap_or_else(|error| panic!("{status}: {}", chain(&error)));
            assert!(place.content() == large(1), "{status}");
            assert_eq!(done.restarts, 0, "{status}");
        }
    }
}

#[tokio::test]
async fn a_refusal_that_does_not_come_from_tos_is_told_as_such_if_it_stays() {
    for status in REFUSALS {
        let server = RawServer::start(move |_, _| page(status)).await;
        let place = Place::new();
        let error = download(&server, &place).await.expect_err("nothing comes");
        place.assert_untouched(status);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{status}");
        let story = chain(&error);
        assert!(
            story.contains("does not come from TOS")
                && story.contains("please log in")
                && story.contains(&status[..3]),
            "{status}: {story}"
        );
        assert!(
            error.hint().is_some_and(|hint| hint.contains("captive portal")),
            "{status}"
        );
        assert_eq!(server.asked().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn what_nothing_identifies_never_replaces_a_file_that_is_there() {
    let answer = |asked: &Asked| {
        whole(
            b"{\"login\":\"http://portal/\"}",
            asked,
            "Content-Type: application/json\r\nConnection: close\r\n",
        )
    };
    let server = RawServer::start(move |_, asked| answer(asked)).await;
    let client = server.builder().build().expect("good");
    let url = format!("{}/object.bin", server.url);
    let place = Place::new();
    let error = client
        .download_file(DownloadFile::from_pre_signed_url(&url, place.path()))
        .await
        .expect_err("it would be lost");
    place.assert_untouched("portal");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let story = chain(&error);
    assert!(
        story.contains("identifies") && story.contains("application/json"),
        "{story}"
    );
    assert!(
        error.hint().is_some_and(|hint| hint.contains("another name")),
        "{:?}",
        error.hint()
    );

    // Where there is nothing to lose, it comes.
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("object.bin");
    for empty_file in [false, true] {
        if empty_file {
            std::fs::write(&path, b"").expect("written");
        }
        let request = DownloadFile::from_pre_signed_url(&url, &path);
        client
            .download_file(request)
            .await
            .unwrap_or_else(|error| panic!("{}", chain(&error)));
        assert!(std::fs::read(&path).expect("there") != GOOD);
    }
}

#[tokio::test]
async fn a_modification_time_that_cant_be_read_is_one_that_is_not_told() {
    for (etag, comes_in_one) in [("ETag: \"e\"\r\n", false), ("", true)] {
        for time in ["2024-01-02T03:04:05Z", "", "never"] {
            let content = large(1);
            let headers = format!("{etag}Last-Modified: {time}\r\n");
            let server = RawServer::start(move |_, asked| of_tos(&content, asked, &headers)).await;
            let place = Place::new();
            let done = download(&server, &place).await;
            let done = done.unwrap_or_else(|error| panic!("{time:?}: {}", chain(&error)));
            assert!(place.content() == large(1), "{time:?}");
            assert_eq!(
                (done.one_answer.is_some(), done.retries),
                (comes_in_one, 0),
                "{time:?}"
            );
        }
    }
}
