//! Other ways to mask the same values of the same documents.
//!
//! Each gets the whole document and gives the whole masked one; how much of it they change besides is
//! what `traps` finds out.

mod jq;
mod own;
mod spans;
mod tape;
mod values;

use anyhow::{Context as _, Result};
use gateway_masking::{FieldPath, Step};

pub use jq::{Jaq, Program};
pub use own::{Countersign, compile};
pub use spans::{Jiter, Rsonpath};
pub use tape::SimdTape;
pub use values::{SerdeValue, SimdValue, SonicValue};

/// `countersign-masked:bench` in base64: what the masker of the bench writes.
pub const MARKER: &str = "Y291bnRlcnNpZ24tbWFza2VkOmJlbmNo";

/// A tool and the masks it was made for.
pub trait Peer {
    /// In rows.
    fn name(&self) -> &'static str;

    /// Adds the masked document to `out`.
    ///
    /// # Errors
    /// The tool takes the text for broken.
    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()>;

    /// The same for a document that comes in pieces, if the tool can do that.
    fn mask_pieces(&mut self, _pieces: &[&[u8]], _out: &mut Vec<u8>) -> Option<Result<()>> {
        None
    }
}

/// Where the masked values stand in a document.
#[derive(Debug, Clone)]
pub struct Job {
    paths: Vec<Vec<Step>>,
}

impl Job {
    /// These paths of objects that stand at this place.
    ///
    /// # Errors
    /// A path cannot be read.
    pub fn new(place: &str, paths: &[&str]) -> Result<Self> {
        let read = |path: &&str| -> Result<Vec<Step>> {
            let path = FieldPath::parse(&format!("{place}.{path}"))?;
            Ok(path.steps().to_vec())
        };
        Ok(Self {
            paths: paths.iter().map(read).collect::<Result<_>>()?,
        })
    }

    fn start(&self) -> Live<'_> {
        Live(self.paths.iter().map(Vec::as_slice).collect())
    }
}

/// Every peer that is a library.
///
/// # Errors
/// One cannot do the job.
pub fn libraries(job: &Job) -> Result<Vec<Box<dyn Peer>>> {
    Ok(vec![
        Box::new(SerdeValue::new(job)),
        Box::new(SimdTape::new(job)),
        Box::new(SimdValue::new(job)),
        Box::new(SonicValue::new(job)),
        Box::new(Rsonpath::new(job).context("rsonpath")?),
        Box::new(Jiter::new(job)),
        Box::new(Jaq::new(job).context("jaq")?),
    ])
}

/// Every peer that is a program and installed.
#[must_use]
pub fn programs(job: &Job) -> Vec<Box<dyn Peer>> {
    ["jq", "gojq"]
        .into_iter()
        .filter_map(|program| Some(Box::new(Program::find(program, job)?) as Box<dyn Peer>))
        .collect()
}

/// What is left of the paths below some value; for tools that walk by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Live<'a>(Vec<&'a [Step]>);

impl<'a> Live<'a> {
    /// Nothing below can be masked.
    const fn is_dead(&self) -> bool {
        self.0.is_empty()
    }

    /// The value itself is masked.
    fn is_masked(&self) -> bool {
        self.0.iter().any(|rest| rest.is_empty())
    }

    fn below(&self, takes: impl Fn(&Step) -> bool) -> Self {
        let rest = |path: &&'a [Step]| {
            let (step, rest) = path.split_first()?;
            takes(step).then_some(rest)
        };
        Self(self.0.iter().filter_map(rest).collect())
    }

    fn member(&self, name: &str) -> Self {
        self.below(|step| match step {
            Step::Key(key) => **key == *name,
            Step::AnyKey => true,
            Step::AnyElement | Step::Element { .. } | Step::AnyDepth => false,
        })
    }

    fn element(&self) -> Self {
        self.below(|step| matches!(step, Step::AnyElement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The peers must do the job before it means anything how fast they do it.
    #[test]
    fn every_peer_masks_what_is_to_be_masked() {
        let document = br#"{"items":[{"data":{"a":"x","b":"y"},"env":[{"value":"z"}],"more":{"k.l/m":"w","n":1}},{"more":{"n":2}}]}"#;
        let expected: serde_json::Value = serde_json::from_str(&format!(
            r#"{{"items":[{{"data":{{"a":"{MARKER}","b":"{MARKER}"}},"env":[{{"value":"{MARKER}"}}],"more":{{"k.l/m":"{MARKER}","n":1}}}},{{"more":{{"n":2}}}}]}}"#
        ))
        .unwrap();
        let job = Job::new("items[*]", &["data.*", "env[*].value", "more['k.l/m']"]).unwrap();
        let mut peers = libraries(&job).unwrap();
        peers.extend(programs(&job));
        for mut peer in peers {
            let mut out = Vec::new();
            peer.mask(document, &mut out).unwrap();
            let masked: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(masked, expected, "{}", peer.name());
        }
    }
}
