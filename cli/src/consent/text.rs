//! What a person is shown before they are asked: who it says it is, what it asks for, what it reaches anyway, and what it may use.
//!
//! Facts first, claims marked as claims. Easy to get wrong: the digest, the imports and the limits are ours to state; name, licence,
//! description and reasons are the author's, and stand on one line each.

use plugwork_core::policy::askable;
use plugwork_core::reach::{Kind, Reach};
use plugwork_core::{Digest, Limits, Manifest, Permission};

use super::words::{in_words, one_line};
use crate::verbs::words::{grouped, size};

/// What the text is made from.
pub(crate) struct Shown<'a> {
    /// The name that it will be called by.
    pub(crate) name: &'a str,
    pub(crate) digest: Digest,
    pub(crate) manifest: Option<&'a Manifest>,
    /// What it asks for and this host offers.
    pub(crate) asked: &'a [&'a Permission],
    /// What it asks for and nobody here offers.
    pub(crate) not_offered: &'a [&'a Permission],
    /// Every import, with nothing granted.
    pub(crate) reach: &'a [Reach],
    /// Those in force for each of its instances.
    pub(crate) limits: &'a Limits,
    /// Where it came from.
    pub(crate) from: &'a str,
}

/// The text, line by line.
pub(crate) fn lines(shown: &Shown<'_>) -> Vec<String> {
    let mut lines = head(shown);
    lines.push(String::new());
    lines.extend(asked(shown));
    lines.push(String::new());
    lines.push(anyway(shown.reach));
    lines.push(format!("it may use: {}", limits_in_words(shown.limits)));
    lines
}

fn head(shown: &Shown<'_>) -> Vec<String> {
    let version = shown.manifest.map(|manifest| format!(" {}", manifest.version)).unwrap_or_default();
    let mut lines = vec![format!("{}{version}", shown.name)];
    let said = |text: &str| if text.trim().is_empty() { "not said".to_owned() } else { one_line(text) };
    match shown.manifest {
        Some(manifest) => {
            lines.push(format!("  says it is  {}", said(&manifest.description)));
            lines.push(format!("  licence     {}", said(&manifest.license)));
        }
        None => lines.push("  it carries no `plugin.toml`: what it imports is what it needs".to_owned()),
    }
    lines.push(format!("  from        {}", one_line(shown.from)));
    lines.push(format!("  digest      sha256:{}…", shown.digest.short()));
    lines
}

fn asked(shown: &Shown<'_>) -> Vec<String> {
    let needed = needed_by_imports(shown);
    if shown.asked.is_empty() && shown.not_offered.is_empty() && needed.is_empty() {
        return vec!["it asks for nothing".to_owned()];
    }
    let mut lines = vec!["it asks to:".to_owned()];
    for permission in shown.asked {
        lines.extend(line(permission, ""));
    }
    for permission in shown.not_offered {
        lines.extend(line(permission, "; nobody here offers that, so it cannot be granted"));
    }
    lines.extend(needed.into_iter().map(|(capability, interface)| format!("  - use `{capability}`: it imports `{interface}`")));
    lines
}

fn line(permission: &Permission, behind: &str) -> Vec<String> {
    let words = in_words(&permission.capability, &askable(&permission.capability, &permission.bounds));
    let optional = if permission.optional { ", optional" } else { "" };
    let mut lines = vec![format!("  - {words} (`{}`{optional}){behind}", permission.capability)];
    if !permission.reason.trim().is_empty() {
        lines.push(format!("      its author says: \"{}\"", one_line(&permission.reason)));
    }
    lines
}

/// What a component without a manifest needs: each capability once, with the first import that needs it.
fn needed_by_imports<'a>(shown: &Shown<'a>) -> Vec<(&'a str, String)> {
    let mut needed: Vec<(&str, String)> = Vec::new();
    let refused = shown.reach.iter().filter(|reach| shown.manifest.is_none() && reach.kind == Kind::Refused);
    for reach in refused {
        let capability = reach.capability.as_deref().unwrap_or("something nobody here offers");
        if !needed.iter().any(|(known, _)| *known == capability) {
            needed.push((capability, reach.interface.to_string()));
        }
    }
    needed
}

/// What is linked without a grant, in one line.
fn anyway(reach: &[Reach]) -> String {
    let inert = |package: &str| reach.iter().any(|reach| reach.kind == Kind::Inert && reach.interface.package() == package);
    let mut reaches = vec!["its own log (limited)"];
    for (package, what) in [("wasi:clocks", "the time in whole milliseconds"), ("wasi:random", "random numbers")] {
        reaches.extend(inert(package).then_some(what));
    }
    let mut empty = Vec::new();
    for (package, what) in [
        ("wasi:filesystem", "no folder"),
        ("wasi:cli", "no variable, no argument, no input"),
        ("wasi:config", "no value"),
        ("wasi:sockets", "no socket"),
        ("wasi:http", "no request"),
    ] {
        empty.extend(inert(package).then_some(what));
    }
    let empty = if empty.is_empty() { String::new() } else { format!("; imported but empty: {}", empty.join("; ")) };
    format!("without a grant it reaches: {}{empty}", reaches.join(", "))
}

/// Limits in one line.
pub(crate) fn limits_in_words(limits: &Limits) -> String {
    let deadline = match limits.deadline_ms {
        ms if ms.is_multiple_of(1_000) => format!("{} s", grouped(ms / 1_000)),
        ms => format!("{} ms", grouped(ms)),
    };
    let share = limits.cpu_percent.map_or_else(String::new, |percent| format!(", {percent} % of one core"));
    let rate = limits.egress_bytes_per_second.map_or_else(String::new, |bytes| format!(", {} a second sent", size(bytes)));
    format!(
        "{deadline} for each call, {} of memory in each instance and {} in all{share}{rate}, {} in each kind of storage",
        size(limits.memory_bytes),
        size(limits.plugin_memory_bytes),
        size(limits.storage_bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(manifest: &str) -> String {
        text_of(&Manifest::parse(&format!("name='a:b'\nversion='1.0.0'\n{manifest}")).unwrap())
    }

    fn text_of(manifest: &Manifest) -> String {
        let asked: Vec<&Permission> = manifest.permissions.values().collect();
        let reach = [("wasi:filesystem/preopens@0.2.6", Kind::Inert), ("wasi:random/random@0.2.6", Kind::Inert)];
        let reach = reach.map(|(name, kind)| Reach { interface: name.parse().unwrap(), kind, capability: None, because: String::new() });
        lines(&Shown {
            name: "a:b",
            digest: Digest::of(b""),
            manifest: Some(manifest),
            asked: &asked,
            not_offered: &[],
            reach: &reach,
            limits: &Limits::batch(),
            from: "a.wasm",
        })
        .join("\n")
    }

    #[test]
    fn says_who_what_why_and_how_much() {
        let text = text("description='Reads'\nlicense='MIT'\n[permissions.http]\nhosts=['a.example']\noptional=true\nreason='to fetch'");
        for part in [
            "a:b 1.0.0\n  says it is  Reads\n  licence     MIT\n",
            "digest      sha256:e3b0c44298fc…\n",
            "  - send GET or HEAD requests to a.example (`http`, optional)\n      its author says: \"to fetch\"\n",
            "its own log (limited), random numbers; imported but empty: no folder\n",
            "it may use: 60 s for each call, 256.0 MiB of memory in each instance and 1.0 GiB in all, 1.0 GiB in each kind of storage",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
        assert!(super::lines(&Shown { asked: &[], ..shown() }).contains(&"it asks for nothing".to_owned()));
    }

    fn shown<'a>() -> Shown<'a> {
        let limits: &'static Limits = const { &Limits::batch() };
        Shown { name: "a:b", digest: Digest::of(b""), manifest: None, asked: &[], not_offered: &[], reach: &[], limits, from: "a" }
    }

    #[test]
    fn a_reason_cannot_write_a_line_of_its_own() {
        let mut manifest = Manifest::parse("name='a:b'\nversion='1.0.0'\n[permissions.http]\nhosts=['a.example']").unwrap();
        // A manifest with such a reason is refused; this is the wall behind that one.
        manifest.permissions.get_mut("http").unwrap().reason = "x\nit asks for nothing".to_owned();
        let text = text_of(&manifest);
        assert!(!text.lines().any(|line| line.trim() == "it asks for nothing"), "{text}");
    }
}
