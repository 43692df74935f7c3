//! A source that serves an object from memory and misbehaves as its script says.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

use crate::checksum::Crc64;
use crate::error::TosServerError;
use crate::error::attempt::AttemptError;
use crate::object::{ETag, HeadObjectOutput};
use crate::range::{ByteRange, ContentRange};
use crate::response::ResponseHead;
use crate::source::{Body, BoxFuture, HeadRequest, RangeRequest, RangeResponse, Source};

/// What to do with one GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Serve,
    /// Serve so many bytes of the body, then break the connection.
    BreakAfter(usize),
    /// Serve so many bytes of the body, then end it as if that were all.
    EndAfter(usize),
    /// Serve so many bytes of the body, then nothing more.
    StallAfter(usize),
    /// Serve at so many bytes per second of tokio's clock.
    Pace(u64),
    Refuse(u16),
    /// Refuse, and ask for so many seconds of patience.
    RefuseFor(u64),
    /// Serve, with the head of the answer so many seconds late.
    HeadAfter(u64),
    /// The endpoint's name has no address, so no connection comes about.
    NoAddress,
    /// Answer as if `bytes` further on had been asked for.
    Shift(u64),
    /// Answer 200 with the whole object.
    IgnoreRange,
    /// Answer with another ETag.
    OtherETag,
    /// Announce an encoding.
    Encode,
    /// Flip a bit of the byte at this offset of the object.
    Flip(u64),
    /// Promise the CRC64 of the range and keep the promise, having flipped a bit of the first byte.
    FlipUnderRangeCrc,
    /// The same, at so many bytes per second of tokio's clock.
    FlipUnderRangeCrcAt(u64),
    /// Promise the CRC64 of the range and keep the promise.
    ServeWithRangeCrc,
}

/// The object that is served.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) bytes: Bytes,
    pub(crate) etag: Option<String>,
    pub(crate) crc64: Option<u64>,
    pub(crate) last_modified: Option<SystemTime>,
}

impl Served {
    pub(crate) fn new(bytes: Vec<u8>, etag: &str) -> Self {
        let crc64 = Some(Crc64::of(&bytes).0);
        Self {
            bytes: bytes.into(),
            etag: Some(etag.to_owned()),
            crc64,
            last_modified: None,
        }
    }
}

/// A GET that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) range: ByteRange,
    pub(crate) pinned: bool,
}

/// No answer takes longer to begin.
const IDLE: Duration = Duration::from_secs(30);

type Script = Box<dyn Fn(usize, ByteRange) -> Verdict + Send + Sync>;

pub(crate) struct ScriptedSource {
    served: Mutex<Served>,
    script: Mutex<Script>,
    log: Mutex<Vec<Asked>>,
    chunk: usize,
}

impl std::fmt::Debug for ScriptedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedSource").finish_non_exhaustive()
    }
}

impl ScriptedSource {
    /// Serves `served` in pieces of `chunk` bytes, without a fault.
    pub(crate) fn new(served: Served, chunk: usize) -> Self {
        let script: Script = Box::new(|_, _| Verdict::Serve);
        Self {
            served: Mutex::new(served),
            script: Mutex::new(script),
            log: Mutex::default(),
            chunk,
        }
    }

    /// From now on the `n`th GET of all (from 0), asking for `range`, meets the verdict that `script` gives.
    pub(crate) fn follow(&self, script: impl Fn(usize, ByteRange) -> Verdict + Send + Sync + 'static) {
        *self.script.lock().expect("not poisoned") = Box::new(script);
    }

    /// Puts another object in place of the one that is served.
    pub(crate) fn replace(&self, served: Served) {
        *self.served.lock().expect("not poisoned") = served;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().expect("not poisoned").clone()
    }

    /// The answer, and after how long it begins.
    fn answer(&self, request: &RangeRequest<'_>) -> (Duration, Result<RangeResponse, AttemptError>) {
        let served = self.served.lock().expect("not poisoned").clone();
        let number = {
            let mut log = self.log.lock().expect("not poisoned");
            log.push(Asked {
                range: request.range,
                pinned: request.pin.is_some(),
            });
            log.len() - 1
        };
        let verdict = (self.script.lock().expect("not poisoned"))(number, request.range);
        let late = match verdict {
            Verdict::HeadAfter(seconds) => Duration::from_secs(seconds),
            _ => Duration::ZERO,
        };
        (late, self.answer_with(&served, verdict, request))
    }

    fn answer_with(
        &self,
        served: &Served,
        verdict: Verdict,
        request: &RangeRequest<'_>,
    ) -> Result<RangeResponse, AttemptError> {
        if let Some(wanted) = request.pin.and_then(|pin| pin.etag.clone())
            && Some(&wanted) != served.etag.as_deref().and_then(ETag::parse).as_ref()
        {
            return Err(refusal(412));
        }
        let total = served.bytes.len() as u64;
        match verdict {
            Verdict::Refuse(status) => return Err(refusal(status)),
            Verdict::RefuseFor(seconds) => return Err(asks_for_patience(seconds)),
            Verdict::NoAddress => return Err(no_address()),
            _ => {}
        }
        let Some(range) = ByteRange::new(request.range.start(), request.range.end().min(total)) else {
            return Err(refusal(416));
        };
        Ok(respond(served, range, verdict, self.chunk))
    }
}

fn respond(served: &Served, range: ByteRange, verdict: Verdict, chunk: usize) -> RangeResponse {
    let total = served.bytes.len() as u64;
    let slice = |range: ByteRange| served.bytes.slice(range.start() as usize..range.end() as usize);
    let mut head = head_of(served);
    head.status = 206;
    head.content_range = Some(ContentRange::Satisfied { range, total });
    head.payload_length = Some(range.len());
    let mut payload = slice(range);
    let mut range_crc64 = None;
    let mut ending = Ending::End;
    let mut pace = None;
    match verdict {
        Verdict::Serve
        | Verdict::HeadAfter(_)
        | Verdict::Refuse(_)
        | Verdict::RefuseFor(_)
        | Verdict::NoAddress => {}
        Verdict::BreakAfter(bytes) => {
            payload.truncate(bytes);
            ending = Ending::Break;
        }
        Verdict::EndAfter(bytes) => payload.truncate(bytes),
        Verdict::StallAfter(bytes) => {
            payload.truncate(bytes);
            ending = Ending::Stall;
        }
        Verdict::Pace(bytes_per_second) => {
            pace = Some(Duration::from_secs_f64(chunk as f64 / bytes_per_second as f64));
        }
        Verdict::Shift(by) => {
            let shifted = ByteRange::new(range.start() + by, (range.end() + by).min(total)).unwrap_or(range);
            head.content_range = Some(ContentRange::Satisfied {
                range: shifted,
                total,
            });
            head.payload_length = Some(shifted.len());
            payload = slice(shifted);
        }
        Verdict::IgnoreRange => {
            head.status = 200;
            head.content_range = None;
            head.payload_length = Some(total);
            payload = served.bytes.clone();
        }
        Verdict::OtherETag => head.etag = Some(ETag::quoted("another")),
        Verdict::Encode => head.content_encoding = Some("gzip".to_owned()),
        Verdict::Flip(offset) => {
            if (range.start()..range.end()).contains(&offset) {
                payload = flipped(&payload, (offset - range.start()) as usize);
            }
        }
        Verdict::FlipUnderRangeCrc | Verdict::FlipUnderRangeCrcAt(_) => {
            head.range_crc_granted = true;
            range_crc64 = Some(Crc64::of(&payload).0);
            payload = flipped(&payload, 0);
            if let Verdict::FlipUnderRangeCrcAt(bytes_per_second) = verdict {
                pace = Some(Duration::from_secs_f64(chunk as f64 / bytes_per_second as f64));
            }
        }
        Verdict::ServeWithRangeCrc => {
            head.range_crc_granted = true;
            range_crc64 = Some(Crc64::of(&payload).0);
        }
    }
    let pieces = payload.chunks(chunk).map(Bytes::copy_from_slice).collect();
    RangeResponse {
        head,
        body: Box::new(ScriptedBody {
            pieces,
            ending,
            range_crc64,
            pace: pace.map(|between| Box::pin(sleep(between))),
            between: pace.unwrap_or_default(),
        }),
    }
}

fn flipped(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes.into()
}

fn head_of(served: &Served) -> ResponseHead {
    let object = HeadObjectOutput {
        content_length: served.bytes.len() as u64,
        etag: served.etag.clone(),
        hash_crc64ecma: served.crc64,
        last_modified: served.last_modified,
        ..Default::default()
    };
    ResponseHead {
        status: 200,
        etag: served.etag.as_deref().and_then(ETag::parse),
        object,
        ..Default::default()
    }
}

fn refusal(status_code: u16) -> AttemptError {
    AttemptError::Server(Box::new(TosServerError {
        status_code,
        code: "Scripted".into(),
        ..Default::default()
    }))
}

fn asks_for_patience(seconds: u64) -> AttemptError {
    AttemptError::Server(Box::new(TosServerError {
        status_code: 503,
        retry_after: Some(Duration::from_secs(seconds)),
        ..Default::default()
    }))
}

fn no_address() -> AttemptError {
    AttemptError::Connect {
        peer: "scripted:443".into(),
        source: std::io::Error::other("failed to lookup address information").into(),
    }
}

impl Source for ScriptedSource {
    fn endpoint(&self) -> &str {
        "scripted"
    }

    fn head<'a>(&'a self, _: HeadRequest<'a>) -> BoxFuture<'a, Result<ResponseHead, AttemptError>> {
        Box::pin(async { Ok(head_of(&self.served.lock().expect("not poisoned"))) })
    }

    fn get<'a>(&'a self, request: RangeRequest<'a>) -> BoxFuture<'a, Result<RangeResponse, AttemptError>> {
        Box::pin(async move {
            let (late, answer) = self.answer(&request);
            let limit = request.attempt.silence.unwrap_or(IDLE);
            if late.is_zero() {
                return answer;
            }
            sleep(late.min(limit)).await;
            if late <= limit {
                return answer;
            }
            Err(AttemptError::Timeout {
                waiting_for: "answer",
                limit,
            })
        })
    }
}

#[derive(Debug)]
enum Ending {
    End,
    Break,
    Stall,
}

#[derive(Debug)]
struct ScriptedBody {
    pieces: VecDeque<Bytes>,
    ending: Ending,
    range_crc64: Option<u64>,
    /// When the next piece comes, and how long it is from one to the next.
    pace: Option<Pin<Box<Sleep>>>,
    between: Duration,
}

impl Body for ScriptedBody {
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, AttemptError>>> {
        if let Some(pace) = &mut self.pace {
            ready!(pace.as_mut().poll(context));
            pace.as_mut().reset(Instant::now() + self.between);
        }
        match (self.pieces.pop_front(), &self.ending) {
            (Some(piece), _) => Poll::Ready(Some(Ok(piece))),
            (None, Ending::End) => Poll::Ready(None),
            (None, Ending::Break) => {
                let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
                Poll::Ready(Some(Err(AttemptError::Broken { source })))
            }
            // Whoever waits is woken by the idle timeout.
            (None, Ending::Stall) => Poll::Pending,
        }
    }

    fn range_crc64(&self) -> Option<u64> {
        self.range_crc64
    }
}
