//! The point `guard` with its main call: one question, one decision.

use std::sync::Arc;

use plugwork_core::Refusal;
use plugwork_core::chain::Caller;
use plugwork_core::guard::{Decision, Question, Verdict};
use wasmtime::StoreContextMut;

use super::bindings::exports::plugwork::points::guard;
use crate::point::{Call, Point};
use crate::state::State;

crate::point! {
    /// The point `plugwork:points/guard`. The runtime asks it before calls that it guards; an application may ask it too, as any other point.
    pub GuardPoint = "plugwork:points/guard@0.1.0" in guard
}

impl Call for GuardPoint {
    type Input = Arc<Question>;
    type Output = Decision;

    async fn call(
        guest: &<Self as Point>::Guest,
        mut store: StoreContextMut<'_, State>,
        question: &Arc<Question>,
    ) -> wasmtime::Result<Result<Decision, Refusal>> {
        let digests: Vec<String> =
            question.callers.iter().chain([&question.plugin]).map(|party| party.subject.digest.to_string()).collect();
        let parties = question.callers.iter().zip(&digests).map(|(caller, digest)| wire(caller, digest)).collect::<Vec<_>>();
        let own = digests.last().map_or("", String::as_str);
        let asked = guard::Question {
            principal: question.principal.as_deref(),
            callers: &parties,
            plugin: wire(&question.plugin, own),
            interface: &question.interface,
            function: question.function.as_deref(),
        };
        let answer = guest.call_check(&mut store, asked).await?;
        Ok(answer.map(Decision::from).map_err(Refusal::from))
    }
}

fn wire<'a>(party: &'a Caller, digest: &'a str) -> guard::Party<'a> {
    let Caller { subject, version } = party;
    guard::Party { name: subject.package.as_str(), version, digest, instance: &subject.instance }
}

impl From<guard::Decision> for Decision {
    fn from(decision: guard::Decision) -> Self {
        let verdict = match decision.verdict {
            guard::Verdict::Allow => Verdict::Allow,
            guard::Verdict::Deny(reason) => Verdict::Deny { reason },
        };
        Self { verdict, keep_ms: decision.keep_ms.into() }
    }
}
