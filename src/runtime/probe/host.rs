//! What the kernel was told: its release, how it drives processors and memory, its clock.
//!
//! Read from files below a root, so that a test can hand in a machine that it made up.

use std::fs;
use std::path::Path;

/// The machine as its kernel shows it. What can not be read is None or empty: a container may hide
/// it, and a virtual machine may not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFinding {
    /// As `uname -r` prints it.
    pub release: String,
    /// The frequency governors in use, each once; empty where frequencies are not ours to set.
    pub governors: Vec<String>,
    pub clock_source: Option<String>,
    pub clock_sources: Vec<String>,
    /// When transparent huge pages are given: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// Files and devices that memory is swapped to.
    pub swaps: Vec<String>,
}

impl HostFinding {
    /// Major and minor of the release.
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.split(['.', '-']);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

/// Reads `proc` and `sys` below `root`, which is `/` but in tests.
pub fn host(root: &Path) -> HostFinding {
    let read = |name: &str| {
        let text = fs::read_to_string(root.join(name)).ok()?;
        Some(text.trim().to_owned())
    };
    let clock = "sys/devices/system/clocksource/clocksource0";
    let swaps = read("proc/swaps").unwrap_or_default();
    HostFinding {
        release: read("proc/sys/kernel/osrelease").unwrap_or_default(),
        governors: governors(&root.join("sys/devices/system/cpu")),
        clock_source: read(&format!("{clock}/current_clocksource")),
        clock_sources: words(&read(&format!("{clock}/available_clocksource")).unwrap_or_default()),
        huge_pages: read("sys/kernel/mm/transparent_hugepage/enabled")
            .and_then(|text| chosen(&text)),
        swaps: swaps.lines().skip(1).filter_map(first_word).collect(),
    }
}

fn governors(processors: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(processors) else {
        return Vec::new();
    };
    let found = entries.filter_map(|entry| {
        let governor = entry.ok()?.path().join("cpufreq/scaling_governor");
        Some(fs::read_to_string(governor).ok()?.trim().to_owned())
    });
    let mut governors: Vec<String> = found.collect();
    governors.sort_unstable();
    governors.dedup();
    governors
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn first_word(line: &str) -> Option<String> {
    line.split_whitespace().next().map(str::to_owned)
}

/// The word in brackets, by which the kernel marks the choice in force; a word alone is one too.
pub(super) fn chosen(text: &str) -> Option<String> {
    let marked = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let alone = || {
        let word = text.trim();
        (!word.is_empty() && !word.contains(' ')).then_some(word)
    };
    marked.or_else(alone).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_its_files_and_what_is_missing_stays_unknown() {
        let root = std::env::temp_dir().join(format!("thalweg-host-{}", std::process::id()));
        let put = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        put("proc/sys/kernel/osrelease", "5.4.0-150-generic\n");
        put("proc/swaps", "Filename Type\n/swap.img file 1 0 -2\n");
        for cpu in ["cpu0", "cpu1"] {
            let name = format!("sys/devices/system/cpu/{cpu}/cpufreq/scaling_governor");
            put(&name, "powersave\n");
        }
        let pages = "sys/kernel/mm/transparent_hugepage/enabled";
        put(pages, "[always] madvise never\n");

        let found = host(&root);

        assert_eq!(found.version(), Some((5, 4)));
        assert_eq!(found.swaps, ["/swap.img"]);
        assert_eq!(found.governors, ["powersave"]);
        assert_eq!(found.huge_pages.as_deref(), Some("always"));
        assert_eq!(found.clock_source, None);
        fs::remove_dir_all(&root).expect("ours");
    }

    #[test]
    fn the_choice_in_force_is_the_word_in_brackets() {
        assert_eq!(
            chosen("none [mq-deadline] kyber"),
            Some("mq-deadline".to_owned())
        );
        assert_eq!(chosen("none\n"), Some("none".to_owned()));
        assert_eq!(chosen("none kyber"), None);
        assert_eq!(chosen(""), None);
    }
}
