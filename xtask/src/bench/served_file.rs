//! The file that is moved: bytes whose CRC64 is known.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

use crate::failure::{About, Failure, Result};

const PIECE_LEN: usize = 1 << 20;

/// A file and what its copies are compared by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServedFile {
    pub(crate) len: u64,
    /// The checksum that TOS calls crc64ecma.
    pub(crate) crc64: u64,
}

impl ServedFile {
    /// Random bytes; `len` is a multiple of 1 MiB.
    pub(crate) fn generate(path: &Path, len: u64) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(len);
        let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
        let mut file = BufWriter::new(File::create(path).about(path.display())?);
        let mut piece = vec![0; PIECE_LEN];
        for _ in 0..len / PIECE_LEN as u64 {
            random.fill(&mut piece);
            digest.update(&piece);
            file.write_all(&piece).about(path.display())?;
        }
        file.flush().about(path.display())?;
        Ok(Self {
            len,
            crc64: digest.finalize(),
        })
    }

    /// Zeros that take no space where files may have holes; `len` is a multiple of 1 MiB.
    pub(crate) fn zeros(path: &Path, len: u64) -> Result<Self> {
        let file = File::create(path).about(path.display())?;
        file.set_len(len).about(path.display())?;
        Ok(Self {
            len,
            crc64: crc64_of_zeros(len),
        })
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
        digest.update(bytes);
        Self {
            len: bytes.len() as u64,
            crc64: digest.finalize(),
        }
    }

    /// The file at `path` has the same bytes, as far as length and CRC64 tell.
    pub(crate) fn expect_copy_at(&self, path: &Path) -> Result<()> {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
        let mut file = File::open(path).about(path.display())?;
        let mut piece = vec![0; PIECE_LEN];
        let mut len = 0;
        loop {
            let count = file.read(&mut piece).about(path.display())?;
            if count == 0 {
                break;
            }
            digest.update(&piece[..count]);
            len += count as u64;
        }
        if (len, digest.finalize()) == (self.len, self.crc64) {
            return Ok(());
        }
        Err(Failure::new(format!("{} is not what was served", path.display())))
    }
}

/// By doubling, so that 20 GiB take no longer than one piece.
fn crc64_of_zeros(len: u64) -> u64 {
    let algorithm = CrcAlgorithm::Crc64Xz;
    let mut digest = Digest::new(algorithm);
    digest.update(&vec![0; PIECE_LEN]);
    let (mut power, mut power_len) = (digest.finalize(), PIECE_LEN as u64);
    let mut pieces = len / PIECE_LEN as u64;
    let mut crc = Digest::new(algorithm).finalize();
    while pieces > 0 {
        if pieces & 1 == 1 {
            crc = checksum_combine(algorithm, crc, power, power_len);
        }
        power = checksum_combine(algorithm, power, power, power_len);
        power_len *= 2;
        pieces >>= 1;
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_checked_like_any_bytes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("zeros");
        for mib in [1, 2, 7] {
            let served = ServedFile::zeros(&path, mib << 20).expect("a sparse file");
            served.expect_copy_at(&path).expect("its own bytes");
        }
    }

    #[test]
    fn one_other_byte_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let served = ServedFile::generate(&path, 1 << 20).expect("a file");
        let mut bytes = std::fs::read(&path).expect("it is there");
        bytes[1000] ^= 1;
        std::fs::write(&path, bytes).expect("it can be written");
        assert!(served.expect_copy_at(&path).is_err());
    }
}
