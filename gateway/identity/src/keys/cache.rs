//! When to fetch the keys of an issuer, and how long the last ones may be used.
//!
//! Pure: the shell reports what happened and when, on a clock that never goes back (time since the
//! process started), and asks whether to fetch and which keys count.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::KeySet;

/// Good keys are fetched again after this time, so that a withdrawn key stops counting.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A token with an unknown key may cause a fetch at most this often per issuer (K-8.9).
pub const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(30);

/// The pause after the first failed fetch; it doubles with each further one.
pub const BACKOFF_MIN: Duration = Duration::from_secs(5);

/// The longest pause after failed fetches.
pub const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);

/// A fetch that has not been reported after this time counts as failed, so that a lost task cannot
/// stop all later ones.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(30);

/// Keys are trusted for this long after they were fetched; an outage of the issuer up to this
/// length goes unnoticed. Then its tokens are refused until a fetch succeeds.
pub const KEYS_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Something that happened to the keys of one issuer.
#[derive(Debug, Clone)]
pub enum KeyEvent {
    /// A fetch began.
    Started,
    /// A fetch brought these keys.
    Fetched(Arc<KeySet>),
    /// A fetch failed, or its answer was no usable key set.
    Failed,
    /// A token named a key that is not in the set.
    UnknownKey,
}

/// The keys of one issuer and what is known of their source.
#[derive(Debug, Clone, Default)]
pub struct KeyCache {
    keys: Option<(Arc<KeySet>, Duration)>,
    /// Start of the last fetch.
    attempted: Option<Duration>,
    in_flight: bool,
    failures: u32,
    /// An unknown key was seen after the last fetch began.
    wanted: bool,
    /// The latest instant seen: an earlier one is read as this.
    latest: Duration,
}

impl KeyCache {
    /// Takes in what happened at `at`.
    pub fn handle(&mut self, event: KeyEvent, at: Duration) {
        let at = self.latest.max(at);
        self.latest = at;
        match event {
            KeyEvent::Started => {
                // A predecessor that never reported back has failed.
                if self.in_flight {
                    self.failures = self.failures.saturating_add(1);
                }
                self.attempted = Some(at);
                self.in_flight = true;
                self.wanted = false;
            }
            KeyEvent::Fetched(keys) => {
                self.reported(at);
                self.keys = Some((keys, at));
                self.failures = 0;
            }
            KeyEvent::Failed => {
                self.reported(at);
                self.failures = self.failures.saturating_add(1);
            }
            KeyEvent::UnknownKey => self.wanted = true,
        }
    }

    // A report of a fetch that never began, as when keys are set by hand, counts as begun now.
    fn reported(&mut self, at: Duration) {
        if !self.in_flight {
            self.attempted = Some(at);
        }
        self.in_flight = false;
    }

    /// Whether a fetch should begin at `at`.
    #[must_use]
    pub fn is_due(&self, at: Duration) -> bool {
        self.due_at().is_none_or(|due| self.latest.max(at) >= due)
    }

    /// Whether a fetch has begun and not been reported back.
    #[must_use]
    pub const fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// The next instant at which a fetch is due if nothing else happens; `None` for at once.
    #[must_use]
    pub fn due_at(&self) -> Option<Duration> {
        let attempted = self.attempted?;
        if self.in_flight {
            return Some(attempted + FETCH_TIME_MAX);
        }
        let pause = if self.failures > 0 {
            backoff(self.failures)
        } else if self.wanted {
            UNKNOWN_KEY_INTERVAL
        } else {
            REFRESH_INTERVAL
        };
        let pause = if self.wanted {
            pause.max(UNKNOWN_KEY_INTERVAL)
        } else {
            pause
        };
        Some(attempted + pause)
    }

    /// The keys that count at `at`.
    #[must_use]
    pub fn trusted(&self, at: Duration) -> Option<&Arc<KeySet>> {
        let (keys, fetched) = self.keys.as_ref()?;
        let age = self.latest.max(at).saturating_sub(*fetched);
        (age <= KEYS_AGE_MAX).then_some(keys)
    }
}

/// The keys of all issuers, by issuer URL. It outlives bundle revisions: blocks with one URL share
/// its keys.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    caches: BTreeMap<String, KeyCache>,
}

impl Keyring {
    /// Keeps the caches of exactly these issuers; new ones are due at once.
    pub fn keep<'a>(&mut self, issuers: impl IntoIterator<Item = &'a str>) {
        let mut kept = BTreeMap::new();
        for issuer in issuers {
            let cache = self.caches.remove(issuer);
            kept.entry(issuer.to_owned())
                .or_insert_with(|| cache.unwrap_or_default());
        }
        self.caches = kept;
    }

    /// Takes in what happened to the keys of an issuer; events of issuers not kept are dropped.
    pub fn handle(&mut self, issuer: &str, event: KeyEvent, at: Duration) {
        if let Some(cache) = self.caches.get_mut(issuer) {
            cache.handle(event, at);
        }
    }

    /// The issuers whose keys should be fetched at `at`.
    pub fn due(&self, at: Duration) -> impl Iterator<Item = &str> {
        let due = self
            .caches
            .iter()
            .filter(move |(_, cache)| cache.is_due(at));
        due.map(|(issuer, _)| issuer.as_str())
    }

    /// The cache of one issuer.
    #[must_use]
    pub fn cache(&self, issuer: &str) -> Option<&KeyCache> {
        self.caches.get(issuer)
    }

    /// The keys of an issuer that count at `at`.
    #[must_use]
    pub fn trusted(&self, issuer: &str, at: Duration) -> Option<&Arc<KeySet>> {
        self.caches.get(issuer)?.trusted(at)
    }
}

fn backoff(failures: u32) -> Duration {
    // Six doublings pass the longest pause, so the shift cannot overflow.
    let doublings = failures.saturating_sub(1).min(6);
    (BACKOFF_MIN * (1 << doublings)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests;
