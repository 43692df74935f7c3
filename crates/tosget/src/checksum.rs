//! CRC-64/XZ, which TOS calls `crc64ecma`: running over a stream, and joined from neighbouring pieces.

use std::fmt;

use crc_fast::{CrcAlgorithm, Digest};

/// TOS's `crc64ecma` is the catalogue's CRC-64/XZ (reflected, all-ones initial value and final XOR).
const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64Xz;

/// The CRC-64 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Crc64(pub(crate) u64);

impl Crc64 {
    /// The CRC of no bytes; the left and right identity of [`Crc64::then`].
    pub(crate) const EMPTY: Self = Self(0);

    /// The CRC of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut running = RunningCrc64::new();
        running.update(bytes);
        running.finish()
    }

    /// The CRC of these bytes followed by `len` bytes whose CRC is `next`.
    #[must_use]
    pub(crate) fn then(self, next: Self, len: u64) -> Self {
        if len == 0 {
            return self;
        }
        Self(multiply(x_to_the_bits_of(len), self.0) ^ next.0)
    }
}

/// The polynomial, reflected: the coefficient of x^63 is the lowest bit.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

/// x^0 and x^1 in that order of bits.
const ONE: u64 = 1 << 63;
const X: u64 = 1 << 62;

/// `POWERS[n][byte]` is x to the power of the number of bits in `byte` times 256^n bytes.
static POWERS: [[u64; 256]; 8] = {
    let mut powers = [[ONE; 256]; 8];
    let mut step = X;
    let mut doubled = 0;
    while doubled < 3 {
        step = multiply(step, step);
        doubled += 1;
    }
    let mut n = 0;
    while n < powers.len() {
        let mut byte = 1;
        while byte < 256 {
            powers[n][byte] = multiply(powers[n][byte - 1], step);
            byte += 1;
        }
        step = multiply(powers[n][255], step);
        n += 1;
    }
    powers
};

/// The product of two polynomials over GF(2), modulo the CRC's.
///
/// Joining is on the path of every segment that lands, and `crc_fast::checksum_combine` takes 0.2 ms where this takes
/// a tenth of a microsecond for most lengths: those with one byte that is not zero need one product, as many bytes as many.
const fn multiply(a: u64, mut b: u64) -> u64 {
    let (mut product, mut degree) = (0, 0);
    // Without branches: which bits are set is anybody's guess, also the processor's.
    while degree < 64 {
        product ^= b & mask_of(a >> (63 - degree));
        b = (b >> 1) ^ (POLYNOMIAL & mask_of(b));
        degree += 1;
    }
    product
}

/// All bits if the lowest one is set, else none.
const fn mask_of(bit: u64) -> u64 {
    0_u64.wrapping_sub(bit & 1)
}

/// x to the power of the number of bits in `bytes`: what appending so many bytes does to a CRC before them.
fn x_to_the_bits_of(bytes: u64) -> u64 {
    let digits = bytes.to_le_bytes().into_iter().zip(&POWERS);
    digits
        .filter(|&(digit, _)| digit != 0)
        .map(|(digit, powers)| powers[usize::from(digit)])
        .reduce(multiply)
        .unwrap_or(ONE)
}

impl fmt::Display for Crc64 {
    /// Decimal, as in the service's headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Crc64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

/// A CRC-64 that grows with the bytes it is shown.
#[derive(Clone, Debug)]
pub(crate) struct RunningCrc64(Digest);

impl RunningCrc64 {
    pub(crate) fn new() -> Self {
        Self(Digest::new(ALGORITHM))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> Crc64 {
        Crc64(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/data/crc64.json")).expect("the vectors are JSON")
    }

    fn ramp() -> Vec<u8> {
        (0..1_048_576u32).map(|i| (i % 251) as u8).collect()
    }

    fn decimal(value: &Value) -> Crc64 {
        Crc64(value.as_str().expect("decimal text").parse().expect("a u64"))
    }

    /// The bytes that a vector's description stands for.
    fn input(about: &str) -> Vec<u8> {
        match about {
            "empty" => Vec::new(),
            "one 0x00" => vec![0],
            "32 x 0x00" => vec![0; 32],
            "32 x 0xff" => vec![0xff; 32],
            "bytes 0..255" => (0..=255).collect(),
            "1 MiB of 0x00" => vec![0; 1 << 20],
            "1 MiB, byte i = i mod 251" => ramp(),
            "first 700000 bytes of i mod 251" => ramp()[..700_000].to_vec(),
            "the remaining 348576" => ramp()[700_000..].to_vec(),
            ascii => ascii.strip_prefix("ascii ").expect("a known description").into(),
        }
    }

    #[test]
    fn every_published_vector_holds() {
        let vectors = vectors();
        let list = vectors["crc"].as_array().expect("a list");
        assert!(!list.is_empty());
        for vector in list {
            let about = vector["input"].as_str().expect("text");
            assert_eq!(Crc64::of(&input(about)), decimal(&vector["crc64"]), "{about}");
        }
    }

    #[test]
    fn every_published_combination_holds() {
        let vectors = vectors();
        let list = vectors["combine"].as_array().expect("a list");
        assert!(!list.is_empty());
        for vector in list {
            let (a, b) = (
                vector["a"].as_str().expect("text"),
                vector["b"].as_str().expect("text"),
            );
            let b = input(b);
            let joined = Crc64::of(&input(a)).then(Crc64::of(&b), b.len() as u64);
            assert_eq!(joined, decimal(&vector["crc_ab"]), "{a}");
        }
    }

    proptest! {
        #[test]
        fn lengths_add_up(a in any::<u64>(), b in any::<u64>(), shift in 1u32..64) {
            let (a, b) = (a >> shift, b >> shift);
            prop_assert_eq!(multiply(x_to_the_bits_of(a), x_to_the_bits_of(b)), x_to_the_bits_of(a + b));
        }

        #[test]
        fn joining_two_pieces_is_the_crc_of_both(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..600) {
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(Crc64::of(a).then(Crc64::of(b), b.len() as u64), Crc64::of(&bytes));
        }
    }
}
