//! Masked values on their way back (attack 32) and guesses by writing (attack 27), on the real API
//! server: what a caller did not change stays as it was, and no outcome tells what it may not read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::{Answer, Bundle, Gateway, Kubectl, Request, Setup, fresh, get};
use serde_json::{Value, json};

use crate::clients::installed;
use crate::ground::{EVERYTHING, Ground, ground};

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";

/// What becomes of a value, and of one that comes back.
fn rules(write_back: &str) -> (String, String) {
    let masks = format!(
        r#"
hmac-key "k" file="KEY"
mask "values" {{
    for "secrets" {{ at "data.*" redact; at "stringData.*" redact }}
    for "configmaps" {{
        at "data.phone" fpe key="k"
        at "data.card" partial keep-last=4
        at "data.hidden" drop
        at "data.hashed" hash key="k"
    }}
    write-back {write_back}
}}
"#
    );
    let rules = r#"
require "values-are-masked" {
    why "Values never leave the cluster in clear text"
    owner "security"
    severity high
    who { kind agent }
    can read write
    on "secrets" "configmaps"
    mask "values"
}
deny "blind" {
    why "This one may write and not read"
    owner "security"
    severity low
    who { user "it:blind" }
    can read
    on "secrets"
}
"#;
    (masks, [EVERYTHING, rules].concat())
}

/// A Secret as somebody applied it, and an agent that reads it masked.
struct Desk {
    ground: &'static Ground,
    gateway: Gateway,
    namespace: String,
    token: String,
    password: String,
}

impl Desk {
    fn new(write_back: &str) -> Self {
        let ground = ground();
        let (masks, rules) = rules(write_back);
        let bundle = Bundle::open(&ground.issuer, &["one"]);
        let setup =
            Setup::new(ground.cluster, &ground.issuer).with_file("mask.key", &"k".repeat(48));
        let key = setup.directory().join("mask.key");
        let masks = masks.replace("KEY", &key.display().to_string());
        let bundle = bundle.with("masks.kdl", &masks).with_rules(&rules);
        let desk = Self {
            ground,
            token: ground.token("agent"),
            gateway: setup.with_bundle(bundle).start(),
            namespace: ground.cluster.namespace("desk"),
            password: fresh("CaNaRy"),
        };
        desk.seed("db");
        desk
    }

    fn seed(&self, name: &str) {
        self.admin().apply(
            &json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": name, "labels": {"team": "red"}},
                "data": {"password": self.value(), "user": STANDARD.encode("shop")},
            })
            .to_string(),
        );
    }

    fn value(&self) -> String {
        STANDARD.encode(&self.password)
    }

    fn admin(&self) -> Kubectl {
        self.ground.cluster.admin().with(&["-n", &self.namespace])
    }

    fn live(&self, kind: &str, name: &str) -> Value {
        self.admin().json(&["get", kind, name])
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/secrets{rest}", self.namespace)
    }

    fn ask(&self, request: Request) -> Answer {
        let answer = self.gateway.wire().ask(&request.token(&self.token));
        let text = answer.text();
        let hidden = [self.password.clone(), self.value()];
        assert!(hidden.iter().all(|value| !text.contains(value)), "{text}");
        answer
    }

    /// As the agent reads it.
    fn shown(&self, name: &str) -> Value {
        let answer = self.ask(get(&self.path(&format!("/{name}"))));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn send(&self, method: &str, rest: &str, media: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.ask(Request::new(method, &self.path(rest)).body(media, body.as_str()))
    }

    /// The Secret but for what every write changes.
    fn content(&self, name: &str) -> Value {
        let mut live = self.live("secret", name);
        let metadata = live["metadata"].as_object_mut().unwrap();
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
        live
    }
}

fn marker() -> Value {
    STANDARD.encode("countersign-masked:values").into()
}

/// What was applied, as `kubectl` notes it.
fn noted(live: &Value) -> Value {
    let text = live["metadata"]["annotations"][ANNOTATION]
        .as_str()
        .unwrap();
    serde_json::from_str(text).unwrap()
}

/// The object with the note as it was: `edit` and `replace` note the object they sent, as they do
/// without a gateway. Its values are the real ones.
fn without_note(before: &Value, mut after: Value) -> Value {
    assert_eq!(noted(&after)["data"], before["data"], "what is noted");
    after["metadata"]["annotations"] = before["metadata"]["annotations"].clone();
    after
}

fn kubectls(desk: &Desk) -> [(&'static str, Kubectl); 2] {
    let own = desk
        .gateway
        .kubectl(&desk.token)
        .with(&["-n", &desk.namespace]);
    let old = own.clone().with_program(&installed("install-kubectl-1.20"));
    [("new", own), ("old", old)]
}

#[test]
fn kubectl_changes_what_its_user_changed_and_nothing_else() {
    let desk = Desk::new("restore");
    for (which, kubectl) in kubectls(&desk) {
        edits_and_replaces(&desk, which, &kubectl);
        applies(&desk, which, &kubectl);
        patches(&desk, which, &kubectl);
    }
    let log = std::fs::read_to_string(desk.gateway.directory().join("audit.jsonl")).unwrap();
    assert!(
        log.contains(r#""countersign/restored":"2""#),
        "the count is audited"
    );
    assert!(!log.contains(&desk.password) && !log.contains(&desk.value()));
}

fn edits_and_replaces(desk: &Desk, which: &str, kubectl: &Kubectl) {
    let editing = kubectl
        .clone()
        .with_environment("KUBE_EDITOR", "sed -i s/red/blue/");
    desk.seed("db");
    let before = desk.content("db");
    editing.ok(&["edit", "secret", "db"]);
    let mut expected = before.clone();
    expected["metadata"]["labels"]["team"] = "blue".into();
    let after = without_note(&before, desk.content("db"));
    assert_eq!(after, expected, "{which} edit");

    desk.seed("db");
    let before = desk.content("db");
    let shown = kubectl.ok(&["get", "secret", "db", "-o", "yaml"]);
    let changed = shown.replace("team: red", "team: green");
    let replaced = kubectl.run_with_input(&["replace", "-f", "-"], &changed);
    assert_eq!(replaced.code, 0, "{which} replace: {}", replaced.stderr);
    let mut expected = before.clone();
    expected["metadata"]["labels"]["team"] = "green".into();
    let after = without_note(&before, desk.content("db"));
    assert_eq!(after, expected, "{which} replace");
}

fn applies(desk: &Desk, which: &str, kubectl: &Kubectl) {
    desk.seed("db");
    let before = desk.content("db");
    let mut manifest = kubectl.json(&["get", "secret", "db"]);
    let metadata = manifest["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| matches!(key.as_str(), "name" | "labels"));
    manifest["data"]["more"] = STANDARD.encode("own").into();
    for arguments in [
        &["apply", "-f", "-"][..],
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
    ] {
        let applied = kubectl.run_with_input(arguments, &manifest.to_string());
        assert_eq!(applied.code, 0, "{which} {arguments:?}: {}", applied.stderr);
        let after = desk.content("db");
        assert_eq!(
            after["data"]["password"],
            desk.value(),
            "{which} {arguments:?}"
        );
        assert_eq!(after["data"]["user"], before["data"]["user"], "{which}");
        assert_eq!(after["data"]["more"], manifest["data"]["more"], "{which}");
        assert_eq!(
            noted(&after)["data"],
            after["data"],
            "{which} {arguments:?}"
        );
    }
}

fn patches(desk: &Desk, which: &str, kubectl: &Kubectl) {
    desk.admin().ok(&["delete", "secret", "db"]);
    desk.seed("db");
    let before = desk.content("db");
    let patch = json!({"metadata": {"labels": {"team": "red"}}, "data": {"password": marker()}});
    let operations = json!([{"op": "replace", "path": "/data/password", "value": marker()}]);
    for (kind, patch) in [
        ("strategic", &patch),
        ("merge", &patch),
        ("json", &operations),
    ] {
        kubectl.ok(&[
            "patch",
            "secret",
            "db",
            "--type",
            kind,
            "-p",
            &patch.to_string(),
        ]);
        assert_eq!(desk.content("db"), before, "{which} patch {kind}");
    }
}

#[test]
fn a_mask_that_refuses_has_no_marker_written_and_lets_the_rest_pass() {
    let desk = Desk::new("refuse");
    let before = desk.content("db");
    for (which, kubectl) in kubectls(&desk) {
        let shown = kubectl.ok(&["get", "secret", "db", "-o", "yaml"]);
        for arguments in [&["replace", "-f", "-"][..], &["apply", "-f", "-"]] {
            let finished = kubectl.run_with_input(arguments, &shown);
            assert_ne!(finished.code, 0, "{which} {arguments:?}");
            assert!(
                finished.stderr.contains("cannot be written back"),
                "{}",
                finished.stderr
            );
        }
        let patch = json!({"data": {"password": marker()}}).to_string();
        let refused = kubectl.run(&["patch", "secret", "db", "-p", &patch]);
        assert!(
            refused.stderr.contains("/data/password"),
            "{}",
            refused.stderr
        );
        // kubectl notes in the annotation what it was shown.
        let editing = kubectl
            .clone()
            .with_environment("KUBE_EDITOR", "sed -i s/red/blue/");
        let refused = editing.run(&["edit", "secret", "db"]);
        assert!(
            refused.stderr.contains("/metadata/annotations"),
            "{}",
            refused.stderr
        );
        assert_eq!(desk.content("db"), before, "{which}: nothing was changed");
        kubectl.ok(&["label", "secret", "db", &format!("{which}=yes")]);
        kubectl.ok(&["label", "secret", "db", &format!("{which}-")]);
        // An object without the annotation is edited by what was changed alone.
        desk.admin()
            .ok(&["create", "secret", "generic", which, "--from-literal=a=b"]);
        desk.admin().ok(&["label", "secret", which, "team=red"]);
        let mut expected = desk.content(which);
        expected["metadata"]["labels"]["team"] = "blue".into();
        editing.ok(&["edit", "secret", which]);
        assert_eq!(desk.content(which), expected, "{which} edit");
    }
}

/// Attack 32 in all its forms, where values are put back: at their own place alone.
#[test]
fn a_value_is_put_back_at_its_own_place_alone() {
    let desk = Desk::new("restore");
    let before = desk.content("db");
    let longer = STANDARD.encode("x countersign-masked:values");
    let annotated =
        |inner: Value| json!({"metadata": {"annotations": {ANNOTATION: inner.to_string()}}});
    let cases = [
        ("another key", json!({"data": {"else": marker()}})),
        ("a longer text", json!({"data": {"password": longer}})),
        (
            "another mask",
            json!({"data": {"password": STANDARD.encode("countersign-masked:x")}}),
        ),
        (
            "a label",
            json!({"metadata": {"labels": {"x": "countersign-masked:values"}}}),
        ),
        (
            "an annotation",
            json!({"metadata": {"annotations": {"x": marker()}}}),
        ),
        (
            "stringData",
            json!({"stringData": {"password": "countersign-masked:values"}}),
        ),
        (
            "the annotation of apply",
            annotated(json!({"data": {"else": marker()}})),
        ),
        (
            "base64 twice",
            json!({"data": {"password": STANDARD.encode(marker().as_str().unwrap())}}),
        ),
    ];
    for (what, patch) in &cases {
        for media in [MERGE, STRATEGIC] {
            let answer = desk.send("PATCH", "/db", media, patch);
            assert_eq!(answer.status, 409, "{what} {media}: {}", answer.text());
        }
        let mut whole = patch.clone();
        whole["apiVersion"] = "v1".into();
        whole["kind"] = "Secret".into();
        whole["metadata"]["name"] = "db".into();
        let answer = desk.send("PATCH", "/db?fieldManager=me&force=true", APPLY, &whole);
        assert_eq!(answer.status, 409, "{what} apply: {}", answer.text());
        let answer = desk.send("PUT", "/db", JSON, &whole);
        assert_eq!(answer.status, 409, "{what} PUT: {}", answer.text());
    }
    for operations in [
        json!([{"op": "add", "path": "/data/else", "value": marker()}]),
        json!([{"op": "add", "path": "/metadata/labels/x", "value": "countersign-masked:values"}]),
        json!([{"op": "test", "path": "/metadata/labels/team", "value": "countersign-masked:values"}]),
    ] {
        let answer = desk.send("PATCH", "/db", JSON_PATCH, &operations);
        assert_eq!(answer.status, 409, "{operations}: {}", answer.text());
    }
    assert_eq!(desk.content("db"), before, "nothing was changed");
}

/// Another object, a new one, one that is not there, a dry run, an older body, a blind author.
#[test]
fn a_value_is_put_back_into_its_own_object_alone() {
    let desk = Desk::new("restore");
    let before = desk.content("db");
    let shown = desk.shown("db");
    let mut copy = shown.clone();
    copy["metadata"] = json!({"name": "copy"});
    let answer = desk.send("POST", "", JSON, &copy);
    assert_eq!(answer.status, 409, "create: {}", answer.text());
    let answer = desk.send("PATCH", "/copy?fieldManager=me&force=true", APPLY, &copy);
    assert_eq!(
        answer.status,
        409,
        "an apply that creates: {}",
        answer.text()
    );
    let answer = desk.send("PUT", "/copy", JSON, &copy);
    assert_eq!(answer.status, 404, "nothing there: {}", answer.text());
    assert!(answer.text().contains("not found"), "{}", answer.text());
    let patch = json!({"data": {"password": marker()}});
    let answer = desk.send("PATCH", "/db?dryRun=All", MERGE, &patch);
    assert_eq!(answer.status, 409, "a dry run: {}", answer.text());
    // A body that is older than the object.
    desk.admin().ok(&["label", "secret", "db", "seen=yes"]);
    let answer = desk.send("PUT", "/db", JSON, &shown);
    assert_eq!(answer.status, 409, "stale: {}", answer.text());
    assert_eq!(answer.json()["reason"], "Conflict");
    desk.admin().ok(&["label", "secret", "db", "seen-"]);
    assert_eq!(desk.content("db"), before, "nothing was changed");
    // Whoever may not read it has nothing put back.
    let blind = desk.ground.token("blind");
    let request = Request::new("PATCH", &desk.path("/db")).body(MERGE, patch.to_string().as_str());
    let answer = desk.gateway.wire().ask(&request.token(&blind));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(
        answer.text().contains("does not let you read"),
        "{}",
        answer.text()
    );
}

#[test]
fn every_form_of_a_write_puts_the_value_back() {
    let desk = Desk::new("restore");
    let before = desk.content("db");
    let patch = json!({"data": {"password": marker()}});
    for (method, rest, media, body) in [
        ("PUT", "/db", JSON, desk.shown("db")),
        ("PATCH", "/db", MERGE, patch.clone()),
        ("PATCH", "/db", STRATEGIC, patch),
        (
            "PATCH",
            "/db",
            JSON_PATCH,
            json!([{"op": "replace", "path": "/data", "value": desk.shown("db")["data"]}]),
        ),
    ] {
        let answer = desk.send(method, rest, media, &body);
        assert_eq!(answer.status, 200, "{media}: {}", answer.text());
        assert_eq!(desk.content("db"), before, "{media}");
    }
    let apply = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"},
        "data": {"password": marker()},
    });
    let answer = desk.send("PATCH", "/db?fieldManager=me&force=true", APPLY, &apply);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(desk.content("db"), before, "apply");
}

/// The precondition holds: what changed between the read and the write is not overwritten.
#[test]
fn the_precondition_is_one_that_the_api_server_keeps() {
    let desk = Desk::new("restore");
    let stale = desk.live("secret", "db")["metadata"]["resourceVersion"].clone();
    desk.admin().ok(&["label", "secret", "db", "seen=yes"]);
    let object = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "db", "resourceVersion": stale, "labels": {"raced": "yes"}},
    });
    let last = json!({"op": "add", "path": "/metadata/resourceVersion", "value": stale});
    let operations = json!([{"op": "add", "path": "/metadata/labels/raced", "value": "yes"}, last]);
    // As the gateway sends them, with nothing to put back: the API server's own answer.
    for (media, body) in [
        (MERGE, &object),
        (STRATEGIC, &object),
        (APPLY, &object),
        (JSON_PATCH, &operations),
    ] {
        let answer = desk.send("PATCH", "/db?fieldManager=me", media, body);
        assert_eq!(answer.status, 409, "{media}: {}", answer.text());
        assert_eq!(answer.json()["reason"], "Conflict", "{media}");
    }
    assert_eq!(
        desk.content("db")["metadata"]["labels"]["raced"],
        Value::Null
    );
}

/// Digits, tails, digests and what is not shown carry no marker, or a part of the value.
#[test]
fn what_other_strategies_leave_is_recognised_too() {
    for mode in ["restore", "refuse"] {
        let desk = Desk::new(mode);
        desk.admin().apply(
            &json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"},
                "data": {
                    "phone": "+49 170 1234567", "card": "4111 1111 1111 1111", "hidden": "h",
                    "hashed": "digest", "free": "old",
                },
            })
            .to_string(),
        );
        let before = desk.live("configmap", "cm")["data"].clone();
        let path = format!("/api/v1/namespaces/{}/configmaps/cm", desk.namespace);
        let mut shown = desk.ask(get(&path)).json();
        assert_eq!(shown["data"]["hidden"], Value::Null);
        assert_ne!(shown["data"]["phone"], before["phone"]);
        shown["data"]["free"] = "new".into();
        if mode == "refuse" {
            // Without the markers the others are left.
            let data = shown["data"].as_object_mut().unwrap();
            data.retain(|key, _| matches!(key.as_str(), "phone" | "free"));
            shown["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("annotations");
        }
        let text = shown.to_string();
        let answer = desk.ask(Request::new("PUT", &path).body(JSON, text.as_str()));
        let after = desk.live("configmap", "cm")["data"].clone();
        if mode == "refuse" {
            assert_eq!(answer.status, 409, "{}", answer.text());
            assert!(answer.text().contains("/data/phone"), "{}", answer.text());
            assert_eq!(after, before);
            let body = json!({"data": {"phone": shown["data"]["phone"]}}).to_string();
            let answer = desk.ask(Request::new("PATCH", &path).body(MERGE, body.as_str()));
            assert_eq!(answer.status, 409, "{}", answer.text());
        } else {
            assert_eq!(answer.status, 200, "{}", answer.text());
            let mut expected = before.clone();
            expected["free"] = "new".into();
            assert_eq!(after, expected);
        }
        let body = json!({"data": {"phone": "+1 555 0000000", "free": "own"}}).to_string();
        let answer = desk.ask(Request::new("PATCH", &path).body(MERGE, body.as_str()));
        assert_eq!(
            answer.status,
            200,
            "a value of one's own: {}",
            answer.text()
        );
    }
}

fn decoded(guess: &str) -> String {
    let bytes = STANDARD.decode(guess).expect("base64");
    String::from_utf8(bytes).expect("text")
}

type Guess = (&'static str, &'static str, &'static str, Value);

/// Each way to guess: method, path, media type and body.
fn guesses(guess: &str) -> Vec<Guess> {
    let data = json!({"data": {"password": guess}});
    let text = json!({"stringData": {"password": decoded(guess)}});
    let object = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "data": {"password": guess}, "type": "Opaque",
        })
    };
    let put = {
        let mut object = object("frozen");
        object["immutable"] = true.into();
        object["data"]["user"] = STANDARD.encode("shop").into();
        object
    };
    let operations = json!([{"op": "replace", "path": "/data/password", "value": guess}]);
    // By way of a place that nobody masks.
    let carried = |op: &str| {
        json!([
            {"op": "add", "path": "/metadata/annotations/carry", "value": guess},
            {"op": op, "from": "/metadata/annotations/carry", "path": "/data/password"},
        ])
    };
    const APPLY_DRY: &str = "/db?fieldManager=me&dryRun=All";
    const FORCE_DRY: &str = "/db?fieldManager=me&dryRun=All&force=true";
    const FORCE_FROZEN: &str = "/frozen?fieldManager=me&force=true";
    const DRY: &str = "/db?dryRun=All";
    vec![
        ("PATCH", DRY, JSON_PATCH, carried("copy")),
        ("PATCH", "/frozen", JSON_PATCH, carried("copy")),
        ("PATCH", "/frozen", JSON_PATCH, carried("move")),
        ("PATCH", DRY, MERGE, text.clone()),
        ("PATCH", "/frozen", STRATEGIC, text),
        ("PATCH", "/db?fieldManager=me", APPLY, object("db")),
        ("PATCH", APPLY_DRY, APPLY, object("db")),
        ("PATCH", FORCE_DRY, APPLY, object("db")),
        ("PATCH", DRY, MERGE, data.clone()),
        ("PATCH", DRY, STRATEGIC, data.clone()),
        ("PATCH", DRY, JSON_PATCH, operations.clone()),
        ("PUT", DRY, JSON, object("db")),
        ("PATCH", "/frozen", MERGE, data.clone()),
        ("PATCH", "/frozen", STRATEGIC, data),
        ("PATCH", "/frozen", JSON_PATCH, operations),
        ("PATCH", FORCE_FROZEN, APPLY, object("frozen")),
        ("PUT", "/frozen", JSON, put),
    ]
}

/// What each of them is answered.
fn told(desk: &Desk, guess: &str) -> Vec<(u16, String)> {
    guesses(guess)
        .into_iter()
        .map(|(method, rest, media, body)| {
            let answer = desk.gateway.wire().ask(
                &Request::new(method, &desk.path(rest))
                    .body(media, body.to_string().as_str())
                    .token(&desk.token),
            );
            assert!(
                matches!(answer.status, 403 | 409),
                "{media} on {rest}: {} {}",
                answer.status,
                answer.text()
            );
            (answer.status, answer.text())
        })
        .collect()
}

/// Attack 27: the answer to a guess is the same whether it is right or wrong.
#[test]
fn no_guess_by_writing_is_answered() {
    let desk = Desk::new("refuse");
    desk.seed("frozen");
    let frozen = json!({"immutable": true}).to_string();
    desk.admin()
        .ok(&["patch", "secret", "frozen", "-p", &frozen]);
    let before = (desk.content("db"), desk.content("frozen"));
    let right = desk.value();
    let wrong = STANDARD.encode("wrong");
    let mut answers = Vec::new();
    for guess in [&right, &wrong] {
        answers.push(told(&desk, guess));
    }
    assert_eq!(answers[0], answers[1], "right and wrong sound alike");
    assert_eq!((desk.content("db"), desk.content("frozen")), before);
}
