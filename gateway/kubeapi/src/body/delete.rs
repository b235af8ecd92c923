//! `DeleteOptions`: from the body if there is one, else from the query (K-1.29).

use super::envelope::Envelope;
use super::json::JsonValue;
use super::wire::Message;
use super::{BodyContent, BodyFault, RequestBody};
use crate::target::{PropagationPolicy, RequestTarget};

/// The options of a delete that count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteOptions {
    /// `dryRun: ["All"]`.
    pub dry_run: bool,
    /// What happens to dependants.
    pub propagation_policy: Option<PropagationPolicy>,
    /// The older form of it.
    pub orphan_dependents: Option<bool>,
    /// Seconds until the object is gone.
    pub grace_period_seconds: Option<i64>,
    /// `preconditions.uid`.
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`.
    pub resource_version: Option<String>,
    /// Deletes objects that cannot be read. The API server authorizes it apart.
    pub ignore_store_read_error: bool,
}

/// Query parameters that the API server ignores as soon as there is a body.
const QUERY_KEYS: [&str; 5] = [
    "dryRun",
    "propagationPolicy",
    "orphanDependents",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
];

impl DeleteOptions {
    /// The options of a DELETE request.
    ///
    /// # Errors
    /// [`BodyFault`] if the body is no `DeleteOptions`, or the query says something else than it:
    /// the API server would ignore the query.
    pub fn judge(target: &RequestTarget, body: &RequestBody) -> Result<Self, BodyFault> {
        let from_query = Self::of_query(target);
        let from_body = match &body.content {
            BodyContent::Empty => return Ok(from_query),
            BodyContent::Json(value) => Self::of_json(value)?,
            BodyContent::Protobuf => Self::of_protobuf(&body.bytes)?,
            BodyContent::Opaque | BodyContent::Patch(_) => {
                return Err(BodyFault::DeleteOptions {
                    why: "the body is of another kind",
                });
            }
        };
        let in_query = QUERY_KEYS
            .iter()
            .any(|key| target.query().first(key).is_some());
        let shared = Self {
            uid: None,
            resource_version: None,
            ..from_body.clone()
        };
        if in_query && shared != from_query {
            return Err(BodyFault::DeleteOptions {
                why: "body and query differ; use one of them",
            });
        }
        Ok(from_body)
    }

    fn of_query(target: &RequestTarget) -> Self {
        Self {
            dry_run: target.dry_run(),
            propagation_policy: target.propagation_policy(),
            orphan_dependents: target.orphan_dependents(),
            grace_period_seconds: target.grace_period_seconds(),
            uid: None,
            resource_version: None,
            ignore_store_read_error: target
                .query()
                .is_true("ignoreStoreReadErrorWithClusterBreakingPotential"),
        }
    }

    fn of_json(value: &JsonValue) -> Result<Self, BodyFault> {
        let fault = |why| BodyFault::DeleteOptions { why };
        if value.members().is_none() {
            return Err(BodyFault::NotAnObject);
        }
        match value.get("kind").and_then(JsonValue::as_str) {
            Some("DeleteOptions" | "") => {}
            None if value.get("kind").is_none() => {}
            Some(_) | None => return Err(fault("the kind is not DeleteOptions")),
        }
        let preconditions = value.get("preconditions").unwrap_or(&JsonValue::Null);
        let policy = text(value, "propagationPolicy")?;
        Ok(Self {
            dry_run: dry_run(&texts(value.get("dryRun"))?)?,
            propagation_policy: policy.map(|word| propagation(&word)).transpose()?,
            orphan_dependents: boolean(value, "orphanDependents")?,
            grace_period_seconds: integer(value, "gracePeriodSeconds")?,
            uid: text(preconditions, "uid")?,
            resource_version: text(preconditions, "resourceVersion")?,
            ignore_store_read_error: boolean(
                value,
                "ignoreStoreReadErrorWithClusterBreakingPotential",
            )?
            .unwrap_or(false),
        })
    }

    fn of_protobuf(bytes: &[u8]) -> Result<Self, BodyFault> {
        let envelope = Envelope::parse(bytes)?;
        if envelope.kind != "DeleteOptions" {
            return Err(BodyFault::DeleteOptions {
                why: "the kind is not DeleteOptions",
            });
        }
        let options = Message::parse(envelope.raw)?;
        options.check_known(6)?;
        let preconditions = Message::parse(options.bytes(2)?.unwrap_or_default())?;
        preconditions.check_known(2)?;
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        Ok(Self {
            dry_run: dry_run(&options.texts(5)?)?,
            propagation_policy: options.text(4)?.map(propagation).transpose()?,
            orphan_dependents: options.boolean(3)?,
            grace_period_seconds: options.varint(1)?.map(u64::cast_signed),
            uid: owned(preconditions.text(1)?),
            resource_version: owned(preconditions.text(2)?),
            ignore_store_read_error: options.boolean(6)?.unwrap_or(false),
        })
    }
}

fn dry_run(values: &[String]) -> Result<bool, BodyFault> {
    match values {
        [] => Ok(false),
        [all] if all == "All" => Ok(true),
        _ => Err(BodyFault::DeleteOptions {
            why: "dryRun must be [\"All\"]",
        }),
    }
}

fn propagation(word: &str) -> Result<PropagationPolicy, BodyFault> {
    let fault = BodyFault::DeleteOptions {
        why: "propagationPolicy must be Orphan, Background or Foreground",
    };
    PropagationPolicy::parse(word).ok_or(fault)
}

fn texts(value: Option<&JsonValue>) -> Result<Vec<String>, BodyFault> {
    let fault = BodyFault::FieldType { field: "dryRun" };
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    let items = value.items().ok_or_else(|| fault.clone())?;
    items
        .iter()
        .map(|item| item.as_str().map(ToOwned::to_owned).ok_or(fault.clone()))
        .collect()
}

fn text(object: &JsonValue, field: &'static str) -> Result<Option<String>, BodyFault> {
    let Some(value) = present(object, field) else {
        return Ok(None);
    };
    let text = value.as_str().ok_or(BodyFault::FieldType { field })?;
    Ok(Some(text.to_owned()))
}

fn boolean(object: &JsonValue, field: &'static str) -> Result<Option<bool>, BodyFault> {
    let Some(value) = present(object, field) else {
        return Ok(None);
    };
    value
        .as_bool()
        .map(Some)
        .ok_or(BodyFault::FieldType { field })
}

fn integer(object: &JsonValue, field: &'static str) -> Result<Option<i64>, BodyFault> {
    match present(object, field) {
        None => Ok(None),
        Some(JsonValue::Number(text)) => text
            .parse()
            .map(Some)
            .or(Err(BodyFault::FieldType { field })),
        Some(
            JsonValue::Null
            | JsonValue::Bool(_)
            | JsonValue::String(_)
            | JsonValue::Array(_)
            | JsonValue::Object(_),
        ) => Err(BodyFault::FieldType { field }),
    }
}

fn present<'a>(object: &'a JsonValue, field: &str) -> Option<&'a JsonValue> {
    object.get(field).filter(|value| !value.is_null())
}
