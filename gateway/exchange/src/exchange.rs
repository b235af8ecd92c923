//! The walk of one request, as a state machine without IO.
//!
//! `handle` takes what happened and says what to do next. INVARIANT 1: a request is forwarded only
//! from `Recording`, which only `decide` enters.

use std::sync::Arc;

use bytes::Bytes;
use gateway_audit::{Answer, Event, ResponseStatus, Stage};
use gateway_identity::{AuthenticationFault, Outcome, Review, ReviewRequest};
use gateway_kubeapi::{
    AcceptPlan, BodyIdentity, Caller, Connection, ImpersonationHeaders, PatchForm, RequestFacts,
    RequestHeaders, RequestTarget, Scope, SystemNames, Verb, builtin_scope, check_before_send,
    judge,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;

use crate::admit::{self, Admission, Judging};
use crate::content;
use crate::credential::Credential;
use crate::input::{Input, LiveFault, MICROS_PER_SECOND, Micros, Now, Protocol, RequestHead};
use crate::known::KnownCaller;
use crate::live::Awaited;
use crate::masked::{AnswerMask, BodyPlan};
use crate::output::{
    Ask, Carriage, EndCause, LongKind, LongRunning, Output, Refusal, UpstreamRequest,
};
use crate::record::Record;
use crate::refusal::{self, Fault};
use crate::response::{self, Answered, Unfit};
use crate::review::{self, SelfReview};
use crate::snapshot::{ClusterSnapshot, Snapshot};
use crate::unmaskable::UnmaskableCause;

/// BOUND: the API server's own limit of a request body (K-5.1).
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// The caller's own words for an obligation `reason`.
const REASON: HeaderName = HeaderName::from_static("countersign-reason");
/// Joins the API server's audit log with this one.
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// One request with its answer.
#[derive(Debug)]
pub struct Exchange {
    snapshot: Arc<Snapshot>,
    record: Record,
    state: State,
    fresh: Option<Arc<KnownCaller>>,
}

#[derive(Debug)]
enum State {
    /// Nothing arrived yet.
    Received,
    /// Keys are awaited.
    AwaitingKeys(Box<Parsed>),
    /// A cluster's word on a token is awaited.
    AwaitingReview(Box<Parsed>, Box<ReviewRequest>),
    /// Discovery is awaited.
    Scoping(Box<Authenticated>),
    /// The body is awaited.
    Reading(Box<Authenticated>, Scope),
    /// The audit log's word is awaited.
    Recording(Box<Admitted>),
    /// The live object is awaited, with which masked values are put back.
    AwaitingLive(Box<Admitted>, Box<Awaited>),
    /// It went upstream.
    Relaying(Box<Relaying>),
    /// The terminal event was made.
    Closed,
}

/// A request head that two honest parsers read alike.
#[derive(Debug)]
struct Parsed {
    target: RequestTarget,
    headers: RequestHeaders,
    cluster: Arc<ClusterSnapshot>,
    method: Method,
    has_body: bool,
    credential: Arc<Credential>,
    asked_keys: bool,
}

/// A parsed request of a proven caller.
#[derive(Debug)]
struct Authenticated {
    parsed: Box<Parsed>,
    known: Arc<KnownCaller>,
}

/// Decided, not yet sent.
#[derive(Debug)]
struct Admitted {
    request: UpstreamRequest,
    relaying: Relaying,
    /// What must be known before it is sent.
    awaited: Option<Box<Awaited>>,
}

#[derive(Debug)]
struct Relaying {
    target: RequestTarget,
    review: Option<SelfReview>,
    /// The masks under which the answer is given.
    mask: Option<AnswerMask>,
    /// What is done to its body.
    body: BodyPlan,
}

impl Relaying {
    /// Until the answer's head says what is to be done to its body.
    const fn new(target: RequestTarget, mask: Option<AnswerMask>) -> Self {
        Self {
            target,
            review: None,
            mask,
            body: BodyPlan::Pass,
        }
    }
}

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

type Next = Result<Output, Fault>;

impl Exchange {
    /// `id` is unique; it is the decision id and the `Audit-ID` sent upstream.
    #[must_use]
    pub fn new(id: String, snapshot: Arc<Snapshot>, received_at: Micros) -> Self {
        let bundle = snapshot.bundle_digest.clone();
        let record = Record {
            id,
            received_at,
            bundle,
            ..Record::default()
        };
        Self {
            snapshot,
            record,
            state: State::Received,
            fresh: None,
        }
    }

    /// The decision id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// Takes one input to the next output.
    pub fn handle(&mut self, input: Input, now: Now) -> Output {
        let state = std::mem::replace(&mut self.state, State::Closed);
        let next = match (state, input) {
            (State::Received, Input::Head(head, known)) => self.head(*head, known, now),
            (State::AwaitingKeys(parsed), Input::Keys(snapshot)) => self
                .repin(snapshot, parsed)
                .and_then(|parsed| self.authenticate(parsed, None, now)),
            (State::AwaitingReview(parsed, request), Input::Reviewed(answer)) => {
                self.reviewed(parsed, &request, answer, now)
            }
            (State::Scoping(request), Input::Scope(snapshot)) => {
                let scope = known_scope(&snapshot, &request.parsed).unwrap_or(Scope::Unknown);
                self.read_or_decide(*request, scope, now.micros)
            }
            (State::Reading(request, scope), Input::Body(body)) => match body {
                Ok(body) => self.with_body(*request, scope, body, now.micros),
                Err(fault) => Err(Fault::Body(fault)),
            },
            (State::Recording(admitted), Input::Recorded(stored)) => {
                self.recorded(*admitted, stored)
            }
            (State::AwaitingLive(admitted, awaited), Input::Live(answer)) => {
                self.restored(*admitted, &awaited, answer)
            }
            // The shell answered what was not asked: refuse rather than guess.
            (_, _) => Err(Fault::OutOfOrder("input")),
        };
        match next {
            Ok(output) => output,
            Err(fault) => Output::Refuse(Box::new(self.refuse(&fault))),
        }
    }

    fn head(&mut self, head: RequestHead, known: Option<Arc<KnownCaller>>, now: Now) -> Next {
        self.record.request_uri = String::from_utf8_lossy(&head.target).into_owned();
        self.record.verb = head.method.as_str().to_ascii_lowercase();
        self.record.source = vec![head.peer.ip()];
        if head.ambiguous_framing {
            return Err(Fault::AmbiguousFraming);
        }
        if head.authority_conflict {
            return Err(Fault::AuthorityConflict);
        }
        match head.protocol {
            Protocol::Http10 => return Err(Fault::HttpVersion),
            Protocol::Http11 | Protocol::Http2 => {}
        }
        if head.method == Method::CONNECT {
            return Err(Fault::Connect);
        }
        let parsed = Box::new(self.parse(head)?);
        match known.filter(|known| known.is_valid(self.snapshot.epoch, now.micros)) {
            Some(known) => self.authenticated(parsed, known, now.micros),
            None => self.authenticate(parsed, None, now),
        }
    }

    fn parse(&mut self, mut head: RequestHead) -> Result<Parsed, Fault> {
        let headers = RequestHeaders::judge(&head.headers).map_err(Fault::Header)?;
        self.record.user_agent = headers.user_agent().map(str::to_owned);
        self.record.stated_reason = head
            .headers
            .get(REASON)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let target = RequestTarget::parse(&head.method, &head.target).map_err(Fault::Target)?;
        self.record.describe(&target);
        headers.upgrade_on(&target).map_err(Fault::Header)?;
        let cluster = self.cluster(&head)?;
        self.record.cluster = Some(cluster.name.clone());
        Ok(Parsed {
            credential: Arc::new(Credential::of(&mut head)),
            has_body: head.has_body,
            method: head.method,
            target,
            headers,
            cluster,
            asked_keys: false,
        })
    }

    fn cluster(&self, head: &RequestHead) -> Result<Arc<ClusterSnapshot>, Fault> {
        let name = match (&head.listener_cluster, &head.host) {
            (Some(name), _) => name,
            (None, None) => return Err(Fault::UnknownHost),
            (None, Some(host)) => {
                let asked = head.server_name.as_ref();
                if asked.is_some_and(|asked| !asked.eq_ignore_ascii_case(host)) {
                    return Err(Fault::HostDiffersFromServerName);
                }
                self.snapshot
                    .hosts
                    .get(&host.to_ascii_lowercase())
                    .ok_or(Fault::UnknownHost)?
            }
        };
        self.snapshot
            .clusters
            .get(name)
            .cloned()
            .ok_or(Fault::NoPolicy)
    }

    /// Keys arrive with a snapshot; the exchange goes on with it, cluster included.
    fn repin(
        &mut self,
        snapshot: Arc<Snapshot>,
        mut parsed: Box<Parsed>,
    ) -> Result<Box<Parsed>, Fault> {
        let cluster = snapshot.clusters.get(&parsed.cluster.name).cloned();
        parsed.cluster = cluster.ok_or(Fault::NoPolicy)?;
        self.record.bundle.clone_from(&snapshot.bundle_digest);
        self.snapshot = snapshot;
        Ok(parsed)
    }

    fn authenticate(&mut self, mut parsed: Box<Parsed>, review: Option<&Review>, now: Now) -> Next {
        match parsed.credential.prove(&self.snapshot, review, now) {
            Outcome::Proven(proof) => {
                let known = Arc::new(admit::known(*proof, &self.snapshot));
                self.fresh = Some(Arc::clone(&known));
                self.authenticated(parsed, known, now.micros)
            }
            Outcome::NeedsKeys { issuer, .. } if !parsed.asked_keys => {
                parsed.asked_keys = true;
                self.state = State::AwaitingKeys(parsed);
                Ok(Output::Ask(Ask::Keys { issuer }))
            }
            Outcome::NeedsReview(request) if review.is_none() => {
                let ask = Ask::TokenReview {
                    issuer: request.issuer().to_owned(),
                    body: Bytes::from(request.body()),
                };
                self.state = State::AwaitingReview(parsed, request);
                Ok(Output::Ask(ask))
            }
            Outcome::NeedsKeys {
                otherwise: fault, ..
            }
            | Outcome::Refused(fault) => Err(Fault::Authentication(fault)),
            Outcome::NeedsReview(_) => Err(Fault::Review("asked twice".to_owned())),
        }
    }

    fn reviewed(
        &mut self,
        parsed: Box<Parsed>,
        request: &ReviewRequest,
        answer: Result<(StatusCode, Bytes), String>,
        now: Now,
    ) -> Next {
        let (status, body) = answer.map_err(Fault::Review)?;
        if !status.is_success() {
            return Err(Fault::Review(format!("the cluster answered {status}")));
        }
        let review = Review::parse(request, &body, now.uptime).map_err(|fault| {
            Fault::Authentication(AuthenticationFault::Review {
                issuer: request.issuer().to_owned(),
                fault,
            })
        })?;
        self.authenticate(parsed, Some(&review), now)
    }

    /// The caller this exchange proved by its own work: worth remembering.
    pub fn take_proven(&mut self) -> Option<Arc<KnownCaller>> {
        self.fresh.take()
    }

    fn authenticated(&mut self, parsed: Box<Parsed>, known: Arc<KnownCaller>, now: Micros) -> Next {
        self.record.known = Some(Arc::clone(&known));
        let wanted = parsed.headers.impersonation();
        self.record.impersonated = wanted.map(|wanted| Box::new(admit::impersonated(wanted)));
        let request = Authenticated { parsed, known };
        match known_scope(&self.snapshot, &request.parsed) {
            Some(scope) if fits(scope, &request.parsed) => {
                return self.read_or_decide(request, scope, now);
            }
            // A custom resource may have been deleted and made anew with the other scope.
            Some(_) | None => {}
        }
        let cluster = request.parsed.cluster.name.clone();
        let ask = Ask::Scope { cluster };
        self.state = State::Scoping(Box::new(request));
        Ok(Output::Ask(ask))
    }

    fn read_or_decide(&mut self, request: Authenticated, scope: Scope, now: Micros) -> Next {
        let parsed = &request.parsed;
        if content::is_judged(&parsed.target, &parsed.method) {
            if parsed.has_body {
                self.check_head(&request, scope, now)?;
                self.state = State::Reading(Box::new(request), scope);
                let bytes_max = BODY_BYTES_MAX;
                return Ok(Output::Ask(Ask::Body { bytes_max }));
            }
            return self.with_body(request, scope, Bytes::new(), now);
        }
        let upgrade = parsed.headers.upgrade_on(&parsed.target);
        let carriage = match upgrade.map_err(Fault::Header)? {
            Some(_) => Carriage::Upgrade,
            None if parsed.target.is_proxy() => Carriage::Tunnel,
            None => Carriage::Read,
        };
        if parsed.has_body && !matches!(carriage, Carriage::Tunnel) {
            return Err(Fault::UnexpectedBody);
        }
        let subject = Subject {
            scope,
            body: None,
            patch: None,
        };
        self.decide(request, &subject, carriage, now)
    }

    /// Refuses what policy denies whatever the body says, so that nothing is read and held for
    /// somebody who may not write. What passes here is not decided yet.
    fn check_head(&self, request: &Authenticated, scope: Scope, now: Micros) -> Result<(), Fault> {
        let Authenticated { parsed, known } = request;
        let facts = RequestFacts {
            target: &parsed.target,
            scope,
            connection: Connection::Plain,
            body: None,
            patch: None,
            source: self.record.source.first().copied(),
        };
        // Without the body a patch may create; only with it is that sure.
        let own = judge(&facts).map_err(Fault::Judge)?.attributes;
        let judging = self.judging(parsed, known, now)?;
        admit::check_head(judging, &own).map_err(Fault::Denied)?;
        let wanted = parsed.headers.impersonation();
        let wanted = wanted.map(|wanted| admit::impersonation_attributes(wanted, facts.source));
        admit::decide(judging, &wanted.unwrap_or_default()).map_err(Fault::Denied)?;
        Ok(())
    }

    fn judging<'a>(
        &'a self,
        parsed: &'a Parsed,
        known: &'a KnownCaller,
        now: Micros,
    ) -> Result<Judging<'a>, Fault> {
        let rules = known.rules.get(&parsed.cluster.name);
        Ok(Judging {
            cluster: &parsed.cluster,
            caller: &known.caller,
            rules: rules.ok_or(Fault::NoPolicy)?,
            reason: self.record.stated_reason.as_deref(),
            id: &self.record.id,
            at: Timestamp::from_microsecond(now).unwrap_or_default(),
        })
    }

    fn with_body(
        &mut self,
        request: Authenticated,
        scope: Scope,
        body: Bytes,
        now: Micros,
    ) -> Next {
        let Parsed {
            target, headers, ..
        } = &*request.parsed;
        let (body, question) =
            content::read(target, headers.content_type(), body).map_err(Fault::Content)?;
        let identity = body.identity();
        if let Some(name) = identity.and_then(|identity| identity.name.as_deref()) {
            self.record.name(name);
        }
        let bytes = body.bytes().clone();
        let carriage = match question {
            Some(_) => Carriage::Review(bytes),
            None => Carriage::Write(bytes),
        };
        let subject = Subject {
            scope,
            body: identity,
            patch: body.patch(),
        };
        let caller = Arc::clone(&request.known.caller);
        let output = self.decide(request, &subject, carriage, now)?;
        if let State::Recording(admitted) = &mut self.state {
            let Admitted {
                request, relaying, ..
            } = &mut **admitted;
            if let Some(content_type) = body.content_type() {
                let content_type = content_type.clone();
                request.headers.insert(header::CONTENT_TYPE, content_type);
            }
            relaying.review = question.map(|question| SelfReview {
                question,
                caller,
                cluster: request.cluster.clone(),
            });
        }
        Ok(output)
    }

    fn decide(
        &mut self,
        request: Authenticated,
        subject: &Subject<'_>,
        carriage: Carriage,
        now: Micros,
    ) -> Next {
        let Authenticated { parsed, known } = request;
        let facts = RequestFacts {
            target: &parsed.target,
            scope: subject.scope,
            connection: carriage.connection(),
            body: subject.body,
            patch: subject.patch,
            source: self.record.source.first().copied(),
        };
        let judged = judge(&facts).map_err(Fault::Judge)?;
        let mut attributes = vec![judged.attributes];
        attributes.extend(judged.also);
        if let Some(wanted) = parsed.headers.impersonation() {
            attributes.extend(admit::impersonation_attributes(wanted, facts.source));
        }
        let judging = self.judging(&parsed, &known, now)?;
        let admission = admit::decide(judging, &attributes).map_err(Fault::Denied)?;
        let mut mask = attributes
            .first()
            .and_then(|main| AnswerMask::of(judging, admission.obligations.masks, main));
        let upgrade = parsed.headers.upgrade_on(&parsed.target);
        let upgrade = upgrade.map_err(Fault::Header)?;
        let restoration = match &mut mask {
            Some(mask) => mask.check(&parsed.target, &carriage, subject.patch, upgrade),
            None => Ok(None),
        }
        .map_err(Fault::Mask)?;
        let accept = mask
            .as_ref()
            .map_or(AcceptPlan::Forward, AnswerMask::accept);
        let mut long = long_running(&parsed, &known, &attributes, &admission, now);
        if let (Some(long), Some(mask)) = (&mut long, &mask) {
            long.masks = mask.describe();
        }
        let (target, ends) = upstream_target(&parsed.target, long.as_ref(), now);
        let request = UpstreamRequest {
            cluster: parsed.cluster.name.clone(),
            method: parsed.method.clone(),
            target,
            headers: self.upstream_headers(&parsed, &known.caller, accept)?,
            long,
            carriage,
        };
        let awaited = restoration
            .map(|own| Awaited::judge(own, judging, &attributes, &parsed.target, &request))
            .transpose()?
            .map(Box::new);
        self.record.masks = mask.as_ref().map(AnswerMask::names).unwrap_or_default();
        self.record.is_long = request.long.is_some();
        self.record.ends = ends;
        self.record.answer = Some(Answer::Allow);
        self.record.reason = "allowed";
        self.record.rules = admission.rules;
        self.record.shadow = admission.shadow;
        let durable = attributes.iter().any(|one| !one.verb.is_read());
        let relaying = Relaying::new(parsed.target, mask);
        let admitted = Admitted {
            request,
            relaying,
            awaited,
        };
        self.state = State::Recording(Box::new(admitted));
        Ok(Output::Record {
            event: self.record.event(Stage::RequestReceived, now),
            durable,
        })
    }

    /// INVARIANT 3: every field is built from a judged value or by the gateway.
    /// INVARIANT 7: nothing of the client's credential or of its identity headers is among them.
    fn upstream_headers(
        &self,
        parsed: &Parsed,
        caller: &Caller,
        accept: AcceptPlan,
    ) -> Result<HeaderMap, Fault> {
        let mut headers = parsed
            .headers
            .upstream(&parsed.target, accept)
            .map_err(Fault::Header)?;
        let wanted = self.record.impersonated.as_deref();
        let system = match wanted {
            // Policy allowed each of these names by an `impersonate` decision.
            Some(_) => SystemNames::ServiceAccounts,
            None => admit::system_names(caller),
        };
        let user = wanted.unwrap_or(&caller.user);
        let identity = ImpersonationHeaders::build(user, system).map_err(|fault| match wanted {
            Some(_) => Fault::Impersonation(fault),
            None => Fault::Identity(fault.to_string()),
        })?;
        identity.apply_to(&mut headers);
        if let Ok(id) = HeaderValue::from_str(&self.record.id) {
            headers.insert(AUDIT_ID, id);
        }
        check_before_send(&headers).map_err(|fault| Fault::Identity(fault.to_string()))?;
        Ok(headers)
    }

    fn recorded(&mut self, mut admitted: Admitted, stored: Result<(), String>) -> Next {
        stored.map_err(Fault::AuditUnavailable)?;
        if let Some(awaited) = admitted.awaited.take() {
            let ask = awaited.ask();
            self.state = State::AwaitingLive(Box::new(admitted), awaited);
            return Ok(Output::Ask(ask));
        }
        self.state = State::Relaying(Box::new(admitted.relaying));
        Ok(Output::Forward(Box::new(admitted.request)))
    }

    /// Sends the write with the live values put back. INVARIANT 3: the body is the one that was judged
    /// but for values that policy masks for this caller, and for these it is what is stored.
    fn restored(
        &mut self,
        mut admitted: Admitted,
        awaited: &Awaited,
        answer: Result<(StatusCode, Bytes), LiveFault>,
    ) -> Next {
        let Carriage::Write(body) = &admitted.request.carriage else {
            return Err(Fault::OutOfOrder("live object"));
        };
        let settled = awaited.met(answer, body)?;
        if let Some(body) = settled.body {
            admitted.request.carriage = Carriage::Write(body);
        }
        self.record.restored_count = settled.count;
        self.state = State::Relaying(Box::new(admitted.relaying));
        Ok(Output::Forward(Box::new(admitted.request)))
    }

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

    fn refuse(&mut self, fault: &Fault) -> Refusal {
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

/// What the head alone does not say.
struct Subject<'a> {
    scope: Scope,
    body: Option<&'a BodyIdentity>,
    patch: Option<PatchForm>,
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

/// `None` asks discovery: the resource is neither built in nor known yet.
fn known_scope(snapshot: &Snapshot, parsed: &Parsed) -> Option<Scope> {
    let info = parsed.target.info();
    if !info.is_resource() {
        return Some(Scope::Cluster);
    }
    let cluster = snapshot.clusters.get(&parsed.cluster.name)?;
    builtin_scope(info.group(), info.resource()).or_else(|| {
        cluster
            .scopes
            .get(info.group())?
            .get(info.resource())
            .copied()
    })
}

/// Whether the path may belong to a resource of this scope. Built-in kinds never change theirs.
fn fits(scope: Scope, parsed: &Parsed) -> bool {
    let info = parsed.target.info();
    let contradicts = match scope {
        Scope::Cluster => !info.namespace().is_empty(),
        // Lists over all namespaces name neither.
        Scope::Namespaced => {
            info.namespace().is_empty() && (!info.name().is_empty() || info.verb() == "create")
        }
        Scope::Unknown => false,
    };
    !contradicts || builtin_scope(info.group(), info.resource()).is_some()
}

/// The target to send, and when and why the watch it asks for is over upstream.
fn upstream_target(
    target: &RequestTarget,
    long: Option<&LongRunning>,
    now: Micros,
) -> (String, Option<(Micros, EndCause)>) {
    let asked = target.timeout_seconds();
    match long.and_then(|long| long.ends_upstream(asked, now)) {
        Some((seconds, cause)) => {
            let at = now.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND));
            (target.upstream_target_within(seconds), Some((at, cause)))
        }
        None => (target.upstream_target(), None),
    }
}

fn long_running(
    parsed: &Parsed,
    known: &KnownCaller,
    attributes: &[gateway_kubeapi::Attributes],
    admission: &Admission,
    now: Micros,
) -> Option<LongRunning> {
    let info = parsed.target.info();
    let kind = match info.subresource() {
        "exec" => LongKind::Exec,
        "attach" => LongKind::Attach,
        "portforward" => LongKind::PortForward,
        "log" if parsed.target.follow() => LongKind::Log,
        _ if parsed.target.is_proxy() => LongKind::Proxy,
        _ if attributes.iter().any(|one| one.verb == Verb::Watch) => LongKind::Watch,
        _ => return None,
    };
    Some(LongRunning {
        cluster: parsed.cluster.name.clone(),
        caller: Arc::clone(&known.caller),
        credential: Arc::clone(&parsed.credential),
        epoch: known.epoch,
        masks: Vec::new(),
        attributes: attributes.to_vec(),
        ends_at: admit::ends_at(&known.caller, &admission.obligations, now),
        kind,
    })
}
