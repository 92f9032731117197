//! The configuration file: `.toml` with our names, or Kafka's `.properties`.
//!
//! Every mistake is told with file, line and column, and with the nearest name that is known.

mod properties;
mod toml_file;

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

/// Reads the file into `config`. Returns what the operator should know of it, a line each.
pub fn read(path: &Path, config: &mut BrokerConfig) -> Result<Vec<String>, Failure> {
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
    let applied = entries.and_then(|entries| apply(&entries, config));
    let notes = applied.map_err(|mistake| {
        let Place { line, column } = mistake.at;
        Failure::config(format!("{name}:{line}:{column}: {}", mistake.words))
    })?;
    let notes = notes.into_iter();
    Ok(notes
        .map(|(at, words)| format!("{name}:{}: {words}", at.line))
        .collect())
}

/// One setting given on the command line as `KEY=VALUE`.
pub fn set(config: &mut BrokerConfig, key: &str, value: &str) -> Result<Option<String>, String> {
    match BrokerKey::look_up(key) {
        Named::Key(known) => {
            let value = in_bytes(known, value);
            let set = config.set(known, &value);
            set.map_err(|error| error.to_string())?;
            Ok((!known.acts && known.default != Some(value.trim()))
                .then(|| format!("{key} has no effect here: {}", known.doc)))
        }
        Named::WithoutMeaning => Ok(Some(format!("{key} has no meaning here"))),
        Named::Unknown { nearest } => {
            Err(format!("unknown key '{key}'; did you mean '{nearest}'?"))
        }
    }
}

fn apply(entries: &[Entry], config: &mut BrokerConfig) -> Result<Vec<(Place, String)>, Mistake> {
    let mut notes = Vec::new();
    let mut seen = std::collections::BTreeMap::new();
    for entry in entries {
        let known = BrokerKey::find(&entry.key).map_or(entry.key.as_str(), |key| key.name);
        if let Some(before) = seen.insert(known.to_owned(), entry.at) {
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
