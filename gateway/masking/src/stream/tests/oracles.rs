//! What must hold of every text, by others than the twin: O2 and O4 to O8. O1 and O3 stand beside the
//! twin in the module above.

#![forbid(unsafe_code)]

use serde_json::Value;
use simd_json::Node;

use super::*;
use crate::grammar::Documents;
use crate::path::Step;
use crate::scan::{BLOCK, BLOCKS, Block};

/// O2: what serde_json reads of the output is what it reads of the input, masked as a tree.
#[test]
fn the_output_reads_as_the_masked_input() {
    let mut seeded = Seeded::new(11);
    let mut changed = 0;
    for _ in 0..scaled(3_000) {
        let mut rules = testing::redacting(&testing::spec(&mut seeded));
        // A `[key=value]` depends on the order of members, which a tree does not keep.
        rules.rules.retain(|rule| !has_element(rule));
        for rule in &mut rules.rules {
            if seeded.once_in(3) {
                rule.strategy = Strategy::Drop;
            }
        }
        let pair = Pair::new(rules);
        for _ in 0..10 {
            let text = testing::document(&mut seeded);
            // It reads no lone surrogates.
            let Ok(tree) = serde_json::from_slice::<Value>(&text) else {
                continue;
            };
            let outcome = run(&pair.program, Kernel::best(), &text, &[]);
            outcome.end.unwrap();
            let got: Value = serde_json::from_slice(&outcome.bytes).unwrap();
            changed += usize::from(got != tree);
            let expected = masked_tree(&pair.spec, &tree, &mut Vec::new());
            assert_eq!(
                got,
                expected.unwrap_or(Value::Null),
                "{:?}\n{}",
                pair.spec,
                String::from_utf8_lossy(&text)
            );
        }
    }
    assert!(
        testing::is_enough(changed, 3_000),
        "{changed} texts changed"
    );
}

fn has_element(rule: &MaskRule) -> bool {
    let steps = rule.path.steps();
    steps
        .iter()
        .any(|step| matches!(step, Step::Element { .. }))
}

/// A way into a tree: the name of a member, or an element.
type Way<'a> = Vec<Option<&'a str>>;

/// `None` of what is dropped.
fn masked_tree<'a>(spec: &MaskSpec, value: &'a Value, way: &mut Way<'a>) -> Option<Value> {
    let rules = spec.rules.iter().filter(|rule| {
        spec.mounts.iter().any(|mount| {
            let mut steps = mount.steps();
            steps.extend(rule.path.steps().iter().cloned());
            leads(
                &steps,
                way,
                rule.path.steps().last() == Some(&Step::AnyDepth),
            )
        })
    });
    let rules: Vec<&MaskRule> = rules.collect();
    let is_drop = |rule: &&MaskRule| matches!(rule.strategy, Strategy::Drop);
    if rules.iter().any(is_drop) && !way.is_empty() {
        return None;
    }
    // Of the dropping ones first, as it is where all that is left of a root is its type.
    let first = |rule: &&&MaskRule| (!is_drop(rule), rule.mask.clone());
    if let Some(rule) = rules.iter().min_by_key(first) {
        let encoded = rules.iter().any(|rule| rule.encoding == Encoding::Base64);
        let encoding = if encoded {
            Encoding::Base64
        } else {
            Encoding::Plain
        };
        let marker = crate::marker::string(&rule.mask, encoding);
        return Some(match value {
            Value::Null => Value::Null,
            Value::Bool(_) => Value::Bool(false),
            Value::Number(_) => Value::from(0),
            Value::String(_) => serde_json::from_slice(&marker).unwrap(),
            Value::Array(_) => Value::Array(Vec::new()),
            Value::Object(_) => Value::Object(serde_json::Map::new()),
        });
    }
    let mut below = |segment: Option<&'a str>, value: &'a Value| {
        way.push(segment);
        let masked = masked_tree(spec, value, way);
        way.pop();
        masked
    };
    Some(match value {
        Value::Array(elements) => elements.iter().filter_map(|one| below(None, one)).collect(),
        Value::Object(members) => members
            .iter()
            .filter_map(|(key, one)| Some((key.clone(), below(Some(key), one)?)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    })
}

/// `only_below`: a `**` at the end stands for something.
fn leads(steps: &[Step], way: &[Option<&str>], only_below: bool) -> bool {
    match (steps, way) {
        ([Step::AnyDepth], _) => !only_below || !way.is_empty(),
        ([Step::AnyDepth, rest @ ..], _) => {
            (0..=way.len()).any(|skipped| leads(rest, &way[skipped..], only_below))
        }
        ([], []) => true,
        ([Step::Key(name), rest @ ..], [Some(key), behind @ ..]) => {
            **name == **key && leads(rest, behind, only_below)
        }
        ([Step::AnyKey, rest @ ..], [Some(_), behind @ ..])
        | ([Step::AnyElement, rest @ ..], [None, behind @ ..]) => leads(rest, behind, only_below),
        _ => false,
    }
}

/// O4: what is handed out before a fault is a prefix of what single bytes give.
#[test]
fn output_before_a_fault_is_a_prefix_of_that_of_single_bytes() {
    let mut seeded = Seeded::new(12);
    for _ in 0..scaled(500) {
        let pair = Pair::new(testing::spec(&mut seeded));
        for _ in 0..10 {
            let mut text = pair.generate(&mut seeded);
            testing::mutate(&mut seeded, &mut text);
            let single = run_evenly(&pair.program, Kernel::best(), &text, 1);
            let cuts = testing::cuts(&mut seeded, text.len());
            let outcome = run(&pair.program, Kernel::best(), &text, &cuts);
            assert!(single.bytes.starts_with(&outcome.bytes));
        }
    }
}

/// O5: no byte of a masked value comes out, however the text is cut or broken off.
#[test]
fn a_canary_at_a_masked_place_never_comes_out() {
    let mut seeded = Seeded::new(13);
    let mut planted = 0;
    for _ in 0..scaled(1_500) {
        let mut rules = testing::redacting(&testing::spec(&mut seeded));
        if seeded.once_in(3) {
            for rule in &mut rules.rules {
                rule.strategy = Strategy::Drop;
            }
        }
        let pair = Pair::new(rules);
        let text = pair.generate(&mut seeded);
        let text = String::from_utf8(text).unwrap();
        // Each string value in turn becomes the canary; where the masker masks it, it must be gone.
        let plain = text
            .replace("app", "CANARY")
            .replace("x", "CANARY")
            .replace("web", "CANARY");
        let whole = run(&pair.program, Kernel::best(), plain.as_bytes(), &[]);
        let shown = String::from_utf8(whole.bytes).unwrap();
        let allowed = shown.matches("CANARY").count();
        planted += usize::from(plain.matches("CANARY").count() > allowed);
        for _ in 0..5 {
            let end = seeded.below(plain.len() + 1);
            let cuts = testing::cuts(&mut seeded, end);
            let broken = run(
                &pair.program,
                Kernel::best(),
                &plain.as_bytes()[..end],
                &cuts,
            );
            assert!(
                shown.as_bytes().starts_with(&broken.bytes),
                "{plain}\n{shown}"
            );
        }
    }
    assert!(
        testing::is_enough(planted, 150),
        "{planted} canaries were at masked places"
    );
}

/// O6: masking again changes nothing, for the strategies that keep nothing of a value.
#[test]
fn masking_twice_is_masking_once() {
    let mut seeded = Seeded::new(14);
    for index in 0..scaled(1_000) {
        let mut rules = testing::redacting(&testing::spec(&mut seeded));
        if index % 2 == 0 {
            // A dropped element makes others the first, never another's parent.
            for rule in rules.rules.iter_mut().take(1) {
                rule.strategy = Strategy::Drop;
            }
        }
        // A `[key=value]` reads what another rule may have masked.
        let reads = |rule: &MaskRule| rule.path.to_string().contains('=');
        if rules.rules.iter().any(reads) {
            continue;
        }
        let pair = Pair::new(rules);
        for _ in 0..5 {
            let text = pair.generate(&mut seeded);
            let once = run(&pair.program, Kernel::best(), &text, &[]).bytes;
            let twice = run(&pair.program, Kernel::best(), &once, &[]).bytes;
            assert_eq!(
                String::from_utf8_lossy(&once),
                String::from_utf8_lossy(&twice)
            );
        }
    }
}

/// O7: keys, order and white space outside masks are those of the input.
#[test]
fn all_outside_masks_stays_as_it_was() {
    let mut seeded = Seeded::new(15);
    let mut replaced = 0;
    for _ in 0..scaled(1_500) {
        let pair = Pair::new(testing::redacting(&testing::spec(&mut seeded)));
        for _ in 0..10 {
            let text = String::from_utf8(pair.generate(&mut seeded)).unwrap();
            let outcome = run(&pair.program, Kernel::best(), text.as_bytes(), &[]);
            let masked = String::from_utf8(outcome.bytes).unwrap();
            replaced += align(&tokens(&text), &tokens(&masked))
                .unwrap_or_else(|| panic!("{:?}\n{text}\n{masked}", pair.spec));
        }
    }
    assert!(
        testing::is_enough(replaced, 1_500),
        "{replaced} values replaced"
    );
}

/// Strings, brackets, colons, commas, scalars and white space, in a row.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let mut escaped = false;
                let end = rest.char_indices().skip(1).find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                end.unwrap().0 + 1
            }
            '{' | '}' | '[' | ']' | ':' | ',' => 1,
            _ => {
                let blank = first.is_ascii_whitespace();
                let ends = |c: char| c.is_ascii_whitespace() != blank || "{}[]:,\"".contains(c);
                rest.find(ends).unwrap_or(rest.len())
            }
        };
        let (token, behind) = rest.split_at(length);
        tokens.push(token);
        rest = behind;
    }
    tokens
}

/// How many values were replaced. `None` if anything else differs.
fn align(input: &[&str], output: &[&str]) -> Option<usize> {
    let mut input = input.iter();
    let mut count = 0;
    for token in output {
        let own = *input.next()?;
        if own == *token {
            continue;
        }
        count += 1;
        match *token {
            // An emptied container: all up to its end is gone.
            "}" | "]" => {
                let mut depth = 0;
                let mut last = Some(own);
                while let Some(one) = last {
                    match one {
                        "{" | "[" => depth += 1,
                        "}" | "]" if depth == 0 => break,
                        "}" | "]" => depth -= 1,
                        _ => {}
                    }
                    last = input.next().copied();
                }
                if last != Some(token) {
                    return None;
                }
            }
            "false" if own == "true" => {}
            "0" if own.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {}
            text if own.starts_with('"') && is_marker(text) => {}
            _ => return None,
        }
    }
    input.next().is_none().then_some(count)
}

fn is_marker(text: &str) -> bool {
    let encodings = [Encoding::Plain, Encoding::Base64];
    let of = |mask, encoding| crate::marker::string(mask, encoding) == text.as_bytes();
    ["m", "n"]
        .iter()
        .any(|mask| encodings.iter().any(|encoding| of(mask, *encoding)))
}

/// O8: the masks that the walk reads say of containers and keys what the tape of simd-json says.
#[test]
fn the_tape_of_simd_json_agrees_on_structure() {
    let mut seeded = Seeded::new(16);
    let mut seen = 0;
    for _ in 0..scaled(20_000) {
        let text = testing::document(&mut seeded);
        // Lone surrogates, which serde_json refuses, it reads as zero bytes.
        if serde_json::from_slice::<Value>(&text).is_err() {
            continue;
        }
        let mut copy = text.clone();
        // It refuses integers of more than 64 bits.
        let Ok(tape) = simd_json::to_tape(&mut copy) else {
            continue;
        };
        let mut expected = Vec::new();
        let mut nodes = tape.0.iter().copied();
        from_tape(&mut nodes, &mut expected);
        assert!(nodes.next().is_none());
        if text.len() > BLOCKS * BLOCK {
            continue;
        }
        seen += 1;
        for kernel in Kernel::available() {
            let mut blocks = [Block::default(); BLOCKS];
            let mut carry = Carry::new(Documents::One);
            kernel.pass(&text, &mut carry, &mut blocks).unwrap();
            assert!(carry.is_complete());
            assert_eq!(
                from_masks(&text, &blocks),
                expected,
                "{} {}",
                kernel.name(),
                String::from_utf8_lossy(&text)
            );
        }
    }
    assert!(testing::is_enough(seen, 10_000), "{seen} texts");
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Object,
    Array,
    Close,
    Key(Vec<u8>),
}

fn from_tape<'a>(nodes: &mut impl Iterator<Item = Node<'a>>, events: &mut Vec<Event>) {
    match nodes.next().unwrap() {
        Node::Object { len, .. } => {
            events.push(Event::Object);
            for _ in 0..len {
                let Some(Node::String(key)) = nodes.next() else {
                    panic!("a key is due");
                };
                events.push(Event::Key(key.into()));
                from_tape(nodes, events);
            }
            events.push(Event::Close);
        }
        Node::Array { len, .. } => {
            events.push(Event::Array);
            for _ in 0..len {
                from_tape(nodes, events);
            }
            events.push(Event::Close);
        }
        Node::String(_) | Node::Static(_) => {}
    }
}

fn from_masks(text: &[u8], blocks: &[Block]) -> Vec<Event> {
    let has =
        |mask: fn(&Block) -> u64, at: usize| mask(&blocks[at / BLOCK]) >> (at % BLOCK) & 1 == 1;
    let mut events = Vec::new();
    for at in 0..text.len() {
        if has(|block| block.open, at) {
            events.push(if text[at] == b'{' {
                Event::Object
            } else {
                Event::Array
            });
        } else if has(|block| block.close, at) {
            events.push(Event::Close);
        } else if has(|block| block.key, at) {
            let end = (at + 1..text.len())
                .find(|at| has(|block| block.quote, *at))
                .unwrap();
            events.push(Event::Key(crate::text::unescape(&text[at + 1..end])));
        }
    }
    events
}
