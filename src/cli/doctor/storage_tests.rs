//! Directories made bad on purpose, as plain data.

use super::*;

/// A good directory, which `spoil` makes worse.
fn directory(spoil: impl Fn(&mut DirectoryFinding)) -> DirectoryFinding {
    let mut found = DirectoryFinding {
        file_system: "ext4".to_owned(),
        free: ByteCount(100 << 30),
        direct_io: DirectIo::Works {
            memory_align: 512,
            offset_align: 512,
        },
        device: Some("nvme0n1".to_owned()),
        mounted_at: "/data".to_owned(),
        options: vec!["rw".to_owned(), "relatime".to_owned()],
    };
    spoil(&mut found);
    found
}

fn check<'a>(
    found: &'a DirectoryFinding,
    judge: fn(&Place<'a>) -> Finding,
    state: State,
    words: &str,
) {
    let directory = Path::new("/data/thalweg");
    is(&judge(&Place { directory, found }), state, words);
}

/// It is judged so, and the first command that mends it holds `words`.
fn is(finding: &Finding, state: State, words: &str) {
    assert_eq!(finding.state, state, "{finding:?}");
    assert_eq!(finding.fixes.is_empty(), state == State::Ok, "{finding:?}");
    let first = finding.fixes.first().map_or("", String::as_str);
    assert!(first.contains(words), "no \"{words}\" in {finding:?}");
}

#[test]
fn memory_is_no_place_for_what_must_last_and_others_disks_are_a_risk() {
    let on = |kind: &'static str| directory(|found| found.file_system = kind.to_owned());

    check(
        &on("tmpfs"),
        Place::file_system,
        State::Problem,
        "--data-dir",
    );
    check(&on("nfs4"), Place::file_system, State::Advice, "--data-dir");
    check(
        &on("fuse.sshfs"),
        Place::file_system,
        State::Advice,
        "--data-dir",
    );
    check(
        &on("overlay"),
        Place::file_system,
        State::Advice,
        "docker run -v",
    );
    check(&on("xfs"), Place::file_system, State::Ok, "");
}

#[test]
fn without_direct_io_a_broker_does_not_start_unless_it_may_buffer() {
    let refused = directory(|found| found.direct_io = DirectIo::Refused { errno: 22 });

    check(&refused, Place::direct_io, State::Problem, "--data-dir");
    check(&directory(|_| ()), Place::direct_io, State::Ok, "");
}

#[test]
fn little_space_is_advised_against_before_producers_are_refused() {
    let free = |bytes| directory(move |found| found.free = bytes);

    check(
        &free(ByteCount::mib(100)),
        Place::free_space,
        State::Problem,
        "du",
    );
    check(
        &free(ByteCount::mib(1_000)),
        Place::free_space,
        State::Advice,
        "du",
    );
    check(
        &free(ByteCount(100 << 30)),
        Place::free_space,
        State::Ok,
        "",
    );
}

#[test]
fn a_mount_that_does_not_flush_breaks_the_promise() {
    let with = |option: &'static str| directory(|found| found.options.push(option.to_owned()));

    check(
        &with("nobarrier"),
        Place::mount_options,
        State::Problem,
        "remount,barrier=1 /data",
    );
    check(
        &with("barrier=0"),
        Place::mount_options,
        State::Problem,
        "remount,barrier=1 /data",
    );
    check(
        &with("data=journal"),
        Place::mount_options,
        State::Advice,
        "fstab",
    );
    check(
        &with("sync"),
        Place::mount_options,
        State::Advice,
        "remount,async",
    );
    check(&with("lazytime"), Place::mount_options, State::Ok, "");
}

#[test]
fn a_device_is_advised_on_by_what_it_says_of_itself() {
    let queue = |scheduler: &str, rotational| QueueFinding {
        scheduler: Some(scheduler.to_owned()),
        rotational: Some(rotational),
        write_cache: Some("write back".to_owned()),
        discards: true,
    };

    is(
        &scheduler("nvme0n1", &queue("bfq", false)),
        State::Advice,
        "echo none",
    );
    is(
        &scheduler("vda", &queue("mq-deadline", true)),
        State::Advice,
        "vda/queue/scheduler",
    );
    is(
        &scheduler("sda", &queue("mq-deadline", true)),
        State::Ok,
        "",
    );
    is(&scheduler("nvme0n1", &queue("none", false)), State::Ok, "");
    is(&write_cache("sda", &queue("none", false)), State::Ok, "");
    let online = directory(|found| found.options.push("discard".to_owned()));
    let directory = Path::new("/data/thalweg");
    let found = &online;
    let place = Place { directory, found };
    is(
        &place.discard(&queue("none", false)),
        State::Advice,
        "fstrim.timer",
    );
}

#[test]
fn holes_in_prepared_files_are_advised_against_where_they_mean_something() {
    let files = PreparedFinding {
        files: 4,
        with_holes: 1,
        bytes: ByteCount::mib(512),
    };
    let directory_of = |kind: &'static str| directory(|found| found.file_system = kind.to_owned());
    let judge = |found: &DirectoryFinding| {
        let directory = Path::new("/data/thalweg");
        Place { directory, found }.prepared(files)
    };

    is(
        &judge(&directory_of("ext4")),
        State::Advice,
        "cp --sparse=never",
    );
    is(&judge(&directory_of("btrfs")), State::Ok, "");
}
