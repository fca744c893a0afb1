//! Guards: whoever is asked before a call is made, what they are asked, and what their answer is worth.
//!
//! Whom to ask is said in two places: by the application for a pattern of interfaces, and by a plugin's manifest for what it exports itself. All of them are asked, and
//! the first that does not allow ends the call. Easily got wrong: no answer is a refusal, whatever the reason.

mod manifest;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::chain::Caller;
use crate::text::one_line;
use crate::{Denial, InterfaceName, PackageName};

pub(crate) use manifest::read;
pub use manifest::{GuardNames, loosened, misfits};

/// The interface by which plugins are guards. Whoever is asked is not guarded himself.
pub const GUARD: &str = "plugwork:points/guard";

/// Bytes of a reason that are passed on; the rest is cut off.
pub const REASON_BYTES_MAX: usize = 256;

/// A guard does not allow the call. Stable, for machines.
pub const DENIED: &str = "E-GUARD-DENIED";
/// A guard gave no answer: it is missing, failed, took too long, or refused to say. Stable, for machines.
pub const NO_ANSWER: &str = "E-GUARD-NO-ANSWER";
/// A guard would be asked because it is asked. Stable, for machines.
pub const CIRCLE: &str = "E-GUARD-CIRCLE";

/// What a guard is asked: may this call be made?
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Question {
    /// Who the application says it makes the call for; none where it did not say.
    pub principal: Option<String>,
    /// The plugins that led to the call, the first caller first; empty where the host itself calls.
    pub callers: Vec<Caller>,
    /// Who is to be called.
    pub plugin: Caller,
    /// The interface of the call, as the plugin that is called exports it.
    pub interface: String,
    /// The function; none where it is all that the interface has: a session, or the main call of a point.
    pub function: Option<String>,
}

impl Question {
    /// `interface` or `interface#function`.
    pub fn operation(&self) -> String {
        match &self.function {
            Some(function) => format!("{}#{function}", self.interface),
            None => self.interface.clone(),
        }
    }
}

/// What a guard says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// The call may be made, as far as this guard is concerned.
    Allow,
    /// It may not.
    Deny {
        /// Why, in one line. At most [`REASON_BYTES_MAX`] bytes of it are passed on.
        reason: String,
    },
}

/// What a guard says, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What it says.
    pub verdict: Verdict,
    /// For how long the same question need not be asked again. Milliseconds; 0 for never, and no more than the host keeps answers.
    pub keep_ms: u64,
}

impl Decision {
    /// Allows this once.
    pub const fn allow() -> Self {
        Self { verdict: Verdict::Allow, keep_ms: 0 }
    }

    /// Denies this once.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Deny { reason: reason.into() }, keep_ms: 0 }
    }

    /// With a reason as it is passed on: one plain line, cut.
    pub fn plain(self) -> Self {
        match self.verdict {
            Verdict::Deny { reason } => Self { verdict: Verdict::Deny { reason: plain(&reason) }, ..self },
            Verdict::Allow => self,
        }
    }

    /// The same for so long. Milliseconds.
    pub const fn kept(mut self, ms: u64) -> Self {
        self.keep_ms = ms;
        self
    }
}

/// Whom a manifest wants asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum GuardName {
    /// The plugin itself: `self`. A local guard.
    Itself,
    /// Another plugin of the same tenant, which exports [`GUARD`].
    Plugin(PackageName),
}

impl fmt::Display for GuardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => f.write_str("self"),
            Self::Plugin(name) => fmt::Display::fmt(name, f),
        }
    }
}

impl FromStr for GuardName {
    type Err = crate::name::NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "self" { Ok(Self::Itself) } else { text.parse().map(Self::Plugin) }
    }
}

impl From<GuardName> for String {
    fn from(name: GuardName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for GuardName {
    type Error = crate::name::NotAName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Which interfaces an application has guarded: `namespace:package/interface`, or `namespace:package/*` for all of a package. Without versions: a new one is guarded too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Whether it is about this interface. [`GUARD`] itself is in no pattern.
    pub fn covers(&self, path: &str) -> bool {
        path != GUARD
            && match self.0.strip_suffix('*') {
                Some(package) => path.starts_with(package),
                None => path == self.0,
            }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text was not a pattern of interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAPattern(String);

impl fmt::Display for NotAPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.escape_debug();
        write!(
            f,
            "`{text}` says no interfaces: expected `namespace:package/interface` or `namespace:package/*`, without a version, and not `{GUARD}` itself"
        )
    }
}

impl std::error::Error for NotAPattern {}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A star in the place of an interface's name, and nowhere else.
        let whole = text.strip_suffix("/*").map_or_else(|| text.to_owned(), |package| format!("{package}/any"));
        let name: Result<InterfaceName, _> = whole.parse();
        match name {
            Ok(name) if name.version().is_none() && text != GUARD => Ok(Self(text.to_owned())),
            _ => Err(NotAPattern(text.chars().take(200).collect())),
        }
    }
}

/// The denial of a call that a guard does not allow. What strangers wrote stays in one line.
pub fn denied(guard: &str, question: &Question, reason: &str) -> Denial {
    denial(DENIED, question, format!("its guard `{guard}` says: {}", plain(reason)), "ask whoever runs the guard")
}

fn plain(reason: &str) -> String {
    one_line(reason, REASON_BYTES_MAX)
}

/// The denial of a call whose guard did not answer.
pub fn no_answer(guard: &str, question: &Question, why: &str) -> Denial {
    let rule = format!("its guard `{guard}` gave no answer ({why}), and without one nothing is allowed");
    denial(NO_ANSWER, question, rule, "see that the guard is enabled and works")
}

/// The denial of a call that comes back to a guard who is being asked.
pub fn circle(guard: &str, question: &Question) -> Denial {
    let rule = format!("its guard `{guard}` is asked already, and would be asked because of that");
    denial(CIRCLE, question, rule, "let the guard call nobody whom it guards")
}

fn denial(code: &str, question: &Question, rule: String, hint: &str) -> Denial {
    Denial { code: code.to_owned(), permission: question.operation(), rule, hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, Subject};

    fn question() -> Question {
        let subject = Subject {
            tenant: "default".to_owned(),
            instance: String::new(),
            package: "acme:vault".parse().unwrap(),
            digest: Digest::of(b""),
        };
        let plugin = Caller { subject, version: String::new() };
        Question { principal: None, callers: Vec::new(), plugin, interface: "acme:vault/keys@1.0.0".to_owned(), function: None }
    }

    #[test]
    fn a_pattern_is_one_interface_or_a_package_of_them() {
        let one: Pattern = "acme:vault/keys".parse().unwrap();
        assert!(one.covers("acme:vault/keys") && !one.covers("acme:vault/keysets"));
        let all: Pattern = "plugwork:points/*".parse().unwrap();
        assert!(all.covers("plugwork:points/analyzer") && !all.covers("plugwork:pointsy/analyzer") && !all.covers(GUARD));
        for bad in ["", "*", "acme:*", "acme:vault", "acme:vault/keys@1.0.0", "acme:vault/k*", "a:b/c/*", GUARD] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reason_cannot_forge_a_line_and_is_cut() {
        let denial = denied("acme:policy", &question(), &format!("no\n\u{1b}[2J{}ä", "x".repeat(245)));
        assert!(!denial.rule.contains(['\n', '\u{1b}']), "{}", denial.rule);
        assert!(denial.rule.len() < 300 && denial.code == DENIED);
        let Verdict::Deny { reason } = Decision::deny("x".repeat(1 << 20)).plain().verdict else { panic!("a denial") };
        assert_eq!(reason.len(), REASON_BYTES_MAX);
        assert_eq!(denial.permission, "acme:vault/keys@1.0.0");
    }
}
