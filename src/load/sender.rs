//! What every kind of producer has: its connection, its place in its streams, its promises.

use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::admin::{Admin, greet};
use super::batch::Identity;
use super::cargo::Cargo;
use super::frame::{Encoder, Load};
use super::ledger::NOT_ACKNOWLEDGED;
use super::measure::{Shared, Side};
use super::open::Schedule;
use super::replies::Produced;
use super::route::{Global, Lane, Numbering, Route, Turn};
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
    pub cargo: &'a Cargo,
    pub route: &'a Route,
    pub shared: &'a Shared,
    /// When records are due. Open loops only.
    pub schedule: Option<&'a Schedule<'a>>,
    /// Records that one lane sends in the measured part, if that is what ends it.
    pub quota: Option<u64>,
}

impl Job<'_> {
    /// Batches in one request of this lane.
    pub fn request_batches(&self, lane: Lane) -> u64 {
        let wanted = self.plan.request_batches;
        u64::from(self.route.request_batches(lane, wanted))
    }

    pub fn request_records(&self, lane: Lane) -> u64 {
        u64::from(self.cargo.records) * self.request_batches(lane)
    }
}

/// What a lane's producer leaves behind, also when its connection failed.
#[derive(Default)]
pub struct ProducerEnd {
    pub side: Side,
    pub streams: HashMap<u32, Vec<i64>>,
    pub failure: Option<LoadError>,
}

/// A lane's place in its streams, and what it was promised.
pub struct Places<'a> {
    pub lane: Lane,
    plan: &'a Plan,
    route: &'a Route,
    /// Batches sent so far.
    sent: u64,
    /// Per partition, the base offset of each batch, in the order of their numbers.
    acknowledged: Vec<Vec<i64>>,
}

impl<'a> Places<'a> {
    pub fn new(job: &Job<'a>, lane: Lane) -> Self {
        Self {
            lane,
            plan: job.plan,
            route: job.route,
            sent: 0,
            acknowledged: vec![Vec::new(); job.plan.all_partitions() as usize],
        }
    }

    pub fn numbering(&self) -> Numbering {
        Numbering::of(self.plan)
    }

    pub fn next_load(&mut self) -> Load {
        let Turn { partition, number } = self.route.turn(self.lane, self.sent);
        self.sent += 1;
        let stream = stream_of(self.plan, self.lane.producer, partition);
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

    /// The promises about this lane's partitions, by stream.
    pub fn into_streams(self) -> HashMap<u32, Vec<i64>> {
        let (plan, route, lane) = (self.plan, self.route, self.lane);
        let of_lane = (0..).zip(self.acknowledged);
        of_lane
            .filter(|(partition, _)| route.leader_of(*partition) == lane.leader)
            .map(|(partition, offsets)| (stream_of(plan, lane.producer, partition), offsets))
            .collect()
    }
}

/// The number that a producer's batches to a partition bear.
pub fn stream_of(plan: &Plan, producer: u32, partition: Global) -> u32 {
    producer * plan.all_partitions() as u32 + partition
}

pub fn connect(address: SocketAddr) -> Result<TcpStream, LoadError> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN)
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
    greet(&mut stream)?;
    Ok(stream)
}

/// Requests ready to be stamped: as many as one send may carry. An idempotent producer asks for
/// its id first.
pub fn encoder<'a>(job: &Job<'a>, lane: Lane, window: usize) -> Result<Encoder<'a>, LoadError> {
    let plan = job.plan;
    let producer = match plan.idempotent {
        true => Some(Admin::connect(plan.address)?.producer_id()?),
        false => None,
    };
    let batches = job.route.request_batches(lane, plan.request_batches);
    let one = job.cargo.batch_bytes as usize * batches as usize;
    let count = (SEND_BYTES / one.max(1)).clamp(1, window);
    Ok(Encoder::new(job, lane, batches, producer, count))
}

/// Stamps `count` requests with the next batches and sends them.
pub fn send(
    stream: &mut TcpStream,
    frames: &mut Encoder<'_>,
    places: &mut Places<'_>,
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
