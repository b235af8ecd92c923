//! Who a body says it is.

use super::BodyFault;
use super::json::JsonValue;

/// The identity fields of an object body. An empty text counts as absent, as it does upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyIdentity {
    /// `apiVersion`.
    pub api_version: Option<String>,
    /// `kind`. Compared where it matters, never trusted: the URL names the resource.
    pub kind: Option<String>,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: Option<String>,
    /// `metadata.generateName`.
    pub generate_name: Option<String>,
}

impl BodyIdentity {
    /// Reads the identity of an object, or of a merge, strategic or apply patch.
    pub(super) fn of_json(value: &JsonValue) -> Result<Self, BodyFault> {
        let Some(members) = value.members() else {
            return Err(BodyFault::NotAnObject);
        };
        refuse_look_alikes(members, &["apiVersion", "kind", "metadata"])?;
        let metadata = match value.get("metadata") {
            None | Some(JsonValue::Null) => &JsonValue::Null,
            Some(metadata @ JsonValue::Object(members)) => {
                refuse_look_alikes(members, &["name", "namespace", "generateName"])?;
                metadata
            }
            Some(
                JsonValue::Bool(_)
                | JsonValue::Number(_)
                | JsonValue::String(_)
                | JsonValue::Array(_),
            ) => return Err(BodyFault::FieldType { field: "metadata" }),
        };
        Self {
            api_version: text(value, "apiVersion")?,
            kind: text(value, "kind")?,
            namespace: text(metadata, "namespace")?,
            name: text(metadata, "name")?,
            generate_name: text(metadata, "generateName")?,
        }
        .checked()
    }

    /// Refuses names that no path could carry: the API server does (`IsPathSegmentName`), and a
    /// policy pattern must not see what a log line cannot show.
    pub(super) fn checked(self) -> Result<Self, BodyFault> {
        let names = [
            ("metadata.name", &self.name),
            ("metadata.namespace", &self.namespace),
            ("metadata.generateName", &self.generate_name),
        ];
        for (field, name) in names {
            let Some(name) = name else { continue };
            let faulty = |c: char| c.is_control() || matches!(c, '/' | '%');
            if name.contains(faulty) || name == "." || name == ".." {
                return Err(BodyFault::FieldValue { field });
            }
        }
        Ok(self)
    }
}

/// The API server compares keys case-sensitively, servers behind the aggregator may not (K-5.4).
fn refuse_look_alikes(
    members: &[(String, JsonValue)],
    fields: &[&'static str],
) -> Result<(), BodyFault> {
    for (key, _) in members {
        for &field in fields {
            if key != field && key.eq_ignore_ascii_case(field) {
                return Err(BodyFault::LookAlike {
                    key: key.clone(),
                    field,
                });
            }
        }
    }
    Ok(())
}

fn text(object: &JsonValue, field: &'static str) -> Result<Option<String>, BodyFault> {
    match object.get(field) {
        None | Some(JsonValue::Null) => Ok(None),
        Some(JsonValue::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(
            JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::Array(_) | JsonValue::Object(_),
        ) => Err(BodyFault::FieldType { field }),
    }
}
