//! `thalweg group reset-offsets`: where a group will go on reading.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::offsets::{self, EARLIEST, Identity, LATEST, PartitionOf};
use crate::cli::Failure;
use crate::cli::arguments::{Broker, Output};
use crate::cli::client::check;
use crate::cli::coordinator::Coordinator;
use crate::cli::table::Table;
use crate::cli::time::parse_time;

/// Flags of `group reset-offsets`, by the names that Kafka's own tool has.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("where").required(true).args(
    ["to_earliest", "to_latest", "to_offset", "to_datetime", "shift_by", "to_current"]
))]
pub struct Reset {
    pub group: String,
    /// The topic, or one partition of it.
    #[arg(long, value_name = "TOPIC[:PARTITION]")]
    pub topic: String,
    /// To the oldest record that is kept.
    #[arg(long)]
    pub to_earliest: bool,
    /// To the end: only what comes from now on is read.
    #[arg(long)]
    pub to_latest: bool,
    /// To this offset, or to the nearest that there is.
    #[arg(long, value_name = "N")]
    pub to_offset: Option<i64>,
    /// To the first record of that time or later (2026-11-22T18:30:00Z, or milliseconds).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub to_datetime: Option<i64>,
    /// By so many records forward, or back if it is negative.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub shift_by: Option<i64>,
    /// To where the group is: commits that again.
    #[arg(long)]
    pub to_current: bool,
    /// Do it; without this flag it is only shown.
    #[arg(long)]
    pub execute: bool,
    #[command(flatten)]
    pub broker: Broker,
}

type Offsets = BTreeMap<PartitionOf, i64>;

impl Reset {
    pub fn run(&self) -> Result<(), Failure> {
        let server = &self.broker.bootstrap_server;
        let (topic, only) = self.partition()?;
        let mut earliest = offsets::at(server, topic, EARLIEST)?;
        let latest = offsets::at(server, topic, LATEST)?;
        earliest.retain(|(_, partition), _| only.is_none_or(|only| only == *partition));
        if earliest.is_empty() {
            return Err(Failure::failed(format!(
                "there is no partition {}; `thalweg topic describe` shows those there are",
                self.topic
            )));
        }
        let mut coordinator = Coordinator::connect(server, &self.group)?;
        let current = offsets::committed(&mut coordinator)?;
        let aim = self.aim(topic, &earliest, &latest, &current)?;
        if self.execute && !aim.is_empty() {
            let code = offsets::commit(&mut coordinator, &Identity::nobody(), &aim)?;
            let what = format!("group {} (it must have no members)", self.group);
            check(code, None, &what)?;
        }
        self.print(&aim, &current);
        Ok(())
    }

    /// A topic's own name has no colon.
    fn partition(&self) -> Result<(&str, Option<i32>), Failure> {
        match self.topic.split_once(':') {
            None => Ok((&self.topic, None)),
            Some((topic, partition)) => match partition.parse() {
                Ok(partition) => Ok((topic, Some(partition))),
                Err(_) => Err(Failure::usage(format!(
                    "--topic {}: '{partition}' is no number",
                    self.topic
                ))),
            },
        }
    }

    fn aim(
        &self,
        topic: &str,
        earliest: &Offsets,
        latest: &Offsets,
        current: &Offsets,
    ) -> Result<Offsets, Failure> {
        let by_time = match self.to_datetime {
            Some(time) => offsets::at(&self.broker.bootstrap_server, topic, time)?,
            None => BTreeMap::new(),
        };
        let aims = earliest.iter().filter_map(|(at, first)| {
            let end = *latest.get(at)?;
            let aim = if self.to_earliest {
                *first
            } else if self.to_latest {
                end
            } else if let Some(offset) = self.to_offset {
                offset
            } else if let Some(by) = self.shift_by {
                current.get(at)?.saturating_add(by)
            } else if self.to_current {
                *current.get(at)?
            } else {
                *by_time.get(at)?
            };
            Some((at.clone(), aim.clamp(*first, end.max(*first))))
        });
        Ok(aims.collect())
    }

    fn print(&self, aim: &Offsets, current: &Offsets) {
        if self.broker.output == Output::Json {
            let rows = aim.iter().map(|((topic, partition), offset)| {
                let was = current.get(&(topic.clone(), *partition));
                json!({ "topic": topic, "partition": partition, "was": was, "offset": offset })
            });
            let rows: Vec<_> = rows.collect();
            println!("{}", json!({ "executed": self.execute, "offsets": rows }));
            return;
        }
        let mut table = Table::new(&["topic", "partition", "committed", "new"]);
        for ((topic, partition), offset) in aim {
            let was = current.get(&(topic.clone(), *partition));
            table.row(vec![
                topic.clone(),
                partition.to_string(),
                was.map_or_else(|| "-".to_owned(), i64::to_string),
                offset.to_string(),
            ]);
        }
        println!("{table}");
        if !self.execute {
            println!("Nothing was changed; --execute does it.");
        }
    }
}
