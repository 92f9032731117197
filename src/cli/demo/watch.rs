//! Looks at the load while it runs: a progress bar, and what it cost.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::load::process::{DiskSample, ProcessSample};
use crate::load::{Observer, Tick};

use super::broker::Running;

/// The progress bar, and samples of broker and disk at both ends of the measured part.
pub struct Watch {
    pub bar: ProgressBar,
    pid: u32,
    directory: PathBuf,
    pub broker_before: Option<ProcessSample>,
    pub broker_after: Option<ProcessSample>,
    pub disk_before: Option<DiskSample>,
    pub disk_after: Option<DiskSample>,
    last: (Duration, u64),
}

impl Watch {
    pub fn new(broker: &Running, seconds: u64) -> Self {
        let bar = ProgressBar::new(seconds * 10);
        if let Ok(style) = ProgressStyle::with_template("  {bar:40} {elapsed:>4} {msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            pid: broker.pid(),
            directory: broker.directory.clone(),
            broker_before: None,
            broker_after: None,
            disk_before: None,
            disk_after: None,
            last: (Duration::ZERO, 0),
        }
    }
}

impl Observer for Watch {
    fn stage(&mut self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    fn measuring_begins(&mut self) {
        self.broker_before = ProcessSample::of(self.pid);
        self.disk_before = DiskSample::under(&self.directory);
    }

    fn tick(&mut self, tick: &Tick) {
        let seconds = tick
            .since_begun
            .saturating_sub(self.last.0)
            .as_secs_f64()
            .max(1e-6);
        let rate = (tick.produced_records - self.last.1) as f64 / seconds;
        self.last = (tick.since_begun, tick.produced_records);
        self.bar
            .set_position((tick.since_begun.as_millis() / 100) as u64);
        self.bar
            .set_message(format!("{:.2} M records/s", rate / 1e6));
    }

    fn measuring_ends(&mut self) {
        self.broker_after = ProcessSample::of(self.pid);
        self.disk_after = DiskSample::under(&self.directory);
    }
}
