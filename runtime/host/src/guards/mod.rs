//! Guards: whoever has a say before a call is made, in Rust of the application's or as a plugin.
//!
//! What they are asked and what answers mean is `core::guard`. Here is who guards what; `ask` puts the question, `kept` remembers answers, `point` is how a plugin is
//! asked. Easily got wrong: a call that is not guarded must not pay for this, so what guards an interface is known before any call of it.

mod ask;
mod asking;
mod bindings;
mod bound;
mod kept;
mod point;

use std::sync::Arc;

use plugwork_core::chain::Caller;
use plugwork_core::events::Chain;
use plugwork_core::guard::{Decision, GuardName, Pattern, Question};
use plugwork_core::{InterfaceName, Issue, Manifest, PackageName, guard};

pub(crate) use ask::Call;
pub(crate) use bound::Bound;
use kept::Kept;
pub use point::GuardPoint;

use crate::call::Running;
use crate::inspect::Facts;

/// Someone who says whether calls may be made, written in Rust. Closures `Fn(&Question) -> Decision` are such guards.
pub trait Guard: Send + Sync + 'static {
    /// Decides. Who panics or takes too long does not allow it.
    fn check<'a>(&'a self, question: &'a Question) -> Running<'a, Decision>;
}

impl<F: Fn(&Question) -> Decision + Send + Sync + 'static> Guard for F {
    fn check<'a>(&'a self, question: &'a Question) -> Running<'a, Decision> {
        Box::pin(std::future::ready(self(question)))
    }
}

/// How guards are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardSettings {
    /// How long a guard may take to answer, a new instance of it included. Milliseconds, 1 to 60,000; 1,000.
    pub answer_ms: u64,
    /// How long an answer is kept at most, whatever the guard says. Milliseconds, 0 to 3,600,000; 60,000.
    pub keep_ms_max: u64,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { answer_ms: 1_000, keep_ms_max: 60_000 }
    }
}

impl GuardSettings {
    /// Whether each lies in its range.
    pub(crate) fn check(self) -> Result<(), Issue> {
        let wrong =
            |what: u64, at: &str, expected: &str| Err(Issue { what: what.to_string(), at: at.to_owned(), expected: expected.to_owned() });
        match self {
            Self { answer_ms, .. } if !(1..=60_000).contains(&answer_ms) => wrong(answer_ms, "answer-ms", "1 to 60000"),
            Self { keep_ms_max, .. } if keep_ms_max > 3_600_000 => wrong(keep_ms_max, "keep-ms-max", "0 to 3600000"),
            _ => Ok(()),
        }
    }
}

/// Who is asked.
#[derive(Clone)]
pub(crate) enum Who {
    /// Rust of the application's own, by its number.
    Native(usize, Arc<dyn Guard>),
    /// The plugin that is called.
    Itself,
    /// Another plugin, by its name.
    Named(PackageName),
}

/// Everything a runtime knows of guards.
pub(crate) struct Guards {
    settings: GuardSettings,
    /// What the application has guarded, in the order in which it said so.
    bound: Vec<(Pattern, Who)>,
    kept: Kept,
}

/// Who guards the exports of one version of a plugin, of those that anybody guards.
#[derive(Default)]
pub(crate) struct GuardedExports(Vec<(InterfaceName, Arc<[Who]>)>);

/// For whom a call is made, as far as guards are told; none where nobody said and nobody is being asked.
pub(crate) type Asked = Option<Arc<Behalf>>;

/// What goes with a call through all that it leads to.
#[derive(Clone)]
pub(crate) struct Behalf {
    principal: Option<String>,
    /// The guards who are being asked, in answer to whose question this is a call.
    asking: Vec<String>,
    /// The chain of events that the question is about: what the guard publishes belongs to it.
    pub(crate) answering: Option<Chain>,
    /// The tick at which a guard that is asked stops.
    pub(crate) until_tick: u64,
}

impl Behalf {
    /// A call that the application makes for somebody.
    pub(crate) fn of(principal: &str) -> Asked {
        Some(Arc::new(Self { principal: Some(principal.to_owned()), asking: Vec::new(), answering: None, until_tick: u64::MAX }))
    }

    /// The host hands over events of this chain: what guards publish when they are asked belongs to it.
    pub(crate) fn answering(chain: Chain) -> Asked {
        Some(Arc::new(Self { principal: None, asking: Vec::new(), answering: Some(chain), until_tick: u64::MAX }))
    }
}

impl Guards {
    pub(crate) fn new(settings: GuardSettings, bound: Vec<(Pattern, Who)>) -> Self {
        Self { settings, bound, kept: Kept::new(settings.keep_ms_max) }
    }

    /// What the application has an interface guarded by.
    fn of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Who> {
        self.bound.iter().filter(move |(pattern, _)| pattern.covers(path)).map(|(_, who)| who)
    }

    /// Who guards a native plugin of this interface.
    pub(crate) fn of_native(&self, interface: &str) -> Arc<[Who]> {
        self.of(interface.split('@').next().unwrap_or(interface)).cloned().collect()
    }

    /// Whether the application has nothing guarded.
    pub(crate) fn is_empty(&self) -> bool {
        self.bound.is_empty()
    }

    /// Who guards the exports of a component; what its manifest says of guards and the component does not have is an issue each.
    pub(crate) fn guarded(&self, facts: &Facts, manifest: Option<&Manifest>) -> Result<GuardedExports, Vec<Issue>> {
        let own = manifest.map(|manifest| &manifest.guards);
        let issues = own.map(|own| guard::misfits(own, &facts.points().collect::<Vec<_>>())).unwrap_or_default();
        if !issues.is_empty() {
            return Err(issues);
        }
        let who = |name: &GuardName| match name {
            GuardName::Itself => Who::Itself,
            GuardName::Plugin(package) => Who::Named(package.clone()),
        };
        let guarded = facts.points().filter_map(|export| {
            let by_manifest = own.into_iter().flatten().filter(|(key, _)| key.path() == export.path()).flat_map(|(_, names)| names);
            let all: Arc<[Who]> = self.of(export.path()).cloned().chain(by_manifest.map(who)).collect();
            (!all.is_empty()).then(|| (export.clone(), all))
        });
        Ok(GuardedExports(guarded.collect()))
    }
}

impl GuardedExports {
    /// Whether nobody guards anything of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who guards this interface, and its name as it is exported; none where nobody does.
    fn of(&self, wanted: &InterfaceName) -> Option<&(InterfaceName, Arc<[Who]>)> {
        // The very one, or the one that a call of this leads to.
        let exact = self.0.iter().find(|(export, _)| export == wanted);
        exact.or_else(|| self.0.iter().find(|(export, _)| wanted.is_satisfied_by(export)))
    }

    /// Whether a plugin of this name is a guard of anything.
    pub(crate) fn names(&self, plugin: &PackageName) -> bool {
        self.0.iter().flat_map(|(_, all)| all.iter()).any(|who| matches!(who, Who::Named(name) if name == plugin))
    }

    /// What is guarded and by whom, in words.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&InterfaceName, Vec<String>)> {
        self.0.iter().map(|(export, all)| (export, all.iter().map(Who::name).collect()))
    }
}

impl Who {
    /// As shown.
    fn name(&self) -> String {
        match self {
            Self::Native(number, _) => format!("the application's guard {}", number + 1),
            Self::Itself => "self".to_owned(),
            Self::Named(package) => package.to_string(),
        }
    }
}

/// The callers of a call that the host makes.
pub(crate) const NOBODY: [Caller; 0] = [];
