//! Crash states of the journal: a seed drives one journal through several lives; at the end of
//! each, the disk is copied and crashed in many ways, and each ruin must recover to what was
//! flushed, and to nothing that was not staged.
//!
//!     cargo test --test journal_crash -- --nocapture            a small number of states
//!     THALWEG_CRASH_STATES=50000 cargo test --profile sim --test journal_crash -- --nocapture
//!     THALWEG_SIM_SEED=... cargo test --test journal_crash -- --nocapture     replays one seed

#[path = "journal_crash/bench.rs"]
mod bench;
#[path = "journal_crash/damage.rs"]
mod damage;
#[path = "journal_crash/model.rs"]
mod model;

use bench::{Bench, START, Told, check_head, check_slice, open, settings};
use model::{Model, Span};
use thalweg::base::random::Random;
use thalweg::base::{Now, Span as Wait, Ticks};
use thalweg::journal::{Index, Journal, JournalError, Settings, StreamId};
use thalweg::runtime::sim::{DiskFaults, Plant, SimDisk, Tally};
use thalweg::runtime::{BlockPool, DiskError};

const LIVES: u64 = 6;
const RUINS_PER_LIFE: u64 = 12;

/// How the finding begins that something promised is gone.
const LOST: &str = "no group explains what survived";

/// Over a full run each of these must have happened so often.
const KINDS: &[&str] = &[
    "crash inside recovery",
    "disk: flush error",
    "disk: read error",
    "disk: short write",
    "disk: write error",
    "error inside recovery",
    "kill",
    "power cut",
];
const KIND_COUNT_MIN: u64 = 100;
const FULL_STATES: u64 = 50_000;

fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
    )
}

/// Prints how to see a failure again.
struct Replayable {
    seed: u64,
}

impl Drop for Replayable {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "replay: THALWEG_SIM_SEED={} cargo test --test journal_crash -- --nocapture",
                self.seed
            );
        }
    }
}

/// One seed's journal.
struct History {
    random: Random,
    settings: Settings,
    tally: Tally,
    states: u64,
    plant: Option<Plant>,
}

/// What survived a crash.
struct Survivor {
    disk: SimDisk,
    journal: Journal,
    model: Model,
}

/// A journal's last moment.
struct Moment<'a> {
    model: &'a Model,
    flushed: u64,
    written: u64,
    staged: u64,
    now: Now,
    power: bool,
}

impl History {
    fn with_seed(seed: u64) -> Self {
        let mut random = Random::with_seed(seed);
        Self {
            settings: settings(&mut random),
            random,
            tally: Tally::default(),
            states: 0,
            plant: None,
        }
    }

    fn faults(&mut self) -> DiskFaults {
        let mut faults = DiskFaults::NONE;
        match self.random.below(6) {
            0 => faults.short_write = 30,
            1 => faults.write_error = 60,
            2 => faults.flush_error = 10,
            3 => faults.read_error = 20,
            _ => {}
        }
        faults
    }

    fn run(&mut self) {
        let mut disk = SimDisk::new(self.random.next_u64(), DiskFaults::NONE);
        disk.set_plant(self.plant);
        let opened = open(&mut disk, self.settings, START, None).expect("an empty disk opens");
        let (journal, _) = opened.expect("nothing crashed");
        let mut survivor = Survivor {
            disk,
            journal,
            model: Model::default(),
        };
        for life in 0..LIVES {
            survivor = self.live(survivor, life);
        }
    }

    /// Works for a while, then crashes in many ways; goes on with the last of them.
    fn live(&mut self, survivor: Survivor, life: u64) -> Survivor {
        let Survivor {
            mut disk,
            journal,
            model,
        } = survivor;
        disk.set_faults(self.faults());
        let ticks = Ticks(START.ticks.0 + life * Wait::seconds(100).0);
        let now = Now { ticks, ..START };
        let mut bench = Bench::new(disk, journal, model, self.random.next_u64(), now);
        for _ in 0..self.random.below(1_500) {
            bench.step();
        }
        self.tally.merge(&bench.disk.tally);
        bench.disk.tally = Tally::default();
        bench.disk.set_faults(DiskFaults::NONE);
        let mut last = None;
        let flushed = bench.journal.flushed().0;
        let failure = bench.journal.failure();
        for _ in 0..RUINS_PER_LIFE {
            let moment = Moment {
                model: &bench.model,
                flushed,
                // What a failed flush was to make stable, the device may have let go of.
                written: match failure.is_some_and(|error| is_flush(&error)) {
                    true => flushed,
                    false => bench.journal.written().0,
                },
                staged: bench.journal.staged().0,
                now: bench.now,
                power: !self.random.one_in(4),
            };
            let disk = bench.disk.copy_with_fate(self.random.next_u64());
            last = Some(self.crash(disk, &moment));
        }
        last.expect("at least one ruin")
    }

    /// Crashes, recovers (dying in the middle now and then), and checks what there is.
    fn crash(&mut self, mut disk: SimDisk, moment: &Moment<'_>) -> Survivor {
        self.end_life(&mut disk, moment.power);
        let mut power = moment.power;
        loop {
            let ops_left = self.random.one_in(2).then(|| self.random.below(60));
            let fails = ops_left.is_some() && self.random.one_in(4);
            if fails {
                disk.set_faults(DiskFaults {
                    read_error: 30,
                    write_error: 4,
                    flush_error: 4,
                    at_boot: true,
                    ..DiskFaults::NONE
                });
            }
            let opened = open(&mut disk, self.settings, moment.now, ops_left);
            disk.set_faults(DiskFaults::NONE);
            match opened {
                Ok(Some((journal, told))) => {
                    self.states += 1;
                    let model = check(&mut disk, journal, told, moment, power);
                    return self.reopen_once(disk, moment.now, model);
                }
                Ok(None) => self.tally.hit("crash inside recovery"),
                Err(error) => {
                    assert!(fails, "recovery refused: {error:?}");
                    self.tally.hit("error inside recovery");
                    power |= matches!(error, JournalError::Device(error) if is_flush(&error));
                }
            }
            self.states += 1;
            let cut = self.random.one_in(2);
            power |= cut;
            self.end_life(&mut disk, cut);
        }
    }

    /// What a recovery served must be there after a power cut that follows at once.
    fn reopen_once(&mut self, mut disk: SimDisk, now: Now, model: Model) -> Survivor {
        disk.cut_power();
        self.states += 1;
        let moment = Moment {
            model: &model,
            flushed: 0,
            written: 0,
            staged: 0,
            now,
            power: true,
        };
        let opened = open(&mut disk, self.settings, now, None).expect("recovery after recovery");
        let (journal, told) = opened.expect("nothing crashed");
        check(&mut disk, journal, told, &moment, true);
        let opened = open(&mut disk, self.settings, now, None).expect("it opens again");
        let (journal, _) = opened.expect("nothing crashed");
        Survivor {
            disk,
            journal,
            model,
        }
    }

    fn end_life(&mut self, disk: &mut SimDisk, power: bool) {
        if power {
            self.tally.hit("power cut");
            disk.cut_power();
        } else {
            self.tally.hit("kill");
            disk.kill();
        }
    }
}

fn is_flush(error: &DiskError) -> bool {
    error.call == "flush"
}

/// Compares a recovered journal with the model; returns the model of what survived.
fn check(
    disk: &mut SimDisk,
    mut journal: Journal,
    told: Told,
    moment: &Moment<'_>,
    power: bool,
) -> Model {
    let promised = if power {
        moment.flushed
    } else {
        moment.written
    };
    let mut span = Span {
        low: promised,
        high: moment.staged,
    };
    let ids: Vec<StreamId> = moment.model.streams.keys().copied().collect();
    for _ in 0..2 {
        for id in &ids {
            moment.model.narrow(*id, journal.range(*id), &mut span);
        }
    }
    assert!(
        span.low <= span.high,
        "{LOST}: at least {}, at most {}; promised {promised}",
        span.low,
        span.high
    );
    let mut model = moment.model.clone();
    model.keep(span.low);
    check_told(&told, &model);
    let mut directory = disk.directory(BlockPool::default(), None);
    for (id, stream) in &model.streams {
        let (first, end) = journal.range(*id).expect("a stream that survived");
        assert_eq!(end, Index(stream.end()), "{id:?}");
        let slices = journal
            .read_at_boot(&mut directory, *id, first)
            .expect("it reads");
        let mut next = None;
        for slice in &slices {
            assert!(
                next.is_none_or(|next| next == slice.head.first),
                "a hole in {id:?}"
            );
            check_slice(&model, &slice.head, &slice.payload);
            next = Some(slice.head.end());
        }
        let start = slices.first().map_or(end, |slice| slice.head.first);
        assert!(
            start <= first,
            "{id:?} lacks {first:?}; it begins at {start:?}"
        );
        assert_eq!(next.unwrap_or(end), end, "{id:?} ends early");
    }
    model
}

fn check_told(told: &Told, model: &Model) {
    let mut next: std::collections::BTreeMap<StreamId, Index> = Default::default();
    for (id, end, snapshot) in &told.restored {
        let Some(stream) = model.streams.get(id) else {
            continue;
        };
        let mut expected = end.0.to_le_bytes().to_vec();
        expected.extend_from_slice(&stream.sum(end.0).to_le_bytes());
        assert_eq!(*snapshot, expected, "the snapshot of {id:?} at {end:?}");
        next.insert(*id, *end);
    }
    for head in &told.heads {
        let Some(stream) = model.streams.get(&head.stream) else {
            continue;
        };
        check_head(stream, head);
        if let Some(next) = next.insert(head.stream, head.end()) {
            assert_eq!(head.first, next, "replay of {:?} skips", head.stream);
        }
    }
    for (id, stream) in &model.streams {
        if stream.first() < stream.end() {
            assert_eq!(next.get(id), Some(&Index(stream.end())), "replay of {id:?}");
        }
    }
}

fn run_seed(seed: u64) -> History {
    let _replayable = Replayable { seed };
    let mut history = History::with_seed(seed);
    history.run();
    history
}

#[test]
fn every_crash_recovers_what_was_flushed_and_nothing_else() {
    let mut tally = Tally::default();
    let mut states = 0;
    if let Some(seed) = number_from("THALWEG_SIM_SEED") {
        let history = run_seed(seed);
        println!("{}{} crash states", history.tally, history.states);
        return;
    }
    let wanted = number_from("THALWEG_CRASH_STATES").unwrap_or(400);
    let mut seed = number_from("THALWEG_SIM_FIRST_SEED").unwrap_or(1);
    while states < wanted {
        let history = run_seed(seed);
        states += history.states;
        tally.merge(&history.tally);
        seed += 1;
    }
    println!("{tally}{states} crash states");
    if wanted >= FULL_STATES {
        for kind in KINDS {
            let count = tally.count(kind);
            assert!(
                count >= KIND_COUNT_MIN,
                "{kind} happened only {count} times"
            );
        }
    }
}

/// A planted bug must be found by what it breaks: less survives than was promised. Any other
/// panic says nothing of it.
fn is_caught(plant: Plant) {
    for seed in 1..40 {
        let outcome = std::panic::catch_unwind(|| {
            let mut history = History::with_seed(seed);
            history.plant = Some(plant);
            history.run();
        });
        let Err(panic) = outcome else { continue };
        let said = panic.downcast_ref::<String>().map_or("", String::as_str);
        if said.contains(LOST) {
            println!("{plant:?}: caught by seed {seed}: {said}");
            return;
        }
        println!("{plant:?}: seed {seed} fails otherwise: {said}");
    }
    panic!("{plant:?} was not caught");
}

#[test]
fn a_planted_flush_that_is_reported_early_is_caught() {
    is_caught(Plant::AckBeforeFlush);
}

#[test]
fn a_planted_missing_flush_is_caught() {
    is_caught(Plant::NoFlush);
}
