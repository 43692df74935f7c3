//! Resumable, parallel, verified downloads from TOS, Volcengine's object store.

#![deny(missing_docs)]

mod cancel;
mod checksum;
mod coverage;
mod destination;
mod engine;
mod error;
mod journal;
mod object;
mod outcome;
mod plan;
mod progress;
mod range;
mod response;
mod retry;
mod source;
mod storage;
mod temporary;
#[cfg(test)]
mod testing;
mod transfer;
mod verify;

pub use cancel::CancelHook;
pub use engine::Recheck;
pub use error::{Error, ErrorKind, Result, TosServerError};
pub use object::HeadObjectOutput;
pub use outcome::DownloadFileOutput;
pub use progress::{Progress, ProgressSnapshot};
pub use verify::Verification;
