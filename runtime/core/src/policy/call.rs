//! Calls of one plugin by another: which plugins, and which interfaces whoever exports them, may be wired to its imports.
//!
//! There is no `*`: who may be called is always named. Easily got wrong: this says who may be called and not what may be done on the way; the rights of a callee
//! are those of [`crate::chain`].

use serde::{Deserialize, Serialize};

use super::{Decision, parse};
use crate::{Grants, InterfaceName, Issue, PackageName};

/// Plugins and interfaces together.
pub const CALLEES_MAX: usize = 256;

/// The bounds of the `call` capability. At least one of the two lists names something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CallBounds {
    /// Plugins, by name: any interface that they export.
    #[serde(default)]
    pub plugins: Vec<PackageName>,
    /// Interfaces, without version: any plugin that exports them.
    #[serde(default)]
    pub interfaces: Vec<InterfaceName>,
}

impl CallBounds {
    /// Those among these grants; none where calling was not granted, or the grant cannot be read.
    pub fn of(grants: &Grants) -> Option<Self> {
        grants.get("call").and_then(|bounds| parse(bounds).ok())
    }

    pub(super) fn check(&self) -> Result<(), Issue> {
        let issue = |what: String, at: &str, expected: &str| Err(Issue { what, at: at.to_owned(), expected: expected.to_owned() });
        if let Some(versioned) = self.interfaces.iter().find(|interface| interface.version().is_some()) {
            return issue(
                format!("`{versioned}` has a version"),
                "interfaces",
                "names without version: the component says which one it imports",
            );
        }
        match self.plugins.len() + self.interfaces.len() {
            0 => issue(
                "neither a plugin nor an interface".to_owned(),
                "",
                "`plugins = [\"acme:geo\"]` or `interfaces = [\"acme:geo/lookup\"]`",
            ),
            1..=CALLEES_MAX => Ok(()),
            more => issue(more.to_string(), "", &format!("at most {CALLEES_MAX} plugins and interfaces")),
        }
    }

    /// Whether an import of this interface may be satisfied by that plugin.
    pub fn decide(&self, interface: &InterfaceName, provider: &PackageName) -> Decision {
        if self.plugins.contains(provider) || self.names(interface) {
            return Decision::Allow;
        }
        Decision::Deny {
            code: "E-CAP-CALL",
            rule: format!("`{interface}` of `{provider}` is not granted"),
            hint: format!("plugins = [\"{provider}\"]"),
        }
    }

    /// Whether the interface is named itself.
    pub fn names(&self, interface: &InterfaceName) -> bool {
        self.interfaces.iter().any(|named| named.path() == interface.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Side, check_bounds, parse};
    use serde_json::{Value, json};

    fn bounds(value: &Value) -> CallBounds {
        parse(value.as_object().unwrap()).unwrap()
    }

    #[test]
    fn who_is_not_named_is_not_called() {
        let (lookup, other) = ("acme:geo/lookup@1.2.0".parse().unwrap(), "acme:geo/other@1.2.0".parse().unwrap());
        let (geo, twin) = ("acme:geo".parse().unwrap(), "twin:geo".parse().unwrap());
        let by_plugin = bounds(&json!({"plugins": ["acme:geo"]}));
        let by_interface = bounds(&json!({"interfaces": ["acme:geo/lookup"]}));
        let allowed = |bounds: &CallBounds, interface, provider| bounds.decide(interface, provider) == Decision::Allow;
        assert!(allowed(&by_plugin, &lookup, &geo) && allowed(&by_plugin, &other, &geo) && !allowed(&by_plugin, &lookup, &twin));
        assert!(allowed(&by_interface, &lookup, &geo) && allowed(&by_interface, &lookup, &twin) && !allowed(&by_interface, &other, &geo));
    }

    #[test]
    fn everybody_and_nobody_cannot_be_granted() {
        for wrong in [
            json!({}),
            json!({"plugins": []}),
            json!({"plugins": ["*"]}),
            json!({"interfaces": ["*"]}),
            json!({"interfaces": ["acme:geo/lookup@1.0.0"]}),
            json!({"plugins": vec!["acme:geo"; CALLEES_MAX + 1]}),
            json!({"plugin": ["acme:geo"]}),
        ] {
            assert!(check_bounds("call", wrong.as_object().unwrap(), Side::Granted).is_err(), "{wrong}");
        }
        let most = json!({"plugins": vec!["acme:geo"; CALLEES_MAX]});
        assert!(check_bounds("call", most.as_object().unwrap(), Side::Granted).is_ok());
    }
}
