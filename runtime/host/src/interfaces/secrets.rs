//! `plugwork:host/secrets`: handles to secrets. A handle can be put into a header of a request by the host; its text crosses to the guest
//! only where the grant says `reveal`.
//!
//! Where secrets come from is a [`SecretSource`]. Easy to get wrong: no error, log record or debug text here may be made from a secret's text,
//! so a [`Secret`] has no `Display` and its `Debug` says nothing.

use std::fmt;
use std::sync::Arc;

use plugwork_core::limits::{SECRET_BYTES_MAX, SECRET_HEADERS_MAX};
use plugwork_core::policy::Target;
use plugwork_core::policy::secrets::SecretsBounds;
use plugwork_core::{Denial, Issue, Refusal, Subject};
use wasmtime::component::{HasSelf, Linker, Resource};
use zeroize::Zeroizing;

use super::bindings::plugwork::host::fetch::{Request, Response};
use super::bindings::plugwork::host::secrets::{self, SecretHeader};
use super::bindings::plugwork::plugin::refusal::Refusal as WireRefusal;
use super::fetch::{SecretHeaders, Sender};
use super::storage::{Decider, Owner, Pending, StorageError};
use crate::account::Hold;
use crate::log::Level;
use crate::state::State;
use crate::usage::HostInterface;

/// A secret's text. Its memory is overwritten when the last owner lets go of it; it can be read by [`Secret::expose`] only.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes over a text, at most 8 KiB of it: more is an issue that does not repeat it.
    pub fn new(text: String) -> Result<Self, Issue> {
        let text = Zeroizing::new(text);
        if text.is_empty() || text.len() > SECRET_BYTES_MAX {
            return Err(Issue {
                what: format!("the secret has {} bytes", text.len()),
                at: String::new(),
                expected: format!("1 to {SECRET_BYTES_MAX} bytes"),
            });
        }
        Ok(Self(Arc::new(text)))
    }

    /// Its text. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where secrets come from.
pub trait SecretSource: Send + Sync + 'static {
    /// The secret of that name for this owner, if there is one. Errors never repeat what was read.
    fn read<'a>(&'a self, owner: &'a Owner, name: &'a str) -> Pending<'a, Option<Secret>>;
}

/// One plugin's secrets, within the bounds of its grant. What an instance is prepared with.
#[derive(Clone)]
pub struct GrantedSecrets(Arc<Granted>);

struct Granted {
    sources: Vec<Arc<dyn SecretSource>>,
    bounds: SecretsBounds,
    owner: Owner,
    decider: Decider,
}

impl GrantedSecrets {
    /// Secrets of this plugin; of several sources the first that has one counts.
    pub fn new(sources: Vec<Arc<dyn SecretSource>>, subject: &Subject, bounds: SecretsBounds) -> Self {
        let decider = Decider { capability: "secrets", codes: "E-CAP-SECRETS", entries: "names", plugin: subject.to_string() };
        Self(Arc::new(Granted { sources, bounds, owner: subject.into(), decider }))
    }

    /// A handle to a secret that the grant names. Its text is read now and does not change while the handle lives.
    pub async fn get(&self, name: &str) -> Result<HeldSecret, StorageError> {
        let granted = &self.0;
        granted.decider.obey(granted.bounds.decide_name(name))?;
        for source in &granted.sources {
            if let Some(secret) = source.read(&granted.owner, name).await? {
                return Ok(HeldSecret { granted: granted.clone(), name: name.to_owned(), secret, _memory: None });
            }
        }
        Err(StorageError::Absent(format!("secret `{name}`")))
    }
}

/// A secret behind a handle.
pub struct HeldSecret {
    granted: Arc<Granted>,
    name: String,
    secret: Secret,
    /// The host's memory for it, where a guest has the handle.
    _memory: Option<Hold>,
}

impl fmt::Debug for HeldSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeldSecret({})", self.name)
    }
}

impl HeldSecret {
    /// Its text, where the grant says `reveal`.
    pub fn reveal(&self) -> Result<Secret, StorageError> {
        self.granted.decider.obey(self.granted.bounds.decide_reveal(&self.name))?;
        Ok(self.secret.clone())
    }

    /// The header that carries it to this target, if the grant allows both.
    pub fn header(&self, name: &str, prefix: &str, target: &Target) -> Result<(http::HeaderName, http::HeaderValue), StorageError> {
        self.granted.decider.obey(self.granted.bounds.decide_use(&self.name, name, target))?;
        let invalid = |what: String, expected: &str| {
            StorageError::Invalid(Issue { what, at: format!("secrets/{}", self.name), expected: expected.to_owned() })
        };
        let header = http::HeaderName::try_from(name).map_err(|_| invalid("not a header's name".to_owned(), "a token of RFC 9110"))?;
        let text = Zeroizing::new([prefix, self.secret.expose()].concat());
        // The error of the conversion is not repeated: no text is to be made of what it was given.
        let mut value = http::HeaderValue::try_from(text.as_str())
            .map_err(|_| invalid("it cannot stand in a header".to_owned(), "visible ASCII, blanks and tabs"))?;
        value.set_sensitive(true);
        Ok((header, value))
    }
}

/// Defines `plugwork:host/secrets` over the instance's [`GrantedSecrets`].
pub fn link_secrets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    secrets::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Secrets))
}

impl secrets::Host for State {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<Resource<HeldSecret>, WireRefusal>> {
        let Some(granted) = State::get::<GrantedSecrets>(self).cloned() else {
            let denial = Denial {
                code: "E-CAP-NOT-GRANTED".to_owned(),
                permission: "plugwork:host/secrets".to_owned(),
                rule: "no secret was granted".to_owned(),
                hint: "grants.secrets = { names = [\"…\"], hosts = [\"…\"] }".to_owned(),
            };
            return Ok(Err(Refusal::Denied(denial).into()));
        };
        // Held while the handle lives: handles are many and cheap for a guest.
        let memory = match self.account().hold(SECRET_BYTES_MAX as u64) {
            Ok(memory) => memory,
            Err(denial) => return Ok(Err(Refusal::Denied(denial).into())),
        };
        match granted.get(&name).await {
            Ok(held) => Ok(Ok(self.table.push(HeldSecret { _memory: Some(memory), ..held })?)),
            Err(error) => Ok(Err(self.secret_refusal(error).into())),
        }
    }

    async fn reveal(&mut self, secret: Resource<HeldSecret>) -> wasmtime::Result<Result<String, WireRefusal>> {
        let revealed = self.table.get(&secret)?.reveal();
        Ok(revealed.map(|secret| secret.expose().to_owned()).map_err(|error| self.secret_refusal(error).into()))
    }

    async fn send(&mut self, mut request: Request, headers: Vec<SecretHeader>) -> wasmtime::Result<Result<Response, WireRefusal>> {
        let headers = match self.secret_headers(&mut request, &headers)? {
            Ok(headers) => headers,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let sender = Sender::of(self);
        Ok(sender.send(request, headers).await.map_err(Into::into))
    }
}

impl State {
    fn secret_refusal(&self, error: StorageError) -> Refusal {
        match error {
            StorageError::Denied(denial) => {
                self.account().denied(&denial);
                Refusal::Denied(denial)
            }
            StorageError::Invalid(issue) => Refusal::Invalid(issue),
            StorageError::Absent(what) => Refusal::Unavailable { reason: format!("this host has no {what}") },
            // Paths, modes and names of variables are the host's business: they go to its log.
            other => {
                self.log.write(Level::Warn, &format!("`secrets`: {other}"));
                Refusal::Unavailable { reason: "this host could not read the secret; its log says why".to_owned() }
            }
        }
    }

    /// The headers to add, each decided against where the request goes.
    fn secret_headers(&self, request: &mut Request, headers: &[SecretHeader]) -> wasmtime::Result<Result<SecretHeaders, Refusal>> {
        let invalid = |what: String, expected: String| Ok(Err(Refusal::Invalid(Issue { what, at: "secrets".to_owned(), expected })));
        if headers.is_empty() || headers.len() > SECRET_HEADERS_MAX {
            return invalid(format!("{} headers", headers.len()), format!("1 to {SECRET_HEADERS_MAX}"));
        }
        let target = match Target::parse(&request.url) {
            Ok(target) => target,
            Err(_) => return invalid("the URL cannot be read".to_owned(), "an absolute `http` or `https` URL".to_owned()),
        };
        // What was judged is what is sent: two readers of one odd URL can disagree about its host.
        target.as_str().clone_into(&mut request.url);
        let mut made = SecretHeaders::with_capacity(headers.len());
        for SecretHeader { name, prefix, secret } in headers {
            // Two fields of one name could be read as either: the guest's own, or another secret.
            let twice = request.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name))
                || made.iter().any(|(earlier, _)| earlier.as_str().eq_ignore_ascii_case(name));
            if twice {
                return invalid(format!("header `{}` is set twice", name.escape_debug()), "each header once".to_owned());
            }
            match self.table.get(secret)?.header(name, prefix, &target) {
                Ok(header) => made.push(header),
                Err(error) => return Ok(Err(self.secret_refusal(error))),
            }
        }
        Ok(Ok(made))
    }
}

impl secrets::HostSecret for State {
    async fn drop(&mut self, secret: Resource<HeldSecret>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;
    use std::future::ready;
    use std::sync::Mutex;

    use plugwork_core::Limits;

    use super::*;
    use crate::account::Account;
    use crate::log::Log;
    use crate::state::Prepared;

    /// Fails with the kind of text that a source has for its host.
    struct Failing;

    impl SecretSource for Failing {
        fn read<'a>(&'a self, _: &'a Owner, _: &'a str) -> Pending<'a, Option<Secret>> {
            Box::pin(ready(Err(StorageError::Unavailable("file of secrets `/etc/host/secrets.toml`: mode 644".to_owned()))))
        }
    }

    #[tokio::test]
    async fn why_a_source_failed_is_for_the_hosts_log_and_not_for_the_guest() {
        let account = Account::of_test(Limits::interactive());
        let subject = Arc::new(account.subject().clone());
        let logged = Arc::new(Mutex::new(String::new()));
        let theirs = logged.clone();
        let sink = move |_: &Subject, _: Level, message: &str| theirs.lock().unwrap().push_str(message);
        let log = Arc::new(Log::new(subject.clone(), Arc::new(sink), account.clone()));
        let bounds = serde_json::from_str(r#"{"names":["api-token"],"reveal":true}"#).unwrap();
        let granted = GrantedSecrets::new(vec![Arc::new(Failing)], &subject, bounds);
        let slots = vec![(TypeId::of::<GrantedSecrets>(), Box::new(granted) as Box<dyn std::any::Any + Send>)];
        let mut state = State::new(subject, log, Limits::interactive(), account, None, Prepared { slots, ..Prepared::default() });
        let told = secrets::Host::get(&mut state, "api-token".to_owned()).await.unwrap().unwrap_err();
        let told = format!("{told:?}");
        assert!(told.contains("could not read the secret"), "{told}");
        assert!(!told.contains("/etc") && !told.contains("644"), "{told}");
        assert!(logged.lock().unwrap().contains("`/etc/host/secrets.toml`: mode 644"));
    }
}
