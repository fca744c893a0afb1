//! Putting a question to all guards of a call: the first that does not allow it ends it.
//!
//! A guard that is a plugin is called as any other: with its own rights, limits and breaker, in its lane. Easily got wrong: a guard may call plugins whom it guards
//! itself; who is being asked goes with each call, so that such a circle ends at its first turn.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use plugwork_core::chain::Caller;
use plugwork_core::events::Chain;
use plugwork_core::guard::{self, Decision, Question, Verdict};
use plugwork_core::{Denial, PackageName, Subject};

use super::asking;
use super::kept::By;
use super::{Asked, Behalf, Guard, GuardPoint, Who};
use crate::dispatch;
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::installation::Member;
use crate::ledger::Spend;
use crate::runtime::{Runtime, Shared};

/// For what a guard's own deadline may be late.
const LATE_MS: u64 = 250;

/// A call that is about to be made.
pub(crate) struct Call<'a> {
    /// As the interface is named by whoever calls, or by the plugin.
    pub(crate) interface: &'a str,
    pub(crate) function: Option<&'a str>,
    pub(crate) callers: &'a [Caller],
    pub(crate) asked: &'a Asked,
    /// The chain of events that it is part of.
    pub(crate) answering: Option<Chain>,
}

/// Everything that is needed to ask.
struct Asking {
    shared: Arc<Shared>,
    question: Arc<Question>,
    asked: Asked,
    answering: Option<Chain>,
    /// The plugin that is called, where it is a component.
    own: Option<Arc<Generation>>,
}

/// A plugin that is a guard.
enum Target {
    Installed(Arc<Member>),
    Version(Arc<Generation>),
}

impl Generation {
    /// Asks the guards of an interface; none where it has none.
    #[inline]
    pub(crate) fn asks<'a>(self: &'a Arc<Self>, call: &Call<'_>) -> Option<BoxFuture<'a, Result<()>>> {
        if self.guarded.is_empty() { None } else { self.asks_guards(call) }
    }

    #[cold]
    fn asks_guards<'a>(self: &'a Arc<Self>, call: &Call<'_>) -> Option<BoxFuture<'a, Result<()>>> {
        let Ok(wanted) = call.interface.parse() else { return Some(self.nameless(call)) };
        let (export, all) = self.guarded.of(&wanted)?;
        let plugin = Caller { subject: (*self.subject).clone(), version: self.version().map(ToString::to_string).unwrap_or_default() };
        let question = Arc::new(question(plugin, export.to_string(), call));
        let asking = self.runtime.upgrade().map(|shared| Asking {
            shared,
            question: question.clone(),
            asked: call.asked.clone(),
            answering: call.answering,
            own: Some(self.clone()),
        });
        Some(Box::pin(async move {
            let answer = match &asking {
                Some(asking) => asking.all(all).await,
                None => Err(guard::no_answer(&all[0].name(), &question, "the runtime was closed")),
            };
            answer.map_err(|denial| {
                self.account.denied(&denial);
                not_called(&self.subject, denial)
            })
        }))
    }
}

impl Generation {
    /// What is called has no interface's name, so nobody can say whether it is guarded.
    fn nameless<'a>(&self, call: &Call<'_>) -> BoxFuture<'a, Result<()>> {
        let plugin = Caller { subject: (*self.subject).clone(), version: String::new() };
        let question = question(plugin, call.interface.to_owned(), call);
        let denial =
            guard::no_answer("of its interfaces", &question, "of a plugin that is guarded only what an interface exports is called");
        Box::pin(std::future::ready(Err(not_called(&self.subject, denial))))
    }
}

impl Member {
    /// Asks the guards of a native plugin of the application's.
    #[cold]
    pub(crate) fn asks_native<'a>(&'a self, runtime: &'a Runtime, interface: &'a str, asked: &'a Asked) -> BoxFuture<'a, Result<()>> {
        let all = runtime.shared().guards.of_native(interface);
        Box::pin(async move {
            if all.is_empty() {
                return Ok(());
            }
            let closed = || Error::new(ErrorKind::Unavailable, "its runtime was closed").of(&self.subject());
            let shared = runtime.downgrade().upgrade().ok_or_else(closed)?;
            let subject = self.subject();
            let plugin = Caller { subject: (*subject).clone(), version: String::new() };
            let call = Call { interface, function: None, callers: &super::NOBODY, asked, answering: None };
            let question = Arc::new(question(plugin, interface.to_owned(), &call));
            let asking = Asking { shared, question, asked: asked.clone(), answering: None, own: None };
            let answer = asking.all(&all).await;
            answer.map_err(|denial| not_called(&subject, denial))
        })
    }
}

fn not_called(subject: &Subject, denial: Denial) -> Error {
    Error::refused(format!("`{subject}` is not called:"), vec![denial]).of(subject)
}

fn question(plugin: Caller, interface: String, call: &Call<'_>) -> Question {
    Question {
        principal: call.asked.as_ref().and_then(|asked| asked.principal.clone()),
        callers: call.callers.to_vec(),
        plugin,
        interface,
        function: call.function.map(str::to_owned),
    }
}

impl Asking {
    async fn all(&self, all: &[Who]) -> Result<(), Denial> {
        for who in all {
            self.one(who).await?;
        }
        Ok(())
    }

    async fn one(&self, who: &Who) -> Result<(), Denial> {
        let (name, kept) = (self.name(who), &self.shared.guards.kept);
        if self.asked.as_ref().is_some_and(|asked| asked.asking.contains(&name)) || asking::is_here(&name) {
            return Err(guard::circle(&name, &self.question));
        }
        let no_answer = |why: &str| guard::no_answer(&name, &self.question, why);
        let (target, by) = self.target(who).map_err(|why| no_answer(&why))?;
        let verdict = match by.and_then(|by| kept.get(&by, &self.question)) {
            Some(verdict) => verdict,
            None => {
                let asked_at = Instant::now();
                let answer = match (who, target) {
                    (Who::Native(_, guard), _) => self.within(&name, self.of_native(&**guard)).await,
                    (_, Some(target)) => self.within(&name, self.of_plugin(target, &name)).await,
                    (_, None) => Err("it is no component".to_owned()),
                };
                let decision = answer.map_err(|why| no_answer(&why))?.plain();
                // One that was replaced while it was asked may have answered in either version.
                if let Some(by) = by.filter(|by| self.target(who).is_ok_and(|(_, now)| now == Some(*by))) {
                    kept.put(by, &self.question, &decision, asked_at, self.shared.guards.settings.keep_ms_max);
                }
                decision.verdict
            }
        };
        match verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny { reason } => Err(guard::denied(&name, &self.question, &reason)),
        }
    }

    /// Which plugin it is, where it is one, and whose answers are kept: nobody's where it has to be loaded first.
    fn target(&self, who: &Who) -> Result<(Option<Target>, Option<By>), String> {
        let target = match who {
            Who::Native(number, _) => return Ok((None, Some(By::Native(*number)))),
            Who::Itself => self.own.clone().map(Target::Version).ok_or("it is no component")?,
            Who::Named(package) => self.find(package)?,
        };
        let by = target.by()?;
        Ok((Some(target), by))
    }

    /// As shown, and as a circle is noticed by.
    fn name(&self, who: &Who) -> String {
        match who {
            Who::Itself => self.question.plugin.subject.to_string(),
            other => other.name(),
        }
    }

    /// The guard of that name: one that the application named, or the one that is active for the same tenant.
    fn find(&self, package: &PackageName) -> Result<Target, String> {
        if let Some(named) = self.own.iter().flat_map(|own| &own.guards_named).find(|named| named.subject.package == *package) {
            return Ok(Target::Version(named.clone()));
        }
        let tenant = &self.question.plugin.subject.tenant;
        let attached = self.shared.members.point::<GuardPoint>();
        let is_it = |member: &&Arc<Member>| member.key.tenant == *tenant && member.key.package == *package;
        // Never one with a name of its own: it would begin to be asked where the one without is disabled.
        let found = attached.members.iter().filter(is_it).find(|member| member.key.instance.is_empty());
        found.map(|one| Target::Installed(one.clone())).ok_or_else(|| "no plugin of that name is active as a guard here".to_owned())
    }

    /// The answer, or why there is none. A guard that hangs is given up.
    async fn within(&self, name: &str, answer: impl Future<Output = Result<Decision, String>>) -> Result<Decision, String> {
        let (answer_ms, began) = (self.shared.guards.settings.answer_ms, Instant::now());
        let most = Duration::from_millis(answer_ms.saturating_add(LATE_MS));
        let too_long = || Err(format!("it took longer than {answer_ms} ms"));
        let late = {
            let _io = self.shared.io.enter();
            tokio::time::sleep(most)
        };
        tokio::select! {
            biased;
            // One that kept its thread for longer than it may is not believed either.
            answer = asking::here(name, answer) => if began.elapsed() > most { too_long() } else { answer },
            () = late => too_long(),
        }
    }

    async fn of_native(&self, guard: &dyn Guard) -> Result<Decision, String> {
        let answer = AssertUnwindSafe(async { guard.check(&self.question).await }).catch_unwind().await;
        answer.map_err(|_| "it panicked".to_owned())
    }

    async fn of_plugin(&self, target: Target, name: &str) -> Result<Decision, String> {
        let answer_ms = self.shared.guards.settings.answer_ms;
        // Not that of whoever calls: one with little time left would have the guard blamed for it. When it is over the guard's call is dropped with its caller's.
        let until_tick = self.shared.engines.ticker.now().saturating_add(answer_ms);
        let mut asking = self.asked.as_ref().map(|asked| asked.asking.clone()).unwrap_or_default();
        asking.push(name.to_owned());
        let principal = self.question.principal.clone();
        let asked: Asked = Some(Arc::new(Behalf { principal, asking, answering: self.answering, until_tick }));
        let answer = match target {
            Target::Installed(member) => {
                let runtime = Runtime::from(self.shared.clone());
                let (outcome, decision) = dispatch::ask_one::<GuardPoint>(&runtime, &member, self.question.clone(), &asked).await;
                decision.ok_or(outcome.error)
            }
            Target::Version(generation) => of_version(&generation, self.question.clone(), asked).await.map_err(Some),
        };
        answer.map_err(|error| error.map_or_else(|| "it failed".to_owned(), |error| why(&error)))
    }
}

impl Target {
    /// Whose answers are kept: none where it has to be loaded first. Or why it cannot be asked.
    fn by(&self) -> Result<Option<By>, &'static str> {
        match self {
            Self::Installed(member) => Ok(member.current_number().map(By::Plugin)),
            Self::Version(generation) if generation.is_closed() || generation.account.revoked() => Err("it takes no calls now"),
            Self::Version(generation) => Ok(Some(By::Plugin(generation.number))),
        }
    }
}

/// Asks a version by itself, which counts for its breaker as any call.
async fn of_version(generation: &Arc<Generation>, question: Arc<Question>, asked: Asked) -> Result<Decision> {
    let its = generation.clone();
    let asking = async move {
        let closed = || Error::new(ErrorKind::Unavailable, format!("this version of `{}` is closed", its.subject));
        let entered = its.enter().ok_or_else(closed)?;
        let admitted = entered.work.breaker.admit(entered.now_ms());
        let permit = admitted.map_err(|_| Error::new(ErrorKind::Unavailable, "its breaker is open"))?;
        let mut spend = Spend::default();
        let answer = entered.call::<GuardPoint>(&question, &asked, &mut spend).await;
        entered.work.ended(permit, entered.now_ms(), spend.time, answer.as_ref().err());
        answer
    };
    generation.on_guest_thread(Box::pin(asking)).await
}

/// Why there is no answer, in words of the host's: those of the guard may be for its owner's eyes only.
fn why(error: &Error) -> String {
    match (error.fault(), error.kind()) {
        (Some(fault), _) => format!("it failed: {}", fault.code()),
        (None, ErrorKind::Refusal) => "it refused to answer".to_owned(),
        (None, ErrorKind::Unavailable) => "it takes no calls now".to_owned(),
        (None, _) => "it could not be asked".to_owned(),
    }
}
