//! Makes a presigned URL and downloads by it: `cargo run --example presigned -- BUCKET KEY DEST`, with `TOS_ENDPOINT`,
//! `TOS_REGION` and the credentials in the environment.
//!
//! Two clients stand for two machines: one has the keys, the other one has only the URL.

use std::env;
use std::error::Error;
use std::time::Duration;

use tosget::{Credentials, DownloadFile, HeadObject, PreSignedUrl, TosClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bucket, key, destination] = arguments.as_slice() else {
        return Err("usage: presigned BUCKET KEY DEST".into());
    };
    let owner = TosClient::builder()
        .endpoint(env::var("TOS_ENDPOINT")?)
        .region(env::var("TOS_REGION")?)
        .credentials(Credentials::from_env()?)
        .build()?;
    let url = PreSignedUrl::new(bucket, key).with_expires(Duration::from_secs(600));
    let url = owner.pre_signed_url(url).await?;
    // The URL is a key to the object: it is handed over, not printed.

    let client = TosClient::builder().build()?;
    let head = client.head_object(HeadObject::from_pre_signed_url(&url)).await?;
    println!("{} bytes are at the URL", head.content_length);
    match client
        .download_file(DownloadFile::from_pre_signed_url(&url, destination))
        .await
    {
        Ok(done) => println!(
            "{} bytes fetched, {} resumed, verified by {:?}",
            done.bytes_fetched, done.bytes_resumed, done.verification
        ),
        // The URL may expire under way. What has come is kept, and a fresh URL goes on.
        Err(error) if error.is_resumable() => {
            println!(
                "{error}; {}",
                error.hint().unwrap_or("run the same command again to go on")
            );
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
