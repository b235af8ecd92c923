//! Whether a schedule holds at an instant.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use crate::model::{Schedule, Weekly};

/// True if one of the weekly windows is open at the instant, in the wall time of the zone. An
/// instant has exactly one wall time, so gaps and overlaps of daylight saving need no rule.
///
/// A window belongs to the day on which it starts: past midnight it is the date of the evening
/// before that `except-dates` and `only-dates` look at.
#[must_use]
pub fn holds(schedule: &Schedule, at: Timestamp) -> bool {
    let local = schedule.zone.to_datetime(at);
    let date_counts = |date: Date| {
        !schedule.except_dates.contains(&date)
            && (schedule.only_dates.is_empty() || schedule.only_dates.contains(&date))
    };
    schedule.weekly.iter().any(|window| {
        starting_dates(window, local)
            .into_iter()
            .flatten()
            .any(|date| window.days.contains(&date.weekday()) && date_counts(date))
    })
}

/// The dates on which the window must have started to be open at this wall time: today if its start
/// has passed, yesterday if it runs past midnight and has not ended. Both for a window of a whole
/// day.
fn starting_dates(window: &Weekly, local: DateTime) -> [Option<Date>; 2] {
    let (time, today) = (local.time(), local.date());
    let overnight = window.to <= window.from;
    let started_today = time >= window.from && (overnight || time < window.to);
    let started_yesterday = overnight && time < window.to;
    [
        started_today.then_some(today),
        // Before the first date of the calendar there is no yesterday.
        started_yesterday.then(|| today.yesterday().ok()).flatten(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Weekday;

    fn schedule(days: &[Weekday], from: &str, to: &str) -> Schedule {
        Schedule {
            zone: jiff::tz::TimeZone::get("Europe/Berlin").expect("a bundled zone"),
            zone_name: "Europe/Berlin".to_owned(),
            weekly: vec![Weekly {
                days: days.to_vec(),
                from: from.parse().expect("a time"),
                to: to.parse().expect("a time"),
            }],
            except_dates: Vec::new(),
            only_dates: Vec::new(),
        }
    }

    fn check(schedule: &Schedule, cases: &[(&str, bool)]) {
        for (at, expected) in cases {
            let instant: Timestamp = at.parse().expect("an instant");
            assert_eq!(holds(schedule, instant), *expected, "{at}");
        }
    }

    #[test]
    fn a_window_includes_its_start_and_excludes_its_end() {
        let workday = schedule(&[Weekday::Wednesday], "08:00", "18:00");
        check(
            &workday,
            &[
                ("2026-11-18T06:59:59Z", false),
                ("2026-11-18T07:00:00Z", true),
                ("2026-11-18T16:59:59Z", true),
                ("2026-11-18T17:00:00Z", false),
                ("2026-11-19T10:00:00Z", false),
            ],
        );
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_it_starts() {
        let mut night = schedule(&[Weekday::Friday], "22:00", "06:00");
        let cases = [
            ("2026-11-20T21:00:00Z", true),
            ("2026-11-21T04:59:00Z", true),
            ("2026-11-21T05:00:00Z", false),
            ("2026-11-21T21:00:00Z", false),
            ("2026-11-20T03:00:00Z", false),
        ];
        check(&night, &cases);
        night.except_dates = vec!["2026-11-21".parse().expect("a date")];
        check(&night, &cases);
        night.except_dates = vec!["2026-11-20".parse().expect("a date")];
        check(
            &night,
            &[
                ("2026-11-20T21:00:00Z", false),
                ("2026-11-21T04:59:00Z", false),
            ],
        );
        night.except_dates.clear();
        night.only_dates = vec!["2026-11-20".parse().expect("a date")];
        check(
            &night,
            &[
                ("2026-11-21T04:59:00Z", true),
                ("2026-11-27T21:00:00Z", false),
            ],
        );
    }

    #[test]
    fn a_window_that_ends_where_it_starts_is_a_whole_day() {
        let day = schedule(&[Weekday::Friday], "06:00", "06:00");
        check(
            &day,
            &[
                ("2026-11-20T04:59:59Z", false),
                ("2026-11-20T05:00:00Z", true),
                ("2026-11-21T04:59:59Z", true),
                ("2026-11-21T05:00:00Z", false),
            ],
        );
    }

    #[test]
    fn wall_time_decides_when_clocks_change() {
        // 2026-10-25: 03:00 summer time becomes 02:00 winter time, so 02:30 comes twice.
        let night = schedule(&[Weekday::Sunday], "02:00", "03:00");
        check(
            &night,
            &[
                ("2026-10-24T23:59:59Z", false),
                ("2026-10-25T00:30:00Z", true),
                ("2026-10-25T01:30:00Z", true),
                ("2026-10-25T02:00:00Z", false),
            ],
        );
    }
}
