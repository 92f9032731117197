//! What a block costs: taken, filled, shared and given back, at home and from another thread.
//!
//! `cargo bench --bench block`

mod support;

use std::sync::mpsc::sync_channel;
use std::thread;

use bytes::Bytes;
use thalweg::base::ByteCount;
use thalweg::runtime::BlockPool;

fn main() {
    let size = support::Size::from_args(2_000, 200_000);
    support::print_head(0);
    let pool = BlockPool::default();
    for kib in [4, 64, 2048] {
        let fewer = support::Size {
            runs: size.runs / (1 + kib / 64) + 1,
            is_full: size.is_full,
        };
        let take = || pool.take(ByteCount::kib(kib)).capacity() as u64;
        support::time(&fewer, take).print(&format!("take and drop {kib} KiB"), None);
        // As many blocks in use as connections may have: none of them is in the near caches.
        let mut held: Vec<_> = (0..32).map(|_| pool.take(ByteCount::kib(kib))).collect();
        let mut next = 0;
        let take_in_turn = || {
            next = (next + 1) % held.len();
            held[next] = pool.take(ByteCount::kib(kib));
            held[next].append(&[1; 100]) as u64
        };
        support::time(&fewer, take_in_turn).print(&format!("of 32 in turn {kib} KiB"), None);
    }
    let mut block = pool.take(ByteCount::kib(64));
    block.append(&[7; 64 << 10]);
    let share = || block.share(100..2_000).len() as u64;
    support::time(&size, share).print("share and drop", None);
    let whole = block.share(0..block.filled());
    let slice = || whole.slice(100..2_000).len() as u64;
    support::time(&size, slice).print("slice and drop", None);
    let (away, drops) = sync_channel::<Bytes>(64);
    let dropper = thread::spawn(move || drops.into_iter().map(|b| b.len()).sum::<usize>());
    let send_away = || {
        let mut block = pool.take(ByteCount::kib(64));
        block.append(&[1; 100]);
        away.send(block.freeze()).expect("the dropper lives");
        1
    };
    support::time(&size, send_away).print("dropped by another thread 64 KiB", None);
    drop(away);
    dropper.join().expect("no panic");
}
