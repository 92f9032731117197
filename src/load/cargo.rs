//! The batches of a run, made ahead: of one shape, of one for each partition, or compressed.

use std::collections::HashMap;

use bytes::Bytes;

use super::Plan;
use super::batch::{BatchShape, Filling, Identity, ProducerId, set_producer};
use super::plan::PACKED_PER_STREAM;
use super::records::KeySpread;
use super::route::{Global, Numbering};
use crate::base::random::Random;
use crate::wire::batch::{BatchBuilder, Codec, NewRecord};

/// What all batches have in common, and what each partition's look like.
pub struct Cargo {
    /// In every batch.
    pub records: u32,
    /// What a batch has on average as it travels.
    pub batch_bytes: u64,
    /// One for all, or one for each partition of a topic.
    shapes: Vec<BatchShape>,
    codec: Codec,
    numbering: Numbering,
}

/// One producer's compressed batches, by stream: they cannot be patched, so there are as many as
/// their numbers need to be told apart.
#[derive(Default)]
pub struct Packs(HashMap<u32, Vec<Bytes>>);

impl Cargo {
    pub fn new(plan: &Plan, spread: Option<&KeySpread>) -> Self {
        let filling = Filling {
            sizes: plan.record_bytes.classes(),
            batch_bytes: plan.batch_bytes.as_usize(),
            records_max: plan.batch_records_max(),
            text: plan.compression != Codec::None,
            seed: plan.seed,
        };
        let shapes: Vec<BatchShape> = match spread {
            None => vec![BatchShape::new(&filling, |_| None::<[u8; 0]>)],
            Some(spread) => (0..plan.partitions)
                .map(|partition| {
                    let key = |random: &mut Random| Some(spread.draw(partition, random));
                    BatchShape::new(&filling, key)
                })
                .collect(),
        };
        let mut cargo = Self {
            records: shapes[0].records,
            batch_bytes: shapes[0].bytes().len() as u64,
            shapes,
            codec: plan.compression,
            numbering: Numbering::of(plan),
        };
        if plan.compression != Codec::None {
            let packed = cargo.packs(&[(0, 0)]);
            let bytes = packed.0.values().flatten().map(|it| it.len() as u64);
            cargo.batch_bytes = bytes.sum::<u64>() / PACKED_PER_STREAM;
        }
        cargo
    }

    /// The one shape of a run that is not mixed.
    pub fn shape(&self) -> &BatchShape {
        &self.shapes[0]
    }

    /// The compressed batches of these streams; none if nothing is compressed.
    pub fn packs(&self, streams: &[(u32, Global)]) -> Packs {
        if self.codec == Codec::None {
            return Packs::default();
        }
        let of = |(stream, partition): &(u32, Global)| {
            let numbers = 0..PACKED_PER_STREAM;
            let packed = numbers.map(|number| self.pack(*stream, *partition, number));
            (*stream, packed.collect())
        };
        Packs(streams.iter().map(of).collect())
    }

    fn pack(&self, stream: u32, partition: Global, number: u64) -> Bytes {
        let shape = self.shape_of(partition);
        let mut bytes = shape.bytes().to_vec();
        let identity = Identity { stream, number };
        shape.patch(&mut bytes, Identity::default(), identity);
        let timestamp = shape.timestamp();
        let mut builder = BatchBuilder::new().codec(self.codec);
        for value in shape.values() {
            builder.push(NewRecord {
                timestamp,
                key: value.key.map(|(at, length)| &bytes[at..at + length]),
                value: Some(&bytes[value.at..value.at + value.bytes]),
                ..NewRecord::default()
            });
        }
        builder.build()
    }

    fn shape_of(&self, partition: Global) -> &BatchShape {
        match self.shapes.len() {
            1 => &self.shapes[0],
            _ => &self.shapes[self.numbering.within_topic(partition) as usize],
        }
    }

    /// Appends the batch, ready to be sent.
    pub fn push(
        &self,
        out: &mut Vec<u8>,
        partition: Global,
        identity: Identity,
        producer: Option<ProducerId>,
        packs: &Packs,
    ) {
        let (shape, from) = (self.shape_of(partition), out.len());
        let packed = packs.0.get(&identity.stream);
        let packed = packed.and_then(|it| it.get((identity.number % PACKED_PER_STREAM) as usize));
        match packed {
            Some(packed) => out.extend_from_slice(packed),
            None => {
                out.extend_from_slice(shape.bytes());
                shape.patch(&mut out[from..], Identity::default(), identity);
            }
        }
        if let Some(producer) = producer {
            let sequence = shape.sequence(identity.number);
            set_producer(&mut out[from..], producer, sequence);
        }
    }

    /// How long it is when it is pushed.
    pub fn length(&self, partition: Global, identity: Identity, packs: &Packs) -> usize {
        match packs.0.get(&identity.stream) {
            Some(packed) => packed[(identity.number % PACKED_PER_STREAM) as usize].len(),
            None => self.shape_of(partition).bytes().len(),
        }
    }
}
