//! Example hosts: each is a Cargo example under `hosts/`. The plugins they run are under `plugins/` and built by `cargo xtask guests`.
//!
//! Here is only what an example says where nobody has built its plugins yet.

use std::path::Path;

/// Ends the process, and says what to do, where one of these plugins has not been built.
pub fn need_plugins(names: &[&str]) {
    let built = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/plugins"));
    let missing: Vec<_> = names.iter().map(|name| built.join(format!("{name}.wasm"))).filter(|file| !file.is_file()).collect();
    let Some(first) = missing.first() else { return };
    eprintln!("{} of {} plugins are not built, such as `{}`\nhint: `cargo xtask guests`", missing.len(), names.len(), first.display());
    std::process::exit(2);
}
