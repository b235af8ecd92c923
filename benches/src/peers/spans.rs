//! Where the values stand is found out; everything between is copied.

use std::ops::Range;

use anyhow::Result;
use gateway_masking::Step;
use jiter::Peek;
use rsonpath::engine::{Compiler as _, Engine as _, RsonpathEngine};
use rsonpath::input::BorrowedBytes;
use rsonpath::result::MatchSpan;

use super::{Job, Live, MARKER, Peer};

/// rsonpath: one query for each path.
pub struct Rsonpath {
    engines: Vec<RsonpathEngine>,
    spans: Vec<MatchSpan>,
}

/// jiter: its own walk, with everything skipped that no path is in.
#[derive(Debug)]
pub struct Jiter {
    job: Job,
    spans: Vec<Range<usize>>,
}

fn splice(document: &[u8], spans: impl IntoIterator<Item = Range<usize>>, out: &mut Vec<u8>) {
    let mut done = 0;
    for span in spans {
        out.extend_from_slice(document.get(done..span.start).unwrap_or_default());
        out.push(b'"');
        out.extend_from_slice(MARKER.as_bytes());
        out.push(b'"');
        done = span.end;
    }
    out.extend_from_slice(document.get(done..).unwrap_or_default());
}

impl Rsonpath {
    /// For this job.
    ///
    /// # Errors
    /// A path is more than it can do.
    pub fn new(job: &Job) -> Result<Self> {
        let mut engines = Vec::new();
        for path in &job.paths {
            let mut query = "$".to_owned();
            for step in path {
                match step {
                    Step::Key(name) => query.extend(["['", name, "']"]),
                    Step::AnyKey => query.push_str(".*"),
                    Step::AnyElement => query.push_str("[*]"),
                    Step::Element { .. } | Step::AnyDepth => {
                        anyhow::bail!("no bench asks for this step")
                    }
                }
            }
            let query = rsonpath_syntax::parse(&query)?;
            engines.push(RsonpathEngine::compile_query(&query)?);
        }
        Ok(Self {
            engines,
            spans: Vec::new(),
        })
    }
}

impl std::fmt::Debug for Rsonpath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rsonpath({})", self.engines.len())
    }
}

impl Peer for Rsonpath {
    fn name(&self) -> &'static str {
        "rsonpath"
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.spans.clear();
        for engine in &self.engines {
            let input = BorrowedBytes::new(document);
            engine.approximate_spans(&input, &mut self.spans)?;
        }
        if self.engines.len() > 1 {
            self.spans.sort_unstable_by_key(MatchSpan::start_idx);
        }
        let spans = self.spans.iter().map(|span| {
            // It may hold white space that follows.
            let value = document.get(span.start_idx()..span.end_idx());
            span.start_idx()..span.start_idx() + value.unwrap_or_default().trim_ascii_end().len()
        });
        splice(document, spans, out);
        Ok(())
    }
}

impl Jiter {
    /// For this job.
    #[must_use]
    pub fn new(job: &Job) -> Self {
        Self {
            job: job.clone(),
            spans: Vec::new(),
        }
    }
}

impl Peer for Jiter {
    fn name(&self) -> &'static str {
        "jiter"
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.spans.clear();
        let mut walk = jiter::Jiter::new(document);
        let peek = walk.peek()?;
        find(&mut walk, peek, &self.job.start(), &mut self.spans)?;
        walk.finish()?;
        splice(document, self.spans.iter().cloned(), out);
        Ok(())
    }
}

fn find(
    walk: &mut jiter::Jiter<'_>,
    peek: Peek,
    live: &Live<'_>,
    spans: &mut Vec<Range<usize>>,
) -> Result<()> {
    if live.is_masked() {
        let start = walk.current_index();
        walk.known_skip(peek)?;
        spans.push(start..walk.current_index());
        return Ok(());
    }
    match peek {
        Peek::Object if !live.is_dead() => {
            let mut key = walk.known_object()?;
            while let Some(name) = key {
                let next = live.member(name);
                let peek = walk.peek()?;
                find(walk, peek, &next, spans)?;
                key = walk.next_key()?;
            }
        }
        Peek::Array if !live.is_dead() => {
            let mut element = walk.known_array()?;
            while let Some(peek) = element {
                find(walk, peek, &live.element(), spans)?;
                element = walk.array_step()?;
            }
        }
        _ => walk.known_skip(peek)?,
    }
    Ok(())
}
