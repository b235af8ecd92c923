//! Content-Type of requests (K-2.17, K-5.2, K-5.7).

use http::Method;

use super::{BodyFault, PatchForm};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const APPLY: &str = "application/apply-patch+yaml";

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyFormat {
    /// JSON.
    Json,
    /// YAML, or JSON text under a YAML name.
    Yaml,
    /// The API server's protobuf envelope.
    Protobuf,
}

/// What a Content-Type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) format: BodyFormat,
    pub(super) patch: Option<PatchForm>,
}

impl Media {
    /// The type of a POST, PUT, PATCH or DELETE.
    pub(super) fn of(method: &Method, content_type: Option<&str>) -> Result<Self, BodyFault> {
        let fault = || BodyFault::MediaType {
            media_type: content_type.unwrap_or("").to_owned(),
        };
        if *method == Method::PATCH {
            // No trimming and no folding here: the server compares the text before `;`.
            let text = content_type.ok_or_else(fault)?;
            let word = text.split_once(';').map_or(text, |(word, _)| word);
            let (format, patch) = match word {
                "application/json-patch+json" => (BodyFormat::Json, PatchForm::Json),
                "application/merge-patch+json" => (BodyFormat::Json, PatchForm::Merge),
                "application/strategic-merge-patch+json" => {
                    (BodyFormat::Json, PatchForm::Strategic)
                }
                APPLY => (BodyFormat::Yaml, PatchForm::Apply),
                _ => return Err(fault()),
            };
            return Ok(Self {
                format,
                patch: Some(patch),
            });
        }
        let Some(text) = content_type.filter(|text| !text.is_empty()) else {
            return Ok(Self {
                format: BodyFormat::Json,
                patch: None,
            });
        };
        let word = text.split_once(';').map_or(text, |(word, _)| word);
        let format = match word.trim_matches([' ', '\t']).to_ascii_lowercase().as_str() {
            JSON => BodyFormat::Json,
            YAML => BodyFormat::Yaml,
            PROTOBUF => BodyFormat::Protobuf,
            _ => return Err(fault()),
        };
        Ok(Self {
            format,
            patch: None,
        })
    }

    /// The Content-Type to send. YAML goes on as the JSON that was judged; apply patches keep their
    /// name, which JSON text may carry too.
    pub(super) const fn upstream_type(self) -> &'static str {
        match (self.patch, self.format) {
            (Some(PatchForm::Json), _) => "application/json-patch+json",
            (Some(PatchForm::Merge), _) => "application/merge-patch+json",
            (Some(PatchForm::Strategic), _) => "application/strategic-merge-patch+json",
            (Some(PatchForm::Apply), _) => APPLY,
            (None, BodyFormat::Json | BodyFormat::Yaml) => JSON,
            (None, BodyFormat::Protobuf) => PROTOBUF,
        }
    }
}

/// The form of a PATCH by its Content-Type; `None` for other methods and unknown types. The head
/// stage of policy asks before the body is read.
#[must_use]
pub fn patch_form(method: &Method, content_type: Option<&str>) -> Option<PatchForm> {
    Media::of(method, content_type)
        .ok()
        .and_then(|media| media.patch)
}
