//! Faults that a real process plays, for tests of durability. Only builds with the feature
//! `faults`, and unit tests, have them; the environment variable THALWEG_FAULTS says which,
//! separated by commas:
//!
//! - `volatile-disk`: written bytes stay in process memory and reach the file when a flush or the
//!   durable write itself completes. A kill of the process is then as bad as a power cut.
//! - `flush-delay-ms=N`: flushes and durable writes take at least so long.
//! - `plant=ack-before-flush`: they are reported done before they are begun.
//! - `plant=no-flush`: they are reported done and never happen.

use std::sync::OnceLock;
use std::time::Duration;

/// What THALWEG_FAULTS says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub volatile_disk: bool,
    pub flush_delay: Duration,
    plants: Vec<String>,
}

impl Faults {
    fn parse(text: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            if word == "volatile-disk" {
                faults.volatile_disk = true;
            } else if let Some(count) = word.strip_prefix("flush-delay-ms=") {
                let count = count.parse();
                let count = count.map_err(|_| format!("THALWEG_FAULTS: {word}: not a number"))?;
                faults.flush_delay = Duration::from_millis(count);
            } else if let Some(plant) = word.strip_prefix("plant=") {
                faults.plants.push(plant.to_owned());
            } else {
                return Err(format!("THALWEG_FAULTS: {word} is no fault that we know"));
            }
        }
        Ok(faults)
    }

    pub fn has_plant(&self, name: &str) -> bool {
        self.plants.iter().any(|plant| plant == name)
    }
}

/// The faults of this process; the variable is read once.
///
/// # Errors
/// A word that is no fault: a test that misspells one must not pass for it.
pub fn current() -> Result<&'static Faults, String> {
    static CURRENT: OnceLock<Result<Faults, String>> = OnceLock::new();
    let read = || Faults::parse(&std::env::var("THALWEG_FAULTS").unwrap_or_default());
    CURRENT.get_or_init(read).as_ref().map_err(String::clone)
}

/// True if this process was started with the bug `name` planted.
pub fn planted(name: &str) -> bool {
    current().is_ok_and(|faults| faults.has_plant(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_unknown_ones_refused() {
        let faults = Faults::parse("volatile-disk,flush-delay-ms=3, plant=no-flush").unwrap();

        assert!(faults.volatile_disk);
        assert_eq!(faults.flush_delay, Duration::from_millis(3));
        assert!(faults.has_plant("no-flush"));
        assert!(!faults.has_plant("ack-before-flush"));
        assert!(Faults::parse("volatile-disc").is_err());
        assert!(Faults::parse("flush-delay-ms=soon").is_err());
        assert_eq!(Faults::parse(""), Ok(Faults::default()));
    }
}
