//! The slow, obvious twin: reads a whole document, walks it by recursion, splices the output.
//!
//! It shares with the masker the spelling of replacements and nothing of how text is read, how paths
//! are matched or how bytes are handed on.

#![forbid(unsafe_code)]

mod parse;

use crate::apply;
use crate::guard::Guards;
use crate::path::{FieldPath, Step};
use crate::program::{Action, ActionKind, CompileFault, MaskProgram, MaskSpec, join};
use crate::text;
use parse::{Content, Value};

pub use parse::{is_document, is_stream};

/// One segment of the way from the root to a value.
#[derive(Debug, Clone, Copy)]
enum Segment<'a> {
    Key(&'a [u8]),
    /// The element, and how many of its members were read before the way went on.
    Element(&'a Value, usize),
}

/// Rules, ready to mask by the slow way.
pub struct Twin {
    spec: MaskSpec,
    guards: Guards,
    is_stream: bool,
}

impl std::fmt::Debug for Twin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Twin").finish_non_exhaustive()
    }
}

impl Twin {
    /// Of the rules that a program is compiled from.
    ///
    /// # Errors
    ///
    /// Where compiling them fails.
    pub fn new(spec: &MaskSpec) -> Result<Self, CompileFault> {
        Ok(Self {
            spec: spec.clone(),
            guards: Guards::compile(&spec.guards)?,
            is_stream: MaskProgram::compile(spec)?.is_stream(),
        })
    }

    /// Masks a body. `None` if it is not JSON.
    pub fn mask(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let documents = parse::documents(text, self.is_stream)?;
        let mut masking = Masking {
            text,
            spec: &self.spec,
            guards: &mut self.guards,
            out: Vec::new(),
        };
        let mut done = 0;
        for document in &documents {
            masking.copy(done, document.start);
            masking.value(document, &mut Vec::new());
            done = document.end;
        }
        masking.copy(done, text.len());
        Some(masking.out)
    }
}

struct Masking<'a, 'g> {
    text: &'a [u8],
    spec: &'a MaskSpec,
    guards: &'g mut Guards,
    out: Vec<u8>,
}

impl<'a> Masking<'a, '_> {
    fn copy(&mut self, from: usize, to: usize) {
        self.out
            .extend_from_slice(self.text.get(from..to).unwrap_or_default());
    }

    /// Writes a value that stays.
    fn value(&mut self, value: &'a Value, way: &mut Vec<Segment<'a>>) {
        let action = self.action(way);
        let raw = self
            .text
            .get(value.start + 1..value.end - 1)
            .unwrap_or_default();
        let guard = self.guard(way);
        match (&value.content, action, guard) {
            (Content::Null, _, _) => self.copy(value.start, value.end),
            (content, Some(action), guard) => {
                let text = self.replaced(content, &action, guard, raw);
                self.out.extend_from_slice(&text);
            }
            (Content::String, None, Some(guard)) => {
                let applied = apply::guard_all(self.guards, guard, raw);
                let applied = applied.unwrap_or_else(|| apply::unchanged(raw));
                self.out.extend_from_slice(&applied.text);
            }
            (Content::Object(_) | Content::Array(_), None, _) => self.container(value, way),
            (Content::String | Content::Number | Content::Boolean, None, _) => {
                self.copy(value.start, value.end);
            }
        }
    }

    fn replaced(
        &self,
        content: &Content,
        action: &Action,
        guard: Option<u32>,
        raw: &[u8],
    ) -> Vec<u8> {
        match content {
            Content::Null => b"null".to_vec(),
            Content::Number => b"0".to_vec(),
            Content::Boolean => b"false".to_vec(),
            Content::Object(_) => b"{}".to_vec(),
            Content::Array(_) => b"[]".to_vec(),
            Content::String if apply::reads_text(&action.kind) => {
                let applied = apply::action(action, raw);
                match guard {
                    Some(guard) => {
                        let raw = applied.text.get(1..applied.text.len() - 1);
                        apply::guard_all(self.guards, guard, raw.unwrap_or_default())
                            .unwrap_or(applied)
                            .text
                    }
                    None => applied.text,
                }
            }
            Content::String => action.text.to_vec(),
        }
    }

    fn container(&mut self, container: &'a Value, way: &mut Vec<Segment<'a>>) {
        let mut done = container.start;
        let mut kept = false;
        for (index, child) in container.children().iter().enumerate() {
            if let Some(Segment::Element(_, read)) = way.last_mut() {
                *read = index;
            }
            way.push(match &child.key {
                Some(key) => Segment::Key(key),
                None => Segment::Element(&child.value, 0),
            });
            let dropped = self.action(way).is_some_and(|action| is_drop(&action));
            match (child.comma, dropped) {
                (Some(comma), true) => self.copy(done, comma),
                (None, true) => self.copy(done, child.start),
                (Some(comma), false) if !kept => {
                    self.copy(done, comma);
                    self.copy(comma + 1, child.value.start);
                }
                (_, false) => self.copy(done, child.value.start),
            }
            if !dropped {
                kept = true;
                self.value(&child.value, way);
            }
            done = child.value.end;
            way.pop();
        }
        if let Some(Segment::Element(_, read)) = way.last_mut() {
            *read = 0;
        }
        self.copy(done, container.end);
    }

    fn action(&self, way: &[Segment<'_>]) -> Option<Action> {
        let rules = self.spec.rules.iter().enumerate();
        let found = rules.filter(|(_, rule)| self.at_some_mount(&rule.path, way, false));
        let indexes: Vec<usize> = found.map(|(index, _)| index).collect();
        join(&self.spec.rules, &indexes)
    }

    fn guard(&mut self, way: &[Segment<'_>]) -> Option<u32> {
        let mut indexes = Vec::new();
        for (index, guard) in self.spec.guards.iter().enumerate() {
            let all = FieldPath::root();
            let path = guard.within.as_ref().unwrap_or(&all);
            if self.at_some_mount(path, way, true) {
                indexes.push(index);
            }
        }
        self.guards.join(&indexes)
    }

    fn at_some_mount(&self, path: &FieldPath, way: &[Segment<'_>], below: bool) -> bool {
        self.spec.mounts.iter().any(|mount| {
            let mut steps = mount.steps();
            let ends_deep = path.steps().last() == Some(&Step::AnyDepth);
            steps.extend(path.steps().iter().cloned());
            if below && !ends_deep {
                steps.push(Step::AnyDepth);
            }
            matches(&steps, way, below || !ends_deep)
        })
    }
}

fn is_drop(action: &Action) -> bool {
    matches!(action.kind, ActionKind::Drop)
}

/// `end_may_be_empty`: a `**` at the end may stand for nothing.
fn matches(steps: &[Step], way: &[Segment<'_>], end_may_be_empty: bool) -> bool {
    let Some((step, later)) = steps.split_first() else {
        return way.is_empty();
    };
    if *step == Step::AnyDepth {
        if later.is_empty() {
            return end_may_be_empty || !way.is_empty();
        }
        return (0..=way.len()).any(|skipped| {
            matches(
                later,
                way.get(skipped..).unwrap_or_default(),
                end_may_be_empty,
            )
        });
    }
    let Some((segment, inner)) = way.split_first() else {
        return false;
    };
    let here = match (step, segment) {
        (Step::Key(name), Segment::Key(key)) => name.as_bytes() == *key,
        (Step::AnyKey, Segment::Key(_)) | (Step::AnyElement, Segment::Element(..)) => true,
        (Step::Element { key, value }, Segment::Element(element, read)) => {
            let read = if inner.is_empty() { 0 } else { *read };
            may_equal(element, read, key.as_bytes(), value.as_bytes())
        }
        (Step::Key(_) | Step::AnyKey, Segment::Element(..))
        | (Step::AnyElement | Step::Element { .. }, Segment::Key(_))
        | (Step::AnyDepth, _) => false,
    };
    here && matches(later, inner, end_may_be_empty)
}

/// After the first `read` members: the member was not read yet, or had the value once.
fn may_equal(element: &Value, read: usize, key: &[u8], value: &[u8]) -> bool {
    if !matches!(element.content, Content::Object(_)) {
        return false;
    }
    let members = element.children().iter().take(read);
    let mut found = members
        .filter(|member| member.key.as_deref() == Some(key))
        .peekable();
    found.peek().is_none() || found.any(|member| member.text.as_deref() == Some(value))
}

/// Escapes resolved, for [`parse`].
fn plain(raw: &[u8]) -> Box<[u8]> {
    text::unescape(raw).into()
}
