//! Requests that await answers from shards.

use crate::base::{IdMap, Ticks};
use crate::groups::WriteId;
use crate::runtime::ConnectionId;
use crate::wire::ReplyTo;

use super::api::alter_configs::AlterConfigsCall;
use super::api::create_partitions::CreatePartitionsCall;
use super::api::create_topics::CreateTopicsCall;
use super::api::delete_topics::DeleteTopicsCall;
use super::api::fetch::FetchCall;
use super::api::find_coordinator::FindCoordinatorCall;
use super::api::groups::GroupCall;
use super::api::inquiry::InquiryCall;
use super::api::metadata::MetadataCall;
use super::api::produce::ProduceCall;
use super::connection::slots::Slot;

/// A shard's own name for one question to other shards. Never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Whom a reply goes to, and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub connection: ConnectionId,
    /// None: no reply is awaited (acks=0).
    pub slot: Option<Slot>,
    pub to: ReplyTo,
    /// The version that the client speaks, where it is older than any that is decoded.
    pub older: Option<i16>,
    /// The frame's size.
    pub bytes: usize,
    /// When it was whole.
    pub since: Ticks,
}

/// A request in the making of its reply.
#[derive(Debug)]
pub enum Call {
    Produce(Box<ProduceCall>),
    Fetch(Box<FetchCall>),
    Inquiry(Box<InquiryCall>),
    Metadata(Box<MetadataCall>),
    CreateTopics(Box<CreateTopicsCall>),
    DeleteTopics(Box<DeleteTopicsCall>),
    CreatePartitions(Box<CreatePartitionsCall>),
    AlterConfigs(Box<AlterConfigsCall>),
    FindCoordinator(Box<FindCoordinatorCall>),
    Group(Box<GroupCall>),
    /// Records of our groups, on their way to the journal.
    GroupWrite(WriteId),
    /// A slice of this partition of `__consumer_offsets`, being read.
    GroupLoad(u32),
    /// A block of producer ids, for those who wait for one.
    Block,
    /// The node's registration, at start.
    Registration,
    /// A change of the listeners, which shard 0 proposes for another.
    Listeners,
    /// A note of our own; nobody waits.
    Note,
}

impl Call {
    /// It ends soon, and such calls are bounded together. Fetches and members of groups may wait
    /// for others; what groups write follows from calls that are counted already.
    fn is_brief(&self) -> bool {
        match self {
            Self::Fetch(_) | Self::GroupWrite(_) | Self::GroupLoad(_) => false,
            Self::Group(call) => !call.waits(),
            Self::Produce(_)
            | Self::Metadata(_)
            | Self::CreateTopics(_)
            | Self::DeleteTopics(_)
            | Self::CreatePartitions(_)
            | Self::AlterConfigs(_)
            | Self::Inquiry(_)
            | Self::FindCoordinator(_)
            | Self::Block
            | Self::Registration
            | Self::Listeners
            | Self::Note => true,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Calls {
    next: u64,
    open: IdMap<Token, Call>,
    /// How many are brief.
    brief: usize,
}

impl Calls {
    /// A token for the next question.
    pub fn next_token(&mut self) -> Token {
        self.next += 1;
        Token(self.next)
    }

    pub fn open(&mut self, token: Token, call: Call) {
        self.brief += usize::from(call.is_brief());
        self.open.insert(token, call);
    }

    pub fn get_mut(&mut self, token: Token) -> Option<&mut Call> {
        self.open.get_mut(&token)
    }

    pub fn close(&mut self, token: Token) -> Option<Call> {
        let call = self.open.remove(&token)?;
        self.brief -= usize::from(call.is_brief());
        Some(call)
    }

    /// The fetches, in the order in which they came.
    pub fn fetches(&self) -> Vec<Token> {
        let is_fetch = |call: &Call| matches!(call, Call::Fetch(_));
        let open = self.open.iter().filter(|(_, call)| is_fetch(call));
        let mut tokens: Vec<Token> = open.map(|(token, _)| *token).collect();
        tokens.sort_unstable();
        tokens
    }

    /// Calls that end soon.
    pub fn brief(&self) -> usize {
        self.brief
    }
}
