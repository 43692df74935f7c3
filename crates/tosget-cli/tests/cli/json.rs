//! `--json` prints exactly one object, with the same fields each time.

use serde_json::{Value, json};

use crate::stage::{BUCKET, MIB, SEED, Stage, bare_command, run};

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

const OBJECT_KEYS: [&str; 28] = [
    "cache_control",
    "content_disposition",
    "content_encoding",
    "content_language",
    "content_length",
    "content_type",
    "etag",
    "expiration",
    "expires",
    "hash_crc64ecma",
    "id2",
    "last_modified",
    "meta",
    "object_type",
    "replication_status",
    "request_id",
    "restore",
    "restore_expiry_days",
    "restore_tier",
    "server_side_encryption",
    "server_side_encryption_key_id",
    "ssec_algorithm",
    "ssec_key_md5",
    "storage_class",
    "symlink_target_size",
    "tagging_count",
    "version_id",
    "website_redirect_location",
];

#[test]
fn a_download_is_told_as_one_object() {
    let stage = Stage::new();
    let stored = stage.emulator.put_virtual(BUCKET, "dir/big", 10 * MIB, SEED);
    let get = ["get", "tos://bkt/dir/big", "out", "--part-size", "1MiB", "--json"];
    let told = stage.run(&get).ends_with(0).json();
    assert_eq!(
        keys(&told),
        [
            "bucket",
            "bytes_fetched",
            "bytes_resumed",
            "bytes_total",
            "content_crc64",
            "elapsed_seconds",
            "exit_code",
            "file_path",
            "first_request_id",
            "key",
            "last_request_id",
            "object",
            "ok",
            "one_answer",
            "requests",
            "restarts",
            "retries",
            "set_aside",
            "url",
            "verification"
        ]
    );
    assert_eq!(keys(&told["object"]), OBJECT_KEYS);
    assert_eq!(told["ok"], json!(true));
    assert_eq!(told["exit_code"], json!(0));
    assert_eq!(
        (&told["bucket"], &told["key"]),
        (&json!("bkt"), &json!("dir/big"))
    );
    assert_eq!(told["bytes_total"], json!(10 * MIB));
    assert_eq!(told["bytes_fetched"], json!(10 * MIB));
    assert_eq!(told["bytes_resumed"], json!(0));
    assert_eq!(told["verification"], json!("crc64"));
    assert_eq!(told["restarts"], json!(0));
    assert_eq!(told["first_request_id"], told["object"]["request_id"]);
    assert_ne!(told["first_request_id"], told["last_request_id"]);
    assert_eq!(told["content_crc64"], json!(stored.crc64.to_string()));
    assert_eq!(told["object"]["hash_crc64ecma"], json!(stored.crc64.to_string()));
    assert_eq!(told["object"]["etag"], json!(stored.etag));
    let path = stage.path("out").canonicalize().expect("it is there");
    assert_eq!(told["file_path"], json!(path.to_str().expect("UTF-8")));
}

#[test]
fn an_answer_to_stat_is_one_object() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    let told = stage.run(&["stat", "tos://bkt/k", "--json"]).ends_with(0).json();
    assert_eq!(keys(&told), ["bucket", "exit_code", "key", "object", "ok", "url"]);
    assert_eq!(keys(&told["object"]), OBJECT_KEYS);
    assert_eq!(told["object"]["content_length"], json!(7));
    assert_eq!(told["object"]["version_id"], Value::Null);
    let time = told["object"]["last_modified"].as_str().expect("a time");
    assert!(
        time.len() == 20 && time.starts_with("20") && time.ends_with('Z'),
        "{time}"
    );
}

#[test]
fn a_refusal_is_one_object_with_the_servers_words() {
    let stage = Stage::new();
    let told = stage
        .run(&["get", "tos://bkt/none", "--json"])
        .ends_with(3)
        .json();
    assert_eq!(keys(&told), ["error", "exit_code", "ok"]);
    assert_eq!((&told["ok"], &told["exit_code"]), (&json!(false), &json!(3)));
    let error = &told["error"];
    assert_eq!(
        keys(error),
        ["causes", "checkpoint", "hint", "kind", "message", "server"]
    );
    assert_eq!(error["kind"], json!("server"));
    assert_eq!(
        (&error["causes"], &error["checkpoint"]),
        (&json!([]), &Value::Null)
    );
    assert!(error["hint"].is_string());
    let server = &error["server"];
    assert_eq!(
        keys(server),
        [
            "code",
            "delete_marker",
            "ec",
            "host_id",
            "message",
            "request_id",
            "request_url",
            "status_code"
        ]
    );
    assert_eq!(
        (&server["status_code"], &server["code"]),
        (&json!(404), &json!("NoSuchKey"))
    );
    assert!(server["request_id"].as_str().is_some_and(|id| !id.is_empty()));
}

#[test]
fn what_cannot_be_read_is_told_in_json_too() {
    for arguments in [
        ["get", "tos://bkt", "--json"],
        ["get", "--json", "--part-size=64m"],
        ["stat", "--json", "--what"],
        // Readable, but without credentials.
        ["stat", "--json", "tos://bkt/k"],
    ] {
        let told = run(bare_command(&arguments).env("TOS_REGION", "cn-beijing"))
            .ends_with(2)
            .json();
        assert_eq!(told["error"]["kind"], json!("invalid_argument"), "{arguments:?}");
        assert_eq!(told["exit_code"], json!(2), "{arguments:?}");
    }
}
