//! What is at the destination already: the object, told by its size and CRC64 without fetching a byte; or a file that must not be lost.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::prepare::{Committed, set_modified};
use super::{Engine, Spec, blocking};
use crate::checksum::{Crc64, RunningCrc64};
use crate::coverage::Segment;
use crate::destination::Places;
use crate::error::attempt::ResponseFault;
use crate::error::{Error, Shown};
use crate::events::Narrator;
use crate::object::Printable;
use crate::outcome::DownloadFileOutput;
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::storage::{FileKind, OpenMode, Stat, StoredFile};

/// Read at a time.
const READ_LEN: usize = 1 << 20;

/// Read between two looks at whether the caller has canceled.
const STEP: u64 = 64 << 20;

impl Engine {
    /// What to return if the destination is the object. Anything that keeps it from being read only means that it has to be
    /// fetched.
    pub(super) async fn same(
        &self,
        spec: &Spec,
        places: &Places,
        narrator: &Narrator,
        began: Instant,
    ) -> Result<Option<DownloadFileOutput>, Error> {
        let path = places.destination.clone();
        let Some(stat) = self.look_at(&path).await else {
            return Ok(None);
        };
        let head = self.or_canceled(spec, self.question(spec).head()).await?;
        let object = head.object;
        let (Some(crc), true) = (object.hash_crc64ecma, object.content_length == stat.len) else {
            return Ok(None);
        };
        let read = self
            .or_canceled(spec, async { Ok(self.crc_of(&path, stat.len).await) })
            .await?;
        if read != Some(Crc64(crc)) {
            return Ok(None);
        }
        tracing::info!(target: super::TARGET, "the destination is the object already");
        if let Some(time) = object.last_modified.filter(|_| spec.preserve_mtime) {
            let (storage, path) = (self.storage.clone(), path.clone());
            blocking(move || set_modified(&*storage, &path, time)).await;
        }
        let committed = Committed {
            head: object,
            destination: path,
            content: ByteRange::new(0, stat.len).map(|range| Segment {
                range,
                crc: Crc64(crc),
            }),
        };
        Ok(Some(committed.output(spec, narrator, began)))
    }

    /// Fails where the destination holds something, and what was answered need not be an object at all.
    pub(super) async fn refuse_to_lose_a_file(
        &self,
        places: &Places,
        head: &ResponseHead,
    ) -> Result<(), Error> {
        if head.is_of_an_object()
            || self
                .look_at(&places.destination)
                .await
                .is_none_or(|stat| stat.len == 0)
        {
            return Ok(());
        }
        let kind = head.object.content_type.as_deref().unwrap_or("unknown");
        let fault = ResponseFault::Unidentified(Printable(kind).to_string());
        let doing = format!(
            "replace {} by what {} answers",
            Shown(&places.destination),
            self.source.endpoint()
        );
        Err(Error::from_attempt(&doing, 1, fault.into()))
    }

    async fn look_at(&self, path: &Path) -> Option<Stat> {
        let (storage, path) = (self.storage.clone(), path.to_owned());
        let looked = self.file_work.small_files.run(move || storage.stat(&path));
        let stat = looked.await;
        stat.ok().flatten().filter(|stat| stat.kind == FileKind::File)
    }

    /// Of the file at `path`, if it can be read and has this length.
    async fn crc_of(&self, path: &Path, len: u64) -> Option<Crc64> {
        let (storage, path) = (self.storage.clone(), path.to_owned());
        let opened = blocking(move || storage.open(&path, OpenMode::Read)).await;
        let file = opened.ok()?;
        let (mut crc, mut at) = (RunningCrc64::new(), 0);
        while at < len {
            let (file, end) = (file.clone(), len.min(at + STEP));
            crc = blocking(move || read_on(&file, crc, at, end)).await?;
            at = end;
        }
        Some(crc.finish())
    }
}

fn read_on(file: &Arc<dyn StoredFile>, mut crc: RunningCrc64, mut at: u64, end: u64) -> Option<RunningCrc64> {
    let mut buffer = vec![0; READ_LEN];
    while at < end {
        let wanted = usize::try_from(end - at).map_or(READ_LEN, |left| left.min(READ_LEN));
        let read = file.read_at(&mut buffer[..wanted], at).ok()?;
        if read < wanted {
            return None;
        }
        crc.update(&buffer[..read]);
        at += read as u64;
    }
    Some(crc)
}
