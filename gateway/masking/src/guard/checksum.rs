//! Check digits: without them every long number would be a secret.

#![forbid(unsafe_code)]

/// ISO 13616: mod 97 of the rearranged number is 1. White space is ignored; shorter ones than Norway's
/// and longer ones than the standard has are none.
pub(super) fn is_iban(text: &[u8]) -> bool {
    let compact: Vec<u8> = text.iter().copied().filter(|byte| *byte != b' ').collect();
    let Some((country, rest)) = compact.split_at_checked(4) else {
        return false;
    };
    if !(15..=34).contains(&compact.len()) {
        return false;
    }
    let mut rest_mod = 0;
    for byte in rest.iter().chain(country) {
        let (value, shift) = match byte {
            b'0'..=b'9' => (u32::from(byte - b'0'), 10),
            b'A'..=b'Z' => (u32::from(byte - b'A') + 10, 100),
            _ => return false,
        };
        rest_mod = (rest_mod * shift + value) % 97;
    }
    rest_mod == 1
}

/// ISO/IEC 7812: the Luhn sum of 13 to 19 digits. Spaces and dashes are ignored; a number of one digit
/// alone is none.
pub(super) fn is_card(text: &[u8]) -> bool {
    let digits: Vec<u32> = text
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| u32::from(byte - b'0'))
        .collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    let varied = digits.iter().any(|digit| Some(digit) != digits.first());
    varied && (13..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}
