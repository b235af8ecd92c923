//! JSON patches: each operation on the stored object and on what is shown of it, side by side, so that
//! an index means the same element to its author and to the API server.

use gateway_kubeapi::{JsonValue, pointer_segments};

use super::restore::{Doubt, Mode, Pair, Restoring};

/// BOUND: operations that are followed; a longer patch of masked places is refused.
const OPERATION_COUNT_MAX: usize = 256;
/// BOUND: bytes that `copy` makes, as it may copy what it made; beyond, the patch is refused.
const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A patch that was followed to its end.
pub(super) struct Followed {
    /// The object its author means to get.
    pub(super) meant: JsonValue,
    /// The object it makes.
    pub(super) made: JsonValue,
}

/// The members of one operation, read.
struct Operation {
    does: Does,
    path: Vec<String>,
}

enum Does {
    Put(JsonValue),
    Replace(JsonValue),
    Remove,
    Copy(Vec<String>),
    Move(Vec<String>),
    Nothing,
}

/// Puts live values back into the operations and follows them. `None`: the API server will not be able
/// to follow them either, or not the same way.
pub(super) fn follow(
    operations: &mut [JsonValue],
    pair: Pair<'_>,
    restoring: &mut Restoring,
) -> Result<Option<Followed>, Doubt> {
    if operations.len() > OPERATION_COUNT_MAX {
        return Err(too_much(
            "it has more than 256 operations; send it in parts",
        ));
    }
    let mut made = pair.live.clone();
    let mut meant = pair.masked.clone();
    let mut copied = 0;
    for item in operations {
        let Some(mut operation) = read(item) else {
            return Ok(None);
        };
        copied += operation.copies(&made);
        if copied > COPIED_BYTES_MAX {
            return Err(too_much("it copies more than 3 MiB; send it in parts"));
        }
        let sent = operation.value().cloned();
        let path = operation.path.clone();
        let inserts = operation.inserts_into_list(&made);
        // A new element takes nobody's place.
        if let Some(value) = operation.value_mut().filter(|_| !inserts) {
            put_back(value, &path, (&made, &meant), restoring)?;
        }
        let intended = operation.with(sent);
        if apply(&mut made, &operation).is_none() || apply(&mut meant, &intended).is_none() {
            return Ok(None);
        }
        if let (Some(value), JsonValue::Object(members)) = (operation.value(), item)
            && let Some((_, own)) = members.iter_mut().find(|(key, _)| key == "value")
        {
            own.clone_from(value);
        }
    }
    Ok(Some(Followed { meant, made }))
}

fn too_much(why: &'static str) -> Doubt {
    Doubt {
        place: "patch".to_owned(),
        why,
    }
}

/// One operation's value, at its place.
fn put_back(
    value: &mut JsonValue,
    path: &[String],
    (made, meant): (&JsonValue, &JsonValue),
    restoring: &mut Restoring,
) -> Result<(), Doubt> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    // The annotation may stand in the value or be it.
    let mut whole = nested(&names, std::mem::replace(value, JsonValue::Null));
    let object = Pair {
        live: made,
        masked: meant,
    };
    let noted = restoring.last_applied(&mut whole, object);
    *value = unnested(&names, whole);
    noted?;
    let (Some(live), Some(masked)) = (at(made, path), at(meant, path)) else {
        return Ok(());
    };
    restoring.at(path, |walk| {
        walk.value(value, Pair { live, masked }, Mode::Whole)
    })
}

impl Operation {
    const fn value(&self) -> Option<&JsonValue> {
        match &self.does {
            Does::Put(value) | Does::Replace(value) => Some(value),
            Does::Remove | Does::Copy(_) | Does::Move(_) | Does::Nothing => None,
        }
    }

    const fn value_mut(&mut self) -> Option<&mut JsonValue> {
        match &mut self.does {
            Does::Put(value) | Does::Replace(value) => Some(value),
            Does::Remove | Does::Copy(_) | Does::Move(_) | Does::Nothing => None,
        }
    }

    fn copies(&self, root: &JsonValue) -> usize {
        match &self.does {
            Does::Copy(from) => at(root, from).map_or(0, |value| value.to_json().len()),
            Does::Put(_) | Does::Replace(_) | Does::Remove | Does::Move(_) | Does::Nothing => 0,
        }
    }

    fn inserts_into_list(&self, root: &JsonValue) -> bool {
        let parents = self
            .path
            .split_last()
            .map_or(&[][..], |(_, parents)| parents);
        match &self.does {
            Does::Put(_) => at(root, parents).is_some_and(|parent| parent.items().is_some()),
            Does::Replace(_) | Does::Remove | Does::Copy(_) | Does::Move(_) | Does::Nothing => {
                false
            }
        }
    }

    /// The same with another value.
    fn with(&self, value: Option<JsonValue>) -> Self {
        let does = match (&self.does, value) {
            (Does::Put(_), Some(value)) => Does::Put(value),
            (Does::Replace(_), Some(value)) => Does::Replace(value),
            (Does::Copy(from), _) => Does::Copy(from.clone()),
            (Does::Move(from), _) => Does::Move(from.clone()),
            (Does::Remove, _) => Does::Remove,
            (Does::Put(_) | Does::Replace(_) | Does::Nothing, _) => Does::Nothing,
        };
        Self {
            does,
            path: self.path.clone(),
        }
    }
}

fn read(item: &JsonValue) -> Option<Operation> {
    let path = pointer_segments(item.get("path")?.as_str()?)?;
    let from = || pointer_segments(item.get("from")?.as_str()?);
    let does = match item.get("op")?.as_str()? {
        "add" => Does::Put(item.get("value")?.clone()),
        "replace" => Does::Replace(item.get("value")?.clone()),
        "remove" => Does::Remove,
        "copy" => Does::Copy(from()?),
        "move" => Does::Move(from()?),
        // The API server answers it; on a masked place it was refused before (K-4.23).
        "test" => Does::Nothing,
        _ => return None,
    };
    Some(Operation { does, path })
}

fn apply(root: &mut JsonValue, operation: &Operation) -> Option<()> {
    let path = operation.path.as_slice();
    match &operation.does {
        Does::Put(value) => put(root, path, value.clone()),
        Does::Replace(value) => {
            at(root, path)?;
            *at_mut(root, path)? = value.clone();
            Some(())
        }
        Does::Remove => take(root, path).map(drop),
        Does::Copy(from) => {
            let value = at(root, from)?.clone();
            put(root, path, value)
        }
        Does::Move(from) => {
            let value = take(root, from)?;
            put(root, path, value)
        }
        Does::Nothing => Some(()),
    }
}

fn put(root: &mut JsonValue, path: &[String], value: JsonValue) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *root = value;
        return Some(());
    };
    match at_mut(root, parents)? {
        JsonValue::Object(members) => match members.iter_mut().find(|(key, _)| key == last) {
            Some((_, own)) => *own = value,
            None => members.push((last.clone(), value)),
        },
        JsonValue::Array(items) => {
            let place = if last == "-" {
                items.len()
            } else {
                index(last)?
            };
            if place > items.len() {
                return None;
            }
            items.insert(place, value);
        }
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {
            return None;
        }
    }
    Some(())
}

fn take(root: &mut JsonValue, path: &[String]) -> Option<JsonValue> {
    let (last, parents) = path.split_last()?;
    match at_mut(root, parents)? {
        JsonValue::Object(members) => {
            let place = members.iter().position(|(key, _)| key == last)?;
            Some(members.remove(place).1)
        }
        JsonValue::Array(items) => {
            let place = index(last)?;
            (place < items.len()).then(|| items.remove(place))
        }
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => None,
    }
}

fn at<'a>(root: &'a JsonValue, path: &[String]) -> Option<&'a JsonValue> {
    path.iter().try_fold(root, |value, name| match value {
        JsonValue::Array(items) => items.get(index(name)?),
        JsonValue::Object(_) => value.get(name),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => None,
    })
}

fn at_mut<'a>(root: &'a mut JsonValue, path: &[String]) -> Option<&'a mut JsonValue> {
    path.iter().try_fold(root, |value, name| match value {
        JsonValue::Array(items) => items.get_mut(index(name)?),
        JsonValue::Object(members) => members
            .iter_mut()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => None,
    })
}

/// An index as RFC 6901 writes it.
fn index(text: &str) -> Option<usize> {
    let is_plain = text == "0"
        || (!text.starts_with('0') && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// An object with this value at these members alone.
fn nested(names: &[&str], value: JsonValue) -> JsonValue {
    names.iter().rev().fold(value, |value, name| {
        JsonValue::Object(vec![((*name).to_owned(), value)])
    })
}

fn unnested(names: &[&str], whole: JsonValue) -> JsonValue {
    names.iter().fold(whole, |value, _| match value {
        JsonValue::Object(mut members) => members.pop().map_or(JsonValue::Null, |(_, own)| own),
        other @ (JsonValue::Null
        | JsonValue::Bool(_)
        | JsonValue::Number(_)
        | JsonValue::String(_)
        | JsonValue::Array(_)) => other,
    })
}

/// A JSON patch says of each operation where it works: through a list of which elements are not shown,
/// an index of its author's is not an index of the API server's.
pub(super) fn passes_hidden_elements(operations: &[JsonValue], pair: Pair<'_>) -> bool {
    operations.iter().any(|item| {
        let pointers = [item.get("path"), item.get("from")];
        let pointers = pointers.into_iter().flatten().filter_map(JsonValue::as_str);
        pointers
            .map(pointer_segments)
            .any(|path| path.is_none_or(|path| passes_hidden(&path, pair)))
    })
}

fn passes_hidden(path: &[String], pair: Pair<'_>) -> bool {
    (0..path.len()).any(|depth| {
        let way = path.get(..depth).unwrap_or_default();
        match (at(pair.live, way), at(pair.masked, way)) {
            (Some(JsonValue::Array(live)), Some(JsonValue::Array(masked))) => {
                live.len() != masked.len()
            }
            _ => false,
        }
    })
}
