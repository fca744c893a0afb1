//! wasi:keyvalue and wasi:blobstore, bound from the contract's own copies of their WIT.
//!
//! Easy to get wrong: streams are bound here once more, so they are other types than those of any crate.

#![allow(warnings, reason = "generated")]

plugwork_guest::wit_bindgen::generate!({
    inline: "
        package plugwork-tests:keeper;
        world keeper {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
            import wasi:blobstore/blobstore@0.2.0-draft;
        }
    ",
    path: ["../../../../wit/deps/io", "../../../../wit/deps/keyvalue", "../../../../wit/deps/blobstore"],
    runtime_path: "::plugwork_guest::wit_bindgen::rt",
    generate_all,
});

pub use wasi::{blobstore, keyvalue};
