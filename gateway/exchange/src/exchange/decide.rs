//! From the parsed request of a proven caller to what is recorded and then sent: the body is read where
//! it counts, policy is asked, the upstream request is built.

use std::sync::Arc;

use bytes::Bytes;
use gateway_audit::{Answer, Stage};
use gateway_kubeapi::{
    AcceptPlan, Attributes, BodyIdentity, Caller, Connection, ImpersonationHeaders, PatchForm,
    RequestFacts, RequestTarget, Scope, SystemNames, Verb, check_before_send, judge,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;

use super::{Admitted, Authenticated, Exchange, Next, Parsed, Relaying, State};
use crate::admit::{self, Admission, Judging};
use crate::content;
use crate::input::{MICROS_PER_SECOND, Micros};
use crate::known::KnownCaller;
use crate::live::Awaited;
use crate::masked::AnswerMask;
use crate::output::{Ask, Carriage, EndCause, LongKind, LongRunning, Output, UpstreamRequest};
use crate::refusal::Fault;
use crate::review::SelfReview;

/// BOUND: the API server's own limit of a request body (K-5.1).
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Joins the API server's audit log with this one.
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

impl Exchange {
    pub(super) fn read_or_decide(
        &mut self,
        request: Authenticated,
        scope: Scope,
        now: Micros,
    ) -> Next {
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
        let carriage = match &parsed.upgrade {
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

    pub(super) fn with_body(
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
        let upgrade = parsed.upgrade.as_ref();
        let restoration = match &mut mask {
            Some(mask) => mask.check(&parsed.target, &carriage, subject.patch, upgrade),
            None => Ok(None),
        }
        .map_err(Fault::Mask)?;
        let accept = mask
            .as_ref()
            .map_or(AcceptPlan::Forward, AnswerMask::accept);
        let mut long = long_running(&parsed, &known, &attributes, &admission, now);
        if let Some(long) = &mut long {
            long.masking = mask.as_ref().map(|mask| mask.masking().clone());
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
}

/// What the head alone does not say.
struct Subject<'a> {
    scope: Scope,
    body: Option<&'a BodyIdentity>,
    patch: Option<PatchForm>,
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
    attributes: &[Attributes],
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
        masking: None,
        attributes: attributes.to_vec(),
        ends_at: admit::ends_at(&known.caller, &admission.obligations, now),
        kind,
    })
}
