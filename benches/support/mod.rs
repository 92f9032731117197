//! What every bench shares: two sizes, samples, one line of result.
//!
//! `cargo bench` runs the full size; run by `cargo test`, without `--bench`, it is the small one.
#![allow(
    dead_code,
    reason = "each bench is a crate of its own and uses what it needs"
)]

use std::time::Instant;

/// How often a bench does its work: small proves that it runs, full is for the truth.
pub struct Size {
    pub runs: u64,
    pub is_full: bool,
}

impl Size {
    pub fn from_args(small: u64, full: u64) -> Size {
        let is_full = std::env::args().any(|argument| argument == "--bench");
        Size {
            runs: if is_full { full } else { small },
            is_full,
        }
    }
}

/// Machine, kernel and seed: the head of every bench's output.
pub fn print_head(seed: u64) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.unwrap_or("").trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    println!("{cores} x {model}, Linux {}, seed {seed}", kernel.trim());
}

/// The times of one piece of work, in nanoseconds per run.
pub struct Times {
    sorted: Vec<f64>,
    checksum: u64,
}

/// Runs `work` `size.runs` times in at most 1,000 samples; `work` gives a number that depends on
/// what it did, so that nothing of it can be left out.
pub fn time(size: &Size, mut work: impl FnMut() -> u64) -> Times {
    let samples = size.runs.min(1_000);
    let per_sample = (size.runs / samples).max(1);
    let mut checksum = 0u64;
    let mut sorted = Vec::new();
    for _ in 0..samples {
        let start = Instant::now();
        for _ in 0..per_sample {
            checksum = checksum
                .wrapping_mul(31)
                .wrapping_add(std::hint::black_box(work()));
        }
        sorted.push(start.elapsed().as_nanos() as f64 / per_sample as f64);
    }
    sorted.sort_by(f64::total_cmp);
    Times { sorted, checksum }
}

impl Times {
    pub fn median_ns(&self) -> f64 {
        self.at(0.5)
    }

    fn at(&self, share: f64) -> f64 {
        self.sorted[((self.sorted.len() - 1) as f64 * share) as usize]
    }

    /// One line; `bytes` of work per run add a rate.
    pub fn print(&self, name: &str, bytes: Option<usize>) {
        let median = self.median_ns();
        let rate = bytes.map(|bytes| format!(", {:.2} GB/s", bytes as f64 / median));
        println!(
            "{name}: median {median:.0} ns, p99 {:.0} ns{}, checksum {:016x}",
            self.at(0.99),
            rate.unwrap_or_default(),
            self.checksum
        );
    }
}
