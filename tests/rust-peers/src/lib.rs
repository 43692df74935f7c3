//! Clients of TOS that others wrote in Rust, unmodified, against the emulator: see `tests/it`.
