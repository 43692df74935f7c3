//! A speed that is asked of the server is asked with every read, and only where the server takes it.

use tosget::ErrorKind;

use crate::support::{BUCKET, MIB, World};

#[tokio::test]
async fn the_limit_goes_out_with_every_get() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 1);
    let request = world.request("k").with_traffic_limit(838_860_800);
    world.client().download_file(request).await.expect("downloads");
    world.assert_destination_is_virtual(1, 3 * MIB);
    let limit = ("x-tos-traffic-limit".to_owned(), "838860800".to_owned());
    let gets = world.gets();
    assert_eq!(gets.len(), 3);
    assert!(gets.iter().all(|request| request.headers.contains(&limit)));
}

#[tokio::test]
async fn without_one_nothing_is_said_of_it() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", MIB, 1);
    world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    let said =
        |request: &tos_emulator::RequestRecord| crate::support::carries(request, "x-tos-traffic-limit");
    assert!(!world.gets().iter().any(said));
}

#[tokio::test]
async fn what_the_server_would_not_take_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    for bits in [0, 1, 245_759, 838_860_801, u64::MAX] {
        let request = world.request("k").with_traffic_limit(bits);
        let error = world.client().download_file(request).await.expect_err("no");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("bits per second"), "{error}");
    }
    assert_eq!(world.emulator.stats().requests, 0);
}
