//! What a node keeps on its own disk: records of consent, and the values of its plugins, both in SQLite.

#![forbid(unsafe_code)]
