//! `SelfSubjectAccessReview`: `kubectl auth can-i`.

use super::{Document, ReviewFault, object, set, text};
use crate::body::{JsonValue, Message, Wire, write_field, write_text};

const KIND: &str = "SelfSubjectAccessReview";
/// Fields of the message and of its spec and status.
const SPEC: u32 = 2;
const STATUS: u32 = 3;

/// May I do this to a resource? Empty texts and `*` are as Kubernetes has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceQuestion {
    /// Namespace; empty means every one, or cluster-scoped.
    pub namespace: String,
    /// Kubernetes verb, `*` for all.
    pub verb: String,
    /// API group, `*` for all.
    pub group: String,
    /// API version, `*` for all.
    pub version: String,
    /// Plural name, `*` for all.
    pub resource: String,
    /// Subresource; empty for none.
    pub subresource: String,
    /// Object name; empty means all.
    pub name: String,
}

/// What a review asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessQuestion {
    /// About a resource.
    Resource(ResourceQuestion),
    /// About a path.
    Path {
        /// The path.
        path: String,
        /// Lower-case method.
        verb: String,
    },
}

/// Reads the question of a `SelfSubjectAccessReview`, JSON or protobuf.
///
/// # Errors
/// [`ReviewFault`] if the body is something else, or asks nothing clear.
pub fn access_question(body: &[u8]) -> Result<AccessQuestion, ReviewFault> {
    match Document::read(body, KIND)? {
        Document::Json(value) => of_json(&value),
        Document::Protobuf(envelope) => of_protobuf(envelope.raw),
    }
}

/// The API server's answer, turned into a denial by policy. The encoding stays.
///
/// # Errors
/// [`ReviewFault`] if the answer cannot be read.
pub fn deny_access(answer: &[u8], reason: &str) -> Result<Vec<u8>, ReviewFault> {
    match Document::read(answer, KIND)? {
        Document::Json(mut value) => {
            let status = JsonValue::Object(vec![
                ("allowed".to_owned(), JsonValue::Bool(false)),
                ("denied".to_owned(), JsonValue::Bool(true)),
                ("reason".to_owned(), JsonValue::String(reason.to_owned())),
            ]);
            set(&mut value, "status", status);
            Ok(value.to_json().into_bytes())
        }
        Document::Protobuf(envelope) => {
            let mut status = Vec::new();
            write_field(&mut status, 1, Wire::Varint(0));
            write_text(&mut status, 2, reason);
            write_field(&mut status, 4, Wire::Varint(1));
            let raw = Message::parse(envelope.raw)?.with_bytes(STATUS, &status);
            Ok(envelope.print_with(&raw))
        }
    }
}

fn of_json(value: &JsonValue) -> Result<AccessQuestion, ReviewFault> {
    let spec = object(value, "spec")?.ok_or(ReviewFault::Spec)?;
    let resource = object(spec, "resourceAttributes")?;
    let path = object(spec, "nonResourceAttributes")?;
    match (resource, path) {
        (Some(resource), None) => {
            let has_selectors = object(resource, "fieldSelector")?.is_some()
                || object(resource, "labelSelector")?.is_some();
            if has_selectors {
                return Err(ReviewFault::Selectors);
            }
            Ok(AccessQuestion::Resource(ResourceQuestion {
                namespace: text(resource, "namespace")?,
                verb: text(resource, "verb")?,
                group: text(resource, "group")?,
                version: text(resource, "version")?,
                resource: text(resource, "resource")?,
                subresource: text(resource, "subresource")?,
                name: text(resource, "name")?,
            }))
        }
        (None, Some(path)) => Ok(AccessQuestion::Path {
            path: text(path, "path")?,
            verb: text(path, "verb")?,
        }),
        (None, None) | (Some(_), Some(_)) => Err(ReviewFault::Spec),
    }
}

fn of_protobuf(raw: &[u8]) -> Result<AccessQuestion, ReviewFault> {
    let review = Message::parse(raw)?;
    review.check_known(STATUS)?;
    let spec = Message::parse(review.bytes(SPEC)?.unwrap_or_default())?;
    spec.check_known(2)?;
    match (spec.bytes(1)?, spec.bytes(2)?) {
        (Some(resource), None) => {
            let resource = Message::parse(resource)?;
            resource.check_known(9)?;
            if resource.bytes(8)?.is_some() || resource.bytes(9)?.is_some() {
                return Err(ReviewFault::Selectors);
            }
            let field = |number| {
                resource
                    .text(number)
                    .map(|text| text.unwrap_or("").to_owned())
            };
            Ok(AccessQuestion::Resource(ResourceQuestion {
                namespace: field(1)?,
                verb: field(2)?,
                group: field(3)?,
                version: field(4)?,
                resource: field(5)?,
                subresource: field(6)?,
                name: field(7)?,
            }))
        }
        (None, Some(path)) => {
            let path = Message::parse(path)?;
            path.check_known(2)?;
            let field = |number| path.text(number).map(|text| text.unwrap_or("").to_owned());
            Ok(AccessQuestion::Path {
                path: field(1)?,
                verb: field(2)?,
            })
        }
        (None, None) | (Some(_), Some(_)) => Err(ReviewFault::Spec),
    }
}
