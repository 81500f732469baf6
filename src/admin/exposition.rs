//! The Prometheus text format, version 0.0.4: families with help and type, then their samples.

use std::fmt::Write;

/// What the numbers of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Goes up and down.
    Gauge,
    /// Only grows, until the process starts anew.
    Counter,
}

/// A text of metrics that is being written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// A family that takes samples.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family; the name comes without the prefix `statekeeper_`, except for `process_`
    /// names, which have the same meaning everywhere.
    pub fn family(&mut self, name: &'static str, kind: MetricKind, help: &str) -> Family<'_> {
        let kind = match kind {
            MetricKind::Gauge => "gauge",
            MetricKind::Counter => "counter",
        };
        let prefix = prefix(name);
        // Writing to a string cannot fail; the same holds below.
        let _ = writeln!(self.text, "# HELP {prefix}{name} {help}");
        let _ = writeln!(self.text, "# TYPE {prefix}{name} {kind}");
        Family { text: &mut self.text, name }
    }

    /// A family of one number.
    pub fn single(
        &mut self,
        name: &'static str,
        kind: MetricKind,
        help: &str,
        value: impl Into<Number>,
    ) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// Adds a number under its labels. Label values are from fixed sets, or object names of which
    /// there are few; never keys, client ids or addresses.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) {
        let _ = write!(self.text, "{}{}", prefix(self.name), self.name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = match value.into() {
            Number::Whole(number) => writeln!(self.text, "{end} {number}"),
            Number::Signed(number) => writeln!(self.text, "{end} {number}"),
            Number::Real(number) => writeln!(self.text, "{end} {number}"),
        };
    }
}

/// A number of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A count.
    Whole(u64),
    /// A difference.
    Signed(i64),
    /// Seconds and ratios.
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self::Signed(number)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<bool> for Number {
    fn from(flag: bool) -> Self {
        Self::Whole(u64::from(flag))
    }
}

fn prefix(name: &str) -> &'static str {
    if name.starts_with("process_") { "" } else { "statekeeper_" }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_help_type_and_samples_with_escaped_labels() {
        let mut metrics = Exposition::default();
        metrics.single("raft_term", MetricKind::Gauge, "The term.", 7_u64);
        let mut family = metrics.family("map_evictions_total", MetricKind::Counter, "Evictions.");
        family.sample(&[("map", "a\"b\\c\nd"), ("cause", "size")], 3_u64);
        family.sample(&[("map", "x"), ("cause", "size")], 0.5);
        metrics.single("process_open_fds", MetricKind::Gauge, "Files.", -1_i64);
        let expected = "# HELP statekeeper_raft_term The term.\n\
            # TYPE statekeeper_raft_term gauge\n\
            statekeeper_raft_term 7\n\
            # HELP statekeeper_map_evictions_total Evictions.\n\
            # TYPE statekeeper_map_evictions_total counter\n\
            statekeeper_map_evictions_total{map=\"a\\\"b\\\\c\\nd\",cause=\"size\"} 3\n\
            statekeeper_map_evictions_total{map=\"x\",cause=\"size\"} 0.5\n\
            # HELP process_open_fds Files.\n\
            # TYPE process_open_fds gauge\n\
            process_open_fds -1\n";
        assert_eq!(metrics.into_text(), expected);
    }
}
