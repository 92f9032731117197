//! The scenarios of BENCHMARKS by name, each in full size and in a smoke size that tests run.

mod shapes;

use shapes::{fetch, open_loop, over_partitions, shrink, two_million};
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
    /// The same of brokers with one core and with two: for who starts them.
    Cores(fn() -> Settings),
}

impl Preset {
    pub fn named(name: &str) -> Result<&'static Self, String> {
        PRESETS.iter().find(|it| it.name == name).ok_or_else(|| {
            let known: Vec<&str> = PRESETS.iter().map(|it| it.name).collect();
            format!("no preset {name:?}; there are: {}", known.join(", "))
        })
    }

    pub fn settings(&self, smoke: bool) -> Settings {
        let (Full::Run(full) | Full::Cores(full)) = self.full;
        match smoke {
            true => shrink(full()),
            false => full(),
        }
    }

    /// The cores of the brokers that it compares; none if that is not what it is about.
    pub fn cores(&self) -> &'static [usize] {
        match self.full {
            Full::Run(_) => &[],
            Full::Cores(_) => &[2, 1],
        }
    }

    /// For a broker that runs already, whose cores are not its client's to choose.
    pub fn settings_for_one(&self, smoke: bool) -> Result<Settings, String> {
        match self.cores() {
            [] => Ok(self.settings(smoke)),
            _ => Err(format!(
                "{}: compares brokers that it starts itself, with two cores and with one: run \
                 `loadgen versus --preset {0} --data-dir DIR`",
                self.name
            )),
        }
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
        // One partition: with more, each of the leader's shards has one in flight.
        full: Full::Run(|| Settings {
            partitions: Some(1),
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
        name: "groups",
        scenario: 6,
        about: "three consumer groups of two members each, which join and commit, at the tail",
        full: Full::Run(|| Settings {
            workload: Some(Kind::Both),
            partitions: Some(12),
            request_batches: Some(1),
            producers: Some(2),
            groups: Some(3),
            consumers: Some(2),
            ..two_million()
        }),
    },
    Preset {
        name: "backlog",
        scenario: 11,
        about: "a group drains 20 GB while 200 MB/s arrive; `--backlog 4g` for less",
        full: Full::Run(|| Settings {
            workload: Some(Kind::Both),
            partitions: Some(12),
            record_bytes: Some(Lengths::from(1_000)),
            request_batches: Some(1),
            producers: Some(2),
            groups: Some(1),
            consumers: Some(2),
            rate: Some(200_000),
            backlog: Some(20 << 30),
            lead: Some(5.0),
            // At most: it ends when the group has caught up.
            seconds: Some(120.0),
            ..two_million()
        }),
    },
    Preset {
        name: "cores",
        scenario: 12,
        about: "three producers, of a broker with two cores and of one with one: CPU s/GB",
        full: Full::Cores(|| Settings {
            producers: Some(3),
            ..two_million()
        }),
    },
    Preset {
        name: "linkedin-peak",
        scenario: 13,
        about: "4.4 M records/s of 170 bytes over 140,000 partitions, read three times and a half",
        full: Full::Run(|| Settings {
            workload: Some(Kind::Both),
            record_bytes: Some(Lengths::from(162)),
            consumers: Some(1),
            fan_out: Some(3.5),
            rate: Some(4_400_000),
            warm_up: Some(5.0),
            ..over_partitions(140_000)
        }),
    },
    Preset {
        name: "soak",
        scenario: 15,
        about: "half load with retention deleting, ten minutes; `--seconds` for hours",
        full: Full::Run(|| Settings {
            workload: Some(Kind::Both),
            configs: Some(vec![
                "retention.bytes=268435456".to_string(),
                "segment.bytes=67108864".to_string(),
            ]),
            load: Some(0.5),
            seconds: Some(600.0),
            ..two_million()
        }),
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
                let settings = preset.settings(smoke);

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
