//! Strikes against a broker under load, and the judgement after each.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thalweg::base::random::Random;

use crate::broker::{Broker, Recipe};
use crate::load::{Ledger, Observed, Reader, Writer};
use crate::power::{Cut, PowerRig};

const TOPIC: &str = "strikes";
const PARTITIONS: i32 = 6;
/// Two a partition: one idempotent, one not.
const WRITERS: u32 = 12;
/// Without an acknowledgement in this time the broker is stuck.
const FIRST_ACK: Duration = Duration::from_secs(30);
const UNDER_LOAD_MS: u64 = 500;
/// One start in so many is struck while it recovers.
const RECOVERY_STRUCK: u64 = 5;

/// How a campaign can end other than well.
#[derive(Debug)]
pub enum Failure {
    /// The broker broke a promise.
    Verdict(String),
    /// The trial itself could not be held, and says nothing about the broker.
    Trial(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(what) => write!(f, "VERDICT: {what}"),
            Self::Trial(what) => write!(f, "the trial could not be held: {what}"),
        }
    }
}

/// What a strike is.
pub enum Ground {
    /// kill -9; the data lies in this folder.
    Kills(PathBuf),
    /// The power is cut, then the broker killed.
    PowerCuts(Box<PowerRig>),
}

pub struct Campaign {
    pub recipe: Recipe,
    pub ground: Ground,
    pub strikes: usize,
    /// Each start takes the next of these numbers of cores.
    pub cores: Vec<usize>,
    pub seed: u64,
}

struct State {
    random: Random,
    writers: Vec<Writer>,
    ledger: Ledger,
    starts: usize,
    struck: usize,
    in_recovery: usize,
}

impl Campaign {
    /// Runs all strikes; the summary in words.
    pub fn run(mut self) -> Result<String, Failure> {
        let mut random = Random::with_seed(self.seed);
        let writers = (0..WRITERS).map(|id| {
            let partition = id as i32 % PARTITIONS;
            let idempotent = id >= PARTITIONS as u32;
            Writer::new(id, partition, idempotent, random.fork(u64::from(id)))
        });
        let mut state = State {
            writers: writers.collect(),
            ledger: Ledger::new(PARTITIONS as usize, WRITERS as usize),
            random,
            starts: 0,
            struck: 0,
            in_recovery: 0,
        };
        let began = Instant::now();
        while state.struck < self.strikes {
            self.round(&mut state)?;
        }
        self.finish(&mut state)?;
        Ok(format!(
            "{} strikes ({} in recovery), {}, {:.0} s, seed {}",
            state.struck,
            state.in_recovery,
            state.ledger.count(),
            began.elapsed().as_secs_f64(),
            self.seed
        ))
    }

    /// Start, judge what was kept, load, strike.
    fn round(&mut self, state: &mut State) -> Result<(), Failure> {
        let mut broker = self.start(state)?;
        if state.starts > 1 && state.random.one_in(RECOVERY_STRUCK) {
            thread::sleep(Duration::from_millis(state.random.below(60)));
            self.strike(state, &mut broker)?;
            state.in_recovery += 1;
            return Ok(());
        }
        self.judge(state, &mut broker, false)?;
        let load = Load::launch(state, &broker);
        let wait = Duration::from_millis(state.random.below(UNDER_LOAD_MS));
        let loaded = under_load(&load.acks, wait);
        self.strike(state, &mut broker)?;
        load.stop.store(true, Ordering::Relaxed);
        load.collect(state)?;
        loaded.map_err(Failure::Verdict)
    }

    /// The last start, judged whole, stopped in order, and judged whole again after that.
    fn finish(&mut self, state: &mut State) -> Result<(), Failure> {
        for _ in 0..2 {
            let mut broker = self.start(state)?;
            self.judge(state, &mut broker, true)?;
            let load = Load::launch(state, &broker);
            let loaded = under_load(&load.acks, Duration::from_millis(50));
            load.stop.store(true, Ordering::Relaxed);
            load.collect(state)?;
            loaded.map_err(Failure::Verdict)?;
            self.judge(state, &mut broker, false)?;
            broker.stop().map_err(Failure::Verdict)?;
            if let Ground::PowerCuts(rig) = &mut self.ground {
                rig.take_down().map_err(Failure::Trial)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, state: &mut State) -> Result<Broker, Failure> {
        let dir = match &mut self.ground {
            Ground::Kills(dir) => dir.clone(),
            Ground::PowerCuts(rig) => rig.power_on().map_err(Failure::Trial)?.join("broker"),
        };
        let cores = self.cores[state.starts % self.cores.len()];
        state.starts += 1;
        self.recipe.start(&dir, cores).map_err(Failure::Trial)
    }

    fn judge(&self, state: &mut State, broker: &mut Broker, all: bool) -> Result<(), Failure> {
        let ready = broker.wait_ready(TOPIC, PARTITIONS);
        let mut connection = ready.map_err(|error| match state.starts {
            // A broker that never ran is not a broker that broke.
            1 => Failure::Trial(error),
            _ => Failure::Verdict(format!("unavailable: {error}")),
        })?;
        let judged = state.ledger.check(&mut connection, &state.writers, all);
        judged.map_err(|offences| {
            let (struck, count) = (state.struck, state.ledger.count());
            Failure::Verdict(format!("after {struck} strikes, {count}: {offences}"))
        })
    }

    fn strike(&mut self, state: &mut State, broker: &mut Broker) -> Result<(), Failure> {
        state.struck += 1;
        match &mut self.ground {
            Ground::Kills(_) => broker.kill(),
            Ground::PowerCuts(rig) => {
                let cut = match state.random.below(2) {
                    0 => Cut::DropAll,
                    _ => Cut::KeepSome(state.random.next_u64()),
                };
                let cut = rig.cut(cut);
                broker.kill();
                cut.and_then(|()| rig.take_down()).map_err(Failure::Trial)?;
            }
        }
        Ok(())
    }
}

/// Everything that talks to the broker between two strikes.
struct Load {
    acks: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<(Writer, Result<(), String>)>>,
    reader: JoinHandle<Result<Vec<Observed>, String>>,
}

impl Load {
    /// Every writer on a thread and a connection of its own, and a consumer that follows them.
    fn launch(state: &mut State, broker: &Broker) -> Self {
        let (acks, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let address = broker.address;
        let next = (0..PARTITIONS).map(|partition| state.ledger.known(partition as usize));
        let reader = Reader::from(next.collect());
        let stopped = stop.clone();
        let reader = thread::spawn(move || reader.run(address, TOPIC, &stopped));
        let writers = std::mem::take(&mut state.writers).into_iter();
        let writers = writers.map(|mut writer| {
            let (acks, stop) = (acks.clone(), stop.clone());
            thread::spawn(move || {
                let on_ack = || {
                    acks.fetch_add(1, Ordering::Relaxed);
                };
                let outcome = writer.run(address, TOPIC, &stop, on_ack);
                (writer, outcome)
            })
        });
        Self {
            writers: writers.collect(),
            acks,
            stop,
            reader,
        }
    }

    /// Waits for all of them to end, as they do when the broker is gone or they are told to.
    fn collect(self, state: &mut State) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for handle in self.writers {
            let (writer, own) = handle.join().expect("a writer does not panic");
            state.writers.push(writer);
            outcome = outcome.and(own);
        }
        let observed = self.reader.join().expect("a reader does not panic");
        for (partition, offset, id) in observed.map_err(Failure::Verdict)? {
            state.ledger.observed(partition, offset, id);
        }
        outcome.map_err(Failure::Verdict)
    }
}

/// From the first acknowledgement on, so long.
fn under_load(acks: &AtomicU64, wait: Duration) -> Result<(), String> {
    let until = Instant::now() + FIRST_ACK;
    while acks.load(Ordering::Relaxed) == 0 {
        if Instant::now() > until {
            return Err(format!("not one acknowledgement in {FIRST_ACK:?}"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(wait);
    Ok(())
}

/// An empty folder for a campaign's data.
pub fn fresh(folder: &Path) -> Result<PathBuf, String> {
    drop(std::fs::remove_dir_all(folder));
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder.to_path_buf())
}
