//! One plugin in each language, the names of its rows, and its targets. All three compute statistics by group of any table.

use std::path::{Path, PathBuf};

/// What there is once for each language.
pub(crate) struct Language {
    file: &'static str,
    /// Rows of the first call: the whole process, inside it, and the whole process with pooling.
    pub(crate) first_call: [&'static str; 3],
    /// Milliseconds of the whole process.
    pub(crate) first_call_ms_max: f64,
    pub(crate) second_load: &'static str,
    pub(crate) group_stats: &'static str,
    pub(crate) peak_memory: &'static str,
}

pub(crate) const RUST: Language = Language {
    file: "group-stats.wasm",
    first_call: ["first-call-rust", "first-call-rust-inside", "first-call-rust-pooling"],
    first_call_ms_max: 5.0,
    second_load: "second-load-rust",
    group_stats: "group-stats-rust",
    peak_memory: "peak-memory-rust",
};

pub(crate) const JAVASCRIPT: Language = Language {
    file: "group-stats-js.wasm",
    first_call: ["first-call-javascript", "first-call-javascript-inside", "first-call-javascript-pooling"],
    first_call_ms_max: 25.0,
    second_load: "second-load-javascript",
    group_stats: "group-stats-javascript",
    peak_memory: "peak-memory-javascript",
};

pub(crate) const PYTHON: Language = Language {
    file: "group-stats-py.wasm",
    first_call: ["first-call-python", "first-call-python-inside", "first-call-python-pooling"],
    first_call_ms_max: 60.0,
    second_load: "second-load-python",
    group_stats: "group-stats-python",
    peak_memory: "peak-memory-python",
};

impl Language {
    /// Its plugin, in the folder where `build-plugin` puts them.
    pub(crate) fn component(&self, plugins: &Path) -> PathBuf {
        plugins.join(self.file)
    }
}
