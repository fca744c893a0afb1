//! Dispatch: calling every plugin that is attached to a point, with one answer that shows what each of them did.
//!
//! A dispatch is a snapshot: plugins attached or detached later do not change a call under way.

use std::time::Duration;

use futures::future::join_all;
use plugwork_core::Subject;

use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Spend;
use crate::plugin::Plugin;
use crate::point::Call;
use crate::session::Session;

/// The plugins attached to `P`, in the order in which they were attached.
pub struct Dispatch<P: Call> {
    plugins: Vec<Plugin>,
    point: std::marker::PhantomData<P>,
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

/// What one plugin did in one dispatch.
#[derive(Debug)]
pub struct Outcome {
    /// Which plugin.
    pub subject: Subject,
    /// Wall time, instance included.
    pub time: Duration,
    /// What its instance used.
    pub spend: Spend,
    /// Why it gave no value.
    pub error: Option<Error>,
}

impl<P: Call> Dispatch<P> {
    pub(crate) fn new(plugins: Vec<Plugin>) -> Self {
        Self { plugins, point: std::marker::PhantomData }
    }

    /// How many plugins are attached.
    pub fn len(&self) -> usize {
        self.plugins.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// The first plugin's value; when it refuses or fails, the next one's. An error when none has one: the last reason.
    pub async fn first(&self, input: &P::Input) -> Result<Answer<P::Output>> {
        let mut outcomes = Vec::new();
        for plugin in &self.plugins {
            let (outcome, value) = call_one::<P>(plugin, input).await;
            outcomes.push(outcome);
            if let Some(value) = value {
                return Ok(Answer { value, outcomes });
            }
        }
        Err(outcomes.pop().and_then(|outcome| outcome.error).unwrap_or_else(none_attached::<P>))
    }

    /// Every plugin's value, called side by side; a failure stays with the plugin that failed.
    pub async fn every(&self, input: &P::Input) -> Every<P::Output> {
        join_all(self.plugins.iter().map(|plugin| call_one::<P>(plugin, input))).await
    }

    /// The value handed from plugin to plugin. The first that refuses or fails ends it: its error is the answer. Without plugins the input
    /// itself.
    pub async fn pipeline(&self, input: P::Input) -> Result<Answer<P::Input>>
    where
        P::Output: Into<P::Input>,
    {
        let mut value = input;
        let mut outcomes = Vec::new();
        for plugin in &self.plugins {
            let (outcome, next) = call_one::<P>(plugin, &value).await;
            match next {
                Some(next) => value = next.into(),
                None => return Err(outcome.error.unwrap_or_else(none_attached::<P>)),
            }
            outcomes.push(outcome);
        }
        Ok(Answer { value, outcomes })
    }
}

fn none_attached<P: Call>() -> Error {
    Error::new(ErrorKind::Invalid, format!("no plugin is attached to `{}`", P::INTERFACE))
}

async fn call_one<P: Call>(plugin: &Plugin, input: &P::Input) -> (Outcome, Option<P::Output>) {
    let started = std::time::Instant::now();
    let mut spend = Spend::default();
    let result = call_fresh::<P>(plugin, input, &mut spend).await;
    let (value, error) = match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    };
    (Outcome { subject: plugin.subject().clone(), time: started.elapsed(), spend, error }, value)
}

/// One call in an instance of its own.
pub(crate) async fn call_fresh<P: Call>(plugin: &Plugin, input: &P::Input, spend: &mut Spend) -> Result<P::Output> {
    let indices = plugin.indices::<P>()?;
    let mut session = Session::<P>::start(plugin, &indices).await?;
    let answer = session.call_input(input).await;
    *spend = session.end().await;
    answer
}

impl<P: Call> Session<P> {
    /// Makes the point's main call in this session.
    pub async fn call_input(&mut self, input: &P::Input) -> Result<P::Output> {
        match self.call_with(input, |guest, store, input| P::call(guest, store, input)).await? {
            Ok(output) => Ok(output),
            Err(refusal) => Err(Error::from_refusal(refusal).of(self.subject())),
        }
    }
}
