//! The one door to every decision: bounds and facts in, a decision out.
//!
//! For hosts that have bounds as data and for the vectors. An adapter that decides at every call keeps its bounds typed and asks them directly;
//! both ways end in the same functions.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{
    Access, Decision, Side, Target, blob, check_bounds, config, environment, events, filesystem, header, http, keyvalue, parse, secrets,
};
use crate::Issue;

/// What is known of one thing that a plugin is about to do.
#[derive(Debug, Clone, Copy)]
pub enum Facts<'a> {
    /// `http`: a request before any name is resolved.
    Request {
        /// Upper case.
        method: &'a str,
        /// As the plugin wrote it.
        url: &'a str,
    },
    /// `http`: an address about to be dialled.
    Address(IpAddr),
    /// `http`: the header fields of a request.
    Fields {
        /// Names and values, in order.
        fields: &'a [(&'a str, &'a [u8])],
        /// The length of the body, where it is known.
        body_bytes: Option<u64>,
    },
    /// `filesystem`: a path, from the root.
    Path {
        /// As the plugin wrote it.
        path: &'a str,
        /// What is to be done with it.
        access: Access,
    },
    /// `keyvalue`: a key of a store.
    Key {
        /// Which store.
        store: &'a str,
        /// As the plugin wrote it.
        key: &'a str,
        /// What is to be done with it.
        access: Access,
    },
    /// `blob`: an object of a container.
    Object {
        /// Which container.
        container: &'a str,
        /// As the plugin wrote it.
        name: &'a str,
        /// What is to be done with it.
        access: Access,
    },
    /// `secrets`: seeing one.
    Reveal {
        /// Which.
        name: &'a str,
    },
    /// `secrets`: sending one in a header.
    Send {
        /// Which.
        name: &'a str,
        /// In which header.
        header: &'a str,
        /// Of a request to which URL.
        url: &'a str,
    },
    /// `events`: publishing one.
    Publish {
        /// On which topic.
        topic: &'a str,
        /// How many plugins the event passed that this one answers.
        hops: u32,
    },
    /// `events`: receiving one.
    Receive {
        /// On which topic.
        topic: &'a str,
    },
    /// `config`: reading a key.
    Setting {
        /// Which.
        key: &'a str,
    },
    /// `environment`: reading a variable.
    Variable {
        /// Which.
        name: &'a str,
    },
}

impl Facts<'_> {
    /// Which capability decides.
    pub fn capability(&self) -> &'static str {
        match self {
            Self::Request { .. } | Self::Address(_) | Self::Fields { .. } => "http",
            Self::Path { .. } => "filesystem",
            Self::Key { .. } => "keyvalue",
            Self::Object { .. } => "blob",
            Self::Reveal { .. } | Self::Send { .. } => "secrets",
            Self::Publish { .. } | Self::Receive { .. } => "events",
            Self::Setting { .. } => "config",
            Self::Variable { .. } => "environment",
        }
    }
}

/// Decides. `granted` are the bounds in force for [`Facts::capability`], none where it was not granted; the issue says what is wrong with them.
pub fn decide(granted: Option<&Map<String, Value>>, facts: &Facts<'_>) -> Result<Decision, Issue> {
    let capability = facts.capability();
    let Some(bounds) = granted else {
        return Ok(Decision::Deny {
            code: "E-CAP-NOT-GRANTED",
            rule: format!("no `{capability}` was granted"),
            hint: format!("grants.{capability} = {{ … }}"),
        });
    };
    check_bounds(capability, bounds, Side::Granted)?;
    Ok(match *facts {
        Facts::Request { method, url } => {
            let bounds: http::HttpBounds = parse(bounds)?;
            Target::parse(url).map_or_else(|denied| denied, |target| bounds.decide_target(method, &target))
        }
        Facts::Address(address) => parse::<http::HttpBounds>(bounds)?.decide_address(address),
        Facts::Fields { fields, body_bytes } => header::decide(fields, body_bytes),
        Facts::Path { path, access } => parse::<filesystem::FilesystemBounds>(bounds)?.decide_path(path, access),
        Facts::Key { store, key, access } => parse::<keyvalue::KeyValueBounds>(bounds)?.decide_key(store, key, access),
        Facts::Object { container, name, access } => parse::<blob::BlobBounds>(bounds)?.decide_object(container, name, access),
        Facts::Reveal { name } => parse::<secrets::SecretsBounds>(bounds)?.decide_reveal(name),
        Facts::Send { name, header, url } => {
            let bounds: secrets::SecretsBounds = parse(bounds)?;
            Target::parse(url).map_or_else(|denied| denied, |target| bounds.decide_use(name, header, &target))
        }
        Facts::Publish { topic, hops } => parse::<events::EventsBounds>(bounds)?.decide_publish(topic, hops),
        Facts::Receive { topic } => parse::<events::EventsBounds>(bounds)?.decide_receive(topic),
        Facts::Setting { key } => parse::<config::ConfigBounds>(bounds)?.decide_key(key),
        Facts::Variable { name } => parse::<environment::EnvironmentBounds>(bounds)?.decide_variable(name),
    })
}
