//! What may be remembered of a proven credential, so that its signature is checked once and its
//! identity is matched against the rules once per revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_kubeapi::Caller;
use gateway_policy::identify::IdentityRules;

use crate::input::Micros;

/// A proven caller with the rules that concern it. The shell keys it by a digest of the credentials;
/// the exchange checks epoch and end on each use.
#[derive(Debug)]
pub struct KnownCaller {
    /// The caller.
    pub caller: Arc<Caller>,
    /// User names of earlier actors of a delegated token, the latest first: for audit only.
    pub prior_actors: Vec<String>,
    /// Rules by cluster.
    pub rules: BTreeMap<String, IdentityRules>,
    /// Void when the snapshot's epoch differs.
    pub epoch: u64,
    /// Void from this instant.
    pub valid_until: Micros,
}

impl KnownCaller {
    /// True if this may stand in for a check of the credential itself.
    #[must_use]
    pub fn is_valid(&self, epoch: u64, now: Micros) -> bool {
        self.epoch == epoch && now < self.valid_until
    }
}
