//! Who gets which batch: partitions of all topics in one numbering, their leaders, their turns.
//!
//! A producer has one connection, and so one lane, per leader. A lane goes through its leader's
//! partitions in a fixed order, round and round; with keys, a partition that gets more of the
//! load has more turns in that order. So a batch's place in its stream tells how many batches of
//! its lane came before it, and with that when it was due.

use std::net::SocketAddr;
use std::ops::Range;

use super::Plan;
use super::records::KeySpread;

/// A partition's average number of turns in a round, when some have more than others.
const TURNS: usize = 8;

/// A partition among those of all topics: `topic * partitions of a topic + partition`.
pub type Global = u32;

/// How a topic's name and partition become one number, and back.
#[derive(Clone, Copy, Debug)]
pub struct Numbering {
    pub topics: u32,
    /// Of each topic.
    pub partitions: u32,
}

/// One producer's connection to one leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub producer: u32,
    pub leader: u32,
}

/// Where one batch goes, and which of its stream's it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub partition: Global,
    pub number: u64,
}

pub struct Route {
    pub leaders: Vec<Leader>,
    producers: u32,
    /// Per partition its leader, as an index, and its places in that leader's order, ascending.
    turns: Vec<(u32, Vec<u32>)>,
}

pub struct Leader {
    pub address: SocketAddr,
    order: Vec<Global>,
    /// How many different partitions the order has.
    partitions: u32,
}

impl Numbering {
    pub fn of(plan: &Plan) -> Self {
        Self {
            topics: plan.topics,
            partitions: plan.partitions,
        }
    }

    pub fn topic_of(self, partition: Global) -> u32 {
        partition / self.partitions
    }

    pub fn within_topic(self, partition: Global) -> u32 {
        partition % self.partitions
    }

    /// From a topic's name in a reply; one that is not ours becomes a number that nobody has.
    pub fn global(self, topic: u32, partition: u32) -> Global {
        if topic >= self.topics || partition >= self.partitions {
            return Global::MAX;
        }
        topic * self.partitions + partition
    }

    /// Which topic this name stands for: with several, the number after the last dash.
    pub fn topic_named(self, name: &[u8]) -> u32 {
        if self.topics == 1 {
            return 0;
        }
        let digits = name.rsplit(|byte| *byte == b'-').next();
        let digits = digits.and_then(|it| std::str::from_utf8(it).ok());
        digits.and_then(|it| it.parse().ok()).unwrap_or(u32::MAX)
    }
}

impl Route {
    /// `leader_of` has for each partition an index into `addresses`.
    pub fn new(
        producers: u32,
        addresses: &[SocketAddr],
        leader_of: &[u32],
        spread: Option<&KeySpread>,
        numbering: Numbering,
    ) -> Self {
        let mut turns: Vec<(u32, Vec<u32>)> = leader_of
            .iter()
            .map(|leader| (*leader, Vec::new()))
            .collect();
        let mut leaders = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            let own =
                (0..leader_of.len() as u32).filter(|it| leader_of[*it as usize] == index as u32);
            let order = match spread {
                None => own.collect(),
                Some(spread) => by_weight(
                    own.map(|it| (it, spread.weight(numbering.within_topic(it))))
                        .filter(|it| it.1 > 0.0)
                        .collect(),
                ),
            };
            for (at, partition) in order.iter().enumerate() {
                turns[*partition as usize].1.push(at as u32);
            }
            let partitions = turns
                .iter()
                .filter(|it| it.0 == index as u32 && !it.1.is_empty())
                .count() as u32;
            leaders.push(Leader {
                address: *address,
                order,
                partitions,
            });
        }
        Self {
            leaders,
            producers,
            turns,
        }
    }

    /// Every lane that has a partition.
    pub fn lanes(&self) -> Vec<Lane> {
        self.lanes_of(0..self.producers)
    }

    /// Those of these producers.
    pub fn lanes_of(&self, producers: Range<u32>) -> Vec<Lane> {
        let leaders = (0..self.leaders.len() as u32).filter(|it| !self.order(*it).is_empty());
        leaders
            .flat_map(|leader| {
                producers
                    .clone()
                    .map(move |producer| Lane { producer, leader })
            })
            .collect()
    }

    pub fn leader_of(&self, partition: Global) -> u32 {
        self.turns[partition as usize].0
    }

    pub fn address(&self, lane: Lane) -> SocketAddr {
        self.leaders[lane.leader as usize].address
    }

    /// Which part of all the load a lane has.
    pub fn share(&self, lane: Lane) -> f64 {
        let all: usize = self.leaders.iter().map(|it| it.order.len()).sum();
        self.order(lane.leader).len() as f64 / all as f64 / f64::from(self.producers)
    }

    /// Batches that one request of this lane can carry, each for another partition.
    pub fn request_batches(&self, lane: Lane, wanted: u32) -> u32 {
        wanted
            .min(self.leaders[lane.leader as usize].partitions)
            .max(1)
    }

    /// Whose turn it is after `sent` batches of this lane.
    pub fn turn(&self, lane: Lane, sent: u64) -> Turn {
        let order = self.order(lane.leader);
        let (length, first) = (order.len() as u64, self.first(lane));
        let at = (sent + first) % length;
        let partition = order[at as usize];
        let places = &self.turns[partition as usize].1;
        let count = places.len() as u64;
        let number = match count {
            1 => sent / length,
            _ => {
                let before =
                    |place: u64| places.partition_point(|it| u64::from(*it) < place) as u64;
                let nth = (before(at) + count - before(first) % count) % count;
                sent / length * count + nth
            }
        };
        Turn { partition, number }
    }

    /// The inverse of `turn`: the lane of a producer, and how many batches it had sent before.
    pub fn sent_before(&self, producer: u32, turn: Turn) -> (Lane, u64) {
        let (leader, places) = &self.turns[turn.partition as usize];
        let lane = Lane {
            producer,
            leader: *leader,
        };
        let (length, first) = (self.order(*leader).len() as u64, self.first(lane));
        let count = (places.len() as u64).max(1);
        let before_first = places.partition_point(|it| u64::from(*it) < first) as u64;
        let nth = (turn.number % count + before_first) % count;
        let at = places.get(nth as usize).map_or(0, |it| u64::from(*it));
        let within = (at + length - first) % length;
        (lane, turn.number / count * length + within)
    }

    /// Producers begin at different places, so that they do not march in step.
    fn first(&self, lane: Lane) -> u64 {
        let length = self.order(lane.leader).len() as u64;
        length * u64::from(lane.producer) / u64::from(self.producers)
    }

    fn order(&self, leader: u32) -> &[Global] {
        &self.leaders[leader as usize].order
    }
}

/// Turns in proportion to weights, spread evenly over the round; everybody has at least one.
fn by_weight(weights: Vec<(Global, f64)>) -> Vec<Global> {
    let total: f64 = weights.iter().map(|it| it.1).sum();
    let wanted = (weights.len() * TURNS) as f64;
    let mut order: Vec<(f64, Global)> = Vec::new();
    for (partition, weight) in weights {
        let count = (weight / total * wanted).round().max(1.0) as u32;
        let place = |nth| (f64::from(nth) + 0.5) / f64::from(count);
        order.extend((0..count).map(|nth| (place(nth), partition)));
    }
    order.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    order.into_iter().map(|it| it.1).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::load::records::Keys;

    const NUMBERING: Numbering = Numbering {
        topics: 1,
        partitions: 7,
    };

    fn route(keys: Keys) -> Route {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let leaders = [0, 1, 0, 1, 1, 1, 0];
        let spread = keys.spread(7);
        let addresses = [address(1), address(2)];
        Route::new(3, &addresses, &leaders, spread.as_ref(), NUMBERING)
    }

    #[test]
    fn a_batch_tells_how_many_of_its_lane_came_before_it() {
        for keys in [Keys::None, Keys::Zipf(50), Keys::Uniform(9)] {
            let route = route(keys);
            for lane in route.lanes() {
                let mut next: HashMap<Global, u64> = HashMap::new();
                for sent in 0..500 {
                    let turn = route.turn(lane, sent);

                    assert_eq!(route.leader_of(turn.partition), lane.leader);
                    let number = next.entry(turn.partition).or_default();
                    assert_eq!(turn.number, *number, "{keys:?} {lane:?} {sent}");
                    *number += 1;
                    assert_eq!(route.sent_before(lane.producer, turn), (lane, sent));
                }
            }
        }
    }

    #[test]
    fn partitions_with_more_of_the_keys_get_more_of_the_batches() {
        let route = route(Keys::Zipf(50));
        let lane = Lane {
            producer: 0,
            leader: 1,
        };
        let mut counts: HashMap<Global, u32> = HashMap::new();
        for sent in 0..1_000 {
            *counts.entry(route.turn(lane, sent).partition).or_default() += 1;
        }

        let (most, least) = (counts.values().max(), counts.values().min());
        assert!(most > least.map(|it| it * 2).as_ref(), "{counts:?}");
    }

    #[test]
    fn a_topics_name_tells_its_number() {
        let several = Numbering {
            topics: 12,
            partitions: 4,
        };

        assert_eq!(several.topic_named(b"load-test-00011"), 11);
        assert_eq!(several.global(11, 3), 47);
        assert_eq!(several.global(12, 0), Global::MAX);
        assert_eq!(NUMBERING.topic_named(b"anything"), 0);
    }
}
