//! The power supply: on, cut, and on again over what the medium kept.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::disk::Cut;
use super::system::{die_with_parent, run};

/// How long tearing down may take before the rig calls itself broken.
const TEARDOWN: Duration = Duration::from_secs(20);

/// An image, and while the power is on, the stack of mounts over it.
pub struct PowerRig {
    image: PathBuf,
    fuse: PathBuf,
    data: PathBuf,
    /// Program and arguments that end in `serve(image, mount)`; the two paths are appended.
    daemon: Vec<OsString>,
    formatted: bool,
    on: Option<Powered>,
}

struct Powered {
    daemon: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Such as `/dev/loop0`; none until it is set up.
    device: Option<String>,
}

impl PowerRig {
    /// An empty disk of so many bytes (sparse), its files below `folder`.
    pub fn new(folder: &Path, bytes: u64, daemon: Vec<OsString>) -> Result<Self, String> {
        let rig = Self {
            image: folder.join("image"),
            fuse: folder.join("fuse"),
            data: folder.join("data"),
            daemon,
            formatted: false,
            on: None,
        };
        for made in [&rig.fuse, &rig.data] {
            fs::create_dir_all(made).map_err(|e| format!("{}: {e}", made.display()))?;
        }
        let sized = File::create(&rig.image).and_then(|image| image.set_len(bytes));
        sized.map_err(|e| format!("{}: {e}", rig.image.display()))?;
        Ok(rig)
    }

    /// Mounts the disk, formatted at first; the folder for the broker's data.
    pub fn power_on(&mut self) -> Result<PathBuf, String> {
        assert!(self.on.is_none(), "the power is on already");
        self.on = Some(self.start_daemon()?);
        let disk = self.fuse.join("disk");
        let device = run(Command::new("losetup").args(["-f", "--show"]).arg(disk))?;
        if let Some(on) = &mut self.on {
            on.device = Some(device.clone());
        }
        if !self.formatted {
            let lazy = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
            run(Command::new("mkfs.ext4").args(["-q", "-E", lazy, &device]))?;
            self.formatted = true;
        }
        run(Command::new("mount")
            .args(["-t", "ext4", &device])
            .arg(&self.data))?;
        // With its last user, which is the mount, the device is to go, too.
        run(Command::new("losetup").args(["-d", &device]))?;
        Ok(self.data.clone())
    }

    /// Name of the loop device, as `/sys/block` has it, while the power is on.
    pub fn device(&self) -> Option<&str> {
        let device = self.on.as_ref()?.device.as_deref()?;
        device.strip_prefix("/dev/")
    }

    /// From the return of this call on, nothing reaches the medium any more; everything fails.
    pub fn cut(&mut self, cut: Cut) -> Result<(), String> {
        let on = self.on.as_mut().ok_or("the power is off already")?;
        let ordered = writeln!(on.orders, "cut {}", cut.word());
        ordered.map_err(|e| format!("the daemon takes no orders: {e}"))?;
        on.expect("cut")
    }

    /// Takes the stack apart after a cut, or after an orderly stop. Users must have ended.
    pub fn take_down(&mut self) -> Result<(), String> {
        let Some(mut on) = self.on.take() else {
            return Ok(());
        };
        if run(Command::new("umount").arg(&self.data)).is_err() {
            // A user is still dying, or the mount never came to be.
            drop(run(Command::new("umount").arg("-l").arg(&self.data)));
        }
        if let Some(device) = &on.device {
            wait_until_cleared(device)?;
        }
        // The kernel lets go of the device's file a little later than it says.
        let unmount = || run(Command::new("umount").arg(&self.fuse)).is_ok();
        wait_until(unmount, "the FUSE file system is still in use")?;
        drop(on.orders);
        let status = on.daemon.wait().map_err(|e| format!("the daemon: {e}"))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("the daemon ended with {status}")),
        }
    }

    fn start_daemon(&self) -> Result<Powered, String> {
        let mut command = Command::new(&self.daemon[0]);
        command
            .args(&self.daemon[1..])
            .arg(&self.image)
            .arg(&self.fuse);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut daemon = die_with_parent(&mut command)
            .spawn()
            .map_err(|e| format!("{:?}: {e}", self.daemon))?;
        let mut on = Powered {
            orders: daemon.stdin.take().expect("piped"),
            answers: BufReader::new(daemon.stdout.take().expect("piped")),
            daemon,
            device: None,
        };
        on.expect("mounted")?;
        Ok(on)
    }
}

impl Drop for PowerRig {
    fn drop(&mut self) {
        if let Err(error) = self.take_down() {
            eprintln!("power rig: {error}");
        }
    }
}

impl Powered {
    fn expect(&mut self, word: &str) -> Result<(), String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.map_err(|e| format!("the daemon: {e}"))?;
        match line.trim() == word {
            true => Ok(()),
            false => Err(format!("the daemon said {line:?}, not {word:?}")),
        }
    }
}

fn wait_until_cleared(device: &str) -> Result<(), String> {
    let name = device.trim_start_matches("/dev/");
    let backing = PathBuf::from(format!("/sys/block/{name}/loop/backing_file"));
    wait_until(|| !backing.exists(), "the loop device is still in use")
}

fn wait_until(mut done: impl FnMut() -> bool, otherwise: &str) -> Result<(), String> {
    let until = Instant::now() + TEARDOWN;
    while !done() {
        if Instant::now() > until {
            return Err(format!("{otherwise} after {TEARDOWN:?}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
