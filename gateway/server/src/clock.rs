//! The gateway's only clock. Everything pure gets its time from here as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gateway_exchange::Now;

/// The wall clock, and time since the process started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    /// The process starts now.
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Microseconds since 1970; before it, 0.
    pub(crate) fn micros(self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// Both clocks.
    pub(crate) fn now(self) -> Now {
        Now {
            micros: self.micros(),
            uptime: self.uptime(),
        }
    }

    /// Time since the process started; it never goes back.
    pub(crate) fn uptime(self) -> Duration {
        self.started.elapsed()
    }
}
