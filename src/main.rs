//! The `thalweg` program.

use std::process::ExitCode;

/// A core mostly frees what it took itself, in small pieces: what this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    thalweg::cli::main()
}
