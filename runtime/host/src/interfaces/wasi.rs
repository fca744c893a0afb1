//! The WASI interfaces that are linked without a grant, one by one: what they reach is decided by the instance's context, which starts
//! empty (no folder, no variable, coarse clocks, the log as standard output).
//!
//! Sockets are not here: without a grant their stubs come from `deny`, so there is no socket code behind them.

use std::sync::Arc;
use std::time::Duration;

use plugwork_core::InterfaceName;
use plugwork_core::limits::RANDOM_BYTES_MAX;
use wasmtime::component::{Accessor, HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::{WasiCtxBuilder, WasiView};

use super::clocks::{CoarseMonotonic, CoarseWall};
use super::random::HasRandom;
use super::shadow::shadowing;
use super::stdio::LogStream;
use crate::log::{Level, Log};
use crate::state::State;
use crate::usage::HostInterface;

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Defines one interface. `Ok(false)`: not one of those linked here.
pub(crate) fn link(interface: &InterfaceName, l: &mut Linker<State>) -> wasmtime::Result<bool> {
    match interface.version().map(|version| version.minor) {
        Some(3) => link_p3(interface.path(), l),
        _ => link_p2(interface.path(), l),
    }
}

fn link_p2(path: &str, l: &mut Linker<State>) -> wasmtime::Result<bool> {
    use wasmtime_wasi::p2::bindings::{cli, clocks, io, random};
    match path {
        "wasi:io/error" => io::error::add_to_linker::<State, HasTable>(l, |s| s.counted_as(HostInterface::Io).ctx().table),
        "wasi:io/poll" => io::poll::add_to_linker::<State, HasTable>(l, |s| s.counted_as(HostInterface::Io).ctx().table),
        "wasi:io/streams" => io::streams::add_to_linker::<State, HasTable>(l, |s| s.counted_as(HostInterface::Io).ctx().table),
        "wasi:clocks/wall-clock" => {
            clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, |s| s.counted_as(HostInterface::Clocks).clocks())
        }
        "wasi:clocks/monotonic-clock" => {
            clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, |s| s.counted_as(HostInterface::Clocks).clocks())
        }
        "wasi:random/random" => random::random::add_to_linker::<State, HasRandom>(l, |s| s.counted_as(HostInterface::Random).random()),
        "wasi:random/insecure" => random::insecure::add_to_linker::<State, HasRandom>(l, |s| s.counted_as(HostInterface::Random).random()),
        "wasi:random/insecure-seed" => {
            random::insecure_seed::add_to_linker::<State, HasRandom>(l, |s| s.counted_as(HostInterface::Random).random())
        }
        "wasi:cli/environment" => cli::environment::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/exit" => cli::exit::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/stdin" => cli::stdin::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/stdout" => cli::stdout::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/stderr" => cli::stderr::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-input" => cli::terminal_input::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-output" => cli::terminal_output::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-stdin" => cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-stdout" => cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-stderr" => cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:filesystem/types" => super::filesystem::link_types(l),
        "wasi:filesystem/preopens" => super::filesystem::link_preopens(l),
        "wasi:http/types" => super::http::types::link_types(l),
        _ => return Ok(false),
    }?;
    Ok(true)
}

fn link_p3(path: &str, l: &mut Linker<State>) -> wasmtime::Result<bool> {
    use wasmtime_wasi::p3::bindings::{cli, clocks, filesystem, random};
    match path {
        "wasi:clocks/system-clock" => {
            clocks::system_clock::add_to_linker::<State, WasiClocks>(l, |s| s.counted_as(HostInterface::Clocks).clocks())
        }
        "wasi:clocks/monotonic-clock" => {
            clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, |s| s.counted_as(HostInterface::Clocks).clocks())
                .and_then(|()| link_wait(l))
        }
        "wasi:random/random" => random::random::add_to_linker::<State, HasRandom>(l, |s| s.counted_as(HostInterface::Random).random()),
        "wasi:random/insecure" => random::insecure::add_to_linker::<State, HasRandom>(l, |s| s.counted_as(HostInterface::Random).random()),
        "wasi:random/insecure-seed" => {
            random::insecure_seed::add_to_linker::<State, HasRandom>(l, |s| s.counted_as(HostInterface::Random).random())
        }
        "wasi:cli/environment" => cli::environment::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/exit" => cli::exit::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/stdin" => cli::stdin::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/stdout" => cli::stdout::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/stderr" => cli::stderr::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-input" => cli::terminal_input::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-output" => cli::terminal_output::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-stdin" => cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-stdout" => cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:cli/terminal-stderr" => cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, |s| s.counted_as(HostInterface::Cli).cli()),
        "wasi:filesystem/types" => {
            filesystem::types::add_to_linker::<State, WasiFilesystem>(l, |s| s.counted_as(HostInterface::Filesystem).filesystem())
        }
        "wasi:filesystem/preopens" => {
            filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, |s| s.counted_as(HostInterface::Filesystem).filesystem())
        }
        "wasi:http/types" => super::http::service_types::link(l),
        _ => return Ok(false),
    }?;
    Ok(true)
}

/// Defines `wait-for` once more: the engine's crate asks nothing of the store for it, so nobody would count it.
fn link_wait(l: &mut Linker<State>) -> wasmtime::Result<()> {
    shadowing(l, |l| {
        l.instance("wasi:clocks/monotonic-clock@0.3.0")?.func_wrap_concurrent(
            "wait-for",
            |accessor: &Accessor<State>, (how_long_ns,): (u64,)| {
                Box::pin(async move {
                    accessor.with(|mut store| {
                        store.data_mut().counted_as(HostInterface::Clocks);
                    });
                    if how_long_ns > 0 {
                        tokio::time::sleep(Duration::from_nanos(how_long_ns)).await;
                    }
                    Ok(())
                })
            },
        )
    })
}

/// A context that reaches nothing: what every instance starts from, before its capabilities add to it.
pub(crate) fn inert_context(log: &Arc<Log>) -> WasiCtxBuilder {
    let mut context = WasiCtxBuilder::new();
    context
        .stdout(LogStream::new(log.clone(), Level::Info))
        .stderr(LogStream::new(log.clone(), Level::Warn))
        .max_random_size(RANDOM_BYTES_MAX)
        .wall_clock(CoarseWall)
        .monotonic_clock(CoarseMonotonic::start());
    context
}
