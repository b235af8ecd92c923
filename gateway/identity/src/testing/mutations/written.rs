//! The written JSON, and the signed token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::super::draft::Verdict::{Refused, RefusedHere};
use super::super::draft::Which::Plain;
use super::Area::{Text, Whole};
use super::Free;

pub(super) const ROWS: &[Free] = &[
    (
        Text,
        Plain,
        "blanks around every member of the claims",
        |d| {
            d.edits[1] = |text| text.replace(",\"", " \t,\n \"").replace("\":", "\" : ");
        },
    ),
    (Text, Plain, "blanks around the claims", |d| {
        d.edits[1] = |text| format!("\n{text} ");
    }),
    (Text, Plain, "a sub written with escapes", |d| {
        d.edits[1] = |text| text.replace("\"sub\"", "\"\\u0073\\u0075b\"");
    }),
    (Text, Plain, "sub twice, the last counts", |d| {
        d.edits[1] = |text| text.replacen("{", "{\"sub\":\"eve\",", 1);
        d.becomes(RefusedHere);
    }),
    (Text, Plain, "sub twice, the last escaped", |d| {
        d.edits[1] = |text| text.replacen("{", "{\"\\u0073ub\":\"eve\",", 1);
        d.becomes(RefusedHere);
    }),
    (Text, Plain, "exp twice, the last of the past", |d| {
        d.edits[1] = |text| format!("{},\"exp\":1}}", text.trim_end_matches("}"));
        d.becomes(Refused);
    }),
    (Text, Plain, "the same key twice in a nested object", |d| {
        d.edits[1] = |text| text.replacen("{", "{\"x\":{\"a\":1,\"a\":2},", 1);
        d.becomes(RefusedHere);
    }),
    (Text, Plain, "an unpaired surrogate", |d| {
        d.edits[1] = |text| text.replacen("{", "{\"x\":\"\\ud800\",", 1);
        d.becomes(RefusedHere);
    }),
    (Text, Plain, "text after the claims", |d| {
        d.edits[1] = |text| text + "{}";
        d.becomes(Refused);
    }),
    (Text, Plain, "a zero after the claims", |d| {
        d.edits[1] = |text| text + "\0";
        d.becomes(Refused);
    }),
    (Text, Plain, "a byte order mark before the claims", |d| {
        d.edits[1] = |text| format!("\u{feff}{text}");
        d.becomes(Refused);
    }),
    (Text, Plain, "claims cut short", |d| {
        d.edits[1] = |text| text.trim_end_matches("}").to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "a comma too many", |d| {
        d.edits[1] = |text| text.replacen("{", "{,", 1);
        d.becomes(Refused);
    }),
    (Text, Plain, "a leading zero in a number", |d| {
        d.edits[1] = |text| text.replacen("{", "{\"x\":01,", 1);
        d.becomes(Refused);
    }),
    (Text, Plain, "a control character in a string", |d| {
        d.edits[1] = |text| text.replacen("{", "{\"x\":\"\n\",", 1);
        d.becomes(Refused);
    }),
    (Text, Plain, "claims are []", |d| {
        d.edits[1] = |_| "[]".to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "claims are null", |d| {
        d.edits[1] = |_| "null".to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "claims are 1", |d| {
        d.edits[1] = |_| "1".to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "claims are {}", |d| {
        d.edits[1] = |_| "{}".to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "claims are 'x'", |d| {
        d.edits[1] = |_| "\"x\"".to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "claims are empty", |d| {
        d.edits[1] = |_| "".to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "claims are {", |d| {
        d.edits[1] = |_| "{".to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "blanks in the header", |d| {
        d.edits[0] = |text| format!(" {text}\n");
    }),
    (Text, Plain, "alg twice in the header", |d| {
        d.edits[0] = |text| text.replacen("{", "{\"alg\":\"none\",", 1);
        d.becomes(Refused);
    }),
    (Text, Plain, "text after the header", |d| {
        d.edits[0] = |text| text + "x";
        d.becomes(Refused);
    }),
    (Text, Plain, "an empty header", |d| {
        d.edits[0] = |_| "{}".to_owned();
        d.becomes(Refused);
    }),
    (Text, Plain, "a header that is a list", |d| {
        d.edits[0] = |_| "[]".to_owned();
        d.becomes(Refused);
    }),
    (Whole, Plain, "no signature", |d| {
        d.edits[2] = |token| cut_signature(&token);
        d.becomes(Refused);
    }),
    (Whole, Plain, "no signature and no last dot", |d| {
        d.edits[2] = |token| cut_signature(&token).trim_end_matches('.').to_owned();
        d.becomes(Refused);
    }),
    (Whole, Plain, "a padded signature", |d| {
        d.edits[2] = |token| token + "==";
        d.becomes(Refused);
    }),
    (Whole, Plain, "a padded header", |d| {
        d.edits[2] = |token| token.replacen('.', "==.", 1);
        d.becomes(Refused);
    }),
    (
        Whole,
        Plain,
        "loose bits at the end of the signature",
        |d| {
            d.edits[2] = |token| loosen(&token);
            d.becomes(RefusedHere);
        },
    ),
    (Whole, Plain, "a line end at the end", |d| {
        d.edits[2] = |token| token + "\n";
        d.becomes(RefusedHere);
    }),
    (Whole, Plain, "a blank in the signature", |d| {
        d.edits[2] = |token| blank_before_last(&token);
        d.becomes(RefusedHere);
    }),
    (Whole, Plain, "a fourth part", |d| {
        d.edits[2] = |token| token + ".e30";
        d.becomes(Refused);
    }),
    (Whole, Plain, "five parts, as encrypted", |d| {
        d.edits[2] = |token| token + ".e30.e30";
        d.becomes(Refused);
    }),
    (Whole, Plain, "a dot in front", |d| {
        d.edits[2] = |token| format!(".{token}");
        d.becomes(Refused);
    }),
    (Whole, Plain, "a character more", |d| {
        d.edits[2] = |token| token + "A";
        d.becomes(Refused);
    }),
    (Whole, Plain, "three characters more", |d| {
        d.edits[2] = |token| token + "AAA";
        d.becomes(Refused);
    }),
    (Whole, Plain, "a changed header", |d| {
        d.edits[2] = |token| token.replacen("ey", "eQ", 1);
        d.becomes(Refused);
    }),
    (Whole, Plain, "changed claims", |d| {
        d.edits[2] = |token| token.replacen(".ey", ".eQ", 1);
        d.becomes(Refused);
    }),
    (Whole, Plain, "the claims twice", |d| {
        d.edits[2] = |token| token.replacen('.', ".e30.", 1);
        d.becomes(Refused);
    }),
    (Whole, Plain, "header and claims swapped", |d| {
        d.edits[2] = |token| swapped(&token);
        d.becomes(Refused);
    }),
    (Whole, Plain, "JSON serialization", |d| {
        d.edits[2] = |token| serialized(&token);
        d.becomes(Refused);
    }),
    (Whole, Plain, "cut after 1 characters", |d| {
        d.edits[2] = |token| token.chars().take(1).collect();
        d.becomes(Refused);
    }),
    (Whole, Plain, "cut after 10 characters", |d| {
        d.edits[2] = |token| token.chars().take(10).collect();
        d.becomes(Refused);
    }),
    (Whole, Plain, "cut after 40 characters", |d| {
        d.edits[2] = |token| token.chars().take(40).collect();
        d.becomes(Refused);
    }),
    (Whole, Plain, "cut after 100 characters", |d| {
        d.edits[2] = |token| token.chars().take(100).collect();
        d.becomes(Refused);
    }),
    (Whole, Plain, "an opaque token", |d| {
        d.edits[2] = |_| "opaque-token-of-some-other-system".to_owned();
        d.becomes(Refused);
    }),
];

fn cut_signature(token: &str) -> String {
    token
        .rsplit_once('.')
        .map_or_else(String::new, |(input, _)| format!("{input}."))
}

// A signature of 64 bytes leaves four bits of its last character unused.
fn loosen(token: &str) -> String {
    let mut characters: Vec<char> = token.chars().collect();
    let last = characters.pop().map(|last| char::from(last as u8 + 1));
    characters.extend(last);
    characters.into_iter().collect()
}

fn blank_before_last(token: &str) -> String {
    let count = token.chars().count();
    let blank = |at| if at + 1 == count { " " } else { "" };
    token
        .chars()
        .enumerate()
        .map(|(at, c)| format!("{}{c}", blank(at)))
        .collect()
}

fn swapped(token: &str) -> String {
    match token.split('.').collect::<Vec<_>>().as_slice() {
        [header, claims, signature] => format!("{claims}.{header}.{signature}"),
        _ => String::new(),
    }
}

fn serialized(token: &str) -> String {
    match token.split('.').collect::<Vec<_>>().as_slice() {
        [header, claims, signature] => {
            json!({"protected": header, "payload": claims, "signature": signature}).to_string()
        }
        _ => URL_SAFE_NO_PAD.encode(token),
    }
}
