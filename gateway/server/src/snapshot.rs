//! What is judged by, put together and swapped whole.
//!
//! A bundle is read, decoded, tested and compiled before anything of it counts; a fault anywhere
//! keeps the last good state, is reported, and is counted. Keys and discovery arrive on their own
//! and make a new snapshot of the same bundle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use gateway_exchange::{
    ClusterSnapshot, Scopes, Snapshot, StaticIdentities, authenticator, still_allowed,
};
use gateway_identity::{Authenticator, CertificateSpec, LegacySpec};
use gateway_kubeapi::Scope;
use gateway_policy::compile::PolicySet;
use gateway_policy::decode::decode;
use gateway_policy::diagnostic::human;
use gateway_policy::model::{Bundle, Effect, Mode};

use crate::bundle::{DirectoryFault, Files, Fingerprint, fingerprint, read};
use crate::clock::Clock;
use crate::config::Config;
use crate::keys::Keys;
use crate::proxy::{LiveExchanges, certificates};
use crate::telemetry::{
    BundleStatus, Check, Metrics, PolicyStatus, Readiness, Rejection, Reload, RuleCounts,
};

/// BOUND: resources remembered from discovery per cluster; one more forgets all, which costs a
/// question each.
const SCOPES_MAX: usize = 10_000;

/// Makes snapshots.
#[derive(Clone)]
pub(crate) struct Publisher(Arc<Inner>);

struct Inner {
    snapshot: Arc<ArcSwap<Snapshot>>,
    parts: Mutex<Parts>,
    directory: PathBuf,
    every: Duration,
    clusters: Vec<String>,
    fixed: StaticIdentities,
    keys: Arc<Keys>,
    live: Arc<LiveExchanges>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    status: Arc<PolicyStatus>,
    clock: Clock,
}

#[derive(Default)]
struct Parts {
    epoch: u64,
    seen: Fingerprint,
    bundle: Option<Loaded>,
    scopes: BTreeMap<String, Arc<Scopes>>,
}

/// A bundle that passed everything.
struct Loaded {
    digest: String,
    policies: BTreeMap<String, Arc<PolicySet>>,
    authenticator: Arc<Authenticator>,
}

impl Publisher {
    pub(crate) fn new(
        config: &Config,
        keys: Arc<Keys>,
        live: Arc<LiveExchanges>,
        clock: Clock,
        shown: Shown,
    ) -> Result<Self, String> {
        let hosts = config
            .clusters
            .iter()
            .flat_map(|(name, cluster)| {
                cluster
                    .hosts
                    .iter()
                    .map(|host| (host.to_ascii_lowercase(), name.clone()))
            })
            .collect::<HashMap<_, _>>();
        let empty = Snapshot {
            epoch: 0,
            bundle_digest: String::new(),
            authenticator: Arc::new(Authenticator::default()),
            keys: Arc::default(),
            clusters: BTreeMap::new(),
            hosts: Arc::new(hosts),
        };
        Ok(Self(Arc::new(Inner {
            snapshot: Arc::new(ArcSwap::from_pointee(empty)),
            parts: Mutex::default(),
            directory: config.policy.directory.clone(),
            every: config.policy.every,
            clusters: config.clusters.keys().cloned().collect(),
            fixed: fixed_identities(config)?,
            keys,
            live,
            metrics: shown.metrics,
            readiness: shown.readiness,
            status: shown.status,
            clock,
        })))
    }

    pub(crate) fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.0.snapshot)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        // Nothing panics while the lock is held; were it so, the parts are still whole.
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the directory once; reads, checks and publishes on a change.
    pub(crate) fn look(&self) {
        let seen = match fingerprint(&self.0.directory) {
            Ok(seen) => seen,
            Err(fault) => return self.unreadable(&fault),
        };
        if self.parts().seen == seen {
            return self.0.metrics.reloaded(Reload::Unchanged);
        }
        match read(&self.0.directory) {
            Ok(files) => match self.load(&files) {
                Ok(loaded) => self.accept(loaded),
                Err(report) => self.reject(report),
            },
            Err(fault) => return self.unreadable(&fault),
        }
        self.parts().seen = seen;
    }

    fn unreadable(&self, fault: &DirectoryFault) {
        self.0.metrics.reloaded(Reload::Unreadable);
        tracing::error!(%fault, "policy source cannot be read");
        if self.parts().bundle.is_none() {
            self.0.readiness.set(&Check::Policy, Err(fault.to_string()));
        }
    }

    fn load(&self, files: &Files) -> Result<(Loaded, BundleStatus), String> {
        let (bundle, report) = decode(files);
        let bundle = bundle.ok_or_else(|| human(&report, files))?;
        let mut policies = BTreeMap::new();
        for cluster in &self.0.clusters {
            let policy = PolicySet::compile(&bundle, cluster)
                .map_err(|fault| format!("cluster `{cluster}`: {fault}"))?;
            policies.insert(cluster.clone(), Arc::new(policy));
        }
        let failed = gateway_policy::cases::failures(&bundle);
        if !failed.is_empty() {
            return Err(failed.join("\n"));
        }
        let authenticator = authenticator(&bundle.issuers, &self.0.fixed).map_err(|faults| {
            faults
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        })?;
        let issuers: Vec<(String, String)> = bundle
            .issuers
            .iter()
            .map(|issuer| (issuer.name.clone(), issuer.url.clone()))
            .collect();
        self.0.keys.keep(&issuers);
        let status = BundleStatus {
            name: bundle.name.clone(),
            digest: bundle.digest.clone(),
            source: self.0.directory.display().to_string(),
            published_at_micros: self.0.clock.micros(),
            rules: count(&bundle),
        };
        let loaded = Loaded {
            digest: bundle.digest.clone(),
            policies,
            authenticator: Arc::new(authenticator),
        };
        Ok((loaded, status))
    }

    fn accept(&self, (loaded, status): (Loaded, BundleStatus)) {
        tracing::info!(policy.revision = loaded.digest, rules = ?status.rules, "policy published");
        self.0.metrics.reloaded(Reload::Published);
        self.0.metrics.published(&loaded.digest, Instant::now());
        self.0.status.publish(status);
        self.parts().bundle = Some(loaded);
        self.publish(Epoch::Next);
        self.0.readiness.set(&Check::Policy, Ok(()));
    }

    fn reject(&self, report: String) {
        tracing::error!(report, "policy rejected; the last good one stays");
        self.0.metrics.reloaded(Reload::Rejected);
        if self.parts().bundle.is_none() {
            let why = "the bundle is rejected; see /policy/status".to_owned();
            self.0.readiness.set(&Check::Policy, Err(why));
        }
        self.0.status.reject(Rejection {
            at_micros: self.0.clock.micros(),
            report,
        });
    }

    /// Swaps a new snapshot in and judges every long-running exchange by it.
    fn publish(&self, epoch: Epoch) {
        let fresh = {
            let mut parts = self.parts();
            match epoch {
                Epoch::Next => parts.epoch += 1,
                Epoch::Same => {}
            }
            let Some(loaded) = &parts.bundle else { return };
            let clusters = loaded
                .policies
                .iter()
                .map(|(name, policy)| {
                    let cluster = ClusterSnapshot {
                        name: name.clone(),
                        policy: Arc::clone(policy),
                        scopes: parts.scopes.get(name).cloned().unwrap_or_default(),
                    };
                    (name.clone(), Arc::new(cluster))
                })
                .collect();
            let fresh = Arc::new(Snapshot {
                epoch: parts.epoch,
                bundle_digest: loaded.digest.clone(),
                authenticator: Arc::clone(&loaded.authenticator),
                keys: Arc::new(self.0.keys.ring()),
                clusters,
                hosts: Arc::clone(&self.0.snapshot.load().hosts),
            });
            // Stored under the lock, so that a slower publish cannot put an older state back.
            self.0.snapshot.store(Arc::clone(&fresh));
            fresh
        };
        let now = self.0.clock.micros();
        let ended = self.0.live.review(|long| still_allowed(long, &fresh, now));
        if ended > 0 {
            tracing::info!(exchanges = ended, "ended under the new policy");
        }
    }

    /// A token named a key that is not known.
    pub(crate) async fn fetch_keys(&self, issuer: &str) {
        self.0.keys.wanted(issuer).await;
        self.publish(Epoch::Same);
    }

    /// What discovery said of one group.
    pub(crate) fn learn_scopes(&self, cluster: &str, group: &str, found: Vec<(String, Scope)>) {
        {
            let mut parts = self.parts();
            let scopes = parts.scopes.entry(cluster.to_owned()).or_default();
            let mut fresh = Scopes::clone(scopes);
            if fresh.values().map(HashMap::len).sum::<usize>() + found.len() > SCOPES_MAX {
                fresh.clear();
            }
            fresh.entry(group.to_owned()).or_default().extend(found);
            *scopes = Arc::new(fresh);
        }
        self.publish(Epoch::Same);
    }

    /// Follows the directory, for ever.
    pub(crate) async fn follow_directory(self) {
        loop {
            tokio::time::sleep(self.0.every).await;
            let this = self.clone();
            // Decoding and testing a large bundle takes a while; the workers serve meanwhile.
            if let Err(error) = tokio::task::spawn_blocking(move || this.look()).await {
                tracing::error!(%error, "policy look failed");
            }
        }
    }

    /// Publishes when keys came or stopped counting, for ever.
    pub(crate) async fn follow_keys(self) {
        loop {
            self.0.keys.changed.notified().await;
            self.publish(Epoch::Next);
        }
    }
}

/// Where the publisher's doings are seen.
pub(crate) struct Shown {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) status: Arc<PolicyStatus>,
}

/// Whether what is remembered of credentials stays good.
#[derive(Clone, Copy)]
enum Epoch {
    Next,
    Same,
}

fn count(bundle: &Bundle) -> RuleCounts {
    let mut counts = RuleCounts::default();
    for rule in &bundle.rules {
        match (&rule.mode, rule.effect) {
            (Mode::Off(_), _) => {}
            (Mode::Shadow(_), _) => counts.shadow += 1,
            (Mode::Enforce, Effect::Allow) => counts.allow += 1,
            (Mode::Enforce, Effect::Deny) => counts.deny += 1,
            (Mode::Enforce, Effect::Require) => counts.require += 1,
        }
    }
    counts
}

fn fixed_identities(config: &Config) -> Result<StaticIdentities, String> {
    let mut authorities = Vec::new();
    for path in config
        .listeners
        .values()
        .filter_map(|listener| listener.tls.client_ca.as_ref())
    {
        for der in certificates(path).map_err(|fault| fault.to_string())? {
            if !authorities.contains(&der.to_vec()) {
                authorities.push(der.to_vec());
            }
        }
    }
    let certificates = config.certificates.as_ref().map(|mapping| CertificateSpec {
        name: mapping.name.clone(),
        kind: mapping.kind,
        authorities,
        username_prefix: mapping.username_prefix.clone(),
        groups_prefix: mapping.groups_prefix.clone(),
    });
    let legacy = config
        .legacy
        .iter()
        .map(|(name, token)| LegacySpec {
            name: name.clone(),
            hash: token.hash.clone(),
            username: token.user.clone(),
            groups: token.groups.clone(),
            expires_at: token.expires_at,
        })
        .collect();
    let reviewed: BTreeSet<String> = config
        .issuers
        .iter()
        .filter(|(_, issuer)| issuer.token_review.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    Ok(StaticIdentities {
        certificates: certificates.into_iter().collect(),
        legacy,
        reviewed,
    })
}
