//! A broker that runs already, here or elsewhere, as it is named on the command line.

use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thalweg::load::LoadError;
use thalweg::load::admin::Admin;

use crate::metrics::MetricsUrl;
use crate::process::ProcessSample;
use crate::settings::parse_address;
use crate::watch::Local;

/// For the connection, and for each answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A broker that we did not start and shall not stop.
#[derive(Clone, Debug)]
pub struct Running {
    pub name: String,
    pub address: SocketAddr,
    /// Only what was said of it: of a broker elsewhere nothing.
    pub local: Local,
}

/// What may be said of a broker that is local, after its address: `pid=N` and the like.
#[derive(Clone, Debug)]
pub enum Trait {
    Pid(u32),
    Data(PathBuf),
    Metrics(MetricsUrl),
}

impl Running {
    /// From NAME=HOST:PORT.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').unwrap_or(("", text));
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!(
                "{text:?} is not NAME=HOST:PORT with a name of letters, digits, `-`, `_` and `.`"
            ));
        }
        Self::named(name, address)
    }

    pub fn named(name: &str, address: &str) -> Result<Self, String> {
        let address = parse_address(address).map_err(|why| format!("{name}: {why}"))?;
        Ok(Self {
            name: name.to_string(),
            address,
            local: Local::default(),
        })
    }

    pub fn take(&mut self, own: &Trait) {
        match own.clone() {
            Trait::Pid(pid) => self.local.pid = Some(pid),
            Trait::Data(folder) => self.local.data = Some(folder),
            Trait::Metrics(url) => self.local.metrics = Some(url),
        }
    }

    /// Asks the broker itself, before anybody is started or measured.
    ///
    /// # Errors
    /// Words: nobody is there, what is there does not speak Kafka, or what was said of it is not
    /// so.
    pub fn check(&self) -> Result<(), String> {
        let fail = |why: String| Err(format!("{self}: {why}"));
        if let Err(error) = TcpStream::connect_timeout(&self.address, ANSWERS_WITHIN) {
            return fail(format!("cannot be reached: {error}"));
        }
        let asked = Admin::connect_within(self.address, ANSWERS_WITHIN);
        match asked.and_then(|mut admin| admin.brokers()) {
            Ok(1..) => {}
            Ok(0) => return fail("lists no broker, not even itself".into()),
            Err(error) => {
                let why = explain(&error);
                return fail(format!(
                    "somebody is there, but not a Kafka broker without TLS: {why}"
                ));
            }
        }
        match self.local.pid {
            Some(pid) if ProcessSample::of(pid).is_none() => {
                fail(format!("there is no process {pid} here"))
            }
            _ => match &self.local.data {
                Some(folder) if !folder.is_dir() => {
                    fail(format!("there is no folder {} here", folder.display()))
                }
                _ => match self.local.metrics.as_ref().map(MetricsUrl::read) {
                    Some(Err(why)) => fail(why),
                    Some(Ok(_)) | None => Ok(()),
                },
            },
        }
    }
}

fn explain(error: &LoadError) -> String {
    match error {
        LoadError::Socket { error, .. } => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("no answer within {} s", ANSWERS_WITHIN.as_secs())
            }
            ErrorKind::UnexpectedEof => "it hung up".to_string(),
            _ => error.to_string(),
        },
        other => other.to_string(),
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.address)
    }
}

impl Trait {
    pub fn key(&self) -> &'static str {
        match self {
            Self::Pid(_) => "pid",
            Self::Data(_) => "data",
            Self::Metrics(_) => "metrics",
        }
    }

    /// None if this is none of them; NAME=HOST:PORT is not.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let (key, value) = text.split_once('=')?;
        Some(match key {
            "pid" => u32::from_str(value)
                .map(Self::Pid)
                .map_err(|_| format!("{text}: a process has a number")),
            "data" => Ok(Self::Data(value.into())),
            "metrics" => MetricsUrl::parse(value).map(Self::Metrics),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_broker_has_a_name_and_an_address() {
        let running = Running::parse("other=127.0.0.1:9092").unwrap();

        assert_eq!(running.to_string(), "other at 127.0.0.1:9092");
        assert_eq!(running.local.pid, None);
        for wrong in ["127.0.0.1:9092", "=127.0.0.1:9092", "a/b=127.0.0.1:9092"] {
            let why = Running::parse(wrong).unwrap_err();
            assert!(why.contains("NAME=HOST:PORT"), "{why}");
        }
        let why = Running::parse("other=127.0.0.1").unwrap_err();
        assert!(why.starts_with("other: 127.0.0.1: "), "{why}");
    }

    #[test]
    fn nobody_and_somebody_else_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let web = Running::parse(&format!("web={address}")).unwrap();
        let server = thread::spawn(move || {
            // The first only looks whether somebody is there.
            for mut stream in listener.incoming().flatten().take(2) {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        });

        let spoke = web.check().unwrap_err();
        server.join().unwrap();
        let gone = web.check().unwrap_err();

        let not_kafka = format!("web at {address}: somebody is there, but not a Kafka broker");
        assert!(spoke.starts_with(&not_kafka), "{spoke}");
        let unreachable = format!("web at {address}: cannot be reached: ");
        assert!(gone.starts_with(&unreachable), "{gone}");
    }
}
