//! Servers that bear only so many connections, and say so in whichever way.

use std::fs;
use std::time::{Duration, Instant};

use tos_emulator::{FaultRule, Verdict};
use tosget::{Batch, DownloadFile, ErrorKind};

use crate::support::{BUCKET, MIB, World, chain};
use crate::unproven::RawServer;
use crate::wire::{Manner, Wire};

const SIZE: u64 = 24 * MIB;
const MOST: usize = 3;

/// In every way that a server or a proxy may refuse one connection more.
const REFUSALS: [Manner; 5] = [
    Manner::Says("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    Manner::Says("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    Manner::Says("HTTP/1.1 503 Slow down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    Manner::Reset,
    Manner::Silent,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_more_connections_is_asked_by_fewer() {
    for refusal in REFUSALS {
        for task_num in [Some(12), None] {
            let world = World::new().await;
            world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
            // So that siblings are at work for a while.
            world.emulator.set_bandwidth(Some(8 * MIB), None);
            let wire = Wire::limited(world.emulator.address(), MOST, refusal).await;
            let client = world.builder().endpoint(wire.url()).build().expect("good");
            let mut request = world.request("k").with_part_size(MIB);
            if let Some(task_num) = task_num {
                request = request.with_task_num(task_num);
            }
            let began = Instant::now();
            let done = client.download_file(request).await;
            let done = done.unwrap_or_else(|error| panic!("{refusal:?}, {task_num:?}: {}", chain(&error)));
            world.assert_destination_is_virtual(1, SIZE);
            assert_eq!(done.bytes_fetched, SIZE, "{refusal:?}");
            let took = began.elapsed();
            assert!(
                took < Duration::from_secs(25),
                "{refusal:?}, {task_num:?}: {took:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_objects_come_from_a_server_that_refuses_more_connections() {
    for refusal in REFUSALS {
        let world = World::new().await;
        let keys: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
        for key in &keys {
            world.emulator.put_virtual(BUCKET, key, MIB / 2, 1);
        }
        world.emulator.set_bandwidth(Some(12 * MIB), None);
        let wire = Wire::limited(world.emulator.address(), MOST, refusal).await;
        let client = world.builder().endpoint(wire.url()).build().expect("good");
        let out = world.folder.path().join("out/");
        let request = |key: &String| DownloadFile::new(BUCKET, key, out.clone());
        let requests: Vec<DownloadFile> = keys.iter().map(request).collect();
        let mut results = client.download_batch(Batch::new(requests)).expect("good");
        while let Some(done) = results.next().await {
            let done = done.result;
            done.unwrap_or_else(|error| panic!("{refusal:?}: {}", chain(&error)));
        }
        for key in &keys {
            assert_eq!(fs::metadata(out.join(key)).expect("there").len(), MIB / 2);
        }
    }
}

/// Nothing in their refusals tells them from such a limit, but that it is repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forbidden_objects_of_a_list_are_told_soon_and_the_others_come() {
    for task_num in [Some(4), None] {
        let server = RawServer::start(|_, asked| {
            if asked.path().contains("forbidden") {
                return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
            }
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\
              ETag: \"e\"\r\nx-tos-request-id: r\r\nConnection: close\r\n\r\nhello"
                .to_vec()
        })
        .await;
        let client = server.builder().max_retry_count(50).range_crc(false);
        let client = client.build().expect("good");
        let folder = tempfile::tempdir().expect("a directory");
        let request = |number: usize| {
            let key = match number % 10 {
                5 => format!("forbidden-{number}"),
                _ => format!("k{number}"),
            };
            DownloadFile::new(BUCKET, key, folder.path().join("out/"))
        };
        let mut batch = Batch::new((0..100).map(request).collect::<Vec<_>>());
        if let Some(task_num) = task_num {
            batch = batch.with_task_num(task_num);
        }
        let mut results = client.download_batch(batch).expect("good");
        while let Some(done) = results.next().await {
            match (done.index % 10, done.result) {
                (5, Err(error)) => {
                    assert_eq!(error.server().map(|server| server.status_code), Some(403));
                }
                (5, Ok(_)) => panic!("{} is forbidden", done.index),
                (_, result) => drop(result.unwrap_or_else(|error| panic!("{}", chain(&error)))),
            }
        }
        for number in (5..100).step_by(10) {
            let name = format!("forbidden-{number}");
            let asked = server
                .asked()
                .iter()
                .filter(|asked| asked.path().ends_with(&name))
                .count();
            assert!((1..=3).contains(&asked), "{name}: {asked} requests");
        }
    }
}

/// When nobody gets through any more it was no limit.
#[tokio::test]
async fn rights_that_end_on_the_way_end_the_download() {
    for status in [401, 403] {
        let world = World::new().await;
        world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
        let refusal = FaultRule::new(Verdict::status(status, "AccessDenied"));
        world.emulator.add_fault(refusal.range_from(8 * MIB));
        let request = world.request("k").with_part_size(MIB).with_task_num(4);
        let error = world.client().download_file(request).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Server);
        let server = error.server().expect("the server's words");
        assert_eq!(
            (server.status_code, server.code.as_str()),
            (status, "AccessDenied")
        );
    }
}

/// Also while a connection that stalls is replaced, and however the body before ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_connections_are_open_than_tasks() {
    for task_num in [1, 2, 4] {
        let world = World::new().await;
        world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
        let stall = FaultRule::new(Verdict::StallAfter {
            bytes: 100_000,
            ms: None,
        });
        world.emulator.add_fault(stall.method("GET").nth(4).times(1));
        let wire = Wire::to(world.emulator.address(), |_| Manner::Through).await;
        let client = world.builder().endpoint(wire.url()).build().expect("good");
        let request = world.request("k").with_part_size(MIB).with_task_num(task_num);
        let done = client.download_file(request).await.expect("downloads");
        assert_eq!(done.bytes_fetched, SIZE);
        assert!(wire.connections() > 1, "one was replaced");
        assert!(
            wire.most_open() <= task_num,
            "{} for {task_num}",
            wire.most_open()
        );
    }
}
