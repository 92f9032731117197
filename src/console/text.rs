//! Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::base::reading::SPREAD_BOUNDS;
use crate::base::{Metric, MetricKind, Reading, ReadingValue, ShardId, Spread};

/// Every reading of every shard, those of one metric together, as the format wants.
pub(super) fn of(shards: &[(ShardId, Vec<Reading>)]) -> String {
    let mut metrics: BTreeMap<&str, (&Metric, String)> = BTreeMap::new();
    for (shard, readings) in shards {
        for reading in readings {
            let metric = reading.metric;
            let lines = metrics
                .entry(metric.name)
                .or_insert((metric, String::new()));
            add(&mut lines.1, *shard, reading);
        }
    }
    let mut out = String::new();
    for (name, (metric, lines)) in metrics {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "# HELP {name} {}\n# TYPE {name} {kind}\n{lines}",
            metric.help
        );
    }
    out
}

fn add(out: &mut String, shard: ShardId, reading: &Reading) {
    let name = reading.metric.name;
    let mut labels = format!("shard=\"{}\"", shard.0);
    if let Some((label, value)) = &reading.label {
        let _ = write!(labels, ",{label}=\"{}\"", escaped(value));
    }
    let _ = match &reading.value {
        ReadingValue::Whole(value) => writeln!(out, "{name}{{{labels}}} {value}"),
        ReadingValue::Seconds(span) => {
            writeln!(out, "{name}{{{labels}}} {}", seconds(span.0))
        }
        ReadingValue::Spread(spread) => {
            add_spread(out, name, &labels, spread);
            Ok(())
        }
    };
}

fn add_spread(out: &mut String, name: &str, labels: &str, spread: &Spread) {
    let mut below = 0;
    for (bound, count) in SPREAD_BOUNDS.iter().zip(spread.counts) {
        below += count;
        let bound = seconds(bound.0);
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
    }
    let all = spread.count();
    let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {all}");
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}", seconds(spread.sum_ns));
    let _ = writeln!(out, "{name}_count{{{labels}}} {all}");
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    static REQUESTS: Metric = Metric::counter("requests_total", "Requests.");
    static TIMES: Metric = Metric::histogram("request_seconds", "Times.");
    static LONGEST: Metric = Metric::gauge("longest_seconds", "The longest.");

    #[test]
    fn readings_of_one_metric_stand_together_under_one_head() {
        let readings = |count| {
            vec![
                Reading::whole(&REQUESTS, count).of("api", "Fetch"),
                Reading::seconds(&LONGEST, Span::millis(2)),
            ]
        };

        let text = of(&[(ShardId(0), readings(3)), (ShardId(1), readings(4))]);

        let expected = "# HELP longest_seconds The longest.\n\
            # TYPE longest_seconds gauge\n\
            longest_seconds{shard=\"0\"} 0.002\n\
            longest_seconds{shard=\"1\"} 0.002\n\
            # HELP requests_total Requests.\n\
            # TYPE requests_total counter\n\
            requests_total{shard=\"0\",api=\"Fetch\"} 3\n\
            requests_total{shard=\"1\",api=\"Fetch\"} 4\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_spread_has_cumulative_buckets_a_sum_and_a_count() {
        let mut spread = Spread::default();
        for span in [Span(40_000), Span(60_000), Span::seconds(7)] {
            spread.note(span);
        }

        let text = of(&[(ShardId(0), vec![Reading::spread(&TIMES, spread)])]);

        assert!(
            text.contains("request_seconds_bucket{shard=\"0\",le=\"0.00005\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("{shard=\"0\",le=\"0.0001\"} 2\n"), "{text}");
        assert!(text.contains("{shard=\"0\",le=\"5\"} 2\n"), "{text}");
        assert!(text.contains("{shard=\"0\",le=\"+Inf\"} 3\n"), "{text}");
        assert!(
            text.contains("request_seconds_sum{shard=\"0\"} 7.0001\n"),
            "{text}"
        );
        assert!(
            text.contains("request_seconds_count{shard=\"0\"} 3\n"),
            "{text}"
        );
    }

    #[test]
    fn labels_can_not_break_out_of_their_quotes() {
        let reading = Reading::whole(&REQUESTS, 1).of("api", "a\"b\\c\n");

        let text = of(&[(ShardId(0), vec![reading])]);

        assert!(
            text.ends_with("requests_total{shard=\"0\",api=\"a\\\"b\\\\c\\n\"} 1\n"),
            "{text}"
        );
    }
}
