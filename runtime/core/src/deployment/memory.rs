//! Deployments in memory: for tests and for servers that keep nothing. Gone with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    ApplicationKey, Current, Deployment, Deployments, DeploymentsError, Draft, Expected, Move, Moved, Named, PAGE_DEPLOYMENTS_MAX, Pending,
    Rollback, Unreadable, next_number,
};

/// The same contract as the durable one, without the durability.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<ApplicationKey, Kept>>);

/// Of one application: deployment `n` and move `n` at place `n - 1`.
#[derive(Default)]
struct Kept {
    deployments: Vec<Deployment>,
    moves: Vec<Move>,
}

impl Kept {
    fn current(&self) -> Option<Current> {
        let moved = self.moves.last()?.clone();
        Some(Current { deployment: self.deployment(moved.to)?.clone(), moved })
    }

    fn deployment(&self, number: u64) -> Option<&Deployment> {
        self.deployments.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }
}

impl Memory {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic elsewhere leaves it whole: everything is decided before anything is pushed.
    fn kept(&self) -> MutexGuard<'_, BTreeMap<ApplicationKey, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deploy_now(&self, at_ms: u64, draft: Draft, expected: Expected) -> Result<Current, DeploymentsError> {
        let issues = draft.issues();
        if !issues.is_empty() {
            return Err(DeploymentsError::Invalid(issues));
        }
        let mut all = self.kept();
        let kept = all.get(&draft.key);
        let last = kept.and_then(|kept| kept.moves.last());
        expected.check(last.map(|last| last.to))?;
        let number = next_number(kept.and_then(|kept| kept.deployments.last()).map(|last| last.number));
        let (by, reason) = (draft.by.clone(), draft.note.clone());
        let moved = Move::following(last, draft.key.clone(), number, Moved::Deployed, at_ms, by, reason);
        let deployment = draft.numbered(number, at_ms);
        let kept = all.entry(deployment.key.clone()).or_default();
        kept.deployments.push(deployment.clone());
        kept.moves.push(moved.clone());
        Ok(Current { deployment, moved })
    }

    fn roll_back_now(&self, at_ms: u64, rollback: Rollback, expected: Expected) -> Result<Current, DeploymentsError> {
        let issues = rollback.issues();
        if !issues.is_empty() {
            return Err(DeploymentsError::Invalid(issues));
        }
        let mut all = self.kept();
        let kept = all.get(&rollback.key);
        let last = kept.and_then(|kept| kept.moves.last());
        let current = last.map(|last| last.to);
        expected.check(current)?;
        let target = kept.and_then(|kept| kept.deployment(rollback.to)).cloned();
        rollback.decide(current, target.is_some())?;
        let Some(deployment) = target else { unreachable!("a rollback to nothing was refused") };
        let Rollback { key, to, by, reason } = rollback;
        let moved = Move::following(last, key.clone(), to, Moved::RolledBack, at_ms, by, reason);
        all.entry(key).or_default().moves.push(moved.clone());
        Ok(Current { deployment, moved })
    }
}

/// A future that is already there.
fn ready<'a, T: Send + 'a>(result: Result<T, DeploymentsError>) -> Pending<'a, T> {
    Box::pin(std::future::ready(result))
}

/// The latest first, below `before`.
fn page<T: Clone>(all: Option<&Vec<T>>, number: fn(&T) -> u64, before: Option<u64>, limit: u32) -> Vec<T> {
    let below = |one: &&T| before.is_none_or(|before| number(one) < before);
    all.into_iter().flatten().rev().filter(below).take(limit.min(PAGE_DEPLOYMENTS_MAX) as usize).cloned().collect()
}

impl Deployments for Memory {
    fn deploy(&self, at_ms: u64, draft: Draft, expected: Expected) -> Pending<'_, Current> {
        ready(self.deploy_now(at_ms, draft, expected))
    }

    fn roll_back(&self, at_ms: u64, rollback: Rollback, expected: Expected) -> Pending<'_, Current> {
        ready(self.roll_back_now(at_ms, rollback, expected))
    }

    fn current(&self, key: &ApplicationKey) -> Pending<'_, Option<Current>> {
        ready(Ok(self.kept().get(key).and_then(Kept::current)))
    }

    fn currents(&self, tenant: Option<&str>) -> Pending<'_, Vec<Current>> {
        let all = self.kept();
        let wanted = all.iter().filter(|(key, _)| tenant.is_none_or(|tenant| key.tenant == tenant));
        ready(Ok(wanted.filter_map(|(_, kept)| kept.current()).collect()))
    }

    fn unreadable(&self, _: Option<&str>) -> Pending<'_, Vec<Unreadable>> {
        ready(Ok(Vec::new()))
    }

    fn deployment(&self, key: &ApplicationKey, number: u64) -> Pending<'_, Option<Deployment>> {
        ready(Ok(self.kept().get(key).and_then(|kept| kept.deployment(number)).cloned()))
    }

    fn deployments(&self, key: &ApplicationKey, before: Option<u64>, limit: u32) -> Pending<'_, Vec<Deployment>> {
        ready(Ok(page(self.kept().get(key).map(|kept| &kept.deployments), |one| one.number, before, limit)))
    }

    fn named(&self, key: &ApplicationKey, after: u64, limit: u32) -> Pending<'_, Vec<Named>> {
        let all = self.kept();
        let above = all.get(key).into_iter().flat_map(|kept| &kept.deployments).filter(|one| one.number > after);
        let named = above.map(|one| Named { number: one.number, components: one.plugins.values().copied().collect() });
        ready(Ok(named.take(limit.min(PAGE_DEPLOYMENTS_MAX) as usize).collect()))
    }

    fn moves(&self, key: &ApplicationKey, before: Option<u64>, limit: u32) -> Pending<'_, Vec<Move>> {
        ready(Ok(page(self.kept().get(key).map(|kept| &kept.moves), |one| one.sequence, before, limit)))
    }

    fn last_moves(&self, tenant: &str) -> Pending<'_, Vec<Move>> {
        let all = self.kept();
        let own = all.iter().filter(|(key, _)| key.tenant == tenant);
        ready(Ok(own.filter_map(|(_, kept)| kept.moves.last().cloned()).collect()))
    }
}
