//! Kinds of values: what they accept, and how they are read.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gateway_masking::FieldPath;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::{Date, Time};

use super::suggest::nearest;
use crate::source::{Mark, Scalar, Value};

/// What stands at a place for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A word of the language.
    Word(&'static [&'static str]),
    /// A word of the language, some of them refused by this version.
    WordOrPlanned {
        /// Words that are implemented.
        known: &'static [&'static str],
        /// Words that are refused.
        planned: &'static [&'static str],
    },
    /// A word of the language, some of them refused by this version; every other text is a name,
    /// and names are refused too.
    WordElsePlanned {
        /// Words that are implemented.
        known: &'static [&'static str],
        /// Words that are refused.
        planned: &'static [&'static str],
    },
    /// A word of the language, or the name of a set (`"@name"`).
    WordOrSet(&'static [&'static str]),
    /// One of these texts; none is a word of the language, so they are quoted.
    Choice(&'static [&'static str]),
    /// A name that the author chose: `[a-z0-9][a-z0-9._-]{0,62}`.
    Name,
    /// `"@name"`.
    SetName,
    /// A name, or the `"@name"` of something that comes with the language.
    NameOrSet,
    /// Where in an object: `"data.*"`.
    FieldPath,
    /// One of these texts in quotes, `(re)` text, or a word of the language without quotes.
    ChoiceOrWord {
        /// The texts.
        texts: &'static [&'static str],
        /// Words that are implemented.
        known: &'static [&'static str],
        /// Words that are refused.
        planned: &'static [&'static str],
    },
    /// Any text that is not empty.
    Text,
    /// A pattern: text, or `(re)` text.
    Pattern,
    /// `"pods"`, `"deployments.apps/scale"`, `"@set"`.
    Resource,
    /// An address or a network, or `"@set"`.
    Network,
    /// An integer within bounds.
    Integer {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// `#true` or `#false`.
    Bool,
    /// Whole seconds, minutes, hours or days.
    Duration,
    /// As `Duration`, and milliseconds.
    FineDuration,
    /// `"200MiB"`.
    Size,
    /// RFC 3339, or a date that stands for its end in UTC.
    Instant,
    /// `"2027-03-01"`.
    Date,
    /// `"08:00"`.
    Time,
    /// `"127.0.0.1:8443"`.
    SocketAddress,
    /// `"10.0.0.1"`.
    Address,
    /// Not looked at.
    Anything,
}

/// Why a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// It is of another kind.
    Wrong {
        /// What is wrong, without the value.
        message: String,
        /// What to write.
        help: String,
    },
    /// It is a known word that this version does not implement.
    Planned(String),
}

impl Kind {
    /// The words a value of this kind is chosen from; `None` for all other kinds.
    fn words(self) -> Option<Words> {
        let words = |known, planned| Words {
            known,
            planned,
            bare: true,
            others: "",
        };
        match self {
            Self::Word(known) => Some(words(known, &[])),
            Self::WordOrPlanned { known, planned } | Self::ChoiceOrWord { known, planned, .. } => {
                Some(words(known, planned))
            }
            Self::WordElsePlanned { known, planned } => Some(Words {
                others: NAME,
                ..words(known, planned)
            }),
            Self::WordOrSet(known) => Some(Words {
                others: SET,
                ..words(known, &[])
            }),
            Self::Choice(known) => Some(Words {
                bare: false,
                ..words(known, &[])
            }),
            Self::Name
            | Self::SetName
            | Self::NameOrSet
            | Self::FieldPath
            | Self::Text
            | Self::Pattern
            | Self::Resource
            | Self::Network
            | Self::Integer { .. }
            | Self::Bool
            | Self::Duration
            | Self::FineDuration
            | Self::Size
            | Self::Instant
            | Self::Date
            | Self::Time
            | Self::SocketAddress
            | Self::Address
            | Self::Anything => None,
        }
    }

    /// A few words for the reference and for help texts.
    #[must_use]
    pub fn describe(self) -> String {
        let text = match self {
            Self::Word(_)
            | Self::WordOrPlanned { .. }
            | Self::WordElsePlanned { .. }
            | Self::WordOrSet(_)
            | Self::Choice(_) => return self.words().map(Words::describe).unwrap_or_default(),
            Self::ChoiceOrWord { texts, known, .. } => {
                let texts = texts.iter().map(|text| format!("\"{text}\""));
                let words = known.iter().map(|word| (*word).to_owned());
                let all: Vec<String> = texts.chain(["PATTERN".to_owned()]).chain(words).collect();
                return format!("({})", all.join("|"));
            }
            Self::Name => "NAME",
            Self::SetName => "\"@name\"",
            Self::NameOrSet => "(NAME|\"@name\")",
            Self::FieldPath => "PATH",
            Self::Text => "TEXT",
            Self::Pattern => "PATTERN",
            Self::Resource => "RESOURCE",
            Self::Network => "NETWORK",
            Self::Integer { .. } => "INTEGER",
            Self::Bool => "(#true|#false)",
            Self::Duration | Self::FineDuration => "DURATION",
            Self::Size => "SIZE",
            Self::Instant => "INSTANT",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::SocketAddress => "ADDRESS:PORT",
            Self::Address => "ADDRESS",
            Self::Anything => "VALUE",
        };
        text.to_owned()
    }

    /// The words of this kind that this version implements.
    pub(super) fn implemented(self) -> String {
        self.words()
            .map_or_else(|| self.describe(), |words| words.known.join(" | "))
    }

    /// True if a text at this place is a word of the language and is written bare.
    #[must_use]
    pub fn is_word(self, text: &str) -> bool {
        self.words().is_some_and(|words| {
            words.bare && (words.known.contains(&text) || words.planned.contains(&text))
        })
    }

    /// Checks one value.
    ///
    /// # Errors
    /// [`Mismatch`] says what is wrong and what to write.
    pub fn check(self, value: &Value) -> Result<(), Mismatch> {
        match self {
            Self::Anything => Ok(()),
            Self::Integer { min, max } => integer(value, min, max),
            Self::Bool => match value.scalar {
                Scalar::Bool(_) => Ok(()),
                Scalar::Text(_) | Scalar::Integer(_) | Scalar::Null => {
                    Err(wrong("no truth value", "write #true or #false"))
                }
            },
            Self::Pattern | Self::ChoiceOrWord { .. } if value.mark == Some(Mark::Regex) => {
                match &value.scalar {
                    Scalar::Text(text) if !text.is_empty() => Ok(()),
                    Scalar::Text(_) | Scalar::Integer(_) | Scalar::Bool(_) | Scalar::Null => {
                        Err(wrong("no regular expression", "write (re)\"…\""))
                    }
                }
            }
            Self::Word(_)
            | Self::WordOrPlanned { .. }
            | Self::WordElsePlanned { .. }
            | Self::WordOrSet(_)
            | Self::Choice(_)
            | Self::ChoiceOrWord { .. }
            | Self::Name
            | Self::SetName
            | Self::NameOrSet
            | Self::FieldPath
            | Self::Text
            | Self::Pattern
            | Self::Resource
            | Self::Network
            | Self::Duration
            | Self::FineDuration
            | Self::Size
            | Self::Instant
            | Self::Date
            | Self::Time
            | Self::SocketAddress
            | Self::Address => self.check_text(value),
        }
    }

    fn check_text(self, value: &Value) -> Result<(), Mismatch> {
        if value.mark.is_some() {
            return Err(wrong(
                "type mark where none belongs",
                "remove the mark before the value",
            ));
        }
        let Scalar::Text(text) = &value.scalar else {
            return Err(wrong("no text", self.example()));
        };
        if let Some(words) = self.words()
            && words.is_planned(text)
        {
            return Err(Mismatch::Planned(text.clone()));
        }
        if self.accepts(text) {
            return Ok(());
        }
        if self == Self::FieldPath
            && let Err(fault) = FieldPath::parse(text)
        {
            let message = format!("no field path: {} at byte {}", fault.problem, fault.offset);
            let help = fault.help.to_owned();
            return Err(Mismatch::Wrong { message, help });
        }
        let help = match (self, self.words()) {
            (Self::ChoiceOrWord { texts, .. }, Some(words)) => words.hint_among(texts, text),
            (_, Some(words)) => words.hint(text),
            (_, None) => self.example().to_owned(),
        };
        Err(Mismatch::Wrong {
            message: self.complaint().to_owned(),
            help,
        })
    }

    fn accepts(self, text: &str) -> bool {
        match self {
            Self::Word(words) | Self::Choice(words) => words.contains(&text),
            Self::WordOrPlanned { known, .. } | Self::WordElsePlanned { known, .. } => {
                known.contains(&text)
            }
            Self::WordOrSet(words) => words.contains(&text) || is_set_name(text),
            Self::ChoiceOrWord { texts, known, .. } => {
                texts.contains(&text) || known.contains(&text)
            }
            Self::Name => is_name(text),
            Self::SetName => is_set_name(text),
            Self::NameOrSet => is_name(text) || is_set_name(text),
            Self::FieldPath => FieldPath::parse(text).is_ok(),
            Self::Text | Self::Pattern | Self::Resource => !text.is_empty(),
            Self::Network => {
                let plain = text.strip_prefix('!').unwrap_or(text);
                is_set_name(plain) || parse_network(plain).is_some()
            }
            Self::Duration => parse_duration(text).is_some_and(|span| span.subsec_nanos() == 0),
            Self::FineDuration => parse_duration(text).is_some(),
            Self::Size => parse_size(text).is_some(),
            Self::Instant => parse_instant(text).is_some(),
            Self::Date => parse_date(text).is_some(),
            Self::Time => parse_time(text).is_some(),
            Self::SocketAddress => text.parse::<SocketAddr>().is_ok(),
            Self::Address => text.parse::<IpAddr>().is_ok(),
            Self::Anything => true,
            Self::Integer { .. } | Self::Bool => false,
        }
    }

    const fn complaint(self) -> &'static str {
        match self {
            Self::Word(_)
            | Self::WordOrPlanned { .. }
            | Self::WordElsePlanned { .. }
            | Self::Choice(_)
            | Self::ChoiceOrWord { .. }
            | Self::WordOrSet(_) => "not known here",
            Self::Name | Self::NameOrSet => "no name",
            Self::FieldPath => "no field path",
            Self::SetName => "no set",
            Self::Text | Self::Pattern | Self::Resource | Self::Anything => "empty text",
            Self::Network => "no address or network",
            Self::Integer { .. } => "no integer",
            Self::Bool => "no truth value",
            Self::Duration | Self::FineDuration => "no duration",
            Self::Size => "no size",
            Self::Instant => "no instant",
            Self::Date => "no date",
            Self::Time => "no time of day",
            Self::SocketAddress => "no address with port",
            Self::Address => "no address",
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Word(_)
            | Self::WordOrPlanned { .. }
            | Self::WordElsePlanned { .. }
            | Self::Choice(_)
            | Self::ChoiceOrWord { .. }
            | Self::WordOrSet(_) => "write one of the words the line knows",
            Self::FieldPath => {
                "write \"data.*\", \"spec.containers[*].image\" or \"metadata.labels['a.b/c']\""
            }
            Self::Name | Self::NameOrSet => {
                "a name has up to 63 lower-case letters, digits, `.`, `_`, `-` and begins with a letter or digit"
            }
            Self::SetName => "write \"@name\"",
            Self::Text | Self::Pattern | Self::Anything => "write a text in quotes",
            Self::Resource => "write \"pods\", \"deployments.apps/scale\" or \"@set\"",
            Self::Network => "write \"203.0.113.0/24\" or \"2001:db8::/32\", host bits zero",
            Self::Integer { .. } => "write a whole number without quotes",
            Self::Bool => "write #true or #false",
            Self::Duration => "write \"90s\", \"15m\", \"8h\" or \"7d\"",
            Self::FineDuration => "write \"250ms\", \"90s\", \"15m\", \"8h\" or \"7d\"",
            Self::Size => "write \"512B\", \"64KiB\", \"200MiB\" or \"2GiB\"",
            Self::Instant => "write \"2026-11-18T10:00:00Z\", or a date for its end in UTC",
            Self::Date => "write \"2027-03-01\"",
            Self::Time => "write \"08:00\"",
            Self::SocketAddress => "write \"127.0.0.1:8443\" or \"[::]:8443\"",
            Self::Address => "write \"203.0.113.7\" or \"2001:db8::7\"",
        }
    }
}

/// What may stand beside the words of a kind.
const NAME: &str = "NAME";
const SET: &str = "\"@set\"";

/// Words a value is chosen from.
#[derive(Debug, Clone, Copy)]
struct Words {
    known: &'static [&'static str],
    planned: &'static [&'static str],
    /// They are words of the language, not names of something outside it.
    bare: bool,
    /// What else may stand there.
    others: &'static str,
}

impl Words {
    /// What this version implements: `(allow|deny)`.
    fn describe(self) -> String {
        let quote = if self.bare { "" } else { "\"" };
        let words = self
            .known
            .iter()
            .map(|word| format!("{quote}{word}{quote}"));
        let others = (self.others == SET).then(|| SET.to_owned());
        let all: Vec<String> = words.chain(others).collect();
        if all.len() == 1 {
            all.concat()
        } else {
            format!("({})", all.join("|"))
        }
    }

    /// A word of a later version, or a name where only later versions take names.
    fn is_planned(self, text: &str) -> bool {
        self.planned.contains(&text) || (self.others == NAME && !self.known.contains(&text))
    }

    fn hint(self, text: &str) -> String {
        // Of names, such as those of algorithms, the nearest is no better guess than any other.
        let near = self
            .bare
            .then(|| nearest(text, self.known.iter().copied()))
            .flatten();
        near.map_or_else(
            || format!("known are {}", self.known.join(", ")),
            |word| format!("did you mean `{word}`?"),
        )
    }

    /// The same where texts stand beside the words.
    fn hint_among(self, texts: &'static [&'static str], text: &str) -> String {
        let all = || texts.iter().chain(self.known).copied();
        nearest(text, all()).map_or_else(
            || {
                format!(
                    "known are {}, and (re)\"…\"",
                    all().collect::<Vec<_>>().join(", ")
                )
            },
            |word| format!("did you mean `{word}`?"),
        )
    }
}

fn wrong(message: &str, help: &str) -> Mismatch {
    Mismatch::Wrong {
        message: message.to_owned(),
        help: help.to_owned(),
    }
}

fn integer(value: &Value, min: i64, max: i64) -> Result<(), Mismatch> {
    match (&value.scalar, value.mark) {
        (Scalar::Integer(number), None) if (i128::from(min)..=i128::from(max)).contains(number) => {
            Ok(())
        }
        (Scalar::Integer(_), None) => {
            let help = format!("write a number from {min} to {max}");
            Err(Mismatch::Wrong {
                message: "a number out of range".to_owned(),
                help,
            })
        }
        (Scalar::Text(_) | Scalar::Integer(_) | Scalar::Bool(_) | Scalar::Null, _) => {
            Err(wrong("no integer", "write a whole number without quotes"))
        }
    }
}

/// BOUND: letters of a name; it stands in audit events, metrics and file names.
const NAME_LENGTH_MAX: usize = 63;

fn is_name(text: &str) -> bool {
    let inner =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    text.len() <= NAME_LENGTH_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(inner)
}

fn is_set_name(text: &str) -> bool {
    text.strip_prefix('@').is_some_and(is_name)
}

/// `"90s"`, `"15m"`, `"8h"`, `"7d"`, `"250ms"`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    // BOUND: eleven digits cannot overflow below, and no duration needs more.
    let number: u64 = (number.len() <= 11)
        .then(|| number.parse().ok())
        .flatten()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        "h" => Some(Duration::from_secs(number * 3_600)),
        "d" => Some(Duration::from_secs(number * 86_400)),
        _ => None,
    }
}

/// `"512B"`, `"64KiB"`, `"200MiB"`, `"2GiB"`.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// RFC 3339, or a date that stands for its end in UTC.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    parse_date_end(text).or_else(|| text.parse().ok())
}

/// The end of a day in UTC: the first instant of the next one.
#[must_use]
pub fn parse_date_end(text: &str) -> Option<Timestamp> {
    let next = parse_date(text)?.tomorrow().ok()?;
    Some(next.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// `2027-03-01` and nothing else that a lenient reader would take for a date.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    shaped.then(|| text.parse().ok()).flatten()
}

/// `08:00`, `24:00` excluded.
pub(super) fn parse_time(text: &str) -> Option<Time> {
    let shaped = text.len() == 5
        && text.bytes().enumerate().all(|(at, byte)| match at {
            2 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    shaped.then(|| text.parse().ok()).flatten()
}

/// An address or a network whose host bits are zero: `10.0.0.7/24` is more likely a slip than a
/// wish for the whole network.
pub(crate) fn parse_network(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address));
    }
    let network: IpNet = text.parse().ok()?;
    (network.addr() == network.network()).then_some(network)
}
