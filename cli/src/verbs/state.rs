//! `plugwork state`: copies of the state folder, the way back, and whether it is whole.
//!
//! Easy to get wrong: going back to a copy also brings back what was consented to when it was made, and revoked since. That is told, and what was there is
//! kept beside it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use plugwork_core::Digest;
use plugwork_core::deployment::{Current, Deployments};
use plugwork_core::record::Records;
use plugwork_edge::Components;
use plugwork_store::{Backup, BackupSummary, BackupWriter, Store};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::words::{count, size};
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::now_ms;
use crate::print;
use crate::serving;

/// Folders of components, each named by what is in it: nothing in them is ever changed.
const COMPONENTS: [&str; 2] = ["edge/components", "packages"];
/// How often a backup is begun where a component went away meanwhile.
const TRIES: usize = 3;
const BLOBS: &str = "blobs";
const STORE: &str = "store";

/// Backs up the state folder, restores it, and checks that it is whole.
///
/// A backup is one file with records, their key, deployments, tokens, values and
/// objects of plugins, and components: as secret as the folder itself. Not in it:
/// compiled code, which is made again, and `secrets.toml`.
#[derive(clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  plugwork state backup /backup/monday.plugwork
  plugwork state restore /backup/monday.plugwork
  plugwork state check --json

A backup may be made while a server runs. A restore is refused while one does;
what it replaces is kept in the state folder, as `before-restore-…`."
)]
pub(crate) struct State {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Writes everything that cannot be made again into one file.
    Backup {
        /// The file; never one that is there already.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Prints what is in it as JSON: file, made_at_ms, files, bytes.
        #[arg(long)]
        json: bool,
    },
    /// Puts what a backup holds in the place of what is there.
    Restore {
        /// A file that `backup` made. All of it is checked before anything is changed.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Reads everything: databases, the chain of records, components. Exit code 1 where something is wrong.
    Check {
        /// Prints what was found as JSON: ok, records, components, findings.
        #[arg(long)]
        json: bool,
    },
}

/// What a check found.
struct Checked {
    records: u64,
    components: u64,
    findings: Vec<String>,
}

impl State {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let state = place.state()?;
        host::io_runtime()?.block_on(async {
            match self.action {
                Action::Backup { file, json } => {
                    there(&state)?;
                    let store = host::store(place).await?;
                    let summary = backup(&state, &store, &file).await;
                    store.close().await;
                    let summary = summary?;
                    if json {
                        let BackupSummary { made_at_ms, files, bytes, .. } = summary;
                        print::json(&serde_json::json!({ "file": file, "made_at_ms": made_at_ms, "files": files, "bytes": bytes }));
                    }
                    print::narrate(format_args!("{} in `{}`: keep it as you keep a key", held(&summary), file.display()));
                    Ok(())
                }
                Action::Restore { file } => restore(&state, &file).await,
                Action::Check { json } => {
                    there(&state)?;
                    tell(&check(&state).await?, json)
                }
            }
        })
    }
}

/// Looking at a folder that is not there must not make one.
fn there(state: &Path) -> Result<(), Failure> {
    if state.join(STORE).is_dir() {
        return Ok(());
    }
    Err(Failure::not_found(format_args!("`{}` is no state folder\nhint: name one with `--state FOLDER`", state.display())))
}

fn held(summary: &BackupSummary) -> String {
    format!("{}, {}", count(summary.files as usize, "file"), size(summary.bytes))
}

async fn backup(state: &Path, store: &Store, file: &Path) -> Result<BackupSummary, Failure> {
    let mut lacking = Vec::new();
    for _ in 0..TRIES {
        let mut writer = BackupWriter::create(file, now_ms(), concat!("plugwork ", env!("CARGO_PKG_VERSION"))).await.map_err(failed)?;
        let copied = tempfile::Builder::new().prefix("backup-").tempdir_in(state)?;
        // The databases first: the components that they name are there by then.
        store.copy_into(copied.path()).await.map_err(failed)?;
        let mut added = BTreeSet::new();
        add(&mut writer, STORE, copied.path(), &mut added).await?;
        for part in COMPONENTS.into_iter().chain([BLOBS]) {
            add(&mut writer, part, &state.join(part), &mut added).await?;
        }
        // But one that is current in the copy may have been replaced and removed since. Then a copy of now does not name it.
        let copy = Store::open(copied.path()).await.map_err(failed)?;
        let currents = copy.currents(None).await;
        copy.close().await;
        lacking = not_among(&added, &currents.map_err(Failure::failed)?);
        if lacking.is_empty() {
            return writer.finish().await.map_err(failed);
        }
    }
    Err(Failure::failed(format_args!("there is no backup, since it could not be served again:\n  {}", lacking.join("\n  "))))
}

/// The components that what is current needs and that are not among these files, in words.
fn not_among(files: &BTreeSet<String>, currents: &[Current]) -> Vec<String> {
    let mut lacking = Vec::new();
    for Current { deployment, .. } in currents {
        let components = Components::at(COMPONENTS[0]).of(&deployment.key.tenant);
        for (plugin, digest) in &deployment.plugins {
            if components.path(*digest).to_str().is_none_or(|path| !files.contains(path)) {
                let (number, key) = (deployment.number, &deployment.key);
                lacking.push(format!(
                    "deployment {number} of `{key}` is current, and the component `{digest}` of its plugin `{plugin}` is not there\n\
                     hint: `plugwork deploy` uploads it again"
                ));
            }
        }
    }
    lacking
}

/// Every file below a folder, into the backup under that name, and its name to those that were added.
async fn add(writer: &mut BackupWriter, name: &str, folder: &Path, added: &mut BTreeSet<String>) -> Result<(), Failure> {
    for (inner, path) in below(folder)? {
        let inner = format!("{name}/{inner}");
        let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        if is_file && writer.add(&inner, &path).await.map_err(failed)? {
            added.insert(inner);
        }
    }
    Ok(())
}

/// Every file below a folder, in the order of their names: the name below it, with `/` between its parts, and where it is. What begins with a dot is on its
/// way and is left out.
fn below(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let (mut files, mut folders) = (Vec::new(), vec![(String::new(), folder.to_owned())]);
    while let Some((prefix, folder)) = folders.pop() {
        for (name, path) in listed(&folder)?.into_iter().filter(|(name, _)| !name.starts_with('.')) {
            let inner = format!("{prefix}{name}");
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => folders.push((format!("{inner}/"), path)),
                Ok(_) => files.push((inner, path)),
                // It was removed meanwhile.
                Err(_) => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What is in a folder, by name; nothing where it is not there.
fn listed(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| Failure::from(error).while_doing(format_args!("cannot read `{}`", folder.display())))?,
    };
    let mut listed = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| Failure::failed(format_args!("`{}`: the name {name:?} is not UTF-8", folder.display())))?;
        listed.push((name, entry.path()));
    }
    listed.sort();
    Ok(listed)
}

async fn restore(state: &Path, file: &Path) -> Result<(), Failure> {
    let mut backup = Backup::open(file).await.map_err(failed)?;
    fs::create_dir_all(state)?;
    let _lock = serving::host::lock(state)?;
    let staged = tempfile::Builder::new().prefix("restore-").tempdir_in(state)?;
    backup.unpack(staged.path()).await.map_err(failed)?;
    let checked = match staged.path().join(STORE).is_dir() {
        true => check(staged.path()).await?,
        false => return Err(Failure::failed(format_args!("`{}` holds no store", file.display()))),
    };
    if !checked.findings.is_empty() {
        return Err(Failure::failed(format_args!(
            "`{}` is not whole, and nothing was changed:\n  {}",
            file.display(),
            checked.findings.join("\n  ")
        )));
    }
    // Components first, beside those that are there: then both the old store and the new one find theirs, whenever this ends.
    for part in COMPONENTS {
        let (from, to) = (staged.path().join(part), state.join(part));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&to)?;
        for (name, path) in below(&from)? {
            let target = to.join(&name);
            let folder = target.parent().unwrap_or(&to);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            // The name says what is in it, and that was checked.
            fs::rename(path, &target)?;
            File::open(folder)?.sync_all()?;
        }
        File::open(&to)?.sync_all()?;
    }
    let before = state.join(format!("before-restore-{}", now_ms()));
    fs::create_dir(&before)?;
    for part in [BLOBS, STORE] {
        exchange(&staged.path().join(part), &state.join(part), &before.join(part))?;
    }
    File::open(state)?.sync_all()?;
    print::narrate(format_args!(
        "restored {} of `{}`; what was there is in `{}`",
        held(backup.summary()),
        file.display(),
        before.display()
    ));
    print::narrate("what was consented to when it was made is in force again: revoke once more what was revoked since");
    Ok(())
}

/// Puts the new folder in the place of the old one in one step, and keeps the old one. Either may be missing.
fn exchange(new: &Path, old: &Path, kept: &Path) -> Result<(), Failure> {
    match (new.is_dir(), old.is_dir()) {
        (true, true) => {
            match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
                Ok(()) => fs::rename(new, kept)?,
                // A file system that cannot: for a moment there is none, and what was there is kept all the same.
                Err(Errno::INVAL | Errno::NOSYS) => {
                    fs::rename(old, kept)?;
                    fs::rename(new, old)?;
                }
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
        (true, false) => fs::rename(new, old)?,
        (false, true) => fs::rename(old, kept)?,
        (false, false) => {}
    }
    Ok(())
}

async fn check(state: &Path) -> Result<Checked, Failure> {
    let mut findings = Vec::new();
    let (mut records, mut currents) = (0, Vec::new());
    match Store::open(&state.join(STORE)).await {
        Err(error) => findings.push(error.to_string()),
        Ok(store) => {
            match store.verify().await {
                Ok(verified) => records = verified.records,
                Err(error) => findings.push(error.to_string()),
            }
            findings.extend(store.check().await.err().map(|error| error.to_string()));
            match store.currents(None).await {
                Ok(found) => currents = found,
                Err(error) => findings.push(error.to_string()),
            }
            store.close().await;
        }
    }
    // After what names them, since a server that runs puts them there before.
    let (mut components, mut files) = (0, BTreeSet::new());
    for part in COMPONENTS {
        let folder = state.join(part);
        // Those of other tenants are in folders of their own.
        for (inner, path) in below(&folder)? {
            components += 1;
            files.insert(format!("{part}/{inner}"));
            let named = |bytes: &[u8]| path.ends_with(format!("sha256-{}.wasm", Digest::of(bytes).hex()));
            match fs::read(&path) {
                Ok(bytes) if named(&bytes) => {}
                Ok(_) => findings.push(format!("`{}` is not what its name says", path.display())),
                Err(error) => findings.push(format!("`{}`: {error}", path.display())),
            }
        }
    }
    findings.extend(not_among(&files, &currents));
    Ok(Checked { records, components, findings })
}

fn tell(checked: &Checked, json: bool) -> Result<(), Failure> {
    let Checked { records, components, findings } = checked;
    if json {
        let ok = findings.is_empty();
        print::json(&serde_json::json!({ "ok": ok, "records": records, "components": components, "findings": findings }));
    }
    if !findings.is_empty() {
        return Err(Failure::failed(findings.join("\n")));
    }
    if !json {
        print::data(format_args!("ok: {}, {}", count(*records as usize, "record"), count(*components as usize, "component")));
    }
    Ok(())
}

fn failed(error: plugwork_store::StoreError) -> Failure {
    match error.kind() {
        plugwork_store::StoreErrorKind::NotABackup { .. } | plugwork_store::StoreErrorKind::Exists { .. } => Failure::usage(error),
        plugwork_store::StoreErrorKind::Busy { .. } => Failure::unreachable(error),
        _ => Failure::failed(error),
    }
}
