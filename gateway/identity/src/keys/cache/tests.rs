use super::*;
use crate::mint::MintKey;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn keys() -> Arc<KeySet> {
    let set = format!(r#"{{"keys":[{}]}}"#, MintKey::test_es256(0).jwk());
    Arc::new(KeySet::parse(set.as_bytes()).unwrap())
}

fn fetched(at: Duration) -> KeyCache {
    let mut cache = KeyCache::default();
    cache.handle(KeyEvent::Started, at);
    cache.handle(KeyEvent::Fetched(keys()), at);
    cache
}

#[test]
fn fetches_at_once_and_then_at_the_refresh_interval() {
    let cache = KeyCache::default();
    assert!(cache.is_due(Duration::ZERO) && cache.trusted(Duration::ZERO).is_none());
    let cache = fetched(SECOND);
    assert!(cache.trusted(SECOND).is_some());
    assert!(!cache.is_due(REFRESH_INTERVAL));
    assert!(cache.is_due(REFRESH_INTERVAL + SECOND));
}

#[test]
fn starts_one_fetch_at_a_time_and_forgets_a_lost_one() {
    let mut cache = KeyCache::default();
    cache.handle(KeyEvent::Started, SECOND);
    assert!(cache.is_in_flight() && !cache.is_due(SECOND * 2));
    assert!(cache.is_due(SECOND + FETCH_TIME_MAX));
    cache.handle(KeyEvent::Started, SECOND + FETCH_TIME_MAX);
    cache.handle(KeyEvent::Failed, SECOND + FETCH_TIME_MAX);
    assert_eq!(cache.failures, 2);
}

#[test]
fn an_unknown_key_hastens_the_fetch_but_never_below_the_interval() {
    let mut cache = fetched(SECOND * 100);
    cache.handle(KeyEvent::UnknownKey, SECOND * 101);
    assert!(!cache.is_due(SECOND * 129));
    assert!(cache.is_due(SECOND * 130));
    cache.handle(KeyEvent::Started, SECOND * 130);
    cache.handle(KeyEvent::Failed, SECOND * 130);
    cache.handle(KeyEvent::UnknownKey, SECOND * 131);
    assert!(
        !cache.is_due(SECOND * 159),
        "a failure does not shorten the interval"
    );
    assert!(cache.is_due(SECOND * 160));
    let mut cache = fetched(SECOND);
    cache.handle(KeyEvent::UnknownKey, SECOND * 200);
    assert!(
        cache.is_due(SECOND * 200),
        "long after the last fetch it is due at once"
    );
}

#[test]
fn backs_off_after_failures_and_recovers() {
    let mut cache = fetched(Duration::ZERO);
    let mut at = REFRESH_INTERVAL;
    for pause in [5, 10, 20, 40, 80, 160, 300, 300] {
        cache.handle(KeyEvent::Started, at);
        cache.handle(KeyEvent::Failed, at + SECOND);
        assert!(!cache.is_due(at + SECOND * (pause - 1)), "{pause}");
        at += SECOND * pause;
        assert!(cache.is_due(at), "{pause}");
    }
    cache.handle(KeyEvent::Started, at);
    cache.handle(KeyEvent::Fetched(keys()), at);
    assert!(!cache.is_due(at + REFRESH_INTERVAL - SECOND));
}

#[test]
fn keeps_keys_through_an_outage_up_to_the_bound() {
    let mut cache = fetched(SECOND);
    for hour in 1..=24 {
        cache.handle(KeyEvent::Started, SECOND * 3600 * hour);
        cache.handle(KeyEvent::Failed, SECOND * 3600 * hour);
    }
    assert!(cache.trusted(SECOND + KEYS_AGE_MAX).is_some());
    assert!(cache.trusted(SECOND * 2 + KEYS_AGE_MAX).is_none());
    cache.handle(KeyEvent::Fetched(keys()), SECOND * 2 + KEYS_AGE_MAX);
    assert!(cache.trusted(SECOND * 2 + KEYS_AGE_MAX).is_some());
}

#[test]
fn a_clock_that_goes_back_revives_nothing() {
    let mut cache = fetched(SECOND);
    cache.handle(KeyEvent::Failed, SECOND * 2 + KEYS_AGE_MAX);
    assert!(cache.trusted(SECOND).is_none());
}

#[test]
fn keeps_caches_over_bundle_revisions() {
    let mut ring = Keyring::default();
    ring.keep(["a", "b"]);
    assert_eq!(ring.due(SECOND).collect::<Vec<_>>(), ["a", "b"]);
    ring.handle("a", KeyEvent::Started, SECOND);
    ring.handle("a", KeyEvent::Fetched(keys()), SECOND);
    ring.handle("x", KeyEvent::Fetched(keys()), SECOND);
    ring.keep(["c", "a", "a"]);
    assert!(ring.trusted("a", SECOND).is_some() && ring.trusted("x", SECOND).is_none());
    assert_eq!(ring.due(SECOND).collect::<Vec<_>>(), ["c"]);
    assert!(ring.cache("b").is_none());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Answer(bool),
    Unknown,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u64..20_000).prop_map(Step::Wait),
        (0u64..40).prop_map(Step::Wait),
        any::<bool>().prop_map(Step::Answer),
        Just(Step::Unknown),
    ]
}

proptest! {
    #[test]
    fn never_fetches_too_often_and_never_trusts_too_long(
        steps in proptest::collection::vec(step(), 0..200)
    ) {
        let (mut cache, mut now) = (KeyCache::default(), Duration::ZERO);
        let (mut last_start, mut last_good) = (None::<Duration>, None::<Duration>);
        let set = keys();
        for step in steps {
            match step {
                Step::Wait(seconds) => now += SECOND * u32::try_from(seconds).unwrap(),
                Step::Unknown => cache.handle(KeyEvent::UnknownKey, now),
                Step::Answer(good) if cache.is_due(now) => {
                    if let Some(last) = last_start {
                        let shortest = if last_good == Some(last) {
                            UNKNOWN_KEY_INTERVAL
                        } else {
                            BACKOFF_MIN
                        };
                        prop_assert!(now - last >= shortest);
                    }
                    last_start = Some(now);
                    cache.handle(KeyEvent::Started, now);
                    prop_assert!(!cache.is_due(now));
                    let answer = if good {
                        last_good = Some(now);
                        KeyEvent::Fetched(Arc::clone(&set))
                    } else {
                        KeyEvent::Failed
                    };
                    cache.handle(answer, now);
                }
                Step::Answer(_) => {}
            }
            let expected = last_good.is_some_and(|good| now - good <= KEYS_AGE_MAX);
            prop_assert_eq!(cache.trusted(now).is_some(), expected);
        }
    }
}
