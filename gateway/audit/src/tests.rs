//! The wire shape, the law of the encoding, and the documents that describe both.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gateway_kubeapi::{Caller, CallerKind, Delegation, UserInfo};
use proptest::prelude::*;

use crate::event::{CUT_SUFFIX, REQUEST_URI_BYTES_MAX, TEXT_BYTES_MAX, USER_AGENT_BYTES_MAX};
use crate::{Answer, Event, Facts, ObjectRef, ResponseStatus, Ruling, Stage, annotation};

const RECEIVED: i64 = 1_767_225_600_000_000;

fn agent() -> Caller {
    let person = Caller {
        issuer: "people".to_owned(),
        user: UserInfo {
            username: "ana@harbour.example".to_owned(),
            ..UserInfo::default()
        },
        kind: CallerKind::Human,
        attributes: BTreeMap::new(),
        acting_for: None,
        delegation: Delegation::Both,
        expires_at: None,
        credential_id: None,
    };
    Caller {
        issuer: "agents".to_owned(),
        user: UserInfo {
            username: "agent:deploy-bot".to_owned(),
            uid: Some("42".to_owned()),
            groups: vec!["agents".to_owned(), "team:shop".to_owned()],
            extra: BTreeMap::from([("example.com/model".to_owned(), vec!["m1".to_owned()])]),
        },
        kind: CallerKind::Agent,
        acting_for: Some(Box::new(person)),
        credential_id: Some("JTI=7f1c".to_owned()),
        ..agent_defaults()
    }
}

fn agent_defaults() -> Caller {
    Caller {
        issuer: String::new(),
        user: UserInfo::default(),
        kind: CallerKind::Agent,
        attributes: BTreeMap::new(),
        acting_for: None,
        delegation: Delegation::Both,
        expires_at: None,
        credential_id: None,
    }
}

/// The three stages of an allowed exec, the one of a refused request, and the one of a denied
/// impersonation.
fn examples() -> Vec<Event> {
    let caller = agent();
    let addresses = [IpAddr::from([192, 0, 2, 7])];
    let object = ObjectRef {
        resource: Some("pods".to_owned()),
        namespace: Some("shop".to_owned()),
        name: Some("web-0".to_owned()),
        api_version: Some("v1".to_owned()),
        subresource: Some("exec".to_owned()),
        ..ObjectRef::default()
    };
    let ruling = Ruling {
        answer: Answer::Allow,
        reason: "allowed",
        detail: None,
        rules: &["exec-in-shop", "record-sessions"],
        shadow: &["no-shells"],
        bundle: Some("9f2c41d0"),
    };
    let received = Facts {
        audit_id: "0198d0a2-7e5b-7c11-9d4e-3a8b0a6f7c11",
        decision_id: "0198d0a2-7e5b-7c11-9d4e-3a8b0a6f7c11",
        cluster: Some("prod-eu-1"),
        request_uri: "/api/v1/namespaces/shop/pods/web-0/exec?command=mysql&command=-pHunter2&tty=true",
        verb: "create",
        source_ips: &addresses,
        user_agent: Some("kubectl/v1.36.0 (linux/amd64) kubernetes/0a1b2c3"),
        received_at_micros: RECEIVED,
        object: Some(&object),
        caller: Some(&caller),
        prior_actors: &[],
        impersonated: None,
        ruling: Some(ruling),
        stated_reason: Some("look at the slow query, OPS-12"),
        response: None,
        ..Facts::default()
    };
    let switched = ResponseStatus::of_code(101);
    let started = Facts {
        response: Some(&switched),
        ..received
    };
    let complete = Facts {
        ended_by: Some("downstream-closed"),
        ..started
    };
    let unauthorized = ResponseStatus::failure(401, "Unauthorized", "the token has expired");
    let refused = Facts {
        audit_id: "0198d0a2-7e5b-7c11-9d4e-3a8b0a6f7c13",
        decision_id: "0198d0a2-7e5b-7c11-9d4e-3a8b0a6f7c13",
        request_uri: "/api/v1/pods",
        verb: "list",
        received_at_micros: RECEIVED,
        ruling: Some(Ruling {
            answer: Answer::Refuse,
            reason: "unauthenticated",
            detail: Some("issuer `agents`: the token ended 12 s ago"),
            rules: &[],
            shadow: &[],
            bundle: None,
        }),
        response: Some(&unauthorized),
        ..Facts::default()
    };
    vec![
        Event::new(Stage::RequestReceived, RECEIVED + 150, &received),
        Event::new(Stage::ResponseStarted, RECEIVED + 9_000, &started),
        Event::new(Stage::ResponseComplete, RECEIVED + 65_000_000, &complete),
        Event::new(Stage::ResponseComplete, RECEIVED + 90, &refused),
        denied(&caller),
    ]
}

/// Of a caller with earlier actors that may not act as somebody else.
fn denied(caller: &Caller) -> Event {
    let other = UserInfo {
        username: "ana@harbour.example".to_owned(),
        groups: vec!["people".to_owned()],
        ..UserInfo::default()
    };
    let forbidden = ResponseStatus::failure(403, "Forbidden", "users \"ana@harbour.example\"");
    let actors = ["agent:planner".to_owned(), "agent:front-desk".to_owned()];
    let facts = Facts {
        audit_id: "0198d0a2-7e5b-7c11-9d4e-3a8b0a6f7c15",
        decision_id: "0198d0a2-7e5b-7c11-9d4e-3a8b0a6f7c15",
        request_uri: "/api/v1/pods",
        verb: "list",
        received_at_micros: RECEIVED,
        caller: Some(caller),
        prior_actors: &actors,
        impersonated: Some(&other),
        ruling: Some(Ruling {
            answer: Answer::Deny,
            reason: "no-allow",
            detail: Some("no rule allows impersonate on users"),
            rules: &[],
            shadow: &[],
            bundle: Some("9f2c41d0"),
        }),
        response: Some(&forbidden),
        ..Facts::default()
    };
    Event::new(Stage::ResponseComplete, RECEIVED + 120, &facts)
}

fn lines(events: &[Event]) -> String {
    let lines = events
        .iter()
        .map(|event| String::from_utf8(event.encode()).unwrap());
    lines.collect()
}

#[test]
fn writes_one_line_an_event_in_the_shape_of_kubernetes() {
    insta::assert_snapshot!("events", lines(&examples()));
}

#[test]
fn documents_every_field_and_annotation() {
    let document = include_str!("../../../docs/audit.md");
    for name in annotation::ALL {
        assert!(document.contains(&format!("| `{name}` |")), "{name}");
    }
    for event in &examples()[2..] {
        let event: serde_json::Value = serde_json::from_slice(&event.encode()).unwrap();
        for name in event.as_object().unwrap().keys() {
            assert!(document.contains(&format!("| `{name}")), "{name}");
        }
    }
    for stage in [
        Stage::RequestReceived,
        Stage::ResponseStarted,
        Stage::ResponseComplete,
        Stage::Panic,
    ] {
        assert!(document.contains(&format!("`{stage:?}`")), "{stage:?}");
    }
    for line in lines(&examples()).lines().take(1) {
        assert!(
            document.contains(line),
            "the example of docs/audit.md is out of date: {line}"
        );
    }
}

#[test]
fn lists_annotations_in_the_order_of_a_line() {
    assert!(annotation::ALL.is_sorted());
    for event in examples() {
        let line: serde_json::Value = serde_json::from_slice(&event.encode()).unwrap();
        for name in line["annotations"].as_object().unwrap().keys() {
            assert!(annotation::ALL.contains(&name.as_str()), "{name}");
        }
    }
}

#[test]
fn says_nothing_of_what_is_not_known() {
    let event = Event::new(Stage::Panic, 0, &Facts::default());
    insta::assert_snapshot!("nothing_known", lines(&[event]));
}

#[test]
fn reads_as_the_facts_said() {
    let events = examples();
    let event = &events[2];
    assert_eq!(event.audit_id(), "0198d0a2-7e5b-7c11-9d4e-3a8b0a6f7c11");
    assert_eq!(event.stage(), Stage::ResponseComplete);
    assert_eq!(event.verb(), "create");
    assert_eq!(event.username(), "agent:deploy-bot");
    assert_eq!(
        event.object_ref().unwrap().subresource.as_deref(),
        Some("exec")
    );
    assert_eq!(event.response_status().unwrap().code(), 101);
    assert_eq!(event.stage_time().as_micros(), RECEIVED + 65_000_000);
    assert_eq!(
        event.annotation(annotation::RULE),
        Some("exec-in-shop,record-sessions")
    );
    assert_eq!(
        event.annotation(annotation::ACTING_FOR),
        Some("ana@harbour.example")
    );
    assert_eq!(event.annotation(annotation::MASKED_URI), Some("1"));
    assert_eq!(
        events[4].annotation(annotation::PRIOR_ACTORS),
        Some("agent:planner,agent:front-desk")
    );
    let refused = events[3].response_status().unwrap();
    assert_eq!(refused.reason(), Some("Unauthorized"));
    assert_eq!(refused.message(), Some("the token has expired"));
}

#[test]
fn cuts_long_texts_between_characters() {
    let long = "é".repeat(REQUEST_URI_BYTES_MAX);
    let uri = format!("/{long}");
    let facts = Facts {
        request_uri: &uri,
        user_agent: Some(&long),
        stated_reason: Some(&long),
        ..Facts::default()
    };
    let event = Event::new(Stage::RequestReceived, 0, &facts);
    let line: serde_json::Value = serde_json::from_slice(&event.encode()).unwrap();
    for (value, bytes_max) in [
        (&line["requestURI"], REQUEST_URI_BYTES_MAX - 1),
        (&line["userAgent"], USER_AGENT_BYTES_MAX),
        (
            &line["annotations"][annotation::STATED_REASON],
            TEXT_BYTES_MAX,
        ),
    ] {
        let text = value.as_str().unwrap();
        assert_eq!(text.len(), bytes_max + CUT_SUFFIX.len());
        assert!(text.ends_with(CUT_SUFFIX));
    }
    let exact = "a".repeat(USER_AGENT_BYTES_MAX);
    let facts = Facts {
        user_agent: Some(&exact),
        ..Facts::default()
    };
    let event = Event::new(Stage::RequestReceived, 0, &facts);
    let line: serde_json::Value = serde_json::from_slice(&event.encode()).unwrap();
    assert_eq!(line["userAgent"], exact);
}

#[test]
fn names_a_bounded_number_of_principals() {
    let mut caller = agent_defaults();
    for depth in 0..20 {
        let user = UserInfo {
            username: format!("p{depth}"),
            ..UserInfo::default()
        };
        caller = Caller {
            user,
            acting_for: Some(Box::new(caller)),
            ..agent_defaults()
        };
    }
    let facts = Facts {
        caller: Some(&caller),
        ..Facts::default()
    };
    let event = Event::new(Stage::RequestReceived, 0, &facts);
    assert_eq!(
        event.annotation(annotation::ACTING_FOR),
        Some("p18,p17,p16,p15,p14,p13,p12,p11,…")
    );
}

#[test]
fn refuses_lines_of_another_shape() {
    let line = lines(&examples()[2..3]);
    for (from, to) in [
        ("\"kind\":\"Event\"", "\"kind\":\"EventList\""),
        ("audit.k8s.io/v1", "audit.k8s.io/v1beta1"),
        ("\"level\":\"Metadata\"", "\"level\":\"Request\""),
        ("\"stage\":\"ResponseComplete\"", "\"stage\":\"Begun\""),
        ("00.000000Z", "00Z"),
        ("00.000000Z", "00.000000+00:00"),
        ("\"kind\":\"Event\",", ""),
        (
            "\"verb\":\"create\"",
            "\"verb\":\"create\",\"requestObject\":{}",
        ),
        ("\"auditID\"", "\"auditID\":\"x\",\"auditID\""),
        ("\"code\"", "\"code\":1,\"code\""),
        ("}\n", "} {}\n"),
        ("}\n", ""),
    ] {
        let changed = line.replacen(from, to, 1);
        assert_ne!(changed, line, "{from}");
        assert!(Event::decode(changed.as_bytes()).is_err(), "{changed}");
    }
}

fn words() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("\\PC{0,12}|[\\x00-\\x1f\"\\\\\u{2028}]{1,4}")
}

prop_compose! {
    fn object()(parts in proptest::array::uniform8(words())) -> ObjectRef {
        let [resource, namespace, name, uid, api_group, api_version, resource_version, subresource] = parts;
        ObjectRef { resource, namespace, name, uid, api_group, api_version, resource_version, subresource }
    }
}

prop_compose! {
    fn event()(
        texts in proptest::array::uniform8(words()),
        object in proptest::option::of(object()),
        groups in proptest::collection::vec("\\PC{0,8}", 0..4),
        answer in prop_oneof![Just(Answer::Allow), Just(Answer::Deny), Just(Answer::Refuse)],
        stage in prop_oneof![
            Just(Stage::RequestReceived),
            Just(Stage::ResponseStarted),
            Just(Stage::ResponseComplete),
            Just(Stage::Panic)
        ],
        (received, at) in any::<(i64, i64)>(),
        address in any::<IpAddr>(),
        code in any::<u16>(),
    ) -> Event {
        let [id, uri, verb, user_agent, reason, detail, name, uid] = &texts;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let user = UserInfo { username: text(name), uid: uid.clone(), groups, extra: BTreeMap::new() };
        let caller = Caller { user, issuer: text(id), ..agent() };
        let response = match answer {
            Answer::Allow => ResponseStatus::of_code(code),
            Answer::Deny | Answer::Refuse => ResponseStatus::failure(code, &text(reason), &text(detail)),
        };
        let ruling = Ruling {
            answer, reason: &text(reason), detail: detail.as_deref(),
            rules: &[&text(id)], shadow: &[], bundle: uid.as_deref(),
        };
        Event::new(stage, at, &Facts {
            audit_id: &text(id), decision_id: &text(verb), cluster: uid.as_deref(),
            request_uri: &text(uri), verb: &text(verb), source_ips: &[address],
            user_agent: user_agent.as_deref(), received_at_micros: received, object: object.as_ref(),
            caller: name.is_some().then_some(&caller),
            prior_actors: &[], impersonated: uid.is_some().then_some(&caller.user), ruling: detail.is_some().then_some(ruling),
            stated_reason: detail.as_deref(), response: Some(&response), ended_by: None, masked: None,
        })
    }
}

proptest! {
    #[test]
    fn decode_undoes_encode(event in event()) {
        let line = event.encode();
        let again = Event::decode(&line).unwrap();
        prop_assert_eq!(&again, &event);
        prop_assert_eq!(again.encode(), line);
    }

    /// The slow twin of the hand-written encoder.
    #[test]
    fn encodes_as_serde_json_does(event in event()) {
        let mut line = serde_json::to_vec(&event).unwrap();
        line.push(b'\n');
        prop_assert_eq!(String::from_utf8(event.encode()).unwrap(), String::from_utf8(line).unwrap());
    }

    /// Later stages are written over the event of the first; a fresh one says the same.
    #[test]
    fn advancing_is_as_good_as_making_anew(first in event(), ended in proptest::option::of("[a-z-]{1,20}")) {
        let response = ResponseStatus::of_code(200);
        let mut advanced = first.clone();
        let facts = Facts { response: Some(&response), ended_by: ended.as_deref(), ..Facts::default() };
        advanced.advance(Stage::ResponseComplete, 7, &facts);
        prop_assert_eq!(advanced.stage_time().as_micros(), 7);
        prop_assert_eq!(advanced.response_status(), Some(&response));
        prop_assert_eq!(advanced.annotation(annotation::ENDED_BY), ended.as_deref());
        prop_assert_eq!(advanced.request_uri(), first.request_uri());
    }

    #[test]
    fn an_event_is_one_line(event in event()) {
        let line = event.encode();
        let newlines = line.iter().filter(|byte| **byte == b'\n' || **byte == b'\r').count();
        prop_assert_eq!(newlines, 1);
        prop_assert_eq!(line.last(), Some(&b'\n'));
    }

    #[test]
    fn decodes_any_bytes_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(Event::decode(&bytes));
    }
}
