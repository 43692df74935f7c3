//! Versioning.

use serde_json::{Value, json};

use crate::client::emulator;

#[test]
fn versions_stay_until_they_are_deleted_one_by_one() {
    let (_emulator, client) = emulator();
    client.put("/bkt/k", "before").expect(200);
    assert_eq!(client.get("/bkt?versioning").json(), json!({}));
    client
        .put("/bkt?versioning", r#"{"Status":"Enabled"}"#)
        .expect(200);
    assert_eq!(
        client.get("/bkt?versioning").json(),
        json!({ "Status": "Enabled" })
    );

    let first = client
        .put("/bkt/k", "first")
        .expect(200)
        .value("x-tos-version-id")
        .to_owned();
    let second = client
        .put("/bkt/k", "second")
        .expect(200)
        .value("x-tos-version-id")
        .to_owned();
    assert_eq!(client.get("/bkt/k").value("x-tos-version-id"), second);
    for (id, text) in [
        ("null", "before"),
        (&first, "first"),
        (&second, "second"),
        ("", "second"),
    ] {
        assert_eq!(
            client.get(&format!("/bkt/k?versionId={id}")).expect(200).text(),
            text
        );
    }

    let deleted = client.delete("/bkt/k").expect(204);
    assert_eq!(deleted.value("x-tos-delete-marker"), "true");
    let marker = deleted.value("x-tos-version-id");
    let gone = client.get("/bkt/k").expect(404);
    assert_eq!(
        (gone.code().as_str(), gone.value("x-tos-delete-marker")),
        ("NoSuchKey", "true")
    );
    client.get(&format!("/bkt/k?versionId={marker}")).expect(405);
    assert_eq!(
        client.get("/bkt/k?versionId=unknown").expect(404).code(),
        "NoSuchVersion"
    );
    assert_eq!(client.get("/bkt?list-type=2").json()["Contents"], json!([]));

    let undone = client.delete(&format!("/bkt/k?versionId={marker}")).expect(204);
    assert_eq!(undone.value("x-tos-delete-marker"), "true");
    assert_eq!(client.get("/bkt/k").expect(200).text(), "second");
    let removed = client.delete(&format!("/bkt/k?versionId={second}")).expect(204);
    assert_eq!(removed.header("x-tos-delete-marker"), None);
    assert_eq!(client.get("/bkt/k").expect(200).text(), "first");
}

#[test]
fn suspended_versioning_overwrites_the_null_version_only() {
    let (emulator, client) = emulator();
    emulator.enable_versioning("bkt");
    let kept = emulator.put_object("bkt", "k", "kept").version_id.expect("an id");
    emulator.suspend_versioning("bkt");
    assert_eq!(client.put("/bkt/k", "one").value("x-tos-version-id"), "null");
    client.put("/bkt/k", "two").expect(200);
    assert_eq!(client.get("/bkt/k").text(), "two");
    assert_eq!(client.get(&format!("/bkt/k?versionId={kept}")).text(), "kept");
    assert_eq!(
        client.get("/bkt?versions").json()["Versions"]
            .as_array()
            .expect("a list")
            .len(),
        2
    );
}

#[test]
fn version_listings_page_within_a_key() {
    let (emulator, client) = emulator();
    emulator.enable_versioning("bkt");
    for key in ["a", "b"] {
        for text in ["1", "2", "3"] {
            emulator.put_object("bkt", key, text);
        }
    }
    emulator.delete_object("bkt", "b");
    let (mut seen, mut markers) = (Vec::<(String, String)>::new(), String::new());
    loop {
        let page = client
            .get(&format!("/bkt?max-keys=2&versions{markers}"))
            .expect(200)
            .json();
        let ids = |list: &Value| -> Vec<(String, String)> {
            let text = |item: &Value, name: &str| item[name].as_str().expect("text").to_owned();
            let items = list.as_array().expect("a list").iter();
            items
                .map(|item| (text(item, "Key"), text(item, "VersionId")))
                .collect()
        };
        seen.extend(ids(&page["DeleteMarkers"]));
        seen.extend(ids(&page["Versions"]));
        if page["IsTruncated"] == false {
            break;
        }
        let (key, id) = (&page["NextKeyMarker"], &page["NextVersionIdMarker"]);
        markers = format!(
            "&key-marker={}&version-id-marker={}",
            key.as_str().expect("a key"),
            id.as_str().expect("an id")
        );
    }
    let whole = client.get("/bkt?versions").json();
    assert_eq!(seen.len(), 7);
    assert_eq!(whole["Versions"].as_array().expect("a list").len(), 6);
    let latest: Vec<_> = whole["Versions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| &item["IsLatest"])
        .collect();
    assert_eq!(latest, [true, false, false, false, false, false]);
    assert_eq!(whole["DeleteMarkers"][0]["IsLatest"], true);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7);
}
