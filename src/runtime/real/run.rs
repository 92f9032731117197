//! From a configuration to running shards, and to the code that they end with.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};

use super::accept::Acceptor;
use super::bind::{Binder, Places};
use super::core::{Core, Mesh, Seat, Tenant};
use super::directory::FileDirectory;
use super::disks::{Disks, Job, start_helper};
use super::error::RunError;
use super::files::Home;
use super::inbox::Inboxes;
use super::listen::{Gate, Listeners};
use super::mesh::{Door, Envelope};
use super::net::Net;
use super::patience::Patience;
use super::ring::Ring;
use super::stats::Stats;
use super::stop::Stopper;
use super::timer::Timer;
use crate::base::{ShardId, Span};
use crate::runtime::block::BlockPool;
use crate::runtime::fresh::Keeper;
use crate::runtime::machine::{Boot, Machine};
use crate::runtime::system::{self, Errno};

/// glommio carries one task that waits in our ring. Its least I/O memory (64 KiB, registered
/// with three rings) and shallow rings stay far below a locked-memory limit of 8 MiB.
const EXECUTOR_MEMORY_BYTES: usize = 64 << 10;
const EXECUTOR_RING_DEPTH: usize = 16;

/// How often a boot that takes longer says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long a boot may go on once a stop is asked. One that is nearly done ends in good order; one
/// that is not is left, which loses nothing: no client has been heard yet, and recovery survives a
/// crash at any place. With up to `TELL_EVERY` until the wish is seen, this stays well within the
/// ten seconds after which container runtimes kill.
const BOOT_AFTER_STOP_MAX: Duration = Duration::from_secs(3);

/// What to run, and where.
pub struct Config {
    /// The processors of the cores, in order. Shard s runs on core s mod cores.
    pub cores: Vec<usize>,
    /// Tie each core's thread to its processor.
    pub pin: bool,
    pub shards: Vec<ShardHome>,
    /// Made for as many cores, or shards, as there are.
    pub listeners: Listeners,
    /// Files without O_DIRECT, for file systems that refuse it.
    pub buffered: bool,
    /// How long a core with nothing to do stays awake at most, where that has paid.
    pub idle_poll: Span,
    pub stopper: Stopper,
    pub stats: Arc<Stats>,
}

/// A shard and its directory, which must be there.
#[derive(Clone, Debug)]
pub struct ShardHome {
    pub shard: ShardId,
    pub directory: PathBuf,
}

/// Runs the machines that `factory` makes, each built on its own core's thread, until all have
/// stopped. Returns the largest code that one of them said.
///
/// A stop that is asked while machines still boot gives them a few seconds more, then returns 0
/// and leaves their threads to the end of the process; none of them sees an event.
///
/// # Errors
/// `RunError`, before any machine has seen an event: a processor, ring, thread or directory that
/// the system refuses, or a machine that does not come up. Later only if the ring itself fails.
pub fn run<M, E, F>(config: Config, factory: F) -> Result<u8, RunError>
where
    M: Machine + 'static,
    E: fmt::Display,
    F: Fn(Boot<'_>) -> Result<M, E> + Send + Sync + 'static,
{
    #[cfg(any(test, feature = "faults"))]
    crate::runtime::faults::current().map_err(RunError::Faults)?;
    let (stopper, stats) = (config.stopper.clone(), config.stats.clone());
    let (plans, doors) = plan::<M>(config)?;
    let factory = Arc::new(factory);
    let (ready, reports) = channel();
    let mut threads = Vec::new();
    let mut gates = Vec::new();
    for plan in plans {
        let (gate, opened) = channel();
        gates.push(gate);
        let (ready, factory) = (ready.clone(), factory.clone());
        threads.push(start_core(plan, factory, ready, opened)?);
    }
    drop(ready);
    if let Booted::Left = await_boot(&reports, threads.len(), &stats, &stopper)? {
        return Ok(0);
    }
    for gate in gates {
        // A core that is gone shows when it is joined.
        let _ = gate.send(());
    }
    await_end(&stopper, &doors, threads.len());
    join(threads)
}

/// All that one core's thread needs to begin.
struct Plan<M> {
    number: usize,
    cpu: Option<usize>,
    shards: Vec<(ShardId, Arc<Home>)>,
    gates: Vec<Gate>,
    binder: Binder,
    door: Door<M>,
    envelopes: Receiver<Envelope<M>>,
    helper: (Sender<Job>, JoinHandle<()>),
    mesh: Arc<Mesh<M>>,
    stats: Arc<Stats>,
    idle_poll: Span,
    stopper: Stopper,
    keeper: Keeper,
}

type Plans<M> = (
    Vec<Plan<<M as Machine>::Message>>,
    Vec<Door<<M as Machine>::Message>>,
);

fn plan<M: Machine>(mut config: Config) -> Result<Plans<M>, RunError> {
    if config.cores.is_empty() || config.shards.is_empty() {
        return Err(RunError::Config(
            "at least one core and one shard are needed",
        ));
    }
    if !config.listeners.fits(config.shards.len()) {
        return Err(RunError::Config("every shard needs a port, and no other"));
    }
    // A core without a shard would have nothing to do.
    let cores = config.cores.len().min(config.shards.len());
    let (shards, seats) = seated(&config, cores)?;
    let pairs: Result<Vec<_>, Errno> = (0..cores).map(|_| Door::new()).collect();
    let pairs = pairs.map_err(|errno| RunError::System {
        call: "eventfd",
        errno,
    })?;
    let (doors, receivers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let mesh = Arc::new(Mesh {
        doors: doors.clone(),
        seats,
    });
    let places = Places {
        cores,
        shards: config.shards.len(),
        is_by_shard: config.listeners.is_by_shard(),
    };
    let start = Arc::new(Mutex::new(config.listeners.start()));
    let keeper = Keeper::start().map_err(|errno| RunError::System {
        call: "clone",
        errno,
    })?;
    let mut plans = Vec::new();
    for (number, (shards, envelopes)) in shards.into_iter().zip(receivers).enumerate() {
        let ids: Vec<ShardId> = shards.iter().map(|(id, _)| *id).collect();
        let numbered: Vec<_> = ids.iter().copied().enumerate().collect();
        let gates = config.listeners.take(number, &numbered);
        plans.push(Plan {
            number,
            cpu: config.pin.then_some(config.cores[number]),
            shards,
            gates,
            binder: Binder {
                core: number,
                shards: ids,
                places,
                start: start.clone(),
            },
            door: doors[number].clone(),
            envelopes,
            helper: start_helper(number, doors[number].clone())?,
            mesh: mesh.clone(),
            stats: config.stats.clone(),
            idle_poll: config.idle_poll,
            stopper: config.stopper.clone(),
            keeper: keeper.clone(),
        });
    }
    Ok((plans, doors))
}

/// The shards of each core, and where each is found.
type Seated = (Vec<Vec<(ShardId, Arc<Home>)>>, Vec<(ShardId, Seat)>);

fn seated(config: &Config, cores: usize) -> Result<Seated, RunError> {
    let mut shards: Vec<Vec<(ShardId, Arc<Home>)>> = vec![Vec::new(); cores];
    let mut seats = Vec::new();
    for (index, home) in config.shards.iter().enumerate() {
        let core = index % cores;
        let opened = Home::open(&home.directory, config.buffered).map_err(|errno| {
            let path = home.directory.clone();
            RunError::Directory { path, errno }
        })?;
        let local = shards[core].len();
        seats.push((home.shard, Seat { core, local }));
        shards[core].push((home.shard, Arc::new(opened)));
    }
    Ok((shards, seats))
}

type CoreThread = JoinHandle<Result<u8, RunError>>;
type Report = Result<(), RunError>;

fn start_core<M, E, F>(
    plan: Plan<M::Message>,
    factory: Arc<F>,
    ready: Sender<Report>,
    opened: Receiver<()>,
) -> Result<CoreThread, RunError>
where
    M: Machine + 'static,
    E: fmt::Display,
    F: Fn(Boot<'_>) -> Result<M, E> + Send + Sync + 'static,
{
    std::thread::Builder::new()
        .name(format!("core-{}", plan.number))
        .spawn(move || {
            let _guard = Guard(plan.stopper.clone());
            match executor_for(plan.cpu) {
                Ok(executor) => executor.run(live(plan, factory, ready, opened)),
                Err(error) => {
                    // Nobody listens if another core failed first.
                    let _ = ready.send(Err(error));
                    Ok(0)
                }
            }
        })
        .map_err(|error| RunError::System {
            call: "clone",
            errno: system::errno_of(&error),
        })
}

/// Tells the waiting thread that a core has ended. A panic outside a machine's own guards means
/// that a promise was broken: nothing may go on from there.
struct Guard(Stopper);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
        self.0.core_ended();
    }
}

/// glommio's own pinning reads the machine's topology and panics on some; so we pin ourselves.
fn executor_for(cpu: Option<usize>) -> Result<LocalExecutor, RunError> {
    if let Some(cpu) = cpu {
        system::pin_to(cpu).map_err(|errno| RunError::Pin { cpu, errno })?;
    }
    LocalExecutorBuilder::new(Placement::Unbound)
        .io_memory(EXECUTOR_MEMORY_BYTES)
        .ring_depth(EXECUTOR_RING_DEPTH)
        .make()
        .map_err(|error| RunError::Executor(error.to_string()))
}

async fn live<M, E, F>(
    plan: Plan<M::Message>,
    factory: Arc<F>,
    ready: Sender<Report>,
    opened: Receiver<()>,
) -> Result<u8, RunError>
where
    M: Machine + 'static,
    E: fmt::Display,
    F: Fn(Boot<'_>) -> Result<M, E>,
{
    let core = match settle(plan, &*factory) {
        Ok(core) => core,
        Err(error) => {
            let _ = ready.send(Err(error));
            return Ok(0);
        }
    };
    let _ = ready.send(Ok(()));
    drop(ready);
    // Nothing is driven before every machine has come up.
    match opened.recv() {
        Ok(()) => core.run().await,
        Err(_) => Ok(0),
    }
}

/// Boots the core's machines and makes what they run on.
fn settle<M, E, F>(plan: Plan<M::Message>, factory: &F) -> Result<Core<M>, RunError>
where
    M: Machine,
    E: fmt::Display,
    F: Fn(Boot<'_>) -> Result<M, E>,
{
    let pool = BlockPool::with_keeper(plan.keeper);
    let all: Vec<ShardId> = plan.mesh.seats.iter().map(|(id, _)| *id).collect();
    let ring = Ring::new().map_err(|errno| RunError::System {
        call: "io_uring_setup",
        errno,
    })?;
    let mut tenants = Vec::new();
    let mut homes = Vec::new();
    for (id, home) in plan.shards {
        let mut directory = FileDirectory::over(home.clone(), pool.clone());
        let boot = Boot {
            shard: id,
            shards: &all,
            directory: &mut directory,
            pool: pool.clone(),
            now: system::now(),
            seed: system::fresh_seed(),
            progress: &|done, all| plan.stats.boots(id, done, all),
        };
        let machine = factory(boot).map_err(|error| RunError::Boot {
            shard: id,
            message: error.to_string(),
        })?;
        homes.push(home);
        tenants.push(Tenant {
            id,
            machine,
            wake_at: None,
            stopped: None,
            has_news: false,
        });
    }
    let disks = Disks::new(homes, pool.clone(), plan.helper.0);
    #[cfg(any(test, feature = "faults"))]
    let disks = disks.with_faults(super::shim::Shim::new(plan.door.clone()));
    Ok(Core {
        number: plan.number,
        ring,
        bell: plan.door.bell().clone(),
        inboxes: Inboxes::new(tenants.len()),
        tenants,
        net: Net::new(plan.number, pool),
        acceptor: Acceptor::new(plan.gates, plan.binder),
        disks,
        timer: Timer::new(),
        mesh: plan.mesh,
        envelopes: plan.envelopes,
        stats: plan.stats,
        patience: Patience::new(plan.idle_poll),
        completions: VecDeque::new(),
    })
}

/// How the wait for the machines ended.
enum Booted {
    Whole,
    /// A stop was asked, and some were still at it when their time was up.
    Left,
}

/// Waits until every core has come up, and says how far they are while that takes long. Not for
/// much longer than `BOOT_AFTER_STOP_MAX` once a stop is asked.
fn await_boot(
    reports: &Receiver<Report>,
    cores: usize,
    stats: &Stats,
    stopper: &Stopper,
) -> Result<Booted, RunError> {
    let began = Instant::now();
    let mut asked_at: Option<Instant> = None;
    let mut left = cores;
    while left > 0 {
        if asked_at.is_none() && stopper.is_asked() {
            asked_at = Some(Instant::now());
        }
        if asked_at.is_some_and(|at| at.elapsed() >= BOOT_AFTER_STOP_MAX) {
            tracing::info!("stopped while recovering: {}", boot_shares(stats));
            return Ok(Booted::Left);
        }
        match reports.recv_timeout(TELL_EVERY) {
            Ok(report) => {
                report?;
                left -= 1;
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::info!("recovering: {}", boot_shares(stats));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(RunError::Config("a core ended while it booted"));
            }
        }
    }
    if began.elapsed() > TELL_EVERY {
        tracing::info!("recovered in {:.1} s", began.elapsed().as_secs_f64());
    }
    Ok(Booted::Whole)
}

fn boot_shares(stats: &Stats) -> String {
    let shares = stats
        .all()
        .map(|(shard, stats)| format!("shard {shard} {} %", stats.booted_percent()));
    shares.collect::<Vec<_>>().join(", ")
}

/// Waits until every core has ended, and passes a wish to stop on to each.
fn await_end<M>(stopper: &Stopper, doors: &[Door<M>], cores: usize) {
    let mut told = false;
    loop {
        let woken = stopper.wait();
        if woken.asked && !told {
            told = true;
            for door in doors {
                door.put(Envelope::Stop);
            }
        }
        if woken.ended >= cores {
            return;
        }
    }
}

fn join(threads: Vec<CoreThread>) -> Result<u8, RunError> {
    let mut code = 0;
    for thread in threads {
        match thread.join() {
            Ok(result) => code = code.max(result?),
            Err(_) => return Err(RunError::Config("a core ended while it ran")),
        }
    }
    Ok(code)
}
