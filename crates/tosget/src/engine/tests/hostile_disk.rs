//! Disks that are full, read-only or lie, and other programs that touch what is ours.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::storage::Allocation;
use crate::testing::hooked_storage::{Call, HookedStorage};

pub(super) fn is_temporary(path: &Path) -> bool {
    path.to_string_lossy().ends_with("tosget-part")
}

impl Bench {
    /// Asks `hook` before each call to the storage that changes something.
    pub(super) fn hooked(&mut self, hook: impl Fn(Call, &Path) -> io::Result<()> + Send + Sync + 'static) {
        self.storage = Arc::new(HookedStorage::new(move |call, path| {
            hook(call, path).map(|()| None)
        }));
    }

    /// A disk with room for so many bytes of temporary files that can't tell so before.
    fn fills_up_after(&mut self, room: u64, kind: io::ErrorKind) {
        let written = AtomicU64::new(0);
        self.storage = Arc::new(HookedStorage::new(move |call, path| match call {
            Call::Allocate { .. } => Ok(Some(Allocation::Sparse)),
            Call::Write { len } if is_temporary(path) => {
                let before = written.fetch_add(len as u64, Ordering::Relaxed);
                if before + len as u64 > room {
                    return Err(kind.into());
                }
                Ok(None)
            }
            _ => Ok(None),
        }));
    }

    /// Runs `meddle` in the folder when the `n`th request (from 0) is made.
    pub(super) fn meddled_at(&self, n: usize, meddle: impl Fn(&Path) + Send + Sync + 'static) {
        let folder = self.folder.path().to_owned();
        self.source.follow(move |number, _| {
            if number == n {
                meddle(&temporary_in(&folder));
            }
            Verdict::Serve
        });
    }

    /// One task, so that what lands before a request is known.
    pub(super) fn spec_for_one(&self) -> Spec {
        Spec {
            tasks: Tasks::exactly(NonZeroUsize::MIN),
            ..self.spec()
        }
    }
}

fn temporary_in(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path());
    files.find(|path| is_temporary(path)).expect("it is there")
}

#[tokio::test]
async fn a_disk_that_is_full_before_the_start_is_told_at_once_and_nothing_is_left() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let mut bench = Bench::new(SIZE);
        bench.hooked(move |call, _| match call {
            Call::Allocate { len } if len > 4 * PART => Err(kind.into()),
            _ => Ok(()),
        });
        let error = bench.download(bench.spec()).await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::Disk);
        assert!(error.hint().is_some_and(|hint| hint.contains("free some space")));
        assert_eq!(bench.source.asked().len(), 1, "no byte is fetched in vain");
        assert_eq!(bench.files(), Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_on_the_way_keeps_what_is_there_for_the_next_call() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let mut bench = Bench::new(SIZE);
        bench.fills_up_after(3 * PART, kind);
        let error = bench.download(bench.spec_for_one()).await.expect_err("no room");
        assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, true));
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("goes on where it stopped"))
        );
        assert!(!bench.destination().exists());
        // Somebody made room.
        bench.storage = Arc::new(SystemStorage);
        let output = bench.download(bench.spec()).await.expect("goes on");
        bench.assert_is_the_object();
        assert_eq!(output.bytes_resumed, 3 * PART, "{kind:?}");
        assert_eq!(output.bytes_fetched, SIZE as u64 - 3 * PART);
    }
}

#[tokio::test]
async fn a_directory_that_can_not_be_written_to_is_named_and_nothing_more_is_fetched() {
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
        let mut bench = Bench::new(SIZE);
        bench.hooked(move |call, _| match call {
            Call::Create => Err(kind.into()),
            _ => Ok(()),
        });
        let error = bench.download(bench.spec()).await.expect_err("read-only");
        assert_eq!(error.kind(), ErrorKind::Disk);
        let folder = bench.folder.path().to_string_lossy().into_owned();
        assert!(error.to_string().contains(&folder), "{error}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("can be written to"))
        );
        assert_eq!(bench.source.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_sync_that_fails_is_final_and_none_of_its_bytes_is_believed_again() {
    let mut bench = Bench::new(SIZE);
    fs::write(bench.destination(), "precious").expect("written");
    bench.hooked(|call, path| match call {
        Call::Sync if is_temporary(path) => Err(io::Error::other("the disk lost some pages")),
        _ => Ok(()),
    });
    let error = bench.download(bench.spec()).await.expect_err("not durable");
    assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, false));
    assert_eq!(fs::read(bench.destination()).expect("there"), b"precious");
    bench.storage = Arc::new(SystemStorage);
    let output = bench.download(bench.spec()).await.expect("starts afresh");
    bench.assert_is_the_object();
    assert_eq!(
        (output.bytes_resumed, output.bytes_fetched),
        (0, SIZE as u64),
        "pages that read back well may not be on the disk"
    );
}

#[tokio::test]
async fn a_name_that_can_not_be_given_or_made_durable_costs_no_byte() {
    for failing in [Call::Rename, Call::SyncDirectory] {
        let mut bench = Bench::new(SIZE);
        bench.hooked(move |call, _| {
            if call == failing {
                Err(io::Error::other("injected fault"))
            } else {
                Ok(())
            }
        });
        let error = bench.download(bench.spec()).await.expect_err("no name");
        assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, true));
        bench.storage = Arc::new(SystemStorage);
        let output = bench
            .download(bench.spec())
            .await
            .expect("only the name is missing");
        bench.assert_is_the_object();
        assert_eq!(output.bytes_fetched, 0, "{failing:?}");
    }
}

#[tokio::test]
async fn a_temporary_file_that_is_removed_during_the_download_is_told_and_the_next_call_starts_afresh() {
    let bench = Bench::new(SIZE);
    fs::write(bench.destination(), "precious").expect("written");
    bench.meddled_at(4, |temporary| fs::remove_file(temporary).expect("removed"));
    let error = bench
        .download(bench.spec_for_one())
        .await
        .expect_err("it is gone");
    assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, false));
    assert!(error.to_string().contains("removed or replaced"), "{error}");
    assert_eq!(fs::read(bench.destination()).expect("there"), b"precious");
    bench.source.follow(|_, _| Verdict::Serve);
    let output = bench.download(bench.spec()).await.expect("starts afresh");
    bench.assert_is_the_object();
    assert_eq!(output.bytes_resumed, 0);
    assert_eq!(bench.files(), ["object.bin"]);
}

#[tokio::test]
async fn a_file_that_somebody_put_in_the_temporary_ones_place_never_becomes_the_destination() {
    let bench = Bench::new(SIZE);
    bench.meddled_at(4, |temporary| {
        fs::remove_file(temporary).expect("removed");
        fs::write(temporary, vec![7; SIZE]).expect("written");
    });
    let error = bench
        .download(bench.spec_for_one())
        .await
        .expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::Disk);
    assert!(!bench.destination().exists());
    bench.source.follow(|_, _| Verdict::Serve);
    bench.download(bench.spec()).await.expect("fetches it again");
    bench.assert_is_the_object();
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_off_the_temporary_file_during_the_download_is_fetched_again() {
    for (checkpoint, most) in [
        (CheckpointPlace::Beside, SIZE as u64 - 3 * PART),
        (CheckpointPlace::Nowhere, SIZE as u64),
    ] {
        let bench = Bench::new(SIZE);
        let folder = bench.folder.path().to_owned();
        // While the third part waits to be tried again, all others come; when it is asked for, its successors go.
        bench
            .source
            .follow(move |number, range| match range.start() / PART {
                2 if number < 6 => Verdict::BreakAfter(0),
                2 => {
                    let file = fs::File::options().write(true).open(temporary_in(&folder));
                    file.expect("there").set_len(4 * PART).expect("cut");
                    Verdict::Serve
                }
                _ => Verdict::Serve,
            });
        let spec = Spec {
            max_retries: Retries::at_most(1),
            checkpoint,
            ..bench.spec()
        };
        let output = bench.download(spec).await.expect("fetches what was cut");
        bench.assert_is_the_object();
        assert_eq!(output.verification, Verification::Crc64);
        let again = output.bytes_fetched - SIZE as u64;
        assert!(
            (SIZE as u64 - 4 * PART..=most).contains(&again),
            "{again} bytes again"
        );
        assert_eq!(bench.files(), ["object.bin"]);
    }
}

/// Whether a path is, or may become, a journal.
fn is_journal(path: &Path) -> bool {
    path.to_string_lossy().contains("journal")
}

#[tokio::test]
async fn a_checkpoint_that_can_not_be_begun_leaves_nothing_and_promises_nothing() {
    for named in [false, true] {
        for failing in [Call::Sync, Call::Rename, Call::Write { len: 0 }] {
            let mut bench = Bench::new(SIZE);
            bench.hooked(move |call, path| {
                let is_meant = std::mem::discriminant(&call) == std::mem::discriminant(&failing);
                if is_meant && is_journal(path) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                Ok(())
            });
            let spec = Spec {
                checkpoint: match named {
                    true => CheckpointPlace::At(bench.folder.path().join("my-journal")),
                    false => CheckpointPlace::Beside,
                },
                ..bench.spec()
            };
            let result = bench.download(spec).await;
            if !named && failing == Call::Rename {
                // Only one that was named gets its name later.
                result.expect("nothing fails");
                continue;
            }
            let error = result.expect_err("no room for a journal");
            assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, false));
            let hint = error.hint().expect("what to do");
            assert!(
                hint.contains("free some space") && !hint.contains("goes on"),
                "{hint}"
            );
            assert_eq!(bench.files(), Vec::<String>::new(), "{named} {failing:?}");
        }
    }
}

#[tokio::test]
async fn a_checkpoint_that_records_nothing_is_not_promised_and_not_left() {
    let mut bench = Bench::new(SIZE);
    let writes = AtomicU64::new(0);
    bench.hooked(move |call, path| match call {
        Call::Write { .. } if is_journal(path) && writes.fetch_add(1, Ordering::Relaxed) > 0 => {
            Err(io::Error::other("injected fault"))
        }
        _ => Ok(()),
    });
    let error = bench
        .download(bench.spec())
        .await
        .expect_err("nothing is recorded");
    assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, false));
    assert_eq!(bench.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_checkpoint_that_had_to_be_removed_after_a_failed_sync_is_not_promised() {
    let mut bench = Bench::new(SIZE);
    let aside = bench.journal().with_added_extension("aside");
    fs::write(&aside, "somebody's").expect("written");
    bench.source.follow(|number, _| match number {
        0 | 1 => Verdict::Serve,
        _ => Verdict::BreakAfter(0),
    });
    bench.hooked(|call, path| match call {
        Call::Sync if is_temporary(path) => Err(io::Error::other("the disk lost some pages")),
        _ => Ok(()),
    });
    let error = bench.download(bench.spec_for_one()).await.expect_err("it breaks");
    assert!(!bench.journal().exists());
    assert!(!error.is_resumable(), "{error:?}");
    assert_eq!(fs::read(&aside).expect("there"), b"somebody's");
}
