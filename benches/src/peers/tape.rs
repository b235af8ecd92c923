//! simd-json's tape, written out again with other values in it.

use anyhow::{Context as _, Result};
use simd_json::{Node, StaticNode};

use super::{Job, Live, MARKER, Peer};

/// `simd_json::to_tape_with_buffers`; the tape is walked once.
pub struct SimdTape {
    job: Job,
    buffers: simd_json::Buffers,
    copy: Vec<u8>,
}

impl std::fmt::Debug for SimdTape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimdTape({:?})", self.job)
    }
}

impl SimdTape {
    /// For this job.
    #[must_use]
    pub fn new(job: &Job) -> Self {
        Self {
            job: job.clone(),
            buffers: simd_json::Buffers::default(),
            copy: Vec::new(),
        }
    }
}

impl Peer for SimdTape {
    fn name(&self) -> &'static str {
        "simd-json tape"
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        // It rewrites its input, so that a copy belongs to the job.
        self.copy.clear();
        self.copy.extend_from_slice(document);
        let tape = simd_json::to_tape_with_buffers(&mut self.copy, &mut self.buffers)?;
        let mut writer = Writer {
            nodes: tape.0.iter(),
            out,
        };
        writer.value(&self.job.start())
    }
}

struct Writer<'a, 'input> {
    nodes: std::slice::Iter<'a, Node<'input>>,
    out: &'a mut Vec<u8>,
}

impl Writer<'_, '_> {
    fn value(&mut self, live: &Live<'_>) -> Result<()> {
        let node = self.nodes.next().context("the tape is short")?;
        if live.is_masked() {
            self.skip(node);
            self.text(MARKER);
            return Ok(());
        }
        match node {
            Node::String(text) => self.text(text),
            Node::Static(value) => self.constant(*value)?,
            Node::Object { len, .. } => {
                self.out.push(b'{');
                for number in 0..*len {
                    if number > 0 {
                        self.out.push(b',');
                    }
                    let key = self.nodes.next().context("the tape is short")?;
                    let Node::String(key) = key else {
                        anyhow::bail!("a key is text");
                    };
                    self.text(key);
                    self.out.push(b':');
                    self.below(live, |live| live.member(key))?;
                }
                self.out.push(b'}');
            }
            Node::Array { len, .. } => {
                self.out.push(b'[');
                for number in 0..*len {
                    if number > 0 {
                        self.out.push(b',');
                    }
                    self.below(live, Live::element)?;
                }
                self.out.push(b']');
            }
        }
        Ok(())
    }

    fn below<'l>(&mut self, live: &Live<'l>, step: impl Fn(&Live<'l>) -> Live<'l>) -> Result<()> {
        if live.is_dead() {
            self.value(live)
        } else {
            self.value(&step(live))
        }
    }

    fn skip(&mut self, node: &Node<'_>) {
        if let Node::Object { count, .. } | Node::Array { count, .. } = node
            && let Some(last) = count.checked_sub(1)
        {
            self.nodes.nth(last);
        }
    }

    /// Most text needs no escape.
    fn text(&mut self, text: &str) {
        let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        if text
            .as_bytes()
            .iter()
            .fold(false, |any, byte| any | special(byte))
        {
            // Into memory: cannot fail.
            drop(serde_json::to_writer(&mut *self.out, text));
        } else {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        }
    }

    fn constant(&mut self, value: StaticNode) -> Result<()> {
        match value {
            StaticNode::Null => self.out.extend_from_slice(b"null"),
            StaticNode::Bool(true) => self.out.extend_from_slice(b"true"),
            StaticNode::Bool(false) => self.out.extend_from_slice(b"false"),
            StaticNode::I64(number) => serde_json::to_writer(&mut *self.out, &number)?,
            StaticNode::U64(number) => serde_json::to_writer(&mut *self.out, &number)?,
            StaticNode::F64(number) => serde_json::to_writer(&mut *self.out, &number)?,
        }
        Ok(())
    }
}
