//! The official Rust SDK and Apache OpenDAL against the emulator.

mod open_dal;
mod rust_sdk;
mod rust_sdk_objects;
mod servers;
