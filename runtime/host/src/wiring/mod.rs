//! Wiring: an import of one plugin satisfied by another plugin's export, through the host (*brokered*).
//!
//! Caller and callee are instances with stores of their own: limits, faults and rights stay apart, and what crosses is copied. An instance that imports from
//! another plugin has instances of that one for itself, made at the first call and ended with it, so that no state crosses from caller to caller and nobody waits
//! for an instance that waits for him. Easily got wrong: a callee is linked with what is left of its rights on behalf of its callers (`view`), not with its own.
//!
//! - `plan`: which plugin stands behind which import, decided when an offer is accepted; `circle`: that no plugin is wired to itself
//! - `view`: a version of a plugin as linked for the rights of one chain of calls
//! - `broker`: what a caller's linker has; `signature`: which functions are called by types, `values`: and which by values
//! - `callee`: one instance of another plugin within an instance; `handles`: its resources, as the caller has them; `breakers`: whom it calls no more for a while

mod breakers;
mod broker;
mod callee;
pub(crate) mod circle;
mod failed;
mod handles;
pub(crate) mod plan;
mod signature;
mod values;
pub(crate) mod view;

use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use plugwork_core::InterfaceName;
use plugwork_core::chain::Caller;
use plugwork_core::record::ConsentKey;

use crate::error::Result;
use crate::generation::Generation;
use crate::installation::Member;
use crate::runtime::Runtime;
use crate::runtime::Shared;
use breakers::Breakers;
pub(crate) use broker::link;
use callee::Callee;
pub(crate) use callee::From;
use handles::Handles;
use view::View;

/// Who is behind an import.
#[derive(Clone)]
pub(crate) enum Provider {
    /// This version and no other.
    Version(Arc<Generation>),
    /// Whichever version of an installation is current.
    Installed(Arc<Member>),
}

impl Provider {
    /// The version that a call would go to now; loads it where it is not loaded.
    ///
    /// Boxed, because a plugin that is loaded this way may itself be wired to others that are.
    pub(crate) fn current(&self, shared: Option<Arc<Shared>>) -> BoxFuture<'_, Result<Arc<Generation>>> {
        Box::pin(async move {
            match (self, shared) {
                (Self::Version(generation), _) => Ok(generation.clone()),
                (Self::Installed(member), Some(shared)) => member.loaded(&Runtime::from(shared)).await,
                (Self::Installed(member), None) => Err(member.unavailable()),
            }
        })
    }

    pub(crate) fn key(&self) -> ConsentKey {
        match self {
            Self::Version(generation) => ConsentKey::from(&*generation.subject),
            Self::Installed(member) => member.key.clone(),
        }
    }

    /// As shown.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Version(generation) => generation.subject.to_string(),
            Self::Installed(member) => member.name.to_string(),
        }
    }
}

/// One import that another plugin satisfies.
pub(crate) struct Wire {
    /// As the component names it.
    pub(crate) import: InterfaceName,
    /// As the provider names it; one on the same track in versions of it that come later.
    pub(crate) export: InterfaceName,
    /// Whose it is: a place in [`Wires::providers`].
    pub(crate) slot: usize,
}

/// Who is behind the imports of one version of a plugin.
#[derive(Default)]
pub(crate) struct Wires {
    /// The version of the plugin that is wired, as its manifest claims.
    pub(crate) version: String,
    pub(crate) runtime: Weak<Shared>,
    /// Whether the application named a provider, which is on no record.
    pub(crate) is_named: bool,
    pub(crate) providers: Vec<Provider>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) breakers: Breakers,
}

impl Wires {
    pub(crate) fn is_empty(&self) -> bool {
        self.wires.is_empty()
    }
}

/// What an instance knows of those who called it, and has of those whom it calls.
pub(crate) struct Chained {
    wires: Arc<Wires>,
    /// What it is linked with.
    view: Arc<View>,
    /// Who called it, the first caller first; nobody where the host did.
    pub(crate) callers: Arc<[Caller]>,
    callees: Vec<Option<Box<Callee>>>,
    handles: Handles,
    /// How many callees were made so far: a handle is of one of them.
    made: u64,
}

impl Chained {
    /// Of an instance of this version; none where it neither calls nor was called.
    pub(crate) fn of(wires: &Arc<Wires>, view: &Arc<View>, callers: Arc<[Caller]>) -> Option<Box<Self>> {
        let needed = !wires.is_empty() || !callers.is_empty();
        needed.then(|| {
            let callees = wires.providers.iter().map(|_| None).collect();
            let (wires, view) = (wires.clone(), view.clone());
            Box::new(Self { wires, view, callers, callees, handles: Handles::default(), made: 0 })
        })
    }

    /// Whether it may receive fewer events than its plugin may, because of who called it.
    pub(crate) fn receives_less(&self) -> bool {
        self.view.receives_less
    }

    /// Ends the instances of others that were made for this one.
    pub(crate) async fn end(self) {
        for callee in self.callees.into_iter().flatten() {
            Box::pin(callee.end()).await;
        }
    }
}
