//! How refusals look.

use crate::client::{Answer, emulator};

fn refusal(answer: &Answer) -> (u16, String, Option<String>) {
    (
        answer.status,
        answer.code(),
        answer.header("x-tos-ec").map(str::to_owned),
    )
}

#[test]
fn an_error_has_exactly_the_documented_fields() {
    let (_emulator, client) = emulator();
    let answer = client.get("/bkt/missing").expect(404);
    let body = answer.json();
    let names: Vec<_> = body
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        ["Code", "EC", "HostId", "Key", "Message", "RequestId", "Resource"]
    );
    assert_eq!(body["EC"], "0017-00000003");
    assert_eq!(body["Key"], "missing");
    assert_eq!(body["Resource"], "/bkt/missing");
    assert_eq!(body["RequestId"], answer.value("x-tos-request-id"));
    assert_eq!(body["HostId"], answer.value("x-tos-id-2"));
    assert_eq!(answer.value("content-type"), "application/json");
}

#[test]
fn the_error_of_a_head_is_in_its_headers() {
    let (_emulator, client) = emulator();
    for (target, ec) in [
        ("/bkt/missing", "0017-00000003"),
        ("/none", "0006-00000001"),
        ("/none/k", "0006-00000001"),
    ] {
        let answer = client.head(target).expect(404);
        assert_eq!(answer.value("x-tos-ec"), ec);
        assert_eq!(answer.value("content-length"), "0");
    }
}

#[test]
fn every_answer_has_request_ids() {
    let (_emulator, client) = emulator();
    for answer in [
        client.get("/"),
        client.head("/bkt"),
        client.get("/none/k"),
        client.put("/bkt/k", "x"),
    ] {
        assert!(!answer.value("x-tos-request-id").is_empty());
        assert!(!answer.value("x-tos-id-2").is_empty());
    }
}

#[test]
fn unknown_sub_resources_are_unimplemented() {
    let (_emulator, client) = emulator();
    for target in [
        "/bkt?policy",
        "/bkt?lifecycle=",
        "/bkt?tagging",
        "/bkt/k?frobnicate",
        "/bkt/k?partNumber=1",
    ] {
        assert_eq!(
            refusal(&client.get(target)),
            (501, "UnImplemented".into(), None),
            "{target}"
        );
    }
    assert_eq!(client.post("/bkt/k", "x").status, 501);
    assert_eq!(client.ask("PATCH", "/bkt/k").send().status, 501);
}

#[test]
fn buckets_are_refused_as_the_service_does() {
    let (_emulator, client) = emulator();
    assert_eq!(client.put("/ab", "").code(), "InvalidBucketName");
    assert_eq!(client.put("/Upper-Case", "").code(), "InvalidBucketName");
    assert_eq!(client.put("/_emulator", "").code(), "InvalidBucketName");
    assert_eq!(
        client.put("/bkt", "").expect(409).code(),
        "BucketAlreadyOwnedByYou"
    );
    client.put("/bkt/k", "x").expect(200);
    assert_eq!(client.delete("/bkt").expect(409).code(), "BucketNotEmpty");
    client.delete("/bkt/k").expect(204);
    client.delete("/bkt").expect(204);
    assert_eq!(
        refusal(&client.delete("/bkt")),
        (404, "NoSuchBucket".into(), Some("0006-00000001".into()))
    );
}

#[test]
fn an_upload_that_is_refused_is_read_all_the_same() {
    let (_emulator, client) = emulator();
    assert_eq!(
        client.put("/none/k", vec![1; 5 << 20]).expect(404).code(),
        "NoSuchBucket"
    );
}

#[test]
fn garbage_is_answered_and_does_no_harm() {
    let (_emulator, client) = emulator();
    for (method, target, body) in [
        ("PUT", "/bkt?versioning", "not json"),
        ("PUT", "/bkt?versioning", "{\"Status\":\"Maybe\"}"),
        ("POST", "/bkt?delete", "{\"Objects\":[]}"),
        ("POST", "/bkt?delete", "[[[["),
        ("GET", "/bkt?max-keys=-1", ""),
        ("GET", "/bkt?encoding-type=xml", ""),
        ("GET", "/bkt?continuation-token=%21%21&list-type=2", ""),
    ] {
        client.ask(method, target).body(body).send().expect(400);
    }
    assert_eq!(client.ask("GET", "/bkt/k?uploadId=no").send().status, 404);
    assert_eq!(client.head("/bkt").status, 200);
}
