//! The reply to a Fetch, from what its owners had.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::log::Isolation;
use crate::wire::ErrorCode;
use crate::wire::fetch_reply::{FetchReply, PartitionReply, TopicReply};

use super::super::codes::Failure;
use super::super::fetch_session::{Seen, Session};
use super::super::message::{FetchedPart, Place};
use super::fetch::FetchCall;

/// A reply that is an error as a whole.
pub fn refused(error: ErrorCode) -> FetchReply {
    FetchReply {
        throttle_time_ms: 0,
        error,
        session_id: 0,
        topics: Vec::new(),
    }
}

/// Parts in the request's order, cut to what the client takes: each owner kept to `max_bytes` by
/// itself, all of them together may have more. The first batch goes whole whatever its size. A
/// session is told what the client is told; its incremental replies have only what is new.
pub fn assemble(call: FetchCall, session: Option<&mut Session>) -> FetchReply {
    let committed = call.isolation == Isolation::ReadCommitted;
    let mut left = call.bytes_max;
    let mut first = true;
    let mut topics: Vec<TopicReply> = call
        .topics
        .into_iter()
        .map(|(name, id)| TopicReply {
            name: name.0,
            id: id.into_bytes(),
            partitions: Vec::new(),
        })
        .collect();
    let unasked = call.owners.values().flat_map(|share| &share.parts);
    let unasked: BTreeSet<Place> = unasked.map(|part| part.place).collect();
    let mut telling = call.session.zip(session);
    for (place, part) in (0..).map(Place).zip(call.parts) {
        let outcome = match (part.outcome, &telling) {
            (Some(outcome), _) => outcome,
            // It stays due.
            (None, Some(_)) => continue,
            (None, None) => Err(Failure::bare(ErrorCode::UnknownServerError)),
        };
        let (reply, seen) = match outcome {
            Ok(fetched) => {
                let mut reply = partition(part.index, &fetched, committed);
                let more = !fetched.plan.is_empty();
                reply.records = cut(fetched, &mut left, &mut first);
                let seen = seen(&reply, more);
                (reply, seen)
            }
            Err(failure) => {
                let reply = PartitionReply::failed(part.index, failure.code);
                let seen = seen(&reply, false);
                (reply, seen)
            }
        };
        if let Some((pass, session)) = &mut telling {
            let id = pass.parts[place.0 as usize];
            let is_news = session.tell(id, seen);
            if unasked.contains(&place) {
                // It changed after what is told here was read.
                session.touch(id);
            }
            if !is_news && !pass.full {
                continue;
            }
        }
        topics[part.topic].partitions.push(reply);
    }
    let mut reply = refused(ErrorCode::None);
    if let Some((pass, _)) = telling {
        reply.session_id = pass.id.0;
        topics.retain(|topic| !topic.partitions.is_empty());
    }
    FetchReply { topics, ..reply }
}

fn seen(reply: &PartitionReply, more: bool) -> Seen {
    Seen {
        failed: reply.error != ErrorCode::None,
        sent: reply.records.iter().map(Bytes::len).sum(),
        more,
        high_watermark: reply.high_watermark,
        log_start: reply.log_start_offset,
    }
}

fn partition(index: i32, fetched: &FetchedPart, committed: bool) -> PartitionReply {
    PartitionReply {
        index,
        error: ErrorCode::None,
        high_watermark: fetched.plan.high_watermark.0,
        last_stable_offset: fetched.plan.last_stable.0,
        log_start_offset: fetched.plan.log_start.0,
        aborted: committed.then(Vec::new),
        current_leader: None,
        records: Vec::new(),
    }
}

/// As many whole batches as fit.
fn cut(fetched: FetchedPart, left: &mut usize, first: &mut bool) -> Vec<Bytes> {
    let mut records = Vec::with_capacity(fetched.batches.len());
    for batch in fetched.batches {
        let bytes = batch.payload.len();
        if bytes > *left && !*first {
            *left = 0;
            break;
        }
        *left = left.saturating_sub(bytes);
        *first = false;
        records.push(batch.payload);
    }
    records
}
