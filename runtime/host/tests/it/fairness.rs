//! Guest threads with real guests: a plugin with many calls does not keep a plugin with one from its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use plugwork::core::record::Settings;
use plugwork::{Grants, Limits, Runtime};

use crate::guest::Guest;
use crate::world::Number;

/// Counts down from its input in a loop, so that it gives way at each tick; the answer is the name of the guest.
fn busy(name: u32) -> Guest {
    Guest::new(&format!(
        r#"(func (export "run") (param i32) (result i32)
            (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            i32.const {name})"#
    ))
}

/// Turns of the loop: some tens of ticks on a slow machine, several on a fast one.
const TURNS: u32 = 10_000_000;
const MANY: u32 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_with_many_calls_does_not_delay_one_with_a_single_call() {
    let limits = Limits { deadline_ms: 600_000, cpu_percent: None, instances: 100, ..Limits::interactive() };
    let runtime = Runtime::in_memory().guest_threads(1).limits(limits).open().await.unwrap();
    let mut plugins = Vec::new();
    for name in [1, 2] {
        let offer = runtime.offer(&busy(name).source()).await.unwrap();
        let installation = runtime.install(offer, Grants::none(), Settings::default()).await.unwrap();
        installation.enable("test").await.unwrap();
        plugins.push(installation);
    }
    let (many, one) = (plugins.remove(0), plugins.remove(0));
    let threads = runtime.guest_threads();
    let (lane, done) = (threads.lane(), Arc::new(AtomicU32::new(0)));
    let crowd: Vec<_> = (0..MANY)
        .map(|_| {
            let (many, done) = (many.clone(), done.clone());
            threads.spawn_in(&lane, async move {
                let answer = many.call::<Number>(&TURNS).await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
                answer
            })
        })
        .collect();
    let single = threads.spawn_in(&threads.lane(), async move { one.call::<Number>(&TURNS).await.unwrap() });
    assert_eq!(single.await, 2);
    // Served in turn by call it would be among the last; served by plugin it has half of the thread.
    let before = done.load(Ordering::SeqCst);
    assert!(before <= MANY / 4, "{before} of {MANY} calls of the other plugin ended first");
    for call in crowd {
        assert_eq!(call.await, 1);
    }
}
