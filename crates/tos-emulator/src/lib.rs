#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod builder;
mod clock;
mod content;
mod control;
mod crc64;
mod emulator;
mod error;
mod exchange;
mod faults;
mod log;
mod operations;
mod reply;
mod request;
mod service;
mod signature;
mod store;
mod virtual_content;
mod wire;

pub use builder::Builder;
pub use emulator::{Emulator, ObjectSummary};
pub use faults::{CannedAnswer, CannedBody, FaultRule, Verdict};
pub use log::{Outcome, RequestRecord, Stats};
pub use virtual_content::{VirtualContent, virtual_content};
