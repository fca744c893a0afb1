//! What README and book show is what runs: their code equals files that are compiled, their plugins agree, their links lead somewhere.
//!
//! Not here: what the example plugins compute (beside each of them). Easily got wrong: a plugin's lines in the README are compared with
//! its source, and the component that answers is the one in `target/plugins`; after a change build it anew with `cargo xtask guests`.

mod axum_embed;
mod book;
mod pricing;
mod readme;
mod snippets;

use std::path::PathBuf;

/// The repository's folder.
fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of the repository.
fn text_of(path: &str) -> String {
    let whole = repository().join(path);
    std::fs::read_to_string(&whole).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", whole.display()))
}
