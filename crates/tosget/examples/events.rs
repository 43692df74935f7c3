//! Prints what happens in a download, as it happens.
//!
//! `cargo run --example events -- BUCKET KEY FILE`, with `TOS_ENDPOINT`, `TOS_REGION`, `TOS_ACCESS_KEY` and
//! `TOS_SECRET_KEY` in the environment.

use std::env;
use std::error::Error as StdError;

use tosget::{Credentials, DownloadEvent, DownloadFile, TosClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, key, file_path] = arguments.as_slice() else {
        return Err("usage: events BUCKET KEY FILE".into());
    };
    let client = TosClient::builder()
        .endpoint(env::var("TOS_ENDPOINT")?)
        .region(env::var("TOS_REGION")?)
        .credentials(Credentials::from_env()?)
        .build()?;
    let request = DownloadFile::new(bucket, key, file_path).with_download_event_listener(print);
    client.download_file(request).await?;

    // The same as a stream, for those who would rather wait for events than be called.
    let again = DownloadFile::new(bucket, key, file_path);
    let (request, mut events) = again.with_download_event_stream();
    let watch = async {
        let mut count = 0;
        while events.next().await.is_some() {
            count += 1;
        }
        count
    };
    let (done, count) = tokio::join!(client.download_file(request), watch);
    done?;
    println!("the same again: {count} events");
    Ok(())
}

fn print(event: DownloadEvent) {
    print!("{:?} tos://{}/{}", event.event_type, event.bucket, event.key);
    if let Some(part) = event.download_part {
        print!(
            " part {}, bytes {} to {}, CRC64 {:?}",
            part.part_number, part.range_start, part.range_end, part.hash_crc64ecma
        );
    }
    match event.error {
        Some(error) => println!(": {error}"),
        None => println!(),
    }
}
