//! Downloads one object: `cargo run --example get -- BUCKET KEY DEST`, with `TOS_ENDPOINT`, `TOS_REGION` and the
//! credentials in the environment.

use std::env;
use std::error::Error;

use tosget::{Credentials, DownloadFile, TosClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, key, destination] = arguments.as_slice() else {
        return Err("usage: get BUCKET KEY DEST".into());
    };
    let client = TosClient::builder()
        .endpoint(env::var("TOS_ENDPOINT")?)
        .region(env::var("TOS_REGION")?)
        .credentials(Credentials::from_env()?)
        .build()?;
    let done = client
        .download_file(DownloadFile::new(bucket, key, destination))
        .await?;
    println!(
        "{} bytes in {:.1} s, {} of them resumed, verified by {:?}",
        done.object.content_length,
        done.elapsed.as_secs_f64(),
        done.bytes_resumed,
        done.verification
    );
    Ok(())
}
