//! Resumable, parallel, verified downloads from TOS, Volcengine's object store.

#![deny(missing_docs)]

mod checksum;
mod error;
mod object;
mod range;
mod response;
mod source;

pub use error::TosServerError;
pub use object::HeadObjectOutput;
