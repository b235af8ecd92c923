//! Values of a line: written out, taken out again (`"!x"`), or the name of a set (`"@x"`).

use gateway_kubeapi::Verb;
use ipnet::IpNet;

use super::Draft;
use super::resolve::Target;
use crate::diagnostic::{Code, Finding};
use crate::model::{ResourcePattern, Term, Terms, VerbTerm};
use crate::pattern::Pattern;
use crate::source::{Mark, Node, Scalar, Value};

/// One value, its sign taken off.
enum Signed<'a> {
    Include(&'a str),
    Exclude(&'a str),
}

impl Draft<'_> {
    /// One pattern, `(re)` or glob; no sign and no set.
    pub(super) fn pattern(&mut self, value: &Value) -> Option<Pattern> {
        let Scalar::Text(text) = &value.scalar else {
            return None;
        };
        let regex = match value.mark {
            None => false,
            Some(Mark::Regex) => true,
            Some(Mark::Quantity) => return None,
        };
        let made = if regex {
            Pattern::regex(text)
        } else {
            Pattern::glob(text)
        };
        match made {
            Ok(pattern) => Some(pattern),
            Err(fault) => {
                let finding = Finding::new(Code::GP204, fault.to_string(), value.location.clone());
                self.report.add(finding);
                None
            }
        }
    }

    /// Patterns of a line without `!` and `@`.
    pub(super) fn plain_patterns(&mut self, values: &[Value]) -> Option<Vec<Pattern>> {
        let mut all = Vec::new();
        for value in values {
            if value
                .text()
                .is_some_and(|text| text.starts_with(['!', '@']))
            {
                let message = "`!` and `@` have no meaning on this line";
                self.refuse(
                    message,
                    &value.location,
                    "use `not { … }`, or a group or identity block",
                );
                return None;
            }
            all.push(self.pattern(value)?);
        }
        Some(all)
    }

    /// Patterns with sets: `in`, `named`, `urls`, `namespace-set`.
    pub(super) fn pattern_terms(
        &mut self,
        values: &[Value],
        sets: Target,
    ) -> Option<Terms<Pattern>> {
        self.terms(values, sets, |draft, value, text| match value.mark {
            None => draft.glob(text, value),
            Some(Mark::Regex | Mark::Quantity) => draft.pattern(value),
        })
    }

    /// Resources: `on`, `resource-set`.
    pub(super) fn resource_terms(&mut self, values: &[Value]) -> Option<Terms<ResourcePattern>> {
        self.terms(values, Target::ResourceSet, |draft, value, text| {
            draft.resource(text, value)
        })
    }

    /// Verbs: `can`, `verb-set`.
    pub(super) fn verb_terms(&mut self, values: &[Value]) -> Option<Terms<VerbTerm>> {
        self.terms(values, Target::VerbSet, |_, _, text| verb(text))
    }

    /// Networks: `from`, `cidr-set`.
    pub(super) fn network_terms(&mut self, values: &[Value]) -> Option<Terms<IpNet>> {
        self.terms(values, Target::CidrSet, |_, _, text| {
            crate::shape::parse_network(text)
        })
    }

    /// The lines `include` and `exclude` of a set as one.
    pub(super) fn set_terms<T>(
        &mut self,
        node: &Node,
        read: impl Fn(&mut Self, &[Value]) -> Option<Terms<T>>,
    ) -> Option<Terms<T>> {
        let mut whole = Terms {
            include: Vec::new(),
            exclude: Vec::new(),
        };
        for line in node.lines("include") {
            let terms = read(self, &line.values)?;
            whole.include.extend(terms.include);
            whole.exclude.extend(terms.exclude);
        }
        for line in node.lines("exclude") {
            let terms = read(self, &line.values)?;
            if !terms.exclude.is_empty() {
                let help = "put what stays in on an `include` line";
                self.refuse("`!` on an `exclude` line", &line.location, help);
                return None;
            }
            whole.exclude.extend(terms.include);
        }
        Some(whole)
    }

    fn terms<T>(
        &mut self,
        values: &[Value],
        sets: Target,
        read: impl Fn(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<Terms<T>> {
        let mut terms = Terms {
            include: Vec::new(),
            exclude: Vec::new(),
        };
        let mut complete = true;
        for value in values {
            let Scalar::Text(text) = &value.scalar else {
                return None;
            };
            // An expression may begin with `!` or `@` and means it.
            let signed = match (value.mark, text.strip_prefix('!')) {
                (None, Some(rest)) => Signed::Exclude(rest),
                (Some(_), _) | (None, None) => Signed::Include(text),
            };
            let (Signed::Include(plain) | Signed::Exclude(plain)) = signed;
            let term = match (value.mark, plain.strip_prefix('@')) {
                (None, Some(name)) => {
                    self.refer(sets, name, &value.location);
                    Some(Term::Set(name.to_owned()))
                }
                (Some(_), _) | (None, None) => read(self, value, plain).map(Term::Value),
            };
            match (term, signed) {
                (Some(term), Signed::Include(_)) => terms.include.push(term),
                (Some(term), Signed::Exclude(_)) => terms.exclude.push(term),
                (None, _) => complete = false,
            }
        }
        complete.then_some(terms)
    }

    fn glob(&mut self, text: &str, value: &Value) -> Option<Pattern> {
        match Pattern::glob(text) {
            Ok(pattern) if !text.is_empty() => Some(pattern),
            Ok(_) => {
                self.report.add(Finding::new(
                    Code::GP204,
                    "empty pattern",
                    value.location.clone(),
                ));
                None
            }
            Err(fault) => {
                let finding = Finding::new(Code::GP204, fault.to_string(), value.location.clone());
                self.report.add(finding);
                None
            }
        }
    }

    /// `pods`, `deployments.apps/scale`, `*`, `*/*`, `nodes/*`.
    fn resource(&mut self, text: &str, value: &Value) -> Option<ResourcePattern> {
        let (whole, subresource) = match text.split_once('/') {
            Some((whole, subresource)) => (whole, Some(subresource)),
            None => (text, None),
        };
        let (resource, group) = match whole.split_once('.') {
            Some((resource, group)) => (resource, Some(group)),
            None if whole == "*" => (whole, None),
            None => (whole, Some("")),
        };
        let sound = |part: &str| {
            let plain = |c: char| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '*' | '?')
            };
            !part.is_empty() && part.chars().all(plain)
        };
        let versioned =
            group.is_some_and(|group| is_version(group.split('.').next().unwrap_or("")));
        if !sound(resource)
            || group.is_some_and(|group| !group.is_empty() && !sound(group))
            || (group == Some("") && whole.contains('.'))
            || subresource.is_some_and(|part| !sound(part))
            || versioned
        {
            let message = format!("`{text}` is no resource");
            let help = if versioned {
                "write the plural name and the API group, without the version: \"deployments.apps\""
            } else {
                "write the plural name: \"pods\", \"deployments.apps/scale\", \"nodes/*\", \"*/*\""
            };
            let finding = Finding::new(Code::GP204, message, value.location.clone());
            self.report.add(finding.help(help));
            return None;
        }
        let group = match group {
            None => None,
            Some("") => Some(Pattern::literal("")),
            Some(group) => Some(self.glob(group, value)?),
        };
        let subresource = match subresource {
            None => None,
            Some(part) => Some(self.glob(part, value)?),
        };
        Some(ResourcePattern {
            group,
            resource: self.glob(resource, value)?,
            subresource,
        })
    }
}

/// `v1`, `v2beta1`: an API version where a group belongs.
fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest
                .chars()
                .all(|c| c.is_ascii_digit() || "alphbet".contains(c))
    })
}

fn verb(text: &str) -> Option<VerbTerm> {
    match text {
        "read" => Some(VerbTerm::Read),
        "write" => Some(VerbTerm::Write),
        "all" => Some(VerbTerm::All),
        one => Verb::parse(one).map(VerbTerm::One),
    }
}
