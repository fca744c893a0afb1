//! The component of `tests/guests/rust/wasi-service`, built by Cargo alone, and a server in front of it.

use std::sync::OnceLock;

use plugwork::component::{Embedded, embed};
use plugwork::{Grants, Limits};
use serde_json::{Value, json};

use crate::proxy::built;
use crate::world::{Stage, stage_on, stage_with};

/// Built once in a run of the tests.
pub(crate) fn component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| built("wasi-service"))
}

/// Grants of the engine.
pub(crate) fn engine(bounds: &Value) -> Grants {
    Grants::none().with("engine", bounds.as_object().unwrap().clone())
}

/// A manifest beside it that asks for this, and grants that give it.
pub(crate) fn asking(asks: &str, grants: Grants) -> (Vec<u8>, Grants) {
    let manifest = format!("name = \"test:service\"\nversion = \"1.0.0\"\n{asks}");
    (embed(component(), &Embedded { manifest: Some(&manifest), ..Embedded::default() }).unwrap(), grants)
}

/// A stage with it, each request in an instance of its own.
pub(crate) async fn stage(limits: Limits) -> Stage {
    stage_with(component().to_vec(), limits, engine(&json!({"profile": "full"}))).await
}

/// A stage where one instance of it answers many requests, one after another.
pub(crate) async fn stage_with_reuse(limits: Limits) -> Stage {
    let (component, grants) =
        asking("[permissions.engine]\nprofile = \"full\"\nreuse-calls = 100", engine(&json!({"profile": "full", "reuse-calls": 100})));
    stage_with(component, limits, grants).await
}

/// A stage where one instance of it may have so many requests at once, and so many altogether. It has one guest thread: with more of them a request may go
/// to another instance while this one works.
pub(crate) async fn stage_at_once(at_once: u32, calls: u32, limits: Limits) -> Stage {
    stage_at_once_on(1, at_once, calls, limits).await
}

/// The same on so many guest threads.
pub(crate) async fn stage_at_once_on(threads: usize, at_once: u32, calls: u32, limits: Limits) -> Stage {
    let asks = format!("[permissions.engine]\nprofile = \"full\"\nreuse-calls = {calls}\ncalls-at-once = {at_once}");
    let grants = engine(&json!({"profile": "full", "reuse-calls": calls, "calls-at-once": at_once}));
    let (component, grants) = asking(&asks, grants);
    stage_on(threads, component, limits, grants).await
}
