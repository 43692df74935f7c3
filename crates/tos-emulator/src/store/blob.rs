//! Bytes on disk: one file per uploaded piece, written once, removed when nobody needs it any more.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::crc64::RunningCrc64;
use crate::signature::canonical::hex;

/// The directory that holds all blobs.
#[derive(Debug)]
pub(crate) struct BlobDirectory {
    path: PathBuf,
    next: AtomicU64,
}

/// A complete file of `len` bytes.
///
/// A blob starts out as unwanted and is kept once metadata names it. When the last holder of an unwanted blob lets go,
/// the file is removed; so a reader is never cut off by an overwrite.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) name: String,
    pub(crate) len: u64,
    path: PathBuf,
    wanted: AtomicBool,
}

impl BlobDirectory {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        // Names must differ from those of earlier runs.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            path,
            next: AtomicU64::new(now.as_nanos() as u64),
        })
    }

    pub(crate) fn writer(&self, with_sha256: bool) -> io::Result<BlobWriter> {
        let blob = self.unwritten(0);
        let file = File::create_new(&blob.path)?;
        let sha256 = with_sha256.then(Sha256::new);
        Ok(BlobWriter {
            file,
            blob,
            md5: Md5::new(),
            crc: RunningCrc64::new(),
            sha256,
        })
    }

    /// A second name for the bytes of `blob`, where the file system has such a thing, or else a copy of them.
    pub(crate) fn duplicate(&self, blob: &Blob) -> io::Result<Blob> {
        let duplicate = self.unwritten(blob.len);
        if fs::hard_link(&blob.path, &duplicate.path).is_err() {
            fs::copy(&blob.path, &duplicate.path)?;
        }
        Ok(duplicate)
    }

    /// A blob with a name of its own, and no file yet.
    fn unwritten(&self, len: u64) -> Blob {
        let name = format!("{:016x}", self.next.fetch_add(1, Ordering::Relaxed));
        let path = self.path.join(&name);
        Blob {
            name,
            len,
            path,
            wanted: AtomicBool::new(false),
        }
    }

    /// A blob that metadata names.
    pub(crate) fn existing(&self, name: String, len: u64) -> Arc<Blob> {
        let path = self.path.join(&name);
        Arc::new(Blob {
            name,
            len,
            path,
            wanted: AtomicBool::new(true),
        })
    }

    /// Removes files that no metadata names: what a killed emulator left half written.
    pub(crate) fn remove_all_but(&self, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(&wanted) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Blob {
    pub(crate) fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    pub(crate) fn keep(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn discard(&self) {
        self.wanted.store(false, Ordering::Relaxed);
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if !*self.wanted.get_mut() {
            // The file may be gone already with a temporary root; there is nobody to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes bytes, counts and hashes them.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    file: File,
    blob: Blob,
    md5: Md5,
    crc: RunningCrc64,
    sha256: Option<Sha256>,
}

/// A written blob and what was learnt on the way.
#[derive(Debug)]
pub(crate) struct WrittenBlob {
    pub(crate) blob: Arc<Blob>,
    pub(crate) md5: [u8; 16],
    pub(crate) crc64: u64,
    /// In lower-case hexadecimal, when it was asked for.
    pub(crate) sha256: Option<String>,
}

impl BlobWriter {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.md5.update(bytes);
        self.crc.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        self.blob.len += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn finish(self) -> WrittenBlob {
        WrittenBlob {
            blob: Arc::new(self.blob),
            md5: self.md5.finalize().into(),
            crc64: self.crc.value(),
            sha256: self.sha256.map(|sha256| hex(&sha256.finalize())),
        }
    }
}
