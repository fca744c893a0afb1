//! plugwork:host/secrets through the SDK: `secrets VERB NAME …`.

use plugwork_guest::fetch::Request;
use plugwork_guest::{Refusal, secrets};

use crate::{text, unknown};

pub(crate) fn run(arguments: &[&str]) -> Result<String, String> {
    let [verb, name, rest @ ..] = arguments else { return Err(unknown(arguments)) };
    let secret = secrets::get(name).map_err(told)?;
    match (*verb, rest) {
        ("get", []) => Ok(format!("{secret:?}")),
        ("reveal", []) => secret.reveal().map_err(told),
        ("send", [url]) => send(Request::get(*url), &[secret.bearer()]),
        ("send", [url, header, prefix]) => send(Request::get(*url), &[secret.header(header, prefix)]),
        ("send-beside", [url, header, value]) => send(Request::get(*url).header(*header, *value), &[secret.bearer()]),
        ("send-twice", [url]) => send(Request::get(*url), &[secret.bearer(), secret.bearer()]),
        ("send-none", [url]) => send(Request::get(*url), &[]),
        ("panic", [url]) => panic!("after {:?}", send(Request::get(*url), &[secret.bearer()])),
        _ => Err(unknown(arguments)),
    }
}

fn send(request: Request, headers: &[secrets::SecretHeader<'_>]) -> Result<String, String> {
    secrets::send(request, headers).map(|response| format!("{} {}", response.status, text(&response.body))).map_err(told)
}

fn told(refusal: Refusal) -> String {
    format!("{refusal:?}")
}
