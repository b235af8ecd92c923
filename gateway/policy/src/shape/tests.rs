use super::*;
use crate::diagnostic::{Code, Report, human};
use crate::source::{Files, parse_text};

static RULES: &[Shape] = &[
    Shape::block("server", "a server", SERVER)
        .value(Kind::Name)
        .any(),
    Shape::line("limit", "a limit")
        .value(Kind::Integer { min: 1, max: 9 })
        .optional(),
    Shape::planned("turbo", "speed"),
];
static SERVER: &[Shape] = &[
    Shape::line("address", "where").value(Kind::SocketAddress),
    Shape::line("mode", "how")
        .value(Kind::WordOrPlanned {
            known: &["safe"],
            planned: &["fast"],
        })
        .optional(),
    Shape::line("labels", "names")
        .free_properties(Kind::Text)
        .optional(),
    Shape::line("wait", "how long")
        .value(Kind::Duration)
        .properties(&[
            PropertyShape::required("for", "what", Kind::Text),
            PropertyShape::planned("jitter", "spread"),
        ])
        .optional(),
];

fn check(text: &str, expected: &[Code]) {
    let mut report = Report::new();
    let nodes = parse_text("a.kdl", text.as_bytes(), &mut report);
    conform("a.kdl", &nodes, RULES, &mut report);
    let codes: Vec<Code> = report
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    let files = Files::from([("a.kdl".to_owned(), text.as_bytes().to_vec())]);
    assert_eq!(codes, expected, "{text}\n{}", human(&report, &files));
}

#[test]
fn accepts_what_the_table_says() {
    check("", &[]);
    check(
        "server \"a\" { address \"127.0.0.1:1\"; mode safe; labels a=\"b\" \"c/d\"=\"e\" }; limit 9",
        &[],
    );
    check(
        "server a { address \"[::1]:1\"; wait \"5m\" for=\"x\" }",
        &[],
    );
}

#[test]
fn reports_every_departure_at_once() {
    check(
        "server \"A\" \"b\" { adress \"127.0.0.1:1\"; mode fast; mode slow; wait \"soon\" jitter=1 }\nlimit 10 { }\nturbo { anything goes }\nlimits 1",
        &[
            Code::GP206,
            Code::GP204,
            Code::GP203,
            Code::GP201,
            Code::GP109,
            Code::GP205,
            Code::GP204,
            Code::GP206,
            Code::GP204,
            Code::GP109,
            Code::GP208,
            Code::GP204,
            Code::GP109,
            Code::GP201,
        ],
    );
}

#[test]
fn explains_two_lines_on_one() {
    check(
        "server a { address \"127.0.0.1:1\" mode safe }",
        &[Code::GP207],
    );
    check(
        "server a { mode address \"127.0.0.1:1\" }",
        &[Code::GP206, Code::GP207],
    );
}

#[test]
fn reads_values_by_kind() {
    for (kind, good, bad) in [
        (
            Kind::Name,
            &["a", "1a", "a.b_c-d"][..],
            &["", "A", "-a", "é", "a b"][..],
        ),
        (Kind::SetName, &["@a"], &["a", "@", "@A"]),
        (
            Kind::Duration,
            &["0s", "90s", "15m", "8h", "7d"],
            &["", "5", "s", "5ms", "1.5s", "-1s", "5 s", "99999999999999s"],
        ),
        (Kind::FineDuration, &["250ms", "1s"], &["5us"]),
        (
            Kind::Size,
            &["512B", "64KiB", "2GiB"],
            &["", "5", "5KB", "99999999999GiB"],
        ),
        (
            Kind::Date,
            &["2027-03-01"],
            &["2027-3-1", "2027-02-30", "20270301", "2027-03-01T00:00:00Z"],
        ),
        (
            Kind::Instant,
            &[
                "2027-03-01",
                "2027-03-01T00:00:00Z",
                "2027-03-01T00:00:00+02:00",
            ],
            &["soon", "2027-03-01T00:00:00"],
        ),
        (
            Kind::Time,
            &["00:00", "23:59"],
            &["24:00", "8:00", "08:00:00"],
        ),
        (
            Kind::Network,
            &[
                "10.0.0.0/8",
                "10.0.0.1",
                "2001:db8::/32",
                "@a",
                "!10.0.0.0/8",
            ],
            &["10.0.0.1/8", "10.0/8", "x"],
        ),
        (
            Kind::SocketAddress,
            &["127.0.0.1:80", "[::]:0"],
            &["localhost:80", "127.0.0.1"],
        ),
        (Kind::Address, &["127.0.0.1", "::1"], &["127.0.0.1:80"]),
    ] {
        let value = |text: &str| {
            let mut report = Report::new();
            let nodes = parse_text("a.kdl", format!("a \"{text}\"").as_bytes(), &mut report);
            nodes[0].values[0].clone()
        };
        for text in good {
            assert_eq!(kind.check(&value(text)), Ok(()), "{kind:?} {text}");
        }
        for text in bad {
            assert!(kind.check(&value(text)).is_err(), "{kind:?} {text}");
        }
    }
}

#[test]
fn ends_a_date_when_the_next_day_begins() {
    let end = |text: &str| parse_date_end(text).map(|instant| instant.to_string());
    assert_eq!(end("2027-02-28").as_deref(), Some("2027-03-01T00:00:00Z"));
    assert_eq!(end("2028-02-28").as_deref(), Some("2028-02-29T00:00:00Z"));
    assert_eq!(end("9999-12-31"), None);
}

#[test]
fn suggests_only_what_is_near() {
    let known = ["group", "user", "kind"];
    assert_eq!(nearest("gruop", known), Some("group"));
    assert_eq!(nearest("usr", known), Some("user"));
    assert_eq!(nearest("colour", known), None);
    assert_eq!(nearest("", known), None);
}
