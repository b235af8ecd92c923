//! T4, T5: what one request does must not be felt by another.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_tests::{
    Authority, Bundle, FakeUpstream, Issuer, Request, Script, Setup, get, read_request,
    write_answer,
};

use super::Bench;
use crate::ground::{EVERYTHING, assert_status};

/// T4: the pool knew a connection by address and name only, so a cluster with another CA was served
/// by a connection that its CA would never have let happen.
#[test]
fn a_connection_is_never_shared_between_clusters_of_different_trust() {
    let upstream = FakeUpstream::start(Script::http1(|connection, log| {
        while let Some(request) = read_request(connection)? {
            log.add(request);
            write_answer(connection, "200 OK", "{}")?;
        }
        Ok(())
    }));
    let issuer = Issuer::start();
    let wrong = upstream.kubeconfig_trusting(&Authority::new("another CA").pem());
    let bundle = Bundle::open(&issuer, &["one", "two"]).with_rules(EVERYTHING);
    let gateway = Setup::with_kubeconfig(&upstream.kubeconfig(), &issuer)
        .with_cluster("two", &wrong, &[])
        .with_listener("second", Some("two"))
        .with_bundle(bundle)
        .start();
    let request = get("/api/v1/namespaces/a/configmaps/x").token(&issuer.token("agent"));
    for round in 0..3 {
        assert_eq!(gateway.wire().ask(&request).status, 200, "round {round}");
        let answer = gateway.wire_to("second", "127.0.0.1").ask(&request);
        assert_status("a cluster whose CA does not fit", &answer, 503);
    }
    let reads = upstream.received();
    let reads = reads
        .iter()
        .filter(|request| request.line.contains("configmaps/x"))
        .count();
    assert_eq!(reads, 3, "only what the right CA let through");
}

/// T5: the shared upstream connection's window was full of one reader's list, and everybody waited.
#[test]
fn slow_readers_of_big_lists_hold_up_nobody() {
    const BIG_BYTES: usize = 60 << 20;
    const SLOW_COUNT: usize = 10;
    const BUDGET: Duration = Duration::from_secs(5);
    let script = Script::http2(|(request, mut respond)| async move {
        let big = request.uri().path().contains("/namespaces/big/");
        let head = http::Response::builder().header("content-type", "application/json");
        let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) else {
            return;
        };
        let mut left = if big { BIG_BYTES } else { 2 };
        while left > 0 {
            stream.reserve_capacity(left.min(64 * 1024));
            let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
            let Some(Ok(capacity)) = capacity else { return };
            let count = capacity.min(left);
            left -= count;
            if stream
                .send_data(Bytes::from(vec![b' '; count]), left == 0)
                .is_err()
            {
                return;
            }
        }
    });
    let bench = Bench::new(script);
    let big = get("/api/v1/namespaces/big/configmaps").token(&bench.token());
    let small = get("/api/v1/namespaces/a/configmaps/x").token(&bench.token());
    let slow: Vec<_> = (0..SLOW_COUNT)
        .map(|_| {
            let mut wire = bench.gateway.wire();
            wire.send(&big.bytes()).unwrap();
            assert_eq!(wire.head().unwrap().status, 200);
            wire
        })
        .collect();
    for round in 0..20 {
        let asked = Instant::now();
        assert_eq!(
            bench.gateway.wire().ask(&small).status,
            200,
            "round {round}"
        );
        assert!(
            asked.elapsed() < BUDGET,
            "round {round} took {:?}",
            asked.elapsed()
        );
    }
    let resident = resident_bytes(bench.gateway.pid());
    assert!(
        resident < 400 << 20,
        "{} MiB for {SLOW_COUNT} slow readers",
        resident >> 20
    );
    drop(slow);
}

/// Resident memory as the system counts it.
fn resident_bytes(pid: u64) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running gateway");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    let kib: u64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    kib * 1024
}

/// Requests for groups that nobody serves were asked for at the API server one by one, and each group
/// was remembered for ever.
#[test]
fn made_up_resources_become_no_flood_of_questions() {
    const DISCOVERY: &str = r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{"name":"example.com"},"versions":[{"version":"v1","resources":[{"resource":"widgets","scope":"Namespaced"}]}]}]}"#;
    let bench = Bench::new(Script::http1(|connection, log| {
        while let Some(request) = read_request(connection)? {
            let answer = if request.line.starts_with("GET /apis HTTP") {
                DISCOVERY
            } else {
                "{}"
            };
            log.add(request);
            write_answer(connection, "200 OK", answer)?;
        }
        Ok(())
    }));
    let ask = |group: &str| {
        let target = format!("/apis/{group}/v1/namespaces/a/widgets/x");
        let request = get(&target).token(&bench.token());
        assert_eq!(bench.gateway.wire().ask(&request).status, 200, "{target}");
    };
    std::thread::scope(|scope| {
        for number in 0..40 {
            let ask = &ask;
            scope.spawn(move || ask(&format!("made-up-{number}.test.invalid")));
        }
    });
    let questions = || bench.received("GET /apis HTTP").len();
    // Whoever came while one was under way waits for the next, which may be let in a second later.
    let asked = questions();
    assert!((1..=5).contains(&asked), "{asked} questions for 40 groups");
    ask("example.com");
    assert_eq!(questions(), asked, "what is known is not asked for");
}

/// Each request took room for the largest body there may be, before a byte of it had come: eighty-five
/// slow uploads of one caller had everybody's writes refused.
#[test]
fn slow_uploads_of_one_caller_hold_up_nobody() {
    const SLOW_COUNT: usize = 100;
    const BUDGET: Duration = Duration::from_secs(5);
    let script = Script::http1(|connection, log| {
        while let Some(request) = read_request(connection)? {
            log.add(request);
            write_answer(connection, "201 Created", "{}")?;
        }
        Ok(())
    });
    let bench = Bench::new(script);
    let target = "/api/v1/namespaces/a/configmaps";
    let announced = Request::new("POST", target)
        .token(&bench.token())
        .header("Content-Type", "application/json")
        .header("Content-Length", "3000000");
    let mut slow = Vec::new();
    for _ in 0..SLOW_COUNT {
        let mut wire = bench.gateway.wire();
        wire.send(&announced.bytes()).unwrap();
        wire.send(b"{").unwrap();
        slow.push(wire);
    }
    let object = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#;
    let write = Request::new("POST", target)
        .token(&bench.issuer.token("another"))
        .body("application/json", object);
    let started = Instant::now();
    let answer = bench.gateway.wire().ask(&write);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(started.elapsed() < BUDGET, "{:?}", started.elapsed());
    drop(slow);
}
