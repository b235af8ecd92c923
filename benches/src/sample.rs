//! Times of single calls, and their percentiles.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Values, sorted: times of single calls in microseconds where nothing else is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Calls `call` with each input and times each call by itself. Reading the clock is part of
    /// every time; [`clock_cost`] says how much.
    pub fn of_calls<I, T>(
        inputs: impl IntoIterator<Item = I>,
        mut call: impl FnMut(I) -> T,
    ) -> Self {
        let times = inputs.into_iter().map(|input| {
            let start = Instant::now();
            black_box(call(black_box(input)));
            start.elapsed()
        });
        Self::of_times(times)
    }

    fn of_times(times: impl Iterator<Item = Duration>) -> Self {
        let micros: Vec<f64> = times.map(|time| time.as_secs_f64() * 1e6).collect();
        Self::of_values(&micros)
    }

    /// Values measured elsewhere, in any order and unit.
    #[must_use]
    pub fn of_values(values: &[f64]) -> Self {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value below which so many of a hundred lie; 0 for an empty sample.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0
            .get(last * percent.min(100) / 100)
            .copied()
            .unwrap_or_default()
    }
}

/// Median cost of reading the clock twice, in microseconds.
#[must_use]
pub fn clock_cost() -> f64 {
    Sample::of_calls(0..100_000_u32, |number| number).percentile(50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_the_sorted_times() {
        let sample = Sample::of_times((1..=100).rev().map(Duration::from_micros));
        assert!((sample.percentile(50) - 50.0).abs() < 1e-9);
        assert!((sample.percentile(99) - 99.0).abs() < 1e-9);
        assert!((sample.percentile(100) - 100.0).abs() < 1e-9);
        assert!(Sample(Vec::new()).percentile(50).abs() < 1e-9);
    }
}
