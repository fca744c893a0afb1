//! What a rival is: a way to call the two jobs, and the loop that times it.
//!
//! Lives here: [`Caller`], which each rival implements, the list of all there are, and the clock. Not here: how each calls. May be misread: a
//! rival that answers wrongly is never timed; [`start`] asks each for known answers first.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use plugwork_rivals_job::{Order, Price, order, quantity};

use crate::extism_host::{Fresh, Instances, Warm};
use crate::native::Native;
use crate::subprocess::Subprocess;

/// Every rival with each of its jobs: what [`start`] knows.
pub(crate) const NAMES: [&str; 10] = [
    "native-add",
    "native-price",
    "extism-add",
    "extism-price",
    "extism-fresh-add",
    "extism-fresh-price",
    "extism-fresh-pooling-add",
    "extism-fresh-pooling-price",
    "subprocess-add",
    "subprocess-price",
];

/// A way to call the jobs.
pub(crate) trait Caller {
    /// Calls `add`.
    fn add(&mut self, input: u32) -> Result<u32>;

    /// Calls `price`.
    fn price(&mut self, order: &Order) -> Result<Price>;
}

/// A rival with one of its jobs, started.
pub(crate) trait Rival {
    /// Does it so many times, each call with another input. How long all of it took.
    fn batch(&mut self, times: u32) -> Result<Duration>;
}

/// Starts one by its name, and makes sure that it does its job.
pub(crate) fn start(name: &str) -> Result<Box<dyn Rival>> {
    let (kind, job) = name.rsplit_once('-').unwrap_or_default();
    let job = match job {
        "add" => Job::Add,
        "price" => Job::Price,
        _ => bail!("there is no rival `{name}`; `list` names them"),
    };
    match kind {
        "native" => Started::checked(Native::new(), job),
        "extism" => Started::checked(Warm::new()?, job),
        "extism-fresh" => Started::checked(Fresh::new(Instances::OnDemand)?, job),
        "extism-fresh-pooling" => Started::checked(Fresh::new(Instances::Pooling)?, job),
        "subprocess" => Started::checked(Subprocess::new()?, job),
        _ => bail!("there is no rival `{name}`; `list` names them"),
    }
}

#[derive(Debug, Clone, Copy)]
enum Job {
    Add,
    Price,
}

struct Started<C> {
    caller: C,
    job: Job,
}

impl<C: Caller + 'static> Started<C> {
    /// Fails if an answer is not the job's own; both branches of `price` are asked.
    fn checked(mut caller: C, job: Job) -> Result<Box<dyn Rival>> {
        ensure!(caller.add(41)? == 42, "it cannot add");
        for number in [0, 150] {
            let order = order(number);
            ensure!(caller.price(&order)? == plugwork_rivals_job::price(&order), "it cannot price {order:?}");
        }
        Ok(Box::new(Self { caller, job }))
    }
}

impl<C: Caller> Rival for Started<C> {
    fn batch(&mut self, times: u32) -> Result<Duration> {
        let mut order = order(0);
        let started = Instant::now();
        match self.job {
            Job::Add => {
                for input in 0..times {
                    black_box(self.caller.add(black_box(input))?);
                }
            }
            Job::Price => {
                for number in 0..times {
                    order.quantity = quantity(number);
                    black_box(self.caller.price(black_box(&order))?);
                }
            }
        }
        Ok(started.elapsed())
    }
}
