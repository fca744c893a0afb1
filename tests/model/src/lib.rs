//! Model checks: see `tests/`.
