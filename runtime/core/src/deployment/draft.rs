//! What is to be deployed, before it has a number. Checked whole; whether its plugins can be prepared is known to the server only.

use std::collections::BTreeMap;

use super::{ApplicationKey, Deployment};
use crate::application::{Application, ApplicationError};
use crate::name::is_label;
use crate::text::is_unseen;
use crate::{Digest, Issue};

/// Bytes of the name of who did something.
pub const BY_BYTES_MAX: usize = 256;
/// Bytes of a note or a reason.
pub const NOTE_BYTES_MAX: usize = 4 << 10;

/// A deployment without number and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose.
    pub key: ApplicationKey,
    /// The application's text.
    pub text: String,
    /// The component of each plugin, by the name that routes use.
    pub plugins: BTreeMap<String, Digest>,
    /// Who deploys it.
    pub by: String,
    /// Why; may be empty.
    pub note: String,
}

impl Draft {
    /// A draft of an application, in its one spelling.
    ///
    /// # Errors
    /// As [`Application::canonical`].
    pub fn new(
        tenant: &str,
        application: &Application,
        plugins: BTreeMap<String, Digest>,
        by: &str,
        note: &str,
    ) -> Result<Self, ApplicationError> {
        let key = ApplicationKey { tenant: tenant.to_owned(), application: application.name.clone() };
        Ok(Self { key, text: application.canonical()?, plugins, by: by.to_owned(), note: note.to_owned() })
    }

    /// Everything that is wrong with it: its text, names that do not fit, plugins without a component and components without a plugin.
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let mut issue =
            |at: &str, what: String, expected: &str| issues.push(Issue { what, at: at.to_owned(), expected: expected.to_owned() });
        if !is_label(&self.key.tenant) {
            issue("tenant", format!("`{}`", cut(&self.key.tenant)), "lower case words joined by `-`");
        }
        match Application::parse(&self.text) {
            Ok(application) => {
                if application.name != self.key.application {
                    issue("name", format!("`{}`", application.name), &format!("`{}`", cut(&self.key.application)));
                }
                for name in application.plugins.keys().filter(|name| !self.plugins.contains_key(*name)) {
                    issue(&format!("plugin.{name}"), "it has no component".to_owned(), "its digest");
                }
                for name in self.plugins.keys().filter(|name| !application.plugins.contains_key(*name)) {
                    issue(&format!("plugin.{}", cut(name)), "a component for a plugin that is not declared".to_owned(), "");
                }
            }
            Err(error) => issues.extend(error.issues),
        }
        issues.extend(who_and_why(&self.by, "note", &self.note));
        issues
    }

    /// The deployment of this number.
    pub fn numbered(self, number: u64, created_ms: u64) -> Deployment {
        let Self { key, text, plugins, by, note } = self;
        let mut deployment = Deployment { key, number, text, plugins, created_ms, by, note, digest: Digest::of(b"") };
        deployment.digest = deployment.content();
        deployment
    }
}

/// What is wrong with a name and a reason, which people read in a list: `by` is a line, the other may have several.
pub(crate) fn who_and_why(by: &str, at: &str, why: &str) -> impl Iterator<Item = Issue> {
    let is_plain = |letter: char| !letter.is_control() && !is_unseen(letter);
    let by_is_wrong = by.trim().is_empty() || by.len() > BY_BYTES_MAX || !by.chars().all(is_plain);
    let why_is_wrong = why.len() > NOTE_BYTES_MAX || !why.chars().all(|letter| letter == '\n' || is_plain(letter));
    let by = by_is_wrong.then(|| Issue {
        what: format!("`{}`", cut(by)),
        at: "by".to_owned(),
        expected: format!("a name in one plain line, 1 to {BY_BYTES_MAX} bytes"),
    });
    let why = why_is_wrong.then(|| Issue {
        what: format!("`{}`", cut(why)),
        at: at.to_owned(),
        expected: format!("plain text of at most {NOTE_BYTES_MAX} bytes"),
    });
    by.into_iter().chain(why)
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}
