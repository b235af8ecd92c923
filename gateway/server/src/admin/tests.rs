use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::telemetry::{BundleStatus, Check, Rejection, RuleCounts};

struct Fixture {
    state: AdminState,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start() -> Fixture {
    let state = AdminState {
        metrics: Arc::new(Metrics::new(Instant::now()).unwrap()),
        readiness: Arc::new(Readiness::new()),
        policy: Arc::new(PolicyStatus::new()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, state.clone(), async move {
        drop(stopped.await);
    }));
    Fixture {
        state,
        address,
        stop,
        task,
    }
}

impl Fixture {
    /// Sends bytes and returns everything the listener sends until it closes.
    async fn send(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Status code and body.
    async fn ask(&self, method: &str, target: &str) -> (u16, String) {
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        let answer = self.send(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, body.to_owned())
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        // Its port may be somebody else's by now: that nobody listens is not to be asked.
    }
}

fn make_ready(readiness: &Readiness) {
    for check in [Check::Policy, Check::Audit, Check::Serving] {
        readiness.set(&check, Ok(()));
    }
}

#[tokio::test]
async fn tells_why_it_is_not_ready_and_lives_nevertheless() {
    let fixture = start().await;
    assert_eq!(
        fixture.ask("GET", "/healthz").await,
        (200, "ok\n".to_owned())
    );
    let (code, body) = fixture.ask("GET", "/readyz").await;
    assert_eq!(code, 503);
    assert!(
        body.starts_with("policy: no bundle is published yet\n"),
        "{body}"
    );

    make_ready(&fixture.state.readiness);
    assert_eq!(
        fixture.ask("GET", "/readyz").await,
        (200, "ok\n".to_owned())
    );
    let keys = Check::Keys("ci".to_owned());
    fixture
        .state
        .readiness
        .set(&keys, Err("connection refused".to_owned()));
    assert_eq!(
        fixture.ask("GET", "/readyz").await,
        (503, "keys/ci: connection refused\n".to_owned())
    );
    assert_eq!(
        fixture.ask("GET", "/readyz?verbose").await,
        (
            503,
            "[+]policy ok\n[-]keys/ci: connection refused\n[+]audit ok\n[+]serving ok\n".to_owned()
        )
    );
    fixture.end().await;
}

#[tokio::test]
async fn shows_metrics_and_readiness_as_one_of_them() {
    let fixture = start().await;
    let (code, body) = fixture.ask("GET", "/metrics").await;
    assert_eq!(code, 200);
    assert!(body.contains("\ncountersign_ready 0\n"), "{body}");
    make_ready(&fixture.state.readiness);
    let (_, body) = fixture.ask("GET", "/metrics").await;
    assert!(body.contains("\ncountersign_ready 1\n"));
    fixture.end().await;
}

#[tokio::test]
async fn shows_the_active_bundle_and_the_last_rejection() {
    let fixture = start().await;
    let (code, body) = fixture.ask("GET", "/policy/status").await;
    assert_eq!(
        (code, body.as_str()),
        (200, "{\n  \"active\": null,\n  \"lastRejection\": null\n}")
    );
    fixture.state.policy.publish(BundleStatus {
        name: "harbour".to_owned(),
        digest: "9f2c".to_owned(),
        source: "/etc/countersign/policy".to_owned(),
        published_at_micros: 1_767_225_600_000_000,
        rules: RuleCounts {
            allow: 3,
            deny: 2,
            require: 1,
            shadow: 0,
        },
    });
    fixture.state.policy.reject(Rejection {
        at_micros: 1_767_225_601_000_000,
        report: "GP301: rule `a` is defined twice\n".to_owned(),
    });
    let (_, body) = fixture.ask("GET", "/policy/status").await;
    insta::assert_snapshot!(body);
    fixture.end().await;
}

#[tokio::test]
async fn answers_head_without_a_body() {
    let fixture = start().await;
    for target in ["/healthz", "/readyz", "/metrics", "/policy/status"] {
        let (_, body) = fixture.ask("HEAD", target).await;
        assert_eq!(body, "", "{target}");
    }
    fixture.end().await;
}

#[tokio::test]
async fn refuses_other_methods_and_paths_in_plain_text() {
    let fixture = start().await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FROB"] {
        assert_eq!(
            fixture.ask(method, "/healthz").await,
            (405, "use GET or HEAD\n".to_owned()),
            "{method}"
        );
    }
    let refused = fixture.send(b"POST /metrics HTTP/1.0\r\n\r\n").await;
    assert!(refused.contains("\r\nallow: GET, HEAD\r\n"), "{refused}");
    for target in [
        "/",
        "/healthz/",
        "/metrics/x",
        "/policy",
        "//healthz",
        "/../healthz",
    ] {
        let (code, body) = fixture.ask("GET", target).await;
        assert_eq!(code, 404, "{target}");
        assert!(body.starts_with("not found; "), "{body}");
    }
    fixture.end().await;
}

#[tokio::test]
async fn refuses_heads_beyond_its_bounds() {
    let fixture = start().await;
    let long = format!(
        "GET /healthz HTTP/1.1\r\nA: {}\r\n\r\n",
        "a".repeat(16 * 1024)
    );
    assert!(
        fixture
            .send(long.as_bytes())
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(100));
    assert!(
        fixture
            .send(many.as_bytes())
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    fixture.end().await;
}

#[tokio::test]
async fn does_not_wait_for_a_body_it_does_not_read() {
    let fixture = start().await;
    let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n";
    let answer = fixture.send(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    fixture.end().await;
}

#[tokio::test]
async fn ends_idle_connections_when_it_ends() {
    let fixture = start().await;
    let mut idle = TcpStream::connect(fixture.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    fixture.end().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closes_a_connection_that_does_not_finish_its_head() {
    let fixture = start().await;
    for head in [b"".as_slice(), b"GET /healthz HTTP/1.1\r\nHost: a"] {
        let answer = fixture.send(head).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    fixture.end().await;
}

#[tokio::test]
async fn a_connection_beyond_the_bound_waits_for_one_to_end() {
    let fixture = start().await;
    let mut idle = Vec::new();
    for _ in 0..listener::CONNECTION_COUNT_MAX {
        let mut stream = TcpStream::connect(fixture.address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        idle.push(stream);
    }
    let mut waiting = Box::pin(fixture.ask("GET", "/healthz"));
    // A hundred turns of the runtime are plenty for an answer, were it given.
    for _ in 0..100 {
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("answered beyond the bound"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(idle);
    assert_eq!(waiting.as_mut().await.0, 200);
    drop(waiting);
    fixture.end().await;
}
