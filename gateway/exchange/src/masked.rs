//! Masks on one exchange: what they forbid of a request, and what they do to the answer.
//!
//! Which masks apply follows from the request; what they are applied to is whatever comes back
//! (K-0.3). An answer that cannot be read as what was asked for is not given (K-2.16).

use std::fmt;

use bytes::{Bytes, BytesMut};
use gateway_kubeapi::{
    AcceptPlan, Attributes, JsonValue, NameScope, PatchForm, RequestTarget, RequirementOperator,
    ResourceId, Target, Upgrade, Verb, parse_field_selector, parse_label_selector,
};
use gateway_masking::{Kernel, LogMasker, Masker, Mount};
use gateway_policy::masks::{MaskSet, Masking, StreamMasking};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::admit::Judging;
use crate::mask_refusal::MaskRefusal;
use crate::output::Carriage;
use crate::record::MaskedSoFar;
use crate::response::Framing;
use crate::session::{SessionMasker, SessionOffer, SessionRefusal};
use crate::unmaskable::{Unmaskable, UnmaskableCause};
use crate::watched::WatchEvents;
use crate::withheld::withheld;
use crate::writeback::{self, Restoration, Wager, Written};

/// BOUND: an error answer that is read whole, to be made anew; of a longer one only the code is kept.
const ERROR_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The masks of one request.
pub(crate) struct AnswerMask {
    masking: Masking,
    resource: ResourceId,
    name: String,
    is_watch: bool,
    is_text: bool,
    session: Option<SessionOffer>,
}

impl fmt::Debug for AnswerMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerMask")
            .field("masks", &self.names())
            .finish_non_exhaustive()
    }
}

impl AnswerMask {
    /// The masks that concern the answers to `attributes`, the first of which is the request itself.
    pub(crate) fn of(judging: Judging<'_>, owed: MaskSet, attributes: &Attributes) -> Option<Self> {
        let Target::Resource(resource) = &attributes.target else {
            return None;
        };
        let policy = &judging.cluster.policy;
        let masks = echoes(attributes)
            .iter()
            .map(|echo| policy.masks_of(judging.rules, echo, judging.at))
            .fold(owed, MaskSet::union);
        let masking = policy.masking(masks, resource)?;
        Some(Self {
            masking,
            resource: resource.clone(),
            name: match &attributes.name {
                NameScope::One(name) => name.clone(),
                NameScope::Prefix(_) | NameScope::Any => String::new(),
            },
            is_watch: attributes.verb == Verb::Watch,
            is_text: resource.subresource == "log",
            session: None,
        })
    }

    /// Admits a session whose output can be masked, and keeps what its client offered.
    fn open(&mut self, upgrade: &Upgrade) -> Result<(), MaskRefusal> {
        let offer = SessionOffer::of(&self.resource, upgrade);
        let offer = match self.masking.stream() {
            StreamMasking::Detect(_) => offer,
            StreamMasking::Impossible => offer.and(Err(SessionRefusal::NoDetectors)),
        };
        let offer = offer.map_err(|refusal| MaskRefusal::Session {
            masks: self.quoted(),
            refusal,
        })?;
        self.session = Some(offer);
        Ok(())
    }

    fn masks(&self) -> Vec<&str> {
        self.masking.masks().map(|(name, _)| name).collect()
    }

    /// The names of the masks.
    pub(crate) fn names(&self) -> String {
        self.masks().join(",")
    }

    /// What they do.
    pub(crate) const fn masking(&self) -> &Masking {
        &self.masking
    }

    /// In what form the answer is asked for: Tables of this kind only where their cells are safe
    /// (K-4.9).
    pub(crate) fn accept(&self) -> AcceptPlan {
        if self.masking.cells_are_safe() {
            AcceptPlan::RewriteToJson
        } else {
            AcceptPlan::RewriteToObjects
        }
    }

    fn quoted(&self) -> String {
        format!("`{}`", self.masks().join("`, `"))
    }

    /// Refuses what could bring a masked value out by another way than the answer's body, and says
    /// what the request's body needs before it may go on.
    pub(crate) fn check(
        &mut self,
        target: &RequestTarget,
        carriage: &Carriage,
        patch: Option<PatchForm>,
        upgrade: Option<&Upgrade>,
    ) -> Result<Option<Restoration>, MaskRefusal> {
        if let Some(upgrade) = upgrade {
            self.open(upgrade)?;
        }
        let impossible = |what| MaskRefusal::Impossible {
            masks: self.quoted(),
            what,
        };
        let body = match carriage {
            Carriage::Upgrade if self.session.is_some() => return Ok(None),
            Carriage::Upgrade => return Err(impossible("a session")),
            Carriage::Tunnel => return Err(impossible("what a workload answers")),
            Carriage::Read => None,
            Carriage::Write(body) | Carriage::Review(body) => Some(body),
        };
        if self.is_text {
            return match self.masking.stream() {
                // What is cut short within a secret is known by no detector.
                StreamMasking::Detect(_) if target.query().first("limitBytes").is_some() => {
                    Err(impossible("text that `limitBytes` cuts off"))
                }
                StreamMasking::Detect(_) => Ok(None),
                StreamMasking::Impossible => Err(impossible("text")),
            };
        }
        self.check_selectors(target)?;
        if let (Some(body), Some(PatchForm::Json)) = (body, patch) {
            self.check_operations(body)?;
        }
        let Some(body) = body else {
            return Ok(None);
        };
        let written = Written {
            verb: target.policy_verb(),
            patch,
            is_dry: target.dry_run(),
            wager: Wager::of(target, patch),
            body,
        };
        writeback::plan(&self.masking, &written)
    }

    fn check_selectors(&self, target: &RequestTarget) -> Result<(), MaskRefusal> {
        let question = |what, place: &str| {
            Err(MaskRefusal::Question {
                masks: self.quoted(),
                what,
                place: place.to_owned(),
            })
        };
        // As they stand in the query: on `/watch/` paths the API server selects by them too, although
        // no authorizer is told of them (K-1.3).
        let text = |key| target.query().first(key).unwrap_or_default();
        let Ok(terms) = parse_field_selector(text("fieldSelector")) else {
            return question("the field selector", text("fieldSelector"));
        };
        for term in &terms {
            if self.masking.touches_field(&term.field) || self.masking.finds(&term.value) {
                return question("the field selector", &term.field);
            }
        }
        let Ok(terms) = parse_label_selector(text("labelSelector")) else {
            return question("the label selector", text("labelSelector"));
        };
        for term in &terms {
            let found = term.values.iter().any(|value| self.masking.finds(value));
            // By halving, a number is found without being named.
            let halves = matches!(
                term.operator,
                RequirementOperator::GreaterThan | RequirementOperator::LessThan
            ) && self.masking.looks_everywhere();
            if self.masking.touches_label(&term.key) || found || halves {
                return question("the label selector", &term.key);
            }
        }
        Ok(())
    }

    /// A `test` answers yes or no, `copy` and `move` carry a value to where nobody masks it.
    fn check_operations(&self, body: &[u8]) -> Result<(), MaskRefusal> {
        // By the reader that took it for a list of operations: another one could see none.
        let patch = JsonValue::parse(body);
        let Some(operations) = patch.as_ref().ok().and_then(JsonValue::items) else {
            return Err(MaskRefusal::Impossible {
                masks: self.quoted(),
                what: "a patch that is no list of operations",
            });
        };
        for operation in operations {
            let text = |key: &str| operation.get(key).and_then(JsonValue::as_str);
            let (asked, guessed) = match text("op") {
                Some("test") => (text("path"), operation.get("value")),
                Some("copy" | "move") => (text("from"), None),
                Some(_) | None => (None, None),
            };
            // Of what a detector finds, any place may hold it.
            let is_found = guessed.is_some_and(|value| writeback::finds(&self.masking, value));
            let asks = |place: &&str| is_found || self.masking.touches_pointer(place);
            if let Some(place) = asked.filter(asks) {
                return Err(MaskRefusal::Question {
                    masks: self.quoted(),
                    what: "the patch operation on",
                    place: place.to_owned(),
                });
            }
            let changed = match text("op") {
                Some("test") => [None, None],
                Some("move") => [text("path"), text("from")],
                Some(_) | None => [text("path"), None],
            };
            let mut changed = changed.into_iter().flatten();
            if let Some(place) = changed.find(|place| self.masking.chooses_by_pointer(place)) {
                return Err(MaskRefusal::Lifting {
                    masks: self.quoted(),
                    place: place.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// What is done to the body of an answer with this head.
    pub(crate) fn plan(
        &self,
        method: &Method,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<BodyPlan, Unmaskable> {
        let is_bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if method == Method::HEAD || is_bodiless {
            return Ok(BodyPlan::Nothing);
        }
        match (&self.session, status) {
            (Some(offer), StatusCode::SWITCHING_PROTOCOLS) => return self.session(offer, headers),
            (None, StatusCode::SWITCHING_PROTOCOLS) => {
                return Err(Unmaskable::new(
                    UnmaskableCause::MediaType,
                    "a session came that nobody asked for",
                ));
            }
            (Some(_), status) if status.is_success() => {
                return Err(Unmaskable::new(
                    UnmaskableCause::MediaType,
                    "something else than a session came",
                ));
            }
            (Some(_) | None, _) => {}
        }
        if !status.is_success() {
            return Ok(BodyPlan::Refused(Box::new(Refused {
                status,
                resource: self.resource.clone(),
                name: self.name.clone(),
                body: BytesMut::new(),
                is_whole: true,
            })));
        }
        let encoding = headers.get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Unmaskable::new(
                UnmaskableCause::Encoding,
                "a masked answer came compressed",
            ));
        }
        let media = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map_or("", str::trim);
        match (self.is_text, media) {
            (true, "text/plain") => match self.masking.stream() {
                StreamMasking::Detect(program) => {
                    Ok(BodyPlan::Text(Box::new(LogMasker::new(program))))
                }
                StreamMasking::Impossible => Err(Unmaskable::new(
                    UnmaskableCause::MediaType,
                    "text cannot be masked",
                )),
            },
            (false, "application/json") => {
                let program = self.masking.program(self.mounts()).map_err(|fault| {
                    Unmaskable::new(UnmaskableCause::Program, fault.to_string())
                })?;
                let masker = Masker::new(program, Kernel::best());
                Ok(if self.is_watch {
                    let events = WatchEvents::new(masker, self.resource.clone());
                    BodyPlan::Watch(Box::new(events))
                } else {
                    BodyPlan::Json(Box::new(masker))
                })
            }
            (_, media) => Err(Unmaskable::new(
                UnmaskableCause::MediaType,
                format!("a masked answer came as `{media}`"),
            )),
        }
    }

    fn session(&self, offer: &SessionOffer, headers: &HeaderMap) -> Result<BodyPlan, Unmaskable> {
        let protocol = offer.chosen(headers)?;
        match self.masking.stream() {
            StreamMasking::Detect(program) => {
                let masker = SessionMasker::new(protocol, program);
                Ok(BodyPlan::Session(Box::new(masker)))
            }
            StreamMasking::Impossible => Err(Unmaskable::new(
                UnmaskableCause::MediaType,
                "a session cannot be masked",
            )),
        }
    }

    const fn mounts(&self) -> &'static [Mount] {
        if self.is_watch {
            &[Mount::WatchObject, Mount::WatchRows, Mount::WatchItems]
        } else {
            &[Mount::Root, Mount::Items, Mount::Rows]
        }
    }

    /// Told once with each answer; kubectl prints it once for a command.
    pub(crate) fn warning(&self) -> Option<HeaderValue> {
        let masks = self.masks().join(", ");
        let text = format!("299 - \"values may be masked by {masks}\"");
        HeaderValue::from_str(&text).ok()
    }
}

/// The requests whose answers would show the same object: writes echo it (K-4.10 to K-4.12), and a
/// subresource answers with its parent. That the caller may not make them makes no difference.
fn echoes(attributes: &Attributes) -> Vec<Attributes> {
    let mut found = Vec::new();
    let Target::Resource(resource) = &attributes.target else {
        return found;
    };
    let reading = match attributes.verb {
        Verb::Create | Verb::Update | Verb::Patch | Verb::Delete => Some(Verb::Get),
        Verb::DeleteCollection => Some(Verb::List),
        Verb::Get | Verb::List | Verb::Watch | Verb::Connect | Verb::Impersonate => None,
    };
    found.extend(reading.map(|verb| Attributes {
        verb,
        ..attributes.clone()
    }));
    let own = ["log", "exec", "attach", "portforward", "proxy", "token"];
    if !resource.subresource.is_empty() && !own.contains(&resource.subresource.as_str()) {
        let parent = ResourceId {
            subresource: String::new(),
            ..resource.clone()
        };
        let verbs = std::iter::once(attributes.verb).chain(reading);
        found.extend(verbs.map(|verb| Attributes {
            verb,
            target: Target::Resource(parent.clone()),
            ..attributes.clone()
        }));
    }
    found
}

/// What is done to an answer's body.
#[derive(Debug, Default)]
pub(crate) enum BodyPlan {
    /// It goes on as it is.
    #[default]
    Pass,
    /// There is none to go on.
    Nothing,
    /// Objects, masked while they stream.
    Json(Box<Masker>),
    /// Events of a watch, likewise.
    Watch(Box<WatchEvents>),
    /// Text, with what detectors find masked.
    Text(Box<LogMasker>),
    /// The frames of a session, with what detectors find in their output masked.
    Session(Box<SessionMasker>),
    /// A refusal of the API server, made anew.
    Refused(Box<Refused>),
}

/// A refusal of the API server: its words may quote what is masked (K-4.13, K-4.16).
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    resource: ResourceId,
    name: String,
    body: BytesMut,
    is_whole: bool,
}

impl Refused {
    fn take(&mut self, chunk: &[u8]) {
        if self.body.len() + chunk.len() > ERROR_BYTES_MAX {
            self.is_whole = false;
            self.body.clear();
        }
        if self.is_whole {
            self.body.extend_from_slice(chunk);
        }
    }

    fn made_anew(&self) -> Bytes {
        withheld(self.status, &self.body, &self.resource, &self.name)
    }
}

impl BodyPlan {
    /// What becomes of the framing that came.
    pub(crate) const fn framing(&self) -> Framing {
        match self {
            Self::Pass | Self::Session(_) => Framing::Kept,
            Self::Nothing => Framing::Bodiless,
            Self::Json(_) | Self::Watch(_) | Self::Text(_) | Self::Refused(_) => Framing::Anew,
        }
    }

    /// What goes on of the next piece.
    pub(crate) fn next(
        &mut self,
        chunk: Option<Bytes>,
        is_last: bool,
    ) -> Result<Option<Bytes>, Unmaskable> {
        let mut out = Vec::new();
        match self {
            Self::Pass => return Ok(chunk),
            Self::Nothing => return Ok(None),
            Self::Json(masker) => {
                if let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty()) {
                    masker.push(&chunk, &mut out)?;
                }
                if is_last {
                    masker.finish()?;
                }
            }
            Self::Watch(events) => {
                if let Some(chunk) = chunk {
                    events.push(&chunk, &mut out)?;
                }
                if is_last {
                    events.finish()?;
                }
            }
            Self::Text(masker) => {
                if let Some(chunk) = chunk {
                    masker.push(&chunk, &mut out);
                }
                if is_last {
                    masker.finish(&mut out);
                }
            }
            Self::Session(masker) => {
                let masked = masker.next(chunk, is_last)?;
                return Ok((!masked.is_empty()).then(|| Bytes::from(masked)));
            }
            Self::Refused(refused) => {
                if let Some(chunk) = chunk {
                    refused.take(&chunk);
                }
                if is_last {
                    out.push(refused.made_anew());
                }
            }
        }
        Ok(joined(out))
    }

    /// What was masked so far.
    pub(crate) fn masked(&self, mask: Option<&AnswerMask>) -> MaskedSoFar {
        let summary = match self {
            Self::Pass | Self::Nothing | Self::Refused(_) => return MaskedSoFar::default(),
            Self::Text(masker) => {
                return MaskedSoFar {
                    count: masker.masked_count(),
                    bytes: masker.bytes_in(),
                    places: String::new(),
                };
            }
            Self::Session(masker) => return masker.masked(),
            Self::Json(masker) => masker.summary(),
            Self::Watch(events) => events.masker.summary(),
        };
        MaskedSoFar {
            count: summary.masked_count,
            bytes: summary.bytes_in,
            places: mask.map_or_else(String::new, |mask| mask.masking.places(&summary.rules)),
        }
    }
}

fn joined(mut pieces: Vec<Bytes>) -> Option<Bytes> {
    if pieces.len() < 2 {
        return pieces.pop();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        whole.extend_from_slice(&piece);
    }
    Some(whole.freeze())
}
