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
use gateway_exchange::{ClusterSnapshot, Scopes, Snapshot, authenticator, still_allowed};
use gateway_identity::Authenticator;
use gateway_policy::compile::PolicySet;
use gateway_policy::decode::decode;
use gateway_policy::diagnostic::human;
use gateway_policy::model::{Bundle, Effect, Mode};

use crate::bundle::{Files, Fingerprint, fingerprint, read_settled};
use crate::clock::Clock;
use crate::config::Config;
use crate::identities::IdentitySources;
use crate::keys::{Keys, Wanted};
use crate::mask_keys::{KeyFiles, mask_keys};
use crate::proxy::LiveExchanges;
use crate::telemetry::{
    BundleStatus, Check, Metrics, PolicyStatus, Readiness, Rejection, Reload, RuleCounts,
};

/// How often long-running exchanges are judged again under the same policy, for rules with
/// `during` and `outside`.
const REVIEW_INTERVAL: Duration = Duration::from_secs(10);

/// Makes snapshots.
#[derive(Clone)]
pub(crate) struct Publisher(Arc<Inner>);

struct Inner {
    snapshot: Arc<ArcSwap<Snapshot>>,
    parts: Mutex<Parts>,
    directory: PathBuf,
    every: Duration,
    clusters: Vec<String>,
    identities: IdentitySources,
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
    seen: Seen,
    bundle: Option<Loaded>,
    scopes: BTreeMap<String, Arc<Scopes>>,
    /// The generation of the keys that are published.
    keys: u64,
}

/// What was read last, good or bad: nothing of it is read again until it changes.
#[derive(Default, Clone, PartialEq, Eq)]
struct Seen {
    bundle: Fingerprint,
    authorities: BTreeSet<Vec<u8>>,
    /// Of the bundle that was read last.
    mask_keys: KeyFiles,
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
    ) -> Self {
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
        Self(Arc::new(Inner {
            snapshot: Arc::new(ArcSwap::from_pointee(empty)),
            parts: Mutex::default(),
            directory: config.policy.directory.clone(),
            every: config.policy.every,
            clusters: config.clusters.keys().cloned().collect(),
            identities: IdentitySources::new(config),
            keys,
            live,
            metrics: shown.metrics,
            readiness: shown.readiness,
            status: shown.status,
            clock,
        }))
    }

    pub(crate) fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.0.snapshot)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        // Nothing panics while the lock is held; were it so, the parts are still whole.
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the bundle, at the keys of its masks and at the authorities of client certificates once;
    /// reads, checks and publishes on a change.
    pub(crate) fn look(&self) {
        let mut seen = match self.seen() {
            Ok(seen) => seen,
            Err(why) => return self.unreadable(why),
        };
        if self.parts().seen == seen {
            return self.0.metrics.reloaded(Reload::Unchanged);
        }
        match read_settled(&self.0.directory, &seen.bundle) {
            Ok(Some(files)) => match self.load(&files, &mut seen) {
                Ok(loaded) => self.accept(loaded),
                Err(report) => self.reject(report),
            },
            // The next look finds it whole, or changed again.
            Ok(None) => return,
            Err(fault) => return self.unreadable(fault.to_string()),
        }
        self.parts().seen = seen;
    }

    fn seen(&self) -> Result<Seen, String> {
        // Not under the lock: a mount may hang.
        let mask_keys = self.parts().seen.mask_keys.clone();
        Ok(Seen {
            bundle: fingerprint(&self.0.directory).map_err(|fault| fault.to_string())?,
            authorities: self.0.identities.authorities()?,
            mask_keys: mask_keys.again(),
        })
    }

    fn unreadable(&self, why: String) {
        self.0.metrics.reloaded(Reload::Unreadable);
        tracing::error!(why, "policy source cannot be read");
        if self.parts().bundle.is_none() {
            self.0.readiness.set(&Check::Policy, Err(why));
        }
    }

    fn load(&self, files: &Files, seen: &mut Seen) -> Result<(Loaded, BundleStatus), String> {
        let (bundle, report) = decode(files);
        let bundle = bundle.ok_or_else(|| human(&report, files))?;
        // Before they are read, so that a change meanwhile is not missed.
        seen.mask_keys = KeyFiles::of(&bundle);
        let keys = mask_keys(&bundle)?;
        let mut policies = BTreeMap::new();
        for cluster in &self.0.clusters {
            let policy = PolicySet::compile_with(&bundle, cluster, &keys)
                .map_err(|fault| format!("cluster `{cluster}`: {fault}"))?;
            policies.insert(cluster.clone(), Arc::new(policy));
        }
        let failed = gateway_policy::cases::failures(&bundle);
        if !failed.is_empty() {
            return Err(failed.join("\n"));
        }
        let fixed = self.0.identities.with(&seen.authorities);
        let authenticator = authenticator(&bundle.issuers, &fixed).map_err(|faults| {
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

    /// Swaps a new snapshot in. What can end a long-running exchange is judged by it.
    fn publish(&self, epoch: Epoch) {
        {
            let mut parts = self.parts();
            match epoch {
                Epoch::Next => parts.epoch += 1,
                Epoch::Same => {}
            }
            parts.keys = self.0.keys.generation();
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
            self.0.snapshot.store(fresh);
        }
        match epoch {
            Epoch::Next => self.review(),
            Epoch::Same => {}
        }
    }

    /// Judges every long-running exchange by the current snapshot.
    fn review(&self) {
        let snapshot = self.0.snapshot.load_full();
        let now = self.0.clock.now();
        let ended = self
            .0
            .live
            .review(|long| still_allowed(long, &snapshot, now));
        if ended > 0 {
            tracing::info!(exchanges = ended, "long exchanges ended");
        }
    }

    /// A token named a key that is not known. What came of it is published before this returns.
    pub(crate) async fn fetch_keys(&self, issuer: &str) {
        match self.0.keys.wanted(issuer).await {
            Wanted::Fetched => self.publish(Epoch::Same),
            // Anybody can name an unknown key: that alone must cost nothing. Keys that came a moment
            // ago may still be on their way into the snapshot.
            Wanted::TooSoon => {
                let is_behind = self.parts().keys != self.0.keys.generation();
                if is_behind {
                    self.publish(Epoch::Same);
                }
            }
        }
    }

    /// What discovery said of a cluster: all that it serves besides the built-in kinds.
    pub(crate) fn learn_scopes(&self, cluster: &str, found: Scopes) {
        {
            let mut parts = self.parts();
            let known = parts.scopes.entry(cluster.to_owned()).or_default();
            if **known == found {
                return;
            }
            *known = Arc::new(found);
        }
        self.publish(Epoch::Same);
    }

    /// Follows the directory, for ever.
    pub(crate) async fn follow_directory(self) {
        loop {
            tokio::time::sleep(self.0.every).await;
            let this = self.clone();
            off_the_workers("policy", move || this.look()).await;
        }
    }

    /// Publishes when keys came or stopped counting, for ever.
    pub(crate) async fn follow_keys(self) {
        loop {
            self.0.keys.changed.notified().await;
            let this = self.clone();
            off_the_workers("keys", move || this.publish(Epoch::Next)).await;
        }
    }

    /// Judges long-running exchanges again, for ever: time alone can end what a rule allows.
    pub(crate) async fn follow_time(self) {
        loop {
            tokio::time::sleep(REVIEW_INTERVAL).await;
            let this = self.clone();
            off_the_workers("review", move || this.review()).await;
        }
    }
}

/// Decoding a bundle or proving thousands of watches anew takes a while; the workers serve meanwhile.
async fn off_the_workers(what: &'static str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(what, %error, "background work failed");
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
