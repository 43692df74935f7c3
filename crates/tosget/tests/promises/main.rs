//! What tosget promises, held against the emulator: real bytes through a real socket.

mod support;

mod addressing;
mod compared;
mod conditions;
mod encryption;
mod examples;
mod faults;
mod journeys;
mod kinds;
mod logging;
mod presigned;
mod refusals;
mod traffic_limit;
