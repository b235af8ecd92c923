//! Questions about one's own rights, which the gateway answers itself: the meet of policy and of
//! what the API server says (K-7.14).

mod access;
mod rules;
#[cfg(test)]
mod tests;

pub use access::{AccessQuestion, ResourceQuestion, access_question, deny_access};
pub use rules::rules_question;
pub use rules::{NonResourceRule, ResourceRule, SubjectRules, read_rules, replace_rules};

use crate::body::{BodyFault, Envelope, JsonFault, JsonValue, WireFault};

/// Why a review or its answer cannot be read. A question is then refused with 400, an answer with
/// 502.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewFault {
    /// The body is not of the expected kind.
    #[error("the body is not a {expected}")]
    Kind {
        /// The kind that belongs here.
        expected: &'static str,
    },
    /// Not exactly one of `resourceAttributes` and `nonResourceAttributes`.
    #[error("the spec needs exactly one of resourceAttributes and nonResourceAttributes")]
    Spec,
    /// A field of the wrong type.
    #[error("the field `{field}` has the wrong type")]
    FieldType {
        /// The field.
        field: &'static str,
    },
    /// A field selector or label selector: its answer depends on objects the gateway cannot see.
    #[error("a review with selectors is not supported; ask without them")]
    Selectors,
    /// Unreadable body.
    #[error("{0}")]
    Body(#[from] BodyFault),
    /// Unreadable protobuf.
    #[error("{0}")]
    Wire(#[from] WireFault),
    /// Unreadable JSON.
    #[error("{0}")]
    Json(#[from] JsonFault),
}

/// A review in one of its two encodings.
enum Document<'a> {
    Json(JsonValue),
    Protobuf(Envelope<'a>),
}

impl<'a> Document<'a> {
    /// Reads an answer or question by its first bytes: no JSON begins with `k`.
    fn read(bytes: &'a [u8], kind: &'static str) -> Result<Self, ReviewFault> {
        if bytes.starts_with(b"k8s\0") {
            let envelope = Envelope::parse(bytes)?;
            if envelope.kind != kind || envelope.group() != "authorization.k8s.io" {
                return Err(ReviewFault::Kind { expected: kind });
            }
            return Ok(Self::Protobuf(envelope));
        }
        let value = JsonValue::parse(bytes)?;
        let stated = value.get("kind").and_then(JsonValue::as_str);
        // A question may leave its kind out: the URL says it. A different kind is a lie.
        if value.members().is_none() || stated.is_some_and(|stated| stated != kind) {
            return Err(ReviewFault::Kind { expected: kind });
        }
        Ok(Self::Json(value))
    }
}

/// The object at a field; absent and `null` are empty.
fn object<'a>(
    value: &'a JsonValue,
    field: &'static str,
) -> Result<Option<&'a JsonValue>, ReviewFault> {
    match value.get(field) {
        None | Some(JsonValue::Null) => Ok(None),
        Some(object @ JsonValue::Object(_)) => Ok(Some(object)),
        Some(
            JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) | JsonValue::Array(_),
        ) => Err(ReviewFault::FieldType { field }),
    }
}

fn text(value: &JsonValue, field: &'static str) -> Result<String, ReviewFault> {
    match value.get(field) {
        None | Some(JsonValue::Null) => Ok(String::new()),
        Some(JsonValue::String(text)) => Ok(text.clone()),
        Some(
            JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::Array(_) | JsonValue::Object(_),
        ) => Err(ReviewFault::FieldType { field }),
    }
}

/// Replaces or adds a member of a JSON object.
fn set(object: &mut JsonValue, field: &str, value: JsonValue) {
    if let JsonValue::Object(members) = object {
        match members.iter_mut().find(|(key, _)| key == field) {
            Some((_, old)) => *old = value,
            None => members.push((field.to_owned(), value)),
        }
    }
}
