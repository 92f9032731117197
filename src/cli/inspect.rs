//! `thalweg inspect`: what a stopped data directory holds, and what of it can not be read.
//!
//! The journals are opened as a start would open them, over a shadow: what a start would cut or
//! repair is told, and nothing is written. A directory that a broker uses is refused, because what
//! is read while it is written means nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::arguments::Output;
use super::data_dir::{self, DataDir};
use super::table::Table;
use crate::base::{Position, ShardId};
use crate::cluster::MetadataLog;
use crate::journal::{
    EntryHead, Index, Journal, JournalError, Replay, SegmentCheck, SegmentFacts, Settings,
    StreamFacts, StreamId,
};
use crate::runtime::real::FileDirectory;
use crate::runtime::shadow::Shadow;
use crate::runtime::{BlockPool, FileId};
use crate::shard::manifest::ShardPlace;

/// Flags of `inspect`.
#[derive(Args, Clone, Debug)]
pub struct Inspect {
    /// A data directory; its broker must be stopped.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Read every group and compare it with its checksums.
    #[arg(long)]
    pub verify: bool,
    /// For people, or for programs.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

/// One shard's journal.
struct Opened {
    shard: ShardId,
    journal: Journal,
    checks: BTreeMap<u32, SegmentCheck>,
}

/// What a stream is called outside: topic and partition.
type Names = BTreeMap<StreamId, String>;

/// Prints what there is; 1 if something that had been acknowledged can not be read.
pub fn run(options: &Inspect) -> Result<u8, Failure> {
    let held = data_dir::hold(&options.directory)?;
    let mut names = Names::from([(StreamId::METADATA, "(metadata)".to_owned())]);
    let mut opened = Vec::new();
    for place in &held.manifest.shards {
        opened.push(open(&held, place, options.verify, &mut names)?);
    }
    match options.output {
        Output::Text => print_text(&held, &opened, &names),
        Output::Json => println!("{}", to_json(&held, &opened, &names)),
    }
    let damaged = opened.iter().any(|one| one.damages() > 0);
    Ok(u8::from(damaged))
}

/// Keeps nothing: the journal's own book has what is told here.
struct Nothing;

impl Replay for Nothing {
    fn restored(&mut self, _: StreamId, _: Index, _: Index, _: &[u8]) {}
    fn entry(&mut self, _: &EntryHead) {}
    fn trimmed(&mut self, _: StreamId, _: Index) {}
    fn dropped(&mut self, _: StreamId) {}

    fn lost(&mut self, _: StreamId, _: Index) {}
}

fn open(
    held: &DataDir,
    place: &ShardPlace,
    verify: bool,
    names: &mut Names,
) -> Result<Opened, Failure> {
    let path = held.path.join(&place.directory);
    let unreadable =
        |error: String| Failure::data_dir(format!("{} can not be read: {error}", path.display()));
    let broken = |error: JournalError| unreadable(format!("{error:?}"));
    let pool = BlockPool::default();
    let files = || {
        FileDirectory::open(&path, pool.clone(), true)
            .map_err(|error| unreadable(format!("{error:?}")))
    };
    let mut shadow = Shadow::over(files()?, pool.clone());
    let settings = Settings::new(place.incarnation);
    let now = crate::base::Now::default();
    let mut journal =
        Journal::open(settings, &mut shadow, pool.clone(), now, &mut Nothing).map_err(broken)?;
    if place.id == ShardId::ZERO {
        let log = MetadataLog::open(&mut journal, &mut shadow)
            .map_err(|error| unreadable(format!("the metadata: {error:?}")))?;
        for topic in log.metadata().topics() {
            for place in topic.partitions() {
                names.insert(place.stream, format!("{}-{}", topic.name, place.partition));
            }
        }
    }
    let mut checks = BTreeMap::new();
    if verify {
        let mut files = files()?;
        for segment in journal.segments() {
            let check = journal
                .check_segment(&mut files, &segment)
                .map_err(broken)?;
            checks.insert(segment.number, check);
        }
    }
    Ok(Opened {
        shard: place.id,
        journal,
        checks,
    })
}

impl Opened {
    /// What the start noticed, and what only reading every group did.
    fn damages(&self) -> usize {
        let segments = self.journal.segments();
        let unnoticed = segments.iter().map(|segment| {
            let check = self.checks.get(&segment.number);
            let bad = check.map_or(&[][..], |check| &check.bad);
            let new = (0..bad.len()).filter(|number| !self.is_noticed(segment.file, bad, *number));
            new.count()
        });
        self.journal.damage().len() + unnoticed.sum::<usize>()
    }

    /// The start notices a group that is lost at the one behind it, before the next bad place.
    fn is_noticed(&self, file: FileId, bad: &[Position], number: usize) -> bool {
        let (at, next) = (bad[number], bad.get(number + 1));
        self.journal.damage().iter().any(|damage| {
            let before_next = next.is_none_or(|next| damage.at < *next);
            damage.file == file && damage.at >= at && before_next
        })
    }

    fn segment_row(&self, segment: &SegmentFacts) -> Vec<String> {
        let state = match (segment.open, segment.indexed) {
            (true, _) => "open",
            (false, true) => "sealed",
            (false, false) => "sealed, without index",
        };
        let mut row = vec![
            segment.number.to_string(),
            format!("{:08}.journal", segment.file.0),
            segment.first.0.to_string(),
            segment.used.to_string(),
            segment.live.to_string(),
            state.to_owned(),
        ];
        if let Some(check) = self.checks.get(&segment.number) {
            row.push(check.groups.len().to_string());
            row.push(check.rows.to_string());
            row.push(match check.bad.as_slice() {
                [] => "none".to_owned(),
                bad => bad
                    .iter()
                    .map(|at| at.0.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        }
        row
    }

    fn print(&self, names: &Names) {
        println!("\nshard {}", self.shard.0);
        let mut headings = vec!["segment", "file", "first group", "used", "live", "state"];
        if !self.checks.is_empty() {
            headings.extend(["groups", "rows", "bad at"]);
        }
        let mut table = Table::new(&headings);
        for segment in self.journal.segments() {
            table.row(self.segment_row(&segment));
        }
        println!("{table}");
        let mut table = Table::new(&["stream", "partition", "first", "end", "bytes"]);
        for stream in self.journal.streams() {
            table.row(vec![
                stream.stream.0.to_string(),
                name_of(names, stream.stream),
                stream.first.0.to_string(),
                stream.end.0.to_string(),
                stream.bytes.to_string(),
            ]);
        }
        println!("{table}");
        for damage in self.journal.damage() {
            let (first, last) = (damage.first.0, damage.last.0);
            let (file, at) = (format!("{:08}.journal", damage.file.0), damage.at.0);
            println!(
                "  DAMAGE: {}",
                match damage.gone {
                    true => format!("{file} is gone, with groups {first} to {last}"),
                    false => format!("groups {first} to {last} can not be read, in {file} at {at}"),
                }
            );
            for (stream, from, to) in &damage.streams {
                let name = name_of(names, *stream);
                println!("    {name} misses offsets {} to {}", from.0, to.0 - 1);
            }
        }
        for (stream, from, to) in self.checks.values().flat_map(|check| &check.spoilt) {
            let name = name_of(names, *stream);
            let last = to.0 - 1;
            println!(
                "  DAMAGE: {name} offsets {} to {last} do not match their sums",
                from.0
            );
        }
    }

    fn to_json(&self, names: &Names) -> Value {
        let segments = self.journal.segments();
        let segments = segments
            .iter()
            .map(|segment| self.segment_json(segment, names));
        let streams = self.journal.streams();
        let streams = streams.iter().map(|stream| stream_json(stream, names));
        let damage = self.journal.damage().iter().map(|damage| {
            json!({
                "file": damage.file.0,
                "at": damage.at.0,
                "first_group": damage.first.0,
                "last_group": damage.last.0,
                "streams": ranges_json(&damage.streams, names),
                "gone": damage.gone,
            })
        });
        json!({
            "shard": self.shard.0,
            "segments": segments.collect::<Vec<_>>(),
            "streams": streams.collect::<Vec<_>>(),
            "damage": damage.collect::<Vec<_>>(),
        })
    }

    fn segment_json(&self, segment: &SegmentFacts, names: &Names) -> Value {
        let check = self.checks.get(&segment.number).map(|check| {
            json!({
                "groups": check.groups.len(),
                "rows": check.rows,
                "bytes": check.bytes.0,
                "bad": check.bad.iter().map(|at| at.0).collect::<Vec<_>>(),
                "spoilt": ranges_json(&check.spoilt, names),
            })
        });
        json!({
            "segment": segment.number,
            "file": segment.file.0,
            "first_group": segment.first.0,
            "used": segment.used.0,
            "live": segment.live.0,
            "indexed": segment.indexed,
            "open": segment.open,
            "verified": check,
        })
    }
}

/// Offsets of partitions: the first, and the one after the last.
fn ranges_json(ranges: &[(StreamId, Index, Index)], names: &Names) -> Vec<Value> {
    let ranges = ranges.iter().map(|(stream, from, to)| {
        json!({ "partition": name_of(names, *stream), "from": from.0, "until": to.0 })
    });
    ranges.collect()
}

fn stream_json(stream: &StreamFacts, names: &Names) -> Value {
    json!({
        "stream": stream.stream.0,
        "partition": name_of(names, stream.stream),
        "first": stream.first.0,
        "end": stream.end.0,
        "bytes": stream.bytes.0,
    })
}

/// A stream of no topic is one whose topic was deleted, and which a start gives up.
fn name_of(names: &Names, stream: StreamId) -> String {
    names
        .get(&stream)
        .cloned()
        .unwrap_or_else(|| "(deleted)".to_owned())
}

fn print_text(held: &DataDir, opened: &[Opened], names: &Names) {
    println!(
        "{}: cluster {}, node {}, {} shards",
        held.path.display(),
        held.manifest.cluster_id,
        held.manifest.node.0,
        opened.len()
    );
    opened.iter().for_each(|one| one.print(names));
    let damages: usize = opened.iter().map(Opened::damages).sum();
    match damages {
        0 => println!("\nNo damage found. Nothing was changed."),
        1 => println!("\n1 place can not be read. Nothing was changed."),
        count => println!("\n{count} places can not be read. Nothing was changed."),
    }
}

fn to_json(held: &DataDir, opened: &[Opened], names: &Names) -> Value {
    json!({
        "cluster": held.manifest.cluster_id,
        "node": held.manifest.node.0,
        "damages": opened.iter().map(Opened::damages).sum::<usize>(),
        "shards": opened.iter().map(|one| one.to_json(names)).collect::<Vec<_>>(),
    })
}
