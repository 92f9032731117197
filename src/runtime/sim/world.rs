//! One process of machines in a world of its own: virtual time, disks that outlive the process,
//! clients that the caller plays.
//!
//! The caller acts (`connect`, `send`, `crash`, `boot`, ...) and calls `next`, which lets time
//! pass until something happens that concerns the caller.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::disk::SimDisk;
use super::faults::{DiskFaults, Plant, Tally};
use super::network::{Link, NetworkFaults, Packet};
use crate::base::random::Random;
use crate::base::{Now, ShardId, Span, Ticks, WallMs};
use crate::runtime::block::BlockPool;
use crate::runtime::disk::Ticket;
use crate::runtime::event::{Bound, Event, ListenerId};
use crate::runtime::machine::{Boot, Machine};

/// A client's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// What concerns the caller.
#[derive(Debug, PartialEq, Eq)]
pub enum Notice {
    /// Bytes arrived for a client; `World::take` gives them.
    Readable(SocketId),
    /// The connection is gone, from the client's side of view.
    Closed(SocketId),
    /// The time that the caller asked for with `World::at`.
    Timer(u64),
    /// All shards have wound up; this is the exit code. The process is gone.
    Stopped(u8),
}

/// Where the listener of the start is.
pub(super) const START: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9092);

/// Why a process did not come up.
#[derive(Debug)]
pub enum BootFailure<E> {
    /// It died in the middle of a disk operation, as the caller wished.
    Died,
    /// The machine of a shard refused.
    Refused(ShardId, E),
}

/// What happens at some time. Those of a process die with it.
#[derive(Debug)]
pub(super) enum Due<M> {
    Turn(usize),
    Disk(usize, Ticket),
    Mesh(usize, ShardId, M),
    Wake(usize, u64),
    Bound(usize, Bound),
    Up(SocketId, Packet),
    Down(SocketId, Packet),
    /// A `Send` kept back by a planted bug goes on its way.
    Release(SocketId),
    Timer(u64),
}

/// One shard: its disk for ever, its machine for as long as the process lives.
pub(super) struct Seat<M: Machine> {
    pub shard: ShardId,
    pub disk: SimDisk,
    pub machine: Option<M>,
    pub inbox: VecDeque<Event<M::Message>>,
    pub turn_is_due: bool,
    /// Counts the timer's settings: only the newest one rings.
    pub wake_version: u64,
    pub listening: bool,
    /// Late listeners that it has opened.
    pub open: BTreeSet<ListenerId>,
    /// It has shut the one of the start.
    pub start_is_shut: bool,
    pub stopped: Option<u8>,
    /// The last message to each other shard arrives before the next does.
    pub last_mesh: BTreeMap<ShardId, Ticks>,
}

/// What will happen, by time and then by the order of asking; with the life that asked.
type Queue<T> = BTreeMap<(Ticks, u64), (u64, Due<T>)>;

pub struct World<M: Machine> {
    pub(super) now: Ticks,
    wall_base: i64,
    /// What this process's monotonic clock shows beyond the world's.
    pub(super) clock_base: u64,
    pub(super) queue: Queue<M::Message>,
    pub(super) order: u64,
    /// Which life of the process this is.
    pub(super) life: u64,
    pub(super) seats: Vec<Seat<M>>,
    /// When each core has finished its turn.
    pub(super) core_free_at: Vec<Ticks>,
    pub(super) links: BTreeMap<SocketId, Link>,
    /// Those between two machines.
    pub(super) in_transit: Vec<SocketId>,
    next_socket: u64,
    /// Where listeners are that were bound while the process runs.
    pub(super) bound: BTreeMap<ListenerId, Vec<SocketAddr>>,
    /// Ports that another process has.
    pub taken_ports: BTreeSet<u16>,
    pub network: NetworkFaults,
    pub(super) plant: Option<Plant>,
    pub(super) pool: BlockPool,
    /// How long turns, messages and timers take.
    pub(super) pace: Random,
    /// What the network does.
    pub(super) weather: Random,
    /// When planted bugs bite.
    pub(super) mischief: Random,
    boots: Random,
    pub tally: Tally,
    /// Turns of machines so far.
    pub turns: u64,
}

impl<M: Machine> World<M> {
    pub fn new(seed: u64, shards: u16, faults: DiskFaults) -> Self {
        let mut seeds = Random::with_seed(seed);
        let mut disks = seeds.fork(1);
        let seats = (0..shards).map(|number| Seat {
            shard: ShardId(number),
            disk: SimDisk::new(disks.next_u64(), faults),
            machine: None,
            inbox: VecDeque::new(),
            turn_is_due: false,
            wake_version: 0,
            listening: false,
            open: BTreeSet::new(),
            start_is_shut: false,
            stopped: None,
            last_mesh: BTreeMap::new(),
        });
        Self {
            now: Ticks(1_000_000_000),
            wall_base: 1_760_000_000_000,
            clock_base: 0,
            queue: BTreeMap::new(),
            order: 0,
            life: 0,
            seats: seats.collect(),
            core_free_at: Vec::new(),
            links: BTreeMap::new(),
            in_transit: Vec::new(),
            next_socket: 0,
            bound: BTreeMap::new(),
            taken_ports: BTreeSet::new(),
            network: NetworkFaults::NONE,
            plant: None,
            pool: BlockPool::default(),
            pace: seeds.fork(2),
            weather: seeds.fork(3),
            mischief: seeds.fork(4),
            boots: seeds.fork(5),
            tally: Tally::default(),
            turns: 0,
        }
    }

    pub fn now(&self) -> Ticks {
        self.now
    }

    /// The clocks as the process reads them.
    pub fn clocks(&self) -> Now {
        Now {
            ticks: self.now + Span(self.clock_base),
            wall: WallMs(self.wall_base + (self.now.0 / 1_000_000) as i64),
        }
    }

    /// Moves the wall clock, forward or back.
    pub fn jump_wall_clock(&mut self, milliseconds: i64) {
        self.tally.hit("clock: jump");
        self.wall_base += milliseconds;
    }

    pub fn set_plant(&mut self, plant: Option<Plant>) {
        self.plant = plant;
        self.seats
            .iter_mut()
            .for_each(|seat| seat.disk.set_plant(plant));
    }

    pub fn disk(&mut self, shard: ShardId) -> &mut SimDisk {
        &mut self.seats[usize::from(shard.0)].disk
    }

    pub fn disks(&mut self) -> impl Iterator<Item = &mut SimDisk> {
        self.seats.iter_mut().map(|seat| &mut seat.disk)
    }

    /// The machine of a shard, to look at; None while the process is down.
    pub fn machine(&self, shard: ShardId) -> Option<&M> {
        self.seats[usize::from(shard.0)].machine.as_ref()
    }

    pub fn is_up(&self) -> bool {
        self.seats.iter().all(|seat| seat.machine.is_some())
    }

    /// Starts the process on `cores` cores. `dies_at`: the shard and the disk operation of its
    /// boot in which the process dies; the caller then says with `crash` what dies with it.
    pub fn boot<E>(
        &mut self,
        cores: usize,
        dies_at: Option<(ShardId, u64)>,
        mut make: impl FnMut(Boot<'_>) -> Result<M, E>,
    ) -> Result<(), BootFailure<E>> {
        assert!(!self.is_up(), "the process is up already");
        self.life += 1;
        self.clock_base = self.boots.below(1 << 40);
        self.core_free_at = vec![self.now; cores];
        let shards: Vec<ShardId> = self.seats.iter().map(|seat| seat.shard).collect();
        let now = self.clocks();
        for seat in &mut self.seats {
            let ops_left = dies_at.and_then(|(shard, op)| (shard == seat.shard).then_some(op));
            let mut directory = seat.disk.directory(self.pool.clone(), ops_left);
            let made = make(Boot {
                shard: seat.shard,
                shards: &shards,
                directory: &mut directory,
                pool: self.pool.clone(),
                now,
                seed: self.boots.next_u64(),
                progress: &|_, _| {},
            });
            let died = directory.has_crashed();
            match made {
                _ if died => return Err(BootFailure::Died),
                Err(error) => return Err(BootFailure::Refused(seat.shard, error)),
                Ok(machine) => seat.machine = Some(machine),
            }
        }
        self.tally.hit("process: start");
        (0..self.seats.len()).for_each(|seat| self.tell(seat, Event::Started));
        Ok(())
    }

    /// The process dies at once; with `power`, the machine under it too.
    pub fn crash(&mut self, power: bool) {
        self.tally.hit(if power {
            "process: power cut"
        } else {
            "process: kill"
        });
        self.process_is_gone();
        for seat in &mut self.seats {
            if power {
                seat.disk.cut_power();
            } else {
                seat.disk.kill();
            }
        }
    }

    /// Asks the process to end.
    pub fn stop(&mut self) {
        self.tally.hit("process: stop");
        (0..self.seats.len()).for_each(|seat| self.tell(seat, Event::Stop));
    }

    /// The process runs nothing for a while, as after SIGSTOP.
    pub fn pause(&mut self, span: Span) {
        self.tally.hit("process: pause");
        let until = self.now + span;
        self.core_free_at.iter_mut().for_each(|free| *free = until);
    }

    pub(super) fn process_is_gone(&mut self) {
        self.life += 1;
        for seat in &mut self.seats {
            seat.machine = None;
            seat.inbox.clear();
            seat.turn_is_due = false;
            seat.listening = false;
            seat.open.clear();
            seat.start_is_shut = false;
            seat.stopped = None;
            seat.last_mesh.clear();
        }
        self.in_transit.clear();
        self.bound.clear();
        let open = self.links.iter().filter(|(_, link)| link.machine_open);
        let open: Vec<SocketId> = open.map(|(socket, _)| *socket).collect();
        for socket in open {
            let link = self.links.get_mut(&socket).expect("it was listed");
            link.drop_machine_side();
            self.send_down(socket, Packet::Reset);
        }
    }

    /// Asks for a `Notice::Timer`.
    pub fn at(&mut self, time: Ticks, token: u64) {
        self.schedule(time, Due::Timer(token));
    }

    /// A client connects to the listener of the start. None: nobody listens.
    pub fn connect(&mut self) -> Option<SocketId> {
        self.connect_where(START, |seat| !seat.start_is_shut)
    }

    /// A client connects to a listener that was bound while the process ran.
    pub fn connect_at(&mut self, port: u16) -> Option<SocketId> {
        let mut bound = self.bound.iter();
        let (&id, at) = bound.find_map(|(id, all)| {
            let at = all.iter().find(|at| at.port() == port)?;
            Some((id, *at))
        })?;
        self.connect_where(at, |seat| seat.open.contains(&id))
    }

    fn connect_where(
        &mut self,
        at: SocketAddr,
        is_open: impl Fn(&Seat<M>) -> bool,
    ) -> Option<SocketId> {
        let takes = |seat: &usize| self.seats[*seat].listening && is_open(&self.seats[*seat]);
        let listening: Vec<usize> = (0..self.seats.len()).filter(takes).collect();
        let pick = self.weather.below(listening.len().max(1) as u64) as usize;
        let seat = *listening.get(pick)?;
        self.next_socket += 1;
        let socket = SocketId(self.next_socket);
        self.accept(seat, socket, at);
        Some(socket)
    }

    /// Lets time pass until something concerns the caller, or until `until`.
    pub fn next(&mut self, until: Ticks) -> Option<Notice> {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((time, _), (life, due)) = entry.remove_entry();
            self.now = self.now.max(time);
            if let Some(notice) = self.happen(life, due) {
                return Some(notice);
            }
        }
        self.now = self.now.max(until);
        None
    }

    pub(super) fn schedule(&mut self, time: Ticks, due: Due<M::Message>) {
        self.order += 1;
        let key = (time.max(self.now), self.order);
        self.queue.insert(key, (self.life, due));
    }
}
