//! Resumable, parallel, verified downloads from TOS, Volcengine's object store.

#![deny(missing_docs)]

pub mod blocking;
mod cancel;
mod checksum;
mod client;
mod clock;
mod config;
mod coverage;
mod credentials;
mod destination;
mod download;
mod encoding;
mod endpoint;
mod engine;
mod error;
mod given_url;
mod journal;
mod names;
mod object;
mod object_url;
mod outcome;
mod plan;
mod presigned;
mod progress;
mod range;
mod response;
mod retry;
mod signing;
mod source;
mod storage;
mod subject;
mod temporary;
#[cfg(test)]
mod testing;
mod transfer;
mod verify;

pub use cancel::CancelHook;
pub use client::TosClient;
pub use config::TosClientBuilder;
pub use credentials::{
    Anonymous, Credentials, CredentialsFuture, CredentialsProvider, EnvironmentCredentials,
    EnvironmentCredentialsError,
};
pub use download::{DEFAULT_PART_SIZE, DEFAULT_TASK_NUM, DownloadFile, HeadObject};
pub use engine::Recheck;
pub use error::{Error, ErrorKind, Result, TosServerError};
pub use object::HeadObjectOutput;
pub use outcome::DownloadFileOutput;
pub use presigned::PreSignedUrl;
pub use progress::{Progress, ProgressSnapshot};
pub use verify::Verification;
