//! The accept loop: few connections, short heads, short lives.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{AdminState, routes};
use crate::telemetry::field;

/// BOUND: connections at a time; more wait in the kernel's backlog until one ends.
pub(super) const CONNECTION_COUNT_MAX: usize = 64;
/// BOUND: bytes of a request head; hyper answers 431 beyond it. It is hyper's smallest.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// BOUND: header lines of a request; hyper answers 431 beyond it.
const HEADER_COUNT_MAX: usize = 64;
/// BOUND: time to send a request head, idle time between two requests included.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// BOUND: life of a connection; it ends after the answer that is under way. Scrapers open another.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);
/// BOUND: time for the answer that is under way when a connection or the listener ends.
const FINISH_WAIT: Duration = Duration::from_secs(5);
/// Pause after a failed accept: it fails again at once while file descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers on `listener` until `shutdown` resolves, then finishes the answers under way.
pub async fn serve<F>(listener: TcpListener, state: AdminState, shutdown: F)
where
    F: Future<Output = ()> + Send,
{
    let router = routes::router(state);
    let connections = Connections {
        permits: Arc::new(Semaphore::new(CONNECTION_COUNT_MAX)),
        tasks: TaskTracker::new(),
        ending: CancellationToken::new(),
    };
    tokio::select! {
        () = accept(&listener, &router, &connections) => {}
        () = shutdown => {}
    }
    drop(listener);
    connections.ending.cancel();
    connections.tasks.close();
    connections.tasks.wait().await;
}

struct Connections {
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    ending: CancellationToken,
}

/// Returns only if the semaphore were closed, which nobody does.
async fn accept(listener: &TcpListener, router: &axum::Router, connections: &Connections) {
    while let Ok(permit) = Arc::clone(&connections.permits).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (router, ending) = (router.clone(), connections.ending.clone());
                connections.tasks.spawn(async move {
                    talk(stream, router, ending).await;
                    drop(permit);
                });
            }
            Err(fault) => {
                tracing::warn!({ field::FAULT } = %fault, "admin connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn talk(stream: TcpStream, router: axum::Router, ending: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADER_COUNT_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = ending.cancelled() => None,
        () = tokio::time::sleep(CONNECTION_LIFE) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(FINISH_WAIT, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            tracing::debug!({ field::FAULT } = %fault, "admin connection ended");
        }
        Err(_) => tracing::debug!("admin connection cut"),
    }
}
