//! What a test says of masks: which are demanded, and what becomes of a value.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway_kubeapi::{Attributes, Target};
use gateway_masking::{FieldPath, Kernel, MARKER, Masker, Mount, Step};
use serde_json::Value;

use crate::masks::{MaskSet, MaskTable, Masking};
use crate::model::{Test, TestRequest};
use crate::wording;

/// What is wrong with the masks of a test whose request is allowed.
pub(super) fn compare(
    table: &MaskTable,
    test: &Test,
    asked: &Attributes,
    demanded: &BTreeSet<String>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for name in &test.expect.masks {
        if !demanded.contains(name) {
            let found = if demanded.is_empty() {
                "no mask is".to_owned()
            } else {
                format!("{} is", wording::join(demanded, " "))
            };
            failures.push(format!(
                "expected mask `{name}` to be demanded, but {found}"
            ));
        }
    }
    if test.expect.masked.is_empty() {
        return failures;
    }
    let masks = demanded
        .iter()
        .filter_map(|name| table.set_of(name))
        .fold(MaskSet::NONE, MaskSet::union);
    let masking = match &asked.target {
        Target::Resource(resource) => table.masking(masks, resource),
        Target::Url(_) => None,
    };
    let answer = match (&masking, response(test)) {
        (Some(masking), Some(body)) => match Answer::of(masking, body) {
            Ok(answer) => Some(answer),
            Err(fault) => return [failures, vec![fault]].concat(),
        },
        (_, _) => None,
    };
    for (path, wanted) in &test.expect.masked {
        let by_rules = masking.as_ref().and_then(|own| own.strategy_at(path));
        let found = match &answer {
            Some(answer) => answer.found(path, by_rules),
            None => Ok(by_rules),
        };
        match found {
            Ok(found) if found == Some(wanted) => {}
            Ok(Some(found)) => failures.push(format!(
                "expected `{path}` to be masked by `{wanted}`, but it is by `{found}`"
            )),
            Ok(None) => failures.push(format!(
                "expected `{path}` to be masked by `{wanted}`, but it is not masked"
            )),
            Err(fault) => failures.push(fault),
        }
    }
    failures
}

fn response(test: &Test) -> Option<&[u8]> {
    match &test.request {
        TestRequest::Http { response, .. } => response.as_deref(),
        TestRequest::Facts { .. } => None,
    }
}

/// An answer before and after its masks.
struct Answer {
    before: Vec<Value>,
    after: Vec<Value>,
}

impl Answer {
    /// Sends a body through the masker, as the gateway does.
    fn of(masking: &Masking, body: &[u8]) -> Result<Self, String> {
        let mounts = [Mount::Root, Mount::Items, Mount::Rows];
        let program = masking
            .program(&mounts)
            .map_err(|fault| format!("the answer cannot be masked: {fault}"))?;
        let mut masker = Masker::new(Arc::clone(&program), Kernel::best());
        let mut out = Vec::new();
        let unread = |fault| format!("the response cannot be masked: {fault}");
        masker
            .push(&Bytes::copy_from_slice(body), &mut out)
            .map_err(unread)?;
        masker.finish().map_err(unread)?;
        Ok(Self {
            before: objects(body)?,
            after: objects(&out.concat())?,
        })
    }

    /// The one strategy by which all values at a path are masked.
    fn found(
        &self,
        path: &FieldPath,
        by_rules: Option<&'static str>,
    ) -> Result<Option<&'static str>, String> {
        let mut words = BTreeSet::new();
        let mut none = true;
        for (before, after) in self.before.iter().zip(&self.after) {
            let (before, after) = (values(before, path.steps()), values(after, path.steps()));
            none &= before.is_empty();
            // Elements that are dropped move those behind them, so what is left is counted first.
            if after.is_empty() && !before.is_empty() {
                words.insert(by_rules.filter(|word| *word == "redact").or(Some("drop")));
                continue;
            }
            for (before, after) in before.iter().zip(&after) {
                words.insert(effect(before, after, by_rules));
            }
        }
        let mut words = words.into_iter();
        match (words.next(), words.next()) {
            (Some(word), None) => Ok(word),
            (Some(_), Some(_)) => Err(format!("the values at `{path}` are masked differently")),
            (None, _) if none => Err(format!("the response has nothing at `{path}`")),
            (None, _) => Ok(None),
        }
    }
}

/// The objects of an answer: one, or those of a list.
fn objects(body: &[u8]) -> Result<Vec<Value>, String> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|fault| format!("the response is not JSON: {fault}"))?;
    let inner = |list: &str, below: fn(&Value) -> Option<&Value>| {
        let items = value.get(list).and_then(Value::as_array)?;
        Some(items.iter().filter_map(below).cloned().collect())
    };
    let items = inner("items", |item| Some(item));
    let rows = || inner("rows", |row| row.get("object"));
    Ok(items.or_else(rows).unwrap_or_else(|| vec![value.clone()]))
}

/// What a path names in a value.
fn values<'a>(value: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    let Some((first, rest)) = steps.split_first() else {
        return vec![value];
    };
    let below = |step: &Step| -> Vec<&'a Value> {
        let members = value.as_object().into_iter().flat_map(|own| own.values());
        let elements = value.as_array().into_iter().flatten();
        match step {
            Step::Key(name) => value.get(&**name).into_iter().collect(),
            Step::AnyKey => members.collect(),
            Step::AnyElement => elements.collect(),
            Step::Element { key, value } => {
                let is_meant =
                    |own: &&Value| own.get(&**key).and_then(Value::as_str) == Some(&**value);
                elements.filter(is_meant).collect()
            }
            Step::AnyDepth => members.chain(elements).collect(),
        }
    };
    let mut found = Vec::new();
    match (first, rest) {
        (Step::AnyDepth, []) => {
            for inner in below(first) {
                found.push(inner);
                found.extend(values(inner, steps));
            }
        }
        (Step::AnyDepth, _) => {
            found.extend(values(value, rest));
            for inner in below(first) {
                found.extend(values(inner, steps));
            }
        }
        (_, _) => {
            for inner in below(first) {
                found.extend(values(inner, rest));
            }
        }
    }
    found
}

/// The strategy that made one value of another.
fn effect(before: &Value, after: &Value, by_rules: Option<&'static str>) -> Option<&'static str> {
    let emptied = match after {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(_) => false,
    };
    if emptied {
        // What was empty before tells nothing; the rules do.
        return if before == after {
            by_rules
        } else {
            Some("redact")
        };
    }
    let (Value::String(before), Value::String(after)) = (before, after) else {
        return None;
    };
    if before == after {
        return None;
    }
    let decoded = STANDARD.decode(after).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let texts = [Some(after.clone()), decoded];
    let marked = |text: &String| text.strip_prefix(MARKER).map(str::to_owned);
    if let Some(rest) = texts.iter().flatten().find_map(marked) {
        return Some(match rest.split_once(':') {
            Some((_, rest)) if rest.starts_with('…') => "partial",
            Some(_) => "hash",
            None => "redact",
        });
    }
    let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    if digits(before) == digits(after) {
        return Some("fpe");
    }
    // Something within was masked, or the embedded form of all of it was.
    by_rules
}
