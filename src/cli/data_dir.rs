//! The data directory: who holds it, and its manifest file.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::base::NodeId;
use crate::shard::manifest::Manifest;

use super::Failure;

const NODE: NodeId = NodeId(1);

/// A data directory that this process holds. Dropping it lets go.
#[derive(Debug)]
pub struct DataDir {
    pub path: PathBuf,
    pub manifest: Manifest,
    /// True if this start made it.
    pub is_new: bool,
    _locks: Vec<File>,
}

impl DataDir {
    /// Takes hold of `paths`; the first has the manifest. A directory that holds no broker yet gets
    /// `shards` shards, or one per core. One with fewer shards than cores gets more, unless it was
    /// said how many there are. A new shard i lives in directory i mod n of `paths`; from then on
    /// the manifest decides.
    pub fn open(
        paths: &[PathBuf],
        node: Option<NodeId>,
        shards: Option<usize>,
        cores: usize,
    ) -> Result<Self, Failure> {
        let locks = paths.iter().map(|path| {
            fs::create_dir_all(path).map_err(|error| refused("make", path, &error))?;
            lock(path)
        });
        let locks: Vec<File> = locks.collect::<Result<_, _>>()?;
        let path = paths.first().map_or(Path::new("."), PathBuf::as_path);
        let found = read_manifest(path)?;
        let is_new = found.is_none();
        let (manifest, known) = match found {
            None => {
                let incarnations = new_incarnations(wanted(None, shards, cores));
                let node = node.unwrap_or(NODE);
                (Manifest::new(node, cluster_id(), &incarnations), 0)
            }
            Some(manifest) => {
                check_known(path, &manifest, node)?;
                let known = manifest.shards.len();
                let missing = wanted(Some(known), shards, cores) - known;
                (manifest.with_more(&new_incarnations(missing)), known)
            }
        };
        let manifest = make_new(paths, manifest, known)?;
        Ok(Self {
            path: path.to_owned(),
            manifest,
            is_new,
            _locks: locks,
        })
    }

    /// Writes a manifest anew, in place of the one that is there.
    pub fn rewrite(&mut self, manifest: Manifest) -> Result<(), Failure> {
        self.manifest = write_manifest(&self.path, manifest)?;
        Ok(())
    }

    /// Removes it with all that it holds, if this start made it.
    pub fn remove(self) {
        if self.is_new
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!("{} stays behind: {error}", self.path.display());
        }
    }
}

/// How many shards `DataDir::open` would find or make there. Touches nothing.
///
/// # Errors
/// There is a manifest that can not be read.
pub fn shards_to_be(
    paths: &[PathBuf],
    shards: Option<usize>,
    cores: usize,
) -> Result<usize, Failure> {
    let path = paths.first().map_or(Path::new("."), PathBuf::as_path);
    let known = read_manifest(path)?.map(|manifest| manifest.shards.len());
    Ok(wanted(known, shards, cores))
}

/// The shards of a directory that has `known` of them, if it is one already.
fn wanted(known: Option<usize>, shards: Option<usize>, cores: usize) -> usize {
    match known {
        None => shards.unwrap_or(cores),
        Some(known) if shards.is_none() => known.max(cores),
        Some(known) => known,
    }
}

/// Takes hold of a directory that is there, as a broker would; its manifest, too.
///
/// # Errors
/// A broker uses it, or it is not a data directory.
pub fn hold(path: &Path) -> Result<DataDir, Failure> {
    if !path.join("manifest.toml").is_file() {
        return Err(Failure::data_dir(format!(
            "{} is not a data directory: it has no manifest; name the one that 'thalweg serve' was \
             given as --data-dir",
            path.display()
        )));
    }
    let lock = lock(path)?;
    let manifest = read_manifest(path)?
        .ok_or_else(|| Failure::data_dir(format!("{}: the manifest is gone", path.display())))?;
    Ok(DataDir {
        path: path.to_owned(),
        manifest,
        is_new: false,
        _locks: vec![lock],
    })
}

/// Whether a broker uses the directory now.
pub fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path.join("lock")) else {
        return false;
    };
    matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock))
}

/// Where the shards of a data directory live; none if it has no manifest that can be read.
pub fn shard_directories(path: &Path) -> Vec<PathBuf> {
    let manifest = read_manifest(path).ok().flatten();
    let shards = manifest.map_or_else(Vec::new, |manifest| manifest.shards);
    let directories = shards.iter().map(|shard| path.join(&shard.directory));
    directories.collect()
}

/// What the manifest lists must be there: a disk that is not mounted looks like an empty one, and
/// a shard made anew in its place would have lost everything.
fn check_known(path: &Path, manifest: &Manifest, node: Option<NodeId>) -> Result<(), Failure> {
    if let Some(node) = node.filter(|node| *node != manifest.node) {
        return Err(Failure::data_dir(format!(
            "{} belongs to node {}, and node.id is {}",
            path.display(),
            manifest.node.0,
            node.0
        )));
    }
    for shard in &manifest.shards {
        let directory = path.join(&shard.directory);
        if !directory.is_dir() {
            return Err(Failure::data_dir(format!(
                "{} is missing, where the manifest of {} has shard {}: mount or restore it",
                directory.display(),
                path.display(),
                shard.id
            )));
        }
    }
    Ok(())
}

/// Makes the directories of the shards from `known` on, then says so in the manifest.
fn make_new(paths: &[PathBuf], mut manifest: Manifest, known: usize) -> Result<Manifest, Failure> {
    let path = paths.first().map_or(Path::new("."), PathBuf::as_path);
    let turns = paths.iter().cycle().enumerate().skip(known);
    for (shard, (_, parent)) in manifest.shards.iter_mut().skip(known).zip(turns) {
        let parent = std::path::absolute(parent);
        let parent = parent.map_err(|error| refused("find", path, &error))?;
        let directory = parent.join(&shard.directory);
        fs::create_dir_all(&directory).map_err(|error| refused("make", &directory, &error))?;
        sync(&parent)?;
        if std::path::absolute(path).is_ok_and(|own| own != parent) {
            shard.directory = directory.display().to_string();
        }
    }
    if known == manifest.shards.len() {
        return Ok(manifest);
    }
    write_manifest(path, manifest)
}

/// Random, because a restored or wiped directory must differ from what it was.
fn new_incarnations(count: usize) -> Vec<u64> {
    let draw = |_| uuid::Uuid::new_v4().as_u64_pair().0 | 1;
    (0..count).map(draw).collect()
}

/// 22 characters, as Kafka writes the 16 bytes of its cluster ids: base 64 for URLs, no padding.
fn cluster_id() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut rest = uuid::Uuid::new_v4().as_u128();
    let digits = (0..22).map(|_| {
        let digit = DIGITS[(rest % 64) as usize];
        rest /= 64;
        char::from(digit)
    });
    digits.collect()
}

fn lock(path: &Path) -> Result<File, Failure> {
    let name = path.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name);
    let file = file.map_err(|error| refused("open", &name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Failure::data_dir(format!(
            "{} is in use by a broker; stop that one first, or choose another directory \
             (`thalweg serve --data-dir`)",
            path.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(refused("lock", &name, &error)),
    }
}

fn read_manifest(path: &Path) -> Result<Option<Manifest>, Failure> {
    let name = path.join("manifest.toml");
    let text = match fs::read_to_string(&name) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused("read", &name, &error)),
    };
    let manifest = Manifest::from_text(&text)
        .map_err(|error| Failure::data_dir(format!("{}: {error}", name.display())))?;
    Ok(Some(manifest))
}

/// Written beside, flushed, then renamed: a crash leaves the old state or the new one.
fn write_manifest(path: &Path, manifest: Manifest) -> Result<Manifest, Failure> {
    let (draft, name) = (path.join("manifest.toml.new"), path.join("manifest.toml"));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&draft)?;
        file.write_all(manifest.to_text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &name)
    };
    write().map_err(|error| refused("write", &name, &error))?;
    sync(path)?;
    Ok(manifest)
}

fn sync(path: &Path) -> Result<(), Failure> {
    let flush = File::open(path).and_then(|directory| directory.sync_all());
    flush.map_err(|error| refused("flush", path, &error))
}

fn refused(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::data_dir(format!(
        "can not {what} {}: {error}; check that it exists, is on a local disk with space, and \
         belongs to this user",
        path.display()
    ))
}
