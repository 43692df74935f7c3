//! The file that is moved: random bytes whose CRC64 is known.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use crc_fast::{CrcAlgorithm, Digest};

use crate::failure::{About, Failure, Result};

const PIECE_LEN: usize = 1 << 20;

/// A file and what its copies are compared by.
pub(crate) struct ServedFile {
    pub(crate) len: u64,
    /// The checksum that TOS calls crc64ecma.
    pub(crate) crc64: u64,
}

impl ServedFile {
    /// `len` is a multiple of 1 MiB.
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
