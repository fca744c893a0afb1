//! The access log as it happens, for whoever follows it. Never more than a bounded number of lines is kept, and nobody who serves waits for a reader.
//!
//! Each reader has lines of its own, and only those that it may see: what is lost is its own too. Easily got wrong: where nobody follows, a request costs one look
//! at a pointer. Lines that a slow reader missed are counted and told, never sent late.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::places::{NoPlace, Place, Places};
use crate::access::{Access, AccessLog};

/// Lines that wait for a reader.
pub(crate) const LINES_MAX: usize = 1_024;
/// Readers at once.
const READERS_MAX: usize = 16;
/// Of one tenant.
const TENANT_READERS_MAX: usize = 4;
/// Of all who are bound to a tenant: the rest is the operator's.
const TENANTS_READERS_MAX: usize = 12;

/// Which requests are told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) tenant: Option<String>,
    pub(crate) application: Option<String>,
    pub(crate) plugin: Option<String>,
    /// 404, or 4 for `4xx`.
    pub(crate) status: Option<u16>,
}

impl Filter {
    fn takes(&self, access: &Access) -> bool {
        let same = |wanted: &Option<String>, it: &str| wanted.as_deref().is_none_or(|wanted| wanted == it);
        same(&self.tenant, &access.tenant)
            && same(&self.application, &access.application)
            && same(&self.plugin, &access.plugin)
            && self.status.is_none_or(|status| status == access.status || status == access.status / 100)
    }
}

/// The log. Clones are one.
#[derive(Debug, Clone)]
pub struct Tail {
    readers: Arc<ArcSwap<Vec<Arc<Reader>>>>,
    places: Arc<Places>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { readers: Arc::default(), places: Places::new(READERS_MAX, TENANT_READERS_MAX, TENANTS_READERS_MAX) }
    }
}

#[derive(Debug)]
struct Reader {
    filter: Filter,
    waiting: Mutex<Waiting>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Arc<Access>>,
    /// How many were dropped, all of them before those that wait.
    lost: u64,
}

impl Reader {
    /// Nothing panics under this lock.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, access: &Arc<Access>) {
        {
            let mut waiting = self.waiting();
            if waiting.lines.len() >= LINES_MAX {
                waiting.lines.pop_front();
                waiting.lost += 1;
            }
            waiting.lines.push_back(access.clone());
        }
        self.told.notify_one();
    }
}

impl Tail {
    /// A log that shows its requests to whoever follows, and tells another one.
    pub fn over<L: AccessLog>(&self, log: L) -> Tailing<L> {
        Tailing { tail: self.clone(), log }
    }

    /// One more reader of these requests, who is bound to `tenant`; none: to no tenant.
    ///
    /// # Errors
    /// There are too many, or too many of one tenant or of all.
    pub(crate) fn follow(&self, filter: Filter, tenant: Option<&str>) -> Result<Following, NoPlace> {
        let place = self.places.take(tenant)?;
        let reader = Arc::new(Reader { filter, waiting: Mutex::default(), told: Notify::new() });
        self.readers.rcu(|readers| readers.iter().cloned().chain([reader.clone()]).collect::<Vec<_>>());
        Ok(Following { tail: self.clone(), reader, _place: place })
    }
}

/// What [`Tail::over`] gives.
#[derive(Debug)]
pub struct Tailing<L> {
    tail: Tail,
    log: L,
}

impl<L: AccessLog> AccessLog for Tailing<L> {
    fn answered(&self, access: &Access) {
        let mut shared = None;
        for reader in self.tail.readers.load().iter().filter(|reader| reader.filter.takes(access)) {
            // What is for the operator of the server is in the log alone.
            reader.tell(shared.get_or_insert_with(|| Arc::new(Access { reason: None, ..access.clone() })));
        }
        self.log.answered(access);
    }
}

/// One reader.
#[derive(Debug)]
pub(crate) struct Following {
    tail: Tail,
    reader: Arc<Reader>,
    _place: Place,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    Request(Arc<Access>),
    /// So many were missed.
    Lost(u64),
}

impl Following {
    pub(crate) fn filter(&self) -> &Filter {
        &self.reader.filter
    }

    /// Waits for it.
    pub(crate) async fn next(&mut self) -> Next {
        loop {
            {
                let mut waiting = self.reader.waiting();
                if waiting.lost > 0 {
                    return Next::Lost(std::mem::take(&mut waiting.lost));
                }
                if let Some(access) = waiting.lines.pop_front() {
                    return Next::Request(access);
                }
            }
            self.reader.told.notified().await;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.tail.readers.rcu(|readers| readers.iter().filter(|reader| !Arc::ptr_eq(reader, &self.reader)).cloned().collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenant: &str) -> Filter {
        Filter { tenant: Some(tenant.to_owned()), ..Filter::default() }
    }

    fn own(tail: &Tail, tenant: &str) -> Result<Following, NoPlace> {
        tail.follow(of(tenant), Some(tenant))
    }

    fn nothing() -> Access {
        Access::new(0, plugwork_http::RequestId::new())
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_lines_it_lost_and_nothing_waits_for_it() {
        let tail = Tail::default();
        let log = tail.over(|_: &Access| {});
        let tell = |number: usize| log.answered(&Access { path: format!("/{number}"), ..nothing() });
        tell(0);
        let mut following = tail.follow(Filter::default(), None).unwrap();
        for number in 1..=LINES_MAX + 7 {
            tell(number);
        }
        assert!(matches!(following.next().await, Next::Lost(7)));
        let Next::Request(access) = following.next().await else { panic!("the oldest that is left") };
        assert_eq!(access.path, "/8");
    }

    #[tokio::test]
    async fn a_tenant_is_told_of_lines_of_its_own_that_were_lost_and_of_no_others() {
        let tail = Tail::default();
        let log = tail.over(|_: &Access| {});
        let tell = |tenant: &str| log.answered(&Access { tenant: tenant.into(), ..nothing() });
        let (mut ada, mut ben) = (own(&tail, "ada").unwrap(), own(&tail, "ben").unwrap());
        tell("ada");
        (0..LINES_MAX + 3).for_each(|_| tell("ben"));
        let Next::Request(access) = ada.next().await else { panic!("nothing of its own was lost") };
        assert_eq!(access.tenant, "ada");
        assert!(matches!(ben.next().await, Next::Lost(3)));
    }

    #[tokio::test]
    async fn what_is_for_the_operator_of_the_server_is_told_to_its_log_alone() {
        let tail = Tail::default();
        let kept = Arc::new(Mutex::new(None));
        let keep = kept.clone();
        let log = tail.over(move |access: &Access| *keep.lock().unwrap() = access.reason.clone());
        let mut following = tail.follow(Filter::default(), None).unwrap();
        log.answered(&Access { reason: Some("where keys are".to_owned()), ..nothing() });
        let Next::Request(access) = following.next().await else { panic!("one was told") };
        assert_eq!((access.reason.as_deref(), kept.lock().unwrap().as_deref()), (None, Some("where keys are")));
    }

    #[test]
    fn there_are_so_many_readers_of_one_tenant_and_of_all_and_not_one_more() {
        let tail = Tail::default();
        let ada: Vec<_> = std::iter::from_fn(|| own(&tail, "ada").ok()).collect();
        assert_eq!(ada.len(), TENANT_READERS_MAX);
        let mut readers: Vec<_> = std::iter::from_fn(|| tail.follow(of("ada"), None).ok()).collect();
        assert_eq!(readers.len(), READERS_MAX - TENANT_READERS_MAX, "who is bound to no tenant takes of none");
        assert_eq!(own(&tail, "ben").unwrap_err(), NoPlace::All);
        readers.pop();
        assert_eq!(own(&tail, "ada").unwrap_err(), NoPlace::Tenant);
        assert!(own(&tail, "ben").is_ok());
        drop((ada, readers));
        assert!(tail.readers.load().is_empty());
    }
}
