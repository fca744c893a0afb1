//! The questions, and what their answers grant. Pure but for the [`Terminal`]: who reads and writes is its affair.
//!
//! No answer, an unknown answer and the end of input all mean no. Easy to get wrong: `y` grants as asked, and what only a host can name (the root
//! of `filesystem`) was not asked, so it is asked for by name; without a folder an optional permission is left out and a needed one declines all.

use std::io;
use std::path::Path;

use plugwork_core::policy::askable;
use plugwork_core::{Grants, Permission};
use serde_json::{Map, Value};

use super::words::in_words;

/// Someone who can be asked.
pub(crate) trait Terminal {
    /// Shows the question and waits for a line. `None` where there is none any more.
    fn ask(&mut self, question: &str) -> io::Result<Option<String>>;
}

/// What was answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// These, and no more. Folders as they were typed, not yet found to be folders.
    Granted(Grants),
    /// Nothing is to be done.
    Declined,
}

/// Asks for everything at once; `each` asks for the optional ones one by one. `verb` is what a yes does: `install`, `update`.
pub(crate) fn ask(terminal: &mut impl Terminal, verb: &str, permissions: &[&Permission]) -> io::Result<Answer> {
    let (optional, needed): (Vec<&Permission>, Vec<&Permission>) = permissions.iter().partition(|permission| permission.optional);
    let question = match (needed.len(), optional.len()) {
        (0, 0) => format!("{verb} it? [y/N] "),
        (_, 0) => format!("{verb} it and grant what it asks for? [y/N] "),
        _ => format!("{verb} it and grant what it asks for? [y/N/each] "),
    };
    let answer = terminal.ask(&question)?.map(|answer| answer.trim().to_lowercase());
    let one_by_one = match answer.as_deref() {
        Some("y" | "yes") => false,
        Some("e" | "each") if !optional.is_empty() => true,
        _ => return Ok(Answer::Declined),
    };
    let mut grants = Grants::none();
    if one_by_one && !needed.is_empty() {
        let names: Vec<_> = needed.iter().map(|permission| format!("`{}`", permission.capability)).collect();
        if !yes(terminal, &format!("grant {}, without which it does not run? [y/N] ", names.join(", ")))? {
            return Ok(Answer::Declined);
        }
    }
    for permission in needed {
        match bounds(terminal, permission)? {
            Some(bounds) => grants = grants.with(&permission.capability, bounds),
            None => return Ok(Answer::Declined),
        }
    }
    for permission in optional {
        let words = in_words(&permission.capability, &askable(&permission.capability, &permission.bounds));
        if one_by_one && !yes(terminal, &format!("may it {words} (`{}`)? [y/N] ", permission.capability))? {
            continue;
        }
        if let Some(bounds) = bounds(terminal, permission)? {
            grants = grants.with(&permission.capability, bounds);
        }
    }
    Ok(Answer::Granted(grants))
}

fn yes(terminal: &mut impl Terminal, question: &str) -> io::Result<bool> {
    let answer = terminal.ask(question)?.map(|answer| answer.trim().to_lowercase());
    Ok(matches!(answer.as_deref(), Some("y" | "yes")))
}

/// The bounds as asked, with the folder that only a host can name; `None` where no folder was given.
fn bounds(terminal: &mut impl Terminal, permission: &Permission) -> io::Result<Option<Map<String, Value>>> {
    let mut bounds = askable(&permission.capability, &permission.bounds);
    if !needs_a_folder(&permission.capability) {
        return Ok(Some(bounds));
    }
    let otherwise = if permission.optional { "no files" } else { "not at all" };
    let folder = terminal.ask(&format!("below which folder may it {} (empty: {otherwise})? ", verb(&bounds)))?;
    let Some(folder) = folder.map(|folder| folder.trim().to_owned()).filter(|folder| !folder.is_empty()) else { return Ok(None) };
    bounds.insert("root".to_owned(), Value::from(folder));
    Ok(Some(bounds))
}

fn verb(bounds: &Map<String, Value>) -> &'static str {
    match bounds.get("access").and_then(Value::as_str) {
        None | Some("read") => "read",
        Some(_) => "read and write",
    }
}

/// Whether a grant of the capability must name a folder, which a manifest cannot.
pub(crate) fn needs_a_folder(capability: &str) -> bool {
    capability == "filesystem"
}

/// The grants with every folder found and made absolute, so that they mean the same wherever a later command runs.
pub(crate) fn with_absolute_roots(grants: Grants) -> Result<Grants, String> {
    let mut absolute = Grants::none();
    for grant in grants.iter() {
        let mut bounds = grant.bounds.clone();
        if needs_a_folder(&grant.capability)
            && let Some(root) = bounds.get("root").and_then(Value::as_str)
        {
            let found = Path::new(root).canonicalize().ok().filter(|found| found.is_dir());
            let text = found.as_deref().and_then(Path::to_str);
            let text = text.ok_or_else(|| format!("grants.{}.root: `{root}` is not a folder that can be named", grant.capability))?;
            bounds.insert("root".to_owned(), Value::from(text));
        }
        absolute = absolute.with(&grant.capability, bounds);
    }
    Ok(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Gives its answers in turn, then none.
    struct Script {
        answers: Vec<&'static str>,
        questions: Vec<String>,
    }

    impl Terminal for Script {
        fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
            self.questions.push(question.to_owned());
            Ok((!self.answers.is_empty()).then(|| self.answers.remove(0).to_owned()))
        }
    }

    fn permission(capability: &str, bounds: Value, optional: bool) -> Permission {
        let bounds = bounds.as_object().unwrap().clone();
        Permission { capability: capability.to_owned(), bounds, optional, reason: String::new() }
    }

    fn asked(answers: &[&'static str], permissions: &[Permission]) -> (Answer, Vec<String>) {
        let mut script = Script { answers: answers.to_vec(), questions: Vec::new() };
        let answer = ask(&mut script, "install", &permissions.iter().collect::<Vec<_>>()).unwrap();
        (answer, script.questions)
    }

    fn three() -> [Permission; 3] {
        [
            permission("http", json!({"hosts": ["a.example"], "networks": ["10.0.0.0/8"]}), false),
            permission("filesystem", json!({"access": "read"}), true),
            permission("clock", json!({"resolution-ns": 1}), true),
        ]
    }

    fn granted(answer: Answer) -> Value {
        match answer {
            Answer::Granted(grants) => serde_json::to_value(grants).unwrap(),
            Answer::Declined => Value::Null,
        }
    }

    #[test]
    fn anything_but_a_yes_declines() {
        for answers in [&[][..], &[""], &["n"], &["yep"], &["each", "n"], &["each"]] {
            assert_eq!(asked(answers, &three()).0, Answer::Declined, "{answers:?}");
        }
        // There is nothing to ask one by one.
        assert_eq!(asked(&["each"], &three()[..1]).0, Answer::Declined);
    }

    #[test]
    fn a_yes_grants_as_asked_and_never_what_only_a_host_can_name() {
        let (answer, questions) = asked(&["y", "data"], &three());
        let expected =
            json!({"http": {"hosts": ["a.example"]}, "filesystem": {"access": "read", "root": "data"}, "clock": {"resolution-ns": 1}});
        assert_eq!(granted(answer), expected);
        assert_eq!(questions.len(), 2);
    }

    #[test]
    fn each_asks_for_the_optional_ones_one_by_one() {
        let (answer, questions) = asked(&["each", "y", "n", "y"], &three());
        assert_eq!(granted(answer), json!({"http": {"hosts": ["a.example"]}, "clock": {"resolution-ns": 1}}));
        assert_eq!(questions.len(), 4, "{questions:?}");
    }

    #[test]
    fn without_a_folder_an_optional_one_is_left_out_and_a_needed_one_declines() {
        assert_eq!(granted(asked(&["y", ""], &three()).0), json!({"http": {"hosts": ["a.example"]}, "clock": {"resolution-ns": 1}}));
        let needed = [permission("filesystem", json!({}), false)];
        assert_eq!(asked(&["y", ""], &needed).0, Answer::Declined);
        assert_eq!(asked(&["y"], &needed).0, Answer::Declined);
    }

    #[test]
    fn a_root_becomes_absolute_and_must_be_a_folder() {
        let grants = |root: &str| Grants::none().with("filesystem", json!({"root": root}).as_object().unwrap().clone());
        let absolute = with_absolute_roots(grants("src")).unwrap();
        assert!(Path::new(absolute.get("filesystem").unwrap()["root"].as_str().unwrap()).is_absolute());
        for root in ["nowhere", "Cargo.toml"] {
            assert!(with_absolute_roots(grants(root)).unwrap_err().contains("is not a folder"), "{root}");
        }
    }
}
