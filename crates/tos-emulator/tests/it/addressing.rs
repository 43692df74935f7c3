//! Which bucket and key a request means.

use tos_emulator::Emulator;

use crate::client::{Client, emulator};
use crate::signing::encode_path;

/// Keys that a careless server would mix up, or write outside its directory.
const ODD_KEYS: &[&str] = &[
    "/lead",
    "//two",
    "a//b",
    "a/b",
    "/+",
    "x/./y",
    "x/y",
    "../x",
    "../../../../etc/passwd",
    ".",
    "..",
    "% ? # * & = +",
    "%2F",
    "sp ace",
    "trailing/",
    "中文/ключ/🦀",
    "a\\b",
    "new\nline",
];

#[test]
fn odd_keys_stay_apart_in_path_style() {
    let (emulator, client) = emulator();
    for key in ODD_KEYS {
        client.put(&format!("/bkt/{}", encode_path(key)), key).expect(200);
    }
    for key in ODD_KEYS {
        let answer = client.get(&format!("/bkt/{}", encode_path(key))).expect(200);
        assert_eq!(answer.text(), *key);
    }
    let keys: Vec<_> = emulator
        .requests()
        .into_iter()
        .filter_map(|request| request.key)
        .collect();
    assert_eq!(keys[..ODD_KEYS.len()], *ODD_KEYS);
}

#[test]
fn odd_keys_stay_apart_on_the_buckets_own_host() {
    let (_emulator, client) = emulator();
    for key in ODD_KEYS {
        let target = format!("/{}", encode_path(key));
        client
            .ask("PUT", &target)
            .host("bkt.tos.test")
            .body(key)
            .send()
            .expect(200);
    }
    for key in ODD_KEYS {
        let target = format!("/{}", encode_path(key));
        let answer = client.ask("GET", &target).host("bkt.tos.test").send().expect(200);
        assert_eq!(answer.text(), *key);
    }
}

#[test]
fn the_longest_key_has_1024_bytes() {
    let (_emulator, client) = emulator();
    client.put(&format!("/bkt/{}", "k".repeat(1024)), "x").expect(200);
    let answer = client.put(&format!("/bkt/{}", "k".repeat(1025)), "x").expect(400);
    assert_eq!(
        (answer.code().as_str(), answer.value("x-tos-ec")),
        ("KeyTooLong", "0017-00000002")
    );
}

#[test]
fn a_proxy_style_target_names_the_host() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "dir/k", "there");
    let answer = client
        .ask("GET", "/dir/k")
        .host("bkt.tos.test")
        .through_a_proxy()
        .send();
    assert_eq!(answer.expect(200).text(), "there");
    client
        .ask("HEAD", "")
        .host("bkt.tos.test")
        .through_a_proxy()
        .anonymous()
        .send()
        .expect(403);
}

#[test]
fn configured_hosts_are_heeded() {
    let emulator = Emulator::builder()
        .base_domain("objects.example")
        .custom_domain("cdn.example.com", "media")
        .spawn()
        .expect("a free port");
    emulator.create_bucket("media");
    emulator.put_object("media", "k", "there");
    let client = Client::of(&emulator);
    for (host, target) in [
        ("objects.example", "/media/k"),
        ("media.objects.example", "/k"),
        ("MEDIA.objects.example:8080", "/k"),
        ("cdn.example.com", "/k"),
        ("localhost", "/media/k"),
        ("[::1]:9000", "/media/k"),
    ] {
        assert_eq!(
            client.ask("GET", target).host(host).send().expect(200).text(),
            "there",
            "{host}"
        );
    }
}

#[test]
fn a_key_that_is_not_utf8_is_refused() {
    let (_emulator, client) = emulator();
    client.ask("GET", "/bkt/%ff").anonymous().send().expect(400);
    client
        .ask("GET", "/bkt/k?versionId=%ff")
        .anonymous()
        .send()
        .expect(400);
}
