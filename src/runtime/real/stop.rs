//! The way to end a running process in good order: by signal or by call.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use super::error::RunError;
use crate::runtime::system;

/// Asks a running process to stop; any clone may, from any thread.
#[derive(Clone)]
pub struct Stopper {
    shared: Arc<Shared>,
}

struct Shared {
    eventfd: OwnedFd,
    asked: AtomicBool,
    /// Cores whose loop has ended.
    ended: AtomicUsize,
}

/// What the thread that waits was woken for.
pub(super) struct Woken {
    pub(super) asked: bool,
    pub(super) ended: usize,
}

/// The eventfd that the signal handler counts up; -1: none.
static SIGNAL_TO: AtomicI32 = AtomicI32::new(-1);
static SIGNALLED: AtomicBool = AtomicBool::new(false);
static PATIENT: AtomicBool = AtomicBool::new(false);

impl Stopper {
    pub fn new() -> Result<Self, RunError> {
        let eventfd = system::new_eventfd().map_err(|errno| RunError::System {
            call: "eventfd",
            errno,
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                eventfd,
                asked: AtomicBool::new(false),
                ended: AtomicUsize::new(0),
            }),
        })
    }

    /// From now on SIGTERM and SIGINT ask to stop; a second one ends the process at once, which
    /// loses nothing that was acknowledged. With `patient` a second SIGINT is one of many that a
    /// terminal sends, and changes nothing. The eventfd lives as long as the process.
    pub fn on_signals(&self, patient: bool) {
        PATIENT.store(patient, Ordering::SeqCst);
        std::mem::forget(self.clone());
        SIGNAL_TO.store(self.shared.eventfd.as_raw_fd(), Ordering::SeqCst);
        for signal in [libc::SIGTERM, libc::SIGINT] {
            // SAFETY: the handler only touches atomics and calls write and _exit, which signals
            // may interrupt anything for.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
    }

    pub fn stop(&self) {
        self.shared.asked.store(true, Ordering::SeqCst);
        system::count_up(self.shared.eventfd.as_raw_fd());
    }

    pub(super) fn core_ended(&self) {
        self.shared.ended.fetch_add(1, Ordering::SeqCst);
        system::count_up(self.shared.eventfd.as_raw_fd());
    }

    /// True once a call or a signal has asked to stop; does not wait.
    pub(super) fn is_asked(&self) -> bool {
        let ours = SIGNAL_TO.load(Ordering::SeqCst) == self.shared.eventfd.as_raw_fd();
        let signalled = ours && SIGNALLED.load(Ordering::SeqCst);
        signalled || self.shared.asked.load(Ordering::SeqCst)
    }

    pub(super) fn wait(&self) -> Woken {
        system::await_count(self.shared.eventfd.as_raw_fd());
        Woken {
            asked: self.is_asked(),
            ended: self.shared.ended.load(Ordering::SeqCst),
        }
    }
}

extern "C" fn on_signal(signal: libc::c_int) {
    let ignored = signal == libc::SIGINT && PATIENT.load(Ordering::SeqCst);
    if SIGNALLED.swap(true, Ordering::SeqCst) && !ignored {
        // SAFETY: `_exit` may be called from a handler.
        unsafe { libc::_exit(128 + signal) };
    }
    system::count_up(SIGNAL_TO.load(Ordering::SeqCst));
}
