//! The scenarios of BENCHMARKS by name, each in full size and in a smoke size that tests run.

use thalweg::load::Keys;

use crate::settings::{Kind, Settings};
use crate::values::{KeyChoice, Lengths};

pub struct Preset {
    pub name: &'static str,
    /// The scenario's number in BENCHMARKS.
    pub scenario: u32,
    pub about: &'static str,
    full: Full,
}

/// What a preset is at full size.
#[derive(Clone, Copy)]
pub enum Full {
    Run(fn() -> Settings),
    /// Not one run of one client: what to do instead, or what is missing.
    Elsewhere(&'static str),
}

impl Preset {
    pub fn named(name: &str) -> Result<&'static Self, String> {
        PRESETS.iter().find(|it| it.name == name).ok_or_else(|| {
            let known: Vec<&str> = PRESETS.iter().map(|it| it.name).collect();
            format!("no preset {name:?}; there are: {}", known.join(", "))
        })
    }

    /// An error says why this scenario is not a run.
    pub fn settings(&self, smoke: bool) -> Result<Settings, String> {
        match self.full {
            Full::Run(full) if smoke => Ok(shrink(full())),
            Full::Run(full) => Ok(full()),
            Full::Elsewhere(why) => Err(format!("{}: {why}", self.name)),
        }
    }
}

/// Small enough for a test, large enough to reach every part of a run.
fn shrink(full: Settings) -> Settings {
    let partitions = full.partitions.map(|it| it.min(40));
    Settings {
        seconds: Some(0.5),
        warm_up: Some(0.1),
        fill: full.fill.map(|_| 8 << 20),
        partitions,
        producers: full.producers.map(|it| it.min(20)),
        rate: full.rate.map(|it| it.min(20_000)),
        topics: full.topics.map(|it| it.min(40)),
        idle: full.idle.map(|it| it.min(100)),
        ..full
    }
}

/// Kreps, 2014: 100-byte records, six partitions, 64 KiB batches.
fn two_million() -> Settings {
    Settings {
        workload: Some(Kind::Produce),
        partitions: Some(6),
        record_bytes: Some(Lengths::from(100)),
        batch_bytes: Some(64 << 10),
        request_batches: Some(6),
        producers: Some(1),
        in_flight: Some(5),
        acks: Some(1),
        warm_up: Some(2.0),
        seconds: Some(10.0),
        ..Settings::default()
    }
}

fn fetch(consumers: u32) -> Settings {
    Settings {
        workload: Some(Kind::Consume),
        consumers: Some(consumers),
        in_flight: Some(2),
        fill: Some(4 << 30),
        ..two_million()
    }
}

fn open_loop(batch_bytes: u64) -> Settings {
    Settings {
        rate: Some(50_000),
        batch_bytes: Some(batch_bytes),
        request_batches: Some(1),
        seconds: Some(20.0),
        ..two_million()
    }
}

fn over_partitions(partitions: u32) -> Settings {
    Settings {
        partitions: Some(partitions),
        batch_bytes: Some(16 << 10),
        request_batches: Some(1),
        producers: Some(2),
        in_flight: Some(64),
        ..two_million()
    }
}

pub const PRESETS: &[Preset] = &[
    Preset {
        name: "two-million",
        scenario: 1,
        about: "one producer, 6 partitions, 100-byte records, 64 KiB batches",
        full: Full::Run(two_million),
    },
    Preset {
        name: "two-million-3",
        scenario: 1,
        about: "the same with three producers",
        full: Full::Run(|| Settings {
            producers: Some(3),
            ..two_million()
        }),
    },
    Preset {
        name: "batch-16k",
        scenario: 1,
        about: "one producer, one 16 KiB batch to a request",
        full: Full::Run(|| Settings {
            batch_bytes: Some(16 << 10),
            request_batches: Some(1),
            in_flight: Some(64),
            ..two_million()
        }),
    },
    Preset {
        name: "batch-1k",
        scenario: 1,
        about: "one producer, one 1 KiB batch to a request",
        full: Full::Run(|| Settings {
            batch_bytes: Some(1 << 10),
            request_batches: Some(1),
            in_flight: Some(64),
            ..two_million()
        }),
    },
    Preset {
        name: "one-in-flight",
        scenario: 3,
        about: "one batch of one record in flight, acknowledged",
        full: Full::Run(|| Settings {
            batch_bytes: Some(200),
            request_batches: Some(1),
            in_flight: Some(1),
            ..two_million()
        }),
    },
    Preset {
        name: "fetch-1",
        scenario: 2,
        about: "one consumer reads 4 GiB from memory",
        full: Full::Run(|| fetch(1)),
    },
    Preset {
        name: "fetch-3",
        scenario: 2,
        about: "three consumers read 4 GiB from memory",
        full: Full::Run(|| fetch(3)),
    },
    Preset {
        name: "end-to-end",
        scenario: 3,
        about: "one record at a time: sent, acknowledged, received",
        full: Full::Run(|| Settings {
            workload: Some(Kind::EndToEnd),
            partitions: Some(1),
            batch_bytes: Some(200),
            request_batches: Some(1),
            in_flight: Some(1),
            ..two_million()
        }),
    },
    Preset {
        name: "open-50k",
        scenario: 4,
        about: "50,000 records/s whatever happens, batches of 8 records (160 us to fill)",
        full: Full::Run(|| open_loop(960)),
    },
    Preset {
        name: "open-50k-batched",
        scenario: 4,
        about: "50,000 records/s whatever happens, batches of 100 records (2 ms to fill)",
        full: Full::Run(|| open_loop(11_000)),
    },
    Preset {
        name: "bulk",
        scenario: 5,
        about: "most bytes: 16 partitions, 1 KB records, 1 MiB batches",
        full: Full::Run(|| Settings {
            partitions: Some(16),
            record_bytes: Some(Lengths::from(1_000)),
            batch_bytes: Some(1 << 20),
            request_batches: Some(1),
            producers: Some(4),
            ..two_million()
        }),
    },
    Preset {
        name: "both",
        scenario: 6,
        about: "16 producers and 16 consumers at the tail, 16 partitions, 1 KB records",
        full: Full::Run(|| Settings {
            workload: Some(Kind::Both),
            partitions: Some(16),
            record_bytes: Some(Lengths::from(1_000)),
            batch_bytes: Some(256 << 10),
            request_batches: Some(1),
            producers: Some(16),
            consumers: Some(16),
            in_flight: Some(2),
            ..two_million()
        }),
    },
    Preset {
        name: "partitions-1",
        scenario: 7,
        about: "16 KiB batches over 1 partition",
        full: Full::Run(|| over_partitions(1)),
    },
    Preset {
        name: "partitions-10",
        scenario: 7,
        about: "the same over 10",
        full: Full::Run(|| over_partitions(10)),
    },
    Preset {
        name: "partitions-100",
        scenario: 7,
        about: "the same over 100",
        full: Full::Run(|| over_partitions(100)),
    },
    Preset {
        name: "partitions-1k",
        scenario: 7,
        about: "the same over 1,000",
        full: Full::Run(|| over_partitions(1_000)),
    },
    Preset {
        name: "partitions-10k",
        scenario: 7,
        about: "the same over 10,000",
        full: Full::Run(|| over_partitions(10_000)),
    },
    Preset {
        name: "partitions-70k",
        scenario: 7,
        about: "the same over 70,000",
        full: Full::Run(|| over_partitions(70_000)),
    },
    Preset {
        name: "partitions-140k",
        scenario: 7,
        about: "the same over 140,000",
        full: Full::Run(|| over_partitions(140_000)),
    },
    Preset {
        name: "topics-8k",
        scenario: 8,
        about: "8,000 topics, made and loaded",
        full: Full::Run(|| Settings {
            topics: Some(8_000),
            partitions: Some(1),
            batch_bytes: Some(16 << 10),
            request_batches: Some(1),
            producers: Some(2),
            in_flight: Some(64),
            ..two_million()
        }),
    },
    Preset {
        name: "unbatched",
        scenario: 9,
        about: "one 100-byte record to a request, 1,000 connections",
        full: Full::Run(|| Settings {
            batch_bytes: Some(200),
            request_batches: Some(1),
            producers: Some(1_000),
            in_flight: Some(1),
            ..two_million()
        }),
    },
    Preset {
        name: "connections-10k",
        scenario: 10,
        about: "10,000 connections: 500 send one record a second each, the others nothing",
        full: Full::Run(|| Settings {
            idle: Some(9_500),
            producers: Some(500),
            rate: Some(500),
            batch_bytes: Some(200),
            request_batches: Some(1),
            ..two_million()
        }),
    },
    Preset {
        name: "backlog",
        scenario: 11,
        about: "20 GB drained while 200 MB/s arrive",
        full: Full::Elsewhere("the engine can not fill a topic and then go on producing yet"),
    },
    Preset {
        name: "cores",
        scenario: 12,
        about: "broker CPU s/GB at one core and at two",
        full: Full::Elsewhere(
            "a broker's cores are not its client's to choose: run `loadgen versus --preset \
             two-million-3 --cores 1`, then `--cores 2`",
        ),
    },
    Preset {
        name: "linkedin-peak",
        scenario: 13,
        about: "4.4 M records/s of 170 bytes over 140,000 partitions, read three times and a half",
        full: Full::Elsewhere(
            "following 140,000 partitions needs fetch sessions, which the engine has not yet",
        ),
    },
    Preset {
        name: "soak",
        scenario: 15,
        about: "half load for hours, with retention deleting",
        full: Full::Elsewhere(
            "the ledger can not yet tell what retention deleted from what was lost",
        ),
    },
    Preset {
        name: "small-batches",
        scenario: 14,
        about: "100 producers, 100 partitions, 1 KiB batches, zipf over 100,000 keys",
        full: Full::Run(|| Settings {
            partitions: Some(100),
            keys: Some(KeyChoice(Keys::Zipf(100_000))),
            batch_bytes: Some(1 << 10),
            request_batches: Some(1),
            producers: Some(100),
            ..two_million()
        }),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_makes_a_plan_that_can_be_run_in_both_sizes() {
        for preset in PRESETS {
            for smoke in [false, true] {
                let Ok(settings) = preset.settings(smoke) else {
                    continue;
                };

                let plan = settings.plan(([127, 0, 0, 1], 9092).into(), "t");

                assert!(plan.check().is_ok(), "{} smoke {smoke}", preset.name);
            }
        }
    }

    #[test]
    fn every_scenario_of_the_benchmarks_has_a_preset() {
        for scenario in 1..=15 {
            assert!(
                PRESETS.iter().any(|it| it.scenario == scenario),
                "scenario {scenario}"
            );
        }
    }
}
