//! What shards of one process tell each other.
//!
//! Questions carry the asker's token and are answered with it. A shard asks itself in the same
//! words, so that there is one path. Messages of one sender arrive in order: what is produced
//! through one connection reaches its partition in the order in which it came.

use crate::base::{ByteCount, ShardId};
use crate::cluster::{Change, Command, Metadata, Refusal};
use crate::groups::{Answer, Ask};
use crate::journal::{Slice, StreamId};
use crate::log::{
    Appended, LeaderEpoch, LogError, Offset, OffsetFound, PartitionFacts, ProducerFacts, ReadAsk,
    ReadPlan,
};
use crate::wire::batch::CheckedBatch;

use super::address::Listener;
use super::calls::Token;
use super::door::Knock;
use super::introduced::Introduced;
use super::owner::offsets::OffsetAsk;
use super::steer::Guest;

/// Where a part of a request stands among all parts of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u32);

/// What became of one proposed command.
pub type Outcome = Result<Change, Refusal>;

/// One message.
#[derive(Debug)]
pub enum Message {
    /// To shard 0, once, at start: what is the metadata?
    Join,
    /// Its answer: a copy. Changes follow by themselves.
    State { metadata: Box<Metadata> },
    /// To shard 0: I have the metadata, and my partitions are open.
    Joined,
    /// To all, once every shard has joined: listen.
    Listen,

    /// To shard 0: decide these, in this order.
    Propose {
        token: Token,
        commands: Vec<Command>,
    },
    /// Its answer, one outcome per command, when every shard has applied what they changed.
    Proposed {
        token: Token,
        outcomes: Vec<Outcome>,
    },
    /// To all others: what a decision changed.
    Changes { changes: Vec<Change> },
    /// To shard 0: my copy has come to this version.
    Applied { version: u64 },
    /// To all others: my journal has failed; my partitions have no leader.
    Failed,
    /// To all others, at a stop: my clients are owed nothing any more.
    Drained,

    /// To all others: these are the listeners from here on. Comes before the change that brings it.
    Listeners(Vec<Listener>),
    /// Who may connect.
    Door(Knock),
    /// To all others: this client's connections need not say who they are.
    Introduced(Box<Introduced>),

    /// A connection moves in.
    Guest(Box<Guest>),

    /// To an owner: append these batches, and answer when they are durable as far as their topics
    /// ask (or at once, if nobody waits for that: acks=0).
    Produce {
        token: Token,
        parts: Vec<ProducePart>,
        durable: bool,
    },
    Produced {
        token: Token,
        parts: Vec<(Place, Result<Appended, LogError>)>,
    },

    /// To an owner: what is there to read?
    Fetch { token: Token, ask: FetchAsk },
    /// Its answer. `waits`: `Woken` will follow, once, unless `Unwatch` comes first.
    Fetched {
        token: Token,
        parts: Vec<(Place, Result<FetchedPart, LogError>)>,
        waits: bool,
    },
    /// To the asker of a fetch: there is more now; ask again.
    Woken { token: Token },
    /// To an owner: the fetch waits no longer.
    Unwatch { token: Token },
    /// To the asker for a fetch session: these have changed since they were last asked for, and
    /// are watched no longer.
    Changed {
        session: i32,
        streams: Vec<StreamId>,
    },
    /// To an owner: the session no longer watches this stream, or any.
    EndWatch {
        session: i32,
        stream: Option<StreamId>,
    },

    /// To an owner: small questions about partitions, and deletions of records.
    Inquire {
        token: Token,
        parts: Vec<InquiryPart>,
    },
    /// Its answer, once every deletion among them is durable.
    Inquired {
        token: Token,
        parts: Vec<(Place, Result<Finding, LogError>)>,
    },

    /// To a coordinator: a question about a group of this partition of `__consumer_offsets`.
    Group {
        token: Token,
        place: Place,
        partition: u32,
        ask: Box<Ask>,
    },
    /// Its answer, perhaps minutes later.
    Grouped {
        token: Token,
        place: Place,
        answer: Box<Answer>,
    },
}

/// One batch on its way to its partition.
#[derive(Debug)]
pub struct ProducePart {
    pub place: Place,
    pub stream: StreamId,
    pub batch: CheckedBatch,
}

/// One owner's share of a fetch.
#[derive(Clone, Debug)]
pub struct FetchAsk {
    pub parts: Vec<FetchPart>,
    /// For all parts together; the first batch that is found is returned whole.
    pub bytes_max: ByteCount,
    /// Some: if too little is there, and no error, wait for more and say `Woken`.
    pub wait: Option<Wait>,
    /// The fetch session that watches every part from this step on.
    pub watch: Option<i32>,
}

/// When a fetch has enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// With this many bytes, from all owners together.
    pub bytes_min: ByteCount,
    /// No other owner is asked. If others are, any commit may bring what is missing.
    pub alone: bool,
}

/// One partition of a fetch.
#[derive(Clone, Copy, Debug)]
pub struct FetchPart {
    pub place: Place,
    pub stream: StreamId,
    pub ask: ReadAsk,
}

/// What one partition had for a fetch.
#[derive(Clone, Debug)]
pub struct FetchedPart {
    pub plan: ReadPlan,
    /// Whole batches, oldest first.
    pub batches: Vec<Slice>,
}

impl FetchedPart {
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.payload.len()).sum()
    }

    /// Records that may be shown now follow these: a limit of the fetch kept them out.
    pub fn has_more(&self) -> bool {
        let end = self.batches.last().map(|batch| batch.head.end());
        let end = end.map_or(self.plan.from, Offset::from);
        end < self.plan.until
    }
}

/// A question about one partition.
#[derive(Clone, Copy, Debug)]
pub struct InquiryPart {
    pub place: Place,
    pub stream: StreamId,
    pub inquiry: Inquiry,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Inquiry {
    /// Where a leader epoch ended; `claimed` is the epoch that the client takes for the newest.
    EpochEnd {
        claimed: Option<LeaderEpoch>,
        asked: LeaderEpoch,
    },
    /// Which offset is this?
    Offset(OffsetAsk),
    Producers,
    Facts,
    /// Give up the records before this offset; None: all that may be read.
    DeleteRecords {
        before: Option<Offset>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// -1 and -1 if no epoch is that old.
    EpochEnd(LeaderEpoch, Offset),
    Offset(OffsetFound),
    Producers(Vec<ProducerFacts>),
    Facts(PartitionFacts),
    LogStart(Offset),
}

/// Messages and whom they go to, gathered and then delivered.
pub type Outbox = Vec<(ShardId, Message)>;
