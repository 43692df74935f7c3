//! Resumable, parallel, verified downloads from TOS, Volcengine's object store.

#![deny(missing_docs)]

mod cancel;
mod checksum;
mod coverage;
mod destination;
mod error;
mod journal;
mod object;
mod plan;
mod progress;
mod range;
mod response;
mod retry;
mod source;
mod storage;
mod temporary;
mod verify;

pub use cancel::CancelHook;
pub use error::{Error, ErrorKind, Result, TosServerError};
pub use object::HeadObjectOutput;
pub use progress::{Progress, ProgressSnapshot};
pub use verify::Verification;
