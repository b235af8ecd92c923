//! `RequestInfo`: what the gateway accepts, Kubernetes resolves alike; what it would read
//! differently, the gateway refuses.

use std::io::Write;
use std::process::Stdio;

use gateway_kubeapi::RequestTarget;
use gateway_tests::{Cluster, Request, cluster_command, fresh};
use serde_json::{Value, json};

/// Targets compared with Kubernetes' own code.
const OFFLINE_COUNT: usize = 20_000;
/// Targets compared with the audit log of a running API server.
const LIVE_COUNT: usize = 300;

#[test]
fn request_info_equals_kubernetes_own_or_the_target_is_refused() {
    let targets = gateway_kubeapi::testing::generate_targets(seed(), OFFLINE_COUNT);
    let judged: Vec<(String, String, RequestTarget)> = targets
        .into_iter()
        .filter_map(|(method, target)| {
            let judged = parse(&method, &target)?;
            Some((method, target, judged))
        })
        .collect();
    assert!(
        judged.len() > OFFLINE_COUNT / 3,
        "the generator makes acceptable targets"
    );
    let as_sent = ask_kubernetes(
        judged
            .iter()
            .map(|(method, target, _)| (method, target.clone())),
    );
    let as_forwarded = ask_kubernetes(
        judged
            .iter()
            .map(|(method, _, judged)| (method, judged.upstream_target())),
    );
    for (index, (method, target, judged)) in judged.iter().enumerate() {
        let ours = ours(judged);
        assert_eq!(ours, as_forwarded[index], "{method} {target} as forwarded");
        let plain = without_spelling(&as_sent[index]);
        assert_eq!(without_spelling(&ours), plain, "{method} {target} as sent");
    }
}

/// The same with the whole server, on a sample: its audit log says what it understood. The user may
/// do nothing, so nothing happens.
#[test]
fn request_info_equals_the_audit_log_of_a_running_api_server() {
    let cluster = Cluster::shared();
    let targets = gateway_kubeapi::testing::generate_targets(seed(), LIVE_COUNT);
    let mut wire = cluster.wire_as_gateway();
    let mut compared = 0;
    for (method, target) in targets {
        let Some(judged) = parse(&method, &target) else {
            continue;
        };
        // Without this user the gateway's own certificate would act.
        let agent = fresh("requestinfo");
        let request = Request::new(&method, &judged.upstream_target())
            .agent(&agent)
            .header("Impersonate-User", "it:nobody")
            .header("Content-Length", "0");
        wire.ask(&request);
        let event = cluster.journal().await_agent(&agent, "ResponseComplete");
        let info = judged.info();
        assert_eq!(event.text("/verb"), info.verb(), "{method} {target}");
        if info.is_resource() {
            let slash = if info.subresource().is_empty() {
                ""
            } else {
                "/"
            };
            let expected = format!(
                "{}|{}|{}{slash}{}|{}|{}",
                info.verb(),
                info.group(),
                info.resource(),
                info.subresource(),
                info.namespace(),
                info.name()
            );
            assert_eq!(event.vector(), expected, "{method} {target}");
        }
        compared += 1;
    }
    assert!(compared > LIVE_COUNT / 3, "{compared} targets compared");
}

fn parse(method: &str, target: &str) -> Option<RequestTarget> {
    let method = method.parse().expect("a method");
    RequestTarget::parse(&method, target.as_bytes()).ok()
}

/// A new seed each run finds more; a failure names it by the target.
fn seed() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| since.as_secs())
}

fn ours(judged: &RequestTarget) -> Value {
    let info = judged.info();
    json!({
        "isResourceRequest": info.is_resource(),
        "path": info.path(),
        "verb": info.verb(),
        "apiPrefix": info.api_prefix(),
        "apiGroup": info.group(),
        "apiVersion": info.version(),
        "namespace": info.namespace(),
        "resource": info.resource(),
        "subresource": info.subresource(),
        "name": info.name(),
        "parts": info.parts(),
        "fieldSelector": info.field_selector(),
        "labelSelector": info.label_selector(),
    })
}

/// What the gateway spells anew: selectors, and one trailing slash (K-1.21).
fn without_spelling(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("fieldSelector");
        fields.remove("labelSelector");
        let path = fields
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path).to_owned();
        fields.insert("path".to_owned(), Value::from(path));
    }
    answer
}

/// Runs Kubernetes' `RequestInfoFactory` over all of them.
fn ask_kubernetes<'a>(targets: impl Iterator<Item = (&'a String, String)>) -> Vec<Value> {
    let questions: String = targets
        .map(|(method, target)| json!({"method": method, "target": target}).to_string() + "\n")
        .collect();
    let count = questions.lines().count();
    let mut child = cluster_command("requestinfo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = child.wait_with_output().expect("the oracle ends");
    writer
        .join()
        .expect("no panic")
        .expect("every question is written");
    let text = String::from_utf8(output.stdout).expect("JSON lines");
    let answers: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect();
    assert_eq!(answers.len(), count, "one answer each");
    answers
}
