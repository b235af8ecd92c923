//! What survives a crash and a full disk (invariant 2).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_tests::{Request, eventually, fresh, get};

use super::Stage;
use crate::ground::assert_status;

fn create(namespace: &str, name: &str) -> Request {
    let object =
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#);
    Request::new(
        "POST",
        &format!("/api/v1/namespaces/{namespace}/configmaps"),
    )
    .body("application/json", object)
}

/// Every write that the API server heard of stands in the gateway's log, however it died.
#[test]
fn kill_minus_nine_loses_no_record_of_a_forwarded_write() {
    const WRITERS: usize = 4;
    const BEFORE_KILL: usize = 60;
    let stage = Stage::new(|setup| setup);
    let namespace = stage.ground.cluster.namespace("crash");
    let user = fresh("writer");
    let token = stage.issuer.token(&user);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (stage, namespace, token, done) = (&stage, &namespace, &token, &done);
            scope.spawn(move || {
                let mut wire = stage.gateway.wire();
                let mut write = |number: usize| {
                    let request = create(namespace, &format!("w{writer}-{number}")).token(token);
                    let sent = wire.send(&request.bytes());
                    done.fetch_add(1, Ordering::SeqCst);
                    sent.and_then(|()| wire.answer(true)).is_ok()
                };
                // Until the gateway is dead.
                assert!((0..).any(|number| !write(number)));
            });
        }
        eventually("some writes", || {
            (done.load(Ordering::SeqCst) >= BEFORE_KILL).then_some(())
        });
        stage.gateway.signal("KILL");
    });
    assert_ne!(stage.gateway.exit_code(), 0);
    let impersonated = format!("it:{user}");
    let heard: BTreeSet<String> = stage
        .ground
        .cluster
        .journal()
        .matching(|event| event.text("/impersonatedUser/username") == impersonated)
        .iter()
        .map(|event| event.text("/auditID").to_owned())
        .collect();
    // Each writer may have had one on its way when the gateway died.
    let arrived = heard.len();
    assert!(arrived + WRITERS >= BEFORE_KILL, "{arrived} writes arrived");
    // A line that the crash cut is no record; whole lines are.
    let text =
        std::fs::read_to_string(stage.gateway.directory().join("audit.jsonl")).expect("the log");
    let written: BTreeSet<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|event| event["stage"] == "RequestReceived")
        .filter_map(|event| Some(event["auditID"].as_str()?.to_owned()))
        .collect();
    let lost: Vec<&String> = heard.difference(&written).collect();
    assert!(
        lost.is_empty(),
        "{} forwarded writes without a record",
        lost.len()
    );
}

/// The log is read on after a crash: a half line is cut off, the rest stays.
#[test]
fn a_restart_goes_on_with_the_same_log() {
    let mut stage = Stage::new(|setup| setup);
    let request = get("/version").token(&stage.issuer.token("agent"));
    assert_eq!(stage.gateway.wire().ask(&request).status, 200);
    stage.gateway.signal("KILL");
    assert_ne!(stage.gateway.exit_code(), 0);
    let path = stage.gateway.directory().join("audit.jsonl");
    let mut text = std::fs::read_to_string(&path).expect("the log");
    let whole = text.lines().count();
    text.push_str("{\"kind\":\"Event\",\"half");
    std::fs::write(&path, text).expect("the log");
    stage.gateway.restart();
    let answer = stage.gateway.wire().ask(&request);
    assert_eq!(answer.status, 200);
    let id = answer
        .header("countersign-decision-id")
        .expect("an id")
        .to_owned();
    eventually("the event of the second run", || {
        let text = std::fs::read_to_string(&path).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let every: Option<Vec<serde_json::Value>> = lines
            .iter()
            .map(|line| serde_json::from_str(line).ok())
            .collect();
        let found =
            every.is_some_and(|every| every.iter().any(|event| event["auditID"] == id.as_str()));
        (found && lines.len() > whole).then_some(())
    });
}

/// A write that cannot be recorded is not carried out; reads go on; all is well when there is room.
#[test]
fn a_full_disk_refuses_writes_and_says_so() {
    const BLOCKS: u32 = 128;
    let stage = Stage::new(|setup| {
        setup
            .with_file_blocks_max(BLOCKS)
            .with_line("log { level \"error\"; format text }")
    });
    let namespace = stage.ground.cluster.namespace("disk");
    let token = stage.issuer.token("agent");
    let mut wire = stage.gateway.wire();
    let refused = (0..500)
        .find_map(|number| {
            let request = create(&namespace, &format!("cm-{number}")).token(&token);
            let answer = wire.ask(&request);
            (answer.status != 201).then_some((number, answer))
        })
        .expect("the disk is full at some point");
    let (number, answer) = refused;
    assert_status("a write on a full disk", &answer, 503);
    assert!(answer.text().contains("audit"), "{}", answer.text());
    // Not carried out.
    let name = format!("cm-{number}");
    let found = stage
        .ground
        .cluster
        .admin()
        .run(&["-n", &namespace, "get", "configmap", &name]);
    assert_eq!(found.code, 1, "{found:?}");
    // Reads go on, and the operator is told.
    let read = get(&format!("/api/v1/namespaces/{namespace}/configmaps/cm-0")).token(&token);
    assert_eq!(wire.ask(&read).status, 200);
    let (status, text) = stage.gateway.admin("/readyz");
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("audit"), "{text}");
    // Room again: the file is moved away, as logrotate does.
    let log = stage.gateway.directory().join("audit.jsonl");
    std::fs::rename(&log, log.with_extension("1")).expect("a rename");
    stage.gateway.signal("HUP");
    eventually("writes to go on", || {
        let request = create(&namespace, &name).token(&token);
        (stage.gateway.wire().ask(&request).status == 201).then_some(())
    });
}
