//! Writing JSON.

use std::fmt::Write as _;

/// Appends a JSON string literal. `<`, `>` and `&` stay as they are.
pub(crate) fn write_json_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            // JSON allows U+2028 and U+2029 raw; JavaScript readers of old did not.
            '\u{2028}' => json.push_str("\\u2028"),
            '\u{2029}' => json.push_str("\\u2029"),
            control if u32::from(control) < 0x20 => {
                match write!(json, "\\u{:04x}", u32::from(control)) {
                    Ok(()) => {}
                    // Writing to a String cannot fail; a space stands in if it did.
                    Err(_) => json.push(' '),
                }
            }
            other => json.push(other),
        }
    }
    json.push('"');
}
