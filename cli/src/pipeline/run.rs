//! Lets the batches flow: one task for each step on guest threads, joined by bounded queues. The first failure stops the rest.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use futures::future::join_all;
use plugwork::{GuestThreads, Job};

use super::channel::{Consumer, Inlet, Outlet};
use super::load::Loaded;
use super::plan;
use super::progress::{self, Meter};
use super::step::{self, Broken, Done};
use crate::exit::Failure;
use crate::print;

/// How a run ended. What steps had finished by then is kept.
pub(crate) struct Ran {
    /// For each step, in the order of the plan, what it did; `None` for one that was stopped in its middle.
    pub(crate) done: Vec<Option<Done>>,
    /// Whether each came to its end.
    pub(crate) finished: Vec<bool>,
    pub(crate) failure: Option<(usize, Failure)>,
    pub(crate) interrupted: bool,
}

/// Runs all steps; outputs go below `folder`.
pub(crate) async fn run(loaded: &Arc<Vec<Loaded>>, threads: &GuestThreads, folder: &Path) -> Ran {
    let meters: Vec<Arc<Meter>> = loaded.iter().map(|_| Arc::default()).collect();
    let named = loaded.iter().zip(&meters).map(|(loaded, meter)| (loaded.step.raw.name.clone(), meter.clone())).collect();
    let progress = tokio::spawn(progress::show(named));
    let (events, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks: Vec<Job<()>> = Vec::new();
    for (index, (inlet, outlet)) in queues(loaded).into_iter().enumerate() {
        let (loaded, meter, folder, events) = (loaded.clone(), meters[index].clone(), folder.to_owned(), events.clone());
        tasks.push(threads.spawn(async move {
            let (done, result) = step::run(&loaded[index], inlet, outlet, &meter, &folder).await;
            meter.done.store(true, Ordering::Relaxed);
            // Nobody listens any more once another step has failed.
            let _ = events.send((index, done, result));
        }));
    }
    drop(events);
    let mut ran =
        Ran { done: loaded.iter().map(|_| None).collect(), finished: vec![false; loaded.len()], failure: None, interrupted: false };
    loop {
        tokio::select! {
            event = ended.recv() => match event {
                None => break,
                Some((index, done, result)) => {
                    match result {
                        Ok(()) => {
                            tell(&loaded[index], &done);
                            ran.finished[index] = true;
                        }
                        Err(Broken::Failed(failure)) => ran.failure = Some((index, failure)),
                        // Its neighbour's failure follows.
                        Err(Broken::Stopped) => {}
                    }
                    ran.done[index] = Some(done);
                    if ran.failure.is_some() {
                        break;
                    }
                }
            },
            _ = tokio::signal::ctrl_c() => {
                ran.interrupted = true;
                break;
            }
        }
    }
    // Dropping a task drops its half-written output; waiting for that, so that nothing is left when this returns.
    let cancelled = join_all(tasks.into_iter().map(|task| AssertUnwindSafe(task.cancel()).catch_unwind())).await;
    for (index, task) in cancelled.into_iter().enumerate() {
        if task.is_err() && ran.failure.is_none() {
            ran.failure = Some((index, Failure::failed("the host panicked in this step: please report it")));
        }
    }
    progress.abort();
    print::end_progress();
    ran
}

/// Each step's queue, and the queues of those who take from it.
fn queues(loaded: &[Loaded]) -> Vec<(Inlet, Outlet)> {
    let mut consumers: Vec<Vec<Consumer>> = loaded.iter().map(|_| Vec::new()).collect();
    let mut inlets = Vec::new();
    for step in loaded {
        let inputs = &step.step.inputs;
        let (sender, inlet) = Inlet::new(inputs.len());
        for (position, input) in inputs.iter().enumerate() {
            consumers[input.step].push(Consumer { sender: sender.clone(), input: position, table: input.table.clone() });
        }
        inlets.push(inlet);
    }
    inlets.into_iter().zip(consumers.into_iter().map(Outlet)).collect()
}

fn tell(loaded: &Loaded, done: &Done) {
    print::end_progress();
    let place = plan::place(loaded.step.kind, &loaded.step.raw);
    #[expect(clippy::cast_precision_loss, reason = "megabytes and rates for people")]
    let (memory, rate) = (
        done.spend.memory_peak_bytes as f64 / f64::from(1 << 20),
        done.rows_in.max(done.rows_out) as f64 / (done.wall_ms / 1000.0).max(0.001),
    );
    print::narrate(format_args!(
        "{place:<26} {:>8} rows in {:>8} out {:>4} batches {rate:>9.0} rows/s  guest {:>7.1} ms  peak {memory:>5.1} MiB",
        done.rows_in,
        done.rows_out,
        done.batches,
        done.spend.time.as_secs_f64() * 1000.0,
    ));
}
