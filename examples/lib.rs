//! Example hosts: each is a Cargo example under `hosts/`. The plugins they run are under `plugins/` and built by `cargo xtask guests`.
