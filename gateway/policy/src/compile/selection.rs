//! The values of a line with its sets followed.

use crate::model::{Term, Terms};
use crate::pattern::{AttributeMap, Pattern, Resolution};
use crate::set::{Reading, SET_DEPTH_MAX, plain_name};
use crate::tri::Tri;

/// `Terms` without names: what is in, minus what is out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Selection<T> {
    include: Vec<Node<T>>,
    exclude: Vec<Node<T>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Node<T> {
    Value(T),
    Nested(Selection<T>),
    /// A set that is not there or goes too deep.
    Unknown,
}

impl<T: Clone> Selection<T> {
    /// Follows the sets of a line.
    pub(crate) fn of<'a>(terms: &Terms<T>, find: &dyn Fn(&str) -> Option<&'a Terms<T>>) -> Self
    where
        T: 'a,
    {
        Self::follow(terms, find, SET_DEPTH_MAX)
    }

    fn follow<'a>(
        terms: &Terms<T>,
        find: &dyn Fn(&str) -> Option<&'a Terms<T>>,
        depth: usize,
    ) -> Self
    where
        T: 'a,
    {
        let node = |term: &Term<T>| match term {
            Term::Value(value) => Node::Value(value.clone()),
            Term::Set(name) => match (find(plain_name(name)), depth.checked_sub(1)) {
                (Some(set), Some(depth)) => Node::Nested(Self::follow(set, find, depth)),
                (None, _) | (_, None) => Node::Unknown,
            },
        };
        Self {
            include: terms.include.iter().map(node).collect(),
            exclude: terms.exclude.iter().map(node).collect(),
        }
    }
}

impl<T> Selection<T> {
    /// Evaluates the line; `ask` answers for one value.
    pub(crate) fn ask(&self, reading: Reading, ask: &impl Fn(Reading, &T) -> Tri) -> Tri {
        let included = Tri::any(self.include.iter().map(|node| node.ask(reading, ask)));
        match included {
            Tri::False => Tri::False,
            Tri::True | Tri::Unknown => {
                let turned = reading.turned();
                included.and(!Tri::any(
                    self.exclude.iter().map(|node| node.ask(turned, ask)),
                ))
            }
        }
    }

    /// Calls `see` with every value, those that are taken out included.
    pub(crate) fn each<'a>(&'a self, see: &mut impl FnMut(&'a T)) {
        for node in self.include.iter().chain(&self.exclude) {
            match node {
                Node::Value(value) => see(value),
                Node::Nested(selection) => selection.each(see),
                Node::Unknown => {}
            }
        }
    }
}

impl<T> Node<T> {
    fn ask(&self, reading: Reading, ask: &impl Fn(Reading, &T) -> Tri) -> Tri {
        match self {
            Self::Value(value) => ask(reading, value),
            Self::Nested(selection) => selection.ask(reading, ask),
            Self::Unknown => Tri::Unknown,
        }
    }
}

impl Selection<Pattern> {
    /// True if attributes of the caller decide what it holds.
    pub(crate) fn is_personal(&self) -> bool {
        let mut personal = false;
        self.each(&mut |pattern| personal |= pattern.is_personal());
        personal
    }

    /// The selection for one identity. A pattern whose attribute is missing stays as it is, which
    /// makes it unknown.
    pub(crate) fn resolve(&self, attributes: &AttributeMap) -> Self {
        let all = |nodes: &[Node<Pattern>]| {
            nodes
                .iter()
                .flat_map(|node| node.resolve(attributes))
                .collect()
        };
        Self {
            include: all(&self.include),
            exclude: all(&self.exclude),
        }
    }
}

impl Node<Pattern> {
    fn resolve(&self, attributes: &AttributeMap) -> Vec<Self> {
        match self {
            Self::Value(pattern) => match pattern.resolve(attributes) {
                Resolution::Unchanged(pattern) => vec![Self::Value(pattern.clone())],
                Resolution::Alternatives(patterns) => {
                    patterns.into_iter().map(Self::Value).collect()
                }
                Resolution::Unknown => vec![self.clone()],
            },
            Self::Nested(selection) => vec![Self::Nested(selection.resolve(attributes))],
            Self::Unknown => vec![Self::Unknown],
        }
    }
}
