//! The answering side: a task beside the work. It ends, and removes its socket, when it is dropped.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{FOLDER, PATIENCE, QUESTION_BYTES_MAX, Question, through};

/// Connections that are answered at once; more wait, and give up after [`PATIENCE`].
const CONNECTIONS_MAX: usize = 8;

/// A socket that answers for as long as this lives.
pub(crate) struct Serving {
    task: JoinHandle<()>,
    path: PathBuf,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
        // Whoever finds it later removes it then.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers questions on `state/run/PID.sock` with what the function gives. Needs a tokio runtime.
pub(crate) fn serve(state: &Path, give: impl Fn(&Question) -> Value + Send + Sync + 'static) -> io::Result<Serving> {
    let (folder, path) = folder(state)?;
    let name = format!("{}.sock", std::process::id());
    let path = path.join(&name);
    // A process of this number died here and left it: no other process has this number now.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(through(&folder, &name))?;
    // The folder keeps others out even before this.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    let task = tokio::spawn(answer_all(listener, Arc::new(give)));
    Ok(Serving { task, path })
}

/// The folder, made private where it is missing, refused where it is not ours alone.
fn folder(state: &Path) -> io::Result<(File, PathBuf)> {
    let path = state.join(FOLDER);
    DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
    let folder = File::open(&path)?;
    let metadata = folder.metadata()?;
    let ours = metadata.is_dir() && metadata.uid() == rustix::process::getuid().as_raw() && metadata.mode() & 0o077 == 0;
    match ours {
        true => Ok((folder, path)),
        false => Err(io::Error::other(format!("`{}` is open to others\nhint: remove it, it will be made again", path.display()))),
    }
}

async fn answer_all(listener: UnixListener, give: Arc<impl Fn(&Question) -> Value + Send + Sync + 'static>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors, most likely: trying at once again would only burn time.
            Err(_) => {
                tokio::time::sleep(PATIENCE / 10).await;
                continue;
            }
        };
        let give = give.clone();
        tokio::spawn(async move {
            // Who asks badly or goes away is no concern of the host.
            let _ = timeout(PATIENCE, answer(stream, &*give)).await;
            drop(slot);
        });
    }
}

async fn answer(mut stream: UnixStream, give: &(impl Fn(&Question) -> Value + Sync)) -> io::Result<()> {
    if stream.peer_cred()?.uid() != rustix::process::getuid().as_raw() {
        return Ok(());
    }
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read.take(QUESTION_BYTES_MAX)).read_line(&mut line).await?;
    let mut text = match serde_json::from_str(&line) {
        Ok(question) => give(&question).to_string(),
        Err(error) => serde_json::json!({ "error": error.to_string() }).to_string(),
    };
    text.push('\n');
    write.write_all(text.as_bytes()).await?;
    write.shutdown().await
}
