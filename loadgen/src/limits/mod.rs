//! What the machine can do, measured before a broker is judged by it.
//!
//! Knows: direct files, loopback sockets, copying and summing.
//! Must not know: brokers.
//! Begin at `Limits::measure`.

mod bounds;
mod device;
mod host;
mod marks;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use device::{DeviceRate, device_rate};
use serde::Serialize;
use thalweg::base::ByteCount;

pub use bounds::{Bounds, Measured};
pub use marks::{Marks, Shares};

use crate::process::Machine;

#[derive(Args)]
pub struct LimitsArguments {
    /// A folder on the device to measure
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Seconds for each cell of each table
    #[arg(long, default_value_t = 0.4)]
    seconds_each: f64,
    /// Write the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
pub struct Limits {
    machine: Machine,
    flushed: DeviceRate,
    groups: Vec<device::Cell>,
    unflushed: Vec<device::Cell>,
    reads: Vec<device::Cell>,
    host: host::Host,
}

impl LimitsArguments {
    pub fn run(self) -> Result<(), String> {
        let limits = Limits::measure(&self.dir, self.seconds_each)?;
        print!("{}", limits.table());
        if let Some(file) = &self.json {
            let text = serde_json::to_string_pretty(&limits).map_err(|e| e.to_string())?;
            std::fs::write(file, text + "\n").map_err(|e| format!("{}: {e}", file.display()))?;
        }
        Ok(())
    }
}

impl Limits {
    fn measure(dir: &Path, seconds: f64) -> Result<Self, String> {
        let explain = |e: std::io::Error| format!("measuring in {}: {e}", dir.display());
        Ok(Self {
            machine: Machine::here(),
            flushed: device_rate(dir, seconds).map_err(explain)?,
            groups: device::groups(dir, seconds).map_err(explain)?,
            unflushed: device::writes(dir, seconds).map_err(explain)?,
            reads: device::reads(dir, seconds).map_err(explain)?,
            host: host::Host::measure(seconds).map_err(explain)?,
        })
    }

    fn table(&self) -> String {
        let mut out = String::new();
        let machine = &self.machine;
        let memory = ByteCount(machine.memory_bytes);
        let _ = writeln!(
            out,
            "{} cores, {memory}, Linux {}, {}",
            machine.cores, machine.kernel, machine.cpu
        );
        out.push_str("direct writes, each flushed before the next: what one group costs\n");
        write_cells(&mut out, &self.groups);
        out.push_str("flushed groups: the rate that a broker can reach\n");
        for cell in &self.flushed.cells {
            let _ = writeln!(out, "{} MB/s", cell.line());
        }
        let _ = writeln!(
            out,
            "  best flushed rate {:.0} MB/s",
            self.flushed.best_mb_s
        );
        out.push_str("direct writes, not flushed\n");
        write_cells(&mut out, &self.unflushed);
        out.push_str("direct reads\n");
        write_cells(&mut out, &self.reads);
        let host = &self.host;
        let _ = writeln!(out, "loopback, one stream   {:.2} GB/s", host.loopback_gb_s);
        let _ = writeln!(
            out,
            "loopback round trip    p50 {:.0} us, p99 {:.0} us",
            host.round_trip_p50_us, host.round_trip_p99_us
        );
        let _ = writeln!(out, "CRC-32C                {:.1} GB/s", host.crc_gb_s);
        let _ = writeln!(out, "copy                   {:.1} GB/s", host.copy_gb_s);
        out
    }
}

fn write_cells(out: &mut String, cells: &[device::Cell]) {
    for cell in cells {
        let _ = writeln!(
            out,
            "  {:>8} x {:<2} in flight {:>8.0} MB/s   p50 {:>6.0} us  p99 {:>6.0} us",
            ByteCount(cell.block_bytes).to_string(),
            cell.in_flight,
            cell.mb_s,
            cell.p50_us,
            cell.p99_us
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_block_size_and_its_best_flushed_rate_is_one_of_its_cells() {
        let folder = std::env::temp_dir().join(format!("loadgen-limits-of-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();

        let measured = Limits::measure(&folder, 0.002);

        let left = std::fs::read_dir(&folder).unwrap().count();
        std::fs::remove_dir_all(&folder).unwrap();
        let limits = match measured {
            Ok(limits) => limits,
            // A file system without direct I/O can only say so.
            Err(why) => return assert!(why.contains("measuring in"), "{why}"),
        };
        assert_eq!(left, 0, "it cleans up");
        let table = limits.table();
        for (head, sizes) in [
            (
                "what one group costs\n",
                &["4 KiB", "16 KiB", "64 KiB", "256 KiB", "1 MiB"][..],
            ),
            (
                "the rate that a broker can reach\n",
                &["64 KiB", "256 KiB", "1 MiB"],
            ),
            (
                "direct writes, not flushed\n",
                &["4 KiB", "16 KiB", "64 KiB", "256 KiB", "1 MiB"],
            ),
            (
                "direct reads\n",
                &["4 KiB", "16 KiB", "64 KiB", "256 KiB", "1 MiB"],
            ),
        ] {
            let (_, rest) = table.split_once(head).unwrap();
            let block = |line: &str| line.split_once(" x ").map(|it| it.0.trim().to_string());
            let mut found: Vec<String> = rest.lines().map_while(block).collect();
            found.dedup();
            let mut expected = sizes.to_vec();
            found.sort_unstable();
            found.dedup();
            expected.sort_unstable();
            assert_eq!(found, expected, "{table}");
        }
        let cells = limits.flushed.cells.iter().map(|it| it.mb_s);
        assert_eq!(limits.flushed.best_mb_s, cells.fold(0.0, f64::max));
        let file = folder.with_extension("json");
        std::fs::write(&file, serde_json::to_string(&limits).unwrap()).unwrap();
        let marks = Marks::from_file(&file);
        std::fs::remove_file(&file).unwrap();
        let marks = marks.unwrap();
        assert_eq!(marks.flushed_mb_s, limits.flushed.best_mb_s);
        assert_eq!(marks.loopback_mb_s, limits.host.loopback_gb_s * 1e3);
    }
}
