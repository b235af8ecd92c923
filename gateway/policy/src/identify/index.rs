//! Finding the `who` blocks that may hold for a caller.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use gateway_kubeapi::{Caller, CallerKind};

use super::condition::Condition;
use crate::compile::bits::Bits;
use crate::model::{Bundle, Rule, Who};
use crate::pattern::Pattern;
use crate::set::Reading;

/// What a caller must have for a block to hold. Ordered by how much it tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    User(Box<str>),
    Group(Box<str>),
    Issuer(Box<str>),
    Kind(CallerKind),
}

/// A distinct `who` block and the rules that have it.
#[derive(Debug)]
struct Block {
    condition: Condition,
    /// Allows: they count if the condition is true.
    granting: Vec<u32>,
    /// Denies and requires: they count unless the condition is false.
    limiting: Vec<u32>,
}

/// All `who` blocks of a set.
#[derive(Debug)]
pub(crate) struct WhoIndex {
    rule_count: usize,
    /// Rules about everyone.
    everyone: Vec<u32>,
    blocks: Vec<Block>,
    by_user: HashMap<Box<str>, Vec<u32>, FixedState>,
    by_group: HashMap<Box<str>, Vec<u32>, FixedState>,
    by_issuer: HashMap<Box<str>, Vec<u32>, FixedState>,
    by_kind: HashMap<CallerKind, Vec<u32>, FixedState>,
    /// Blocks nothing is known about without asking.
    unkeyed: Vec<u32>,
}

impl WhoIndex {
    pub(crate) fn build(bundle: &Bundle, rules: &[&Rule]) -> Self {
        let mut index = Self {
            rule_count: rules.len(),
            everyone: Vec::new(),
            blocks: Vec::new(),
            by_user: HashMap::default(),
            by_group: HashMap::default(),
            by_issuer: HashMap::default(),
            by_kind: HashMap::default(),
            unkeyed: Vec::new(),
        };
        let mut ids: HashMap<&[Who], u32, FixedState> = HashMap::default();
        for (rule, number) in rules.iter().zip(0_u32..) {
            let Some(who) = &rule.who else {
                index.everyone.push(number);
                continue;
            };
            let id = *ids
                .entry(who.as_slice())
                .or_insert_with(|| index.add(bundle, who));
            let Some(block) = index.blocks.get_mut(id as usize) else {
                continue;
            };
            match Reading::of(rule.effect) {
                Reading::Covers => block.granting.push(number),
                Reading::Touches => block.limiting.push(number),
            }
        }
        index
    }

    /// The rules whose `who` holds for the caller, each read by its effect.
    pub(super) fn holding(&self, caller: &Caller) -> Bits {
        let mut holds = Bits::new(self.rule_count);
        self.everyone.iter().for_each(|rule| holds.insert(*rule));
        let mut asked = Bits::new(self.blocks.len());
        let found = |list: Option<&Vec<u32>>| list.map_or(&[][..], Vec::as_slice).to_vec();
        let mut ask = |ids: Vec<u32>| {
            for id in ids {
                if !asked.contains(id) {
                    asked.insert(id);
                    self.ask(id, caller, &mut holds);
                }
            }
        };
        ask(self.unkeyed.clone());
        ask(found(self.by_user.get(caller.user.username.as_str())));
        ask(found(self.by_issuer.get(caller.issuer.as_str())));
        ask(found(self.by_kind.get(&caller.kind)));
        for group in &caller.user.groups {
            ask(found(self.by_group.get(group.as_str())));
        }
        holds
    }

    fn ask(&self, id: u32, caller: &Caller, holds: &mut Bits) {
        let Some(block) = self.blocks.get(id as usize) else {
            return;
        };
        let answer = block.condition.holds(caller);
        if Reading::Covers.is_met_by(answer) {
            block.granting.iter().for_each(|rule| holds.insert(*rule));
        }
        if Reading::Touches.is_met_by(answer) {
            block.limiting.iter().for_each(|rule| holds.insert(*rule));
        }
    }

    fn add(&mut self, bundle: &Bundle, who: &[Who]) -> u32 {
        let condition = Condition::of(bundle, who);
        let id = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        for key in keys(&condition).unwrap_or_default() {
            match key {
                Key::User(user) => self.by_user.entry(user).or_default().push(id),
                Key::Group(group) => self.by_group.entry(group).or_default().push(id),
                Key::Issuer(issuer) => self.by_issuer.entry(issuer).or_default().push(id),
                Key::Kind(kind) => self.by_kind.entry(kind).or_default().push(id),
            }
        }
        if keys(&condition).is_none() {
            self.unkeyed.push(id);
        }
        self.blocks.push(Block {
            condition,
            granting: Vec::new(),
            limiting: Vec::new(),
        });
        id
    }
}

/// Keys without any of which the condition is false, not merely unknown; `None` if there are no
/// such keys.
fn keys(condition: &Condition) -> Option<Vec<Key>> {
    match condition {
        Condition::User(patterns) => literals(patterns, Key::User),
        Condition::Group(patterns) => literals(patterns, Key::Group),
        Condition::Issuer(names) => Some(
            names
                .iter()
                .map(|name| Key::Issuer(name.as_str().into()))
                .collect(),
        ),
        Condition::Kind(kinds) => Some(kinds.iter().copied().map(Key::Kind).collect()),
        // One false part suffices, so the part that tells most is enough.
        Condition::All(parts) => parts
            .iter()
            .filter_map(keys)
            .min_by_key(|keys| weight(keys)),
        Condition::Any(parts) => {
            let all: Option<Vec<Vec<Key>>> = parts.iter().map(keys).collect();
            Some(all?.into_iter().flatten().collect())
        }
        Condition::Not(_)
        | Condition::ActingFor(_)
        | Condition::Attribute(..)
        | Condition::Named(..)
        | Condition::Unknown => None,
    }
}

fn literals(patterns: &[Pattern], key: fn(Box<str>) -> Key) -> Option<Vec<Key>> {
    patterns
        .iter()
        .map(|pattern| pattern.as_literal().map(|text| key(text.into())))
        .collect()
}

/// The less telling the least telling of them is, the worse; then the more there are.
fn weight(keys: &[Key]) -> (u8, usize) {
    let class = |key: &Key| match key {
        Key::User(_) => 0,
        Key::Group(_) => 1,
        Key::Issuer(_) => 2,
        Key::Kind(_) => 3,
    };
    (keys.iter().map(class).max().unwrap_or_default(), keys.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_conditions_have_no_key() {
        let user = || Condition::User(vec![Pattern::literal("ana")]);
        let unknown = || Condition::Unknown;
        assert!(keys(&unknown()).is_none());
        assert!(keys(&Condition::Any(vec![user(), unknown()])).is_none());
        assert!(keys(&Condition::All(vec![user(), unknown()])).is_some());
        assert!(keys(&Condition::All(Vec::new())).is_none());
    }
}
