//! Instants as Kubernetes writes them in audit events: RFC 3339, UTC, six decimals (`MicroTime`).

use std::fmt;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 0001-01-01T00:00:00.000000Z: RFC 3339 has four year digits and no sign.
const EARLIEST_MICROS: i64 = -62_135_596_800_000_000;
/// 9999-12-30T22:00:00.000000Z: the last second that is in the year 9999 in every time zone.
const LATEST_MICROS: i64 = 253_402_207_200_000_000;

/// Microseconds since 1970-01-01T00:00:00Z, within the years RFC 3339 can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroTime(i64);

impl MicroTime {
    /// The instant, held inside the years 1 to 9999: a broken clock must not cost the record.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(EARLIEST_MICROS, LATEST_MICROS))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for MicroTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The clamp keeps the value inside the range of `Timestamp`; the epoch stands in for what
        // cannot happen.
        let instant = Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(f, "{instant:.6}")
    }
}

impl Serialize for MicroTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MicroTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let instant: Timestamp = text.parse().map_err(D::Error::custom)?;
        let time = Self::from_micros(instant.as_microsecond());
        // One spelling per instant, so that a line that decodes encodes to the same bytes.
        if time.to_string() == text {
            Ok(time)
        } else {
            Err(D::Error::custom(
                "a time is written in UTC with six decimals",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_six_decimals_and_survives_every_clock() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (1_767_225_600_000_000, "2026-01-01T00:00:00.000000Z"),
            (951_782_400_120_000, "2000-02-29T00:00:00.120000Z"),
            (i64::MIN, "0001-01-01T00:00:00.000000Z"),
            (i64::MAX, "9999-12-30T22:00:00.000000Z"),
        ] {
            assert_eq!(MicroTime::from_micros(micros).to_string(), text);
        }
    }
}
