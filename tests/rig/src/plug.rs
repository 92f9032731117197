//! Power cuts that count instead of judging: what an acknowledgement of a broker is worth.
//!
//! Every cut has a disk, a broker and a topic of its own. The topic is made and the disk synced
//! before the first record, so that what is missing afterwards are records and not the topic.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use thalweg::base::random::Random;

use crate::broker::Recipe;
use crate::campaign::fresh;
use crate::power::{Cut, PowerRig, run};
use crate::traffic::{Crowd, PARTITIONS, TOPIC, Traffic};

/// Sparse: only what is written takes place.
const IMAGE_BYTES: u64 = 4 << 30;

/// A broker, and how its power is to be cut.
pub struct Plug {
    pub recipe: Recipe,
    /// Scratch; emptied before every cut.
    pub folder: PathBuf,
    /// The power rig's daemon, to which an image and a mount are appended.
    pub daemon: Vec<OsString>,
    pub cores: usize,
    /// Under load before the power goes.
    pub load: Duration,
    pub seed: u64,
}

/// What came of one cut, or of several. Counts are records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    pub cuts: u64,
    pub acknowledged: u64,
    /// Acknowledged, and gone after the restart.
    pub lost: u64,
    /// Cuts after which the broker did not serve again; what it had acknowledged counts as lost.
    pub unavailable: u64,
    /// Cuts with anything else wrong: a record twice, out of order, or not as it was sent.
    pub wrong: u64,
    /// The first thing that was found to be missing or wrong.
    pub example: Option<String>,
}

impl Plug {
    /// One cut, the `number`-th. An error says why it could not be made.
    pub fn pull(&self, number: u64) -> Result<Toll, String> {
        let mut random = Random::with_seed(self.seed).fork(number);
        let mut rig = PowerRig::new(&fresh(&self.folder)?, IMAGE_BYTES, self.daemon.clone())?;
        let mut crowd = Crowd::new(&mut random);

        let data = rig.power_on()?;
        let mut broker = self.recipe.start(&data.join("broker"), self.cores)?;
        drop(broker.wait_ready(TOPIC, PARTITIONS)?);
        sync(&data)?;
        let traffic = Traffic::launch(&mut crowd, &broker);
        let loaded = traffic.go_on_for(self.load);
        let cut = rig.cut(Cut::DropAll);
        broker.kill();
        traffic.stop.store(true, Ordering::Relaxed);
        let collected = traffic.collect(&mut crowd);
        loaded.and(collected).and(cut)?;
        rig.take_down()?;

        let data = rig.power_on()?;
        let mut broker = self.recipe.start(&data.join("broker"), self.cores)?;
        let toll = match broker.wait_ready(TOPIC, PARTITIONS) {
            Ok(mut connection) => {
                let checked = crowd.check(&mut connection, true);
                Toll::of(&crowd, checked)
            }
            Err(error) => Toll::unavailable(&crowd, error),
        };
        broker.kill();
        rig.take_down()?;
        Ok(toll)
    }
}

impl Toll {
    fn of(crowd: &Crowd, checked: Result<(), String>) -> Self {
        let count = crowd.ledger.count();
        let example = checked.err();
        Self {
            cuts: 1,
            acknowledged: count.acknowledged,
            lost: count.lost,
            unavailable: 0,
            wrong: u64::from(example.is_some() && count.lost == 0),
            example,
        }
    }

    fn unavailable(crowd: &Crowd, error: String) -> Self {
        let acknowledged = crowd.acknowledged();
        Self {
            cuts: 1,
            acknowledged,
            lost: acknowledged,
            unavailable: 1,
            wrong: 0,
            example: Some(error),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.unavailable += other.unavailable;
        self.wrong += other.wrong;
        self.example = self.example.take().or(other.example);
    }
}

/// Everything on the disk below `folder` reaches the medium.
fn sync(folder: &Path) -> Result<(), String> {
    run(Command::new("sync").arg("-f").arg(folder)).map(drop)
}
