//! A question asked before any task is at work: what is this object? With the patience that a first contact gets.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::conditions::Conditions;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::error::{Error, TosServerError, is_archived};
use crate::object::{Fingerprint, HeadObjectOutput, ObjectId, Printable};
use crate::progress::Progress;
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::retry::{Decision, Patience, Retries, is_anybodys, is_denial, is_overload, may_be_a_limit};
use crate::source::{Attempt, Body, HeadRequest, RangeRequest, RangeResponse, Source};
use crate::tasks::{Slot, Suspicion, Tasks};
use crate::terms::Terms;
use crate::verify::{answered_range, same_object};

/// Whom to ask about what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) object: &'a ObjectId,
    pub(super) conditions: &'a Conditions,
    pub(super) terms: &'a Terms,
    pub(super) retries: Retries,
    pub(super) idle: Duration,
    pub(super) progress: &'a Progress,
    pub(super) tasks: &'a Tasks,
}

/// How long the first byte of an answer is waited for before the same is asked on another connection.
const FIRST_BYTE: Duration = Duration::from_secs(3);

/// How long an answer may take to begin before it is asked for on another connection. Twice as long each time, and in the end as long
/// as anything may be silent: so a server that is just slow is heard.
#[derive(Clone, Copy, Debug)]
struct Haste {
    limit: Duration,
    idle: Duration,
}

impl Haste {
    fn new(idle: Duration) -> Self {
        Self {
            limit: FIRST_BYTE,
            idle,
        }
    }

    fn limit(&self, patience: &Patience) -> Option<Duration> {
        (self.limit <= self.idle / 2 && patience.bears_haste(self.limit)).then_some(self.limit)
    }

    /// Whether this is how an answer was not waited for any longer: that is no failure yet.
    fn asks_again(&mut self, error: &AttemptError, patience: &mut Patience) -> bool {
        let limit = self.limit(patience);
        let is_early = matches!(error, AttemptError::Timeout { limit: waited, waiting_for: "answer" } if Some(*waited) == limit);
        if is_early {
            tracing::info!(
                target: "tosget::download",
                after_ms = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX),
                "no answer yet, asking again on another connection"
            );
            patience.hurried(self.limit);
            self.limit *= 2;
        }
        is_early
    }
}

/// The attempts at one question.
struct Trial {
    patience: Patience,
    haste: Haste,
    /// Whether it was taken for one connection too many: that is said once.
    is_too_many: bool,
    /// A denial that may come from a limit. If the question is answered in the end, it did.
    suspicion: Option<Suspicion>,
}

impl Trial {
    fn new(question: &Question<'_>) -> Self {
        Self {
            patience: Patience::new(question.retries),
            haste: Haste::new(question.idle),
            is_too_many: false,
            suspicion: None,
        }
    }
}

/// The body of an empty object.
#[derive(Debug)]
struct NoBody;

impl Body for NoBody {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, AttemptError>>> {
        Poll::Ready(None)
    }
}

/// An attempt's error, and how many attempts were made.
pub(super) type Unanswered = (u32, AttemptError);

impl Question<'_> {
    /// HEAD, for what needs no bytes. Where it is refused without a word, a GET tells why.
    pub(super) async fn head(&self) -> Result<ResponseHead, Error> {
        self.ask_for_head(false).await
    }

    /// The same, to be told to the caller: what is empty is looked at twice.
    pub(super) async fn known(&self) -> Result<ResponseHead, Error> {
        self.ask_for_head(true).await
    }

    async fn ask_for_head(&self, doubts_empty: bool) -> Result<ResponseHead, Error> {
        let mut trial = Trial::new(self);
        loop {
            let request = self.head_request(self.attempt(&trial.patience, trial.haste));
            let slot = self.tasks.slot().await;
            self.progress.requested();
            let asked = Instant::now();
            let error = match self.source.head(request).await {
                Ok(head) if head.object.content_length > 0 || !doubts_empty => return Ok(head),
                Ok(head) => match self.look_again(&head).await {
                    Ok(()) => return Ok(head),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            drop(slot);
            if trial.haste.asks_again(&error, &mut trial.patience) {
                continue;
            }
            if is_wordless(&error) {
                let first_byte = ByteRange::new(0, 1).expect("not empty");
                let answer = self.get(first_byte, None).await;
                return match answer {
                    Ok((response, _)) => Ok(response.head),
                    Err(unanswered) => Err(self.failed(unanswered).await),
                };
            }
            if let Err(unanswered) = self.wait_after(error, asked.elapsed(), &mut trial).await {
                return Err(self.failed(unanswered).await);
            }
        }
    }

    /// GET of a range; the answer's head is checked, its body is still to come.
    ///
    /// With a pin, the answer must come from that object. The request says so only where the caller has no conditions: it
    /// would be answered 412 for either.
    ///
    /// An answer comes with the slot of the task that is to receive it. None is held while nothing is asked for.
    pub(super) async fn get(
        &self,
        range: ByteRange,
        pin: Option<&Fingerprint>,
    ) -> Result<(RangeResponse, Slot), Unanswered> {
        let mut trial = Trial::new(self);
        let mut looked_at = None;
        loop {
            let request = RangeRequest {
                object: self.object,
                range,
                pin: pin.filter(|_| self.conditions.is_empty()),
                conditions: Some(self.conditions),
                terms: self.terms,
                attempt: self.attempt(&trial.patience, trial.haste),
            };
            let slot = self.tasks.slot().await;
            self.progress.requested();
            let asked = Instant::now();
            let error = match self.source.get(request).await {
                Ok(response) => {
                    self.answered(&response.head, asked.elapsed());
                    match self.check(range, pin, response, &mut looked_at).await {
                        Ok(Some(response)) => return Ok((response, slot)),
                        Ok(None) => continue,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            drop(slot);
            if trial.haste.asks_again(&error, &mut trial.patience) {
                continue;
            }
            self.wait_after(error, asked.elapsed(), &mut trial).await?;
        }
    }

    /// The answer, if it is the one that was asked for. What is empty, or not known to be an object, is asked for once more in
    /// another way: it would replace a good file. `None`: it was looked at so, and can be asked for again.
    ///
    /// A body holds a connection, perhaps the only one that may be open, so it is dropped before anything else is asked for.
    async fn check(
        &self,
        asked: ByteRange,
        pin: Option<&Fingerprint>,
        response: RangeResponse,
        looked_at: &mut Option<ResponseHead>,
    ) -> Result<Option<RangeResponse>, AttemptError> {
        match check(asked, pin, &response.head)? {
            None => {
                let RangeResponse { head, body } = response;
                drop(body);
                self.look_again(&head).await?;
                Ok(Some(RangeResponse {
                    head,
                    body: Box::new(NoBody),
                }))
            }
            Some(_) if pin.is_some() || response.head.is_of_an_object() => Ok(Some(response)),
            Some(_) => match looked_at.take() {
                Some(before) if looks_alike(&before, &response.head) => Ok(Some(response)),
                Some(before) => Err(second_look(&before, &response.head).into()),
                None => {
                    let RangeResponse { head, body } = response;
                    drop(body);
                    self.look_by_head(&head).await?;
                    *looked_at = Some(head);
                    Ok(None)
                }
            },
        }
    }

    /// Asks by HEAD for what nothing identifies.
    async fn look_by_head(&self, head: &ResponseHead) -> Result<(), AttemptError> {
        self.progress.requested();
        match self.source.head(self.head_request(self.first_attempt())).await {
            Err(AttemptError::Response(ResponseFault::NoLength)) if tells_no_length(head) => Ok(()),
            Ok(again) if looks_alike(head, &again) => Ok(()),
            Ok(again) => Err(second_look(head, &again).into()),
            Err(error) => Err(error),
        }
    }

    /// Asks for a byte of an object that is said to have none.
    async fn look_again(&self, head: &ResponseHead) -> Result<(), AttemptError> {
        let first_byte = ByteRange::new(0, 1).expect("not empty");
        let request = RangeRequest {
            object: self.object,
            range: first_byte,
            pin: None,
            conditions: Some(self.conditions),
            terms: self.terms,
            attempt: self.first_attempt(),
        };
        self.progress.requested();
        match self.source.get(request).await {
            Ok(response)
                if response.head.object.content_length == 0 && response.head.payload_length == Some(0) =>
            {
                Ok(())
            }
            Ok(response) => Err(second_look(head, &response.head).into()),
            Err(AttemptError::Server(server)) if server.status_code == 416 => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether a question with this pin names a version that the caller did not.
    pub(super) fn asks_for_version_of(&self, pin: &Fingerprint) -> bool {
        self.conditions.is_empty() && self.object.version_id.is_none() && pin.version_id.is_some()
    }

    /// The error that ends the question.
    pub(super) async fn failed(&self, (attempts, error): Unanswered) -> Error {
        let doing = format!("read {} from {}", self.object, self.source.endpoint());
        let error = match self.unmet(error) {
            Ok((condition, server)) => return Error::unmet_condition(&doing, &condition, server),
            Err(error) => Error::from_attempt(&doing, attempts, error),
        };
        match error.server() {
            Some(server) if is_archived(server) => error.with_hint(self.what_to_do_about_archive().await),
            _ => error,
        }
    }

    /// The refusal does not say how far a restore is; a HEAD does, and is answered for archived objects too.
    async fn what_to_do_about_archive(&self) -> String {
        self.progress.requested();
        let known = self
            .source
            .head(self.head_request(self.first_attempt()))
            .await
            .map(|head| head.object);
        match known {
            Ok(object) if object.is_being_restored() => {
                "the object is archived and a restore is under way: run the same download again when it has ended".to_owned()
            }
            Ok(HeadObjectOutput { storage_class: Some(class), .. }) => {
                format!("the object is archived ({}): restore it first, then run the same download again", Printable(&class))
            }
            _ => "the object is archived: restore it first, then run the same download again".to_owned(),
        }
    }

    /// The condition of the caller that the server says does not hold, if that is what it says.
    fn unmet(&self, error: AttemptError) -> Result<(String, TosServerError), AttemptError> {
        match error {
            AttemptError::Server(server) => match self.conditions.unmet(server.status_code) {
                Some(condition) => Ok((condition, *server)),
                None => Err(AttemptError::Server(server)),
            },
            other => Err(other),
        }
    }

    fn answered(&self, head: &ResponseHead, after: Duration) {
        self.tasks.answered(after);
        if head.throttled {
            self.progress.throttled();
            self.tasks.overloaded();
        }
    }

    fn head_request(&self, attempt: Attempt) -> HeadRequest<'_> {
        HeadRequest {
            object: self.object,
            conditions: self.conditions,
            terms: self.terms,
            attempt,
        }
    }

    fn first_attempt(&self) -> Attempt {
        self.attempt(&Patience::new(self.retries), Haste::new(Duration::ZERO))
    }

    fn attempt(&self, patience: &Patience, haste: Haste) -> Attempt {
        Attempt {
            silence: haste.limit(patience),
            ..Attempt::new(patience.failures() + 1, &self.retries)
        }
    }

    async fn wait_after(
        &self,
        error: AttemptError,
        took: Duration,
        trial: &mut Trial,
    ) -> Result<(), Unanswered> {
        let decision = self.decide(&error, took, trial);
        let patience = &trial.patience;
        let Decision::RetryAfter(wait) = decision else {
            return Err((patience.failures(), error));
        };
        if let Some(left) = patience.noticeable() {
            self.tasks.tell_of_wait(&error, left);
        }
        self.pause(wait, patience.failures(), &error).await;
        Ok(())
    }

    /// Decides whether the same is asked again, and tells the tasks what a refusal says about their number.
    fn decide(&self, error: &AttemptError, took: Duration, trial: &mut Trial) -> Decision {
        let (flows, chance) = (self.tasks.flows(), fastrand::f64());
        if is_overload(error) {
            self.tasks.overloaded();
        } else if flows
            && !is_denial(error)
            && may_be_a_limit(error, trial.patience.failures() + 1)
            && !trial.is_too_many
        {
            trial.is_too_many = true;
            self.tasks.one_too_many(0);
        }
        if !is_denial(error) {
            return trial.patience.after(error, took, chance);
        }
        let decision = if flows && is_anybodys(error) {
            trial.suspicion.get_or_insert_with(|| self.tasks.suspect());
            trial.patience.after_denial(took, chance)
        } else {
            trial.patience.after(error, took, chance)
        };
        if decision == Decision::GiveUp
            && let Some(suspicion) = trial.suspicion.take()
        {
            suspicion.dismiss();
        }
        decision
    }

    async fn pause(&self, wait: Duration, attempt: u32, error: &AttemptError) {
        tracing::info!(
            target: "tosget::download",
            object = %self.object,
            attempt,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            error = %error.chain(),
            "first request failed, trying again"
        );
        self.progress.retried();
        tokio::time::sleep(wait).await;
    }
}

/// An error answer to a HEAD has no body, and so no code, message or request id but those in its headers. To a 304 there is
/// nothing to add. An answer that is not the service's, or tells no length, is another thing if it is one to a GET.
fn is_wordless(error: &AttemptError) -> bool {
    match error {
        AttemptError::Server(server) => {
            server.status_code < 500 && server.status_code != 304 && server.message.is_empty()
        }
        AttemptError::Response(ResponseFault::Unproven { first_words, .. }) => first_words.is_empty(),
        AttemptError::Response(fault) => *fault == ResponseFault::NoLength,
        _ => false,
    }
}

fn check(
    asked: ByteRange,
    pin: Option<&Fingerprint>,
    head: &ResponseHead,
) -> Result<Option<ByteRange>, ResponseFault> {
    let answered = answered_range(asked, head)?;
    let Some(pin) = pin else { return Ok(answered) };
    same_object(pin, &head.fingerprint())?;
    if answered == Some(asked) {
        Ok(answered)
    } else {
        Err(ResponseFault::RangeIgnored)
    }
}

fn tells_no_length(head: &ResponseHead) -> bool {
    head.content_range.is_none() && head.payload_length.is_none()
}

/// Whether two answers that nothing identifies may be of the same content. A length that one of them does not tell is no other one.
fn looks_alike(first: &ResponseHead, second: &ResponseHead) -> bool {
    let (one, other) = (&first.object, &second.object);
    let tell_length = !tells_no_length(first) && !tells_no_length(second);
    one.content_type == other.content_type && !(tell_length && one.content_length != other.content_length)
}

fn second_look(first: &ResponseHead, second: &ResponseHead) -> ResponseFault {
    let told = |head: &ResponseHead| {
        let kind = head.object.content_type.as_deref().unwrap_or("unknown type");
        format!("{} bytes of {}", head.object.content_length, Printable(kind))
    };
    ResponseFault::SecondLook {
        first: told(first),
        second: told(second),
    }
}
