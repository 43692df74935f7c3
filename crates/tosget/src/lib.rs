//! Resumable, parallel, verified downloads from TOS, Volcengine's object store.

#![deny(missing_docs)]

mod checksum;
mod coverage;
mod error;
mod journal;
mod object;
mod plan;
mod range;
mod response;
mod retry;
mod source;
mod storage;
mod verify;

pub use error::TosServerError;
pub use object::HeadObjectOutput;
