//! How a shard comes up: its journal is opened and replayed before any event.

use std::collections::BTreeSet;

use crate::base::ShardId;
use crate::base::random::Random;
use crate::cluster::MetadataLog;
use crate::cluster::metadata_log::MetadataError;
use crate::journal::{EntryHead, Index, Journal, JournalError, Replay, Settings, StreamId};
use crate::log::Partitions;
use crate::runtime::Boot;
use crate::wire::ApiSet;

use super::admission::Admission;
use super::api::init_producer_id::ProducerIds;
use super::api::metadata_cache::MetadataCache;
use super::calls::Calls;
use super::config::ShardConfig;
use super::connections::Connections;
use super::coordinator::Coordinator;
use super::decider::Decider;
use super::machine::{Listen, Shard};
use super::owner::Owner;
use super::timers::Timers;

/// Why a shard did not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardError {
    /// Its journal could not be opened.
    Journal(JournalError),
    /// Its journal opened, but the metadata in it could not be read.
    Metadata(MetadataError),
    /// The manifest does not list it.
    NotListed { shard: ShardId },
}

/// The stream of random numbers that member ids are drawn from.
const MEMBER_IDS: u64 = 1;

impl Shard {
    /// Opens the shard in its directory. Reads and repairs what a crash left; makes no system
    /// call but through `boot`.
    pub fn open(mut boot: Boot<'_>, config: ShardConfig) -> Result<Self, ShardError> {
        if !config.shards.contains(&boot.shard) {
            return Err(ShardError::NotListed { shard: boot.shard });
        }
        let mut partitions = Partitions::new(config.partitions, boot.now);
        let mut journal = open_journal(&mut boot, config.journal, &mut partitions)?;
        let mut decider = None;
        let mut metadata = None;
        if boot.shard == ShardId::ZERO {
            let log =
                MetadataLog::open(&mut journal, boot.directory).map_err(ShardError::Metadata)?;
            metadata = Some(log.metadata().clone());
            decider = Some(Decider::new(log, boot.shard, &config.shards));
        }
        let mut random = Random::with_seed(boot.seed);
        let coordinator = Coordinator::new(config.groups, random.fork(MEMBER_IDS));
        let mut shard = Self {
            id: boot.shard,
            pool: boot.pool,
            apis: ApiSet::ENGINE,
            now: boot.now,
            turn: 0,
            turn_bytes: 0,
            connections: Connections::new(Admission::new(config.request_memory)),
            calls: Calls::default(),
            steering: Default::default(),
            owner: Owner::new(journal, partitions),
            decider,
            metadata,
            failed: BTreeSet::new(),
            metadata_cache: MetadataCache::default(),
            producer_ids: ProducerIds::default(),
            retention: None,
            timers: Timers::default(),
            random,
            coordinator,
            stopping: None,
            outbox: Vec::new(),
            to_others: Vec::new(),
            listen: Listen::NotYet,
            ended: None,
            held_back: false,
            memory_watched: false,
            drained: BTreeSet::new(),
            ticks: 0,
            wake_asked: None,
            config,
        };
        if shard.metadata.is_some() {
            shard.open_partitions();
        }
        Ok(shard)
    }
}

/// The journal, and its streams in `partitions`.
fn open_journal(
    boot: &mut Boot<'_>,
    settings: Settings,
    partitions: &mut Partitions,
) -> Result<Journal, ShardError> {
    let mut watched = Watched {
        partitions,
        progress: boot.progress,
    };
    let pool = boot.pool.clone();
    let opened = Journal::open(settings, boot.directory, pool, boot.now, &mut watched);
    opened.map_err(ShardError::Journal)
}

/// Partitions that recover while somebody waits.
struct Watched<'a> {
    partitions: &'a mut Partitions,
    progress: &'a dyn Fn(u32, u32),
}

impl Replay for Watched<'_> {
    fn restored(&mut self, stream: StreamId, first: Index, end: Index, snapshot: &[u8]) {
        self.partitions.restored(stream, first, end, snapshot);
    }

    fn entry(&mut self, head: &EntryHead) {
        self.partitions.entry(head);
    }

    fn trimmed(&mut self, stream: StreamId, first: Index) {
        self.partitions.trimmed(stream, first);
    }

    fn dropped(&mut self, stream: StreamId) {
        self.partitions.dropped(stream);
    }

    fn progress(&mut self, done: u32, all: u32) {
        (self.progress)(done, all);
    }
}

impl std::fmt::Display for ShardError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(error) => write!(f, "the journal does not open: {error:?}"),
            Self::Metadata(error) => write!(f, "the metadata cannot be read: {error:?}"),
            Self::NotListed { shard } => write!(f, "the manifest lists no shard {shard}"),
        }
    }
}

impl std::error::Error for ShardError {}
