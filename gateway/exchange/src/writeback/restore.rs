//! Puts live values back where a body shows what the mask shows in their place.
//!
//! Three trees are walked side by side: the body, the live object, and the live object as its mask
//! shows it. Where the last two differ, policy masks this very place; where the body equals the last,
//! its author has not changed what it was shown. Whatever the strategy left there, a marker, a digest,
//! other digits or a zero, is taken for the live value then, and nothing else ever is.

use std::collections::HashMap;

use gateway_kubeapi::{JsonValue, pointer_of};
use gateway_masking::MarkerScan;

use super::embedded::{self, Opened};

/// Where `kubectl apply` keeps the whole object (K-4.2).
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// BOUND: places that are kept for a refusal; all are counted.
const PLACE_COUNT_MAX: usize = 32;

/// How a body changes what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It replaces: what it leaves out is gone.
    Whole,
    /// A merge patch: what it leaves out stays, lists are replaced (RFC 7386).
    Merge,
    /// A strategic or an apply patch: lists of objects are merged by their keys too.
    Keyed {
        /// The object's kind is one of Kubernetes' own.
        is_builtin: bool,
    },
    /// The last-applied annotation: what `kubectl` notes of an object. Markers alone are put back;
    /// what is left out there was never the author's.
    Noted,
}

/// A value that is stored, and how it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) live: &'a JsonValue,
    pub(super) masked: &'a JsonValue,
}

impl Pair<'_> {
    pub(super) fn is_masked(self) -> bool {
        self.live != self.masked
    }
}

/// A place of which nobody can say what belongs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) place: String,
    pub(crate) why: &'static str,
}

/// What was put back.
#[derive(Debug, Default)]
pub(super) struct Restoring {
    way: Vec<String>,
    places: Vec<String>,
    count: u64,
}

impl Restoring {
    /// The names that lead to where the walk is.
    pub(super) const fn way(&self) -> &[String] {
        self.way.as_slice()
    }

    /// How many values were put back.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Where, as JSON pointers, as far as they are kept.
    pub(super) fn places(&self) -> &[String] {
        &self.places
    }

    /// The place where the walk is.
    pub(super) fn place(&self) -> String {
        pointer_of(&self.way)
    }

    pub(super) fn doubt(&self, why: &'static str) -> Doubt {
        Doubt {
            place: self.place(),
            why,
        }
    }

    /// Walks on with one more name.
    pub(super) fn within<T>(&mut self, name: &str, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.way.push(name.to_owned());
        let walked = walk(self);
        self.way.pop();
        walked
    }

    /// Begins a walk there.
    pub(super) fn at<T>(&mut self, way: &[String], walk: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.way, way.to_vec());
        let walked = walk(self);
        self.way = outer;
        walked
    }

    fn note(&mut self, place: String) {
        self.count += 1;
        if self.places.len() < PLACE_COUNT_MAX {
            self.places.push(place);
        }
    }

    /// Notes each value that the mask changed.
    fn note_masked(&mut self, pair: Pair<'_>) {
        let before = self.count;
        match (pair.live, pair.masked) {
            (_, _) if !pair.is_masked() => return,
            (JsonValue::Object(live), JsonValue::Object(masked)) => {
                let shown = by_key(masked);
                for (key, live) in live {
                    match shown.get(key.as_str()) {
                        Some(masked) => {
                            self.within(key, |walk| walk.note_masked(Pair { live, masked }));
                        }
                        None => self.note_left_out(),
                    }
                }
            }
            (JsonValue::Array(live), JsonValue::Array(masked)) if live.len() == masked.len() => {
                for (index, (live, masked)) in live.iter().zip(masked).enumerate() {
                    let pair = Pair { live, masked };
                    self.within(&index.to_string(), |walk| walk.note_masked(pair));
                }
            }
            (_, _) => {}
        }
        if self.count == before {
            self.note(self.place());
        }
    }

    /// The name of what is not shown is not told.
    fn note_left_out(&mut self) {
        self.note(format!("{} (a field left out there)", self.place()));
    }

    /// Puts back what belongs in `body`.
    ///
    /// # Errors
    /// Where values are masked in a list whose elements cannot be told apart.
    pub(super) fn value(
        &mut self,
        body: &mut JsonValue,
        pair: Pair<'_>,
        mode: Mode,
    ) -> Result<(), Doubt> {
        if !pair.is_masked() {
            return Ok(());
        }
        if is_taken_whole(body, mode) && *body == *pair.masked {
            self.note_masked(pair);
            body.clone_from(pair.live);
            return Ok(());
        }
        match (body, pair.live, pair.masked) {
            (JsonValue::Object(body), JsonValue::Object(live), JsonValue::Object(masked)) => {
                self.members(body, live, masked, mode)
            }
            (JsonValue::Array(body), JsonValue::Array(live), JsonValue::Array(masked)) => {
                self.elements(body, live, masked, mode)
            }
            (JsonValue::String(body), JsonValue::String(live), JsonValue::String(masked)) => {
                self.embedded(body, live, masked, mode)
            }
            // Of another type than what is stored: the author's own.
            (_, _, _) => Ok(()),
        }
    }

    fn members(
        &mut self,
        body: &mut Vec<(String, JsonValue)>,
        live: &[(String, JsonValue)],
        masked: &[(String, JsonValue)],
        mode: Mode,
    ) -> Result<(), Doubt> {
        let replaces = matches!(mode, Mode::Keyed { .. })
            && body
                .iter()
                .any(|(key, value)| key == "$patch" && value.as_str() == Some("replace"));
        let mode = if replaces { Mode::Whole } else { mode };
        let shown = by_key(masked);
        let sent: HashMap<String, usize> = body
            .iter()
            .enumerate()
            .map(|(index, (key, _))| (key.clone(), index))
            .collect();
        for (key, live) in live {
            let own = sent.get(key).and_then(|index| body.get_mut(*index));
            match (own, shown.get(key.as_str())) {
                (Some((_, own)), Some(masked)) => {
                    let pair = Pair { live, masked };
                    self.within(key, |walk| walk.value(own, pair, mode))?;
                }
                // It was never shown, so leaving it out does not mean that it goes.
                (None, None) if mode == Mode::Whole => {
                    self.note_left_out();
                    body.push((key.clone(), live.clone()));
                }
                (Some(_) | None, None) | (None, Some(_)) => {}
            }
        }
        Ok(())
    }

    /// A string that is not what it was shown as; a document in it may still hold what was.
    fn embedded(
        &mut self,
        body: &mut String,
        live: &str,
        masked: &str,
        mode: Mode,
    ) -> Result<(), Doubt> {
        if self.is_last_applied() {
            // By itself, with the object beside it.
            return Ok(());
        }
        let mode = match mode {
            Mode::Noted => Mode::Noted,
            // A string is replaced whole.
            Mode::Whole | Mode::Merge | Mode::Keyed { .. } => Mode::Whole,
        };
        let (Some(mut own), Some(live), Some(masked)) = (
            embedded::open(body),
            embedded::open(live),
            embedded::open(masked),
        ) else {
            return Ok(());
        };
        if !own.is_wrapped_as(&live) || !own.is_wrapped_as(&masked) {
            return Ok(());
        }
        let before = self.count;
        let pair = Pair {
            live: &live.value,
            masked: &masked.value,
        };
        self.value(&mut own.value, pair, mode)?;
        if self.count > before {
            *body = own.close();
        }
        Ok(())
    }

    fn is_last_applied(&self) -> bool {
        let [first, second, third] = self.way.as_slice() else {
            return false;
        };
        first == "metadata" && second == "annotations" && third == LAST_APPLIED
    }

    /// The annotation in which `kubectl` notes what was applied: markers in it come from the
    /// annotation that is stored, or, where a client wrote it from the object it was shown, from the
    /// object (K-5.9).
    pub(super) fn last_applied(
        &mut self,
        body: &mut JsonValue,
        object: Pair<'_>,
    ) -> Result<(), Doubt> {
        let way = ["metadata", "annotations", LAST_APPLIED];
        let Some(JsonValue::String(text)) = descend_mut(body, &way) else {
            return Ok(());
        };
        let Some(mut own) = embedded::open(text) else {
            return Ok(());
        };
        let before = self.count;
        let stored = |root| descend(root, &way).and_then(JsonValue::as_str);
        let stored = |root| stored(root).and_then(embedded::open);
        let noted = (stored(object.live), stored(object.masked));
        let way: Vec<String> = way.iter().map(|name| (*name).to_owned()).collect();
        self.at(&way, |walk| {
            if let (Some(Opened { value: live, .. }), Some(Opened { value: masked, .. })) = &noted {
                walk.value(&mut own.value, Pair { live, masked }, Mode::Noted)?;
            }
            walk.value(&mut own.value, object, Mode::Noted)
        })?;
        if self.count > before {
            *text = own.close();
        }
        Ok(())
    }
}

/// Whether a value that equals what was shown stands for what is stored. Objects are merged member by
/// member where a body merges.
fn is_taken_whole(body: &JsonValue, mode: Mode) -> bool {
    let is_object = body.members().is_some();
    match mode {
        Mode::Whole => true,
        Mode::Merge => !is_object,
        Mode::Keyed { .. } => {
            let items = body.items().unwrap_or_default();
            !is_object && items.iter().all(|item| item.members().is_none())
        }
        Mode::Noted => body.as_str().is_some() && is_marked(body),
    }
}

/// A marker stands in it, in whatever coat.
pub(super) fn is_marked(value: &JsonValue) -> bool {
    !MarkerScan::of(value.to_json().as_bytes()).is_clean()
}

pub(super) fn by_key(members: &[(String, JsonValue)]) -> HashMap<&str, &JsonValue> {
    members
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect()
}

/// The value at these members.
pub(super) fn descend<'a>(root: &'a JsonValue, way: &[&str]) -> Option<&'a JsonValue> {
    way.iter().try_fold(root, |value, name| value.get(name))
}

pub(super) fn descend_mut<'a>(root: &'a mut JsonValue, way: &[&str]) -> Option<&'a mut JsonValue> {
    way.iter().try_fold(root, |value, name| match value {
        JsonValue::Object(members) => members
            .iter_mut()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value),
        JsonValue::Null
        | JsonValue::Bool(_)
        | JsonValue::Number(_)
        | JsonValue::String(_)
        | JsonValue::Array(_) => None,
    })
}
