//! Attacks on bodies and on what is asked to come back: 10 to 14, 18, 28 to 31, 48 (K-2, K-5).

use std::sync::OnceLock;

use gateway_tests::{Answer, Bundle, Gateway, Request, Setup, fresh, get};

use crate::ground::{EVERYTHING, Ground, assert_status, ground};

/// Names in bodies that the policy looks at.
const RULES: &str = r#"
deny "no-secrets" {
    why "Secrets are not read here"
    severity low
    can read patch
    on "secrets"
    in "*"
}
deny "no-such-pod" {
    why "A name that only the body tells"
    severity low
    can create update
    on "pods" "configmaps"
    in "*"
    named "denied"
}
"#;

fn gateway() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        let ground = ground();
        let rules = [EVERYTHING, RULES].concat();
        let bundle = Bundle::open(&ground.issuer, &["one"]).with_rules(&rules);
        Setup::new(ground.cluster, &ground.issuer)
            .with_bundle(bundle)
            .start()
    })
}

fn ask(ground: &Ground, request: Request) -> (Answer, String) {
    let agent = fresh("content");
    let request = request.token(&ground.token("author")).agent(&agent);
    (gateway().wire().ask(&request), agent)
}

/// Refused with one of the codes, and the API server does not hear of it.
fn refuses(title: &str, request: Request, codes: &[u16]) {
    let ground = ground();
    let (answer, agent) = ask(ground, request);
    assert!(
        codes.contains(&answer.status),
        "{title}: {} {}",
        answer.status,
        answer.text()
    );
    assert_status(title, &answer, answer.status);
    ground.sentinel();
    assert_eq!(
        ground.cluster.journal().by_agent(&agent).len(),
        0,
        "{title}"
    );
}

fn config_maps() -> String {
    format!("/api/v1/namespaces/{}/configmaps", ground().namespace)
}

fn create(media_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", &config_maps()).body(media_type, body)
}

/// Attacks 10, 11, 13, 18: how an answer is asked for changes nothing about the decision.
#[test]
fn no_form_of_an_answer_gets_around_a_denial() {
    let base = format!("/api/v1/namespaces/{}/secrets", ground().namespace);
    for accept in [
        "application/vnd.kubernetes.protobuf",
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/yaml",
        "application/cbor",
        "*/*",
        "text/plain;q=0",
    ] {
        for target in [
            "",
            "/db",
            "?watch=1",
            "?includeObject=Object",
            "/db?pretty=1",
        ] {
            let request = get(&format!("{base}{target}")).header("Accept", accept);
            refuses(&format!("{accept} {target}"), request, &[400, 403]);
        }
    }
    for query in ["", "?dryRun=All", "?fieldManager=x&force=false"] {
        let patch = Request::new("PATCH", &format!("{base}/db{query}"));
        refuses(
            "an empty patch",
            patch.body("application/merge-patch+json", "{}"),
            &[403],
        );
    }
}

/// Attack 14: the API server reads the first line only.
#[test]
fn two_accept_lines_are_read_as_the_api_server_reads_them() {
    let ground = ground();
    let target = format!("{}/cm", config_maps());
    let two = get(&target)
        .header("Accept", "application/json")
        .header("Accept", "application/yaml");
    let direct = ground.cluster.wire().ask(&two);
    let (through, _) = ask(ground, two);
    assert_eq!(through.status, 200, "{}", through.text());
    assert_eq!(
        through.header("content-type"),
        direct.header("content-type")
    );
}

/// Attack 12: gzip begins at 128 KiB, where a small test never looks.
#[test]
fn a_big_list_comes_back_plain() {
    let ground = ground();
    let admin = ground.cluster.admin();
    let namespace = ground.cluster.namespace("big");
    for number in 0..4 {
        let payload = "x".repeat(60 * 1024);
        admin.ok(&[
            "-n",
            &namespace,
            "create",
            "configmap",
            &format!("big-{number}"),
            &format!("--from-literal=payload={payload}"),
        ]);
    }
    let target = format!("/api/v1/namespaces/{namespace}/configmaps");
    let request = get(&target).header("Accept-Encoding", "gzip");
    assert_eq!(
        ground
            .cluster
            .wire()
            .ask(&request)
            .header("content-encoding"),
        Some("gzip")
    );
    let (answer, _) = ask(ground, request);
    assert_eq!(answer.header("content-encoding"), None);
    assert!(answer.body.len() > 240 * 1024);
    assert_eq!(answer.json()["kind"], "ConfigMapList");
}

/// Attack 28: the API server merges what stands twice.
#[test]
fn refuses_json_that_two_readers_understand_differently() {
    let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    for (title, body) in [
        (
            "a key twice",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"metadata":{"name":"denied"}}"#,
        ),
        (
            "a key twice below",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"denied","name":"a"}}"#,
        ),
        (
            "a key twice in a list",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","ownerReferences":[{"uid":"1","uid":"2"}]}}"#,
        ),
        (
            "a key twice by an escape",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","n\u0061me":"denied"}}"#,
        ),
        (
            "trailing data",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}{"x":1}"#,
        ),
        (
            "a trailing comma",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a",}}"#,
        ),
        (
            "a comment",
            r#"{"apiVersion":"v1","kind":"ConfigMap",/**/"metadata":{"name":"a"}}"#,
        ),
        ("no object", "[]"),
        (
            "a mark at the start",
            "\u{feff}{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}",
        ),
        ("too deep", deep.as_str()),
    ] {
        refuses(title, create("application/json", body), &[400, 413, 422]);
    }
    // Without a name it could be any name, the denied one too.
    refuses("nothing", create("application/json", ""), &[400, 403]);
    let text = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"X"}}"#;
    let (before, after) = text.split_once('X').expect("a place");
    let no_text = [before.as_bytes(), b"\xff", after.as_bytes()].concat();
    refuses("no UTF-8", create("application/json", no_text), &[400]);
}

/// Attack 29.
#[test]
fn refuses_yaml_that_two_readers_understand_differently() {
    for (title, body) in [
        (
            "a merge key",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  <<: {name: denied}\n  name: a\n",
        ),
        (
            "an alias",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: &m\n  name: a\ndata: *m\n",
        ),
        (
            "a tag",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: !!str a\n",
        ),
        (
            "two documents",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n---\nkind: Secret\n",
        ),
        (
            "a key twice",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  name: denied\n",
        ),
        (
            "a word that is a truth value",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: yes\n",
        ),
    ] {
        refuses(title, create("application/yaml", body), &[400, 415, 422]);
    }
}

/// Attack 30 as far as names go: a protobuf body is judged like any other.
#[test]
fn judges_what_a_protobuf_body_says() {
    let media = "application/vnd.kubernetes.protobuf";
    refuses(
        "a denied name",
        create(media, envelope("v1", "ConfigMap", "denied", &[])),
        &[403],
    );
    refuses(
        "no envelope",
        create(media, b"\x0a\x00".as_slice()),
        &[400, 415],
    );
    refuses(
        "an unknown kind",
        create(media, envelope("v9", "Nothing", "a", &[])),
        &[400, 415],
    );
    // A second ObjectMeta would be merged into the first upstream.
    let twice = object_meta("denied");
    refuses(
        "metadata twice",
        create(media, envelope("v1", "ConfigMap", "a", &twice)),
        &[400, 403],
    );
    refuses(
        "CBOR",
        create("application/cbor", b"\xd9\xd9\xf7\xa0".as_slice()),
        &[415],
    );
    let name = fresh("proto");
    let (answer, agent) = ask(
        ground(),
        create(media, envelope("v1", "ConfigMap", &name, &[])),
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    let event = ground()
        .cluster
        .journal()
        .await_agent(&agent, "ResponseComplete");
    assert_eq!(event.text("/objectRef/name"), name);
}

/// Attack 31: the API server ignores the coding and reads the bytes as they are (K-2.18).
#[test]
fn refuses_coded_bodies_and_unknown_media_types() {
    let body = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#;
    for coding in ["gzip", "deflate", "br", "gzip, identity", "x"] {
        let request = create("application/json", body).header("Content-Encoding", coding);
        refuses(coding, request, &[400, 415]);
    }
    for media in [
        "text/plain",
        "application/xml",
        "application/json, application/yaml",
        "multipart/form-data",
    ] {
        refuses(media, create(media, body), &[400, 415]);
    }
    let target = format!("{}/cm", config_maps());
    for media in [
        "application/json",
        "application/apply-patch+cbor",
        "application/Merge-Patch+json",
        "text/plain",
    ] {
        let patch = Request::new("PATCH", &target).body(media, "{}");
        refuses(media, patch, &[400, 415]);
    }
}

/// Attack 48: with a body the query counts for nothing upstream, so `?dryRun=All` would delete.
#[test]
fn refuses_delete_options_that_contradict_each_other() {
    let ground = ground();
    let name = fresh("kept");
    let admin = ground.cluster.admin().with(&["-n", &ground.namespace]);
    admin.ok(&["create", "configmap", &name]);
    let target = format!("{}/{name}", config_maps());
    for (query, body) in [
        ("?dryRun=All", "{}"),
        (
            "?dryRun=All",
            r#"{"apiVersion":"v1","kind":"DeleteOptions"}"#,
        ),
        (
            "?propagationPolicy=Orphan",
            r#"{"propagationPolicy":"Background"}"#,
        ),
        ("?gracePeriodSeconds=30", r#"{"gracePeriodSeconds":0}"#),
    ] {
        let request = Request::new("DELETE", &format!("{target}{query}"));
        refuses(query, request.body("application/json", body), &[400]);
    }
    admin.ok(&["get", "configmap", &name]);
    let (answer, _) = ask(
        ground,
        Request::new("DELETE", &format!("{target}?dryRun=All")),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    admin.ok(&["get", "configmap", &name]);
}

/// The URL names the resource; a body of another kind or namespace is refused, by whomever.
#[test]
fn a_body_of_another_kind_or_namespace_makes_nothing() {
    let ground = ground();
    let media = "application/vnd.kubernetes.protobuf";
    let name = fresh("stray");
    let json = |kind: &str, more: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"{name}"{more}}}}}"#)
    };
    for (title, request) in [
        (
            "another kind",
            create("application/json", json("Secret", "")),
        ),
        (
            "another namespace",
            create(
                "application/json",
                json("ConfigMap", r#","namespace":"kube-system""#),
            ),
        ),
        (
            "another kind in protobuf",
            create(media, envelope("v1", "Secret", &name, &[])),
        ),
    ] {
        let (answer, _) = ask(ground, request);
        assert_eq!(answer.status, 400, "{title}: {}", answer.text());
    }
    let admin = ground.cluster.admin();
    let found = admin.ok(&["get", "configmaps,secrets", "-A", "-o", "name"]);
    assert!(!found.contains(&name), "{found}");
}

/// The body names what the URL does not, and must not differ from it.
#[test]
fn refuses_a_body_that_names_something_else_than_the_url() {
    let object = |name: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#)
    };
    let put = |name: &str| {
        Request::new("PUT", &format!("{}/cm", config_maps())).body("application/json", object(name))
    };
    refuses("another name", put("other"), &[400]);
    refuses(
        "a denied name",
        create("application/json", object("denied")),
        &[403],
    );
    // The end of a generated name is the server's: it might be the denied one.
    let generated = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"den"}}"#;
    refuses(
        "a prefix of a denied name",
        create("application/json", generated),
        &[403],
    );
}

/// `k8s\0`, `runtime.Unknown{typeMeta, raw}`, raw = an object with `ObjectMeta` in field 1.
fn envelope(api_version: &str, kind: &str, name: &str, more: &[u8]) -> Vec<u8> {
    let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    let raw = [object_meta(name).as_slice(), more].concat();
    [b"k8s\0".as_slice(), &field(1, &type_meta), &field(2, &raw)].concat()
}

fn object_meta(name: &str) -> Vec<u8> {
    field(1, &field(1, name.as_bytes()))
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short fields");
    assert!(length < 128, "lengths of one byte");
    [&[number << 3 | 2, length], content].concat()
}
