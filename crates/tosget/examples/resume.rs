//! Takes a download up again after a failure, by the same call with the same arguments.
//!
//! `cargo run --example resume -- BUCKET KEY FILE`, with `TOS_ENDPOINT`, `TOS_REGION`, `TOS_ACCESS_KEY` and
//! `TOS_SECRET_KEY` in the environment.

use std::env;
use std::error::Error as StdError;

use tosget::{Credentials, DownloadFile, TosClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, key, file_path] = arguments.as_slice() else {
        return Err("usage: resume BUCKET KEY FILE".into());
    };
    let client = TosClient::builder()
        .endpoint(env::var("TOS_ENDPOINT")?)
        .region(env::var("TOS_REGION")?)
        .credentials(Credentials::from_env()?)
        // Few, so that the loop below has something to do. Without it an outage is waited for, five minutes long.
        .max_retry_count(3)
        .build()?;
    let request = DownloadFile::new(bucket, key, file_path)
        .with_part_size(20 << 20)
        .with_task_num(3);
    loop {
        // Network failures are retried inside the call already. This is for those that last longer.
        let error = match client.download_file(request.clone()).await {
            Ok(done) => {
                println!(
                    "{} bytes, {} of them from an earlier call, verified by {:?}",
                    done.object.content_length, done.bytes_resumed, done.verification
                );
                return Ok(());
            }
            Err(error) => error,
        };
        println!("failed: {error}");
        if let Some(server) = error.server() {
            println!("code {}, status {}", server.code, server.status_code);
            println!("request id {}, EC {}", server.request_id, server.ec);
            println!("url {}", server.request_url);
        }
        if !error.is_transient() {
            return Err(error.into());
        }
    }
}
