//! Does what a test asks for with values, objects and secrets: `values …`, `objects …`, `secrets …`.
//!
//! An answer is text; an error is what the guest was told. Nothing is decided here: a guest that is refused says so.

plugwork_guest::bindings!("../../wit");

mod bindings;
mod objects;
mod secrets;
mod values;

use std::fmt::Display;

/// The guest.
pub struct Stores;

impl probe::Guest for Stores {
    fn run(arguments: Vec<String>) -> Result<String, String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments.as_slice() {
            ["values", rest @ ..] => values::run(rest),
            ["objects", rest @ ..] => objects::run(rest),
            ["secrets", rest @ ..] => secrets::run(rest),
            other => Err(unknown(other)),
        }
    }
}

pub(crate) fn unknown(arguments: &[&str]) -> String {
    format!("`{arguments:?}` is nothing this guest does")
}

pub(crate) fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

pub(crate) fn joined<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

plugwork_guest::export!(Stores: probe);
