//! Guesses: a write of a value that its author may not read tells by its outcome whether the value is
//! the stored one (K-4.24). Where the outcome alone would tell, and would cost the guesser nothing, the
//! write is refused whatever the value is.

use gateway_kubeapi::{JsonValue, PatchForm, RequestTarget, pointer_segments};
use gateway_policy::masks::Masking;

use super::restore::{by_key, descend, descend_mut};
use super::shown;

/// A part of a built-in kind that takes no other values than its own.
#[derive(Debug, PartialEq, Eq)]
struct Fixed {
    group: &'static str,
    resource: &'static str,
    way: &'static [&'static str],
    /// Members that can be changed, wherever they stand in it.
    except: &'static [&'static str],
}

impl Fixed {
    const fn new(
        (group, resource): (&'static str, &'static str),
        way: &'static [&'static str],
        except: &'static [&'static str],
    ) -> Self {
        Self {
            group,
            resource,
            way,
            except,
        }
    }

    /// What cannot be changed of an object.
    fn of(&self, object: &JsonValue) -> Option<JsonValue> {
        descend(object, self.way).map(|part| without(part, self.except))
    }
}

/// Such parts (Kubernetes 1.36, `validation.go` of each group). Custom kinds with a rule of the kind
/// `self == oldSelf`, and single fields of other kinds, are not known here.
const FIXED: &[Fixed] = &[
    Fixed::new(
        ("", "pods"),
        &["spec"],
        &["activeDeadlineSeconds", "image", "tolerations"],
    ),
    Fixed::new(
        ("", "persistentvolumeclaims"),
        &["spec"],
        &["resources", "volumeAttributesClassName"],
    ),
    Fixed::new(
        ("", "persistentvolumes"),
        &["spec"],
        &[
            "accessModes",
            "capacity",
            "claimRef",
            "mountOptions",
            "persistentVolumeReclaimPolicy",
            "storageClassName",
            "volumeAttributesClassName",
        ],
    ),
    Fixed::new(("apps", "controllerrevisions"), &["data"], &[]),
    Fixed::new(("batch", "jobs"), &["spec", "template"], &[]),
    Fixed::new(("events.k8s.io", "events"), &["action"], &[]),
    Fixed::new(("events.k8s.io", "events"), &["note"], &[]),
    Fixed::new(("events.k8s.io", "events"), &["reason"], &[]),
    Fixed::new(("events.k8s.io", "events"), &["regarding"], &[]),
    Fixed::new(("events.k8s.io", "events"), &["related"], &[]),
    Fixed::new(("events.k8s.io", "events"), &["type"], &[]),
    Fixed::new(("storage.k8s.io", "storageclasses"), &["parameters"], &[]),
    Fixed::new(("storage.k8s.io", "volumeattachments"), &["spec"], &[]),
    Fixed::new(
        ("storage.k8s.io", "volumeattributesclasses"),
        &["parameters"],
        &[],
    ),
];

/// Where elements are added to a pod, by a subresource of its own; those that are there never change.
const ADDED: [&str; 2] = ["spec", "ephemeralContainers"];

/// An object without the elements there that its live form has not.
fn without_new(object: &JsonValue, live: &JsonValue) -> JsonValue {
    let name = |element: &JsonValue| {
        element
            .get("name")
            .and_then(JsonValue::as_str)
            .map(str::to_owned)
    };
    let known = descend(live, &ADDED).and_then(JsonValue::items);
    let known: Vec<_> = known.unwrap_or_default().iter().map(name).collect();
    let mut object = object.clone();
    if let Some(JsonValue::Array(elements)) = descend_mut(&mut object, &ADDED) {
        elements.retain(|element| known.contains(&name(element)));
    }
    object
}

/// A value without these members at any depth.
fn without(value: &JsonValue, except: &[&str]) -> JsonValue {
    match value {
        JsonValue::Object(members) => JsonValue::Object(
            members
                .iter()
                .filter(|(key, _)| !except.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), without(value, except)))
                .collect(),
        ),
        JsonValue::Array(items) => {
            JsonValue::Array(items.iter().map(|item| without(item, except)).collect())
        }
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {
            value.clone()
        }
    }
}

/// What makes the outcome of a write depend on values that are not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wager {
    /// An apply without force conflicts only if the value differs: who applies it.
    applier: Option<Applier>,
    /// An object of a kind that can be made immutable takes no other values than its own.
    may_be_immutable: bool,
    /// The parts of which that is always so.
    fixed: Vec<&'static Fixed>,
}

/// A field manager, as `managedFields` tells one from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Applier {
    manager: String,
    subresource: String,
}

impl Applier {
    fn is_of(&self, entry: &JsonValue) -> bool {
        let text = |key| entry.get(key).and_then(JsonValue::as_str);
        text("manager") == Some(&*self.manager)
            && text("operation") == Some("Apply")
            && text("subresource").unwrap_or_default() == self.subresource
    }
}

impl Wager {
    /// Of a write by this target.
    pub(crate) fn of(target: &RequestTarget, patch: Option<PatchForm>) -> Self {
        let info = target.info();
        let is_apply = patch == Some(PatchForm::Apply) && !target.force();
        let (group, resource) = (info.group(), info.resource());
        let fixed = FIXED
            .iter()
            .filter(|own| (own.group, own.resource) == (group, resource));
        Self {
            applier: is_apply.then(|| Applier {
                manager: target.field_manager().unwrap_or_default().to_owned(),
                subresource: info.subresource().to_owned(),
            }),
            may_be_immutable: group.is_empty() && matches!(resource, "secrets" | "configmaps"),
            fixed: fixed.collect(),
        }
    }

    /// Whether the outcome tells, once the write sets a masked value.
    pub(super) fn tells(&self) -> bool {
        self.applier.is_some() || self.may_be_immutable || !self.fixed.is_empty()
    }

    /// Whether an operation of a JSON patch changes something in the part that takes no other values.
    pub(super) fn is_fixed(&self, operation: &JsonValue) -> bool {
        let path = operation.get("path").and_then(JsonValue::as_str);
        let segments = path.and_then(pointer_segments).unwrap_or_default();
        self.fixed.iter().any(|fixed| {
            let mut pairs = segments.iter().zip(fixed.way);
            let last = segments.last().map(String::as_str).unwrap_or_default();
            // What is appended is compared with nothing.
            let is_free = last == "-" || fixed.except.contains(&last);
            pairs.all(|(own, way)| own == way) && !is_free
        })
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
        if !self.fixed.is_empty() {
            let [sent, again] = [sent, again].map(|object| without_new(object, live));
            let mut fixed = self.fixed.iter();
            if fixed.any(|fixed| fixed.of(&sent) != fixed.of(&again)) {
                return Some(Lost::Immutable);
            }
        }
        let applier = self.applier.as_ref()?;
        // It has no managers of its own: those of its object count, which is not read.
        if applier.subresource == "scale" {
            return Some(Lost::Owned);
        }
        let managers = descend(live, &["metadata", "managedFields"]);
        let others: Vec<&JsonValue> = managers
            .and_then(JsonValue::items)
            .unwrap_or_default()
            .iter()
            .filter(|entry| !applier.is_of(entry))
            .filter_map(|entry| entry.get("fieldsV1"))
            .filter(|fields| !is_leaf(fields))
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

/// A field set with nothing in it: at the root, no field; below, the field and all in it.
fn is_leaf(fields: &JsonValue) -> bool {
    matches!(fields, JsonValue::Object(members) if members.is_empty())
}

/// Whether one of the managers has a field that is sent with a masked value of its own. Elements of
/// lists are not told apart: any that a manager has may be the one.
fn is_owned(sent: &JsonValue, again: &JsonValue, managers: &[&JsonValue]) -> bool {
    if sent == again || managers.is_empty() {
        return false;
    }
    // Of a map that is owned as a whole, nothing is told apart below.
    if managers.iter().any(|fields| is_leaf(fields)) {
        return true;
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

/// `$deleteFromPrimitiveList/args` of a strategic patch names elements by their value: that it had an
/// effect tells that they were there.
const DELETED_ELEMENTS: &str = "$deleteFromPrimitiveList/";

/// The first such directive for a masked list.
pub(super) fn deletes_masked(masking: &Masking, body: &[u8]) -> Option<String> {
    let body = JsonValue::parse(body).ok()?;
    let mut named = None;
    let lists = deleted_elements(&body, &mut named);
    let named = named?;
    let shown = shown(masking, lists.to_json().as_bytes());
    shown
        .is_none_or(|shown| shown.masked_count > 0)
        .then_some(named)
}

/// The body with nothing but what such directives name, as members of the lists' names.
fn deleted_elements(value: &JsonValue, named: &mut Option<String>) -> JsonValue {
    match value {
        JsonValue::Object(members) => {
            let mut kept = Vec::new();
            for (key, value) in members {
                let list = key.strip_prefix(DELETED_ELEMENTS);
                if let Some(list) = list {
                    named.get_or_insert_with(|| key.clone());
                    kept.push((list.to_owned(), value.clone()));
                } else if matches!(value, JsonValue::Object(_) | JsonValue::Array(_)) {
                    kept.push((key.clone(), deleted_elements(value, named)));
                }
            }
            JsonValue::Object(kept)
        }
        JsonValue::Array(items) => {
            let items = items.iter().map(|item| deleted_elements(item, named));
            JsonValue::Array(items.collect())
        }
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {
            JsonValue::Null
        }
    }
}
