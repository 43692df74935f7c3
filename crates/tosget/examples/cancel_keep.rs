//! Cancels a download half-way and keeps what is there; the same call again goes on from it.
//!
//! `cargo run --example cancel_keep -- BUCKET KEY FILE`, with `TOS_ENDPOINT`, `TOS_REGION`, `TOS_ACCESS_KEY` and
//! `TOS_SECRET_KEY` in the environment.

use std::env;
use std::error::Error as StdError;

use tosget::{CancelHook, Credentials, DownloadFile, ErrorKind, TosClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, key, file_path] = arguments.as_slice() else {
        return Err("usage: cancel_keep BUCKET KEY FILE".into());
    };
    let client = TosClient::builder()
        .endpoint(env::var("TOS_ENDPOINT")?)
        .region(env::var("TOS_REGION")?)
        .credentials(Credentials::from_env()?)
        .build()?;
    let request = DownloadFile::new(bucket, key, file_path).with_part_size(5 << 20);

    // Any thread may pull the hook at any time. Here it is the listener of the progress, half-way.
    let hook = CancelHook::new();
    let half_way = hook.clone();
    let canceled = request
        .clone()
        .with_cancel_hook(hook)
        .with_data_transfer_listener(move |status| {
            if status.consumed_bytes >= status.total_bytes / 2 {
                half_way.cancel(false);
            }
        });
    match client.download_file(canceled).await {
        Err(error) if error.kind() == ErrorKind::Canceled => {
            println!("{error}; kept: {}", error.is_resumable());
        }
        other => println!("too fast to be canceled, or failed: {other:?}"),
    }

    let done = client.download_file(request).await?;
    println!(
        "{} bytes were there, {} were fetched",
        done.bytes_resumed, done.bytes_fetched
    );
    Ok(())
}
