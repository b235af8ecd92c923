use std::sync::LazyLock;

use proptest::prelude::*;
use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};

use super::*;
use crate::guard::Detector;
use crate::program::{MaskSpec, Mount};
use crate::testing::{every, redact_found};

fn program() -> Arc<MaskProgram> {
    static PROGRAM: LazyLock<Arc<MaskProgram>> = LazyLock::new(|| {
        let detectors = vec![Detector::AwsKey, Detector::Pem, Detector::Jwt];
        let spec = MaskSpec {
            rules: Vec::new(),
            guards: vec![redact_found(detectors, None)],
            mounts: vec![Mount::Root],
        };
        Arc::new(MaskProgram::compile(&spec).unwrap())
    });
    Arc::clone(&PROGRAM)
}

fn run(text: &[u8], size: usize) -> String {
    let mut masker = LogMasker::new(program());
    let mut out = Vec::new();
    for chunk in text.chunks(size) {
        masker.push(&Bytes::copy_from_slice(chunk), &mut out);
    }
    masker.finish(&mut out);
    String::from_utf8(out.concat()).unwrap()
}

fn check(text: &str, expected: &str) {
    const SIZES: [usize; 7] = [1, 2, 3, 7, 64, 4096, 1 << 20];
    // Where Miri interprets it, a long text not byte by byte.
    let first = if text.len() < 1000 { 0 } else { 5 };
    let sizes = SIZES.into_iter().skip(if cfg!(miri) { first } else { 0 });
    let expected = expected.replace('#', "countersign-masked:m");
    for size in sizes.step_by(every(3)) {
        assert_eq!(run(text.as_bytes(), size), expected, "{size}");
    }
}

#[test]
fn finds_secrets_across_chunks() {
    check("a\nkey AKIAIOSFODNN7EXAMPLE used\nb", "a\nkey # used\nb");
    check("AKIAIOSFODNN7EXAMPLE", "#");
    check("", "");
    check("\n\n", "\n\n");
}

#[test]
fn a_private_key_goes_with_all_its_lines() {
    let key = "-----BEGIN PRIVATE KEY-----\nabc\ndef\n-----END PRIVATE KEY-----\n";
    check(&format!("x\n{key}y\n"), "x\n#\ny\n");
    check("x -----BEGIN RSA PRIVATE KEY-----\nabc", "x #\n");
}

#[test]
fn complete_lines_are_handed_on_at_once() {
    let mut masker = LogMasker::new(program());
    let mut out = Vec::new();
    masker.push(&Bytes::from_static(b"one\ntwo\nthr"), &mut out);
    assert_eq!(out.concat(), b"one\ntwo\n");
}

#[test]
fn long_lines_stay_within_their_bound() {
    let line = format!(
        "{} AKIAIOSFODNN7EXAMPLE {}",
        "x".repeat(9000),
        "y ".repeat(9000)
    );
    check(&line, &line.replace("AKIAIOSFODNN7EXAMPLE", "#"));
    let token = format!("eyJhbGciOi.eyJ{}.sig123456 rest", "a".repeat(20_000));
    for size in [1000, 4096] {
        let got = run(token.as_bytes(), size);
        assert!(got.len() < 20_100);
    }
    let token = format!("t eyJhbGciOi.eyJzdWIi.{} rest", "b".repeat(40_000));
    check(&token, "t # rest");
}

/// Text without a line end in pieces: what came out of it, and that no more than the bound was held.
fn pour(text: &[u8], held_max: usize) -> Vec<u8> {
    let mut masker = LogMasker::new(program());
    let mut out = Vec::new();
    for (index, chunk) in text.chunks(1000).enumerate() {
        masker.push(&Bytes::copy_from_slice(chunk), &mut out);
        let given: usize = out.iter().map(Bytes::len).sum();
        let pushed = index * 1000 + chunk.len();
        assert!(pushed <= given + held_max, "{pushed} {given}");
    }
    out.concat()
}

#[test]
fn of_a_line_without_an_end_no_more_than_its_bound_is_held() {
    let words = "plain words ".repeat(10_000);
    assert!(
        words.starts_with(
            std::str::from_utf8(&pour(words.as_bytes(), 2 * LOOK_BACK_BYTES)).unwrap()
        )
    );
    let token = format!("eyJhbGciOi.eyJzdWIi.{}", "b".repeat(LINE_BYTES_MAX));
    let (fits, _) = token.split_at(LINE_BYTES_MAX);
    let short = &fits.as_bytes()[..LINE_BYTES_MAX - 1];
    assert!(pour(short, LINE_BYTES_MAX).is_empty());
    assert_eq!(
        pour(fits.as_bytes(), LINE_BYTES_MAX),
        b"countersign-masked:m"
    );
    // Of a shorter one the end is known.
    let (fits, _) = token.split_at(2 * LOOK_BACK_BYTES + 10);
    check(&format!("{fits}), x"), "#), x");
}

#[test]
fn a_private_key_without_an_end_hides_no_more_than_its_bound() {
    let line = format!("{}\n", "k".repeat(63));
    let lines = KEY_BYTES_MAX / line.len();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}", line.repeat(lines));
    check(&format!("{key}{line}after\n"), "#\nafter\n");
    let long = line.repeat(1000);
    let key = format!("-----BEGIN PRIVATE KEY-----\n{long}-----END PRIVATE KEY-----\n");
    check(&format!("{key}after\n"), "#\nafter\n");
}

#[test]
fn secrets_and_bytes_are_counted_and_no_text_is_shown() {
    let mut masker = LogMasker::new(program());
    let mut out = Vec::new();
    let text = b"AKIAIOSFODNN7EXAMPLE\nx AKIAIOSFODNN7EXAMPLE y\nheld";
    for chunk in text.chunks(9) {
        masker.push(&Bytes::copy_from_slice(chunk), &mut out);
    }
    assert_eq!(masker.masked_count(), 2);
    assert_eq!(masker.bytes_in(), text.len() as u64);
    let shown = format!("{masker:?}");
    assert!(
        shown.contains("masked_count: 2") && !shown.contains("held"),
        "{shown}"
    );
}

#[test]
fn without_detectors_the_chunk_itself_is_handed_on() {
    let program = Arc::new(MaskProgram::compile(&MaskSpec::default()).unwrap());
    let mut masker = LogMasker::new(program);
    let chunk = Bytes::from_static(b"x");
    let mut out = Vec::new();
    masker.push(&chunk, &mut out);
    assert_eq!(out[0].as_ptr(), chunk.as_ptr());
}

/// Messages of a session: what came out after each.
fn session(program: &Arc<MaskProgram>, messages: &[&str]) -> Vec<String> {
    let mut masker = LogMasker::new(Arc::clone(program));
    let mut given = Vec::new();
    for message in messages {
        let mut out = Vec::new();
        masker.push(&Bytes::copy_from_slice(message.as_bytes()), &mut out);
        masker.release(&mut out);
        given.push(String::from_utf8(out.concat()).unwrap());
    }
    let mut out = Vec::new();
    masker.finish(&mut out);
    given.push(String::from_utf8(out.concat()).unwrap());
    given
}

fn check_session(messages: &[&str], expected: &[&str]) {
    let given = session(&program(), messages);
    let expected: Vec<String> = expected
        .iter()
        .map(|text| text.replace('#', "countersign-masked:m"))
        .collect();
    assert_eq!(given, expected, "{messages:?}");
}

#[test]
fn a_prompt_comes_out_although_its_line_has_no_end() {
    check_session(&["$ "], &["$ ", ""]);
    check_session(&["Password: "], &["Password: ", ""]);
    check_session(&["user@host:/srv$ ", "ls"], &["user@host:/srv$ ", "ls", ""]);
    check_session(&["Continue? [y/n] "], &["Continue? [y/n] ", ""]);
    check_session(&["\x1b[1;32m❯\x1b[0m "], &["\x1b[1;32m❯\x1b[0m ", ""]);
    // Each letter could begin a token; a person sees it all the same.
    let letters = ["e", "y", "J", " ", "A", "K", "I", "A", "\r\n"];
    check_session(
        &letters,
        &["e", "y", "J", " ", "A", "K", "I", "A", "\r\n", ""],
    );
}

#[test]
fn what_may_go_on_as_a_secret_is_held_and_nothing_else() {
    let key = "AKIAIOSFODNN7EXAMPLE";
    // Only the next byte says whether the word ends here.
    check_session(&[key], &["", "#"]);
    check_session(&[key, "X"], &["", "AKIAIOSFODNN7EXAMPLEX", ""]);
    check_session(&["key AKIAIOSFOD", "NN7EXAMPLE $ "], &["key ", "# $ ", ""]);
    check_session(&["key AKIAIOSFOD", "??"], &["key ", "AKIAIOSFOD??", ""]);
    // Fewer than eight bytes went ahead; of the rest nothing.
    check_session(&["AKIA", "IOSFODNN7EXAMPLE", "."], &["AKIA", "", "#.", ""]);
    let letters: Vec<String> = key.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let given = session(&program(), &letters).concat();
    assert_eq!(given, "AKIAIOScountersign-masked:m");
    // A secret before it on the line holds nothing.
    check_session(&["AKIAIOSFODNN7EXAMPLE A"], &["# A", ""]);
    // A token may always be longer, so it waits for what is no part of it, or the end.
    let token = "eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl";
    check_session(&["t ", token, "$ "], &["t ", "", "#$ ", ""]);
    check_session(&[token], &["", "#"]);
    check_session(&[token, "AAAA\n"], &["", "#\n", ""]);
}

#[test]
fn a_key_on_a_terminal_is_held_until_it_is_known() {
    let begin = "-----BEGIN RSA PRIVATE KEY-----\r\n";
    let end = "-----END RSA PRIVATE KEY-----\r\n";
    check_session(
        &[
            "$ -----BEGIN RSA",
            " PRIVATE KEY-----",
            "\r\n",
            "MIIB",
            "\r\n",
            end,
            "$ ",
        ],
        &["$ ", "", "#\n", "", "", "", "$ ", ""],
    );
    check_session(&[begin, "MIIB"], &["#\n", "", ""]);
    // A key on one line ends on it.
    let line = "-----BEGIN PRIVATE KEY-----abc-----END PRIVATE KEY-----";
    check_session(&[line, "$ "], &["#", "$ ", ""]);
    // Rulers of tables are no keys.
    check_session(&["-----", "---------"], &["-----", "---------", ""]);
}

#[test]
fn what_goes_on_for_long_without_a_line_end_is_handed_on_piece_by_piece() {
    let screen = "\x1b[12;4Hrow ".repeat(700);
    let pieces: Vec<&str> = vec![&screen; 5];
    let given = session(&program(), &pieces);
    assert_eq!(given.concat(), pieces.concat());
    for (index, piece) in given.iter().take(5).enumerate() {
        assert_eq!(piece.len(), screen.len(), "{index}");
    }
}

#[test]
fn a_secret_of_any_length_does_not_leave_with_its_beginning() {
    let long = "b".repeat(30_000);
    let messages = ["eyJhbGc", "iOi.eyJzdWIi.", &long, &long, " rest $ "];
    let given = session(&program(), &messages);
    assert_eq!(given.concat(), "eyJhbGccountersign-masked:m rest $ ");
}

/// Some detectors and own expressions, with what is asked of their surroundings taken away, so that
/// the twin can be exact.
const EXPRESSIONS: [&str; 9] = [
    r"(?-u)eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}",
    r"(?s-u)-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY( BLOCK)?-----(?:.*?-----END [A-Z0-9 ]{0,24}PRIVATE KEY( BLOCK)?-----|.*)",
    r"(?-u)(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    r"(?-u)[a-c]{1,4}@[a-c](?:[a-c-]{0,3}\.)+[a-c]{2,4}",
    r"(?-u)[0-9](?:[ -]?[0-9]){12,18}",
    r"pin=[0-9]{4}|pin=x+y",
    r"(a|ab)(c|bcd)(d*)",
    r"é+=\d{2}",
    r"(?:a*)*bc",
];

/// Those before it take Miri minutes to compile.
const FIRST: usize = if cfg!(miri) { 5 } else { 0 };

fn detect(expressions: &[&str]) -> Arc<MaskProgram> {
    let own = expressions.iter();
    let detectors = own.map(|own| Detector::Pattern((*own).into())).collect();
    let spec = MaskSpec {
        guards: vec![redact_found(detectors, None)],
        ..MaskSpec::default()
    };
    Arc::new(MaskProgram::compile(&spec).unwrap())
}

/// An expression, followed by the masker and by its slow twin.
struct Opening {
    expression: &'static str,
    program: Arc<MaskProgram>,
    dfa: dense::DFA<Vec<u32>>,
}

impl Opening {
    fn of(expression: &'static str) -> Self {
        let dfa = dense::Builder::new()
            .configure(dense::Config::new().start_kind(StartKind::Anchored))
            .syntax(syntax::Config::new().utf8(false))
            .build(expression)
            .unwrap();
        Self {
            expression,
            program: detect(&[expression]),
            dfa,
        }
    }

    fn check(&self, text: &str, cuts: &[usize]) {
        let guards = &self.program.guards;
        let set = self.program.everywhere.unwrap();
        let mut openings = Openings::default();
        for cut in cuts {
            let part = text.as_bytes().get(..*cut).unwrap_or(text.as_bytes());
            openings.follow(guards, set, part);
        }
        let found = openings.follow(guards, set, text.as_bytes());
        let expected = self.twin(text.as_bytes());
        assert_eq!(found, expected, "{} on {text:?}", self.expression);
    }

    /// From every place an automaton of its own reads to the end, and then every pair of bytes is
    /// tried.
    fn twin(&self, text: &[u8]) -> Option<usize> {
        let dfa = &self.dfa;
        let reads_on = |state: StateID| {
            (0..=u8::MAX).any(|one| {
                let next = dfa.next_state(state, one);
                !dfa.is_dead_state(next)
                    && (0..=u8::MAX).any(|two| !dfa.is_dead_state(dfa.next_state(next, two)))
            })
        };
        let mut at = 0;
        while at < text.len() {
            let begin = start::Config::new().anchored(Anchored::Yes);
            let mut state = dfa.start_state(&begin).unwrap();
            let mut matched = None;
            for (index, byte) in text.iter().enumerate().skip(at) {
                state = dfa.next_state(state, *byte);
                if dfa.is_match_state(state) {
                    matched = Some(index);
                }
                if dfa.is_dead_state(state) {
                    break;
                }
            }
            if !dfa.is_dead_state(state) && reads_on(state) {
                return Some(at);
            }
            if dfa.is_match_state(dfa.next_eoi_state(state)) {
                matched = Some(text.len());
            }
            // What is found is found; the next begins behind it.
            at = matched.filter(|end| *end > at).unwrap_or(at + 1);
        }
        None
    }
}

#[test]
fn openings_are_those_of_the_slow_twin() {
    const TEXTS: [&str; 26] = [
        "",
        "a",
        "abc",
        "abcd",
        "xabcd ab",
        "pin=",
        "pin=12",
        "pin=1234",
        "pin=xx",
        "pin=xxy p",
        "b@a",
        "b@a.",
        "b@a.bb",
        "b@a.bb ",
        "1 2 3",
        "1 2 3 ",
        "x-----BEGIN ",
        "é",
        "é=1",
        "é=12",
        "-----BEGIN PRIVATE KEY-----a-----END PRIVATE KEY-----",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN PRIVATE KEY-----a",
        "eyJabcdef.abcdef.abcdef",
        "eyJeyJabcdef.abc",
        "AAKIA",
    ];
    for expression in EXPRESSIONS.into_iter().skip(FIRST) {
        let opening = Opening::of(expression);
        for text in TEXTS {
            opening.check(text, &[]);
            opening.check(text, &[1, 2, 5]);
        }
    }
}

/// Where the boundary before a match is not met, the match ends nothing.
#[test]
fn a_match_that_may_be_none_ends_no_other() {
    let program = detect(&[r"(?-u)\bab|bcd"]);
    let set = program.everywhere.unwrap();
    let opening = |text: &[u8]| Openings::default().follow(&program.guards, set, text);
    assert_eq!(opening(b"xab"), Some(2));
    assert_eq!(opening(b"xabc"), Some(2));
    assert_eq!(opening(b"xabx"), None);
}

proptest! {
    #[test]
    fn openings_are_those_of_the_slow_twin_on_any_text(
        index in FIRST..EXPRESSIONS.len(),
        text in "([a-d@. =]|pin=|-----BEGIN |PRIVATE KEY-----|-----END |eyJ|AKIA|[0-9]|é|x|y){0,14}",
        cut in 0_usize..20,
    ) {
        Opening::of(EXPRESSIONS[index]).check(&text, &[cut]);
    }

    /// Whatever the pieces and pauses, of a secret no more than its first seven bytes come out, and
    /// all that is no secret comes out as it is.
    #[test]
    fn of_a_secret_in_pieces_only_the_first_bytes_may_come_out(
        words in prop::collection::vec("(AKIA[A-Z0-9]{16}|[a-z]{0,9}|\\$|[ \n]|eyJ[a-z]{6}\\.[a-z]{6}\\.[a-z]{6,40})", 0..12),
        cuts in prop::collection::vec((0_usize..200, any::<bool>()), 0..12),
    ) {
        let text = words.join(" ");
        let mut cuts: Vec<(usize, bool)> = cuts;
        cuts.retain(|(at, _)| *at < text.len());
        cuts.sort_unstable();
        let mut masker = LogMasker::new(program());
        let mut out = Vec::new();
        let mut done = 0;
        for (at, pauses) in cuts {
            masker.push(&Bytes::copy_from_slice(&text.as_bytes()[done..at]), &mut out);
            if pauses {
                masker.release(&mut out);
            }
            done = at;
        }
        masker.push(&Bytes::copy_from_slice(&text.as_bytes()[done..]), &mut out);
        masker.finish(&mut out);
        let given = String::from_utf8(out.concat()).unwrap();
        let set = program().everywhere.unwrap();
        let program = program();
        // Seven bytes and the first of a marker may look like eight of a secret.
        let parted = given.replace("countersign-masked:m", "#");
        for place in program.guards.places(set, text.as_bytes()) {
            let front = text.get(place.start..(place.start + 8).min(place.end));
            prop_assert!(!parted.contains(front.unwrap()), "{given}");
        }
        let plain = run(text.as_bytes(), text.len().max(1));
        // What may be out before a secret is known is the one difference.
        let unmarked = |text: &str| {
            text.split_whitespace()
                .filter(|word| !word.contains("countersign-masked:m"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(unmarked(&given), unmarked(&plain));
    }

    #[test]
    fn the_pieces_alone_change_nothing(
        text in "([a-z ]{0,9}|AKIA[A-Z0-9]{16}|\n|x{3000}|y{5000} |eyJabcdef\\.abcdef\\.(b{6}|b{9000})){0,9}",
        sizes in prop::collection::vec(1_usize..6000, 1..4),
    ) {
        let whole = run(text.as_bytes(), text.len().max(1));
        for size in sizes {
            prop_assert_eq!(&run(text.as_bytes(), size), &whole);
        }
    }
}
