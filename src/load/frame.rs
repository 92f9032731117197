//! Produce requests, encoded once; between two sends only what differs is written.

use super::Plan;
use super::batch::{BatchShape, Identity, ProducerId};
use super::mixed::Mixed;
use super::route::Lane;
use super::sender::Job;

/// Produce version 9: the first flexible one, and one that every broker and proxy has.
const VERSION: i16 = 9;
const TIMEOUT_MS: i32 = 30_000;
pub const CORRELATION_AT: usize = 8;

pub const CLIENT_ID: &str = "loadgen";

/// Puts requests together, as many as one send may carry.
pub enum Encoder<'a> {
    Equal(Frames<'a>),
    Mixed(Mixed<'a>),
}

impl<'a> Encoder<'a> {
    /// For one lane: `batches` of its partitions in a request, `count` requests in a send, from
    /// an idempotent producer if it has an id.
    pub fn new(
        job: &Job<'a>,
        lane: Lane,
        batches: u32,
        producer: Option<ProducerId>,
        count: usize,
    ) -> Self {
        if job.plan.is_mixed() {
            Self::Mixed(Mixed::new(job, lane, batches, producer, count))
        } else {
            Self::Equal(Frames::new(
                job.cargo.shape(),
                job.plan,
                batches,
                producer,
                count,
            ))
        }
    }

    /// Requests that fit into one send.
    pub fn capacity(&self) -> usize {
        match self {
            Self::Equal(it) => it.capacity(),
            Self::Mixed(it) => it.capacity,
        }
    }

    /// Makes the `at`-th request carry what `load` says for each of its batches. They are made in
    /// order, from 0 on.
    pub fn set(&mut self, at: usize, correlation_id: i32, load: impl FnMut() -> Load) {
        match self {
            Self::Equal(it) => it.set(at, correlation_id, load),
            Self::Mixed(it) => it.set(at, correlation_id, load),
        }
    }

    /// The first `count` requests.
    pub fn bytes(&self, count: usize) -> &[u8] {
        match self {
            Self::Equal(it) => it.bytes(count),
            Self::Mixed(it) => &it.bytes,
        }
    }
}

/// Several equal requests in one buffer, so that one call sends many small ones.
pub struct Frames<'a> {
    shape: &'a BatchShape,
    bytes: Vec<u8>,
    request_bytes: usize,
    /// Where in a request each of its batches' partition index and batch begin.
    slots: Vec<Slot>,
    /// Which batch every slot of every request holds now.
    holds: Vec<Identity>,
    is_idempotent: bool,
}

#[derive(Clone, Copy)]
struct Slot {
    partition_at: usize,
    batch_at: usize,
}

/// What one slot shall carry.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub partition: u32,
    pub identity: Identity,
}

impl<'a> Frames<'a> {
    pub fn new(
        shape: &'a BatchShape,
        plan: &Plan,
        batches: u32,
        producer: Option<ProducerId>,
        count: usize,
    ) -> Self {
        let (mut request, slots) = encode(shape, &plan.topic, plan.acks, batches);
        if let Some(producer) = producer {
            for slot in &slots {
                let end = slot.batch_at + shape.bytes().len();
                shape.adopt(&mut request[slot.batch_at..end], producer);
            }
        }
        let request_bytes = request.len();
        let holds = vec![Identity::default(); slots.len() * count];
        Self {
            shape,
            bytes: request.repeat(count),
            request_bytes,
            slots,
            holds,
            is_idempotent: producer.is_some(),
        }
    }

    /// Requests that fit into one send.
    pub fn capacity(&self) -> usize {
        self.bytes.len() / self.request_bytes
    }

    /// Makes the `at`-th request carry what `load` says for each of its batches.
    pub fn set(&mut self, at: usize, correlation_id: i32, mut load: impl FnMut() -> Load) {
        let request = &mut self.bytes[at * self.request_bytes..][..self.request_bytes];
        request[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation_id.to_be_bytes());
        let batch_bytes = self.shape.bytes().len();
        let holds = &mut self.holds[at * self.slots.len()..][..self.slots.len()];
        for (slot, held) in self.slots.iter().zip(holds) {
            let Load {
                partition,
                identity,
            } = load();
            request[slot.partition_at..slot.partition_at + 4]
                .copy_from_slice(&partition.to_be_bytes());
            let batch = &mut request[slot.batch_at..slot.batch_at + batch_bytes];
            self.shape.patch(batch, *held, identity);
            if self.is_idempotent {
                self.shape
                    .patch_sequence(batch, held.number, identity.number);
            }
            *held = identity;
        }
    }

    /// The first `count` requests.
    pub fn bytes(&self, count: usize) -> &[u8] {
        &self.bytes[..count * self.request_bytes]
    }
}

fn encode(shape: &BatchShape, topic: &str, acks: i16, batches: u32) -> (Vec<u8>, Vec<Slot>) {
    let mut out = vec![0; 4];
    push_produce_head(&mut out, acks);
    // One topic.
    out.push(2);
    push_text(&mut out, topic);
    push_uvarint(&mut out, batches + 1);
    let mut slots = Vec::new();
    for _ in 0..batches {
        let partition_at = out.len();
        out.extend_from_slice(&[0; 4]);
        push_uvarint(&mut out, shape.bytes().len() as u32 + 1);
        slots.push(Slot {
            partition_at,
            batch_at: out.len(),
        });
        out.extend_from_slice(shape.bytes());
        // No tagged fields of the partition.
        out.push(0);
    }
    // None of the topic, none of the request.
    out.extend_from_slice(&[0, 0]);
    set_length(&mut out);
    (out, slots)
}

/// From the header to what comes before the topics.
pub fn push_produce_head(out: &mut Vec<u8>, acks: i16) {
    push_header(out, 0, VERSION);
    // No transactional id.
    out.push(0);
    out.extend_from_slice(&acks.to_be_bytes());
    out.extend_from_slice(&TIMEOUT_MS.to_be_bytes());
}

/// Key, version, correlation id 0, client id, no tagged fields.
pub fn push_header(out: &mut Vec<u8>, key: i16, version: i16) {
    out.extend_from_slice(&key.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&0_i32.to_be_bytes());
    out.extend_from_slice(&(CLIENT_ID.len() as i16).to_be_bytes());
    out.extend_from_slice(CLIENT_ID.as_bytes());
    out.push(0);
}

pub fn push_text(out: &mut Vec<u8>, text: &str) {
    push_uvarint(out, text.len() as u32 + 1);
    out.extend_from_slice(text.as_bytes());
}

pub fn push_uvarint(out: &mut Vec<u8>, value: u32) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub fn set_length(out: &mut [u8]) {
    let length = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&length.to_be_bytes());
}
