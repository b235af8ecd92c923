//! Guesses: a write of a value that its author may not read tells by its outcome whether the value is
//! the stored one (K-4.24). Where the outcome alone would tell, and would cost the guesser nothing, the
//! write is refused whatever the value is.

use gateway_kubeapi::{JsonValue, PatchForm, RequestTarget};

use super::restore::{by_key, descend};

/// What makes the outcome of a write depend on values that are not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wager {
    /// An apply without force conflicts only if the value differs: who applies it.
    applier: Option<String>,
    /// An object of a kind that can be made immutable takes no other values than its own.
    may_be_immutable: bool,
}

impl Wager {
    /// Of a write by this target.
    pub(crate) fn of(target: &RequestTarget, patch: Option<PatchForm>) -> Self {
        let info = target.info();
        let is_apply = patch == Some(PatchForm::Apply) && !target.force();
        Self {
            applier: is_apply.then(|| target.field_manager().unwrap_or_default().to_owned()),
            may_be_immutable: info.group().is_empty()
                && matches!(info.resource(), "secrets" | "configmaps"),
        }
    }

    /// Whether the outcome tells, once the write sets a masked value.
    pub(super) const fn tells(&self) -> bool {
        self.applier.is_some() || self.may_be_immutable
    }

    /// Why a write that sets masked values of its own is refused. `sent` and `again` differ at these.
    pub(super) fn lost(
        &self,
        sent: &JsonValue,
        again: &JsonValue,
        live: &JsonValue,
    ) -> Option<Lost> {
        let immutable = live.get("immutable").and_then(JsonValue::as_bool);
        if self.may_be_immutable && immutable == Some(true) {
            return Some(Lost::Immutable);
        }
        let applier = self.applier.as_deref()?;
        let managers = descend(live, &["metadata", "managedFields"]);
        let others: Vec<&JsonValue> = managers
            .and_then(JsonValue::items)
            .unwrap_or_default()
            .iter()
            .filter(|entry| {
                let text = |key| entry.get(key).and_then(JsonValue::as_str);
                text("manager") != Some(applier) || text("operation") != Some("Apply")
            })
            .filter_map(|entry| entry.get("fieldsV1"))
            .collect();
        is_owned(sent, again, &others).then_some(Lost::Owned)
    }
}

/// Why it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    Immutable,
    Owned,
}

/// Whether one of the managers has a field that is sent with a masked value of its own. Elements of
/// lists are not told apart: any that a manager has may be the one.
fn is_owned(sent: &JsonValue, again: &JsonValue, managers: &[&JsonValue]) -> bool {
    if sent == again || managers.is_empty() {
        return false;
    }
    let (JsonValue::Object(sent), JsonValue::Object(again)) = (sent, again) else {
        return true;
    };
    let again = by_key(again);
    sent.iter().any(|(key, sent)| {
        let field = format!("f:{key}");
        let below: Vec<&JsonValue> = managers
            .iter()
            .filter_map(|fields| fields.get(&field))
            .collect();
        match again.get(key.as_str()) {
            Some(again) => is_owned(sent, again, &below),
            None => !below.is_empty(),
        }
    })
}
