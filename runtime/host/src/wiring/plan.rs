//! Which plugin is behind which import, decided when an offer is accepted.
//!
//! Those that the application names come first, then installations of the same tenant that the grant `call` lets it call. Whether an export fits is asked of the
//! resolver's own rule: what resolves also links. Easily got wrong: an import that a host has is never a plugin's.

use std::collections::BTreeSet;
use std::sync::Arc;

use plugwork_component::{Linkage, linkage};
use plugwork_core::lifecycle::Stage;
use plugwork_core::policy::Decision;
use plugwork_core::policy::call::CallBounds;
use plugwork_core::reach::{self, CALL, Wired};
use plugwork_core::record::ConsentKey;
use plugwork_core::resolve::{Compatibility, Interface, Structural};
use plugwork_core::{Denial, Grants, InterfaceName, Subject};

use super::{Provider, Wire, Wires};
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::inspect::Facts;
use crate::runtime::Runtime;
use crate::source::Source;

/// Providers that were noted for a plugin while its offer is accepted: forgotten again unless that comes to its end.
pub(crate) struct Entered {
    runtime: Runtime,
    caller: ConsentKey,
    new: Vec<ConsentKey>,
    all: BTreeSet<ConsentKey>,
}

impl Entered {
    /// It was accepted: it is wired to these and to nobody else.
    pub(crate) fn settle(mut self) {
        self.new.clear();
        self.runtime.shared().circles.settle(&self.caller, std::mem::take(&mut self.all));
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.new.is_empty() {
            self.runtime.shared().circles.leave(&self.caller, &self.new);
        }
    }
}

/// Stable, for machines.
const REVOKED: &str = "E-CONSENT-REVOKED";
const TENANT: &str = "E-WIRE-TENANT";
const AMBIGUOUS: &str = "E-WIRE-AMBIGUOUS";
const CIRCLE: &str = "E-WIRE-CIRCLE";
const MISFIT: &str = "E-WIRE-MISFIT";

impl Wires {
    /// As what could be reached is decided on.
    pub(crate) fn standing(&self) -> Vec<Wired> {
        let wired = |wire: &Wire| Wired { import: wire.import.clone(), provider: self.providers[wire.slot].key().package };
        self.wires.iter().map(wired).collect()
    }
}

/// Who asks to be wired.
pub(crate) struct Asking<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) subject: &'a Subject,
    pub(crate) facts: &'a Facts,
    pub(crate) source: &'a Source,
    pub(crate) grants: &'a Grants,
    /// Those that the application named, first come first.
    pub(crate) named: &'a [Provider],
}

impl Asking<'_> {
    /// Finds who is behind each import that only a plugin can satisfy. An import that nobody satisfies is not in the answer.
    pub(crate) async fn plan(&self) -> Result<(Wires, Entered)> {
        let version = self.facts.manifest()?.map(|manifest| manifest.version.to_string()).unwrap_or_default();
        let is_named = !self.named.is_empty();
        let mut wires = Wires { version, runtime: self.runtime.downgrade(), is_named, ..Wires::default() };
        let runtime = self.runtime.clone();
        let mut entered = Entered { runtime, caller: self.subject.into(), new: Vec::new(), all: BTreeSet::new() };
        let mut own: Option<Linkage> = None;
        // What each provider is linked with, read once, in the order of the slots.
        let mut theirs: Vec<(Arc<Generation>, Linkage)> = Vec::new();
        for import in self.of_plugins() {
            let Some(provider) = self.provider(&import)? else { continue };
            let known = wires.providers.iter().position(|known| known.key() == provider.key());
            let slot = match known {
                Some(slot) => slot,
                None => {
                    self.no_circle(&provider, &mut entered)?;
                    let version = match self.version(&provider).await {
                        Ok(version) => version,
                        // It goes without what is optional, as it would without a provider.
                        Err(error) if error.kind() == ErrorKind::Unavailable && self.is_optional() => continue,
                        Err(error) => return Err(error),
                    };
                    if version.account.revoked() {
                        let rule = format!("consent to `{}` was revoked", version.subject);
                        return Err(self.denied(REVOKED, &import.to_string(), rule, "consent to it again"));
                    }
                    let linkage = read(&version.source, &version.subject).await?;
                    theirs.push((version, linkage));
                    wires.providers.push(provider);
                    wires.providers.len() - 1
                }
            };
            let own = match &mut own {
                Some(own) => own,
                none => none.insert(read(self.source, self.subject).await?),
            };
            let (version, linkage) = &theirs[slot];
            let export = self.fitting(&import, own, linkage, &version.subject)?;
            wires.wires.push(Wire { import, export, slot });
        }
        Ok((wires, entered))
    }

    /// Whether its manifest says that it runs without those whom it calls.
    fn is_optional(&self) -> bool {
        let manifest = self.facts.manifest().ok().flatten();
        manifest.is_some_and(|manifest| manifest.permissions.get(CALL).is_some_and(|asked| asked.optional))
    }

    fn denied(&self, code: &str, permission: &str, rule: String, hint: &str) -> Error {
        let denial = Denial { code: code.to_owned(), permission: permission.to_owned(), rule, hint: hint.to_owned() };
        Error::refused(format!("cannot wire `{}`:", self.subject), vec![denial]).of(self.subject)
    }

    /// Imports that no host has.
    fn of_plugins(&self) -> Vec<InterfaceName> {
        let offered = self.runtime.shared().offered();
        let imports = self.facts.imports().into_iter().filter(|import| !import.types_only).map(|import| import.interface);
        imports.filter(|import| !reach::is_by_host(import, &offered)).collect()
    }

    fn provider(&self, import: &InterfaceName) -> Result<Option<Provider>> {
        let exports = |provider: &Provider| provider.exports(import);
        if let Some(named) = self.named.iter().find(|provider| exports(provider)) {
            let key = named.key();
            if key.tenant != self.subject.tenant {
                let rule = format!("`{}` is of tenant `{}`", named.name(), key.tenant);
                return Err(self.denied(TENANT, &import.to_string(), rule, "wire a provider of the same tenant"));
            }
            return Ok(Some(named.clone()));
        }
        let Some(bounds) = CallBounds::of(self.grants) else { return Ok(None) };
        let members = self.runtime.shared().members.all().into_iter();
        let callable = members.filter(|member| {
            member.key.tenant == self.subject.tenant && member.key != ConsentKey::from(self.subject) && member.native.is_none()
        });
        let fits = callable.filter(|member| bounds.decide(import, &member.key.package) == Decision::Allow).map(Provider::Installed);
        let mut found: Vec<Provider> = fits.filter(exports).collect();
        if found.len() > 1 {
            return Err(self.ambiguous(import, &found));
        }
        Ok(found.pop())
    }

    fn ambiguous(&self, import: &InterfaceName, found: &[Provider]) -> Error {
        let names: Vec<String> = found.iter().map(|provider| format!("`{}`", provider.name())).collect();
        let rule = format!("{} export it, and the grant allows all of them", names.join(" and "));
        let package = found[0].key().package;
        let hint = match found.iter().all(|provider| provider.key().package == package) {
            true => "keep one installation of it, or have the application name the one to be wired".to_owned(),
            false => format!("grants.call = {{ plugins = [\"{package}\"] }}"),
        };
        self.denied(AMBIGUOUS, &import.to_string(), rule, &hint)
    }

    /// Both ends are known from here on, before anything of the provider is loaded.
    fn no_circle(&self, provider: &Provider, entered: &mut Entered) -> Result<()> {
        // A version that was accepted already is wired to nobody who comes after it.
        let Provider::Installed(member) = provider else { return Ok(()) };
        let noted = self.runtime.shared().circles.enter(&entered.caller, &member.key).map(|is_new| {
            entered.new.extend(is_new.then(|| member.key.clone()));
            entered.all.insert(member.key.clone());
        });
        noted.map_err(|way| {
            let names: Vec<String> = way.iter().map(|key| format!("`{key}`")).collect();
            let rule = format!("it would be wired to itself: {}", names.join(" → "));
            self.denied(CIRCLE, CALL, rule, "take the import out of one of them, or wire one to another provider")
        })
    }

    /// The version whose types are compared.
    async fn version(&self, provider: &Provider) -> Result<Arc<Generation>> {
        if let Provider::Installed(member) = provider
            && member.state().stage() == Stage::Installed
            && let Some(ready) = member.ready()
        {
            return Ok(ready);
        }
        provider.current(self.runtime.downgrade().upgrade()).await
    }

    fn fitting(&self, import: &InterfaceName, own: &Linkage, theirs: &Linkage, provider: &Subject) -> Result<InterfaceName> {
        let unknown = Interface::new(import.clone());
        let asked = own.imports.iter().find(|asked| asked.name == *import).unwrap_or(&unknown);
        let mut why = format!("`{provider}` does not export it");
        for export in theirs.exports.iter().filter(|export| export.name.path() == import.path()) {
            match Structural.judge(asked, export) {
                Ok(()) => return Ok(export.name.clone()),
                Err(misfit) => why = format!("`{provider}` does not fit: {misfit}"),
            }
        }
        Err(self.denied(MISFIT, &import.to_string(), why, &format!("take another version of `{}`", provider.package)))
    }
}

impl Provider {
    /// Whether it exports the interface, in a version that could fit.
    fn exports(&self, import: &InterfaceName) -> bool {
        let fits = |exports: &[InterfaceName]| exports.iter().any(|export| export.path() == import.path());
        match self {
            Self::Version(generation) => fits(&generation.facts.exports),
            Self::Installed(member) => fits(&member.settings.load().points) && member.state().stage() != Stage::Removed,
        }
    }
}

/// Reads what it is linked with anew: where the bytes are elsewhere they are fetched, which blocks.
async fn read(source: &Source, subject: &Subject) -> Result<Linkage> {
    let source = source.clone();
    let read = move || linkage(&source.load()?).map_err(|error| Error::new(ErrorKind::Component, error.to_string()));
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|_| Err(Error::new(ErrorKind::Engine, "the host is stopping"))).map_err(|error| error.of(subject))
}
