//! A bundle for one cluster, indexed so that a decision looks at few rules and allocates nothing.
//!
//! What can be settled without a request is settled here: rules of other clusters are left out,
//! sets are followed, distinct lines are kept once, each resource the bundle names gets its
//! candidates, each namespace it names gets a row of bits that says which lines hold for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::decide::{RuleIndex, TICKETS_MAX, TicketSet};
use crate::identify::WhoIndex;
use crate::masks::{MASKS_MAX, MaskKeys, MaskSet, MaskTable};
use crate::model::{Bundle, Effect, Mode, Obligation, Rule};
use crate::naive;
use crate::pattern::PatternFault;
use crate::set::Reading;

pub(crate) mod bits;
pub(crate) mod lines;
pub(crate) mod matching;
pub(crate) mod namespaces;
pub(crate) mod selection;
pub(crate) mod table;
mod ticket;

use lines::{Lines, ObligationBits};
use matching::HotRule;
use table::ResourceTable;
pub(crate) use ticket::Ticket;

/// Most rules in one cluster. Indexes are 32 bits wide and memory is about 1 KiB per rule; ten times
/// the size the targets of policy-language §11.3 are set for.
pub const RULES_MAX: usize = 100_000;

/// The rules of a bundle that concern one cluster, ready to decide.
///
/// It is immutable. `IdentityRules` belong to the set that made them.
pub struct PolicySet {
    stamp: Arc<Stamp>,
    /// The bundle with its rules in the order of the indexes; rules that can never count follow.
    bundle: Bundle,
    cluster: String,
    rules: Vec<HotRule>,
    lines: Lines,
    table: ResourceTable,
    who: WhoIndex,
    tickets: Vec<Ticket>,
    masks: MaskTable,
    has_shadow_rules: bool,
}

/// Tells sets apart by its address.
#[derive(Debug)]
pub(crate) struct Stamp;

/// Why a bundle cannot be compiled for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileFault {
    /// The bundle does not speak for the cluster.
    #[error("the bundle has no cluster `{cluster}`; add it to `bundle.kdl`")]
    UnknownCluster {
        /// The cluster.
        cluster: String,
    },
    /// Two rules have one id.
    #[error("two rules have the id `{id}`; rename one")]
    DuplicateRule {
        /// The id.
        id: String,
    },
    /// More rules than a set may have.
    #[error("the cluster has {count} rules and at most {RULES_MAX} are allowed; split the bundle")]
    TooManyRules {
        /// Their number.
        count: usize,
    },
    /// More ticket expressions than a verdict has bits for.
    #[error("the bundle has more than {TICKETS_MAX} ticket expressions; use one for several rules")]
    TooManyTickets,
    /// A ticket expression that is none.
    #[error("the ticket of rule `{rule}`: {fault}")]
    Ticket {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        fault: PatternFault,
    },
    /// More masks than a verdict has bits for.
    #[error("the bundle has more than {MASKS_MAX} masks; join masks that are always used together")]
    TooManyMasks,
    /// A mask that no block defines.
    #[error("rule `{rule}` names the mask `{mask}`, which is not defined")]
    UndefinedMask {
        /// The rule.
        rule: String,
        /// The mask.
        mask: String,
    },
    /// A key that the gateway does not have.
    #[error("mask `{mask}` needs the key `{key}` and it is not there; set {origin}")]
    MissingMaskKey {
        /// The key.
        key: String,
        /// The mask.
        mask: String,
        /// Where the bundle says it is.
        origin: String,
    },
    /// A key that is none.
    #[error(transparent)]
    MaskKey(#[from] gateway_masking::KeyFault),
    /// A mask that no program can hold.
    #[error("mask `{mask}`: {fault}")]
    Mask {
        /// The mask.
        mask: String,
        /// What is wrong with it.
        fault: gateway_masking::CompileFault,
    },
}

impl PolicySet {
    /// Compiles the rules of a bundle that concern a cluster, whose masks need no key.
    ///
    /// # Errors
    ///
    /// If the bundle does not name the cluster, names a rule twice, is past a bound or needs a key.
    pub fn compile(bundle: &Bundle, cluster: &str) -> Result<Self, CompileFault> {
        Self::compile_with(bundle, cluster, &MaskKeys::none())
    }

    /// Compiles the rules of a bundle that concern a cluster, with the keys of its masks.
    ///
    /// # Errors
    ///
    /// If the bundle does not name the cluster, names a rule twice, is past a bound, or if a mask
    /// needs a key that is not there.
    pub fn compile_with(
        bundle: &Bundle,
        cluster: &str,
        keys: &MaskKeys,
    ) -> Result<Self, CompileFault> {
        if !bundle.clusters.iter().any(|own| own.name == cluster) {
            return Err(CompileFault::UnknownCluster {
                cluster: cluster.to_owned(),
            });
        }
        let mut concerned: Vec<Rule> = bundle
            .rules
            .iter()
            .filter(|rule| concerns(bundle, cluster, rule))
            .cloned()
            .collect();
        // Rules that can never count go last, so that the indexes of the others are dense.
        concerned.sort_by(|a, b| {
            (!can_count(a), naive::order(a)).cmp(&(!can_count(b), naive::order(b)))
        });
        refuse_duplicates(&concerned)?;
        if concerned.len() > RULES_MAX {
            return Err(CompileFault::TooManyRules {
                count: concerned.len(),
            });
        }
        let has_shadow_rules = concerned.iter().any(|rule| match rule.mode {
            Mode::Shadow(_) => true,
            Mode::Enforce | Mode::Off(_) => false,
        });
        let bundle = Bundle {
            rules: concerned,
            ..shell(bundle)
        };
        let counting: Vec<&Rule> = bundle.rules.iter().filter(|rule| can_count(rule)).collect();
        let (tickets, ticket_bits) = intern_tickets(&counting)?;
        let masks = MaskTable::build(&bundle, cluster, keys)?;
        let obligations = ObligationBits {
            tickets: &ticket_bits,
            masks: mask_bits(&counting, &masks)?,
        };
        let (lines, rules) = Lines::build(&bundle, &counting, &obligations);
        let table = ResourceTable::build(&bundle, &counting);
        let who = WhoIndex::build(&bundle, &counting);
        Ok(Self {
            stamp: Arc::new(Stamp),
            cluster: cluster.to_owned(),
            rules,
            lines,
            table,
            who,
            tickets,
            masks,
            has_shadow_rules,
            bundle,
        })
    }

    /// Name of the bundle.
    #[must_use]
    pub fn bundle_name(&self) -> &str {
        &self.bundle.name
    }

    /// Digest of the bundle, lower-case hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.bundle.digest
    }

    /// The cluster it decides for.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// How many rules can count.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// True if there are shadow rules, so that `describe` has something to say about every request.
    #[must_use]
    pub const fn has_shadow_rules(&self) -> bool {
        self.has_shadow_rules
    }

    /// A rule as written. `None` for an index of another, larger set.
    #[must_use]
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.bundle.rules.get(index.0 as usize)
    }

    /// The rules of this cluster, with the blocks and sets they name; without tests.
    #[must_use]
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    pub(crate) fn rules(&self) -> &[HotRule] {
        &self.rules
    }

    pub(crate) const fn lines(&self) -> &Lines {
        &self.lines
    }

    pub(crate) const fn table(&self) -> &ResourceTable {
        &self.table
    }

    pub(crate) const fn who(&self) -> &WhoIndex {
        &self.who
    }

    pub(crate) const fn stamp(&self) -> &Arc<Stamp> {
        &self.stamp
    }

    pub(crate) const fn mask_table(&self) -> &MaskTable {
        &self.masks
    }

    pub(crate) fn tickets_in(&self, set: TicketSet) -> impl Iterator<Item = &Ticket> {
        self.tickets
            .iter()
            .enumerate()
            .filter(move |(bit, _)| set.0 >> bit & 1 == 1)
            .map(|(_, t)| t)
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySet")
            .field("bundle", &self.bundle.name)
            .field("digest", &self.bundle.digest)
            .field("cluster", &self.cluster)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

/// A rule of another cluster is left out; one whose cluster is unknown is read by its effect.
fn concerns(bundle: &Bundle, cluster: &str, rule: &Rule) -> bool {
    naive::clusters(bundle, cluster, rule)
        .is_none_or(|answer| Reading::of(rule.effect).is_met_by(answer))
}

/// Whether there is an instant at which the rule counts (`naive::standing`).
const fn can_count(rule: &Rule) -> bool {
    match (rule.effect, &rule.mode) {
        (Effect::Allow, Mode::Shadow(_) | Mode::Off(_)) => false,
        (Effect::Allow | Effect::Deny | Effect::Require, _) => true,
    }
}

fn refuse_duplicates(rules: &[Rule]) -> Result<(), CompileFault> {
    let mut seen = BTreeSet::new();
    match rules.iter().find(|rule| !seen.insert(&rule.id)) {
        Some(rule) => Err(CompileFault::DuplicateRule {
            id: rule.id.clone(),
        }),
        None => Ok(()),
    }
}

/// The bundle without rules and tests.
fn shell(bundle: &Bundle) -> Bundle {
    Bundle {
        name: bundle.name.clone(),
        digest: bundle.digest.clone(),
        clusters: bundle.clusters.clone(),
        owners: bundle.owners.clone(),
        lint: bundle.lint.clone(),
        issuers: bundle.issuers.clone(),
        groups: bundle.groups.clone(),
        identities: bundle.identities.clone(),
        namespace_sets: bundle.namespace_sets.clone(),
        resource_sets: bundle.resource_sets.clone(),
        verb_sets: bundle.verb_sets.clone(),
        cidr_sets: bundle.cidr_sets.clone(),
        schedules: bundle.schedules.clone(),
        mask_keys: bundle.mask_keys.clone(),
        masks: bundle.masks.clone(),
        rules: Vec::new(),
        tests: crate::model::Tests::default(),
    }
}

/// The bits of every mask the rules name.
fn mask_bits(
    rules: &[&Rule],
    table: &MaskTable,
) -> Result<BTreeMap<String, MaskSet>, CompileFault> {
    let mut bits = BTreeMap::new();
    for rule in rules {
        for obligation in &rule.obligations {
            let Obligation::Mask(names) = obligation else {
                continue;
            };
            for name in names {
                let set = table
                    .set_of(name)
                    .ok_or_else(|| CompileFault::UndefinedMask {
                        rule: rule.id.clone(),
                        mask: name.clone(),
                    })?;
                bits.insert(name.clone(), set);
            }
        }
    }
    Ok(bits)
}

fn intern_tickets(
    rules: &[&Rule],
) -> Result<(Vec<Ticket>, BTreeMap<String, TicketSet>), CompileFault> {
    let mut tickets = Vec::new();
    let mut bits = BTreeMap::new();
    for rule in rules {
        for obligation in &rule.obligations {
            let Obligation::Reason {
                ticket: Some(text), ..
            } = obligation
            else {
                continue;
            };
            if bits.contains_key(text) {
                continue;
            }
            if tickets.len() == TICKETS_MAX {
                return Err(CompileFault::TooManyTickets);
            }
            let ticket = Ticket::parse(text).map_err(|fault| CompileFault::Ticket {
                rule: rule.id.clone(),
                fault,
            })?;
            bits.insert(text.clone(), TicketSet(1 << tickets.len()));
            tickets.push(ticket);
        }
    }
    Ok((tickets, bits))
}
