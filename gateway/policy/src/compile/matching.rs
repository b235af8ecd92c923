//! Whether one rule matches one request: a few comparisons, none of which allocates.

use std::cell::Cell;

use gateway_kubeapi::{Attributes, NameScope, Target};
use jiff::Timestamp;

use super::PolicySet;
use super::bits::Bits;
use super::lines::{LineId, OnLine, Times};
use super::namespaces::{Certainty, Row};
use super::selection::Selection;
use crate::identify::{Part, Personal};
use crate::model::Effect;
use crate::pattern::Pattern;
use crate::schedule;
use crate::set::{Reading, address_in, prefix_holds, resource_in};
use crate::tri::Tri;

/// A rule in terms of the lines of its set. `who` is settled by `IdentityRules`, `can` and most of
/// `on` by the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HotRule {
    pub(crate) effect: Effect,
    pub(crate) reading: Reading,
    /// Attributes of the caller stand in its lines.
    pub(crate) personal: bool,
    /// Its `in` line has patterns that are neither a name nor a beginning.
    pub(crate) open_namespaces: bool,
    pub(crate) namespaces: LineId,
    pub(crate) named: LineId,
    pub(super) source: LineId,
    pub(super) times: LineId,
    pub(crate) on: LineId,
    pub(crate) obligations: LineId,
}

/// Whether the table has settled `on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The candidates are exactly the rules whose `on` holds.
    Exactly,
    /// The candidates may hold; the line is to be asked.
    Openly,
}

/// One request, with what is the same for all rules looked up once.
pub(crate) struct Request<'a> {
    set: &'a PolicySet,
    attributes: &'a Attributes,
    at: Timestamp,
    row: &'a Row,
    clock: Clock,
}

impl<'a> Request<'a> {
    pub(crate) fn new(set: &'a PolicySet, attributes: &'a Attributes, at: Timestamp) -> Self {
        let row = set.lines().row(&attributes.namespace);
        Self {
            set,
            attributes,
            at,
            row,
            clock: Clock::default(),
        }
    }

    /// Whether a rule of the row matches, given that its `who` and `can` hold.
    pub(crate) fn meets(&self, index: u32, rule: &HotRule, part: &Part, asked: Asked) -> bool {
        let personal = if rule.personal {
            part.personal(index)
        } else {
            None
        };
        self.meets_namespaces(rule, personal)
            && self.meets_names(rule, personal)
            && (rule.times == LineId::OMITTED || self.meets_times(rule))
            && (rule.source == LineId::OMITTED || self.meets_source(rule))
            && (asked == Asked::Exactly || self.meets_target(rule, personal))
    }

    /// The rules whose `in` line holds or may hold.
    pub(crate) fn row(&self) -> &'a Bits {
        &self.row.rules
    }

    /// Whether the `in` line of a rule of the row holds.
    fn meets_namespaces(&self, rule: &HotRule, personal: Option<&Personal>) -> bool {
        let is_settled = match self.row.certainty {
            Certainty::Settled => !rule.personal,
            Certainty::Openly => !rule.personal && !rule.open_namespaces,
            Certainty::Unsure => false,
        };
        if is_settled || rule.namespaces == LineId::OMITTED {
            return true;
        }
        let own = personal.and_then(|lines| lines.namespaces.as_ref());
        let line = own.or_else(|| self.set.lines().namespaces(rule.namespaces));
        let scope = &self.attributes.namespace;
        let answer = line.map_or(Tri::Unknown, |line| line.ask(scope, rule.reading));
        rule.reading.is_met_by(answer)
    }

    fn meets_names(&self, rule: &HotRule, personal: Option<&Personal>) -> bool {
        if rule.named == LineId::OMITTED {
            return true;
        }
        let own = personal.and_then(|lines| lines.named.as_ref());
        let line = own.or_else(|| self.set.lines().names(rule.named));
        let answer = line.map_or(Tri::Unknown, |line| self.ask_names(line, rule.reading));
        rule.reading.is_met_by(answer)
    }

    /// The second block of the table in policy-language §3.1.
    fn ask_names(&self, line: &Selection<Pattern>, reading: Reading) -> Tri {
        match (&self.attributes.name, reading) {
            (NameScope::One(name), _) => line.ask(reading, &|_, own| own.matches(name)),
            (NameScope::Prefix(prefix), _) => {
                line.ask(reading, &|reading, own| prefix_holds(reading, own, prefix))
            }
            (NameScope::Any, Reading::Covers) => Tri::False,
            (NameScope::Any, Reading::Touches) => Tri::True,
        }
    }

    fn meets_source(&self, rule: &HotRule) -> bool {
        let answer = match (self.set.lines().source(rule.source), self.attributes.source) {
            (Some(line), Some(address)) => line.ask(rule.reading, &|_, network| {
                address_in(network, address).into()
            }),
            // Sets that are not there aside, each network is unknown without an address.
            (Some(line), None) => line.ask(rule.reading, &|_, _| Tri::Unknown),
            (None, _) => Tri::Unknown,
        };
        rule.reading.is_met_by(answer)
    }

    fn meets_times(&self, rule: &HotRule) -> bool {
        let Some(times) = self.set.lines().times(rule.times) else {
            return false;
        };
        times.starts.is_none_or(|starts| starts <= self.at)
            && times.expires.is_none_or(|expires| self.at < expires)
            && self.meets_schedules(times, rule.reading)
    }

    fn meets_schedules(&self, times: &Times, reading: Reading) -> bool {
        let open = |ids: &[Option<u32>]| Tri::any(ids.iter().map(|id| self.is_open(*id)));
        let during = times
            .during
            .as_ref()
            .is_none_or(|ids| reading.is_met_by(open(ids)));
        during
            && times
                .outside
                .as_ref()
                .is_none_or(|ids| reading.is_met_by(!open(ids)))
    }

    fn is_open(&self, schedule: Option<u32>) -> Tri {
        let Some(id) = schedule else {
            return Tri::Unknown;
        };
        let Some(schedule) = self.set.lines().schedule(id) else {
            return Tri::Unknown;
        };
        self.clock
            .ask(id, || schedule::holds(schedule, self.at))
            .into()
    }

    fn meets_target(&self, rule: &HotRule, personal: Option<&Personal>) -> bool {
        let own_urls = personal.and_then(|lines| lines.urls.as_ref());
        let answer = match (self.set.lines().on(rule.on), &self.attributes.target) {
            (Some(OnLine::Everything), _) => Tri::True,
            (Some(OnLine::Resources(line)), Target::Resource(resource)) => {
                line.ask(rule.reading, &|_, own| resource_in(own, resource))
            }
            (Some(OnLine::Urls(line)), Target::Url(path)) => {
                let line = own_urls.unwrap_or(line);
                line.ask(rule.reading, &|_, own| own.matches(path))
            }
            (Some(OnLine::Resources(_)), Target::Url(_))
            | (Some(OnLine::Urls(_)), Target::Resource(_)) => Tri::False,
            (None, _) => Tri::Unknown,
        };
        rule.reading.is_met_by(answer)
    }
}

/// What each schedule says at the instant, asked at most once for the first 64.
#[derive(Default)]
struct Clock {
    asked: Cell<u64>,
    open: Cell<u64>,
}

impl Clock {
    fn ask(&self, schedule: u32, holds: impl Fn() -> bool) -> bool {
        let Some(bit) = 1_u64.checked_shl(schedule) else {
            return holds();
        };
        if self.asked.get() & bit == 0 {
            self.asked.set(self.asked.get() | bit);
            if holds() {
                self.open.set(self.open.get() | bit);
            }
        }
        self.open.get() & bit != 0
    }
}
