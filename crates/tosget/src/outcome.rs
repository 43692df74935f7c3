//! What a download that succeeded tells its caller.

use std::path::PathBuf;
use std::time::Duration;

use crate::object::HeadObjectOutput;
use crate::verify::Verification;

/// The result of a download: what the service tells of the object, and what happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DownloadFileOutput {
    /// What HeadObject would have returned for the object that was downloaded.
    pub object: HeadObjectOutput,
    /// Where the object is now, absolute.
    pub file_path: PathBuf,
    /// Bytes that came over the network in this call, those that had to be fetched twice included.
    pub bytes_fetched: u64,
    /// Bytes that an earlier call had fetched and this one did not need to.
    pub bytes_resumed: u64,
    /// Requests sent.
    pub requests: u64,
    /// Failed attempts that were tried again.
    pub retries: u64,
    /// How often the download started over because the object had been replaced; see
    /// [`OnChange`](crate::OnChange).
    pub restarts: u64,
    /// Id of the first request that was answered, if the server gave it one; the support of TOS asks for it.
    pub first_request_id: Option<String>,
    /// Id of the last request that was answered, likewise.
    pub last_request_id: Option<String>,
    /// From the call to its end.
    pub elapsed: Duration,
    /// By what the content was verified.
    pub verification: Verification,
    /// Why the checkpoint of an earlier call could not be used, if there was one that could not.
    pub set_aside: Option<String>,
    /// Why the object was taken in one answer, so that it could not have been gone on with, if it was.
    pub one_answer: Option<String>,
    /// CRC-64/XZ of the file's content; `None` where no file was written (a directory).
    pub content_crc64: Option<u64>,
}
