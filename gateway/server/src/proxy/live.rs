//! Every exchange under way, so that each can be ended: token expiry, revocation, a stricter policy,
//! the end of a drain.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use gateway_exchange::{EndCause, LongKind, LongRunning, still_allowed};
use tokio_util::sync::CancellationToken;

use crate::state::State;
use crate::telemetry::{self, Metrics, SessionKind};

tokio::task_local! {
    static CURRENT: Arc<Live>;
}

/// One exchange under way.
#[derive(Debug)]
pub(crate) struct Live {
    id: u64,
    token: CancellationToken,
    cause: OnceLock<EndCause>,
}

/// All of them. BOUND: connections × streams, both of which are bounded.
#[derive(Debug, Default)]
pub(crate) struct LiveExchanges {
    next: AtomicU64,
    all: DashMap<u64, Arc<Live>>,
    /// Those that are judged again: watches, followed logs, sessions.
    long: DashMap<u64, (LongRunning, Arc<Live>)>,
}

/// Keeps an exchange among those under way.
pub(crate) struct Entered {
    live: Arc<Live>,
    registry: Arc<LiveExchanges>,
}

/// Keeps an exchange among the long-running ones, and in the gauge of its kind.
pub(crate) struct Listed {
    id: u64,
    registry: Arc<LiveExchanges>,
    _gauge: telemetry::Live,
}

impl LiveExchanges {
    pub(crate) fn enter(this: &Arc<Self>) -> Entered {
        let live = Arc::new(Live {
            id: this.next.fetch_add(1, Ordering::Relaxed),
            token: CancellationToken::new(),
            cause: OnceLock::new(),
        });
        this.all.insert(live.id, Arc::clone(&live));
        Entered {
            live,
            registry: Arc::clone(this),
        }
    }

    /// Ends every long-running exchange for which `verdict` names a cause, and counts them.
    pub(crate) fn review(&self, verdict: impl Fn(&LongRunning) -> Option<EndCause>) -> usize {
        let mut ended = 0;
        for entry in &self.long {
            let (long, live) = entry.value();
            if let Some(cause) = verdict(long) {
                live.end(cause);
                ended += 1;
            }
        }
        ended
    }

    /// Ends everything: the drain deadline passed.
    pub(crate) fn end_all(&self) {
        for entry in &self.all {
            entry.value().end(EndCause::Drained);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }
}

impl Entered {
    /// Runs `work` as this exchange until it ends or is ended.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.live.token.cancelled() => None,
            done = CURRENT.scope(Arc::clone(&self.live), work) => Some(done),
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.registry.all.remove(&self.live.id);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.registry.long.remove(&self.id);
    }
}

impl Live {
    /// The exchange of the task that runs now.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Lists the exchange as long-running.
    pub(crate) fn list(self: &Arc<Self>, long: LongRunning, state: &State) -> Listed {
        let gauge = gauge(&state.metrics, long.kind);
        state.live.long.insert(self.id, (long, Arc::clone(self)));
        Listed {
            id: self.id,
            registry: Arc::clone(&state.live),
            _gauge: gauge,
        }
    }

    /// Judges a listed exchange by the current snapshot, if it was judged by an older one.
    pub(crate) fn judge_by(&self, state: &State) {
        let snapshot = state.snapshot.load();
        let Some(listed) = state.live.long.get(&self.id) else {
            return;
        };
        let (long, _) = listed.value();
        if long.epoch != snapshot.epoch
            && let Some(cause) = still_allowed(long, &snapshot, state.clock.now())
        {
            self.end(cause);
        }
    }

    fn end(&self, cause: EndCause) {
        // The first cause stands.
        self.cause.get_or_init(|| cause);
        self.token.cancel();
    }

    /// Why the exchange was ended, if it was.
    pub(crate) fn cause(&self) -> Option<EndCause> {
        self.cause.get().copied()
    }
}

fn gauge(metrics: &Metrics, kind: LongKind) -> telemetry::Live {
    match kind {
        LongKind::Watch | LongKind::Log => metrics.watch(),
        LongKind::Exec => metrics.session(SessionKind::Exec),
        LongKind::Attach => metrics.session(SessionKind::Attach),
        LongKind::PortForward => metrics.session(SessionKind::PortForward),
        LongKind::Proxy => metrics.session(SessionKind::Proxy),
    }
}
