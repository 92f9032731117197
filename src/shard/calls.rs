//! Requests that await answers from shards.

use std::collections::HashMap;

use crate::runtime::ConnectionId;
use crate::wire::ReplyTo;

use super::api::create_topics::CreateTopicsCall;
use super::api::delete_topics::DeleteTopicsCall;
use super::api::fetch::FetchCall;
use super::api::list_offsets::ListOffsetsCall;
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
    /// The frame's size.
    pub bytes: usize,
}

/// A request in the making of its reply.
#[derive(Debug)]
pub enum Call {
    Produce(Box<ProduceCall>),
    Fetch(Box<FetchCall>),
    ListOffsets(Box<ListOffsetsCall>),
    Metadata(Box<MetadataCall>),
    CreateTopics(Box<CreateTopicsCall>),
    DeleteTopics(Box<DeleteTopicsCall>),
    /// A block of producer ids, for those who wait for one.
    Block,
    /// The node's registration, at start.
    Registration,
    /// A note of our own; nobody waits.
    Note,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Calls {
    next: u64,
    open: HashMap<Token, Call>,
    /// How many are not fetches: those end soon and are bounded, while fetches may wait.
    brief: usize,
}

impl Calls {
    /// A token for the next question.
    pub fn next_token(&mut self) -> Token {
        self.next += 1;
        Token(self.next)
    }

    pub fn open(&mut self, token: Token, call: Call) {
        self.brief += usize::from(!matches!(call, Call::Fetch(_)));
        self.open.insert(token, call);
    }

    pub fn get_mut(&mut self, token: Token) -> Option<&mut Call> {
        self.open.get_mut(&token)
    }

    pub fn close(&mut self, token: Token) -> Option<Call> {
        let call = self.open.remove(&token)?;
        self.brief -= usize::from(!matches!(call, Call::Fetch(_)));
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

    /// Calls that are not fetches.
    pub fn brief(&self) -> usize {
        self.brief
    }
}
