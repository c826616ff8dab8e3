//! The two text formats of Prometheus: its own (0.0.4), and OpenMetrics 1.0.

use super::histogram::Distribution;
use std::fmt::Write;

/// What a family is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows; its samples end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// Always 1; what it says is in its labels. Its sample ends in `_info`.
    Info,
}

/// A family of metrics: a line of the table in `table.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Name without `_total`, `_info`, `_bucket`, ….
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its unit, which its name ends with; empty where it has none.
    pub unit: &'static str,
    /// Its labels, in this order.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence.
    pub help: &'static str,
}

/// A value, always exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// A whole number.
    Whole(i128),
    /// Millionths: microseconds of a metric in seconds.
    Millionths(i128),
}

impl Value {
    /// Milliseconds of a metric in seconds.
    pub fn millis(milliseconds: i64) -> Value {
        Value::Millionths(i128::from(milliseconds) * 1000)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Whole(value.into())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Whole(value as i128)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Whole(value.into())
    }
}

/// Which of both formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What a client that sends this `Accept` gets: OpenMetrics where it names that, and does not give it no weight.
    pub fn of(accept: &str) -> Format {
        let named = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let open = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            let (mut version, mut refused) = (true, false);
            for part in parts {
                match part.split_once('=').map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim())) {
                    Some((name, value)) if name == "version" => version = value.trim_matches('"').starts_with("1."),
                    Some((name, value)) if name == "q" => refused = value.trim_end_matches(['0', '.']).is_empty(),
                    _ => {}
                }
            }
            open && version && !refused
        });
        if named { Format::OpenMetrics } else { Format::Prometheus }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page of metrics in the making. Families come one after the other, each once.
#[derive(Debug)]
pub struct Page {
    format: Format,
    text: String,
    /// The family that is written, once its head is.
    open: Option<&'static str>,
    /// Every family that has a sample here.
    written: Vec<&'static str>,
}

impl Page {
    /// An empty page.
    pub fn new(format: Format) -> Page {
        Page { format, text: String::new(), open: None, written: Vec::new() }
    }

    /// A sample of a counter, a gauge or an info; `labels` are the values of the family's, in their order.
    pub fn sample(&mut self, family: &'static Family, labels: &[&str], value: impl Into<Value>) {
        self.head(family);
        let suffix = match family.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.line(family, suffix, labels, None, value.into());
    }

    /// An info.
    pub fn info(&mut self, family: &'static Family, labels: &[&str]) {
        self.sample(family, labels, 1u64);
    }

    /// A histogram.
    pub fn histogram(&mut self, family: &'static Family, labels: &[&str], seen: &Distribution) {
        self.head(family);
        let ends = seen.bounds.iter().map(|bound| decimal(i128::from(*bound))).chain(["+Inf".to_owned()]);
        for (end, count) in ends.zip(&seen.cumulative) {
            self.line(family, "_bucket", labels, Some(&end), (*count).into());
        }
        self.line(family, "_sum", labels, None, Value::Millionths(seen.sum.into()));
        self.line(family, "_count", labels, None, seen.count().into());
    }

    /// The whole page, and the names of the families that are on it.
    pub fn finish(mut self) -> (String, Vec<&'static str>) {
        if self.format == Format::OpenMetrics {
            self.text += "# EOF\n";
        }
        (self.text, self.written)
    }

    fn head(&mut self, family: &'static Family) {
        if self.open == Some(family.name) {
            return;
        }
        debug_assert!(!self.written.contains(&family.name), "{} is on the page twice", family.name);
        self.open = Some(family.name);
        self.written.push(family.name);
        let open = self.format == Format::OpenMetrics;
        let (suffix, kind) = match family.kind {
            Kind::Counter => (if open { "" } else { "_total" }, "counter"),
            Kind::Gauge => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
            Kind::Info if open => ("", "info"),
            Kind::Info => ("_info", "gauge"),
        };
        // A String takes everything that is written to it.
        let _ = writeln!(self.text, "# HELP {}{suffix} {}\n# TYPE {}{suffix} {kind}", family.name, family.help, family.name);
        if open && !family.unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {} {}", family.name, family.unit);
        }
    }

    fn line(&mut self, family: &Family, suffix: &str, labels: &[&str], end: Option<&str>, value: Value) {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        self.text += family.name;
        self.text += suffix;
        let labels = family.labels.iter().copied().zip(labels.iter().copied()).chain(end.map(|end| ("le", end)));
        for (place, (name, value)) in labels.enumerate() {
            let _ = write!(self.text, "{}{name}=\"{}\"", if place == 0 { '{' } else { ',' }, escaped(value));
        }
        if !family.labels.is_empty() || end.is_some() {
            self.text.push('}');
        }
        let _ = match value {
            Value::Whole(value) => writeln!(self.text, " {value}"),
            Value::Millionths(value) => writeln!(self.text, " {}", decimal(value)),
        };
    }
}

/// A label's value: backslashes, quotes and line ends as both formats want them.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Millionths in decimal, at least one digit behind the point, as OpenMetrics writes bounds: 0.5, 1.0.
fn decimal(millionths: i128) -> String {
    let (sign, value) = (if millionths < 0 { "-" } else { "" }, millionths.unsigned_abs());
    let fraction = format!("{:06}", value % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    format!("{sign}{}.{}", value / 1_000_000, if fraction.is_empty() { "0" } else { fraction })
}

#[cfg(test)]
mod tests {
    use super::super::histogram::{Histogram, Spans};
    use super::*;

    static COUNTER: Family = Family { name: "mezzo_x_bytes", kind: Kind::Counter, unit: "bytes", labels: &["input"], help: "Bytes." };
    static INFO: Family = Family { name: "mezzo_y", kind: Kind::Info, unit: "", labels: &["class"], help: "What it is." };
    static SPAN: Family = Family { name: "mezzo_z_seconds", kind: Kind::Histogram, unit: "seconds", labels: &[], help: "How long." };

    fn page(format: Format) -> String {
        let (mut page, spans) = (Page::new(format), Histogram::<Spans>::default());
        spans.observe(1_500);
        page.sample(&COUNTER, &["0"], 7u64);
        page.sample(&COUNTER, &["1"], 8u64);
        page.info(&INFO, &["a\"b\\c\nd"]);
        page.histogram(&SPAN, &[], &spans.snapshot());
        page.finish().0
    }

    #[test]
    fn the_two_formats() {
        let prometheus = page(Format::Prometheus);
        assert!(prometheus.starts_with(
            "# HELP mezzo_x_bytes_total Bytes.\n# TYPE mezzo_x_bytes_total counter\nmezzo_x_bytes_total{input=\"0\"} 7\nmezzo_x_bytes_total{input=\"1\"} 8\n"
        ));
        assert!(prometheus.contains("# TYPE mezzo_y_info gauge\nmezzo_y_info{class=\"a\\\"b\\\\c\\nd\"} 1\n"), "{prometheus}");
        assert!(!prometheus.contains("# UNIT") && !prometheus.contains("# EOF"));
        let open = page(Format::OpenMetrics);
        assert!(
            open.starts_with("# HELP mezzo_x_bytes Bytes.\n# TYPE mezzo_x_bytes counter\n# UNIT mezzo_x_bytes bytes\nmezzo_x_bytes_total{input=\"0\"} 7\n"),
            "{open}"
        );
        assert!(open.contains("# TYPE mezzo_y info\nmezzo_y_info{"));
        assert!(open.contains("mezzo_z_seconds_bucket{le=\"0.001\"} 0\nmezzo_z_seconds_bucket{le=\"0.0025\"} 1\n"));
        assert!(open.ends_with("mezzo_z_seconds_bucket{le=\"+Inf\"} 1\nmezzo_z_seconds_sum 0.0015\nmezzo_z_seconds_count 1\n# EOF\n"), "{open}");
    }

    #[test]
    fn numbers_are_exact() {
        let cases = [(0, "0.0"), (1_000_000, "1.0"), (-1, "-0.000001"), (-2_500_000, "-2.5"), (30_000_000, "30.0"), (123_456_789, "123.456789")];
        for (value, text) in cases {
            assert_eq!(decimal(value), text);
        }
    }

    #[test]
    fn accept_decides() {
        let open =
            ["application/openmetrics-text", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "text/plain, Application/OpenMetrics-Text; q=0.1"];
        assert!(open.iter().all(|accept| Format::of(accept) == Format::OpenMetrics));
        let text =
            ["", "*/*", "text/plain", "application/openmetrics-text;version=0.0.1", "application/openmetrics-text;q=0.0", "application/openmetrics-text; q=0"];
        assert!(text.iter().all(|accept| Format::of(accept) == Format::Prometheus));
    }
}
