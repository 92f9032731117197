//! What many presets have in common, and what makes any of them small.

use crate::settings::{Kind, Settings};
use crate::values::Lengths;

/// Small enough for a test, large enough to reach every part of a run.
pub fn shrink(full: Settings) -> Settings {
    // Enough for a fetch session, where that is how it is read.
    let partitions_max = if full.fan_out.is_some() { 600 } else { 40 };
    let partitions = full.partitions.map(|it| it.min(partitions_max));
    Settings {
        seconds: Some(0.5),
        warm_up: Some(0.1),
        fill: full.fill.map(|_| 8 << 20),
        backlog: full.backlog.map(|_| 8 << 20),
        lead: full.lead.map(|_| 0.3),
        partitions,
        producers: full.producers.map(|it| it.min(20)),
        rate: full.rate.map(|it| it.min(20_000)),
        topics: full.topics.map(|it| it.min(40)),
        idle: full.idle.map(|it| it.min(100)),
        ..full
    }
}

/// Kreps, 2014: 100-byte records, six partitions, 64 KiB batches.
pub fn two_million() -> Settings {
    Settings {
        workload: Some(Kind::Produce),
        partitions: Some(6),
        record_bytes: Some(Lengths::from(100)),
        batch_bytes: Some(64 << 10),
        request_batches: Some(6),
        producers: Some(1),
        in_flight: Some(5),
        acks: Some(1),
        warm_up: Some(2.0),
        seconds: Some(10.0),
        ..Settings::default()
    }
}

pub fn fetch(consumers: u32) -> Settings {
    Settings {
        workload: Some(Kind::Consume),
        consumers: Some(consumers),
        in_flight: Some(2),
        fill: Some(4 << 30),
        ..two_million()
    }
}

pub fn open_loop(batch_bytes: u64) -> Settings {
    Settings {
        rate: Some(50_000),
        batch_bytes: Some(batch_bytes),
        request_batches: Some(1),
        seconds: Some(20.0),
        ..two_million()
    }
}

pub fn over_partitions(partitions: u32) -> Settings {
    Settings {
        partitions: Some(partitions),
        batch_bytes: Some(16 << 10),
        request_batches: Some(1),
        producers: Some(2),
        in_flight: Some(64),
        ..two_million()
    }
}
