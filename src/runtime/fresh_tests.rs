use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A pool whose spare the thread does not look after: the tests do.
fn pool() -> Arc<Pool> {
    let pool = Arc::new(Pool::with_keeper(Keeper::start().expect("a thread")));
    stock(&pool).watched.store(true, Ordering::Relaxed);
    pool
}

fn stock(pool: &Arc<Pool>) -> &Stock {
    pool.stock().expect("it has a keeper")
}

/// Waits until something that the thread does has happened.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} never came");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_claimed_was_made_ready_and_is_given_out_once() {
    let pool = pool();
    let wanted = 2 * SLAB_BYTES;
    let mut claimed = 0;

    wait_until("memory", || {
        claimed += stock(&pool).claim(&pool, wanted - claimed, Haste::Quick);
        claimed == wanted
    });

    let all: Vec<Raw> = (0..wanted / HUGE).map(|_| pool.take(HUGE)).collect();
    let mut addresses: Vec<_> = all.iter().map(Raw::pointer).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), all.len(), "a piece was given out twice");
    assert!(all.iter().all(Raw::was_used), "a piece was not ready");
    assert!(
        !pool.take(HUGE).was_used(),
        "more was ready than was asked for"
    );
    assert_eq!(stock(&pool).asked(), 0);
    all.into_iter().for_each(|raw| pool.put(raw));
}

#[test]
fn no_more_is_made_ready_ahead_than_the_bound() {
    let pool = pool();

    for _ in 0..10 {
        stock(&pool).claim(&pool, 0, Haste::Quick);
        assert_eq!(stock(&pool).asked(), 0);
    }
    stock(&pool).claim(&pool, usize::MAX / 2, Haste::Quick);
    let most = READY_BYTES_MAX.as_usize();
    assert_eq!(stock(&pool).asked(), most);
    wait_until("memory", || {
        stock(&pool).unclaimed.load(Ordering::Relaxed) == most
    });

    assert_eq!(stock(&pool).claim(&pool, most, Haste::Slow), most);
}

#[test]
fn whoever_is_in_haste_goes_first_and_hurries_what_was_asked_for_before() {
    let (slow, quick) = (pool(), pool());
    let mut work = Work::default();
    for pool in [&slow, &quick] {
        let pool = Arc::downgrade(pool);
        work.wanted.push(Wanted { pool, slabs: 4 });
    }
    let taken = Duration::from_millis(10);
    let since = Instant::now();
    work.rested_since = Some((since, taken));
    stock(&slow)
        .ordered
        .store(4 * SLAB_BYTES, Ordering::Relaxed);

    assert_eq!(work.first(), Some(0));
    assert_eq!(work.next_at(), Some(since + taken * Haste::Slow.rests()));
    stock(&quick).claim(&quick, 0, Haste::Quick);
    assert_eq!(work.first(), Some(1));
    assert_eq!(work.next_at(), Some(since + taken * Haste::Quick.rests()));
    stock(&slow).claim(&slow, 0, Haste::Quick);
    stock(&slow).claim(&slow, 0, Haste::Slow);
    assert_eq!(work.first(), Some(0));
}

#[test]
fn memory_of_a_large_frame_serves_the_next_one_that_fits() {
    let pool = pool();
    let large = 20 << 20;
    let first = pool.take(large);
    assert!(!first.was_used());
    pool.put(first);

    assert!(!pool.take(8 << 20).was_used(), "most of it would lie idle");
    let first = pool.take(large);
    let address = first.pointer();
    pool.put(first);

    let again = pool.take(large - (1 << 20));

    assert_eq!(again.pointer(), address);
    assert!(again.was_used());
    assert!(!pool.take(large).was_used(), "it was given out twice");
    pool.put(again);
    assert!(!pool.take(large + 4096).was_used(), "it was too small");
    assert!(stock(&pool).lift_spare().is_none());
}

#[test]
fn a_spare_that_nobody_uses_goes_back_to_the_kernel() {
    let pool = pool();
    let raw = pool.take(8 << 20);
    pool.put(raw);
    let mut watched = Watched {
        pool: Arc::downgrade(&pool),
        spares: 0,
    };

    assert!(is_in_use(&mut watched), "it was laid down just now");
    assert!(!is_in_use(&mut watched), "nobody used it since");

    assert!(!pool.take(8 << 20).was_used());
}

#[test]
fn a_pool_that_is_gone_stops_its_keeper() {
    let pool = pool();
    stock(&pool).claim(&pool, usize::MAX / 2, Haste::Quick);
    pool.put(pool.take(8 << 20));
    let gone = Arc::downgrade(&pool);

    drop(pool);

    wait_until("the end", || gone.strong_count() == 0);
}
