use bytes::Bytes;
use http::{Method, StatusCode};
use proptest::prelude::*;

use super::{
    BODY_BYTES_MAX, BodyContent, BodyFault, BodyIdentity, DeleteOptions, JSON_VALUE_COUNT_MAX,
    JsonFault, JsonValue, Message, PatchForm, PatchOperator, RequestBody, Wire, YamlFault,
    parse_yaml, patch_form, write_field,
};
use crate::fixtures::protobuf;
use crate::target::{PropagationPolicy, RequestTarget};

const POD: &str = "/api/v1/namespaces/a/pods/p";
const PODS: &str = "/api/v1/namespaces/a/pods";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const APPLY: &str = "application/apply-patch+yaml";

fn target(method: &str, path: &str) -> RequestTarget {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    RequestTarget::parse(&method, path.as_bytes()).unwrap()
}

fn read(
    method: &str,
    content_type: &str,
    body: impl Into<Bytes>,
) -> Result<RequestBody, BodyFault> {
    let path = if method == "POST" { PODS } else { POD };
    let content_type = Some(content_type).filter(|text| !text.is_empty());
    RequestBody::read(&target(method, path), content_type, body.into())
}

fn identity(body: &RequestBody) -> String {
    let BodyIdentity {
        api_version,
        kind,
        namespace,
        name,
        generate_name,
    } = body.identity().unwrap();
    [api_version, kind, namespace, name, generate_name]
        .map(|text| text.as_deref().unwrap_or("-").to_owned())
        .join(" ")
}

const OBJECT: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"a","generateName":"x-"}}"#;

#[test]
fn reads_the_same_identity_from_every_encoding() {
    let expected = "v1 Pod a web x-";
    for content_type in [
        "",
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
    ] {
        let body = read("POST", content_type, OBJECT).unwrap();
        assert_eq!(identity(&body), expected, "{content_type}");
        assert_eq!(body.bytes(), OBJECT.as_bytes());
        assert_eq!(body.content_type().unwrap(), "application/json");
    }
    let yaml =
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: a\n  generateName: x-\n";
    let body = read("POST", "application/yaml", yaml).unwrap();
    assert_eq!(identity(&body), expected);
    assert_eq!(body.bytes(), OBJECT.as_bytes());
    assert_eq!(body.content_type().unwrap(), "application/json");
    let body = read("POST", PROTOBUF, protobuf("pod")).unwrap();
    assert_eq!(identity(&body), "v1 Pod a web -");
    assert_eq!(body.bytes(), &protobuf("pod"));
    assert_eq!(body.content_type().unwrap(), PROTOBUF);
}

#[test]
fn reads_protobuf_messages_of_the_go_libraries() {
    for (name, expected) in [
        ("pod-generate-name", "v1 Pod a - web-"),
        ("deployment", "apps/v1 Deployment a web -"),
        ("eviction", "policy/v1 Eviction a web -"),
        ("binding", "v1 Binding a web -"),
        ("scale", "autoscaling/v1 Scale a web -"),
        (
            "token-request",
            "authentication.k8s.io/v1 TokenRequest - - -",
        ),
        (
            "access-resource",
            "authorization.k8s.io/v1 SelfSubjectAccessReview - - -",
        ),
    ] {
        let body = read("POST", PROTOBUF, protobuf(name)).unwrap();
        assert_eq!(identity(&body), expected, "{name}");
    }
    let fault = read("POST", PROTOBUF, protobuf("list-options")).unwrap_err();
    assert_eq!(fault.http_status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        fault.to_string().contains("switch the client to JSON"),
        "{fault}"
    );
}

/// A `v1` Pod envelope around hand-made bytes.
fn pod(raw: &[u8]) -> Vec<u8> {
    let mut out = b"k8s\0".to_vec();
    write_field(&mut out, 1, Wire::Bytes(b"\x0a\x02v1\x12\x03Pod"));
    write_field(&mut out, 2, Wire::Bytes(raw));
    out
}

#[test]
fn refuses_protobuf_with_two_readings() {
    let named = |name: &[u8]| {
        let mut metadata = Vec::new();
        write_field(&mut metadata, 1, Wire::Bytes(name));
        let mut raw = Vec::new();
        write_field(&mut raw, 1, Wire::Bytes(&metadata));
        raw
    };
    assert!(read("POST", PROTOBUF, pod(&named(b"web"))).is_ok());
    let twice = [named(b"web"), named(b"db")].concat();
    let mut two_names = Vec::new();
    write_field(&mut two_names, 1, Wire::Bytes(b"\x0a\x03web\x0a\x02db"));
    let mut wrong_type = Vec::new();
    write_field(&mut wrong_type, 1, Wire::Varint(1));
    let mut extra = pod(b"");
    write_field(&mut extra, 5, Wire::Bytes(b"x"));
    for body in [
        b"k8s".to_vec(),
        b"{}".to_vec(),
        b"k8s\0".to_vec(),
        b"k8s\0\x0a\xff".to_vec(),
        [b"k8s\0".as_slice(), &[0x0a, 0x00]].concat(),
        pod(&twice),
        pod(&two_names),
        pod(&wrong_type),
        pod(b"\x0b"),
        pod(b"\x00\x00"),
        pod(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        pod(&named(b"a/b")),
        pod(&named(b"a\xff")),
        extra,
    ] {
        assert!(read("POST", PROTOBUF, body.clone()).is_err(), "{body:?}");
    }
}

#[test]
fn refuses_json_with_two_readings() {
    for (text, expected) in [
        (r#"{"a":1,"a":2}"#, "RepeatedKey"),
        (r#"{"a":1,"\u0061":2}"#, "RepeatedKey"),
        (r#"{"spec":[{"a":{"b":1,"b":1}}]}"#, "RepeatedKey"),
        ("\u{feff}{}", "ByteOrderMark"),
        (r#"{} {}"#, "TrailingData"),
        (r#"{}x"#, "TrailingData"),
        (r#"{"a":"\ud800"}"#, "LoneSurrogate"),
        (r#"{"a":"\udc00"}"#, "LoneSurrogate"),
        (r#"{"a":"\ud800\u0041"}"#, "LoneSurrogate"),
        (r#"{"a":1e400}"#, "Number"),
        (r#"{"a":01}"#, "Number"),
        (r#"{"a":-}"#, "Number"),
        (r#"{"a":NaN}"#, "Syntax"),
        (r#"{"a":Infinity}"#, "Syntax"),
        (r#"{"a":1,}"#, "Syntax"),
        (r#"{a:1}"#, "Syntax"),
        (r#"{'a':1}"#, "Syntax"),
        ("{\"a\":\"\u{1}\"}", "Syntax"),
        (r#"{"a":"\x"}"#, "Syntax"),
        ("// x\n{}", "Syntax"),
        ("", "Syntax"),
    ] {
        let fault = JsonValue::parse(text.as_bytes()).unwrap_err();
        let name = format!("{fault:?}");
        assert!(name.starts_with(expected), "{text}: {name}");
    }
    assert!(matches!(
        JsonValue::parse(b"\"\xff\""),
        Err(JsonFault::NotUtf8 { offset: 1 })
    ));
    let many = format!("[{}0]", "0,".repeat(JSON_VALUE_COUNT_MAX));
    assert_eq!(
        JsonValue::parse(many.as_bytes()),
        Err(JsonFault::TooManyValues)
    );
}

#[test]
fn keeps_numbers_and_order_as_written() {
    let text = r#"{"b":12345678901234567890123,"a":[1.0,-0,1E5,"\u20ac\ud83d\ude00\n"]}"#;
    let value = JsonValue::parse(text.as_bytes()).unwrap();
    let expected = "{\"b\":12345678901234567890123,\"a\":[1.0,-0,1E5,\"\u{20ac}\u{1f600}\\n\"]}";
    assert_eq!(value.to_json(), expected);
}

#[test]
fn refuses_identity_fields_that_could_be_misread() {
    for text in [
        "[]",
        "1",
        "null",
        r#"{"metadata":[]}"#,
        r#"{"metadata":{"name":1}}"#,
        r#"{"kind":{}}"#,
        r#"{"Metadata":{"name":"x"}}"#,
        r#"{"metadata":{"Name":"x"}}"#,
        r#"{"KIND":"Pod"}"#,
        r#"{"metadata":{"name":"a/b"}}"#,
        r#"{"metadata":{"name":".."}}"#,
        r#"{"metadata":{"name":"a\nb"}}"#,
    ] {
        assert!(read("POST", "", text.to_owned()).is_err(), "{text}");
    }
    let body = read("POST", "", r#"{"metadata":{"name":null,"namespace":""}}"#).unwrap();
    assert_eq!(identity(&body), "- - - - -");
}

#[test]
fn reads_unambiguous_yaml_as_json() {
    for (yaml, json) in [
        ("a: 1", r#"{"a":1}"#),
        ("a: -1.50", r#"{"a":-1.50}"#),
        ("a: 'no'\nb: \"0755\"", r#"{"a":"no","b":"0755"}"#),
        (
            "a: true\nb: false\nc: null\nd: ~\ne:",
            r#"{"a":true,"b":false,"c":null,"d":null,"e":null}"#,
        ),
        (
            "a: 100m\nb: 1Gi\nc: 10.0.0.1\nd: 80:http\ne: 1.2.3",
            r#"{"a":"100m","b":"1Gi","c":"10.0.0.1","d":"80:http","e":"1.2.3"}"#,
        ),
        (
            "a: |\n  x\n  y\nb: >\n  x\n  y\n",
            "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\"}",
        ),
        ("- a\n- [b, {c: d}]", r#"["a",["b",{"c":"d"}]]"#),
        ("{a: b}", r#"{"a":"b"}"#),
        ("---\na: b\n...\n", r#"{"a":"b"}"#),
        ("'1': a\n\"true\": b", r#"{"1":"a","true":"b"}"#),
        (
            "a: e5\nb: -x\nc: 0xyz\nd: 1e\ne: .hidden",
            r#"{"a":"e5","b":"-x","c":"0xyz","d":"1e","e":".hidden"}"#,
        ),
    ] {
        let got = parse_yaml(yaml.as_bytes()).map(|value| value.to_json());
        assert_eq!(got.as_deref(), Ok(json), "{yaml}");
    }
}

/// Asked for as JSON instead.
const AMBIGUOUS_YAML: &[&str] = &[
    "a: yes",
    "a: NO",
    "a: on",
    "a: Off",
    "a: y",
    "a: n",
    "a: True",
    "a: NULL",
    "a: 0755",
    "a: 0o7",
    "a: 0x1F",
    "a: 0b11",
    "a: 1_000",
    "a: 1:30",
    "a: 190:20:30",
    "a: +1",
    "a: 1e3",
    "a: 1.5e3",
    "a: 1_0e1_0",
    "a: ?x",
    "a: .5",
    "a: 1.",
    "a: .inf",
    "a: -.INF",
    "a: .NaN",
    "a: 2024-01-31",
    "a: 2024-1-1T00:00:00Z",
    "a: <<",
    "a: =",
    "a: -0",
    "a: 00",
    "<<: {a: b}",
    "a: &x 1",
    "a: &x {b: c}\nd: *x",
    "a: !!str 1",
    "a: !x 1",
    "!!map {a: b}",
    "a: 1\n---\nb: 2",
    "1: a",
    "true: a",
    "null: a",
    "on: a",
    "[a]: b",
    "? {a: b}\n: c",
    "a: |\n  x",
    "a: >\n  x",
    "a: 1\n? [x]\n: y",
];

#[test]
fn refuses_yaml_with_two_readings() {
    for yaml in AMBIGUOUS_YAML {
        let fault = parse_yaml(yaml.as_bytes()).unwrap_err();
        assert_eq!(
            BodyFault::from(fault.clone()).http_status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{yaml}: {fault}"
        );
    }
    for yaml in [
        "a: 1\na: 2",
        "a: {b: 1, b: 2}",
        "a: [",
        "a: b: c",
        "",
        "a: 'x",
    ] {
        let fault = parse_yaml(yaml.as_bytes()).unwrap_err();
        assert_eq!(
            BodyFault::from(fault.clone()).http_status(),
            StatusCode::BAD_REQUEST,
            "{yaml:?}: {fault}"
        );
    }
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    assert_eq!(parse_yaml(deep.as_bytes()), Err(YamlFault::TooLarge));
    let long = " ".repeat(1024 * 1024 + 1);
    assert_eq!(parse_yaml(long.as_bytes()), Err(YamlFault::TooLarge));
    let many = "- a\n".repeat(64 * 1024);
    assert_eq!(parse_yaml(many.as_bytes()), Err(YamlFault::TooLarge));
    assert!(matches!(
        parse_yaml(b"a: \xff"),
        Err(YamlFault::NotUtf8 { .. })
    ));
}

#[test]
fn apply_patches_may_be_json_or_yaml_and_leave_as_json() {
    let json = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"x":1e3}"#;
    let body = read("PATCH", APPLY, json).unwrap();
    assert_eq!(
        (body.patch(), body.bytes().as_ref()),
        (Some(PatchForm::Apply), json.as_bytes())
    );
    let body = read("PATCH", APPLY, "metadata: {name: p}").unwrap();
    assert_eq!(body.bytes(), r#"{"metadata":{"name":"p"}}"#.as_bytes());
    assert_eq!(body.content_type().unwrap(), APPLY);
    assert!(matches!(
        read("PATCH", APPLY, r#"{"a":1,"a":2}"#),
        Err(BodyFault::Json(_))
    ));
    assert!(read("PATCH", APPLY, "a: *x").is_err());
}

#[test]
fn reads_content_types_as_the_api_server_does() {
    use PatchForm::{Apply, Json, Merge, Strategic};
    for (content_type, expected) in [
        ("application/json-patch+json", Some(Json)),
        ("application/merge-patch+json", Some(Merge)),
        ("application/merge-patch+json; charset=utf-8", Some(Merge)),
        ("application/strategic-merge-patch+json", Some(Strategic)),
        (APPLY, Some(Apply)),
        (" application/merge-patch+json", None),
        ("application/merge-patch+json ;x", None),
        ("Application/merge-patch+json", None),
        ("application/apply-patch+cbor", None),
        ("application/json", None),
    ] {
        assert_eq!(
            patch_form(&Method::PATCH, Some(content_type)),
            expected,
            "{content_type}"
        );
    }
    assert_eq!(patch_form(&Method::POST, Some("application/json")), None);
    for (method, content_type) in [
        ("POST", "application/cbor"),
        ("POST", "text/plain"),
        ("POST", "application/x-www-form-urlencoded"),
        ("POST", "application/json/x"),
        ("PATCH", ""),
        ("PATCH", "application/json"),
        ("PATCH", "application/apply-patch+cbor"),
    ] {
        let fault = read(method, content_type, "{}").unwrap_err();
        assert_eq!(
            fault.http_status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{method} {content_type}"
        );
    }
}

#[test]
fn reads_json_patches_as_operations() {
    let text = r#"[{"op":"test","path":"/a~1b/~0c/0","value":1},{"op":"move","from":"/x","path":""},{"op":"remove","path":"/metadata/labels/a"}]"#;
    let body = read("PATCH", "application/json-patch+json", text).unwrap();
    let BodyContent::Patch(operations) = body.content() else {
        panic!("{body:?}")
    };
    assert_eq!(operations[0].operator, PatchOperator::Test);
    assert_eq!(operations[0].path, ["a/b", "~c", "0"]);
    assert_eq!(operations[1].from.as_deref(), Some(&["x".to_owned()][..]));
    assert!(operations[1].path.is_empty());
    assert_eq!(body.identity(), None);
    for text in [
        "{}",
        "[1]",
        r#"[{"op":"add","path":"/a"}]"#,
        r#"[{"op":"move","path":"/a"}]"#,
        r#"[{"op":"x","path":"/a"}]"#,
        r#"[{"op":"remove"}]"#,
        r#"[{"op":"remove","path":"a"}]"#,
        r#"[{"op":"remove","path":"/a~2"}]"#,
        r#"[{"op":"remove","path":"/a","Path":"/b"}]"#,
        r#"[{"op":"remove","path":"/a","path":"/b"}]"#,
        r#"[{"op":"replace","path":"/metadata/name","value":"x"}]"#,
        r#"[{"op":"copy","from":"/data","path":"/metadata/namespace"}]"#,
        r#"[{"op":"move","from":"/metadata/name","path":"/x"}]"#,
    ] {
        assert!(
            read("PATCH", "application/json-patch+json", text).is_err(),
            "{text}"
        );
    }
    let many = format!(
        "[{}]",
        vec![r#"{"op":"remove","path":"/a"}"#; 10_001].join(",")
    );
    assert!(read("PATCH", "application/json-patch+json", many).is_err());
}

#[test]
fn bounds_and_places_bodies() {
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(
        read("POST", "", large).unwrap_err().http_status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert!(matches!(
        read("GET", "", "{}"),
        Err(BodyFault::Unexpected { .. })
    ));
    assert_eq!(*read("GET", "", "").unwrap().content(), BodyContent::Empty);
    assert_eq!(*read("POST", "", "").unwrap().content(), BodyContent::Empty);
    let proxy = target("POST", "/api/v1/namespaces/a/pods/p/proxy/x");
    let body = RequestBody::read(&proxy, Some("text/plain"), Bytes::from_static(b"{{")).unwrap();
    assert_eq!(
        (body.content(), body.content_type().unwrap().as_bytes()),
        (&BodyContent::Opaque, &b"text/plain"[..])
    );
}

fn delete(query: &str, content_type: &str, body: Vec<u8>) -> Result<DeleteOptions, BodyFault> {
    let target = target("DELETE", &format!("{POD}{query}"));
    let content_type = Some(content_type).filter(|text| !text.is_empty());
    let body = RequestBody::read(&target, content_type, Bytes::from(body))?;
    DeleteOptions::judge(&target, &body)
}

#[test]
fn reads_delete_options_from_the_place_that_counts() {
    let full = DeleteOptions {
        dry_run: true,
        propagation_policy: Some(PropagationPolicy::Foreground),
        grace_period_seconds: Some(30),
        uid: Some("u-1".to_owned()),
        resource_version: Some("42".to_owned()),
        ..DeleteOptions::default()
    };
    let json = br#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":30,"propagationPolicy":"Foreground","dryRun":["All"],"preconditions":{"uid":"u-1","resourceVersion":"42"}}"#;
    assert_eq!(delete("", "", json.to_vec()).unwrap(), full);
    assert_eq!(
        delete("", PROTOBUF, protobuf("delete-options")).unwrap(),
        full
    );
    let same = "?dryRun=All&propagationPolicy=Foreground&gracePeriodSeconds=30";
    assert_eq!(delete(same, "", json.to_vec()).unwrap(), full);
    let from_query = DeleteOptions {
        uid: None,
        resource_version: None,
        ..full.clone()
    };
    assert_eq!(delete(same, "", Vec::new()).unwrap(), from_query);
    assert_eq!(
        delete("", PROTOBUF, protobuf("delete-options-empty")).unwrap(),
        DeleteOptions::default()
    );
    assert_eq!(
        delete("", "", b"{}".to_vec()).unwrap(),
        DeleteOptions::default()
    );
}

#[test]
fn refuses_delete_options_that_contradict_the_query() {
    for (query, content_type, body) in [
        ("?dryRun=All", "", &b"{}"[..]),
        (
            "?propagationPolicy=Orphan",
            "",
            br#"{"propagationPolicy":"Background"}"#,
        ),
        ("", "", br#"{"kind":"Pod"}"#),
        ("", "", br#"{"kind":null}"#),
        ("", "", br#"{"dryRun":["Some"]}"#),
        ("", "", br#"{"dryRun":"All"}"#),
        ("", "", br#"{"gracePeriodSeconds":1.5}"#),
        ("", "", br#"{"propagationPolicy":"foreground"}"#),
        ("", "", b"[]"),
    ] {
        assert!(
            delete(query, content_type, body.to_vec()).is_err(),
            "{query} {body:?}"
        );
    }
    assert!(delete("?dryRun=All", PROTOBUF, protobuf("delete-options-empty")).is_err());
    assert!(delete("", PROTOBUF, protobuf("pod")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn protobuf_fields_read_back_as_written(fields in prop::collection::vec((1_u32..1 << 29, prop::collection::vec(any::<u8>(), 0..40), any::<u64>()), 0..12)) {
        let mut bytes = Vec::new();
        for (field, data, number) in &fields {
            write_field(&mut bytes, *field, Wire::Bytes(data));
            write_field(&mut bytes, *field, Wire::Varint(*number));
        }
        prop_assert!(Message::parse(&bytes).is_ok());
        let replaced = Message::parse(&bytes).unwrap().with_bytes(7, b"x");
        prop_assert_eq!(Message::parse(&replaced).unwrap().bytes(7), Ok(Some(&b"x"[..])));
        // Every cut that is not between two fields is seen.
        for end in 0..bytes.len() {
            let whole = Message::parse(&bytes[..end]).is_ok();
            if whole {
                prop_assert!(Message::parse(&bytes[end..]).is_ok());
            }
        }
    }

    /// Two readers of the same text: what YAML and JSON both accept is the same value.
    #[test]
    fn yaml_reads_json_text_as_json_does(words in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "1", "-2.5", "true", "null", " ", "\"\\u0041\"", "\"x y\"",
    ]), 0..14)) {
        let text = words.concat();
        if let (Ok(json), Ok(yaml)) = (JsonValue::parse(text.as_bytes()), parse_yaml(text.as_bytes())) {
            prop_assert_eq!(json, yaml);
        }
    }
}
