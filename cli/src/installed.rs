//! Plugins that were added: whose consent stands in the records, and the files that belong to it.
//!
//! What is installed is what the records say. Easy to get wrong: one package may have several consents, one for each tenant and each named
//! instance (a pipeline's steps are such); a verb that takes a name means all of them unless it is told which.

use std::time::{SystemTime, UNIX_EPOCH};

use plugwork_core::consent::EVERY_INSTANCE;
use plugwork_core::record::{Consent, ConsentKey, Event, Record, Records};
use plugwork_core::{Digest, PackageName};

use crate::exit::Failure;
use crate::packages::Packages;

/// Which of a package's consents are meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Which {
    /// On whose behalf, where one host has several tenants. Default: `default`.
    #[arg(long, value_name = "NAME", value_parser = label)]
    tenant: Option<String>,
    /// Which of several instances of one plugin, such as a pipeline's step.
    #[arg(long, value_name = "NAME", value_parser = label)]
    instance: Option<String>,
}

impl Which {
    pub(crate) fn tenant(&self) -> &str {
        self.tenant.as_deref().unwrap_or("default")
    }

    pub(crate) fn instance(&self) -> &str {
        self.instance.as_deref().unwrap_or_default()
    }

    /// The instance, if one was named.
    pub(crate) fn named_instance(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    /// The one consent that is meant where only one can be: that of the unnamed instance, unless one was named.
    pub(crate) fn key(&self, package: &PackageName) -> ConsentKey {
        ConsentKey { tenant: self.tenant().to_owned(), instance: self.instance().to_owned(), package: package.clone() }
    }

    /// Whether a tenant or an instance was named.
    pub(crate) fn is_given(&self) -> bool {
        self.tenant.is_some() || self.instance.is_some()
    }

    /// Whether a consent is one of these where no plugin was named: then a tenant or an instance that was not said leaves all.
    pub(crate) fn leaves(&self, key: &ConsentKey) -> bool {
        let same = |wanted: &Option<String>, it: &str| wanted.as_ref().is_none_or(|wanted| wanted == it);
        same(&self.tenant, &key.tenant) && same(&self.instance, &key.instance)
    }

    fn is(&self, key: &ConsentKey) -> bool {
        key.tenant == self.tenant() && self.instance.as_ref().is_none_or(|instance| *instance == key.instance)
    }
}

fn label(text: &str) -> Result<String, String> {
    let good = plugwork_core::name::is_label(text);
    good.then(|| text.to_owned()).ok_or_else(|| "expected lower case words joined by `-`".to_owned())
}

/// The latest record of one consent.
pub(crate) struct Latest {
    pub(crate) record: Record,
    pub(crate) event: Event,
}

impl Latest {
    /// The consent, expired or not; none where it was taken back or the plugin removed.
    pub(crate) fn consent(&self) -> Option<&Consent> {
        match &self.event {
            Event::Granted(consent) => Some(consent),
            _ => None,
        }
    }

    /// Whether the plugin is still there: granted or revoked, but not removed.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.event, Event::Removed { .. })
    }

    /// `granted`, `expired`, `revoked` or `removed`.
    pub(crate) fn state(&self, now_ms: u64) -> &'static str {
        match &self.event {
            Event::Granted(consent) if consent.expired(now_ms) => "expired",
            Event::Granted(_) => "granted",
            Event::Removed { .. } => "removed",
            _ => "revoked",
        }
    }
}

/// The latest record of every consent, or of those of one package that are meant.
pub(crate) async fn latest(records: &dyn Records, package: Option<(&PackageName, &Which)>) -> Result<Vec<Latest>, Failure> {
    let mut found = Vec::new();
    for record in records.consents().await? {
        let event = record.event()?;
        let key = ConsentKey::from(event.subject());
        // That all instances were meant by a revocation is no consent of its own; whom it hit has a record.
        if key.instance == EVERY_INSTANCE {
            continue;
        }
        if package.is_none_or(|(name, which)| *name == key.package && which.is(&key)) {
            found.push(Latest { record, event });
        }
    }
    Ok(found)
}

/// Removes a component's file if no plugin that is there needs it any more.
pub(crate) async fn tidy(records: &dyn Records, packages: &Packages, digest: Digest) -> Result<bool, Failure> {
    let needed = latest(records, None).await?.iter().any(|latest| latest.is_there() && latest.event.subject().digest == digest);
    if needed { Ok(false) } else { packages.remove(digest) }
}

/// A package's name as an argument.
pub(crate) fn package(text: &str) -> Result<PackageName, String> {
    text.parse::<PackageName>().map_err(|error| error.to_string())
}

/// The failure of a name that no consent knows; with the name that was probably meant, or whose consents there are to that name.
pub(crate) async fn unknown(records: &dyn Records, package: &PackageName) -> Failure {
    let known = match latest(records, None).await {
        Ok(known) => known,
        Err(failure) => return failure,
    };
    let there = || known.iter().filter(|latest| latest.is_there()).map(|latest| latest.event.subject());
    let others: Vec<String> =
        there().filter(|subject| subject.package == *package).map(|subject| format!("`{}`", ConsentKey::from(subject))).collect();
    if !others.is_empty() {
        let hint = format!("it is there as {}: say which with `--tenant` and `--instance`", others.join(", "));
        return Failure::not_found(format_args!("there is no plugin `{package}` here of that tenant and instance\nhint: {hint}"));
    }
    let known: Vec<String> = there().map(|subject| subject.package.to_string()).collect();
    let meant = crate::verbs::words::closest(package.as_str(), known.iter().map(String::as_str));
    let hint = match meant.filter(|meant| *meant != package.as_str()) {
        Some(meant) => format!("was `{meant}` meant?"),
        None => format!("add it with `plugwork add FILE`; a file of that name is written `./{package}`"),
    };
    Failure::not_found(format_args!("there is no plugin `{package}` here\nhint: {hint}"))
}

/// Who answers, for the record: the user's name is what the environment says, the number is the system's.
pub(crate) fn approver() -> String {
    let number = rustix::process::getuid().as_raw();
    match std::env::var("USER").ok().filter(|user| !user.is_empty() && user.len() <= 64) {
        Some(user) => format!("{user} (uid {number})"),
        None => format!("uid {number}"),
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
