//! Everything an exchange judges by, compiled and immutable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gateway_identity::{Authenticator, Keyring};
use gateway_kubeapi::Scope;
use gateway_policy::compile::PolicySet;
use jiff::Timestamp;

use crate::input::Micros;
use crate::output::{EndCause, LongRunning};

/// Scopes of resources beyond the built-in kinds: by API group, then plural. The version is not part
/// of the key: scope does not change between versions of one resource.
pub type Scopes = HashMap<String, HashMap<String, Scope>>;

/// One revision of everything. An exchange pins one at its start.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows when policy or keys change; what is remembered of a credential is void then.
    pub epoch: u64,
    /// Digest of the bundle, lower-case hex; empty before the first publish.
    pub bundle_digest: String,
    /// Who may be proven.
    pub authenticator: Arc<Authenticator>,
    /// By which keys.
    pub keys: Arc<Keyring>,
    /// Clusters by name; empty before the first publish.
    pub clusters: BTreeMap<String, Arc<ClusterSnapshot>>,
    /// Host name to cluster name, lower-case. A host never becomes an address (K-1.22).
    pub hosts: Arc<HashMap<String, String>>,
}

/// What is judged for one cluster.
#[derive(Debug)]
pub struct ClusterSnapshot {
    /// Name, as in the bundle.
    pub name: String,
    /// Compiled rules.
    pub policy: Arc<PolicySet>,
    /// What discovery said.
    pub scopes: Arc<Scopes>,
}

/// Why a long-running exchange must end under a newer snapshot, if it must.
#[must_use]
pub fn still_allowed(long: &LongRunning, snapshot: &Snapshot, now: Micros) -> Option<EndCause> {
    let at = Timestamp::from_microsecond(now).unwrap_or_default();
    let Some(cluster) = snapshot.clusters.get(&long.cluster) else {
        return Some(EndCause::PolicyChanged);
    };
    let rules = cluster.policy.identify(&long.caller);
    let allowed = long
        .attributes
        .iter()
        .all(|attributes| cluster.policy.decide(&rules, attributes, at).is_allowed());
    if allowed {
        long.ended_at(now)
    } else {
        Some(EndCause::PolicyChanged)
    }
}
