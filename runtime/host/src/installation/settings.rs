//! How a version runs that comes after another: as that one, but for the points, which differ between versions.
//!
//! Easily got wrong: that no points are set means all of them. So a version that has none of those that somebody chose is an error, or it would be
//! attached where nobody wanted it.

use plugwork_core::InterfaceName;
use plugwork_core::record::Settings;
use semver::Version;

use super::Member;
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::inspect::Facts;
use crate::runtime::Runtime;

impl Member {
    /// How another version is to run: as the one before, attached to all its points, or to those that somebody chose. Where nobody can tell any more
    /// whether somebody chose (the facts of the one before are gone), those count as chosen that it had. An error where none of the chosen is left.
    pub(super) fn settings_of(&self, before: Option<&Facts>, next: &Generation) -> Result<Settings> {
        let settings = self.settings.load_full();
        let all = |before: &Facts| before.points().all(|point| settings.points.contains(point));
        let chosen = !settings.points.is_empty() && !before.is_some_and(all);
        let wanted = |point: &&InterfaceName| !chosen || settings.points.iter().any(|chosen| chosen.is_satisfied_by(point));
        let points: Vec<_> = next.facts.points().filter(wanted).cloned().collect();
        if chosen && points.is_empty() {
            // No points means all of them, and those nobody chose.
            let names: Vec<_> = settings.points.iter().map(|point| format!("`{point}`")).collect();
            let message = format!("`{}` exports nothing that it is to be attached to: {}", next.subject, names.join(", "));
            return Err(Error::new(ErrorKind::Invalid, message).of(&next.subject));
        }
        Ok(Settings { points, ..(*settings).clone() })
    }

    /// Which version `migrate` is told of, where another takes the place of the latest: that one, or where it was an update that never ran the one before.
    pub(super) async fn ran_before(&self, runtime: &Runtime, latest: Option<&Version>) -> Result<String> {
        let updated_from = *self.updated_from.lock().expect("no panic happens under this lock");
        let ran = match updated_from {
            Some(digest) => runtime.version_of(&self.subject(), digest).await?,
            None => latest.map(ToString::to_string),
        };
        Ok(ran.unwrap_or_default())
    }

    /// As [`Member::settings_of`], for a version that an update brought while the one before was not loaded.
    pub(super) async fn settings_after(&self, runtime: &Runtime, next: &Generation) -> Result<Settings> {
        let shared = runtime.shared();
        let updated_from = *self.updated_from.lock().expect("no panic happens under this lock");
        let source = updated_from.and_then(|digest| shared.package(digest).ok());
        let before = match source {
            Some(source) => shared.cache.facts(&source).await.ok(),
            None => None,
        };
        self.settings_of(before.as_deref(), next)
    }
}
