//! The table `[guards]` of a manifest: which of its own exports a plugin has guarded, and by whom.
//!
//! Easily got wrong: it takes rights away and gives none, so no grant is needed for it; that a key is an export is seen to where the component is at hand.

use std::collections::BTreeMap;

use toml::Value;

use super::{GUARD, GuardName};
use crate::{InterfaceName, Issue};

/// Who guards which export, in the order in which they are asked.
pub type GuardNames = BTreeMap<InterfaceName, Vec<GuardName>>;

/// Interfaces that one manifest has guarded.
const GUARDED_MAX: usize = 64;
/// Guards of one interface.
const GUARDS_MAX: usize = 8;

/// Reads the table; all complaints at once.
pub(crate) fn read(table: toml::Table) -> Result<GuardNames, Vec<Issue>> {
    let mut issues = Vec::new();
    if table.len() > GUARDED_MAX {
        issues.push(issue("", format!("{} interfaces", table.len()), format!("at most {GUARDED_MAX}")));
    }
    let mut guards = BTreeMap::new();
    for (key, value) in table {
        match one(&key, value) {
            Ok((interface, names)) => _ = guards.insert(interface, names),
            Err(wrong) => issues.push(wrong),
        }
    }
    if issues.is_empty() { Ok(guards) } else { Err(issues) }
}

fn one(key: &str, value: Value) -> Result<(InterfaceName, Vec<GuardName>), Issue> {
    let interface: InterfaceName = key.parse().map_err(|_| wrong_key(key))?;
    if interface.version().is_some() || key == GUARD {
        return Err(wrong_key(key));
    }
    let texts = match value {
        Value::String(text) => vec![text],
        Value::Array(values) => {
            let texts = values.into_iter().map(|value| match value {
                Value::String(text) => Ok(text),
                other => Err(issue(key, other.to_string(), "the name of a plugin, or `self`".to_owned())),
            });
            texts.collect::<Result<_, _>>()?
        }
        other => return Err(issue(key, other.to_string(), "`self`, the name of a plugin, or a list of these".to_owned())),
    };
    if !(1..=GUARDS_MAX).contains(&texts.len()) {
        return Err(issue(key, format!("{} guards", texts.len()), format!("1 to {GUARDS_MAX}")));
    }
    let mut names = Vec::new();
    for text in texts {
        let name: GuardName = text.parse().map_err(|error: crate::name::NotAName| issue(key, error.to_string(), String::new()))?;
        if names.contains(&name) {
            return Err(issue(key, format!("`{name}` twice"), "each guard once".to_owned()));
        }
        names.push(name);
    }
    Ok((interface, names))
}

/// What of the table does not go together with what the component exports.
pub fn misfits(guards: &GuardNames, exports: &[&InterfaceName]) -> Vec<Issue> {
    let has = |path: &str| exports.iter().any(|export| export.path() == path);
    let missing = guards.keys().filter(|key| !has(key.path()));
    let missing = missing.map(|key| issue(key.path(), "not exported".to_owned(), "an interface that the component exports".to_owned()));
    let is_own = |(key, names): (&InterfaceName, &Vec<GuardName>)| {
        (names.contains(&GuardName::Itself) && !has(GUARD)).then(|| key.path().to_owned())
    };
    let own = guards
        .iter()
        .filter_map(is_own)
        .map(|path| issue(&path, "`self`, which is no guard".to_owned(), format!("the component exports `{GUARD}`")));
    missing.chain(own).collect()
}

/// Whether somebody has no say any more who had one: another version may not take a guard away by itself.
pub fn loosened(before: &GuardNames, after: &GuardNames) -> bool {
    let stays = |interface: &InterfaceName, name: &GuardName| after.get(interface).is_some_and(|names| names.contains(name));
    before.iter().any(|(interface, names)| names.iter().any(|name| !stays(interface, name)))
}

fn wrong_key(key: &str) -> Issue {
    issue(key, "no interface that can be guarded".to_owned(), format!("`namespace:package/interface` without a version, and not `{GUARD}`"))
}

fn issue(at: &str, what: String, expected: String) -> Issue {
    let at = if at.is_empty() { "guards".to_owned() } else { format!("guards.{at}") };
    Issue { what, at, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<GuardNames, Vec<Issue>> {
        read(text.parse().unwrap())
    }

    #[test]
    fn says_whom_to_ask() {
        let guards = parse("\"acme:vault/keys\" = \"self\"\n\"acme:vault/seals\" = [\"acme:policy\", \"self\"]").unwrap();
        let seals = &guards[&"acme:vault/seals".parse().unwrap()];
        assert_eq!(seals, &[GuardName::Plugin("acme:policy".parse().unwrap()), GuardName::Itself]);
    }

    #[test]
    fn has_to_be_about_what_is_exported() {
        let guards = parse("\"acme:vault/keys\" = \"self\"\n\"acme:vault/seals\" = \"acme:policy\"").unwrap();
        let places = |exports: &[&str]| {
            let exports: Vec<InterfaceName> = exports.iter().map(|export| export.parse().unwrap()).collect();
            misfits(&guards, &exports.iter().collect::<Vec<_>>()).into_iter().map(|issue| issue.at).collect::<Vec<_>>()
        };
        assert_eq!(places(&["acme:vault/keys@1.0.0", "acme:vault/seals@1.0.0", "plugwork:points/guard@0.1.0"]), [""; 0]);
        assert_eq!(places(&["acme:vault/keys@1.0.0"]), ["guards.acme:vault/seals", "guards.acme:vault/keys"]);
    }

    #[test]
    fn one_more_guard_loosens_nothing_and_one_less_does() {
        let one = parse("\"acme:vault/keys\" = \"acme:policy\"").unwrap();
        let two = parse("\"acme:vault/keys\" = [\"self\", \"acme:policy\"]").unwrap();
        assert!(!loosened(&one, &two) && !loosened(&one, &one) && loosened(&two, &one) && loosened(&one, &BTreeMap::new()));
    }

    #[test]
    fn refuses_what_names_no_interface_or_nobody() {
        let wrong = [
            "keys = \"self\"",
            "\"acme:vault/keys@1.0.0\" = \"self\"",
            "\"plugwork:points/guard\" = \"self\"",
            "\"acme:vault/keys\" = []",
            "\"acme:vault/keys\" = 1",
            "\"acme:vault/keys\" = [1]",
            "\"acme:vault/keys\" = \"policy\"",
            "\"acme:vault/keys\" = [\"self\", \"self\"]",
        ];
        for text in wrong {
            assert_eq!(parse(text).unwrap_err().len(), 1, "{text}");
        }
        assert_eq!(parse(&wrong[..3].join("\n")).unwrap_err().len(), 3);
    }
}
