//! From a [`Lock`] to its one spelling.
//!
//! What a reader may get wrong: every list has a line for each entry, also where it would fit into one. Two people who each add a dependency then touch
//! different lines.

use std::fmt;

use super::Lock;
use crate::resolve::Provider;

pub(super) fn lock(lock: &Lock, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("# Written by plugwork: which versions this application has. Keep it with the sources.\nversion = 1\n")?;
    if !lock.roots.is_empty() {
        f.write_str("\n[roots]\n")?;
        lock.roots.iter().try_for_each(|(target, versions)| writeln!(f, "\"{target}\" = \"{versions}\""))?;
    }
    for (id, locked) in &lock.plugins {
        writeln!(f, "\n[[plugin]]\nname = \"{}\"\nversion = \"{}\"", id.name, id.version)?;
        writeln!(f, "digest = \"{}\"\ninterfaces = \"{}\"", locked.digest, locked.interfaces)?;
        if let Some(granted) = &locked.granted {
            writeln!(f, "granted = \"{granted}\"")?;
        }
        if !locked.needs.is_empty() {
            f.write_str("needs = [\n")?;
            locked.needs.iter().try_for_each(|id| writeln!(f, "    \"{id}\","))?;
            f.write_str("]\n")?;
        }
        if !locked.imports.is_empty() {
            f.write_str("imports = [\n")?;
            for (import, provider) in &locked.imports {
                match provider {
                    Provider::Host => writeln!(f, "    \"{import} = host\",")?,
                    Provider::Plugin(id) => writeln!(f, "    \"{import} = {id}\",")?,
                }
            }
            f.write_str("]\n")?;
        }
    }
    Ok(())
}
