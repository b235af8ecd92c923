//! What the writer needs of a place for events.

use std::io;

/// What must hold when a batch is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It survives the end of the process.
    Written,
    /// It survives the end of the machine.
    Synced,
}

/// A place for events.
pub(super) trait Sink: Send {
    /// Stores whole lines, all or none as far as the place allows. Without lines it only syncs.
    fn store(&mut self, lines: &[u8], durability: Durability) -> io::Result<()>;

    /// Looks the place up anew, because it was moved away or failed.
    fn reopen(&mut self) -> io::Result<()>;
}
