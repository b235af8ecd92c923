//! The audit log: events in, JSON lines on disk, and a word when they are safe there.
//!
//! Callers put encoded events into a bounded queue; one thread writes them in batches. An event that
//! demands it is acknowledged after the sync of its batch, so that waiters share syncs (group
//! commit). See `docs/audit.md` for what an operator sees.
//!
//! INVARIANT 2: an event that cannot be stored refuses the write it covers.

mod file;
mod queue;
mod sink;
mod stdout;
mod writer;

use std::num::NonZeroU32;
use std::path::PathBuf;

pub use file::FileFault;
pub use queue::{AuditFault, AuditLog, AuditWriter, StartFault};

/// Where audit events go and what happens when they cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditConfig {
    /// The sink.
    pub sink: SinkConfig,
    /// What is refused while the sink fails.
    pub on_failure: OnFailure,
}

/// A place for audit events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkConfig {
    /// Standard output (`-`). Durable means: handed to whoever reads it.
    Stdout,
    /// A file. Durable means: on disk.
    File(FileConfig),
}

/// A file for audit events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// Its path.
    pub path: PathBuf,
    /// When it is put aside; `None` leaves that to `logrotate` and [`AuditLog::reopen`].
    pub rotation: Option<Rotation>,
}

/// When a file is put aside, and how many such files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file that would grow beyond this becomes `NAME.1`.
    pub file_bytes_max: u64,
    /// Files kept beside the current one. The oldest is deleted.
    pub kept_count_max: NonZeroU32,
}

/// What is refused while audit events cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Writes and sessions are refused; reads go on, and their lost events are counted.
    #[default]
    DenyWrites,
    /// Everything is refused.
    DenyAll,
}

#[cfg(test)]
mod tests;
