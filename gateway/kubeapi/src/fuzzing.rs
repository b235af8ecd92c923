//! Entry points for fuzzers and property tests. Each asserts the laws of one reader on any bytes.

mod session;
mod twin;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::body::JsonValue;
use crate::caller::UserInfo;
use crate::headers::{ImpersonationHeaders, RequestHeaders, SystemNames, check_before_send};
use crate::negotiate::AcceptPlan;
use crate::target::RequestTarget;
use crate::{access_question, response_headers, rules_question};

/// BOUND: larger inputs find nothing new.
const INPUT_BYTES_MAX: usize = 64 * 1024;

const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::CONNECT,
];

/// A method byte, then a target: `parse ∘ print = id`, and the printed form is visible ASCII.
pub fn request_target(input: &[u8]) {
    let Some((selector, target)) = input.split_first() else {
        return;
    };
    let Some(method) = METHODS.get(usize::from(*selector) % METHODS.len()) else {
        return;
    };
    let Ok(judged) = RequestTarget::parse(method, target) else {
        return;
    };
    let printed = judged.upstream_target();
    assert!(
        printed.bytes().all(|byte| byte.is_ascii_graphic()),
        "{printed}"
    );
    let again = RequestTarget::parse(method, printed.as_bytes());
    assert_eq!(again.as_ref(), Ok(&judged), "{printed}");
}

/// Lines of `name: value`: whatever the client sends, the upstream head names one user and nothing
/// of the client's identity.
pub fn headers(input: &[u8]) {
    let mut map = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n').take(200) {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            map.append(name, value);
        }
    }
    let user = UserInfo {
        username: "fuzz".to_owned(),
        ..UserInfo::default()
    };
    for path in [
        "/api/v1/pods",
        "/api/v1/namespaces/a/pods/p/exec",
        "/openapi/v2",
    ] {
        let Ok(target) = RequestTarget::parse(&Method::GET, path.as_bytes()) else {
            continue;
        };
        exercise(response_headers(&target, StatusCode::OK, &map));
        let Ok(judged) = RequestHeaders::judge(&map) else {
            continue;
        };
        let Ok(mut head) = judged.upstream(&target, AcceptPlan::RewriteToJson) else {
            continue;
        };
        for name in head.keys() {
            let name = name.as_str();
            assert!(
                !name.starts_with("impersonate-") && !name.starts_with("x-remote-"),
                "{name}"
            );
            assert!(
                !matches!(name, "authorization" | "cookie" | "audit-id" | "host"),
                "{name}"
            );
        }
        assert!(head.get_all("accept").iter().count() <= 1);
        if let Ok(identity) = ImpersonationHeaders::build(&user, SystemNames::Refuse) {
            identity.apply_to(&mut head);
            assert_eq!(check_before_send(&head), Ok(()));
        }
    }
}

/// A body in each encoding: the JSON reader equals its slow twin and prints what it reads back;
/// YAML yields JSON that reads back; protobuf never panics.
pub fn strict_body(input: &[u8]) {
    let input = input.get(..INPUT_BYTES_MAX).unwrap_or(input);
    let fast = JsonValue::parse(input).ok();
    let slow = twin::parse(input).map(twin::normalised);
    assert_eq!(
        fast.clone().map(twin::normalised),
        slow,
        "{:?}",
        String::from_utf8_lossy(input)
    );
    if let Some(value) = fast {
        assert_eq!(JsonValue::parse(value.to_json().as_bytes()), Ok(value));
    }
    if let Ok(value) = crate::body::parse_yaml(input) {
        assert_eq!(JsonValue::parse(value.to_json().as_bytes()), Ok(value));
    }
    exercise(access_question(input));
    exercise(rules_question(input));
    let enveloped = [b"k8s\0".as_slice(), input].concat();
    exercise(access_question(&enveloped));
    exercise(crate::body::Envelope::parse(&enveloped).map(|envelope| envelope.identity().is_ok()));
}

/// A session as an API server sends it: see the laws in `session`.
pub fn ws_frames(input: &[u8]) {
    session::check(input.get(..INPUT_BYTES_MAX).unwrap_or(input));
}

/// Takes what only had to be computed without a panic.
fn exercise<T>(_: T) {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn any_bytes_keep_the_laws(input in prop::collection::vec(any::<u8>(), 0..300)) {
            super::request_target(&input);
            super::headers(&input);
            super::strict_body(&input);
            super::ws_frames(&input);
        }

        #[test]
        fn frames_are_heard_alike_at_any_split(
            choice in 0_u8..6,
            cut in any::<u8>(),
            tokens in prop::collection::vec(prop::sample::select(vec![
                b"\x82\x03\x01ab".as_slice(), b"\x82\x01\x01", b"\x02\x02\x02x", b"\x00\x01y", b"\x80\x01z", b"\x80\x00",
                b"\x81\x051YWJj", b"\x81\x051YQ==", b"\x01\x031YW", b"\x80\x02Jj", b"\x81\x011", b"\x89\x01p", b"\x8a\x00",
                b"\x88\x02\x03\xe8", b"\x82\x02\xff\x01", b"\x82\x7e\x00\x80", b"\x82\x7f\0\0\0\0\0\x01\0\0", b"\x03", b"\x83",
                b"\xc2", b"\x82", b"\xff", b"\x00", b"\x02", b"\x01", b"\x7e", b"abcd", b"YWJj",
            ]), 0..12),
        ) {
            super::ws_frames(&[&[choice, cut], tokens.concat().as_slice()].concat());
        }

        #[test]
        fn header_like_text_keeps_the_laws(lines in prop::collection::vec(
            ("(accept|connection|upgrade|host|content-length|transfer-encoding|impersonate-user|impersonate-extra-[a-z%2f]{0,4}|sec-websocket-(key|version|protocol)|x[-_]remote[-_]user|[a-z_-]{1,9})",
             "(Upgrade|websocket|SPDY/3.1|13|chunked|0|dGhlIHNhbXBsZSBub25jZQ==|[ -~\t]{0,20})"), 0..8)) {
            let text: Vec<String> = lines.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            super::headers(text.join("\n").as_bytes());
        }

        #[test]
        fn json_like_text_reads_as_the_slow_twin_reads_it(
            tokens in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\\u0061\"", "\"\\ud800\"", "\"\\ud83d\\ude00\"",
                "\"\\n\"", "\"\u{1}\"", "\"\u{20ac}\"", "\"", "\\", "0", "-0", "1", "01", "-", "1.5", "1.", ".5", "1e5", "1E+5",
                "1e400", "12345678901234567890123", "true", "false", "null", "nul", " ", "\n", "\t", "\u{feff}", "//",
                "{\"a\":1}", "{\"a\":1,\"a\":2}", "[1,2]", "{\"a\":{\"b\":[]}}", "NaN", "'a'",
            ]), 0..12),
        ) {
            super::strict_body(tokens.concat().as_bytes());
        }
    }

    #[test]
    fn deep_and_large_documents_read_as_the_slow_twin_reads_them() {
        for depth in [63, 64, 65, 130, 5000] {
            let array = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            super::strict_body(array.as_bytes());
            let object = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
            super::strict_body(object.as_bytes());
        }
        let members: Vec<String> = (0..400).map(|n| format!("\"k{n}\":{n}")).collect();
        super::strict_body(format!("{{{}}}", members.join(",")).as_bytes());
        super::strict_body(format!("{{{},\"k7\":0}}", members.join(",")).as_bytes());
    }
}
