//! Metrics as monitors read them: Prometheus' text format, version 0.0.4.
//!
//! Each layer counts in plain numbers of its own and writes them into an [`Exposition`] when it is
//! asked. Names follow Prometheus' conventions: seconds and bytes, and `_total` behind what only
//! grows. Labels have few values, which are known beforehand: no names of people or rooms.

use std::fmt::{self, Display, Write};
use std::time::Duration;

/// What the format is called in HTTP.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics, as it grows.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It only grows, from zero at the start.
    Counter,
    Gauge,
    Histogram,
}

impl Exposition {
    /// What only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.begin(name, Kind::Counter, help);
        self.sample(name, None, value);
    }

    /// What goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.begin(name, Kind::Gauge, help);
        self.sample(name, None, value);
    }

    /// Counters that differ in one label.
    pub fn counters<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, V)>,
    ) {
        self.begin(name, Kind::Counter, help);
        self.samples(name, label, values);
    }

    /// Gauges that differ in one label.
    pub fn gauges<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, V)>,
    ) {
        self.begin(name, Kind::Gauge, help);
        self.samples(name, label, values);
    }

    /// How long something took, each time.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.begin(name, Kind::Histogram, help);
        let bucket = format!("{name}_bucket");
        let mut so_far = 0;
        for ((_, bound), count) in BUCKETS.iter().zip(&histogram.counts) {
            so_far += count;
            self.sample(&bucket, Some(("le", bound)), so_far);
        }
        let total = so_far + histogram.over;
        self.sample(&bucket, Some(("le", "+Inf")), total);
        self.sample(&format!("{name}_sum"), None, histogram.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), None, total);
    }

    pub fn into_text(self) -> String {
        self.0
    }

    fn begin(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn samples<V: Display>(
        &mut self,
        name: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, V)>,
    ) {
        for (of, value) in values {
            self.sample(name, Some((label, of)), value);
        }
    }

    fn sample(&mut self, name: &str, label: Option<(&str, &str)>, value: impl Display) {
        match label {
            Some((label, of)) => self.line(format_args!("{name}{{{label}=\"{of}\"}} {value}\n")),
            None => self.line(format_args!("{name} {value}\n")),
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        self.0.write_fmt(line).expect("a string takes all");
    }
}

/// The upper bounds of a histogram's buckets: nanoseconds, and the same in seconds. They reach from
/// a turn in which hardly anything happens to a disk that makes everybody wait.
const BUCKETS: [(u64, &str); 15] = [
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (5_000_000_000, "5"),
];

/// How often something took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Of each bucket, those alone that fit into no smaller one.
    counts: [u64; BUCKETS.len()],
    /// Those that fit into none.
    over: u64,
    sum: Duration,
}

impl Histogram {
    /// It took so long once more.
    pub fn observe(&mut self, took: Duration) {
        self.sum += took;
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        match BUCKETS.iter().position(|(bound, _)| nanos <= *bound) {
            Some(bucket) => self.counts[bucket] += 1,
            None => self.over += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_as_the_format_has_them() {
        let mut page = Exposition::default();
        page.counter("lines_total", "Lines.", 7);
        page.gauges("clients", "Clients.", "wire", [("lines", 1), ("http", 2)]);
        assert_eq!(
            page.into_text(),
            "# HELP lines_total Lines.\n# TYPE lines_total counter\nlines_total 7\n\
             # HELP clients Clients.\n# TYPE clients gauge\n\
             clients{wire=\"lines\"} 1\nclients{wire=\"http\"} 2\n"
        );
    }

    #[test]
    fn buckets_hold_what_is_no_longer_than_their_bound() {
        let mut histogram = Histogram::default();
        for nanos in [0, 50_000, 50_001, 5_000_000_000, 5_000_000_001] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let mut page = Exposition::default();
        page.histogram("turn_seconds", "Turns.", &histogram);
        let text = page.into_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "# TYPE turn_seconds histogram");
        assert_eq!(
            lines[2..4],
            ["turn_seconds_bucket{le=\"0.00005\"} 2", "turn_seconds_bucket{le=\"0.0001\"} 3"]
        );
        assert_eq!(
            lines[16..],
            [
                "turn_seconds_bucket{le=\"5\"} 4",
                "turn_seconds_bucket{le=\"+Inf\"} 5",
                "turn_seconds_sum 10.000100002",
                "turn_seconds_count 5"
            ]
        );
    }

    #[test]
    fn bounds_grow_and_are_the_same_in_both_units() {
        assert!(BUCKETS.is_sorted_by(|one, next| one.0 < next.0));
        for (nanos, seconds) in BUCKETS {
            let written: f64 = seconds.parse().expect("a number");
            assert_eq!((written * 1e9).round() as u64, nanos);
        }
    }
}
