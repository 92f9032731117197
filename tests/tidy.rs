//! Everything about the source tree that a machine can hold: STYLE.md's limits and DESIGN's rooms.
//!
//! Each test reads the tree as text and lists every offence with its place, so that one run is
//! enough to mend them all. Comments and literals are blanked before code is judged.

#[path = "tidy/source.rs"]
mod source;

use source::{all_rust_files, files, folders, names, root, rust_files, says};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const FILE_LINES_MAX: usize = 600;
const LINE_CHARS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 60;
/// Of the loop that drives the shards, from its first `impl` on: it decides nothing.
const PUMP_LINES_MAX: usize = 99;

/// The rooms, top first, and the rooms that each may use. A new arrow is a design decision.
const ROOMS: &[(&str, &str)] = &[
    ("base", ""),
    ("wire", "base"),
    ("runtime", "base"),
    ("journal", "base runtime"),
    ("log", "base wire runtime journal"),
    ("cluster", "base wire runtime journal log"),
    ("groups", "base wire runtime journal log cluster"),
    ("txn", "base wire runtime journal log cluster"),
    ("admin", "base wire runtime log cluster groups txn"),
    (
        "shard",
        "base wire runtime journal log cluster groups txn admin",
    ),
    ("load", "base wire"),
    ("console", "base wire runtime shard load"),
    (
        "cli",
        "base wire runtime journal log cluster groups txn admin shard load console",
    ),
];

/// Words that only `runtime` may say.
const SYSTEM_WORDS: &[&str] = &["unsafe", "glommio", "io_uring", "libc"];
/// Words of the standard library that only `runtime` and the rooms without shards may say.
const STD_WORDS: &[&str] = &[
    "RefCell",
    "UnsafeCell",
    "Mutex",
    "RwLock",
    "Condvar",
    "atomic",
    "mpsc",
    "std::thread",
    "thread::spawn",
    "SystemTime",
    "Instant::now",
];
const STD_ROOMS: &[&str] = &["runtime", "load", "console", "cli"];

/// What may stand at the top of the tree, besides hidden files and what .gitignore names.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "src",
    "tuning",
    "benches",
    "loadgen",
    "tests",
];

#[test]
fn rooms_use_only_the_rooms_above_them() {
    let mut offences = Vec::new();
    for source in rust_files("src") {
        let Some(room) = source.room() else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            offences.push(format!("{}: {room} is not a room of DESIGN 3", source.path));
            continue;
        };
        for (line, used) in source.names_after_crate() {
            let is_room = ROOMS.iter().any(|(name, _)| *name == used);
            if is_room && used != room && !allowed.split(' ').any(|name| name == used) {
                offences.push(format!("{}:{line}: {room} may not use {used}", source.path));
            }
        }
    }
    check(
        "an arrow between rooms that DESIGN 3 does not draw",
        offences,
    );
}

#[test]
fn files_lines_and_functions_stay_short() {
    let mut offences = Vec::new();
    for source in all_rust_files() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            offences.push(format!(
                "{}: {lines} lines, at most {FILE_LINES_MAX}",
                source.path
            ));
        }
        for (index, line) in source.text.lines().enumerate() {
            let chars = line.chars().count();
            if chars > LINE_CHARS_MAX {
                offences.push(format!(
                    "{}:{}: a line of {chars} characters",
                    source.path,
                    index + 1
                ));
            }
        }
        for (line, name, length) in source.functions() {
            if length > FUNCTION_LINES_MAX {
                offences.push(format!(
                    "{}:{line}: fn {name} has {length} lines",
                    source.path
                ));
            }
        }
    }
    check("something too long to read at 03:00", offences);
}

#[test]
fn the_pump_stays_under_a_hundred_lines() {
    let pumps = rust_files("src/runtime/real");
    let pump = pumps
        .iter()
        .find(|source| source.path.ends_with("/pump.rs"))
        .expect("the loop is in pump.rs");

    let lines = pump.code.lines();
    let of_impls: Vec<&str> = lines.skip_while(|line| !line.starts_with("impl")).collect();

    let length = of_impls.len();
    assert!(of_impls.iter().any(|line| says(line, "fn run")), "no loop");
    assert!(
        length <= PUMP_LINES_MAX,
        "{}: {length} lines from its first impl on, at most {PUMP_LINES_MAX}",
        pump.path
    );
}

#[test]
fn every_room_has_a_door() {
    let mut offences = Vec::new();
    for room in folders("src") {
        let door = root().join("src").join(&room).join("mod.rs");
        let text = fs::read_to_string(&door).unwrap_or_default();
        let comment: String = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        for wanted in ["Knows:", "Must not know:", "May use:"] {
            if !comment.contains(wanted) {
                offences.push(format!(
                    "src/{room}/mod.rs: the door does not say \"{wanted}\""
                ));
            }
        }
    }
    check("a room without a door", offences);
}

#[test]
fn only_runtime_touches_the_system() {
    let mut offences = Vec::new();
    for source in rust_files("src") {
        let room = source.room().unwrap_or_default();
        let mut words = Vec::new();
        if room != "runtime" {
            words.extend_from_slice(SYSTEM_WORDS);
        }
        if !STD_ROOMS.contains(&room.as_str()) {
            words.extend_from_slice(STD_WORDS);
        }
        for (index, line) in source.code.lines().enumerate() {
            for word in words.iter().filter(|word| says(line, word)) {
                offences.push(format!("{}:{}: {word}", source.path, index + 1));
            }
        }
    }
    check("a word that belongs to `runtime`", offences);
}

#[test]
fn every_module_that_logs_is_a_logger_and_so_is_what_is_above_it() {
    let says_something = |source: &&source::Source| {
        let mut lines = source.code.lines();
        lines.any(|line| says(line, "tracing") && line.contains('!'))
    };
    let mut expected = BTreeSet::new();
    for source in rust_files("src").iter().filter(says_something) {
        let module = source.path.trim_start_matches("src/");
        let module = module.trim_end_matches(".rs").trim_end_matches("/mod");
        let mut name = "thalweg".to_owned();
        for part in module.split('/') {
            expected.insert(name.clone());
            name = format!("{name}.{part}");
        }
        expected.insert(name);
    }

    let listed: Vec<&str> = thalweg::admin::loggers::LOGGERS.to_vec();

    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(listed, expected, "LOGGERS of src/admin/loggers.rs");
}

#[test]
fn nothing_is_left_open() {
    let marks = [
        concat!("#[ign", "ore"),
        concat!("to", "do!"),
        concat!("unimpl", "emented!"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    check("work left open", find_in_tree(&marks));
}

#[test]
fn no_path_of_one_machine_stands_in_the_tree() {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    check("a path of one machine", find_in_tree(&paths));
}

#[test]
fn the_top_of_the_tree_holds_only_what_it_may() {
    let offences = names(&root())
        .into_iter()
        .filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()))
        .filter(|name| name != "target" && name != "thalweg-data")
        .filter(|name| !name.starts_with("thalweg-demo-"))
        .collect();
    check(
        "a name at the top of the tree that STYLE 11 does not list",
        offences,
    );
}

#[test]
fn the_readmes_map_of_rooms_equals_the_folders() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let Some(map) = map_of(&readme) else { return };

    let rooms: BTreeSet<String> = folders("src").into_iter().collect();

    let missing = rooms
        .difference(&map)
        .map(|room| format!("{room}: not on the map"));
    let stale = map
        .difference(&rooms)
        .map(|room| format!("{room}: on the map, not in src/"));
    check(
        "README's map differs from src/",
        missing.chain(stale).collect(),
    );
}

/// The first `code` word of each row or item below the heading that says "map" or "rooms".
fn map_of(readme: &str) -> Option<BTreeSet<String>> {
    let is_map = |line: &str| {
        let line = line.to_lowercase();
        line.starts_with('#') && (line.contains("map") || line.contains("rooms"))
    };
    let mut lines = readme.lines().skip_while(|line| !is_map(line));
    lines.next()?;
    let rows = lines
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with('|') || line.starts_with("- "))
        .filter_map(|line| line.split('`').nth(1))
        .map(|name| {
            name.trim_start_matches("src/")
                .trim_end_matches('/')
                .to_string()
        });
    Some(rows.collect())
}

fn check(what: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}

/// Every place where a text file of the tree has one of these marks.
fn find_in_tree(marks: &[&str]) -> Vec<String> {
    let mut offences = BTreeMap::new();
    for path in files("").into_iter().filter(|path| path != "Cargo.lock") {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| says(line, mark)) {
                offences.insert((path.clone(), index + 1), mark.to_string());
            }
        }
    }
    offences
        .iter()
        .map(|((path, line), mark)| format!("{path}:{line}: {mark}"))
        .collect()
}

#[test]
fn the_map_is_read_from_rows_and_items() {
    let readme = "# T\n## Map\n| room | job |\n| `base` | units |\n- `src/wire/`: bytes\n## Next\n";
    let map = map_of(readme).expect("there is a map");
    assert_eq!(map.into_iter().collect::<Vec<_>>(), ["base", "wire"]);
    assert!(map_of("# T\nno such heading").is_none());
}
