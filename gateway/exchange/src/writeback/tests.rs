use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_kubeapi::{Attributes, Caller, CallerKind, Delegation, NameScope, NamespaceScope};
use gateway_kubeapi::{RequestTarget, ResourceId, Target, UserInfo};
use gateway_policy::compile::PolicySet;
use gateway_policy::decode::decode;
use gateway_policy::masks::MaskKeys;
use http::Method;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const MASKS: &str = r#"
hmac-key "k" env="COUNTERSIGN_MASK_KEY"
mask "back" {
    for "secrets" { at "data.*" redact }
    for "pods" {
        at "spec.containers[*].env[*]" drop
        at "spec.containers[*].image" redact
        at "spec.containers[name=main].args[*]" redact
    }
    for "things.example.com" {
        at "spec.text" redact
        at "spec.number" redact
        at "spec.flag" redact
        at "spec.list" redact
        at "spec.map" redact
        at "spec.hashed" hash key="k"
        at "spec.phone" fpe key="k"
        at "spec.card" partial keep-last=4
        at "spec.gone" drop
        at "spec.doc" json { at "inner.pw" redact; at "inner.gone" drop }
        at "spec.users[*].pw" redact
        at "spec.users[*].phone" fpe key="k"
        at "spec.words[*]" redact
        at "spec.tagged[class=secret].value" redact
        at "spec.tagged[value=x].note" redact
        at "spec.hidden[name=x]" drop
    }
    write-back restore
}
mask "keep" {
    for "secrets" { at "data.*" redact }
    for "pods" {
        at "spec.containers[*].env[*].value" redact
        at "spec.ephemeralContainers[*].env[*].value" redact
        at "metadata.labels.*" redact
    }
    for "configmaps" { detect "email" redact }
    for "deployments.apps" { at "spec.paused" redact; at "spec.template.spec.volumes[*].emptyDir.sizeLimit" redact }
    for "things.example.com" {
        at "spec.doc" json { at "debug" redact }
        at "spec.many[name=x]" drop
        at "spec.many[*].flag" redact
        at "spec.text" redact
        at "spec.phone" fpe key="k"
        at "spec.gone" drop
        at "spec.flag" redact
        at "spec.number" redact
        at "spec.list" redact
        at "spec.map" redact
    }
}
allow "back" { why "test"; owner "it"; who { user "back" }; can all; on "*"; in "*"; mask "back" }
allow "keep" { why "test"; owner "it"; who { user "keep" }; can all; on "*"; in "*"; mask "keep" }
"#;

fn masking(mask: &str, resource: &str) -> Masking {
    let head = r#"bundle "tests" { format 1; owners "**" "platform"; cluster "prod" }"#;
    let (masks, rules) = MASKS.split_once("allow \"back\"").unwrap();
    let rules = format!("allow \"back\"{rules}");
    let files = BTreeMap::from([
        ("bundle.kdl".to_owned(), head.as_bytes().to_vec()),
        ("masks.kdl".to_owned(), masks.as_bytes().to_vec()),
        ("rules/a.kdl".to_owned(), rules.into_bytes()),
    ]);
    let (bundle, report) = decode(&files);
    let bundle = bundle.unwrap_or_else(|| panic!("{report:?}"));
    let set = PolicySet::compile_with(&bundle, "prod", &MaskKeys::offline(&bundle)).unwrap();
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let resource = ResourceId {
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: String::new(),
    };
    let caller = Caller {
        issuer: "it".to_owned(),
        user: UserInfo {
            username: mask.to_owned(),
            ..UserInfo::default()
        },
        kind: CallerKind::Agent,
        attributes: BTreeMap::new(),
        acting_for: None,
        delegation: Delegation::Both,
        expires_at: None,
        credential_id: None,
    };
    let attributes = Attributes {
        verb: Verb::Get,
        target: Target::Resource(resource.clone()),
        namespace: NamespaceScope::One("a".to_owned()),
        name: NameScope::One("b".to_owned()),
        label_selector: Vec::new(),
        source: None,
    };
    let verdict = set.decide(&set.identify(&caller), &attributes, Timestamp::UNIX_EPOCH);
    set.masking(verdict.obligations.masks, &resource).unwrap()
}

struct Case {
    masking: Masking,
    live: Value,
    wager: Wager,
}

impl Case {
    fn new(mask: &str, resource: &str, live: Value) -> Self {
        Self {
            masking: masking(mask, resource),
            live,
            wager: Wager::default(),
        }
    }

    fn thing(spec: &Value) -> Self {
        let live = json!({"metadata": {"name": "t", "resourceVersion": "7"}, "spec": spec});
        Self::new("back", "things.example.com", live)
    }

    /// As its reader sees it.
    fn shown(&self) -> Value {
        let shown = shown(&self.masking, self.live.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&shown.text).unwrap()
    }

    fn send(&self, patch: Option<PatchForm>, body: &Value) -> Result<Option<Value>, String> {
        let text = body.to_string();
        let written = Written {
            verb: if patch.is_some() {
                Verb::Patch
            } else {
                Verb::Update
            },
            patch,
            is_dry: false,
            wager: self.wager.clone(),
            body: text.as_bytes(),
        };
        let planned = plan(&self.masking, &written).map_err(|refusal| refusal.to_string())?;
        let Some(restoration) = planned else {
            return Ok(None);
        };
        match restoration.settle(self.live.to_string().as_bytes(), text.as_bytes()) {
            Ok(settled) => Ok(settled
                .body
                .map(|body| serde_json::from_slice(&body).unwrap())),
            Err(Unsettled::Refused(refusal)) => Err(refusal.to_string()),
            Err(Unsettled::Unreadable(why)) => panic!("{why}"),
        }
    }

    fn check(&self, patch: Option<PatchForm>, body: &Value, expected: &Value) {
        let found = self
            .send(patch, body)
            .unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(found.as_ref(), Some(expected), "{body}");
    }

    fn refused(&self, patch: Option<PatchForm>, body: &Value, part: &str) {
        let found = self.send(patch, body);
        let why = found.expect_err(&body.to_string());
        assert!(why.contains(part), "`{part}` is not in `{why}`");
    }
}

fn marker() -> Value {
    STANDARD.encode("countersign-masked:back").into()
}

fn secret() -> Case {
    let inner = json!({"kind": "Secret", "data": {"pw": "b2xk", "gone": "Z29uZQ=="}}).to_string();
    let live = json!({
        "kind": "Secret",
        "metadata": {
            "name": "db", "resourceVersion": "7", "managedFields": [{"manager": "m"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": format!("{inner}\n")},
        },
        "data": {"pw": "bmV3", "user": "bWU="},
    });
    Case::new("back", "secrets", live)
}

fn with_version(mut body: Value) -> Value {
    body["metadata"]["resourceVersion"] = "7".into();
    body
}

#[test]
fn every_form_of_a_write_gets_the_live_value_and_the_precondition() {
    let case = secret();
    let body = json!({"metadata": {"labels": {"a": "b"}}, "data": {"pw": marker()}});
    let expected =
        with_version(json!({"metadata": {"labels": {"a": "b"}}, "data": {"pw": "bmV3"}}));
    for patch in [
        None,
        Some(PatchForm::Merge),
        Some(PatchForm::Strategic),
        Some(PatchForm::Apply),
    ] {
        case.check(patch, &body, &expected);
    }
    let operation = |value: &Value| json!({"op": "add", "path": "/data/pw", "value": value});
    let last = json!({"op": "add", "path": "/metadata/resourceVersion", "value": "7"});
    case.check(
        Some(PatchForm::Json),
        &json!([operation(&marker())]),
        &json!([operation(&"bmV3".into()), last]),
    );
    let whole =
        json!({"op": "replace", "path": "/data", "value": {"pw": marker(), "more": "eA=="}});
    let made = json!({"op": "replace", "path": "/data", "value": {"pw": "bmV3", "more": "eA=="}});
    case.check(Some(PatchForm::Json), &json!([whole]), &json!([made, last]));
}

#[test]
fn a_marker_at_any_other_place_is_refused() {
    let case = secret();
    let plain = "countersign-masked:back";
    let foreign = STANDARD.encode("countersign-masked:other");
    let longer = STANDARD.encode("x countersign-masked:back");
    for (body, part) in [
        (json!({"data": {"other": marker()}}), "/data/other"),
        (json!({"data": {"pw": foreign}}), "/data/pw"),
        (json!({"data": {"pw": longer}}), "/data/pw"),
        (json!({"data": {"pw": plain}}), "/data/pw"),
        (json!({"stringData": {"pw": plain}}), "/stringData/pw"),
        (
            json!({"metadata": {"labels": {"x": plain}}}),
            "/metadata/labels/x",
        ),
        (
            json!({"metadata": {"annotations": {"x": marker()}}, "data": {"pw": marker()}}),
            "/metadata/annotations/x",
        ),
        (json!({"data": {plain: "eA=="}}), "/data"),
    ] {
        for patch in [None, Some(PatchForm::Merge), Some(PatchForm::Apply)] {
            case.refused(patch, &body, part);
        }
    }
    for operation in [
        json!({"op": "add", "path": "/data/other", "value": marker()}),
        json!({"op": "test", "path": "/metadata/name", "value": plain}),
        json!({"op": "add", "path": "/metadata/labels", "value": {"x": plain}}),
        json!({"op": "replace", "path": "/nowhere/pw", "value": marker()}),
    ] {
        let body = json!([operation]);
        case.refused(Some(PatchForm::Json), &body, "cannot be written back");
    }
}

#[test]
fn creates_dry_runs_and_protobuf_put_nothing_back() {
    let case = secret();
    let body = json!({"data": {"pw": marker()}}).to_string();
    let mut written = Written {
        verb: Verb::Create,
        patch: None,
        is_dry: false,
        wager: Wager::default(),
        body: body.as_bytes(),
    };
    let why = |written: &Written<'_>| plan(&case.masking, written).unwrap_err().to_string();
    assert!(why(&written).contains("/data/pw"));
    written.verb = Verb::Update;
    written.is_dry = true;
    assert!(why(&written).contains("/data/pw"));
    let body = b"k8s\0\x0a\x1ccountersign-masked:back....".as_slice();
    let written = Written {
        is_dry: false,
        body,
        ..written
    };
    assert!(why(&written).contains("protobuf"));
}

#[test]
fn a_stale_body_is_a_conflict() {
    let case = secret();
    let body = json!({"metadata": {"resourceVersion": "6"}, "data": {"pw": marker()}});
    case.refused(None, &body, "has been changed");
    case.refused(Some(PatchForm::Merge), &body, "has been changed");
}

#[test]
fn the_annotation_of_apply_is_restored_from_itself_and_then_from_the_object() {
    let case = secret();
    let annotated = |text: String, data: Value| {
        json!({
            "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": text}},
            "data": data,
        })
    };
    // `pw` was applied with another value; `user` was not applied and is taken from the object.
    let sent = json!({"data": {"pw": marker(), "user": marker(), "own": "b3du"}});
    let made = json!({"data": {"pw": "b2xk", "user": "bWU=", "own": "b3du"}});
    let text = |value: &Value| format!("{value}\n");
    for patch in [
        None,
        Some(PatchForm::Merge),
        Some(PatchForm::Strategic),
        Some(PatchForm::Apply),
    ] {
        let body = annotated(text(&sent), json!({"pw": "b3du"}));
        let expected = with_version(annotated(text(&made), json!({"pw": "b3du"})));
        case.check(patch, &body, &expected);
    }
    let moved = json!({"data": {"elsewhere": marker()}});
    case.refused(
        None,
        &annotated(text(&moved), json!({})),
        "/metadata/annotations",
    );
    let path = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
    let operation = |value: &Value| json!({"op": "replace", "path": path, "value": text(value)});
    let last = json!({"op": "add", "path": "/metadata/resourceVersion", "value": "7"});
    case.check(
        Some(PatchForm::Json),
        &json!([operation(&sent)]),
        &json!([operation(&made), last]),
    );
}

fn full() -> Value {
    json!({
        "text": "secret", "number": 5, "flag": true, "list": [1, 2], "map": {"a": 1},
        "hashed": "digest me", "phone": "+49 170 1234567", "card": "4111 1111 1111 1111",
        "gone": "hidden", "doc": "{\"inner\":{\"pw\":\"x\",\"gone\":1,\"other\":2}}",
        "users": [
            {"name": "a", "pw": "one", "phone": "+49 170 7654321"},
            {"name": "b", "pw": "two", "phone": "+49 170 1111111"},
        ],
        "words": ["w1", "w2"],
        "tagged": [{"class": "secret", "value": "s"}, {"class": "plain", "value": "p"}],
        "hidden": [{"name": "x", "v": 1}, {"name": "y", "v": 2}],
        "free": "text",
    })
}

#[test]
fn what_every_strategy_left_is_taken_for_the_live_value() {
    let case = Case::thing(&full());
    let mut body = case.shown();
    assert_ne!(body, case.live);
    case.check(None, &body, &case.live);
    body["spec"]["free"] = "changed".into();
    let mut expected = case.live.clone();
    expected["spec"]["free"] = "changed".into();
    // A map of its own order: what was left out stands at the end.
    case.check(None, &body, &expected);
    for (field, value) in [
        ("text", json!("own")),
        ("number", json!(6)),
        ("flag", json!(null)),
        ("phone", json!("+1 555 0000000")),
        ("gone", json!("own")),
    ] {
        let mut body = case.shown();
        let mut expected = case.live.clone();
        body["spec"][field] = value.clone();
        expected["spec"][field] = value;
        case.check(None, &body, &expected);
    }
    let mut body = case.shown();
    body["spec"]["doc"] = r#"{"inner":{"pw":"countersign-masked:back","other":3}}"#.into();
    let mut expected = case.live.clone();
    expected["spec"]["doc"] = r#"{"inner":{"pw":"x","other":3,"gone":1}}"#.into();
    case.check(None, &body, &expected);
}

#[test]
fn lists_keep_each_value_in_its_element() {
    let case = Case::thing(&full());
    let edit = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut body = case.shown();
        change(body["spec"]["users"].as_array_mut().unwrap());
        body
    };
    let users = |body: &Value| {
        case.send(None, body)
            .map(|body| body.unwrap()["spec"]["users"].clone())
    };
    let live = case.live["spec"]["users"].clone();
    let removed = edit(&|users| drop(users.remove(0)));
    assert_eq!(users(&removed).unwrap(), json!([live[1]]));
    let added = edit(&|users| users.insert(0, json!({"name": "c", "pw": "own"})));
    assert_eq!(
        users(&added).unwrap(),
        json!([{"name": "c", "pw": "own"}, live[0], live[1]])
    );
    case.refused(None, &edit(&|users| users.swap(0, 1)), "moved");
    case.refused(
        None,
        &edit(&|users| users[0]["name"] = "z".into()),
        "/spec/users/0",
    );
    case.refused(
        None,
        &edit(&|users| users.push(json!({"name": "c", "pw": "countersign-masked:back"}))),
        "/spec/users/2",
    );
    let mut body = case.shown();
    drop(body["spec"]["words"].as_array_mut().unwrap().remove(0));
    case.refused(None, &body, "/spec/words");
    let mut body = case.shown();
    body["spec"]["list"] = json!([3]);
    case.refused(None, &body, "shown empty");
    let mut body = case.shown();
    body["spec"]["hidden"] = json!([{"name": "z"}]);
    case.refused(None, &body, "shown empty");
}

#[test]
fn a_keyed_patch_finds_elements_by_their_keys() {
    let case = Case::thing(&full());
    let body = json!({"spec": {"users": [
        {"name": "b", "pw": "countersign-masked:back", "more": 1},
        {"name": "c", "pw": "own"},
    ]}});
    let expected = with_version(json!({"spec": {"users": [
        {"name": "b", "pw": "two", "more": 1},
        {"name": "c", "pw": "own"},
    ]}}));
    case.check(Some(PatchForm::Strategic), &body, &expected);
    case.check(Some(PatchForm::Apply), &body, &expected);
    let new = json!({"spec": {"users": [{"name": "c", "pw": "countersign-masked:back"}]}});
    case.refused(Some(PatchForm::Strategic), &new, "/spec/users/0/pw");
}

/// Lists of custom kinds are replaced unless their schema says otherwise: an apply patch that holds what
/// its author was shown deleted what was not shown.
#[test]
fn a_keyed_patch_of_a_list_that_it_may_replace_deletes_nothing_hidden() {
    let mut case = Case::thing(&full());
    for list in ["hidden", "list"] {
        let body = json!({"spec": {list: [{"name": "z"}], "text": "countersign-masked:back"}});
        for form in [PatchForm::Strategic, PatchForm::Apply] {
            case.refused(Some(form), &body, "may replace the list");
        }
    }
    let container = json!({"name": "main", "image": "x", "env": [{"name": "A"}, {"name": "B"}]});
    case = Case::new(
        "back",
        "pods",
        json!({"metadata": {"name": "p", "resourceVersion": "7"}, "spec": {"containers": [container]}}),
    );
    let body = |image: &str| {
        let container = json!({"name": "main", "image": image, "env": [{"name": "C"}]});
        json!({"spec": {"containers": [container]}})
    };
    let (sent, expected) = (body("countersign-masked:back"), with_version(body("x")));
    case.check(Some(PatchForm::Strategic), &sent, &expected);
}

/// The value stayed where it was, and what its mask goes by did not.
#[test]
fn nothing_is_put_back_where_it_would_be_read_in_clear() {
    let case = Case::thing(&full());
    let mut body = case.shown();
    body["spec"]["tagged"][0]["class"] = "plain".into();
    case.refused(None, &body, "unmask");
    let operations = json!([
        {"op": "replace", "path": "/spec/tagged/0/value", "value": "countersign-masked:back"},
        {"op": "replace", "path": "/spec/tagged/0/class", "value": "plain"},
    ]);
    case.refused(Some(PatchForm::Json), &operations, "unmask");
}

/// What stands before the member that an element is chosen by is masked in every element, but the API
/// server writes members in its own order.
#[test]
fn the_order_of_members_unmasks_nothing() {
    let case = Case::thing(&full());
    let mut body = case.shown();
    body["spec"]["tagged"][0] = json!({"value": "countersign-masked:back", "class": "plain"});
    assert!(body.to_string().contains(r#"back","class":"plain""#));
    case.refused(None, &body, "unmask");
    let merge = json!({"spec": {"tagged": body["spec"]["tagged"]}});
    case.refused(Some(PatchForm::Merge), &merge, "unmask");
    let pod = json!({"metadata": {"resourceVersion": "7"}, "spec": {"containers": [
        {"args": ["secret"], "image": "i", "name": "main"},
    ]}});
    let case = Case::new("back", "pods", pod);
    let element = json!({"args": ["countersign-masked:back"], "name": "main2"});
    let operations = json!([{"op": "replace", "path": "/spec/containers/0", "value": element}]);
    case.refused(Some(PatchForm::Json), &operations, "unmask");
}

#[test]
fn a_json_patch_means_the_element_its_author_means() {
    let case = Case::thing(&full());
    let operations = |path: &str| {
        json!([
            {"op": "remove", "path": "/spec/users/0"},
            {"op": "replace", "path": path, "value": "countersign-masked:back"},
        ])
    };
    let found = case.send(Some(PatchForm::Json), &operations("/spec/users/0/pw"));
    assert_eq!(found.unwrap().unwrap()[1]["value"], "two");
    case.refused(
        Some(PatchForm::Json),
        &operations("/spec/users/1/pw"),
        "cannot be written back",
    );
    let hidden = json!([{"op": "replace", "path": "/spec/hidden/0/v", "value": 3}]);
    case.refused(Some(PatchForm::Json), &hidden, "indexes");
    let inserted =
        json!([{"op": "add", "path": "/spec/users/0", "value": case.shown()["spec"]["users"][0]}]);
    case.refused(Some(PatchForm::Json), &inserted, "cannot be written back");
    let mut doubled = vec![json!({"op": "add", "path": "/spec/x", "value": "x".repeat(100_000)})];
    doubled.extend((0..60).map(|_| json!({"op": "copy", "from": "/spec/x", "path": "/spec/y"})));
    doubled
        .push(json!({"op": "replace", "path": "/spec/text", "value": "countersign-masked:back"}));
    let doubled = Value::from(doubled);
    case.refused(Some(PatchForm::Json), &doubled, "copies more than 3 MiB");
}

/// Digits that a mask had made were stored by a patch too long to be followed.
#[test]
fn a_json_patch_that_is_too_long_to_follow_is_refused_if_it_sets_something_masked() {
    let case = Case::thing(&full());
    let phone = case.shown()["spec"]["phone"].clone();
    let free = json!({"op": "replace", "path": "/spec/free", "value": "x"});
    let mut operations = vec![free; 256];
    let json = Some(PatchForm::Json);
    assert_eq!(case.send(json, &operations.clone().into()), Ok(None));
    operations.push(json!({"op": "replace", "path": "/spec/phone", "value": phone}));
    case.refused(json, &operations.into(), "more than 256 operations");
}

#[test]
fn refusing_masks_without_markers_read_the_live_object_and_name_what_would_be_lost() {
    let live = json!({
        "metadata": {"name": "t", "resourceVersion": "7"},
        "spec": {"text": "t", "phone": "+49 170 1234567", "gone": "g", "free": 1},
    });
    let case = Case::new("keep", "things.example.com", live);
    let body = case.shown();
    case.refused(None, &body, "/spec/text");
    let mut body = case.shown();
    body["spec"]["text"] = "own".into();
    case.refused(None, &body, "/spec/phone");
    body["spec"]["phone"] = "+1 555 0000000".into();
    case.refused(None, &body, "left out");
    body["spec"]["gone"] = "own".into();
    assert_eq!(case.send(None, &body), Ok(None));
    let merge = Some(PatchForm::Merge);
    assert_eq!(case.send(merge, &json!({"spec": {"free": 2}})), Ok(None));
    let phone = &case.shown()["spec"]["phone"];
    case.refused(merge, &json!({"spec": {"phone": phone}}), "/spec/phone");
    // Nothing to lose: the value is the author's own.
    assert_eq!(
        case.send(merge, &json!({"spec": {"phone": "+1 555 0000000"}})),
        Ok(None)
    );
    let body = json!({"data": {"pw": "eA=="}}).to_string();
    let written = Written {
        verb: Verb::Update,
        patch: None,
        is_dry: false,
        wager: Wager::default(),
        body: body.as_bytes(),
    };
    assert!(
        plan(&masking("keep", "secrets"), &written)
            .unwrap()
            .is_none()
    );
}

fn wager(target: &str, patch: Option<PatchForm>) -> Wager {
    let method = if patch.is_some() {
        Method::PATCH
    } else {
        Method::PUT
    };
    Wager::of(
        &RequestTarget::parse(&method, target.as_bytes()).unwrap(),
        patch,
    )
}

#[test]
fn a_dry_run_of_a_masked_value_is_refused_whatever_the_value_is() {
    let case = secret();
    let check = |patch, body: Value, refused: bool| {
        let body = body.to_string();
        let written = Written {
            verb: Verb::Patch,
            patch: Some(patch),
            is_dry: true,
            wager: Wager::default(),
            body: body.as_bytes(),
        };
        assert_eq!(plan(&case.masking, &written).is_err(), refused, "{body}");
    };
    for value in ["bmV3", "b3du"] {
        check(PatchForm::Merge, json!({"data": {"pw": value}}), true);
        check(PatchForm::Apply, json!({"data": {"new": value}}), true);
        let operation = json!([{"op": "replace", "path": "/data/pw", "value": value}]);
        check(PatchForm::Json, operation, true);
    }
    check(
        PatchForm::Merge,
        json!({"metadata": {"labels": {"a": "b"}}}),
        false,
    );
    let operation = json!([{"op": "remove", "path": "/data/pw"}]);
    check(PatchForm::Json, operation, false);
    for value in ["new", "own"] {
        check(PatchForm::Merge, json!({"stringData": {"pw": value}}), true);
        for op in ["copy", "move"] {
            let carried = json!([
                {"op": "add", "path": "/metadata/x", "value": value},
                {"op": op, "from": "/metadata/x", "path": "/data/pw"},
            ]);
            check(PatchForm::Json, carried, true);
        }
    }
}

#[test]
fn no_outcome_depends_on_a_guess_at_an_immutable_object() {
    let mut case = secret();
    let target = "/api/v1/namespaces/a/secrets/db";
    case.live["immutable"] = true.into();
    for patch in [
        None,
        Some(PatchForm::Merge),
        Some(PatchForm::Strategic),
        Some(PatchForm::Json),
    ] {
        case.wager = wager(target, patch);
        for value in ["bmV3", "b3du"] {
            let body = match patch {
                Some(PatchForm::Json) => {
                    json!([{"op": "replace", "path": "/data/pw", "value": value}])
                }
                _ => json!({"data": {"pw": value}, "immutable": true}),
            };
            case.refused(patch, &body, "immutable");
            let body = match patch {
                Some(PatchForm::Json) => json!([
                    {"op": "add", "path": "/x", "value": value},
                    {"op": "move", "from": "/x", "path": "/data/pw"},
                ]),
                _ => json!({"stringData": {"pw": value}}),
            };
            case.refused(patch, &body, "immutable");
        }
        if patch != Some(PatchForm::Json) {
            let body = json!({"data": {"pw": marker()}});
            assert!(case.send(patch, &body).unwrap().is_some(), "no guess");
        }
    }
    case.live["immutable"] = false.into();
    case.wager = wager(target, None);
    assert_eq!(case.send(None, &json!({"data": {"pw": "b3du"}})), Ok(None));
}

/// A wrong value was refused by the API server, and a right one was not, as often as one liked.
#[test]
fn no_outcome_depends_on_a_guess_at_what_never_changes() {
    let live = json!({"metadata": {"resourceVersion": "7", "labels": {"a": "b"}}, "spec": {"containers": [
        {"name": "main", "env": [{"name": "TOKEN", "value": "right"}]},
    ]}});
    let mut case = Case::new("keep", "pods", live);
    let target = "/api/v1/namespaces/a/pods/p";
    let body = |value: &str| json!({"spec": {"containers": [{"name": "main", "env": [{"name": "TOKEN", "value": value}]}]}});
    for value in ["right", "wrong"] {
        for patch in [
            None,
            Some(PatchForm::Merge),
            Some(PatchForm::Strategic),
            Some(PatchForm::Apply),
        ] {
            case.wager = wager(target, patch);
            case.refused(patch, &body(value), "immutable");
        }
        let json = Some(PatchForm::Json);
        case.wager = wager(target, json);
        for (path, value) in [
            ("/spec/containers/0/env/0/value", Value::from(value)),
            ("/spec", body(value)["spec"].clone()),
        ] {
            let replace = json!([{"op": "replace", "path": path, "value": value}]);
            case.refused(json, &replace, "immutable");
            let moved = json!([
                {"op": "add", "path": "/x", "value": value},
                {"op": "move", "from": "/x", "path": path},
            ]);
            case.refused(json, &moved, "immutable");
        }
        // Nothing is named at its own place, but what is deleted was there.
        let strategic = Some(PatchForm::Strategic);
        let deletes = |list: &str| {
            let list = format!("$deleteFromPrimitiveList/{list}");
            json!({"spec": {"containers": [{"name": "main", list: [value]}]}})
        };
        let args = Case::new("back", "pods", case.live.clone());
        args.refused(strategic, &deletes("args"), "asks about a value");
        assert_eq!(args.send(strategic, &deletes("command")), Ok(None));
        // Labels can be changed, and images.
        let label = json!([{"op": "replace", "path": "/metadata/labels/a", "value": value}]);
        assert_eq!(case.send(json, &label), Ok(None));
        let merge = Some(PatchForm::Merge);
        case.wager = wager(target, merge);
        let label = json!({"metadata": {"labels": {"a": value}}});
        assert_eq!(case.send(merge, &label), Ok(None));
    }
    let deployments = "/apis/apps/v1/namespaces/a/deployments/d";
    assert_eq!(wager(deployments, None), Wager::default());
    let strategic = Some(PatchForm::Strategic);
    let pod = json!({"metadata": {"resourceVersion": "7"}, "spec": {"containers": [
        {"name": "main", "image": "i"},
    ]}});
    let mut case = Case::new("back", "pods", pod);
    case.wager = wager(target, strategic);
    let image = json!({"spec": {"containers": [{"name": "main", "image": "other"}]}});
    assert_eq!(case.send(strategic, &image), Ok(None));
    let json = Some(PatchForm::Json);
    case.wager = wager(target, json);
    let image = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "other"}]);
    assert_eq!(case.send(json, &image), Ok(None));
}

#[test]
fn a_new_debug_container_may_have_values_of_its_own() {
    let container =
        |name: &str, value: &str| json!({"name": name, "env": [{"name": "T", "value": value}]});
    let live = json!({"metadata": {"resourceVersion": "7"}, "spec": {
        "containers": [container("main", "x")], "ephemeralContainers": [container("old", "right")],
    }});
    let mut case = Case::new("keep", "pods", live);
    let target = "/api/v1/namespaces/a/pods/p/ephemeralcontainers";
    let strategic = Some(PatchForm::Strategic);
    case.wager = wager(target, strategic);
    let body = |name: &str, value: &str| json!({"spec": {"ephemeralContainers": [container(name, value)]}});
    assert_eq!(case.send(strategic, &body("new", "own")), Ok(None));
    for value in ["right", "wrong"] {
        case.refused(strategic, &body("old", value), "immutable");
    }
    let json = Some(PatchForm::Json);
    case.wager = wager(target, json);
    let path = "/spec/ephemeralContainers/-";
    let added = json!([{"op": "add", "path": path, "value": container("new", "own")}]);
    assert_eq!(case.send(json, &added), Ok(None));
}

/// What a detector finds anywhere is at no masked place, and is masked.
#[test]
fn no_outcome_depends_on_a_guess_at_what_a_detector_finds() {
    let live = json!({
        "metadata": {"resourceVersion": "7"}, "immutable": true, "data": {"to": "a@b.example"},
    });
    let mut case = Case::new("keep", "configmaps", live);
    let target = "/api/v1/namespaces/a/configmaps/c";
    for value in ["a@b.example", "b@b.example"] {
        let json = Some(PatchForm::Json);
        case.wager = wager(target, json);
        let replace = json!([{"op": "replace", "path": "/data/to", "value": value}]);
        case.refused(json, &replace, "immutable");
        let merge = Some(PatchForm::Merge);
        case.wager = wager(target, merge);
        case.refused(merge, &json!({"data": {"to": value}}), "immutable");
    }
}

/// The managers of a Scale are those of its object, which is not read.
#[test]
fn an_apply_of_a_masked_scale_without_force_is_refused() {
    let live = json!({"metadata": {"resourceVersion": "7"}, "spec": {"number": 3}});
    let mut case = Case::new("keep", "things.example.com", live);
    let apply = Some(PatchForm::Apply);
    let target = "/apis/example.com/v1/namespaces/a/things/t/scale?fieldManager=me";
    case.wager = wager(target, apply);
    for number in [3, 4] {
        let body = json!({"spec": {"number": number}});
        case.refused(apply, &body, "another field manager");
    }
}

/// Neither an ancestor of a masked place nor a place that a detector may look at is one.
#[test]
fn empty_values_at_other_places_are_nobodys_business() {
    let live = json!({"metadata": {"resourceVersion": "7"}, "spec": {"paused": true}});
    let case = Case::new("keep", "deployments.apps", live);
    let json = Some(PatchForm::Json);
    let paused = json!({"op": "replace", "path": "/spec/paused", "value": false});
    let volume = json!({"name": "tmp", "emptyDir": {}});
    for (operation, refused) in [
        (paused, true),
        (
            json!({"op": "add", "path": "/spec/template/spec/volumes/-", "value": volume}),
            false,
        ),
        (
            json!({"op": "add", "path": "/metadata/annotations", "value": {}}),
            false,
        ),
        (json!({"op": "add", "path": "/status", "value": {}}), false),
    ] {
        let found = case.send(json, &json!([operation]));
        assert_eq!(found.is_err(), refused, "{operation} {found:?}");
    }
}

fn kept(spec: &Value) -> Case {
    let live = json!({"metadata": {"name": "t", "resourceVersion": "7"}, "spec": spec});
    Case::new("keep", "things.example.com", live)
}

/// Of a flag that is `false` a write of what is shown passed, of one that is not it was refused.
#[test]
fn whether_a_refusing_mask_refuses_tells_nothing_of_what_is_stored() {
    let case = |spec: Value| kept(&spec);
    for (key, shown, other) in [
        ("flag", json!(false), json!(true)),
        ("number", json!(0), json!(17)),
        ("list", json!([]), json!([1])),
        ("map", json!({}), json!({"a": 1})),
    ] {
        for stored in [&shown, &other] {
            let case = case(json!({key: stored, "free": false}));
            assert_eq!(case.shown()["spec"][key], shown);
            let body = json!({"spec": {key: shown, "free": false}});
            let place = format!("/spec/{key}");
            case.refused(None, &body, &place);
            for patch in [PatchForm::Merge, PatchForm::Apply] {
                case.refused(Some(patch), &body, &place);
            }
            let path = format!("/spec/{key}");
            for operation in [
                json!({"op": "replace", "path": path, "value": shown}),
                json!({"op": "replace", "path": "/spec", "value": {key: shown}}),
            ] {
                case.refused(Some(PatchForm::Json), &json!([operation]), &place);
            }
            // Lists of another length, and of another order.
            let many = |stored: bool| json!([{"name": "a", "flag": stored}, {"name": "b", "flag": stored}]);
            for is_set in [true, false] {
                let case = kept(&json!({"many": many(is_set)}));
                let [a, b, x] = ["a", "b", "x"].map(|name| json!({"name": name, "flag": false}));
                for list in [json!([a, b, x]), json!([b, a])] {
                    case.refused(None, &json!({"spec": {"many": list}}), "/spec/many/");
                }
            }
            // Not at a masked place.
            let free = json!({"spec": {"free": false}});
            assert_eq!(case.send(Some(PatchForm::Merge), &free), Ok(None));
        }
    }
}

/// A map that a manager owns as a whole has nothing below it in `managedFields`, and managers of
/// another subresource are others, whatever their name.
#[test]
fn an_apply_without_force_conflicts_with_owners_of_whole_maps_and_of_other_subresources() {
    let mut case = secret();
    let apply = Some(PatchForm::Apply);
    let target = "/api/v1/namespaces/a/secrets/db?fieldManager=me";
    case.wager = wager(target, apply);
    let fields = json!({"f:data": {"f:pw": {}}});
    for (managed, conflicts) in [
        (
            json!({"manager": "other", "operation": "Update", "fieldsV1": {"f:data": {}}}),
            true,
        ),
        (
            json!({"manager": "other", "operation": "Update", "fieldsV1": {}}),
            false,
        ),
        (
            json!({"manager": "me", "operation": "Apply", "fieldsV1": fields}),
            false,
        ),
        (
            json!({"manager": "me", "operation": "Apply", "subresource": "status", "fieldsV1": fields}),
            true,
        ),
    ] {
        case.live["metadata"]["managedFields"] = json!([managed]);
        for value in ["bmV3", "b3du"] {
            let body = json!({"data": {"pw": value}});
            if conflicts {
                case.refused(apply, &body, "another field manager");
            } else {
                assert_eq!(case.send(apply, &body), Ok(None), "{managed}");
            }
        }
    }
}

#[test]
fn an_apply_without_force_conflicts_whatever_it_guesses() {
    let mut case = secret();
    let apply = Some(PatchForm::Apply);
    case.live["metadata"]["managedFields"] = json!([
        {"manager": "other", "operation": "Update", "fieldsV1": {"f:data": {".": {}, "f:pw": {}}}},
        {"manager": "me", "operation": "Apply", "fieldsV1": {"f:data": {"f:user": {}}}},
    ]);
    let target = "/api/v1/namespaces/a/secrets/db?fieldManager=me";
    case.wager = wager(target, apply);
    for value in ["bmV3", "b3du"] {
        case.refused(
            apply,
            &json!({"data": {"pw": value}}),
            "another field manager",
        );
        assert_eq!(
            case.send(apply, &json!({"data": {"user": value}})),
            Ok(None)
        );
        assert_eq!(case.send(apply, &json!({"data": {"new": value}})), Ok(None));
    }
    assert!(
        case.send(apply, &json!({"data": {"pw": marker()}}))
            .unwrap()
            .is_some()
    );
    case.wager = wager(&format!("{target}&force=true"), apply);
    assert_eq!(case.send(apply, &json!({"data": {"pw": "b3du"}})), Ok(None));
}

fn any_spec() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "",
        "short",
        "a longer text of no meaning",
        "+49 170 12345678",
    ]);
    let scalar = prop_oneof![
        text.prop_map(Value::from),
        (0..3).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let user = (0..4, scalar.clone(), scalar.clone(), any::<bool>()).prop_map(
        |(name, pw, phone, named)| {
            let mut user = json!({"pw": pw, "phone": phone});
            if named {
                user["name"] = format!("u{name}").into();
            }
            user
        },
    );
    let value = prop_oneof![
        scalar.clone(),
        prop::collection::vec(scalar.clone(), 0..3).prop_map(Value::from),
        prop::collection::vec(user, 0..4).prop_map(Value::from),
        prop::collection::btree_map("[a-c]", scalar, 0..3).prop_map(|map| json!(map)),
    ];
    let keys = prop::sample::select(vec![
        "text", "number", "flag", "list", "map", "hashed", "phone", "card", "gone", "users",
        "words", "free",
    ]);
    prop::collection::btree_map(keys, value, 0..8).prop_map(|map| json!(map))
}

/// Of members the order means nothing.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut all: Vec<(String, Value)> = members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(all.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

proptest! {
    /// What was read and is sent back unchanged is what is stored.
    #[test]
    fn sending_back_what_was_shown_changes_nothing(spec in any_spec()) {
        let case = Case::thing(&spec);
        let shown = case.shown();
        let made = case.send(None, &shown).unwrap_or_else(|why| panic!("{why}"));
        prop_assert_eq!(sorted(&made.unwrap_or(shown)), sorted(&case.live));
    }

    /// One change, and that alone is written; or nothing is.
    #[test]
    fn one_change_changes_one_thing(spec in any_spec(), free in 10_i32..20) {
        let case = Case::thing(&spec);
        let mut shown = case.shown();
        shown["spec"]["own"] = free.into();
        let made = case.send(None, &shown).unwrap_or_else(|why| panic!("{why}"));
        let mut expected = case.live.clone();
        expected["spec"]["own"] = free.into();
        prop_assert_eq!(sorted(&made.unwrap_or(shown)), sorted(&expected));
    }

    /// Whatever is sent, no live value is put where its author could read it.
    #[test]
    fn no_value_is_moved_into_the_open(spec in any_spec(), other in any_spec(), form in 0_usize..4) {
        let case = Case::thing(&spec);
        let mut body = case.shown();
        for (key, value) in other.as_object().unwrap() {
            body["spec"][key] = value.clone();
        }
        let patch = [None, Some(PatchForm::Merge), Some(PatchForm::Strategic), Some(PatchForm::Apply)][form];
        if let Ok(Some(made)) = case.send(patch, &body) {
            let text = made.to_string();
            let again = shown(&case.masking, text.as_bytes()).unwrap();
            let again: Value = serde_json::from_slice(&again.text).unwrap();
            // Read again it shows nothing that was not sent.
            let sent = shown(&case.masking, body.to_string().as_bytes()).unwrap();
            let sent: Value = serde_json::from_slice(&sent.text).unwrap();
            for key in ["text", "free", "users", "map"] {
                let scalar = |value: &Value| value.is_string().then(|| value.clone());
                prop_assert_eq!(scalar(&again["spec"][key]), scalar(&sent["spec"][key]));
            }
        }
    }
}
