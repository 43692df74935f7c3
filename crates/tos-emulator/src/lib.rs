//! A local TOS server for demos and tests.
//!
//! It speaks the wire protocol of TOS, Volcengine's object store, to the official SDKs unmodified: signatures are
//! verified, ranges and conditions honoured, objects kept on disk. What it has beyond a store is for tests: objects of
//! any size that are generated ([`Emulator::put_virtual`]), things that go wrong on demand ([`FaultRule`]), and a log of
//! what was asked and how much of the answers went out ([`Emulator::requests`]).
//!
//! ```
//! use tos_emulator::{Emulator, FaultRule, Verdict};
//!
//! let emulator = Emulator::builder().spawn()?;
//! emulator.create_bucket("models");
//! emulator.put_virtual("models", "weights.bin", 1 << 40, 7);
//! emulator.add_fault(FaultRule::new(Verdict::ResetAfter { bytes: 1000 }).method("GET").nth(2).times(1));
//! // … point a client at emulator.endpoint() …
//! assert_eq!(emulator.stats().requests, 0);
//! # Ok::<(), std::io::Error>(())
//! ```
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
