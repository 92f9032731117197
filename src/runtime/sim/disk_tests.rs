use super::*;

const FILE: FileId = FileId(1);

struct Bench {
    disk: SimDisk,
    next: u64,
}

impl Bench {
    fn with_seed(seed: u64) -> Self {
        Self::with(seed, DiskFaults::NONE)
    }

    fn with(seed: u64, faults: DiskFaults) -> Self {
        let mut disk = SimDisk::new(seed, faults);
        disk.prepare(FILE, ByteCount::kib(64)).expect("space");
        Self { disk, next: 0 }
    }

    fn begin(&mut self, op: impl FnOnce(Ticket) -> DiskOp) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.disk.submit(Ticks(0), op(ticket));
        ticket
    }

    fn begin_write(&mut self, page: u64, fill: u8) -> Ticket {
        self.begin(|ticket| write_of(ticket, page, fill, false))
    }

    fn begin_flush(&mut self) -> Ticket {
        self.begin(|ticket| DiskOp::Flush { ticket, file: FILE })
    }

    fn write(&mut self, page: u64, fill: u8) {
        let ticket = self.begin_write(page, fill);
        self.disk.finish(ticket).result.expect("no faults");
    }

    fn page(&mut self, page: u64) -> Vec<u8> {
        let at = Position(page * 4096);
        self.disk
            .bytes(FILE, at, ByteCount(4096))
            .expect("it reads")
    }
}

fn write_of(ticket: Ticket, page: u64, fill: u8, durable: bool) -> DiskOp {
    DiskOp::Write {
        ticket,
        file: FILE,
        at: Position(page * 4096),
        data: Bytes::from(vec![fill; 4096]),
        durable,
    }
}

fn check_survives(expected: bool, act: impl Fn(&mut Bench)) {
    let survived = |seed| {
        let mut bench = Bench::with_seed(seed);
        act(&mut bench);
        bench.disk.cut_power();
        bench.page(0) == vec![7; 4096]
    };
    let count = (0..64).filter(|seed| survived(*seed)).count();
    if expected {
        assert_eq!(count, 64);
    } else {
        assert!(
            (1..64).contains(&count),
            "{count} of 64 survived: chance should decide"
        );
    }
}

#[test]
fn a_flushed_write_survives_a_power_cut() {
    check_survives(true, |bench| {
        bench.write(0, 7);
        let flush = bench.begin_flush();
        bench.disk.finish(flush).result.expect("no faults");
    });
}

#[test]
fn a_durable_write_survives_a_power_cut() {
    check_survives(true, |bench| {
        let write = bench.begin(|ticket| write_of(ticket, 0, 7, true));
        bench.disk.finish(write).result.expect("no faults");
    });
}

#[test]
fn a_durable_write_says_nothing_of_the_one_before() {
    check_survives(false, |bench| {
        bench.write(0, 7);
        let write = bench.begin(|ticket| write_of(ticket, 1, 8, true));
        bench.disk.finish(write).result.expect("no faults");
    });
}

#[test]
fn a_write_without_a_flush_may_be_lost() {
    check_survives(false, |bench| bench.write(0, 7));
}

#[test]
fn a_flush_does_not_cover_a_write_that_ended_after_its_start() {
    check_survives(false, |bench| {
        let write = bench.begin_write(0, 7);
        let flush = bench.begin_flush();
        bench.disk.finish(write).result.expect("no faults");
        bench.disk.finish(flush).result.expect("no faults");
    });
}

#[test]
fn a_planted_missing_flush_loses_writes() {
    check_survives(false, |bench| {
        bench.disk.set_plant(Some(Plant::NoFlush));
        bench.write(0, 7);
        let flush = bench.begin_flush();
        bench.disk.finish(flush).result.expect("no faults");
    });
}

#[test]
fn a_kill_keeps_what_had_ended() {
    for seed in 0..64 {
        let mut bench = Bench::with_seed(seed);
        bench.write(0, 7);

        bench.disk.kill();

        assert_eq!(bench.page(0), vec![7; 4096]);
    }
}

#[test]
fn a_power_cut_leaves_mixtures_of_old_and_new_sectors() {
    let mixed = (0..64).filter(|seed| {
        let mut bench = Bench::with_seed(*seed);
        bench.write(0, 7);
        bench.disk.cut_power();
        let page = bench.page(0);
        page.contains(&7) && page.contains(&0)
    });

    assert!(mixed.count() > 10);
}

#[test]
fn a_short_write_says_how_short_it_was() {
    let faults = DiskFaults {
        short_write: 1,
        ..DiskFaults::NONE
    };
    let mut bench = Bench::with(3, faults);
    let write = bench.begin_write(0, 7);

    let Ok(DiskOutput::Written(count)) = bench.disk.finish(write).result else {
        panic!("a short write succeeds")
    };

    assert!(count < ByteCount(4096));
    let page = bench.page(0);
    assert!(page[..count.as_usize()].iter().all(|byte| *byte == 7));
    assert!(page[count.as_usize()..].iter().all(|byte| *byte == 0));
}

#[test]
fn one_seed_leaves_the_same_ruins() {
    let ruins = |seed| {
        let mut bench = Bench::with_seed(seed);
        (0..8).for_each(|page| bench.write(page, page as u8 + 1));
        bench.disk.cut_power();
        (0..8).map(|page| bench.page(page)).collect::<Vec<_>>()
    };

    assert_eq!(ruins(5), ruins(5));
    assert_ne!(ruins(5), ruins(6));
}

#[test]
fn a_boot_can_die_in_the_middle() {
    use crate::runtime::disk::Directory;
    let mut disk = SimDisk::new(1, DiskFaults::NONE);
    let mut directory = disk.directory(BlockPool::default(), Some(1));

    let first = directory.prepare(FILE, ByteCount(4096));
    let second = directory.write(FILE, Position(0), &Bytes::from(vec![1; 4096]));
    let third = directory.flush(FILE);

    assert!(first.is_ok() && second.is_err() && third.is_err());
    assert!(directory.has_crashed());
}

/// Does harm to a disk that holds page 0, and checks that what was there before is noted.
fn check_noted(harm: impl Fn(&mut Bench)) -> Harm {
    let mut bench = Bench::with_seed(4);
    bench.write(0, 7);
    let flush = bench.begin_flush();
    bench.disk.finish(flush).result.expect("no faults");
    let before: Vec<Vec<u8>> = bench.disk.images().collect();

    harm(&mut bench);

    let [noted] = bench.disk.harms() else {
        panic!("one harm, noted once: {}", bench.disk.harms().len());
    };
    assert!(bench.disk.is_harmed());
    assert_eq!(noted.image_before(), before[0]);
    let after: Vec<Vec<u8>> = bench.disk.images().collect();
    let changed = (0..before[0].len()).filter(|at| before[0][*at] != after[0][*at]);
    for at in changed {
        assert!(noted.range.contains(&(at as u64)), "byte {at}");
    }
    noted.clone()
}

#[test]
fn harm_is_noted_with_what_was_there_before() {
    let rotten = check_noted(|bench| assert!(bench.disk.rot().is_some()));
    let spoilt = check_noted(|bench| assert!(bench.disk.spoil().is_some()));
    let strayed = check_noted(|bench| {
        bench.disk.faults.misdirect = 1;
        bench.write(1, 9);
    });

    assert_eq!(rotten.range.end - rotten.range.start, 1);
    assert_eq!(spoilt.range.end - spoilt.range.start, 512);
    let (at, data) = strayed.strayed.expect("it should have gone elsewhere");
    assert_eq!((at, data), (Position(4096), Bytes::from(vec![9; 4096])));
}
