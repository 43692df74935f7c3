//! How often the kernel is called for a mebibyte, through a real socket into a real file. `cargo xtask bench syscalls` counts
//! all calls of the program; this bounds the two kinds that grow with the object.

use std::sync::atomic::{AtomicU64, Ordering};

use tos_emulator::{Emulator, virtual_content};

use super::*;
use crate::config::TosClientBuilder;
use crate::credentials::Credentials;
use crate::testing::hooked_storage::{Call, HookedStorage};
use crate::testing::socket_reads;

const MIB: u64 = 64;

/// A read finds what has come by then: 3.8 a MiB when this was written. The first ones of a connection are small, as the HTTP
/// library doubles its buffer.
const MOST_READS: u64 = 8;

/// A write is what a read brought, or crumbs of reads copied together: 2.8 a MiB.
const MOST_WRITES: u64 = 6;

#[tokio::test]
async fn a_mebibyte_takes_few_reads_and_few_writes_and_the_journal_next_to_none() {
    let emulator = Emulator::builder().start().await.expect("the emulator starts");
    emulator.create_bucket("bucket");
    emulator.put_virtual("bucket", "k", MIB << 20, 1);
    let parts = TosClientBuilder::new()
        .endpoint(emulator.endpoint())
        .region(emulator.region())
        .credentials(Credentials::new(emulator.access_key(), emulator.secret_key()))
        .into_parts()
        .expect("a good configuration");
    let counts: Arc<[AtomicU64; 2]> = Arc::default();
    let counted = counts.clone();
    let storage = HookedStorage::new(move |call, path| {
        if let Call::Write { .. } = call {
            let is_data = path.to_string_lossy().ends_with("tosget-part");
            counted[usize::from(!is_data)].fetch_add(1, Ordering::SeqCst);
        }
        Ok(None)
    });
    let folder = tempfile::tempdir().expect("a temporary directory");
    let spec = Spec {
        object: ObjectId::new("bucket", "k"),
        file_path: folder.path().join("object.bin"),
        part_size: NonZeroU64::new(8 << 20).expect("not zero"),
        tasks: exactly(4),
        ..plain_spec()
    };
    let engine = Engine {
        source: parts.service().expect("it has one").source.clone(),
        storage: Arc::new(storage),
        in_use: InUse::default(),
        file_work: FileWork::default(),
    };
    let before = socket_reads::counted();
    let done = engine.run(spec).await.expect("downloads");
    let reads = socket_reads::counted() - before;
    assert_eq!(done.content_crc64, Some(virtual_content(1).crc64(0..MIB << 20)));
    let [writes, journal_writes] = [0, 1].map(|kind| counts[kind].load(Ordering::SeqCst));
    assert!(
        reads >= MIB && writes >= MIB,
        "nothing was counted: {reads}, {writes}"
    );
    assert!(reads <= MOST_READS * MIB, "{reads} reads for {MIB} MiB");
    assert!(writes <= MOST_WRITES * MIB, "{writes} writes for {MIB} MiB");
    // At most a record for each 512 KiB, and a heart that beats once a second.
    let most = 2 * MIB + done.elapsed.as_secs() + 16;
    assert!(
        journal_writes <= most,
        "{journal_writes} writes of the journal for {MIB} MiB"
    );
}
