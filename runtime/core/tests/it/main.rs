//! What the crate promises from outside: every vector holds, and the properties of grants and differences.
//!
//! No engine here; the vectors run on wasm32 in `tests/it/vectors.rs` of the repository.

mod vectors;
