//! Files that get the object's modification time.

use std::time::SystemTime;

use super::*;

fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_164_645)
}

/// Serves an object that was written long ago.
fn bench(size: usize) -> Bench {
    let bench = Bench::new(size);
    bench.source.replace(Served {
        last_modified: Some(long_ago()),
        ..Served::new(bench.content.clone(), "etag-1")
    });
    bench
}

impl Bench {
    fn preserving(&self) -> Spec {
        Spec {
            preserve_mtime: true,
            ..self.spec()
        }
    }

    fn modified(&self) -> SystemTime {
        let metadata = fs::metadata(self.destination()).expect("the destination is there");
        metadata.modified().expect("this platform tells")
    }
}

#[tokio::test]
async fn a_file_gets_the_objects_time_only_where_the_caller_wants_that() {
    for size in [0, 7, SIZE] {
        let bench = bench(size);
        bench.download(bench.spec()).await.expect("nothing goes wrong");
        assert_ne!(bench.modified(), long_ago());
        bench
            .download(bench.preserving())
            .await
            .expect("nothing goes wrong");
        assert_eq!(bench.modified(), long_ago(), "{size} bytes");
    }
}

#[tokio::test]
async fn a_server_that_tells_no_time_is_no_failure() {
    let bench = Bench::new(SIZE);
    bench.download(bench.preserving()).await.expect("nothing to set");
    bench.assert_is_the_object();
}

/// Also between the rename and the removal of the journal, where the next run knows the file by its time.
#[tokio::test(start_paused = true)]
async fn killed_at_any_storage_call_the_next_run_brings_the_object_with_its_time() {
    // So that the nth call is the same one in every run.
    crate::offload::inline::want();
    let mut seen_committed = false;
    for n in 0.. {
        let mut bench = bench(2 * PART as usize + 999);
        let dying = FaultyStorage::dies_at(n);
        bench.storage = Arc::new(dying.clone());
        let result = bench.download(bench.preserving()).await;
        if !dying.has_failed() {
            result.expect("nothing failed");
            assert!(seen_committed, "some kill fell between rename and removal");
            return;
        }
        bench.storage = Arc::new(SystemStorage);
        let asked = bench.source.asked().len();
        let journal_left = bench.files().iter().any(|name| name.ends_with("tosget-journal"));
        let committed_before = bench.destination().exists() && journal_left;
        bench
            .download(bench.preserving())
            .await
            .expect("the next run succeeds");
        bench.assert_is_the_object();
        assert_eq!(bench.modified(), long_ago(), "after call {n}");
        assert!(
            !committed_before || bench.asked_since(asked) == 1,
            "after call {n} the file is known for what it is"
        );
        seen_committed |= committed_before;
    }
}

#[tokio::test]
async fn a_time_that_can_not_be_set_keeps_what_is_there_and_is_no_dead_end() {
    let mut bench = bench(SIZE);
    bench.storage = Arc::new(FaultyStorage::dies_at_the_first_time_set());
    let error = bench
        .download(bench.preserving())
        .await
        .expect_err("it can't be set");
    assert_eq!(error.kind(), ErrorKind::Disk);
    assert!(error.to_string().contains("modification time"), "{error}");
    assert!(error.is_resumable() && error.hint().is_some_and(|hint| hint.contains("preserve_mtime")));
    assert!(!bench.destination().exists());
    // What the hint says helps, and costs nothing but a question.
    bench.storage = Arc::new(SystemStorage);
    let output = bench.download(bench.spec()).await.expect("without the time");
    assert_eq!(output.bytes_fetched, 0);
    bench.assert_is_the_object();
}

#[tokio::test]
async fn a_file_that_an_earlier_run_committed_gets_the_time_as_well() {
    let mut bench = bench(SIZE);
    bench.storage = Arc::new(FaultyStorage::dies_at_the_first_removal());
    bench
        .download(bench.spec())
        .await
        .expect("a journal stays behind");
    bench.storage = Arc::new(SystemStorage);
    let output = bench.download(bench.preserving()).await.expect("it is done");
    assert_eq!(output.bytes_fetched, 0);
    assert_eq!(bench.modified(), long_ago());
}
