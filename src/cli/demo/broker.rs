//! The demo's broker: a process of its own that ends with the demo, and leaves nothing.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::cli::Failure;

use super::Talk;

const START_WAIT: Duration = Duration::from_secs(20);

/// A broker of our own, in a process of its own. It ends with us, however we end: its standard
/// input is a pipe that only we hold.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    pub directory: PathBuf,
    pub address: SocketAddr,
    talk: Talk,
}

impl Running {
    /// Starts it in the working directory, and returns when it listens.
    pub fn start(talk: Talk) -> Result<Self, Failure> {
        let directory = PathBuf::from(format!("thalweg-demo-{}", std::process::id()));
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("can not find myself: {error}")))?;
        talk.say(&format!(
            "$ thalweg serve --data-dir {} --listen 127.0.0.1:0\n",
            directory.display()
        ));
        let mut child = Command::new(program)
            .args(["serve", "--until-input-ends", "--allow-buffered"])
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::failed(format!("can not start the broker: {error}")))?;
        let stdin = child.stdin.take();
        let Some(address) = read_introduction(&mut child, talk) else {
            drop(stdin);
            return Err(refusal(child));
        };
        let mut running = Self {
            child,
            stdin,
            directory,
            address,
            talk,
        };
        running.await_listening()?;
        Ok(running)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn await_listening(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        while begun.elapsed() < START_WAIT {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(Failure::failed(
            "the broker did not begin to listen; its words are above",
        ))
    }

    /// Until it ends by itself, or by a signal that it gets with us.
    pub fn wait(mut self) -> Result<u8, Failure> {
        let status = self.child.wait();
        let status =
            status.map_err(|error| Failure::failed(format!("lost the broker: {error}")))?;
        Ok(code_of(status))
    }

    /// Lets it finish what it owes and remove its directory.
    pub fn stop(mut self) -> Result<u8, Failure> {
        self.talk.say("\nStopping: ");
        drop(self.stdin.take());
        let status = self.child.wait();
        let status =
            status.map_err(|error| Failure::failed(format!("lost the broker: {error}")))?;
        self.talk.say(&format!(
            "the broker flushed, sealed and ended ({status}).\n"
        ));
        Ok(code_of(status))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It was told to end, and removes its directory before it does.
        let _ = self.child.wait();
    }
}

/// What the broker ended with is what the demo ends with, so that scripts can tell why; 1 after a
/// signal.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.unwrap_or(1)
}

/// It ended before it listened, be it that it was told to.
fn refusal(mut child: Child) -> Failure {
    let mut failure = Failure::failed("the broker ended before it listened; its words are above");
    if let Ok(status) = child.wait() {
        failure.code = code_of(status).max(failure.code);
    }
    failure
}

/// Passes on what the broker says of itself, and finds in it where it listens. None: it ended.
fn read_introduction(child: &mut Child, talk: Talk) -> Option<SocketAddr> {
    let mut lines = BufReader::new(child.stdout.take()?);
    let mut address = None;
    loop {
        let mut line = String::new();
        match lines.read_line(&mut line) {
            Ok(0) | Err(_) => return None,
            Ok(_) => talk.say(&line),
        }
        if let Some(found) = line.trim().strip_prefix("listens on") {
            address = found.trim().parse().ok();
        }
        if line.trim_start().starts_with("started in") {
            return address;
        }
    }
}
