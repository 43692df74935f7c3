//! What tosget promises, held against the emulator: real bytes through a real socket.

mod support;

mod addressing;
mod asking;
mod attacks;
mod batch;
mod compared;
mod conditions;
mod encryption;
mod examples;
mod faults;
mod hostile_disk;
mod hostile_network;
mod hostile_server;
mod journeys;
mod kinds;
mod limits_on_connections;
mod logging;
mod machine;
mod one_answer;
mod presigned;
mod refusals;
mod reliability_table;
mod tasks;
mod traffic_limit;
mod unproven;
mod wire;
