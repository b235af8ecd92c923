use proptest::prelude::*;

use super::*;
use crate::decode::tests::{harbour, shipped, split_files};

/// Texts that are near to what people write, to be spoilt.
fn corpus() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/findings");
    let mut bundles = vec![harbour()];
    bundles.extend(["demo", "starter", "allow-all"].map(shipped));
    for entry in std::fs::read_dir(root).unwrap() {
        bundles.push(split_files(
            &std::fs::read_to_string(entry.unwrap().path()).unwrap(),
        ));
    }
    for files in bundles {
        all.extend(files.into_iter().filter_map(|(path, bytes)| {
            path.ends_with(".kdl")
                .then(|| String::from_utf8(bytes).unwrap())
        }));
    }
    all.sort();
    all
}

/// Pieces that mean something to one of the readers.
const PIECES: &[&str] = &[
    "{",
    "}",
    "\"",
    "\\",
    "#",
    "(re)",
    "(",
    "/-",
    "//",
    "/*",
    "*/",
    ";",
    "\n",
    "\r\n",
    "=",
    " ",
    "\"\"\"",
    "#\"",
    "\"#",
    "#true",
    "true",
    "1.5",
    "0x1F",
    "-",
    "\u{202E}",
    "é",
    "\u{0}",
    "\u{FEFF}",
    "@",
    "!",
    "*",
    "{user.x}",
    "who",
    "allow \"x\" {",
    "any {",
    "not {",
    "\"@cluster\"",
    "\"@apps\"",
    "\"!x\"",
    "in",
    "on",
    "deny",
    "when {",
    "mask \"x\"",
    "/- deny",
    "/*\n*/",
    "until=\"2027-01-01\"",
    "include",
    "// countersign: allow GP505 until=2027-01-01 x\n",
    "\"\\u{202E}\"",
    "\"\\n\"",
    "_",
];

#[derive(Debug, Clone)]
enum Edit {
    Insert(prop::sample::Index, usize),
    Delete(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0..PIECES.len()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (at(), 1..40_usize).prop_map(|(at, length)| Edit::Delete(at, length)),
        (at(), 1..80_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ]
}

fn apply(text: &mut Vec<char>, edit: &Edit) {
    let size = text.len();
    match edit {
        Edit::Insert(at, piece) => {
            let at = at.index(size + 1);
            text.splice(at..at, PIECES[*piece].chars());
        }
        Edit::Delete(at, length) => {
            let at = at.index(size + 1);
            text.drain(at..(at + length).min(size));
        }
        Edit::Repeat(at, length) => {
            let at = at.index(size + 1);
            let copy: Vec<char> = text[at..(at + length).min(size)].to_vec();
            text.splice(at..at, copy);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn keeps_the_laws_on_spoilt_bundles(
        text in prop::sample::select(corpus()),
        edits in prop::collection::vec(edit(), 0..6),
        selector in any::<u8>(),
    ) {
        let mut text: Vec<char> = text.chars().collect();
        edits.iter().for_each(|edit| apply(&mut text, edit));
        let mut input = vec![selector];
        input.extend(text.into_iter().collect::<String>().into_bytes());
        kdl_source(&input);
    }

    #[test]
    fn keeps_the_laws_on_pieces(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24),
        selector in any::<u8>(),
    ) {
        let mut input = vec![selector];
        input.extend(pieces.concat().into_bytes());
        kdl_source(&input);
    }

    #[test]
    fn keeps_the_laws_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        kdl_source(&bytes);
    }
}

#[test]
fn keeps_the_laws_on_the_corpus() {
    for (selector, text) in (0..=u8::MAX).cycle().zip(corpus()) {
        let mut input = vec![selector];
        input.extend(text.bytes());
        kdl_source(&input);
    }
}
