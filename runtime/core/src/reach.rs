//! What a plugin can reach: one decision for each import, from the component's facts, its manifest and its grants.
//!
//! The same function serves the report that a person reads and the linker that makes it true, so they cannot disagree.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::policy::call::CallBounds;
use crate::policy::{self, Decision};
use crate::{Denial, Grants, InterfaceName, Manifest, PackageName};

/// What stands behind an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Linked to the real thing, within the grant's bounds.
    Granted,
    /// Linked to something that reaches nothing: an empty environment, no folder, the plugin's own log.
    Inert,
    /// Linked to a stub that answers the interface's own denial.
    Denied,
    /// Not linked: the plugin does not load.
    Refused,
    /// Types only: nothing to link.
    Types,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Granted => "granted",
            Self::Inert => "inert",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Types => "types",
        })
    }
}

/// One import and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The import.
    pub interface: InterfaceName,
    /// What stands behind it.
    pub kind: Kind,
    /// The capability that governs it, if one does.
    pub capability: Option<String>,
    /// Why, in a few words.
    pub because: String,
}

impl Reach {
    /// The denial that an import of this kind answers with or is refused with. `how` is the line that would grant it in the host at hand.
    pub fn denial(&self, plugin: &str, how: &str) -> Denial {
        Denial {
            code: match self.kind {
                Kind::Refused if self.capability.is_none() => "E-LINK-UNKNOWN",
                _ => "E-CAP-NOT-GRANTED",
            }
            .to_owned(),
            permission: self.interface.to_string(),
            rule: format!("{} (plugin `{plugin}`)", self.because),
            hint: how.to_owned(),
        }
    }
}

/// A capability that a host offers beside the shipped ones: its name and the paths of its interfaces.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// The capability's name.
    pub capability: &'a str,
    /// Interface paths without version.
    pub interfaces: &'a [&'a str],
}

/// Another plugin that could stand behind an import: it exports what is imported, and fits.
#[derive(Debug, Clone)]
pub struct Wired {
    /// The import.
    pub import: InterfaceName,
    /// Who exports it.
    pub provider: PackageName,
}

/// An import as read from a component.
#[derive(Debug, Clone)]
pub struct Import {
    /// Its name.
    pub interface: InterfaceName,
    /// Whether it has types only.
    pub types_only: bool,
}

enum Rule {
    /// Linked without a grant to something that reaches nothing; with the named capability granted, to the real thing.
    Inert(Option<&'static str>),
    /// Needs the named capability.
    Needs(&'static str),
    Unknown,
}

/// The table of `docs/architecture.md`, section 5.
fn rule(interface: &InterfaceName) -> Rule {
    let wasi = interface.package().starts_with("wasi:");
    let track = interface.version().map(|version| (version.major, version.minor));
    match interface.path() {
        "plugwork:host/log" | "plugwork:host/caller" => Rule::Inert(None),
        "plugwork:host/fetch" | "wasi:http/outgoing-handler" | "wasi:http/client" => Rule::Needs("http"),
        "plugwork:host/secrets" => Rule::Needs("secrets"),
        "plugwork:host/events" => Rule::Needs("events"),
        "plugwork:host/call" => Rule::Needs("call"),
        "plugwork:host/sql" => Rule::Needs("sql"),
        "wasi:http/types" => Rule::Inert(None),
        "wasi:logging/logging" => Rule::Inert(None),
        "wasi:config/store" => Rule::Inert(Some("config")),
        "wasi:cli/environment" => Rule::Inert(Some("environment")),
        _ if wasi && !matches!(track, Some((0, 2 | 3)) | None) => match interface.package() {
            "wasi:keyvalue" => Rule::Needs("keyvalue"),
            "wasi:blobstore" => Rule::Needs("blob"),
            _ => Rule::Unknown,
        },
        _ => match interface.package() {
            "wasi:io" | "wasi:cli" => Rule::Inert(None),
            "wasi:clocks" => Rule::Inert(Some("clock")),
            "wasi:random" => Rule::Inert(Some("random")),
            "wasi:filesystem" => Rule::Inert(Some("filesystem")),
            "wasi:sockets" => Rule::Inert(Some("sockets")),
            "wasi:keyvalue" => Rule::Needs("keyvalue"),
            "wasi:blobstore" => Rule::Needs("blob"),
            _ => Rule::Unknown,
        },
    }
}

/// Whether this interface is one of those that hosts have, granted or not: no plugin stands behind it.
pub fn is_of_hosts(interface: &InterfaceName) -> bool {
    !matches!(rule(interface), Rule::Unknown)
}

/// Whether a host that offers these has something behind the interface of its own: no plugin stands behind it there.
pub fn is_by_host(interface: &InterfaceName, offered: &[Offered<'_>]) -> bool {
    is_of_hosts(interface) || offered.iter().any(|offer| offer.interfaces.contains(&interface.path()))
}

/// What stands behind each import, in the order given.
///
/// `granted` are the grants in force; `offered` what the host can link beside the inert things: a capability that it does not offer
/// cannot be granted. `wired` are the plugins that stand ready behind imports which no host has. Without a manifest what is imported is what is needed, so
/// nothing is optional.
pub fn decide(imports: &[Import], manifest: Option<&Manifest>, granted: &Grants, offered: &[Offered<'_>], wired: &[Wired]) -> Vec<Reach> {
    imports.iter().map(|import| decide_one(import, manifest, granted, offered, wired)).collect()
}

/// What is behind each import while a plugin works for another one, whose rights are fewer: what it lost answers that it is denied. `reach` is what [`decide`]
/// says with the rights that are left.
pub fn on_behalf(reach: Vec<Reach>) -> Vec<Reach> {
    let lost = |mut reach: Reach| {
        if reach.kind == Kind::Refused {
            (reach.kind, reach.because) = (Kind::Denied, "whoever calls it may not do this".to_owned());
        }
        reach
    };
    reach.into_iter().map(lost).collect()
}

fn decide_one(import: &Import, manifest: Option<&Manifest>, granted: &Grants, offered: &[Offered<'_>], wired: &[Wired]) -> Reach {
    let reach = |kind, capability: Option<&str>, because: &str| Reach {
        interface: import.interface.clone(),
        kind,
        capability: capability.map(str::to_owned),
        because: because.to_owned(),
    };
    if import.types_only {
        return reach(Kind::Types, None, "types only");
    }
    let offer = offered.iter().find(|offer| offer.interfaces.contains(&import.interface.path()));
    let (capability, inert) = match (offer, rule(&import.interface)) {
        (Some(offer), Rule::Inert(_)) => (offer.capability, true),
        (Some(offer), _) => (offer.capability, false),
        (None, Rule::Inert(capability)) => return reach(Kind::Inert, capability, "reaches nothing"),
        (None, Rule::Needs(capability)) => (capability, false),
        (None, Rule::Unknown) => {
            let (kind, because) = of_plugin(import, manifest, granted, wired);
            return reach(kind, because.as_ref().map(|_| CALL), because.as_deref().unwrap_or("nobody here offers this interface"));
        }
    };
    if granted.get(capability).is_some() {
        return match offer {
            Some(_) => reach(Kind::Granted, Some(capability), "granted"),
            None => reach(Kind::Refused, Some(capability), "granted, but this host does not offer it"),
        };
    }
    if inert {
        return reach(Kind::Inert, Some(capability), "not granted: reaches nothing");
    }
    match manifest.map(|manifest| manifest.permissions.get(capability)) {
        Some(Some(permission)) if permission.optional => reach(Kind::Denied, Some(capability), "optional and not granted"),
        Some(Some(_)) => reach(Kind::Refused, Some(capability), "required and not granted"),
        Some(None) => reach(Kind::Refused, Some(capability), "imported, but the manifest does not ask for it"),
        None => reach(Kind::Refused, Some(capability), "needed and not granted"),
    }
}

/// The capability behind imports that another plugin satisfies.
pub const CALL: &str = "call";

/// What is behind an import that no host has. Without a reason nobody could say that another plugin was meant.
fn of_plugin(import: &Import, manifest: Option<&Manifest>, granted: &Grants, wired: &[Wired]) -> (Kind, Option<String>) {
    let asked = manifest.and_then(|manifest| manifest.permissions.get(CALL));
    let without = if asked.is_some_and(|asked| asked.optional) { Kind::Denied } else { Kind::Refused };
    let bounds = |bounds: &Map<String, Value>| policy::parse::<CallBounds>(bounds).ok();
    let Some(provider) = wired.iter().find(|wired| wired.import == import.interface).map(|wired| &wired.provider) else {
        // Only an interface that it names is one of plugins for sure.
        let is_named = asked.and_then(|asked| bounds(&asked.bounds)).is_some_and(|asked| asked.names(&import.interface));
        return if is_named { (without, Some("no plugin stands ready that exports it".to_owned())) } else { (Kind::Refused, None) };
    };
    match granted.get(CALL).map(|granted| bounds(granted).map(|granted| granted.decide(&import.interface, provider))) {
        Some(Some(Decision::Allow)) => (Kind::Granted, Some(format!("from `{provider}`"))),
        Some(Some(Decision::Deny { rule, .. })) => (without, Some(rule)),
        Some(None) => (without, Some(format!("`{provider}` exports it, and the grant cannot be read"))),
        None => (without, Some(format!("`{provider}` exports it, and calling it was not granted"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: Offered<'_> = Offered { capability: "http", interfaces: &["plugwork:host/fetch", "wasi:http/outgoing-handler"] };

    fn import(name: &str) -> Import {
        Import { interface: name.parse().unwrap(), types_only: false }
    }

    fn kind(name: &str, manifest: Option<&str>, granted: &[&str], offered: &[Offered<'_>]) -> Kind {
        let manifest = manifest.map(|text| Manifest::parse(&format!("name='a:b'\nversion='1.0.0'\n{text}")).unwrap());
        let grants = granted.iter().fold(Grants::none(), |grants, capability| grants.with(capability, Map::new()));
        decide(&[import(name)], manifest.as_ref(), &grants, offered, &[])[0].kind
    }

    const OPTIONAL: &str = "[permissions.http]\nhosts=['*']\noptional=true";
    const REQUIRED: &str = "[permissions.http]\nhosts=['*']";

    #[test]
    fn an_ungranted_network_is_denied_or_refused_never_linked() {
        let fetch = "plugwork:host/fetch@0.1.0";
        assert_eq!(kind(fetch, Some(OPTIONAL), &[], &[HTTP]), Kind::Denied);
        assert_eq!(kind(fetch, Some(REQUIRED), &[], &[HTTP]), Kind::Refused);
        assert_eq!(kind(fetch, None, &[], &[HTTP]), Kind::Refused);
        assert_eq!(kind(fetch, Some(""), &[], &[HTTP]), Kind::Refused);
        assert_eq!(kind(fetch, Some(REQUIRED), &["http"], &[HTTP]), Kind::Granted);
        assert_eq!(kind(fetch, Some(REQUIRED), &["http"], &[]), Kind::Refused);
        assert_eq!(kind(fetch, Some(OPTIONAL), &[], &[]), Kind::Denied);
    }

    #[test]
    fn what_language_runtimes_always_import_is_inert() {
        for name in [
            "wasi:io/streams@0.2.6",
            "wasi:clocks/monotonic-clock@0.2.0",
            "wasi:random/random@0.2.6",
            "wasi:cli/stdout@0.2.6",
            "wasi:cli/environment@0.2.6",
            "wasi:filesystem/preopens@0.2.6",
            "wasi:sockets/tcp@0.2.6",
            "wasi:config/store@0.2.0-rc.1",
            "wasi:logging/logging@0.1.0-draft",
            "plugwork:host/log@0.1.0",
        ] {
            assert_eq!(kind(name, None, &[], &[]), Kind::Inert, "{name}");
        }
    }

    #[test]
    fn an_interface_nobody_offers_is_refused() {
        for name in ["acme:own/thing@1.0.0", "wasi:io/streams@0.9.0", "wasi:nn/graph@0.2.0", "wasi:tls/types@0.2.0"] {
            assert_eq!(kind(name, None, &[], &[HTTP]), Kind::Refused, "{name}");
        }
        let own = Offered { capability: "thing", interfaces: &["acme:own/thing"] };
        assert_eq!(kind("acme:own/thing@1.0.0", None, &[], &[own]), Kind::Refused);
        assert_eq!(kind("acme:own/thing@1.0.0", None, &["thing"], &[own]), Kind::Granted);
    }

    fn wired(ask: &str, granted: Option<Value>, is_there: bool) -> (Kind, Option<String>) {
        let manifest = Manifest::parse(&format!("name='a:b'\nversion='1.0.0'\n{ask}")).unwrap();
        let grants = granted.map_or_else(Grants::none, |bounds| Grants::none().with(CALL, bounds.as_object().unwrap().clone()));
        let there = Wired { import: "acme:geo/lookup@1.0.0".parse().unwrap(), provider: "acme:geo".parse().unwrap() };
        let there = if is_there { vec![there] } else { Vec::new() };
        let reach = decide(&[import("acme:geo/lookup@1.0.0")], Some(&manifest), &grants, &[], &there).remove(0);
        (reach.kind, reach.capability)
    }

    #[test]
    fn another_plugin_is_behind_an_import_only_where_calling_it_was_granted() {
        let (required, optional) =
            ("[permissions.call]\ninterfaces=['acme:geo/lookup']", "[permissions.call]\ninterfaces=['acme:geo/lookup']\noptional=true");
        let call = Some(CALL.to_owned());
        let (by_interface, by_plugin) =
            (serde_json::json!({"interfaces": ["acme:geo/lookup"]}), serde_json::json!({"plugins": ["acme:geo"]}));
        let (other, unreadable) = (serde_json::json!({"plugins": ["acme:other"]}), serde_json::json!({"plugins": 7}));
        assert_eq!(wired(required, None, true), (Kind::Refused, call.clone()));
        assert_eq!(wired(optional, None, true), (Kind::Denied, call.clone()));
        assert_eq!(wired(required, Some(other.clone()), true), (Kind::Refused, call.clone()));
        assert_eq!(wired(optional, Some(other), true), (Kind::Denied, call.clone()));
        assert_eq!(wired(required, Some(unreadable), true), (Kind::Refused, call.clone()));
        assert_eq!(wired(required, Some(by_interface.clone()), true), (Kind::Granted, call.clone()));
        assert_eq!(wired(required, Some(by_plugin), true), (Kind::Granted, call.clone()));
        assert_eq!(wired(required, Some(by_interface.clone()), false), (Kind::Refused, call.clone()));
        assert_eq!(wired(optional, Some(by_interface), false), (Kind::Denied, call));
        assert_eq!(wired("", None, false), (Kind::Refused, None));
    }

    #[test]
    fn what_is_lost_on_behalf_of_another_is_denied_and_nothing_is_gained() {
        let grants = Grants::none();
        let manifest = Manifest::parse(&format!("name='a:b'\nversion='1.0.0'\n{REQUIRED}")).unwrap();
        let imports = [import("plugwork:host/fetch@0.1.0"), import("plugwork:host/log@0.1.0")];
        let kinds: Vec<Kind> = on_behalf(decide(&imports, Some(&manifest), &grants, &[HTTP], &[])).iter().map(|reach| reach.kind).collect();
        assert_eq!(kinds, [Kind::Denied, Kind::Inert]);
    }
}
