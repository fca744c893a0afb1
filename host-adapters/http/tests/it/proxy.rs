//! The component of `tests/guests/rust/wasi-proxy`, built by Cargo alone, and a server in front of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use plugwork::component::{Embedded, embed};
use plugwork::{Bounds, Grants, Limits};

use crate::world::{Stage, stage_of, stage_with};

/// Built once in a run of the tests.
fn component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| built("wasi-proxy"))
}

/// A guest of `tests/guests/rust` that knows nothing of plugwork.
pub(crate) fn built(package: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("guests");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--release", "--package", package, "--target", "wasm32-wasip2", "--target-dir"]);
    build.arg(&target).arg("--manifest-path").arg(root.join("tests/guests/rust/Cargo.toml"));
    // What Cargo sets for this crate's tests would be taken for the guest's.
    build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    assert!(build.status().unwrap().success(), "the guest was not built: is the target `wasm32-wasip2` there?");
    std::fs::read(target.join(format!("wasm32-wasip2/release/{}.wasm", package.replace('-', "_")))).unwrap()
}

/// A stage with it.
pub(crate) async fn stage(limits: Limits) -> Stage {
    stage_of(component().to_vec(), limits).await
}

/// A stage where one instance of it answers many requests, one after another.
pub(crate) async fn stage_with_reuse(limits: Limits) -> Stage {
    let manifest = "name = \"test:proxy\"\nversion = \"1.0.0\"\n[permissions.engine]\nreuse-calls = 100";
    let component = embed(component(), &Embedded { manifest: Some(manifest), ..Embedded::default() }).unwrap();
    stage_with(component, limits, Grants::none().with("engine", Bounds::from_iter([("reuse-calls".to_owned(), 100.into())]))).await
}
