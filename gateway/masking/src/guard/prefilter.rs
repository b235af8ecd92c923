//! Which strings detectors need not read: a few passes over a whole window, at the speed of a vector
//! search, in place of an expression on each string.
//!
//! A text in which something is found holds one of the needles, or a long run of one class of bytes.
//! The same is true of a raw JSON string, in which escapes are not resolved: of the bytes that
//! needles and runs are made of, only `\u` could stand for one, and it is a needle itself.

#![forbid(unsafe_code)]

use regex_automata::util::prefilter::Prefilter as Search;
use regex_automata::util::syntax;
use regex_automata::{MatchKind, Span};

use super::Detector;

/// A string with at least so many bytes of a class in a row.
#[derive(Debug)]
struct Run {
    class: fn(u8) -> bool,
    length: usize,
}

impl Run {
    /// Looks at the last byte of each stretch first, and so at few of a text that has no run.
    fn is_in(&self, text: &[u8]) -> bool {
        let mut end = self.length;
        while let Some(stretch) = text.get(end - self.length..end) {
            match stretch.iter().rposition(|byte| !(self.class)(*byte)) {
                None => return true,
                Some(at) => end += at + 1,
            }
        }
        false
    }
}

/// What all detectors of a program look for.
#[derive(Debug, Default)]
pub(super) struct Prefilter {
    searches: Vec<Search>,
    runs: Vec<Run>,
    /// Some detector can find something in any text.
    reads_all: bool,
}

impl Detector {
    /// What a text that it finds something in holds at least one of.
    const fn needles(&self) -> &'static [&'static str] {
        match self {
            Self::Jwt => &["eyJ"],
            Self::Pem => &["-----BEGIN "],
            Self::AwsKey => &["AKIA", "ASIA", "ABIA", "ACCA"],
            Self::GithubToken => &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
            Self::SlackToken => &[
                "xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-",
            ],
            Self::Email | Self::Iban | Self::Card | Self::Pattern(_) => &[],
        }
    }

    const fn run(&self) -> Option<Run> {
        match self {
            Self::Iban => Some(Run {
                class: |byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' '),
                length: 15,
            }),
            Self::Card => Some(Run {
                class: |byte| matches!(byte, b'0'..=b'9' | b' ' | b'-'),
                length: 13,
            }),
            Self::Jwt
            | Self::Pem
            | Self::AwsKey
            | Self::GithubToken
            | Self::SlackToken
            | Self::Email
            | Self::Pattern(_) => None,
        }
    }
}

impl Prefilter {
    pub(super) fn new<'a>(detectors: impl Iterator<Item = &'a Detector>) -> Self {
        let mut filter = Self::default();
        let mut needles = vec![r"\u"];
        let mut finds_mail = false;
        let mut has_own = false;
        for detector in detectors {
            needles.extend(detector.needles());
            filter.runs.extend(detector.run());
            finds_mail |= *detector == Detector::Email;
            if let Detector::Pattern(pattern) = detector {
                has_own = true;
                filter.add_own(pattern);
            }
        }
        if finds_mail {
            filter.add(&["@"]);
        }
        if has_own {
            // What an own expression looks for may be written with any escape.
            filter.add(&[r"\"]);
        }
        needles.sort_unstable();
        needles.dedup();
        filter.add(&needles);
        filter
    }

    fn add(&mut self, needles: &[&str]) {
        match Search::new(MatchKind::LeftmostFirst, needles) {
            Some(search) => self.searches.push(search),
            None => self.reads_all = true,
        }
    }

    /// What every match of the expression begins with, if that is some literal.
    fn add_own(&mut self, pattern: &str) {
        let hir = syntax::parse_with(pattern, &super::syntax_config());
        let search = hir.ok();
        let search = search.and_then(|hir| Search::from_hir_prefix(MatchKind::LeftmostFirst, &hir));
        match search {
            Some(search) => self.searches.push(search),
            None => self.reads_all = true,
        }
    }

    /// Something may be found in this text or raw string.
    pub(super) fn may_find(&self, text: &[u8]) -> bool {
        let span = Span::from(0..text.len());
        self.reads_all
            || self.runs.iter().any(|run| run.is_in(text))
            || self
                .searches
                .iter()
                .any(|one| one.find(text, span).is_some())
    }
}

/// The needles of one window, found from its start to its end, once.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// Of each search the first needle that is not behind what was asked for.
    next: Vec<usize>,
}

impl Hits {
    /// For another window.
    pub(crate) fn clear(&mut self) {
        self.next.clear();
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.next.capacity() * size_of::<usize>()
    }

    /// Something may be found in the raw string at `span` of the window. Strings are asked for from
    /// the start of the window to its end.
    pub(super) fn may_find(&mut self, filter: &Prefilter, window: &[u8], span: Span) -> bool {
        if filter.reads_all {
            return true;
        }
        self.next.resize(filter.searches.len(), 0);
        let mut found = false;
        for (search, next) in filter.searches.iter().zip(&mut self.next) {
            if *next < span.start {
                let hit = search.find(window, Span::from(span.start..window.len()));
                *next = hit.map_or(usize::MAX, |hit| hit.start);
            }
            found |= *next < span.end;
        }
        let text = window.get(span.range()).unwrap_or_default();
        found || filter.runs.iter().any(|run| run.is_in(text))
    }
}
