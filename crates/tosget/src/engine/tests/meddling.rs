//! Other programs that touch the temporary file or the destination while a download runs, up to the very last moment.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::hostile_disk::is_temporary;
use super::*;
use crate::testing::hooked_storage::Call;

/// Goes through all steps, or takes the short way of small objects.
const SIZES: [usize; 2] = [SIZE, 1000];

fn append(path: &Path) {
    let mut file = fs::File::options().append(true).open(path).expect("there");
    file.write_all(b"JUNKJUNK").expect("written");
}

fn cut(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("there");
    file.set_len(500).expect("cut");
}

impl Bench {
    /// Meddles with the temporary file when it is synced for the `n`th time (from 0).
    fn meddled_at_sync(&mut self, n: usize, meddle: impl Fn(&Path) + Send + Sync + 'static) {
        let syncs = AtomicUsize::new(0);
        self.hooked(move |call, path| {
            if call == Call::Sync && is_temporary(path) && syncs.fetch_add(1, Ordering::SeqCst) == n {
                meddle(path);
            }
            Ok(())
        });
    }

    /// Meddles with the destination when somebody looks at it after it got its new file.
    fn meddled_after_the_rename(&mut self, meddle: impl Fn(&Path) + Send + Sync + 'static) {
        let (destination, is_renamed) = (self.destination(), AtomicBool::new(false));
        self.hooked(move |call, path| {
            if call == Call::Rename && path == destination {
                is_renamed.store(true, Ordering::SeqCst);
            }
            if call == Call::Stat && path == destination && is_renamed.swap(false, Ordering::SeqCst) {
                meddle(path);
            }
            Ok(())
        });
    }

    async fn next_run_is_right(&mut self) {
        self.storage = Arc::new(SystemStorage);
        self.download(self.spec()).await.expect("nobody meddles");
        self.assert_is_the_object();
    }
}

#[tokio::test]
async fn what_somebody_appends_to_the_temporary_file_is_not_in_the_destination() {
    for recheck in [Recheck::Auto, Recheck::Always, Recheck::Never] {
        for checkpoint in [CheckpointPlace::Beside, CheckpointPlace::Nowhere] {
            let bench = Bench::new(SIZE);
            bench.meddled_at(4, append);
            let spec = Spec {
                recheck,
                checkpoint,
                ..bench.spec_for_one()
            };
            let output = bench.download(spec).await.expect("it is cut back");
            bench.assert_is_the_object();
            assert_eq!(output.bytes_fetched, SIZE as u64);
            assert_eq!(bench.files(), ["object.bin"]);
        }
    }
}

#[tokio::test]
async fn a_longer_file_that_is_there_when_a_missing_directory_is_made_is_cut_to_a_small_objects_size() {
    let mut bench = Bench::new(1000);
    let file_path = bench.folder.path().join("new").join("object.bin");
    let temporary = places(&file_path).temporary;
    bench.hooked(move |call, path| {
        if call == Call::CreateDirectory {
            fs::create_dir_all(path)?;
            fs::write(&temporary, vec![7; 2000])?;
        }
        Ok(())
    });
    let spec = Spec {
        file_path: file_path.clone(),
        ..bench.spec()
    };
    bench.download(spec).await.expect("cuts it");
    assert_eq!(fs::read(file_path).expect("there"), bench.content);
}

#[tokio::test]
async fn a_file_that_takes_the_temporary_ones_place_during_the_last_sync_never_becomes_the_destination() {
    for size in SIZES {
        let mut bench = Bench::new(size);
        fs::write(bench.destination(), "precious").expect("written");
        bench.meddled_at_sync(0, |temporary| {
            fs::rename(temporary, temporary.with_file_name("gone")).expect("renamed");
            fs::write(temporary, "somebody's").expect("written");
        });
        let error = bench.download(bench.spec()).await.expect_err("it is gone");
        assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, false));
        assert!(error.to_string().contains("removed or replaced"), "{error}");
        assert_eq!(fs::read(bench.destination()).expect("there"), b"precious");
        assert_eq!(fs::read(bench.temporary()).expect("there"), b"somebody's");
        bench.next_run_is_right().await;
    }
}

#[tokio::test]
async fn a_file_that_is_removed_during_the_last_sync_is_told() {
    for size in SIZES {
        let mut bench = Bench::new(size);
        bench.meddled_at_sync(0, |temporary| fs::remove_file(temporary).expect("removed"));
        let error = bench.download(bench.spec()).await.expect_err("it is gone");
        assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, false));
        assert!(error.to_string().contains("removed or replaced"), "{error}");
        bench.next_run_is_right().await;
    }
}

#[tokio::test]
async fn a_file_that_is_cut_or_grows_during_the_last_sync_never_becomes_the_destination() {
    for (size, recheck, last_sync) in [
        (SIZE, Recheck::Auto, 0),
        (SIZE, Recheck::Always, 1),
        (1000, Recheck::Auto, 0),
    ] {
        for meddle in [cut, append] {
            let mut bench = Bench::new(size);
            fs::write(bench.destination(), "precious").expect("written");
            bench.meddled_at_sync(last_sync, meddle);
            let spec = Spec {
                recheck,
                ..bench.spec()
            };
            let error = bench.download(spec).await.expect_err("it is not the object");
            assert_eq!(
                (error.kind(), error.is_resumable()),
                (ErrorKind::Disk, size == SIZE)
            );
            assert!(error.to_string().contains("another length"), "{error}");
            assert_eq!(fs::read(bench.destination()).expect("there"), b"precious");
            bench.next_run_is_right().await;
        }
    }
}

#[tokio::test]
async fn a_destination_that_is_replaced_as_it_gets_its_name_is_no_success() {
    for size in SIZES {
        let mut bench = Bench::new(size);
        bench.meddled_after_the_rename(|destination| {
            let other = destination.with_file_name("other");
            fs::write(&other, "somebody's").expect("written");
            fs::rename(other, destination).expect("renamed");
        });
        let error = bench.download(bench.spec()).await.expect_err("it is not ours");
        assert_eq!((error.kind(), error.is_resumable()), (ErrorKind::Disk, false));
        assert_eq!(fs::read(bench.destination()).expect("there"), b"somebody's");
        bench.next_run_is_right().await;
    }
}

/// Who waits for the file may move it on at once.
#[tokio::test]
async fn a_destination_that_is_taken_away_as_it_gets_its_name_is_a_success() {
    for size in SIZES {
        let mut bench = Bench::new(size);
        let taken = bench.folder.path().join("taken");
        let to = taken.clone();
        bench.meddled_after_the_rename(move |destination| fs::rename(destination, &to).expect("moved"));
        bench.download(bench.spec()).await.expect("it was there");
        assert_eq!(fs::read(taken).expect("there"), bench.content);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_destination_that_becomes_private_during_the_download_stays_private() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    for size in SIZES {
        for (before, during, after) in [
            (Some(0o644), 0o600, 0o600),
            (None, 0o600, 0o600),
            (None, 0o400, 0o400),
            (Some(0o600), 0o644, 0o600),
            (Some(0o444), 0o440, 0o440),
        ] {
            let mut bench = Bench::new(size);
            let destination = bench.destination();
            if let Some(before) = before {
                fs::write(&destination, "old").expect("written");
                set(&destination, before);
            }
            let meddled = AtomicBool::new(false);
            bench.hooked(move |call, path| {
                if call == Call::Sync && is_temporary(path) && !meddled.swap(true, Ordering::SeqCst) {
                    if before.is_none() {
                        fs::write(&destination, "old")?;
                    }
                    set(&destination, during);
                }
                if call == Call::Rename && path == destination {
                    let temporary = mode(&places(&destination).temporary);
                    assert_eq!(temporary & !(after | 0o600), 0, "{temporary:o} gets the name");
                }
                Ok(())
            });
            bench.download(bench.spec()).await.expect("nothing fails");
            bench.assert_is_the_object();
            assert_eq!(mode(&bench.destination()), after, "{before:?} {during:o}");
        }
    }
}
