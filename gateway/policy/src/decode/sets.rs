//! `sets.kdl`.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::Draft;
use super::resolve::{Space, Target};
use crate::diagnostic::{Code, Finding};
use crate::model::{Schedule, Weekly};
use crate::source::{Node, Value};

impl Draft<'_> {
    pub(super) fn set(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::Set, node)?;
        match node.word.as_str() {
            "namespace-set" => {
                let read = |draft: &mut Self, values: &[Value]| draft.namespace_set_terms(values);
                let terms = self.set_terms(node, read)?;
                self.bundle.namespace_sets.insert(name, terms);
            }
            "resource-set" => {
                let terms = self.set_terms(node, Self::resource_terms)?;
                self.bundle.resource_sets.insert(name, terms);
            }
            "verb-set" => {
                let terms = self.set_terms(node, Self::verb_terms)?;
                self.bundle.verb_sets.insert(name, terms);
            }
            "cidr-set" => {
                let terms = self.set_terms(node, Self::network_terms)?;
                self.bundle.cidr_sets.insert(name, terms);
            }
            _ => return None,
        }
        Some(())
    }

    fn namespace_set_terms(
        &mut self,
        values: &[Value],
    ) -> Option<crate::model::Terms<crate::pattern::Pattern>> {
        if let Some(value) = values.iter().find(|value| value.text() == Some("@cluster")) {
            let help = "write \"@cluster\" on the `in` line of the rule";
            self.refuse("`@cluster` is no namespace", &value.location, help);
            return None;
        }
        self.pattern_terms(values, Target::NamespaceSet)
    }

    pub(super) fn schedule(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::Set, node)?;
        let zone_value = node.property("tz")?;
        let zone_name = zone_value.text()?.to_owned();
        let Ok(zone) = TimeZone::get(&zone_name) else {
            let message = format!("`{zone_name}` is no time zone");
            let finding = Finding::new(Code::GP204, message, zone_value.location.clone());
            self.report
                .add(finding.help("write an IANA name such as \"Europe/Berlin\" or \"UTC\""));
            return None;
        };
        let weekly = node
            .lines("weekly")
            .map(weekly)
            .collect::<Option<Vec<_>>>()?;
        let dates = |word: &str| {
            let values = node.line(word).map_or(&[][..], |line| &line.values);
            values.iter().map(Value::date).collect::<Option<Vec<_>>>()
        };
        let except_dates = dates("except-dates")?;
        let only_dates = dates("only-dates")?;
        let schedule = Schedule {
            zone,
            zone_name,
            weekly,
            except_dates,
            only_dates,
        };
        self.bundle.schedules.insert(name, schedule);
        Some(())
    }
}

fn weekly(line: &Node) -> Option<Weekly> {
    let days = line
        .values
        .iter()
        .map(|value| weekday(value.text()?))
        .collect::<Option<Vec<_>>>()?;
    let from = line.property("from")?.time()?;
    let to = line.property("to")?.time()?;
    Some(Weekly { days, from, to })
}

fn weekday(text: &str) -> Option<Weekday> {
    match text {
        "mon" => Some(Weekday::Monday),
        "tue" => Some(Weekday::Tuesday),
        "wed" => Some(Weekday::Wednesday),
        "thu" => Some(Weekday::Thursday),
        "fri" => Some(Weekday::Friday),
        "sat" => Some(Weekday::Saturday),
        "sun" => Some(Weekday::Sunday),
        _ => None,
    }
}
