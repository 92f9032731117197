//! How a shard comes up: its journal is opened and replayed before any event.

use std::collections::BTreeSet;

use crate::admin::InForce;
use crate::base::ShardId;
use crate::base::random::Random;
use crate::cluster::metadata_log::MetadataError;
use crate::cluster::{Metadata, MetadataLog};
use crate::journal::{EntryHead, Index, Journal, JournalError, Replay, Settings, StreamId};
use crate::log::Partitions;
use crate::runtime::Boot;
use crate::wire::ApiSet;

use super::api::init_producer_id::ProducerIds;
use super::api::metadata_all::FullReplies;
use super::api::metadata_cache::MetadataCache;
use super::api::produce::LongProduces;
use super::calls::Calls;
use super::config::ShardConfig;
use super::connections::Connections;
use super::coordinator::Coordinator;
use super::decider::Decider;
use super::door::{Bounds, Door};
use super::fetch_session::Sessions;
use super::listening::Listening;
use super::machine::{Listen, Shard};
use super::owner::Owner;
use super::readings::Counts;
use super::timers::Timers;
use super::topic_configs::TopicConfigs;

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
        let (decider, metadata) = open_decider(&mut boot, &mut journal, &config.shards)?.unzip();
        let mut random = Random::with_seed(boot.seed);
        let coordinator = Coordinator::new(config.groups, random.fork(MEMBER_IDS));
        let mut shard = Self {
            id: boot.shard,
            pool: boot.pool,
            apis: ApiSet::ENGINE,
            now: boot.now,
            turn: 0,
            turn_bytes: 0,
            connections: Connections::new(&config),
            door: Door::new(Bounds::new(
                InForce::fixed(&config.broker),
                &config.addresses,
            )),
            calls: Calls::default(),
            sessions: Sessions::new(config.defaults.fetch_sessions),
            steering: Default::default(),
            introduced: Default::default(),
            owner: Owner::new(journal, partitions),
            decider,
            listening: Listening::new(config.addresses.listeners.len()),
            metadata,
            failed: BTreeSet::new(),
            topic_configs: TopicConfigs::new(InForce::fixed(&config.broker)),
            metadata_cache: MetadataCache::default(),
            counts: Counts::default(),
            full_replies: FullReplies::default(),
            long_produces: LongProduces::default(),
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
            told: Default::default(),
            config,
        };
        if shard.metadata.is_some() {
            shard.take_over_configs();
            shard.open_partitions();
        }
        Ok(shard)
    }
}

/// Shard 0's part: what decides metadata, and a copy of what it has decided so far.
fn open_decider(
    boot: &mut Boot<'_>,
    journal: &mut Journal,
    shards: &[ShardId],
) -> Result<Option<(Decider, Metadata)>, ShardError> {
    if boot.shard != ShardId::ZERO {
        return Ok(None);
    }
    let log = MetadataLog::open(journal, boot.directory).map_err(ShardError::Metadata)?;
    let metadata = log.metadata().clone();
    Ok(Some((Decider::new(log, boot.shard, shards), metadata)))
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

    fn lost(&mut self, stream: StreamId, end: Index) {
        self.partitions.lost(stream, end);
    }

    fn progress(&mut self, done: u32, all: u32) {
        (self.progress)(done, all);
    }
}

impl std::fmt::Display for ShardError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(error) => write!(f, "the journal does not open: {}", Place(error)),
            Self::Metadata(error) => write_metadata(f, error),
            Self::NotListed { shard } => write!(f, "the manifest lists no shard {shard}"),
        }
    }
}

/// What a person needs of a journal's error: the call or the sum that failed, and where.
struct Place<'a>(&'a JournalError);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, file, at) = match self.0 {
            JournalError::Device(error) => {
                let what = format!("{} failed with errno {}", error.call, error.errno);
                (what, error.file, error.at)
            }
            JournalError::Checksum { file, at, .. } => {
                ("the bytes are not those written".to_owned(), *file, *at)
            }
            JournalError::Lost { file, at, .. } => ("entries are gone".to_owned(), *file, *at),
            other => return write!(f, "{other:?}"),
        };
        write!(f, "{what}, in {:08}.journal at byte {}", file.0, at.0)
    }
}

/// Without all of its metadata shard 0 would take the partitions of forgotten topics for deleted
/// ones, so it does not start.
fn write_metadata(f: &mut std::fmt::Formatter<'_>, error: &MetadataError) -> std::fmt::Result {
    write!(
        f,
        "the metadata (topics, their ids and partitions) is damaged: "
    )?;
    match error {
        MetadataError::Journal(error) => write!(f, "{}", Place(error))?,
        MetadataError::Unreadable { at, why } => write!(f, "entry {}: {why}", at.0)?,
    }
    write!(
        f,
        ". Nothing was changed: going on would lose topics in silence. Copy the data directory \
         away, look at the device (dmesg, smartctl), and start again: a device that failed for \
         a moment may have recovered. If not, restore the directory of shard 0 from a copy"
    )
}

impl std::error::Error for ShardError {}
