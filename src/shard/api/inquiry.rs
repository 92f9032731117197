//! Requests that ask owners about partitions and put the answers together: who is asked what, and
//! what came back. What they look like is each request's own file.

use std::collections::BTreeMap;

use crate::base::ShardId;
use crate::log::LogError;
use crate::wire::messages::TopicName;

use super::super::calls::{Asked, Call, Token};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::{Finding, Inquiry, InquiryPart, Message, Place};

/// Which request it is, and so who writes the reply.
#[derive(Clone, Copy, Debug)]
pub enum InquiryKind {
    Offsets,
    DeleteRecords,
    EpochEnds,
    Producers,
    LogDirs,
}

/// A request that awaits its owners' answers.
#[derive(Debug)]
pub struct InquiryCall {
    pub asked: Asked,
    pub kind: InquiryKind,
    pub topics: Vec<TopicName>,
    /// In the request's order.
    pub parts: Vec<Part>,
    missing: usize,
    shares: BTreeMap<ShardId, Vec<InquiryPart>>,
}

/// One partition.
#[derive(Debug)]
pub struct Part {
    /// Which of the topics it belongs to.
    pub topic: usize,
    pub index: i32,
    /// None until its owner answers.
    outcome: Option<Result<Finding, Failure>>,
}

impl Part {
    /// What its owner found, once all have answered.
    pub fn into_outcome(self) -> Result<Finding, Failure> {
        self.outcome.expect("every owner has answered every part")
    }
}

impl InquiryCall {
    pub fn new(asked: Asked, kind: InquiryKind) -> Self {
        Self {
            asked,
            kind,
            topics: Vec::new(),
            parts: Vec::new(),
            missing: 0,
            shares: BTreeMap::new(),
        }
    }

    /// Whom the partitions belong to that will be asked about.
    pub fn owners(&self) -> impl Iterator<Item = ShardId> + use<'_> {
        self.shares.keys().copied()
    }

    /// The partitions that follow are of this topic.
    pub fn topic(&mut self, name: TopicName) {
        self.topics.push(name);
    }

    /// One partition of the last topic: where it is, or why it is not asked about.
    pub fn part(&mut self, index: i32, found: Result<(ShardId, InquiryPart), Failure>) {
        let place = Place(self.parts.len() as u32);
        let outcome = match found {
            Ok((shard, part)) => {
                let part = InquiryPart { place, ..part };
                self.shares.entry(shard).or_default().push(part);
                None
            }
            Err(failure) => Some(Err(failure)),
        };
        let topic = self.topics.len().saturating_sub(1);
        self.parts.push(Part {
            topic,
            index,
            outcome,
        });
    }
}

impl Shard {
    /// Where a partition is, with a question for its owner.
    pub(super) fn inquiry(
        &self,
        name: &TopicName,
        index: i32,
        inquiry: Inquiry,
    ) -> Result<(ShardId, InquiryPart), Failure> {
        let topic = self.find_topic(name, crate::cluster::Uuid::nil())?;
        let place = self.find_partition(topic, index)?;
        let part = InquiryPart {
            place: Place(0),
            stream: place.stream,
            inquiry,
        };
        Ok((place.shard, part))
    }

    pub(super) fn inquire(&mut self, mut call: InquiryCall) {
        let shares = std::mem::take(&mut call.shares);
        call.missing = shares.len();
        if shares.is_empty() {
            return self.answer_inquiry(call);
        }
        let token = self.calls.next_token();
        self.calls.open(token, Call::Inquiry(Box::new(call)));
        for (shard, parts) in shares {
            self.tell(shard, Message::Inquire { token, parts });
        }
    }

    /// An owner answers.
    pub(in super::super) fn inquired(
        &mut self,
        token: Token,
        parts: Vec<(Place, Result<Finding, LogError>)>,
    ) {
        let Some(Call::Inquiry(call)) = self.calls.get_mut(token) else {
            return;
        };
        for (place, outcome) in parts {
            call.parts[place.0 as usize].outcome = Some(outcome.map_err(Failure::from));
        }
        call.missing -= 1;
        if call.missing > 0 {
            return;
        }
        if let Some(Call::Inquiry(call)) = self.calls.close(token) {
            self.answer_inquiry(*call);
            self.after_brief_call();
        }
    }

    fn answer_inquiry(&mut self, call: InquiryCall) {
        match call.kind {
            InquiryKind::Offsets => self.answer_list_offsets(call),
            InquiryKind::DeleteRecords => self.answer_delete_records(call),
            InquiryKind::EpochEnds => self.answer_offset_for_leader_epoch(call),
            InquiryKind::Producers => self.answer_describe_producers(call),
            InquiryKind::LogDirs => self.answer_describe_log_dirs(call),
        }
    }
}
