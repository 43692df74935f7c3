//! Cancels a download from another thread and throws away what is there. A file that was at the destination before stays.
//!
//! `cargo run --example cancel_abort -- BUCKET KEY FILE [SECONDS]`, with `TOS_ENDPOINT`, `TOS_REGION`, `TOS_ACCESS_KEY`
//! and `TOS_SECRET_KEY` in the environment.

use std::env;
use std::error::Error as StdError;
use std::thread;
use std::time::Duration;

use tosget::blocking::TosClient;
use tosget::{CancelHook, Credentials, DownloadFile, ErrorKind};

fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (Some([bucket, key, file_path]), seconds) = (arguments.first_chunk(), arguments.get(3)) else {
        return Err("usage: cancel_abort BUCKET KEY FILE [SECONDS]".into());
    };
    let patience = Duration::from_secs_f64(seconds.map_or(Ok(10.0), |text| text.parse())?);
    let client = TosClient::new(
        tosget::TosClient::builder()
            .endpoint(env::var("TOS_ENDPOINT")?)
            .region(env::var("TOS_REGION")?)
            .credentials(Credentials::from_env()?),
    )?;
    let hook = CancelHook::new();
    let request = DownloadFile::new(bucket, key, file_path).with_cancel_hook(hook.clone());
    thread::spawn(move || {
        thread::sleep(patience);
        hook.cancel(true);
    });
    match client.download_file(request) {
        Ok(done) => println!("{} bytes came before it was canceled", done.object.content_length),
        Err(error) if error.kind() == ErrorKind::Canceled => println!("{error}; nothing is kept"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
