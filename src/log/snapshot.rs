//! A partition's state as bytes, for the journal's checkpoints.
//!
//! Little-endian: version u8; the number of leader epochs u16, each epoch i32 and start i64; the
//! number of producers u32, each id i64, epoch i16, batches u8, each batch base sequence i32,
//! count u32, base offset i64, append time i64. Log start and end are the journal's to keep.

use super::epochs::Epochs;
use super::offset::{LeaderEpoch, Offset};
use super::partition::Partition;
use super::producers::{Kept, Producers};
use crate::base::Ticks;

const VERSION: u8 = 1;
/// What is kept of the epochs: the newest.
const EPOCHS_MAX: usize = 1_000;

/// Appends `partition`'s state.
pub(super) fn encode(partition: &Partition, out: &mut Vec<u8>) {
    out.push(VERSION);
    let epochs = partition.epochs.iter();
    let surplus = epochs.len().saturating_sub(EPOCHS_MAX);
    out.extend_from_slice(&((epochs.len() - surplus) as u16).to_le_bytes());
    for entry in epochs.skip(surplus) {
        out.extend_from_slice(&entry.epoch.0.to_le_bytes());
        out.extend_from_slice(&entry.start.0.to_le_bytes());
    }
    out.extend_from_slice(&(partition.producers.len() as u32).to_le_bytes());
    for producer in partition.producers.iter() {
        out.extend_from_slice(&producer.id.to_le_bytes());
        out.extend_from_slice(&producer.epoch.to_le_bytes());
        out.push(producer.batches().len() as u8);
        for batch in producer.batches() {
            out.extend_from_slice(&batch.base_sequence.to_le_bytes());
            out.extend_from_slice(&batch.count.to_le_bytes());
            out.extend_from_slice(&batch.base_offset.0.to_le_bytes());
            out.extend_from_slice(&batch.append_time.to_le_bytes());
        }
    }
}

/// Puts a state back into a fresh partition. None: these are not the bytes that `encode` writes.
pub(super) fn decode(mut bytes: &[u8], now: Ticks) -> Option<(Epochs, Producers)> {
    let at = &mut bytes;
    let [version] = take(at)?;
    if version != VERSION {
        return None;
    }
    let mut epochs = Epochs::default();
    for _ in 0..u16::from_le_bytes(take(at)?) {
        let epoch = LeaderEpoch(i32::from_le_bytes(take(at)?));
        epochs.note(epoch, Offset(i64::from_le_bytes(take(at)?)));
    }
    let mut producers = Producers::default();
    for _ in 0..u32::from_le_bytes(take(at)?) {
        let id = i64::from_le_bytes(take(at)?);
        let epoch = i16::from_le_bytes(take(at)?);
        let [count] = take(at)?;
        let batches = (0..count).map(|_| decode_batch(at));
        let batches: Vec<Kept> = batches.collect::<Option<_>>()?;
        if !producers.restore(id, epoch, &batches, now) {
            return None;
        }
    }
    at.is_empty().then_some((epochs, producers))
}

fn decode_batch(at: &mut &[u8]) -> Option<Kept> {
    Some(Kept {
        base_sequence: i32::from_le_bytes(take(at)?),
        count: u32::from_le_bytes(take(at)?),
        base_offset: Offset(i64::from_le_bytes(take(at)?)),
        append_time: i64::from_le_bytes(take(at)?),
    })
}

fn take<const N: usize>(at: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = at.split_first_chunk::<N>()?;
    *at = rest;
    Some(*taken)
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
