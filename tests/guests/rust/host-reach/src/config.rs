//! wasi:config, bound from the contract's own copy of its WIT.

#[allow(warnings, reason = "generated")]
mod bindings {
    plugwork_guest::wit_bindgen::generate!({
        inline: "package plugwork-tests:config-reader; world config-reader { import wasi:config/store@0.2.0-rc.1; }",
        path: "../../../../wit/deps/config",
        runtime_path: "::plugwork_guest::wit_bindgen::rt",
        generate_all,
    });
}

use bindings::wasi::config::store;

/// The value of a key, `none` where it has none.
pub(crate) fn get(key: &str) -> Result<String, String> {
    store::get(key).map(|value| value.unwrap_or_else(|| "none".to_owned())).map_err(|error| format!("{error:?}"))
}

/// Every key and value.
pub(crate) fn all() -> Result<String, String> {
    let mut values = store::get_all().map_err(|error| format!("{error:?}"))?;
    values.sort();
    Ok(values.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n"))
}
