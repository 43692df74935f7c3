//! Memory that the machine has at hand, for scenarios that write to a RAM disk.
//!
//! The hypervisor of a virtual machine may take back what has been free for a while (free page reporting), and the first use of such a
//! page then costs more than anything a client does with it: by turns three times as long for the same copy, as luck would have it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::bench::contest::Arena;
use crate::failure::{About, Result};

const PIECE_LEN: usize = 1 << 20;

/// Before each run, twice the memory that a copy takes is written and given back.
pub(crate) struct WarmMemory<'a> {
    /// On the RAM disk.
    pub(crate) directory: &'a Path,
    /// Bytes of one copy.
    pub(crate) copy_len: u64,
}

impl WarmMemory<'_> {
    pub(crate) fn in_words() -> &'static str {
        "before each run, twice what it takes is written to the RAM disk and removed, since the hypervisor takes back what is free"
    }
}

impl Arena for WarmMemory<'_> {
    fn prepare(&self) -> Result<()> {
        let path = self.directory.join("ballast");
        let mut file = File::create(&path).about(path.display())?;
        let piece = vec![0; PIECE_LEN];
        for _ in 0..(2 * self.copy_len).div_ceil(PIECE_LEN as u64) {
            file.write_all(&piece).about(path.display())?;
        }
        drop(file);
        fs::remove_file(&path).about(path.display())
    }
}
