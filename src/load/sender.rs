//! What every kind of producer has: its connection, its place in its streams, its promises.

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::admin::Admin;
use super::batch::{BatchShape, Identity};
use super::frame::{Frames, Load};
use super::ledger::NOT_ACKNOWLEDGED;
use super::measure::{Shared, Side};
use super::open::Schedule;
use super::replies::Produced;
use super::{LoadError, Plan};

/// A broker that says nothing for so long is taken for dead.
pub const REPLY_WITHIN: Duration = Duration::from_secs(30);
/// Small requests are sent together up to this size.
const SEND_BYTES: usize = 256 << 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// What every worker of a run is given.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    pub plan: &'a Plan,
    pub shape: &'a BatchShape,
    pub shared: &'a Shared,
    /// When records are due. Open loops only.
    pub schedule: Option<&'a Schedule>,
    /// Records that one producer sends in the measured part, if that is what ends it.
    pub quota: Option<u64>,
}

/// What a producer leaves behind, also when its connection failed.
#[derive(Default)]
pub struct ProducerEnd {
    pub side: Side,
    pub streams: HashMap<u32, Vec<i64>>,
    pub failure: Option<LoadError>,
}

/// A producer's place: batch `m` goes to partition `first + m`, round and round.
pub struct Places {
    pub index: u32,
    partitions: u32,
    first: u32,
    /// Batches sent so far.
    sent: u64,
    /// Per partition, the base offset of each batch, in the order of their numbers.
    acknowledged: Vec<Vec<i64>>,
}

impl Places {
    pub fn new(plan: &Plan, index: u32) -> Self {
        Self {
            index,
            partitions: plan.partitions,
            first: first_partition(plan, index),
            sent: 0,
            acknowledged: vec![Vec::new(); plan.partitions as usize],
        }
    }

    pub fn next_load(&mut self) -> Load {
        let round = u64::from(self.partitions);
        let partition = ((u64::from(self.first) + self.sent) % round) as u32;
        let stream = self.index * self.partitions + partition;
        let number = self.sent / round;
        self.sent += 1;
        Load {
            partition,
            identity: Identity { stream, number },
        }
    }

    /// Notes an answer; replies come in the order of requests, so it is for the oldest batch.
    pub fn answered(&mut self, produced: Produced) -> Result<(), LoadError> {
        let acknowledged = self
            .acknowledged
            .get_mut(produced.partition as usize)
            .ok_or(LoadError::Reply(
                "an answer for a partition that was not asked",
            ))?;
        let offset = if produced.code == 0 {
            produced.base_offset
        } else {
            NOT_ACKNOWLEDGED
        };
        acknowledged.push(offset);
        Ok(())
    }

    pub fn into_streams(self) -> HashMap<u32, Vec<i64>> {
        let base = self.index * self.partitions;
        (base..).zip(self.acknowledged).collect()
    }
}

/// Producers begin at different partitions, so that they do not march in step.
pub fn first_partition(plan: &Plan, producer: u32) -> u32 {
    (u64::from(plan.partitions) * u64::from(producer) / u64::from(plan.producers)) as u32
}

pub fn connect(plan: &Plan) -> Result<TcpStream, LoadError> {
    let stream = TcpStream::connect_timeout(&plan.address, CONNECT_WITHIN)
        .map_err(LoadError::socket("connecting"))?;
    stream
        .set_nodelay(true)
        .map_err(LoadError::socket("setting TCP_NODELAY"))?;
    stream
        .set_read_timeout(Some(REPLY_WITHIN))
        .map_err(LoadError::socket("setting a time-out"))?;
    stream
        .set_write_timeout(Some(REPLY_WITHIN))
        .map_err(LoadError::socket("setting a time-out"))?;
    Ok(stream)
}

/// Requests ready to be stamped: as many as one send may carry. An idempotent producer asks for
/// its id first.
pub fn frames<'a>(job: &Job<'a>, window: usize) -> Result<Frames<'a>, LoadError> {
    let plan = job.plan;
    let producer = match plan.idempotent {
        true => Some(Admin::connect(plan.address)?.producer_id()?),
        false => None,
    };
    let one = job.shape.bytes().len() * plan.request_batches as usize;
    let count = (SEND_BYTES / one).clamp(1, window);
    Ok(Frames::new(job.shape, plan, producer, count))
}

/// Stamps `count` requests with the next batches and sends them.
pub fn send(
    stream: &mut TcpStream,
    frames: &mut Frames<'_>,
    places: &mut Places,
    next_id: &mut i32,
    count: usize,
) -> Result<(), LoadError> {
    for at in 0..count {
        frames.set(at, *next_id, || places.next_load());
        *next_id = next_id.wrapping_add(1);
    }
    stream
        .write_all(frames.bytes(count))
        .map_err(LoadError::socket("sending a request"))
}
