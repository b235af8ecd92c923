use http::{Method, StatusCode};
use proptest::prelude::*;

use super::path::{Plus, decode};
use super::{Query, RequestInfo, RequestTarget, TARGET_BYTES_MAX, TargetFault};

/// What the gateway makes of a target.
#[derive(Debug, Clone, Copy)]
enum Gateway {
    Accepts,
    Refuses(u16),
}
use Gateway::{Accepts, Refuses};

/// The vectors of kubernetes-surface §1: method, target, `verb|group|resource/sub|ns|name`.
const VECTORS: &[(&str, &str, &str, Gateway)] = &[
    ("GET", "/api/v1/secrets", "list||secrets||", Accepts),
    (
        "GET",
        "/api/v1/namespaces/a/secrets/",
        "list||secrets|a|",
        Accepts,
    ),
    ("HEAD", "/api/v1/secrets", "list||secrets||", Accepts),
    (
        "GET",
        "/api/v1/namespaces//secrets",
        "list||secrets||",
        Refuses(400),
    ),
    ("GET", "/api/v1//secrets", "get||||secrets", Refuses(400)),
    (
        "GET",
        "/api/v1/namespaces/a//secrets",
        "get|||a|secrets",
        Refuses(400),
    ),
    ("GET", "//api/v1/secrets", "list||secrets||", Refuses(400)),
    (
        "GET",
        "/api/v1/namespaces/a/secrets/db%2Fstatus",
        "get||secrets/status|a|db",
        Refuses(400),
    ),
    (
        "GET",
        "/api/v1/namespaces/a%2Fsecrets%2Fdb",
        "get||secrets|a|db",
        Refuses(400),
    ),
    (
        "GET",
        "/api/v1/namespaces/a/secrets/%73",
        "get||secrets|a|s",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/namespaces/a/configmaps/%2e%2e/%2e%2e/b/secrets/s",
        "get||configmaps/..|a|..",
        Refuses(400),
    ),
    (
        "GET",
        "/api/v1/namespaces/a",
        "get||namespaces|a|a",
        Accepts,
    ),
    (
        "PUT",
        "/api/v1/namespaces/a/finalize",
        "update||namespaces/finalize|a|a",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/watch/namespaces/a/secrets",
        "watch||secrets|a|",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/watch/namespaces/a/secrets/s",
        "watch||secrets|a|s",
        Accepts,
    ),
    (
        "GET",
        "/apis/example.com/v1/watch/foos",
        "watch|example.com|foos||",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/namespaces/a/secrets?watch",
        "watch||secrets|a|",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/namespaces/a/secrets?watch=2",
        "watch||secrets|a|",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/namespaces/a/secrets?watch=False",
        "list||secrets|a|",
        Accepts,
    ),
    // The first value wins upstream; a key that policy reads may stand once at the gateway.
    (
        "GET",
        "/api/v1/namespaces/a/secrets?watch=0&watch=1",
        "list||secrets|a|",
        Refuses(400),
    ),
    (
        "GET",
        "/api/v1/namespaces/a/secrets?watch=true;x=1",
        "list||secrets|a|",
        Refuses(400),
    ),
    (
        "GET",
        "/api/v1/namespaces/a/secrets/s?watch=true",
        "get||secrets|a|s",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/secrets?fieldSelector=metadata.name%3Ds",
        "list||secrets||s",
        Accepts,
    ),
    (
        "DELETE",
        "/api/v1/namespaces/a/secrets?dryRun=All",
        "deletecollection||secrets|a|",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/namespaces/a/pods/p/exec?command=id",
        "get||pods/exec|a|p",
        Accepts,
    ),
    (
        "POST",
        "/api/v1/namespaces/a/pods/p/exec?command=id",
        "create||pods/exec|a|p",
        Accepts,
    ),
    (
        "GET",
        "/api/v1/nodes/n/proxy/metrics/../exec/a/p/c",
        "get||nodes/proxy||n",
        Refuses(400),
    ),
    (
        "GET",
        "/api/v1/namespaces/a/pods/https:p:8443/proxy/x",
        "get||pods/proxy|a|https:p:8443",
        Accepts,
    ),
    (
        "OPTIONS",
        "/api/v1/namespaces/a/pods/p/proxy/x",
        "||pods/proxy|a|p",
        Refuses(405),
    ),
    (
        "POST",
        "/api/v1/namespaces/a/bindings",
        "create||bindings|a|",
        Accepts,
    ),
    ("GET", "/apis/apps/v1", "get||||", Accepts),
    ("GET", "/api/v1", "get||||", Accepts),
    ("GET", "/API/v1/secrets", "get||||", Accepts),
];

/// What the API server makes of a target: decode, trim, split (K-1.1), without the gateway's
/// refusals. Pairs with `;` are dropped (K-1.10).
fn upstream_view(method: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = decode(path.as_bytes(), Plus::Literal).unwrap();
    let segments: Vec<String> = match path.trim_matches('/') {
        "" => Vec::new(),
        trimmed => trimmed.split('/').map(str::to_owned).collect(),
    };
    let pairs: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.contains(';'))
        .collect();
    let query = Query::parse(&pairs.join("&")).unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    view(&RequestInfo::resolve(&method, path, &segments, &query).unwrap())
}

fn view(info: &RequestInfo) -> String {
    let mut resource = info.resource().to_owned();
    if !info.subresource().is_empty() {
        resource = format!("{resource}/{}", info.subresource());
    }
    format!(
        "{}|{}|{resource}|{}|{}",
        info.verb(),
        info.group(),
        info.namespace(),
        info.name()
    )
}

fn parse(method: &str, target: &str) -> Result<RequestTarget, TargetFault> {
    RequestTarget::parse(&method_of(method), target.as_bytes())
}

#[test]
fn resolves_every_vector_as_the_api_server_does() {
    for (method, target, expected, _) in VECTORS {
        assert_eq!(
            upstream_view(method, target),
            *expected,
            "{method} {target}"
        );
    }
}

#[test]
fn accepts_and_refuses_every_vector_as_specified() {
    for (method, target, expected, gateway) in VECTORS {
        match (parse(method, target), gateway) {
            (Ok(judged), Accepts) => assert_eq!(view(judged.info()), *expected, "{target}"),
            (Err(fault), Refuses(code)) => {
                assert_eq!(fault.http_status().as_u16(), *code, "{target}: {fault}");
            }
            (got, _) => panic!("{method} {target}: {got:?}"),
        }
    }
}

#[test]
fn sends_upstream_what_it_judged() {
    for (target, upstream) in [
        ("/", "/"),
        ("/api", "/api"),
        ("/api/", "/api"),
        (
            "/api/v1/namespaces/a/secrets/",
            "/api/v1/namespaces/a/secrets",
        ),
        (
            "/api/v1/namespaces/a/secrets/%73",
            "/api/v1/namespaces/a/secrets/s",
        ),
        ("/api/v1/nodes/n/proxy", "/api/v1/nodes/n/proxy"),
        ("/api/v1/nodes/n/proxy/", "/api/v1/nodes/n/proxy/"),
        ("/api/v1/nodes/n/proxy/a;b/", "/api/v1/nodes/n/proxy/a%3Bb/"),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
        ),
        (
            "/api/v1/namespaces/a/secrets?watch",
            "/api/v1/namespaces/a/secrets?watch=",
        ),
        ("/api/v1/pods?", "/api/v1/pods"),
        (
            "/api/v1/pods?&limit=5&&continue=a%2Bb+c",
            "/api/v1/pods?limit=5&continue=a%2Bb%20c",
        ),
        (
            "/api/v1/pods?labelSelector=a%20in%20(b,%20c),%20!d",
            "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29%2C%21d",
        ),
        (
            "/api/v1/pods?fieldSelector=status.phase!%3DRunning,metadata.name%3D%3Dx",
            "/api/v1/pods?fieldSelector=metadata.name%3Dx%2Cstatus.phase%21%3DRunning",
        ),
        (
            "/api/v1/namespaces/a/pods/p/exec?command=sh&command=-c&command=echo%0Aid",
            "/api/v1/namespaces/a/pods/p/exec?command=sh&command=-c&command=echo%0Aid",
        ),
    ] {
        assert_eq!(
            parse("GET", target).unwrap().upstream_target(),
            upstream,
            "{target}"
        );
    }
}

/// Refused with 400 on GET.
const AMBIGUOUS: &[&str] = &[
    "",
    "*",
    "http://x/api/v1/pods",
    "https://x/api/v1/pods",
    "x:443",
    "api/v1/pods",
    "/api/v1/pods#f",
    "/api/v1/pods?x=1#f",
    "/api/v1/pods//",
    "/api//v1/pods",
    "//",
    "/api/v1/./pods",
    "/api/v1/../pods",
    "/..",
    "/.",
    "/%2e",
    "/%2E%2e/x",
    "/api/v1/pods/%2f",
    "/api/v1/pods/a%2Fb",
    "/api/v1/pods/a%5Cb",
    "/api/v1/pods/a\\b",
    "/api/v1/pods/a%00",
    "/api/v1/pods/a%25",
    "/api/v1/pods/a%0a",
    "/api/v1/pods/a%7f",
    "/api/v1/pods/a%C2%85",
    "/api/v1/pods/a%ff",
    "/api/v1/pods/a%c0%af",
    "/api/v1/pods/a%",
    "/api/v1/pods/a%2",
    "/api/v1/pods/a%zz",
    "/api/v1/pods/a b",
    "/api/v1/pods/\u{e4}",
    "/api/v1/pods/a\r\nX: y",
    "/api/v1/watch",
    "/api/v1/proxy",
    "/apis/g/v1/watch",
    "/api/v1/pods?a=%",
    "/api/v1/pods?a=%zz",
    "/api/v1/pods?a;b",
    "/api/v1/pods?a=%00",
    "/api/v1/pods?a%0a=1",
    "/api/v1/pods?a=%ff",
    "/api?access_token=x",
    "/api/v1/nodes/n/proxy?path=x",
    "/api/v1/nodes/n/proxy?access_token=x",
    "/api/v1/nodes/ftp:n:1/proxy/",
    "/api/v1/nodes/a:b:c:d/proxy/",
    "/api/v1/nodes/:1/proxy",
    "/api/v1/namespaces/a/pods/p/log?insecureSkipTLSVerifyBackend=true",
    "/api/v1/pods?shardSelector=x",
    "/api/v1/pods?limit=5&limit=6",
    "/api/v1/pods?limit=x",
    "/api/v1/pods?limit=",
    "/api/v1/pods?%77atch=1&watch=0",
    "/api/v1/pods?watch=fal%C5%BFe",
    "/api/v1/pods?labelSelector=a%20b",
    "/api/v1/pods?fieldSelector=x",
    "/api/v1/pods?fieldSelector=metadata.name%3Da,metadata.name%3D%3Db",
    "/api/v1/namespaces/a/pods/p/portforward?ports=x",
];

/// Refused with 400 on DELETE.
const AMBIGUOUS_DELETES: &[&str] = &[
    "/api/v1/namespaces/a/pods/p?dryRun=Some",
    "/api/v1/namespaces/a/pods/p?dryRun=All&dryRun=All",
    "/api/v1/namespaces/a/pods/p?propagationPolicy=foreground",
    "/api/v1/namespaces/a/pods/p?fieldValidation=None",
];

#[test]
fn refuses_what_two_parsers_could_read_differently() {
    use TargetFault as F;
    let code = |method: &str, target: &str| parse(method, target).unwrap_err().http_status();
    for target in AMBIGUOUS {
        assert_eq!(code("GET", target), StatusCode::BAD_REQUEST, "{target:?}");
    }
    for target in AMBIGUOUS_DELETES {
        assert_eq!(
            code("DELETE", target),
            StatusCode::BAD_REQUEST,
            "{target:?}"
        );
    }
    for method in ["OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", "QUERY"] {
        assert_eq!(
            code(method, "/api/v1/pods"),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let fault = parse(method, "/apis/g/v1/watch/foos").unwrap_err();
        assert!(
            matches!(fault, F::LegacyVerbMethod { .. }),
            "{method}: {fault:?}"
        );
    }
    let long = format!("/{}", "a".repeat(TARGET_BYTES_MAX));
    assert_eq!(code("GET", &long), StatusCode::URI_TOO_LONG);
    assert_eq!(code("GET", &"/a".repeat(65)), StatusCode::BAD_REQUEST);
    assert_eq!(
        code("GET", &format!("/api?{}", "a&".repeat(1025))),
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn accepts_what_real_clients_send() {
    for (method, target) in [
        ("GET", "/openapi/v3?timeout=32s"),
        ("GET", "/openapi/v3/apis/apps/v1?hash=C6"),
        ("GET", "/api?timeout=32s"),
        ("GET", "/healthz?exclude=a&exclude=b"),
        ("GET", "/api/v1/namespaces/a/pods?limit=500"),
        (
            "GET",
            "/api/v1/pods?allowWatchBookmarks=true&resourceVersion=0&sendInitialEvents=true&watch=true&timeoutSeconds=300&resourceVersionMatch=NotOlderThan",
        ),
        (
            "GET",
            "/api/v1/events?fieldSelector=involvedObject.name%3Dp%2CinvolvedObject.uid%3D1&limit=500",
        ),
        ("GET", "/api/v1/namespaces/a/pods?includeObject=Object"),
        (
            "PATCH",
            "/api/v1/namespaces/a/configmaps/c?fieldManager=kubectl-client-side-apply&fieldValidation=Strict",
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/d?fieldManager=kubectl&force=true&dryRun=All",
        ),
        (
            "POST",
            "/api/v1/namespaces/a/pods/p/attach?container=c&stdin=true&stdout=true&tty=true",
        ),
        (
            "GET",
            "/api/v1/namespaces/a/pods/p/log?container=c&follow=true&tailLines=10",
        ),
        (
            "GET",
            "/api/v1/namespaces/a/services/https:s:web/proxy/x/y?q=1&q=2&limit=abc",
        ),
        ("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/a/pods"),
        (
            "DELETE",
            "/api/v1/namespaces/a/pods/p?gracePeriodSeconds=0&propagationPolicy=Background",
        ),
    ] {
        parse(method, target).unwrap_or_else(|fault| panic!("{method} {target}: {fault}"));
    }
}

#[test]
fn reads_options_by_the_rules_of_the_api_server() {
    let exec = parse(
        "POST",
        "/api/v1/namespaces/a/pods/p/exec?command=sh&command=-c&command=a%26b&container=c&stdin&stdout=1&tty=False&stderr=0",
    )
    .unwrap();
    assert_eq!(exec.command(), ["sh", "-c", "a&b"]);
    assert_eq!(exec.container(), Some("c"));
    assert_eq!(
        (exec.stdin(), exec.stdout(), exec.stderr(), exec.tty()),
        (true, true, false, false)
    );
    let proxy = parse(
        "GET",
        "/api/v1/nodes/https:n:1/proxy/x?command=a&watch=1&dryRun=x",
    )
    .unwrap();
    assert_eq!(
        (proxy.command().len(), proxy.watch(), proxy.dry_run()),
        (0, false, false)
    );
    assert_eq!(proxy.proxy_name().unwrap().name, "n");
    assert_eq!(proxy.info().subpath(), ["x"]);
    let forward = parse(
        "GET",
        "/api/v1/namespaces/a/pods/p/portforward?ports=80,443&ports=1",
    )
    .unwrap();
    assert_eq!(forward.ports(), [80, 443, 1]);
    let delete = parse(
        "DELETE",
        "/api/v1/namespaces/a/pods/p?orphanDependents=true&gracePeriodSeconds=5",
    )
    .unwrap();
    assert_eq!(
        (delete.orphan_dependents(), delete.grace_period_seconds()),
        (Some(true), Some(5))
    );
}

fn nasty_target() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "api",
        "apis",
        "v1",
        "apps",
        "namespaces",
        "a",
        "pods",
        "secrets",
        "watch",
        "proxy",
        "exec",
        "status",
        "log",
        "x:y",
        "https:p:1",
        "%73",
        "%2e",
        "..",
        ".",
        "",
        "%2F",
        "%25",
        "~",
        "a+b",
        "%E2%82%AC",
        "a%20b",
        "=&,$@",
        "*",
        "!'()",
        "%",
        "\\",
        ";",
    ]);
    let pairs = prop::sample::select(vec![
        "watch",
        "watch=1",
        "watch=FALSE",
        "limit=5",
        "labelSelector=a%3Db",
        "a=b",
        "=",
        "&",
        "+",
        "labelSelector=a+in+(b,,c)",
        "fieldSelector=metadata.name=x",
        "fieldSelector=a%5C,b=c",
        "command=%0a",
        "dryRun=All",
        "%77atch=0",
        "a=%zz",
        "x;y",
        "timeoutSeconds=-1",
    ]);
    (
        prop::collection::vec(words, 0..8),
        prop::collection::vec(pairs, 0..4),
        any::<bool>(),
    )
        .prop_map(|(words, pairs, slash)| {
            let slash = if slash { "/" } else { "" };
            let mark = if pairs.is_empty() { "" } else { "?" };
            format!("/{}{slash}{mark}{}", words.join("/"), pairs.join("&"))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// `parse ∘ print = id` on accepted targets.
    #[test]
    fn printed_targets_parse_to_the_same(target in nasty_target(), method in "(GET|POST|PUT|DELETE|HEAD|PATCH)") {
        if let Ok(judged) = parse(&method, &target) {
            let printed = judged.upstream_target();
            let again = parse(&method, &printed).unwrap();
            prop_assert_eq!(again.upstream_target(), printed);
            prop_assert_eq!(again, judged);
        }
    }

    /// The strict reader and a literal transcription of the API server's order (decode, trim,
    /// split) agree on every accepted target.
    #[test]
    fn accepted_targets_resolve_as_decoded_first(target in nasty_target(), method in "(GET|POST|DELETE|HEAD)") {
        if let Ok(judged) = parse(&method, &target) {
            prop_assert_eq!(view(judged.info()), upstream_view(&method, &target));
        }
    }

    #[test]
    fn never_panics(target in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(judged) = RequestTarget::parse(&Method::GET, &target) {
            prop_assert!(judged.upstream_target().is_ascii());
        }
    }
}

fn method_of(method: &str) -> Method {
    Method::from_bytes(method.as_bytes()).unwrap()
}
