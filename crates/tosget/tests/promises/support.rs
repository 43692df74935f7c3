//! An emulator, a folder and a client, set up in one line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tos_emulator::{Builder, Emulator, RequestRecord, virtual_content};
use tosget::{Credentials, DownloadFile, Error, TosClient, TosClientBuilder};

pub(crate) const BUCKET: &str = "bucket-test";
pub(crate) const MIB: u64 = 1 << 20;

/// One test's world.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|emulator| emulator).await
    }

    pub(crate) async fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let emulator = configure(Emulator::builder())
            .start()
            .await
            .expect("the emulator starts");
        emulator.create_bucket(BUCKET);
        Self {
            emulator,
            folder: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// A client of the emulator that does not lose much time in failing.
    pub(crate) fn builder(&self) -> TosClientBuilder {
        TosClient::builder()
            .endpoint(self.emulator.endpoint())
            .region(self.emulator.region())
            .credentials(Credentials::new(
                self.emulator.access_key(),
                self.emulator.secret_key(),
            ))
            .idle_timeout(Duration::from_millis(500))
    }

    pub(crate) fn client(&self) -> TosClient {
        self.builder().build().expect("a good configuration")
    }

    pub(crate) fn destination(&self) -> PathBuf {
        self.folder.path().join("object.bin")
    }

    /// A download of `key` to the destination in parts of a mebibyte.
    pub(crate) fn request(&self, key: &str) -> DownloadFile {
        DownloadFile::new(BUCKET, key, self.destination())
            .with_part_size(MIB)
            .with_task_num(4)
    }

    pub(crate) fn assert_destination_is_virtual(&self, seed: u64, size: u64) {
        self.assert_is_virtual(&self.destination(), seed, size);
    }

    pub(crate) fn assert_is_virtual(&self, path: &Path, seed: u64, size: u64) {
        let file = fs::read(path).expect("the destination is there");
        assert_eq!(file.len() as u64, size);
        let content = virtual_content(seed);
        for (index, chunk) in file.chunks(1 << 20).enumerate() {
            let expected = read(&content, index as u64 * MIB, chunk.len());
            assert!(chunk == expected, "mebibyte {index} differs");
        }
    }

    /// What the destination's folder holds, checkpoint included.
    pub(crate) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let read = |name: String| {
            let bytes = fs::read(self.folder.path().join(&name)).expect("readable");
            (name, bytes)
        };
        self.files().into_iter().map(read).collect()
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .expect("readable")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    pub(crate) fn gets(&self) -> Vec<RequestRecord> {
        self.emulator
            .requests()
            .into_iter()
            .filter(|request| request.method == "GET")
            .collect()
    }
}

/// Whether a request carries this header.
pub(crate) fn carries(request: &RequestRecord, name: &str) -> bool {
    request.headers.iter().any(|(header, _)| header == name)
}

/// The generated content, whose pieces end where its block does.
fn read(content: &tos_emulator::VirtualContent, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let piece = content.read_at(offset + bytes.len() as u64, len - bytes.len());
        assert!(!piece.is_empty(), "generated content has no end");
        bytes.extend_from_slice(&piece);
    }
    bytes
}

/// An error and all its causes on one line, as a log would have it.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
