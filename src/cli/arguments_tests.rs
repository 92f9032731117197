use super::*;
use clap::{Arg, CommandFactory};
use std::collections::BTreeSet;

#[test]
fn the_flags_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_has_help_with_an_example_that_is_a_command() {
    for (path, command) in commands() {
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_else(|| panic!("{path} has no example"));
        assert!(help.starts_with("Example"), "{path}: {help}");
        assert!(help.contains(&path), "{path}: {help}");
    }
}

/// The commands without commands of their own, by their full names.
fn leaves() -> Vec<(String, clap::Command)> {
    let all = commands().into_iter();
    all.filter(|(_, command)| !command.has_subcommands())
        .collect()
}

/// The program and every command of it, by their full names.
fn commands() -> Vec<(String, clap::Command)> {
    fn gather(command: &clap::Command, path: &str, into: &mut Vec<(String, clap::Command)>) {
        into.push((path.to_owned(), command.clone()));
        for below in command.get_subcommands() {
            gather(below, &format!("{path} {}", below.get_name()), into);
        }
    }
    let mut found = Vec::new();
    gather(&Arguments::command(), "thalweg", &mut found);
    found
}

#[test]
fn every_command_that_asks_a_broker_asks_localhost_9092_by_default() {
    let mut without = Vec::new();
    for (path, command) in leaves() {
        let mut flags = command.get_arguments();
        match flags.find(|flag| flag.get_long() == Some("bootstrap-server")) {
            Some(flag) => assert_eq!(flag.get_default_values(), ["localhost:9092"], "{path}"),
            None => without.push(path),
        }
    }
    without.sort_unstable();

    let alone = ["completions", "demo", "doctor", "inspect", "serve"];
    assert_eq!(without, alone.map(|name| format!("thalweg {name}")));
    let parsed = Arguments::parse_from(["thalweg", "topic", "list"]);
    let Command::Topic(Topic::List { broker }) = parsed.command else {
        panic!("not `topic list`");
    };
    assert_eq!(broker.bootstrap_server, "localhost:9092");
}

#[test]
fn every_command_that_asks_a_broker_is_given_to_kafka_too_with_each_of_its_flags() {
    let compared = include_str!("../../tests/clients/commands.py");
    for (path, command) in leaves() {
        let mut flags: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
        if !flags.contains(&"bootstrap-server") {
            continue;
        }
        let name = path.strip_prefix("thalweg ").expect("ours");
        // A row of the lists, or of a program that goes on.
        let starts = [format!("(\"{name}"), format!("*\"{name}")];
        let rows = compared
            .lines()
            .filter(|row| starts.iter().any(|it| row.contains(it)));
        let rows: Vec<&str> = rows.collect();
        assert!(!rows.is_empty(), "{path}");
        flags.retain(|flag| *flag != "bootstrap-server");
        for flag in flags {
            let flag = format!("--{flag}");
            let words = |row: &&str| row.split([' ', '"']).any(|word| word == flag);
            assert!(rows.iter().any(words), "{path} {flag}");
        }
    }
}

/// The names in the first column of README's table below `heading`.
fn named_in_readme(heading: &str) -> BTreeSet<String> {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(heading).expect("the heading");
    let rows = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

#[test]
fn readmes_table_of_flags_names_those_of_serve_and_no_other() {
    let serve = leaves()
        .into_iter()
        .find(|(path, _)| path == "thalweg serve");
    let (_, serve) = serve.expect("there is `serve`");
    let flags = serve.get_arguments().filter(|flag| !flag.is_hide_set());
    let flags = flags.filter_map(|flag| flag.get_long().map(str::to_owned));

    let told = named_in_readme("\n## Flags of `serve`\n").into_iter();
    let told = told.map(|name| name.split(' ').next().unwrap_or_default().replace("--", ""));

    let told: BTreeSet<String> = told.collect();
    assert_eq!(told, flags.filter(|flag| flag != "help").collect());
}

#[test]
fn readmes_table_of_commands_names_every_command_and_no_other() {
    let mut all = BTreeSet::new();
    for (path, _) in leaves() {
        all.extend(path.split(' ').skip(1).map(str::to_owned));
    }

    let told = named_in_readme("\n## Commands\n").into_iter();
    let words = told.flat_map(|name| {
        let words = name.split(' ').map(str::to_owned);
        words.collect::<Vec<_>>()
    });
    let words = words.filter(|word| word.chars().any(char::is_lowercase));

    assert_eq!(words.collect::<BTreeSet<_>>(), all);
}

#[test]
fn byte_counts_are_read_with_and_without_units() {
    assert_eq!(parse_bytes("4096"), Ok(4096));
    assert_eq!(parse_bytes("512MiB"), Ok(512 << 20));
    assert!(parse_bytes("12 parsecs").is_err());
    assert!(parse_bytes("99999999999GiB").is_err());
}

#[test]
fn a_config_without_a_key_is_refused() {
    assert!(parse_pair("=5").is_err());
    assert!(parse_pair("retention.ms").is_err());
    assert_eq!(parse_pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
}
