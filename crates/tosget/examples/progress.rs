//! Shows the progress of a download, from code without an async runtime.
//!
//! `cargo run --example progress -- BUCKET KEY FILE`, with `TOS_ENDPOINT`, `TOS_REGION`, `TOS_ACCESS_KEY` and
//! `TOS_SECRET_KEY` in the environment.

use std::env;
use std::error::Error as StdError;

use tosget::blocking::TosClient;
use tosget::{Credentials, DataTransferStatus, DownloadFile};

fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, key, file_path] = arguments.as_slice() else {
        return Err("usage: progress BUCKET KEY FILE".into());
    };
    let client = TosClient::new(
        tosget::TosClient::builder()
            .endpoint(env::var("TOS_ENDPOINT")?)
            .region(env::var("TOS_REGION")?)
            .credentials(Credentials::from_env()?),
    )?;
    let request = DownloadFile::new(bucket, key, file_path).with_data_transfer_listener(percentage);
    client.download_file(request)?;
    Ok(())
}

fn percentage(status: DataTransferStatus) {
    let percent = 100 * status.consumed_bytes / status.total_bytes.max(1);
    println!(
        "{percent} %: {} of {} bytes, {} since last time, {:?}",
        status.consumed_bytes, status.total_bytes, status.rw_once_bytes, status.data_transfer_type
    );
}
