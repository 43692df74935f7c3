//! A running emulator, as programs and tests hold it.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task;

use crate::builder::Builder;
use crate::error::TosError;
use crate::faults::FaultRule;
use crate::log::{RequestRecord, Stats};
use crate::operations::attributes;
use crate::service::Service;
use crate::signature::credential::Credential;
use crate::store::attributes::Attributes;
use crate::store::bucket::Versioning;
use crate::store::links::LinkTarget;
use crate::store::object::Object;
use crate::store::objects::Found;
use crate::store::restore::Tier;

/// A TOS server on this machine. Dropping it stops it.
///
/// The methods that store and delete do so directly, without a request, and so leave nothing in the request log. They
/// panic when the store refuses (no such bucket, a full disk): they are for setting up tests.
pub struct Emulator {
    service: Arc<Service>,
    credential: Credential,
    address: SocketAddr,
    https: bool,
    stop: watch::Sender<bool>,
    running: Running,
    /// Removed last.
    temporary: Option<TempDir>,
}

/// What serves the connections.
pub(crate) enum Running {
    Task(task::JoinHandle<()>),
    Thread {
        thread: Option<JoinHandle<()>>,
        is_done: Receiver<()>,
    },
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectSummary {
    /// Without quotes; empty for an appendable object, which has none.
    pub etag: String,
    /// The CRC64 of the whole object.
    pub crc64: u64,
    /// In bytes.
    pub size: u64,
    /// Only where versioning is or was on.
    pub version_id: Option<String>,
}

impl Emulator {
    /// An emulator on a free port of 127.0.0.1, in a temporary directory, unless told otherwise.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(
        service: Arc<Service>,
        credential: Credential,
        address: SocketAddr,
        https: bool,
        stop: watch::Sender<bool>,
        running: Running,
        temporary: Option<TempDir>,
    ) -> Self {
        Self {
            service,
            credential,
            address,
            https,
            stop,
            running,
            temporary,
        }
    }

    /// The URL to connect to, such as `http://127.0.0.1:9000`.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory that its objects are in and that goes with it, where no root was given.
    pub fn temporary_root(&self) -> Option<&Path> {
        self.temporary.as_ref().map(TempDir::path)
    }

    /// The access key to sign with.
    pub fn access_key(&self) -> &str {
        &self.credential.access_key
    }

    /// The secret key to sign with.
    pub fn secret_key(&self) -> &str {
        &self.credential.secret_key
    }

    /// The region to sign for.
    pub fn region(&self) -> &str {
        self.service.region()
    }

    /// Creates a bucket. Names may be shorter than on the wire: one letter will do.
    #[track_caller]
    pub fn create_bucket(&self, bucket: &str) {
        expect(self.service.create_bucket(bucket));
    }

    /// Creates a bucket that anyone may read.
    #[track_caller]
    pub fn public_bucket(&self, bucket: &str) {
        expect(self.service.public_bucket(bucket));
    }

    /// Turns versioning on.
    #[track_caller]
    pub fn enable_versioning(&self, bucket: &str) {
        expect(self.service.store.set_versioning(bucket, Versioning::Enabled));
    }

    /// Turns versioning off again, which keeps the versions that are there.
    #[track_caller]
    pub fn suspend_versioning(&self, bucket: &str) {
        expect(self.service.store.set_versioning(bucket, Versioning::Suspended));
    }

    /// Stores an object.
    #[track_caller]
    pub fn put_object(&self, bucket: &str, key: &str, content: impl Into<Bytes>) -> ObjectSummary {
        self.put_object_with(bucket, key, content, &[])
    }

    /// Stores an object with what the headers (name and value) of a PUT would say about it: `content-type`,
    /// `x-tos-meta-…`, `x-tos-storage-class`, a customer's key and so on; other headers are ignored.
    #[track_caller]
    pub fn put_object_with(
        &self,
        bucket: &str,
        key: &str,
        content: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> ObjectSummary {
        let stored = self.store_object(bucket, key, &content.into(), &header_map(headers));
        expect(stored).into()
    }

    /// Stores `size` bytes of [`virtual_content`](crate::virtual_content) with this seed. It takes no space, however
    /// large.
    #[track_caller]
    pub fn put_virtual(&self, bucket: &str, key: &str, size: u64, seed: u64) -> ObjectSummary {
        expect(self.service.put_virtual(bucket, key, size, seed)).into()
    }

    /// Deletes an object; where versioning is on, that makes a delete marker.
    #[track_caller]
    pub fn delete_object(&self, bucket: &str, key: &str) {
        expect(
            self.service
                .store
                .delete(bucket, key, None, self.service.clock.now()),
        );
    }

    /// Stores a symbolic link under `key`; its target is in the same bucket, or will be.
    #[track_caller]
    pub fn put_symlink(&self, bucket: &str, key: &str, target: &str) -> ObjectSummary {
        let target = LinkTarget {
            bucket: bucket.to_owned(),
            key: target.to_owned(),
        };
        let link = Object::link(target, Attributes::default());
        let now = self.service.clock.now();
        expect(self.service.store.put(bucket, key, link, now, false)).into()
    }

    /// Appends to an appendable object, or makes one.
    #[track_caller]
    pub fn append_object(&self, bucket: &str, key: &str, content: impl Into<Bytes>) -> ObjectSummary {
        expect(self.service.append(bucket, key, &content.into())).into()
    }

    /// Starts the restoration of an archived object, which takes five hours by the emulator's clock, or until
    /// [`finish_restore`](Self::finish_restore). It can then be read for `days` days.
    #[track_caller]
    pub fn restore_object(&self, bucket: &str, key: &str, days: u32) {
        let now = self.service.clock.now();
        let start = |object: &mut Object, _: &mut _| object.restore(now, days, Tier::Standard);
        expect(self.service.store.change_object(bucket, key, None, start));
    }

    /// Ends the restoration of an archived object at once: from now on it can be read.
    #[track_caller]
    pub fn finish_restore(&self, bucket: &str, key: &str) {
        expect(self.service.finish_restore(bucket, key));
    }

    /// Puts a fault rule in force.
    pub fn add_fault(&self, rule: FaultRule) {
        self.service.faults.add(rule);
    }

    /// Drops all fault rules. Responses already on their way keep their faults.
    pub fn clear_faults(&self) {
        self.service.faults.clear();
    }

    /// Limits response bodies to so many bytes per second, in all and for each connection. It holds at once, for bodies
    /// on their way too.
    pub fn set_bandwidth(&self, total: Option<u64>, per_connection: Option<u64>) {
        self.service.total_bandwidth.set(total);
        self.service.connection_bandwidth.set(per_connection);
    }

    /// Sets the emulator's clock ahead (or back) of the machine's.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.service.clock.set_offset(seconds);
    }

    /// The requests so far, oldest first; at most the last 100,000.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.service.log.records()
    }

    /// The totals so far.
    pub fn stats(&self) -> Stats {
        self.service.log.stats()
    }

    /// Forgets the requests and restarts the totals.
    pub fn reset_log(&self) {
        self.service.log.reset();
    }

    /// Stops listening and drops all connections; returns when that is done.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        match &mut self.running {
            Running::Task(serving) => {
                // It can only have been cancelled together with its runtime.
                let _ = serving.await;
            }
            Running::Thread { thread, .. } => {
                let thread = thread.take();
                let _ = task::spawn_blocking(|| thread.map(JoinHandle::join)).await;
            }
        }
    }

    fn store_object(
        &self,
        bucket: &str,
        key: &str,
        content: &[u8],
        headers: &HeaderMap,
    ) -> Result<Found, TosError> {
        let mut writer = self.service.store.blob_writer(false)?;
        writer.write(content)?;
        let object = Object::written(writer.finish(), attributes::of(headers)?);
        self.service
            .store
            .put(bucket, key, object, self.service.clock.now(), false)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        match &mut self.running {
            Running::Task(serving) => serving.abort(),
            Running::Thread { is_done, .. } => {
                // The sender is never used: it is dropped when the thread is done.
                let _ = is_done.recv();
            }
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Emulator")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}

impl From<Found> for ObjectSummary {
    fn from(found: Found) -> Self {
        Self {
            etag: found.object.etag.clone().unwrap_or_default(),
            crc64: found.object.crc64,
            size: found.object.size,
            version_id: found.version_id,
        }
    }
}

#[track_caller]
fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let parsed = headers.iter().map(|(name, value)| {
        let (parsed_name, parsed_value) = (HeaderName::try_from(*name), HeaderValue::try_from(*value));
        (
            parsed_name.expect("a header's name"),
            parsed_value.expect("a header's value"),
        )
    });
    parsed.collect()
}

#[track_caller]
fn expect<T>(done: Result<T, TosError>) -> T {
    done.unwrap_or_else(|error| panic!("the emulator refused: {error}"))
}
