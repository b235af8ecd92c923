//! The slow, obvious JSON reader: `serde_json` with a visitor that keeps every pair, and the bounds
//! checked on the finished tree.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::body::{JSON_DEPTH_MAX, JSON_VALUE_COUNT_MAX, JsonValue};

/// How `serde_json` hands over numbers as text (feature `arbitrary_precision`).
const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// The tree, or `None` if the text is not accepted.
pub(super) fn parse(bytes: &[u8]) -> Option<JsonValue> {
    let Tree(value) = serde_json::from_slice(bytes).ok()?;
    (count(&value) <= JSON_VALUE_COUNT_MAX && is_acceptable(&value, 0)).then_some(value)
}

/// The tree with exponents written as `serde_json` writes them: `1E5` becomes `1e+5`.
pub(super) fn normalised(value: JsonValue) -> JsonValue {
    match value {
        JsonValue::Number(text) => {
            let text = text.replace('E', "e");
            JsonValue::Number(match text.split_once('e') {
                Some((mantissa, exponent)) if !exponent.starts_with(['+', '-']) => {
                    format!("{mantissa}e+{exponent}")
                }
                Some(_) | None => text,
            })
        }
        JsonValue::Array(items) => JsonValue::Array(items.into_iter().map(normalised).collect()),
        JsonValue::Object(members) => JsonValue::Object(
            members
                .into_iter()
                .map(|(key, value)| (key, normalised(value)))
                .collect(),
        ),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::String(_) => value,
    }
}

fn is_acceptable(value: &JsonValue, depth: usize) -> bool {
    match value {
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::String(_) => true,
        JsonValue::Number(text) => {
            text.bytes().filter(u8::is_ascii_digit).count() <= 64
                && text.parse::<f64>().is_ok_and(f64::is_finite)
        }
        JsonValue::Array(items) => {
            depth < JSON_DEPTH_MAX && items.iter().all(|item| is_acceptable(item, depth + 1))
        }
        JsonValue::Object(members) => {
            let mut keys: Vec<&String> = members.iter().map(|(key, _)| key).collect();
            keys.sort();
            keys.dedup();
            depth < JSON_DEPTH_MAX
                && keys.len() == members.len()
                && members
                    .iter()
                    .all(|(_, value)| is_acceptable(value, depth + 1))
        }
    }
}

fn count(value: &JsonValue) -> usize {
    let below: usize = match value {
        JsonValue::Array(items) => items.iter().map(count).sum(),
        JsonValue::Object(members) => members.iter().map(|(_, value)| count(value)).sum(),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => 0,
    };
    below + 1
}

struct Tree(JsonValue);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree(JsonValue::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree(JsonValue::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree(JsonValue::Number(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree(JsonValue::Number(value.to_string())))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree(JsonValue::String(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(Tree(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree(JsonValue::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            let Tree(value) = access.next_value()?;
            if key == NUMBER_TOKEN
                && let JsonValue::String(text) = value
            {
                return Ok(Tree(JsonValue::Number(text)));
            }
            members.push((key, value));
        }
        Ok(Tree(JsonValue::Object(members)))
    }
}
