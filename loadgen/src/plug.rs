//! Pulls the plug on brokers under load: what "acknowledged" is worth, as a table.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rig::broker::Recipe;
use rig::plug::{Plug, Toll};
use rig::power;

use crate::report::grouped;
use crate::rivals::beside_us;
use crate::runs::origin;

/// What a Java program ends with after SIGTERM.
const JAVA_STOPPED: i32 = 143;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    Thalweg,
    /// Kafka as it comes: acknowledged from the page cache
    Kafka,
    /// Kafka with flush.messages=1
    KafkaFlushed,
}

#[derive(Args)]
pub struct PlugArguments {
    /// Whose power to cut; none of them if a command line is given
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "thalweg,kafka,kafka-flushed"
    )]
    brokers: Vec<Subject>,
    /// How often, for each of them
    #[arg(long, default_value_t = 3)]
    cuts: u64,
    /// Seconds under load before each cut
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// An empty folder for disk images and logs; it is deleted and made anew
    #[arg(long)]
    scratch: PathBuf,
    /// Thalweg's binary; the one beside this if not given
    #[arg(long)]
    thalweg_bin: Option<PathBuf>,
    /// Kafka's heap
    #[arg(long, default_value = "512m")]
    heap: String,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the table, with machine, date, commit and command, to a file
    #[arg(long)]
    summary: Option<PathBuf>,
    /// Fail if this broker, or the one of the command line, loses a record
    #[arg(long, value_enum)]
    must_keep: Vec<Subject>,
    /// Another broker, with {dir}, {address}, {port} and {cores} to be filled in
    #[arg(last = true)]
    command: Vec<String>,
}

/// The daemon that serves a disk which forgets what was not flushed.
#[derive(Args)]
pub struct VolatileDisk {
    image: PathBuf,
    mount: PathBuf,
}

impl VolatileDisk {
    pub fn serve(self) -> Result<(), String> {
        let served = power::serve(&self.image, &self.mount).map_err(|e| e.to_string());
        // The session's threads are of no use without their mount, and would be waited for.
        served.map(|()| std::process::exit(0))
    }
}

impl PlugArguments {
    pub fn run(self) -> Result<(), String> {
        power::required()?;
        power::own_mounts()?;
        let mut tolls = Vec::new();
        for (name, recipe) in self.recipes()? {
            tolls.push((name.clone(), self.toll(&name, recipe)?));
        }
        let table = table(&tolls);
        print!("{table}");
        if let Some(file) = &self.summary {
            fs::write(file, format!("pull-the-plug\n{}\n{table}", origin()))
                .map_err(|e| format!("{}: {e}", file.display()))?;
        }
        // What the daemons' disks held is of no use to anybody.
        drop(fs::remove_dir_all(&self.scratch));
        self.judge(&tolls)
    }

    fn recipes(&self) -> Result<Vec<(String, Recipe)>, String> {
        let recipe = |command: Vec<String>, stop_code| Recipe {
            command,
            faults: String::new(),
            stop_code,
            // Not in the folder that is emptied before every cut.
            log: self.scratch.with_extension("log"),
        };
        if !self.command.is_empty() {
            let name = self.command[0].clone();
            return Ok(vec![(name, recipe(self.command.clone(), 0))]);
        }
        let subjects = self.brokers.iter().map(|subject| {
            let name = subject.name().to_string();
            let command = match subject {
                Subject::Thalweg => self.thalweg()?,
                Subject::Kafka => self.kafka(false)?,
                Subject::KafkaFlushed => self.kafka(true)?,
            };
            let stop_code = if *subject == Subject::Thalweg {
                0
            } else {
                JAVA_STOPPED
            };
            Ok((name, recipe(command, stop_code)))
        });
        subjects.collect()
    }

    fn thalweg(&self) -> Result<Vec<String>, String> {
        let binary = match &self.thalweg_bin {
            Some(binary) => binary.clone(),
            None => beside_us()?,
        };
        let serve = "serve --data-dir {dir} --listen {address} --cores {cores}";
        let words = serve.split(' ').map(str::to_string);
        Ok([binary.display().to_string()]
            .into_iter()
            .chain(words)
            .collect())
    }

    /// This program, which fetches, formats and starts Kafka, and takes it down with itself.
    fn kafka(&self, flush: bool) -> Result<Vec<String>, String> {
        let own = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
        let start = "kafka start --data-dir {dir} --port {port} --heap";
        let mut words = vec![own.display().to_string()];
        words.extend(start.split(' ').map(str::to_string));
        words.push(self.heap.clone());
        if flush {
            words.push("--flush".to_string());
        }
        Ok(words)
    }

    fn toll(&self, name: &str, recipe: Recipe) -> Result<Toll, String> {
        let own = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
        let plug = Plug {
            recipe,
            folder: self.scratch.clone(),
            daemon: vec![own.into(), OsString::from("volatile-disk")],
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load: Duration::from_secs_f64(self.seconds),
            seed: self.seed,
        };
        let mut all = Toll::default();
        for number in 1..=self.cuts {
            let toll = plug
                .pull(number)
                .map_err(|e| format!("{name}: the cut could not be made: {e}"))?;
            let (lost, acknowledged) = (toll.lost as f64, toll.acknowledged as f64);
            eprintln!(
                "{name}: cut {number} of {}: {} of {} acknowledged records lost",
                self.cuts,
                grouped(lost),
                grouped(acknowledged)
            );
            all.add(toll);
        }
        Ok(all)
    }

    fn judge(&self, tolls: &[(String, Toll)]) -> Result<(), String> {
        for subject in &self.must_keep {
            let known = |it: &&(String, Toll)| !self.command.is_empty() || it.0 == subject.name();
            for (name, toll) in tolls.iter().filter(known) {
                if toll.acknowledged == 0 || toll.lost + toll.wrong > 0 {
                    let example = toll.example.as_deref().unwrap_or("nothing acknowledged");
                    return Err(format!("{name} did not keep its promises: {example}"));
                }
            }
        }
        Ok(())
    }
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Thalweg => "thalweg",
            Self::Kafka => "kafka",
            Self::KafkaFlushed => "kafka-flushed",
        }
    }
}

/// In Markdown, so that README can have it as it is.
fn table(tolls: &[(String, Toll)]) -> String {
    let mut out = String::from(
        "| broker | power cuts | records acknowledged | of them lost | cuts with other harm |\n\
         |---|---|---|---|---|\n",
    );
    for (name, toll) in tolls {
        let share = 100.0 * toll.lost as f64 / (toll.acknowledged.max(1)) as f64;
        let lost = match toll.lost {
            0 => "none".to_string(),
            lost => format!("{} ({share:.0} %)", grouped(lost as f64)),
        };
        let harm = match (toll.wrong, toll.unavailable) {
            (0, 0) => "none".to_string(),
            (wrong, 0) => format!("{wrong}"),
            (wrong, gone) => format!("{}, {gone} of them did not start again", wrong + gone),
        };
        let acknowledged = grouped(toll.acknowledged as f64);
        let _ = writeln!(
            out,
            "| {name} | {} | {acknowledged} | {lost} | {harm} |",
            toll.cuts
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_how_many_of_the_acknowledged_are_lost() {
        let kept = Toll {
            cuts: 3,
            acknowledged: 1_000,
            ..Toll::default()
        };
        let lost = Toll {
            lost: 250,
            unavailable: 1,
            ..kept.clone()
        };

        let table = table(&[("a".into(), kept), ("b".into(), lost)]);

        assert!(table.contains("| a | 3 | 1,000 | none | none |"), "{table}");
        let harm = "1, 1 of them did not start again";
        assert!(
            table.contains(&format!("| b | 3 | 1,000 | 250 (25 %) | {harm} |")),
            "{table}"
        );
    }
}
