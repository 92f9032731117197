//! What a room tells of itself in numbers: plain data, for whoever shows it.

use super::time::Span;

/// A number that is told: what it is called and what it means. Names are Prometheus'.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: MetricKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises, from zero at every start.
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        let kind = MetricKind::Counter;
        Self { name, help, kind }
    }

    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        let kind = MetricKind::Gauge;
        Self { name, help, kind }
    }

    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        let kind = MetricKind::Histogram;
        Self { name, help, kind }
    }
}

/// One number, or one spread of times.
#[derive(Clone, Debug)]
pub struct Reading {
    pub metric: &'static Metric,
    /// What it is of, where there are several. The shard is added by who gathers.
    pub label: Option<(&'static str, String)>,
    pub value: ReadingValue,
}

#[derive(Clone, Debug)]
pub enum ReadingValue {
    Whole(u64),
    Seconds(Span),
    Spread(Box<Spread>),
}

impl Reading {
    pub fn whole(metric: &'static Metric, value: u64) -> Self {
        Self::new(metric, ReadingValue::Whole(value))
    }

    pub fn seconds(metric: &'static Metric, span: Span) -> Self {
        Self::new(metric, ReadingValue::Seconds(span))
    }

    pub fn spread(metric: &'static Metric, spread: Spread) -> Self {
        Self::new(metric, ReadingValue::Spread(Box::new(spread)))
    }

    fn new(metric: &'static Metric, value: ReadingValue) -> Self {
        Self {
            metric,
            label: None,
            value,
        }
    }

    pub fn of(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.label = Some((name, value.into()));
        self
    }
}

/// The upper bounds of a spread's counts; what is longer has a count of its own.
pub const SPREAD_BOUNDS: [Span; 15] = [
    Span(50_000),
    Span(100_000),
    Span(250_000),
    Span(500_000),
    Span(1_000_000),
    Span(2_000_000),
    Span(5_000_000),
    Span(10_000_000),
    Span(25_000_000),
    Span(50_000_000),
    Span(100_000_000),
    Span(250_000_000),
    Span(500_000_000),
    Span(1_000_000_000),
    Span(5_000_000_000),
];

/// How long something took, counted by classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// As many as `SPREAD_BOUNDS`, and one for what is longer. Not cumulative.
    pub counts: [u64; SPREAD_BOUNDS.len() + 1],
    /// All together, in nanoseconds.
    pub sum_ns: u64,
}

impl Spread {
    /// The class of a span.
    pub fn class_of(span: Span) -> usize {
        SPREAD_BOUNDS.partition_point(|bound| bound.0 < span.0)
    }

    pub fn note(&mut self, span: Span) {
        self.counts[Self::class_of(span)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(span.0);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_counted_under_the_first_bound_that_holds_it() {
        let mut spread = Spread::default();

        for span in [Span(0), Span(50_000), Span(50_001), Span::seconds(9)] {
            spread.note(span);
        }

        assert_eq!((spread.counts[0], spread.counts[1]), (2, 1));
        assert_eq!(spread.counts[SPREAD_BOUNDS.len()], 1);
        assert_eq!((spread.count(), spread.sum_ns), (4, 9_000_100_001));
    }
}
