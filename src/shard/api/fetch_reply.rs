//! The reply to a Fetch, from what its owners had.

use bytes::Bytes;

use crate::log::Isolation;
use crate::wire::ErrorCode;
use crate::wire::fetch_reply::{FetchReply, PartitionReply, TopicReply};

use super::super::codes::Failure;
use super::super::message::FetchedPart;
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
/// itself, all of them together may have more. The first batch goes whole whatever its size.
pub fn assemble(call: FetchCall) -> FetchReply {
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
    for part in call.parts {
        let outcome = part
            .outcome
            .unwrap_or(Err(Failure::bare(ErrorCode::UnknownServerError)));
        let reply = match outcome {
            Ok(fetched) => {
                let mut reply = partition(part.index, &fetched, committed);
                reply.records = cut(fetched, &mut left, &mut first);
                reply
            }
            Err(failure) => PartitionReply::failed(part.index, failure.code),
        };
        topics[part.topic].partitions.push(reply);
    }
    FetchReply {
        topics,
        ..refused(ErrorCode::None)
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
