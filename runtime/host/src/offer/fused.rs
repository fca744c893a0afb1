//! Fusing: two plugins made one component before they are offered, where both have one owner and one grant.
//!
//! Calls between them then cost nanoseconds, and nothing stands between them any more: one store, one budget, one fault domain. That is why what was granted to
//! one has to be what was granted to the other; a right that only one of them has would be the other one's too.

use plugwork_component::fuse;
use plugwork_core::{Denial, Grants, Subject};

use super::Offer;
use crate::error::{Error, ErrorKind, Result};
use crate::plugin::Plugin;
use crate::source::Source;

/// Stable, for machines.
const OWNER: &str = "E-WIRE-FUSE-OWNER";
const RIGHTS: &str = "E-WIRE-FUSE-RIGHTS";
const GUARDED: &str = "E-WIRE-FUSE-GUARDED";

impl Offer {
    /// Makes one component of this plugin and another one whose exports it imports. Consent is to the whole, whose digest is its own; name, manifest and
    /// configuration are this one's.
    ///
    /// # Errors
    /// Of kind `Invalid` where they do not go together: nothing fits, or the provider has a lifecycle, which nobody would call. Accepting it is refused where
    /// the two are of different tenants or namespaces, or were not granted the same.
    pub async fn fuse(mut self, provider: &Plugin) -> Result<Self> {
        if provider.account().revoked() {
            return Err(Error::new(ErrorKind::Refused, format!("consent to `{}` was revoked", provider.subject())).of(&self.subject));
        }
        may_be_inside(provider, &self.subject)?;
        let (caller, generation) = (self.source.clone(), provider.generation().clone());
        let name = format!("cannot make `{}` and `{}` one", self.subject, generation.subject);
        let composed = tokio::task::spawn_blocking(move || {
            let (caller, provider) = (caller.load()?, generation.source.load()?);
            fuse(&caller, &provider).map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))
        });
        let composed = composed.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Engine, "the host is stopping")));
        let composed = composed.map_err(|error| Error::new(error.kind(), format!("{name}: {error}")).of(&self.subject))?;
        self.source = Source::bytes(composed);
        self.facts = self.runtime.shared().cache.facts(&self.source).await?;
        self.subject.digest = self.source.digest();
        self.fused.push((provider.subject().clone(), provider.grants().clone()));
        // Consent to a part ends the whole.
        Ok(self.no_later_than(provider.account().expires_ms()))
    }
}

/// Whether nobody has a say before calls of it: from inside of one component nobody would be asked.
fn may_be_inside(provider: &Plugin, subject: &Subject) -> Result<()> {
    let Some((export, guards)) = provider.generation().guarded.shown().next() else { return Ok(()) };
    let rule =
        format!("`{export}` of `{}` is guarded by {}, and calls inside of one component ask nobody", provider.subject(), guards.join(", "));
    let hint = "wire them: each call then asks the guards".to_owned();
    let denial = Denial { code: GUARDED.to_owned(), permission: export.to_string(), rule, hint };
    Err(Error::refused(format!("cannot make `{subject}` and `{}` one:", provider.subject()), vec![denial]).of(subject))
}

/// Whether plugins may be one: all have one owner and one grant.
pub(super) fn may_be_one(subject: &Subject, grants: &Grants, others: &[(Subject, Grants)]) -> Result<()> {
    let mut denials = Vec::new();
    let mut deny = |code: &str, rule: String, hint: &str| {
        denials.push(Denial { code: code.to_owned(), permission: "call".to_owned(), rule, hint: hint.to_owned() });
    };
    for (other, theirs) in others {
        if (&other.tenant, other.package.namespace()) != (&subject.tenant, subject.package.namespace()) {
            deny(OWNER, format!("`{other}` has another owner"), "wire them: each then has its own store");
        }
        if rights(theirs) != rights(grants) {
            let rule = format!("`{other}` was granted something else, and each would have what the other one has");
            deny(RIGHTS, rule, "grant both the same, or wire them: each then has its own rights");
        }
    }
    if denials.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!("cannot accept `{subject}` as one component with others:"), denials).of(subject))
}

/// What is compared: all but how each runs, and whom each may call, which is connected inside or asked of the whole.
fn rights(grants: &Grants) -> Grants {
    let kept = grants.iter().filter(|grant| !matches!(grant.capability.as_str(), "engine" | "call"));
    kept.fold(Grants::none(), |rights, grant| rights.with(&grant.capability, grant.bounds))
}
