//! Resumable, parallel, verified downloads from TOS, Volcengine's object store.
//!
//! # Logging
//!
//! tosget tells [`tracing`](https://docs.rs/tracing) what it does; nothing is printed unless the program installs a
//! subscriber. No key, token, signature, password or query of a URL is ever among it, at any level.
//!
//! | target | what it tells |
//! |---|---|
//! | `tosget::download` | the object that was found, attempts that are made again, the result |
//! | `tosget::checkpoint` | what is gone on from, what is kept, what can't be used and why |
//! | `tosget::request` | each HTTP request and what came of it |
//! | `tosget::connection` | name resolution, TCP, TLS; which connection an answer came over |
//!
//! | level | what is told at it |
//! |---|---|
//! | `WARN` | what is not as it should be, though the download goes on: a checkpoint that can't be used, bytes that were altered, files left behind |
//! | `INFO` | a few events for each download, and one for each attempt that is made again |
//! | `DEBUG` | one event for each request, when its body has ended; one for each change of the number of tasks |
//! | `TRACE` | each answer's head as it comes, and each new connection |
//!
//! What ends a call is in its [`Error`] and not in the log.
//!
//! Two spans give the events their place, so that parallel downloads can be told apart:
//!
//! - `download` (`INFO`, target `tosget::download`): `id` (counts the downloads of this process), `object`, `file_path`.
//! - `request` (`DEBUG`, target `tosget::request`): `id` (counts the requests of this process), `method`, `object`, `range`
//!   (half-open, in bytes; absent where the whole is asked for), `attempt` (from 1).
//!
//! A request's last event is `done`, `let go` (the rest of the body was not wanted, or it broke off), `refused` or `failed`.
//! It carries `status`, `request_id` (the service's, for its support), `ttfb_ms` (from the call to the answer's head),
//! `bytes` (of the body) and `elapsed_ms`. `failed`, where there was no answer, has `error` with its causes, and
//! `elapsed_ms`.
//!
//! `the number of tasks changed` (`DEBUG`, target `tosget::download`) has `tasks` (that may be at work from now on),
//! `bytes_per_second` (that came before, where it was measured) and `reason`. Downloads that share the number tell it once, in the
//! span of whichever noticed.

#![deny(missing_docs)]

mod batch;
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
mod given_url;
mod journal;
mod limiter;
mod names;
mod object;
mod object_url;
mod offload;
mod on_change;
mod outcome;
mod page_cache;
mod plan;
mod presigned;
mod progress;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod range;
mod response;
mod retry;
mod room;
mod short_work;
mod signing;
mod source;
mod spelling;
mod storage;
mod stragglers;
mod strays;
mod subject;
mod taken;
mod tasks;
mod temporary;
mod terms;
#[cfg(test)]
mod testing;
mod threads;
mod traffic_limit;
mod transfer;
mod turns;
mod verify;

pub use batch::{Batch, BatchResult, BatchResults};
pub use cancel::CancelHook;
pub use client::TosClient;
pub use config::TosClientBuilder;
pub use credentials::{
    Anonymous, Credentials, CredentialsFuture, CredentialsProvider, EnvironmentCredentials,
    EnvironmentCredentialsError,
};
pub use customer_key::SsecKey;
pub use data_transfer::{DataTransferStatus, DataTransferType};
pub use download::{DEFAULT_PART_SIZE, DownloadFile, HeadObject};
pub use engine::Recheck;
pub use error::{Error, ErrorKind, Result, TosServerError};
pub use events::{DownloadEvent, DownloadEventType, DownloadEvents, DownloadPart};
pub use limiter::RateLimiter;
pub use object::HeadObjectOutput;
pub use on_change::OnChange;
pub use outcome::DownloadFileOutput;
pub use page_cache::PageCache;
pub use presigned::PreSignedUrl;
pub use progress::{Progress, ProgressSnapshot};
pub use verify::Verification;
