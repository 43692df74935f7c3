//! The emulator over real sockets, by a client that shares no code with it. One module per promise.

mod addressing;
mod append;
mod archives;
mod binary;
mod client;
mod control;
mod encryption;
mod errors;
mod faults;
mod faults_on_the_wire;
mod listings;
mod log;
mod multipart;
mod objects;
mod persistence;
mod range_crc;
mod reads;
mod signatures;
mod signing;
mod symlinks;
mod tagging;
mod tls;
mod traffic_limit;
mod versions;
mod virtual_objects;
