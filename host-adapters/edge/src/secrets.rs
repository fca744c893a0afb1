//! Secrets as an application declares them: a plugin's own name for one stands for a label in the server's sources.
//!
//! Easily got wrong: an application names no variable and no file. It names a label, and the server's prefix or its one file says what that is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use plugwork::interfaces::secrets::{Secret, SecretSource};
use plugwork::interfaces::storage::{Owner, Pending};
use plugwork_core::application;

/// A source for the capability `secrets` that knows what each instance of a plugin declared. Clones are one.
#[derive(Clone)]
pub struct DeclaredSecrets(Arc<Inner>);

struct Inner {
    environment: Box<dyn SecretSource>,
    file: Box<dyn SecretSource>,
    /// By tenant and instance.
    declared: RwLock<HashMap<(String, String), BTreeMap<String, application::SecretSource>>>,
}

impl DeclaredSecrets {
    /// Labels of `{ environment = … }` are looked up in the first, those of `{ file = … }` in the second.
    pub fn new(environment: impl SecretSource, file: impl SecretSource) -> Self {
        Self(Arc::new(Inner { environment: Box::new(environment), file: Box::new(file), declared: RwLock::default() }))
    }

    pub(crate) fn declare(&self, tenant: &str, instance: &str, secrets: &BTreeMap<String, application::SecretSource>) {
        let key = (tenant.to_owned(), instance.to_owned());
        self.0.declared.write().unwrap_or_else(PoisonError::into_inner).insert(key, secrets.clone());
    }

    pub(crate) fn forget(&self, tenant: &str, instance: &str) {
        let key = (tenant.to_owned(), instance.to_owned());
        self.0.declared.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    fn source(&self, owner: &Owner, name: &str) -> Option<application::SecretSource> {
        let key = (owner.tenant.clone(), owner.instance.clone());
        self.0.declared.read().unwrap_or_else(PoisonError::into_inner).get(&key)?.get(name).cloned()
    }
}

impl SecretSource for DeclaredSecrets {
    fn read<'a>(&'a self, owner: &'a Owner, name: &'a str) -> Pending<'a, Option<Secret>> {
        Box::pin(async move {
            match self.source(owner, name) {
                Some(application::SecretSource::Environment(label)) => self.0.environment.read(owner, &label).await,
                Some(application::SecretSource::File(label)) => self.0.file.read(owner, &label).await,
                None => Ok(None),
            }
        })
    }
}
