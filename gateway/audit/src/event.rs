//! The event: the wire shape of `audit.k8s.io/v1` (K-10.1), made from [`Facts`].

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use gateway_kubeapi::{Caller, UserInfo};
use serde::{Deserialize, Serialize};

use crate::facts::{Facts, Ruling};
use crate::time::MicroTime;
use crate::{annotation, guard};

/// BOUND: a longer user agent is cut here, as the API server does (K-10.4).
pub(crate) const USER_AGENT_BYTES_MAX: usize = 1024;
/// BOUND: a longer request URI is cut here after guarding. Listeners accept longer heads, but an
/// event is held in memory until it is stored.
pub(crate) const REQUEST_URI_BYTES_MAX: usize = 8 * 1024;
/// BOUND: prose of the gateway and of the caller is cut here.
pub(crate) const TEXT_BYTES_MAX: usize = 2048;
/// BOUND: principals named in `acting-for`; a longer chain ends in `…`.
const ACTING_FOR_COUNT_MAX: usize = 8;
/// What the API server puts behind a cut user agent.
pub(crate) const CUT_SUFFIX: &str = "...TRUNCATED";

/// One stage of one exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    kind: Kind,
    #[serde(rename = "apiVersion")]
    api_version: ApiVersion,
    level: Level,
    #[serde(rename = "auditID")]
    pub(crate) audit_id: String,
    pub(crate) stage: Stage,
    #[serde(rename = "requestURI")]
    pub(crate) request_uri: String,
    pub(crate) verb: String,
    pub(crate) user: User,
    #[serde(
        rename = "impersonatedUser",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) impersonated_user: Option<User>,
    #[serde(rename = "sourceIPs", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) source_ips: Vec<IpAddr>,
    #[serde(rename = "userAgent", default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
    #[serde(rename = "objectRef", default, skip_serializing_if = "Option::is_none")]
    pub(crate) object_ref: Option<ObjectRef>,
    #[serde(
        rename = "responseStatus",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) response_status: Option<ResponseStatus>,
    #[serde(rename = "requestReceivedTimestamp")]
    pub(crate) request_received_timestamp: MicroTime,
    #[serde(rename = "stageTimestamp")]
    pub(crate) stage_timestamp: MicroTime,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Event {
    /// The event of `stage`, reached at `at_micros` (microseconds since 1970).
    ///
    /// The request URI, the user agent and all prose are guarded against secrets (K-10.7) and cut.
    #[must_use]
    pub fn new(stage: Stage, at_micros: i64, facts: &Facts<'_>) -> Self {
        let uri = guard::request_uri(facts.request_uri);
        Self {
            kind: Kind::Event,
            api_version: ApiVersion::V1,
            level: Level::Metadata,
            audit_id: facts.audit_id.to_owned(),
            stage,
            request_uri: cut(uri.text, REQUEST_URI_BYTES_MAX),
            verb: facts.verb.to_owned(),
            user: facts
                .caller
                .map(|caller| User::from(&caller.user))
                .unwrap_or_default(),
            impersonated_user: facts.impersonated.map(User::from),
            source_ips: facts.source_ips.to_vec(),
            user_agent: facts
                .user_agent
                .map(|agent| cut(guard::text(agent), USER_AGENT_BYTES_MAX)),
            object_ref: facts.object.cloned(),
            response_status: facts.response.cloned(),
            request_received_timestamp: MicroTime::from_micros(facts.received_at_micros),
            stage_timestamp: MicroTime::from_micros(at_micros),
            annotations: annotations(facts, uri.masked_count),
        }
    }

    /// Turns the event of an earlier stage into that of a later one: what was decided is the same, what
    /// was answered has been learned. Of `facts` only that is read.
    pub fn advance(&mut self, stage: Stage, at_micros: i64, facts: &Facts<'_>) {
        self.stage = stage;
        self.stage_timestamp = MicroTime::from_micros(at_micros);
        self.response_status = facts.response.cloned();
        let mut notes = Notes(std::mem::take(&mut self.annotations));
        notes.put_answer(facts);
        self.annotations = notes.0;
    }

    /// Id of the exchange.
    #[must_use]
    pub fn audit_id(&self) -> &str {
        &self.audit_id
    }

    /// The stage.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// The request URI, guarded.
    #[must_use]
    pub fn request_uri(&self) -> &str {
        &self.request_uri
    }

    /// The Kubernetes verb.
    #[must_use]
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// The user name; empty if nobody was proven.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.user.username
    }

    /// The name of the user the caller asked to act as; empty if it asked for none.
    #[must_use]
    pub fn impersonated_username(&self) -> &str {
        let user = self.impersonated_user.as_ref();
        user.map_or("", |user| user.username.as_str())
    }

    /// The object, for resource requests.
    #[must_use]
    pub const fn object_ref(&self) -> Option<&ObjectRef> {
        self.object_ref.as_ref()
    }

    /// What was answered.
    #[must_use]
    pub const fn response_status(&self) -> Option<&ResponseStatus> {
        self.response_status.as_ref()
    }

    /// When the stage was reached.
    #[must_use]
    pub const fn stage_time(&self) -> MicroTime {
        self.stage_timestamp
    }

    /// The annotation of that name, see [`annotation`].
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }
}

fn annotations(facts: &Facts<'_>, masked_count: usize) -> BTreeMap<String, String> {
    let mut notes = Notes::default();
    notes.put(annotation::DECISION_ID, facts.decision_id);
    notes.put_some(annotation::CLUSTER, facts.cluster);
    notes.put_answer(facts);
    if let Some(ruling) = facts.ruling {
        notes.put_ruling(ruling);
    }
    if let Some(caller) = facts.caller {
        notes.put_caller(caller);
    }
    notes.put_list(annotation::PRIOR_ACTORS, facts.prior_actors);
    if let Some(stated) = facts.stated_reason {
        notes.put(annotation::STATED_REASON, &prose(stated));
    }
    if masked_count > 0 {
        notes.put(annotation::MASKED_URI, &masked_count.to_string());
    }
    notes.0
}

#[derive(Default)]
struct Notes(BTreeMap<String, String>);

impl Notes {
    fn put(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    fn put_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn put_list(&mut self, name: &str, values: &[impl Borrow<str>]) {
        if !values.is_empty() {
            self.put(name, &values.join(","));
        }
    }

    /// What is learned after the decision.
    fn put_answer(&mut self, facts: &Facts<'_>) {
        self.put_some(annotation::ENDED_BY, facts.ended_by);
        if let Some(masked) = facts.masked {
            self.put(annotation::MASKS, masked.masks);
            self.put(annotation::MASKED, &masked.count.to_string());
            let places = Some(masked.places).filter(|places| !places.is_empty());
            self.put_some(annotation::MASKED_PATHS, places);
            if masked.restored_count > 0 {
                self.put(annotation::RESTORED, &masked.restored_count.to_string());
            }
        }
    }

    fn put_ruling(&mut self, ruling: Ruling<'_>) {
        self.put(annotation::DECISION, ruling.answer.as_str());
        self.put(annotation::REASON, ruling.reason);
        if let Some(detail) = ruling.detail {
            self.put(annotation::DETAIL, &prose(detail));
        }
        self.put_list(annotation::RULE, ruling.rules);
        self.put_list(annotation::SHADOW, ruling.shadow);
        self.put_some(annotation::BUNDLE, ruling.bundle);
    }

    fn put_caller(&mut self, caller: &Caller) {
        self.put(annotation::ISSUER, &caller.issuer);
        self.put(annotation::KIND, caller.kind.as_str());
        self.put_some(annotation::CREDENTIAL_ID, caller.credential_id.as_deref());
        self.put_list(annotation::ACTING_FOR, &principals(caller));
    }
}

fn principals(caller: &Caller) -> Vec<&str> {
    let behind = std::iter::successors(caller.acting_for.as_deref(), |principal| {
        principal.acting_for.as_deref()
    });
    let mut names: Vec<&str> = behind
        .map(|principal| principal.user.username.as_str())
        .take(ACTING_FOR_COUNT_MAX + 1)
        .collect();
    if let Some(surplus) = names.get_mut(ACTING_FOR_COUNT_MAX) {
        *surplus = "…";
    }
    names
}

fn prose(text: &str) -> String {
    cut(guard::text(text), TEXT_BYTES_MAX)
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push_str(CUT_SUFFIX);
    }
    text
}

/// The points in the life of an exchange at which an event is made (K-10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Decided; nothing was sent upstream yet.
    RequestReceived,
    /// The head of a long-running response was sent: watch, logs, exec, attach, port-forward.
    ResponseStarted,
    /// Nothing more will be sent.
    ResponseComplete,
    /// The exchange ended in a fault of the gateway.
    Panic,
}

impl Stage {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }
}

/// The object of a resource request, as the request names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ObjectRef {
    /// Plural name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// UID, from preconditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// API group; absent for the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// API version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Resource version, from preconditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
}

/// What was answered: the part of a `Status` that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseStatus {
    #[serde(default)]
    metadata: Empty,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<StatusWord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    code: u16,
}

impl ResponseStatus {
    /// An answer of the API server, or a stream that was opened.
    #[must_use]
    pub const fn of_code(code: u16) -> Self {
        Self {
            metadata: Empty {},
            status: None,
            message: None,
            reason: None,
            code,
        }
    }

    /// A `Failure` of the gateway with the text the caller was told.
    #[must_use]
    pub fn failure(code: u16, reason: &str, message: &str) -> Self {
        Self {
            metadata: Empty {},
            status: Some(StatusWord::Failure),
            message: Some(prose(message)),
            reason: Some(reason.to_owned()),
            code,
        }
    }

    pub(crate) const fn status(&self) -> Option<&'static str> {
        match self.status {
            Some(StatusWord::Failure) => Some("Failure"),
            None => None,
        }
    }

    /// HTTP status code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// `Status.reason`, if the gateway answered.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// `Status.message`, if the gateway answered.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

/// The `ListMeta` the API server writes into every `responseStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum StatusWord {
    Failure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ApiVersion {
    #[serde(rename = "audit.k8s.io/v1")]
    V1,
}

/// Bodies are never stored, so there is one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Level {
    Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl From<&UserInfo> for User {
    fn from(user: &UserInfo) -> Self {
        Self {
            username: user.username.clone(),
            uid: user.uid.clone(),
            groups: user.groups.clone(),
            extra: user.extra.clone(),
        }
    }
}
