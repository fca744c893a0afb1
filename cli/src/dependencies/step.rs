//! Why one plugin needs another, in words. Pure.
//!
//! What a reader may get wrong: a plugin may depend on another one and get an import from it as well, or get an import from one that it only allows beside it.

use plugwork_core::resolve::{Member, PluginId, Provider};

use super::told;

/// `needs \`acme:geo@^1\` and imports \`acme:geo/lookup@1.0.0\``: all for which `member` cannot start without `other`.
pub(crate) fn because(member: &Member, other: &PluginId) -> String {
    let is_it = |provider: &Provider| provider.plugin() == Some(other);
    let needs = member.links.iter().filter(|link| is_it(&link.provider)).map(|link| format!("needs `{}`", told(&link.dependency)));
    let imports: Vec<String> = member.imports.iter().filter(|(_, provider)| is_it(provider)).map(|(name, _)| format!("`{name}`")).collect();
    let mut reasons: Vec<String> = needs.collect();
    if !imports.is_empty() {
        reasons.push(format!("imports {}", imports.join(", ")));
    }
    reasons.join(" and ")
}
