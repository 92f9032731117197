//! The few limits that a run is held against, and what share of them it reached.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::device::DeviceRate;

/// What the machine did when nobody else used it, in the same minutes as the run.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Marks {
    /// The device's best rate of flushed groups.
    pub flushed_mb_s: f64,
    /// One durable write of 4 KiB with nothing else under way.
    pub flush_p50_us: f64,
    pub flush_p99_us: f64,
    /// One stream over loopback.
    pub loopback_mb_s: f64,
}

/// A run's figures as parts of the marks: 1.0 is the machine itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Shares {
    pub marks: Marks,
    pub produced_of_flushed: Option<f64>,
    pub consumed_of_loopback: Option<f64>,
    /// Latency in durable writes.
    pub p50_of_flush: Option<f64>,
    pub p99_of_flush: Option<f64>,
}

/// The part of what `loadgen limits --json` writes that is needed here.
#[derive(Deserialize)]
struct LimitsFile {
    flushed: DeviceRate,
    host: HostPart,
}

#[derive(Deserialize)]
struct HostPart {
    loopback_gb_s: f64,
}

impl Marks {
    /// From a file of `loadgen limits --json`.
    pub fn from_file(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let found: LimitsFile =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(Self::of(&found.flushed, found.host.loopback_gb_s))
    }

    pub(super) fn of(device: &DeviceRate, loopback_gb_s: f64) -> Self {
        Self {
            flushed_mb_s: device.best_mb_s,
            flush_p50_us: device.single_p50_us,
            flush_p99_us: device.single_p99_us,
            loopback_mb_s: loopback_gb_s * 1e3,
        }
    }

    /// Of two measurements the larger rates and the shorter times: what the machine can do.
    pub fn or_better(self, other: Self) -> Self {
        if self == Self::default() {
            return other;
        }
        Self {
            flushed_mb_s: self.flushed_mb_s.max(other.flushed_mb_s),
            flush_p50_us: self.flush_p50_us.min(other.flush_p50_us),
            flush_p99_us: self.flush_p99_us.min(other.flush_p99_us),
            loopback_mb_s: self.loopback_mb_s.max(other.loopback_mb_s),
        }
    }
}

impl Shares {
    /// Of speeds in MB/s and of latencies in microseconds.
    pub fn of(
        marks: Marks,
        produced_mb_s: Option<f64>,
        consumed_mb_s: Option<f64>,
        latencies_us: Option<(f64, f64)>,
    ) -> Self {
        let share =
            |part: Option<f64>, whole: f64| part.filter(|_| whole > 0.0).map(|it| it / whole);
        Self {
            marks,
            produced_of_flushed: share(produced_mb_s, marks.flushed_mb_s),
            consumed_of_loopback: share(consumed_mb_s, marks.loopback_mb_s),
            p50_of_flush: share(latencies_us.map(|it| it.0), marks.flush_p50_us),
            p99_of_flush: share(latencies_us.map(|it| it.1), marks.flush_p99_us),
        }
    }

    pub fn write(&self, out: &mut String) {
        let marks = self.marks;
        if let Some(share) = self.produced_of_flushed {
            let (percent, whole) = (100.0 * share, marks.flushed_mb_s);
            let _ = writeln!(
                out,
                "  of the machine {percent:.1} % of the device's flushed rate, {whole:.0} MB/s"
            );
        }
        if let Some(share) = self.consumed_of_loopback {
            let (percent, whole) = (100.0 * share, marks.loopback_mb_s);
            let _ = writeln!(
                out,
                "  of the machine {percent:.1} % of one loopback stream, {whole:.0} MB/s"
            );
        }
        if let (Some(p50), Some(p99)) = (self.p50_of_flush, self.p99_of_flush) {
            let _ = writeln!(
                out,
                "    latency in flushed writes of 4 KiB: {p50:.1} at p50 ({:.0} us), \
                 {p99:.1} at p99 ({:.0} us)",
                marks.flush_p50_us, marks.flush_p99_us
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_a_share_of_what_the_machine_can_do() {
        let marks = Marks {
            flushed_mb_s: 1_000.0,
            flush_p50_us: 200.0,
            flush_p99_us: 1_000.0,
            loopback_mb_s: 0.0,
        };

        let shares = Shares::of(marks, Some(420.0), Some(9.0), Some((300.0, 2_000.0)));

        let mut said = String::new();
        shares.write(&mut said);
        assert!(
            said.contains("42.0 % of the device's flushed rate, 1000 MB/s"),
            "{said}"
        );
        assert!(said.contains("1.5 at p50 (200 us), 2.0 at p99"), "{said}");
        assert!(!said.contains("loopback"), "{said}");
    }

    #[test]
    fn of_two_measurements_the_better_counts() {
        let one = Marks {
            flushed_mb_s: 1.0,
            flush_p50_us: 5.0,
            ..Marks::default()
        };
        let two = Marks {
            flushed_mb_s: 2.0,
            flush_p50_us: 7.0,
            ..Marks::default()
        };

        let best = one.or_better(two);

        assert_eq!((best.flushed_mb_s, best.flush_p50_us), (2.0, 5.0));
        assert_eq!(Marks::default().or_better(two), two);
    }
}
