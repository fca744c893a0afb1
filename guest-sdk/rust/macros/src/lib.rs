//! The `bindings!` macro: an application's own WIT as Rust, with plugwork's log, lifecycle and types already there.
//!
//! This crate only reads WIT and writes the call of `wit_bindgen::generate!`; `plugwork-guest` re-exports the macro and
//! is what a plugin depends on. One thing to know: the world that is generated is not quite the application's. Log and
//! lifecycle are left out of it, because the SDK supplies them.

mod code;
mod world;

use proc_macro::TokenStream;

/// Makes modules of an application's own WIT, one for each interface that its world imports or exports.
///
/// The first argument is the folder with the application's WIT, relative to the plugin's `Cargo.toml`; the second, which
/// may be left out where the package has only one, is the name of the world. Plugwork's own packages
/// (`plugwork:plugin`, `plugwork:host`, `plugwork:table`, `plugwork:points`) need not be in the folder.
///
/// ```ignore
/// plugwork_guest::bindings!("wit");
/// plugwork_guest::bindings!("wit", "filter");
/// ```
///
/// An interface `example:text/text-filter` becomes the module `text_filter` beside the call, with its types, the functions
/// if it is imported, the trait `Guest` if it is exported; types of `plugwork:plugin/refusal` are those of the SDK.
/// Export it with `plugwork_guest::export!(Type: text_filter)`.
#[proc_macro]
pub fn bindings(input: TokenStream) -> TokenStream {
    let made = code::arguments(input).and_then(|arguments| {
        let manifest_dir = std::env::var("CARGO_MANIFEST_DIR")?;
        let folder = std::path::Path::new(&manifest_dir).join(&arguments.folder);
        let world = world::read(&folder, arguments.world.as_deref())?;
        code::write(&world)
    });
    match made {
        Ok(tokens) => tokens,
        Err(error) => code::compile_error(&format!("{error:#}")),
    }
}
