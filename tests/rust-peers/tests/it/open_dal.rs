//! Apache OpenDAL's service for TOS, over TLS.

use std::time::Duration;

use opendal::{EntryMode, ErrorKind};

use crate::servers::{for_open_dal, ramp};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn what_is_written_is_read_and_told_about() {
    let (_emulator, operator, _client, _certificates) = for_open_dal();
    for key in ["plain.txt", "dir/ä +%&.bin", "a//b"] {
        let written = operator
            .write_with(key, ramp(100_000))
            .content_type("text/x-test")
            .user_metadata([("colour".to_owned(), "red".to_owned())]);
        written.await.expect("a write");
        assert!(
            operator.read(key).await.expect("a read").to_vec() == ramp(100_000),
            "{key}"
        );
        let told = operator.stat(key).await.expect("a stat");
        assert_eq!(
            (told.content_length(), told.content_type()),
            (100_000, Some("text/x-test"))
        );
        assert!(told.etag().is_some() && told.last_modified().is_some());
        let metadata = told.user_metadata().expect("metadata");
        assert_eq!(metadata.get("colour"), Some("red"));
    }
}

#[tokio::test]
async fn ranges_are_slices() {
    let (_emulator, operator, _client, _certificates) = for_open_dal();
    let content = ramp(1000);
    operator.write("k", content.clone()).await.expect("a write");
    for range in [0..1, 10..20, 990..1000] {
        let read = operator
            .read_with("k")
            .range(range.clone())
            .await
            .expect("a read");
        let (start, end) = (range.start as usize, range.end as usize);
        assert_eq!(read.to_vec(), content[start..end]);
    }
    let rest = operator.read_with("k").range(900..).await.expect("a read");
    assert_eq!(rest.to_vec(), content[900..]);
}

#[tokio::test]
async fn a_multipart_write_comes_back_whole() {
    let (emulator, operator, _client, _certificates) = for_open_dal();
    let content = ramp(12 * MIB + 7);
    let mut writer = operator
        .writer_with("large")
        .chunk(5 * MIB)
        .concurrent(2)
        .await
        .expect("a writer");
    for piece in content.chunks(MIB) {
        writer.write(piece.to_vec()).await.expect("a write");
    }
    writer.close().await.expect("a complete upload");
    assert!(operator.read("large").await.expect("a read").to_vec() == content);
    let parts = emulator.requests();
    let parts = parts.iter().filter(|record| record.operation == "UploadPart");
    assert_eq!(parts.count(), 3);
}

#[tokio::test]
async fn listings_page_and_group() {
    let (_emulator, operator, _client, _certificates) = for_open_dal();
    for key in ["a/1", "a/2", "b", "c/1", "c/2/x", "d 中"] {
        operator
            .write(key, key.as_bytes().to_vec())
            .await
            .expect("a write");
    }
    let all = operator
        .list_with("")
        .recursive(true)
        .limit(2)
        .await
        .expect("a list");
    let files: Vec<_> = all
        .iter()
        .filter(|entry| entry.metadata().mode() == EntryMode::FILE)
        .map(|entry| (entry.path(), entry.metadata().content_length()))
        .collect();
    assert_eq!(
        files,
        [
            ("a/1", 3),
            ("a/2", 3),
            ("b", 1),
            ("c/1", 3),
            ("c/2/x", 5),
            ("d 中", 5)
        ]
    );
    let top = operator.list("").await.expect("a list");
    let mut names: Vec<_> = top.iter().map(opendal::Entry::path).collect();
    names.sort_unstable();
    assert_eq!(names, ["a/", "b", "c/", "d 中"]);
    let after = operator
        .list_with("")
        .recursive(true)
        .start_after("c/1")
        .await
        .expect("a list");
    let names: Vec<_> = after.iter().map(opendal::Entry::path).collect();
    assert_eq!(names, ["c/2/x", "d 中"]);
}

#[tokio::test]
async fn objects_are_copied_and_deleted() {
    let (_emulator, operator, _client, _certificates) = for_open_dal();
    operator.write("dir/ä +", ramp(1000)).await.expect("a write");
    operator.copy("dir/ä +", "copy").await.expect("a copy");
    operator.delete("dir/ä +").await.expect("a deletion");
    assert!(operator.read("copy").await.expect("a read").to_vec() == ramp(1000));
    let gone = operator.stat("dir/ä +").await.expect_err("it is gone");
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    for key in ["x", "y", "copy"] {
        operator.write(key, "1").await.expect("a write");
    }
    operator
        .delete_iter(["x", "y", "copy"])
        .await
        .expect("a deletion of many");
    assert!(operator.list("").await.expect("a list").is_empty());
}

#[tokio::test]
async fn conditions_are_kept() {
    let (_emulator, operator, _client, _certificates) = for_open_dal();
    let once = || operator.write_with("k", "content").if_not_exists(true);
    let written = once().await.expect("the first write");
    let refused = once().await.expect_err("the second write");
    assert_eq!(refused.kind(), ErrorKind::ConditionNotMatch);
    let etag = written.etag().expect("an ETag").to_owned();
    operator.read_with("k").if_match(&etag).await.expect("a read");
    let refused = operator
        .read_with("k")
        .if_match("\"other\"")
        .await
        .expect_err("another ETag");
    assert_eq!(refused.kind(), ErrorKind::ConditionNotMatch);
    let refused = operator
        .read_with("k")
        .if_none_match(&etag)
        .await
        .expect_err("the same ETag");
    assert_eq!(refused.kind(), ErrorKind::ConditionNotMatch);
}

#[tokio::test]
async fn presigned_urls_work_without_keys() {
    let (_emulator, operator, client, _certificates) = for_open_dal();
    operator.write("dir/ä +", "content").await.expect("a write");
    let presigned = operator
        .presign_read("dir/ä +", Duration::from_secs(60))
        .await
        .expect("a presigned URL");
    let url = presigned.uri().to_string();
    let answer = client.get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.expect("a body"), "content");
    let forged = url.replacen("/dir/", "/forged/", 1);
    let forged = client.get(forged).send().await.expect("an answer");
    assert_eq!(forged.status(), 403);
}

#[tokio::test]
async fn versions_are_kept_and_read() {
    let (emulator, operator, _client, _certificates) = for_open_dal();
    emulator.enable_versioning("peer");
    operator.write("k", "old").await.expect("a write");
    let old = operator
        .stat("k")
        .await
        .expect("a stat")
        .version()
        .expect("a version")
        .to_owned();
    operator.write("k", "new").await.expect("a write");
    operator.delete("k").await.expect("a deletion");
    let read = operator.read_with("k").version(&old).await.expect("a read");
    assert_eq!(read.to_vec(), b"old");
    let all = operator.list_with("").versions(true).await.expect("a list");
    assert_eq!(all.iter().filter(|entry| entry.path() == "k").count(), 2);
}
