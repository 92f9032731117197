//! Strikes against a broker under load, and the judgement after each.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use thalweg::base::random::Random;

use crate::broker::{Broker, Recipe};
use crate::power::{Cut, PowerRig};
use crate::traffic::{Crowd, PARTITIONS, TOPIC, Traffic};

const UNDER_LOAD_MS: u64 = 500;
/// One start in so many is struck while it recovers.
const RECOVERY_STRUCK: u64 = 5;

/// What a broker that does not start says of acknowledged groups, its metadata's among them, which
/// are not there.
const OWN_FINDINGS: [&str; 2] = [
    "acknowledged groups of the journal can not be read",
    "a change is missing before this one",
];

/// How a campaign can end other than well.
#[derive(Debug)]
pub enum Failure {
    /// An acknowledgement was broken: what a planted bug must be caught by.
    Broken(String),
    /// The broker did anything else that it must not: does not start, does not answer, does not
    /// end.
    Verdict(String),
    /// The trial itself could not be held, and says nothing about the broker.
    Trial(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(what) | Self::Verdict(what) => write!(f, "VERDICT: {what}"),
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
    crowd: Crowd,
    starts: usize,
    struck: usize,
    in_recovery: usize,
}

impl Campaign {
    /// Runs all strikes; the summary in words.
    pub fn run(mut self) -> Result<String, Failure> {
        let mut random = Random::with_seed(self.seed);
        let mut state = State {
            crowd: Crowd::new(&mut random),
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
            state.crowd.ledger.count(),
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
        let load = Traffic::launch(&mut state.crowd, &broker);
        let wait = Duration::from_millis(state.random.below(UNDER_LOAD_MS));
        let loaded = load.go_on_for(wait);
        self.strike(state, &mut broker)?;
        load.stop.store(true, Ordering::Relaxed);
        load.collect(&mut state.crowd).map_err(Failure::Verdict)?;
        loaded.map_err(Failure::Verdict)
    }

    /// The last start, judged whole, stopped in order, and judged whole again after that.
    fn finish(&mut self, state: &mut State) -> Result<(), Failure> {
        for _ in 0..2 {
            let mut broker = self.start(state)?;
            self.judge(state, &mut broker, true)?;
            let load = Traffic::launch(&mut state.crowd, &broker);
            let loaded = load.go_on_for(Duration::from_millis(50));
            load.stop.store(true, Ordering::Relaxed);
            load.collect(&mut state.crowd).map_err(Failure::Verdict)?;
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
            _ if OWN_FINDINGS.iter().any(|words| error.contains(words)) => {
                Failure::Broken(format!(
                    "after {} strikes the broker itself finds it: {error}",
                    state.struck
                ))
            }
            _ => Failure::Verdict(format!("unavailable: {error}")),
        })?;
        let judged = state.crowd.check(&mut connection, all);
        judged.map_err(|offences| {
            let (struck, count) = (state.struck, state.crowd.ledger.count());
            Failure::Broken(format!("after {struck} strikes, {count}: {offences}"))
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

/// An empty folder for a campaign's data.
pub fn fresh(folder: &Path) -> Result<PathBuf, String> {
    drop(std::fs::remove_dir_all(folder));
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder.to_path_buf())
}
