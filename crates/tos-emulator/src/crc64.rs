//! CRC-64/XZ, which TOS calls crc64ecma: of bytes, of two joined pieces, of one piece repeated.

use crc_fast::{CrcAlgorithm, Digest, checksum, checksum_combine};

const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64Xz;

/// The CRC64 of `bytes`.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    checksum(ALGORITHM, bytes)
}

/// The CRC64 of A followed by B, from theirs and B's length.
pub(crate) fn join(crc_a: u64, crc_b: u64, len_b: u64) -> u64 {
    checksum_combine(ALGORITHM, crc_a, crc_b, len_b)
}

/// The CRC64 of a piece of `len` bytes written `times` times, by doubling: O(log times).
pub(crate) fn repeat(crc: u64, len: u64, times: u64) -> u64 {
    let (mut done_crc, mut power_crc, mut power_len, mut left) = (0, crc, len, times);
    while left > 0 {
        if left & 1 == 1 {
            done_crc = join(done_crc, power_crc, power_len);
        }
        left >>= 1;
        if left > 0 {
            power_crc = join(power_crc, power_crc, power_len);
            power_len *= 2;
        }
    }
    done_crc
}

/// A CRC64 that grows with each piece.
#[derive(Debug)]
pub(crate) struct RunningCrc64(Digest);

impl RunningCrc64 {
    pub(crate) fn new() -> Self {
        Self(Digest::new(ALGORITHM))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn input(description: &str) -> Vec<u8> {
        let ramp = |len: usize| (0..len).map(|i| (i % 251) as u8).collect::<Vec<_>>();
        match description {
            "empty" => Vec::new(),
            "one 0x00" => vec![0],
            "32 x 0x00" => vec![0; 32],
            "32 x 0xff" => vec![0xff; 32],
            "bytes 0..255" => (0..=255).collect(),
            "1 MiB of 0x00" => vec![0; 1 << 20],
            "1 MiB, byte i = i mod 251" => ramp(1 << 20),
            "first 700000 bytes of i mod 251" => ramp(700_000),
            "the remaining 348576" => ramp(1 << 20)[700_000..].to_vec(),
            text => text
                .strip_prefix("ascii ")
                .expect("a known description")
                .as_bytes()
                .to_vec(),
        }
    }

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/data/crc64.json")).expect("the file is JSON")
    }

    fn number(value: &Value) -> u64 {
        value
            .as_str()
            .expect("a decimal string")
            .parse()
            .expect("a decimal")
    }

    #[test]
    fn published_values_hold() {
        for vector in vectors()["crc"].as_array().expect("a list") {
            let bytes = input(vector["input"].as_str().expect("text"));
            assert_eq!(crc64(&bytes), number(&vector["crc64"]), "{vector}");
        }
    }

    #[test]
    fn published_combinations_hold() {
        for vector in vectors()["combine"].as_array().expect("a list") {
            let (a, b) = (number(&vector["crc_a"]), number(&vector["crc_b"]));
            assert_eq!(crc64(&input(vector["a"].as_str().expect("text"))), a);
            assert_eq!(crc64(&input(vector["b"].as_str().expect("text"))), b);
            let len_b = vector["len_b"].as_u64().expect("a number");
            assert_eq!(join(a, b, len_b), number(&vector["crc_ab"]), "{vector}");
        }
    }

    #[test]
    fn repeating_equals_writing_it_out() {
        let piece = b"a piece of odd length";
        for times in 0..20 {
            let written = piece.repeat(times);
            assert_eq!(
                repeat(crc64(piece), piece.len() as u64, times as u64),
                crc64(&written)
            );
        }
    }
}
