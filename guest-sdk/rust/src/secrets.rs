//! Secrets that the host keeps: used in a header of a request without being seen.
//!
//! A plugin that calls anything in here imports `plugwork:host/secrets`, and needs `[permissions.secrets]` and, to send, `[permissions.http]`.
//! Easy to get wrong: a [`Secret`] has no text. [`Secret::reveal`] gives it, where the grant has that right; most plugins need not ask for it.

use crate::fetch::{Request, Response};
use crate::refusal::Result;

/// A secret that the plugin may use.
#[derive(Debug)]
pub struct Secret(#[cfg(target_arch = "wasm32")] crate::bindings::secrets::Secret);

/// A header that carries a secret: its name, what stands before the text, and the secret.
#[derive(Debug, Clone, Copy)]
pub struct SecretHeader<'a> {
    /// The one that the grant names, in any case.
    pub name: &'a str,
    /// Such as `Bearer ` with its blank; may be empty; at most 256 bytes.
    pub prefix: &'a str,
    /// The secret.
    pub secret: &'a Secret,
}

impl Secret {
    /// As `authorization: Bearer …`.
    pub fn bearer(&self) -> SecretHeader<'_> {
        self.header("authorization", "Bearer ")
    }

    /// As a header of any name.
    pub fn header<'a>(&'a self, name: &'a str, prefix: &'a str) -> SecretHeader<'a> {
        SecretHeader { name, prefix, secret: self }
    }
}

/// A handle to a secret that the grant names.
#[cfg(target_arch = "wasm32")]
pub fn get(name: &str) -> Result<Secret> {
    crate::bindings::secrets::get(name).map(Secret)
}

#[cfg(target_arch = "wasm32")]
impl Secret {
    /// Its text; `denied` without the right to see it.
    pub fn reveal(&self) -> Result<String> {
        crate::bindings::secrets::reveal(&self.0)
    }
}

/// Sends a request with one to eight headers that carry secrets. No redirect is followed.
#[cfg(target_arch = "wasm32")]
pub fn send(request: Request, headers: &[SecretHeader<'_>]) -> Result<Response> {
    let headers: Vec<_> = headers
        .iter()
        .map(|header| crate::bindings::secrets::SecretHeader {
            name: header.name.to_owned(),
            prefix: header.prefix.to_owned(),
            secret: &header.secret.0,
        })
        .collect();
    crate::bindings::secrets::send(&request, &headers)
}

/// Refuses: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn get(name: &str) -> Result<Secret> {
    Err(crate::refusal::Refusal::unavailable(format!("no host that has a secret `{name}`")))
}

#[cfg(not(target_arch = "wasm32"))]
impl Secret {
    /// Refuses: outside WebAssembly there is no host.
    pub fn reveal(&self) -> Result<String> {
        Err(crate::refusal::Refusal::unavailable("no host that has secrets"))
    }
}

/// Refuses: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn send(request: Request, _: &[SecretHeader<'_>]) -> Result<Response> {
    Err(crate::refusal::Refusal::unavailable(format!("no host to fetch `{}` with", request.url)))
}
