//! Anchored expressions over attribute values, in linear time.

use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::syntax;

// BOUND: an expression is written by hand and reviewed; the compiled form stays below a megabyte.
const PATTERN_BYTES_MAX: usize = 1024;
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// An expression a whole value must match. `regex-automata` searches in linear time, so no value
/// can make it slow.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Longer than the bound.
    #[error("the expression is longer than {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    /// Not an expression, or too large when compiled.
    #[error("the expression cannot be used: {0}")]
    Unusable(String),
}

impl Pattern {
    pub(crate) fn parse(written: &str) -> Result<Self, PatternFault> {
        if written.len() > PATTERN_BYTES_MAX {
            return Err(PatternFault::TooLong);
        }
        // It must stand on its own, or `a)|(b` would slip out of the anchors.
        build(written)?;
        // The line end closes a comment of an `(?x)` expression; there, and only there, blanks mean
        // nothing, so the plain form is tried first.
        build(&format!(r"\A(?:{written})\z"))
            .or_else(|_| build(&format!("\\A(?:{written}\n)\\z")))
            .map(Self)
    }

    pub(crate) fn matches(&self, value: &str) -> bool {
        self.0.is_match(value)
    }
}

fn build(pattern: &str) -> Result<Regex, PatternFault> {
    let config = Regex::config().nfa_size_limit(Some(COMPILED_BYTES_MAX));
    let built = Regex::builder()
        .configure(config)
        .syntax(syntax::Config::new())
        .build(pattern);
    built.map_err(|fault| PatternFault::Unusable(one_line(&fault)))
}

fn one_line(fault: &BuildError) -> String {
    let text = fault
        .syntax_error()
        .map_or_else(|| fault.to_string(), ToString::to_string);
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, value: &str, expected: bool) {
        let pattern = Pattern::parse(pattern).unwrap();
        assert_eq!(pattern.matches(value), expected, "{pattern:?} {value:?}");
    }

    #[test]
    fn matches_whole_values_only() {
        check("a|ab", "ab", true);
        check("^[a-z]+$", "abc", true);
        check("[a-z]+", "abc1", false);
        check("[a-z]+", "1abc", false);
        check("a", "a\n", false);
        check("(?m)^a$", "b\na", false);
        check("", "a", false);
        check("(?i)abc", "ABC", true);
        check("(?x) a b # comment", "ab", true);
        check("(?x) a b # comment", "ab\n", false);
        check(r"\p{L}+", "käse", true);
    }

    #[test]
    fn refuses_expressions_that_slip_out_of_the_anchors_or_explode() {
        for pattern in ["a)|(b", "(", "[", r"\1", "(?=a)", "(?:a{1000}){1000}"] {
            assert!(
                matches!(Pattern::parse(pattern), Err(PatternFault::Unusable(_))),
                "{pattern}"
            );
        }
        assert_eq!(
            Pattern::parse(&"a".repeat(1025)).unwrap_err(),
            PatternFault::TooLong
        );
    }
}
