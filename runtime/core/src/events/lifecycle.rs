//! What the host says of plugins themselves, on topics that are its own.
//!
//! Easily got wrong: these are told after the fact and stop nothing; what an application has a say in are hooks.

use serde::Serialize;

use crate::{Digest, Subject};

/// What happened to a plugin; each is the last word of a topic below `plugwork/lifecycle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LifecycleTopic {
    /// Consent was given, and it has its place in this host.
    Installed,
    /// It is attached to its points.
    Enabled,
    /// It was taken from its points.
    Disabled,
    /// It is gone, with its consent.
    Removed,
    /// Another version took its place.
    Replaced,
    /// A version went back by itself to the one before.
    RolledBack,
    /// It could not be enabled, or cannot go on.
    Failed,
    /// No call reaches it for now: its consent was taken back or is over.
    Suspended,
}

impl LifecycleTopic {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Installed, Self::Enabled, Self::Disabled, Self::Removed, Self::Replaced, Self::RolledBack, Self::Failed, Self::Suspended];

    /// The whole topic.
    pub fn topic(self) -> &'static str {
        match self {
            Self::Installed => "plugwork/lifecycle/installed",
            Self::Enabled => "plugwork/lifecycle/enabled",
            Self::Disabled => "plugwork/lifecycle/disabled",
            Self::Removed => "plugwork/lifecycle/removed",
            Self::Replaced => "plugwork/lifecycle/replaced",
            Self::RolledBack => "plugwork/lifecycle/rolled-back",
            Self::Failed => "plugwork/lifecycle/failed",
            Self::Suspended => "plugwork/lifecycle/suspended",
        }
    }
}

/// The payload of such an event, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LifecycleEvent<'a> {
    /// The package, `namespace:name`.
    pub plugin: &'a str,
    /// Which of several instances; empty where there is one.
    pub instance: &'a str,
    /// The file that this is about.
    pub digest: Digest,
    /// The file that ran before, where another version took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// Why, in words, where there is more to say.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'a str,
}

impl<'a> LifecycleEvent<'a> {
    /// What is told of a plugin. The tenant is not: an event stays within its own.
    pub fn of(subject: &'a Subject, from: Option<Digest>, reason: &'a str) -> Self {
        Self { plugin: subject.package.as_str(), instance: &subject.instance, digest: subject.digest, from, reason }
    }

    /// As it is published.
    pub fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::topic::{is_reserved, is_topic};

    #[test]
    fn every_topic_of_the_lifecycle_is_the_hosts_own() {
        for topic in LifecycleTopic::ALL {
            assert!(is_topic(topic.topic()) && is_reserved(topic.topic()), "{}", topic.topic());
        }
    }

    #[test]
    fn an_event_names_the_plugin_and_not_its_tenant() {
        let subject = Subject {
            tenant: "secret".to_owned(),
            instance: String::new(),
            package: "acme:markdown".parse().unwrap(),
            digest: Digest::of(b"x"),
        };
        let text = String::from_utf8(LifecycleEvent::of(&subject, None, "").payload()).unwrap();
        assert_eq!(text, format!(r#"{{"plugin":"acme:markdown","instance":"","digest":"{}"}}"#, subject.digest));
    }
}
