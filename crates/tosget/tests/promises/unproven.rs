//! Answers that are no answer of TOS, and servers that say things in their own way: no file is lost to them.

use std::fs;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tos_emulator::{FaultRule, Verdict};
use tosget::{Credentials, DownloadFile, Error, ErrorKind, HeadObject, TosClient, TosClientBuilder};

use crate::logging::listen;
use crate::support::{BUCKET, MIB, World, chain};

/// The head of a request: its first line, and its header lines.
#[derive(Clone, Debug)]
pub(crate) struct Asked(String);

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// First and last byte of the range, if one is asked for; the last byte is left out in an open range.
    pub(crate) fn range(&self) -> Option<(usize, Option<usize>)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().expect("a number"), last.parse().ok()))
    }

    pub(crate) fn path(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn is_head(&self) -> bool {
        self.0.starts_with("HEAD ")
    }
}

/// A server that answers as a function says, and what it was asked.
pub(crate) struct RawServer {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl RawServer {
    pub(crate) async fn start(answer: impl Fn(usize, &Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (log, answer) = (log.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = client.read_u8().await else { return };
                        head.push(byte);
                    }
                    let request = Asked(String::from_utf8(head).expect("ASCII"));
                    let number = {
                        let mut log = log.lock().expect("no panic");
                        log.push(request.clone());
                        log.len() - 1
                    };
                    let _ = client.write_all(&answer(number, &request)).await;
                    let _ = client.shutdown().await;
                });
            }
        });
        Self { url, asked }
    }

    pub(crate) fn builder(&self) -> TosClientBuilder {
        TosClient::builder()
            .endpoint(&self.url)
            .region("cn-beijing")
            .credentials(Credentials::new("AKLT1", "very-secret"))
            .max_retry_count(2)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// The same answer to everything, without a body where HEAD is asked.
fn page(
    status: &'static str,
    headers: &'static str,
    body: &'static str,
) -> impl Fn(usize, &Asked) -> Vec<u8> {
    move |_, asked| {
        let body_sent = if asked.is_head() { "" } else { body };
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body_sent}",
            body.len()
        )
        .into_bytes()
    }
}

const PORTAL: &str = "<!DOCTYPE html>\n<title>\u{1b}[2JHotel Wi-Fi</title><p>Please log in.";
const HTML: &str = "Content-Type: text/html\r\n";
pub(crate) const GOOD: &[u8] = b"a good file";

/// A folder with a good file in the destination's place.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        fs::write(folder.path().join("object.bin"), GOOD).expect("written");
        Self(folder)
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.0.path().join("object.bin")
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        fs::read(self.path()).expect("there")
    }

    #[track_caller]
    pub(crate) fn assert_untouched(&self, what: &str) {
        assert!(self.content() == GOOD, "the file was replaced: {what}");
        assert_eq!(
            fs::read_dir(self.0.path()).expect("readable").count(),
            1,
            "{what}"
        );
    }
}

/// Every way to ask this server for `object.bin`, and what `stat` says there.
async fn every_way(server: &RawServer) -> Vec<(&'static str, Result<(), Error>, Result<(), Error>, Place)> {
    let keyed = server.builder();
    let anonymous = TosClient::builder()
        .endpoint(&server.url)
        .anonymous()
        .max_retry_count(2);
    let domain = keyed.clone().is_custom_domain(true);
    let mut results = Vec::new();
    for (name, builder) in [
        ("keys", keyed.clone()),
        ("anonymous", anonymous),
        ("custom domain", domain),
    ] {
        let (client, place) = (builder.build().expect("good"), Place::new());
        let done = client
            .download_file(DownloadFile::new(BUCKET, "object.bin", place.path()))
            .await;
        let stat = client.head_object(HeadObject::new(BUCKET, "object.bin")).await;
        results.push((name, done.map(drop), stat.map(drop), place));
    }
    for (name, query) in [
        ("public URL", ""),
        ("signed URL", "?X-Tos-Signature=0123456789abcdef"),
    ] {
        let url = format!("{}/object.bin{query}", server.url);
        let (client, place) = (keyed.clone().build().expect("good"), Place::new());
        let done = client
            .download_file(DownloadFile::from_pre_signed_url(&url, place.path()))
            .await;
        let stat = client.head_object(HeadObject::from_pre_signed_url(&url)).await;
        results.push((name, done.map(drop), stat.map(drop), place));
    }
    results
}

#[tokio::test]
async fn a_captive_portals_page_never_replaces_a_file_and_its_first_words_are_told() {
    let with_tags =
        "Content-Type: text/html\r\nETag: \"portal\"\r\nLast-Modified: Tue, 02 Jan 2024 03:04:05 GMT\r\n";
    let xhtml = "Content-Type: application/xhtml+xml; charset=utf-8\r\n";
    for headers in [HTML, with_tags, xhtml] {
        let server = RawServer::start(page("200 OK", headers, PORTAL)).await;
        for (way, done, stat, place) in every_way(&server).await {
            place.assert_untouched(way);
            for error in [done.expect_err(way), stat.expect_err(way)] {
                assert_eq!(error.kind(), ErrorKind::Protocol, "{way}");
                let story = chain(&error);
                assert!(
                    story.contains("does not come from TOS") && story.contains("Hotel Wi-Fi"),
                    "{way}: {story}"
                );
                assert!(!story.contains(char::is_control), "{way}: {story:?}");
                assert!(
                    error.hint().is_some_and(|hint| hint.contains("captive portal")),
                    "{way}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_answer_of_a_tos_endpoint_without_a_request_id_is_not_believed_whatever_its_type() {
    for (status, headers) in [
        (
            "200 OK",
            "Content-Type: application/octet-stream\r\nETag: \"x\"\r\n",
        ),
        ("200 OK", "x-tos-request-id: \r\n"),
        (
            "206 Partial Content",
            "Content-Range: bytes 0-3/4\r\nETag: \"x\"\r\n",
        ),
        ("203 Non-Authoritative", HTML),
    ] {
        let server = RawServer::start(page(status, headers, "oops")).await;
        let (client, place) = (server.builder().build().expect("good"), Place::new());
        let request = DownloadFile::new(BUCKET, "object.bin", place.path());
        let error = client.download_file(request).await.expect_err(status);
        assert!(chain(&error).contains("no x-tos-request-id"), "{}", chain(&error));
        place.assert_untouched(status);
        client
            .head_object(HeadObject::new(BUCKET, "object.bin"))
            .await
            .expect_err("not believed either");
    }
}

#[tokio::test]
async fn an_empty_answer_that_nothing_proves_never_empties_a_file() {
    let server = RawServer::start(page("200 OK", "", "")).await;
    for (way, done, stat, place) in every_way(&server).await {
        place.assert_untouched(way);
        done.expect_err(way);
        stat.expect_err(way);
    }
}

/// An answer of TOS with a range of `content`, or with all of it where none is asked for.
pub(crate) fn of_tos(content: &[u8], asked: &Asked, headers: &str) -> Vec<u8> {
    let headers = format!("{headers}x-tos-request-id: r1\r\nConnection: close\r\n");
    let Some((first, last)) = asked.range() else {
        return whole(content, asked, &headers);
    };
    if first >= content.len() {
        return format!("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n{headers}\r\n")
            .into_bytes();
    }
    let end = last.map_or(content.len(), |last| content.len().min(last + 1));
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{}/{}\r\n{headers}\r\n",
        end - first,
        end - 1,
        content.len()
    );
    [head.as_bytes(), &content[first..end]].concat()
}

pub(crate) fn whole(content: &[u8], asked: &Asked, headers: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n",
        content.len()
    );
    let body = if asked.is_head() { &[] } else { content };
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_first_answer_that_is_empty_by_mistake_is_looked_at_twice() {
    let server = RawServer::start(|number, asked| match number {
        0 => whole(
            b"",
            asked,
            "x-tos-request-id: r\r\nETag: \"x\"\r\nConnection: close\r\n",
        ),
        _ => of_tos(b"the object", asked, "ETag: \"x\"\r\n"),
    });
    let (server, place) = (server.await, Place::new());
    let client = server.builder().build().expect("good");
    let request = DownloadFile::new(BUCKET, "object.bin", place.path());
    let done = client
        .download_file(request.clone())
        .await
        .expect("the second look tells");
    assert_eq!((place.content(), done.retries), (b"the object".to_vec(), 1));

    // The same where the empty answer keeps coming, and where only a question without a body is answered so.
    let server = RawServer::start(|_, asked| match asked.range() {
        Some((0, Some(last))) if last > 0 => {
            whole(b"", asked, "x-tos-request-id: r\r\nConnection: close\r\n")
        }
        None => whole(b"", asked, "x-tos-request-id: r\r\nConnection: close\r\n"),
        Some(_) => of_tos(b"the object", asked, "ETag: \"x\"\r\n"),
    });
    let (server, place) = (server.await, Place::new());
    let client = server.builder().build().expect("good");
    let request = DownloadFile::new(BUCKET, "object.bin", place.path());
    let error = client
        .download_file(request)
        .await
        .expect_err("it contradicts itself");
    assert!(
        chain(&error).contains("then told of 10 bytes"),
        "{}",
        chain(&error)
    );
    place.assert_untouched("empty");
    let stat = client.head_object(HeadObject::new(BUCKET, "object.bin")).await;
    assert!(chain(&stat.expect_err("it contradicts itself")).contains("then told of 10 bytes"));
}

#[tokio::test]
async fn an_object_that_is_empty_indeed_is_downloaded() {
    let server = RawServer::start(|_, asked| {
        whole(
            b"",
            asked,
            "x-tos-request-id: r\r\nETag: \"x\"\r\nConnection: close\r\n",
        )
    });
    let (server, place) = (server.await, Place::new());
    let client = server.builder().build().expect("good");
    let request = DownloadFile::new(BUCKET, "object.bin", place.path());
    client.download_file(request).await.expect("both answers say so");
    assert_eq!(place.content(), b"");
    let stat = client.head_object(HeadObject::new(BUCKET, "object.bin")).await;
    assert_eq!(stat.expect("both answers say so").content_length, 0);
}

pub(crate) const LARGE: usize = 9 * MIB as usize + 7;

pub(crate) fn large(seed: u8) -> Vec<u8> {
    (0..LARGE).map(|index| (index % 251) as u8 ^ seed).collect()
}

/// Serves `large(1)`, holds `If-Match` to `etag` byte for byte, and tells `etag` in every answer.
async fn strict_server(etag: &'static str) -> RawServer {
    let content = large(1);
    RawServer::start(move |_, asked| {
        if asked.header("if-match").is_some_and(|given| given != etag) {
            return b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_vec();
        }
        let old = "Last-Modified: Tue, 02 Jan 2024 03:04:05 GMT\r\nDate: Tue, 02 Jan 2024 04:04:05 GMT\r\n";
        of_tos(&content, asked, &format!("ETag: {etag}\r\n{old}"))
    })
    .await
}

#[tokio::test]
async fn an_etag_goes_back_byte_for_byte_as_the_server_wrote_it() {
    for etag in [
        "\"abc-2\"",
        "abc-2",
        "W/\"abc\"",
        "'abc'",
        "\"abc",
        "abc\"",
        "\"\"abc\"\"",
        "\"a b\"",
        "\"\u{e4}\"",
    ] {
        let (server, place) = (strict_server(etag).await, Place::new());
        let client = server.builder().build().expect("good");
        let request = DownloadFile::new(BUCKET, "object.bin", place.path()).with_part_size(MIB);
        let done = client.download_file(request).await;
        let done = done.unwrap_or_else(|error| panic!("{etag}: {}", chain(&error)));
        assert!(place.content() == large(1), "{etag}");
        assert_eq!(done.retries, 0, "{etag}");
        let pinned = server
            .asked()
            .into_iter()
            .filter(|asked| asked.header("if-match") == Some(etag));
        assert!(pinned.count() >= 8, "{etag}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_its_own_etag_is_told_as_such_and_not_as_a_replaced_object() {
    let refuse = |etag: &'static str| {
        let content = large(1);
        move |_: usize, asked: &Asked| {
            if asked
                .header("if-match")
                .or(asked.header("if-unmodified-since"))
                .is_some()
            {
                return b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    .to_vec();
            }
            let old =
                "Last-Modified: Tue, 02 Jan 2024 03:04:05 GMT\r\nDate: Tue, 02 Jan 2024 04:04:05 GMT\r\n";
            of_tos(&content, asked, &format!("{etag}{old}"))
        }
    };
    for (etag, what) in [("ETag: \"abc\"\r\n", "ETag abc"), ("", "modification time")] {
        let (server, place) = (RawServer::start(refuse(etag)).await, Place::new());
        let client = server.builder().build().expect("good");
        let request = DownloadFile::new(BUCKET, "object.bin", place.path()).with_part_size(MIB);
        let error = client.download_file(request).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Protocol);
        let story = format!("{} {:?}", chain(&error), error.hint());
        assert!(
            story.contains(&format!("refuses the {what} that it gives itself")),
            "{story}"
        );
        assert!(!story.contains("replaced"), "{story}");
    }
    // A weak tag must not match (RFC 9110 section 13.1.1): what comes without the condition is seen to be of the same object.
    let (server, place) = (
        RawServer::start(refuse("ETag: W/\"abc\"\r\n")).await,
        Place::new(),
    );
    let client = server.builder().build().expect("good");
    let request = DownloadFile::new(BUCKET, "object.bin", place.path()).with_part_size(MIB);
    client.download_file(request).await.expect("downloads");
    assert!(place.content() == large(1));
}

#[tokio::test]
async fn another_length_with_the_same_etag_is_asked_again_and_not_taken_for_another_object() {
    let world = World::new().await;
    let size = 8 * MIB + 321;
    world.emulator.put_virtual(BUCKET, "k", size, 1);
    let total = Verdict::WrongContentRange {
        shift: 0,
        total: Some(size + 1),
    };
    world
        .emulator
        .add_fault(FaultRule::new(total).range_from(4 * MIB).times(3));
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("asked again");
    world.assert_destination_is_virtual(1, size);
    assert_eq!((done.retries, done.restarts), (3, 0));
}

/// The request's target and all of its header lines, on one line.
fn echo(asked: &Asked) -> String {
    asked.0.lines().collect::<Vec<_>>().join(" ")
}

/// An answer that repeats what it was asked in every field there is.
fn repeating(status: &str, asked: &Asked) -> Vec<u8> {
    let (said, target) = (
        echo(asked),
        asked.0.split(' ').nth(1).unwrap_or_default().to_owned(),
    );
    let json = said.replace('\\', "").replace('"', "'");
    let body = format!(
        "{{\"Code\":\"{json}\",\"Message\":\"{json}\",\"RequestId\":\"{json}\",\"HostId\":\"{json}\",\"EC\":\"{json}\",\
         \"Resource\":\"{target}\"}}"
    );
    let body = if asked.is_head() { String::new() } else { body };
    let length = body.len();
    let named = [
        "x-tos-request-id",
        "x-tos-id-2",
        "x-tos-ec",
        "x-echo",
        "content-type",
        "x-tos-storage-class",
    ];
    let lines: String = named
        .iter()
        .map(|name| format!("{name}: {said} \u{9b}2J\r\n"))
        .collect();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Range: bytes 0-{}/{length}\r\nETag: \"e\"\r\n\
         Location: https://elsewhere.test{target}\r\nConnection: close\r\n{lines}\r\n{body}",
        length.max(1) - 1,
    )
    .into_bytes()
}

#[tokio::test]
async fn i10_what_a_server_repeats_of_a_request_is_in_no_output() {
    const SECRETS: [&str; 4] = [
        "zq-echoed-token",
        "zq-echoed-signature",
        "very-secret",
        "Signature=",
    ];
    let log = listen();
    for status in [
        "206 Partial Content",
        "200 OK",
        "302 Found",
        "403 Forbidden",
        "404 Not Found",
        "503 Busy",
    ] {
        let server = RawServer::start(move |_, asked| repeating(status, asked)).await;
        let keys = Credentials::new("AKLT1", "very-secret").with_security_token("zq-echoed-token");
        let client = server
            .builder()
            .credentials(keys)
            .max_retry_count(1)
            .build()
            .expect("good");
        let url = format!("{}/log-echo?X-Tos-Signature=zq-echoed-signature&x=1", server.url);
        let folder = tempfile::tempdir().expect("a directory");
        let mut shown = String::new();
        for request in [
            DownloadFile::new(BUCKET, "log-echo", folder.path().join("a")),
            DownloadFile::from_pre_signed_url(&url, folder.path().join("b")),
        ] {
            shown.push_str(&match client.download_file(request).await {
                Ok(done) => format!("{done:?}\n"),
                Err(error) => told(&error),
            });
        }
        for request in [
            HeadObject::new(BUCKET, "log-echo"),
            HeadObject::from_pre_signed_url(&url),
        ] {
            shown.push_str(&match client.head_object(request).await {
                Ok(object) => format!("{object:?}\n"),
                Err(error) => told(&error),
            });
        }
        assert!(shown.contains("<redacted>"), "{status}: {shown}");
        let text = log.text();
        for line in shown
            .lines()
            .chain(text.lines().filter(|line| line.contains("log-echo")))
        {
            for secret in SECRETS {
                assert!(!line.contains(secret), "{status}: {secret} in {line}");
            }
            assert!(!line.contains('\u{9b}'), "{status}: {line:?}");
        }
    }
}

/// Everything there is to an error.
fn told(error: &Error) -> String {
    let server = error.server().map(|server| {
        let fields = [
            &server.code,
            &server.message,
            &server.request_id,
            &server.host_id,
            &server.ec,
            &server.resource,
        ];
        format!("{fields:?} {:?} {}", server.headers, server.request_url)
    });
    format!("{error:?} {} {:?} {server:?}\n", chain(error), error.hint())
}
