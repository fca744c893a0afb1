//! The plugins that a step's plugin calls: each accepted with its own grants, then put behind the step's imports, through the host or as one component.

use std::path::Path;

use plugwork::{Limits, Offer, Runtime, Source};

use super::file::{RawCall, Wiring};
use crate::exit::Failure;
use crate::grants;

/// What was put behind an offer, for people: `plugwork:geodesy 0.1.0, brokered`.
pub(crate) type Told = Vec<String>;

/// Wires an offer of a step whose pipeline file stands in `base`. `place` is how messages name the step.
pub(crate) async fn wired(
    runtime: &Runtime,
    base: &Path,
    place: &str,
    mut offer: Offer,
    limits: Limits,
    calls: &[RawCall],
) -> Result<(Offer, Told), Failure> {
    let mut told = Told::new();
    for call in calls {
        let path = base.join(&call.plugin);
        let doing = format!("{place}, calling `{}`", call.plugin.display());
        if !path.is_file() {
            return Err(Failure::not_found(format_args!("{place} calls `{}`, and there is no such component", path.display())));
        }
        let granted = grants::from_toml(&call.grants).map_err(|issues| Failure::wrong(&doing, &issues))?;
        let failed = |error: plugwork::Error| Failure::from(error).while_doing(&doing);
        let callee = runtime.offer(&Source::file(&path).map_err(failed)?).await.map_err(failed)?;
        let callee = callee.instance(&offer.subject().instance).limits(limits).unrecorded().accept_only(granted).await.map_err(failed)?;
        let version = callee.manifest().map(|manifest| format!(" {}", manifest.version)).unwrap_or_default();
        let how = match call.wiring {
            Wiring::Brokered => "brokered",
            Wiring::Fused => "fused",
        };
        told.push(format!("{}{version}, {how}", callee.subject().package));
        offer = match call.wiring {
            Wiring::Brokered => offer.wire(&callee),
            Wiring::Fused => offer.fuse(&callee).await.map_err(failed)?,
        };
    }
    Ok((offer, told))
}
