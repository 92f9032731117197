//! What the kernel grants and how it is set, against what a broker needs.

use std::path::Path;

use super::finding::{Finding, State};
use crate::base::ByteCount;
use crate::base::limits::{LOCKED_MEMORY_BYTES_MIN, OPEN_FILES_MIN};
use crate::cli::requirements::OPEN_FILES_PLENTY;
use crate::runtime::probe::{self, HostFinding, Limit, Memory, Processors, Refused};

const AREA: &str = "machine";
/// The oldest kernel whose io_uring has all that is used.
const KERNEL_MIN: (u32, u32) = (5, 15);
/// What a fix asks for, in KiB, as `ulimit -l` counts.
const LOCKED_KIB: u64 = 8 << 10;
/// Clocks that are read without a system call.
const FAST_CLOCKS: [&str; 5] = [
    "tsc",
    "kvm-clock",
    "hyperv_clocksource_tsc_page",
    "arch_sys_counter",
    "riscv_clocksource",
];

/// Everything about the machine.
pub fn look(cores: Option<u16>) -> Vec<Finding> {
    let host = probe::host(Path::new("/"));
    let limits = probe::limits();
    let processors = probe::processors();
    let threads = cores.map_or(processors.cores().len(), usize::from);
    vec![
        kernel(&host),
        ring(probe::ring()),
        locked_memory(limits.locked_memory, threads),
        open_files(limits.open_files),
        cores_of(&processors, threads),
        memory(probe::memory()),
        governor(&host),
        clock_source(&host),
        huge_pages(&host),
        swap(&host),
    ]
}

fn kernel(host: &HostFinding) -> Finding {
    let finding = Finding::ok(AREA, "kernel", format!("Linux {}", host.release));
    match host.version() {
        Some(version) if version < KERNEL_MIN => Finding {
            found: format!(
                "Linux {}; {}.{} or newer is needed",
                host.release, KERNEL_MIN.0, KERNEL_MIN.1
            ),
            ..finding
        }
        .but(
            State::Problem,
            ["sudo apt-get install linux-image-generic-hwe-22.04 && sudo reboot"],
        ),
        _ => finding,
    }
}

fn ring(answer: Result<(), Refused>) -> Finding {
    match answer {
        Ok(()) => Finding::ok(AREA, "io_uring", "allowed"),
        Err(refused) => Finding::ok(
            AREA,
            "io_uring",
            format!("refused ({}): {}", refused.error(), refused.why()),
        )
        .but(State::Problem, refused.fixes()),
    }
}

/// `serve` raises the soft limit itself: the hard one counts.
fn locked_memory(limit: Limit, threads: usize) -> Finding {
    let wanted = ByteCount(LOCKED_MEMORY_BYTES_MIN.0 * threads as u64);
    let fixes = [
        format!("sudo prlimit --pid $$ --memlock={0}:{0}", LOCKED_KIB << 10),
        "systemctl edit thalweg    # [Service] LimitMEMLOCK=8M".to_owned(),
        format!("docker run --ulimit memlock={} ...", LOCKED_KIB << 10),
    ];
    let finding = |found: String| Finding::ok(AREA, "locked memory", found);
    match limit.hard {
        None => finding("unlimited".to_owned()),
        Some(bytes) if bytes < LOCKED_MEMORY_BYTES_MIN.0 => finding(format!(
            "{} are allowed and at least {LOCKED_MEMORY_BYTES_MIN} are needed (ulimit -l)",
            ByteCount(bytes)
        ))
        .but(State::Problem, fixes),
        Some(bytes) if bytes < wanted.0 => finding(format!(
            "{} are allowed; {threads} cores use {wanted}, and register less memory without it",
            ByteCount(bytes)
        ))
        .but(State::Advice, fixes),
        Some(bytes) => finding(format!("{} are allowed", ByteCount(bytes))),
    }
}

fn open_files(limit: Limit) -> Finding {
    let fixes = [
        "sudo prlimit --pid $$ --nofile=65536:65536",
        "systemctl edit thalweg    # [Service] LimitNOFILE=65536",
        "docker run --ulimit nofile=65536 ...",
    ];
    let finding = |found: String| Finding::ok(AREA, "open files", found);
    match limit.hard {
        None => finding("unlimited".to_owned()),
        Some(count) if count < OPEN_FILES_MIN => finding(format!(
            "{count} are allowed and at least {OPEN_FILES_MIN} are needed (ulimit -n)"
        ))
        .but(State::Problem, fixes),
        Some(count) if count < OPEN_FILES_PLENTY => finding(format!(
            "{count} are allowed, one per connection: few clients fit (ulimit -n)"
        ))
        .but(State::Advice, fixes),
        Some(count) => finding(format!("{count} are allowed")),
    }
}

fn cores_of(processors: &Processors, threads: usize) -> Finding {
    let finding = |found: String| Finding::ok(AREA, "cores", found);
    let allowed = processors.allowed.len();
    if threads > allowed {
        return finding(format!(
            "{threads} asked for, {allowed} there: threads share them and wait for each other"
        ))
        .but(State::Advice, [format!("thalweg serve --cores {allowed}")]);
    }
    match processors.quota {
        Some(quota) if quota < threads as f64 => finding(format!(
            "{threads} threads, and the cgroup grants the time of {quota}: they will be stopped \
             for the rest of each period, and acknowledgements with them"
        ))
        .but(State::Advice, quota_fixes(quota)),
        quota => finding(format!(
            "{threads} of {allowed}{}",
            quota.map_or_else(String::new, |quota| format!(", quota {quota}"))
        )),
    }
}

fn quota_fixes(quota: f64) -> Vec<String> {
    let whole = quota.floor();
    let mut fixes = Vec::new();
    if whole >= 1.0 {
        fixes.push(format!("thalweg serve --cores {whole}"));
    }
    let up = quota.ceil();
    fixes.push(format!("docker update --cpus {up} CONTAINER"));
    fixes.push(format!(
        "sudo systemctl set-property thalweg CPUQuota={}%",
        up * 100.0
    ));
    fixes
}

fn memory(memory: Memory) -> Finding {
    let total = memory.cgroup_limit.unwrap_or(memory.total);
    let limited = match memory.cgroup_limit {
        Some(_) => " (the cgroup's limit)",
        None => "",
    };
    let cache = ByteCount(total / 10 * 4);
    let found = format!("{}{limited}; cache at most {cache}", ByteCount(total));
    Finding::ok(AREA, "memory", found)
}

fn governor(host: &HostFinding) -> Finding {
    let finding = |found: String| Finding::ok(AREA, "cpu governor", found);
    match host.governors.as_slice() {
        [] => finding("not set from here (a virtual machine, or hidden)".to_owned()),
        [one] if one == "performance" => finding(one.clone()),
        others => finding(format!(
            "{}: a core that slept is slow for its first requests",
            others.join(", ")
        ))
        .but(
            State::Advice,
            ["echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"],
        ),
    }
}

fn clock_source(host: &HostFinding) -> Finding {
    let Some(clock) = &host.clock_source else {
        return Finding::ok(AREA, "clock source", "not shown");
    };
    let finding = |found: String| Finding::ok(AREA, "clock source", found);
    if FAST_CLOCKS.contains(&clock.as_str()) {
        return finding(clock.clone());
    }
    let better = FAST_CLOCKS
        .iter()
        .find(|fast| host.clock_sources.iter().any(|there| there == *fast));
    let slow = finding(format!(
        "{clock}: each look at the clock is a system call or worse"
    ));
    let sysfs = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    match better {
        Some(fast) => slow.but(State::Advice, [format!("echo {fast} | sudo tee {sysfs}")]),
        None => slow.but(
            State::Advice,
            ["sudo dmesg | grep -i -e tsc -e clocksource    # why the fast one was given up"],
        ),
    }
}

fn huge_pages(host: &HostFinding) -> Finding {
    let finding = |found: String| Finding::ok(AREA, "huge pages", found);
    match host.huge_pages.as_deref() {
        None => finding("not shown".to_owned()),
        Some("always") => finding(
            "always: memory grows in steps of 2 MiB, and the kernel stops threads to gather them"
                .to_owned(),
        )
        .but(
            State::Advice,
            ["echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"],
        ),
        Some(other) => finding(other.to_owned()),
    }
}

fn swap(host: &HostFinding) -> Finding {
    match host.swaps.as_slice() {
        [] => Finding::ok(AREA, "swap", "none"),
        some => Finding::ok(
            AREA,
            "swap",
            format!(
                "{}: a cached record may have to be read back",
                some.join(", ")
            ),
        )
        .but(
            State::Advice,
            ["sudo swapoff -a", "sudo sysctl -w vm.swappiness=1"],
        ),
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
