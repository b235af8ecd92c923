//! Everything an exchange judges by, compiled and immutable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gateway_identity::{Authenticator, Keyring, Outcome};
use gateway_kubeapi::{Caller, Scope};
use gateway_policy::compile::PolicySet;
use gateway_policy::masks::MaskSet;
use jiff::Timestamp;

use crate::admit::Judging;
use crate::input::Now;
use crate::masked::AnswerMask;
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

/// Why a long-running exchange must end by what `snapshot` says, if it must: its end has come, its
/// credential proves the same caller no more, or policy allows it no more.
#[must_use]
pub fn still_allowed(long: &LongRunning, snapshot: &Snapshot, now: Now) -> Option<EndCause> {
    if let Some(cause) = long.ended_at(now.micros) {
        return Some(cause);
    }
    let Some(caller) = proven_anew(long, snapshot, now) else {
        return Some(EndCause::CredentialRevoked);
    };
    let at = Timestamp::from_microsecond(now.micros).unwrap_or_default();
    let Some(cluster) = snapshot.clusters.get(&long.cluster) else {
        return Some(EndCause::PolicyChanged);
    };
    let rules = cluster.policy.identify(&caller);
    let mut masks = MaskSet::NONE;
    let allowed = long.attributes.iter().all(|attributes| {
        let verdict = cluster.policy.decide(&rules, attributes, at);
        masks = masks.union(verdict.obligations.masks);
        verdict.is_allowed()
    });
    if !allowed {
        return Some(EndCause::PolicyChanged);
    }
    let judging = Judging {
        cluster,
        caller: &caller,
        rules: &rules,
        reason: None,
        id: "",
        at,
    };
    // The caller lists anew and gets what is masked now.
    let mask = long
        .attributes
        .first()
        .and_then(|main| AnswerMask::of(judging, masks, main));
    let is_same = match (&mask, &long.masking) {
        (Some(now), Some(then)) => now.masking().masks_as(then),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    (!is_same).then_some(EndCause::PolicyChanged)
}

/// The caller as the credential proves it now. Upstream goes on acting as the user that it was told
/// of at the start, so that must be the same one.
fn proven_anew(long: &LongRunning, snapshot: &Snapshot, now: Now) -> Option<Arc<Caller>> {
    if long.epoch == snapshot.epoch {
        return Some(Arc::clone(&long.caller));
    }
    match long.credential.prove(snapshot, None, now) {
        Outcome::Proven(proof) if proof.caller.user == long.caller.user => {
            Some(Arc::new(proof.caller))
        }
        // The cluster that reviews these tokens is not asked again; the token's own end holds.
        Outcome::NeedsReview(_) => Some(Arc::clone(&long.caller)),
        Outcome::Proven(_) | Outcome::NeedsKeys { .. } | Outcome::Refused(_) => None,
    }
}
