//! Rooms: instances with several calls in them at the same time, where the plugin was granted `calls-at-once` and its point can do that.
//!
//! Here is who goes into which room, and how a call waits for its end; what happens inside is in `inside`, who is there in `present`. Easily got
//! wrong: the room is a task of its own, because whoever came first may go first; a visit that was never begun is nobody's failure: it goes to
//! another room; and one that waits for a room to open, which may wait for a seat, goes to another as soon as that has a place (`ticket`).

mod arriving;
mod clock;
mod inside;
mod present;
mod ticket;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use plugwork_core::Fault;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::call::{admit, milliseconds};
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::interfaces::http::Incoming;
use crate::ledger::Spend;
use crate::runtime::Shared;
use crate::threads::{GuestThreads, Lane};

use self::arriving::Arriving;
pub(crate) use self::clock::Clock;

/// How much later than its deadline a visit may end that its room could not end: a guest that gives way is told in time, one that does not is cut off.
pub(crate) const HELD: Duration = Duration::from_millis(50);
/// For one whose room has not begun by then.
const PATIENCE: Duration = Duration::from_millis(500);

/// The rooms of one loaded version.
pub(crate) struct Rooms {
    at_once: u32,
    visits_max: u32,
    open: Mutex<Vec<Arc<Room>>>,
    /// One that has begun has a place, and somebody in one that has not may want it. Told once for any number of them: whoever takes one tells the next.
    place: Notify,
}

/// One instance that takes visits.
pub(crate) struct Room {
    door: Mutex<Door>,
    /// Whether its guest works at this moment.
    is_working: AtomicBool,
    /// Whether it has its instance.
    has_begun: AtomicBool,
    born_ms: u64,
}

struct Door {
    visits: mpsc::UnboundedSender<Visit>,
    inside: u32,
    /// Visits that it may still take.
    left: u32,
    is_shut: bool,
}

/// One call on its way into a room.
pub(crate) struct Visit {
    incoming: Incoming,
    began: Instant,
    deadline: Instant,
    told: oneshot::Sender<Told>,
    /// Resolves when nobody waits for it any more.
    given_up: oneshot::Receiver<()>,
}

/// How a visit ended.
pub(crate) struct Told {
    answer: Result<()>,
    spend: Spend,
}

impl Rooms {
    /// For instances that take so many calls altogether, and so many at once.
    pub(crate) fn new(visits_max: u32, at_once: u32) -> Self {
        Self { at_once, visits_max, open: Mutex::default(), place: Notify::new() }
    }

    /// Lets a visit into a room that is open: one that rests, or the emptiest, or one that is about to begin. Gives it back where it needs another:
    /// because all are full, or work, and there are threads that do not.
    fn let_in(&self, visit: Visit, threads: usize, now_ms: u64) -> std::result::Result<Arc<Room>, Visit> {
        let open = self.open.lock().expect("no panic happens under this lock");
        let has_place = |room: &&Arc<Room>| room.inside(now_ms).is_some_and(|inside| inside < self.at_once);
        let has_begun = |room: &&Arc<Room>| room.has_begun.load(Ordering::Relaxed);
        let rests = open.iter().filter(has_place).filter(has_begun).find(|room| !room.is_working.load(Ordering::Relaxed));
        let room = match rests {
            None if open.len() < threads => None,
            None => {
                let emptiest = open.iter().filter(has_place).filter(has_begun).min_by_key(|room| room.inside(now_ms));
                emptiest.or_else(|| open.iter().find(has_place))
            }
            rests => rests,
        };
        match room {
            Some(room) => room.let_in(visit).map(|()| room.clone()),
            None => Err(visit),
        }
    }

    /// Tells one who waits for a room to open that there may be a place in another. Where nobody waits, the next who does is told.
    fn has_place(&self) {
        self.place.notify_one();
    }

    /// The same where that is not known. Whoever is told for nothing loses its turn among those who wait to be told.
    fn may_have_place(&self, now_ms: u64) {
        let open = self.open.lock().expect("no panic happens under this lock");
        if self.with_place(&open, now_ms).next().is_some() {
            self.has_place();
        }
    }

    fn remove(&self, room: &Arc<Room>) {
        self.open.lock().expect("no panic happens under this lock").retain(|open| !Arc::ptr_eq(open, room));
    }
}

impl Door {
    /// One more comes.
    fn enter(&mut self, visit: Visit) -> std::result::Result<(), Visit> {
        self.visits.send(visit).map_err(|visit| visit.0)?;
        self.inside += 1;
        self.left -= 1;
        Ok(())
    }
}

impl Room {
    /// One for so many visits, and where they arrive.
    fn new(visits_max: u32, now_ms: u64) -> (Self, Arriving) {
        let (visits, arriving) = mpsc::unbounded_channel();
        let door = Mutex::new(Door { visits, inside: 0, left: visits_max, is_shut: false });
        let (is_working, has_begun) = (AtomicBool::new(false), AtomicBool::new(false));
        (Self { door, is_working, has_begun, born_ms: now_ms }, Arriving::new(arriving))
    }

    fn door<T>(&self, act: impl FnOnce(&mut Door) -> T) -> T {
        act(&mut self.door.lock().expect("no panic happens under this lock"))
    }

    /// How many are in it; none where it takes no more.
    fn inside(&self, now_ms: u64) -> Option<u32> {
        let is_old = now_ms.saturating_sub(self.born_ms) >= crate::generation::AGE_MS_MAX;
        self.door(|door| (!door.is_shut && door.left > 0 && !is_old).then_some(door.inside))
    }

    fn let_in(&self, visit: Visit) -> std::result::Result<(), Visit> {
        self.door(|door| {
            if door.is_shut || door.left == 0 {
                return Err(visit);
            }
            door.enter(visit)
        })
    }

    /// One has left it.
    fn left(&self) {
        self.door(|door| door.inside -= 1);
    }

    /// One that was on its way did not come.
    fn never_came(&self) {
        self.door(|door| {
            door.inside -= 1;
            door.left += 1;
        });
    }

    /// Takes no more: what is in it goes on.
    fn shut(&self) {
        self.door(|door| door.is_shut = true);
    }

    /// Shuts it if nobody is in it, or on the way.
    fn shut_if_empty(&self) -> bool {
        self.door(|door| {
            door.is_shut |= door.inside == 0;
            door.inside == 0
        })
    }

    /// Its instance has taken so many already.
    fn has_taken(&self, visits: u32) {
        self.door(|door| door.left = door.left.saturating_sub(visits));
    }
}

#[cfg(test)]
impl Room {
    fn of_test() -> (Self, Arriving) {
        Self::new(100, 0)
    }
}

#[cfg(test)]
impl Visit {
    /// A visit, and how it is told of its end.
    fn of_test() -> (Self, oneshot::Receiver<Told>) {
        use http_body_util::BodyExt as _;
        let body = http_body_util::Empty::<bytes::Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let (incoming, _) = Incoming::new(http::Request::new(body), false);
        let (visit, ticket) = Self::new(incoming, Instant::now(), Instant::now());
        (visit, ticket.told)
    }
}

impl Generation {
    /// Its rooms, where instances may have several calls in them.
    fn rooms(&self) -> Option<&Rooms> {
        self.work.rooms.as_ref()
    }

    /// Waits until one more call may begin, for so long at most.
    async fn may_run(&self, within: Duration) -> Result<()> {
        if !self.account.may_run_at_once() {
            let _armed = self.ticker.arm();
            admit(&self.account, milliseconds(within)).await.map_err(|fault| {
                self.account.faulted(&fault);
                Error::from_fault(fault)
            })?;
        }
        Ok(())
    }
}

/// Makes one call in a room, with others or alone.
pub(crate) async fn visit(
    generation: &Arc<Generation>,
    rooms: &Rooms,
    runtime: &Arc<Shared>,
    mut incoming: Incoming,
    spend: &mut Spend,
) -> Result<()> {
    let waited = GuestThreads::take_waited();
    let limit = limit(generation);
    let began = Instant::now().checked_sub(waited).unwrap_or_else(Instant::now);
    let deadline = began + limit;
    generation.may_run(limit.saturating_sub(waited)).await.map_err(|error| error.of(&generation.subject))?;
    let mut is_late = pin!(tokio::time::sleep_until((deadline + PATIENCE).into()));
    GuestThreads::judged_elsewhere();
    loop {
        let (visit, mut ticket) = Visit::new(incoming, began, deadline);
        let mut room = match rooms.let_in(visit, runtime.threads.count(), generation.now_ms()) {
            Ok(room) => room,
            Err(visit) => open(generation, rooms, runtime, visit),
        };
        let handed = loop {
            let waits = !room.has_begun.load(Ordering::Relaxed);
            tokio::select! {
                biased;
                told = &mut ticket.told => match (told, ticket.incoming.take()) {
                    (Ok(told), _) => {
                        *spend = told.spend;
                        return told.answer.map_err(|error| error.of(&generation.subject));
                    }
                    // It never began there: another one.
                    (Err(_), Some(handed)) => break handed,
                    (Err(_), None) => return Err(Error::from_fault(Fault::Cancelled).of(&generation.subject)),
                },
                () = &mut is_late => return Err(late(generation, began.elapsed()).hurried().of(&generation.subject)),
                () = rooms.place.notified(), if waits => {
                    if room.has_begun.load(Ordering::Relaxed) {
                        rooms.has_place();
                    } else if let Some(moved) = rooms.change(&ticket.incoming, began, deadline, generation.now_ms()) {
                        // The old ticket is dropped, and its room finds it gone.
                        (room, ticket) = moved;
                    }
                }
            }
        };
        incoming = Incoming::of(handed);
    }
}

/// How long a visit may take.
fn limit(generation: &Generation) -> Duration {
    Duration::from_millis(generation.account.limits().deadline_ms)
}

/// What a visit is told that took so long.
fn late(generation: &Generation, ran: Duration) -> Error {
    Error::from_fault(Fault::Deadline { limit_ms: milliseconds(limit(generation)), ran_ms: milliseconds(ran) })
}

/// Opens a room with its first visit in it.
fn open(generation: &Arc<Generation>, rooms: &Rooms, runtime: &Arc<Shared>, visit: Visit) -> Arc<Room> {
    let (room, arriving) = Room::new(rooms.visits_max, generation.now_ms());
    let room = Arc::new(room);
    // It is open, and nobody else knows it.
    drop(room.let_in(visit));
    rooms.open.lock().expect("no panic happens under this lock").push(room.clone());
    let lane = generation.lane(runtime);
    let opened = Opened { generation: generation.clone(), room: room.clone(), lane: lane.clone(), since: Instant::now() };
    runtime.threads.spawn_in(&lane, opened.run(arriving)).detach();
    room
}

/// A room in the list, out of which it goes in whatever way it ends.
struct Opened {
    generation: Arc<Generation>,
    room: Arc<Room>,
    lane: Lane,
    since: Instant,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.room.shut();
        self.generation.rooms().into_iter().for_each(|rooms| rooms.remove(&self.room));
    }
}

impl Opened {
    /// Tells those who waited for it, all of whom it failed once. Where there was no room for it, whoever came later has waited for less than it did: that one
    /// looks again.
    fn is_not_to_be(&self, mut error: Error, arriving: &mut Arriving) {
        self.room.shut();
        let was_scarce = error.kind() == ErrorKind::Unavailable;
        while let Some(visit) = arriving.next_there() {
            if was_scarce && visit.began > self.since {
                continue;
            }
            let answer = Err(error.clone());
            if visit.told.send(Told { answer, spend: Spend::default() }).is_ok() {
                error = error.hurried();
            }
        }
    }

    async fn run(self, mut arriving: Arriving) {
        let (generation, room) = (&self.generation, &self.room);
        // Only that is given up: what has begun to start is there for whoever comes next.
        let found = async {
            let mut found = pin!(generation.find());
            if let Poll::Ready(found) = futures::poll!(&mut found) {
                return found;
            }
            // No new one is to be had for now. There may be a place that nobody wanted as long as that was not known.
            generation.rooms().into_iter().for_each(|rooms| rooms.may_have_place(generation.now_ms()));
            found.await
        };
        let Some(found) = arriving.unless_deserted(room, found).await else { return };
        let started = match found {
            Ok(found) => generation.start(found, &None).await,
            Err(error) => Err(error),
        };
        let (mut live, birth) = match started {
            Ok(started) => started,
            Err(error) => {
                self.is_not_to_be(error, &mut arriving);
                return;
            }
        };
        // First: whoever is told of its places is to find those that there are.
        let taken = birth.as_ref().map_or(0, crate::shelf::Shelved::uses);
        room.has_taken(taken);
        room.has_begun.store(true, Ordering::Relaxed);
        // Whoever waits for an instance of its own may come in here.
        generation.rooms().into_iter().for_each(|rooms| rooms.may_have_place(generation.now_ms()));
        let visits_max = generation.rooms().map_or(0, |rooms| rooms.visits_max.saturating_sub(taken));
        let (begun, failed) = inside::host(&mut live, generation, (room, &self.lane), &mut arriving, visits_max).await;
        room.shut();
        // It is none for anybody, and nor would be the next one.
        if let Some(error) = failed {
            self.is_not_to_be(error, &mut arriving);
        }
        // Out of the list first: what is given back is found on the shelf, not here.
        self.generation.rooms().into_iter().for_each(|rooms| rooms.remove(room));
        // Whoever came too late finds its visit dropped, and looks again.
        drop(arriving);
        let birth = birth.map(|birth| birth.after(begun));
        if let Some(rest) = generation.give_back(live, birth) {
            rest.end(generation).await;
        }
    }
}

/// A future that may borrow what is in a room.
type Serving<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
