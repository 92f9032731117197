//! README's transcript of the demo has the shape of what the demo says.
//!
//! Figures, times, addresses, paths and sizes differ from run to run and are not compared; every
//! other word and the order of the lines are. A transcript of this machine replaces that of README,
//! date and all, by this command at the top of the tree:
//!
//! ```sh
//! perl -0777 -i -pe 'BEGIN { $said = `cargo run --release -q -- demo`; die "no demo" if $?;
//!     $said =~ s{^(  directory +)\S*/}{$1~/thalweg/}m; ($day) = `date +%F` =~ /(\S+)/ }
//!     s{(What it says \()[\d-]+}{$1$day}; s{(?<=```text\n)\$ thalweg serve.*?(?=```)}{$said}s
//!     ' README.md
//! ```

use std::path::Path;

/// What not every machine says: a device that counts its flushes, and what is remarkable about it.
const BY_MACHINE: [&str; 2] = ["  note", "  flushes/s of the disk"];
/// Labels of lines whose words are the machine's own; where direct I/O is refused, and README's
/// machine allows it, the second, too.
const MACHINES_WORDS: [&str; 2] = ["  device", "  durability"];

/// The first line that only one of them has; None if they have the same shape.
pub fn difference(transcript: &str, said: &str) -> Option<String> {
    let by_machine = match said.contains("page cache and fdatasync") {
        true => &MACHINES_WORDS[..],
        false => &MACHINES_WORDS[..1],
    };
    let shape = |text: &str| -> Vec<String> {
        let lines = text.trim_end().lines();
        lines.map(|line| shape_of(line, by_machine)).collect()
    };
    let (told, real) = (shape(transcript), shape(said));
    let (told, real) = (without(&told, &real), without(&real, &told));
    let longer = told.len().max(real.len());
    let unlike = (0..longer).find(|number| told.get(*number) != real.get(*number))?;
    let [told, real] = [told, real].map(|lines| lines.get(unlike).cloned().unwrap_or_default());
    Some(format!("README has {told:?} where the demo says {real:?}"))
}

/// The lines, but for those that only this machine says, or only the other.
fn without(lines: &[String], other: &[String]) -> Vec<String> {
    let begins = |line: &String, label: &str| line.starts_with(label);
    let is_of_machine = |line: &&String| {
        let mut labels = BY_MACHINE.iter();
        labels.any(|label| begins(line, label) && !other.iter().any(|it| begins(it, label)))
    };
    let kept = lines.iter().filter(|line| !is_of_machine(line));
    kept.cloned().collect()
}

/// A line with everything taken out that differs from run to run.
fn shape_of(line: &str, by_machine: &[&str]) -> String {
    let words = line.split_whitespace().map(shape_of_word);
    let line = format!("{}{}", indent_of(line), words.collect::<Vec<_>>().join(" "));
    let label = by_machine.iter().find(|label| line.starts_with(**label));
    label.map_or(line, |label| format!("{label}: the machine's own words"))
}

fn indent_of(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn shape_of_word(word: &str) -> String {
    if word.starts_with('/') || word.starts_with("~/") {
        let name = Path::new(word).file_name().unwrap_or_default();
        return format!("PATH/{}", numbers_out(&name.to_string_lossy()));
    }
    let is_id = word.len() == 36 && word.matches('-').count() == 4;
    if is_id {
        return "ID".to_owned();
    }
    match word {
        "KiB" | "MiB" | "GiB" | "TiB" => "BYTES".to_owned(),
        _ => numbers_out(word),
    }
}

/// Each number becomes one N, be it a version or an address of four.
fn numbers_out(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word.chars().peekable();
    while let Some(char) = rest.next() {
        let goes_on =
            char == '.' && out.ends_with('N') && rest.peek().is_some_and(char::is_ascii_digit);
        match char.is_ascii_digit() || goes_on {
            true if out.ends_with('N') => {}
            true => out.push('N'),
            false => out.push(char),
        }
    }
    out
}

#[test]
fn a_transcript_of_another_run_passes_and_one_that_went_stale_does_not() {
    let ours = "$ thalweg serve --data-dir thalweg-demo-1\nthalweg 0.1.0\n  \
                listens on   127.0.0.1:4\n  directory    ~/thalweg/thalweg-demo-1 (new)\n  \
                device       vda, ext4\n  cache        9.4 GiB\n\nMB/s           860.0\n  \
                flushes/s of the disk   938\n";
    let other = "$ thalweg serve --data-dir thalweg-demo-77\nthalweg 0.2.11\n  \
                 listens on   127.0.0.1:47\n  directory    /tmp/x/thalweg-demo-77 (new)\n  \
                 device       nvme0n1, xfs\n  cache        512 MiB\n\nMB/s       1860.5\n";

    assert_eq!(difference(ours, other), None);

    for stale in [
        ours.replace("listens on", "listens at"),
        ours.replace("  cache        9.4 GiB\n", ""),
        format!("{ours}one line more\n"),
        ours.replace("  device       vda, ext4\n", ""),
        ours.replace("(new)", ""),
    ] {
        assert!(difference(&stale, other).is_some(), "{stale}");
    }
}
