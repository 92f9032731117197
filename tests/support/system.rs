//! Calls that the standard library has no name for, and what /proc tells of a process.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The child is killed when the thread that starts it ends, however that comes.
pub fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl with these arguments touches no memory and may be called after a fork.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

/// The child leads a process group of its own, as a shell's jobs do, and Ctrl-C ends it: who runs
/// tests behind a shell's back may have that ignored.
pub fn lead_group(command: &mut Command) {
    command.process_group(0);
    // SAFETY: signal with these arguments touches no memory and may be called after a fork.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
}

/// SIGINT to every process of a group that a child of ours leads: what Ctrl-C does.
pub fn interrupt_group(pid: u32) {
    // SAFETY: no pointers; the id is the child's own until it is waited for.
    unsafe { libc::kill(-(pid as i32), libc::SIGINT) };
}

/// SIGINT twice to every process of such a group, as an impatient user does.
pub fn interrupt_group_twice(pid: u32) {
    interrupt_group(pid);
    interrupt_group(pid);
}

/// True if no process of the group runs any more that a child of ours led. One that nobody has
/// waited for yet does not run.
pub fn group_is_gone(pid: u32) -> bool {
    let processes = std::fs::read_dir("/proc").expect("procfs");
    let stats = processes.filter_map(|entry| {
        let stat = entry.ok()?.path().join("stat");
        std::fs::read_to_string(stat).ok()
    });
    !stats.into_iter().any(|stat| {
        // The name before it may hold anything: state, parent, group.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let fields: Vec<&str> = fields.split_whitespace().take(3).collect();
        matches!(fields[..], [state, _, group] if state != "Z" && group == pid.to_string())
    })
}

/// SIGKILL to a child of ours that was not waited for yet.
pub fn kill(pid: u32) {
    // SAFETY: no pointers; the id is the child's own until it is waited for.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
}

/// SIGTERM to a child of ours that was not waited for yet.
pub fn terminate(pid: u32) {
    // SAFETY: no pointers; the id is the child's own until it is waited for.
    unsafe { libc::kill(pid as i32, libc::SIGTERM) };
}

/// Soft and hard limit of a resource (`libc::RLIMIT_...`) for a child.
pub fn limit(command: &mut Command, resource: u32, value: u64) {
    // SAFETY: setrlimit reads a struct on this stack and may be called after a fork.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit {
                rlim_cur: value,
                rlim_max: value,
            };
            match libc::setrlimit(resource as _, &limit) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}

/// Our own hard limit of a resource.
pub fn hard_limit(resource: u32) -> u64 {
    // SAFETY: all zero is a valid `rlimit`, valid for writes.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(resource as _, &mut limit);
        limit.rlim_max
    }
}

/// Raises our own soft limit of open files to the hard one; what is then allowed.
pub fn raise_open_files() -> u64 {
    // SAFETY: all zero is a valid `rlimit`, valid for writes, then for reads.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur
    }
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A seccomp filter for a child: the system call `number` fails with `errno`, all others pass.
pub fn refuse_call(command: &mut Command, number: i64, errno: i32) {
    let refuse = libc::SECCOMP_RET_ERRNO | errno as u32;
    filter_calls(command, &[(number, refuse)], libc::SECCOMP_RET_ALLOW);
}

/// A seccomp filter for a child: what becomes of some system calls, by number, and of all others.
pub fn filter_calls(command: &mut Command, calls: &[(i64, u32)], others: u32) {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The call's number is the first field of `seccomp_data`.
    let mut program = vec![step(LOAD, 0, 0, 0)];
    for (number, outcome) in calls {
        program.push(step(JUMP, 0, 1, *number as u32));
        program.push(step(RETURN, 0, 0, *outcome));
    }
    program.push(step(RETURN, 0, 0, others));
    // SAFETY: prctl reads the program, which the closure owns; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            let filter = libc::sock_fprog {
                len: program.len() as u16,
                filter: program.as_mut_ptr(),
            };
            let set = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) == 0;
            if set {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        });
    }
}

/// This thread, and children that it starts from now on, get a network of their own, with nothing
/// in it. Root only.
pub fn leave_network() {
    // SAFETY: it takes no pointers, and concerns this thread alone.
    let left = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(left, 0, "{}", io::Error::last_os_error());
}

pub fn is_root() -> bool {
    // SAFETY: it takes nothing and always succeeds.
    unsafe { libc::geteuid() == 0 }
}

pub fn open_descriptors(pid: u32) -> usize {
    let list = fs::read_dir(format!("/proc/{pid}/fd"));
    list.expect("the process is there").count()
}

pub fn open_sockets(pid: u32) -> usize {
    let list = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there");
    // One may be closed while we look.
    let targets = list.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let sockets = targets.filter(|target| target.to_string_lossy().starts_with("socket:"));
    sockets.count()
}

/// Resident memory in bytes.
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok())
        .expect("a number")
        << 10
}

/// Processor time used so far, in seconds.
pub fn processor_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    // The name, in parentheses, may hold anything; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    // SAFETY: it reads a constant.
    ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}
