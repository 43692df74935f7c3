//! Downloads many objects as one run; run again, it fetches only what is missing.
//!
//! `cargo run --example batch -- BUCKET DIRECTORY KEY...`, with `TOS_ENDPOINT`, `TOS_REGION`, `TOS_ACCESS_KEY` and
//! `TOS_SECRET_KEY` in the environment.

use std::env;
use std::error::Error as StdError;
use std::path::Path;

use tosget::{Batch, Credentials, DownloadFile, TosClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, directory, keys @ ..] = arguments.as_slice() else {
        return Err("usage: batch BUCKET DIRECTORY KEY...".into());
    };
    let client = TosClient::builder()
        .endpoint(env::var("TOS_ENDPOINT")?)
        .region(env::var("TOS_REGION")?)
        .credentials(Credentials::from_env()?)
        .build()?;
    // The slash at its end makes it a directory, also where it is not there yet; below it each object is named by its key.
    let below = Path::new(directory).join("");
    // Made as there is room for them: the keys could as well come from a file with millions of them.
    let (bucket, keys) = (bucket.clone(), keys.to_vec());
    let requests = keys.clone().into_iter().map(move |key| {
        // What an earlier run has brought is told by size and CRC64, and left alone.
        DownloadFile::new(&bucket, key, &below).with_skip_same(true)
    });
    let mut results = client.download_batch(Batch::new(requests))?;
    let mut failed = 0;
    while let Some(done) = results.next().await {
        let key = &keys[done.index];
        match done.result {
            Ok(output) if output.bytes_fetched == 0 => println!("{key}: there already"),
            Ok(output) => println!("{key}: {} bytes fetched", output.bytes_fetched),
            Err(error) => {
                failed += 1;
                println!("{key}: {error}");
            }
        }
    }
    println!("{} of {} objects are there", keys.len() - failed, keys.len());
    if failed > 0 {
        return Err("run it again for those that failed".into());
    }
    Ok(())
}
