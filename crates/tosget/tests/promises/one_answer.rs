//! Servers that ignore ranges, tell no length, or tell nothing that identifies an object: it comes in one answer, and is proven like
//! any other.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use tosget::{DownloadEventType, DownloadFile, ErrorKind, HeadObject, Recheck, Verification};

use crate::support::{BUCKET, MIB, chain};
use crate::unproven::{Asked, LARGE, Place, RawServer, large, of_tos, whole};

/// CRC-64/XZ, bit by bit: nothing of the library's.
fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = u64::MAX;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xC96C_5795_D787_0F42 } else { 0 };
        }
    }
    !crc
}

/// Headers of an answer of TOS that is proven by its CRC64.
fn proven(content: &[u8]) -> String {
    let crc = crc64(content);
    format!("x-tos-request-id: r\r\nETag: \"e\"\r\nx-tos-hash-crc64ecma: {crc}\r\nConnection: close\r\n")
}

/// 200 with all of it, in chunks of no announced length.
fn chunked(content: &[u8], asked: &Asked, headers: &str) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n").into_bytes();
    if !asked.is_head() {
        for chunk in content.chunks(100_000) {
            answer.extend(format!("{:x}\r\n", chunk.len()).bytes());
            answer.extend(chunk);
            answer.extend(b"\r\n");
        }
        answer.extend(b"0\r\n\r\n");
    }
    answer
}

/// 200 with all of it, whose end is that of the connection.
fn unframed(content: &[u8], asked: &Asked, headers: &str) -> Vec<u8> {
    let body = if asked.is_head() { &[] } else { content };
    [format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat()
}

fn request(place: &Place, part_size: u64) -> DownloadFile {
    DownloadFile::new(BUCKET, "object.bin", place.path())
        .with_part_size(part_size)
        .with_task_num(4)
}

#[tokio::test]
async fn an_endpoint_that_ignores_ranges_is_read_in_one_answer_whatever_the_part_size() {
    let content = large(1);
    let headers = proven(&content);
    let server = RawServer::start({
        let content = content.clone();
        move |_, asked| whole(&content, asked, &headers)
    })
    .await;
    for part_size in [MIB, 4 * MIB, 1 << 30] {
        let place = Place::new();
        let client = server.builder().build().expect("good");
        let done = client.download_file(request(&place, part_size)).await;
        let done = done.unwrap_or_else(|error| panic!("{part_size}: {}", chain(&error)));
        assert!(place.content() == content, "{part_size}");
        assert_eq!(done.verification, Verification::Crc64);
        assert!(
            done.one_answer
                .is_some_and(|reason| reason.contains("ignores ranges")),
            "{part_size}"
        );
        assert_eq!(
            fs::read_dir(place.path().parent().expect("a folder"))
                .expect("readable")
                .count(),
            1
        );
    }
    // With everything that takes more steps.
    let place = Place::new();
    let client = server.builder().build().expect("good");
    let request = request(&place, MIB)
        .with_recheck(Recheck::Always)
        .with_skip_same(true)
        .with_preserve_mtime(true);
    let (request, mut events) = request.with_download_event_stream();
    client.download_file(request).await.expect("downloads");
    assert!(place.content() == content);
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        told.push(event.event_type);
    }
    assert_eq!(
        told.last(),
        Some(&DownloadEventType::RenameTempFileSucceed),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_answer_of_no_announced_length_is_taken_to_its_end_and_stat_says_that_none_is_told() {
    let content = large(1);
    for (name, headers) in [
        ("proven", proven(&content)),
        (
            "not proven",
            "x-tos-request-id: r\r\nConnection: close\r\n".to_owned(),
        ),
    ] {
        for framing in [chunked, unframed] {
            let (content, headers) = (content.clone(), headers.clone());
            let expected = content.clone();
            let server = RawServer::start(move |_, asked| framing(&content, asked, &headers)).await;
            let place = Place::new();
            let client = server.builder().build().expect("good");
            let done = client.download_file(request(&place, MIB)).await;
            let done = done.unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
            assert!(place.content() == expected, "{name}");
            assert_eq!(done.object.content_length, LARGE as u64);
            assert!(done.one_answer.is_some(), "{name}");
            let error = client.head_object(HeadObject::new(BUCKET, "object.bin")).await;
            let error = error.expect_err("no length is told");
            assert!(
                chain(&error).contains("does not tell the object's length"),
                "{}",
                chain(&error)
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_begins_anew_and_is_never_taken_for_the_whole() {
    let content = large(1);
    // With and without a length; with and without a CRC64; and where the end of the connection is all that tells the end.
    for framing in [whole, chunked, unframed] {
        for is_proven in [true, false] {
            let content = content.clone();
            let expected = content.clone();
            let headers = if is_proven {
                proven(&content)
            } else {
                proven(&content).replace("crc64ecma", "other")
            };
            let broken = AtomicUsize::new(0);
            let server = RawServer::start(move |_, asked| {
                let mut answer = framing(&content, asked, &headers);
                // The first two answers to the question for everything.
                if asked.range() == Some((0, None)) && broken.fetch_add(1, Ordering::SeqCst) < 2 {
                    answer.truncate(answer.len() * (broken.load(Ordering::SeqCst)) / 3);
                }
                answer
            })
            .await;
            let place = Place::new();
            let client = server.builder().max_retry_count(5).build().expect("good");
            let done = client.download_file(request(&place, MIB)).await;
            let done = done.unwrap_or_else(|error| panic!("{is_proven}: {}", chain(&error)));
            assert!(place.content() == expected, "{is_proven}");
            assert!(done.retries >= 2, "{is_proven}");
        }
    }
}

#[tokio::test]
async fn what_breaks_off_each_time_is_an_error_and_leaves_the_file_as_it_was() {
    let content = large(1);
    let headers = proven(&content);
    let server = RawServer::start(move |_, asked| {
        let mut answer = whole(&content, asked, &headers);
        answer.truncate(answer.len() - 1);
        answer
    })
    .await;
    let place = Place::new();
    let client = server.builder().build().expect("good");
    let error = client
        .download_file(request(&place, MIB))
        .await
        .expect_err("it never ends");
    assert_eq!(error.kind(), ErrorKind::Network, "{}", chain(&error));
    assert!(!error.is_resumable());
    assert!(
        error.hint().is_some_and(|hint| hint.contains("in one answer")),
        "{:?}",
        error.hint()
    );
    place.assert_untouched("it broke off");
}

#[tokio::test]
async fn a_stream_that_is_not_the_object_is_asked_for_twice_and_refused() {
    let mut content = large(1);
    let headers = proven(&content);
    content[5_000_000] ^= 1;
    for framing in [whole, chunked] {
        let (content, headers) = (content.clone(), headers.clone());
        let server = RawServer::start(move |_, asked| framing(&content, asked, &headers)).await;
        let place = Place::new();
        let client = server.builder().build().expect("good");
        let error = client
            .download_file(request(&place, MIB))
            .await
            .expect_err("not the object");
        assert_eq!(error.kind(), ErrorKind::Verification, "{}", chain(&error));
        place.assert_untouched("a wrong CRC64");
        let streams = server
            .asked()
            .iter()
            .filter(|asked| asked.range() == Some((0, None)))
            .count();
        assert_eq!(streams, 2);
    }
}

#[tokio::test]
async fn versions_of_one_size_that_nothing_tells_apart_are_never_mixed() {
    // Ranges are honoured; every answer is of the other version.
    let server = RawServer::start(|number, asked| of_tos(&large(number as u8 % 2), asked, "")).await;
    for is_domain in [true, false] {
        let place = Place::new();
        let client = server
            .builder()
            .is_custom_domain(is_domain)
            .build()
            .expect("good");
        let done = client
            .download_file(request(&place, MIB))
            .await
            .expect("in one answer");
        let content = place.content();
        assert!(content == large(0) || content == large(1), "it is mixed");
        assert_eq!(done.verification, Verification::SizeOnly);
        assert!(
            done.one_answer
                .is_some_and(|reason| reason.contains("identifies the object"))
        );
    }
}

#[tokio::test]
async fn a_server_that_honours_only_the_first_range_is_read_in_one_answer_in_the_end() {
    let content = large(1);
    let headers = proven(&content);
    let expected = content.clone();
    let server = RawServer::start(move |_, asked| match asked.range() {
        Some((0, Some(_))) => of_tos(
            &content,
            asked,
            &headers
                .replace("x-tos-request-id: r\r\n", "")
                .replace("Connection: close\r\n", ""),
        ),
        _ => whole(&content, asked, &headers),
    })
    .await;
    let place = Place::new();
    let client = server.builder().build().expect("good");
    let done = client.download_file(request(&place, MIB)).await;
    let done = done.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(place.content() == expected);
    assert!(done.one_answer.is_some() && done.restarts == 0);
}

#[tokio::test]
async fn an_object_that_is_replaced_between_two_answers_is_not_taken_for_the_one_before() {
    let server = RawServer::start(|number, asked| {
        let content = large(number as u8);
        let mut answer = whole(
            &content,
            asked,
            &proven(&content).replace("\"e\"", &format!("\"{number}\"")),
        );
        answer.truncate(answer.len() - 1);
        answer
    })
    .await;
    let place = Place::new();
    let client = server.builder().build().expect("good");
    let error = client
        .download_file(request(&place, 1 << 30))
        .await
        .expect_err("replaced");
    assert_eq!(error.kind(), ErrorKind::ObjectChanged, "{}", chain(&error));
    place.assert_untouched("replaced");
}
