//! A version of a plugin, linked: with its own grants, or with what is left of them on behalf of those who call it.
//!
//! Easily got wrong: rights that are lost on the way are not asked about at each call. The view that serves a chain of calls has nothing behind those imports but
//! a stub that answers the denial.

use std::sync::{Arc, Mutex, Weak};

use plugwork_core::policy::topic::TopicPattern;
use plugwork_core::reach::{self, Reach};
use plugwork_core::{Grants, chain};
use wasmtime::component::InstancePre;

use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::generation::{ConfiguredByName, Generation};
use crate::link::{self, Parts};
use crate::runtime::Shared;
use crate::state::State;

/// Views that one version keeps; of more the oldest is made anew when it is needed.
const VIEWS_MAX: usize = 64;
/// Callees' views that one view remembers.
const NEXT_MAX: usize = 64;

/// What an instance is made of.
pub(crate) struct View {
    pub(crate) grants: Grants,
    /// Whether it may receive fewer events than its version may.
    pub(super) receives_less: bool,
    pub(crate) configured: ConfiguredByName,
    pub(crate) pre: InstancePre<State>,
    /// What those whom it calls are linked with, so that rights are compared once for each pair.
    next: Mutex<Vec<(Weak<Generation>, Arc<View>)>>,
}

/// Those of one version that are not its own.
#[derive(Default)]
pub(crate) struct Views(Mutex<Vec<Arc<View>>>);

impl View {
    pub(crate) fn new(grants: Grants, configured: ConfiguredByName, pre: InstancePre<State>) -> Self {
        Self { grants, receives_less: false, configured, pre, next: Mutex::default() }
    }

    /// The view of a plugin that is called by one that is linked with this.
    pub(crate) fn of_callee(&self, callee: &Arc<Generation>) -> Result<Arc<View>> {
        let mut next = self.next.lock().expect("no panic happens under this lock");
        if let Some((_, view)) = next.iter().find(|(known, _)| known.as_ptr() == Arc::as_ptr(callee)) {
            return Ok(view.clone());
        }
        // Linking takes microseconds and calls no guest.
        let view = callee.on_behalf_of(&self.grants)?;
        next.retain(|(known, _)| known.strong_count() > 0);
        if next.len() < NEXT_MAX {
            next.push((Arc::downgrade(callee), view.clone()));
        }
        Ok(view)
    }
}

impl Generation {
    /// This version with what is left of its rights for a caller who has these.
    fn on_behalf_of(&self, caller: &Grants) -> Result<Arc<View>> {
        let runtime = self.runtime()?;
        let is_shared = |name: &str| runtime.capabilities.iter().any(|capability| capability.name() == name && capability.is_shared());
        let left = chain::effective_where(&self.own.grants, caller, is_shared);
        if left == self.own.grants {
            return Ok(self.own.clone());
        }
        let mut views = self.views.0.lock().expect("no panic happens under this lock");
        if let Some(view) = views.iter().find(|view| view.grants == left) {
            return Ok(view.clone());
        }
        let view = Arc::new(self.linked_with(&runtime, left)?);
        if views.len() == VIEWS_MAX {
            views.remove(0);
        }
        views.push(view.clone());
        Ok(view)
    }

    fn runtime(&self) -> Result<Arc<Shared>> {
        self.runtime.upgrade().ok_or_else(|| Error::new(ErrorKind::Unavailable, "its runtime is closed").of(&self.subject))
    }

    fn linked_with(&self, runtime: &Shared, grants: Grants) -> Result<View> {
        let decided = reach::decide(&self.facts.imports(), self.manifest.as_ref(), &grants, &runtime.offered(), &self.wires.standing());
        let reach = reach::on_behalf(decided);
        // What is as it was granted is the very same: budgets and quotas of one grant are not there twice.
        let is_own = |name: &str| self.own.grants.get(name) == grants.get(name);
        let narrower = grants.iter().filter(|grant| !is_own(&grant.capability));
        let narrower = narrower.fold(Grants::none(), |narrower, grant| narrower.with(&grant.capability, grant.bounds));
        let mut configured = link::configure(runtime, &self.subject, &narrower).map_err(|issues| {
            Error::invalid(ErrorKind::Refused, format!("cannot link `{}` on behalf of another plugin:", self.subject), issues)
        })?;
        let kept = self.own.configured.iter().filter(|(name, _)| grants.get(name).is_some() && is_own(name));
        configured.extend(kept.cloned());
        let subject = self.subject.to_string();
        let denial = |reach: &Reach| reach.denial(&subject, "grants.deputy, where its own rights are to serve everybody who calls it");
        let parts = Parts {
            engine: self.component.engine(),
            component: &self.component,
            subject: &self.subject,
            reach: &reach,
            configured: &configured,
            wires: &self.wires,
            denial: &denial,
        };
        let pre = parts.link()?;
        let left = events::bounds_of(&grants);
        let is_left = |own: &TopicPattern| left.as_ref().is_some_and(|left| left.incoming.iter().any(|left| left.covers(own)));
        let receives_less = events::bounds_of(&self.own.grants).is_some_and(|own| !own.incoming.iter().all(is_left));
        Ok(View { receives_less, ..View::new(grants, configured, pre) })
    }
}
