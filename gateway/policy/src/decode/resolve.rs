//! Names and what they stand for.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use crate::builtin;
use crate::diagnostic::{Code, Finding};
use crate::model::{Location, SECRET_LIKE, Term, Terms};
use crate::set::{SET_DEPTH_MAX, plain_name};
use crate::shape::nearest;

/// A space of names in which each stands for one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Space {
    /// `cluster` lines.
    Cluster,
    /// `issuer` blocks.
    Issuer,
    /// `group` blocks.
    Group,
    /// `identity` blocks.
    Identity,
    /// All kinds of sets and schedules: `"@x"` reads the same everywhere.
    Set,
    /// Allow, deny and require.
    Rule,
    /// `subject` blocks.
    Subject,
    /// `suite` blocks.
    Suite,
    /// `mask` blocks.
    Mask,
    /// `hmac-key` lines.
    MaskKey,
}

impl Space {
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Issuer => "issuer",
            Self::Group => "group",
            Self::Identity => "identity",
            Self::Set => "set",
            Self::Rule => "rule",
            Self::Subject => "subject",
            Self::Suite => "suite",
            Self::Mask => "mask",
            Self::MaskKey => "hmac-key",
        }
    }
}

/// Every name that is defined, and where.
#[derive(Debug, Default)]
pub(super) struct Definitions(BTreeMap<(Space, String), Location>);

impl Definitions {
    /// Takes down a name; the place of the first definition if there is one.
    pub(super) fn insert(&mut self, space: Space, name: &str, place: Location) -> Option<Location> {
        let key = (space, name.to_owned());
        if let Some(first) = self.0.get(&key) {
            return Some(first.clone());
        }
        self.0.insert(key, place);
        None
    }

    fn contains(&self, space: Space, name: &str) -> bool {
        self.0.contains_key(&(space, name.to_owned()))
    }

    fn names(&self, space: Space) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .filter(move |(own, _)| *own == space)
            .map(|(_, name)| name.as_str())
    }

    fn place(&self, space: Space, name: &str) -> Option<Location> {
        self.0.get(&(space, name.to_owned())).cloned()
    }
}

/// What a reference asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// `"@x"` on `in` or in a `namespace-set`.
    NamespaceSet,
    /// `"@x"` on `on` or in a `resource-set`.
    ResourceSet,
    /// `"@x"` on `can` or in a `verb-set`.
    VerbSet,
    /// `"@x"` on `from` or in a `cidr-set`.
    CidrSet,
    /// `"@x"` on `urls`.
    UrlSet,
    /// `"@x"` on `named`: there are no sets of names.
    NameSet,
    /// `"@x"` on `during` and `outside`.
    Schedule,
    /// A block.
    Block(Space),
    /// A file below `tests/`.
    Fixture,
}

impl Target {
    /// The space the name is looked up in; `None` for files.
    const fn space(self) -> Option<Space> {
        match self {
            Self::Block(space) => Some(space),
            Self::Fixture => None,
            Self::NamespaceSet
            | Self::ResourceSet
            | Self::VerbSet
            | Self::CidrSet
            | Self::UrlSet
            | Self::NameSet
            | Self::Schedule => Some(Space::Set),
        }
    }
}

/// A name that must be defined.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) to: Target,
    pub(super) name: String,
    pub(super) place: Location,
}

impl Draft<'_> {
    pub(super) fn resolve(&mut self) {
        let unknown = self.unreadable_spaces();
        for reference in std::mem::take(&mut self.references) {
            if reference
                .to
                .space()
                .is_some_and(|space| unknown.contains(&space))
            {
                continue;
            }
            if !self.is_defined(&reference) {
                let finding = self.undefined(&reference);
                self.report.add(finding);
            }
        }
        self.refuse_builtin_names();
        self.refuse_nesting();
    }

    /// Spaces of which a file could not be read in full: what is not defined may stand there.
    fn unreadable_spaces(&self) -> BTreeSet<Space> {
        let unreadable = self
            .files
            .keys()
            .filter(|path| self.report.is_unreadable(path));
        unreadable
            .flat_map(
                |path| match path.split(['/', '.']).next().unwrap_or_default() {
                    "bundle" => &[Space::Cluster][..],
                    "identities" => &[Space::Issuer, Space::Group, Space::Identity],
                    "sets" => &[Space::Set],
                    "guardrails" | "rules" => &[Space::Rule],
                    "tests" => &[Space::Subject],
                    "masks" => &[Space::Mask, Space::MaskKey],
                    _ => &[],
                },
            )
            .copied()
            .collect()
    }

    fn is_defined(&self, reference: &Reference) -> bool {
        let name = reference.name.as_str();
        if reference.to.space() == Some(Space::Set)
            && self.definitions.contains(Space::Set, name)
            && !self.is_decoded(name)
        {
            // The set has a fault of its own, which is reported where it stands.
            return true;
        }
        match reference.to {
            Target::NamespaceSet => self.bundle.namespace_sets.contains_key(name),
            Target::ResourceSet => {
                builtin::resource_set(name).is_some()
                    || self.bundle.resource_sets.contains_key(name)
            }
            Target::VerbSet => self.bundle.verb_sets.contains_key(name),
            Target::CidrSet => self.bundle.cidr_sets.contains_key(name),
            Target::UrlSet => builtin::url_set(name).is_some(),
            Target::NameSet => false,
            Target::Schedule => self.bundle.schedules.contains_key(name),
            Target::Block(Space::Mask) if name == SECRET_LIKE => true,
            Target::Block(space) => self.definitions.contains(space, name),
            Target::Fixture => self.files.contains_key(name),
        }
    }

    fn is_decoded(&self, set: &str) -> bool {
        let bundle = &self.bundle;
        bundle.namespace_sets.contains_key(set)
            || bundle.resource_sets.contains_key(set)
            || bundle.verb_sets.contains_key(set)
            || bundle.cidr_sets.contains_key(set)
            || bundle.schedules.contains_key(set)
    }

    fn undefined(&self, reference: &Reference) -> Finding {
        let Reference { to, name, place } = reference;
        let (code, what, known) = self.candidates(*to);
        let elsewhere = self.definitions.place(Space::Set, name);
        let message = match (to, &elsewhere) {
            (Target::Block(_) | Target::Fixture, _) => format!("{what} `{name}` is not defined"),
            (_, None) => format!("{what} `@{name}` is not defined"),
            (_, Some(_)) => format!("`@{name}` is no {what}"),
        };
        let mut finding = Finding::new(code, message, place.clone());
        if let (Some(place), Target::NamespaceSet | Target::ResourceSet) = (elsewhere.clone(), to) {
            finding = finding.also(place, "this is a set of another kind");
        }
        if let Some(close) = nearest(name, known.iter().map(String::as_str)) {
            return finding.label(format!("did you mean `{close}`?"));
        }
        if known.is_empty() {
            return finding.help(format!("no {what} is defined"));
        }
        finding.help(format!("defined are {}", known.join(", ")))
    }

    fn candidates(&self, to: Target) -> (Code, &'static str, Vec<String>) {
        let own = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
        let bundle = &self.bundle;
        let fixed = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        match to {
            Target::NamespaceSet => (
                Code::GP302,
                "namespace-set",
                own(bundle.namespace_sets.keys().collect()),
            ),
            Target::ResourceSet => {
                let mut known = own(bundle.resource_sets.keys().collect());
                known.extend(fixed(&builtin::RESOURCE_SETS));
                (Code::GP302, "resource-set", known)
            }
            Target::VerbSet => (
                Code::GP302,
                "verb-set",
                own(bundle.verb_sets.keys().collect()),
            ),
            Target::CidrSet => (
                Code::GP302,
                "cidr-set",
                own(bundle.cidr_sets.keys().collect()),
            ),
            Target::UrlSet => (Code::GP302, "set of urls", fixed(&builtin::URL_SETS)),
            Target::NameSet => (Code::GP302, "set of names", Vec::new()),
            Target::Schedule => (
                Code::GP302,
                "schedule",
                own(bundle.schedules.keys().collect()),
            ),
            Target::Block(space) => {
                let code = match space {
                    Space::Cluster => Code::GP306,
                    Space::Issuer => Code::GP308,
                    Space::Identity => Code::GP304,
                    Space::Set => Code::GP302,
                    // Groups are looked at by the check: a name without a block is a plain group.
                    Space::Group
                    | Space::Rule
                    | Space::Subject
                    | Space::Suite
                    | Space::Mask
                    | Space::MaskKey => Code::GP309,
                };
                let mut known: Vec<String> =
                    self.definitions.names(space).map(str::to_owned).collect();
                if space == Space::Mask {
                    known.push(SECRET_LIKE.to_owned());
                }
                (code, space.describe(), known)
            }
            Target::Fixture => {
                let known = self
                    .files
                    .keys()
                    .filter(|path| path.starts_with("tests/fixtures/"));
                (Code::GP309, "fixture", known.cloned().collect())
            }
        }
    }

    fn refuse_builtin_names(&mut self) {
        let builtin = builtin::RESOURCE_SETS
            .iter()
            .chain(&builtin::URL_SETS)
            .chain(&["cluster"]);
        for name in builtin {
            if let Some(place) = self.definitions.place(Space::Set, name) {
                let message = format!("set `{name}` has the name of a built-in set");
                self.report
                    .add(Finding::new(Code::GP301, message, place).help("rename it"));
            }
        }
        // Markers name a mask without its `@`, so the two could not be told apart.
        let builtin = plain_name(SECRET_LIKE);
        if let Some(place) = self.definitions.place(Space::Mask, builtin) {
            let message = format!("mask `{builtin}` has the name of a built-in mask");
            self.report
                .add(Finding::new(Code::GP301, message, place).help("rename it"));
        }
    }

    fn refuse_nesting(&mut self) {
        let bundle = &self.bundle;
        let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        add_edges(&mut edges, &bundle.namespace_sets);
        add_edges(&mut edges, &bundle.resource_sets);
        add_edges(&mut edges, &bundle.verb_sets);
        add_edges(&mut edges, &bundle.cidr_sets);
        for (name, nesting) in unsound(&edges) {
            let Some(place) = self.definitions.place(Space::Set, name) else {
                continue;
            };
            let (message, help) = match nesting {
                Nesting::Cyclic => (
                    format!("set `{name}` reaches itself through the sets it includes"),
                    "a set may name others, not itself, not even through them",
                ),
                Nesting::Deep => (
                    format!("set `{name}` is nested too deep"),
                    "at most seven sets of a bundle stand inside one another; name the values",
                ),
            };
            self.report
                .add(Finding::new(Code::GP307, message, place).help(help));
        }
    }
}

/// What is wrong with the sets a set names.
enum Nesting {
    Cyclic,
    Deep,
}

/// BOUND: sets reported for their nesting; finding out which is which takes a walk for each.
const UNSOUND_MAX: usize = 50;

fn add_edges<'a, T>(
    edges: &mut BTreeMap<&'a str, Vec<&'a str>>,
    sets: &'a BTreeMap<String, Terms<T>>,
) {
    for (name, terms) in sets {
        let all = terms.include.iter().chain(&terms.exclude);
        let names = all.filter_map(|term| match term {
            Term::Set(name) => Some(name.as_str()),
            Term::Value(_) => None,
        });
        edges.entry(name).or_default().extend(names);
    }
}

/// Sets that name others without end or too deep. Each round takes away the sets that name only sets
/// taken away before, so after as many rounds as sets may be nested, what is left is unsound. The
/// last round is for built-in sets, which stand in no bundle.
fn unsound<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>) -> Vec<(&'a str, Nesting)> {
    let mut left: BTreeSet<&str> = edges.keys().copied().collect();
    for _ in 1..SET_DEPTH_MAX {
        let sound = |name: &&str| {
            let named = edges.get(*name);
            named.is_none_or(|named| named.iter().all(|name| !left.contains(name)))
        };
        let round: Vec<&str> = left.iter().filter(|name| sound(name)).copied().collect();
        round.iter().for_each(|name| {
            left.remove(name);
        });
    }
    let nesting = |name: &str| {
        if reaches_itself(name, edges) {
            Nesting::Cyclic
        } else {
            Nesting::Deep
        }
    };
    left.into_iter()
        .take(UNSOUND_MAX)
        .map(|name| (name, nesting(name)))
        .collect()
}

fn reaches_itself(name: &str, edges: &BTreeMap<&str, Vec<&str>>) -> bool {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = edges.get(name).cloned().unwrap_or_default();
    while let Some(next) = open.pop() {
        if next == name {
            return true;
        }
        if seen.insert(next) {
            open.extend(edges.get(next).into_iter().flatten());
        }
    }
    false
}
