//! The walk of one request, as a state machine without IO.
//!
//! `handle` takes what happened and says what to do next. INVARIANT 1: a request is forwarded only
//! from `Recording`, which only `decide` enters.

mod answer;
mod decide;

use std::sync::Arc;

use bytes::Bytes;
use gateway_identity::{AuthenticationFault, Outcome, Review, ReviewRequest};
use gateway_kubeapi::{RequestHeaders, RequestTarget, Scope, Upgrade, builtin_scope};
use http::{HeaderName, Method, StatusCode};

pub use self::answer::{Closing, Summary, UpstreamFailure};
use crate::admit;
use crate::credential::Credential;
use crate::input::{Input, LiveFault, Micros, Now, Protocol, RequestHead};
use crate::known::KnownCaller;
use crate::live::Awaited;
use crate::masked::{AnswerMask, BodyPlan};
use crate::output::{Ask, Carriage, Output, UpstreamRequest};
use crate::record::Record;
use crate::refusal::Fault;
use crate::review::SelfReview;
use crate::snapshot::{ClusterSnapshot, Snapshot};

/// The caller's own words for an obligation `reason`.
const REASON: HeaderName = HeaderName::from_static("countersign-reason");

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
    upgrade: Option<Upgrade>,
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
        let upgrade = headers.upgrade_on(&target).map_err(Fault::Header)?;
        let upgrade = upgrade.cloned();
        let cluster = self.cluster(&head)?;
        self.record.cluster = Some(cluster.name.clone());
        Ok(Parsed {
            credential: Arc::new(Credential::of(&mut head)),
            has_body: head.has_body,
            method: head.method,
            target,
            headers,
            upgrade,
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
