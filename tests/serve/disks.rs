//! File systems that do not do what a broker wants: no direct I/O, no space.
//!
//! They are mounted in a mount namespace of the broker's own, which ends with it: nothing can be
//! left behind. That takes root; without it these tests say so and pass.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use thalweg::base::limits::RESERVE_BYTES;
use thalweg::wire::ErrorCode;
use thalweg::wire::messages::DeleteTopicsRequest;

use super::number;
use super::support::client::topic_name;
use super::support::{Broker, Client, Scratch, batch_of, refusal, system, wait_for};

const ONE_SHARD: &[&str] = &["--cores", "1", "--shards", "1"];

/// `thalweg serve` on `point/data`, where a namespace of its own mounts as `mount` says.
fn serve_on(mount: &[&str], point: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    // The broker takes the place, and the process id, of the shell.
    let line = format!("mount {} \"$0\" && exec \"$@\"", mount.join(" "));
    command.args(["--mount", "sh", "-c", &line]).arg(point);
    command.arg(env!("CARGO_BIN_EXE_thalweg"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    command
        .arg(point.join("data"))
        .args(flags)
        .stdin(Stdio::null());
    system::die_with_parent(&mut command);
    command
}

fn may_mount(test: &str) -> bool {
    let may = system::is_root();
    if !may {
        println!("SKIPPED {test}: only root may mount file systems");
    }
    may
}

#[test]
fn a_file_system_without_direct_io_is_used_only_when_that_is_allowed() {
    if !may_mount("a_file_system_without_direct_io") {
        return;
    }
    let scratch = Scratch::new("serve-ramfs");
    let point = scratch.path("point");
    fs::create_dir(&point).expect("a mount point");
    let mount = ["-t", "ramfs", "none"];

    let (code, said) = refusal(serve_on(&mount, &point, ONE_SHARD));
    assert_eq!(code, Some(73), "{said}");
    assert!(
        said.contains("ramfs") && said.contains("--allow-buffered"),
        "{said}"
    );

    check_buffered(&point, &mount, "--allow-buffered");
    check_buffered(&point, &mount, "--dev");
}

fn check_buffered(point: &Path, mount: &[&str], flag: &str) {
    let mut flags = ONE_SHARD.to_vec();
    flags.push(flag);
    let broker = Broker::start_command(point, serve_on(mount, point, &flags));
    assert!(
        broker.introduction().contains("page cache"),
        "{}",
        broker.introduction()
    );
    let mut client = broker.connect();
    client.create_topic("t", 1);
    assert_eq!(
        client.produce("t", 0, Some(batch_of(&[&number(0)]))),
        (0, 0)
    );
    assert_eq!(client.read_all("t", 0), [(0, number(0))]);
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn the_demo_runs_without_direct_io_and_says_what_it_does_instead() {
    if !may_mount("the_demo_runs_without_direct_io") {
        return;
    }
    let scratch = Scratch::new("demo-ramfs");
    let point = scratch.path("point");
    fs::create_dir(&point).expect("a mount point");
    let mut command = Command::new("unshare");
    let line = "mount -t ramfs none \"$0\" && cd \"$0\" && exec \"$@\"";
    command.args(["--mount", "sh", "-c", line]).arg(&point);
    command
        .arg(env!("CARGO_BIN_EXE_thalweg"))
        .args(["demo", "--quick"]);
    system::die_with_parent(&mut command);

    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("it can be started");

    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("page cache and fdatasync"), "{said}");
    assert!(
        said.contains("records lost, doubled, out of order  0, 0, 0"),
        "{said}"
    );
}

/// A small ext4 in a file.
struct SmallDisk {
    image: PathBuf,
    point: PathBuf,
}

impl SmallDisk {
    const BYTES: u64 = 1_300 << 20;

    fn make(scratch: &Scratch) -> Self {
        let (image, point) = (scratch.path("image"), scratch.path("point"));
        let file = fs::File::create(&image).expect("an image");
        file.set_len(Self::BYTES).expect("a sparse file");
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-m", "0"]).arg(&image);
        let made = make
            .status()
            .expect("mkfs.ext4 is there (package e2fsprogs)");
        assert!(made.success(), "{made}");
        fs::create_dir(&point).expect("a mount point");
        Self { image, point }
    }

    fn start(&self) -> Broker {
        // The loop device of the last run goes away a little after its process.
        wait_for("a free image", || {
            let used = Command::new("losetup").arg("-j").arg(&self.image).output();
            used.expect("losetup is there")
                .stdout
                .is_empty()
                .then_some(())
        });
        let image = self.image.to_str().expect("a plain path");
        let command = serve_on(&["-o", "loop", image], &self.point, ONE_SHARD);
        Broker::start_command(&self.point, command)
    }

    /// The mount as this process can reach it.
    fn seen_through(&self, broker: &Broker) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", broker.pid()));
        root.join(self.point.strip_prefix("/").expect("an absolute path"))
    }

    fn free(&self, broker: &Broker) -> u64 {
        let path = self.seen_through(broker);
        let path = CString::new(path.as_os_str().as_bytes()).expect("a plain path");
        // SAFETY: all zero is a valid `statvfs`, valid for writes; the path ends with a zero.
        unsafe {
            let mut found: libc::statvfs = std::mem::zeroed();
            assert_eq!(libc::statvfs(path.as_ptr(), &mut found), 0);
            found.f_bavail * found.f_frsize
        }
    }
}

/// Large, and different at each place.
fn large(at: i64) -> Bytes {
    let mut bytes = vec![at as u8; 900_000];
    bytes[..8].copy_from_slice(&at.to_be_bytes());
    Bytes::from(bytes)
}

/// Produces until it is refused: how many were taken, and the code of the refusal.
fn fill(client: &mut Client, topic: &str) -> (i64, i16) {
    for at in 0.. {
        let (code, base) = client.produce(topic, 0, Some(batch_of(&[&large(at)])));
        if code != 0 {
            return (at, code);
        }
        assert_eq!(base, at);
        assert!(at < 2_000, "the disk is smaller than what it took");
    }
    unreachable!("the loop has no end of its own")
}

#[test]
fn a_full_disk_refuses_producers_before_the_reserve_and_serves_all_others() {
    if !may_mount("a_full_disk") {
        return;
    }
    let scratch = Scratch::new("serve-full");
    let disk = SmallDisk::make(&scratch);
    let broker = disk.start();
    let mut client = broker.connect();
    client.create_topic("small", 1);
    client.create_topic("large", 1);
    assert_eq!(
        client.produce("small", 0, Some(batch_of(&[&number(0)]))),
        (0, 0)
    );

    let (taken, code) = fill(&mut client, "large");

    let error = ErrorCode::from_i16(code).expect("one of Kafka's");
    assert!(error.is_retriable(), "{error:?}");
    let free = disk.free(&broker);
    assert!(taken > 100, "only {taken} batches fit");
    assert!(
        free >= RESERVE_BYTES.0,
        "{free} free bytes: the reserve was touched"
    );
    assert_eq!(client.read_all("small", 0), [(0, number(0))]);
    assert_eq!(client.list_offset("large", 0, -1), (0, taken));
    let fetched = client.fetch("large", 0, taken - 1);
    assert_eq!(fetched.code, 0);

    assert_eq!(broker.stop().0, Some(0));
    let broker = disk.start();
    let mut client = broker.connect();
    let found = client.read_all("large", 0);
    assert_eq!(found.len() as i64, taken);
    assert!(found.iter().all(|(at, value)| *value == large(*at)));

    let delete = DeleteTopicsRequest::default()
        .with_topic_names(vec![topic_name("large")])
        .with_timeout_ms(10_000);
    assert_eq!(client.call(&delete, 4).responses[0].error_code, 0);
    wait_for("room after a deletion", || {
        let batch = Some(batch_of(&[&number(1)]));
        (client.produce("small", 0, batch).0 == 0).then_some(())
    });
}
