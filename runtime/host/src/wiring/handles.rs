//! Resources of a callee, as its caller has them: numbers that only the host can turn back.
//!
//! Each is bound to the instance that gave it and to its type. Whoever uses one is asked again each time whether it is still his to use, and whether it goes back
//! to where it came from: a handle of one plugin is never handed to another.

use wasmtime::component::{ResourceAny, ResourceDynamic, ResourceType};
use wasmtime::{StoreContextMut, format_err};

use crate::state::State;

/// Resource types that one plugin may import from others.
pub(super) const KINDS_MAX: u32 = 256;

/// One resource of a callee.
struct Proxy {
    slot: usize,
    /// Which of the callees that were made for this slot: one that came after it knows nothing of it.
    made: u64,
    /// Its type, as the caller's linker knows it.
    kind: u32,
    resource: ResourceAny,
}

/// All of one caller's instance.
#[derive(Default)]
pub(super) struct Handles {
    proxies: Vec<Option<Proxy>>,
    free: Vec<u32>,
}

/// Which callee a handle has to be of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) slot: usize,
    pub(super) made: u64,
}

impl Handles {
    fn put(&mut self, proxy: Proxy) -> wasmtime::Result<u32> {
        if let Some(rep) = self.free.pop() {
            self.proxies[rep as usize] = Some(proxy);
            return Ok(rep);
        }
        let rep = u32::try_from(self.proxies.len())?;
        self.proxies.push(Some(proxy));
        Ok(rep)
    }

    fn get(&self, rep: u32, owner: Owner, kind: u32) -> wasmtime::Result<ResourceAny> {
        let proxy = self.proxies.get(rep as usize).and_then(Option::as_ref);
        let proxy = proxy.ok_or_else(|| format_err!("a handle that is no more was used"))?;
        if (proxy.slot, proxy.kind) != (owner.slot, kind) {
            return Err(format_err!("a handle of another plugin was used"));
        }
        if proxy.made != owner.made {
            return Err(format_err!("the plugin that owns a handle has been started anew since it gave it"));
        }
        Ok(proxy.resource)
    }

    /// Takes one out, whoever's it is; gives where it belongs. For a handle that its owner dropped.
    pub(super) fn take(&mut self, rep: u32) -> Option<(Owner, ResourceAny)> {
        let proxy = self.proxies.get_mut(rep as usize)?.take()?;
        self.free.push(rep);
        Some((Owner { slot: proxy.slot, made: proxy.made }, proxy.resource))
    }
}

/// What the callee is handed for a handle that the caller gave.
pub(super) fn inward(store: &mut StoreContextMut<'_, State>, handle: ResourceAny, owner: Owner) -> wasmtime::Result<ResourceAny> {
    let dynamic = ResourceDynamic::try_from_resource_any(handle, &mut *store)
        .map_err(|_| format_err!("a handle that belongs to neither side of the call was handed over"))?;
    let handles = handles(store)?;
    let resource = handles.get(dynamic.rep(), owner, dynamic.ty())?;
    if dynamic.owned() {
        handles.take(dynamic.rep());
    }
    Ok(resource)
}

/// What the caller is handed for a resource that the callee gave.
pub(super) fn outward(
    store: &mut StoreContextMut<'_, State>,
    resource: ResourceAny,
    expected: ResourceType,
    owner: Owner,
) -> wasmtime::Result<ResourceAny> {
    let kind = (0..KINDS_MAX).find(|kind| ResourceType::host_dynamic(*kind) == expected);
    let kind = kind.ok_or_else(|| format_err!("a resource was answered where none was expected"))?;
    let room = store.data().ledger.limits().handles as usize;
    let handles = handles(store)?;
    if handles.proxies.len() - handles.free.len() >= room {
        return Err(format_err!("more than {room} handles are held"));
    }
    let rep = handles.put(Proxy { slot: owner.slot, made: owner.made, kind, resource })?;
    ResourceDynamic::new_own(rep, kind).try_into_resource_any(store)
}

fn handles<'a>(store: &'a mut StoreContextMut<'_, State>) -> wasmtime::Result<&'a mut Handles> {
    let chained = store.data_mut().chained.as_mut();
    chained.map(|chained| &mut chained.handles).ok_or_else(|| format_err!("an instance without wires has no handles of others"))
}
