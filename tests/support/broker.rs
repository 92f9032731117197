//! A broker as a process: started on a free port, waited for, stopped, and never left behind.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::client::Client;
use super::{PATIENCE, system, wait_for};

/// A directory of one test's own, removed with everything in it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("thalweg-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind does no harm, and the test has its verdict.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `thalweg serve` on a port that the system chooses. It does not outlive the test.
pub fn serve(data_dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir)
        .args(flags)
        .stdin(Stdio::null());
    system::die_with_parent(&mut command);
    command
}

/// Runs a command that should refuse: its exit code, and what it said.
pub fn refusal(mut command: Command) -> (Option<i32>, String) {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = Guard(child.expect("it can be started"));
    let mut said = String::new();
    let mut errors = child.0.stderr.take().expect("piped");
    let reader = std::thread::spawn(move || {
        // Not text: then what came before it is compared.
        let _ = std::io::Read::read_to_string(&mut errors, &mut said);
        said
    });
    let status = wait_for("a refusal", || child.0.try_wait().expect("ours"));
    (status.code(), reader.join().expect("it only reads"))
}

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A broker that has answered its first request.
pub struct Broker {
    child: Guard,
    pub address: SocketAddr,
    log: PathBuf,
    out: PathBuf,
}

impl Broker {
    /// On `data_dir`; its output goes to files beside it.
    pub fn start(data_dir: &Path, flags: &[&str]) -> Self {
        Self::start_command(data_dir, serve(data_dir, flags))
    }

    pub fn start_command(data_dir: &Path, command: Command) -> Self {
        Self::start_at(data_dir, command, None)
    }

    /// At a known address, for a broker that tells clients another one.
    pub fn start_at(data_dir: &Path, command: Command, known: Option<SocketAddr>) -> Self {
        Self::start_told(data_dir, command, |said| known.or_else(|| address_in(said)))
    }

    /// At the address that `find` finds in what it says of itself.
    pub fn start_told(
        data_dir: &Path,
        command: Command,
        find: impl Fn(&str) -> Option<SocketAddr>,
    ) -> Self {
        Self::start_prepared(data_dir, command, |_| {}, find)
    }

    /// As `start_told`, where something is to be done for the process first.
    pub fn start_prepared(
        data_dir: &Path,
        mut command: Command,
        prepare: impl FnOnce(&mut Child),
        find: impl Fn(&str) -> Option<SocketAddr>,
    ) -> Self {
        let (log, out) = (
            data_dir.with_extension("log"),
            data_dir.with_extension("out"),
        );
        let errors = File::options().create(true).append(true).open(&log);
        command.stdout(File::create(&out).expect("a file for its output"));
        command.stderr(errors.expect("a file for its log"));
        let mut child = Guard(command.spawn().expect("it can be started"));
        prepare(&mut child.0);
        let address = wait_for("the broker's address", || {
            let status = child.0.try_wait().expect("ours");
            let said = fs::read_to_string(&log).unwrap_or_default();
            assert!(status.is_none(), "it ended: {status:?}\n{}", tail(&said));
            find(&fs::read_to_string(&out).unwrap_or_default())
        });
        let mut broker = Self {
            child,
            address,
            log,
            out,
        };
        wait_for("the first answer", || {
            assert_eq!(broker.ended(), None, "{}", tail(&broker.log()));
            Client::try_connect(address).ok()?.try_metadata().ok()
        });
        broker
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub fn connect(&self) -> Client {
        Client::try_connect(self.address).expect("the broker takes connections")
    }

    /// All that it has logged, in every run on this directory.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it said of itself when it started.
    pub fn introduction(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// Its status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.0.try_wait().expect("ours")
    }

    /// SIGTERM, and how it ended and after how many seconds.
    pub fn stop(mut self) -> (Option<i32>, f64) {
        let began = Instant::now();
        system::terminate(self.pid());
        let status = wait_for("the end after SIGTERM", || self.ended());
        assert_eq!(status.signal(), None, "{}", tail(&self.log()));
        assert!(began.elapsed() < PATIENCE);
        (status.code(), began.elapsed().as_secs_f64())
    }

    /// kill -9.
    pub fn kill(self) {
        drop(self);
    }
}

/// From the line "clients use  HOST:PORT".
fn address_in(introduction: &str) -> Option<SocketAddr> {
    // The line is whole once the next has begun.
    let (before, _) = introduction.split_once("directory")?;
    let (_, address) = before.split_once("clients use")?;
    address.trim().parse().ok()
}

pub fn tail(text: &str) -> &str {
    let from = text.len().saturating_sub(3_000);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at));
    from.map_or("", |from| &text[from..])
}
