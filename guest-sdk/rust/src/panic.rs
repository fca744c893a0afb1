//! Makes a panic readable: message and place reach the host before the trap.
//!
//! A `wasm32` guest cannot unwind, so a panic always ends in a bare `unreachable`; what can be saved is the message.
//! `plugin!` and `export!` install the hook as a constructor, which the generated code runs before the first call;
//! a plugin that sets its own hook afterwards replaces this one.

/// Installs the hook. Called by the code that `plugin!` and `export!` write; calling it again does no harm.
#[doc(hidden)]
pub extern "C" fn install() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| {
        let message = match panic.payload_as_str() {
            Some(message) => message,
            None => "panicked with a value that is not text",
        };
        // There is no stack to walk in a guest: the place is all there is, and the host adds the trap's own backtrace.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        crate::log::last_words(message, &place);
    }));
}

/// Runs [`install`] before the first call of any export; once in a plugin.
#[doc(hidden)]
#[macro_export]
macro_rules! __panic_hook {
    () => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[used]
            #[unsafe(link_section = ".init_array")]
            static INSTALL: extern "C" fn() = $crate::__private::install_panic_hook;
        };
    };
}
