//! What operators do, as scopes name it: `deployments:write`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One kind of doing. Writing does not include reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Action {
    /// See applications, deployments and moves.
    DeploymentsRead,
    /// Deploy and roll back.
    DeploymentsWrite,
    /// Read what plugins and the server logged about requests.
    LogsRead,
    /// Read what plugins used.
    UsageRead,
    /// See tokens; never their secrets.
    TokensRead,
    /// Issue tokens, for no more than one's own scope, and revoke them.
    TokensWrite,
    /// See the state of the server itself.
    ServerRead,
    /// Drain, reload, back up.
    ServerWrite,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::DeploymentsRead,
        Self::DeploymentsWrite,
        Self::LogsRead,
        Self::UsageRead,
        Self::TokensRead,
        Self::TokensWrite,
        Self::ServerRead,
        Self::ServerWrite,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeploymentsRead => "deployments:read",
            Self::DeploymentsWrite => "deployments:write",
            Self::LogsRead => "logs:read",
            Self::UsageRead => "usage:read",
            Self::TokensRead => "tokens:read",
            Self::TokensWrite => "tokens:write",
            Self::ServerRead => "server:read",
            Self::ServerWrite => "server:write",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text was not an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnAction(String);

impl fmt::Display for NotAnAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an action: expected one of", self.0.escape_debug())?;
        Action::ALL.iter().try_for_each(|action| write!(f, " `{action}`"))
    }
}

impl std::error::Error for NotAnAction {}

impl FromStr for Action {
    type Err = NotAnAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or_else(|| NotAnAction(text.chars().take(80).collect()))
    }
}

impl From<Action> for String {
    fn from(action: Action) -> Self {
        action.as_str().to_owned()
    }
}

impl TryFrom<String> for Action {
    type Error = NotAnAction;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
