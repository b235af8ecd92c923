//! Typed values of a node that [`conform`](super::conform) has passed: what is missing here is
//! either left out or already reported.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::{Date, Time};

use super::kind::{parse_date, parse_date_end, parse_duration, parse_instant};
use super::kind::{parse_network, parse_size, parse_time};
use crate::source::{Node, Scalar, Value};

impl Value {
    /// An integer.
    #[must_use]
    pub fn integer(&self) -> Option<i128> {
        match (&self.scalar, self.mark) {
            (Scalar::Integer(number), None) => Some(*number),
            (Scalar::Integer(_) | Scalar::Text(_) | Scalar::Bool(_) | Scalar::Null, _) => None,
        }
    }

    /// `#true` or `#false`.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        match self.scalar {
            Scalar::Bool(value) => Some(value),
            Scalar::Text(_) | Scalar::Integer(_) | Scalar::Null => None,
        }
    }

    /// A duration.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        parse_duration(self.text()?)
    }

    /// A size in bytes.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        parse_size(self.text()?)
    }

    /// An instant.
    #[must_use]
    pub fn instant(&self) -> Option<Timestamp> {
        parse_instant(self.text()?)
    }

    /// The end of a day in UTC.
    #[must_use]
    pub fn date_end(&self) -> Option<Timestamp> {
        parse_date_end(self.text()?)
    }

    /// A local date.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        parse_date(self.text()?)
    }

    /// A time of day.
    #[must_use]
    pub fn time(&self) -> Option<Time> {
        parse_time(self.text()?)
    }

    /// An address or network.
    #[must_use]
    pub fn network(&self) -> Option<IpNet> {
        parse_network(self.text()?)
    }

    /// An address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.text()?.parse().ok()
    }

    /// An address with port.
    #[must_use]
    pub fn socket_address(&self) -> Option<SocketAddr> {
        self.text()?.parse().ok()
    }
}

impl Node {
    /// The first line below with this word.
    #[must_use]
    pub fn line(&self, word: &str) -> Option<&Self> {
        self.below().iter().find(|line| line.word == word)
    }

    /// All lines below with this word.
    pub fn lines<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a Self> {
        self.below().iter().filter(move |line| line.word == word)
    }

    /// All lines below.
    #[must_use]
    pub fn below(&self) -> &[Self] {
        self.children.as_deref().unwrap_or(&[])
    }

    /// The text at a position.
    #[must_use]
    pub fn text(&self, position: usize) -> Option<&str> {
        self.values.get(position)?.text()
    }

    /// All texts from a position on.
    #[must_use]
    pub fn texts(&self, from: usize) -> Vec<String> {
        let values = self.values.iter().skip(from);
        values
            .filter_map(|value| value.text().map(str::to_owned))
            .collect()
    }

    /// The integer at a position.
    #[must_use]
    pub fn integer(&self, position: usize) -> Option<i128> {
        self.values.get(position)?.integer()
    }

    /// The truth value at a position.
    #[must_use]
    pub fn bool(&self, position: usize) -> Option<bool> {
        self.values.get(position)?.bool()
    }

    /// The duration at a position.
    #[must_use]
    pub fn duration(&self, position: usize) -> Option<Duration> {
        self.values.get(position)?.duration()
    }

    /// The size at a position, in bytes.
    #[must_use]
    pub fn size(&self, position: usize) -> Option<u64> {
        self.values.get(position)?.size()
    }

    /// The address with port at a position.
    #[must_use]
    pub fn socket_address(&self, position: usize) -> Option<SocketAddr> {
        self.values.get(position)?.socket_address()
    }

    /// All networks from a position on.
    #[must_use]
    pub fn networks(&self, from: usize) -> Vec<IpNet> {
        self.values
            .iter()
            .skip(from)
            .filter_map(Value::network)
            .collect()
    }

    /// The text of a property.
    #[must_use]
    pub fn property_text(&self, name: &str) -> Option<&str> {
        self.property(name)?.text()
    }
}
