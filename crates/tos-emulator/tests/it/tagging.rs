//! Tags of objects.

use serde_json::{Value, json};

use crate::client::{Answer, Client, emulator};

fn tag_set(tags: &[(&str, &str)]) -> Value {
    let tags: Vec<_> = tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    json!({ "TagSet": { "Tags": tags } })
}

fn put_tags(client: &Client, tags: &[(&str, &str)]) -> Answer {
    client.put("/bkt/k?tagging", tag_set(tags).to_string())
}

#[test]
fn tags_are_put_shown_counted_and_deleted() {
    let (_emulator, client) = emulator();
    client.put("/bkt/k", "content").expect(200);
    let etag = client.head("/bkt/k").value("etag").to_owned();
    assert_eq!(client.get("/bkt/k?tagging").expect(200).json(), tag_set(&[]));
    assert_eq!(client.head("/bkt/k").header("x-tos-tagging-count"), None);

    let tags = [("kind", "test"), ("ä", "")];
    put_tags(&client, &tags).expect(200);
    assert_eq!(client.get("/bkt/k?tagging").expect(200).json(), tag_set(&tags));
    for method in ["GET", "HEAD"] {
        let answer = client.ask(method, "/bkt/k").send().expect(200);
        assert_eq!(
            (answer.value("x-tos-tagging-count"), answer.value("etag")),
            ("2", etag.as_str())
        );
    }
    client.delete("/bkt/k?tagging").expect(204);
    assert_eq!(client.head("/bkt/k").header("x-tos-tagging-count"), None);
    assert_eq!(client.get("/bkt/k").text(), "content");
    client.get("/bkt/missing?tagging").expect(404);
    client
        .put("/bkt/missing?tagging", tag_set(&tags).to_string())
        .expect(404);
}

#[test]
fn a_put_and_an_upload_bring_their_tags_along() {
    let (_emulator, client) = emulator();
    let tags = tag_set(&[("a", "1"), ("b c", "=")]);
    let put = client.ask("PUT", "/bkt/k").header("x-tos-tagging", "a=1&b+c=%3D");
    put.body("content").send().expect(200);
    assert_eq!(client.get("/bkt/k?tagging").expect(200).json(), tags);

    let create = client
        .ask("POST", "/bkt/mp?uploads")
        .header("x-tos-tagging", "a=1&b%20c=%3D");
    let id = create.send().expect(200).json()["UploadId"]
        .as_str()
        .expect("an id")
        .to_owned();
    client
        .put(&format!("/bkt/mp?partNumber=1&uploadId={id}"), "part")
        .expect(200);
    let complete = client.ask("POST", &format!("/bkt/mp?uploadId={id}"));
    complete.header("x-tos-complete-all", "yes").send().expect(200);
    assert_eq!(client.get("/bkt/mp?tagging").expect(200).json(), tags);
}

#[test]
fn each_version_has_its_own_tags() {
    let (emulator, client) = emulator();
    emulator.enable_versioning("bkt");
    let old = client.put("/bkt/k", "old").value("x-tos-version-id").to_owned();
    let new = client.put("/bkt/k", "new").value("x-tos-version-id").to_owned();
    let tagged = client.put(
        &format!("/bkt/k?tagging&versionId={old}"),
        tag_set(&[("a", "1")]).to_string(),
    );
    assert_eq!(tagged.expect(200).value("x-tos-version-id"), old);
    assert_eq!(client.head("/bkt/k").header("x-tos-tagging-count"), None);
    assert_eq!(client.head("/bkt/k").value("x-tos-version-id"), new);
    let old = client.get(&format!("/bkt/k?versionId={old}")).expect(200);
    assert_eq!(
        (old.value("x-tos-tagging-count"), old.text().as_str()),
        ("1", "old")
    );
}

#[test]
fn what_is_no_set_of_tags_is_refused() {
    let (_emulator, client) = emulator();
    client.put("/bkt/k", "content").expect(200);
    let names: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let eleven: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let long = "x".repeat(257);
    for tags in [
        &eleven[..],
        &[("a", "1"), ("a", "2")],
        &[("", "x")],
        &[("a", long.as_str())],
    ] {
        assert_eq!(put_tags(&client, tags).expect(400).code(), "InvalidTag");
    }
    put_tags(&client, &eleven[..10]).expect(200);
    assert_eq!(client.head("/bkt/k").value("x-tos-tagging-count"), "10");
}
