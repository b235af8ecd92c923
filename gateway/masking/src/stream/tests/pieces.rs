//! What is handed on, counted and held between two pushes.

#![forbid(unsafe_code)]

use super::*;

#[test]
fn a_summary_counts_documents_values_and_bytes() {
    let program = Arc::new(MaskProgram::compile(&spec(&[("a", Strategy::Redact)], WATCH)).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    let text = "{\"object\":{\"a\":1}}\n{\"object\":{\"a\":\"x\"}} 3 ";
    for (index, chunk) in text.as_bytes().chunks(5).enumerate() {
        let chunk = Bytes::copy_from_slice(chunk);
        masker.push(&chunk, &mut out).unwrap();
        let summary = masker.summary();
        assert_eq!(summary.bytes_in, (index * 5 + chunk.len()) as u64);
        assert_eq!(summary.bytes_out, out.concat().len() as u64);
    }
    let summary = masker.finish().unwrap();
    assert_eq!((summary.document_count, summary.masked_count), (3, 2));
    assert_eq!(summary.rules, [0]);
}

#[test]
fn an_untouched_chunk_is_handed_on_as_it_is() {
    let program = Arc::new(MaskProgram::compile(&spec(&[("a", Strategy::Redact)], ROOT)).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    let chunk = Bytes::from(format!(r#"{{"b":"{}","#, "x".repeat(20_000)));
    masker.push(&chunk, &mut out).unwrap();
    assert_eq!(
        (out.len(), out[0].as_ptr(), out[0].len()),
        (1, chunk.as_ptr(), chunk.len())
    );
    masker
        .push(&Bytes::from_static(br#""a":"se"#), &mut out)
        .unwrap();
    assert_eq!(out[1], &br#""a":"countersign-masked:m""#[..]);
    masker
        .push(&Bytes::from_static(br#"cret","#), &mut out)
        .unwrap();
    assert_eq!(out[2], ",");
    assert_eq!(masker.summary().masked_count, 1);
    assert_eq!(masker.summary().rules, [0]);
    let small = Bytes::from_static(br#""c":1,"#);
    masker.push(&small, &mut out).unwrap();
    assert_eq!(
        (out[3].as_ptr(), out[3].len()),
        (small.as_ptr(), small.len())
    );
    masker.push(&Bytes::new(), &mut out).unwrap();
    assert_eq!(out.len(), 4);
}

#[test]
fn short_stretches_are_copied_together_into_pieces_that_are_bounded() {
    let program =
        Arc::new(MaskProgram::compile(&spec(&[("**.a", Strategy::Redact)], ROOT)).unwrap());
    let members = r#"{"a":"x","b":1},"#.repeat(20_000 / every(6));
    let text = format!("[{members}\"{}\",{members}0]", "y".repeat(10_000));
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    masker.push(&Bytes::from(text), &mut out).unwrap();
    let length: usize = out.iter().map(Bytes::len).sum();
    assert_eq!(masker.finish().unwrap().bytes_out, length as u64);
    let longest = out.iter().map(Bytes::len).max();
    assert!(longest <= Some(64 * 1024), "{longest:?}");
    assert!(out.len() <= length / (32 * 1024), "{} pieces", out.len());
}

#[test]
fn a_summary_names_rules_of_every_index() {
    let names: Vec<String> = (0..200).map(|index| format!("k{index}")).collect();
    let rules: Vec<_> = names
        .iter()
        .map(|name| (&**name, Strategy::Redact))
        .collect();
    let program = Arc::new(MaskProgram::compile(&spec(&rules, ROOT)).unwrap());
    let text = br#"{"k0":1,"k63":1,"k64":1,"k130":1,"k199":1,"k200":1}"#;
    let summary = run(&program, Kernel::best(), text, &[]).end.unwrap();
    assert_eq!(summary.rules, [0, 63, 64, 130, 199]);
    let all: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
    let text = format!("{{{}}}", all.join(","));
    let summary = run(&program, Kernel::best(), text.as_bytes(), &[])
        .end
        .unwrap();
    assert_eq!(
        (summary.masked_count, summary.rules.len()),
        (200, SUMMARY_RULES_MAX)
    );
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn overlong_captures_and_keys_close() {
    let key = testing::key().unwrap();
    let rules = [("a", Strategy::Hash { key })];
    let mut pair = Pair::new(spec(&rules, ROOT));
    let long = format!(r#"{{"a":"{}","b":1}}"#, "x".repeat(CAPTURED_BYTES_MAX + 1));
    let program = Arc::clone(&pair.program);
    for size in [1 << 12, 1 << 20, 1 << 23] {
        let outcome = run_evenly(&program, Kernel::best(), long.as_bytes(), size);
        assert_eq!(outcome.bytes, br#"{"a":"countersign-masked:m","b":1}"#);
    }
    for length in [2_000_000, CAPTURED_BYTES_MAX] {
        let fits = format!(r#"{{"a":"{}","b":1}}"#, "x".repeat(length));
        let masked = pair.twin.mask(fits.as_bytes()).unwrap();
        for size in [1 << 12, 1 << 23] {
            assert_eq!(
                run_evenly(&program, Kernel::best(), fits.as_bytes(), size).bytes,
                masked
            );
        }
    }
    let drops = Arc::new(MaskProgram::compile(&spec(&[("a", Strategy::Drop)], ROOT)).unwrap());
    for (text, good) in [
        (format!(r#"{{"b":1,{}"c":2}}"#, " ".repeat(65_000)), true),
        (
            format!(r#"{{"b":1,{}"c":2}}"#, " ".repeat(HELD_BYTES_MAX - 3)),
            true,
        ),
        (
            format!(r#"{{"b":1,{}"c":2}}"#, " ".repeat(HELD_BYTES_MAX - 2)),
            false,
        ),
        (format!(r#"{{"{}":2}}"#, "k".repeat(HELD_BYTES_MAX)), false),
    ] {
        let single = run_evenly(&drops, Kernel::best(), text.as_bytes(), 1);
        for size in [1, 1000, 8192, 1 << 20] {
            let outcome = run_evenly(&drops, Kernel::best(), text.as_bytes(), size);
            assert_eq!(outcome.end.is_ok(), good);
            assert!(single.bytes.starts_with(&outcome.bytes));
        }
    }
}

#[test]
fn ten_thousand_idle_watches_fit_in_ten_megabytes() {
    let rules = [("data.*", Strategy::Redact)];
    let program = Arc::new(MaskProgram::compile(&spec(&rules, WATCH)).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    let event = format!(
        r#"{{"object":{{"data":{{"a":"{}"}},"b":[[]]}}}}"#,
        "x".repeat(5000)
    );
    for _ in 0..10 {
        masker
            .push(&Bytes::from(event.clone() + "\n"), &mut out)
            .unwrap();
    }
    assert!(
        masker.memory_bytes() <= 1000,
        "{} bytes",
        masker.memory_bytes()
    );
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn the_memory_of_a_stream_counts_what_it_holds() {
    let rules = [
        (
            "a",
            Strategy::Hash {
                key: testing::key().unwrap(),
            },
        ),
        ("long", Strategy::Drop),
        ("c.**.z", Strategy::Redact),
    ];
    let program = Arc::new(MaskProgram::compile(&spec(&rules, ROOT)).unwrap());
    let empty = Masker::new(Arc::clone(&program), Kernel::best()).memory_bytes();
    assert!(empty >= size_of::<Masker>());
    let open = format!(r#"{{"c":{}"#, r#"{"x":[1],"y":"#.repeat(200));
    for (text, held) in [
        (format!(r#"{{"a":"{}"#, "x".repeat(5000)), 5000),
        (format!(r#"{{"long":1,{}"#, " ".repeat(5000)), 5000),
        (r#"{"lo"#.to_owned(), 2),
        (open, 200 * size_of::<u64>()),
    ] {
        let mut masker = Masker::new(Arc::clone(&program), Kernel::best());
        masker.push(&Bytes::from(text), &mut Vec::new()).unwrap();
        assert!(masker.memory_bytes() >= empty + held, "{held}");
    }
    let spec = spec(&[("password", Strategy::Redact)], ROOT);
    let program = Arc::new(MaskProgram::compile(&spec).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    let key = Bytes::from_static(br#"{"pass"#);
    masker.push(&key, &mut Vec::new()).unwrap();
    assert!(masker.memory_bytes() >= empty + 4);
}

/// Bodies of many windows, cut near their borders.
#[test]
fn windows_join_as_chunks_do() {
    let mut seeded = Seeded::new(21);
    for _ in 0..scaled(150) {
        let mut pair = Pair::new(testing::spec(&mut seeded));
        let mut text = b"{\"items\":[".to_vec();
        let (wanted, sizes): (usize, &[usize]) = if cfg!(miri) {
            (9_000, &[65, 8192])
        } else {
            let sizes = &[63, 64, 65, 4096, 8191, 8192, 8193, 16_404, 1 << 20];
            (5_000 + seeded.below(40_000), sizes)
        };
        while text.len() < wanted {
            text.extend(testing::document(&mut seeded));
            text.push(b',');
        }
        text.extend_from_slice(b"0],\"data\":[");
        text.extend(testing::document(&mut seeded));
        text.extend_from_slice(b"]}");
        let expected = pair.twin.mask(&text).unwrap();
        for kernel in Kernel::available() {
            for size in sizes {
                let outcome = run_evenly(&pair.program, kernel, &text, *size);
                outcome.end.unwrap();
                assert!(outcome.bytes == expected, "by {size}: {:?}", pair.spec);
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn debug_shows_no_held_text() {
    let key = testing::key().unwrap();
    let rules = [("a", Strategy::Hash { key })];
    let program = Arc::new(MaskProgram::compile(&spec(&rules, ROOT)).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    masker
        .push(&Bytes::from_static(br#"{"a":"0123"#), &mut Vec::new())
        .unwrap();
    let shown = format!("{masker:?}");
    assert!(
        shown.contains("phase: Capture") && !shown.contains("48, 49") && !shown.contains("0123"),
        "{shown}"
    );
}
