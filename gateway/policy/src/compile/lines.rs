//! Distinct lines, each kept once under a small number; 0 stands for a line that is not written.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use foldhash::fast::FixedState;
use gateway_kubeapi::NamespaceScope;
use ipnet::IpNet;
use jiff::Timestamp;

use super::matching::HotRule;
use super::namespaces::{NamespaceLine, NamespaceRows, Row, RowRule};
use super::selection::Selection;
use crate::builtin;
use crate::decide::{Demands, Obligations, TicketSet};
use crate::masks::MaskSet;
use crate::model::{Bundle, Effect, Mode, On, ResourcePattern, Rule, Schedule};
use crate::pattern::Pattern;
use crate::set::{Reading, plain_name};

/// What a rule is about, with its sets followed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum OnLine {
    Resources(Selection<ResourcePattern>),
    Urls(Selection<Pattern>),
    Everything,
}

impl OnLine {
    pub(crate) fn of(bundle: &Bundle, on: &On) -> Self {
        match on {
            On::Resources(terms) => Self::Resources(Selection::of(terms, &|name| {
                builtin::resource_set(name).or_else(|| bundle.resource_sets.get(name))
            })),
            On::Urls(terms) => Self::Urls(Selection::of(terms, &builtin::url_set)),
            On::Everything => Self::Everything,
        }
    }

    fn is_personal(&self) -> bool {
        match self {
            Self::Urls(paths) => paths.is_personal(),
            Self::Resources(_) | Self::Everything => false,
        }
    }
}

/// When a rule counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Times {
    /// Before it a deny or require in shadow or off does not count.
    pub(super) starts: Option<Timestamp>,
    /// From it on an allow does not match.
    pub(super) expires: Option<Timestamp>,
    /// Schedules one of which must hold; `None` in the list is one that is not there.
    pub(super) during: Option<Vec<Option<u32>>>,
    /// Schedules none of which may hold.
    pub(super) outside: Option<Vec<Option<u32>>>,
}

/// The bits of what rules demand by name.
pub(super) struct ObligationBits<'a> {
    pub(super) tickets: &'a BTreeMap<String, TicketSet>,
    pub(super) masks: BTreeMap<String, MaskSet>,
}

/// All distinct lines of a set, for decisions.
#[derive(Debug)]
pub(crate) struct Lines {
    namespaces: Vec<NamespaceLine>,
    rows: NamespaceRows,
    names: Vec<Selection<Pattern>>,
    sources: Vec<Selection<IpNet>>,
    times: Vec<Times>,
    on: Vec<OnLine>,
    obligations: Vec<Obligations>,
    schedules: Vec<Schedule>,
}

impl Lines {
    /// Gathers the lines of the rules; the second value is the rules in terms of them.
    pub(super) fn build(
        bundle: &Bundle,
        rules: &[&Rule],
        bits: &ObligationBits<'_>,
    ) -> (Self, Vec<HotRule>) {
        let mut gathering = Gathering::new(bundle, bits);
        let hot: Vec<HotRule> = rules.iter().map(|rule| gathering.rule(rule)).collect();
        let namespaces = gathering.namespaces.values;
        let row_rules: Vec<RowRule> = hot.iter().map(row_rule).collect();
        let lines = Self {
            rows: NamespaceRows::build(&namespaces, &row_rules),
            namespaces,
            names: gathering.names.values,
            sources: gathering.sources.values,
            times: gathering.times.values,
            on: gathering.on.values,
            obligations: gathering.obligations.values,
            schedules: bundle.schedules.values().cloned().collect(),
        };
        (lines, hot)
    }

    pub(super) fn row(&self, scope: &NamespaceScope) -> &Row {
        self.rows.find(scope)
    }

    pub(crate) fn namespaces(&self, id: LineId) -> Option<&NamespaceLine> {
        id.of(&self.namespaces)
    }

    pub(crate) fn names(&self, id: LineId) -> Option<&Selection<Pattern>> {
        id.of(&self.names)
    }

    pub(super) fn source(&self, id: LineId) -> Option<&Selection<IpNet>> {
        id.of(&self.sources)
    }

    pub(super) fn times(&self, id: LineId) -> Option<&Times> {
        id.of(&self.times)
    }

    pub(crate) fn on(&self, id: LineId) -> Option<&OnLine> {
        id.of(&self.on)
    }

    pub(crate) fn obligations(&self, id: LineId) -> Obligations {
        id.of(&self.obligations)
            .copied()
            .unwrap_or(Obligations::NONE)
    }

    pub(super) fn schedule(&self, id: u32) -> Option<&Schedule> {
        self.schedules.get(id as usize)
    }
}

fn row_rule(rule: &HotRule) -> RowRule {
    RowRule {
        line: (rule.namespaces.0 as usize).checked_sub(1),
        reading: rule.reading,
    }
}

/// The number of a line among its kind; 0 is a line that is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineId(pub(super) u32);

impl LineId {
    pub(crate) const OMITTED: Self = Self(0);

    fn of<T>(self, values: &[T]) -> Option<&T> {
        values.get((self.0 as usize).checked_sub(1)?)
    }
}

/// Values under the numbers 1, 2, ….
struct Interned<T> {
    values: Vec<T>,
    ids: HashMap<T, LineId, FixedState>,
}

impl<T: Clone + Eq + Hash> Interned<T> {
    fn new() -> Self {
        Self {
            values: Vec::new(),
            ids: HashMap::default(),
        }
    }

    fn id(&mut self, value: T) -> LineId {
        if let Some(id) = self.ids.get(&value) {
            return *id;
        }
        self.values.push(value.clone());
        // `RULES_MAX` is far below `u32::MAX` and a rule has one line of a kind.
        let id = LineId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        self.ids.insert(value, id);
        id
    }
}

struct Gathering<'a> {
    bundle: &'a Bundle,
    bits: &'a ObligationBits<'a>,
    schedule_ids: BTreeMap<&'a str, u32>,
    namespaces: Interned<NamespaceLine>,
    names: Interned<Selection<Pattern>>,
    sources: Interned<Selection<IpNet>>,
    times: Interned<Times>,
    on: Interned<OnLine>,
    obligations: Interned<Obligations>,
}

impl<'a> Gathering<'a> {
    fn new(bundle: &'a Bundle, bits: &'a ObligationBits<'a>) -> Self {
        Self {
            bundle,
            bits,
            schedule_ids: bundle
                .schedules
                .keys()
                .map(String::as_str)
                .zip(0..)
                .collect(),
            namespaces: Interned::new(),
            names: Interned::new(),
            sources: Interned::new(),
            times: Interned::new(),
            on: Interned::new(),
            obligations: Interned::new(),
        }
    }

    fn rule(&mut self, rule: &Rule) -> HotRule {
        let namespaces = rule.namespaces.as_ref().map(|line| NamespaceLine {
            names: Selection::of(&line.names, &|name| self.bundle.namespace_sets.get(name)),
            cluster_scoped: line.cluster_scoped,
        });
        let named = rule
            .named
            .as_ref()
            .map(|terms| Selection::of(terms, &|_| None));
        let source = rule
            .from
            .as_ref()
            .map(|terms| Selection::of(terms, &|name| self.bundle.cidr_sets.get(name)));
        let on = OnLine::of(self.bundle, &rule.on);
        let personal = namespaces
            .as_ref()
            .is_some_and(|line| line.names.is_personal())
            || named.as_ref().is_some_and(Selection::is_personal)
            || on.is_personal();
        HotRule {
            effect: rule.effect,
            reading: Reading::of(rule.effect),
            personal,
            open_namespaces: namespaces.as_ref().is_some_and(NamespaceLine::is_open),
            namespaces: namespaces.map_or(LineId::OMITTED, |line| self.namespaces.id(line)),
            named: named.map_or(LineId::OMITTED, |line| self.names.id(line)),
            source: source.map_or(LineId::OMITTED, |line| self.sources.id(line)),
            times: self
                .times(rule)
                .map_or(LineId::OMITTED, |line| self.times.id(line)),
            on: self.on.id(on),
            obligations: self.obligations(rule),
        }
    }

    fn times(&self, rule: &Rule) -> Option<Times> {
        let starts = match (rule.effect, &rule.mode) {
            (_, Mode::Enforce) | (Effect::Allow, _) => None,
            (Effect::Deny | Effect::Require, Mode::Shadow(until) | Mode::Off(until)) => {
                Some(*until)
            }
        };
        let expires = match rule.effect {
            Effect::Allow => rule.expires,
            Effect::Deny | Effect::Require => None,
        };
        let ids = |names: &Vec<String>| {
            names
                .iter()
                .map(|name| self.schedule_ids.get(plain_name(name)).copied())
                .collect()
        };
        let during = rule.during.as_ref().map(ids);
        let outside = rule.outside.as_ref().map(ids);
        let any = starts.is_some() || expires.is_some() || during.is_some() || outside.is_some();
        any.then_some(Times {
            starts,
            expires,
            during,
            outside,
        })
    }

    fn obligations(&mut self, rule: &Rule) -> LineId {
        let mut demands = Demands::default();
        for obligation in &rule.obligations {
            demands.add(obligation);
        }
        if demands.is_none() {
            return LineId::OMITTED;
        }
        let reason = demands.reason.as_ref();
        let tickets = reason.into_iter().flat_map(|reason| &reason.tickets);
        let bits = tickets
            .filter_map(|text| self.bits.tickets.get(text))
            .fold(0, |all, own| all | own.0);
        let masks = demands.masks.iter();
        let masks = masks
            .filter_map(|name| self.bits.masks.get(name))
            .fold(MaskSet::NONE, |all, own| all.union(*own));
        self.obligations.id(Obligations {
            masks,
            record: demands.record,
            reason_min: reason.map(|reason| reason.min),
            tickets: TicketSet(bits),
            session_limit_seconds: demands.session_limit_seconds,
        })
    }
}
