//! The policy decides the same on wasm32 as on this machine: every vector once more, inside a guest.
//!
//! Natively they run in `runtime/core/tests/it/vectors.rs`.

use std::fs;

use plugwork::Grants;
use plugwork_core::policy::vectors;

use crate::world::{guest, offer, probe};

#[tokio::test]
async fn every_vector_of_the_policy_holds_on_wasm32() {
    let plugin = offer(&guest("policy-vectors"), "vectors").await.accept_only(Grants::none()).await.unwrap();
    let folder = plugwork_tests::root().join("runtime/core/vectors");
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let decided = probe(&plugin, &[&text]).await.unwrap_or_else(|mismatches| panic!("{}:\n{mismatches}", path.display()));
        assert_eq!(decided, vectors::run(&text).cases.to_string(), "{}", path.display());
        cases += vectors::run(&text).cases;
    }
    assert!(cases > 600, "{cases} cases");
    // A case that does not hold is told, so the above is no silence.
    let told = probe(&plugin, &["bounds http none\nallow request GET https://example.com/"]).await.unwrap_err();
    assert_eq!(told, "line 2: expected `allow`, found `E-CAP-NOT-GRANTED`");
}
