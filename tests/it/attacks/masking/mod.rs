//! Ways to a masked value past the mask: every shape of an answer of the real API server, every write
//! that echoes, every refusal that quotes. What is looked for is the value in any coat, in what the
//! client gets, and at the end in what the gateway leaves behind.

mod clients;
mod copies;
mod custom;
mod fields;
mod questions;
mod reads;
mod refusals;
mod watches;
mod writes;

use std::path::Path;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::{
    Answer, Bundle, Canary, Gateway, Kubectl, Request, Setup, eventually, fresh, get,
};
use serde_json::{Value, json};

use crate::ground::{EVERYTHING, Ground, ground};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

const MASKS: &str = r#"
hmac-key "it" file="{key}"
mask "settings" {
    for "configmaps" {
        at "data.password" redact
        at "data['tls.key']" redact
        at "data.gone" drop
        at "data.hashed" hash key="it"
        at "data.partial" partial keep-last=4
        at "data['app.json']" json {
            at "users[name=root].password" redact
            at "**.token" redact
        }
        at "data.blob" base64 { at "deep.**.secret" redact }
        at "data.release" redact
        at "binaryData.*" redact
        at "metadata.labels['tier']" redact
    }
}
mask "env" {
    for "pods" {
        at "spec.containers[*].env[*].value" redact
        at "spec.containers[name=main].args[*]" redact
        at "spec.initContainers[*].env[*].value" redact
        at "spec.ephemeralContainers[*].env[*].value" redact
        at "status.message" redact
    }
}
mask "words" { for "events" { at "message" redact; at "note" redact } }
mask "lockers" {
    for "lockers.vault.it.example" {
        at "spec.secret" redact
        at "spec.pin" redact
        at "spec.hosts[*]" redact
        at "spec.items[*].key" redact
        at "spec.items[key=door].before" redact
        at "data.*" redact
        at "status.secret" redact
    }
}
"#;

/// Rules speak of reads where the echo of a write must be masked all the same.
const MASKED: &str = r#"
require "secrets-are-masked" {
    why "Secret values never leave the cluster in clear text"
    severity high
    who { kind agent }
    can read
    on "secrets"
    mask "@secret-like"
}
require "credentials-are-masked" {
    why "Minted credentials never leave the cluster"
    severity high
    who { kind agent }
    can read write
    on "serviceaccounts/token" "certificatesigningrequests.certificates.k8s.io"
    mask "@secret-like"
}
require "settings-are-masked" {
    why "ConfigMaps hold credentials here"
    severity high
    who { kind agent }
    can read
    on "configmaps"
    mask "settings"
}
require "environment-is-masked" {
    why "Variables hold credentials here"
    severity high
    who { kind agent }
    can read
    on "@workloads" "podtemplates" "controllerrevisions.apps"
    mask "env"
}
require "words-are-masked" {
    why "Events quote values"
    severity high
    who { kind agent }
    can read
    on "events"
    mask "words"
}
require "lockers-are-masked" {
    why "A custom kind with secrets"
    severity high
    who { kind agent }
    can read
    on "lockers.vault.it.example"
    mask "lockers"
}
"#;

/// One gateway for all of them; canaries keep the tests apart.
fn gateway(ground: &'static Ground) -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        custom::define(ground);
        let setup =
            Setup::new(ground.cluster, &ground.issuer).with_file("mask.key", &"k".repeat(48));
        let key = setup.directory().join("mask.key");
        let masks = MASKS.replace("{key}", &key.to_string_lossy());
        let rules = [EVERYTHING, MASKED].concat();
        let bundle = Bundle::open(&ground.issuer, &["one"])
            .with_rules(&rules)
            .with("masks.kdl", &masks);
        setup.with_bundle(bundle).start()
    })
}

/// A namespace with a value that must not get out.
struct Vault {
    ground: &'static Ground,
    gateway: &'static Gateway,
    namespace: String,
    token: String,
    canary: Canary,
    /// How much the gateway had left behind before.
    before: [usize; 2],
}

impl Vault {
    /// An empty one.
    fn empty() -> Self {
        let ground = ground();
        let gateway = gateway(ground);
        let vault = Self {
            ground,
            gateway,
            namespace: fresh("vault"),
            token: ground.token("agent"),
            canary: Canary::new(),
            before: left_behind(gateway).map(|bytes| bytes.len()),
        };
        let namespace = json!({"metadata": {"name": vault.namespace}});
        vault.create("/api/v1/namespaces", &namespace);
        vault
    }

    /// With a Secret `db` that holds the canary in `data` and in the annotation of `kubectl apply`,
    /// and a second one, so that lists and Tables have more than one row.
    fn new() -> Self {
        let vault = Self::empty();
        for name in ["db", "other"] {
            vault.create(&vault.path(""), &vault.secret(name));
        }
        vault
    }

    fn secret(&self, name: &str) -> Value {
        let data = json!({"password": self.canary.base64(), "copy": self.canary.base64()});
        let applied =
            json!({"kind": "Secret", "data": data, "stringData": {"x": self.canary.as_str()}});
        json!({
            "kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": data,
            "metadata": {
                "name": name,
                "labels": {"app": "vault"},
                "annotations": {LAST_APPLIED: applied.to_string()},
            },
        })
    }

    /// A path of Secrets.
    fn path(&self, rest: &str) -> String {
        self.path_of("secrets", rest)
    }

    fn path_of(&self, resource: &str, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{resource}{rest}", self.namespace)
    }

    /// A path of a named group.
    fn path_in(&self, group: &str, resource: &str, rest: &str) -> String {
        format!(
            "/apis/{group}/namespaces/{}/{resource}{rest}",
            self.namespace
        )
    }

    /// What the API server itself answers, past the gateway.
    fn direct(&self, request: &Request) -> Answer {
        self.ground.cluster.wire().ask(request)
    }

    /// Makes an object past the gateway.
    fn create(&self, path: &str, object: &Value) {
        let request = Request::new("POST", path).body(JSON, object.to_string());
        let answer = self.direct(&request);
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    }

    /// Changes an object past the gateway.
    fn change(&self, path: &str, patch: &Value) {
        let request = Request::new("PATCH", path).body(MERGE, patch.to_string());
        let answer = self.direct(&request);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }

    /// Until the API server answers so that it holds.
    fn await_object(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(path, || {
            let answer = self.direct(&get(path));
            (answer.status == 200).then(|| answer.json()).filter(&holds)
        })
    }

    fn kubectl(&self) -> Kubectl {
        let kubectl = self.gateway.kubectl(&self.token);
        kubectl.with(&["-n", &self.namespace])
    }

    fn check(&self, what: &str, answer: &Answer) {
        self.canary.assert_absent(what, &answer.body);
        let headers = format!("{:?}", answer.headers);
        self.canary.assert_absent(what, headers.as_bytes());
    }

    /// Through the gateway; the canary is not in the answer.
    fn ask(&self, what: &str, request: &Request) -> Answer {
        let answer = self.gateway.wire().ask(&request.clone().token(&self.token));
        self.check(what, &answer);
        answer
    }

    /// An answer with content, masked.
    fn masked(&self, what: &str, request: &Request) -> Answer {
        let answer = self.ask(what, request);
        let text = answer.text();
        assert!(
            (200..300).contains(&answer.status),
            "{what}: {} {text}",
            answer.status
        );
        assert!(marks_in(&text) > 0, "{what} shows no mask: {text}");
        answer
    }

    /// The same, and the API server itself would have told the value: the attack is one.
    fn hidden(&self, what: &str, request: &Request) -> Answer {
        let direct = self.direct(request);
        let body = &direct.body;
        let told = self.canary.coat_in(body);
        assert!(
            told.is_some(),
            "{what} is no attack: {} {}",
            direct.status,
            direct.text()
        );
        self.masked(what, request)
    }
}

/// What the gateway leaves behind holds nothing either.
impl Drop for Vault {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let names = ["the audit log", "the gateway's log"];
        let left = left_behind(self.gateway);
        for ((what, bytes), before) in names.iter().zip(&left).zip(self.before) {
            self.canary.assert_absent(what, &bytes[before..]);
        }
        let metrics = self.gateway.admin("/metrics").1;
        self.canary.assert_absent("metrics", metrics.as_bytes());
    }
}

/// Audit log and log.
fn left_behind(gateway: &Gateway) -> [Vec<u8>; 2] {
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    let directory = gateway.directory();
    [
        read(&directory.join("audit.jsonl")),
        read(&directory.join("log")),
    ]
}

/// How many values are masked, in base64 or not.
fn marks_in(text: &str) -> usize {
    let encoded = STANDARD.encode("countersign-masked:");
    let whole_groups = &encoded[..20];
    text.matches(whole_groups).count() + text.matches("countersign-masked:").count()
}

fn patch(media: &str, target: &str, body: &(impl ToString + ?Sized)) -> Request {
    Request::new("PATCH", target).body(media, body.to_string())
}

/// Checks all at once: most of it is waiting.
fn each<T: Sync>(items: &[T], check: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for item in items {
            scope.spawn(|| check(item));
        }
    });
}
