//! What tosget promises, held against the emulator: real bytes through a real socket.

mod support;

mod addressing;
mod examples;
mod faults;
mod journeys;
mod logging;
mod presigned;
mod refusals;
