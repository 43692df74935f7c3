//! Keeps a local copy up to date: downloads the object only if it is newer than the copy, and the newest one if it is replaced
//! meanwhile.
//!
//! `cargo run --example conditions -- BUCKET KEY FILE`, with `TOS_ENDPOINT`, `TOS_REGION`, `TOS_ACCESS_KEY` and
//! `TOS_SECRET_KEY` in the environment.

use std::env;
use std::error::Error as StdError;
use std::fs;

use tosget::{Credentials, DownloadFile, OnChange, TosClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, key, file_path] = arguments.as_slice() else {
        return Err("usage: conditions BUCKET KEY FILE".into());
    };
    let client = TosClient::builder()
        .endpoint(env::var("TOS_ENDPOINT")?)
        .region(env::var("TOS_REGION")?)
        .credentials(Credentials::from_env()?)
        .build()?;
    // The copy gets the object's time, so that the next run can ask for what is newer.
    let mut request = DownloadFile::new(bucket, key, file_path)
        .with_preserve_mtime(true)
        .with_on_change(OnChange::Restart(3));
    if let Ok(copy) = fs::metadata(file_path) {
        request = request.with_if_modified_since(copy.modified()?);
    }
    match client.download_file(request).await {
        Ok(done) => println!(
            "{} bytes, ETag {}, started over {} times; requests {} to {}",
            done.object.content_length,
            done.object.etag.unwrap_or_default(),
            done.restarts,
            done.first_request_id.unwrap_or_default(),
            done.last_request_id.unwrap_or_default(),
        ),
        Err(error) if error.server().is_some_and(|server| server.status_code == 304) => {
            println!("the copy is up to date");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
