//! Builds the plugin for extism, so that one `cargo build` makes all there is.
//!
//! Easily got wrong: a folder of its own for what is compiled, because the outer Cargo holds the lock of the usual one; and flags that are
//! meant for this machine must not reach the compiler of the plugin.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=guest");
    println!("cargo::rerun-if-changed=job");
    println!("cargo::rerun-if-changed=Cargo.lock");
    let home = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("guest");
    let status = Command::new(env::var_os("CARGO").expect("cargo sets it"))
        .args(["build", "--quiet", "--package", "plugwork-rivals-guest", "--profile", "guest", "--target", "wasm32-unknown-unknown"])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(home)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo, which runs this, can be started");
    assert!(status.success(), "the plugin for extism was not built; its messages are above");
    let plugin = folder.join("wasm32-unknown-unknown/guest/plugwork_rivals_guest.wasm");
    println!("cargo::rustc-env=RIVALS_GUEST={}", plugin.display());
}
