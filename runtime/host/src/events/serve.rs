//! Handing events to plugins: one task for each plugin that was ever told of anything, in its plugin's lane, for as long as it subscribes.
//!
//! One task and not one for each event: an event costs a place in a queue. Easily got wrong: it holds its runtime only while it makes a call, or no
//! runtime would ever end; and it gives way between two calls, since a call that never waits would keep its thread.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use plugwork_core::events::Event;

use super::counts::End;
use super::handler::EventHandler;
use super::subscriber::{InHand, Subscriber, Work};
use crate::dispatch::Told;
use crate::error::{Error, ErrorKind};
use crate::guards::Behalf;
use crate::runtime::{Runtime, Shared};

/// Begins to serve a subscriber.
pub(super) fn serve(runtime: &Weak<Shared>, subscriber: &Arc<Subscriber>) {
    let (Some(shared), Some(member)) = (runtime.upgrade(), subscriber.member()) else { return };
    let served = serve_all(runtime.clone(), subscriber.clone());
    shared.threads.spawn_in(member.lane(&shared.threads), served).detach();
}

async fn serve_all(runtime: Weak<Shared>, subscriber: Arc<Subscriber>) {
    let mut was_durable = false;
    while let Some(work) = subscriber.work(!was_durable).await {
        was_durable = matches!(work, Work::Durable);
        match (work, subscriber.lane()) {
            (Work::Queued(events), _) => {
                let mut in_hand = subscriber.in_hand(events);
                let end = hand_over(&runtime, &subscriber, &mut in_hand).await;
                in_hand.ended(end);
            }
            // Boxed: a plugin that is told of nothing durable would carry its size.
            (Work::Durable, Some(lane)) => Box::pin(lane.deliver(&runtime, &subscriber)).await,
            (Work::Durable, None) => {}
        }
        give_way().await;
    }
}

/// One call of the handler, made again where the plugin's breaker says when.
async fn hand_over(runtime: &Weak<Shared>, subscriber: &Subscriber, in_hand: &mut InHand<'_>) -> End {
    loop {
        // A version that may have less may have come since they were queued, and since the last try.
        let events = in_hand.entitled();
        if events.is_empty() {
            return End::Dropped;
        }
        let Some(error) = call(runtime, subscriber, events).await else { return End::Handled };
        match (error.kind(), error.retry_after_ms()) {
            (ErrorKind::Refusal, _) => return End::Refused,
            (ErrorKind::Fault, _) => return End::Faulted,
            // Nothing of it ran. Meanwhile the queue fills, and does what it does where it is full.
            (_, Some(retry_after_ms)) => {
                let later = tokio::time::sleep(Duration::from_millis(retry_after_ms.max(1)));
                tokio::select! {
                    () = later => {}
                    () = subscriber.is_over() => return End::Lost,
                }
            }
            _ => return End::Lost,
        }
    }
}

/// The error of one call, if it was one.
pub(super) async fn call(runtime: &Weak<Shared>, subscriber: &Subscriber, events: &Vec<Arc<Event>>) -> Option<Error> {
    let gone = || Some(Error::new(ErrorKind::Unavailable, "the subscriber is gone"));
    let (Some(shared), Some(member)) = (runtime.upgrade(), subscriber.member()) else { return gone() };
    let runtime = Runtime::from(shared);
    let asked = events.first().and_then(|event| Behalf::answering(event.chain));
    // Boxed: a plugin that is told of nothing for long would carry its size.
    Box::pin(member.call::<EventHandler>(&runtime, events, &asked, &mut Told::default())).await.err()
}

/// Once to the end of the lane.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
