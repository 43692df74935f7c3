//! The command line's promises, kept by the real binary against the emulator. One module per promise.
#![cfg(unix)]

mod batch;
mod checkpoint_files;
mod conditions;
mod connections;
mod demo;
mod destinations;
mod encryption;
mod exit_codes;
mod get;
mod interruption;
mod json;
mod limits;
mod logging;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod lying_disk;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod odd_file_systems;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod odd_system;
mod outage;
mod presigned;
mod progress;
mod resume;
mod rights;
#[cfg(target_os = "linux")]
mod scarcity;
mod secrets;
mod stage;
mod stat;
mod stuck_disk;
mod unread_output;
mod usage;
