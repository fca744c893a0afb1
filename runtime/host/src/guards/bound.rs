//! What an application has guarded, said while a runtime is made.

use std::sync::Arc;

use plugwork_core::Issue;
use plugwork_core::guard::NotAPattern;

use super::{Guard, GuardSettings, Guards, Who};
use crate::builder::Builder;
use crate::error::{Error, ErrorKind, Result};

/// Who is to guard something.
pub(crate) enum Bound {
    Native(Arc<dyn Guard>),
    Plugin(String),
}

impl Builder {
    /// Asks this guard before each call of what the pattern names: `namespace:package/interface` or `namespace:package/*`, without versions. Of several guards all
    /// are asked, in the order in which they were named, before those that the plugin's own manifest names; the first that does not allow ends the call.
    pub fn guard(mut self, pattern: &str, guard: impl Guard) -> Self {
        self.guards.push((pattern.to_owned(), Bound::Native(Arc::new(guard))));
        self
    }

    /// The same with a plugin of that name (`namespace:name`), which has to be active for the tenant of whoever is called and to export
    /// `plugwork:points/guard`. Where it is not, nothing that it guards is called.
    pub fn guard_by(mut self, pattern: &str, plugin: &str) -> Self {
        self.guards.push((pattern.to_owned(), Bound::Plugin(plugin.to_owned())));
        self
    }

    /// How long guards may take and their answers are kept.
    pub fn guarding(mut self, settings: GuardSettings) -> Self {
        self.guarding = settings;
        self
    }

    /// Who guards what; an issue for each pattern or name that is none.
    pub(crate) fn bound_guards(&mut self) -> Result<Guards> {
        let (mut bound, mut issues) = (Vec::new(), Vec::new());
        for (number, (pattern, who)) in std::mem::take(&mut self.guards).into_iter().enumerate() {
            let issue = |what: String| Issue { what, at: format!("guard {}", number + 1), expected: String::new() };
            let who = match who {
                Bound::Native(guard) => Ok(Who::Native(number, guard)),
                Bound::Plugin(name) => name.parse().map(Who::Named).map_err(|error| issue(format!("{error}"))),
            };
            match (pattern.parse(), who) {
                (Ok(pattern), Ok(who)) => bound.push((pattern, who)),
                (pattern, who) => {
                    issues.extend(pattern.err().map(|error: NotAPattern| issue(error.to_string())).into_iter().chain(who.err()))
                }
            }
        }
        issues.extend(self.guarding.check().err().map(|issue| Issue { at: format!("guarding.{}", issue.at), ..issue }));
        match issues.is_empty() {
            true => Ok(Guards::new(self.guarding, bound)),
            false => Err(Error::invalid(ErrorKind::Invalid, "the runtime cannot be opened:", issues)),
        }
    }
}
