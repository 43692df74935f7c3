//! What tosget promises, held against the emulator: real bytes through a real socket.

mod support;

mod addressing;
mod conditions;
mod encryption;
mod examples;
mod faults;
mod journeys;
mod refusals;
mod traffic_limit;
