//! Keys that are fetched and kept: when they are fetched again, and what counts while they cannot be.
//!
//! Easily got wrong: whoever asks cannot make it fetch more often than its times allow, by no token; a fetch goes on when the one who asked goes away; and
//! keys that could not be fetched again count for a bounded time, then for nothing.

use std::sync::{Arc, Mutex, PoisonError};

use super::fetch::{Fetch, Fetched};
use super::key::Keys;

/// How long keys count without being fetched again, whatever their server says. Milliseconds.
const LIFE_MS: std::ops::RangeInclusive<u64> = 5 * 60_000..=24 * 3_600_000;
/// Where it says nothing.
const LIFE_DEFAULT_MS: u64 = 3_600_000;
/// After a fetch that failed. Milliseconds.
const RETRY_MS: u64 = 5_000;
/// Between two fetches because of a key that is not known. Milliseconds.
const UNKNOWN_MS: u64 = 60_000;

/// Milliseconds since some moment; never steps back.
pub(super) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Fetched keys. Clones are one.
#[derive(Clone)]
pub(super) struct Jwks(Arc<Inner>);

struct Inner {
    fetch: Box<dyn Fetch>,
    clock: Clock,
    stale_ms: u64,
    kept: Mutex<Kept>,
    /// Held by the one that fetches.
    flight: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Kept {
    keys: Option<Arc<Keys>>,
    fresh_until_ms: u64,
    /// Fetches that ended, however.
    ended: u64,
    ended_ms: Option<u64>,
    failed: Option<String>,
}

/// What to do for a request.
enum Plan {
    Use(Arc<Keys>),
    Fetch(u64),
    Refuse(String),
}

impl Jwks {
    /// `stale_ms`: how long keys count past their time while they cannot be fetched.
    pub(super) fn new(fetch: Box<dyn Fetch>, clock: Clock, stale_ms: u64) -> Self {
        Self(Arc::new(Inner { fetch, clock, stale_ms, kept: Mutex::default(), flight: Arc::default() }))
    }

    /// The keys that count now.
    ///
    /// # Errors
    /// There are none, and why.
    pub(super) async fn keys(&self) -> Result<Arc<Keys>, String> {
        loop {
            match self.plan() {
                Plan::Use(keys) => return Ok(keys),
                Plan::Refuse(why) => return Err(why),
                // After it there are keys, or it has failed just now.
                Plan::Fetch(ended) => self.fetch(ended).await,
            }
        }
    }

    /// The same after a token that names a key which is not among them: fetched again if that may be.
    ///
    /// # Errors
    /// As [`Jwks::keys`].
    pub(super) async fn keys_anew(&self) -> Result<Arc<Keys>, String> {
        let (ended, may_fetch) = {
            let kept = self.kept();
            (kept.ended, kept.ended_ms.is_none_or(|ended_ms| (self.0.clock)() >= ended_ms.saturating_add(UNKNOWN_MS)))
        };
        if may_fetch {
            self.fetch(ended).await;
        }
        self.keys().await
    }

    fn plan(&self) -> Plan {
        let kept = self.kept();
        let now_ms = (self.0.clock)();
        let keys_until = |until_ms: u64| kept.keys.clone().filter(|_| now_ms < until_ms);
        if let Some(keys) = keys_until(kept.fresh_until_ms) {
            return Plan::Use(keys);
        }
        let has_just_ended = kept.ended_ms.is_some_and(|ended_ms| now_ms < ended_ms.saturating_add(RETRY_MS));
        match &kept.failed {
            Some(why) if has_just_ended => {
                keys_until(kept.fresh_until_ms.saturating_add(self.0.stale_ms)).map_or_else(|| Plan::Refuse(why.clone()), Plan::Use)
            }
            _ => Plan::Fetch(kept.ended),
        }
    }

    /// Fetches, unless somebody has since `ended` was read; waits where somebody does.
    async fn fetch(&self, ended: u64) {
        let this = self.clone();
        let fetching = tokio::spawn(async move {
            let _flight = this.0.flight.clone().lock_owned().await;
            if this.kept().ended == ended {
                let fetched = this.0.fetch.fetch().await;
                this.keep(fetched);
            }
        });
        // Also where the process ends: without an end on record whoever asks would fetch for ever.
        if fetching.await.is_err() {
            self.keep(Err("the fetch broke off".to_owned()));
        }
    }

    fn keep(&self, fetched: Result<Fetched, String>) {
        let now_ms = (self.0.clock)();
        let read = fetched.and_then(|fetched| Keys::published(&fetched.bytes).map(|keys| (keys, fetched.max_age_s)));
        let mut kept = self.kept();
        kept.ended += 1;
        kept.ended_ms = Some(now_ms);
        match read {
            Ok((keys, max_age_s)) => {
                let life_ms = max_age_s.map_or(LIFE_DEFAULT_MS, |seconds| seconds.saturating_mul(1_000));
                kept.fresh_until_ms = now_ms.saturating_add(life_ms.clamp(*LIFE_MS.start(), *LIFE_MS.end()));
                kept.keys = Some(Arc::new(keys));
                kept.failed = None;
            }
            Err(why) => kept.failed = Some(why),
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fetch::Fetching;
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A source that answers what it is told to.
    struct Source {
        now_ms: AtomicU64,
        asked: AtomicU64,
        answers: Mutex<Option<(String, Option<u64>)>>,
        gate: tokio::sync::Semaphore,
    }

    struct Asks(Arc<Source>);

    impl Fetch for Asks {
        fn fetch(&self) -> Fetching<'_> {
            Box::pin(async {
                self.0.asked.fetch_add(1, Ordering::SeqCst);
                self.0.gate.acquire().await.unwrap().forget();
                let answer = self.0.answers.lock().unwrap().clone();
                let (text, max_age_s) = answer.ok_or("it is down".to_owned())?;
                Ok(Fetched { bytes: text.into_bytes(), max_age_s })
            })
        }
    }

    impl Source {
        fn answers(&self, keys: usize, max_age_s: Option<u64>) {
            let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
            *self.answers.lock().unwrap() = Some((format!(r#"{{"keys":[{}]}}"#, vec![key; keys].join(",")), max_age_s));
        }

        fn is_down(&self) {
            *self.answers.lock().unwrap() = None;
        }

        fn later(&self, ms: u64) {
            self.now_ms.fetch_add(ms, Ordering::SeqCst);
        }

        fn asked(&self) -> u64 {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn jwks() -> (Arc<Source>, Jwks) {
        let (now_ms, asked, gate) = (AtomicU64::new(0), AtomicU64::new(0), tokio::sync::Semaphore::new(1_000));
        let source = Arc::new(Source { now_ms, asked, answers: Mutex::default(), gate });
        let clock = source.clone();
        let jwks = Jwks::new(Box::new(Asks(source.clone())), Arc::new(move || clock.now_ms.load(Ordering::SeqCst)), 60_000);
        (source, jwks)
    }

    #[tokio::test]
    async fn without_keys_everything_is_refused_and_its_source_not_asked_for_each_request() {
        let (source, jwks) = jwks();
        for _ in 0..100 {
            assert_eq!(jwks.keys().await.unwrap_err(), "it is down");
            assert!(jwks.keys_anew().await.is_err());
        }
        assert_eq!(source.asked(), 1);
        source.answers(1, None);
        source.later(RETRY_MS - 1);
        assert!(jwks.keys().await.is_err());
        source.later(1);
        assert!(jwks.keys().await.is_ok());
    }

    #[tokio::test]
    async fn keys_are_fetched_again_after_their_time_within_bounds() {
        for (max_age_s, life_ms) in [(Some(0), 300_000), (Some(600), 600_000), (None, 3_600_000), (Some(u64::MAX), 86_400_000)] {
            let (source, jwks) = jwks();
            source.answers(1, max_age_s);
            assert!(jwks.keys().await.is_ok());
            source.later(life_ms - 1);
            assert!(jwks.keys().await.is_ok());
            assert_eq!(source.asked(), 1, "{max_age_s:?}");
            source.later(1);
            assert!(jwks.keys().await.is_ok());
            assert_eq!(source.asked(), 2, "{max_age_s:?}");
        }
    }

    #[tokio::test]
    async fn keys_that_cannot_be_fetched_again_count_for_a_bounded_time() {
        let (source, jwks) = jwks();
        source.answers(1, Some(300));
        assert!(jwks.keys().await.is_ok());
        source.is_down();
        source.later(300_000 + 60_000 - 1);
        assert!(jwks.keys().await.is_ok());
        source.later(1);
        assert!(jwks.keys().await.is_err());
        source.later(RETRY_MS);
        // What is no set is as if nothing had come; an empty set says that no key counts.
        *source.answers.lock().unwrap() = Some(("<html>".to_owned(), None));
        assert!(jwks.keys().await.is_err());
        source.later(RETRY_MS);
        source.answers(0, None);
        assert!(jwks.keys().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_key_that_is_not_known_makes_it_fetch_once_a_minute() {
        let (source, jwks) = jwks();
        source.answers(1, None);
        assert!(jwks.keys().await.is_ok());
        source.answers(2, None);
        for _ in 0..100 {
            assert!(jwks.keys_anew().await.is_ok());
        }
        assert_eq!(source.asked(), 1);
        source.later(UNKNOWN_MS);
        for _ in 0..100 {
            assert!(jwks.keys_anew().await.is_ok());
        }
        assert_eq!(source.asked(), 2);
        // One that fails leaves what is known as it is.
        source.is_down();
        source.later(UNKNOWN_MS);
        assert!(jwks.keys_anew().await.is_ok());
        assert_eq!(source.asked(), 3);
    }

    #[tokio::test]
    async fn one_fetches_for_all_and_goes_on_when_that_one_goes_away() {
        let (source, jwks) = jwks();
        source.answers(1, None);
        let taken = source.gate.acquire_many(1_000).await.unwrap();
        let first = tokio::spawn({
            let jwks = jwks.clone();
            async move { jwks.keys().await }
        });
        while source.asked() == 0 {
            tokio::task::yield_now().await;
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let others: Vec<_> = (0..50).map(|_| jwks.clone()).map(|jwks| tokio::spawn(async move { jwks.keys().await.is_ok() })).collect();
        drop(taken);
        for other in others {
            assert!(other.await.unwrap());
        }
        assert_eq!(source.asked(), 1);
    }
}
