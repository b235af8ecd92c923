//! One line of output.

use std::io::{self, Write};

/// A measured value, beside a peer's if there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    /// What was measured: `policy.head_p50`.
    pub bench: &'a str,
    /// At which size or in which setting.
    pub case: &'a str,
    /// Unit of both values.
    pub unit: &'a str,
    /// Ours.
    pub value: f64,
    /// The peer's name and value.
    pub peer: Option<(&'a str, f64)>,
}

impl Row<'_> {
    /// Prints the row on stdout.
    ///
    /// # Errors
    ///
    /// If stdout cannot be written.
    pub fn print(&self) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{}", self.to_json())
    }

    fn to_json(&self) -> serde_json::Value {
        let mut row = serde_json::json!({
            "bench": self.bench,
            "case": self.case,
            "unit": self.unit,
            "value": rounded(self.value),
        });
        if let (Some((peer, value)), Some(fields)) = (self.peer, row.as_object_mut()) {
            fields.insert("peer".to_owned(), peer.into());
            fields.insert("peer_value".to_owned(), rounded(value).into());
            if let Some(ratio) = self.ratio(value) {
                fields.insert("ratio".to_owned(), rounded(ratio).into());
            }
        }
        row
    }

    /// Above 1 is better than the peer. Of a rate more is better, of everything else less.
    fn ratio(&self, peer: f64) -> Option<f64> {
        let (better, worse) = if self.unit.ends_with("/s") {
            (self.value, peer)
        } else {
            (peer, self.value)
        };
        (worse > 0.0).then(|| better / worse)
    }
}

/// Three digits after the point: more would be noise.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_json_object() {
        let row = Row {
            bench: "policy.head_p50",
            case: "10",
            unit: "us",
            value: 0.25,
            peer: None,
        };
        assert_eq!(
            row.to_json().to_string(),
            r#"{"bench":"policy.head_p50","case":"10","unit":"us","value":0.25}"#
        );
        let row = Row {
            peer: Some(("other", 5.0)),
            ..row
        };
        assert_eq!(
            row.to_json().to_string(),
            r#"{"bench":"policy.head_p50","case":"10","unit":"us","value":0.25,"peer":"other","peer_value":5.0,"ratio":20.0}"#
        );
    }

    #[test]
    fn a_ratio_above_one_is_better_than_the_peer() {
        let rate = Row {
            bench: "b",
            case: "c",
            unit: "1/s",
            value: 900.0,
            peer: None,
        };
        assert_eq!(rate.ratio(1000.0), Some(0.9));
        let time = Row { unit: "us", ..rate };
        assert_eq!(time.ratio(450.0), Some(0.5));
        let none = Row { value: 0.0, ..time };
        assert_eq!(none.ratio(450.0), None);
    }
}
