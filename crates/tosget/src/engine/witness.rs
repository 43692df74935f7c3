//! Sees every answer of one call, for the ids of its requests: the support of TOS asks for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::attempt::AttemptError;
use crate::response::ResponseHead;
use crate::source::{BoxFuture, HeadRequest, RangeRequest, RangeResponse, Source};

/// A source that notes the ids of the first and the last request that another one had answered.
#[derive(Debug)]
pub(super) struct Witness {
    source: Arc<dyn Source>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Clone, Debug)]
struct Seen {
    first: String,
    last: String,
}

impl Witness {
    pub(super) fn new(source: Arc<dyn Source>) -> Arc<Self> {
        let seen = Mutex::default();
        Arc::new(Self { source, seen })
    }

    /// Of the first and of the last request, refused ones included.
    pub(super) fn request_ids(&self) -> (Option<String>, Option<String>) {
        match self.seen().clone() {
            Some(Seen { first, last }) => (Some(first), Some(last)),
            None => (None, None),
        }
    }

    fn note(&self, answer: Result<&ResponseHead, &AttemptError>) {
        let id = match answer {
            Ok(head) => head.object.request_id.as_deref(),
            Err(AttemptError::Server(server) | AttemptError::UrlRefused { server, .. }) => {
                Some(server.request_id.as_str())
            }
            Err(_) => None,
        };
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return;
        };
        match &mut *self.seen() {
            Some(seen) => id.clone_into(&mut seen.last),
            seen @ None => {
                *seen = Some(Seen {
                    first: id.to_owned(),
                    last: id.to_owned(),
                });
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Witness {
    fn endpoint(&self) -> &str {
        self.source.endpoint()
    }

    fn head<'a>(&'a self, request: HeadRequest<'a>) -> BoxFuture<'a, Result<ResponseHead, AttemptError>> {
        Box::pin(async move {
            let answer = self.source.head(request).await;
            self.note(answer.as_ref());
            answer
        })
    }

    fn get<'a>(&'a self, request: RangeRequest<'a>) -> BoxFuture<'a, Result<RangeResponse, AttemptError>> {
        Box::pin(async move {
            let answer = self.source.get(request).await;
            self.note(answer.as_ref().map(|response| &response.head));
            answer
        })
    }
}
