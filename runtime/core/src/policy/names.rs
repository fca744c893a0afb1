//! Names that stand in bounds: stores, containers, secrets. One grammar for all, the one of package names.

use crate::Issue;
use crate::name::is_label;

/// Whether there is at least one name and each is a label.
pub(super) fn check_labels(at: &str, names: &[String]) -> Result<(), Issue> {
    let issue = |what: String, expected: &str| Err(Issue { what, at: at.to_owned(), expected: expected.to_owned() });
    if names.is_empty() {
        return issue("empty".to_owned(), "at least one name");
    }
    match names.iter().find(|name| !is_label(name)) {
        None => Ok(()),
        Some(name) => issue(
            format!("`{}` is not a name", name.escape_debug()),
            "names, one by one: lower case words joined by `-`, at most 64 characters",
        ),
    }
}

/// A bound that would allow the name, or nothing where no grant could.
pub(super) fn hint(bound: &str, name: &str) -> String {
    if is_label(name) { format!("{bound} = [\"{name}\"]") } else { String::new() }
}

/// As [`hint`], for names that are not labels: of keys and variables. A plugin that asks for `*` must not talk anybody into granting all.
pub(super) fn hint_of_words(bound: &str, name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(plain);
    if fits { format!("{bound} = [\"{name}\"]") } else { String::new() }
}

/// A name that a plugin gave, fit for a message: escaped, and at most 64 characters of it.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
