//! What the emulator serves under a seed, generated once more here: what a download is held against must not come from
//! the program that served it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crc_fast::{CrcAlgorithm, Digest};

/// The emulator repeats a block of this length, the largest prime below 2^20.
const BLOCK_LEN: usize = 1_048_573;

const PIECE_LEN: usize = 1 << 20;

/// One state of an object: generated content of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) seed: u64,
    pub(crate) size: u64,
}

/// A file's content, as far as it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Print {
    len: u64,
    crc64: u64,
}

impl Content {
    /// What a file with just this content has.
    pub(crate) fn print(self) -> Print {
        let block = block(self.seed);
        let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
        let mut left = self.size;
        while left > 0 {
            let len = left.min(BLOCK_LEN as u64);
            digest.update(&block[..len as usize]);
            left -= len;
        }
        Print {
            len: self.size,
            crc64: digest.finalize(),
        }
    }
}

impl Print {
    /// Of the file at `path`; `None` where there is none.
    pub(crate) fn of_file(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
        let mut piece = vec![0; PIECE_LEN];
        let mut len = 0;
        loop {
            let count = file.read(&mut piece)?;
            if count == 0 {
                let crc64 = digest.finalize();
                return Ok(Some(Self { len, crc64 }));
            }
            digest.update(&piece[..count]);
            len += count as u64;
        }
    }

    pub(crate) fn len(self) -> u64 {
        self.len
    }
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes with CRC64 {:016x}", self.len, self.crc64)
    }
}

/// SplitMix64, as the emulator promises for ever.
fn block(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut block = Vec::with_capacity(BLOCK_LEN + 8);
    while block.len() < BLOCK_LEN {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        block.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    block.truncate(BLOCK_LEN);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_bytes_are_those_that_the_emulator_promises() {
        assert_eq!(block(42)[..8], 0xbdd7_3226_2feb_6e95_u64.to_le_bytes());
    }

    #[test]
    fn a_file_has_the_print_of_its_content() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        assert_eq!(Print::of_file(&path).expect("looked for"), None);
        let bytes = block(7).repeat(2);
        std::fs::write(&path, &bytes).expect("written");
        let size = bytes.len() as u64;
        let found = Print::of_file(&path).expect("readable");
        assert_eq!(found, Some(Content { seed: 7, size }.print()));
        assert_ne!(
            found,
            Some(
                Content {
                    seed: 7,
                    size: size - 1
                }
                .print()
            )
        );
        assert_ne!(found, Some(Content { seed: 8, size }.print()));
    }
}
