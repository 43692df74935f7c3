//! Renamed objects.

use crate::client::{Answer, Client, emulator, ramp};

fn allow(client: &Client) {
    client.put("/bkt?rename", r#"{"RenameEnable":true}"#).expect(200);
}

fn rename(client: &Client, key: &str, new: &str) -> Answer {
    client
        .ask("PUT", &format!("/bkt/{key}?rename=&name={new}"))
        .send()
}

#[test]
fn an_object_moves_with_all_it_has() {
    let (emulator, client) = emulator();
    allow(&client);
    let headers = [("x-tos-meta-a", "b"), ("x-tos-tagging", "a=1")];
    let stored = emulator.put_object_with("bkt", "old", ramp(300_000), &headers);
    rename(&client, "old", "dir%2F%C3%A4").expect(204);
    client.get("/bkt/old").expect(404);
    let answer = client.get("/bkt/dir/%C3%A4").expect(200);
    assert!(answer.body == ramp(300_000));
    assert_eq!(answer.value("etag"), format!("\"{}\"", stored.etag));
    assert_eq!(
        (answer.value("x-tos-meta-a"), answer.value("x-tos-tagging-count")),
        ("b", "1")
    );
    client.delete("/bkt/dir/%C3%A4").expect(204);
    let blobs = emulator.temporary_root().expect("a root").join("blobs");
    assert_eq!(std::fs::read_dir(blobs).expect("a directory").count(), 0);
}

#[test]
fn what_grows_can_still_grow_under_its_new_name() {
    let (_emulator, client) = emulator();
    allow(&client);
    client.post("/bkt/old?append&offset=0", "abc").expect(200);
    rename(&client, "old", "new").expect(204);
    client.post("/bkt/new?append&offset=3", "def").expect(200);
    assert_eq!(client.get("/bkt/new").text(), "abcdef");
}

#[test]
fn an_object_under_the_new_name_gives_way_unless_that_is_forbidden() {
    let (_emulator, client) = emulator();
    allow(&client);
    client.put("/bkt/old", "moved").expect(200);
    client.put("/bkt/new", "in the way").expect(200);
    let careful = client
        .ask("PUT", "/bkt/old?rename&name=new")
        .header("x-tos-forbid-overwrite", "true");
    assert_eq!(careful.send().expect(409).value("x-tos-ec"), "0017-00000004");
    assert_eq!(client.get("/bkt/old").text(), "moved");
    rename(&client, "old", "new").expect(204);
    assert_eq!(client.get("/bkt/new").text(), "moved");
    client.get("/bkt/old").expect(404);
}

#[test]
fn a_bucket_has_to_allow_it() {
    let (emulator, client) = emulator();
    client.put("/bkt/old", "content").expect(200);
    assert_eq!(
        client.get("/bkt?rename").expect(200).json()["RenameEnable"],
        false
    );
    rename(&client, "old", "new").expect(400);
    allow(&client);
    assert_eq!(client.get("/bkt?rename").expect(200).json()["RenameEnable"], true);
    rename(&client, "missing", "new").expect(404);
    rename(&client, "old", "old").expect(400);
    rename(&client, "old", "").expect(400);
    client.delete("/bkt?rename").expect(204);
    rename(&client, "old", "new").expect(400);
    emulator.enable_versioning("bkt");
    client.put("/bkt?rename", r#"{"RenameEnable":true}"#).expect(400);
    assert_eq!(client.get("/bkt/old").text(), "content");
}
