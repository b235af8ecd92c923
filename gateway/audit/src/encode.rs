//! An event as one line of JSON, and back.

use thiserror::Error;

use crate::event::Event;

impl Event {
    /// The event as one line: keys in the order of Kubernetes' own types, annotations by name, one
    /// newline at the end and none before it.
    ///
    /// # Errors
    ///
    /// If the event cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeFault> {
        let mut line = Vec::with_capacity(LINE_BYTES_USUAL);
        serde_json::to_writer(&mut line, self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// The event of a line, with or without its newline.
    ///
    /// # Errors
    ///
    /// If the line is not one event of this shape; unknown fields count.
    pub fn decode(line: &[u8]) -> Result<Self, DecodeFault> {
        Ok(serde_json::from_slice(line)?)
    }
}

/// Room for an ordinary line, so that encoding seldom grows its buffer.
const LINE_BYTES_USUAL: usize = 1536;

/// Why an event cannot be written.
#[derive(Debug, Error)]
#[error("the audit event cannot be written as JSON: {0}")]
pub struct EncodeFault(#[from] serde_json::Error);

/// Why a line is not an event.
#[derive(Debug, Error)]
#[error("the line is not an audit event: {0}")]
pub struct DecodeFault(#[from] serde_json::Error);
