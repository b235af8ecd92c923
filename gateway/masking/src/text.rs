//! JSON strings: their text, and text as a string.

#![forbid(unsafe_code)]

use memchr::memchr;

/// The text between the quotes of a checked string, escapes resolved. A lone surrogate becomes the
/// three bytes that UTF-8 forbids, so that it equals no text.
pub(crate) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at_checked(at).unwrap_or_default();
        text.extend_from_slice(plain);
        rest = unescape_one(escape, &mut text);
    }
    text.extend_from_slice(rest);
    text
}

/// The same for a text that need not be a checked string: what is no escape stays as it is.
pub(crate) fn unescape_leniently(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(plain);
        let is_escape = match escape.get(1) {
            Some(b'u') => escape.get(2..).and_then(hex_unit).is_some(),
            Some(kind) => br#""\/bfnrt"#.contains(kind),
            None => false,
        };
        if is_escape {
            rest = unescape_one(escape, &mut out);
        } else {
            out.push(b'\\');
            rest = escape.get(1..).unwrap_or_default();
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Resolves the escape that `escape` begins with; gives what is behind it.
fn unescape_one<'a>(escape: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let Some((kind, rest)) = escape.get(1..).and_then(<[u8]>::split_first) else {
        return &[];
    };
    let byte = match kind {
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unescape_unit(rest, text),
        other => *other,
    };
    text.push(byte);
    rest
}

fn unescape_unit<'a>(digits: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let Some((unit, rest)) = hex_unit(digits) else {
        return &[];
    };
    if (0xD800..0xDC00).contains(&unit) {
        let low = rest.strip_prefix(br"\u").and_then(hex_unit);
        if let Some((low @ 0xDC00..0xE000, behind)) = low {
            push_scalar(0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00), text);
            return behind;
        }
    }
    push_scalar(unit, text);
    rest
}

/// Four hexadecimal digits.
fn hex_unit(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = digits.split_at_checked(4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

fn push_scalar(scalar: u32, text: &mut Vec<u8>) {
    match char::from_u32(scalar) {
        Some(character) => {
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        None => {
            let part = |shift: u32| u8::try_from(scalar >> shift & 0x3F).unwrap_or_default();
            text.extend([0xE0 | part(12), 0x80 | part(6), 0x80 | part(0)]);
        }
    }
}

/// Writes a text as the inside of a string. Bytes that are no UTF-8, which only a lone surrogate
/// leaves, are written as the replacement character.
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        escape_plain(chunk.valid().as_bytes(), out);
        match chunk.invalid() {
            [] => {}
            _ => out.extend_from_slice("\u{FFFD}".as_bytes()),
        }
    }
}

fn escape_plain(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
    {
        let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(plain);
        let Some((byte, behind)) = special.split_first() else {
            return;
        };
        rest = behind;
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            _ => {
                let digit = |bits: u8| HEX.get(usize::from(bits & 15)).copied().unwrap_or(b'0');
                out.extend_from_slice(br"\u00");
                out.extend([digit(byte >> 4), digit(*byte)]);
            }
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn resolves_every_escape() {
        let raw = br#"a\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00z"#;
        let expected = "a\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{1f600}z";
        assert_eq!(unescape(raw), expected.as_bytes());
        let lone = unescape(br"\ud83dx\ude00\ud83d\u0041");
        assert_eq!(lone, b"\xED\xA0\xBDx\xED\xB8\x80\xED\xA0\xBDA");
    }

    #[test]
    fn escapes_what_must_be_and_nothing_else() {
        let mut out = Vec::new();
        escape(b"a\"\\/\n\r\t\x08\x1F\x7F\xC3\xA9\xED\xA0\x80z", &mut out);
        let expected =
            r#"a\"\\/\n\r\t\u0008\u001f"#.to_owned() + "\u{7f}é\u{fffd}\u{fffd}\u{fffd}z";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn unescape_after_escape_is_the_same_text(text: String) {
            let mut raw = Vec::new();
            escape(text.as_bytes(), &mut raw);
            prop_assert_eq!(unescape(&raw), text.as_bytes());
            let quoted = [b"\"", raw.as_slice(), b"\""].concat();
            prop_assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
        }

        #[test]
        fn unescape_equals_serde_json(text: String) {
            let quoted = serde_json::to_string(&text).unwrap();
            let raw = &quoted.as_bytes()[1..quoted.len() - 1];
            prop_assert_eq!(unescape(raw), text.as_bytes());
        }
    }
}
