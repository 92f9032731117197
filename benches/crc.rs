//! CRC-32C by the crates that could sum it, and by `base::crc`, which chooses between them.
//!
//! `cargo bench --bench crc`

mod support;

use thalweg::base::crc;

fn main() {
    let size = support::Size::from_args(10, 2_000);
    support::print_head(0);
    for bytes in [64, 256, 512, 4 << 10, 64 << 10, 1 << 20] {
        let data = vec![0xA7; bytes];
        let runs = size.runs * ((1 << 20) / bytes as u64).clamp(1, 1_000);
        let size = support::Size {
            runs,
            is_full: size.is_full,
        };
        let by_crc32c = || u64::from(crc32c::crc32c(std::hint::black_box(&data)));
        let by_crc_fast = || u64::from(crc_fast::crc32_iscsi(std::hint::black_box(&data)));
        let by_us = || u64::from(crc::crc32c(std::hint::black_box(&data)));
        support::time(&size, by_crc32c).print(&format!("crc32c    {bytes}"), Some(bytes));
        support::time(&size, by_crc_fast).print(&format!("crc-fast  {bytes}"), Some(bytes));
        support::time(&size, by_us).print(&format!("base::crc {bytes}"), Some(bytes));
    }
}
