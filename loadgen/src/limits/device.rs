//! The device below a folder: direct writes and reads by block size, flushed and not.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use thalweg::base::Span;
use thalweg::runtime::probe::{DeviceProbe, FlushRate, measure};

/// Linux's open flags, which std has no names for.
#[cfg(target_arch = "aarch64")]
const O_DIRECT: i32 = 0o200_000;
#[cfg(not(target_arch = "aarch64"))]
const O_DIRECT: i32 = 0o40_000;
const O_DSYNC: i32 = 0o10_000;

const ALIGN_BYTES: usize = 4096;
const FILE_BYTES: u64 = 64 << 20;

/// Requests in flight when it is not latency that is asked for.
const DEEP: usize = 16;

/// One way to use the device, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    pub block_bytes: u64,
    pub in_flight: usize,
    pub mb_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// The device's flushed rate: the best of groups of 64, 256 and 1,024 KiB, one or two in flight,
/// one journal or more.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DeviceRate {
    pub best_mb_s: f64,
    /// One durable write of 4 KiB with nothing else under way.
    pub single_p50_us: f64,
    pub single_p99_us: f64,
    pub cells: Vec<RateCell>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RateCell {
    pub block_bytes: u64,
    /// Groups in flight in each journal.
    pub in_flight: usize,
    pub journals: usize,
    pub mb_s: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    FlushedWrites,
    Writes,
    Reads,
}

/// By the same probe that `serve` and `doctor` use, so that everybody's shares agree.
pub fn device_rate(dir: &Path, seconds: f64) -> io::Result<DeviceRate> {
    let journals = thread::available_parallelism().map_or(1, usize::from);
    let each = Span((seconds * 1e9) as u64);
    let found = measure(
        dir,
        DeviceProbe {
            journals,
            each,
            direct: true,
        },
    )?;
    let cell = |rate: &FlushRate| RateCell {
        block_bytes: rate.group.0,
        in_flight: rate.in_flight,
        journals: rate.journals,
        mb_s: rate.bytes_per_s / 1e6,
    };
    Ok(DeviceRate {
        best_mb_s: found.best() / 1e6,
        single_p50_us: found.single_p50.0 as f64 / 1e3,
        single_p99_us: found.single_p99.0 as f64 / 1e3,
        cells: found.rates.iter().map(cell).collect(),
    })
}

/// One group after the other, each flushed: what a group costs.
pub fn groups(dir: &Path, seconds: f64) -> io::Result<Vec<Cell>> {
    by_size(dir, Use::FlushedWrites, 1, seconds)
}

pub fn writes(dir: &Path, seconds: f64) -> io::Result<Vec<Cell>> {
    by_size(dir, Use::Writes, DEEP, seconds)
}

pub fn reads(dir: &Path, seconds: f64) -> io::Result<Vec<Cell>> {
    by_size(dir, Use::Reads, DEEP, seconds)
}

fn by_size(dir: &Path, what: Use, in_flight: usize, seconds: f64) -> io::Result<Vec<Cell>> {
    let scratch = Scratch::new(dir)?;
    let sizes = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
    sizes
        .iter()
        .map(|size| scratch.measure(what, *size, in_flight, seconds))
        .collect()
}

/// A prepared file in a folder of its own, gone when this is dropped.
struct Scratch {
    folder: PathBuf,
    file: PathBuf,
}

impl Scratch {
    fn new(dir: &Path) -> io::Result<Self> {
        let folder = dir.join(format!("loadgen-limits-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let scratch = Self {
            file: folder.join("prepared"),
            folder,
        };
        let noise = vec![0x5a; 1 << 20];
        // Written, not just allocated: the first write into allocated space costs more.
        let file = File::create(&scratch.file)?;
        for at in (0..FILE_BYTES).step_by(noise.len()) {
            file.write_all_at(&noise, at)?;
        }
        file.sync_all()?;
        Ok(scratch)
    }

    fn measure(
        &self,
        what: Use,
        block_bytes: u64,
        in_flight: usize,
        seconds: f64,
    ) -> io::Result<Cell> {
        let flags = if what == Use::FlushedWrites {
            O_DIRECT | O_DSYNC
        } else {
            O_DIRECT
        };
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(&self.file)?;
        let position = AtomicU64::new(0);
        let job = Job {
            what,
            file: &file,
            position: &position,
            block_bytes,
            begun: Instant::now(),
            until: Duration::from_secs_f64(seconds),
        };
        let results: Vec<io::Result<Histogram<u64>>> = thread::scope(|scope| {
            let workers: Vec<_> = (0..in_flight).map(|_| scope.spawn(|| work(&job))).collect();
            let panicked = |_| Err(io::Error::other("a thread panicked"));
            workers
                .into_iter()
                .map(|it| it.join().unwrap_or_else(panicked))
                .collect()
        });
        let elapsed = job.begun.elapsed().as_secs_f64();
        let mut all = histogram();
        for result in results {
            // Of one shape, so adding cannot fail.
            let _ = all.add(result?);
        }
        Ok(Cell {
            block_bytes,
            in_flight,
            mb_s: all.len() as f64 * block_bytes as f64 / elapsed / 1e6,
            p50_us: all.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: all.value_at_quantile(0.99) as f64 / 1e3,
        })
    }
}

struct Job<'a> {
    what: Use,
    file: &'a File,
    position: &'a AtomicU64,
    block_bytes: u64,
    begun: Instant,
    until: Duration,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn work(job: &Job<'_>) -> io::Result<Histogram<u64>> {
    let mut buffer = vec![0x5a; job.block_bytes as usize + ALIGN_BYTES];
    let start = buffer.as_ptr().align_offset(ALIGN_BYTES);
    let block = &mut buffer[start..start + job.block_bytes as usize];
    let mut times = histogram();
    while job.begun.elapsed() < job.until {
        let at = job.position.fetch_add(job.block_bytes, Ordering::Relaxed) % FILE_BYTES;
        let started = Instant::now();
        let count = match job.what {
            Use::Reads => job.file.read_at(block, at)?,
            Use::Writes | Use::FlushedWrites => job.file.write_at(block, at)?,
        };
        if count as u64 != job.block_bytes {
            return Err(io::Error::other("a direct transfer came out short"));
        }
        times.saturating_record(started.elapsed().as_nanos() as u64);
    }
    Ok(times)
}

fn histogram() -> Histogram<u64> {
    // These bounds are valid, so this cannot fail.
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3)
        .unwrap_or_else(|error| panic!("bounds of a histogram: {error}"))
}
