//! Who a caller is, as the bundle says it.

use gateway_kubeapi::Caller;

use crate::model::{Bundle, Who};
use crate::pattern::{AttributeMap, Pattern};
use crate::tri::Tri;

/// Deepest nesting of `any`, `not`, `acting-for` and identities. Deeper conditions, and identities
/// that name themselves, are *unknown*.
pub(crate) const WHO_DEPTH_MAX: usize = 16;

/// Whether all lines hold for the caller. `{user.x}` is the caller's attribute everywhere, so that
/// `acting-for { attr "team" "{user.team}" }` compares the two.
pub(crate) fn holds(bundle: &Bundle, lines: &[Who], caller: &Caller) -> Tri {
    holds_beside(bundle, lines, caller, &caller.attributes)
}

/// Whether all lines hold for somebody the caller with these attributes is looked at beside.
pub(crate) fn holds_beside(
    bundle: &Bundle,
    lines: &[Who],
    caller: &Caller,
    attributes: &AttributeMap,
) -> Tri {
    let asking = Asking { bundle, attributes };
    asking.all(lines, caller, WHO_DEPTH_MAX)
}

struct Asking<'a> {
    bundle: &'a Bundle,
    attributes: &'a AttributeMap,
}

impl Asking<'_> {
    fn all(&self, lines: &[Who], caller: &Caller, depth: usize) -> Tri {
        match depth.checked_sub(1) {
            Some(depth) => Tri::all(lines.iter().map(|line| self.line(line, caller, depth))),
            None => Tri::Unknown,
        }
    }

    fn line(&self, line: &Who, caller: &Caller, depth: usize) -> Tri {
        match line {
            Who::Identity(patterns) => {
                Tri::any(patterns.iter().map(|own| self.identity(own, caller, depth)))
            }
            Who::Group(patterns) => Tri::any(
                patterns
                    .iter()
                    .map(|own| self.group(own, &caller.user.groups)),
            ),
            Who::User(patterns) => self.one_of(patterns, &caller.user.username),
            Who::Kind(kinds) => kinds.contains(&caller.kind).into(),
            Who::Issuer(names) => names.contains(&caller.issuer).into(),
            Who::Attribute(name, patterns) => match caller.attributes.get(name) {
                Some(values) if !values.is_empty() => {
                    Tri::any(values.iter().map(|value| self.one_of(patterns, value)))
                }
                Some(_) | None => Tri::Unknown,
            },
            Who::ActingFor(lines) => match &caller.acting_for {
                Some(principal) => self.all(lines, principal, depth),
                None => Tri::False,
            },
            Who::Any(lines) => Tri::any(lines.iter().map(|line| {
                depth
                    .checked_sub(1)
                    .map_or(Tri::Unknown, |depth| self.line(line, caller, depth))
            })),
            Who::Not(lines) => !self.all(lines, caller, depth),
            Who::Anyone => Tri::True,
        }
    }

    /// True if a workload of a matching name is this caller. A text that no `identity` block
    /// answers to is unknown: it was meant to name somebody.
    fn identity(&self, pattern: &Pattern, caller: &Caller, depth: usize) -> Tri {
        let mut known = pattern.is_personal();
        let mut found = Tri::False;
        for block in &self.bundle.identities {
            let named = pattern.matches_for(&block.name, self.attributes);
            known |= named != Tri::False;
            found = found.or(named.and(self.all(&block.who, caller, depth)));
        }
        if known { found } else { Tri::Unknown }
    }

    fn group(&self, pattern: &Pattern, groups: &[String]) -> Tri {
        let block = self
            .bundle
            .groups
            .iter()
            .find(|block| block.name == pattern.as_str());
        let has = |own: &Pattern| {
            Tri::any(
                groups
                    .iter()
                    .map(|group| own.matches_for(group, self.attributes)),
            )
        };
        match block {
            Some(block) if !pattern.is_regex() => Tri::any(block.from.iter().map(has)),
            Some(_) | None => has(pattern),
        }
    }

    fn one_of(&self, patterns: &[Pattern], text: &str) -> Tri {
        Tri::any(
            patterns
                .iter()
                .map(|own| own.matches_for(text, self.attributes)),
        )
    }
}
