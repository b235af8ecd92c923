use super::*;
use crate::cases::attributes_of;
use crate::decode::decode;
use crate::decode::tests::{shipped, split_files};
use crate::masks::MaskKeys;
use crate::model::TestRequest;
use crate::source::Files;

/// Explains `get secrets shop db` of the demo bundle.
fn explain(subject: &str, request: &str) -> String {
    explain_in(&shipped("demo"), "demo", subject, request)
}

fn explain_in(files: &Files, cluster: &str, subject: &str, request: &str) -> String {
    let (bundle, _) = decode(files);
    let bundle = bundle.expect("the bundle decodes");
    let keys = MaskKeys::offline(&bundle);
    let set = PolicySet::compile_with(&bundle, cluster, &keys).expect("compiles");
    let words: Vec<&str> = request.split(' ').collect();
    let attributes = attributes_of(&TestRequest::Facts {
        verb: gateway_kubeapi::Verb::parse(words[0]).expect("a verb"),
        resource: words[1].to_owned(),
        namespace: words
            .get(2)
            .filter(|name| **name != "-")
            .map(|name| (*name).to_owned()),
        name: words.get(3).map(|name| (*name).to_owned()),
        all_namespaces: false,
        source: None,
    })
    .expect("a request")
    .remove(0);
    let at = "2026-11-18T10:00:00Z".parse().expect("an instant");
    let text = set
        .explain(&bundle.tests.subjects[subject].caller, &attributes, at)
        .to_string();
    // The digest changes with every edit of the bundle.
    let digest: String = bundle.digest.chars().take(12).collect();
    text.replace(&digest, "[digest]")
}

#[test]
fn explains_an_allow_line_by_line() {
    insta::assert_snapshot!(explain("reader-agent", "get pods shop web-1"));
}

#[test]
fn explains_a_missing_allow_with_what_would_change_it() {
    insta::assert_snapshot!(explain("reader-agent", "list pods vault"));
}

#[test]
fn explains_a_denial_by_rule() {
    insta::assert_snapshot!(explain(
        "deploy-agent",
        "create rolebindings.rbac.authorization.k8s.io shop mine"
    ));
}

#[test]
fn explains_what_is_masked() {
    let files = split_files(include_str!("../../testdata/masked.kdl"));
    let get = |request| explain_in(&files, "prod", "reader", request);
    insta::assert_snapshot!(
        [
            get("get secrets shop db"),
            get("list deployments.apps shop"),
            get("get pods/log shop web-0"),
        ]
        .join("\n")
    );
}

#[test]
fn lists_the_cells_of_a_subject() {
    let (bundle, _) = decode(&shipped("demo"));
    let bundle = bundle.expect("the demo bundle decodes");
    let set = PolicySet::compile(&bundle, "demo").expect("compiles");
    let at = "2026-11-18T10:00:00Z".parse().expect("an instant");
    let cells = cells(&set, &bundle.tests.subjects["deploy-agent"].caller, at);
    let denies = cells
        .iter()
        .take_while(|cell| cell.effect == Effect::Deny)
        .count();
    assert!(
        denies > 0
            && cells[denies..]
                .iter()
                .all(|cell| cell.effect != Effect::Deny)
    );
    let attributes = attributes_of(&TestRequest::Facts {
        verb: gateway_kubeapi::Verb::List,
        resource: "pods".to_owned(),
        namespace: Some("shop".to_owned()),
        name: None,
        all_namespaces: false,
        source: None,
    })
    .expect("a request")
    .remove(0);
    let who = who_can(&set, &bundle.tests.subjects, &attributes, at);
    assert_eq!(who.len(), bundle.tests.subjects.len());
    let reader = who
        .iter()
        .find(|(name, _)| name == "reader-agent")
        .expect("a subject");
    assert!(reader.1.is_allowed());
}
