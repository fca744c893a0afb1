//! Idempotency keys: a change that is asked for again under the same key is not made again; its answer is given again.
//!
//! Kept in memory for 24 hours, within bounds: a server that was started anew has forgotten them. Easily got wrong: only a change that was made is
//! remembered. What was refused changed nothing, so it may be tried again under the same key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use plugwork_core::{Digest, Hasher};

use super::answer::Answer;
use super::problem::Problem;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Answers that are kept; the oldest go first.
const ANSWERS_MAX: usize = 4_096;
/// Their bytes.
const BYTES_MAX: usize = 16 << 20;
/// The longest key.
const KEY_BYTES_MAX: usize = 128;

/// Answers by key.
#[derive(Debug, Default)]
pub(crate) struct Once(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<Digest, Entry>,
    /// Those with an answer, the oldest first.
    order: VecDeque<Digest>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    /// What was asked under the key.
    asked: Digest,
    at: Instant,
    /// None: it is being done.
    answer: Option<Answer>,
}

/// What a change is known by: whose key, and what is asked under it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    id: Digest,
    asked: Digest,
}

impl Key {
    /// The key of a request; none: it has none.
    ///
    /// # Errors
    /// The header is no key.
    pub(crate) fn of(headers: &HeaderMap, by: &str, what: &[&[u8]]) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all("idempotency-key").iter();
        let Some(first) = values.next() else { return Ok(None) };
        let is_key = |bytes: &[u8]| (1..=KEY_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        if !is_key(first.as_bytes()) || values.next().is_some() {
            let expected = format!("`idempotency-key` is not one word of 1 to {KEY_BYTES_MAX} visible ASCII characters");
            return Err(Problem::unreadable(expected));
        }
        Ok(Some(Self { id: hashed(&[by.as_bytes(), first.as_bytes()]), asked: hashed(what) }))
    }
}

fn hashed(parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finish()
}

/// That a change is under way. Dropped without an answer, it is forgotten.
struct UnderWay {
    once: Arc<Once>,
    id: Digest,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut known = self.once.known();
        if known.entries.get(&self.id).is_some_and(|entry| entry.answer.is_none()) {
            known.entries.remove(&self.id);
        }
    }
}

/// Makes a change, unless it was made under this key. It comes to its end also where whoever asked goes away.
///
/// # Errors
/// The change's own; or the key stands for something else, or for what is being done.
pub(crate) async fn once(
    once: &Arc<Once>,
    key: Option<Key>,
    change: impl Future<Output = Result<Answer, Problem>> + Send + 'static,
) -> Result<Answer, Problem> {
    let Some(key) = key else { return change.await };
    if let Some(answer) = once.begin(key, Instant::now())? {
        return Ok(answer);
    }
    let under_way = UnderWay { once: once.clone(), id: key.id };
    let done = tokio::spawn(async move {
        let answer = change.await?;
        under_way.once.keep(under_way.id, answer.clone());
        Ok(answer)
    });
    done.await.unwrap_or_else(|_| Err(Problem::failed("E-ADMIN-FAILED", "the change failed, and may have been made or not")))
}

impl Once {
    /// A panic elsewhere leaves it whole enough: an answer more or less.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, where the change was made; none: it is to be made now.
    fn begin(&self, key: Key, now: Instant) -> Result<Option<Answer>, Problem> {
        let mut known = self.known();
        known.forget(|oldest| now.duration_since(oldest.at) >= KEPT);
        match known.entries.get(&key.id) {
            None => {
                known.entries.insert(key.id, Entry { asked: key.asked, at: now, answer: None });
                Ok(None)
            }
            Some(entry) if entry.asked != key.asked => {
                let problem = Problem::wrong("E-ADMIN-IDEMPOTENCY", "something else was asked under this key", Vec::new());
                Err(problem.hint("a key of its own for each change"))
            }
            Some(Entry { answer: Some(answer), .. }) => Ok(Some(answer.clone())),
            Some(_) => Err(Problem::new(StatusCode::CONFLICT, "E-ADMIN-UNDER-WAY", "it is being done").after(1)),
        }
    }

    fn keep(&self, id: Digest, answer: Answer) {
        let mut known = self.known();
        let bytes = answer.body.len();
        let Some(entry) = known.entries.get_mut(&id) else { return };
        entry.answer = Some(answer);
        known.bytes += bytes;
        known.order.push_back(id);
        let mut too_many = known.order.len().saturating_sub(ANSWERS_MAX);
        let mut too_large = known.bytes.saturating_sub(BYTES_MAX);
        known.forget(|oldest| {
            let goes = too_many > 0 || too_large > 0;
            too_many = too_many.saturating_sub(1);
            too_large = too_large.saturating_sub(oldest.answer.as_ref().map_or(0, |answer| answer.body.len()));
            goes
        });
    }
}

impl Known {
    /// Forgets the oldest for as long as it is to go.
    fn forget(&mut self, mut goes: impl FnMut(&Entry) -> bool) {
        while let Some(id) = self.order.front() {
            let Some(entry) = self.entries.get(id) else {
                self.order.pop_front();
                continue;
            };
            if !goes(entry) {
                return;
            }
            self.bytes -= entry.answer.as_ref().map_or(0, |answer| answer.body.len());
            let id = self.order.pop_front();
            id.and_then(|id| self.entries.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key { id: Digest::of(&number.to_le_bytes()), asked: Digest::of(b"asked") }
    }

    fn answer(bytes: usize) -> Answer {
        Answer { status: StatusCode::OK, body: vec![b' '; bytes].into() }
    }

    fn sizes(all: &Once) -> (usize, usize, usize) {
        let known = all.known();
        (known.entries.len(), known.order.len(), known.bytes)
    }

    async fn make(all: &Arc<Once>, number: usize, bytes: usize) {
        once(all, Some(key(number)), std::future::ready(Ok(answer(bytes)))).await.unwrap();
    }

    #[tokio::test]
    async fn the_oldest_answers_go_where_there_are_too_many_or_too_many_bytes() {
        let all = Arc::new(Once::default());
        for number in 0..ANSWERS_MAX + 10 {
            make(&all, number, 1).await;
        }
        assert_eq!(sizes(&all), (ANSWERS_MAX, ANSWERS_MAX, ANSWERS_MAX));
        assert!(all.begin(key(10), Instant::now()).unwrap().is_some(), "still known");
        make(&all, 1_000_000, BYTES_MAX - 2).await;
        assert_eq!(sizes(&all), (3, 3, BYTES_MAX));
    }

    #[tokio::test]
    async fn an_answer_is_forgotten_after_its_time() {
        let all = Arc::new(Once::default());
        make(&all, 1, 1).await;
        let now = Instant::now();
        assert!(all.begin(key(1), now).unwrap().is_some());
        assert!(all.begin(key(1), now + KEPT + Duration::from_secs(1)).unwrap().is_none(), "it may be made again");
    }

    #[tokio::test]
    async fn a_change_under_way_is_not_begun_twice_and_one_that_failed_may_be_tried_again() {
        let all = Arc::new(Once::default());
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let first = tokio::spawn({
            let all = all.clone();
            async move {
                let refused = async move {
                    drop(told.await);
                    Err(Problem::unreadable("no"))
                };
                once(&all, Some(key(1)), refused).await.map(drop)
            }
        });
        while all.known().entries.is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(once(&all, Some(key(1)), std::future::ready(Ok(answer(1)))).await.is_err(), "it is being done");
        drop(tell);
        assert!(first.await.unwrap().is_err());
        make(&all, 1, 1).await;
        let other = Key { asked: Digest::of(b"other"), ..key(1) };
        assert!(once(&all, Some(other), std::future::ready(Ok(answer(1)))).await.is_err(), "something else under the same key");
    }
}
