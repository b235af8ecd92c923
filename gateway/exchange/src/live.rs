//! The live object of a write in which masked values may come back: whether its author may read it,
//! how it is read, and what becomes of the write (ADR 0011).

use bytes::Bytes;
use gateway_kubeapi::{Attributes, NameScope, RequestTarget, ResourceId, Target, Verb};
use http::{HeaderValue, Method, StatusCode, header};

use crate::admit::{self, Judging};
use crate::input::LiveFault;
use crate::mask_refusal::MaskRefusal;
use crate::output::{Ask, Carriage, UpstreamRequest};
use crate::refusal::Fault;
use crate::writeback::{LIVE_BYTES_MAX, Restoration, Settled, Unsettled};

/// Subresources that show the object they belong to; it is read by its own path, which is what whoever
/// reads it may.
const OF_THE_OBJECT: [&str; 5] = [
    "approval",
    "ephemeralcontainers",
    "finalize",
    "resize",
    "status",
];

/// A write that waits for its live object.
#[derive(Debug)]
pub(crate) struct Awaited {
    restoration: Restoration,
    request: UpstreamRequest,
    resource: ResourceId,
    name: String,
    may_create: bool,
}

impl Awaited {
    /// Judges the read by which the object is fetched: it is the caller's, like the write.
    pub(crate) fn judge(
        restoration: Restoration,
        judging: Judging<'_>,
        attributes: &[Attributes],
        target: &RequestTarget,
        write: &UpstreamRequest,
    ) -> Result<Self, Fault> {
        let main = attributes.first().ok_or(Fault::OutOfOrder("live object"))?;
        let Target::Resource(resource) = &main.target else {
            return Err(Fault::OutOfOrder("live object"));
        };
        let mut resource = resource.clone();
        let path = write.target.split('?').next().unwrap_or_default();
        let mut path = path.to_owned();
        let subresource = target.info().subresource();
        if OF_THE_OBJECT.contains(&subresource)
            && let Some(object) = path.strip_suffix(&format!("/{subresource}"))
        {
            path = object.to_owned();
            resource.subresource.clear();
        }
        let read = Attributes {
            verb: Verb::Get,
            target: Target::Resource(resource.clone()),
            ..main.clone()
        };
        admit::decide(judging, std::slice::from_ref(&read)).map_err(|denial| {
            let why = format!("policy does not let you read it: {}", denial.detail);
            Fault::Mask(MaskRefusal::Unreadable { why })
        })?;
        let mut headers = write.headers.clone();
        headers.remove(header::CONTENT_TYPE);
        headers.remove(header::IF_NONE_MATCH);
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::ACCEPT, json);
        Ok(Self {
            restoration,
            request: UpstreamRequest {
                cluster: write.cluster.clone(),
                method: Method::GET,
                target: path,
                headers,
                carriage: Carriage::Read,
                long: None,
            },
            resource,
            name: match &main.name {
                NameScope::One(name) => name.clone(),
                NameScope::Prefix(_) | NameScope::Any => String::new(),
            },
            may_create: attributes.iter().any(|one| one.verb == Verb::Create),
        })
    }

    /// What the shell is asked for.
    pub(crate) fn ask(&self) -> Ask {
        Ask::Live {
            request: Box::new(self.request.clone()),
            bytes_max: LIVE_BYTES_MAX,
        }
    }

    /// Meets the write with what came.
    pub(crate) fn met(
        &self,
        answer: Result<(StatusCode, Bytes), LiveFault>,
        body: &[u8],
    ) -> Result<Settled, Fault> {
        let (status, live) = answer.map_err(Fault::Live)?;
        match status {
            StatusCode::OK => self
                .restoration
                .settle(&live, body)
                .map_err(|why| match why {
                    Unsettled::Refused(refusal) => Fault::Mask(refusal),
                    Unsettled::Unreadable(why) => Fault::UpstreamAnswer(why),
                }),
            // What is not there has no masked values.
            StatusCode::NOT_FOUND if !self.restoration.is_marked() => Ok(Settled {
                body: None,
                count: 0,
            }),
            StatusCode::NOT_FOUND if self.may_create => {
                Err(Fault::Mask(Restoration::without_live(body)))
            }
            StatusCode::NOT_FOUND => Err(Fault::LiveGone {
                resource: self.resource.clone(),
                name: self.name.clone(),
            }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = "the API server does not let you read it".to_owned();
                Err(Fault::Mask(MaskRefusal::Unreadable { why }))
            }
            status if status.is_client_error() || status.is_server_error() => {
                Err(Fault::LiveRefused(status))
            }
            status => Err(Fault::UpstreamAnswer(format!(
                "the API server answered {status} to a read of the live object"
            ))),
        }
    }
}
