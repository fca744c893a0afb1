//! The jobs as a plugin of extism, called as its documentation says: one plugin for many calls ([`Warm`]), or a new one for each from code that
//! is compiled already ([`Fresh`]).
//!
//! Not here: the plugin (`guest`). May be misread: these are extism's cheapest calls: no deadline and no memory limit is set, nobody listens to
//! its log, WASI is not linked, and nothing is compiled while the clock runs.

use anyhow::{Context, Result};
use extism::convert::Json;
use extism::{CompiledPlugin, Plugin, PluginBuilder};
use plugwork_rivals_job::{Order, Price};

use crate::rival::Caller;

/// Where `build.rs` left the plugin.
const GUEST: &[u8] = include_bytes!(env!("RIVALS_GUEST"));

/// Where the memory of new instances comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instances {
    /// From the system, one by one: what extism does by itself.
    OnDemand,
    /// From wasmtime's pool, which extism lets a host ask for.
    Pooling,
}

/// One plugin for all calls.
pub(crate) struct Warm(Plugin);

impl Warm {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Plugin::new_from_compiled(&compile(Instances::OnDemand)?)?))
    }
}

impl Caller for Warm {
    fn add(&mut self, input: u32) -> Result<u32> {
        add(&mut self.0, input)
    }

    fn price(&mut self, order: &Order) -> Result<Price> {
        price(&mut self.0, order)
    }
}

/// A new plugin for each call.
pub(crate) struct Fresh(CompiledPlugin);

impl Fresh {
    pub(crate) fn new(instances: Instances) -> Result<Self> {
        Ok(Self(compile(instances)?))
    }
}

impl Caller for Fresh {
    fn add(&mut self, input: u32) -> Result<u32> {
        add(&mut Plugin::new_from_compiled(&self.0)?, input)
    }

    fn price(&mut self, order: &Order) -> Result<Price> {
        price(&mut Plugin::new_from_compiled(&self.0)?, order)
    }
}

fn add(plugin: &mut Plugin, input: u32) -> Result<u32> {
    plugin.call("add", input)
}

fn price(plugin: &mut Plugin, order: &Order) -> Result<Price> {
    let Json(price) = plugin.call("price", Json(order))?;
    Ok(price)
}

fn compile(instances: Instances) -> Result<CompiledPlugin> {
    // Its cache of compiled code would be a folder in the user's home.
    let builder = PluginBuilder::new(GUEST).with_wasi(false).with_cache_disabled();
    let builder = match instances {
        Instances::OnDemand => builder,
        Instances::Pooling => {
            let mut config = wasmtime::Config::new();
            config.allocation_strategy(wasmtime::InstanceAllocationStrategy::pooling());
            builder.with_wasmtime_config(config)
        }
    };
    builder.compile().context("extism does not take the plugin")
}
