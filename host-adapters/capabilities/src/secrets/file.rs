//! Secrets from a TOML file that nobody else may read.
//!
//! ```toml
//! [default]                  # the tenant; a host for one has only this one
//! api-token = "…"            # for every plugin that is granted `api-token`
//! [default."acme:reader"]    # for this plugin only, before the one above
//! api-token = "…"
//! ```
//!
//! Easy to get wrong: a message of a TOML parser quotes the line it stumbled over, which here is a secret. Only the line's number is told.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use plugwork::interfaces::secrets::{Secret, SecretSource};
use plugwork::interfaces::storage::{Owner, Pending, StorageError};
use toml::{Table, Value};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Reads secrets from a file, anew each time, so that a changed one needs no restart. A file that is not there has none.
#[derive(Debug, Clone)]
pub struct FileSecrets {
    path: PathBuf,
}

impl FileSecrets {
    /// The file. It is looked at when a secret is asked for.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl SecretSource for FileSecrets {
    fn read<'a>(&'a self, owner: &'a Owner, name: &'a str) -> Pending<'a, Option<Secret>> {
        let (path, owner, name) = (self.path.clone(), owner.clone(), name.to_owned());
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || find(&path, &owner, &name)).await;
            let found = found.unwrap_or_else(|_| Err("reading it failed".to_owned()));
            found.map_err(|why| StorageError::Unavailable(format!("file of secrets `{}`: {why}", self.path.display())))
        })
    }
}

fn find(path: &Path, owner: &Owner, name: &str) -> Result<Option<Secret>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    // Of the open file, not of the path: what is checked is what is read.
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(format!("others may read or change it (mode {:o}); hint: chmod 600", metadata.mode() & 0o777));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("it has {} bytes, at most {FILE_BYTES_MAX} are read", metadata.len()));
    }
    let mut text = Zeroizing::new(String::new());
    let mut limited = file.take(FILE_BYTES_MAX);
    limited.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let mut table: Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
        format!("line {line} is not TOML")
    })?;
    let secret = pick(&mut table, owner, name);
    table.iter_mut().for_each(|(_, value)| wipe(value));
    secret
}

fn pick(table: &mut Table, owner: &Owner, name: &str) -> Result<Option<Secret>, String> {
    let Some(tenant) = table.get_mut(&owner.tenant) else { return Ok(None) };
    let tenant = tenant.as_table_mut().ok_or_else(|| "secrets stand below a tenant, such as `[default]`".to_owned())?;
    let own = match tenant.get_mut(owner.package.as_str()) {
        Some(Value::Table(own)) => own.remove(name),
        _ => None,
    };
    match own.or_else(|| tenant.remove(name)) {
        None => Ok(None),
        Some(Value::String(text)) => Secret::new(text).map(Some).map_err(|issue| format!("`{name}`: {issue}")),
        Some(mut other) => {
            wipe(&mut other);
            Err(format!("`{name}` is not a text"))
        }
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| wipe(value)),
        _ => {}
    }
}
