//! What a fetch can reach at best: memory sent over loopback, which is copied into the kernel and
//! out of it, beside bytes of the page cache sent by sendfile, which are copied once.
//! Kafka does the latter. Both in one run, because these machines are noisy.
//!
//! `cargo bench --bench loopback`

mod support;

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

/// The broker's: `runtime::real::socket` sends so much with one call.
const SEND_BYTES: usize = 1 << 20;
/// The load engine's buffer, and a smaller one that stays in a core's own cache.
const RECEIVE_BYTES: [usize; 2] = [1 << 20, 128 << 10];

#[derive(Clone, Copy, Debug)]
enum Way {
    Memory,
    Sendfile,
}

/// One cell of the table.
#[derive(Clone, Copy)]
struct Cell {
    way: Way,
    streams: usize,
    receive_bytes: usize,
    /// Of `SEND_BYTES`, for each stream.
    pieces: usize,
}

fn main() {
    let size = support::Size::from_args(6, 3_072);
    support::print_head(0);
    let path = scratch();
    let set = vec![7u8; if size.is_full { 1 << 30 } else { 2 << 20 }];
    fs::write(&path, &set).expect("a file of the set");
    for round in 0..if size.is_full { 3 } else { 1 } {
        println!("round {round}");
        for streams in [1, 3] {
            for receive_bytes in RECEIVE_BYTES {
                for way in [Way::Memory, Way::Sendfile] {
                    let pieces = size.runs as usize / streams;
                    let cell = Cell {
                        way,
                        streams,
                        receive_bytes,
                        pieces,
                    };
                    measure(cell, &path, &set);
                }
            }
        }
    }
    fs::remove_file(&path).expect("the file goes");
}

/// Beside the build, where the file system is a real one; `/tmp` may be memory.
fn scratch() -> PathBuf {
    let binary = std::env::current_exe().expect("a place");
    binary.with_file_name(format!("loopback-{}.set", std::process::id()))
}

fn measure(cell: Cell, path: &Path, set: &[u8]) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    let began = Instant::now();
    let (sent, received) = thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut receivers = Vec::new();
        for _ in 0..cell.streams {
            let from = TcpStream::connect(address).expect("a connection");
            let (to, _) = listener.accept().expect("its other end");
            senders.push(scope.spawn(move || busy(|| send(cell, path, set, from))));
            receivers.push(scope.spawn(move || busy(|| take(to, cell.receive_bytes))));
        }
        (sum(senders), sum(receivers))
    });
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(sent.0, received.0, "every byte arrives");
    let gigabytes = received.0 as f64 / 1e9;
    println!(
        "{:?}, {} streams, {} KiB receives: {:.2} GB/s, CPU s/GB of the sender {:.2}, of the \
         receiver {:.2}",
        cell.way,
        cell.streams,
        cell.receive_bytes >> 10,
        gigabytes / seconds,
        sent.1 as f64 / 1e9 / gigabytes,
        received.1 as f64 / 1e9 / gigabytes,
    );
}

/// Bytes and nanoseconds of all.
fn sum(ends: Vec<ScopedJoinHandle<'_, (u64, u64)>>) -> (u64, u64) {
    let ends = ends.into_iter().map(|end| end.join().expect("no panic"));
    ends.fold((0, 0), |all, end| (all.0 + end.0, all.1 + end.1))
}

fn send(cell: Cell, path: &Path, set: &[u8], mut to: TcpStream) -> u64 {
    let file = File::open(path).expect("the file");
    let mut bytes = 0;
    for piece in set.chunks(SEND_BYTES).cycle().take(cell.pieces) {
        match cell.way {
            Way::Memory => to.write_all(piece),
            Way::Sendfile => sendfile(&file, &to, piece.len()),
        }
        .expect("the peer takes it");
        bytes += piece.len() as u64;
    }
    bytes
}

/// The next `count` bytes of the file; from its beginning after its end.
fn sendfile(mut file: &File, to: &TcpStream, mut count: usize) -> io::Result<()> {
    while count > 0 {
        let (to, from) = (to.as_raw_fd(), file.as_raw_fd());
        // SAFETY: two open descriptors, and no memory of ours.
        let sent = unsafe { libc::sendfile(to, from, std::ptr::null_mut(), count) };
        match usize::try_from(sent) {
            Ok(0) => file.rewind()?,
            Ok(sent) => count -= sent,
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
    Ok(())
}

fn take(mut from: TcpStream, receive_bytes: usize) -> u64 {
    let mut buffer = vec![0; receive_bytes];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer).expect("the peer is there") {
            0 => return bytes,
            count => bytes += count as u64,
        }
    }
}

/// What the work gives, and the nanoseconds of processor time of the thread that did it.
fn busy(work: impl FnOnce() -> u64) -> (u64, u64) {
    let count = work();
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|text| text.parse().ok());
    (count, nanos.unwrap_or(0))
}
