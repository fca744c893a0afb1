//! The elements of a JSON array, one by one, from a stream of any length.
//!
//! Used by the plugins that read JSON; it is no plugin itself. Only as much is kept as one element and one read need.
//! One thing to know: this finds where values end and leaves what they mean to `serde_json`, so an element with a
//! mistake inside is found only when it is parsed ([`Element::parse`]).

mod element;
mod layout;
mod scan;
mod stream;

pub use element::Element;
pub use layout::{Elements, Layout};
