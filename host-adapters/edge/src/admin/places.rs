//! Places for what few may do at once: so many in all, of one tenant fewer, and some that no tenant has, so that all of them together shut nobody out who answers
//! for the server.
//!
//! Easily got wrong: whoever is bound to no tenant is bound by the whole alone, also where they ask on behalf of one; that is the operator of the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    tenant_max: usize,
    tenants_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Of each tenant that has any.
    by_tenant: BTreeMap<String, usize>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    tenant: Option<String>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All are taken that there are, or that tenants may have.
    All,
    /// The tenant has as many as one may have.
    Tenant,
}

impl Places {
    /// So many in all, of one tenant, and of all tenants together.
    pub(crate) fn new(max: usize, tenant_max: usize, tenants_max: usize) -> Arc<Self> {
        Arc::new(Self { max, tenant_max, tenants_max, taken: Mutex::default() })
    }

    /// Takes one for whoever is bound to that tenant; none: to no tenant.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn take(self: &Arc<Self>, tenant: Option<&str>) -> Result<Place, NoPlace> {
        let mut taken = self.taken();
        if let Some(tenant) = tenant
            && taken.by_tenant.get(tenant).is_some_and(|own| *own >= self.tenant_max)
        {
            return Err(NoPlace::Tenant);
        }
        let of_tenants: usize = taken.by_tenant.values().sum();
        if taken.all >= self.max || (tenant.is_some() && of_tenants >= self.tenants_max) {
            return Err(NoPlace::All);
        }
        taken.all += 1;
        if let Some(tenant) = tenant {
            *taken.by_tenant.entry(tenant.to_owned()).or_default() += 1;
        }
        Ok(Place { places: self.clone(), tenant: tenant.map(str::to_owned) })
    }

    /// Nothing panics under this lock.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(tenant) = &self.tenant
            && let Some(own) = taken.by_tenant.get_mut(tenant)
        {
            *own -= 1;
            if *own == 0 {
                taken.by_tenant.remove(tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tenant_has_all_places_and_all_together_have_no_more() {
        let places = Places::new(5, 2, 5);
        let ada = [places.take(Some("ada")).unwrap(), places.take(Some("ada")).unwrap()];
        assert_eq!(places.take(Some("ada")).unwrap_err(), NoPlace::Tenant);
        let everybodys: Vec<_> = (0..3).map(|_| places.take(None).unwrap()).collect();
        assert_eq!((places.take(None).unwrap_err(), places.take(Some("ben")).unwrap_err()), (NoPlace::All, NoPlace::All));
        drop(everybodys);
        let _ben = places.take(Some("ben")).unwrap();
        assert_eq!(places.take(Some("ada")).unwrap_err(), NoPlace::Tenant);
        drop(ada);
        assert!(places.take(Some("ada")).is_ok());
        assert_eq!(places.taken().by_tenant.len(), 1, "who has none is forgotten");
    }

    #[test]
    fn some_places_are_no_tenants_however_many_there_are() {
        let places = Places::new(4, 2, 3);
        let mut taken: Vec<_> = ["ada", "ada", "ben"].into_iter().map(|tenant| places.take(Some(tenant)).unwrap()).collect();
        assert_eq!((places.take(Some("ben")).unwrap_err(), places.take(Some("eve")).unwrap_err()), (NoPlace::All, NoPlace::All));
        taken.push(places.take(None).unwrap());
        assert_eq!(places.take(None).unwrap_err(), NoPlace::All);
        taken.remove(0);
        assert!(places.take(Some("eve")).is_ok());
    }
}
