//! Watches a run: the progress line, and samples of broker, disk and ourselves at both ends of
//! the measured part.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use thalweg::load::{Observer, Tick};

use crate::metrics::{MetricsSample, MetricsUrl};
use crate::process::{DiskSample, ProcessSample};

/// Where to look at the broker, when it is local.
#[derive(Clone, Debug, Default)]
pub struct Local {
    pub pid: Option<u32>,
    /// Its data directory, to find the disk.
    pub data: Option<PathBuf>,
    /// Where a Thalweg tells of its shards.
    pub metrics: Option<MetricsUrl>,
}

pub struct Watch {
    local: Local,
    bar: ProgressBar,
    before: Samples,
    after: Samples,
    last: (Duration, u64, u64),
}

#[derive(Clone, Debug, Default)]
pub struct Samples {
    pub broker: Option<ProcessSample>,
    pub own: Option<ProcessSample>,
    pub disk: Option<DiskSample>,
    pub metrics: Option<MetricsSample>,
}

impl Watch {
    pub fn new(local: Local) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
            bar.set_style(style);
        }
        Self {
            local,
            bar,
            before: Samples::default(),
            after: Samples::default(),
            last: (Duration::ZERO, 0, 0),
        }
    }

    /// How things stood where the measured part began and where it ended.
    pub fn finish(self) -> (Samples, Samples) {
        self.bar.finish_and_clear();
        (self.before, self.after)
    }

    fn sample(&self) -> Samples {
        let metrics = self.local.metrics.as_ref().map(MetricsUrl::read);
        if let Some(Err(error)) = &metrics {
            self.bar
                .suspend(|| eprintln!("loadgen: no word from the shards: {error}"));
        }
        Samples {
            broker: self.local.pid.and_then(ProcessSample::of),
            own: ProcessSample::of_self(),
            disk: self.local.data.as_deref().and_then(DiskSample::under),
            metrics: metrics.and_then(Result::ok),
        }
    }
}

impl Observer for Watch {
    fn stage(&mut self, what: &str) {
        self.bar.set_message(what.to_string());
        self.bar.tick();
    }

    fn measuring_begins(&mut self) {
        self.before = self.sample();
    }

    fn tick(&mut self, tick: &Tick) {
        let line = self.line(tick);
        self.bar.set_message(line);
        self.bar.tick();
    }

    fn measuring_ends(&mut self) {
        self.after = self.sample();
    }
}

impl Watch {
    /// The rate since the line before, and the p99 of the last second.
    fn line(&mut self, tick: &Tick) -> String {
        let seconds = (tick.since_begun - self.last.0).as_secs_f64().max(1e-6);
        let (records, bytes) = shown(tick);
        // The side that is shown changes at most once, to what is produced from nothing.
        let rate = records.saturating_sub(self.last.1) as f64 / seconds;
        let speed = bytes.saturating_sub(self.last.2) as f64 / seconds / 1e6;
        self.last = (tick.since_begun, records, bytes);
        let p99 = tick
            .recent
            .as_ref()
            .map_or(0, |it| it.value_at_quantile(0.99));
        let phase = if tick.measuring {
            "measuring"
        } else {
            "warming up"
        };
        format!(
            "{phase}: {rate:>11.0} records/s {speed:>7.1} MB/s  p99 {:.2} ms",
            p99 as f64 / 1e6
        )
    }
}

/// Records and bytes of the side that the progress line is about: what is produced, or where
/// nothing is what is consumed. Their sum would count a record twice that is read as it comes.
fn shown(tick: &Tick) -> (u64, u64) {
    match tick.produced_records {
        0 => (tick.consumed_records, tick.consumed_bytes),
        records => (records, tick.produced_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thalweg::load::Outcome;

    #[test]
    fn a_record_that_is_produced_and_consumed_is_shown_once() {
        let tick = |produced, consumed| Tick {
            since_begun: Duration::from_secs(1),
            measuring: true,
            produced_records: produced,
            produced_bytes: 100 * produced,
            consumed_records: consumed,
            consumed_bytes: 100 * consumed,
            recent: None,
        };

        assert_eq!(shown(&tick(7, 7)), (7, 700));
        assert_eq!(shown(&tick(7, 0)), (7, 700));
        assert_eq!(shown(&tick(0, 5)), (5, 500));
    }

    #[test]
    fn the_progress_line_tells_the_rate_of_now_and_not_the_mean_since_the_beginning() {
        let mut watch = Watch::new(Local::default());
        let mut recent = Outcome::default().produced.latencies;
        recent.saturating_record(3_000_000);
        let mut line = |milliseconds, records, measuring| {
            watch.line(&Tick {
                since_begun: Duration::from_millis(milliseconds),
                measuring,
                produced_records: records,
                produced_bytes: 1_000 * records,
                consumed_records: 0,
                consumed_bytes: 0,
                recent: Some(recent.clone()),
            })
        };

        let before = line(1_000, 9_000, false);
        let now = line(1_500, 11_000, true);

        assert!(before.starts_with("warming up:"), "{before}");
        assert!(before.contains(" 9000 records/s     9.0 MB/s"), "{before}");
        assert!(now.starts_with("measuring:"), "{now}");
        assert!(
            now.contains(" 4000 records/s     4.0 MB/s  p99 3.0"),
            "{now}"
        );
    }
}
