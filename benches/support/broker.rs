//! The real broker as a child process, and what the kernel says it used.

#![allow(
    dead_code,
    reason = "each bench is a crate of its own and uses what it needs"
)]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use thalweg::base::Span;
use thalweg::load::admin::Admin;
use thalweg::load::process::ProcessSample;
use thalweg::load::{Observer, Outcome, Plan, run};
use thalweg::runtime::probe::{DeviceFinding, DeviceProbe, measure};

const CORES: &str = "2";
const TRY_EVERY: Duration = Duration::from_millis(20);
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A broker on a free port, over a folder of its own. Both are gone when this is dropped.
pub struct Broker {
    pub address: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Broker {
    /// Starts the binary of this build. `THALWEG_BENCH_DIR` names a folder on the device to
    /// measure; otherwise it is cargo's own for such files.
    pub fn start(name: &str) -> Broker {
        Self::start_on(name, CORES)
    }

    /// On so many cores.
    pub fn start_on(name: &str, cores: &str) -> Broker {
        Self::start_as(name, cores, "")
    }

    /// With these lines of a configuration file, and those of `THALWEG_BENCH_CONFIG`.
    pub fn start_as(name: &str, cores: &str, config: &str) -> Broker {
        let parent = std::env::var_os("THALWEG_BENCH_DIR")
            .map_or(PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        let folder = parent.join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the broker");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let more = std::env::var("THALWEG_BENCH_CONFIG").unwrap_or_default();
        fs::write(folder.join("thalweg.toml"), format!("{config}\n{more}\n"))
            .expect("a configuration file");
        let log = File::create(folder.join("log")).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_thalweg"))
            .args(["serve", "--cores", cores, "--listen", &address.to_string()])
            .arg("--data-dir")
            .arg(folder.join("data"))
            .arg("--config")
            .arg(folder.join("thalweg.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the broker starts");
        let broker = Broker {
            address,
            child,
            folder,
        };
        broker.await_ready();
        broker
    }

    fn await_ready(&self) {
        let started = Instant::now();
        while Admin::connect(self.address)
            .and_then(|mut it| it.brokers())
            .is_err()
        {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(
                started.elapsed() < READY_WITHIN,
                "the broker is not ready: {}",
                log()
            );
            thread::sleep(TRY_EVERY);
        }
    }

    /// What the device below its data does now.
    pub fn device(&self, is_full: bool) -> DeviceFinding {
        let each = Span::millis(if is_full { 300 } else { 5 });
        let probe = DeviceProbe {
            each,
            ..DeviceProbe::default()
        };
        measure(&self.folder, probe).expect("the device can be measured")
    }

    /// Runs `plan`, which must hold, and says what CPU time the broker used in its measured part.
    pub fn run(&self, plan: &Plan) -> (Outcome, f64) {
        let mut watch = Watch {
            pid: self.child.id(),
            before: 0.0,
            after: 0.0,
        };
        let outcome = run(plan, &mut watch).expect("a run");
        let (verdict, failure) = (&outcome.verdict, &outcome.failure);
        assert!(
            outcome.holds(),
            "{verdict:?} {failure:?} {:?}",
            outcome.errors()
        );
        (outcome, watch.after - watch.before)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

struct Watch {
    pid: u32,
    before: f64,
    after: f64,
}

impl Watch {
    fn cpu_seconds(&self) -> f64 {
        ProcessSample::of(self.pid).map_or(0.0, |it| it.cpu_seconds)
    }
}

impl Observer for Watch {
    fn measuring_begins(&mut self) {
        self.before = self.cpu_seconds();
    }

    fn measuring_ends(&mut self) {
        self.after = self.cpu_seconds();
    }
}
