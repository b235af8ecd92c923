use gateway_masking::{Detector, GuardRule, GuardScope, GuardStrategy, MaskSpec, Mount};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const V5: &str = "v5.channel.k8s.io";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const MARK: &str = "countersign-masked:m";

fn program() -> Arc<MaskProgram> {
    let guard = GuardRule {
        mask: "m".into(),
        detectors: vec![Detector::AwsKey, Detector::Pem, Detector::Jwt],
        scope: GuardScope::Found,
        strategy: GuardStrategy::Redact,
        within: None,
    };
    let spec = MaskSpec {
        guards: vec![guard],
        mounts: vec![Mount::Root],
        ..MaskSpec::default()
    };
    Arc::new(MaskProgram::compile(&spec).unwrap())
}

fn masker(protocol: &str) -> SessionMasker {
    let protocol = ChannelProtocol::of_name(Some(protocol)).unwrap();
    SessionMasker::new(protocol, program())
}

fn message(channel: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len() + 1).unwrap();
    assert!(length < 126, "a short message");
    [&[0x82, length, channel], text.as_bytes()].concat()
}

fn close() -> Vec<u8> {
    b"\x88\x02\x03\xe8".to_vec()
}

/// What comes of each piece.
fn check(pieces: &[Vec<u8>], expected: &[Vec<u8>]) {
    let mut masker = masker(V5);
    for (piece, expected) in pieces.iter().zip(expected) {
        let given = masker.next(Some(Bytes::copy_from_slice(piece)), false);
        let given = String::from_utf8_lossy(&given.unwrap()).into_owned();
        assert_eq!(given, String::from_utf8_lossy(expected), "{piece:?}");
    }
    assert_eq!(pieces.len(), expected.len());
}

#[test]
fn each_channel_is_a_text_of_its_own() {
    let (front, back) = KEY.split_at(10);
    check(
        &[
            message(1, ""),
            message(1, "$ "),
            message(1, &format!("key {front}")),
            message(2, &format!("{KEY}\n")),
            message(1, &format!("{back} ")),
            message(2, "rest"),
            [message(1, front), message(2, front), close()].concat(),
        ],
        &[
            message(1, ""),
            message(1, "$ "),
            message(1, "key "),
            message(2, &format!("{MARK}\n")),
            message(1, &format!("{MARK} ")),
            message(2, "rest"),
            [message(1, front), message(2, front), close()].concat(),
        ],
    );
}

/// Channels and bytes of what goes on.
fn outputs(protocol: &str, bytes: &[u8]) -> Vec<(Channel, Vec<u8>)> {
    let protocol = ChannelProtocol::of_name(Some(protocol)).unwrap();
    let mut reader = SessionReader::new(protocol);
    let mut input = Bytes::copy_from_slice(bytes);
    let mut found = Vec::new();
    while let Some(part) = reader.next(&mut input).unwrap() {
        match part {
            SessionPart::Output { channel, bytes, .. } => found.push((channel, bytes.to_vec())),
            SessionPart::Empty(_) | SessionPart::Closed(_) | SessionPart::Control(..) => {}
        }
    }
    found
}

/// All output of all channels.
fn text_of(protocol: &str, bytes: &[u8]) -> String {
    let outputs = outputs(protocol, bytes).into_iter();
    String::from_utf8(outputs.flat_map(|(_, text)| text).collect()).unwrap()
}

#[test]
fn the_status_is_masked_as_the_json_it_is() {
    let message_text = "x -----BEGIN PRIVATE KEY-----\\nMII";
    let status = format!(
        r#"{{"status":"Failure","message":"{message_text}","details":{{"causes":[{{"reason":"ExitCode","message":"7"}}]}}}}"#
    );
    let mut masker = masker(V5);
    let mut given = Vec::new();
    for piece in status.as_bytes().chunks(40) {
        let frame = message(3, std::str::from_utf8(piece).unwrap());
        given.extend(masker.next(Some(Bytes::from(frame)), false).unwrap());
    }
    let given: serde_json::Value = serde_json::from_str(&text_of(V5, &given)).unwrap();
    assert_eq!(given["message"], format!("x {MARK}"));
    assert_eq!(given["details"]["causes"][0]["message"], "7");
    assert_eq!(masker.masked().count, 1);
    let broken = masker.next(Some(Bytes::from(message(3, "{"))), false);
    assert_eq!(broken.unwrap_err().cause, UnmaskableCause::Malformed);
}

#[test]
fn the_words_of_control_frames_are_looked_at() {
    let control = |opcode: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[opcode, length], payload].concat()
    };
    let reason = [b"\x03\xf3", KEY.as_bytes()].concat();
    check(
        &[
            control(0x89, b"ping"),
            control(0x89, KEY.as_bytes()),
            control(0x8a, b""),
            control(0x88, &reason),
        ],
        &[
            control(0x89, b"ping"),
            control(0x89, b""),
            control(0x8a, b""),
            control(0x88, b"\x03\xf3"),
        ],
    );
    let bye = control(0x88, b"\x03\xe8bye");
    check(std::slice::from_ref(&bye), std::slice::from_ref(&bye));
}

#[test]
fn a_channel_that_closes_gives_what_is_held() {
    let front = "eyJhbGciOi";
    let closes = b"\x82\x02\xff\x01".to_vec();
    check(
        &[message(1, front), closes.clone(), close()],
        &[Vec::new(), [message(1, front), closes].concat(), close()],
    );
}

#[test]
fn base64_stays_base64() {
    let name = "v4.base64.channel.k8s.io";
    let mut masker = masker(name);
    let mut input = Vec::new();
    let writer = SessionWriter::new(ChannelProtocol::of_name(Some(name)).unwrap());
    let text = format!("a {KEY} b\n");
    writer.output(Channel::Stdout, text.as_bytes(), &mut input);
    let mut given = Vec::new();
    for byte in input {
        given.extend(masker.next(Some(Bytes::from(vec![byte])), false).unwrap());
    }
    assert_eq!(text_of(name, &given), format!("a {MARK} b\n"));
}

#[test]
fn what_is_not_understood_is_an_end() {
    for bytes in [
        b"\xc2\x01\x01".as_slice(),
        b"\x82\x81\0\0\0\0\x01",
        b"\x82\x02\x07x",
        b"\x82\x00",
    ] {
        let next = masker(V5).next(Some(Bytes::copy_from_slice(bytes)), false);
        assert!(next.is_err(), "{bytes:?}");
    }
}

fn upgrade(protocols: &[&str]) -> Upgrade {
    Upgrade::WebSocket {
        key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
        protocols: protocols.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn pods(subresource: &str) -> ResourceId {
    ResourceId {
        group: String::new(),
        resource: "pods".to_owned(),
        subresource: subresource.to_owned(),
    }
}

#[test]
fn only_what_can_be_read_is_opened() {
    use SessionRefusal::{Port, Proxy, Spdy, Subprotocol};
    let spdy = Upgrade::Spdy {
        protocols: vec!["v4.channel.k8s.io".to_owned()],
    };
    let tunnel = upgrade(&["SPDY/3.1+portforward.k8s.io"]);
    for (subresource, upgrade, refusal) in [
        ("exec", &spdy, Spdy),
        ("attach", &spdy, Spdy),
        ("portforward", &spdy, Port),
        ("portforward", &tunnel, Port),
        ("exec", &tunnel, Subprotocol),
        ("proxy", &upgrade(&[]), Proxy),
    ] {
        let offer = SessionOffer::of(&pods(subresource), upgrade).map(|_| ());
        assert_eq!(offer, Err(refusal), "{subresource} {upgrade:?}");
    }
    for protocols in [&[V5][..], &[], &["x", "v4.channel.k8s.io"]] {
        let offer = SessionOffer::of(&pods("exec"), &upgrade(protocols));
        assert!(offer.is_ok(), "{protocols:?}");
    }
}

#[test]
fn what_upstream_chooses_was_offered_and_is_known() {
    let head = |lines: &[(&'static str, &'static str)]| {
        let mut head = HeaderMap::new();
        for (name, value) in lines {
            head.append(*name, HeaderValue::from_static(value));
        }
        head
    };
    let chosen = |offered: &[&str], head: &HeaderMap| {
        let offer = SessionOffer::of(&pods("exec"), &upgrade(offered)).unwrap();
        offer.chosen(head).is_ok()
    };
    let websocket = ("upgrade", "WebSocket");
    let v5 = ("sec-websocket-protocol", V5);
    let extension = ("sec-websocket-extensions", "permessage-deflate");
    assert!(chosen(&[V5], &head(&[websocket, v5])));
    assert!(chosen(&[], &head(&[websocket])));
    assert!(chosen(
        &[],
        &head(&[websocket, ("sec-websocket-protocol", "")])
    ));
    for lines in [
        &[v5][..],
        &[("upgrade", "SPDY/3.1"), v5],
        &[websocket],
        &[websocket, v5, v5],
        &[websocket, v5, extension],
        &[websocket, ("sec-websocket-protocol", "v4.channel.k8s.io")],
        &[websocket, ("sec-websocket-protocol", "x")],
    ] {
        assert!(!chosen(&[V5, "x"], &head(lines)), "{lines:?}");
    }
    assert!(!chosen(&[], &head(&[websocket, v5])));
}

/// What was on each channel after each message of upstream, when its bytes come in these pieces.
fn at_ends(messages: &[Vec<u8>], sizes: &[usize]) -> Vec<Vec<(Channel, Vec<u8>)>> {
    let mut masker = masker(V5);
    let mut sizes = sizes.iter().copied().cycle();
    let mut given = Vec::new();
    let mut ends = Vec::new();
    for message in messages {
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
            let (piece, behind) = rest.split_at(size);
            rest = behind;
            let next = masker.next(Some(Bytes::copy_from_slice(piece)), false);
            given.extend(next.unwrap());
        }
        let mut channels: Vec<(Channel, Vec<u8>)> = Vec::new();
        for (channel, text) in outputs(V5, &given) {
            match channels.iter_mut().find(|(own, _)| *own == channel) {
                Some((_, own)) => own.extend(text),
                None => channels.push((channel, text)),
            }
        }
        channels.sort();
        ends.push(channels);
    }
    ends
}

proptest! {
    #[test]
    fn the_pieces_in_which_a_session_comes_change_nothing(
        texts in prop::collection::vec(
            (1_u8..3, "([a-z $]{0,9}|\n|AKIA[A-Z0-9]{1,20}|eyJ[a-z]{6}\\.[a-z]{6}\\.?[a-z]{0,9}|-----BEGIN PRIVATE KEY-----)"), 0..9),
        sizes in prop::collection::vec(1_usize..30, 1..5),
    ) {
        let mut messages: Vec<Vec<u8>> =
            texts.iter().map(|(channel, text)| message(*channel, text)).collect();
        messages.push(close());
        let whole = at_ends(&messages, &[1000]);
        prop_assert_eq!(&at_ends(&messages, &sizes), &whole);
        // Where there is no secret, all came out by the end and nothing was added.
        for (number, channel) in [(1, Channel::Stdout), (2, Channel::Stderr)] {
            let own = texts.iter().filter(|(own, _)| *own == number);
            let said: String = own.map(|(_, text)| text.as_str()).collect();
            let given = whole.last().and_then(|all| all.iter().find(|(own, _)| *own == channel));
            let given = given.map(|(_, text)| text.clone()).unwrap_or_default();
            if !program().finds(said.as_bytes()) {
                prop_assert_eq!(String::from_utf8(given).unwrap(), said);
            }
        }
    }
}
