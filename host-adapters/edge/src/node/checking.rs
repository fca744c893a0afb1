//! The identity checks of a node, and what may not be served for want of one.

use std::sync::Arc;

use plugwork_core::Issue;
use plugwork_core::application::Application;
use plugwork_core::deployment::ApplicationKey;

use super::Node;
use crate::finding::issue;
use crate::identity::Checks;

impl Node {
    /// The checks that routes may name. They count from the next request on: a route whose check is not among them refuses all requests, until it
    /// is again or the route is deployed without. To be set before [`Node::start`], which brings up nothing whose check is not there.
    pub fn set_checks(&self, checks: Checks) {
        self.0.checks.store(Arc::new(checks));
    }

    /// The checks that count now.
    pub fn checks(&self) -> Arc<Checks> {
        self.0.checks.load_full()
    }

    /// Routes that are served and refuse everybody, since their check is not there any more: application, path and check of each.
    pub fn closed(&self) -> Vec<(ApplicationKey, String, String)> {
        let (checks, live) = (self.checks(), self.live());
        let named = live.entries.iter().filter_map(|entry| Some((entry, entry.auth.clone()?)));
        let closed = named.filter(|(_, auth)| checks.get(auth).is_none());
        closed.map(|(entry, auth)| (entry.application.clone(), entry.told.route.to_string(), auth)).collect()
    }

    /// Routes whose check this server does not have.
    pub(super) fn unchecked(&self, application: &Application) -> Vec<Issue> {
        let checks = self.checks();
        let known: Vec<&str> = checks.names().take(16).collect();
        let expected = match known.as_slice() {
            [] => "a table `[auth.NAME]` of that name in the server's configuration: it has none".to_owned(),
            known => format!("one of `{}`, or a table `[auth.NAME]` of that name in the server's configuration", known.join("`, `")),
        };
        let named = application.routes.iter().enumerate().filter_map(|(index, route)| Some((index, route.auth.as_ref()?)));
        let unknown = named.filter(|(_, auth)| checks.get(auth).is_none());
        let told =
            unknown.map(|(index, auth)| issue(format!("route[{index}].auth"), format!("this server has no check `{auth}`"), &expected));
        told.collect()
    }
}
