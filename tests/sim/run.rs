//! One seed, from an empty disk to the verdict.

use std::collections::BTreeMap;

use thalweg::base::random::Random;
use thalweg::base::{ShardId, Span, Ticks};
use thalweg::runtime::sim::{
    BootFailure, DiskFaults, NetworkFaults, Notice, Plant, SocketId, Tally,
};
use thalweg::shard::{Layout, ShardConfig, ShardError};

use super::admin::Admin;
use super::broker::{self, World};
use super::checker;
use super::harm::{Claim, Explained};
use super::history::{History, TopicState, Tp};
use super::producer::Producer;
use super::reader::{self, Reader};
use super::swarm::{Chaos, Swarm};

/// Timers from here on are of the plan; below, of the clients.
const CHAOS: u64 = 1_000;
const LAST_READER: u64 = 9_999;
pub(super) const RESTART: u64 = 10_000;
pub(super) const HARM: u64 = 10_001;

/// After healing, everything owed must be done within this.
const PATIENCE: Span = Span::seconds(90);

/// What came of a seed.
#[derive(Debug, Default)]
pub struct Report {
    pub operations: u64,
    pub restarts: u64,
    pub faults: u64,
    pub records: u64,
    pub tally: Tally,
    pub violations: Vec<String>,
}

impl Report {
    /// FAULTS: a seed counts if it ran so much.
    pub fn counts(&self) -> bool {
        self.operations >= 200 && self.restarts >= 1 && self.faults >= 5
    }
}

/// Harm that the judge is not told of, which must come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hide {
    /// Beside harm that it knows.
    OnTheSameShard,
    /// On a shard that is healthy, for all it knows.
    OnAHealthyShard,
}

pub(super) struct Run {
    pub(super) swarm: Swarm,
    pub(super) config: ShardConfig,
    pub(super) world: World,
    pub(super) history: History,
    pub(super) producers: Vec<Producer>,
    pub(super) readers: Vec<Reader>,
    pub(super) admin: Admin,
    /// Reads everything at the end, when the others have fallen silent.
    pub(super) last: Option<Reader>,
    pub(super) random: Random,
    pub(super) restarts: u64,
    /// A clean stop was asked for, and the process has not ended.
    pub(super) stopping: bool,
    pub(super) silent: bool,
    pub(super) explained: Explained,
    pub(super) hide: Option<Hide>,
    /// Harm that is not told, by its number on its shard.
    pub(super) hidden: Vec<(ShardId, usize)>,
    /// Harm has ended this broker for good, by right.
    over: bool,
    pub(super) healed: bool,
}

pub fn run_seed(seed: u64, plant: Option<Plant>) -> Report {
    run_hiding(seed, plant, None)
}

/// True if the seed's plan has harm to stored bytes in it, and another shard beside the harmed one.
pub fn has_harm(seed: u64) -> bool {
    let swarm = Swarm::draw(&mut Random::with_seed(seed).fork(1));
    let is_harm = |chaos: &Chaos| matches!(chaos, Chaos::Harm { .. });
    swarm.shards > 1 && swarm.chaos.iter().any(|(_, chaos)| is_harm(chaos))
}

/// As `run_seed`, with harm that the judge does not know of.
pub fn run_hiding(seed: u64, plant: Option<Plant>, hide: Option<Hide>) -> Report {
    let mut seeds = Random::with_seed(seed);
    let swarm = Swarm::draw(&mut seeds.fork(1));
    let mut run = Run::new(swarm, &mut seeds);
    run.world.set_plant(plant);
    run.hide = hide;
    run.restart();
    run.hostile_phase();
    run.heal();
    run.progress_phase();
    let ends = run.reading_phase();
    run.judge(&ends);
    run.report()
}

impl Run {
    fn new(swarm: Swarm, seeds: &mut Random) -> Self {
        let journal = broker::journal(swarm.segment, swarm.cache);
        let mut config = broker::config(swarm.shards, journal);
        if swarm.sees_shards {
            config.layout = Layout::Core;
        }
        let world = World::new(seeds.next_u64(), swarm.shards, swarm.disk);
        let producers = (1..).zip(&swarm.producers);
        let producers =
            producers.map(|(client, habits)| Producer::new(client, *habits, seeds.next_u64()));
        let producers = producers.collect();
        let readers = (1..).zip(&swarm.readers);
        let readers =
            readers.map(|(client, habits)| Reader::new(client, *habits, seeds.next_u64()));
        let readers = readers.collect();
        let mut run = Self {
            config,
            world,
            history: History::default(),
            producers,
            readers,
            admin: Admin::new(seeds.next_u64(), swarm.topics_max, swarm.partitions_max),
            last: None,
            random: seeds.fork(9),
            restarts: 0,
            stopping: false,
            silent: false,
            explained: Explained::default(),
            hide: None,
            hidden: Vec::new(),
            over: false,
            healed: false,
            swarm,
        };
        run.world.network = run.swarm.network;
        run
    }

    /// Boots until the process is up; now and then it dies on the way.
    fn restart(&mut self) {
        self.restarts += 1;
        for attempt in 0.. {
            let dies = attempt < 5 && self.random.one_in(self.swarm.boot_dies);
            let dies_at = dies.then(|| {
                let shard = ShardId(self.random.below(u64::from(self.swarm.shards)) as u16);
                (shard, self.random.below(40))
            });
            let cores = 1 + self.random.below(3) as usize;
            match broker::boot(&mut self.world, cores, dies_at, &self.config) {
                Ok(()) => return self.look_for_harm(),
                Err(BootFailure::Died) => self.history.tally.hit("process: died while booting"),
                Err(BootFailure::Refused(shard, error)) => {
                    let what = format!("shard {shard} does not start: {error:?}");
                    match error {
                        ShardError::Metadata(_) => self.history.claim(Claim::Metadata, what),
                        _ => self.history.violate(what),
                    }
                    return self.sift();
                }
            }
            let power = self.random.one_in(2);
            self.crash_now(power);
        }
    }

    fn hostile_phase(&mut self) {
        let start = self.world.now();
        for (number, (time, _)) in self.swarm.chaos.iter().enumerate() {
            self.world.at(start + *time, CHAOS + number as u64);
        }
        let clients = 1 + self.producers.len() + self.readers.len();
        (0..clients as u64).for_each(|client| self.world.at(start, client));
        let end = start + self.swarm.duration;
        while self.world.now() < end && self.goes_on() {
            self.step(end);
        }
    }

    fn step(&mut self, until: Ticks) {
        match self.world.next(until) {
            Some(Notice::Readable(socket)) => self.readable(socket),
            Some(Notice::Closed(socket)) => self.closed(socket),
            Some(Notice::Timer(RESTART)) if self.world.is_up() => {}
            Some(Notice::Timer(RESTART)) => self.restart(),
            Some(Notice::Timer(HARM)) => self.harm_now(),
            Some(Notice::Timer(LAST_READER)) => self.act_last(),
            Some(Notice::Timer(number)) if number >= CHAOS => {
                let (_, chaos) = self.swarm.chaos[(number - CHAOS) as usize];
                self.befall(chaos);
            }
            Some(Notice::Timer(client)) => self.act(client as usize),
            Some(Notice::Stopped(code)) => self.stopped(code),
            None => {}
        }
        self.sift();
    }

    /// False once there is a verdict.
    fn goes_on(&self) -> bool {
        self.history.violations.is_empty() && !self.over
    }

    pub(super) fn look_for_harm(&mut self) {
        let (world, history) = (&mut self.world, &self.history);
        self.explained.look(world, history, &self.hidden);
    }

    /// One copy on a medium that lies is beyond what a broker can promise (FAULTS: storage faults
    /// need a replica). What was in the harmed bytes themselves is not held against it; all else
    /// is, and whatever is forgiven, the rest of the world is judged as before.
    fn sift(&mut self) {
        if self.history.claims.is_empty() {
            return;
        }
        self.look_for_harm();
        for (claim, what) in std::mem::take(&mut self.history.claims) {
            let history = &mut self.history;
            match claim {
                Claim::Record(tp, _) | Claim::Producers(tp) if history.ruined.contains(&tp) => {}
                _ if !self.explained.explains(claim) => history.violate(what),
                _ => {
                    history.tally.hit("beyond the promise: harm");
                    println!("harmed, and so not held against it: {what}");
                    self.ruin(claim);
                }
            }
        }
    }

    fn ruin(&mut self, claim: Claim) {
        match claim {
            Claim::Record(tp, _) | Claim::Producers(tp) => {
                self.history.ruined.insert(tp);
            }
            Claim::Topic(topic) => self.history.topics[topic].state = TopicState::Ruined,
            Claim::Metadata => self.over = true,
        }
    }

    fn act_last(&mut self) {
        self.world
            .at(self.world.now() + Span::millis(2), LAST_READER);
        let (world, history) = (&mut self.world, &mut self.history);
        let last = self.last.as_mut().expect("its timer rings");
        if last.line.is_overdue(world.now(), history) {
            last.closed(world);
        }
        last.act(world, history);
    }

    fn act(&mut self, client: usize) {
        if self.last.is_some() {
            return;
        }
        let rest = Span(1_000_000 + self.random.below(self.swarm.rest_max.0));
        self.world.at(self.world.now() + rest, client as u64);
        let (world, history) = (&mut self.world, &mut self.history);
        let now = world.now();
        let producers = self.producers.len();
        if client == 0 {
            if self.admin.line.is_overdue(now, history) {
                self.admin.closed(world);
            }
            if !self.silent {
                self.admin.act(world, history);
            }
        } else if client <= producers {
            let producer = &mut self.producers[client - 1];
            if producer.line.is_overdue(now, history) {
                producer.closed(world);
            }
            if !self.silent {
                producer.act(world, history);
            }
        } else {
            let reader = &mut self.readers[client - 1 - producers];
            if reader.line.is_overdue(now, history) {
                reader.closed(world);
            }
            if !self.silent {
                reader.act(world, history);
            }
        }
    }

    pub(super) fn readable(&mut self, socket: SocketId) {
        let (world, history) = (&mut self.world, &mut self.history);
        if self.admin.line.socket == Some(socket) {
            self.admin.readable(world, history);
        }
        for producer in &mut self.producers {
            if producer.line.socket == Some(socket) {
                producer.readable(world, history);
            }
        }
        for reader in self.readers.iter_mut().chain(&mut self.last) {
            if reader.line.socket == Some(socket) {
                reader.readable(world, history);
            }
        }
    }

    pub(super) fn closed(&mut self, socket: SocketId) {
        let world = &mut self.world;
        if self.admin.line.socket == Some(socket) {
            self.admin.closed(world);
        }
        for producer in &mut self.producers {
            if producer.line.socket == Some(socket) {
                producer.closed(world);
            }
        }
        for reader in self.readers.iter_mut().chain(&mut self.last) {
            if reader.line.socket == Some(socket) {
                reader.closed(world);
            }
        }
    }

    /// No more faults. A process that a fault has harmed for good is started again, as an
    /// operator would; a healthy one must get on by itself.
    fn heal(&mut self) {
        self.healed = true;
        self.silent = false;
        self.swarm.boot_dies = 0;
        let disk = self.swarm.disk;
        let fatal = disk.short_write + disk.write_error + disk.flush_error > 0;
        self.world.network = NetworkFaults::NONE;
        for disk in self.world.disks() {
            disk.set_faults(DiskFaults::NONE);
        }
        for socket in self.sockets() {
            self.world.stall(socket, false);
            self.readable(socket);
        }
        if fatal && self.world.is_up() {
            self.stopping = false;
            self.crash_now(false);
        }
        if !self.world.is_up() && self.goes_on() {
            self.restart();
        }
        for producer in &mut self.producers {
            producer.winding_down = true;
        }
        self.admin.winding_down = true;
    }

    fn progress_phase(&mut self) {
        let end = self.world.now() + PATIENCE;
        let is_done = |run: &Self| {
            let producers = run.producers.iter().all(|p| p.is_content(&run.history));
            producers && run.admin.looks >= 3
        };
        while self.goes_on() && !is_done(self) {
            if self.world.now() >= end {
                let owing = self
                    .producers
                    .iter()
                    .filter(|p| !p.is_content(&self.history));
                let owing = owing.count();
                let looks = self.admin.looks;
                self.history.violate(format!(
                    "no progress after healing: {owing} producers wait, metadata came {looks} times"
                ));
                return;
            }
            self.step(end);
        }
    }

    /// Reads everything from the start; returns where each partition ends.
    fn reading_phase(&mut self) -> BTreeMap<Tp, i64> {
        let habits = reader::Habits {
            fetch_version: 12,
            list_version: 8,
            wait_ms_max: 10,
            bytes_max: 1 << 20,
        };
        let mut last = Reader::new(99, habits, self.random.next_u64());
        let partitions = self.history.usable();
        self.look_for_harm();
        for tp in &partitions {
            let shard = self.explained.place_of(*tp);
            if shard.is_some_and(|shard| self.world.disk(shard).is_harmed()) {
                last.forgiving.insert(*tp);
            }
        }
        last.read_all(partitions);
        self.last = Some(last);
        self.world.at(self.world.now(), LAST_READER);
        let end = self.world.now() + PATIENCE;
        while self.goes_on() && !self.last().is_content() {
            if self.world.now() >= end {
                let what = format!("not everything can be read: {:?}", self.last().goals);
                self.history.violate(what);
            }
            self.step(end);
        }
        // What nobody waited for may have arrived since the goal was set.
        let reached = self.last().reached();
        reached
            .into_iter()
            .filter(|(tp, _)| !self.history.is_doomed(*tp))
            .collect()
    }

    fn last(&self) -> &Reader {
        self.last.as_ref().expect("the reading phase made it")
    }

    fn judge(&mut self, ends: &BTreeMap<Tp, i64>) {
        if !self.goes_on() {
            return;
        }
        let harmed = self.last().harmed.clone();
        checker::judge(&mut self.history, ends, &harmed, &self.explained);
        self.sift();
    }

    fn report(mut self) -> Report {
        let mut tally = std::mem::take(&mut self.history.tally);
        tally.merge(&self.world.tally);
        for disk in self.world.disks() {
            tally.merge(&disk.tally);
        }
        let is_fault = |kind: &str| {
            [
                "disk:",
                "network:",
                "clock:",
                "process: kill",
                "process: power",
                "process: pause",
            ]
            .iter()
            .any(|prefix| kind.starts_with(prefix))
        };
        let faults = tally.0.iter().filter(|(kind, _)| is_fault(kind));
        Report {
            operations: self.history.operations,
            restarts: self.restarts - 1,
            faults: faults.map(|(_, count)| count).sum(),
            records: self.history.written.len() as u64,
            tally,
            violations: self.history.violations,
        }
    }
}
