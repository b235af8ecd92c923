//! `kubectl auth`: the truth is what both policy and the cluster allow (K-7.14).

use super::Stage;
use crate::ground::DISCOVERY;
use gateway_tests::Kubectl;
use serde_json::json;

const READ_PODS: &str = r#"
allow "read-pods" {
    why "Reads of pods and their logs, nothing else"
    who { kind agent }
    can read
    on "pods" "pods/log"
    in "*"
}
"#;

fn can(kubectl: &Kubectl, arguments: &[&str]) -> bool {
    let arguments: Vec<&str> = ["auth", "can-i"].iter().chain(arguments).copied().collect();
    let finished = kubectl.run(&arguments);
    match (finished.code, finished.stdout.trim()) {
        (0, "yes") => true,
        (1, no) if no.starts_with("no") => false,
        _ => panic!("{arguments:?}: {finished:?}"),
    }
}

/// An administrator of the cluster may do here what policy allows.
#[test]
fn can_i_says_no_where_policy_does() {
    let stage = Stage::new(|setup| setup.with_rules(&[DISCOVERY, READ_PODS].concat()));
    let kubectl = stage.gateway.kubectl(&stage.issuer.token("admin"));
    let namespace = stage.ground.namespace.as_str();
    for (arguments, expected) in [
        (vec!["list", "pods", "-n", namespace], true),
        (vec!["list", "pods", "-A"], true),
        (
            vec!["get", "pods", "--subresource=log", "-n", namespace],
            true,
        ),
        (vec!["create", "pods", "-n", namespace], false),
        (vec!["list", "secrets", "-n", namespace], false),
        (
            vec!["get", "pods", "--subresource=exec", "-n", namespace],
            false,
        ),
        (
            vec!["create", "pods", "--subresource=exec", "-n", namespace],
            false,
        ),
        (vec!["*", "*"], false),
        (vec!["impersonate", "users"], false),
        (vec!["get", "/metrics"], false),
    ] {
        assert_eq!(can(&kubectl, &arguments), expected, "{arguments:?}");
    }
}

/// A reader of the cluster stays one, whatever policy allows.
#[test]
fn can_i_says_no_where_the_cluster_does() {
    let stage = Stage::new(|setup| {
        setup.with_rules(
            r#"
allow "all" { why "Policy says yes to everything"; who { kind agent }; can all; on "*/*"; in "*" "@cluster" }
allow "urls" { why "Policy says yes to everything"; who { kind agent }; can all; urls "*" }
"#,
        )
    });
    let claims = stage
        .issuer
        .claims("reader")
        .with("groups", json!(["readers"]));
    let kubectl = stage.gateway.kubectl(&stage.issuer.mint(&claims));
    let namespace = stage.ground.namespace.as_str();
    assert!(can(&kubectl, &["list", "pods", "-n", namespace]));
    assert!(!can(&kubectl, &["create", "pods", "-n", namespace]));
    assert!(!can(&kubectl, &["list", "secrets", "-n", namespace]));
}

/// `can-i --list` promises nothing that a request would not get.
#[test]
fn the_list_of_rules_holds_nothing_that_policy_denies() {
    let stage = Stage::new(|setup| setup.with_rules(&[DISCOVERY, READ_PODS].concat()));
    let kubectl = stage.gateway.kubectl(&stage.issuer.token("admin"));
    let text = kubectl.ok(&["auth", "can-i", "--list", "-n", &stage.ground.namespace]);
    assert!(text.contains("pods"), "{text}");
    for line in text.lines().skip(1) {
        assert!(!line.starts_with("*.*"), "promises everything: {text}");
        assert!(!line.contains("[*]") || !line.contains("delete"), "{text}");
        assert!(!line.starts_with("secrets"), "{text}");
    }
}

#[test]
fn whoami_names_the_agent() {
    let stage = Stage::new(|setup| setup.with_rules(&[DISCOVERY, READ_PODS].concat()));
    let kubectl = stage.gateway.kubectl(&stage.issuer.token("me"));
    let review = kubectl.json(&["auth", "whoami"]);
    assert_eq!(review["status"]["userInfo"]["username"], "it:me");
    assert_eq!(
        review["status"]["userInfo"]["groups"],
        json!(["it:admins", "system:authenticated"])
    );
}
