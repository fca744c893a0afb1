//! Dispatch: calling the plugins that are attached to a point, with one answer that shows what each of them did.
//!
//! A dispatch is a snapshot: plugins attached or detached later do not change a call under way. Where it is called from a thread that does I/O
//! each plugin's call hops to a guest thread, if it is not short; on a guest thread `first` and `pipeline` stay where they are.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use plugwork_core::Subject;
use plugwork_core::dispatch::OnFault;
use semver::Version;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::guards::{Asked, Behalf};
use crate::installation::roster::Attached;
use crate::installation::{Installation, Member};
use crate::ledger::Spend;
use crate::point::Call;
use crate::runtime::Runtime;
use crate::threads::{GuestThreads, Job, Submitted};

/// Makes the value that stands for a plugin that gave none.
type Substitute<P> = Arc<dyn Fn(&<P as Call>::Input) -> <P as Call>::Output + Send + Sync>;

/// The plugins attached to `P`, in the order in which they are asked: first the names that the configuration lists, then by weight, then by name.
pub struct Dispatch<'r, P: Call> {
    runtime: &'r Runtime,
    attached: Arc<Attached>,
    on_fault: OnFault,
    concurrency: usize,
    substitute: Option<Substitute<P>>,
    /// For whom they are called.
    asked: Asked,
}

/// A value and how it came about.
#[derive(Debug)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// What each plugin that was called did, in order.
    pub outcomes: Vec<Outcome>,
}

/// All values of [`Dispatch::every`]: one for each plugin, in order, failures among them.
pub type Every<T> = Vec<(Outcome, Option<T>)>;

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A component, in its sandbox.
    Component,
    /// Rust of the application's own, without a sandbox.
    Native,
}

/// What one plugin did in one dispatch.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which plugin, and by its digest which version of it.
    pub subject: Arc<Subject>,
    /// The version in its manifest.
    pub version: Option<Version>,
    /// Whether it is a component.
    pub origin: Origin,
    /// Wall time inside its instance, the start of a new one included; waiting for a thread, for a seat or until it was loaded is not.
    pub time: Duration,
    /// What its instance used.
    pub spend: Spend,
    /// Why it gave no value.
    pub error: Option<Error>,
}

/// What a call tells of itself while it is made.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The version that answered; none where it did not come to that.
    pub(crate) by: Option<Arc<Subject>>,
    pub(crate) version: Option<Version>,
    pub(crate) time: Duration,
    pub(crate) spend: Spend,
}

impl<'r, P: Call> Dispatch<'r, P> {
    #[inline]
    pub(crate) fn new(runtime: &'r Runtime, attached: Arc<Attached>) -> Self {
        let (on_fault, concurrency) = (attached.dispatching.on_fault, attached.dispatching.concurrency as usize);
        Self { runtime, attached, on_fault, concurrency, substitute: None, asked: None }
    }

    /// Calls them for somebody: guards are told who. Default: nobody in particular.
    pub fn for_principal(mut self, principal: &str) -> Self {
        self.asked = Behalf::of(principal);
        self
    }

    /// What a pipeline does at a plugin that gives no value, instead of what is configured. Default: [`OnFault::Stop`].
    pub fn on_fault(mut self, on_fault: OnFault) -> Self {
        self.on_fault = on_fault;
        self
    }

    /// Goes on with this value after a plugin that gave none: [`OnFault::Default`].
    pub fn or_else(mut self, substitute: impl Fn(&P::Input) -> P::Output + Send + Sync + 'static) -> Self {
        self.on_fault = OnFault::Default;
        self.substitute = Some(Arc::new(substitute));
        self
    }

    /// How many plugins [`Dispatch::every`] calls at the same time, at least one. Default: what is configured, or 8.
    pub fn concurrency(mut self, plugins: usize) -> Self {
        self.concurrency = plugins.max(1);
        self
    }

    /// How many plugins are attached.
    pub fn len(&self) -> usize {
        self.attached.members.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.attached.members.is_empty()
    }

    /// Who is attached, in the order in which they are asked.
    pub fn plugins(&self) -> impl Iterator<Item = Installation> + '_ {
        self.attached.members.iter().map(|member| Installation::new(self.runtime, member))
    }

    /// The first plugin's value; when it refuses or fails, the next one's. An error when none has one: the last reason, with what each of them did
    /// ([`Error::outcomes`]).
    pub async fn first(&self, input: P::Input) -> Result<Answer<P::Output>> {
        let mut outcomes = Vec::with_capacity(1);
        let mut input = input;
        for member in &self.attached.members {
            let (again, value) = self.ask(member, input, &mut outcomes).await;
            if let Some(value) = value {
                return Ok(Answer { value, outcomes });
            }
            input = again;
        }
        Err(failed::<P>(outcomes))
    }

    /// Every plugin's value, called side by side on guest threads, as many at once as [`Dispatch::concurrency`] says; a failure stays with the
    /// plugin that failed.
    pub async fn every(&self, input: P::Input) -> Every<P::Output> {
        let input = Arc::new(input);
        // By number: a closure over borrowed members is not general enough for a future that moves between threads.
        let asked = (0..self.len()).map(|number| {
            let member = &self.attached.members[number];
            let (runtime, theirs, input, asked) = (self.runtime.clone(), member.clone(), input.clone(), self.asked.clone());
            async move {
                let (its, called) = (theirs.clone(), runtime.clone());
                let hopped = theirs.hop(&runtime, Box::pin(async move { call_one::<P>(&called, &its, &input, &asked).await }));
                hopped.await.unwrap_or_else(|error| (Told::default().outcome(&theirs, Some(error)), None))
            }
        });
        futures::stream::iter(asked).buffered(self.concurrency).collect().await
    }

    /// The value handed from plugin to plugin. What happens at one that refuses or fails is [`Dispatch::on_fault`]: with `Stop` its error is the
    /// answer, with what each of them did ([`Error::outcomes`]). Without plugins the input itself.
    pub async fn pipeline(&self, input: P::Input) -> Result<Answer<P::Input>>
    where
        P::Output: Into<P::Input>,
    {
        let mut value = input;
        let mut outcomes = Vec::with_capacity(self.len());
        for member in &self.attached.members {
            let (before, next) = self.ask(member, value, &mut outcomes).await;
            value = match (next, self.on_fault, &self.substitute) {
                (Some(next), ..) => next.into(),
                (None, OnFault::Default, Some(substitute)) => substitute(&before).into(),
                (None, OnFault::Skip, _) => before,
                // A default that nobody gave stops too.
                (None, OnFault::Stop | OnFault::Default, _) => return Err(failed::<P>(outcomes)),
            };
        }
        Ok(Answer { value, outcomes })
    }

    /// Calls one: here, where this is a guest thread or it is no guest, or there. Gives the input back.
    #[inline]
    async fn ask(&self, member: &Arc<Member>, input: P::Input, outcomes: &mut Vec<Outcome>) -> (P::Input, Option<P::Output>) {
        if member.native.is_some() || GuestThreads::is_here() {
            let mut told = Told::default();
            let (value, error) = apart(member.call::<P>(self.runtime, &input, &self.asked, &mut told).await);
            outcomes.push(told.outcome(member, error));
            return (input, value);
        }
        let input = Arc::new(input);
        let (runtime, theirs, given, asked) = (self.runtime.clone(), member.clone(), input.clone(), self.asked.clone());
        let called = member.call_in_lane(self.runtime, Box::pin(async move { call_one::<P>(&runtime, &theirs, &given, &asked).await }));
        let (outcome, value) = called.await.unwrap_or_else(|error| (Told::default().outcome(member, Some(error)), None));
        outcomes.push(outcome);
        (Arc::into_inner(input).expect("the call is over, and dropped what it was given"), value)
    }
}

impl Told {
    /// What is shown of a call.
    #[inline]
    fn outcome(self, member: &Member, error: Option<Error>) -> Outcome {
        let origin = if member.native.is_some() { Origin::Native } else { Origin::Component };
        let Told { by, version, time, spend } = self;
        Outcome { subject: by.unwrap_or_else(|| member.subject()), version, origin, time, spend, error }
    }
}

/// The value and the reason why there is none.
#[inline]
fn apart<T>(answer: Result<T>) -> (Option<T>, Option<Error>) {
    match answer {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    }
}

/// Nobody had a value: the last one's reason, with what each of them did.
#[cold]
fn failed<P: Call>(outcomes: Vec<Outcome>) -> Error {
    let last = outcomes.last().and_then(|outcome| outcome.error.clone());
    let reason = last.unwrap_or_else(|| Error::new(ErrorKind::Invalid, format!("no plugin is attached to `{}`", P::INTERFACE)));
    reason.after(outcomes)
}

/// Calls one as on a guest thread: here, where this is one or its calls are short.
pub(crate) async fn ask_one<P: Call>(
    runtime: &Runtime,
    member: &Arc<Member>,
    input: P::Input,
    asked: &Asked,
) -> (Outcome, Option<P::Output>) {
    if member.native.is_some() || GuestThreads::is_here() {
        return Box::pin(call_one::<P>(runtime, member, &input, asked)).await;
    }
    let (its_runtime, theirs, asked) = (runtime.clone(), member.clone(), asked.clone());
    let called = member.call_in_lane(runtime, Box::pin(async move { call_one::<P>(&its_runtime, &theirs, &input, &asked).await }));
    called.await.unwrap_or_else(|error| (Told::default().outcome(member, Some(error)), None))
}

/// Begins a call of one as on a guest thread; a short one has ended with this.
pub(crate) fn begin_one<P: Call, T: Send + 'static>(
    runtime: &Runtime,
    member: &Arc<Member>,
    input: P::Input,
    asked: &Asked,
    ended: impl FnOnce(Outcome, Option<P::Output>) -> T + Send + 'static,
) -> Result<Job<Option<T>>> {
    let (its_runtime, theirs, asked) = (runtime.clone(), member.clone(), asked.clone());
    let called = async move {
        let (outcome, value) = call_one::<P>(&its_runtime, &theirs, &input, &asked).await;
        ended(outcome, value)
    };
    let shared = runtime.shared();
    let patience = Duration::from_millis(member.patience_ms(shared));
    let submitted = shared.threads.submit_or_run(member.lane(&shared.threads), patience, Box::pin(called));
    submitted.map(Submitted::into_job).map_err(|scarce| Error::scarce(scarce).of(&member.subject()))
}

#[inline]
async fn call_one<P: Call>(runtime: &Runtime, member: &Arc<Member>, input: &P::Input, asked: &Asked) -> (Outcome, Option<P::Output>) {
    let mut told = Told::default();
    let (value, error) = apart(member.call::<P>(runtime, input, asked, &mut told).await);
    (told.outcome(member, error), value)
}
