//! Resumable, parallel, verified downloads from TOS, Volcengine's object store.

#![deny(missing_docs)]

pub mod blocking;
mod cancel;
mod checksum;
mod client;
mod clock;
mod conditions;
mod config;
mod coverage;
mod credentials;
mod customer_key;
mod data_transfer;
mod destination;
mod download;
mod encoding;
mod endpoint;
mod engine;
mod error;
mod events;
mod journal;
mod limiter;
mod names;
mod object;
mod object_url;
mod on_change;
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
mod temporary;
mod terms;
#[cfg(test)]
mod testing;
mod traffic_limit;
mod transfer;
mod verify;

pub use cancel::CancelHook;
pub use client::TosClient;
pub use config::TosClientBuilder;
pub use credentials::{
    Anonymous, Credentials, CredentialsFuture, CredentialsProvider, EnvironmentCredentials,
    EnvironmentCredentialsError,
};
pub use customer_key::SsecKey;
pub use data_transfer::{DataTransferStatus, DataTransferType};
pub use download::{DEFAULT_PART_SIZE, DEFAULT_TASK_NUM, DownloadFile, HeadObject};
pub use engine::Recheck;
pub use error::{Error, ErrorKind, Result, TosServerError};
pub use events::{DownloadEvent, DownloadEventType, DownloadEvents, DownloadPart};
pub use limiter::RateLimiter;
pub use object::HeadObjectOutput;
pub use on_change::OnChange;
pub use outcome::DownloadFileOutput;
pub use presigned::PreSignedUrl;
pub use progress::{Progress, ProgressSnapshot};
pub use verify::Verification;
