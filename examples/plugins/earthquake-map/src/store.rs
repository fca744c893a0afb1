//! What is kept from one request to the next: three values of the store `map`.
//!
//! Easily got wrong: a host that granted nothing says so in an error, and what the client is told of it is only that it cannot be done now.

use plugwork_guest::{Refusal, Result};

#[allow(warnings, reason = "generated")]
mod bindings {
    plugwork_guest::wit_bindgen::generate!({
        inline: "
            package plugwork:earthquake-map;
            world keeper {
                import wasi:keyvalue/store@0.2.0-draft;
            }
        ",
        path: ["../../../wit/deps/keyvalue"],
        runtime_path: "::plugwork_guest::wit_bindgen::rt",
        generate_all,
    });
}

use bindings::wasi::keyvalue::store::{self, Bucket, Error};

pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>> {
    open()?.get(key).map_err(refusal)
}

pub(crate) fn set(key: &str, value: &[u8]) -> Result<()> {
    open()?.set(key, value).map_err(refusal)
}

fn open() -> Result<Bucket> {
    store::open("map").map_err(refusal)
}

fn refusal(error: Error) -> Refusal {
    let text = match error {
        Error::NoSuchStore => "there is no store `map`".to_owned(),
        Error::AccessDenied => "the store `map` is not granted for writing".to_owned(),
        Error::Other(text) => text,
    };
    Refusal::unavailable(text)
}
