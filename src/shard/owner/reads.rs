//! Reads of the journal that have not ended, and what they are for.

use std::collections::HashMap;

use crate::base::ShardId;
use crate::journal::ReadToken;
use crate::log::{LogError, SearchPlan};

use super::super::calls::Token;
use super::super::message::{FetchedPart, Place};
use super::acks::AnswerId;

/// A question whose answer awaits reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GatherId(u64);

/// One answer in the making: every part is there or being read.
#[derive(Debug)]
pub struct Gather<P> {
    pub asker: ShardId,
    pub token: Token,
    pub parts: Vec<(Place, Result<P, LogError>)>,
    pub missing: usize,
    /// For a fetch: a wait was registered.
    pub waits: bool,
}

/// What a read is for.
#[derive(Clone, Copy, Debug)]
pub enum ReadFor {
    /// The part of a fetch at this index.
    Fetch { gather: GatherId, index: usize },
    /// The part of an inquiry at this index: the offset of a time.
    Offset {
        answer: AnswerId,
        index: usize,
        plan: SearchPlan,
    },
}

/// All of them.
#[derive(Debug, Default)]
pub struct Reads {
    next: u64,
    under_way: HashMap<ReadToken, ReadFor>,
    pub fetches: HashMap<GatherId, Gather<FetchedPart>>,
}

impl Reads {
    pub fn next_gather(&mut self) -> GatherId {
        self.next += 1;
        GatherId(self.next)
    }

    /// A name for the next read. It is kept only if `started` follows.
    pub fn next_read(&mut self) -> ReadToken {
        self.next += 1;
        ReadToken(self.next)
    }

    pub fn started(&mut self, token: ReadToken, purpose: ReadFor) {
        self.under_way.insert(token, purpose);
    }

    pub fn ended(&mut self, token: ReadToken) -> Option<ReadFor> {
        self.under_way.remove(&token)
    }
}
