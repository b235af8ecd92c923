//! Attacks 8 to 13: every shape of a read, and every way to write the same read.

use gateway_tests::{Canary, Request, get};
use serde_json::{Value, json};

use super::{JSON, PARTIAL, PROTOBUF, TABLE, Vault, each, marks_in};

/// More than the API server sends without compression (K-2.12).
const BIG_BYTES: usize = 60 * 1024;
/// `MaxSecretSize`: the values of a Secret together.
const SECRET_BYTES_MAX: usize = 1024 * 1024;

/// Attacks 8 to 13: Tables, protobuf, metadata, YAML, gzip, and the plain forms. Tables have two rows:
/// a mask that knows the first alone is no mask.
#[test]
fn no_shape_of_a_read_shows_a_masked_value() {
    let vault = Vault::new();
    let partials = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let partial_protobuf =
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let partials_protobuf =
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let old_table = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
    for (target, accept, objects) in [
        (vault.path("/db"), JSON, 1),
        (vault.path("/db"), "application/yaml", 1),
        (vault.path("/db"), PROTOBUF, 1),
        (vault.path("/db"), TABLE, 1),
        (vault.path("/db?includeObject=Object"), TABLE, 1),
        (vault.path("/db"), PARTIAL, 1),
        (vault.path("/db"), partial_protobuf, 1),
        (vault.path(""), JSON, 2),
        (vault.path(""), PROTOBUF, 2),
        (vault.path(""), "application/yaml", 2),
        (vault.path(""), TABLE, 2),
        (vault.path(""), old_table, 2),
        (vault.path("?includeObject=Object"), TABLE, 2),
        (vault.path("?includeObject=Metadata"), TABLE, 2),
        (vault.path(""), partials, 2),
        (vault.path(""), partials_protobuf, 2),
    ] {
        let what = format!("{accept} on {target}");
        let request = get(&target)
            .header("Accept", accept)
            .header("Accept-Encoding", "gzip");
        let answer = vault.hidden(&what, &request);
        assert!(
            marks_in(&answer.text()) >= objects,
            "{what}: {}",
            answer.text()
        );
        assert_eq!(answer.header("content-encoding"), None, "{what}");
        assert_eq!(answer.header("etag"), None, "{what}");
    }
}

/// Whoever says the same in other words gets the same.
#[test]
fn every_way_to_write_a_read_is_masked() {
    let vault = Vault::new();
    let namespace = &vault.namespace;
    for target in [
        vault.path("/db/"),
        vault.path("/"),
        vault.path("/%64b"),
        vault.path("/db?watch=true"),
        vault.path("?watch=0"),
        vault.path("/db?pretty=true"),
        vault.path("?pretty=1"),
        vault.path("?limit=1"),
        vault.path("?resourceVersion=0"),
        vault.path("?resourceVersion=0&resourceVersionMatch=NotOlderThan"),
        vault.path("?labelSelector=app%3Dvault"),
        vault.path("?labelSelector=app%20in%20(vault%2Cx)"),
        vault.path("?fieldSelector=metadata.name%3Ddb"),
        vault.path("?fieldSelector=type%3DOpaque"),
        vault.path("/db?fieldSelector=type%3DOpaque"),
        format!("/api/v1/secrets?fieldSelector=metadata.namespace%3D{namespace}"),
        "/api/v1/secrets?labelSelector=app%3Dvault".to_owned(),
        "/api/v1/secrets".to_owned(),
    ] {
        vault.hidden(&target, &get(&target));
        let request = get(&target).token(&vault.token);
        let answer = vault.gateway.h2().ask(&request).expect("an answer");
        assert_eq!(answer.status.as_u16(), 200, "{target}");
        vault.canary.assert_absent(&target, &answer.body);
        let told = format!("{:?} {:?}", answer.headers, answer.trailers);
        vault.canary.assert_absent(&target, told.as_bytes());
        assert!(
            marks_in(&String::from_utf8_lossy(&answer.body)) > 0,
            "{target}"
        );
    }
    for agent in ["curl/8", "Wget/1", "Mozilla/5.0"] {
        vault.hidden(agent, &get(&vault.path("/db")).agent(agent));
    }
    for (target, code) in [(vault.path("/db"), 405), (vault.path(""), 405)] {
        let answer = vault.ask("HEAD", &Request::new("HEAD", &target));
        assert_eq!(answer.status, code, "{target}");
        assert_eq!(answer.header("content-length").unwrap_or("0"), "0");
    }
}

#[test]
fn every_page_of_a_chunked_list_is_masked() {
    let vault = Vault::new();
    for number in 0..3 {
        let secret = vault.secret(&format!("more-{number}"));
        vault.create(&vault.path(""), &secret);
    }
    for accept in [JSON, TABLE] {
        let mut names = Vec::new();
        let mut token = String::new();
        let mut pages = 0;
        loop {
            let target = vault.path(&format!("?limit=2&includeObject=Object&continue={token}"));
            let answer = vault.hidden(&target, &get(&target).header("Accept", accept));
            let list = answer.json();
            let rows = list["rows"].as_array().or(list["items"].as_array());
            for row in rows.expect("objects") {
                let object = row.get("object").unwrap_or(row);
                names.push(
                    object["metadata"]["name"]
                        .as_str()
                        .expect("a name")
                        .to_owned(),
                );
                assert!(marks_in(&object.to_string()) > 0, "{object}");
            }
            pages += 1;
            token = list["metadata"]["continue"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if token.is_empty() {
                break;
            }
        }
        assert_eq!((pages, names.len()), (3, 5), "{accept}: {names:?}");
    }
}

/// Attack 12: a mask that cannot read gzip passes every small test.
#[test]
fn a_masked_list_that_the_api_server_would_compress_is_masked() {
    let vault = Vault::new();
    for number in 0..4 {
        let mut secret = vault.secret(&format!("big-{number}"));
        secret["stringData"] = json!({"pad": ".".repeat(BIG_BYTES)});
        secret["metadata"]["annotations"]["pad"] = ".".repeat(BIG_BYTES).into();
        vault.create(&vault.path(""), &secret);
    }
    let full = vault.path("?includeObject=Object");
    let list = vault.path("");
    for (target, accept, coding) in [
        (&list, JSON, "gzip"),
        (&list, JSON, "gzip, deflate, br"),
        (&list, JSON, "*"),
        (&list, JSON, "identity;q=0, gzip"),
        (&list, PROTOBUF, "gzip"),
        (&full, TABLE, "gzip"),
    ] {
        let what = format!("{accept} {coding} on {target}");
        let request = get(target)
            .header("Accept", accept)
            .header("Accept-Encoding", coding);
        if coding == "gzip" {
            let direct = vault.direct(&request);
            assert_eq!(direct.header("content-encoding"), Some("gzip"), "{what}");
            assert!(vault.canary.coat_in(&direct.body).is_some(), "{what}");
        }
        let answer = vault.masked(&what, &request);
        assert_eq!(answer.header("content-encoding"), None, "{what}");
        assert!(answer.body.len() > 4 * BIG_BYTES, "{what}");
    }
    // kubectl asks for gzip.
    let text = vault.kubectl().ok(&["get", "secrets", "-o", "json"]);
    assert!(text.len() > 4 * BIG_BYTES);
    vault.canary.assert_absent("kubectl", text.as_bytes());
}

/// The largest Secret there is, 1.4 MiB in JSON, and its value at both ends of the largest string.
#[test]
fn the_largest_secret_is_masked_in_every_shape() {
    let vault = Vault::empty();
    let value = vault.canary.as_str();
    let ends = [
        value,
        &"x".repeat(SECRET_BYTES_MAX - 2 * value.len()),
        value,
    ]
    .concat();
    let secret = json!({"metadata": {"name": "db"}, "stringData": {"large": ends}});
    vault.create(&vault.path(""), &secret);
    each(
        &[
            (vault.path("/db"), JSON),
            (vault.path("/db"), PROTOBUF),
            (vault.path("?includeObject=Object"), TABLE),
            (vault.path("?watch=1&timeoutSeconds=1"), JSON),
            (
                vault.path("?watch=1&timeoutSeconds=1&includeObject=Object"),
                TABLE,
            ),
        ],
        |(target, accept)| {
            let answer = vault.hidden(target, &get(target).header("Accept", accept));
            assert!(answer.body.len() < 16 * 1024, "{target}: a length tells");
        },
    );
    let echo = super::patch(super::MERGE, &vault.path("/db?dryRun=All"), "{}");
    vault.hidden("an empty patch", &echo);
}

/// A rule that speaks of one namespace or one name, and a list that names neither.
#[test]
fn a_list_of_everything_is_masked_where_a_rule_speaks_of_a_part() {
    use gateway_tests::{Bundle, Setup};

    let vault = Vault::new();
    let rule = format!(
        r#"
require "one-secret" {{
    why "One Secret in one namespace"
    severity high
    who {{ kind agent }}
    can get
    on "secrets"
    in "{}"
    named "db"
    mask "@secret-like"
}}
require "one-secret-in-lists" {{
    why "One Secret in one namespace"
    severity high
    who {{ kind agent }}
    can list watch
    on "secrets"
    in "{}"
    named "db"
    mask "@secret-like"
}}
"#,
        vault.namespace, vault.namespace
    );
    let rules = [crate::ground::EVERYTHING, &rule].concat();
    let issuer = &vault.ground.issuer;
    let bundle = Bundle::open(issuer, &["one"]).with_rules(&rules);
    let gateway = Setup::new(vault.ground.cluster, issuer)
        .with_bundle(bundle)
        .start();
    let hidden = Canary::new();
    let mut secret = vault.secret("db");
    secret["data"] = json!({"password": hidden.base64()});
    secret["metadata"]["annotations"] = Value::Null;
    vault.change(&vault.path("/db"), &secret);
    each(
        &[
            vault.path("/db"),
            vault.path(""),
            vault.path("?fieldSelector=metadata.name%3Ddb"),
            "/api/v1/secrets".to_owned(),
            "/api/v1/secrets?fieldSelector=metadata.name%3Ddb".to_owned(),
            vault.path("?watch=1&timeoutSeconds=1"),
            "/api/v1/secrets?watch=1&timeoutSeconds=1".to_owned(),
            format!(
                "/api/v1/watch/namespaces/{}/secrets/db?timeoutSeconds=1",
                vault.namespace
            ),
            "/api/v1/watch/secrets?timeoutSeconds=1".to_owned(),
        ],
        |target| {
            let answer = gateway.wire().ask(&get(target).token(&vault.token));
            assert_eq!(answer.status, 200, "{target}: {}", answer.text());
            hidden.assert_absent(target, &answer.body);
            assert!(marks_in(&answer.text()) > 0, "{target}: {}", answer.text());
        },
    );
}
