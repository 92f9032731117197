//! Memory made ready before a core needs it, and given back to the kernel after it did.
//!
//! Both take long and would hold up a core: on the 2-core reference machine (a virtual one, whose
//! host backs a page when it is first written) a GB that nobody has touched took 0.1 to 4 s of the
//! processor, and a piece of 2 MiB up to 30 ms at once. So one thread of low priority does
//! it for all pools of the process. It makes ready only what a pool has asked for.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::pool::Pool;
use super::raw::{self, HUGE, Raw, Size};
use super::stack::Stack;
use super::system::{self, Errno};
use crate::base::limits::{FRAME_BYTES_MAX, READY_BYTES_MAX};

/// Pieces that are made ready at once.
const SLAB_PIECES: usize = 8;
const SLAB_BYTES: usize = SLAB_PIECES * HUGE;

/// How long a pool may leave its spare unused.
const SPARE_WAIT: Duration = Duration::from_secs(2);

/// The largest piece that is kept as a spare: a frame of the largest size.
const SPARE_BYTES_MAX: usize = FRAME_BYTES_MAX.as_usize() + HUGE;

/// What may wait to be given back.
const UNFREED_BYTES_MAX: usize = 2 * SPARE_BYTES_MAX;

const _: () = assert!(READY_BYTES_MAX.as_usize().is_multiple_of(SLAB_BYTES));

/// How much of a core memory may take while it is made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// An eighth: it would be of use one day.
    Slow,
    /// A half: somebody wants it now, and is served from the disk until then.
    Quick,
}

/// What the thread is asked for.
enum Order {
    /// So many slabs for this pool.
    Ready(Weak<Pool>, usize),
    /// Back to the kernel.
    Free(Raw),
    /// This pool has a spare, which it may leave unused.
    Watch(Weak<Pool>),
}

/// The way to the thread. It ends with the last of these.
#[derive(Clone)]
pub struct Keeper {
    orders: Sender<Order>,
    /// Bytes that wait to be given back to the kernel.
    unfreed: Arc<AtomicUsize>,
}

impl Keeper {
    /// Starts the thread. Errors: the system refuses one.
    pub fn start() -> Result<Self, Errno> {
        let (sender, orders) = channel();
        let unfreed = Arc::new(AtomicUsize::default());
        let freed = unfreed.clone();
        std::thread::Builder::new()
            .name("memory".to_owned())
            .spawn(move || keep(&orders, &freed))
            .map_err(|error| system::errno_of(&error))?;
        Ok(Self {
            orders: sender,
            unfreed,
        })
    }

    fn ask(&self, order: Order) {
        // The thread lives as long as a keeper; if it is gone, memory comes as it did without it.
        let _ = self.orders.send(order);
    }

    /// Back to the kernel: by the thread, or at once if much waits for that already, because the
    /// thread makes memory ready meanwhile, and rests.
    fn free(&self, raw: Raw) {
        let bytes = raw.size.bytes();
        let before = self.unfreed.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > UNFREED_BYTES_MAX {
            self.unfreed.fetch_sub(bytes, Ordering::Relaxed);
            return raw.free();
        }
        self.ask(Order::Free(raw));
    }
}

/// One pool's part of it: what was made ready, and a spare.
pub(super) struct Stock {
    keeper: Keeper,
    /// Pieces of `HUGE` bytes that are ready.
    ready: Stack,
    /// Bytes that were made ready and that nobody has claimed.
    unclaimed: AtomicUsize,
    /// Bytes that were asked for and are not ready yet.
    ordered: AtomicUsize,
    /// They are wanted at once.
    in_haste: AtomicBool,
    /// Memory of one large frame, for the next one. Its first word is its size.
    spare: AtomicPtr<u8>,
    /// How often there was one, and whether the thread knows.
    spares: AtomicUsize,
    watched: AtomicBool,
}

impl Stock {
    pub(super) fn new(keeper: Keeper) -> Self {
        Self {
            keeper,
            ready: Stack::default(),
            unclaimed: AtomicUsize::default(),
            ordered: AtomicUsize::default(),
            in_haste: AtomicBool::default(),
            spare: AtomicPtr::default(),
            spares: AtomicUsize::default(),
            watched: AtomicBool::default(),
        }
    }

    /// Counts up to `most` bytes of what is ready as the caller's, and asks for as much again as
    /// may be ready at once. Only the pool's home thread calls it.
    pub(super) fn claim(&self, pool: &Arc<Pool>, most: usize, haste: Haste) -> usize {
        // What was asked for in haste stays so until it is ready.
        if haste == Haste::Quick || self.asked() == 0 {
            self.in_haste
                .store(haste == Haste::Quick, Ordering::Relaxed);
        }
        let unclaimed = self.unclaimed.load(Ordering::Relaxed);
        let granted = unclaimed.min(most);
        self.unclaimed.fetch_sub(granted, Ordering::Relaxed);
        let wanted = READY_BYTES_MAX.as_usize().min(most - granted);
        let slabs = wanted.saturating_sub(self.asked()) / SLAB_BYTES;
        if slabs > 0 {
            self.ordered
                .fetch_add(slabs * SLAB_BYTES, Ordering::Relaxed);
            self.keeper.ask(Order::Ready(Arc::downgrade(pool), slabs));
        }
        granted
    }

    /// What was asked for, or is ready, and was not claimed.
    pub(super) fn asked(&self) -> usize {
        self.ordered.load(Ordering::Relaxed) + self.unclaimed.load(Ordering::Relaxed)
    }

    /// All pieces that are ready.
    pub(super) fn take_ready(&self, mut each: impl FnMut(Raw)) {
        let size = Size::for_bytes(HUGE);
        self.ready
            .take_all(|pointer| each(Raw::again(pointer, size)));
    }

    fn push(&self, raw: Raw) {
        // SAFETY: the piece is new, so that nobody else knows it, and `HUGE` bytes long.
        unsafe { self.ready.push(raw.pointer) };
    }

    /// The spare, if it is at least so large, and not so large that most of it would lie idle.
    pub(super) fn take_spare(&self, bytes: usize) -> Option<Raw> {
        let raw = self.lift_spare()?;
        if (bytes..=2 * bytes).contains(&raw.size.bytes()) {
            return Some(raw);
        }
        self.keeper.free(raw);
        None
    }

    fn lift_spare(&self) -> Option<Raw> {
        // Acquire: the size was written before the piece was laid down.
        let lifted = self.spare.swap(std::ptr::null_mut(), Ordering::Acquire);
        let pointer = std::ptr::NonNull::new(lifted)?;
        // SAFETY: the piece is ours now, and its first word is the size that `lay_down` wrote.
        let bytes = unsafe { pointer.cast::<usize>().read() };
        let size = Size::Odd(bytes);
        Some(Raw::again(pointer, size))
    }

    /// Keeps large memory for the next large frame.
    pub(super) fn put_spare(&self, pool: &Arc<Pool>, raw: Raw) {
        let bytes = raw.size.bytes();
        if bytes > SPARE_BYTES_MAX {
            return self.keeper.free(raw);
        }
        if let Some(older) = self.lay_down(raw) {
            self.keeper.free(older);
        }
        if !self.watched.swap(true, Ordering::SeqCst) {
            self.keeper.ask(Order::Watch(Arc::downgrade(pool)));
        }
    }

    fn lay_down(&self, raw: Raw) -> Option<Raw> {
        let older = self.lift_spare();
        // SAFETY: the piece is ours until it is laid down, aligned, and larger than a word.
        unsafe { raw.pointer.cast::<usize>().write(raw.size.bytes()) };
        self.spares.fetch_add(1, Ordering::Relaxed);
        let there = self.spare.compare_exchange(
            std::ptr::null_mut(),
            raw.pointer.as_ptr(),
            Ordering::Release,
            Ordering::Relaxed,
        );
        match there {
            Ok(_) => older,
            // Another thread was faster; one spare is enough.
            Err(_) => {
                self.keeper.free(raw);
                older
            }
        }
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.take_ready(Raw::free);
        if let Some(spare) = self.lift_spare() {
            spare.free();
        }
    }
}

/// A pool with a spare, and how often it had had one when it was last looked at.
struct Watched {
    pool: Weak<Pool>,
    spares: usize,
}

/// Slabs for a pool, those that are left to do.
struct Wanted {
    pool: Weak<Pool>,
    slabs: usize,
}

/// The thread's own.
#[derive(Default)]
struct Work {
    /// In the order of asking.
    wanted: Vec<Wanted>,
    watched: Vec<Watched>,
    look_at: Option<Instant>,
    /// When the last slab was ready, and how much of the processor's time it took.
    rested_since: Option<(Instant, Duration)>,
}

/// The thread. It looks for orders between any two slabs, so that none of them waits for long.
fn keep(orders: &Receiver<Order>, unfreed: &AtomicUsize) {
    system::be_modest();
    let mut work = Work::default();
    loop {
        let order = match work.next_at() {
            None => orders.recv().map_err(RecvTimeoutError::from),
            Some(at) => orders.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match order {
            Ok(Order::Ready(pool, slabs)) => work.wanted.push(Wanted { pool, slabs }),
            Ok(Order::Free(raw)) => {
                let bytes = raw.size.bytes();
                raw.free_gently();
                unfreed.fetch_sub(bytes, Ordering::Relaxed);
            }
            Ok(Order::Watch(pool)) => work.watched.push(Watched { pool, spares: 0 }),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        work.look();
        work.make_one_ready();
    }
}

impl Work {
    /// Until when there is nothing to do without a new order.
    fn next_at(&self) -> Option<Instant> {
        let slab = self.first().map(|first| self.rested_at(first));
        slab.into_iter().chain(self.look_at).min()
    }

    fn look(&mut self) {
        if self.look_at.is_some_and(|at| at <= Instant::now()) {
            self.watched.retain_mut(is_in_use);
            self.look_at = None;
        }
        if !self.watched.is_empty() {
            self.look_at = self.look_at.or_else(|| Some(Instant::now() + SPARE_WAIT));
        }
    }

    /// Who is next: the first who is in haste, or else the first.
    fn first(&self) -> Option<usize> {
        let quick = self
            .wanted
            .iter()
            .position(|wanted| wanted.haste() == Haste::Quick);
        quick.or((!self.wanted.is_empty()).then_some(0))
    }

    /// When the thread has rested for long enough after the last slab.
    fn rested_at(&self, next: usize) -> Instant {
        let rests = self.wanted[next].haste().rests();
        match self.rested_since {
            Some((since, taken)) => since + taken * rests,
            None => Instant::now(),
        }
    }

    fn make_one_ready(&mut self) {
        let Some(first) = self.first() else { return };
        if self.rested_at(first) > Instant::now() {
            return;
        }
        let wanted = &mut self.wanted[first];
        wanted.slabs = wanted.slabs.saturating_sub(1);
        if wanted.pool.strong_count() == 0 {
            wanted.slabs = 0;
        } else {
            // Of the processor, not of the clock: beside a busy core it waits long enough already.
            let begun = system::thread_time();
            make_ready(&wanted.pool);
            let taken = system::thread_time().saturating_sub(begun);
            self.rested_since = Some((Instant::now(), taken));
        }
        if wanted.slabs == 0 {
            self.wanted.remove(first);
        }
    }
}

impl Wanted {
    fn haste(&self) -> Haste {
        let pool = self.pool.upgrade();
        let stock = pool.as_ref().and_then(|pool| pool.stock());
        match stock.is_some_and(|stock| stock.in_haste.load(Ordering::Relaxed)) {
            true => Haste::Quick,
            false => Haste::Slow,
        }
    }
}

impl Haste {
    /// Between two slabs the thread rests so many times as long as the first took it, so that it
    /// takes that part of a core at the most, however dear memory is.
    fn rests(self) -> u32 {
        match self {
            Self::Slow => 7,
            Self::Quick => 1,
        }
    }
}

fn make_ready(pool: &Weak<Pool>) {
    let pieces = raw::slab(SLAB_PIECES);
    let Some(pool) = pool.upgrade() else {
        return pieces.into_iter().flatten().for_each(Raw::free);
    };
    let Some(stock) = pool.stock() else { return };
    // The system refuses more: the pool will ask again, or do without.
    if let Some(pieces) = pieces {
        pieces.into_iter().for_each(|raw| stock.push(raw));
        stock.unclaimed.fetch_add(SLAB_BYTES, Ordering::Relaxed);
    }
    stock.ordered.fetch_sub(SLAB_BYTES, Ordering::Relaxed);
}

/// False: the pool has not used its spare for a while, and has it no longer.
fn is_in_use(watched: &mut Watched) -> bool {
    let Some(pool) = watched.pool.upgrade() else {
        return false;
    };
    let Some(stock) = pool.stock() else {
        return false;
    };
    let spares = stock.spares.load(Ordering::Relaxed);
    if std::mem::replace(&mut watched.spares, spares) != spares {
        return true;
    }
    // In this order: whoever lays one down later finds that nobody watches.
    stock.watched.store(false, Ordering::SeqCst);
    if let Some(spare) = stock.lift_spare() {
        spare.free_gently();
    }
    false
}

#[cfg(test)]
#[path = "fresh_tests.rs"]
mod tests;
