//! An offer: a component that was read and checked and has not run. Accepting it is the only way to a [`Plugin`].

mod fused;
mod standing;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use plugwork_component::Report;
use plugwork_core::limits::OPTIONS_BYTES_MAX;
use plugwork_core::policy::engine::EngineBounds;
use plugwork_core::reach::{self, Kind, Reach, Wired};
use plugwork_core::{Denial, Digest, Grants, InterfaceName, Issue, Limits, Manifest, PackageName, Permission, Subject};
use serde_json::{Map, Value};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use crate::engine::{Profile, Variant};
use crate::error::{Error, ErrorKind, Result};
use crate::generation::{ConfiguredByName, Generation, Work};
use crate::guards::{GuardPoint, GuardedExports};
use crate::inspect::Facts;
use crate::installation::Installation;
use crate::interfaces::lifecycle;
use crate::link::{self, Parts};
use crate::plugin::Plugin;
use crate::runtime::Runtime;
use crate::source::Source;
use crate::state::State;
use crate::wiring::plan::Asking;
use crate::wiring::view::{View, Views};
use crate::wiring::{Provider, Wires};

/// The capability that lets a plugin run in the full profile.
const ENGINE: &str = "engine";
const HANDOVER: &str = "plugwork:plugin/handover";

/// A component, read and checked. Nothing of it has run.
pub struct Offer {
    runtime: Runtime,
    source: Source,
    facts: Arc<Facts>,
    manifest: Option<Manifest>,
    subject: Subject,
    configuration: Value,
    limits: Option<Limits>,
    approval: Approval,
    /// Plugins that the application wants behind its imports.
    wired: Vec<Provider>,
    /// Guards that the application named.
    guards: Vec<Arc<Generation>>,
    /// Plugins that were made one with it, with what they were granted.
    fused: Vec<(Subject, Grants)>,
}

/// How consent to an offer is put on record.
struct Approval {
    by: String,
    reason: String,
    expires_ms: Option<u64>,
    recorded: bool,
    /// The record that is resumed.
    rests_on: Option<u64>,
    /// Whether that record is the consent itself, and not only as late as it.
    resumes: bool,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offer({} {})", self.subject, self.source.digest().short())
    }
}

impl Offer {
    pub(crate) async fn make(runtime: &Runtime, source: &Source) -> Result<Self> {
        let facts = runtime.shared().cache.facts(source).await?;
        let manifest = facts.manifest()?;
        let package = match &manifest {
            Some(manifest) => manifest.name.clone(),
            None => local_name(source),
        };
        let subject = Subject { tenant: "default".to_owned(), instance: String::new(), package, digest: source.digest() };
        let configuration = Value::Object(Map::new());
        let (by, reason) = ("application".to_owned(), String::new());
        let approval = Approval { by, reason, expires_ms: None, recorded: true, rests_on: None, resumes: false };
        Ok(Self {
            runtime: runtime.clone(),
            source: source.clone(),
            facts,
            manifest,
            subject,
            configuration,
            limits: None,
            approval,
            wired: Vec::new(),
            guards: Vec::new(),
            fused: Vec::new(),
        })
    }

    /// For one of several tenants: state never crosses them. Default `default`.
    pub fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.subject.tenant);
        self
    }

    /// Names this one of several instances of one plugin, such as a pipeline step. Default: empty.
    pub fn instance(mut self, instance: &str) -> Self {
        instance.clone_into(&mut self.subject.instance);
        self
    }

    /// Names the package of a component that carries no manifest, which is otherwise named after its file. What it keeps is kept under that name, so it
    /// is to be one that stays from version to version. A manifest's own name stands.
    pub fn unless_named(mut self, package: PackageName) -> Self {
        if self.manifest.is_none() {
            self.subject.package = package;
        }
        self
    }

    /// The configuration handed to the plugin's `init`: a JSON object of at most 64 KiB, which accepting checks.
    pub fn configuration(mut self, configuration: Value) -> Self {
        self.configuration = configuration;
        self
    }

    /// Limits instead of the runtime's. What the manifest promises still tightens them.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Puts another plugin behind what this one imports from plugins, as far as that one exports it: the version that it is. Of several the first that exports an
    /// interface is behind it. The grant `call` has to allow it. Without this, installations of the same tenant that `call` allows are behind them.
    pub fn wire(mut self, provider: &Plugin) -> Self {
        self.wired.push(Provider::Version(provider.generation().clone()));
        self
    }

    /// The same with an installation: calls go to whichever version of it is current. It has no native plugin behind anything.
    pub fn wire_installed(mut self, provider: &Installation) -> Self {
        self.wired.push(Provider::Installed(provider.member().clone()));
        self
    }

    /// Lets this plugin be asked where a manifest or the application has calls of this one guarded by a plugin of its name: the version that it is. Without this, whoever
    /// is active for the same tenant under that name is asked.
    pub fn guard(mut self, guard: &Plugin) -> Self {
        self.guards.push(guard.generation().clone());
        self
    }

    /// Who consents (or declines), and why: for the records. Default: `application`, without a reason.
    pub fn by(mut self, approver: &str, reason: &str) -> Self {
        approver.clone_into(&mut self.approval.by);
        reason.clone_into(&mut self.approval.reason);
        self
    }

    /// Until when the consent lasts, in Unix milliseconds. Default: until it is revoked.
    pub fn expires_ms(mut self, expires_ms: u64) -> Self {
        self.approval.expires_ms = Some(expires_ms);
        self
    }

    /// Consent for the life of this process only: it is not put on record, and changes nothing that is. It can be revoked all the same.
    pub fn unrecorded(mut self) -> Self {
        self.approval.recorded = false;
        self
    }

    /// The consent of this process that it has already: as of that record, and until then at the latest.
    pub(crate) fn consented_at(mut self, since: u64, expires_ms: Option<u64>) -> Self {
        self.approval.rests_on = Some(since);
        self.until(expires_ms).unrecorded()
    }

    /// Until when the consent lasts, where nobody said so yet.
    pub(crate) fn until(mut self, expires_ms: Option<u64>) -> Self {
        self.approval.expires_ms = self.approval.expires_ms.or(expires_ms);
        self
    }

    /// Until then at the latest, whoever said what.
    pub(crate) fn no_later_than(mut self, expires_ms: Option<u64>) -> Self {
        self.approval.expires_ms = self.approval.expires_ms.into_iter().chain(expires_ms).min();
        self
    }

    /// Whose plugin it would be.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The digest of the component.
    pub fn digest(&self) -> Digest {
        self.source.digest()
    }

    /// The manifest it carries, if any.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The points it exports.
    pub fn points(&self) -> impl Iterator<Item = &InterfaceName> {
        self.facts.points()
    }

    /// What it asks for. A component without a manifest asks by what it imports: see [`Offer::reach`].
    pub fn permissions(&self) -> Permissions<'_> {
        Permissions(self.manifest.as_ref().map(|manifest| manifest.permissions.values().collect()).unwrap_or_default())
    }

    /// What it could reach with these grants, import by import. Nothing is decided or linked by asking.
    pub fn reach(&self, grants: &Grants) -> Vec<Reach> {
        self.decided(grants, &[])
    }

    fn decided(&self, grants: &Grants, wired: &[Wired]) -> Vec<Reach> {
        let offered = self.runtime.shared().offered();
        reach::decide(&self.facts.imports(), self.manifest.as_ref(), grants, &offered, wired)
    }

    /// Everything the component says about itself. Parses it anew: milliseconds for a megabyte.
    pub fn report(&self) -> Result<Report> {
        if self.source.is_elsewhere() {
            let message = format!("the file of `{}` was not fetched yet: make the offer from its bytes", self.subject);
            return Err(Error::new(ErrorKind::Invalid, message).of(&self.subject));
        }
        plugwork_component::read(&self.source.load()?).map_err(|error| Error::new(ErrorKind::Component, error.to_string()))
    }

    /// Accepts it with everything it asks for, optional permissions included, exactly as asked. Bounds that only a host can give (the
    /// root of `filesystem`) are missing then: use [`Offer::accept_only`].
    pub async fn accept(self) -> Result<Plugin> {
        let grants = self.manifest.as_ref().map(Grants::all_asked).unwrap_or_default();
        self.accept_only(grants).await
    }

    /// Accepts it with these grants and no more. An error of kind `Refused` names every import that stays without what it needs.
    ///
    /// Compiles the component unless the cache has it; nothing of it runs.
    pub async fn accept_only(self, grants: Grants) -> Result<Plugin> {
        let runtime = self.runtime.shared();
        let subject = &self.subject;
        let wrong = |issues: Vec<Issue>| {
            Error::invalid(ErrorKind::Refused, format!("cannot accept `{subject}` with these grants:"), issues).of(subject)
        };
        let configuration = self.configuration.to_string();
        if !self.configuration.is_object() || configuration.len() > OPTIONS_BYTES_MAX {
            let issue = Issue {
                what: format!("{} bytes that begin with `{}`", configuration.len(), configuration.chars().take(16).collect::<String>()),
                at: "configuration".to_owned(),
                expected: format!("a JSON object of at most {OPTIONS_BYTES_MAX} bytes"),
            };
            return Err(Error::invalid(ErrorKind::Invalid, format!("cannot configure `{subject}`:"), vec![issue]).of(subject));
        }
        let grants = grants.narrowing(self.manifest.as_ref()).map_err(wrong)?;
        fused::may_be_one(subject, &grants, &self.fused)?;
        let asking =
            Asking { runtime: &self.runtime, subject, facts: &self.facts, source: &self.source, grants: &grants, named: &self.wired };
        let (mut wires, entered) = asking.plan().await?;
        wires.is_named |= !self.fused.is_empty();
        let wires = Arc::new(wires);
        let reach = self.decided(&grants, &wires.standing());
        let mut denials = self.denials(&reach);
        let profile = self.profile(&grants, &mut denials);
        if !denials.is_empty() {
            if let Some(audit) = &runtime.audit {
                denials.iter().for_each(|denial| audit.denial(subject, denial));
            }
            return Err(Error::refused(format!("cannot accept `{subject}`: it needs what was not granted:"), denials).of(subject));
        }
        let guarded = runtime.guards.guarded(&self.facts, self.manifest.as_ref()).map_err(|issues| {
            Error::invalid(ErrorKind::Manifest, format!("the guards of `{subject}` are not those of what it exports:"), issues).of(subject)
        })?;
        self.guards_are_asked(&guarded)?;
        let configured = link::configure(runtime, subject, &grants).map_err(wrong)?;
        let loaded = runtime.reserve(subject)?;
        let limits = self.limits.unwrap_or(runtime.limits);
        limits.check().map_err(|issue| Error::invalid(ErrorKind::Invalid, format!("the limits of `{subject}` are wrong:"), vec![issue]))?;
        let limits = self.manifest.as_ref().map_or(limits, |manifest| limits.tightened_by(&manifest.limits));
        let variant = Variant { profile, fuel: limits.fuel.is_some() };
        let engine = runtime.engines.get(variant)?;
        let component = runtime.cache.component(engine, variant, &self.source).await.map_err(|error| {
            self.note_compile_failure(&error);
            error.of(subject)
        })?;
        let pre = self.link(engine, &component, &reach, &configured, &wires)?;
        let lifecycle = match self.facts.has_lifecycle() {
            true => Some(lifecycle::find(&pre).map_err(|error| Error::new(ErrorKind::Compile, format!("{error:#}")).of(subject))?),
            false => None,
        };
        let since = self.consented(&grants).await?;
        let account = runtime.account(&self.subject, since, limits);
        account.expires(self.approval.expires_ms);
        account.end_if_expired(runtime.clock.now_ms());
        // Who takes consent back from here on finds the account; what was taken back before is seen now.
        self.still_stands(since).await?;
        let uses_wasi = reach.iter().any(|reach| reach.kind != Kind::Types && reach.interface.path().starts_with("wasi:"));
        let (reuse_calls, at_once) = reuse(&grants, &limits);
        // A call of another plugin has one call's deadline, and a room has those of many.
        let at_once = if wires.is_empty() { at_once } else { 1 };
        let generation = Arc::new(Generation {
            number: Generation::next_number(),
            subject: Arc::new(self.subject.clone()),
            facts: self.facts.clone(),
            own: Arc::new(View::new(grants, configured, pre)),
            views: Views::default(),
            wires,
            guarded,
            guards_named: self.guards,
            reach,
            limits,
            limits_given: self.limits,
            source: self.source.clone(),
            recorded: since > 0 && (self.approval.recorded || self.approval.resumes),
            account,
            profile,
            component,
            lifecycle,
            handover: self.facts.exports.iter().any(|export| export.path() == HANDOVER),
            uses_wasi,
            configuration,
            ticker: runtime.engines.ticker.clone(),
            sink: runtime.outlet.clone(),
            runtime: self.runtime.downgrade(),
            work: Work::new(reuse_calls, at_once, runtime.breaker, loaded),
            manifest: self.manifest,
        });
        generation.account.runs(&generation);
        runtime.watch_generation(&generation);
        entered.settle();
        Ok(Plugin::new(generation))
    }

    /// Whether each guard that the application named is one, of the same tenant, and somebody whom calls of this are asked of.
    fn guards_are_asked(&self, guarded: &GuardedExports) -> Result<()> {
        let wrong = |why: String| Err(Error::new(ErrorKind::Invalid, why).of(&self.subject));
        for guard in &self.guards {
            let (name, tenant) = (&guard.subject, &guard.subject.tenant);
            if *tenant != self.subject.tenant {
                return wrong(format!("`{name}` is of tenant `{tenant}`, and guards nothing of `{}`", self.subject));
            }
            if !guard.has::<GuardPoint>() {
                return wrong(format!("`{name}` is no guard: it does not export `{}`", plugwork_core::guard::GUARD));
            }
            if !guarded.names(&name.package) {
                let hint = "hint: `[guards]` of its manifest, or `Builder::guard_by`, says what is guarded by whom";
                return wrong(format!("nothing of `{}` is guarded by `{name}`\n{hint}", self.subject));
            }
        }
        Ok(())
    }

    /// The line that would grant what an import needs.
    fn hint(&self, reach: &Reach) -> String {
        let Some(capability) = &reach.capability else {
            return "give the runtime a capability that offers this interface, or use another plugin".to_owned();
        };
        let asked = self.manifest.as_ref().and_then(|manifest| manifest.permissions.get(capability));
        if self.manifest.is_some() && asked.is_none() {
            return format!("its author must add `[permissions.{capability}]` to its `plugin.toml`");
        }
        let permission = asked.cloned().unwrap_or_else(|| Permission {
            capability: capability.clone(),
            bounds: example_bounds(capability),
            optional: false,
            reason: String::new(),
        });
        (self.runtime.shared().hint)(&self.subject, &permission)
    }

    fn denials(&self, reach: &[Reach]) -> Vec<Denial> {
        let plugin = self.subject.to_string();
        let strange = self.facts.strange_imports.iter().map(|import| Denial {
            code: "E-LINK-UNKNOWN".to_owned(),
            permission: import.clone(),
            rule: format!("`{plugin}` imports it outside any interface, and nobody can offer that"),
            hint: "build the plugin against a WIT world".to_owned(),
        });
        let refused = reach.iter().filter(|reach| reach.kind == Kind::Refused).map(|reach| reach.denial(&plugin, &self.hint(reach)));
        strange.chain(refused).collect()
    }

    fn profile(&self, grants: &Grants, denials: &mut Vec<Denial>) -> Profile {
        let granted_full = grants.get(ENGINE).and_then(|bounds| bounds.get("profile")).is_some_and(|profile| profile == "full");
        if granted_full {
            return Profile::Full;
        }
        if self.facts.needs_full {
            denials.push(Denial {
                code: "E-ENGINE-PROFILE".to_owned(),
                permission: ENGINE.to_owned(),
                rule: format!("`{}` uses component async, which only the full engine profile has", self.subject),
                hint: "grants.engine = { profile = \"full\" }".to_owned(),
            });
        }
        Profile::Hardened
    }

    fn link(
        &self,
        engine: &Engine,
        component: &Component,
        reach: &[Reach],
        configured: &ConfiguredByName,
        wires: &Wires,
    ) -> Result<InstancePre<State>> {
        let subject = &self.subject;
        let denial = |reach: &Reach| reach.denial(&subject.to_string(), &self.hint(reach));
        Parts { engine, component, subject, reach, configured, wires, denial: &denial }.link()
    }
}

/// How many calls one instance may serve, where that was granted, and how many at once.
fn reuse(grants: &Grants, limits: &Limits) -> (Option<NonZeroU32>, u32) {
    let bounds = grants.get(ENGINE).and_then(|bounds| serde_json::from_value::<EngineBounds>(Value::Object(bounds.clone())).ok());
    let Some(bounds) = bounds else { return (None, 1) };
    // Instructions are counted for an instance, and given for a call.
    let at_once = if limits.fuel.is_some() { 1 } else { bounds.at_once() };
    (NonZeroU32::new(bounds.calls_each()).filter(|calls| calls.get() > 1), at_once)
}

/// Bounds to show in a hint where nobody asked for any.
fn example_bounds(capability: &str) -> Map<String, Value> {
    match capability {
        "http" => Map::from_iter([("hosts".to_owned(), serde_json::json!(["*"]))]),
        _ => Map::new(),
    }
}

fn local_name(source: &Source) -> PackageName {
    let stem = source.path().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let label: String = stem.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).take(60).collect();
    let label = label.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    format!("local:{label}")
        .parse()
        .or_else(|_| format!("local:plugin-{}", source.digest().short()).parse())
        .expect("`plugin-` and hexadecimal digits make a label")
}

/// What an offer asks for; `Display` says it in lines for people.
pub struct Permissions<'a>(Vec<&'a Permission>);

impl<'a> Permissions<'a> {
    /// Each permission.
    pub fn iter(&self) -> impl Iterator<Item = &'a Permission> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Display for Permissions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("asks for nothing");
        }
        for (index, permission) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{permission}{}", if permission.optional { " (optional)" } else { "" })?;
            if !permission.reason.is_empty() {
                write!(f, ": {}", permission.reason)?;
            }
        }
        Ok(())
    }
}
