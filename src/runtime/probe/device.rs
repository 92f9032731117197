//! What the device below a directory does in flushed writes, measured.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::base::{ByteCount, Span};
use crate::runtime::block::{Block, BlockPool};
use crate::runtime::system::{self, Errno};

/// The scratch file of each journal; rewritten from its start when its end is reached.
const SCRATCH: ByteCount = ByteCount::mib(16);

/// Single writes whose latency is taken.
const SINGLE_WRITES: usize = 200;

const GROUPS_KIB: [u64; 3] = [64, 256, 1024];

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct DeviceProbe {
    /// Up to so many journals at once.
    pub journals: usize,
    /// Time for each rate; there are three sizes, two depths, and a count of journals each.
    pub each: Span,
    /// Past the page cache, as the journal writes.
    pub direct: bool,
}

impl Default for DeviceProbe {
    /// About two seconds in all.
    fn default() -> Self {
        Self {
            journals: 2,
            each: Span::millis(100),
            direct: true,
        }
    }
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct DeviceFinding {
    /// One write of 4 KiB, durable, nothing else under way.
    pub single_p50: Span,
    pub single_p99: Span,
    pub rates: Vec<FlushRate>,
}

/// Bytes per second made durable by groups of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlushRate {
    pub group: ByteCount,
    pub in_flight: usize,
    pub journals: usize,
    pub bytes_per_s: f64,
}

impl DeviceFinding {
    /// The most that the device made durable, whatever the shape.
    pub fn best(&self) -> f64 {
        let rates = self.rates.iter().map(|rate| rate.bytes_per_s);
        rates.fold(0.0, f64::max)
    }
}

/// Measures in scratch files of their own below `directory`, which are removed afterwards.
///
/// # Errors
/// What the system said: no space for 16 MiB per journal, or a directory that refuses direct I/O.
pub fn measure(directory: &Path, probe: DeviceProbe) -> io::Result<DeviceFinding> {
    let names: Vec<PathBuf> = (0..probe.journals.max(1))
        .map(|number| directory.join(format!(".probe-{}-{number}", std::process::id())))
        .collect();
    let found = measure_in(&names, probe);
    for name in &names {
        // One that could not be made is not there.
        let _ = std::fs::remove_file(name);
    }
    found
}

fn measure_in(names: &[PathBuf], probe: DeviceProbe) -> io::Result<DeviceFinding> {
    let mut files = Vec::new();
    for name in names {
        files.push(scratch(name, probe.direct)?);
    }
    let mut single = single_writes(&files[0]).map_err(io::Error::from_raw_os_error)?;
    single.sort_unstable();
    let mut rates = Vec::new();
    for journals in 1..=files.len() {
        for group in GROUPS_KIB.map(ByteCount::kib) {
            for in_flight in 1..=2 {
                let rate = FlushRate {
                    group,
                    in_flight,
                    journals,
                    bytes_per_s: 0.0,
                };
                rates.push(rate_of(rate, &files[..journals], probe.each)?);
            }
        }
    }
    Ok(DeviceFinding {
        single_p50: Span(single[single.len() / 2]),
        single_p99: Span(single[single.len() * 99 / 100]),
        rates,
    })
}

/// A file written through once, as a prepared segment is.
fn scratch(name: &Path, direct: bool) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .custom_flags(if direct { libc::O_DIRECT } else { 0 })
        .open(name)?;
    let zeroes = block_of(ByteCount::mib(1));
    for at in (0..SCRATCH.0).step_by(1 << 20) {
        system::write_at(&file, zeroes.filled_bytes(), at).map_err(io::Error::from_raw_os_error)?;
    }
    file.sync_all()?;
    Ok(file)
}

fn block_of(length: ByteCount) -> Block {
    let mut block = BlockPool::default().take(length);
    block.spare()[..length.as_usize()].fill(0x5A);
    block.advance(length.as_usize());
    block
}

fn single_writes(file: &File) -> Result<Vec<u64>, Errno> {
    let block = block_of(ByteCount::kib(4));
    let mut times = Vec::with_capacity(SINGLE_WRITES);
    for number in 0..SINGLE_WRITES as u64 {
        let began = system::ticks();
        system::write_durably(file, block.filled_bytes(), number << 12)?;
        times.push(system::ticks().since(began).0);
    }
    Ok(times)
}

/// One thread per write in flight: the writers of a journal share its positions.
fn rate_of(rate: FlushRate, files: &[File], each: Span) -> io::Result<FlushRate> {
    let barrier = Barrier::new(files.len() * rate.in_flight);
    let block = block_of(rate.group);
    let next: Vec<AtomicU64> = files.iter().map(|_| AtomicU64::new(0)).collect();
    let write = |journal: usize| -> Result<u64, Errno> {
        barrier.wait();
        let (began, mut bytes) = (system::ticks(), 0);
        while system::ticks().since(began) < each {
            let at = next[journal].fetch_add(rate.group.0, Ordering::Relaxed) % SCRATCH.0;
            system::write_durably(&files[journal], block.filled_bytes(), at)?;
            bytes += rate.group.0;
        }
        Ok(bytes)
    };
    let began = system::ticks();
    let written: Result<Vec<u64>, Errno> = thread::scope(|scope| {
        let writers = (0..files.len()).flat_map(|journal| vec![journal; rate.in_flight]);
        let threads: Vec<_> = writers
            .map(|journal| scope.spawn(move || write(journal)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|bytes| bytes.unwrap_or(Err(libc::EIO)))
            .collect()
    });
    let written = written.map_err(io::Error::from_raw_os_error)?;
    let took = system::ticks().since(began).0.max(1);
    Ok(FlushRate {
        bytes_per_s: written.iter().sum::<u64>() as f64 * 1e9 / took as f64,
        ..rate
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_measurement_fills_every_cell_and_leaves_nothing_behind() {
        let directory = std::env::temp_dir().join(format!("thalweg-probe-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a scratch directory");
        let probe = DeviceProbe {
            journals: 2,
            each: Span::millis(2),
            direct: false,
        };

        let found = measure(&directory, probe).expect("it can be written");

        assert_eq!(found.rates.len(), 12);
        assert!(found.rates.iter().all(|rate| rate.bytes_per_s > 0.0));
        assert!(found.single_p50 <= found.single_p99);
        assert!(found.best() > 0.0);
        std::fs::remove_dir(&directory).expect("it is empty again");
    }
}
