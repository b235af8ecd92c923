//! Which of the tools is exact: a small corpus of texts on which a mask goes wrong.

use std::io::{self, Write as _};

use anyhow::Result;

use crate::peers::{Job, MARKER, Peer};

/// In the values that are masked.
const CANARY: &str = "Q0FOQVJZ";

/// One thing that a mask must get right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// A name written with an escape is the same name.
    EscapedKey,
    /// A name may come again; clients differ in which one they take.
    RepeatedKey,
    /// What is no JSON is no answer.
    BrokenText,
    /// What is JSON is taken: large numbers, lone surrogates, depth.
    WholeGrammar,
    /// Every byte outside the masked values stays.
    Verbatim,
    /// The answer is masked while it comes, wherever it is cut.
    InPieces,
}

/// How one tool did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The tool.
    pub name: &'static str,
    /// What it got wrong.
    pub failed: Vec<Trap>,
}

impl Trap {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::EscapedKey,
        Self::RepeatedKey,
        Self::BrokenText,
        Self::WholeGrammar,
        Self::Verbatim,
        Self::InPieces,
    ];

    const fn failure(self) -> &'static str {
        match self {
            Self::EscapedKey => "leaks the value of an escaped key",
            Self::RepeatedKey => "leaks the value of a repeated key",
            Self::BrokenText => "takes broken text",
            Self::WholeGrammar => "refuses valid text",
            Self::Verbatim => "changes or loses bytes outside masks",
            Self::InPieces => "wants the whole text first",
        }
    }

    fn texts(self) -> Vec<String> {
        let texts: &[&str] = match self {
            Self::EscapedKey => &[
                r#"{"items":[{"d\u0061ta":{"k":"CANARY"}}]}"#,
                r#"{"\u0069tems":[{"\u0064\u0061\u0074\u0061":{"k":"CANARY"}}]}"#,
            ],
            Self::RepeatedKey => &[
                r#"{"items":[{"data":{"k":"CANARY"},"data":{"k":"CANARY"}}]}"#,
                r#"{"items":[{"data":{"k":"CANARY","k":"CANARY"}}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"}}],"items":[{"data":{"k":"CANARY"}}]}"#,
            ],
            Self::BrokenText => &[
                r#"{"items":[{"data":{"k":"CANARY"},"x":tru}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"x":[}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"x":[1 2]}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"x":01}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"x" 1}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"}}"#,
                "{\"items\":[{\"data\":{\"k\":\"CANARY\"},\"x\":\"\u{1}\"}]}",
                r#"{"items":[{"data":{"k":"CANARY"},"x":"\q"}]}"#,
            ],
            Self::WholeGrammar => &[
                r#"{"items":[{"data":{"k":"CANARY"},"x":1e400}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"x":12345678901234567890123}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"x":"\ud800"}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"x":DEEP}]}"#,
            ],
            Self::Verbatim => &[
                r#"{"items":[{"data":{"k":"CANARY"},"n":[1.10,1E2,-0,0.1e-7]}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"n":[9007199254740993,123456789012345678901]}]}"#,
                r#"{"items":[{"data":{"k":"CANARY"},"s":"\/\u00e9\u0041<>"}]}"#,
                "{ \"items\" :\n\t[ {\"z\": 1, \"data\" : {\"k\" : \"CANARY\" } , \"a\" :{ } } ] }\n",
                r#"{"items":[{"data":{"k":"CANARY"},"n":1,"n":2}]}"#,
            ],
            Self::InPieces => &[
                "{ \"items\" : [ {\"d\\u0061ta\" : {\"\\ud83d\\ude00\" : \"CANARY\" } , \"n\" : -1.5e+7 } , true ] }\n",
            ],
        };
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        texts
            .iter()
            .map(|text| text.replace("CANARY", CANARY).replace("DEEP", &deep))
            .collect()
    }

    fn is_passed(self, peer: &mut dyn Peer) -> bool {
        self.texts().iter().all(|text| {
            let mut out = Vec::new();
            let masked = peer.mask(text.as_bytes(), &mut out);
            let out = String::from_utf8_lossy(&out).into_owned();
            match self {
                // A tool that refuses the text gives nothing away.
                Self::EscapedKey | Self::RepeatedKey => masked.is_err() || !out.contains(CANARY),
                Self::BrokenText => masked.is_err(),
                Self::WholeGrammar => masked.is_ok(),
                Self::Verbatim => masked.is_ok() && out == text.replace(CANARY, MARKER),
                Self::InPieces => {
                    let wanted = text.replace(CANARY, MARKER);
                    (0..=text.len()).all(|cut| {
                        let (one, two) = text.as_bytes().split_at(cut);
                        let mut out = Vec::new();
                        let masked = peer.mask_pieces(&[one, two], &mut out);
                        masked.is_some_and(|masked| masked.is_ok()) && out == wanted.as_bytes()
                    })
                }
            }
        })
    }
}

/// The masks of the traps.
///
/// # Errors
/// Never.
pub fn job() -> Result<Job> {
    Job::new("items[*]", &["data.*"])
}

/// Runs a tool that was made for [`job`] through all traps.
pub fn judge(peer: &mut dyn Peer) -> Verdict {
    let mut failed = Trap::ALL.to_vec();
    failed.retain(|trap| !trap.is_passed(peer));
    Verdict {
        name: peer.name(),
        failed,
    }
}

impl Verdict {
    /// Prints it as a row, with the reasons.
    ///
    /// # Errors
    /// If stdout cannot be written.
    pub fn print(&self) -> io::Result<()> {
        let reasons: Vec<&str> = self.failed.iter().map(|trap| trap.failure()).collect();
        let row = serde_json::json!({
            "bench": "masking.exact",
            "case": self.name,
            "unit": format!("of {}", Trap::ALL.len()),
            "value": Trap::ALL.len() - self.failed.len(),
            "exact": self.failed.is_empty(),
            "why": reasons.join("; "),
        });
        writeln!(io::stdout().lock(), "{row}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_json_but_for_the_broken_ones() {
        for trap in Trap::ALL {
            for text in trap.texts() {
                let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&text);
                let is_json = trap != Trap::BrokenText;
                // The depth and the surrogate are beyond this reader.
                if trap != Trap::WholeGrammar {
                    assert_eq!(read.is_ok(), is_json, "{text}");
                }
            }
        }
    }
}
