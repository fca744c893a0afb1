//! Secrets from the variables of the host's process, behind a prefix that the host chose.
//!
//! Variables belong to nobody in particular, so they are for the tenant `default` only. Easy to get wrong: the prefix is what keeps `PATH` or a
//! cloud key from being a secret that somebody grants by mistake; it cannot be empty.

use std::future::ready;

use plugwork::interfaces::secrets::{Secret, SecretSource};
use plugwork::interfaces::storage::{Owner, Pending, StorageError};
use plugwork_core::Issue;
use plugwork_core::name::is_label;

/// Reads `PREFIX` + name: with the prefix `PLUGWORK_SECRET_`, the secret `api-token` is the variable `PLUGWORK_SECRET_API_TOKEN`.
#[derive(Debug, Clone)]
pub struct EnvironmentSecrets {
    prefix: String,
}

impl EnvironmentSecrets {
    /// Variables that begin with the prefix: upper case letters, digits and `_`, at least one letter, `_` at its end.
    pub fn new(prefix: &str) -> Result<Self, Issue> {
        let plain = prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if plain && prefix.starts_with(|first: char| first.is_ascii_uppercase()) && prefix.ends_with('_') {
            return Ok(Self { prefix: prefix.to_owned() });
        }
        Err(Issue {
            what: format!("`{}` is no prefix", prefix.escape_debug()),
            at: "prefix".to_owned(),
            expected: "upper case letters, digits and `_`, such as `PLUGWORK_SECRET_`".to_owned(),
        })
    }

    fn find(&self, owner: &Owner, name: &str) -> Result<Option<Secret>, StorageError> {
        if owner.tenant != super::TENANT || !is_label(name) {
            return Ok(None);
        }
        // A label has no `_`, so no two names mean one variable.
        let variable = format!("{}{}", self.prefix, name.to_ascii_uppercase().replace('-', "_"));
        match std::env::var(&variable) {
            Ok(text) if text.is_empty() => Ok(None),
            Ok(text) => Secret::new(text).map(Some).map_err(|issue| StorageError::Unavailable(format!("variable `{variable}`: {issue}"))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            // Its own text would show what it holds.
            Err(std::env::VarError::NotUnicode(_)) => Err(StorageError::Unavailable(format!("variable `{variable}` is not text"))),
        }
    }
}

impl SecretSource for EnvironmentSecrets {
    fn read<'a>(&'a self, owner: &'a Owner, name: &'a str) -> Pending<'a, Option<Secret>> {
        Box::pin(ready(self.find(owner, name)))
    }
}
