//! Field paths against one another.

use gateway_masking::{FieldPath, Step};

/// The path with another one before it. `None` if it becomes longer than a path may be.
pub(super) fn below(prefix: &str, path: &FieldPath) -> Option<FieldPath> {
    let text = path.to_string();
    let whole = if path.steps().is_empty() {
        prefix.to_owned()
    } else if text.starts_with('[') {
        format!("{prefix}{text}")
    } else {
        format!("{prefix}.{text}")
    };
    FieldPath::parse(&whole).ok()
}

/// The path behind that first member.
pub(super) fn without(first: &str, path: &FieldPath) -> Option<FieldPath> {
    let (step, rest) = path.steps().split_first()?;
    if *step == Step::Key(first.into()) {
        of_steps(rest)
    } else {
        None
    }
}

/// The path of these steps.
fn of_steps(steps: &[Step]) -> Option<FieldPath> {
    let mut text = String::new();
    for step in steps {
        let dot = if text.is_empty() { "" } else { "." };
        let quoted = |name: &str| name.replace('\\', "\\\\").replace('\'', "\\'");
        match step {
            Step::Key(name) => text.push_str(&format!("['{}']", quoted(name))),
            Step::AnyKey => text.push_str(&format!("{dot}*")),
            Step::AnyDepth => text.push_str(&format!("{dot}**")),
            Step::AnyElement => text.push_str("[*]"),
            Step::Element { key, value } => {
                text.push_str(&format!("['{}'='{}']", quoted(key), quoted(value)));
            }
        }
    }
    FieldPath::parse(if text.is_empty() { "$" } else { &text }).ok()
}

/// Whether two steps may stand for one member or element.
fn may_be_one(a: &Step, b: &Step) -> bool {
    match (a, b) {
        (Step::Key(a), Step::Key(b)) => a == b,
        (Step::Key(_) | Step::AnyKey, Step::AnyKey)
        | (Step::AnyKey, Step::Key(_))
        | (Step::AnyElement | Step::Element { .. }, Step::AnyElement | Step::Element { .. })
        | (Step::AnyDepth, _)
        | (_, Step::AnyDepth) => true,
        (Step::Key(_) | Step::AnyKey, Step::AnyElement | Step::Element { .. })
        | (Step::AnyElement | Step::Element { .. }, Step::Key(_) | Step::AnyKey) => false,
    }
}

/// Whether a value of one path may be a value of the other, hold one or stand within one. Behind
/// `**` anything may.
pub(super) fn may_meet(a: &[Step], b: &[Step]) -> bool {
    for (a, b) in a.iter().zip(b) {
        if *a == Step::AnyDepth || *b == Step::AnyDepth {
            return true;
        }
        if !may_be_one(a, b) {
            return false;
        }
    }
    true
}

/// Whether the names of a place, indexes of elements among them, lead to a value of the path, into
/// one or to something that may hold one.
pub(super) fn touches(path: &FieldPath, segments: &[&str]) -> bool {
    touches_steps(path.steps(), segments)
}

fn touches_steps(steps: &[Step], segments: &[&str]) -> bool {
    for (step, segment) in steps.iter().zip(segments) {
        let fits = match step {
            Step::AnyDepth => return true,
            Step::Key(name) => **name == **segment,
            // Of elements too: the API server counts from the end where a number is negative.
            Step::AnyKey | Step::AnyElement | Step::Element { .. } => true,
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Whether the names of a place lead to a member by whose value the path chooses elements: who changes
/// it takes the element out of the path.
pub(super) fn chooses_by(path: &FieldPath, segments: &[&str]) -> bool {
    let steps = path.steps();
    steps.iter().enumerate().any(|(at, step)| {
        let Step::Element { key, .. } = step else {
            return false;
        };
        let before = steps.get(..=at).unwrap_or_default();
        let Some((last, place)) = segments.split_last() else {
            return false;
        };
        if **last != **key {
            return false;
        }
        // How long `**` is, nobody knows.
        before.contains(&Step::AnyDepth)
            || before.len() == place.len() && touches_steps(before, place)
    })
}

/// Whether every value at `asked` is a value of `path`, or stands within one where that counts.
pub(super) fn covers(path: &[Step], asked: &[Step], within: Within) -> bool {
    // Row by row from the end of the path: whether its rest covers the rest of what is asked.
    let ends = |left: &[Step]| left.is_empty() || within == Within::Too;
    let mut below: Vec<bool> = (0..=asked.len())
        .map(|at| ends(asked.get(at..).unwrap_or_default()))
        .collect();
    for (place, step) in path.iter().enumerate().rev() {
        let is_last = place + 1 == path.len();
        let mut row = vec![false; asked.len() + 1];
        for at in (0..=asked.len()).rev() {
            let behind = |row: &[bool]| row.get(at + 1).copied().unwrap_or(false);
            let covered = match (step, asked.get(at)) {
                // All within, but not the value itself.
                (Step::AnyDepth, wanted) if is_last => wanted.is_some(),
                (Step::AnyDepth, _) => below.get(at).copied().unwrap_or(false) || behind(&row),
                (_, Some(wanted)) => is_wider(step, wanted) && behind(&below),
                (_, None) => false,
            };
            if let Some(cell) = row.get_mut(at) {
                *cell = covered;
            }
        }
        below = row;
    }
    below.first().copied().unwrap_or(false)
}

/// Whether every member or element of `narrow` is one of `wide`. Neither is `**` in `wide`.
fn is_wider(wide: &Step, narrow: &Step) -> bool {
    match (wide, narrow) {
        (Step::AnyKey, Step::Key(_) | Step::AnyKey)
        | (Step::AnyElement, Step::AnyElement | Step::Element { .. }) => true,
        (Step::Key(_) | Step::Element { .. }, _) => wide == narrow,
        (Step::AnyKey | Step::AnyElement | Step::AnyDepth, _) => false,
    }
}

/// Whether a value within a masked one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// It does: what is around it is gone.
    Too,
    /// It does not.
    Not,
}

/// The values that are at both paths, as paths. `fixed` has no `**`.
pub(super) fn meet(path: &[Step], fixed: &[Step]) -> Vec<FieldPath> {
    let mut found = Vec::new();
    let mut taken = Vec::new();
    join(path, fixed, &mut taken, &mut found);
    let mut paths: Vec<FieldPath> = found.iter().filter_map(|steps| of_steps(steps)).collect();
    paths.sort();
    paths.dedup();
    paths
}

fn join(path: &[Step], fixed: &[Step], taken: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let (first, rest) = match path.split_first() {
        None if fixed.is_empty() => return found.push(taken.clone()),
        None => return,
        Some(split) => split,
    };
    if *first == Step::AnyDepth {
        if rest.is_empty() {
            if !fixed.is_empty() {
                found.push(taken.iter().chain(fixed).cloned().collect());
            }
            return;
        }
        join(rest, fixed, taken, found);
        if let Some((step, behind)) = fixed.split_first() {
            taken.push(step.clone());
            join(path, behind, taken, found);
            taken.pop();
        }
        return;
    }
    let Some((step, behind)) = fixed.split_first() else {
        return;
    };
    if !may_be_one(first, step) {
        return;
    }
    // The one that says more.
    let narrow = match first {
        Step::Key(_) | Step::Element { .. } => first,
        Step::AnyKey | Step::AnyElement | Step::AnyDepth => step,
    };
    taken.push(narrow.clone());
    join(rest, behind, taken, found);
    taken.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse(text).unwrap()
    }

    #[test]
    fn joins_paths_behind_a_prefix() {
        for (own, expected) in [
            ("spec.x", "a.b.spec.x"),
            ("$", "a.b"),
            ("['x/y'].z", "a.b['x/y'].z"),
            ("**.z", "a.b.**.z"),
        ] {
            assert_eq!(below("a.b", &path(own)), Some(path(expected)), "{own}");
        }
        assert_eq!(below("a.b", &path(&"x".repeat(255))), None);
    }

    #[test]
    fn finds_what_two_paths_share() {
        for (own, fixed, expected) in [
            ("data.*", "data.*", &["data.*"][..]),
            ("data.pw", "data.*", &["data.pw"]),
            ("*.pw", "data.*", &["data.pw"]),
            ("**.pw", "data.*", &["data.pw"]),
            ("**", "data.*", &["data.*"]),
            ("data.**", "data.*", &["data.*"]),
            ("data", "data.*", &[]),
            ("data.a.b", "data.*", &[]),
            ("spec.*", "data.*", &[]),
            ("data['a.b\\'c']", "data.*", &["data['a.b\\'c']"]),
            (
                "webhooks[name=x].ca",
                "webhooks[*].ca",
                &["webhooks[name=x].ca"],
            ),
        ] {
            let found = meet(path(own).steps(), path(fixed).steps());
            let expected: Vec<FieldPath> = expected.iter().map(|text| path(text)).collect();
            assert_eq!(found, expected, "{own} with {fixed}");
        }
    }

    #[test]
    fn covers_what_is_masked_everywhere_it_was_asked() {
        for (own, asked, not_within, within) in [
            ("data.*", "data.pw", true, true),
            ("data.*", "data.*", true, true),
            ("data.pw", "data.*", false, false),
            ("data", "data.pw", false, true),
            ("**.pw", "a.b.pw", true, true),
            ("a.**", "a.b[*].c", true, true),
            ("a.**", "a", false, false),
            ("a[*].b", "a[x=y].b", true, true),
            ("a[x=y].b", "a[*].b", false, false),
            ("a.**.b", "a.b", true, true),
            ("$", "a", false, true),
        ] {
            let (own, asked) = (path(own), path(asked));
            let found = |within| covers(own.steps(), asked.steps(), within);
            assert_eq!(found(Within::Not), not_within, "{own} {asked}");
            assert_eq!(found(Within::Too), within, "{own} {asked}");
        }
    }

    #[test]
    fn a_place_touches_what_it_holds_and_what_it_is_in() {
        for (own, place, expected) in [
            ("data.*", "data/pw", true),
            ("data.*", "data", true),
            ("data.*", "", true),
            ("data.*", "data/pw/x", true),
            ("data.*", "metadata/name", false),
            (
                "spec.containers[*].env[*].value",
                "spec/containers/0/env/1/value",
                true,
            ),
            ("spec.containers[*].env[*].value", "spec/containers/-", true),
            (
                "spec.containers[name=app].env[*].value",
                "spec/containers/-1/env/+0/value",
                true,
            ),
            (
                "spec.containers[*].env[*].value",
                "spec/containers/0/image",
                false,
            ),
            ("**.password", "a/b", true),
        ] {
            let segments: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
            assert_eq!(touches(&path(own), &segments), expected, "{own} {place}");
        }
    }

    #[test]
    fn knows_the_members_by_which_elements_are_chosen() {
        for (own, place, expected) in [
            ("a[name=x].b[key=y].c", "a/0/name", true),
            ("a[name=x].b[key=y].c", "a/-1/b/2/key", true),
            ("a[name=x].b[key=y].c", "a/0/key", false),
            ("a[name=x].b", "a/0", false),
            ("a[name=x].b", "a/0/name/deeper", false),
            ("a[*].name", "a/0/name", false),
            ("**.a[name=x].b", "q/r/a/0/name", true),
            ("$", "", false),
        ] {
            let segments: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
            assert_eq!(chooses_by(&path(own), &segments), expected, "{own} {place}");
        }
    }
}
