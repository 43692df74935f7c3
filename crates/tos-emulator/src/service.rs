//! Everything that the connections of one emulator share.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{Clock, Timestamp};
use crate::content::GeneratedBlocks;
use crate::error::TosError;
use crate::faults::book::FaultBook;
use crate::log::RequestLog;
use crate::request::address::Addressing;
use crate::signature::Verifier;
use crate::store::Store;
use crate::store::append::Appendix;
use crate::store::attributes::Attributes;
use crate::store::bucket::BucketSettings;
use crate::store::object::{Content, Object};
use crate::store::objects::Found;
use crate::wire::bandwidth::Limit;

/// The server behind the sockets.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) addressing: Addressing,
    pub(crate) verifier: Verifier,
    pub(crate) faults: FaultBook,
    pub(crate) log: RequestLog,
    pub(crate) generated: GeneratedBlocks,
    pub(crate) total_bandwidth: Limit,
    /// Counted apart for each connection.
    pub(crate) connection_bandwidth: Limit,
    range_crc: bool,
    next_request: AtomicU64,
}

impl Service {
    pub(crate) fn new(store: Store, addressing: Addressing, verifier: Verifier, range_crc: bool) -> Self {
        Self {
            store,
            clock: Clock::default(),
            addressing,
            verifier,
            faults: FaultBook::default(),
            log: RequestLog::default(),
            generated: GeneratedBlocks::default(),
            total_bandwidth: Limit::default(),
            connection_bandwidth: Limit::default(),
            range_crc,
            next_request: AtomicU64::new(1),
        }
    }

    pub(crate) fn region(&self) -> &str {
        &self.verifier.region
    }

    /// Whether CRC64 trailers of ranges are granted to those who ask.
    pub(crate) fn grants_range_crc(&self) -> bool {
        self.range_crc
    }

    /// A request id: time and count, so that ids sort as the requests came.
    pub(crate) fn request_id(&self) -> String {
        let count = self.next_request.fetch_add(1, Ordering::Relaxed);
        format!(
            "{:012x}{count:08x}{:08x}",
            self.clock.now().millis(),
            fastrand::u32(..)
        )
    }

    pub(crate) fn create_bucket(&self, name: &str) -> Result<(), TosError> {
        self.store
            .create_bucket(name, BucketSettings::new(self.clock.now()))
    }

    pub(crate) fn public_bucket(&self, name: &str) -> Result<(), TosError> {
        let settings = BucketSettings {
            public_read: true,
            ..BucketSettings::new(self.clock.now())
        };
        self.store.create_bucket(name, settings)
    }

    /// Appends to the object under `key` where it ends, or makes one.
    pub(crate) fn append(&self, bucket: &str, key: &str, bytes: &[u8]) -> Result<Found, TosError> {
        let mut writer = self.store.blob_writer(false)?;
        writer.write(bytes)?;
        let existing = self.store.find(bucket, key, None);
        let appendix = Appendix {
            offset: existing.map_or(0, |found| found.object.size),
            written: writer.finish(),
            attributes: Attributes::default(),
        };
        self.store.append(bucket, key, appendix, self.clock.now())
    }

    /// Ends the ongoing restoration of an object at once.
    pub(crate) fn finish_restore(&self, bucket: &str, key: &str) -> Result<(), TosError> {
        let now = self.clock.now();
        let finish = |object: &mut Object, _: &mut Timestamp| object.finish_restore(now);
        self.store.change_object(bucket, key, None, finish)?;
        Ok(())
    }

    /// Stores generated content; only its seed and size take space.
    pub(crate) fn put_virtual(
        &self,
        bucket: &str,
        key: &str,
        size: u64,
        seed: u64,
    ) -> Result<Found, TosError> {
        let crc64 = self.generated.content(seed).crc64(0..size);
        let object = Object {
            size,
            // Any opaque text will do; this one differs whenever the content does, but for prefixes of one another.
            etag: Some(format!("{seed:016x}{:016x}", crc64 ^ size)),
            crc64,
            attributes: Attributes::default(),
            restore: None,
            content: Content::Virtual { seed },
        };
        self.store.put(bucket, key, object, self.clock.now(), false)
    }
}
