//! Model checks of the host's concurrent structures: loom runs each test in every order of its threads that can make a difference.
//!
//! The tests are in `tests/`. Each compiles one file of `runtime/host/src` as it is, with loom's blocks where the host has `std`'s (`crate::sync`),
//! and so runs that file's own tests as well. Not here: the structures. May be misread: `--cfg loom` is not used; it would build the engine again.
