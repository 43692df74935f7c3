//! Ranges, conditions and overrides of a read.

use crate::client::{emulator, ramp};

#[test]
fn a_range_is_exactly_that_slice() {
    let (emulator, client) = emulator();
    let content = ramp(1000);
    emulator.put_object("bkt", "k", content.clone());
    for (range, slice, content_range) in [
        ("bytes=0-0", 0..1, "bytes 0-0/1000"),
        ("bytes=10-19", 10..20, "bytes 10-19/1000"),
        ("bytes=990-2000", 990..1000, "bytes 990-999/1000"),
        ("bytes=500-", 500..1000, "bytes 500-999/1000"),
        ("bytes=-7", 993..1000, "bytes 993-999/1000"),
        ("bytes=-5000", 0..1000, "bytes 0-999/1000"),
    ] {
        let answer = client.range("/bkt/k", range).expect(206);
        assert_eq!(answer.body, content[slice], "{range}");
        assert_eq!(answer.value("content-range"), content_range);
        assert_eq!(
            answer.value("x-tos-hash-crc64ecma"),
            client.head("/bkt/k").value("x-tos-hash-crc64ecma")
        );
    }
}

#[test]
fn ranges_cross_the_readers_buffers_and_the_uploaded_parts() {
    let (_emulator, client) = emulator();
    let upload = client.post("/bkt/k?uploads", "").expect(200).json();
    let id = upload["UploadId"].as_str().expect("an id");
    let parts = [ramp(6 << 20), vec![9; 5 << 20], ramp(100)];
    for (index, part) in parts.iter().enumerate() {
        client
            .put(&format!("/bkt/k?partNumber={}&uploadId={id}", index + 1), part)
            .expect(200);
    }
    client
        .ask("POST", &format!("/bkt/k?uploadId={id}"))
        .header("x-tos-complete-all", "yes")
        .send()
        .expect(200);
    let content = parts.concat();
    for (start, end) in [
        (0, content.len()),
        ((6 << 20) - 1, (6 << 20) + 1),
        (1, 11 << 20),
        ((11 << 20) - 300_000, content.len()),
    ] {
        let answer = client
            .range("/bkt/k", &format!("bytes={start}-{}", end - 1))
            .expect(206);
        assert!(answer.body == content[start..end], "{start}..{end}");
    }
    assert!(client.get("/bkt/k").expect(200).body == content);
}

#[test]
fn a_range_beyond_the_object_is_refused() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    emulator.put_object("bkt", "empty", "");
    for (target, range, content_range) in [
        ("/bkt/k", "bytes=3-", "bytes */3"),
        ("/bkt/empty", "bytes=0-0", "bytes */0"),
        ("/bkt/k", "bytes=-0", "bytes */3"),
    ] {
        let answer = client.range(target, range).expect(416);
        assert_eq!(answer.code(), "InvalidRange");
        assert_eq!(answer.value("content-range"), content_range);
    }
    assert_eq!(client.get("/bkt/empty").expect(200).value("content-length"), "0");
}

#[test]
fn what_is_not_one_range_is_ignored() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    for range in ["bytes=2-1", "bytes=0-0,2-2", "lines=1-2", "bytes=x"] {
        assert_eq!(client.range("/bkt/k", range).expect(200).text(), "abc");
    }
}

#[test]
fn a_head_takes_no_notice_of_ranges() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    let answer = client
        .ask("HEAD", "/bkt/k")
        .header("range", "bytes=0-0")
        .send()
        .expect(200);
    assert_eq!(answer.value("content-length"), "3");
}

#[test]
fn conditions_decide_with_quotes_or_without() {
    let (emulator, client) = emulator();
    let etag = emulator.put_object("bkt", "k", "abc").etag;
    let quoted = format!("\"{etag}\"");
    for method in ["GET", "HEAD"] {
        let status = |name: &str, value: &str| client.ask(method, "/bkt/k").header(name, value).send().status;
        for etag in [&etag, &quoted] {
            assert_eq!(status("if-match", etag), 200);
            assert_eq!(status("if-none-match", etag), 304);
        }
        assert_eq!(status("if-match", "other"), 412);
        assert_eq!(status("if-none-match", "other"), 200);
        let modified = client.head("/bkt/k").value("last-modified").to_owned();
        assert_eq!(status("if-unmodified-since", &modified), 200);
        assert_eq!(
            status("if-unmodified-since", "Thu, 01 Jan 2004 00:00:00 GMT"),
            412
        );
        assert_eq!(status("if-modified-since", &modified), 304);
        assert_eq!(status("if-modified-since", "Thu, 01 Jan 2004 00:00:00 GMT"), 200);
    }
    let failed = client
        .ask("GET", "/bkt/k")
        .header("if-match", "other")
        .header("range", "bytes=0-0")
        .send();
    assert_eq!(failed.expect(412).code(), "PreconditionFailed");
}

#[test]
fn response_parameters_override_headers() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    let names = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    ];
    let query: Vec<_> = names
        .iter()
        .map(|name| format!("response-{name}=over-{name}"))
        .collect();
    let answer = client.get(&format!("/bkt/k?{}", query.join("&"))).expect(200);
    for name in names {
        assert_eq!(answer.value(name), format!("over-{name}"));
    }
    assert_eq!(client.get("/bkt/k").value("content-type"), "binary/octet-stream");
}

#[test]
fn one_connection_serves_many_requests() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", ramp(300_000));
    let mut stream = client.connect();
    for _ in 0..5 {
        let answer = client
            .ask("GET", "/bkt/k")
            .send_on(&mut stream)
            .expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (200, 300_000));
        let answer = client
            .ask("HEAD", "/bkt/k")
            .send_on(&mut stream)
            .expect("an answer");
        assert_eq!(answer.status, 200);
        let answer = client
            .ask("GET", "/bkt/none")
            .send_on(&mut stream)
            .expect("an answer");
        assert_eq!(answer.status, 404);
    }
    assert_eq!(emulator.stats().connections, 1);
}
