//! The masker itself, asked as its peers are.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use gateway_masking::{Encoding, FieldPath, Kernel, MaskProgram, MaskRule, MaskSpec, Masker};
use gateway_masking::{Mount, Strategy};

use super::Peer;

/// `gateway-masking`.
#[derive(Debug)]
pub struct Countersign {
    program: Arc<MaskProgram>,
    kernel: Kernel,
}

/// The program that redacts these paths of the objects that stand at this place.
///
/// # Errors
/// A path cannot be read.
pub fn compile(paths: &[&str], mount: Mount) -> Result<Arc<MaskProgram>> {
    let mut rules = Vec::new();
    for path in paths {
        rules.push(MaskRule {
            mask: "bench".into(),
            path: FieldPath::parse(path)?,
            strategy: Strategy::Redact,
            encoding: Encoding::Base64,
        });
    }
    let spec = MaskSpec {
        rules,
        guards: Vec::new(),
        mounts: vec![mount],
    };
    Ok(Arc::new(MaskProgram::compile(&spec)?))
}

impl Countersign {
    /// With this program.
    #[must_use]
    pub const fn new(program: Arc<MaskProgram>, kernel: Kernel) -> Self {
        Self { program, kernel }
    }
}

impl Peer for Countersign {
    fn name(&self) -> &'static str {
        "countersign"
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.mask_pieces(&[document], out).unwrap_or(Ok(()))
    }

    fn mask_pieces(&mut self, pieces: &[&[u8]], out: &mut Vec<u8>) -> Option<Result<()>> {
        let mut masker = Masker::new(Arc::clone(&self.program), self.kernel);
        let mut masked = Vec::new();
        let pushed = pieces
            .iter()
            .try_for_each(|piece| masker.push(&Bytes::copy_from_slice(piece), &mut masked));
        out.extend(masked.iter().flatten());
        let finished = pushed.and_then(|()| masker.finish().map(|_| ()));
        Some(finished.map_err(Into::into))
    }
}
