//! The proof that a restored body hides what it must: read again under the same masks, it shows at
//! every place where a value was put back exactly what its author sent there. Whoever changed what a
//! mask selects by, or named a value of another object, would read it there in clear text.

use std::collections::BTreeSet;

use gateway_kubeapi::JsonValue;

use super::embedded;
use super::restore::by_key;

/// The same value with the members that elements are chosen by before the others, `last` behind the rest
/// of them.
pub(super) fn with_first(value: &JsonValue, choosers: &BTreeSet<&str>, last: &str) -> JsonValue {
    match value {
        JsonValue::Object(members) => {
            let mut members: Vec<(String, JsonValue)> = members
                .iter()
                .map(|(key, value)| (key.clone(), with_first(value, choosers, last)))
                .collect();
            members.sort_by_key(|(key, _)| (!choosers.contains(key.as_str()), key == last));
            JsonValue::Object(members)
        }
        JsonValue::Array(items) => {
            let element = |item| with_first(item, choosers, last);
            JsonValue::Array(items.iter().map(element).collect())
        }
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {
            value.clone()
        }
    }
}

/// Whether `again`, which is `after` under its masks, shows what `before` showed wherever the two
/// differ.
pub(super) fn reads_as_sent(before: &JsonValue, after: &JsonValue, again: &JsonValue) -> bool {
    if again == before || before == after {
        return true;
    }
    match (before, after, again) {
        (JsonValue::Object(before), JsonValue::Object(after), JsonValue::Object(again)) => {
            let sent = by_key(before);
            let shown = by_key(again);
            after.iter().all(|(key, after)| {
                match (sent.get(key.as_str()), shown.get(key.as_str())) {
                    (Some(before), Some(again)) => reads_as_sent(before, after, again),
                    // Put back and not shown.
                    (None, None) => true,
                    // The author's own, and not shown; or put back and shown.
                    (Some(before), None) => **before == *after,
                    (None, Some(_)) => false,
                }
            })
        }
        (JsonValue::Array(before), JsonValue::Array(after), JsonValue::Array(again)) => {
            before.len() == after.len()
                && after.len() == again.len()
                && before
                    .iter()
                    .zip(after)
                    .zip(again)
                    .all(|((before, after), again)| reads_as_sent(before, after, again))
        }
        (JsonValue::String(before), JsonValue::String(after), JsonValue::String(again)) => {
            let opened = (
                embedded::open(before),
                embedded::open(after),
                embedded::open(again),
            );
            let (Some(before), Some(after), Some(again)) = opened else {
                return false;
            };
            after.is_wrapped_as(&before)
                && after.is_wrapped_as(&again)
                && reads_as_sent(&before.value, &after.value, &again.value)
        }
        (_, _, _) => false,
    }
}
