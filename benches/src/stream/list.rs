//! A list too long to hold: made while it is sent, and made once more, as it must come masked.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};

use crate::corpus::Corpus;

/// In every value that is masked.
pub const CANARY: &str = "canary-4e1f";
/// What stands there afterwards.
const MARKER: &str = "countersign-masked:pods";
/// One item with its comma.
pub const ITEM_BYTES: usize = 10_000;
/// Items are these in turn, each with a number of its own.
const SHAPES: usize = 64;
const BLOCK_BYTES: usize = 64 * 1024;
/// A pod's name in the corpus ends with so many digits.
const NUMBER_DIGITS: usize = 9;
const HEAD: &[u8] =
    br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"91823"},"items":["#;
const TAIL: &[u8] = b"]}\n";
const NAME: &str = r#"{"metadata":{"name":"storefront-"#;
const ANNOTATIONS: &str = r#""annotations":{"#;
const VALUE: &str = r#"","value":""#;

/// One item but for its number.
#[derive(Debug)]
struct Shape {
    before: String,
    after: String,
    masked: String,
}

/// What the items are made of.
#[derive(Debug, Clone)]
pub struct Shapes(Arc<[Shape]>);

/// A list in pieces.
#[derive(Debug)]
pub struct PodList {
    shapes: Shapes,
    is_masked: bool,
    next: usize,
    count: usize,
    is_done: bool,
}

/// What a masked list is compared with, piece by piece.
#[derive(Debug)]
pub struct Expected {
    list: PodList,
    block: Bytes,
    taken: usize,
}

impl Shapes {
    /// All of them.
    ///
    /// # Errors
    /// The corpus has other Pods than it had.
    pub fn new() -> Result<Self> {
        let shapes: Result<Vec<Shape>> = Corpus::Pods
            .objects(SHAPES)
            .iter()
            .map(|pod| Shape::of(pod))
            .collect();
        Ok(Self(shapes?.into()))
    }

    /// A list of so many items as upstream gives it.
    #[must_use]
    pub fn list(&self, count: usize) -> PodList {
        PodList {
            shapes: self.clone(),
            is_masked: false,
            next: 0,
            count,
            is_done: false,
        }
    }

    /// The same list as it must arrive.
    #[must_use]
    pub fn expected(&self, count: usize, is_masked: bool) -> Expected {
        Expected {
            list: PodList {
                is_masked,
                ..self.list(count)
            },
            block: Bytes::new(),
            taken: 0,
        }
    }
}

impl Shape {
    fn of(pod: &str) -> Result<Self> {
        let rest = pod.strip_prefix(NAME).context("a Pod has a name")?;
        let rest = rest.get(NUMBER_DIGITS..).context("with a number")?;
        let rest = with_values(rest, |value| {
            format!("{CANARY}{}", value.get(CANARY.len()..).unwrap_or_default())
        });
        let (metadata, rest) = rest.split_once(ANNOTATIONS).context("and annotations")?;
        let padding = r#""bench.invalid/padding":"","#;
        let there = NAME.len() + NUMBER_DIGITS + metadata.len() + ANNOTATIONS.len() + rest.len();
        let missing = ITEM_BYTES.checked_sub(there + padding.len() + 1);
        let padding = padding.replace(
            r#":"""#,
            &format!(r#":"{}""#, "x".repeat(missing.context("a Pod is longer")?)),
        );
        let after = format!("{metadata}{ANNOTATIONS}{padding}{rest}");
        Ok(Self {
            before: NAME.to_owned(),
            masked: with_values(&after, |_| MARKER.to_owned()),
            after,
        })
    }
}

/// The text with each environment variable's value changed.
fn with_values(pod: &str, change: impl Fn(&str) -> String) -> String {
    let mut parts = pod.split(VALUE);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (value, rest) = part.split_once('"').unwrap_or((part, ""));
        text.extend([VALUE, &change(value), "\"", rest]);
    }
    text
}

impl Iterator for PodList {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.is_done {
            return None;
        }
        let mut block = BytesMut::with_capacity(BLOCK_BYTES + 2 * ITEM_BYTES);
        if self.next == 0 {
            block.put_slice(HEAD);
        }
        while block.len() < BLOCK_BYTES && self.next < self.count {
            if self.next > 0 {
                block.put_u8(b',');
            }
            let shape = self.shapes.0.get(self.next % SHAPES)?;
            block.put_slice(shape.before.as_bytes());
            block.put_slice(format!("{:09}", self.next).as_bytes());
            let after = if self.is_masked {
                &shape.masked
            } else {
                &shape.after
            };
            block.put_slice(after.as_bytes());
            self.next += 1;
        }
        if self.next == self.count {
            self.is_done = true;
            block.put_slice(TAIL);
        }
        Some(block.freeze())
    }
}

impl Expected {
    /// The next bytes that came.
    ///
    /// # Errors
    /// They are not those that must come.
    pub fn take(&mut self, mut piece: &[u8]) -> Result<()> {
        while !piece.is_empty() {
            if self.block.is_empty() {
                let block = self.list.next();
                self.block = block.with_context(|| format!("more than {} bytes", self.taken))?;
            }
            let length = piece.len().min(self.block.len());
            let (now, later) = piece.split_at(length);
            let wanted = self.block.split_to(length);
            ensure!(now == wanted, "other bytes after {}", self.taken);
            self.taken += length;
            piece = later;
        }
        Ok(())
    }

    /// How many bytes came.
    ///
    /// # Errors
    /// Not all did.
    pub fn end(mut self) -> Result<usize> {
        let is_whole = self.block.is_empty() && self.list.next().is_none();
        ensure!(is_whole, "it ended after {} bytes", self.taken);
        Ok(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_json_of_items_of_one_length() {
        let shapes = Shapes::new().unwrap();
        let text: Vec<u8> = shapes.list(100).flatten().collect();
        assert_eq!(text.len(), HEAD.len() + 100 * ITEM_BYTES - 1 + TAIL.len());
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read["items"].as_array().unwrap().len(), 100);
        assert_eq!(
            read["items"][99]["metadata"]["name"],
            "storefront-000000099"
        );
        let env = &read["items"][0]["spec"]["containers"][0]["env"];
        assert!(env[0]["value"].as_str().unwrap().starts_with(CANARY));
    }

    #[test]
    fn a_masked_list_has_no_canary_and_is_compared_at_any_split() {
        let shapes = Shapes::new().unwrap();
        let mut list = shapes.list(40);
        list.is_masked = true;
        let text: Vec<u8> = list.flatten().collect();
        assert!(!String::from_utf8_lossy(&text).contains(CANARY));
        let mut expected = shapes.expected(40, true);
        text.chunks(977)
            .try_for_each(|piece| expected.take(piece))
            .unwrap();
        assert_eq!(expected.end().unwrap(), text.len());
        let mut expected = shapes.expected(40, true);
        expected.take(&text[..100]).unwrap();
        assert!(expected.take(&text[..100]).is_err());
        assert!(expected.end().is_err());
    }
}
