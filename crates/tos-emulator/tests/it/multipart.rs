//! Multipart uploads.

use serde_json::json;

use crate::client::{Client, emulator, ramp};

const PART_LEN: usize = 5 << 20;

fn create(client: &Client) -> String {
    let created = client
        .ask("POST", "/bkt/k?uploads")
        .header("x-tos-meta-a", "b")
        .send()
        .expect(200)
        .json();
    assert_eq!(
        (&created["Bucket"], &created["Key"]),
        (&json!("bkt"), &json!("k"))
    );
    created["UploadId"].as_str().expect("an id").to_owned()
}

fn part(client: &Client, id: &str, number: u32, body: &[u8]) -> String {
    let answer = client
        .put(&format!("/bkt/k?partNumber={number}&uploadId={id}"), body)
        .expect(200);
    assert!(answer.header("x-tos-hash-crc64ecma").is_some());
    answer.value("etag").to_owned()
}

#[test]
fn parts_become_one_object() {
    let (emulator, client) = emulator();
    let id = create(&client);
    let content = ramp(2 * PART_LEN + 11);
    let replaced = part(&client, &id, 1, b"to be replaced");
    let etags: Vec<_> = content
        .chunks(PART_LEN)
        .zip(1..)
        .map(|(chunk, number)| part(&client, &id, number, chunk))
        .collect();
    client.get("/bkt/k").expect(404);

    let listed = |etags: &[(u32, &str)]| {
        let parts: Vec<_> = etags
            .iter()
            .map(|(number, etag)| json!({ "PartNumber": number, "ETag": etag }))
            .collect();
        json!({ "Parts": parts }).to_string()
    };
    let target = format!("/bkt/k?uploadId={id}");
    assert_eq!(
        client.post(&target, listed(&[(1, &replaced)])).expect(400).code(),
        "InvalidPart"
    );
    assert_eq!(
        client.post(&target, listed(&[(4, &etags[0])])).expect(400).code(),
        "InvalidPart"
    );
    assert_eq!(
        client.post(&target, listed(&[])).expect(400).code(),
        "MalformedBody"
    );

    // In any order, and with quotes or without.
    let body = listed(&[(3, &etags[2]), (1, etags[0].trim_matches('"')), (2, &etags[1])]);
    let completed = client.post(&target, body).expect(200);
    let answer = completed.json();
    assert!(answer["ETag"].as_str().expect("an ETag").ends_with("-3\""));
    assert_eq!(answer.get("HashCrc64ecma"), None);
    assert_eq!(answer.get("CompletedParts"), None);
    let whole = emulator.put_object("bkt", "same", content.clone());
    assert_eq!(completed.value("x-tos-hash-crc64ecma"), whole.crc64.to_string());
    let got = client.get("/bkt/k").expect(200);
    assert!(got.body == content);
    assert_eq!(
        (got.value("etag"), got.value("x-tos-meta-a")),
        (answer["ETag"].as_str().expect("an ETag"), "b")
    );
    assert_eq!(client.post(&target, "{}").expect(404).code(), "NoSuchUpload");
}

#[test]
fn small_parts_are_refused_but_for_the_last() {
    let (_emulator, client) = emulator();
    let id = create(&client);
    part(&client, &id, 1, b"small");
    part(&client, &id, 2, b"last");
    let complete = client
        .ask("POST", &format!("/bkt/k?uploadId={id}"))
        .header("x-tos-complete-all", "yes");
    assert_eq!(complete.send().expect(400).code(), "EntityTooSmall");
    for number in ["0", "10001", "x"] {
        client
            .put(&format!("/bkt/k?partNumber={number}&uploadId={id}"), "x")
            .expect(400);
    }
}

#[test]
fn parts_are_listed_by_page() {
    let (_emulator, client) = emulator();
    let id = create(&client);
    for number in [2, 5, 9] {
        part(&client, &id, number, b"part");
    }
    let page = client
        .get(&format!("/bkt/k?max-parts=2&uploadId={id}"))
        .expect(200)
        .json();
    assert_eq!(page["IsTruncated"], true);
    assert_eq!(page["NextPartNumberMarker"], 5);
    assert_eq!(page["Parts"][0]["Size"], 4);
    let rest = client
        .get(&format!("/bkt/k?part-number-marker=5&uploadId={id}"))
        .expect(200)
        .json();
    assert_eq!(rest["IsTruncated"], false);
    assert_eq!(rest["Parts"][0]["PartNumber"], 9);
}

#[test]
fn an_aborted_upload_is_gone() {
    let (_emulator, client) = emulator();
    let id = create(&client);
    part(&client, &id, 1, b"part");
    assert_eq!(client.delete("/bkt").expect(409).code(), "BucketNotEmpty");
    client.delete(&format!("/bkt/k?uploadId={id}")).expect(204);
    assert_eq!(
        client.delete(&format!("/bkt/k?uploadId={id}")).expect(404).code(),
        "NoSuchUpload"
    );
    assert_eq!(
        client
            .get(&format!("/bkt/other?uploadId={id}"))
            .expect(404)
            .code(),
        "NoSuchUpload"
    );
    client.delete("/bkt").expect(204);
}

#[test]
fn uploads_are_listed_by_page() {
    let (_emulator, client) = emulator();
    let mut begun = Vec::new();
    for key in ["a", "b/1", "b/2", "c", "c"] {
        let created = client.ask("POST", &format!("/bkt/{key}?uploads"));
        let created = created
            .header("x-tos-storage-class", "IA")
            .send()
            .expect(200)
            .json();
        let id = created["UploadId"].as_str().expect("an id").to_owned();
        begun.push((key.to_owned(), id));
    }
    client.put("/bkt/a-key-is-no-upload", "x").expect(200);
    let ids = |uploads: &[(String, String)]| {
        let mut ids: Vec<_> = uploads.iter().map(|(_, id)| id.clone()).collect();
        ids.sort();
        ids
    };
    for max in 1..=6 {
        let (mut listed, mut markers) = (Vec::new(), String::new());
        loop {
            let page = client.get(&format!("/bkt?uploads&max-uploads={max}{markers}"));
            let page = page.expect(200).json();
            assert_eq!(
                (&page["Bucket"], &page["MaxUploads"]),
                (&json!("bkt"), &json!(max))
            );
            for upload in page["Uploads"].as_array().expect("a list") {
                assert_eq!(upload["StorageClass"], "IA");
                assert!(
                    upload["Initiated"]
                        .as_str()
                        .is_some_and(|time| time.ends_with('Z'))
                );
                let text = |name: &str| upload[name].as_str().expect("text").to_owned();
                listed.push((text("Key"), text("UploadId")));
            }
            if page["IsTruncated"] == false {
                break;
            }
            let marker = |name: &str| page[name].as_str().expect("a marker").to_owned();
            let (key, id) = (marker("NextKeyMarker"), marker("NextUploadIdMarker"));
            markers = format!(
                "&key-marker={}&upload-id-marker={id}",
                crate::signing::encode(&key)
            );
        }
        let keys: Vec<_> = listed.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["a", "b/1", "b/2", "c", "c"], "{max}");
        assert_eq!(ids(&listed), ids(&begun), "{max}");
    }
    let grouped = client
        .get("/bkt?uploads&delimiter=%2F&prefix=b")
        .expect(200)
        .json();
    assert_eq!(grouped["CommonPrefixes"], json!([{ "Prefix": "b/" }]));
    assert_eq!(grouped["Uploads"], json!([]));
    for (key, id) in &begun {
        client.delete(&format!("/bkt/{key}?uploadId={id}")).expect(204);
    }
    assert_eq!(client.get("/bkt?uploads").json()["Uploads"], json!([]));
    assert_eq!(client.get("/none?uploads").expect(404).code(), "NoSuchBucket");
}
