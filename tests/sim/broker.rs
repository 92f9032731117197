//! The broker under test: shards over the simulated driver.

use thalweg::base::{ByteCount, NodeId, ShardId};
use thalweg::journal::Settings;
use thalweg::runtime::sim;
use thalweg::shard::{Addresses, Shard, ShardConfig, ShardError};

pub type World = sim::World<Shard>;

/// Why the process is not up.
pub type Failure = sim::BootFailure<ShardError>;

/// Journals small enough that a few seconds of a simulated world fill, seal and clean segments.
pub fn journal(segment: ByteCount, cache: ByteCount) -> Settings {
    Settings {
        segment_bytes: segment,
        chunk_bytes: ByteCount::kib(128),
        cache_bytes: cache,
        index_cache_bytes: ByteCount::kib(128),
        reserve_bytes: segment,
        parts_max: 6,
        incarnation: 1,
    }
}

pub fn config(shards: u16, journal: Settings) -> ShardConfig {
    let addresses = Addresses::of_one("localhost", 9092);
    let shards = (0..shards).map(ShardId).collect();
    ShardConfig::new(
        NodeId(1),
        "simulated-cluster".into(),
        shards,
        addresses,
        journal,
    )
}

pub fn boot(
    world: &mut World,
    cores: usize,
    dies_at: Option<(ShardId, u64)>,
    config: &ShardConfig,
) -> Result<(), Failure> {
    world.boot(cores, dies_at, |boot| Shard::open(boot, config.clone()))
}
