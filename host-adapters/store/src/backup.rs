//! A backup: many files in one, which is a SQLite database of its own. Written beside its name and put there whole; read only after all of it was checked.
//!
//! What goes into it is for whoever makes it to say; [`Store::copy_into`](crate::Store::copy_into) gives the store's part. What a reader may get wrong: it is
//! as secret as what it was made of, and nothing signs it: the chain of records inside is what can be verified.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use crate::LOCK_WAIT_MS;
use crate::database::utf8;
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::store::blocking;

/// `PWBU`.
const APPLICATION_ID: i64 = 0x5057_4255;
const VERSION: i64 = 1;
const PART_BYTES: usize = 1 << 20;
const NAME_BYTES_MAX: usize = 1_024;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// When it was made, by the clock of whoever made it, in Unix milliseconds.
    pub made_at_ms: u64,
    /// The program that made it.
    pub made_by: String,
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A backup that is being written. Dropped before [`BackupWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BackupWriter {
    path: PathBuf,
    staged: Staged,
    connection: SqliteConnection,
    summary: BackupSummary,
}

/// A file in a folder of its own, which nobody else can look into or put anything in, and which goes with it.
#[derive(Debug)]
struct Staged(PathBuf, #[expect(dead_code, reason = "it is there until it is dropped")] TempDir);

impl BackupWriter {
    /// Begins a backup that will be `path`, with mode 0600.
    ///
    /// # Errors
    /// There is a file of that name, or none can be made there.
    pub async fn create(path: &Path, made_at_ms: u64, made_by: &str) -> Result<Self> {
        utf8(path)?;
        if fs::symlink_metadata(path).is_ok() {
            return Err(StoreError::new(StoreErrorKind::Exists { path: path.to_owned() }));
        }
        let folder = tempfile::Builder::new().prefix(".backup-").tempdir_in(parent(path)).map_err(|error| StoreError::io(path, &error))?;
        let staged = Staged(folder.path().join("backup"), folder);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged.0);
        file.map_err(|error| StoreError::io(&staged.0, &error))?;
        // What was begun before a crash is of no use to anybody, so nothing is made to survive one before the end.
        let options = options(&staged.0).journal_mode(SqliteJournalMode::Off).synchronous(SqliteSynchronous::Off).foreign_keys(true);
        let sql = |error: sqlx::Error| StoreError::sql(&staged.0, LOCK_WAIT_MS, &error);
        let mut connection = options.connect().await.map_err(sql)?;
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; BEGIN");
        sqlx::raw_sql(include_str!("schema/backup-1.sql")).execute(&mut connection).await.map_err(sql)?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(&mut connection).await.map_err(sql)?;
        let about = sqlx::query("INSERT INTO about VALUES (?, ?)").bind(made_at_ms as i64).bind(made_by);
        about.execute(&mut connection).await.map_err(sql)?;
        let summary = BackupSummary { made_at_ms, made_by: made_by.to_owned(), files: 0, bytes: 0 };
        Ok(Self { path: path.to_owned(), staged, connection, summary })
    }

    /// Adds a file under a name such as `edge/components/x.wasm`. `false`: it was gone.
    ///
    /// # Errors
    /// It cannot be read, there is no room, or the name is none.
    pub async fn add(&mut self, name: &str, file: &Path) -> Result<bool> {
        if !is_name(name) {
            return Err(StoreError::new(StoreErrorKind::NotABackup { path: self.path.clone(), why: format!("`{name}` is no name") }));
        }
        let mut opened = match File::open(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|error| StoreError::io(file, &error))?,
        };
        let id = self.summary.files as i64 + 1;
        let (mut number, mut bytes, mut hasher) = (0_i64, 0_u64, blake3::Hasher::new());
        let sql = |error: sqlx::Error| StoreError::sql(&self.staged.0, LOCK_WAIT_MS, &error);
        let row = sqlx::query("INSERT INTO file VALUES (?, ?, 0, x'')").bind(id).bind(name);
        row.execute(&mut self.connection).await.map_err(sql)?;
        loop {
            let mut part = Vec::new();
            (&mut opened).take(PART_BYTES as u64).read_to_end(&mut part).map_err(|error| StoreError::io(file, &error))?;
            if part.is_empty() {
                break;
            }
            hasher.update(&part);
            bytes += part.len() as u64;
            let row = sqlx::query("INSERT INTO part VALUES (?, ?, ?)").bind(id).bind(number).bind(part);
            row.execute(&mut self.connection).await.map_err(sql)?;
            number += 1;
        }
        let row = sqlx::query("UPDATE file SET bytes = ?, digest = ? WHERE id = ?");
        let row = row.bind(bytes as i64).bind(hasher.finalize().as_bytes().to_vec()).bind(id);
        row.execute(&mut self.connection).await.map_err(sql)?;
        self.summary.files += 1;
        self.summary.bytes += bytes;
        Ok(true)
    }

    /// Gives it its name: durable when it returns.
    ///
    /// # Errors
    /// There is no room, or meanwhile a file of that name.
    pub async fn finish(mut self) -> Result<BackupSummary> {
        let sql = |error: sqlx::Error| StoreError::sql(&self.staged.0, LOCK_WAIT_MS, &error);
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await.map_err(sql)?;
        self.connection.close().await.map_err(sql)?;
        let (path, staged) = (self.path, self.staged);
        blocking(move || {
            let failed = |error: std::io::Error| StoreError::io(&path, &error);
            File::open(&staged.0).and_then(|file| file.sync_all()).map_err(failed)?;
            // A link, not a rename: it replaces nothing.
            fs::hard_link(&staged.0, &path).map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => StoreError::new(StoreErrorKind::Exists { path: path.clone() }),
                _ => failed(error),
            })?;
            File::open(parent(&path)).and_then(|folder| folder.sync_all()).map_err(failed)
        })
        .await?;
        Ok(self.summary)
    }
}

/// A backup that was checked.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    connection: SqliteConnection,
    summary: BackupSummary,
}

impl Backup {
    /// Opens a backup and checks all of it: that it is one, whole, and every file in it what it was.
    ///
    /// # Errors
    /// It is no backup, damaged, or of a later version.
    pub async fn open(path: &Path) -> Result<Self> {
        utf8(path)?;
        fs::metadata(path).map_err(|error| StoreError::io(path, &error))?;
        let no = |why: String| StoreError::new(StoreErrorKind::NotABackup { path: path.to_owned(), why });
        let sql = |error: sqlx::Error| match StoreError::sql(path, LOCK_WAIT_MS, &error) {
            error if matches!(error.kind(), StoreErrorKind::Damaged { .. }) => no("it is no database, or damaged".to_owned()),
            error => error,
        };
        // Immutable: no lock, and no file made beside it.
        let mut connection = options(path).read_only(true).immutable(true).connect().await.map_err(sql)?;
        let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await.map_err(sql)?;
        if id != APPLICATION_ID {
            return Err(no("it is a database of something else".to_owned()));
        }
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.map_err(sql)?;
        if found != VERSION {
            return Err(StoreError::new(StoreErrorKind::NewerSchema { path: path.to_owned(), found, known: VERSION }));
        }
        let said: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await.map_err(sql)?;
        if said != "ok" {
            return Err(no(format!("it is damaged: {said}")));
        }
        let about = sqlx::query_as::<_, (i64, String)>("SELECT made_at_ms, made_by FROM about").fetch_optional(&mut connection).await;
        let (made_at_ms, made_by) = about.map_err(sql)?.ok_or_else(|| no("it was never finished".to_owned()))?;
        let summary = BackupSummary { made_at_ms: made_at_ms as u64, made_by, files: 0, bytes: 0 };
        let mut backup = Self { path: path.to_owned(), connection, summary };
        for (id, name, bytes) in backup.files().await? {
            if !is_name(&name) {
                return Err(no(format!("`{name}` in it is no name")));
            }
            backup.file(id, &name, &mut std::io::sink()).await?;
            backup.summary.files += 1;
            backup.summary.bytes += bytes as u64;
        }
        Ok(backup)
    }

    /// What it holds.
    pub fn summary(&self) -> &BackupSummary {
        &self.summary
    }

    /// Writes every file into a folder that is empty, with mode 0600 in folders of mode 0700.
    ///
    /// # Errors
    /// There is no room, or a file is there already.
    pub async fn unpack(&mut self, folder: &Path) -> Result<()> {
        for (id, name, _) in self.files().await? {
            // Looked at once more: the file may have changed since it was opened.
            if !is_name(&name) {
                let why = format!("`{name}` in it is no name");
                return Err(StoreError::new(StoreErrorKind::NotABackup { path: self.path.clone(), why }));
            }
            let path = folder.join(&name);
            let failed = |error: std::io::Error| StoreError::io(&path, &error);
            let parent = path.parent().unwrap_or(folder);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
            self.file(id, &name, &mut file).await?;
            file.sync_all().map_err(failed)?;
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(())
    }

    async fn files(&mut self) -> Result<Vec<(i64, String, i64)>> {
        let rows = sqlx::query_as("SELECT id, name, bytes FROM file ORDER BY id").fetch_all(&mut self.connection).await;
        rows.map_err(|error| StoreError::sql(&self.path, LOCK_WAIT_MS, &error))
    }

    /// Copies a file part by part, and checks it.
    async fn file(&mut self, id: i64, name: &str, into: &mut impl Write) -> Result<()> {
        let sql = |error: sqlx::Error| StoreError::sql(&self.path, LOCK_WAIT_MS, &error);
        let row = sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT bytes, digest FROM file WHERE id = ?").bind(id);
        let (expected, digest) = row.fetch_one(&mut self.connection).await.map_err(sql)?;
        let (mut bytes, mut hasher) = (0, blake3::Hasher::new());
        for number in 0_i64.. {
            let part = sqlx::query_scalar::<_, Vec<u8>>("SELECT bytes FROM part WHERE file = ? AND number = ?").bind(id).bind(number);
            let Some(part) = part.fetch_optional(&mut self.connection).await.map_err(sql)? else { break };
            hasher.update(&part);
            bytes += part.len() as i64;
            into.write_all(&part).map_err(|error| StoreError::io(Path::new(name), &error))?;
        }
        if bytes == expected && hasher.finalize().as_bytes()[..] == digest {
            return Ok(());
        }
        let why = format!("`{name}` in it is not what it was");
        Err(StoreError::new(StoreErrorKind::NotABackup { path: self.path.clone(), why }))
    }
}

/// The folder of a file.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    options.pragma("trusted_schema", "OFF").pragma("cell_size_check", "ON").pragma("temp_store", "MEMORY").disable_statement_logging()
}

/// Whether a name leads to one place below a folder and nowhere else.
fn is_name(name: &str) -> bool {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.contains('\0')
        && name.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= 255)
        && Path::new(name).components().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_leads_below_the_folder_only() {
        assert!(["a", "store/records.db", "a/..b/c."].into_iter().all(is_name));
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\0", &"x".repeat(256), &"x/".repeat(600)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
