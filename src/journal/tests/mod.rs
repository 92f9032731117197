//! The journal over a disk in memory that forgets what was not flushed.

mod cold;
mod crash;
mod disk;
mod folds;
mod gone;
mod medium;
mod relaxed;
mod serve;
mod space;
mod spoiled;
mod world;
