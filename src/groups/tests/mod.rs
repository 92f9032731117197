//! Groups alone: a world in which time is given and records become durable when it is said.

mod offsets;
mod rebalance;
mod restart;
mod statics;

use std::sync::Arc;

use bytes::Bytes;

use super::ask::*;
use super::*;
use crate::base::random::Random;
use crate::base::{Now, Span, Ticks, WallMs};

const PARTITION: u32 = 3;
const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;

struct World {
    groups: Groups,
    now: Now,
    next: u64,
    answers: Vec<(Caller, Answer)>,
    /// Written and not yet said to be durable.
    writes: Vec<Write>,
    /// All that is durable, in order.
    log: Vec<records::Record>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut GroupConfig)) -> Self {
        let mut config = GroupConfig::default();
        change(&mut config);
        let mut world = Self {
            groups: Groups::new(config, Random::with_seed(7)),
            now: Now {
                ticks: Ticks(1),
                wall: WallMs(1_760_000_000_000),
            },
            next: 0,
            answers: Vec::new(),
            writes: Vec::new(),
            log: Vec::new(),
        };
        world.groups.open(PARTITION);
        world.act(|groups, now, out| groups.loaded(PARTITION, &|_| true, now, out));
        world
    }

    fn act(&mut self, act: impl FnOnce(&mut Groups, Now, &mut Effects)) {
        let mut out = Effects::default();
        act(&mut self.groups, self.now, &mut out);
        self.answers.append(&mut out.answers);
        self.writes.append(&mut out.writes);
    }

    /// Asks; returns the name under which the answer will come.
    fn send(&mut self, ask: Ask) -> u64 {
        self.next += 1;
        let caller = Caller {
            shard: Default::default(),
            token: self.next,
            part: 0,
        };
        self.act(|groups, now, out| groups.ask(caller, PARTITION, ask, now, out));
        self.next
    }

    /// Everything that was written is durable, and what follows from it.
    fn flush(&mut self) {
        self.settle(Ok(()));
    }

    fn settle(&mut self, result: Result<(), GroupError>) {
        while !self.writes.is_empty() {
            let write = self.writes.remove(0);
            if result.is_ok() {
                self.log.extend(write.records);
            }
            self.act(|groups, now, out| groups.written(write.id, result, now, out));
        }
    }

    fn take(&mut self, name: u64) -> Option<Answer> {
        let place = self
            .answers
            .iter()
            .position(|(caller, _)| caller.token == name)?;
        Some(self.answers.remove(place).1)
    }

    /// Asks, lets the records become durable, and takes the answer, which must be there.
    fn ask(&mut self, ask: Ask) -> Answer {
        let name = self.send(ask);
        self.flush();
        self.take(name).expect("an answer")
    }

    /// Lets time pass, alarm by alarm.
    fn pass_ms(&mut self, ms: u64) {
        let until = self.now.ticks + Span::millis(ms);
        while let Some(at) = self.groups.wake_at().filter(|at| *at <= until) {
            self.set_time(at.max(self.now.ticks));
            self.act(|groups, now, out| groups.wake(now, out));
            self.flush();
        }
        self.set_time(until);
    }

    fn set_time(&mut self, ticks: Ticks) {
        let passed = ticks.since(self.now.ticks).0 / 1_000_000;
        self.now.wall.0 += passed as i64;
        self.now.ticks = ticks;
    }

    /// A new member's JoinGroup, through the id that it is given first.
    fn join_new(&mut self, protocols: &[&str]) -> (MemberId, u64) {
        let first = joined(self.ask(join("", None, protocols)));
        assert_eq!(first.error, Some(GroupError::MemberIdRequired));
        let name = self.send(join(&first.member, None, protocols));
        (first.member, name)
    }

    fn rejoin(&mut self, member: &str) -> u64 {
        self.send(join(member, None, &["range"]))
    }

    fn joined(&mut self, name: u64) -> Joined {
        joined(self.take(name).expect("the join phase is over"))
    }

    /// A stable group of so many members, in the order of their joining.
    fn stable(&mut self, count: usize) -> Vec<MemberId> {
        let joining: Vec<_> = (0..count).map(|_| self.join_new(&["range"])).collect();
        self.pass_ms(4_000 * count as u64);
        let names: Vec<u64> = joining.iter().map(|(_, name)| *name).collect();
        let members: Vec<MemberId> = joining.into_iter().map(|(member, _)| member).collect();
        self.sync_all(&names);
        members
    }

    /// Ends a join phase that all have joined: the leader assigns to each its own name.
    fn sync_all(&mut self, names: &[u64]) -> i32 {
        let joined: Vec<Joined> = names.iter().map(|name| self.joined(*name)).collect();
        let generation = joined[0].generation;
        let mut syncs = Vec::new();
        for one in &joined {
            assert_eq!((one.error, one.generation), (None, generation));
            let all = one.members.iter().map(|member| &member.member);
            let given = all
                .map(|member| (member.clone(), assignment(member)))
                .collect();
            let name = self.send(sync(&one.member, generation, given));
            syncs.push((one.member.clone(), name));
        }
        self.flush();
        for (member, name) in syncs {
            let Some(Answer::Synced(synced)) = self.take(name) else {
                panic!("no assignment for {member}");
            };
            assert_eq!(
                (synced.error, synced.assignment),
                (None, assignment(&member))
            );
        }
        generation
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> Result<(), GroupError> {
        match self.ask(Ask::Heartbeat(of(member, None, generation))) {
            Answer::Heartbeat(result) => result,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, member: &str, generation: i32, offset: i64) -> Result<(), GroupError> {
        match self.ask(commit(member, generation, "t", offset)) {
            Answer::Committed(results) => results[0],
            other => panic!("{other:?}"),
        }
    }

    fn fetched(&mut self) -> Vec<(Place, i64)> {
        let ask = Ask::Fetch {
            group: "g".into(),
            places: None,
        };
        match self.ask(ask) {
            Answer::Fetched(Ok(found)) => found
                .into_iter()
                .map(|found| (found.place, found.offset))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    fn described(&mut self) -> Result<Described, GroupError> {
        match self.ask(Ask::Describe { group: "g".into() }) {
            Answer::Described(described) => described,
            other => panic!("{other:?}"),
        }
    }

    fn state(&mut self) -> &'static str {
        self.described().map_or("gone", |described| described.state)
    }

    /// Another process reads what is durable.
    fn restart(self) -> Self {
        let mut next = Self::with(|_| {});
        next.groups = Groups::new(GroupConfig::default(), Random::with_seed(8));
        next.now = self.now;
        next.groups.open(PARTITION);
        for record in &self.log {
            let now = next.now;
            assert!(
                next.groups
                    .replay(PARTITION, &record.key, record.value.clone(), now)
            );
        }
        next.log = self.log;
        next.act(|groups, now, out| groups.loaded(PARTITION, &|_| true, now, out));
        next.flush();
        next
    }
}

fn joined(answer: Answer) -> Joined {
    match answer {
        Answer::Joined(joined) => *joined,
        other => panic!("{other:?}"),
    }
}

fn assignment(member: &str) -> Bytes {
    Bytes::from(format!("for {member}"))
}

/// A subscription to the topic `t`.
fn subscription() -> Bytes {
    Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff")
}

fn join(member: &str, instance: Option<&str>, protocols: &[&str]) -> Ask {
    let protocols = protocols
        .iter()
        .map(|name| (Arc::from(*name), subscription()));
    Ask::Join(Box::new(JoinAsk {
        group: "g".into(),
        member: member.into(),
        instance: instance.map(Arc::from),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: protocols.collect(),
        takes_member_id: true,
        skips_assignment: true,
    }))
}

fn of(member: &str, instance: Option<&str>, generation: i32) -> MemberAsk {
    MemberAsk {
        group: "g".into(),
        member: member.into(),
        instance: instance.map(Arc::from),
        generation,
    }
}

fn sync(member: &str, generation: i32, assignments: Vec<(MemberId, Bytes)>) -> Ask {
    Ask::Sync(Box::new(SyncAsk {
        member: of(member, None, generation),
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        assignments,
    }))
}

fn leave(member: &str, instance: Option<&str>) -> Ask {
    let leaver = Leaver {
        member: member.into(),
        instance: instance.map(Arc::from),
    };
    Ask::Leave {
        group: "g".into(),
        members: vec![leaver],
    }
}

fn commit(member: &str, generation: i32, topic: &str, offset: i64) -> Ask {
    Ask::Commit(CommitAsk {
        member: of(member, None, generation),
        retention_ms: None,
        offsets: vec![NewOffset {
            place: (topic.into(), 0),
            offset,
            leader_epoch: -1,
            metadata: None,
        }],
    })
}
