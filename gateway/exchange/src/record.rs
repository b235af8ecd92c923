//! What the audit events of one exchange say, filled as the walk goes on.

use std::net::IpAddr;
use std::sync::Arc;

use gateway_audit::{Answer, Event, Facts, Masked, ObjectRef, ResponseStatus, Ruling, Stage};
use gateway_kubeapi::{Caller, RequestTarget, UserInfo, Verb};

use crate::input::Micros;
use crate::known::KnownCaller;
use crate::output::EndCause;
use crate::unmaskable::{Unmaskable, UnmaskableCause};

/// What masks did to an answer.
#[derive(Debug, Default)]
pub(crate) struct MaskedSoFar {
    /// Values replaced or dropped.
    pub(crate) count: u64,
    /// Bytes of the answer that were looked at.
    pub(crate) bytes: u64,
    /// The paths that met a value, comma-separated.
    pub(crate) places: String,
}

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) received_at: Micros,
    pub(crate) cluster: Option<String>,
    pub(crate) request_uri: String,
    pub(crate) verb: String,
    pub(crate) policy_verb: Option<Verb>,
    pub(crate) authentication_failure: Option<&'static str>,
    pub(crate) source: Vec<IpAddr>,
    pub(crate) user_agent: Option<String>,
    pub(crate) object: Option<ObjectRef>,
    pub(crate) known: Option<Arc<KnownCaller>>,
    /// Whom the proven caller asks to act as: on every stage, denials included.
    pub(crate) impersonated: Option<Box<UserInfo>>,
    pub(crate) answer: Option<Answer>,
    pub(crate) reason: &'static str,
    pub(crate) detail: Option<String>,
    pub(crate) rules: Vec<String>,
    pub(crate) shadow: Vec<String>,
    pub(crate) bundle: String,
    pub(crate) stated_reason: Option<String>,
    pub(crate) response: Option<ResponseStatus>,
    pub(crate) ended_by: Option<&'static str>,
    /// When and why upstream ends a watch for the gateway.
    pub(crate) ends: Option<(Micros, EndCause)>,
    /// Allowed as a watch, a followed log or a session.
    pub(crate) is_long: bool,
    pub(crate) is_closed: bool,
    /// Names of the masks of the answer.
    pub(crate) masks: String,
    pub(crate) masked: MaskedSoFar,
    /// Masked values of the request that live ones were put back for.
    pub(crate) restored_count: u64,
    /// Why the answer could not be given masked.
    pub(crate) unfit: Option<String>,
    /// The same as a word; it stays when the caller was told.
    pub(crate) unmaskable: Option<UnmaskableCause>,
    pub(crate) written: Option<Arc<Event>>,
}

impl Record {
    /// Takes over what the API server will understand of the target.
    pub(crate) fn describe(&mut self, target: &RequestTarget) {
        let info = target.info();
        info.verb().clone_into(&mut self.verb);
        self.policy_verb = Some(target.policy_verb());
        if !info.is_resource() {
            return;
        }
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.object = Some(ObjectRef {
            resource: some(info.resource()),
            namespace: some(info.namespace()),
            name: some(info.name()),
            api_group: some(info.group()),
            api_version: some(info.version()),
            subresource: some(info.subresource()),
            ..ObjectRef::default()
        });
    }

    /// The name of a created object stands in its body.
    pub(crate) fn name(&mut self, name: &str) {
        if let Some(object) = &mut self.object {
            object.name.get_or_insert_with(|| name.to_owned());
        }
    }

    /// The answer, or the rest of it, cannot be given masked.
    pub(crate) fn unfit_for(&mut self, unmaskable: Unmaskable) {
        self.unmaskable = Some(unmaskable.cause);
        self.unfit = Some(unmaskable.why);
    }

    /// The proven caller.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.known.as_deref().map(|known| &*known.caller)
    }

    /// The event of a stage. What was decided is written once and kept for the stages to come.
    pub(crate) fn event(&mut self, stage: Stage, at: Micros) -> Arc<Event> {
        let event = match self.written.take() {
            Some(mut event) => {
                let facts = Facts {
                    response: self.response.as_ref(),
                    ended_by: self.ended_by,
                    masked: self.masked(),
                    ..Facts::default()
                };
                Arc::make_mut(&mut event).advance(stage, at, &facts);
                event
            }
            None => Arc::new(self.fresh_event(stage, at)),
        };
        self.written = Some(Arc::clone(&event));
        event
    }

    fn masked(&self) -> Option<Masked<'_>> {
        let masked = Masked {
            masks: &self.masks,
            count: self.masked.count,
            places: &self.masked.places,
            restored_count: self.restored_count,
        };
        (!self.masks.is_empty()).then_some(masked)
    }

    /// What was decided has changed: nothing that was written of it may be used again.
    pub(crate) fn decided_anew(&mut self) {
        self.written = None;
    }

    fn fresh_event(&self, stage: Stage, at: Micros) -> Event {
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        let shadow: Vec<&str> = self.shadow.iter().map(String::as_str).collect();
        let ruling = self.answer.map(|answer| Ruling {
            answer,
            reason: self.reason,
            detail: self.detail.as_deref(),
            rules: &rules,
            shadow: &shadow,
            bundle: (!self.bundle.is_empty()).then_some(self.bundle.as_str()),
        });
        let facts = Facts {
            audit_id: &self.id,
            decision_id: &self.id,
            cluster: self.cluster.as_deref(),
            request_uri: &self.request_uri,
            verb: &self.verb,
            source_ips: &self.source,
            user_agent: self.user_agent.as_deref(),
            received_at_micros: self.received_at,
            object: self.object.as_ref(),
            caller: self.caller(),
            prior_actors: self
                .known
                .as_deref()
                .map_or(&[][..], |known| &known.prior_actors),
            impersonated: self.impersonated.as_deref(),
            ruling,
            stated_reason: self.stated_reason.as_deref(),
            response: self.response.as_ref(),
            ended_by: self.ended_by,
            masked: self.masked(),
        };
        Event::new(stage, at, &facts)
    }
}
