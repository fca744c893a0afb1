//! Which topics are durable, and how often a delivery is tried.

use plugwork_core::Issue;
use plugwork_core::events::outbox::Attempts;
use plugwork_core::policy::topic::TopicPattern;

/// What is durable in a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DurableEvents {
    /// Patterns of the topics whose events are kept: `orders/**`. The host's own topics are not among them.
    pub topics: Vec<String>,
    /// How often an event is handed over that its subscriber does not handle.
    pub attempts: Attempts,
}

impl DurableEvents {
    /// These topics, and the usual number of attempts.
    pub fn topics<'a>(topics: impl IntoIterator<Item = &'a str>) -> Self {
        Self { topics: topics.into_iter().map(str::to_owned).collect(), attempts: Attempts::default() }
    }

    pub(super) fn patterns(&self) -> Result<Vec<TopicPattern>, Issue> {
        let wrong =
            |what: String| Issue { what, at: "topics".to_owned(), expected: "patterns of topics that are not the host's own".to_owned() };
        let patterns = self.topics.iter().map(|topic| match TopicPattern::try_from(topic.clone()) {
            Ok(pattern) if pattern.is_reserved() => Err(wrong(format!("`{pattern}` is the host's own"))),
            other => other.map_err(wrong),
        });
        patterns.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_and_what_is_the_hosts_own_is_refused() {
        assert_eq!(DurableEvents::topics(["a/**", "b/*"]).patterns().unwrap().len(), 2);
        for wrong in ["a//", "A", "plugwork/lifecycle/*", "plugwork/**"] {
            assert_eq!(DurableEvents::topics(["a/**", wrong]).patterns().unwrap_err().at, "topics", "{wrong}");
        }
    }
}
