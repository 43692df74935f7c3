//! Symbolic links between objects.

use tos_emulator::{FaultRule, Verdict, virtual_content};

use crate::client::{Answer, Client, emulator, emulator_in, ramp};

fn link(client: &Client, target: &str) -> Answer {
    let ask = client
        .ask("PUT", "/bkt/link?symlink")
        .header("x-tos-symlink-target", target);
    ask.header("x-tos-meta-a", "of the link").send()
}

#[test]
fn a_read_gets_what_the_link_points_to() {
    let (emulator, client) = emulator();
    let headers = [("x-tos-storage-class", "IA"), ("x-tos-meta-a", "of the target")];
    let target = emulator.put_object_with("bkt", "dir/ä +", ramp(1000), &headers);
    link(&client, "dir/%C3%A4%20%2B").expect(200);

    let head = client.head("/bkt/link").expect(200);
    let got = client.get("/bkt/link").expect(200);
    let range = client.range("/bkt/link", "bytes=-10").expect(206);
    for answer in [&head, &got, &range] {
        assert_eq!(answer.value("x-tos-object-type"), "Symlink");
        assert_eq!(answer.value("x-tos-symlink-target-size"), "1000");
        assert_eq!(answer.value("etag"), format!("\"{}\"", target.etag));
        assert_eq!(answer.value("x-tos-hash-crc64ecma"), target.crc64.to_string());
        assert_eq!(answer.value("x-tos-storage-class"), "IA");
        assert_eq!(answer.value("x-tos-meta-a"), "of the link");
    }
    // The length of a HEAD is that of the link itself, which holds a name.
    assert_eq!(head.value("content-length"), "dir/ä +".len().to_string());
    assert!(got.body == ramp(1000));
    assert_eq!(range.value("content-range"), "bytes 990-999/1000");
    assert_eq!(range.body, ramp(1000)[990..]);
}

#[test]
fn a_link_follows_its_target_through_changes() {
    let (_emulator, client) = emulator();
    link(&client, "target").expect(200);
    client.get("/bkt/link").expect(404);
    let missing = client.head("/bkt/link").expect(404);
    assert_eq!(missing.value("x-tos-ec"), "0017-00000003");
    client.put("/bkt/target", "old").expect(200);
    let old = client.head("/bkt/link").value("etag").to_owned();
    client.put("/bkt/target", "newer").expect(200);
    assert_eq!(client.get("/bkt/link").text(), "newer");
    let pinned = client.ask("GET", "/bkt/link").header("if-match", &old);
    pinned.send().expect(412);
    client.delete("/bkt/link").expect(204);
    assert_eq!(client.get("/bkt/target").text(), "newer");
}

#[test]
fn a_replaced_link_has_its_target_replaced() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "target", ramp(1000));
    emulator.put_symlink("bkt", "link", "target");
    let old = client.head("/bkt/link").value("etag").to_owned();
    emulator.add_fault(FaultRule::new(Verdict::ReplaceObject { seed: 1, size: None }).key("link"));
    let pinned = client.ask("GET", "/bkt/link").header("if-match", &old);
    pinned.send().expect(412);
    let answer = client.get("/bkt/link").expect(200);
    assert!(answer.body == virtual_content(1).read_at(0, 1000));
    assert_eq!(answer.value("x-tos-object-type"), "Symlink");
}

#[test]
fn a_link_says_where_it_leads() {
    let (_emulator, client) = emulator();
    client.put("/other", "").expect(200);
    client.put("/other/%C3%A4", "there").expect(200);
    let ask = client
        .ask("PUT", "/bkt/link?symlink=")
        .header("x-tos-symlink-target", "%C3%A4");
    ask.header("x-tos-symlink-bucket", "other").send().expect(200);
    let shown = client.get("/bkt/link?symlink").expect(200);
    assert_eq!(
        (
            shown.value("x-tos-symlink-target"),
            shown.value("x-tos-symlink-bucket")
        ),
        ("%C3%A4", "other")
    );
    assert!(shown.value("last-modified").ends_with(" GMT"));
    assert_eq!(client.get("/bkt/link").text(), "there");
    client.get("/other/%C3%A4?symlink").expect(400);
    client.get("/bkt/missing?symlink").expect(404);
    client.put("/bkt/nowhere?symlink", "").expect(400);
    let listed = client.get("/bkt").expect(200).json();
    assert_eq!(listed["Contents"][0]["Type"], "Symlink");
}

#[test]
fn a_link_to_a_link_leads_nowhere() {
    let (_emulator, client) = emulator();
    client.put("/bkt/target", "content").expect(200);
    link(&client, "target").expect(200);
    let second = client
        .ask("PUT", "/bkt/second?symlink")
        .header("x-tos-symlink-target", "link");
    second.send().expect(200);
    client.get("/bkt/second").expect(400);
}

#[test]
fn an_overwrite_that_is_forbidden_keeps_what_is_there() {
    let (_emulator, client) = emulator();
    client.put("/bkt/link", "an object").expect(200);
    let ask = client
        .ask("PUT", "/bkt/link?symlink")
        .header("x-tos-symlink-target", "target");
    ask.header("x-tos-forbid-overwrite", "true").send().expect(409);
    assert_eq!(client.get("/bkt/link").text(), "an object");
}

#[test]
fn a_public_link_does_not_open_a_private_bucket() {
    let (emulator, client) = emulator();
    emulator.public_bucket("open");
    emulator.put_object("bkt", "secret", "content");
    let ask = client
        .ask("PUT", "/open/link?symlink")
        .header("x-tos-symlink-target", "secret");
    ask.header("x-tos-symlink-bucket", "bkt").send().expect(200);
    assert_eq!(client.get("/open/link").expect(200).text(), "content");
    client.ask("GET", "/open/link").anonymous().send().expect(403);
}

#[test]
fn links_survive_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = || emulator_in(directory.path());
    let first = start();
    first.create_bucket("bkt");
    first.put_object("bkt", "target", "content");
    link(&Client::of(&first), "target").expect(200);
    drop(first);
    assert_eq!(
        Client::of(&start()).get("/bkt/link").expect(200).text(),
        "content"
    );
}
