//! The child: a process whose whole life is one component. It puts up its walls, reads, checks, compiles, writes, ends.
//!
//! Nothing here is called by a host but [`child_main_if_asked`]. What a reader may get wrong: the child never reads more than its order
//! and stdin, and whatever it writes goes through the parent, which believes none of it but the machine code.

use std::io::{Read, Write};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use plugwork_core::Digest;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use wasmtime::Engine;

use super::order::{ANSWERED, DONE, Order, Said, asked};
use super::walls;
use crate::engine::{Allocation, compatibility};
use crate::reset::PageScan;

static HOOKED: AtomicBool = AtomicBool::new(false);

/// Turns this process into the child that compiles, if a parent started it as one; does not come back then. Otherwise returns at once.
///
/// A program whose runtimes use [`Compiler::Child`](super::Compiler::Child) calls it first in `main`: before it starts a thread (the walls
/// stand around one thread and those it starts), reads an argument, or opens anything. Opening a runtime checks that it was called.
pub fn child_main_if_asked() {
    HOOKED.store(true, Ordering::Relaxed);
    if !asked() {
        return;
    }
    let said = match std::env::args().nth(2).as_deref().map(serde_json::from_str::<Order>) {
        Some(Ok(order)) => match serve(&order) {
            Ok(()) => exit(DONE),
            Err(said) => said,
        },
        _ => Said::Unfit("the order cannot be read: is it of the same build?".to_owned()),
    };
    say(&said);
    exit(ANSWERED)
}

/// Whether this program can be its own compiler.
pub(super) fn hooked() -> bool {
    HOOKED.load(Ordering::Relaxed)
}

fn serve(order: &Order) -> Result<(), Said> {
    let unfit = |what: &str, error: &dyn std::fmt::Display| Said::Unfit(format!("{what}: {error}"));
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| unfit("cannot die with the parent", &error))?;
    // Asked for after the signal was set: a parent that died before is another one by now.
    if getppid().is_none_or(|parent| parent.as_raw_pid().unsigned_abs() != order.parent) {
        return Err(Said::Unfit("the parent is gone".to_owned()));
    }
    let walls = walls::enclose(&order.limits).map_err(|error| unfit("cannot put up the walls", &error))?;
    say(&Said::Walls(walls));
    enclosed(walls)?;
    let engine = Engine::new(&order.variant.config(Allocation::OnDemand, PageScan::NoPool))
        .map_err(|error| unfit("cannot start the engine", &error))?;
    if compatibility(&engine) != order.compatibility {
        return Err(Said::Unfit("it makes code for another engine: is it of the same build?".to_owned()));
    }
    let code = compile(&engine, &read(order)?)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&code).and_then(|()| out.flush()).map_err(|error| unfit("cannot write the machine code", &error))
}

/// Nothing of a component is read where the filter of system calls does not stand.
fn enclosed(walls: walls::Walls) -> Result<(), Said> {
    if walls.seccomp {
        return Ok(());
    }
    let what = "this kernel has no seccomp filter for it, so a component that takes it over could open files and connections";
    Err(Said::Unfit(format!("{what}; hint: enable seccomp, or compile with `Compiler::InProcess` what you trust")))
}

fn read(order: &Order) -> Result<Vec<u8>, Said> {
    let capacity = usize::try_from(order.bytes).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity).map_err(|_| Said::Memory)?;
    std::io::stdin().lock().take(order.bytes).read_to_end(&mut bytes).map_err(|error| Said::Unfit(format!("cannot read: {error}")))?;
    if Digest::of(&bytes) != order.digest {
        return Err(Said::Unfit("was given other bytes than were named".to_owned()));
    }
    Ok(bytes)
}

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, Said> {
    // Sizes first: what is far beyond what toolchains make is not worth a compiler's time.
    plugwork_component::read(bytes).map_err(|error| Said::Invalid(error.to_string()))?;
    engine.precompile_component(bytes).map_err(|error| if is_memory(&error) { Said::Memory } else { Said::Invalid(format!("{error:#}")) })
}

fn is_memory(error: &wasmtime::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::OutOfMemory);
        if io || error.downcast_ref::<rustix::io::Errno>().is_some_and(|error| *error == rustix::io::Errno::NOMEM) {
            return true;
        }
        next = error.source();
    }
    false
}

fn say(said: &Said) {
    let mut line = serde_json::to_string(said).unwrap_or_default();
    line.push('\n');
    // Nobody is left to tell if this fails.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::walls::{Landlock, Walls};

    #[test]
    fn without_the_filter_of_system_calls_nothing_is_compiled() {
        for landlock in [Landlock::Full, Landlock::Absent] {
            let refused = enclosed(Walls { seccomp: false, landlock });
            assert!(matches!(refused, Err(Said::Unfit(what)) if what.contains("seccomp")));
            assert!(enclosed(Walls { seccomp: true, landlock }).is_ok());
        }
    }
}
