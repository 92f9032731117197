//! The honest client: small questions in an open loop, each with what the broker owes of its wait.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::wire::Wire;

/// Questions a second.
const RATE: u32 = 200;

/// One question, as its client saw it.
pub struct Question {
    /// From when it was due until the kernel had its answer, less `asked_late`: the broker's part,
    /// and its core's.
    pub wait: Duration,
    /// How late it was asked after it was due and the answer before it was there.
    pub asked_late: Duration,
    /// How long the answer lay in the kernel before it was read.
    pub read_late: Duration,
}

/// Asks one question after the other for so long.
pub fn ask_at_rate(address: SocketAddr, length: Duration) -> Vec<Question> {
    let mut wire = Wire::connect(address);
    tell_arrivals(&wire.stream);
    let step = Duration::from_secs(1) / RATE;
    let begun = SystemTime::now();
    let (mut due, mut answered) = (begun, begun);
    let mut questions = Vec::new();
    // The clock of the day, because the kernel tells arrivals by it.
    let between = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap_or_default();
    while between(begun, due) < length {
        thread::sleep(between(SystemTime::now(), due));
        let asked_late = between(due.max(answered), SystemTime::now());
        wire.send_small("probe");
        let (frame, arrived) = hear(&wire.stream);
        let read_late = between(arrived, SystemTime::now());
        Wire::check_small(frame);
        answered = arrived;
        questions.push(Question {
            wait: between(due, arrived).saturating_sub(asked_late),
            asked_late,
            read_late,
        });
        due += step;
    }
    questions
}

/// From now on the kernel tells of all that is received when its last byte came.
fn tell_arrivals(stream: &TcpStream) {
    let on: libc::c_int = 1;
    // SAFETY: an open socket, and an option of the size that is told.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// The next reply, without its length, and when its last byte came.
fn hear(stream: &TcpStream) -> (Bytes, SystemTime) {
    let (mut frame, mut arrived) = (Vec::new(), SystemTime::UNIX_EPOCH);
    loop {
        if let Some(length) = frame.first_chunk() {
            let whole = size_of::<u32>() + u32::from_be_bytes(*length) as usize;
            if frame.len() >= whole {
                assert_eq!(frame.len(), whole, "an answer to one question");
                return (Bytes::from(frame).slice(size_of::<u32>()..), arrived);
            }
        }
        let mut piece = [0; 4096];
        let (got, at) = receive(stream, &mut piece);
        assert!(got > 0, "the broker closed the connection");
        frame.extend_from_slice(&piece[..got]);
        arrived = at;
    }
}

/// What is there, at most `into`, and when the last of it came.
fn receive(stream: &TcpStream, into: &mut [u8]) -> (usize, SystemTime) {
    #[repr(align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut part = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    // SAFETY: all zero is a message of nothing; its pointers are set to what outlives the call. The
    // kernel writes the control part, whose walk stays within the length that it tells.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len();
        let got = libc::recvmsg(stream.as_raw_fd(), &raw mut message, 0);
        assert!(got >= 0, "{}", std::io::Error::last_os_error());
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        assert!(!header.is_null(), "the kernel tells no arrival");
        assert_eq!((*header).cmsg_type, libc::SCM_TIMESTAMPNS);
        let at = libc::CMSG_DATA(header).cast::<libc::timespec>();
        let at = at.read_unaligned();
        let since = Duration::new(at.tv_sec as u64, at.tv_nsec as u32);
        (got as usize, SystemTime::UNIX_EPOCH + since)
    }
}
