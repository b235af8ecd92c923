//! Ways to a masked value past the mask: every shape of an answer of the real API server, every write
//! that echoes, every refusal that quotes. What is looked for is the value in any coat.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::{Answer, Bundle, Gateway, Request, Setup, fresh, get};
use serde_json::json;

use crate::ground::{EVERYTHING, Ground, ground};

const MASKED: &str = r#"
require "secrets-are-masked" {
    why "Secret values never leave the cluster in clear text"
    owner "security"
    severity high
    who { kind agent }
    can read
    on "secrets"
    mask "@secret-like"
}
"#;

struct Vault {
    ground: &'static Ground,
    gateway: Gateway,
    namespace: String,
    token: String,
    canary: String,
}

impl Vault {
    /// A Secret with a canary, in `data` and in the annotation of `kubectl apply`.
    fn new() -> Self {
        let ground = ground();
        let bundle =
            Bundle::open(&ground.issuer, &["one"]).with_rules(&[EVERYTHING, MASKED].concat());
        let gateway = Setup::new(ground.cluster, &ground.issuer)
            .with_bundle(bundle)
            .start();
        let namespace = ground.cluster.namespace("vault");
        let canary = format!("{}CaNaRy{}", fresh("one"), fresh("two"));
        let data = STANDARD.encode(&canary);
        let admin = ground.cluster.admin().with(&["-n", &namespace]);
        admin.apply(
            &json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "type": "Opaque",
                "data": {"password": data, "copy": data},
            })
            .to_string(),
        );
        Self {
            ground,
            token: ground.token("agent"),
            gateway,
            namespace,
            canary,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/secrets{rest}", self.namespace)
    }

    /// The value in no coat is in the bytes.
    fn check_bytes(&self, what: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let reversed: String = self.canary.chars().rev().collect();
        let hex: String = self
            .canary
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mut coats = vec![self.canary.clone(), reversed, hex];
        for shift in 0..3 {
            let padded = [vec![b' '; shift], self.canary.clone().into_bytes()].concat();
            let inner = STANDARD.encode(padded);
            coats.push(inner.get(4..inner.len() - 4).unwrap_or_default().to_owned());
        }
        for coat in coats {
            assert!(
                !text.contains(&coat),
                "{what} holds the canary as `{coat}`: {text}"
            );
        }
    }

    fn ask(&self, what: &str, request: &Request) -> Answer {
        let answer = self.gateway.wire().ask(&request.clone().token(&self.token));
        self.check_bytes(what, &answer.body);
        self.check_bytes(what, format!("{:?}", answer.headers).as_bytes());
        answer
    }

    /// An answer with content, masked.
    fn masked(&self, what: &str, request: &Request) {
        let answer = self.ask(what, request);
        assert!(
            (200..300).contains(&answer.status),
            "{what}: {} {}",
            answer.status,
            answer.text()
        );
        let mark = STANDARD.encode("countersign-masked:");
        let mark = mark.get(..20).unwrap_or_default();
        let text = answer.text();
        assert!(
            text.contains(mark) || text.contains("countersign-masked:"),
            "{what} shows no mask: {text}"
        );
    }
}

/// Attacks 8 to 13 and 16: Tables, protobuf, metadata, YAML, gzip, WatchList, and the plain forms.
#[test]
fn no_shape_of_a_read_shows_a_masked_value() {
    let vault = Vault::new();
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let protobuf = "application/vnd.kubernetes.protobuf";
    let partial = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let partials = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    for (target, accept) in [
        (vault.path("/db"), "application/json"),
        (vault.path("/db"), "application/yaml"),
        (vault.path("/db"), protobuf),
        (vault.path("/db"), table),
        (vault.path("/db"), partial),
        (vault.path("/db?pretty=true"), "*/*"),
        (vault.path(""), "application/json"),
        (vault.path(""), protobuf),
        (vault.path(""), table),
        (vault.path("?includeObject=Object"), table),
        (vault.path("?includeObject=Metadata"), table),
        (vault.path(""), partials),
        (
            vault.path("/db"),
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        ),
        (vault.path("?limit=1"), "application/json"),
        (
            vault.path("?fieldSelector=metadata.name%3Ddb"),
            "application/json",
        ),
        ("/api/v1/secrets".to_owned(), "application/json"),
    ] {
        let what = format!("{accept} on {target}");
        let request = get(&target)
            .header("Accept", accept)
            .header("Accept-Encoding", "gzip");
        vault.masked(&what, &request);
    }
    for target in [
        vault.path("?watch=1&timeoutSeconds=1"),
        vault.path("?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        format!("/api/v1/watch/namespaces/{}/secrets?timeoutSeconds=1", vault.namespace),
    ] {
        for accept in ["application/json", protobuf, table] {
            let what = format!("{accept} on {target}");
            vault.masked(&what, &get(&target).header("Accept", accept));
        }
    }
}

/// Attacks 18 to 20: writes answer with the object, also where only reads were spoken of.
#[test]
fn no_echo_of_a_write_shows_a_masked_value() {
    let vault = Vault::new();
    let patch =
        |media: &str, target: &str, body: &str| Request::new("PATCH", target).body(media, body);
    let merge = "application/merge-patch+json";
    let strategic = "application/strategic-merge-patch+json";
    let label = r#"{"metadata":{"labels":{"seen":"yes"}}}"#;
    vault.masked("an empty patch", &patch(merge, &vault.path("/db"), "{}"));
    vault.masked(
        "a dry patch",
        &patch(merge, &vault.path("/db?dryRun=All"), "{}"),
    );
    vault.masked(
        "a strategic patch",
        &patch(strategic, &vault.path("/db"), label),
    );
    let json = r#"[{"op":"add","path":"/metadata/labels/more","value":"x"}]"#;
    vault.masked(
        "a JSON patch",
        &patch("application/json-patch+json", &vault.path("/db"), json),
    );
    let apply = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "labels": {"by": "apply"}}});
    let target = vault.path("/db?fieldManager=test&force=true");
    vault.masked(
        "an apply",
        &patch("application/apply-patch+yaml", &target, &apply.to_string()),
    );
    let foreground = vault.path("/db?dryRun=All&propagationPolicy=Foreground");
    vault.masked("a dry delete", &Request::new("DELETE", &foreground));
    vault.masked(
        "a dry delete of all",
        &Request::new("DELETE", &vault.path("?dryRun=All")),
    );
}

/// Attacks 17 and 19: the last state of a deleted object is the whole object.
#[test]
fn no_deletion_shows_a_masked_value() {
    let vault = Vault::new();
    let admin = vault.ground.cluster.admin().with(&["-n", &vault.namespace]);
    let keep = r#"{"metadata":{"finalizers":["test.example/keep"]}}"#;
    admin.ok(&["patch", "secret", "db", "--type=merge", "-p", keep]);
    let target = vault.path("?watch=1&timeoutSeconds=4");
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| vault.ask("a watch", &get(&target)));
        std::thread::sleep(std::time::Duration::from_secs(1));
        vault.masked(
            "a delete under a finalizer",
            &Request::new("DELETE", &vault.path("/db")),
        );
        let free = r#"{"metadata":{"finalizers":null}}"#;
        admin.ok(&["patch", "secret", "db", "--type=merge", "-p", free]);
        let events = watching.join().expect("the watch was asked").text();
        assert!(events.contains(r#""type":"DELETED""#), "{events}");
    });
}

/// Attacks 21 and 22: refusals quote the object they refuse.
#[test]
fn no_refusal_quotes_a_masked_value() {
    let vault = Vault::new();
    let merge = "application/merge-patch+json";
    for (what, target, body) in [
        ("a type error", vault.path("/db"), r#"{"data":{"x":1}}"#),
        (
            "an unknown field",
            vault.path("/db?fieldValidation=Strict"),
            r#"{"nonsense":1}"#,
        ),
        (
            "a bad name",
            vault.path("/db"),
            r#"{"metadata":{"name":"other"}}"#,
        ),
        (
            "an immutable type",
            vault.path("/db"),
            r#"{"type":"other"}"#,
        ),
    ] {
        let answer = vault.ask(what, &Request::new("PATCH", &target).body(merge, body));
        assert!(answer.status >= 400, "{what}: {}", answer.text());
        assert_eq!(answer.json()["kind"], "Status", "{what}");
    }
    let answer = vault.ask("what is not there", &get(&vault.path("/nothing")));
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("not found"), "{}", answer.text());
}

/// Attacks 23 to 25 and 32: questions about a value, copies of it, and marks on their way back.
#[test]
fn nothing_asks_about_a_masked_value_or_moves_it() {
    let vault = Vault::new();
    let json = "application/json-patch+json";
    let value = STANDARD.encode(&vault.canary);
    for operation in [
        json!({"op": "test", "path": "/data/password", "value": value}),
        json!({"op": "test", "path": "/data", "value": {}}),
        json!({"op": "copy", "from": "/data/password", "path": "/metadata/annotations/x"}),
        json!({"op": "move", "from": "/data/password", "path": "/metadata/labels/x"}),
        json!({"op": "move", "from": "/data", "path": "/metadata/annotations"}),
    ] {
        let body = json!([operation]).to_string();
        let answer = vault.ask(
            &body,
            &Request::new("PATCH", &vault.path("/db")).body(json, body.as_str()),
        );
        assert_eq!(answer.status, 403, "{body}: {}", answer.text());
    }
    let read = vault.ask("the object", &get(&vault.path("/db"))).text();
    let back = Request::new("PUT", &vault.path("/db")).body("application/json", read.as_str());
    let answer = vault.ask("the masked object put back", &back);
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(
        answer.text().contains("/data/password"),
        "{}",
        answer.text()
    );
    let live = vault.ground.cluster.admin().with(&["-n", &vault.namespace]);
    let live = live.json(&["get", "secret", "db", "-o", "json"]);
    assert_eq!(live["data"]["password"], value, "nothing was changed");
}

/// kubectl reads, describes and edits what is masked.
#[test]
fn kubectl_works_on_masked_secrets() {
    let vault = Vault::new();
    let kubectl = vault
        .gateway
        .kubectl(&vault.token)
        .with(&["-n", &vault.namespace]);
    for arguments in [
        &["get", "secrets"][..],
        &["get", "secret", "db", "-o", "yaml"],
        &["get", "secret", "db", "-o", "json"],
        &["get", "secret", "db", "-o", "jsonpath={.data.password}"],
        &["get", "secrets", "-o", "wide", "--show-labels"],
        &["describe", "secret", "db"],
        &["label", "secret", "db", "team=shop"],
        &["get", "--raw", &vault.path("/db")],
    ] {
        let finished = kubectl.run(arguments);
        vault.check_bytes(&format!("{arguments:?}"), finished.stdout.as_bytes());
        vault.check_bytes(&format!("{arguments:?}"), finished.stderr.as_bytes());
        assert_eq!(finished.code, 0, "{arguments:?}: {}", finished.stderr);
    }
    let table = kubectl.ok(&["get", "secrets"]);
    assert!(
        table.contains("TYPE") && table.contains("Opaque"),
        "rich columns stay: {table}"
    );
    vault.check_bytes(
        "the audit log",
        &std::fs::read(vault.gateway.directory().join("audit.jsonl")).unwrap(),
    );
    vault.check_bytes("the gateway's log", vault.gateway.log().as_bytes());
    vault.check_bytes("metrics", vault.gateway.admin("/metrics").1.as_bytes());
}
