//! Resumable, parallel, verified downloads from TOS, Volcengine's object store.

#![deny(missing_docs)]

mod checksum;
mod clock;
mod config;
mod credentials;
mod encoding;
mod endpoint;
mod error;
mod names;
mod object;
mod object_url;
mod range;
mod response;
mod signing;
mod source;

pub use config::TosClientBuilder;
pub use credentials::{
    Anonymous, Credentials, CredentialsFuture, CredentialsProvider, EnvironmentCredentials,
    EnvironmentCredentialsError,
};
pub use error::TosServerError;
pub use object::HeadObjectOutput;
