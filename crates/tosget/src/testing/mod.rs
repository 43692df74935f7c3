//! What the tests of this crate put behind its seams: a source that follows a script, storages that fail.

pub(crate) mod faulty_storage;
pub(crate) mod folding_storage;
pub(crate) mod hooked_storage;
pub(crate) mod power_cut;
pub(crate) mod scripted_source;
pub(crate) mod socket_reads;
pub(crate) mod void_storage;
pub(crate) mod zero_source;

/// The bytes of a test object: a ramp modulo a prime, mixed with another one, so that no shifted piece looks right.
pub(crate) fn object_bytes(size: usize) -> Vec<u8> {
    (0..size).map(|i| ((i % 251) ^ (i / 251 % 241)) as u8).collect()
}
