//! What comes back: upstream's answer under its masks, a refusal in its place, and the terminal event.

use std::sync::Arc;

use bytes::Bytes;
use gateway_audit::{Answer, Event, ResponseStatus, Stage};
use gateway_kubeapi::Verb;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;

use super::{Exchange, State};
use crate::input::Micros;
use crate::masked::{AnswerMask, BodyPlan};
use crate::output::{EndCause, Refusal};
use crate::refusal::{self, Fault};
use crate::response::{self, Answered, Unfit};
use crate::review;
use crate::unmaskable::UnmaskableCause;

/// What one exchange came to, for metrics and the log.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a> {
    /// Decision id.
    pub id: &'a str,
    /// When the head arrived.
    pub received_at: Micros,
    /// Cluster, if the request named one.
    pub cluster: Option<&'a str>,
    /// Kubernetes verb, or the method in lower case.
    pub verb: &'a str,
    /// Policy verb, once the target was understood.
    pub policy_verb: Option<Verb>,
    /// User name, once proven.
    pub username: Option<&'a str>,
    /// Allow, deny or refuse.
    pub answer: Option<Answer>,
    /// Reason word.
    pub reason: &'a str,
    /// Why no caller was proven, as one word.
    pub authentication_failure: Option<&'static str>,
    /// The first deciding rule.
    pub rule: Option<&'a str>,
    /// Status code of the answer.
    pub code: Option<u16>,
    /// A watch, a followed log or a session.
    pub is_long: bool,
    /// Values masked, known at the end.
    pub masked_count: u64,
    /// Bytes of the answer that masks looked at, known at the end.
    pub masked_bytes: u64,
    /// Why the answer could not be given masked.
    pub unmaskable: Option<UnmaskableCause>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The answer was written whole, or a session was closed by either side.
    Completed,
    /// Upstream broke off.
    UpstreamBroke,
    /// The caller went away.
    DownstreamGone,
    /// The gateway ended it.
    Ended(EndCause),
    /// The code that ran it panicked.
    Panicked,
}

/// Why there is no answer from upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// No connection: nothing was sent.
    NotReached,
    /// It broke after bytes were sent.
    Broke,
}

impl Exchange {
    /// Turns the head of upstream's answer into the one that goes on.
    ///
    /// # Errors
    /// [`Unfit`] where the body would have to be masked and cannot be read.
    pub fn response_head(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        now: Micros,
    ) -> Result<Answered, Unfit> {
        self.record.response = Some(ResponseStatus::of_code(status.as_u16()));
        let State::Relaying(relaying) = &mut self.state else {
            return Err(Unfit);
        };
        if let Some(mask) = &relaying.mask {
            match mask.plan(relaying.target.method(), status, headers) {
                Ok(plan) => relaying.body = plan,
                Err(why) => {
                    self.record.unfit_for(why);
                    return Err(Unfit);
                }
            }
        }
        let mut headers = response::headers(&relaying.target, status, headers);
        if let Some(mask) = &relaying.mask {
            masked_headers(&mut headers, mask, &relaying.body);
        }
        let framing = relaying.body.framing();
        refusal::put_decision_id(&mut headers, &self.record.id);
        let event = self
            .record
            .is_long
            .then(|| self.record.event(Stage::ResponseStarted, now));
        Ok(Answered {
            headers,
            event,
            framing,
        })
    }

    /// What goes on of the next piece of the answer's body.
    ///
    /// # Errors
    /// [`Unfit`] where the body is not what it must be: nothing more of it may go on, and it may not
    /// seem to have ended well.
    pub fn response_body(
        &mut self,
        chunk: Option<Bytes>,
        is_last: bool,
    ) -> Result<Option<Bytes>, Unfit> {
        let State::Relaying(relaying) = &mut self.state else {
            return Err(Unfit);
        };
        let next = relaying.body.next(chunk, is_last);
        next.map_err(|why| {
            self.record.unfit_for(why);
            Unfit
        })
    }

    /// Meets the API server's answer to a self-subject review with policy.
    pub fn review_answer(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Bytes,
        now: Micros,
    ) -> Refusal {
        let Ok(answered) = self.response_head(status, headers, now) else {
            return self.upstream_failed(UpstreamFailure::Broke);
        };
        let State::Relaying(relaying) = &self.state else {
            return self.refuse(&Fault::OutOfOrder("review"));
        };
        let met = match &relaying.review {
            Some(review) if status.is_success() => {
                let at = Timestamp::from_microsecond(now).unwrap_or_default();
                review::meet(review, &self.snapshot, body, at)
            }
            Some(_) | None => Ok(body),
        };
        match met {
            Ok(body) => Refusal {
                status,
                headers: answered.headers,
                body,
                close: false,
                event: None,
            },
            Err(why) => self.refuse(&Fault::UpstreamAnswer(why)),
        }
    }

    /// Upstream gave no usable answer.
    pub fn upstream_failed(&mut self, failure: UpstreamFailure) -> Refusal {
        if let Some(why) = self.record.unfit.take() {
            return self.refuse(&Fault::UpstreamAnswer(why));
        }
        self.refuse(&Fault::Upstream(failure))
    }

    pub(super) fn refuse(&mut self, fault: &Fault) -> Refusal {
        self.record.decided_anew();
        let verbal = fault.verbal();
        let mut denied = false;
        if let Fault::Denied(denial) = fault {
            self.record.rules.clone_from(&denial.rules);
            self.record.shadow.clone_from(&denial.shadow);
            denied = true;
        }
        if let Fault::Authentication(fault) = fault {
            self.record.authentication_failure = Some(fault.code());
        }
        self.record.answer = Some(if denied { Answer::Deny } else { Answer::Refuse });
        self.record.reason = verbal.reason;
        self.record.detail = Some(verbal.detail);
        let (code, reason) = (verbal.status.code(), verbal.status.reason().as_str());
        self.record.response = Some(ResponseStatus::failure(
            code.as_u16(),
            reason,
            verbal.status.message(),
        ));
        Refusal {
            status: code,
            headers: refusal::headers(&self.record.id, &verbal.status),
            body: Bytes::from(verbal.status.to_json()),
            close: verbal.close,
            event: None,
        }
    }

    /// What it came to so far.
    #[must_use]
    pub fn summary(&self) -> Summary<'_> {
        let record = &self.record;
        Summary {
            id: &record.id,
            received_at: record.received_at,
            cluster: record.cluster.as_deref(),
            verb: &record.verb,
            policy_verb: record.policy_verb,
            username: record.caller().map(|caller| caller.user.username.as_str()),
            answer: record.answer,
            reason: record.reason,
            authentication_failure: record.authentication_failure,
            rule: record.rules.first().map(String::as_str),
            code: record.response.as_ref().map(ResponseStatus::code),
            is_long: record.is_long,
            masked_count: record.masked.count,
            masked_bytes: record.masked.bytes,
            unmaskable: record.unmaskable,
        }
    }

    /// The terminal event. INVARIANT 5: it is made once, whatever ends the exchange.
    pub fn close(&mut self, closing: Closing, now: Micros) -> Option<Arc<Event>> {
        if self.record.is_closed {
            return None;
        }
        self.record.is_closed = true;
        if let State::Relaying(relaying) = &self.state {
            self.record.masked = relaying.body.masked(relaying.mask.as_ref());
        }
        self.state = State::Closed;
        let stage = match closing {
            Closing::Panicked => Stage::Panic,
            Closing::Completed
            | Closing::UpstreamBroke
            | Closing::DownstreamGone
            | Closing::Ended(_) => Stage::ResponseComplete,
        };
        self.record.ended_by = match closing {
            // An answer that could not be read was ended by the gateway, whoever closed then.
            _ if self.record.unfit.is_some() => Some("unmaskable"),
            // Upstream ended it for the gateway.
            Closing::Completed => self
                .record
                .ends
                .filter(|(at, _)| *at <= now)
                .map(|(_, cause)| cause.as_str()),
            Closing::UpstreamBroke => Some("upstream-broke"),
            Closing::DownstreamGone => Some("downstream-gone"),
            Closing::Ended(cause) => Some(cause.as_str()),
            Closing::Panicked => Some("panic"),
        };
        Some(self.record.event(stage, now))
    }
}

/// What of an answer's head could tell of the values in its body, and what the caller is told instead.
fn masked_headers(headers: &mut HeaderMap, mask: &AnswerMask, body: &BodyPlan) {
    // Warnings may quote values (K-4.17); an entity tag is a digest of the body.
    headers.remove(header::WARNING);
    headers.remove(header::ETAG);
    if let BodyPlan::Refused(_) = body {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
    }
    if let Some(warning) = mask.warning() {
        headers.insert(header::WARNING, warning);
    }
}
