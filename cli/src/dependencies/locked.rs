//! The lock as a file: where it is, reading it, writing it, and what another one says differently.
//!
//! What a reader may get wrong: writing replaces the file as a whole, so that whoever reads it meanwhile sees the one before or the one after.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use plugwork_core::PackageName;
use plugwork_core::lock::{LOCK_BYTES_MAX, Lock, Locked};

use crate::exit::Failure;

/// Beside the one file that can have it, with `.lock` in place of `.toml`: two pipelines in one folder have a lock each.
pub(super) fn beside(documents: &[PathBuf]) -> Option<PathBuf> {
    match documents {
        [one] => Some(one.with_extension("lock")),
        _ => None,
    }
}

/// Reads a lock; none where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Lock>, Failure> {
    let doing = format!("cannot read the lock `{}`", path.display());
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::from(error).while_doing(doing)),
    };
    let mut text = String::new();
    file.take(LOCK_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(|error| Failure::from(error).while_doing(&doing))?;
    Lock::parse(&text).map(Some).map_err(|error| Failure::failed(format_args!("`{}`: {error}", path.display())))
}

/// Writes a lock; says whether it is another one than before.
pub(crate) fn write(path: &Path, lock: &Lock) -> Result<bool, Failure> {
    let text = lock.to_string();
    // Behind a link, what it leads to.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(false);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    replace(folder, &path, &text).map_err(|error| Failure::from(error).while_doing(format_args!("cannot write `{}`", path.display())))?;
    Ok(true)
}

fn replace(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    let permissions = fs::metadata(path).map_or_else(|_| Permissions::from_mode(0o644), |metadata| metadata.permissions());
    let mut file = tempfile::Builder::new().prefix(".plugwork-lock-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    // Renamed, not written in place: a crash here leaves the lock before or the one after.
    file.persist(path)?;
    fs::File::open(folder)?.sync_all()
}

/// What one lock says otherwise than the one before, a line for each root and plugin.
pub(crate) fn changes(before: &Lock, after: &Lock) -> Vec<String> {
    let mut changes = Vec::new();
    for (target, versions) in &after.roots {
        match before.roots.get(target) {
            None => changes.push(format!("`{target}@{versions}` is asked for now")),
            Some(was) if was != versions => changes.push(format!("`{target}@{versions}` is asked for, and was `{was}`")),
            Some(_) => {}
        }
    }
    for (target, _) in before.roots.iter().filter(|(target, _)| !after.roots.contains_key(target)) {
        changes.push(format!("`{target}` is not asked for any more"));
    }
    let of_name = |in_it: &Lock, and_not_in: &Lock, name: &PackageName| {
        let ids = in_it.plugins.keys().filter(|id| id.name == *name && !and_not_in.plugins.contains_key(id));
        ids.map(|id| id.version.to_string()).collect::<Vec<_>>()
    };
    for (id, locked) in &after.plugins {
        match before.plugins.get(id) {
            Some(was) => changes.extend(differs(was, locked).map(|how| format!("`{id}` {how}"))),
            None => match &of_name(before, after, &id.name)[..] {
                [] => changes.push(format!("`{id}` is new")),
                was => changes.push(format!("`{id}` takes the place of {}", was.join(" and "))),
            },
        }
    }
    let gone = before.plugins.keys().filter(|id| !after.plugins.contains_key(id));
    changes.extend(gone.filter(|id| of_name(after, before, &id.name).is_empty()).map(|id| format!("`{id}` is not needed any more")));
    changes
}

fn differs(was: &Locked, is: &Locked) -> Option<&'static str> {
    if was.digest != is.digest {
        return Some("is another file under the same version");
    }
    match (was.needs != is.needs || was.imports != is.imports, was.granted != is.granted) {
        (true, _) => Some("gets what it needs from elsewhere"),
        (false, true) => Some("is granted something else"),
        (false, false) => None,
    }
}
