//! How many requests are under way where nobody says how many.

use std::time::Duration;

use tos_emulator::{FaultRule, Verdict};
use tosget::{DownloadFile, Progress};

use crate::support::{BUCKET, MIB, World, chain};

const SIZE: u64 = 48 * MIB;

impl World {
    /// A download that leaves the number open.
    fn open_request(&self) -> DownloadFile {
        DownloadFile::new(BUCKET, "k", self.destination()).with_part_size(MIB)
    }
}

#[tokio::test]
async fn slow_connections_are_many_without_anybody_saying_so() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world.emulator.set_bandwidth(None, Some(MIB));
    let client = world.client();
    let mut download = Box::pin(client.download_file(world.open_request()));
    let mut most = 0;
    let done = loop {
        most = most.max(world.emulator.stats().in_flight);
        tokio::select! {
            done = &mut download => break done,
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    };
    done.expect("downloads");
    world.assert_destination_is_virtual(1, SIZE);
    assert!(most >= 6, "{most} at a time, for a line that has no limit");
}

#[tokio::test]
async fn a_service_that_refuses_more_than_so_many_at_a_time_is_asked_by_fewer() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world.emulator.set_bandwidth(None, Some(2 * MIB));
    let rule = FaultRule::new(Verdict::MaxConcurrent { limit: 5 });
    world.emulator.add_fault(rule.method("GET"));
    let progress = Progress::new();
    let request = world.open_request().with_progress(progress.clone());
    let done = world.client().download_file(request).await;
    done.unwrap_or_else(|error| panic!("{}", chain(&error)));
    world.assert_destination_is_virtual(1, SIZE);
    let retries = progress.snapshot().retries;
    assert!(retries < 40, "{retries} were refused");
}
