//! Request bodies: strict readers, and what a body says of itself.
//!
//! A body is read once, under a bound, into the one meaning that every honest parser finds in it.
//! JSON and protobuf go upstream as they came, because no second meaning is left in them; YAML goes
//! upstream as the JSON that was judged (K-5.5, K-5.6).

mod delete;
mod envelope;
mod identity;
mod json;
mod kinds;
mod media;
mod patch;
#[cfg(test)]
mod tests;
mod wire;
mod write;
mod yaml;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};

pub use delete::DeleteOptions;
pub use identity::BodyIdentity;
pub use json::{JSON_DEPTH_MAX, JSON_VALUE_COUNT_MAX, JsonFault, JsonValue};
pub use media::{BodyFormat, patch_form};
pub use patch::{PatchOperation, PatchOperator};
pub use wire::WireFault;
pub use yaml::YamlFault;

pub(crate) use envelope::Envelope;
pub(crate) use wire::{Message, Wire, write_field, write_text};
pub(crate) use write::write_json_string;
pub(crate) use yaml::parse_yaml;

use crate::target::RequestTarget;
use media::Media;

/// BOUND: the API server's limit (K-5.1). Callers read one byte more at most and answer 413.
pub const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// The form of a PATCH, from its Content-Type (K-5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatchForm {
    /// `application/json-patch+json`: a list of operations.
    Json,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`, built-in kinds only.
    Strategic,
    /// `application/apply-patch+yaml`: server-side apply, which may create.
    Apply,
}

/// Why a body is refused before policy reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// Larger than [`BODY_BYTES_MAX`].
    #[error("limit is {BODY_BYTES_MAX}")]
    TooLarge,
    /// A body on GET or HEAD, which readers may or may not take for the next request.
    #[error("a {method} request has no body; remove it")]
    Unexpected {
        /// The method.
        method: Method,
    },
    /// A Content-Type that is not read here, CBOR included (K-5.7).
    #[error(
        "the Content-Type `{media_type}` is not supported; send application/json, \
         application/yaml or application/vnd.kubernetes.protobuf, or for PATCH one of the patch types"
    )]
    MediaType {
        /// As sent.
        media_type: String,
    },
    /// Malformed or ambiguous JSON.
    #[error("{0}")]
    Json(#[from] JsonFault),
    /// Malformed or ambiguous YAML.
    #[error("{0}")]
    Yaml(#[from] YamlFault),
    /// Malformed or ambiguous protobuf.
    #[error("{0}")]
    Protobuf(WireFault),
    /// Protobuf without the four bytes of Kubernetes.
    #[error("the protobuf body does not begin with `k8s\\0`")]
    NoEnvelope,
    /// A protobuf body that does not say what it is.
    #[error("the protobuf body names no apiVersion and kind")]
    NoKind,
    /// A kind whose protobuf schema is not known (K-5.6).
    #[error(
        "the protobuf schema of kind `{kind}` is not known to the gateway; switch the client to \
         JSON (client-go: set ContentType and AcceptContentTypes of rest.Config to application/json)"
    )]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// Something else than an object where one belongs.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// Something else than a list where a JSON patch belongs.
    #[error("a JSON patch is a list of operations")]
    NotAnArray,
    /// A field of another type than its schema says.
    #[error("the field `{field}` has the wrong type")]
    FieldType {
        /// The field.
        field: &'static str,
    },
    /// A name that no object can have.
    #[error("the field `{field}` has a character that no name can hold")]
    FieldValue {
        /// The field.
        field: &'static str,
    },
    /// `Metadata`: some servers fold case (K-5.4).
    #[error("the key `{}` looks like `{field}`; write it so or leave it out", key.escape_debug())]
    LookAlike {
        /// As sent.
        key: String,
        /// The field it looks like.
        field: &'static str,
    },
    /// A JSON patch that is malformed or renames its object.
    #[error("the JSON patch is not accepted: {why}")]
    Patch {
        /// What is wrong.
        why: &'static str,
    },
    /// Delete options that are malformed or contradict the query (K-1.29).
    #[error("the delete options are not accepted: {why}")]
    DeleteOptions {
        /// What is wrong.
        why: &'static str,
    },
}

impl BodyFault {
    /// The code of the answer: 400, 413 or 415.
    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType { .. } | Self::UnknownKind { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Yaml(fault) => match fault {
                YamlFault::Unsupported { .. } | YamlFault::Ambiguous { .. } => {
                    StatusCode::UNSUPPORTED_MEDIA_TYPE
                }
                YamlFault::NotUtf8 { .. }
                | YamlFault::Syntax { .. }
                | YamlFault::RepeatedKey { .. } => StatusCode::BAD_REQUEST,
                YamlFault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            },
            Self::Unexpected { .. }
            | Self::Json(_)
            | Self::Protobuf(_)
            | Self::NoEnvelope
            | Self::NoKind
            | Self::NotAnObject
            | Self::NotAnArray
            | Self::FieldType { .. }
            | Self::FieldValue { .. }
            | Self::LookAlike { .. }
            | Self::Patch { .. }
            | Self::DeleteOptions { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

/// What stands in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyContent {
    /// Nothing.
    Empty,
    /// An object, or a merge, strategic or apply patch.
    Json(JsonValue),
    /// A JSON patch.
    Patch(Vec<PatchOperation>),
    /// A protobuf message, decoded as far as its identity.
    Protobuf,
    /// Bytes for a workload, or for a path that is no resource: not read.
    Opaque,
}

/// A read body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestBody {
    identity: Option<BodyIdentity>,
    format: BodyFormat,
    patch: Option<PatchForm>,
    content: BodyContent,
    bytes: Bytes,
    content_type: Option<HeaderValue>,
}

impl RequestBody {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`BodyFault`] for a body that is too large, of an unknown type, malformed, or open to a
    /// second reading.
    pub fn read(
        target: &RequestTarget,
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<Self, BodyFault> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(BodyFault::TooLarge);
        }
        if target.is_connect() || !target.info().is_resource() {
            return Ok(Self::opaque(content_type, bytes));
        }
        let method = target.method();
        if matches!(*method, Method::GET | Method::HEAD) {
            if bytes.is_empty() {
                return Ok(Self::opaque(None, bytes));
            }
            return Err(BodyFault::Unexpected {
                method: method.clone(),
            });
        }
        if bytes.is_empty() && *method == Method::DELETE {
            return Ok(Self::opaque(None, bytes));
        }
        let media = Media::of(method, content_type)?;
        let (content, judged) = read_content(media, bytes)?;
        let identity = match &content {
            BodyContent::Json(_) if *method == Method::DELETE => None,
            BodyContent::Json(value) => Some(BodyIdentity::of_json(value)?),
            BodyContent::Protobuf => read_protobuf_identity(method, &judged)?,
            BodyContent::Empty | BodyContent::Patch(_) | BodyContent::Opaque => None,
        };
        Ok(Self {
            identity,
            format: media.format,
            patch: media.patch,
            content,
            bytes: judged,
            content_type: Some(HeaderValue::from_static(media.upstream_type())),
        })
    }

    /// Who the body says it is. `None` for JSON patches, delete options and opaque bodies.
    #[must_use]
    pub const fn identity(&self) -> Option<&BodyIdentity> {
        self.identity.as_ref()
    }

    /// How the client encoded the body.
    #[must_use]
    pub const fn format(&self) -> BodyFormat {
        self.format
    }

    /// The form of a patch.
    #[must_use]
    pub const fn patch(&self) -> Option<PatchForm> {
        self.patch
    }

    /// What stands in the body.
    #[must_use]
    pub const fn content(&self) -> &BodyContent {
        &self.content
    }

    /// The object or patch document, if the body is JSON or YAML.
    #[must_use]
    pub const fn json(&self) -> Option<&JsonValue> {
        match &self.content {
            BodyContent::Json(value) => Some(value),
            BodyContent::Empty
            | BodyContent::Patch(_)
            | BodyContent::Protobuf
            | BodyContent::Opaque => None,
        }
    }

    /// The bytes to send: what was judged.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The Content-Type to send with [`Self::bytes`], in place of the client's.
    #[must_use]
    pub const fn content_type(&self) -> Option<&HeaderValue> {
        self.content_type.as_ref()
    }

    fn opaque(content_type: Option<&str>, bytes: Bytes) -> Self {
        let content = if bytes.is_empty() {
            BodyContent::Empty
        } else {
            BodyContent::Opaque
        };
        Self {
            identity: None,
            format: BodyFormat::Json,
            patch: None,
            content,
            bytes,
            content_type: content_type.and_then(|text| HeaderValue::from_str(text).ok()),
        }
    }
}

/// Reads the content and yields the bytes that carry it upstream.
fn read_content(media: Media, bytes: Bytes) -> Result<(BodyContent, Bytes), BodyFault> {
    if bytes.is_empty() {
        return Ok((BodyContent::Empty, bytes));
    }
    match media.format {
        BodyFormat::Protobuf => Ok((BodyContent::Protobuf, bytes)),
        BodyFormat::Json => {
            let value = JsonValue::parse(&bytes)?;
            let content = match media.patch {
                Some(PatchForm::Json) => BodyContent::Patch(patch::operations(&value)?),
                Some(PatchForm::Merge | PatchForm::Strategic | PatchForm::Apply) | None => {
                    BodyContent::Json(value)
                }
            };
            Ok((content, bytes))
        }
        BodyFormat::Yaml => {
            let (value, is_json) = read_yaml(&bytes)?;
            let bytes = if is_json {
                bytes
            } else {
                Bytes::from(value.to_json())
            };
            Ok((BodyContent::Json(value), bytes))
        }
    }
}

/// YAML, or JSON text under its name, which is what kubectl sends for apply.
fn read_yaml(bytes: &[u8]) -> Result<(JsonValue, bool), BodyFault> {
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        match JsonValue::parse(bytes) {
            Ok(value) => return Ok((value, true)),
            // A flow mapping such as `{a: b}` is YAML only.
            Err(JsonFault::Syntax { .. } | JsonFault::Number { .. }) => {}
            Err(
                fault @ (JsonFault::ByteOrderMark
                | JsonFault::NotUtf8 { .. }
                | JsonFault::LoneSurrogate { .. }
                | JsonFault::RepeatedKey { .. }
                | JsonFault::TooDeep
                | JsonFault::TooManyValues
                | JsonFault::TrailingData { .. }),
            ) => return Err(fault.into()),
        }
    }
    Ok((parse_yaml(bytes)?, false))
}

fn read_protobuf_identity(
    method: &Method,
    bytes: &[u8],
) -> Result<Option<BodyIdentity>, BodyFault> {
    let envelope = Envelope::parse(bytes)?;
    // Delete options have no metadata; `DeleteOptions::judge` reads them.
    if *method == Method::DELETE && envelope.kind == "DeleteOptions" {
        return Ok(None);
    }
    envelope.identity().map(Some)
}
