//! Where bundles come from.

mod dir;

pub use dir::{DirectoryFault, Files, read as read_directory};
pub(crate) use dir::{FileState, Fingerprint, fingerprint, read_settled};
