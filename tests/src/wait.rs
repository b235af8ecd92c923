//! Waiting for something to hold, and names nobody else uses.

use std::time::{Duration, Instant};

/// BOUND: a condition that has not come true by then will not; generous because two cores may run
/// several suites.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
///
/// # Panics
/// When [`PATIENCE`] ends first; the text says what was waited for.
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, ask)
}

/// As [`eventually`], for what takes longer by design.
///
/// # Panics
/// When `patience` ends first.
pub fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "waited {patience:?} in vain for: {what}"
        );
        std::thread::sleep(PAUSE);
    }
}

/// A name that occurs nowhere else: a label value, an object name and a header value alike.
#[must_use]
pub fn fresh(prefix: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{prefix}-{}", id.split_at(12).0)
}
