//! The machine before the runs and after them: it wanders, and what it can do is the better of
//! the two.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thalweg::base::ByteCount;

use super::device::{RateCell, device_rate};
use super::host::loopback;
use super::marks::Marks;

/// One measurement.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub marks: Marks,
    cells: Vec<RateCell>,
}

/// Two of them, and what counts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Bounds {
    pub marks: Marks,
    before: Vec<RateCell>,
    after: Vec<RateCell>,
}

impl Measured {
    /// Twelve cells and the loopback, each for so many seconds, on the device of `dir`.
    pub fn now(dir: &Path, seconds: f64) -> Result<Self, String> {
        let explain = |e: std::io::Error| format!("measuring in {}: {e}", dir.display());
        fs::create_dir_all(dir).map_err(explain)?;
        let device = device_rate(dir, seconds).map_err(explain)?;
        let loopback = loopback(seconds).map_err(explain)?;
        Ok(Self {
            marks: Marks::of(&device, loopback),
            cells: device.cells,
        })
    }
}

impl From<Marks> for Measured {
    /// Without the table that they are the best of.
    fn from(marks: Marks) -> Self {
        Self {
            marks,
            cells: Vec::new(),
        }
    }
}

impl From<Marks> for Bounds {
    /// Without the tables that they are the best of.
    fn from(marks: Marks) -> Self {
        Self {
            marks,
            ..Self::default()
        }
    }
}

impl Bounds {
    /// The larger rates and the shorter times count.
    pub fn of(before: Measured, after: Measured) -> Self {
        Self {
            marks: before.marks.or_better(after.marks),
            before: before.cells,
            after: after.cells,
        }
    }

    /// Nothing if nothing was measured.
    pub fn write(&self, out: &mut String) {
        let marks = self.marks;
        if marks != Marks::default() {
            let _ = writeln!(
                out,
                "the machine: flushed {:.0} MB/s, one flushed write {:.0} us (p99 {:.0}), \
                 loopback {:.0} MB/s",
                marks.flushed_mb_s, marks.flush_p50_us, marks.flush_p99_us, marks.loopback_mb_s
            );
        }
        if !self.before.is_empty() {
            out.push_str("flushed groups, MB/s before the runs and after them\n");
        }
        for (before, after) in self.before.iter().zip(&self.after) {
            let _ = writeln!(out, "{} {:>8.0}", before.line(), after.mb_s);
        }
    }
}

impl RateCell {
    pub fn line(&self) -> String {
        format!(
            "  {:>8} x {} in flight x {} journals {:>8.0}",
            ByteCount(self.block_bytes).to_string(),
            self.in_flight,
            self.journals,
            self.mb_s
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Report, SideReport};

    fn measured(flushed_mb_s: f64, flush_p50_us: f64) -> Measured {
        Measured {
            marks: Marks {
                flushed_mb_s,
                flush_p50_us,
                ..Marks::default()
            },
            cells: vec![RateCell {
                block_bytes: 1 << 20,
                in_flight: 2,
                journals: 1,
                mb_s: flushed_mb_s,
            }],
        }
    }

    /// The run's share of the device, in percent.
    fn share_of(before: f64, after: f64) -> Option<f64> {
        let bounds = Bounds::of(measured(before, 5.0), measured(after, 5.0));
        let mut report = Report {
            produced: Some(SideReport {
                megabytes_per_second: Some(500.0),
                ..SideReport::default()
            }),
            ..Report::default()
        };
        report = report.against(bounds.marks);
        report.shares?.produced_of_flushed.map(|it| 100.0 * it)
    }

    #[test]
    fn a_share_is_of_the_larger_rate_of_before_and_after() {
        assert_eq!(share_of(1_000.0, 2_000.0), Some(25.0));
        assert_eq!(share_of(2_000.0, 1_000.0), Some(25.0));
        assert_eq!(share_of(0.0, 0.0), None);
    }

    #[test]
    fn the_raw_table_has_both_measurements_of_each_cell() {
        let mut said = String::new();

        Bounds::of(measured(1_000.0, 7.0), measured(2_000.0, 9.0)).write(&mut said);

        let line = "1 MiB x 2 in flight x 1 journals     1000     2000\n";
        assert!(said.contains(line), "{said}");
        assert!(
            said.contains("flushed 2000 MB/s, one flushed write 7 us"),
            "{said}"
        );
        let mut nothing = String::new();
        Bounds::default().write(&mut nothing);
        assert_eq!(nothing, "");
    }
}
