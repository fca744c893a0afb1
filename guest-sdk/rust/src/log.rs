//! The plugin's log, and the last words of one that is about to trap.
//!
//! What happens to a record is the host's affair (`wit/host/log.wit` has the limits). Outside WebAssembly, in a
//! plugin's own unit tests, records go to standard error, because there is no host.

/// Severity, rising.
pub use crate::bindings::log::Level;

/// Steps of a calculation; off unless somebody looks for something.
pub fn trace(message: &str) {
    write(Level::Trace, message);
}

/// For the author of the plugin.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// What happened, for the person who runs the plugin.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Something is odd and the plugin goes on.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Something failed.
pub fn error(message: &str) {
    write(Level::Error, message);
}

/// Writes one record; the host cuts it after 8 KiB.
#[cfg(target_arch = "wasm32")]
pub fn write(level: Level, message: &str) {
    crate::bindings::log::write(level, message);
}

/// Writes one record to standard error: there is no host to take it.
#[cfg(not(target_arch = "wasm32"))]
pub fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

/// Says why a trap is about to follow; the host attaches it to the fault. A second call replaces the first.
#[cfg(target_arch = "wasm32")]
pub(crate) fn last_words(message: &str, stack: &str) {
    crate::bindings::log::last_words(message, stack);
}
