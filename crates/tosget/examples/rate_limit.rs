//! Downloads at 5 MiB per second on average, with bursts of up to 10 MiB.
//!
//! `cargo run --example rate_limit -- BUCKET KEY FILE`, with `TOS_ENDPOINT`, `TOS_REGION`, `TOS_ACCESS_KEY` and
//! `TOS_SECRET_KEY` in the environment.

use std::env;
use std::error::Error as StdError;

use tosget::{Credentials, DownloadFile, RateLimiter, TosClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, key, file_path] = arguments.as_slice() else {
        return Err("usage: rate_limit BUCKET KEY FILE".into());
    };
    let client = TosClient::builder()
        .endpoint(env::var("TOS_ENDPOINT")?)
        .region(env::var("TOS_REGION")?)
        .credentials(Credentials::from_env()?)
        .build()?;
    // Clones share the rate: give one to each download that is to share it.
    let limiter = RateLimiter::new(5 << 20, 10 << 20)?;
    let request = DownloadFile::new(bucket, key, file_path)
        .with_task_num(3)
        .with_rate_limiter(limiter.clone());
    let done = client.download_file(request).await?;
    let seconds = done.elapsed.as_secs_f64();
    println!(
        "{} bytes in {seconds:.1} s at {} bytes/s",
        done.bytes_fetched,
        limiter.rate()
    );
    Ok(())
}
