//! Calls of an installation by values instead of types, for programs that know a function only by its name.
//!
//! Not here: finding functions and turning text into values, which is `crate::dynamic`. Easily got wrong: a function is looked up in every call,
//! because the version that answers may be another one than before.

use std::time::Instant;

use super::Installation;
use crate::dynamic::{Argument, Returned, call_entered};
use crate::error::Result;
use crate::plugin::Plugin;

impl Installation {
    /// Calls a function by its name (see [`Plugin::function`]) in whichever version is current, in an instance of its own. It counts as any other
    /// call: for the breaker, and for the watch over a new version.
    pub async fn call_dynamic(&self, name: &str, arguments: &[Argument]) -> Result<Returned> {
        let (this, name, arguments) = (self.clone(), name.to_owned(), arguments.to_vec());
        self.member.on_guest_thread(&self.runtime, Box::pin(async move { this.call_dynamic_here(&name, &arguments).await })).await
    }

    async fn call_dynamic_here(&self, name: &str, arguments: &[Argument]) -> Result<Returned> {
        let now_ms = self.runtime.shared().now_ms();
        let entered = self.member.enter(&self.runtime, now_ms).await?;
        let plugin = Plugin::new(entered.clone());
        let function = plugin.function(name)?;
        entered.is_allowed(&function.interface, Some(&function.name), &self.asked).await?;
        let permit = entered.work.breaker.admit(now_ms).map_err(|open| self.member.tripped(open.retry_after_ms))?;
        let started = Instant::now();
        let answer = call_entered(&entered, &function, arguments, &self.asked).await;
        entered.work.ended(permit, self.runtime.shared().now_ms(), started.elapsed(), answer.as_ref().err());
        answer
    }
}
