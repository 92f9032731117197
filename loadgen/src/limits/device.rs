//! The device below a folder: direct writes and reads by block size, flushed and not.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Linux's open flags, which std has no names for.
#[cfg(target_arch = "aarch64")]
const O_DIRECT: i32 = 0o200_000;
#[cfg(not(target_arch = "aarch64"))]
const O_DIRECT: i32 = 0o40_000;
const O_DSYNC: i32 = 0o10_000;

const ALIGN_BYTES: usize = 4096;
const FILE_BYTES: u64 = 64 << 20;

/// One way to use the device, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    pub block_bytes: u64,
    /// Blocks in flight in each file.
    pub in_flight: usize,
    pub files: usize,
    pub mb_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// The device's flushed rate: the best of groups of 64, 256 and 1,024 KiB, one or two in flight,
/// one journal or more.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceRate {
    pub best_mb_s: f64,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    FlushedWrites,
    Writes,
    Reads,
}

pub fn device_rate(dir: &Path, seconds: f64) -> io::Result<DeviceRate> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let scratch = Scratch::new(dir, cores)?;
    let mut cells = Vec::new();
    // The small ones are for latency: what one group costs, write and flush.
    for block_bytes in [4 << 10, 16 << 10] {
        cells.push(scratch.measure(Use::FlushedWrites, block_bytes, 1, 1, seconds)?);
    }
    for block_bytes in [64 << 10, 256 << 10, 1 << 20] {
        for in_flight in [1, 2] {
            for files in 1..=cores {
                let cell =
                    scratch.measure(Use::FlushedWrites, block_bytes, in_flight, files, seconds)?;
                cells.push(cell);
            }
        }
    }
    let best_mb_s = cells.iter().map(|it| it.mb_s).fold(0.0, f64::max);
    Ok(DeviceRate { best_mb_s, cells })
}

pub fn writes(dir: &Path, seconds: f64) -> io::Result<Vec<Cell>> {
    by_size(dir, Use::Writes, seconds)
}

pub fn reads(dir: &Path, seconds: f64) -> io::Result<Vec<Cell>> {
    by_size(dir, Use::Reads, seconds)
}

fn by_size(dir: &Path, what: Use, seconds: f64) -> io::Result<Vec<Cell>> {
    let scratch = Scratch::new(dir, 1)?;
    let sizes = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
    sizes
        .iter()
        .map(|size| scratch.measure(what, *size, 16, 1, seconds))
        .collect()
}

/// Prepared files in a folder of their own, gone when this is dropped.
struct Scratch {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Scratch {
    fn new(dir: &Path, files: usize) -> io::Result<Self> {
        let folder = dir.join(format!("loadgen-limits-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let names = (0..files).map(|it| folder.join(it.to_string())).collect();
        let scratch = Self {
            folder,
            files: names,
        };
        let noise = vec![0x5a; 1 << 20];
        for name in &scratch.files {
            // Written, not just allocated: the first write into allocated space costs more.
            let file = File::create(name)?;
            for at in (0..FILE_BYTES).step_by(noise.len()) {
                file.write_all_at(&noise, at)?;
            }
            file.sync_all()?;
        }
        Ok(scratch)
    }

    fn measure(
        &self,
        what: Use,
        block_bytes: u64,
        in_flight: usize,
        files: usize,
        seconds: f64,
    ) -> io::Result<Cell> {
        let flags = if what == Use::FlushedWrites {
            O_DIRECT | O_DSYNC
        } else {
            O_DIRECT
        };
        let open = |name: &PathBuf| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(flags)
                .open(name)
        };
        let opened: Vec<File> = self
            .files
            .iter()
            .take(files)
            .map(open)
            .collect::<Result<_, _>>()?;
        let positions: Vec<AtomicU64> = opened.iter().map(|_| AtomicU64::new(0)).collect();
        let until = Duration::from_secs_f64(seconds);
        let begun = Instant::now();
        let results: Vec<io::Result<Histogram<u64>>> = thread::scope(|scope| {
            let workers: Vec<_> = opened
                .iter()
                .zip(&positions)
                .flat_map(|pair| std::iter::repeat_n(pair, in_flight))
                .map(|(file, position)| {
                    scope.spawn(move || work(what, file, position, block_bytes, begun, until))
                })
                .collect();
            let panicked = |_| Err(io::Error::other("a thread panicked"));
            workers
                .into_iter()
                .map(|it| it.join().unwrap_or_else(panicked))
                .collect()
        });
        let elapsed = begun.elapsed().as_secs_f64();
        let mut all = histogram();
        for result in results {
            // Of one shape, so adding cannot fail.
            let _ = all.add(result?);
        }
        Ok(Cell {
            block_bytes,
            in_flight,
            files,
            mb_s: all.len() as f64 * block_bytes as f64 / elapsed / 1e6,
            p50_us: all.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: all.value_at_quantile(0.99) as f64 / 1e3,
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn work(
    what: Use,
    file: &File,
    position: &AtomicU64,
    block_bytes: u64,
    begun: Instant,
    until: Duration,
) -> io::Result<Histogram<u64>> {
    let mut buffer = vec![0x5a; block_bytes as usize + ALIGN_BYTES];
    let start = buffer.as_ptr().align_offset(ALIGN_BYTES);
    let block = &mut buffer[start..start + block_bytes as usize];
    let mut times = histogram();
    while begun.elapsed() < until {
        let at = position.fetch_add(block_bytes, Ordering::Relaxed) % FILE_BYTES;
        let started = Instant::now();
        let count = match what {
            Use::Reads => file.read_at(block, at)?,
            Use::Writes | Use::FlushedWrites => file.write_at(block, at)?,
        };
        if count as u64 != block_bytes {
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
