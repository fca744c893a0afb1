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
use plugwork_core::guard::{self, Decision, Question, Verdict};
use plugwork_core::record::ConsentKey;
use plugwork_core::{Denial, PackageName};

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
    /// The tick at which the call ends in which this one is made.
    pub(crate) until_tick: u64,
}

/// Everything that is needed to ask.
struct Asking {
    shared: Arc<Shared>,
    question: Arc<Question>,
    asked: Asked,
    until_tick: u64,
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
        let (export, all) = self.guarded.of(call.interface)?;
        let plugin = Caller { subject: (*self.subject).clone(), version: self.version().map(ToString::to_string).unwrap_or_default() };
        let question = Arc::new(question(plugin, export.to_string(), call));
        let asking = self.runtime.upgrade().map(|shared| Asking {
            shared,
            question: question.clone(),
            asked: call.asked.clone(),
            until_tick: call.until_tick,
            own: Some(self.clone()),
        });
        Some(Box::pin(async move {
            let answer = match &asking {
                Some(asking) => asking.all(all).await,
                None => Err(guard::no_answer(&all[0].name(), &question, "the runtime was closed")),
            };
            answer.map_err(|denial| {
                self.account.denied(&denial);
                Error::refused(format!("`{}` is not called:", self.subject), vec![denial]).of(&self.subject)
            })
        }))
    }
}

impl Member {
    /// Asks the guards of a native plugin of the application's.
    #[cold]
    pub(crate) fn asks_native<'a>(&'a self, runtime: &'a Runtime, interface: &'a str, asked: &'a Asked) -> BoxFuture<'a, Result<()>> {
        let all = runtime.shared().guards.of_native(interface);
        Box::pin(async move {
            let Some(shared) = runtime.downgrade().upgrade().filter(|_| !all.is_empty()) else { return Ok(()) };
            let subject = self.subject();
            let plugin = Caller { subject: (*subject).clone(), version: String::new() };
            let call = Call { interface, function: None, callers: &super::NOBODY, asked, until_tick: u64::MAX };
            let question = Arc::new(question(plugin, interface.to_owned(), &call));
            let asking = Asking { shared, question, asked: asked.clone(), until_tick: u64::MAX, own: None };
            let answer = asking.all(&all).await;
            answer.map_err(|denial| Error::refused(format!("`{subject}` is not called:"), vec![denial]).of(&subject))
        })
    }
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
        if self.asked.as_ref().is_some_and(|asked| asked.asking.contains(&name)) {
            return Err(guard::circle(&name, &self.question));
        }
        let no_answer = |why: &str| guard::no_answer(&name, &self.question, why);
        let target = match who {
            Who::Native(..) => None,
            Who::Itself => self.own.clone().map(Target::Version),
            Who::Named(package) => Some(self.find(package).map_err(|why| no_answer(&why))?),
        };
        let by = match (who, &target) {
            (Who::Native(number, _), _) => By::Native(*number),
            (_, Some(target)) => target.by(),
            (_, None) => return Err(no_answer("it is no component")),
        };
        let verdict = match kept.get(&by, &self.question) {
            Some(verdict) => verdict,
            None => {
                let asked_at = Instant::now();
                let answer = match (who, target) {
                    (Who::Native(_, guard), _) => self.within(self.of_native(&**guard)).await,
                    (_, Some(target)) => self.within(self.of_plugin(target, &name)).await,
                    (_, None) => Err("it is no component".to_owned()),
                };
                let decision = answer.map_err(|why| no_answer(&why))?;
                kept.put(by, &self.question, &decision, asked_at, self.shared.guards.settings.keep_ms_max);
                decision.verdict
            }
        };
        match verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny { reason } => Err(guard::denied(&name, &self.question, &reason)),
        }
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
        let mut found: Vec<_> = attached.members.iter().filter(is_it).collect();
        if found.len() > 1 {
            found.retain(|member| member.key.instance.is_empty());
        }
        match found.as_slice() {
            [one] => Ok(Target::Installed((*one).clone())),
            [] => Err("no plugin of that name is active as a guard here".to_owned()),
            _ => Err("several instances of it are active, and none without a name".to_owned()),
        }
    }

    /// The answer, or why there is none. A guard that hangs is given up.
    async fn within(&self, answer: impl Future<Output = Result<Decision, String>>) -> Result<Decision, String> {
        let answer_ms = self.shared.guards.settings.answer_ms;
        let late = {
            let _io = self.shared.io.enter();
            tokio::time::sleep(Duration::from_millis(answer_ms.saturating_add(LATE_MS)))
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            () = late => Err(format!("it took longer than {answer_ms} ms")),
        }
    }

    async fn of_native(&self, guard: &dyn Guard) -> Result<Decision, String> {
        let answer = AssertUnwindSafe(async { guard.check(&self.question).await }).catch_unwind().await;
        answer.map_err(|_| "it panicked".to_owned())
    }

    async fn of_plugin(&self, target: Target, name: &str) -> Result<Decision, String> {
        let answer_ms = self.shared.guards.settings.answer_ms;
        let until_tick = self.shared.engines.ticker.now().saturating_add(answer_ms).min(self.until_tick);
        let mut asking = self.asked.as_ref().map(|asked| asked.asking.clone()).unwrap_or_default();
        asking.push(name.to_owned());
        let principal = self.question.principal.clone();
        let asked: Asked = Some(Arc::new(Behalf { principal, asking, until_tick }));
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
    fn by(&self) -> By {
        match self {
            Self::Installed(member) => By::Plugin(member.key.clone(), member.subject().digest, member.generations()),
            // Those of a version go with it: its number among all that ever were.
            Self::Version(generation) => {
                By::Plugin(ConsentKey::from(&*generation.subject), generation.subject.digest, generation.account.since())
            }
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
