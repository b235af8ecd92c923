use super::{
    AccessQuestion, NonResourceRule, ResourceQuestion, ResourceRule, ReviewFault, SubjectRules,
    access_question, deny_access, read_rules, replace_rules, rules_question,
};
use crate::body::JsonValue;
use crate::fixtures::protobuf;

fn question() -> AccessQuestion {
    AccessQuestion::Resource(ResourceQuestion {
        namespace: "a".to_owned(),
        verb: "create".to_owned(),
        group: "apps".to_owned(),
        version: "v1".to_owned(),
        resource: "deployments".to_owned(),
        subresource: "scale".to_owned(),
        name: "web".to_owned(),
    })
}

#[test]
fn reads_the_same_question_from_both_encodings() {
    let json = br#"{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{},"spec":{"resourceAttributes":{"namespace":"a","verb":"create","group":"apps","version":"v1","resource":"deployments","subresource":"scale","name":"web"}},"status":{"allowed":false}}"#;
    assert_eq!(access_question(json), Ok(question()));
    assert_eq!(
        access_question(&protobuf("access-resource")),
        Ok(question())
    );
    let path = AccessQuestion::Path {
        path: "/metrics".to_owned(),
        verb: "get".to_owned(),
    };
    let json = br#"{"spec":{"nonResourceAttributes":{"path":"/metrics","verb":"get"}}}"#;
    assert_eq!(access_question(json).as_ref(), Ok(&path));
    assert_eq!(access_question(&protobuf("access-path")), Ok(path));
    assert_eq!(
        rules_question(&protobuf("rules-question")).as_deref(),
        Ok("a")
    );
    assert_eq!(
        rules_question(br#"{"spec":{"namespace":"a"}}"#).as_deref(),
        Ok("a")
    );
}

#[test]
fn refuses_questions_that_ask_nothing_clear() {
    for body in [
        &b"[]"[..],
        b"{}",
        br#"{"spec":{}}"#,
        br#"{"spec":{"resourceAttributes":{},"nonResourceAttributes":{}}}"#,
        br#"{"kind":"SubjectAccessReview","spec":{"resourceAttributes":{}}}"#,
        br#"{"spec":{"resourceAttributes":{"verb":1}}}"#,
        br#"{"spec":{"resourceAttributes":[]}}"#,
        br#"{"spec":{"resourceAttributes":{"labelSelector":{"rawSelector":"a=b"}}}}"#,
    ] {
        assert!(
            access_question(body).is_err(),
            "{}",
            String::from_utf8_lossy(body)
        );
    }
    assert_eq!(
        access_question(&protobuf("access-selector")),
        Err(ReviewFault::Selectors)
    );
    assert!(access_question(&protobuf("rules-question")).is_err());
    assert!(access_question(&protobuf("pod")).is_err());
}

#[test]
fn turns_an_allowed_answer_into_a_denied_one() {
    let json = br#"{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":"get"}},"status":{"allowed":true,"reason":"RBAC","evaluationError":"x"}}"#;
    let denied = deny_access(json, "no rule allows it").unwrap();
    assert_eq!(
        String::from_utf8(denied).unwrap(),
        r#"{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":"get"}},"status":{"allowed":false,"denied":true,"reason":"no rule allows it"}}"#
    );
    let denied = deny_access(&protobuf("access-answer"), "no rule allows it").unwrap();
    let hex: String = denied.iter().map(|byte| format!("{byte:02x}")).collect();
    // Decoded with the Go libraries: allowed false, denied true, the reason, the question kept.
    insta::assert_snapshot!(hex);
    assert_eq!(
        access_question(&denied),
        access_question(&protobuf("access-answer"))
    );
}

#[test]
fn replaces_rules_in_both_encodings() {
    let rules = SubjectRules {
        resource_rules: vec![
            ResourceRule {
                verbs: vec!["get".to_owned(), "list".to_owned()],
                api_groups: vec![String::new(), "apps".to_owned()],
                resources: vec!["pods".to_owned(), "pods/log".to_owned()],
                resource_names: vec!["p".to_owned()],
            },
            ResourceRule {
                verbs: vec!["*".to_owned()],
                api_groups: vec!["*".to_owned()],
                resources: vec!["*".to_owned()],
                resource_names: Vec::new(),
            },
        ],
        non_resource_rules: vec![NonResourceRule {
            verbs: vec!["get".to_owned()],
            paths: vec!["/api".to_owned(), "/api/*".to_owned()],
        }],
        incomplete: true,
        evaluation_error: "x".to_owned(),
    };
    assert_eq!(read_rules(&protobuf("rules-answer")).as_ref(), Ok(&rules));
    let json = br#"{"kind":"SelfSubjectRulesReview","apiVersion":"authorization.k8s.io/v1","spec":{"namespace":"a"},"status":{"incomplete":false,"nonResourceRules":null,"resourceRules":[]}}"#;
    assert_eq!(read_rules(json), Ok(SubjectRules::default()));
    for answer in [&json[..], &protobuf("rules-answer")] {
        for rules in [&rules, &SubjectRules::default()] {
            let replaced = replace_rules(answer, rules).unwrap();
            assert_eq!(read_rules(&replaced).as_ref(), Ok(rules));
            assert_eq!(rules_question(&replaced).as_deref(), Ok("a"));
        }
    }
    let printed = replace_rules(json, &rules).unwrap();
    assert!(JsonValue::parse(&printed).is_ok());
    insta::assert_snapshot!(String::from_utf8(printed).unwrap());
}
