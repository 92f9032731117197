//! The scripts: one file per family of APIs, a table of cases at its top.

mod any;
mod broker;
mod broker_configs;
mod cluster;
mod commits;
mod configs;
mod dynamic_configs;
mod fetch;
mod groups;
pub mod help;
mod offsets;
mod produce;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};
use thalweg::wire::versions::{self, Versions};

use crate::broker::Broker;
use crate::compare::Place;
use crate::connection::{Connection, Received};
use crate::run::{Outcome, Run, Step, Stop};

pub type Script = fn(&mut Run, i16) -> Outcome;

/// A script, run once for every version of its API that both brokers advertise.
#[derive(Clone, Copy)]
pub struct Case {
    pub api: ApiKey,
    pub name: &'static str,
    pub script: Script,
    /// The first version that can say it.
    pub since: i16,
    pub until: i16,
    /// Another API without which this one means nothing.
    pub with: Option<ApiKey>,
    /// It changes what others see, and is played when they are through, one after another.
    pub alone: bool,
}

impl Case {
    pub const fn new(api: ApiKey, name: &'static str, script: Script) -> Self {
        Self {
            api,
            name,
            script,
            since: 0,
            until: i16::MAX,
            with: None,
            alone: false,
        }
    }

    pub const fn since(mut self, version: i16) -> Self {
        self.since = version;
        self
    }

    pub const fn with(mut self, other: ApiKey) -> Self {
        self.with = Some(other);
        self
    }

    pub const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    pub const fn until(mut self, version: i16) -> Self {
        self.until = version;
        self
    }
}

const CASES: &[&[Case]] = &[
    any::CASES,
    broker::CASES,
    cluster::CASES,
    configs::CASES,
    broker_configs::CASES,
    dynamic_configs::CASES,
    topics::CASES,
    produce::CASES,
    fetch::CASES,
    offsets::CASES,
    groups::CASES,
    commits::CASES,
];

/// A case at one version.
#[derive(Clone, Copy)]
pub struct Scene {
    case: Case,
    version: i16,
}

impl Scene {
    pub fn place(&self) -> Place {
        Place {
            api: format!("{:?}", self.case.api),
            version: self.version,
            case: self.case.name.to_string(),
        }
    }

    /// For names of topics and groups; `take` counts from 0.
    fn prefix(&self, take: u32) -> String {
        let Self { case, version } = self;
        let again = if take > 0 {
            format!("-{take}")
        } else {
            String::new()
        };
        format!("{:?}-{version}-{}{again}", case.api, case.name)
    }

    fn play(&self, address: SocketAddr, now: i64, take: u32) -> Performance {
        let mut run = Run::new(address, self.prefix(take), now);
        let failed = match (self.case.script)(&mut run, self.version) {
            Ok(()) | Err(Stop::NoReply) => None,
            Err(Stop::Failed(why)) => Some(why),
        };
        Performance {
            steps: run.steps,
            failed,
        }
    }
}

pub struct Performance {
    pub steps: Vec<Step>,
    /// Why the script could not be played to its end, if that was no answer of the broker's.
    pub failed: Option<String>,
}

pub struct Plan {
    pub scenes: Vec<Scene>,
    /// APIs with scripts that one of the two does not advertise.
    pub missing: Vec<String>,
    /// What both advertise and no script asks: API and version.
    pub unasked: Vec<String>,
}

/// Every case at every version that both brokers advertise.
pub fn plan(kafka: &Broker, ours: &Broker, only: &[String]) -> Result<Plan, String> {
    let (theirs, ours) = (advertised(kafka)?, advertised(ours)?);
    let mut plan = Plan {
        scenes: Vec::new(),
        missing: Vec::new(),
        unasked: Vec::new(),
    };
    let mut asked = BTreeSet::new();
    for case in CASES.iter().copied().flatten() {
        let key = case.api as i16;
        let with = case.with.unwrap_or(case.api) as i16;
        let both = theirs.contains_key(&key) && ours.contains_key(&with);
        let Some(range) = ours.get(&key).filter(|_| both) else {
            let name = format!("{:?}", case.api);
            if !plan.missing.contains(&name) {
                plan.missing.push(name);
            }
            continue;
        };
        // What is advertised for old clients' sake only has no layout to say it in.
        let accepted = versions::find(key).map_or(*range, |api| api.accepted);
        let first = accepted.min.max(case.since);
        for version in first..=accepted.max.min(case.until) {
            let scene = Scene {
                case: *case,
                version,
            };
            asked.insert((key, version));
            let place = scene.place();
            let name = format!("{} {version} {}", place.api, place.case);
            if only.is_empty() || only.iter().any(|part| name.contains(part)) {
                plan.scenes.push(scene);
            }
        }
    }
    // Those that act on the whole broker come last; the order of the others stays.
    plan.scenes.sort_by_key(|scene| scene.case.alone);
    for (key, range) in ours.iter().filter(|(key, _)| theirs.contains_key(key)) {
        let accepted = versions::find(*key).map_or(*range, |api| api.accepted);
        for version in accepted.min..=accepted.max {
            if !asked.contains(&(*key, version)) {
                let name = ApiKey::try_from(*key).map_or("?".into(), |api| format!("{api:?}"));
                plan.unasked.push(format!("{name} {version}"));
            }
        }
    }
    Ok(plan)
}

fn advertised(broker: &Broker) -> Result<BTreeMap<i16, Versions>, String> {
    let failed = |what: &str| format!("{:?} does not tell its versions: {what}", broker.side);
    let mut connection = Connection::open(broker.address).map_err(|e| failed(&e.to_string()))?;
    connection.send(&ApiVersionsRequest::default(), 0)?;
    match connection.receive::<ApiVersionsRequest>(0) {
        Ok(Received::Message(reply, _)) => {
            let rows = reply.api_keys.iter();
            let row = |row: &kafka_protocol::messages::api_versions_response::ApiVersion| {
                let range = Versions {
                    min: row.min_version,
                    max: row.max_version,
                };
                (row.api_key, range)
            };
            Ok(rows.map(row).collect())
        }
        _ => Err(failed("no reply")),
    }
}

/// Scripts that wait, wait at the same time.
const PLAYERS: usize = 4;

/// Every scene on both brokers, side by side.
pub fn play(plan: &Plan, brokers: [&Broker; 2], now: i64) -> Vec<[Performance; 2]> {
    let [kafka, ours] = brokers.map(|broker| broker.address);
    let (theirs, mine) = thread::scope(|scope| {
        let theirs = scope.spawn(|| play_all(&plan.scenes, kafka, now));
        let mine = play_all(&plan.scenes, ours, now);
        (theirs.join().expect("scripts do not panic"), mine)
    });
    let pairs = theirs.into_iter().zip(mine);
    pairs.map(|(theirs, mine)| [theirs, mine]).collect()
}

/// One scene once more on both, under other names.
pub fn play_again(scene: &Scene, brokers: [&Broker; 2], now: i64, take: u32) -> [Performance; 2] {
    brokers.map(|broker| scene.play(broker.address, now, take))
}

fn play_all(scenes: &[Scene], address: SocketAddr, now: i64) -> Vec<Performance> {
    let together = scenes.iter().filter(|scene| !scene.case.alone).count();
    let next = AtomicUsize::new(0);
    let player = || {
        let mut played = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(scene) = scenes[..together].get(at) else {
                return played;
            };
            played.push((at, scene.play(address, now, 0)));
        }
    };
    let mut played: Vec<(usize, Performance)> = thread::scope(|scope| {
        let players: Vec<_> = (0..PLAYERS).map(|_| scope.spawn(player)).collect();
        let played = players
            .into_iter()
            .map(|it| it.join().expect("scripts do not panic"));
        played.flatten().collect()
    });
    played.sort_by_key(|(at, _)| *at);
    let played = played.into_iter().map(|(_, performance)| performance);
    let alone = scenes[together..].iter();
    played
        .chain(alone.map(|scene| scene.play(address, now, 0)))
        .collect()
}
