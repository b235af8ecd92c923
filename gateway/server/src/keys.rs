//! Keys of issuers: fetched by discovery or read from a file, when the keyring says so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_identity::{
    DISCOVERY_BYTES_MAX, Discovery, JWKS_BYTES_MAX, KeyEvent, KeySet, Keyring, discovery_url,
};
use http::{HeaderMap, Method, Uri};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::clock::Clock;
use crate::config::IssuerConfig;
use crate::fetch::{Call, ClientTls, Fetcher};
use crate::proxy::certificates;
use crate::telemetry::{Check, Metrics, Readiness};

/// BOUND: one call to an issuer.
const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// How often the keyring is asked what is due.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Where the keys of one issuer come from.
#[derive(Clone)]
enum Source {
    Network {
        discovery: String,
        fetcher: Fetcher,
    },
    File(PathBuf),
    /// A cluster reviews the tokens; there are no keys.
    Review,
}

/// What came of a wish for newer keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A fetch was made, with or without success.
    Fetched,
    /// The last one was too short a time ago.
    TooSoon,
}

/// What is to be done about an unknown key.
enum Want<'a> {
    Fetch,
    /// A fetch is under way; this is its end.
    Await(Notified<'a>),
    /// The rules allow no fetch now.
    Nothing,
}

/// The keys of all issuers.
pub(crate) struct Keys {
    ring: Mutex<Keyring>,
    sources: Mutex<BTreeMap<String, (String, Source)>>,
    settings: BTreeMap<String, IssuerConfig>,
    clock: Clock,
    /// Told after each fetch that brought keys.
    pub(crate) changed: Notify,
    /// Told after every fetch, whatever came of it.
    settled: Notify,
    generation: AtomicU64,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

impl Keys {
    pub(crate) fn new(
        settings: BTreeMap<String, IssuerConfig>,
        clock: Clock,
        readiness: Arc<Readiness>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            ring: Mutex::new(Keyring::default()),
            sources: Mutex::new(BTreeMap::new()),
            settings,
            clock,
            changed: Notify::new(),
            settled: Notify::new(),
            generation: AtomicU64::new(0),
            readiness,
            metrics,
        }
    }

    fn now(&self) -> Duration {
        self.clock.uptime()
    }

    /// Follows the issuers of a new bundle: pairs of block name and URL.
    pub(crate) fn keep(&self, issuers: &[(String, String)]) {
        let mut sources = BTreeMap::new();
        for (name, url) in issuers {
            match self.source(name, url) {
                Ok(Source::Review) => {}
                // Blocks with one URL share its keys, so they share the check of the first of them.
                Ok(source) => {
                    sources.entry(url.clone()).or_insert_with(|| {
                        self.readiness.expect(&Check::Keys(name.clone()));
                        (name.clone(), source)
                    });
                }
                Err(why) => {
                    tracing::error!(issuer = name, why, "issuer cannot be used");
                    self.readiness.set(&Check::Keys(name.clone()), Err(why));
                }
            }
        }
        lock(&self.ring).keep(sources.keys().map(String::as_str));
        let names: Vec<&str> = issuers.iter().map(|(name, _)| name.as_str()).collect();
        self.metrics.keep_issuers(&names);
        for gone in lock(&self.sources).values().map(|(name, _)| name) {
            if !names.contains(&gone.as_str()) {
                self.readiness.forget(&Check::Keys(gone.clone()));
            }
        }
        *lock(&self.sources) = sources;
    }

    fn source(&self, name: &str, url: &str) -> Result<Source, String> {
        let settings = self.settings.get(name).cloned().unwrap_or_default();
        if settings.token_review.is_some() {
            return Ok(Source::Review);
        }
        if let Some(path) = settings.jwks {
            return Ok(Source::File(path));
        }
        let authorities = match &settings.ca {
            Some(path) => certificates(path)
                .map_err(|fault| fault.to_string())?
                .into_iter()
                .map(|der| der.to_vec())
                .collect(),
            None => Vec::new(),
        };
        let fetcher = Fetcher::new(&ClientTls {
            authorities,
            identity: None,
        })
        .map_err(|fault| fault.to_string())?;
        let discovery = settings.discovery.unwrap_or_else(|| discovery_url(url));
        Ok(Source::Network { discovery, fetcher })
    }

    /// How often keys were fetched. Looked at before [`Self::ring`].
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// All keys as they stand.
    pub(crate) fn ring(&self) -> Keyring {
        lock(&self.ring).clone()
    }

    /// A token named an unknown key: fetches, if the rules allow it now, and waits for a fetch that
    /// is already under way.
    pub(crate) async fn wanted(self: &Arc<Self>, url: &str) -> Wanted {
        match self.want(url) {
            Want::Fetch => self.fetch(url).await,
            Want::Await(settled) => {
                // The fetch ends within its own deadline, successful or not.
                if tokio::time::timeout(CALL_DEADLINE, settled).await.is_err() {
                    tracing::debug!(issuer.url = url, "fetch under way did not end in time");
                }
            }
            Want::Nothing => return Wanted::TooSoon,
        }
        Wanted::Fetched
    }

    /// What an unknown key amounts to now.
    fn want(&self, url: &str) -> Want<'_> {
        // Made before the look at the ring: a fetch that settles in between is not waited for in
        // vain.
        let settled = self.settled.notified();
        let mut ring = lock(&self.ring);
        ring.handle(url, KeyEvent::UnknownKey, self.now());
        match ring.cache(url) {
            Some(cache) if cache.is_due(self.now()) => Want::Fetch,
            Some(cache) if cache.is_in_flight() => Want::Await(settled),
            Some(_) | None => Want::Nothing,
        }
    }

    /// Fetches what is due, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let due: Vec<String> = lock(&self.ring)
                .due(self.now())
                .map(str::to_owned)
                .collect();
            for url in due {
                let this = Arc::clone(&self);
                // Each issuer on its own: a slow one does not keep the others waiting.
                tokio::spawn(async move { this.fetch(&url).await });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn fetch(&self, url: &str) {
        let Some((name, source)) = lock(&self.sources).get(url).cloned() else {
            return;
        };
        lock(&self.ring).handle(url, KeyEvent::Started, self.now());
        let fetched = match &source {
            Source::Network { discovery, fetcher } => from_network(url, discovery, fetcher).await,
            Source::File(path) => from_file(path).await,
            Source::Review => Err("tokens of this issuer are reviewed by a cluster".to_owned()),
        };
        let issuer = self.metrics.for_issuer(&name, Instant::now());
        let check = Check::Keys(name.clone());
        match fetched {
            Ok(keys) => {
                for skipped in keys.skipped() {
                    tracing::warn!(issuer = name, key = ?skipped, "key not usable");
                }
                issuer.fetched(Instant::now());
                self.readiness.set(&check, Ok(()));
                let mut ring = lock(&self.ring);
                // Under the lock: who sees the number and then takes the ring has these keys.
                self.generation.fetch_add(1, Ordering::SeqCst);
                ring.handle(url, KeyEvent::Fetched(Arc::new(keys)), self.now());
                drop(ring);
                self.changed.notify_one();
            }
            Err(why) => {
                tracing::warn!(issuer = name, why, "keys not fetched");
                issuer.failed();
                lock(&self.ring).handle(url, KeyEvent::Failed, self.now());
                let trusted = lock(&self.ring).trusted(url, self.now()).is_some();
                if !trusted {
                    self.readiness.set(&check, Err(why));
                    self.changed.notify_one();
                }
            }
        }
        self.settled.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while a lock is held; were it so, the value is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn from_network(issuer: &str, discovery: &str, fetcher: &Fetcher) -> Result<KeySet, String> {
    let document = get(fetcher, discovery, DISCOVERY_BYTES_MAX).await?;
    let document = Discovery::parse(&document, issuer).map_err(|fault| fault.to_string())?;
    let keys = get(fetcher, &document.jwks_uri, JWKS_BYTES_MAX).await?;
    KeySet::parse(&keys).map_err(|fault| fault.to_string())
}

async fn from_file(path: &PathBuf) -> Result<KeySet, String> {
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    KeySet::parse(&bytes).map_err(|fault| fault.to_string())
}

async fn get(fetcher: &Fetcher, url: &str, answer_bytes_max: usize) -> Result<Bytes, String> {
    let uri: Uri = url
        .parse()
        .map_err(|error| format!("`{url}` is not a URL: {error}"))?;
    let call = Call {
        method: Method::GET,
        uri,
        headers: HeaderMap::new(),
        body: Bytes::new(),
        answer_bytes_max,
        deadline: CALL_DEADLINE,
    };
    let (status, body) = fetcher
        .call(call)
        .await
        .map_err(|fault| fault.to_string())?;
    if status != http::StatusCode::OK {
        return Err(format!("`{url}` answered {status}"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://issuer.test.invalid";
    /// The public key of RFC 7517, appendix A.1.
    const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"1","alg":"ES256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

    /// The wait began after the look at the ring: a fetch that settled in between held its requests
    /// for the whole deadline.
    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_settles_right_after_it_was_seen_is_not_waited_for() {
        let clock = Clock::start();
        let metrics = Arc::new(Metrics::new(Instant::now()).unwrap());
        let readiness = Arc::new(Readiness::new());
        let keys = Keys::new(BTreeMap::new(), clock, readiness, metrics);
        lock(&keys.ring).keep([URL]);
        lock(&keys.ring).handle(URL, KeyEvent::Started, keys.now());
        let Want::Await(settled) = keys.want(URL) else {
            panic!("a fetch is under way")
        };
        keys.settled.notify_waiters();
        let waited = tokio::time::timeout(CALL_DEADLINE, settled).await;
        assert!(waited.is_ok());
    }

    /// Keys that were fetched and not yet published were taken for none: the first token after a
    /// start or a rotation could be refused.
    #[tokio::test]
    async fn fetched_keys_are_told_from_published_ones() {
        let metrics = Arc::new(Metrics::new(Instant::now()).unwrap());
        let readiness = Arc::new(Readiness::new());
        let keys = Keys::new(BTreeMap::new(), Clock::start(), readiness, metrics);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), JWKS).unwrap();
        let source = Source::File(file.path().to_owned());
        lock(&keys.ring).keep([URL]);
        lock(&keys.sources).insert(URL.to_owned(), ("one".to_owned(), source));
        assert_eq!(keys.generation(), 0);
        keys.fetch(URL).await;
        assert_eq!(keys.generation(), 1);
        std::fs::write(file.path(), "no keys").unwrap();
        keys.fetch(URL).await;
        assert_eq!(keys.generation(), 1, "what failed is not new");
    }
}
