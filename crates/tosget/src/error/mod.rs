//! The one error type of the public API, and the vocabulary beneath it.

pub(crate) mod attempt;
mod server;

pub use server::TosServerError;
