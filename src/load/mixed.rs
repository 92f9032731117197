//! Produce requests whose batches differ in shape or topic: put together anew for every send.

use super::batch::ProducerId;
use super::cargo::{Cargo, Packs};
use super::frame::{CORRELATION_AT, Load, push_produce_head, push_text, push_uvarint, set_length};
use super::route::{Lane, Numbering};
use super::sender::{Job, stream_of};

pub struct Mixed<'a> {
    pub bytes: Vec<u8>,
    pub capacity: usize,
    cargo: &'a Cargo,
    packs: Packs,
    producer: Option<ProducerId>,
    numbering: Numbering,
    /// By topic.
    names: Vec<String>,
    acks: i16,
    /// Batches in a request.
    batches: u32,
    loads: Vec<Load>,
}

impl<'a> Mixed<'a> {
    pub fn new(
        job: &Job<'a>,
        lane: Lane,
        batches: u32,
        producer: Option<ProducerId>,
        capacity: usize,
    ) -> Self {
        let plan = job.plan;
        let streams: Vec<_> = (0..plan.all_partitions() as u32)
            .filter(|it| job.route.leader_of(*it) == lane.leader)
            .map(|partition| (stream_of(plan, lane.producer, partition), partition))
            .collect();
        Self {
            bytes: Vec::new(),
            capacity,
            cargo: job.cargo,
            packs: job.cargo.packs(&streams),
            producer,
            numbering: Numbering::of(plan),
            names: (0..plan.topics).map(|it| plan.topic_name(it)).collect(),
            acks: plan.acks,
            batches,
            loads: Vec::new(),
        }
    }

    pub fn set(&mut self, at: usize, correlation_id: i32, mut load: impl FnMut() -> Load) {
        if at == 0 {
            self.bytes.clear();
        }
        self.loads.clear();
        self.loads.extend((0..self.batches).map(|_| load()));
        let numbering = self.numbering;
        let topic_of = |it: &Load| numbering.topic_of(it.partition);
        // A topic stands in a request once.
        self.loads.sort_by_key(topic_of);

        let from = self.bytes.len();
        let out = &mut self.bytes;
        out.extend_from_slice(&[0; 4]);
        push_produce_head(out, self.acks);
        let topics = self
            .loads
            .chunk_by(|one, other| topic_of(one) == topic_of(other));
        push_uvarint(out, topics.clone().count() as u32 + 1);
        for loads in topics {
            push_text(out, &self.names[topic_of(&loads[0]) as usize]);
            push_uvarint(out, loads.len() as u32 + 1);
            for Load {
                partition,
                identity,
            } in loads
            {
                out.extend_from_slice(&numbering.within_topic(*partition).to_be_bytes());
                let length = self.cargo.length(*partition, *identity, &self.packs);
                push_uvarint(out, length as u32 + 1);
                self.cargo
                    .push(out, *partition, *identity, self.producer, &self.packs);
                // No tagged fields of the partition.
                out.push(0);
            }
            out.push(0);
        }
        out.push(0);
        let request = &mut out[from..];
        request[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation_id.to_be_bytes());
        set_length(request);
    }
}
