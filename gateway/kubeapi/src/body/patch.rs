//! JSON patches (RFC 6902), as a list of operations.

use super::BodyFault;
use super::json::JsonValue;
use crate::pointer::pointer_segments;

/// BOUND: the API server's own limit (K-5.1); more is refused.
const OPERATION_COUNT_MAX: usize = 10_000;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatchOperator {
    /// Set or insert.
    Add,
    /// Remove.
    Remove,
    /// Set what is there.
    Replace,
    /// Remove at `from`, add at `path`.
    Move,
    /// Add at `path` what is at `from`.
    Copy,
    /// Fail unless equal: a question about the stored value (K-4.23).
    Test,
}

/// One operation of a JSON patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchOperation {
    /// What it does.
    pub operator: PatchOperator,
    /// The JSON pointer it works on, unescaped into segments.
    pub path: Vec<String>,
    /// The source of move and copy, unescaped into segments.
    pub from: Option<Vec<String>>,
    /// The value of add, replace and test.
    pub value: Option<JsonValue>,
}

/// Reads the operations of a JSON patch.
pub(super) fn operations(patch: &JsonValue) -> Result<Vec<PatchOperation>, BodyFault> {
    let items = patch.items().ok_or(BodyFault::NotAnArray)?;
    if items.len() > OPERATION_COUNT_MAX {
        return Err(BodyFault::Patch {
            why: "it has more than 10000 operations",
        });
    }
    let operations: Vec<PatchOperation> = items.iter().map(operation).collect::<Result<_, _>>()?;
    if operations.iter().any(renames) {
        return Err(BodyFault::Patch {
            why: "it changes the object's name or namespace",
        });
    }
    Ok(operations)
}

fn operation(item: &JsonValue) -> Result<PatchOperation, BodyFault> {
    let fault = |why| BodyFault::Patch { why };
    let members = item
        .members()
        .ok_or_else(|| fault("an operation is no object"))?;
    for (key, _) in members {
        if !matches!(key.as_str(), "op" | "path" | "from" | "value") {
            return Err(fault(
                "an operation has a key other than op, path, from and value",
            ));
        }
    }
    let operator = match item.get("op").and_then(JsonValue::as_str) {
        Some("add") => PatchOperator::Add,
        Some("remove") => PatchOperator::Remove,
        Some("replace") => PatchOperator::Replace,
        Some("move") => PatchOperator::Move,
        Some("copy") => PatchOperator::Copy,
        Some("test") => PatchOperator::Test,
        Some(_) | None => return Err(fault("an operation has no known `op`")),
    };
    let path = pointer(item.get("path"))?.ok_or_else(|| fault("an operation has no `path`"))?;
    let from = pointer(item.get("from"))?;
    let value = item.get("value").cloned();
    let complete = match operator {
        PatchOperator::Move | PatchOperator::Copy => from.is_some(),
        PatchOperator::Add | PatchOperator::Replace | PatchOperator::Test => value.is_some(),
        PatchOperator::Remove => true,
    };
    if complete {
        Ok(PatchOperation {
            operator,
            path,
            from,
            value,
        })
    } else {
        Err(fault("an operation lacks `from` or `value`"))
    }
}

fn pointer(value: Option<&JsonValue>) -> Result<Option<Vec<String>>, BodyFault> {
    let Some(value) = value else { return Ok(None) };
    let segments = value.as_str().and_then(pointer_segments);
    segments.map(Some).ok_or(BodyFault::Patch {
        why: "a pointer is malformed",
    })
}

/// The API server refuses it too, but quotes the moved value in doing so (K-4.13).
fn renames(operation: &PatchOperation) -> bool {
    let is_name = |path: &[String]| match path {
        [metadata, field, ..] => {
            metadata == "metadata"
                && matches!(field.as_str(), "name" | "namespace" | "generateName")
        }
        _ => false,
    };
    match operation.operator {
        PatchOperator::Test => false,
        PatchOperator::Add
        | PatchOperator::Remove
        | PatchOperator::Replace
        | PatchOperator::Copy => is_name(&operation.path),
        PatchOperator::Move => {
            is_name(&operation.path) || operation.from.as_deref().is_some_and(is_name)
        }
    }
}
