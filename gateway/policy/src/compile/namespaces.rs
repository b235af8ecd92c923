//! Which `in` lines hold for a namespace, as one row of bits.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use gateway_kubeapi::NamespaceScope;

use super::bits::Bits;
use super::selection::Selection;
use crate::pattern::Pattern;
use crate::set::{Reading, every_name};
use crate::tri::Tri;

/// Most bytes all rows may take. Past it there are none for names, and lines are asked one by one:
/// slower, not wrong.
const ROWS_BYTES_MAX: usize = 64 << 20;

/// An `in` line with its sets followed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NamespaceLine {
    pub(super) names: Selection<Pattern>,
    pub(super) cluster_scoped: bool,
}

impl NamespaceLine {
    /// The first block of the table in policy-language §3.1.
    pub(super) fn ask(&self, scope: &NamespaceScope, reading: Reading) -> Tri {
        let cluster = Tri::from(self.cluster_scoped);
        match (scope, reading) {
            (NamespaceScope::One(name), _) => self.names.ask(reading, &|_, own| own.matches(name)),
            (NamespaceScope::Every, _) => self.names.ask(reading, &every_name),
            (NamespaceScope::Cluster, _) => cluster,
            (NamespaceScope::EveryOrCluster, Reading::Covers) => {
                cluster.and(self.names.ask(reading, &every_name))
            }
            (NamespaceScope::EveryOrCluster, Reading::Touches) => {
                cluster.or(self.names.ask(reading, &every_name))
            }
        }
    }

    /// The line for one identity.
    pub(crate) fn resolve(&self, attributes: &crate::pattern::AttributeMap) -> Self {
        Self {
            names: self.names.resolve(attributes),
            cluster_scoped: self.cluster_scoped,
        }
    }
}

/// The rules whose `in` line holds for a scope, each read by its effect, or may hold.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) rules: Bits,
    pub(crate) certainty: Certainty,
}

/// For which rules of a row the line is to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// Only those in which attributes of the caller stand.
    Settled,
    /// Those, and lines with expressions or globs that are no mere beginning.
    Openly,
    /// All of them.
    Unsure,
}

/// Rows for every scope a request can have.
///
/// A namespace the bundle writes out has a row of its own. Any other is told apart by the longest
/// written `text*` it is in: of such globs it is in exactly those that this one is in, and it is
/// none of the written names, so only lines with other patterns are left to be asked.
#[derive(Debug)]
pub(crate) struct NamespaceRows {
    every: Row,
    cluster: Row,
    every_or_cluster: Row,
    named: HashMap<Box<str>, Row, FixedState>,
    /// By the text before the `*`; `""` is always there, unless rows were left out.
    beginnings: HashMap<Box<str>, Row, FixedState>,
    /// Lengths of those texts, the longest first.
    lengths: Vec<usize>,
    unsure: Row,
}

/// What a row needs to know of a rule.
pub(super) struct RowRule {
    /// Place of its line; `None` for a rule without.
    pub(super) line: Option<usize>,
    pub(super) reading: Reading,
}

impl NamespaceRows {
    pub(super) fn build(lines: &[NamespaceLine], rules: &[RowRule]) -> Self {
        Self::build_within(ROWS_BYTES_MAX, lines, rules)
    }

    fn build_within(bytes_max: usize, lines: &[NamespaceLine], rules: &[RowRule]) -> Self {
        let mut names = BTreeSet::new();
        let mut beginnings = BTreeSet::from([""]);
        for line in lines {
            line.names.each(&mut |pattern| {
                names.extend(pattern.as_literal());
                beginnings.extend(pattern.as_prefix());
            });
        }
        let building = Building { lines, rules };
        let row_bytes = rules.len().div_ceil(8).max(1);
        // A name without its row would be mistaken for one that is not written out.
        let is_affordable = names.len() + beginnings.len() <= bytes_max / row_bytes;
        if !is_affordable {
            names.clear();
            beginnings.clear();
        }
        let mut lengths: Vec<usize> = beginnings.iter().map(|text| text.len()).collect();
        lengths.sort_by(|a, b| b.cmp(a));
        lengths.dedup();
        Self {
            every: building.scope(&NamespaceScope::Every),
            cluster: building.scope(&NamespaceScope::Cluster),
            every_or_cluster: building.scope(&NamespaceScope::EveryOrCluster),
            named: names
                .into_iter()
                .map(|name| {
                    (
                        name.into(),
                        building.scope(&NamespaceScope::One(name.to_owned())),
                    )
                })
                .collect(),
            beginnings: beginnings
                .into_iter()
                .map(|text| (text.into(), building.beginning(text)))
                .collect(),
            lengths,
            unsure: building.row(Certainty::Unsure, |_, _| Tri::Unknown),
        }
    }

    pub(super) fn find(&self, scope: &NamespaceScope) -> &Row {
        match scope {
            NamespaceScope::One(name) => self.find_name(name),
            NamespaceScope::Every => &self.every,
            NamespaceScope::Cluster => &self.cluster,
            NamespaceScope::EveryOrCluster => &self.every_or_cluster,
        }
    }

    fn find_name(&self, name: &str) -> &Row {
        if let Some(row) = self.named.get(name) {
            return row;
        }
        let longest = self
            .lengths
            .iter()
            .find_map(|length| self.beginnings.get(name.get(..*length)?));
        longest.unwrap_or(&self.unsure)
    }
}

struct Building<'a> {
    lines: &'a [NamespaceLine],
    rules: &'a [RowRule],
}

impl Building<'_> {
    fn scope(&self, scope: &NamespaceScope) -> Row {
        self.row(Certainty::Settled, |line, reading| line.ask(scope, reading))
    }

    fn beginning(&self, text: &str) -> Row {
        let answer = |own: &Pattern| match (own.as_prefix(), own.as_literal()) {
            (Some(prefix), _) => text.starts_with(prefix).into(),
            (None, Some(_)) => Tri::False,
            (None, None) => Tri::Unknown,
        };
        self.row(Certainty::Openly, |line, reading| {
            line.names.ask(reading, &|_, own| answer(own))
        })
    }

    fn row(&self, certainty: Certainty, ask: impl Fn(&NamespaceLine, Reading) -> Tri) -> Row {
        let holds = |line: &NamespaceLine, reading: Reading| {
            let answer = ask(line, reading);
            if line.is_asked_again(certainty) {
                answer != Tri::False
            } else {
                reading.is_met_by(answer)
            }
        };
        let by_line: Vec<(bool, bool)> = self
            .lines
            .iter()
            .map(|line| (holds(line, Reading::Covers), holds(line, Reading::Touches)))
            .collect();
        let mut rules = Bits::new(self.rules.len());
        for (rule, index) in self.rules.iter().zip(0_u32..) {
            let (covers, touches) = rule
                .line
                .and_then(|line| by_line.get(line))
                .copied()
                .unwrap_or((true, true));
            let holds = match rule.reading {
                Reading::Covers => covers,
                Reading::Touches => touches,
            };
            if holds {
                rules.insert(index);
            }
        }
        Row { rules, certainty }
    }
}

impl NamespaceLine {
    /// Whether a row of that certainty leaves the line to be asked.
    pub(super) fn is_asked_again(&self, certainty: Certainty) -> bool {
        match certainty {
            Certainty::Settled => self.names.is_personal(),
            Certainty::Openly => self.is_open(),
            Certainty::Unsure => true,
        }
    }

    /// True if a pattern is neither a name nor a beginning.
    pub(super) fn is_open(&self) -> bool {
        let mut is_open = false;
        self.names.each(&mut |own| {
            is_open |= own.as_literal().is_none() && own.as_prefix().is_none();
        });
        is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Term, Terms};

    const LINES: [&str; 8] = [
        "shop", "shop-*", "shop-a*", "*", "*-x", "bank", "?hop", "{user.x}",
    ];

    fn lines() -> Vec<NamespaceLine> {
        let value = |text: &str| Term::Value(Pattern::glob(text).expect("a glob"));
        let line = |include: &str, exclude: Option<&str>| {
            let exclude = exclude.into_iter().map(value).collect();
            let terms = Terms {
                include: vec![value(include)],
                exclude,
            };
            NamespaceLine {
                names: Selection::of(&terms, &|_| None),
                cluster_scoped: false,
            }
        };
        let plain = LINES.iter().map(|include| line(include, None));
        let without = LINES.iter().flat_map(|include| {
            LINES
                .iter()
                .map(move |exclude| line(include, Some(exclude)))
        });
        plain.chain(without).collect()
    }

    /// A row holds every rule whose line holds, and where it is certain no other.
    fn check(rows: &NamespaceRows, lines: &[NamespaceLine], rules: &[RowRule], name: &str) {
        let scope = NamespaceScope::One(name.to_owned());
        let row = rows.find(&scope);
        for ((rule, line), index) in rules.iter().zip(lines).zip(0_u32..) {
            let holds = rule.reading.is_met_by(line.ask(&scope, rule.reading));
            let found = row.rules.contains(index);
            if line.is_asked_again(row.certainty) {
                assert!(found || !holds, "{name}: {line:?} is lost");
            } else {
                assert_eq!(found, holds, "{name}: {line:?}");
            }
        }
    }

    #[test]
    fn rows_agree_with_the_lines_they_stand_for() {
        let lines = lines();
        for reading in [Reading::Covers, Reading::Touches] {
            let rules: Vec<RowRule> = (0..lines.len())
                .map(|line| RowRule {
                    line: Some(line),
                    reading,
                })
                .collect();
            for bytes_max in [ROWS_BYTES_MAX, 0] {
                let rows = NamespaceRows::build_within(bytes_max, &lines, &rules);
                for name in [
                    "shop", "shop-", "shop-a", "shop-ab", "shop-x", "bank", "sho", "é", "",
                ] {
                    check(&rows, &lines, &rules, name);
                }
            }
        }
    }

    #[test]
    fn without_room_for_rows_every_line_is_asked() {
        let lines = lines();
        let rules = [RowRule {
            line: Some(0),
            reading: Reading::Covers,
        }];
        let rows = NamespaceRows::build_within(0, &lines, &rules);
        let row = rows.find(&NamespaceScope::One("bank".to_owned()));
        assert_eq!(row.certainty, Certainty::Unsure);
        assert!(row.rules.contains(0));
    }
}
