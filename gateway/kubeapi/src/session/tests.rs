use super::*;

fn v5() -> ChannelProtocol {
    ChannelProtocol::of_name(Some("v5.channel.k8s.io")).unwrap()
}

fn parts(protocol: &str, bytes: &[u8]) -> Result<Vec<SessionPart>, SessionFault> {
    let protocol = ChannelProtocol::of_name(Some(protocol)).unwrap();
    let mut reader = SessionReader::new(protocol);
    let mut input = Bytes::copy_from_slice(bytes);
    let mut parts = Vec::new();
    while let Some(part) = reader.next(&mut input)? {
        parts.push(part);
    }
    Ok(parts)
}

fn output(channel: Channel, bytes: &'static [u8], is_last: bool) -> SessionPart {
    SessionPart::Output {
        channel,
        bytes: Bytes::from_static(bytes),
        is_last,
    }
}

fn check(protocol: &str, bytes: &[u8], expected: &[SessionPart]) {
    assert_eq!(parts(protocol, bytes).as_deref(), Ok(expected));
}

fn check_refused(bytes: &[u8], fault: &SessionFault) {
    assert_eq!(parts("v5.channel.k8s.io", bytes).as_ref(), Err(fault));
}

#[test]
fn the_subprotocols_are_those_of_the_api_server() {
    for name in ["v5", "v4", "v4.base64", "base64"] {
        let name = format!("{name}.channel.k8s.io");
        assert!(ChannelProtocol::of_name(Some(&name)).is_some(), "{name}");
    }
    assert_eq!(
        ChannelProtocol::of_name(None),
        ChannelProtocol::of_name(Some("channel.k8s.io"))
    );
    for name in ["", "v6.channel.k8s.io", "SPDY/3.1+portforward.k8s.io"] {
        assert_eq!(ChannelProtocol::of_name(Some(name)), None, "{name}");
    }
    let has_status = |name| ChannelProtocol::of_name(name).unwrap().has_status();
    assert!(has_status(Some("v4.channel.k8s.io")) && !has_status(None));
}

#[test]
fn output_is_handed_on_as_it_comes() {
    check(
        "v4.channel.k8s.io",
        b"\x82\x03\x01ab\x82\x01\x01\x82\x05\x02x",
        &[
            output(Channel::Stdout, b"ab", true),
            SessionPart::Empty(Channel::Stdout),
            output(Channel::Stderr, b"x", false),
        ],
    );
    check(
        "base64.channel.k8s.io",
        b"\x81\x091aGVsbG8K\x81\x011\x81\x091aGVsb",
        &[
            output(Channel::Stdout, b"hello\n", true),
            SessionPart::Empty(Channel::Stdout),
            output(Channel::Stdout, b"hel", false),
        ],
    );
    let long = [b"\x82\x7e\x01\x00\x01".as_slice(), &[b'x'; 255]].concat();
    let found = parts("channel.k8s.io", &long).unwrap();
    assert!(
        matches!(&found[..], [SessionPart::Output { bytes, is_last: true, .. }] if bytes.len() == 255)
    );
    let longer = [
        b"\x82\x7f\0\0\0\0\0\x01\x00\x00\x01".as_slice(),
        &[b'x'; 65_535],
    ]
    .concat();
    let found = parts("channel.k8s.io", &longer).unwrap();
    assert!(
        matches!(&found[..], [SessionPart::Output { bytes, is_last: true, .. }] if bytes.len() == 65_535)
    );
}

#[test]
fn control_frames_may_stand_within_a_message() {
    let bytes = b"\x02\x02\x01a\x89\x01p\x00\x01b\x8a\x00\x80\x01c\x82\x02\xff\x01\x88\x02\x03\xe8";
    check(
        "v5.channel.k8s.io",
        bytes,
        &[
            output(Channel::Stdout, b"a", false),
            SessionPart::Control(ControlKind::Ping, Bytes::from_static(b"p")),
            output(Channel::Stdout, b"b", false),
            SessionPart::Control(ControlKind::Pong, Bytes::new()),
            output(Channel::Stdout, b"c", true),
            SessionPart::Closed(Channel::Stdout),
            SessionPart::Control(ControlKind::Close, Bytes::from_static(b"\x03\xe8")),
        ],
    );
}

#[test]
fn what_is_not_understood_ends_the_session() {
    use FrameFault::*;
    for (bytes, fault) in [
        (b"\xc2\x01\x01".as_slice(), ReservedBits),
        (b"\x83\x01\x01", Opcode(3)),
        (b"\x8b\x00", Opcode(11)),
        (b"\x82\x81abcd\x01", Masked),
        (b"\x82\x7e\x00\x05\x01abcd", Length),
        (b"\x82\x7f\0\0\0\0\0\0\xff\xff\x01", Length),
        (b"\x82\x7f\x80\0\0\0\0\x01\0\0\x01", Length),
        (b"\x82\x7f\0\0\0\0\x01\0\0\x01\x01", Length),
        (b"\x08\x00", Control),
        (b"\x89\x7e\x00\x7e", Control),
        (b"\x80\x01a", Fragments),
        (b"\x02\x01\x01\x82\x01\x01", Fragments),
        (b"\x88\x01\x03", Code),
        (b"\x88\x00\x89\x00", AfterClose),
    ] {
        check_refused(bytes, &SessionFault::Frame(fault));
    }
    check_refused(b"\x81\x02\x01a", &SessionFault::Kind);
    check_refused(b"\x82\x00", &SessionFault::NoChannel);
    for channel in [4, 5, 0x31, 254] {
        check_refused(&[0x82, 2, channel, 0], &SessionFault::Channel(channel));
    }
    check_refused(b"\x82\x01\xff", &SessionFault::Close);
    check_refused(b"\x82\x03\xff\x01\x01", &SessionFault::Close);
    check_refused(b"\x82\x02\xff\x09", &SessionFault::Close);
    let v4 = parts("v4.channel.k8s.io", b"\x82\x02\xff\x01");
    assert_eq!(v4, Err(SessionFault::Channel(255)));
    for text in ["1a", "1aGVsb", "1aG==aG==", "1a$==", "1aGV=bG8K"] {
        let mut bytes = Vec::new();
        write(1, &[text.as_bytes()], &mut bytes);
        let found = parts("v4.base64.channel.k8s.io", &bytes);
        assert_eq!(found, Err(SessionFault::Base64), "{text}");
    }
}

#[test]
fn messages_are_written_in_their_shortest_form() {
    let writer = SessionWriter::new(v5());
    let mut out = Vec::new();
    writer.output(Channel::Stderr, b"no", &mut out);
    writer.closed(Channel::Stderr, &mut out);
    writer.control(ControlKind::Close, b"\x03\xe8", &mut out);
    assert_eq!(out, b"\x82\x03\x02no\x82\x02\xff\x02\x88\x02\x03\xe8");
    let base64 = ChannelProtocol::of_name(Some("base64.channel.k8s.io")).unwrap();
    let mut out = Vec::new();
    SessionWriter::new(base64).output(Channel::Stdout, b"hello\n", &mut out);
    assert_eq!(out, b"\x81\x091aGVsbG8K");
    for (length, head) in [
        (124, b"\x82\x7d\x01".as_slice()),
        (125, b"\x82\x7e\x00\x7e\x01"),
        (65_534, b"\x82\x7e\xff\xff\x01"),
        (65_535, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00\x01"),
    ] {
        let mut out = Vec::new();
        writer.output(Channel::Stdout, &vec![b'x'; length], &mut out);
        assert!(out.starts_with(head), "{length}");
        assert_eq!(out.len(), head.len() + length);
    }
}
