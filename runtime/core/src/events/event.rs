//! One event, and the chain that it belongs to.

use std::sync::Arc;

/// Whose events are about plugins themselves: the host's.
pub const HOST_SOURCE: &str = "plugwork:host";
/// What an event takes beside its topic and its payload, roughly.
pub const ENTRY_BYTES: usize = 128;

/// Something that happened, as every subscriber is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is about: words joined by `/`. Shared by all events of one topic.
    pub topic: Arc<str>,
    /// Whatever was published with it, at most [`crate::limits::EVENT_PAYLOAD_BYTES_MAX`].
    pub payload: Vec<u8>,
    /// Who published it, as the host knows: `namespace:name`, with `#instance` behind it where there is one; [`HOST_SOURCE`]; or
    /// `application`.
    pub source: Arc<str>,
    /// Which chain it belongs to, and how far along.
    pub chain: Chain,
    /// Its place among the durable events of its tenant, from 1; none where its topic is not durable.
    pub sequence: Option<u64>,
}

impl Event {
    /// What it counts for in a queue.
    pub fn bytes(&self) -> usize {
        self.payload.len() + self.topic.len() + ENTRY_BYTES
    }
}

/// An event and everything that was published in answer to it, and in answer to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain {
    /// Its number, unique in the process: what a record of a refused loop names.
    pub id: u64,
    /// How many plugins published, one in answer to the other, until it was this event; 0 where the host or the application did.
    pub hops: u32,
}

impl Chain {
    /// A chain that the host or the application begins.
    pub fn begun(id: u64) -> Self {
        Self { id, hops: 0 }
    }

    /// As it goes on from the plugin that publishes now, in answer to an event of this chain or to begin it.
    pub fn passed(self) -> Self {
        Self { hops: self.hops.saturating_add(1), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_keeps_its_number_and_counts_each_plugin() {
        let chain = Chain::begun(7).passed().passed();
        assert_eq!(chain, Chain { id: 7, hops: 2 });
        assert_eq!(Chain { id: 1, hops: u32::MAX }.passed().hops, u32::MAX);
    }
}
