//! A broker as a process: started, waited for, killed, stopped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::kafka::{Connection, Error};
use crate::power::die_with_parent;

/// From start to the first answer about every partition, recovery included.
const READY: Duration = Duration::from_secs(60);
/// From SIGTERM to the end: the broker has 10 s of its own.
const STOPPED: Duration = Duration::from_secs(20);
const LOG_SHOWN: usize = 2_000;

/// How a broker is started: program and arguments, with `{dir}`, `{address}`, `{port}` and
/// `{cores}` in them, and its environment.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub command: Vec<String>,
    /// The value of THALWEG_FAULTS; a broker built without that feature ignores it.
    pub faults: String,
    /// With which status it ends when told to by SIGTERM: 0, or 143 for a Java program.
    pub stop_code: i32,
    /// Where its output goes.
    pub log: PathBuf,
}

pub struct Broker {
    child: Child,
    pub address: SocketAddr,
    stop_code: i32,
    log: PathBuf,
}

impl Recipe {
    /// Starts it on a free port; it is not ready yet.
    pub fn start(&self, dir: &Path, cores: usize) -> Result<Broker, String> {
        let address = free_address().map_err(|e| format!("a free port: {e}"))?;
        let fill = |word: &String| {
            word.replace("{dir}", &dir.to_string_lossy())
                .replace("{address}", &address.to_string())
                .replace("{port}", &address.port().to_string())
                .replace("{cores}", &cores.to_string())
        };
        let words: Vec<String> = self.command.iter().map(fill).collect();
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|e| format!("{}: {e}", self.log.display()))?;
        let errors = log.try_clone().map_err(|e| format!("the log: {e}"))?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        if !self.faults.is_empty() {
            command.env("THALWEG_FAULTS", &self.faults);
        }
        let child = die_with_parent(&mut command).spawn();
        Ok(Broker {
            child: child.map_err(|e| format!("{words:?}: {e}"))?,
            address,
            stop_code: self.stop_code,
            log: self.log.clone(),
        })
    }
}

impl Broker {
    /// Waits until the topic exists (it is created if it does not) and every partition answers.
    pub fn wait_ready(&mut self, topic: &str, partitions: i32) -> Result<Connection, String> {
        let until = Instant::now() + READY;
        loop {
            let problem = match self.ask(topic, partitions) {
                Ok(connection) => return Ok(connection),
                Err(problem) => problem,
            };
            self.is_alive()?;
            if Instant::now() > until {
                let tail = self.log_tail();
                return Err(format!("not ready after {READY:?}: {problem}\n{tail}"));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// An error with its last words if it has ended.
    pub fn is_alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                let tail = self.log_tail();
                Err(format!("the broker ended: {status}\n{tail}"))
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn ask(&self, topic: &str, partitions: i32) -> Result<Connection, Error> {
        const TOPIC_EXISTS: i16 = 36;
        let mut connection = Connection::open(self.address, topic)?;
        match connection.create_topic(partitions) {
            Ok(()) | Err(Error::Code(TOPIC_EXISTS)) => {}
            Err(error) => return Err(error),
        }
        for partition in 0..partitions {
            connection.list_offset(partition, -1)?;
        }
        Ok(connection)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9, and waits for the end.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// SIGTERM; another status than the recipe's, or none in time, is an error.
    pub fn stop(&mut self) -> Result<(), String> {
        // SAFETY: no pointers; the child is ours and not waited for yet, so the id is its own.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let until = Instant::now() + STOPPED;
        let status: ExitStatus = loop {
            match self.child.try_wait().map_err(|e| format!("waiting: {e}"))? {
                Some(status) => break status,
                None if Instant::now() > until => {
                    return Err(format!("still there {STOPPED:?} after SIGTERM"));
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        match status.code() == Some(self.stop_code) {
            true => Ok(()),
            false => Err(format!(
                "SIGTERM ended it with {status}\n{}",
                self.log_tail()
            )),
        }
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(LOG_SHOWN);
        let from = (from..text.len()).find(|at| text.is_char_boundary(*at));
        format!("its last words:\n{}", &text[from.unwrap_or(text.len())..])
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
