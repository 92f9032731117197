//! Metadata of all topics: the largest reply there is, made over as many turns as it takes.
//!
//! A reply of 140,000 partitions in one go kept every other connection of the core waiting for
//! tens of milliseconds (`benches/stalls`). So it is made in slices from a snapshot of the topics,
//! which are shared and never change; clients that ask for the same meanwhile get the same reply.

use std::collections::VecDeque;
use std::sync::Arc;
use std::vec;

use bytes::Bytes;

use crate::base::limits::METADATA_ENTRIES_PER_TURN_MAX;
use crate::cluster::{Metadata, Topic};
use crate::wire::WireError;
use crate::wire::metadata_reply::MetadataReply;

use super::super::calls::Asked;
use super::super::machine::Shard;
use super::metadata::Operations;
use super::metadata_cache::{Basis, Key, own_front};

/// The replies in the making, the first of them at hand.
#[derive(Debug, Default)]
pub struct FullReplies(VecDeque<FullReply>);

impl FullReplies {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug)]
struct FullReply {
    basis: Basis,
    key: Key,
    told: Operations,
    sees_shards: bool,
    /// Who wants it; never empty.
    asked: Vec<Asked>,
    topics: vec::IntoIter<Arc<Topic>>,
    /// The topic at hand, and its next partition.
    at: Option<(Arc<Topic>, u32)>,
    reply: MetadataReply,
}

impl Shard {
    pub(super) fn answer_all(&mut self, asked: Asked, told: Operations) {
        let basis = self.metadata_basis();
        let endpoint = self.endpoint(asked.connection);
        let sees_shards = self.sees_shards(asked.connection);
        let key = Key::new(asked.to, &endpoint, sees_shards, told);
        if let Some(kept) = self.metadata_cache.find(basis, asked.to, &key) {
            return self.send_reply(asked, Ok(kept));
        }
        let mut making = self.full_replies.0.iter_mut();
        if let Some(same) = making.find(|own| own.basis == basis && own.key == key) {
            return same.asked.push(asked);
        }
        let known = self.known().into_iter().flat_map(Metadata::topics);
        let topics: Vec<Arc<Topic>> = known.cloned().collect();
        let response = self.metadata_response(asked, Vec::new(), told);
        let reply = match MetadataReply::begin(asked.to, &response, topics.len()) {
            Ok(reply) => reply,
            Err(error) => return self.send_reply(asked, Err(error)),
        };
        let begun = FullReply {
            basis,
            key,
            told,
            sees_shards,
            asked: vec![asked],
            topics: topics.into_iter(),
            at: None,
            reply,
        };
        // Small ones end at once; a large one waits for its turn behind those that came before.
        match self.full_replies.is_empty() {
            true => self.go_on_with(begun),
            false => self.full_replies.0.push_back(begun),
        }
    }

    /// One slice of the reply at hand.
    pub(in super::super) fn continue_full_replies(&mut self) {
        if let Some(first) = self.full_replies.0.pop_front() {
            self.go_on_with(first);
        }
    }

    fn go_on_with(&mut self, mut own: FullReply) {
        match self.add_slice(&mut own) {
            Ok(false) => self.full_replies.0.push_front(own),
            Ok(true) => {
                let pieces = own.reply.finish();
                // What changed meanwhile may be in it in parts: those who asked then get a new one.
                if let Ok(pieces) = &pieces
                    && own.basis == self.metadata_basis()
                {
                    self.metadata_cache.keep(own.basis, own.key, pieces.clone());
                }
                self.answer_each(&own.asked, &pieces);
            }
            Err(error) => self.answer_each(&own.asked, &Err(error)),
        }
    }

    fn answer_each(&mut self, asked: &[Asked], pieces: &Result<Vec<Bytes>, WireError>) {
        for asked in asked {
            let own = match pieces {
                Ok(pieces) => own_front(pieces, asked.to).ok_or(WireError::Unencodable),
                Err(error) => Err(*error),
            };
            self.send_reply(*asked, own);
        }
    }

    /// Adds what one turn may; true when the reply is whole.
    fn add_slice(&self, own: &mut FullReply) -> Result<bool, WireError> {
        let mut left = METADATA_ENTRIES_PER_TURN_MAX;
        loop {
            let Some((topic, first)) = own.at.take() else {
                let Some(topic) = own.topics.next() else {
                    return Ok(true);
                };
                let head = self.topic_head(&topic, own.told);
                let partitions = topic.partition_count();
                own.reply.topic(&head, partitions as usize)?;
                left = left.saturating_sub(1);
                own.at = Some((topic, 0));
                continue;
            };
            let mut next = first;
            for place in topic.partitions_from(first).take(left) {
                let partition = self.partition_response(place, own.sees_shards);
                own.reply.partition(&partition)?;
                next += 1;
            }
            left -= (next - first) as usize;
            if next < topic.partition_count() {
                own.at = Some((topic, next));
            }
            if left == 0 {
                return Ok(false);
            }
        }
    }

    /// What replies with every topic depend on.
    fn metadata_basis(&self) -> Basis {
        Basis {
            version: self.known().map_or(0, Metadata::version),
            failed: self.failed.len(),
        }
    }
}
