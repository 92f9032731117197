//! Every seed draws its own world: how large, how fast, and what may go wrong how often.

use thalweg::base::random::Random;
use thalweg::base::{ByteCount, Span};
use thalweg::runtime::sim::{DiskFaults, NetworkFaults};

use super::{producer, reader};

/// Something that befalls the process, its machine, or a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaos {
    Kill,
    PowerCut,
    /// A clean stop.
    Stop,
    Pause(Span),
    ClockJump(i64),
    /// A client stops to read, or goes on.
    Stall,
    Reset,
    HalfClose,
    /// Everybody falls silent, a stored byte or sector is harmed, and the process is killed.
    Harm {
        spoil: bool,
    },
}

#[derive(Clone, Debug)]
pub struct Swarm {
    pub shards: u16,
    pub segment: ByteCount,
    pub cache: ByteCount,
    pub disk: DiskFaults,
    pub network: NetworkFaults,
    pub producers: Vec<producer::Habits>,
    pub readers: Vec<reader::Habits>,
    pub topics_max: usize,
    pub partitions_max: u64,
    pub duration: Span,
    /// When what happens, in order.
    pub chaos: Vec<(Span, Chaos)>,
    /// The longest that a client rests between two acts.
    pub rest_max: Span,
    /// One boot in so many dies in the middle.
    pub boot_dies: u64,
    /// Clients are told of every shard, so that their connections move.
    pub sees_shards: bool,
}

impl Swarm {
    pub fn draw(random: &mut Random) -> Self {
        let duration = Span::millis(4_000 + random.below(8_000));
        let harms = random.one_in(3);
        Self {
            shards: 1 + random.below(3) as u16,
            segment: ByteCount::mib(1 << random.below(3)),
            cache: ByteCount::kib(256 << random.below(5)),
            disk: disk_faults(random, harms),
            network: network_faults(random),
            producers: (0..2 + random.below(4))
                .map(|_| producer_habits(random))
                .collect(),
            readers: (0..1 + random.below(3))
                .map(|_| reader_habits(random))
                .collect(),
            topics_max: 1 + random.below(5) as usize,
            partitions_max: 1 + random.below(6),
            chaos: chaos(random, duration, harms),
            duration,
            rest_max: Span::millis(20 + random.below(150)),
            boot_dies: [0, 2, 4][random.below(3) as usize],
            sees_shards: random.one_in(2),
        }
    }
}

/// A rate between `most` and `least`, in one of `share` worlds; otherwise never.
fn rate(random: &mut Random, share: u64, most: u64, least: u64) -> u64 {
    let drawn = most + random.below(least - most);
    if random.one_in(share) { drawn } else { 0 }
}

fn disk_faults(random: &mut Random, harms: bool) -> DiskFaults {
    DiskFaults {
        short_write: rate(random, 5, 200, 3_000),
        write_error: rate(random, 6, 200, 3_000),
        flush_error: rate(random, 6, 2, 40),
        read_error: rate(random, 3, 5, 100),
        read_flip: rate(random, 4, 5, 100),
        misdirect: if harms {
            rate(random, 2, 200, 2_000)
        } else {
            0
        },
        slow: rate(random, 2, 20, 500),
        full: rate(random, 5, 2, 10),
        at_boot: false,
        reads_at_boot: true,
        latency_max: Span(100_000 << random.below(6)),
        capacity: ByteCount::mib(1 << 20),
    }
}

fn network_faults(random: &mut Random) -> NetworkFaults {
    NetworkFaults {
        delay_max: Span(50_000 << random.below(8)),
        slow: rate(random, 2, 20, 300),
        reset: rate(random, 2, 50, 600),
        tiny_pieces: rate(random, 2, 2, 6),
        window: ByteCount(2_000 << random.below(10)),
    }
}

fn producer_habits(random: &mut Random) -> producer::Habits {
    let idempotent = random.one_in(2);
    producer::Habits {
        idempotent,
        acks: match random.below(8) {
            _ if idempotent => -1,
            0 => 0,
            1..4 => 1,
            _ => -1,
        },
        depth: 1 + random.below(5) as usize,
        version: 3 + random.below(11) as i16,
        records_max: [1, 4, 15][random.below(3) as usize],
        value_max: [60, 600, 6_000][random.below(3) as usize],
    }
}

fn reader_habits(random: &mut Random) -> reader::Habits {
    reader::Habits {
        fetch_version: 4 + random.below(15) as i16,
        list_version: 1 + random.below(10) as i16,
        wait_ms_max: 1 + random.below(1_000),
        bytes_max: [200, 20_000, 4 << 20][random.below(3) as usize],
    }
}

fn chaos(random: &mut Random, duration: Span, harms: bool) -> Vec<(Span, Chaos)> {
    let mut plan = Vec::new();
    let count = 2 + random.below(10);
    for _ in 0..count {
        let what = match random.below(14) {
            0..2 => Chaos::Kill,
            2..5 => Chaos::PowerCut,
            5 => Chaos::Stop,
            6 => Chaos::Pause(Span::millis(1 + random.below(3_000))),
            7 => {
                // Back by minutes (batches of before the jump must not seem to come from over
                // an hour ahead, which is refused), or forward by up to twenty days.
                let back = -(random.below(300_000) as i64);
                let forward = random.below(20 * 86_400_000) as i64;
                Chaos::ClockJump(if random.one_in(2) { back } else { forward })
            }
            8..10 => Chaos::Stall,
            10 => Chaos::Reset,
            11 => Chaos::HalfClose,
            12..14 if harms => Chaos::Harm {
                spoil: random.one_in(2),
            },
            _ => Chaos::PowerCut,
        };
        plan.push((Span(random.below(duration.0)), what));
    }
    plan.sort_by_key(|(time, _)| *time);
    plan
}
