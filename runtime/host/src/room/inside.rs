//! Inside of a room: one instance whose event loop runs for as long as somebody is in it, or it has something to finish.
//!
//! Each visit has its own deadline, and whoever waits for it may go; neither ends the guest's own work for it, because the engine cannot cancel that.
//! So such an instance takes no more visits, lets those that are in it finish, and ends with them. Easily got wrong: while a guest works, or sits in a
//! host function that keeps its store, nothing in the event loop runs. What ends that is outside of it: the ticks of the guest, and the timer here.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use plugwork_core::{Denial, Fault};
use tokio::time::Sleep;
use wasmtime::Store;
use wasmtime::component::Accessor;

use super::arriving::Arriving;
use super::present::{Begun, Present};
use super::{Clock, HELD, Room, Rooms, Serving, Told, Visit, late, limit};
use crate::account::Hold;
use crate::call::{Meter, Outcome, milliseconds, named, panic_message, thread_time};
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::interfaces::http::handler::{Guest, exchange};
use crate::interfaces::http::{Handler, REQUEST_HELD_BYTES};
use crate::lateness::Lateness;
use crate::ledger::Spend;
use crate::live::Live;
use crate::state::State;
use crate::threads::Lane;

/// How a visit came out.
enum Ended {
    Done,
    /// Its time is over.
    Late(Lateness),
    GivenUp,
    /// It went elsewhere in the moment in which it began.
    NeverCame,
    /// There was no memory for what crosses.
    NoRoom(Denial),
}

/// How all of them left it.
enum Left {
    /// It may take others.
    Clean,
    /// Something of it may still run for somebody who is gone.
    Spoiled,
    /// It went on for too long after the last of them.
    Lingered,
}

/// Serves visits in an instance until nobody is left in it, at most so many. How many there were, and the error where it failed before there was any; what
/// became of the instance is its own to say.
pub(super) async fn host(
    live: &mut Live,
    generation: &Arc<Generation>,
    (room, lane): (&Room, &Lane),
    arriving: &mut Arriving,
    visits_max: u32,
) -> (u32, Option<Error>) {
    let present = Present::default();
    let mut begun = 0;
    let outcome = match live.guest::<Handler>(generation) {
        Ok(guest) => {
            live.is_in_use();
            let clock = Arc::new(Clock::default());
            enter(live.store(), generation, &clock);
            let inside = Inside {
                generation,
                room,
                lane,
                has_ended: AtomicBool::new(false),
                present: &present,
                clock: &clock,
                guest: &guest,
                visits_max,
            };
            inside.run(live.store(), arriving, &mut begun).await
        }
        Err(error) => Err(error),
    };
    room.shut();
    let failed = outcome.as_ref().err().filter(|_| begun == 0).cloned();
    let spend = live.spend();
    let ended = outcome.and_then(|left| match left {
        Left::Clean => Ok(()),
        Left::Spoiled => Err(Error::from_fault(Fault::Cancelled)),
        Left::Lingered => Err(late(generation, limit(generation))),
    });
    live.is_out_of_use(generation, ended.as_ref().err());
    if let Err(error) = &ended {
        present.end_all(error, &spend);
    }
    (begun, failed)
}

/// Arms the store for as many calls as come.
fn enter(store: &mut Store<State>, generation: &Generation, clock: &Arc<Clock>) {
    // Before the ticker is touched: see there.
    store.set_epoch_deadline(1);
    let state = store.data_mut();
    // Without a cause: what they say and send is not known to be of one of them.
    state.begins_anew();
    state.waited = Duration::ZERO;
    state.queued = Duration::ZERO;
    state.began = Instant::now();
    state.room = Some(clock.clone());
    generation.ticker.touch();
}

/// What the inside of a room is made of.
struct Inside<'a> {
    generation: &'a Arc<Generation>,
    room: &'a Room,
    lane: &'a Lane,
    /// Whether a visit ended in this turn.
    has_ended: AtomicBool,
    present: &'a Present,
    clock: &'a Clock,
    guest: &'a Guest,
    visits_max: u32,
}

impl Inside<'_> {
    async fn run(&self, store: &mut Store<State>, arriving: &mut Arriving, begun: &mut u32) -> Result<Left> {
        let before = store.data().ledger.spend.host_calls;
        let outcome = {
            let running = store.run_concurrent(async |accessor| {
                let mut turns =
                    Turns { inside: self, accessor, serving: FuturesUnordered::new(), is_spoiled: false, calls: before, lingers: None };
                poll_fn(|context| turns.poll(context, arriving, begun)).await
            });
            self.watch(pin!(AssertUnwindSafe(running).catch_unwind())).await
        };
        let state = store.data_mut();
        state.room = None;
        state.ledger.spend.time += state.began.elapsed();
        state.ledger.spend.cpu += self.present.worked();
        state.ledger.hand_over();
        match outcome {
            Outcome::Done(Ok(Ok(Ok(left)))) => Ok(left),
            Outcome::Done(Ok(Ok(Err(error)) | Err(error))) => Err(named(&error, store.data(), &Meter::default())),
            Outcome::Done(Err(panic)) => Err(Error::from_fault(Fault::HostPanic { message: panic_message(&*panic) })),
            Outcome::TimedOut => Err(late(self.generation, limit(self.generation) + HELD)),
            Outcome::Revoked => Err(Error::from_fault(Fault::Revoked)),
        }
    }

    /// The event loop, with its meter and what ends it from outside.
    async fn watch<F: Future>(&self, mut running: Pin<&mut F>) -> Outcome<F::Output> {
        let account = &self.generation.account;
        let _ticks = self.generation.ticker.arm();
        let mut revocation = pin!(account.revocation());
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|context| {
            let before = self.present.worked();
            self.present.begins_to_work(thread_time());
            self.room.is_working.store(true, Ordering::Relaxed);
            let polled = running.as_mut().poll(context);
            self.room.is_working.store(false, Ordering::Relaxed);
            self.worked();
            self.lane.worked(self.present.worked() - before, self.has_ended.swap(false, Ordering::Relaxed));
            if let Poll::Ready(output) = polled {
                return Poll::Ready(Outcome::Done(output));
            }
            if revocation.as_mut().poll(context).is_ready() {
                return Poll::Ready(Outcome::Revoked);
            }
            // It had its turn just now: whoever is late by so much was not told, because the guest keeps the event loop.
            let Some(until) = self.present.next_deadline().map(|deadline| deadline + HELD) else { return Poll::Pending };
            loop {
                if Instant::now() >= until {
                    return Poll::Ready(Outcome::TimedOut);
                }
                let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until.into())));
                if timer.deadline() > until.into() || timer.is_elapsed() {
                    timer.as_mut().reset(until.into());
                }
                if timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// One has left, or did not come: its place is free, unless nobody may come any more.
    fn has_place(&self) {
        if self.room.inside(self.generation.now_ms()).is_some() {
            self.generation.rooms().into_iter().for_each(Rooms::has_place);
        }
    }

    /// Divides the processor time since it was last asked.
    fn worked(&self) {
        let spent = self.present.worked_until(thread_time());
        self.generation.account.spend_cpu(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// The turns of a room's event loop.
struct Turns<'a> {
    inside: &'a Inside<'a>,
    accessor: &'a Accessor<State>,
    serving: FuturesUnordered<Serving<'a, wasmtime::Result<(u64, Ended)>>>,
    is_spoiled: bool,
    /// Until when it may finish what it does after the last one has left.
    lingers: Option<Pin<Box<Sleep>>>,
    /// Calls into the host that were divided.
    calls: u64,
}

impl Turns<'_> {
    fn poll(&mut self, context: &mut Context<'_>, arriving: &mut Arriving, begun: &mut u32) -> Poll<wasmtime::Result<Left>> {
        loop {
            self.divide();
            // Ends before beginnings: whoever comes as it is spoiled is better off elsewhere.
            while let Poll::Ready(Some(ended)) = self.serving.poll_next_unpin(context) {
                match ended {
                    Ok((id, ended)) => self.end(id, ended),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            if !self.take(context, arriving, begun) {
                break;
            }
        }
        self.gave_way();
        if !self.serving.is_empty() {
            return Poll::Pending;
        }
        if self.is_spoiled {
            return Poll::Ready(Ok(Left::Spoiled));
        }
        if self.accessor.poll_no_interesting_tasks(context).is_pending() {
            let until = self.inside.present.next_deadline().unwrap_or_else(Instant::now);
            let lingers = self.lingers.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until.into())));
            if lingers.deadline() != until.into() {
                lingers.as_mut().reset(until.into());
            }
            return lingers.as_mut().poll(context).map(|()| Ok(Left::Lingered));
        }
        if self.accessor.poll_ready_for_concurrent_call(*self.inside.guest.func_handle().func(), context).is_pending() {
            // It takes nothing any more: no reason to keep it for the next one.
            return Poll::Ready(Ok(Left::Spoiled));
        }
        if *begun >= self.inside.visits_max || self.inside.room.shut_if_empty() { Poll::Ready(Ok(Left::Clean)) } else { Poll::Pending }
    }

    /// Begins those who have come, as far as it may; whoever is one too many looks for another instance at once. Whether any has begun.
    fn take(&mut self, context: &mut Context<'_>, arriving: &mut Arriving, begun: &mut u32) -> bool {
        let (room, before) = (self.inside.room, *begun);
        while *begun < self.inside.visits_max && !self.is_spoiled {
            let Poll::Ready(visit) = arriving.poll_next(context) else { return *begun > before };
            if visit.told.is_closed() {
                // It went before it began: elsewhere, or away.
                room.never_came();
                self.inside.has_place();
            } else if Instant::now() >= visit.deadline {
                // Its time was over in line: begun, it would cost this instance for nothing.
                let error = late(self.inside.generation, limit(self.inside.generation)).hurried();
                drop(visit.told.send(Told { answer: Err(error), spend: Spend::default() }));
                room.never_came();
                self.inside.has_place();
            } else {
                *begun += 1;
                self.begin(u64::from(*begun), visit);
            }
        }
        arriving.turn_away(room);
        *begun > before
    }

    /// What was used since it was last asked is divided among those who are there now.
    fn divide(&mut self) {
        let calls = self.accessor.with(|mut store| {
            let ledger = &mut store.data_mut().ledger;
            ledger.hand_over_at(self.inside.generation.ticker.now());
            ledger.spend.host_calls
        });
        self.inside.present.share_host_calls(calls.saturating_sub(self.calls));
        self.calls = calls;
    }

    fn begin(&mut self, id: u64, visit: Visit) {
        let begun = self.inside.present.begin(id, visit);
        let (accessor, guest, generation) = (self.accessor, self.inside.guest, self.inside.generation);
        accessor.with(|mut store| store.data_mut().ledger.count_call());
        let held = generation.account.hold(REQUEST_HELD_BYTES);
        self.serving.push(Box::pin(async move {
            match held {
                Ok(held) => Ok((id, serve(guest, accessor, begun, Arc::new(held)).await?)),
                Err(denial) => Ok((id, Ended::NoRoom(denial))),
            }
        }));
    }

    fn end(&mut self, id: u64, ended: Ended) {
        self.divide();
        self.inside.worked();
        let (present, generation) = (self.inside.present, self.inside.generation);
        let spend = self.accessor.with(|mut store| store.data_mut().spend());
        if matches!(ended, Ended::Late(_) | Ended::GivenUp) {
            self.is_spoiled = true;
            self.inside.room.shut();
        }
        self.inside.has_ended.store(true, Ordering::Relaxed);
        self.inside.room.left();
        self.inside.has_place();
        match ended {
            Ended::Done => present.end(id, Ok(()), &spend),
            Ended::Late(lateness) => {
                let lateness = present.without_work(id, lateness);
                let error = late(generation, limit(generation));
                generation.account.faulted(error.fault().expect("a deadline"));
                present.end(id, Err(lateness.tell(error)), &spend);
            }
            Ended::GivenUp | Ended::NeverCame => present.forget(id),
            Ended::NoRoom(denial) => {
                let message = format!("no memory for one more request of `{}`:", generation.subject);
                present.end(id, Err(Error::refused(message, vec![denial])), &spend);
            }
        }
    }

    /// The guest gave way just now: its ticks count from here, towards the next deadline.
    fn gave_way(&self) {
        // It may be long until its next turn, and calls that began are to be seen.
        self.accessor.with(|mut store| store.data_mut().ledger.hand_over());
        let left = self.inside.present.next_deadline().map(|until| until.saturating_duration_since(Instant::now()));
        let ticks = left.map_or(u64::MAX, milliseconds);
        self.inside.clock.gave_way(self.inside.generation.ticker.now().saturating_add(ticks).saturating_add(1));
    }
}

/// One visit, until it is done, its time is over, or nobody waits for it.
async fn serve(guest: &Guest, accessor: &Accessor<State>, begun: Begun, held: Arc<Hold>) -> wasmtime::Result<Ended> {
    let Begun { incoming, given_up, began, deadline, wait } = begun;
    let Some(handed) = incoming.take() else { return Ok(Ended::NeverCame) };
    let entered = Instant::now();
    tokio::select! {
        biased;
        _ = given_up => Ok(Ended::GivenUp),
        done = exchange(guest, accessor, handed, &wait, Some(held.clone())) => done.map(|()| Ended::Done),
        () = tokio::time::sleep_until(deadline.into()) => {
            Ok(Ended::Late(Lateness { ran: began.elapsed(), queued: entered.duration_since(began), client: wait.total() }))
        }
    }
}
