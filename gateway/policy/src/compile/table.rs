//! Candidates for each verb and resource: the rules whose `can` and `on` hold.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use gateway_kubeapi::{ResourceId, Verb};

use super::bits::Bits;
use super::lines::OnLine;
use super::matching::Asked;
use super::selection::Selection;
use crate::builtin;
use crate::model::{Bundle, ResourcePattern, Rule};
use crate::set::{Reading, resource_in, verb_in};
use crate::tri::Tri;

/// Rules a request is to be compared with, in order.
pub(crate) struct Slice<'a> {
    pub(crate) candidates: &'a Candidates,
    pub(crate) asked: Asked,
}

impl Slice<'_> {
    /// The candidates, in order.
    pub(crate) fn indexes(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self.candidates {
            Candidates::Few(list) => Box::new(list.iter().copied()),
            Candidates::Many(bits) => Box::new(bits.iter()),
        }
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        match self.candidates {
            Candidates::Few(list) => list.binary_search(&index).is_ok(),
            Candidates::Many(bits) => bits.contains(index),
        }
    }
}

/// The candidates of one slice, in the form that is walked faster: a list of them, or a bit for
/// every rule, to be ANDed with those of the identity and the namespace (policy-language §11.2).
#[derive(Debug)]
pub(crate) enum Candidates {
    Few(Box<[u32]>),
    Many(Bits),
}

impl Candidates {
    fn of(list: &[u32], rule_count: usize) -> Self {
        let mut bits = Bits::new(rule_count);
        if list.len() <= bits.word_count() {
            return Self::Few(list.into());
        }
        list.iter().for_each(|index| bits.insert(*index));
        Self::Many(bits)
    }
}

/// One number of a slice for each verb.
type ByVerb = [u32; Verb::ALL.len()];

/// The slice table. Slices with equal candidates are kept once.
#[derive(Debug)]
pub(crate) struct ResourceTable {
    slices: Vec<Candidates>,
    /// Resources the bundle writes out.
    known: HashMap<ResourceId, ByVerb, FixedState>,
    /// Rules that may concern a resource the bundle does not write out.
    other: ByVerb,
    urls: ByVerb,
    none: Candidates,
}

impl ResourceTable {
    pub(super) fn build(bundle: &Bundle, rules: &[&Rule]) -> Self {
        let mut building = Building::new(rules.len());
        let mut lines: Vec<OnLine> = Vec::new();
        let mut line_ids: HashMap<OnLine, usize, FixedState> = HashMap::default();
        let entries: Vec<Entry> = rules
            .iter()
            .map(|rule| {
                let on = OnLine::of(bundle, &rule.on);
                let on = *line_ids.entry(on).or_insert_with_key(|on| {
                    lines.push(on.clone());
                    lines.len() - 1
                });
                Entry {
                    on,
                    verbs: verbs_of(bundle, rule),
                    reading: Reading::of(rule.effect),
                }
            })
            .collect();
        let mut known = HashMap::default();
        for resource in written_resources(&lines) {
            let holds = holding(&lines, |line, reading| settled(line, &resource, reading));
            let slice = building.slice(&entries, &holds);
            known.insert(resource, slice);
        }
        let other = building.slice(&entries, &holding(&lines, |line, _| may_be_other(line)));
        let urls = building.slice(&entries, &holding(&lines, |line, _| may_be_url(line)));
        Self {
            slices: building.slices,
            known,
            other,
            urls,
            none: Candidates::Few(Box::default()),
        }
    }

    pub(crate) fn resource(&self, resource: &ResourceId, verb: Verb) -> Slice<'_> {
        match self.known.get(resource) {
            Some(slices) => self.slice(slices, verb, Asked::Exactly),
            None => self.slice(&self.other, verb, Asked::Openly),
        }
    }

    pub(crate) fn urls(&self, verb: Verb) -> Slice<'_> {
        self.slice(&self.urls, verb, Asked::Openly)
    }

    fn slice(&self, slices: &ByVerb, verb: Verb, asked: Asked) -> Slice<'_> {
        let number = slices.get(verb as usize).copied().unwrap_or_default();
        let candidates = self.slices.get(number as usize).unwrap_or(&self.none);
        Slice { candidates, asked }
    }
}

/// What the table needs to know of a rule.
struct Entry {
    on: usize,
    verbs: u16,
    reading: Reading,
}

struct Building {
    rule_count: usize,
    slices: Vec<Candidates>,
    ids: HashMap<Vec<u32>, u32, FixedState>,
}

impl Building {
    fn new(rule_count: usize) -> Self {
        Self {
            rule_count,
            slices: Vec::new(),
            ids: HashMap::default(),
        }
    }

    /// The slices of a resource for every verb; `holds` tells for each `on` line and reading
    /// whether a rule with it is a candidate.
    fn slice(&mut self, entries: &[Entry], holds: &[(bool, bool)]) -> ByVerb {
        let mut lists: [Vec<u32>; Verb::ALL.len()] = Default::default();
        for (entry, index) in entries.iter().zip(0_u32..) {
            let candidate =
                holds
                    .get(entry.on)
                    .is_some_and(|(covers, touches)| match entry.reading {
                        Reading::Covers => *covers,
                        Reading::Touches => *touches,
                    });
            if !candidate {
                continue;
            }
            for (verb, list) in Verb::ALL.into_iter().zip(&mut lists) {
                if entry.verbs & bit(verb) != 0 {
                    list.push(index);
                }
            }
        }
        lists.map(|list| self.id(list))
    }

    fn id(&mut self, list: Vec<u32>) -> u32 {
        let next = u32::try_from(self.slices.len()).unwrap_or(u32::MAX);
        let (rule_count, slices) = (self.rule_count, &mut self.slices);
        *self.ids.entry(list).or_insert_with_key(|list| {
            slices.push(Candidates::of(list, rule_count));
            next
        })
    }
}

const fn bit(verb: Verb) -> u16 {
    1 << verb as u8
}

/// The verbs a rule is about, read by its effect.
fn verbs_of(bundle: &Bundle, rule: &Rule) -> u16 {
    let Some(terms) = &rule.can else {
        return u16::MAX;
    };
    let reading = Reading::of(rule.effect);
    let selection = Selection::of(terms, &|name| bundle.verb_sets.get(name));
    Verb::ALL
        .into_iter()
        .filter(|verb| {
            reading.is_met_by(selection.ask(reading, &|_, own| verb_in(own, *verb).into()))
        })
        .fold(0, |all, verb| all | bit(verb))
}

/// Every resource the lines write out without wildcards, under the name requests are folded to.
fn written_resources(lines: &[OnLine]) -> BTreeSet<ResourceId> {
    let mut found = BTreeSet::new();
    for line in lines {
        match line {
            OnLine::Resources(selection) => {
                selection.each(&mut |pattern| found.extend(literal_resource(pattern)));
            }
            OnLine::Urls(_) | OnLine::Everything => {}
        }
    }
    found
}

fn literal_resource(pattern: &ResourcePattern) -> Option<ResourceId> {
    let group = pattern.group.as_ref()?.as_literal()?;
    let resource = pattern.resource.as_literal()?;
    let subresource = match &pattern.subresource {
        Some(subresource) => subresource.as_literal()?,
        None => "",
    };
    let (group, resource) = builtin::folded(group, resource);
    Some(ResourceId {
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
    })
}

fn holding(lines: &[OnLine], holds: impl Fn(&OnLine, Reading) -> bool) -> Vec<(bool, bool)> {
    lines
        .iter()
        .map(|line| (holds(line, Reading::Covers), holds(line, Reading::Touches)))
        .collect()
}

fn settled(line: &OnLine, resource: &ResourceId, reading: Reading) -> bool {
    match line {
        OnLine::Everything => true,
        OnLine::Urls(_) => false,
        OnLine::Resources(selection) => {
            reading.is_met_by(selection.ask(reading, &|_, own| resource_in(own, resource)))
        }
    }
}

/// A line can hold for a resource nobody wrote out only if it has a wildcard or an unknown; the
/// line itself is asked for each request.
fn may_be_other(line: &OnLine) -> bool {
    match line {
        OnLine::Everything => true,
        OnLine::Urls(_) => false,
        // Literal patterns are false for every such resource, the others may hold.
        OnLine::Resources(selection) => {
            let open = |pattern: &ResourcePattern| match literal_resource(pattern) {
                Some(_) => Tri::False,
                None => Tri::Unknown,
            };
            selection.ask(Reading::Touches, &|_, own| open(own)) != Tri::False
        }
    }
}

fn may_be_url(line: &OnLine) -> bool {
    match line {
        OnLine::Everything | OnLine::Urls(_) => true,
        OnLine::Resources(_) => false,
    }
}
