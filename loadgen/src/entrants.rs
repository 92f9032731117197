//! Who takes part in a comparison, as the command line says it.

use crate::running::{Running, Trait};

/// The name of the own side.
pub const OWN: &str = "thalweg";

/// A broker that we know how to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    Thalweg,
    Kafka,
    KafkaFlushed,
    ThalwegNode,
    ThalwegPorts,
}

/// What may be asked for by its name alone.
const RIVALS: [Rival; 4] = [
    Rival::Kafka,
    Rival::KafkaFlushed,
    Rival::ThalwegNode,
    Rival::ThalwegPorts,
];

impl Rival {
    pub fn name(self) -> &'static str {
        match self {
            Self::Thalweg => OWN,
            Self::Kafka => "kafka",
            Self::KafkaFlushed => "kafka-flushed",
            Self::ThalwegNode => "thalweg-node",
            Self::ThalwegPorts => "thalweg-ports",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Entrant {
    Started(Rival),
    Running(Running),
}

impl Entrant {
    pub fn name(&self) -> &str {
        match self {
            Self::Started(rival) => rival.name(),
            Self::Running(running) => &running.name,
        }
    }
}

/// What stands between two commas of `--against`.
#[derive(Clone, Debug)]
pub enum Entry {
    Of(Entrant),
    /// Of the broker that was named before.
    About(Trait),
}

impl Entry {
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(own) = Trait::parse(text) {
            return own.map(Self::About);
        }
        let known = RIVALS.iter().find(|it| it.name() == text);
        match known {
            Some(rival) => Ok(Self::Of(Entrant::Started(*rival))),
            None if text.contains('=') => {
                let running = Running::parse(text)?;
                Ok(Self::Of(Entrant::Running(running)))
            }
            None => {
                let names: Vec<&str> = RIVALS.iter().map(|it| it.name()).collect();
                let names = names.join(", ");
                Err(format!(
                    "nobody is called {text}: {names}, or NAME=HOST:PORT"
                ))
            }
        }
    }

    /// In the order in which they were named.
    pub fn gather(entries: &[Self]) -> Result<Vec<Entrant>, String> {
        let mut all = Vec::new();
        for entry in entries {
            match (entry, all.last_mut()) {
                (Self::Of(entrant), _) => all.push(entrant.clone()),
                (Self::About(own), Some(Entrant::Running(running))) => running.take(own),
                (Self::About(own), _) => {
                    return Err(format!("{}= belongs after NAME=HOST:PORT", own.key()));
                }
            }
        }
        Ok(all)
    }
}

/// What stands between two commas of `--self`.
#[derive(Clone, Debug)]
pub enum SelfPart {
    At(Running),
    About(Trait),
}

impl SelfPart {
    pub fn parse(text: &str) -> Result<Self, String> {
        match Trait::parse(text) {
            Some(own) => own.map(Self::About),
            None => Running::named(OWN, text).map(Self::At),
        }
    }

    /// None if nothing was said.
    pub fn gather(parts: &[Self]) -> Result<Option<Running>, String> {
        let mut found: Option<Running> = None;
        for part in parts {
            match (part, &mut found) {
                (Self::At(running), None) => found = Some(running.clone()),
                (Self::At(_), Some(_)) => return Err("--self is one broker".into()),
                (Self::About(own), Some(running)) => running.take(own),
                (Self::About(own), None) => {
                    return Err(format!("{}= belongs after --self HOST:PORT", own.key()));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn gathered(text: &str) -> Result<Vec<Entrant>, String> {
        let entries: Result<Vec<Entry>, String> = text.split(',').map(Entry::parse).collect();
        Entry::gather(&entries?)
    }

    #[test]
    fn what_follows_a_broker_is_about_it_alone() {
        let all =
            gathered("kafka,one=127.0.0.1:1,pid=7,data=/d,two=127.0.0.1:2,thalweg-node").unwrap();

        let names: Vec<&str> = all.iter().map(Entrant::name).collect();
        assert_eq!(names, ["kafka", "one", "two", "thalweg-node"]);
        let local = |at: usize| match &all[at] {
            Entrant::Running(running) => (running.local.pid, running.local.data.as_deref()),
            Entrant::Started(_) => panic!("it runs already"),
        };
        assert_eq!(local(1), (Some(7), Some(Path::new("/d"))));
        assert_eq!(local(2), (None, None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, why) in [
            (
                "kafkaesque",
                "nobody is called kafkaesque: kafka, kafka-flushed",
            ),
            ("pid=7", "pid= belongs after NAME=HOST:PORT"),
            ("kafka,pid=7", "pid= belongs after NAME=HOST:PORT"),
            ("one=127.0.0.1:1,pid=me", "pid=me: a process has a number"),
        ] {
            let said = gathered(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn the_own_side_may_run_already() {
        let parts = ["127.0.0.1:1", "pid=7"].map(|it| SelfPart::parse(it).unwrap());

        let running = SelfPart::gather(&parts).unwrap().unwrap();

        assert_eq!(running.to_string(), "thalweg at 127.0.0.1:1");
        assert_eq!(running.local.pid, Some(7));
        assert!(SelfPart::gather(&parts[1..]).is_err());
        assert!(SelfPart::gather(&[]).unwrap().is_none());
    }
}
