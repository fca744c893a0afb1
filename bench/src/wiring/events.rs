//! Events from one plugin to another, both in instances that are used again, alone and beside a subscriber that is slow.
//!
//! May be misread: a delivery is one event handed to one plugin; the one that is slow waits in the host for 10 ms in each call, and loses what it has no room for, as it
//! asked. The queue of the quick one holds everybody up who publishes, so none of its events is lost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use plugwork::capability::{Capability, Configured, Prepare};
use plugwork::core::record::Settings;
use plugwork::core::{InterfaceName, Issue, Subject};
use plugwork::events::{EventsSettings, SubscriberStatus};
use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime::{self};
use plugwork::{Installation, Runtime, Source, State};
use serde_json::{Map, Value};

use super::calls::builder;
use super::{Telling, guests};
use crate::measure::Summary;
use crate::report::{Judge, Row};

/// Events of one round.
const EVENTS: u32 = 200_000;
/// Of one call of the plugin that publishes.
const AT_ONCE: u32 = 20_000;

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    let rounds = if quick { 3 } else { 15 };
    let alone = open(false).await?;
    let beside = open(true).await?;
    let (mut alone_took, mut beside_took) = (Vec::new(), Vec::new());
    // By turns, after one round each that does not count.
    for round in 0..=rounds {
        let (first, second) = (alone.round().await?, beside.round().await?);
        if round > 0 {
            alone_took.push(first);
            beside_took.push(second);
        }
    }
    // The slow one is in the middle of its pause.
    alone.runtime.close().await?;
    beside.runtime.close().await?;
    let (alone, beside) = (Summary::of(alone_took), Summary::of(beside_took));
    Ok(vec![
        Row::value("events-delivered", "/s", alone).at_least(200_000.0),
        Row::value("events-beside-slow", "/s", beside).against("alone", alone, Judge::Share).target(0.9),
    ])
}

/// A plugin that publishes and those that are told.
struct Told {
    runtime: Runtime,
    teller: Installation,
    quick: Installation,
}

async fn open(with_slow: bool) -> Result<Told> {
    let runtime = builder().provide(Pause).events(EventsSettings::default()).open().await?;
    if with_slow {
        enabled(&runtime, &guests::listener("bench:slow", true)?).await?;
    }
    let quick = enabled(&runtime, &guests::listener("bench:quick", false)?).await?;
    let teller = enabled(&runtime, &guests::teller()?).await?;
    Ok(Told { runtime, teller, quick })
}

async fn enabled(runtime: &Runtime, source: &Source) -> Result<Installation> {
    let offer = runtime.offer(source).await?;
    let grants = offer.manifest().map(plugwork::Grants::all_asked).unwrap_or_default();
    let installation = runtime.install(offer, grants, Settings::default()).await?;
    installation.enable("bench").await?;
    Ok(installation)
}

impl Told {
    /// Deliveries a second to the quick one, from the first event until the last was handled.
    async fn round(&self) -> Result<f64> {
        let before = self.handled()?;
        let began = Instant::now();
        for _ in 0..EVENTS / AT_ONCE {
            let mut session = self.teller.session::<Telling>().await?;
            let lost = session.call(|guest, store| Box::pin(guest.call_tell(store, AT_ONCE))).await?;
            ensure!(lost == 0, "{lost} events were not taken");
        }
        while self.handled()? - before < u64::from(EVENTS) {
            ensure!(began.elapsed() < Duration::from_secs(120), "of {EVENTS} events: {:?}", self.status()?);
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        Ok(f64::from(EVENTS) / began.elapsed().as_secs_f64())
    }

    fn handled(&self) -> Result<u64> {
        Ok(self.status()?.counts.handled)
    }

    fn status(&self) -> Result<SubscriberStatus> {
        self.runtime.events().subscriber(&self.quick.subject()).context("the quick one is no subscriber")
    }
}

/// The capability `pause`: 10 ms in the host.
struct Pause;

impl Capability for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["bench:host/pause"]
    }

    fn configure(&self, _: &Subject, _: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        Ok(Box::new(Pauses))
    }
}

struct Pauses;

impl Configured for Pauses {
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let mut target = linker.instance(&interface.to_string())?;
        target.func_wrap_async("pause", |_, (): ()| {
            Box::new(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(())
            })
        })
    }

    fn prepare(&self, _: &mut Prepare<'_>) -> wasmtime::Result<()> {
        Ok(())
    }
}
