//! Machines made bad on purpose, as plain data.

use super::*;

fn limit(hard: u64) -> Limit {
    Limit {
        soft: Some(hard),
        hard: Some(hard),
    }
}

/// It is judged so, and the first command that mends it holds `words`.
fn check(finding: &Finding, state: State, words: &str) {
    assert_eq!(finding.state, state, "{finding:?}");
    assert_eq!(finding.fixes.is_empty(), state == State::Ok, "{finding:?}");
    let first = finding.fixes.first().map_or("", String::as_str);
    assert!(first.contains(words), "no \"{words}\" in {finding:?}");
}

#[test]
fn a_kernel_older_than_what_is_used_of_io_uring_is_a_problem() {
    let of = |release: &str| {
        kernel(&HostFinding {
            release: release.to_owned(),
            ..HostFinding::default()
        })
    };

    check(&of("5.4.0-150-generic"), State::Problem, "apt-get");
    check(&of("5.15.0"), State::Ok, "");
    check(&of("6.18.44-x"), State::Ok, "");
    check(&of("something else"), State::Ok, "");
}

#[test]
fn a_refused_ring_is_a_problem_with_the_fix_for_its_reason() {
    let of = |errno, sysctl| ring(Err(Refused { errno, sysctl }));

    check(
        &of(1, Some(2)),
        State::Problem,
        "sysctl -w kernel.io_uring_disabled=0",
    );
    check(&of(1, None), State::Problem, "seccomp=tuning/seccomp.json");
    check(&of(12, None), State::Problem, "prlimit");
    check(&ring(Ok(())), State::Ok, "");
}

#[test]
fn limits_below_what_a_start_needs_are_problems_and_tight_ones_advice() {
    check(
        &locked_memory(limit(64 << 10), 2),
        State::Problem,
        "--memlock",
    );
    check(
        &locked_memory(limit(512 << 10), 2),
        State::Advice,
        "--memlock",
    );
    check(&locked_memory(limit(1 << 20), 2), State::Ok, "");
    check(&open_files(limit(64)), State::Problem, "--nofile");
    check(&open_files(limit(1_024)), State::Advice, "--nofile");
    check(&open_files(limit(65_536)), State::Ok, "");
    let unlimited = Limit {
        soft: Some(64),
        hard: None,
    };
    check(&open_files(unlimited), State::Ok, "");
    check(&locked_memory(unlimited, 64), State::Ok, "");
}

#[test]
fn more_threads_than_processors_or_than_the_quota_is_advised_against() {
    let has = |quota| Processors {
        allowed: vec![0, 1],
        quota,
    };

    check(&cores_of(&has(None), 3), State::Advice, "--cores 2");
    check(&cores_of(&has(Some(1.5)), 2), State::Advice, "--cores 1");
    check(
        &cores_of(&has(Some(0.5)), 1),
        State::Advice,
        "docker update --cpus 1",
    );
    check(&cores_of(&has(Some(2.0)), 2), State::Ok, "");
}

#[test]
fn settings_that_cost_latency_are_advised_against() {
    let bad = HostFinding {
        release: "6.1.0".to_owned(),
        governors: vec!["powersave".to_owned()],
        clock_source: Some("hpet".to_owned()),
        clock_sources: vec!["hpet".to_owned(), "tsc".to_owned()],
        huge_pages: Some("always".to_owned()),
        swaps: vec!["/swap.img".to_owned()],
    };
    let unknown = HostFinding::default();

    check(&governor(&bad), State::Advice, "echo performance");
    check(&clock_source(&bad), State::Advice, "echo tsc");
    check(&huge_pages(&bad), State::Advice, "echo madvise");
    check(&swap(&bad), State::Advice, "swapoff");
    for finding in [governor, clock_source, huge_pages, swap].map(|judge| judge(&unknown)) {
        check(&finding, State::Ok, "");
    }
}
