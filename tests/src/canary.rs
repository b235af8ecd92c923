//! A value that must not get out, and a search for it in every coat it may wear.

use std::io::Read as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use crate::wait::fresh;

/// BOUND: coats over coats that are taken off; a Helm release in a Secret wears three, and the body
/// of an answer may be compressed and the whole be quoted in a text.
const LAYERS_MAX: usize = 6;
/// BOUND: what one gzip member may come to; bytes past it are not looked at.
const INFLATED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Shorter runs of letters hold no half of a canary.
const RUN_BYTES_MIN: usize = 20;
/// The begin of a gzip member.
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Decodes whatever stands there, padding and left-over bits or not.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// A value nobody else has. Each half is looked for, so that a piece of it counts too.
#[derive(Debug, Clone)]
pub struct Canary {
    plain: String,
    /// The name of each form that `search` finds.
    coats: Vec<&'static str>,
    search: Regex,
}

impl Canary {
    /// A new one. It is a label value and no word of any language.
    #[must_use]
    pub fn new() -> Self {
        let halves = [fresh("cA"), fresh("nA")].map(|half| half.replace('-', ""));
        let forms: Vec<(&str, String)> = halves.iter().flat_map(|half| coats(half)).collect();
        let patterns: Vec<String> = forms
            .iter()
            .map(|(_, form)| form.replace('+', "\\+"))
            .collect();
        // One automaton in a crate that is compiled for speed even where the tests are not.
        let search = Regex::builder()
            .configure(Regex::config().utf8_empty(false).auto_prefilter(false))
            .syntax(syntax::Config::new().utf8(false).unicode(false))
            .build_many(&patterns);
        Self {
            plain: halves.concat(),
            coats: forms.iter().map(|(coat, _)| *coat).collect(),
            search: search.expect("plain texts are patterns"),
        }
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.plain
    }

    /// Its base64, as it stands in a Secret.
    #[must_use]
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.plain)
    }

    /// The coat in which it, or half of it, is in these bytes.
    #[must_use]
    pub fn coat_in(&self, bytes: &[u8]) -> Option<String> {
        self.look(bytes, LAYERS_MAX)
    }

    /// Asserts that it is in no coat in the bytes.
    ///
    /// # Panics
    /// When it is.
    pub fn assert_absent(&self, what: &str, bytes: &[u8]) {
        if let Some(coat) = self.coat_in(bytes) {
            let text = String::from_utf8_lossy(bytes);
            let text: String = text.chars().take(4_000).collect();
            panic!("{what} holds the canary `{}` ({coat}): {text}", self.plain);
        }
    }

    fn look(&self, bytes: &[u8], layers: usize) -> Option<String> {
        if let Some(found) = self.search.find(bytes) {
            return Some(self.coats[found.pattern().as_usize()].to_owned());
        }
        let layers = layers.checked_sub(1)?;
        let inner = |coat: &str, bytes: &[u8]| {
            let found = self.look(bytes, layers)?;
            Some(format!("{found} in {coat}"))
        };
        for (coat, unwrap) in UNWRAPPED {
            if let Some(found) = unwrap(bytes).and_then(|bytes| inner(coat, &bytes)) {
                return Some(found);
            }
        }
        for start in starts_of(bytes, &GZIP_MAGIC) {
            if let Some(found) = inner("gzip", &inflated(&bytes[start..])) {
                return Some(found);
            }
        }
        for run in runs(bytes, is_base64) {
            // Where a base64 text begins in a run is not known.
            for shift in 0..4 {
                let decoded = decoded(&run[shift..]);
                if let Some(found) = inner("base64", &decoded) {
                    return Some(found);
                }
            }
        }
        for run in runs(bytes, |byte| byte.is_ascii_hexdigit()) {
            for shift in 0..2 {
                if let Some(found) = inner("hex", &unhexed(&run[shift..])) {
                    return Some(found);
                }
            }
        }
        None
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

type Unwrap = fn(&[u8]) -> Option<Vec<u8>>;

/// What is taken off the whole; `None` if nothing of the kind is there.
const UNWRAPPED: [(&str, Unwrap); 2] = [("URL", unpercented), ("JSON text", unescaped)];

/// What a text looks like without being decoded. Base64 is searched for as text as well, so that a
/// piece whose surroundings do not decode is found too: by the letters that any of the three places
/// within a group leaves the same.
fn coats(text: &str) -> Vec<(&'static str, String)> {
    let turned = |text: &str| -> String { text.chars().rev().collect() };
    let reversed = turned(text);
    let mut forms = vec![("plain", text.to_owned())];
    for text in [text, &reversed] {
        for shift in 0..3 {
            let padded = [vec![b' '; shift], text.as_bytes().to_vec()].concat();
            let encoded = STANDARD.encode(padded);
            let kept = encoded.get(4..encoded.len() - 4).unwrap_or_default();
            let of_urls = kept.replace('+', "-").replace('/', "_");
            for kept in [kept, &of_urls] {
                forms.push(("base64", kept.to_owned()));
                forms.push(("base64 reversed", turned(kept)));
            }
        }
    }
    forms.push(("reversed", reversed));
    forms
}

fn starts_of(bytes: &[u8], form: &[u8]) -> Vec<usize> {
    memchr::memmem::find_iter(bytes, form).collect()
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// The longest runs of such bytes.
fn runs(bytes: &[u8], is_own: impl Fn(u8) -> bool) -> Vec<&[u8]> {
    let runs = bytes.split(|byte| !is_own(*byte));
    runs.filter(|run| run.len() >= RUN_BYTES_MIN).collect()
}

/// As far as it goes: a member may be cut.
fn inflated(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes).take(INFLATED_BYTES_MAX);
    // What was read before a fault counts.
    reader.read_to_end(&mut plain).unwrap_or_default();
    plain
}

/// Both alphabets at once, as far as whole groups go.
fn decoded(run: &[u8]) -> Vec<u8> {
    let standard: Vec<u8> = run
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    let whole = standard.len() - usize::from(standard.len() % 4 == 1);
    STANDARD.decode(&standard[..whole]).unwrap_or_default()
}

fn unhexed(run: &[u8]) -> Vec<u8> {
    let pairs = run.chunks_exact(2);
    pairs.filter_map(hex_byte).collect()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn unpercented(bytes: &[u8]) -> Option<Vec<u8>> {
    without(b'%', bytes, |plain, code| {
        let byte = code.get(..2).and_then(hex_byte);
        plain.push(byte.unwrap_or(b'%'));
        if byte.is_some() { 2 } else { 0 }
    })
}

/// Without the backslashes of a JSON text; `\u` escapes of ASCII become what they stand for.
fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    without(b'\\', bytes, |plain, code| {
        let ascii = code.strip_prefix(b"u00").and_then(|code| code.get(..2));
        if let Some(byte) = ascii.and_then(hex_byte) {
            plain.push(byte);
            return 5;
        }
        plain.extend(code.first());
        1
    })
}

/// Copies the bytes but for escapes; `resolve` writes what the code behind a sign stands for and says
/// how long the code is. `None` if there is no such sign.
fn without(
    sign: u8,
    bytes: &[u8],
    resolve: impl Fn(&mut Vec<u8>, &[u8]) -> usize,
) -> Option<Vec<u8>> {
    memchr::memchr(sign, bytes)?;
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(sign, rest) {
        plain.extend_from_slice(&rest[..at]);
        let code = &rest[at + 1..];
        let length = resolve(&mut plain, code);
        rest = &code[length.min(code.len())..];
    }
    plain.extend_from_slice(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn around(bytes: &[u8]) -> Vec<u8> {
        [b"{\"x\": \"", bytes, b"\", \"y\": 1}\n"].concat()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[track_caller]
    fn finds(canary: &Canary, coat: &str, bytes: &[u8]) {
        assert!(canary.coat_in(bytes).is_some(), "{coat} alone");
        assert!(canary.coat_in(&around(bytes)).is_some(), "{coat} within");
    }

    #[test]
    fn finds_each_coat() {
        let canary = Canary::new();
        let plain = canary.as_str();
        let reversed: String = plain.chars().rev().collect();
        finds(&canary, "plain", plain.as_bytes());
        finds(&canary, "reversed", reversed.as_bytes());
        for text in [plain, reversed.as_str()] {
            finds(&canary, "hex", hex(text.as_bytes()).as_bytes());
            let upper = hex(text.as_bytes()).to_uppercase();
            finds(&canary, "upper-case hex", upper.as_bytes());
            for before in ["", "x", "xy", "xyz?"] {
                let text = format!("{before}{text}");
                for (coat, encoded) in [
                    ("base64", STANDARD.encode(&text)),
                    ("base64 unpadded", STANDARD_NO_PAD.encode(&text)),
                    ("base64 of URLs", URL_SAFE.encode(&text)),
                    ("base64 of URLs unpadded", URL_SAFE_NO_PAD.encode(&text)),
                ] {
                    finds(&canary, coat, encoded.as_bytes());
                    let turned: String = encoded.chars().rev().collect();
                    finds(&canary, &format!("{coat} reversed"), turned.as_bytes());
                    finds(
                        &canary,
                        "base64 twice",
                        STANDARD.encode(&encoded).as_bytes(),
                    );
                    let twice = STANDARD.encode(STANDARD.encode(&encoded));
                    finds(&canary, "base64 three times", twice.as_bytes());
                    // Behind other letters of the alphabet, at any place of a group.
                    let joined = format!("a/b{before}{encoded}");
                    finds(&canary, "base64 in a run", joined.as_bytes());
                }
            }
        }
    }

    #[test]
    fn finds_what_is_escaped() {
        let canary = Canary::new();
        let each =
            |form: fn(char) -> String| -> String { canary.as_str().chars().map(form).collect() };
        let percent = each(|letter| format!("%{:02X}", u32::from(letter)));
        let unicode = each(|letter| format!("\\u{:04x}", u32::from(letter)));
        let upper = each(|letter| format!("\\u{:04X}", u32::from(letter)));
        let quoted = unicode.replace('\\', "\\\\");
        for text in [&percent, &unicode, &upper, &quoted] {
            finds(&canary, text, text.as_bytes());
        }
        let slashes = STANDARD.encode(format!("???>>>{}???", canary.as_str()));
        finds(&canary, "solidus", slashes.replace('/', "\\/").as_bytes());
        finds(&canary, "URL", slashes.replace('/', "%2F").as_bytes());
    }

    #[test]
    fn finds_what_is_compressed() {
        let canary = Canary::new();
        let zipped = gzip(&around(canary.as_str().as_bytes()));
        let once = STANDARD.encode(&zipped);
        // As Helm keeps a release in a Secret.
        let twice = STANDARD.encode(&once);
        assert!(canary.coat_in(&zipped).is_some());
        assert!(canary.coat_in(&around(&zipped)).is_some());
        finds(&canary, "gzip in base64", once.as_bytes());
        finds(&canary, "gzip in base64 twice", twice.as_bytes());
        finds(&canary, "gzip in hex", hex(&zipped).as_bytes());
        let body = gzip(format!("{{\"data\":{{\"release\":\"{twice}\"}}}}").as_bytes());
        assert!(canary.coat_in(&body).is_some());
        // A member that is cut still tells what came before.
        let text = [canary.as_str(), &hex(&[7; 40_000])].concat();
        let zipped = gzip(text.as_bytes());
        assert!(canary.coat_in(&zipped[..zipped.len() - 9]).is_some());
        let last = [gzip(b"nothing"), gzip(canary.as_str().as_bytes())].concat();
        assert!(canary.coat_in(&last).is_some());
    }

    #[test]
    fn finds_a_half() {
        let canary = Canary::new();
        let (first, second) = canary.plain.split_at(canary.plain.len() / 2);
        for half in [first, second] {
            finds(&canary, "half", half.as_bytes());
            finds(&canary, "half in base64", STANDARD.encode(half).as_bytes());
        }
    }

    #[test]
    fn finds_nothing_that_is_not_there() {
        let canary = Canary::new();
        let other = Canary::new();
        let bytes = [
            around(other.as_str().as_bytes()),
            around(other.base64().as_bytes()),
            gzip(other.as_str().as_bytes()),
            around(&[0x1f, 0x8b, 0x08, 0xff]),
            b"%zz \\u00zz \\".to_vec(),
        ];
        assert_eq!(canary.coat_in(&bytes.concat()), None);
        assert_eq!(canary.coat_in(b""), None);
    }

    #[test]
    #[should_panic(expected = "the answer holds the canary")]
    fn says_what_holds_it() {
        let canary = Canary::new();
        canary.assert_absent("the answer", canary.as_str().as_bytes());
    }
}
