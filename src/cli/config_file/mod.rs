//! The configuration file: `.toml` with our names, or Kafka's `.properties`.
//!
//! Every mistake is told with file, line and column, and with the nearest name that is known.

mod properties;
mod toml_file;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use crate::admin::{BrokerConfig, BrokerKey, Named};

use super::Failure;
use super::arguments::parse_bytes;

/// One setting of a file, and where its key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: String,
    pub at: Place,
}

/// A place in a text, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub at: Place,
    pub words: String,
}

/// Where a file sets what: by Kafka's names, as `FILE:LINE:COLUMN`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, String>);

impl Places {
    /// Something else goes before the file.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(&*kafkas(key));
    }

    /// A failure that comes of one of these keys is told with the place of the first that the file
    /// sets: some values are wrong only beside others, or can not be read before all are there.
    pub fn tell<T>(&self, keys: &[&str], result: Result<T, Failure>) -> Result<T, Failure> {
        let place = keys.iter().find_map(|key| self.0.get(*key));
        result.map_err(|failure| match place {
            Some(place) => Failure::config(format!("{place}: {}", failure.message)),
            None => failure,
        })
    }
}

/// The name that Kafka has for a key, if it is known.
fn kafkas(key: &str) -> Cow<'_, str> {
    match BrokerKey::look_up(key) {
        Named::Key(known) => known.name.into(),
        Named::Listener(known) => known.name().into(),
        Named::WithoutMeaning | Named::Unknown { .. } => key.into(),
    }
}

/// Reads the file into `config`. Returns what the operator should know of it, a line each, and
/// where the keys stand.
pub fn read(path: &Path, config: &mut BrokerConfig) -> Result<(Vec<String>, Places), Failure> {
    let name = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::config(format!("can not read --config {name}: {error}")))?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    let entries = match extension {
        Some("toml") => text_of(&bytes).and_then(toml_file::parse),
        Some("properties") => text_of(&bytes).and_then(properties::parse),
        Some(_) | None => {
            return Err(Failure::config(format!(
                "--config {name}: its name must end with .toml (our names) or .properties \
                 (Kafka's)"
            )));
        }
    };
    let place = |Place { line, column }| format!("{name}:{line}:{column}");
    let told =
        |mistake: Mistake| Failure::config(format!("{}: {}", place(mistake.at), mistake.words));
    let entries = entries.map_err(told)?;
    let notes = apply(&entries, config).map_err(told)?.into_iter();
    let notes = notes.map(|(at, words)| format!("{name}:{}: {words}", at.line));
    let places = entries.iter();
    let places = places.map(|entry| (kafkas(&entry.key).into_owned(), place(entry.at)));
    Ok((notes.collect(), Places(places.collect())))
}

/// One setting given on the command line as `KEY=VALUE`.
pub fn set(config: &mut BrokerConfig, key: &str, value: &str) -> Result<Option<String>, String> {
    match BrokerKey::look_up(key) {
        Named::Key(known) => {
            let value = in_bytes(known, value);
            let set = config.set(known, &value);
            set.map_err(|error| error.to_string())?;
            Ok(note(key, known, &value))
        }
        Named::Listener(of) => {
            let set = config.set_for_listener(&of, value);
            set.map_err(|error| error.to_string())?;
            Ok(note(key, of.key, value))
        }
        Named::WithoutMeaning => Ok(Some(format!("{key} has no meaning here"))),
        Named::Unknown { nearest } => {
            Err(format!("unknown key '{key}'; did you mean '{nearest}'?"))
        }
    }
}

/// What is said of a key that was set and does not act.
fn note(name: &str, key: &BrokerKey, value: &str) -> Option<String> {
    let is_idle = !key.acts && key.default != Some(value.trim());
    is_idle.then(|| format!("{name} has no effect here: {}", key.doc))
}

fn apply(entries: &[Entry], config: &mut BrokerConfig) -> Result<Vec<(Place, String)>, Mistake> {
    let mut notes = Vec::new();
    let mut seen = BTreeMap::new();
    for entry in entries {
        if let Some(before) = seen.insert(kafkas(&entry.key), entry.at) {
            let words = format!("{} is set in line {} too", entry.key, before.line);
            return Err(Mistake {
                at: entry.at,
                words,
            });
        }
        match set(config, &entry.key, &entry.value) {
            Ok(note) => notes.extend(note.map(|words| (entry.at, words))),
            Err(words) => {
                return Err(Mistake {
                    at: entry.at,
                    words,
                });
            }
        }
    }
    Ok(notes)
}

/// Byte counts may have a unit: `512MiB`.
fn in_bytes(key: &BrokerKey, value: &str) -> String {
    let plain = value.trim();
    let counts_bytes = key.name.ends_with(".bytes") || key.name.contains(".bytes.");
    let has_unit = plain.starts_with(|letter: char| letter.is_ascii_digit())
        && plain.ends_with(|letter: char| letter.is_ascii_alphabetic());
    match parse_bytes(plain) {
        Ok(count) if counts_bytes && has_unit => count.to_string(),
        Ok(_) | Err(_) => value.to_owned(),
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, Mistake> {
    std::str::from_utf8(bytes).map_err(|error| Mistake {
        at: place_in(
            &String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
            error.valid_up_to(),
        ),
        words: "this is not UTF-8".to_owned(),
    })
}

/// The place of a byte of `text`.
fn place_in(text: &str, byte: usize) -> Place {
    let before = text.get(..byte).unwrap_or(text);
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[begin..].chars().count() + 1,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
