//! `cargo xtask guests`: every example plugin, in all three languages, into `target/plugins`. How one is built is `plugwork-build`'s affair.
//!
//! Those that are plain WASI are built by Cargo alone. Easily got wrong: both modes write the same files, because pipelines name them; the last one built is what runs. Results are remembered
//! for each mode, so going back costs nothing.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use plugwork_build::{BuildOptions, build_all};

use crate::house::House;
use crate::program::{Program, seconds};
use crate::setup;

/// Components of WASI's own worlds: 0.3 and 0.2.
const PLAIN: [&str; 2] = ["wasi-capitals", "wasi-hello"];

/// Builds what has changed; all failures are told before it ends.
pub(crate) fn build(house: &House, dev: bool) -> Result<()> {
    setup::everything(house)?;
    let started = Instant::now();
    let options = BuildOptions {
        sdk_root: &house.root.join("guest-sdk"),
        contract: &house.root.join("wit"),
        target_dir: &house.target,
        dev,
        progress: &|line| println!("guests: {line}"),
    };
    let out = house.plugins();
    let outcomes = build_all(&house.root.join("examples"), &options, &out)?;
    let mut failed = 0;
    let mut fresh = 0;
    for (project, outcome) in &outcomes {
        match outcome {
            Ok(built) if built.cached => {}
            Ok(built) => {
                fresh += 1;
                println!("guests: {} {} bytes in {}", house.short(&built.path), built.bytes, seconds(built.elapsed));
            }
            Err(error) => {
                failed += 1;
                eprintln!("guests: {}: {error}", house.short(project.dir()));
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} plugins were not built; see above", outcomes.len());
    }
    if outcomes.is_empty() {
        bail!("no plugin was found below `examples`");
    }
    plain(house)?;
    println!(
        "guests: {} plugins in {} ({fresh} built, {} unchanged) in {}",
        outcomes.len(),
        house.short(&out),
        outcomes.len() - fresh,
        seconds(started.elapsed())
    );
    Ok(())
}

/// Builds those that know nothing of plugwork.
fn plain(house: &House) -> Result<()> {
    let target = house.target.join("guests");
    Program::cargo_in(&house.root.join("examples/plugins"), &target)
        .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2"])
        .args(PLAIN.iter().flat_map(|name| ["--package", name]))
        .run()?;
    for name in PLAIN {
        let built = target.join("wasm32-wasip2/release").join(name.replace('-', "_")).with_extension("wasm");
        let out = house.plugins().join(name).with_extension("wasm");
        std::fs::copy(&built, &out).with_context(|| format!("cannot copy `{}` to `{}`", built.display(), out.display()))?;
    }
    Ok(())
}
