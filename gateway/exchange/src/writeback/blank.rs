//! What a mask leaves of numbers, flags and containers, in a write: `0`, `false`, `[]` and `{}` at masked
//! places. Under `write-back refuse` these are refused whatever is stored there: were they refused only
//! where they would change something, the refusal would tell what is stored.

use gateway_kubeapi::{JsonValue, PatchForm, pointer_of, pointer_segments};
use gateway_policy::masks::Masking;

use super::restore::by_key;
use super::shown;

/// Where a body has what is shown of other values than strings.
pub(super) fn places(masking: &Masking, patch: Option<PatchForm>, sent: &JsonValue) -> Vec<String> {
    let mut found = Vec::new();
    match patch {
        Some(PatchForm::Json) => {
            for operation in sent.items().unwrap_or_default() {
                in_operation(masking, operation, &mut found);
            }
            found.sort_unstable();
            found.dedup();
        }
        None | Some(PatchForm::Merge | PatchForm::Strategic | PatchForm::Apply) => {
            in_object(masking, sent, &mut found);
        }
    }
    found
}

/// Where the mask makes the same of another value, it stands at a masked place.
fn in_object(masking: &Masking, sent: &JsonValue, found: &mut Vec<String>) {
    let again = shown(masking, filled(sent).to_json().as_bytes());
    let again = again.and_then(|again| JsonValue::parse(&again.text).ok());
    match again {
        Some(again) => same(sent, &again, &mut Vec::new(), found),
        None => found.push(String::new()),
    }
}

/// What one operation puts somewhere, in an object that has nothing else. A number on the way may be the
/// index of an element or the name of a member.
fn in_operation(masking: &Masking, operation: &JsonValue, found: &mut Vec<String>) {
    let path = operation.get("path").and_then(JsonValue::as_str);
    let way = path.and_then(pointer_segments).unwrap_or_default();
    let Some(value) = operation.get("value") else {
        return;
    };
    for has_lists in [true, false] {
        let mut object = value.clone();
        for name in way.iter().rev() {
            let is_index = name == "-" || name.bytes().all(|byte| byte.is_ascii_digit());
            object = if has_lists && is_index {
                JsonValue::Array(vec![object])
            } else {
                JsonValue::Object(vec![(name.clone(), object)])
            };
        }
        in_object(masking, &object, found);
    }
}

fn is_blank(value: &JsonValue) -> bool {
    match value {
        JsonValue::Bool(flag) => !flag,
        JsonValue::Number(number) => number == "0",
        JsonValue::Array(items) => items.is_empty(),
        JsonValue::Object(members) => members.is_empty(),
        JsonValue::Null | JsonValue::String(_) => false,
    }
}

/// Every blank of a value that stands there.
fn blanks(value: &JsonValue, way: &mut Vec<String>, found: &mut Vec<String>) {
    if is_blank(value) {
        found.push(pointer_of(way));
    }
    let mut below = |name: String, value: &JsonValue| {
        way.push(name);
        blanks(value, way, found);
        way.pop();
    };
    match value {
        JsonValue::Object(members) => {
            for (key, value) in members {
                below(key.clone(), value);
            }
        }
        JsonValue::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                below(index.to_string(), value);
            }
        }
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {}
    }
}

/// The same with other values for all blanks.
fn filled(value: &JsonValue) -> JsonValue {
    match value {
        JsonValue::Bool(_) if is_blank(value) => JsonValue::Bool(true),
        JsonValue::Number(_) if is_blank(value) => JsonValue::Number("1".to_owned()),
        JsonValue::Array(_) if is_blank(value) => JsonValue::Array(vec![JsonValue::Bool(true)]),
        JsonValue::Object(_) if is_blank(value) => {
            JsonValue::Object(vec![("-".to_owned(), JsonValue::Bool(true))])
        }
        JsonValue::Object(members) => JsonValue::Object(
            members
                .iter()
                .map(|(key, value)| (key.clone(), filled(value)))
                .collect(),
        ),
        JsonValue::Array(items) => JsonValue::Array(items.iter().map(filled).collect()),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {
            value.clone()
        }
    }
}

/// Where `again`, which is the filled value under its masks, is blank again.
fn same(sent: &JsonValue, again: &JsonValue, way: &mut Vec<String>, found: &mut Vec<String>) {
    if is_blank(sent) {
        if sent == again {
            found.push(pointer_of(way));
        }
        return;
    }
    match (sent, again) {
        (JsonValue::Object(sent), JsonValue::Object(again)) => {
            let again = by_key(again);
            for (key, sent) in sent {
                if let Some(again) = again.get(key.as_str()) {
                    way.push(key.clone());
                    same(sent, again, way, found);
                    way.pop();
                }
            }
        }
        (JsonValue::Array(sent), JsonValue::Array(again)) if again.len() == sent.len() => {
            for (index, (sent, again)) in sent.iter().zip(again).enumerate() {
                way.push(index.to_string());
                same(sent, again, way, found);
                way.pop();
            }
        }
        // Of a list that lost elements it is not known which.
        (JsonValue::Array(_), JsonValue::Array(_)) => blanks(sent, way, found),
        (_, _) => {}
    }
}
