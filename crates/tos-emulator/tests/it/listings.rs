//! Listings, page by page.

use serde_json::{Value, json};

use crate::client::{Client, emulator};
use crate::signing::encode;

fn texts(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().expect("a list").iter();
    items
        .map(|item| item[field].as_str().expect("text").to_owned())
        .collect()
}

/// Contents and common prefixes of all pages of `max` entries.
fn all_pages(client: &Client, query: &str, max: usize) -> Vec<String> {
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = client
            .get(&format!("/bkt?list-type=2&max-keys={max}{query}{token}"))
            .expect(200)
            .json();
        let mut found = texts(&page["Contents"], "Key");
        found.extend(texts(&page["CommonPrefixes"], "Prefix"));
        assert_eq!(page["KeyCount"], found.len());
        found.sort();
        names.extend(found);
        if page["IsTruncated"] == false {
            assert_eq!(page.get("NextContinuationToken"), None);
            return names;
        }
        let next = page["NextContinuationToken"].as_str().expect("a token");
        token = format!("&continuation-token={}", encode(next));
    }
}

#[test]
fn pages_of_any_size_make_the_same_listing() {
    let (emulator, client) = emulator();
    for key in [
        "a", "a/", "a/b", "a/b/c", "a/b/d", "a0", "b/x", "b/y", "c", "中/1", "中/2",
    ] {
        emulator.put_object("bkt", key, key);
    }
    for max in 1..=12 {
        let everything = [
            "a", "a/", "a/b", "a/b/c", "a/b/d", "a0", "b/x", "b/y", "c", "中/1", "中/2",
        ];
        assert_eq!(all_pages(&client, "", max), everything, "{max}");
        assert_eq!(
            all_pages(&client, "&delimiter=%2F", max),
            ["a", "a/", "a0", "b/", "c", "中/"],
            "{max}"
        );
        assert_eq!(
            all_pages(&client, "&delimiter=%2F&prefix=a%2F", max),
            ["a/", "a/b", "a/b/"],
            "{max}"
        );
        assert_eq!(
            all_pages(&client, "&prefix=a%2Fb", max),
            ["a/b", "a/b/c", "a/b/d"],
            "{max}"
        );
        assert_eq!(
            all_pages(&client, "&start-after=a0", max),
            ["b/x", "b/y", "c", "中/1", "中/2"],
            "{max}"
        );
    }
}

#[test]
fn an_entry_has_the_documented_fields() {
    let (emulator, client) = emulator();
    let stored = emulator.put_object("bkt", "a b", "123456789");
    let page = client
        .get("/bkt?delimiter=%2F&encoding-type=url&fetch-owner=true&list-type=2&max-keys=5")
        .json();
    let entry = &page["Contents"][0];
    assert_eq!(entry["Key"], "a%20b");
    assert_eq!(entry["ETag"], format!("\"{}\"", stored.etag));
    assert_eq!(entry["Size"], 9);
    assert_eq!(entry["HashCrc64ecma"], "11051210869376104954");
    assert_eq!(entry["StorageClass"], "STANDARD");
    assert_eq!(entry["Type"], "Normal");
    assert!(entry["LastModified"].as_str().expect("a time").ends_with("Z"));
    assert!(entry["Owner"]["ID"].is_string() && entry["Owner"]["DisplayName"].is_string());
    assert_eq!(
        (&page["Name"], &page["MaxKeys"], &page["Delimiter"]),
        (&json!("bkt"), &json!(5), &json!("%2F"))
    );
    assert_eq!(page["EncodingType"], "url");
}

#[test]
fn metadata_is_listed_on_demand() {
    let (_emulator, client) = emulator();
    client
        .ask("PUT", "/bkt/k")
        .header("x-tos-meta-colour", "red")
        .body("x")
        .send()
        .expect(200);
    let plain = client.get("/bkt?list-type=2").json();
    assert_eq!(plain["Contents"][0].get("UserMeta"), None);
    let page = client.get("/bkt?fetch-meta=true&list-type=2").json();
    assert_eq!(
        page["Contents"][0]["UserMeta"],
        json!([{ "Key": "colour", "Value": "red" }])
    );
}

#[test]
fn the_first_version_pages_by_marker() {
    let (emulator, client) = emulator();
    for key in ["a", "b", "c/1", "c/2", "d"] {
        emulator.put_object("bkt", key, key);
    }
    let (mut keys, mut marker) = (Vec::new(), String::new());
    loop {
        let page = client
            .get(&format!(
                "/bkt?delimiter=%2F&marker={}&max-keys=2",
                encode(&marker)
            ))
            .expect(200)
            .json();
        keys.extend(texts(&page["Contents"], "Key"));
        keys.extend(texts(&page["CommonPrefixes"], "Prefix"));
        assert_eq!(page["Marker"], marker);
        match page["NextMarker"].as_str() {
            Some(next) => marker = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(keys, ["a", "b", "d", "c/"]);
}

#[test]
fn an_empty_page_is_not_truncated() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "x");
    let page = client.get("/bkt?list-type=2&max-keys=0").expect(200).json();
    assert_eq!(
        (&page["IsTruncated"], &page["Contents"]),
        (&json!(false), &json!([]))
    );
}

#[test]
fn pages_in_reverse_make_the_listing_backwards() {
    let (emulator, client) = emulator();
    for key in ["a", "a/b", "a/c", "b/", "b/x", "b/y", "c", "d"] {
        emulator.put_object("bkt", key, key);
    }
    let all = |query: &str, max: usize| {
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let target = format!("/bkt?list-type=2&reverse=true&max-keys={max}{query}{token}");
            let page = client.get(&target).expect(200).json();
            let mut found = texts(&page["Contents"], "Key");
            found.extend(texts(&page["CommonPrefixes"], "Prefix"));
            found.sort_by(|a, b| b.cmp(a));
            names.extend(found);
            if page["IsTruncated"] == false {
                return names;
            }
            let next = page["NextContinuationToken"].as_str().expect("a token");
            token = format!("&continuation-token={}", encode(next));
        }
    };
    for max in 1..=9 {
        assert_eq!(
            all("", max),
            ["d", "c", "b/y", "b/x", "b/", "a/c", "a/b", "a"],
            "{max}"
        );
        assert_eq!(all("&delimiter=%2F", max), ["d", "c", "b/", "a/", "a"], "{max}");
        assert_eq!(all("&prefix=b%2F", max), ["b/y", "b/x", "b/"], "{max}");
        assert_eq!(all("&start-after=b%2Fx", max), ["b/", "a/c", "a/b", "a"], "{max}");
        assert_eq!(all("&prefix=b%2F&start-after=a", max), [""; 0], "{max}");
    }
    let page = client
        .get("/bkt?reverse=true&marker=b%2F&max-keys=2")
        .expect(200)
        .json();
    assert_eq!(texts(&page["Contents"], "Key"), ["a/c", "a/b"]);
    assert_eq!(page["NextMarker"], "a/b");
    assert_eq!(client.get("/bkt?versions&reverse=true").status, 501);
}
