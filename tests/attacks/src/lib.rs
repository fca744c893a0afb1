//! The attack catalogue: what hostile plugins try, and how each try must end. Two programs run it: the test `catalogue`, one test for each row and
//! profile, and the program `plugwork-attacks`, which prints a line for each and measures.
//!
//! Not here: tests of single rules, which stand beside the code. Easily got wrong: the harness reads the memory of the whole process, so rows run
//! one after the other.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

pub mod arena;
pub mod guest;
pub mod measure;
pub mod row;
pub mod rows;
pub mod server;
pub mod victim;
pub mod world;

use plugwork::Profile;

/// Both engine profiles, as they are printed.
pub const PROFILES: [(Profile, &str); 2] = [(Profile::Hardened, "hardened"), (Profile::Full, "full")];

/// Runs a future on threads like those of a host.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// What both programs do first. A child that row G7 started compiles until it is killed.
///
/// Otherwise the program starts again with an allocator that gives memory back at once, unless that was done: else what Cranelift freed would
/// look like what an attacker made the host keep.
pub fn prepare() {
    use std::os::unix::process::CommandExt as _;
    // Row G2 compiles in children of this program.
    plugwork::compile::child_main_if_asked();
    // And with a variable that row H7 looks for.
    const FRUGAL: [(&str, &str); 4] = [
        ("PLUGWORK_ATTACKS_CANARY", rows::CANARY),
        ("MALLOC_ARENA_MAX", "1"),
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
        ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ];
    if let Some(state) = std::env::var_os(rows::CHILD) {
        rows::compile_for_ever(state.as_ref());
    }
    if FRUGAL.iter().all(|(name, value)| std::env::var_os(name).is_some_and(|given| given == *value)) {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).envs(FRUGAL).exec();
    panic!("cannot start again: {error}");
}
