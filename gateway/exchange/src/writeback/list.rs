//! Lists: which element of a body is which element of the stored list.
//!
//! An element is told by the members by which Kubernetes tells elements apart. A value is put back
//! only into the element it belongs to; where that is in doubt, nothing is put back and the write is
//! refused.

use std::collections::HashMap;

use gateway_kubeapi::JsonValue;

use super::restore::{Doubt, Mode, Pair, Restoring};

/// Members by which elements of Kubernetes lists are told apart: the merge keys of the built-in kinds
/// and what is usual in custom ones.
const IDENTITY: [&str; 11] = [
    "name",
    "mountPath",
    "devicePath",
    "containerPort",
    "port",
    "protocol",
    "ip",
    "uid",
    "type",
    "topologyKey",
    "key",
];
/// Lists of objects that strategic and apply patches merge by key, wherever a built-in kind has one of
/// that name. Others, those of custom kinds foremost, may be replaced as a whole.
const MERGED: [&str; 18] = [
    "conditions",
    "containers",
    "env",
    "ephemeralContainers",
    "hostAliases",
    "imagePullSecrets",
    "initContainers",
    "matchConditions",
    "ownerReferences",
    "resourceClaims",
    "resourceClaimStatuses",
    "schedulingGates",
    "secrets",
    "topologySpreadConstraints",
    "volumeDevices",
    "volumeMounts",
    "volumes",
    "webhooks",
];
/// BOUND: elements of a list in which a value is masked; in a longer one nothing is put back.
const ELEMENT_COUNT_MAX: usize = 10_000;
/// BOUND: pairs of elements without a place that are compared; of more none is taken for another.
const COMPARED_COUNT_MAX: usize = 4_096;

const LEFT_OUT: &str = "elements of the list are not shown, so it cannot be written as a whole; \
     change the element that is meant, by a strategic merge or an apply patch";
const SHOWN_EMPTY: &str = "the list is shown empty because it is masked; writing another one would \
     delete what it holds";
const MAY_REPLACE: &str = "elements of the list are not shown, and this patch may replace the list as a \
     whole; leave the list out";
const MOVED: &str = "a masked value stands in an element that was moved; leave the order as it was";
const ALIKE: &str = "a masked value stands in an element that is none of those that hold one, or may be \
     several; put the real value there or leave it out";
const LONG: &str = "the list is too long for masked values to be put back";

type Elements<'a> = &'a [JsonValue];

/// What an element is told by, if anything.
type Identity<'a> = Vec<(&'static str, &'a JsonValue)>;

fn identity(element: &JsonValue) -> Identity<'_> {
    IDENTITY
        .into_iter()
        .filter_map(|key| Some((key, element.get(key)?)))
        .filter(|(_, value)| value.members().is_none() && value.items().is_none())
        .collect()
}

/// The identity as one text. `None`: it has none.
fn sign(element: &JsonValue) -> Option<String> {
    let parts = identity(element);
    let text = |(key, value): &(&str, &JsonValue)| format!("{key}={}", value.to_json());
    let signed: Vec<String> = parts.iter().map(text).collect();
    (!signed.is_empty()).then(|| signed.join(","))
}

/// Where each identity stands that one element alone has.
fn places(elements: Elements<'_>) -> HashMap<String, usize> {
    let mut found: HashMap<String, Option<usize>> = HashMap::new();
    for (index, element) in elements.iter().enumerate() {
        if let Some(sign) = sign(element) {
            found
                .entry(sign)
                .and_modify(|place| *place = None)
                .or_insert(Some(index));
        }
    }
    found
        .into_iter()
        .filter_map(|(sign, place)| Some((sign, place?)))
        .collect()
}

impl Restoring {
    pub(super) fn elements(
        &mut self,
        body: &mut [JsonValue],
        live: Elements<'_>,
        masked: Elements<'_>,
        mode: Mode,
    ) -> Result<(), Doubt> {
        if body.is_empty() {
            return Ok(());
        }
        let longest = body.len().max(live.len());
        match mode {
            Mode::Noted if longest > ELEMENT_COUNT_MAX || live.len() != masked.len() => Ok(()),
            _ if longest > ELEMENT_COUNT_MAX => Err(self.doubt(LONG)),
            Mode::Keyed { is_builtin }
                if body.iter().any(|element| element.members().is_some()) =>
            {
                let merges = is_builtin && self.is_at_merged_list();
                if live.len() == masked.len() || merges {
                    self.keyed(body, live, masked, mode)
                } else {
                    Err(self.doubt(MAY_REPLACE))
                }
            }
            Mode::Whole | Mode::Merge | Mode::Keyed { .. } if masked.is_empty() => {
                Err(self.doubt(SHOWN_EMPTY))
            }
            Mode::Whole | Mode::Merge | Mode::Keyed { .. } if live.len() != masked.len() => {
                Err(self.doubt(LEFT_OUT))
            }
            Mode::Whole | Mode::Merge | Mode::Keyed { .. } => {
                self.placed(body, live, masked, Mode::Whole)
            }
            Mode::Noted => self.placed(body, live, masked, Mode::Noted),
        }
    }

    /// In a built-in kind the list at hand is merged by keys for sure.
    fn is_at_merged_list(&self) -> bool {
        let name = self.way().last();
        name.is_some_and(|name| MERGED.contains(&name.as_str()))
    }

    /// A list that replaces the stored one: elements keep their order, and each its identity.
    fn placed(
        &mut self,
        body: &mut [JsonValue],
        live: Elements<'_>,
        masked: Elements<'_>,
        mode: Mode,
    ) -> Result<(), Doubt> {
        let shown = places(masked);
        let sent = places(body);
        let is_as_long = body.len() == masked.len();
        let mut unknown: Vec<usize> = Vec::new();
        let mut met = vec![false; masked.len()];
        let mut last = 0;
        for (index, own) in body.iter_mut().enumerate() {
            let sign = sign(own).filter(|sign| sent.contains_key(sign));
            let place = match sign {
                Some(sign) => shown.get(&sign).copied(),
                None => (is_as_long && !is_named(masked.get(index), &shown)).then_some(index),
            };
            let Some((place, pair)) = place.zip(place.and_then(|at| pair_at(live, masked, at)))
            else {
                unknown.push(index);
                continue;
            };
            if let Some(met) = met.get_mut(place) {
                *met = true;
            }
            let is_moved = place < last;
            last = last.max(place);
            if !pair.is_masked() {
                continue;
            }
            if !is_moved {
                self.within(&index.to_string(), |walk| walk.value(own, pair, mode))?;
            } else if mode != Mode::Noted && holds_shown(own, pair) {
                return Err(self.within(&index.to_string(), |walk| walk.doubt(MOVED)));
            }
        }
        if mode == Mode::Noted {
            return Ok(());
        }
        // What has no place may be what had one, under another name.
        let unmet: Vec<Pair<'_>> = met
            .iter()
            .enumerate()
            .filter(|(_, met)| !**met)
            .filter_map(|(place, _)| pair_at(live, masked, place))
            .filter(|pair| pair.is_masked())
            .collect();
        if unknown.len().saturating_mul(unmet.len()) > COMPARED_COUNT_MAX {
            return Err(self.doubt(LONG));
        }
        for index in unknown {
            let own = body.get(index);
            if own.is_some_and(|own| unmet.iter().any(|pair| holds_shown(own, *pair))) {
                return Err(self.within(&index.to_string(), |walk| walk.doubt(ALIKE)));
            }
        }
        Ok(())
    }

    /// A list that is merged by keys: an element is the one stored whose keys it names.
    fn keyed(
        &mut self,
        body: &mut [JsonValue],
        live: Elements<'_>,
        masked: Elements<'_>,
        mode: Mode,
    ) -> Result<(), Doubt> {
        let stored = places(live);
        let by_key = by_first_key(masked);
        for (index, own) in body.iter_mut().enumerate() {
            let named = identity(own);
            let Some((key, value)) = named.first() else {
                continue;
            };
            let same_key = by_key.get(&(*key, value.to_json()));
            let candidates: Vec<usize> = same_key
                .into_iter()
                .flatten()
                .copied()
                .filter(|place| {
                    let shown = masked.get(*place);
                    named
                        .iter()
                        .all(|(key, value)| shown.and_then(|shown| shown.get(key)) == Some(*value))
                })
                .collect();
            let place = match candidates.as_slice() {
                [] => continue,
                [place] => *place,
                [..] => return Err(self.within(&index.to_string(), |walk| walk.doubt(ALIKE))),
            };
            let Some(shown) = masked.get(place) else {
                continue;
            };
            let origin = if live.len() == masked.len() {
                Some(place)
            } else {
                sign(shown).and_then(|sign| stored.get(&sign)).copied()
            };
            if let Some(live) = origin.and_then(|place| live.get(place)) {
                let pair = Pair {
                    live,
                    masked: shown,
                };
                self.within(&index.to_string(), |walk| walk.value(own, pair, mode))?;
            }
        }
        Ok(())
    }
}

type Keyed = HashMap<(&'static str, String), Vec<usize>>;

/// Elements by each member that may be the first one a patch names.
fn by_first_key(elements: Elements<'_>) -> Keyed {
    let mut found = Keyed::new();
    for (index, element) in elements.iter().enumerate() {
        for (key, value) in identity(element) {
            found.entry((key, value.to_json())).or_default().push(index);
        }
    }
    found
}

/// An element that is told by an identity of its own.
fn is_named(element: Option<&JsonValue>, named: &HashMap<String, usize>) -> bool {
    element
        .and_then(sign)
        .is_some_and(|sign| named.contains_key(&sign))
}

fn pair_at<'a>(live: Elements<'a>, masked: Elements<'a>, place: usize) -> Option<Pair<'a>> {
    Some(Pair {
        live: live.get(place)?,
        masked: masked.get(place)?,
    })
}

/// Something would be put back if the element stood where it was.
fn holds_shown(own: &JsonValue, pair: Pair<'_>) -> bool {
    let mut tried = Restoring::default();
    let mut copy = own.clone();
    tried.value(&mut copy, pair, Mode::Whole).is_err() || tried.count() > 0
}
