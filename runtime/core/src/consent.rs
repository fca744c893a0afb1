//! What a recorded consent is worth for the package at hand: pure rules over the latest record, the digest and the time.
//!
//! Easily got wrong: consent belongs to one digest. Another file of the same name and version has none, whoever vouches for it.

use serde_json::{Map, Value};

use crate::record::{Consent, Event, Record};
use crate::{Denial, Difference, Digest, Grants, Manifest, Subject, policy};

/// What stands on record for the package that is offered.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Nobody consented yet.
    None,
    /// Somebody consented to exactly this file.
    Given(Consent),
    /// Somebody consented to another file of this package: this one would be an update.
    Other(Consent),
    /// The consent is past its time.
    Expired(Consent),
    /// Consent was taken back, or the plugin was removed.
    Ended {
        /// By whom.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
}

impl Standing {
    /// What the latest record of a consent key means for the file with this digest.
    pub fn of(latest: Option<&Event>, digest: Digest, now_ms: u64) -> Self {
        match latest {
            None => Self::None,
            Some(Event::Granted(consent)) if consent.expired(now_ms) => Self::Expired(consent.clone()),
            Some(Event::Granted(consent)) if consent.subject.digest == digest => Self::Given(consent.clone()),
            Some(Event::Granted(consent)) => Self::Other(consent.clone()),
            Some(Event::Revoked { by, reason, .. }) => Self::Ended { by: by.clone(), reason: reason.clone() },
            Some(Event::Removed { by, .. }) => Self::Ended { by: by.clone(), reason: "removed".to_owned() },
            // No event of consent: whoever asks with one has nobody's.
            Some(_) => Self::None,
        }
    }

    /// The consent to run with, or why there is none. `name` is how the host calls the plugin.
    pub fn consent(&self, name: &str, digest: Digest) -> Result<&Consent, Denial> {
        let deny = |code: &str, rule: String, hint: String| {
            Err(Denial { code: code.to_owned(), permission: "consent".to_owned(), rule: format!("{rule} (plugin `{name}`)"), hint })
        };
        match self {
            Self::Given(consent) => Ok(consent),
            Self::None => deny("E-CONSENT-NONE", "nobody consented to it".to_owned(), "plugwork add FILE".to_owned()),
            Self::Other(consent) => deny(
                "E-CONSENT-DIGEST",
                format!("consent was given to {}, this file is {digest}", consent.subject.digest),
                format!("plugwork update {} FILE", consent.subject.package),
            ),
            Self::Expired(consent) => deny(
                "E-CONSENT-EXPIRED",
                format!("the consent of `{}` has expired", consent.approver),
                format!("plugwork add FILE --expires DAYS (again: {})", consent.subject.package),
            ),
            Self::Ended { by, reason } => {
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                deny("E-CONSENT-REVOKED", format!("consent was taken back by `{by}`{why}"), "plugwork add FILE".to_owned())
            }
        }
    }
}

/// In a revocation: every instance of the package in its tenant, also those that run without consent on record.
pub const EVERY_INSTANCE: &str = "*";

/// The events that take consent back: of one instance, or with [`EVERY_INSTANCE`] of each that stands on record and of all that run.
pub fn revocation(standing: &[Record], subject: &Subject, by: &str, reason: &str) -> Vec<Event> {
    let revoked = |subject: Subject| Event::Revoked { subject, by: by.to_owned(), reason: reason.to_owned() };
    let mut events = Vec::new();
    if subject.instance == EVERY_INSTANCE {
        let granted = standing.iter().filter_map(|record| match record.event() {
            Ok(Event::Granted(consent)) => Some(consent.subject),
            _ => None,
        });
        let same = |other: &Subject| other.tenant == subject.tenant && other.package == subject.package;
        events.extend(granted.filter(same).map(revoked));
    }
    events.push(revoked(subject.clone()));
    events
}

/// What an update keeps without asking: of the earlier grants those that the new manifest still asks for, each bound as it was granted or, where
/// less is asked for now, as it is asked for. A grant that fits neither way is not carried over: it needs consent anew.
pub fn carried_over(earlier: &Grants, manifest: Option<&Manifest>) -> Grants {
    let Some(manifest) = manifest else { return earlier.clone() };
    let carried = earlier.iter().filter_map(|grant| {
        let asked = &manifest.permissions.get(&grant.capability)?.bounds;
        Some((grant.capability.clone(), carry(&grant.capability, &grant.bounds, asked)?))
    });
    carried.fold(Grants::none(), |grants, (capability, bounds)| grants.with(&capability, bounds))
}

/// The capabilities that need somebody's consent before another version may run: those of which it asks more than the version before asked and more
/// than was granted, and those whose grant could not be carried over. What was asked before and not granted is not asked again.
pub fn to_ask(asked_before: &Grants, granted: &Grants, carried: &Grants, manifest: Option<&Manifest>) -> Vec<String> {
    let Some(manifest) = manifest else { return Vec::new() };
    let asked = Grants::all_asked(manifest);
    let alone =
        |grants: &Grants, name: &str| grants.get(name).map_or_else(Grants::none, |bounds| Grants::none().with(name, bounds.clone()));
    let more_than = |grants: &Grants, name: &str| Difference::between(&alone(grants, name), &alone(&asked, name)).needs_consent();
    let open = |name: &&String| {
        let lost = granted.get(name).is_some() && carried.get(name).is_none();
        let beyond_grant = granted.get(name).is_none() || more_than(granted, name);
        lost || (more_than(asked_before, name) && beyond_grant)
    };
    manifest.permissions.keys().filter(open).cloned().collect()
}

fn carry(capability: &str, granted: &Map<String, Value>, asked: &Map<String, Value>) -> Option<Map<String, Value>> {
    // With its defaults written out: what a grant left open then must not be filled by what is asked for now.
    let granted = &policy::order::with_defaults(capability, granted).ok()?;
    let mut bounds = granted.clone();
    for (key, now) in policy::askable(capability, asked) {
        let left_out = policy::order::left_out(capability, &key);
        let Some(value) = granted.get(&key).or(left_out.as_ref()) else { continue };
        let within =
            |outer: &Map<String, Value>, value: &Value| policy::narrow(capability, Some(outer), &alone(granted, &key, value)).is_ok();
        if !within(asked, value) {
            if !within(granted, &now) {
                return None;
            }
            bounds.insert(key, now);
        } else if !granted.contains_key(&key) {
            // Written out, or what is asked for now would fill it.
            bounds.insert(key, value.clone());
        }
    }
    Some(bounds)
}

/// The host's own part of the bounds and one key of the rest: what decides about that key alone.
fn alone(bounds: &Map<String, Value>, key: &str, value: &Value) -> Map<String, Value> {
    let mut alone = bounds.clone();
    alone.retain(|other, _| matches!(other.as_str(), "root" | "values" | "networks"));
    alone.insert(key.to_owned(), value.clone());
    alone
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grants(capability: &str, bounds: Value) -> Grants {
        Grants::none().with(capability, bounds.as_object().unwrap().clone())
    }

    fn consent(digest: Digest, expires_ms: Option<u64>) -> Event {
        let subject =
            crate::Subject { tenant: "default".to_owned(), instance: String::new(), package: "acme:reader".parse().unwrap(), digest };
        Event::Granted(Consent {
            subject,
            version: None,
            grants: Grants::none(),
            approver: "ada".to_owned(),
            reason: String::new(),
            expires_ms,
            limits: None,
        })
    }

    fn code(latest: Option<&Event>, digest: Digest, now_ms: u64) -> String {
        match Standing::of(latest, digest, now_ms).consent("acme:reader", digest) {
            Ok(_) => "ok".to_owned(),
            Err(denial) => denial.code,
        }
    }

    #[test]
    fn only_the_file_that_was_approved_runs_and_only_in_time() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let given = consent(one, Some(10));
        assert_eq!(code(None, one, 0), "E-CONSENT-NONE");
        assert_eq!(code(Some(&given), one, 9), "ok");
        assert_eq!(code(Some(&given), one, 10), "E-CONSENT-EXPIRED");
        assert_eq!(code(Some(&given), other, 9), "E-CONSENT-DIGEST");
        let subject = given.subject().clone();
        let revoked = Event::Revoked { subject: subject.clone(), by: "ada".to_owned(), reason: "leak".to_owned() };
        assert_eq!(code(Some(&revoked), one, 0), "E-CONSENT-REVOKED");
        assert_eq!(code(Some(&Event::Removed { subject, by: "ada".to_owned() }), one, 0), "E-CONSENT-REVOKED");
    }

    #[test]
    fn an_update_carries_over_what_it_still_asks_for_and_no_more_than_it_asks() {
        let earlier = grants("http", json!({"hosts": ["a.example.com", "b.example.com"], "methods": ["GET", "POST"]}))
            .with("random", json!({"call-bytes": 9}).as_object().unwrap().clone());
        let manifest =
            Manifest::parse("name='a:b'\nversion='1.0.0'\n[permissions.http]\nhosts=['*.example.com']\nmethods=['GET']").unwrap();
        let carried = carried_over(&earlier, Some(&manifest));
        assert_eq!(carried.get("http").unwrap()["methods"], json!(["GET"]));
        assert_eq!(carried.get("http").unwrap()["hosts"], json!(["a.example.com", "b.example.com"]));
        assert!(carried.get("random").is_none());
        assert!(carried.narrowing(Some(&manifest)).is_ok());
    }

    #[test]
    fn an_update_that_asks_for_other_hosts_carries_nothing_over() {
        let earlier = grants("http", json!({"hosts": ["a.example.com"]}));
        for asked in ["evil.example.net", "*.example.net"] {
            let manifest = format!("name='a:b'\nversion='1.0.0'\n[permissions.http]\nhosts=['{asked}']");
            assert!(carried_over(&earlier, Some(&Manifest::parse(&manifest).unwrap())).is_empty(), "{asked}");
        }
    }

    #[test]
    fn what_a_grant_left_open_is_not_filled_by_what_is_asked_for_now() {
        let earlier =
            grants("filesystem", json!({"root": "/srv"})).with("http", json!({"hosts": ["a.example"]}).as_object().unwrap().clone());
        let manifest = "name='a:b'\nversion='1.0.0'\n[permissions.filesystem]\naccess='write'\n[permissions.http]\nhosts=['a.example']\nmethods=['GET','DELETE']";
        let manifest = Manifest::parse(manifest).unwrap();
        let carried = carried_over(&earlier, Some(&manifest)).narrowing(Some(&manifest)).unwrap();
        assert_eq!(carried.get("filesystem").unwrap()["access"], json!("read"));
        assert!(carried.get("http").is_none(), "neither within the other: it needs consent");
    }

    #[test]
    fn an_update_that_asks_for_reuse_anew_does_not_get_it_without_being_asked_about() {
        let manifest = Manifest::parse("name='a:b'\nversion='1.0.0'\n[permissions.engine]\nreuse-calls=1000").unwrap();
        let calls = |earlier: Value| {
            let carried = carried_over(&grants("engine", earlier), Some(&manifest)).narrowing(Some(&manifest)).unwrap();
            carried.get("engine").unwrap()["reuse-calls"].clone()
        };
        assert_eq!(calls(json!({})), json!(1));
        assert_eq!(calls(json!({"reuse-calls": 50})), json!(50));
        assert_eq!(calls(json!({"reuse-calls": 5000})), json!(1000));
    }

    #[test]
    fn an_event_that_is_not_of_consent_gives_none() {
        let digest = Digest::of(b"one");
        let subject = consent(digest, None).subject().clone();
        let enabled = Event::Enabled { subject, by: "ada".to_owned(), settings: crate::record::Settings::default() };
        assert_eq!(code(Some(&enabled), digest, 0), "E-CONSENT-NONE");
    }

    #[test]
    fn a_folder_that_the_host_named_is_carried_over() {
        let earlier = grants("filesystem", json!({"access": "write", "root": "/srv"}));
        let manifest = Manifest::parse("name='a:b'\nversion='1.0.0'\n[permissions.filesystem]\naccess='read'").unwrap();
        let carried = carried_over(&earlier, Some(&manifest));
        assert_eq!(carried.get("filesystem").unwrap()["root"], json!("/srv"));
        assert_eq!(carried.get("filesystem").unwrap()["access"], json!("read"));
    }
}
