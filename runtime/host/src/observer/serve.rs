//! The answering side: a task beside the work. It ends, and removes its socket, when it is dropped.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind as ErrorKindOfIo};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::wire::{FOLDER, PATIENCE, QUESTION_BYTES_MAX, Question, through};
use crate::error::{Error, ErrorKind, Result};

/// Connections that are answered at once; more wait, and give up after [`PATIENCE`].
const CONNECTIONS_MAX: usize = 8;

/// A socket that answers for as long as this lives.
pub(super) struct Serving {
    task: JoinHandle<()>,
    path: PathBuf,
    made: Made,
}

/// Which file a socket is: what lies at its path may be another by now, made by whoever found it unanswered. A number alone is given out again at once.
#[derive(PartialEq, Eq)]
struct Made {
    number: u64,
    at: (i64, i64),
}

impl Made {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::symlink_metadata(path)?;
        Ok(Self { number: metadata.ino(), at: (metadata.mtime(), metadata.mtime_nsec()) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // While it is still answered nobody else puts one there. Where the listener ended before this (its tokio runtime did) somebody may have.
        if Made::of(&self.path).is_ok_and(|there| there == self.made) {
            // Whoever finds it later removes it then.
            let _ = std::fs::remove_file(&self.path);
        }
        self.task.abort();
    }
}

/// Answers questions on `state/run/PID.sock` with what the function gives, in the tokio runtime of that handle.
pub(super) fn serve(state: &Path, io: &Handle, give: impl Fn(&Question) -> Value + Send + Sync + 'static) -> Result<Serving> {
    let (folder, path) = folder(state)?;
    let name = format!("{}.sock", std::process::id());
    let path = path.join(&name);
    let failed = |error: io::Error| Error::io(format_args!("cannot open `{}`", path.display()), &error);
    let through = through(&folder, &name);
    match BlockingStream::connect(&through) {
        Ok(_) => {
            let hint = "one runtime of a process answers in a state folder: give the others folders of their own";
            return Err(Error::new(ErrorKind::Invalid, format!("`{}` is answered already\nhint: {hint}", path.display())));
        }
        Err(error) if error.kind() == ErrorKindOfIo::NotFound => {}
        // A process of this number died here and left it: no other process has this number now.
        Err(error) if error.kind() == ErrorKindOfIo::ConnectionRefused => std::fs::remove_file(&path).map_err(failed)?,
        // Nothing is known of whoever may answer there.
        Err(error) => return Err(failed(error)),
    }
    let _within = io.enter();
    let listener = UnixListener::bind(&through).map_err(failed)?;
    // The folder keeps others out even before this.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
    let made = Made::of(&path).map_err(failed)?;
    let task = io.spawn(answer_all(listener, Arc::new(give)));
    Ok(Serving { task, path, made })
}

/// The folder, made private where it is missing, refused where it is not ours alone.
fn folder(state: &Path) -> Result<(File, PathBuf)> {
    let path = state.join(FOLDER);
    let failed = |error: io::Error| Error::io(format_args!("cannot open `{}`", path.display()), &error);
    DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
    let folder = File::open(&path).map_err(failed)?;
    let metadata = folder.metadata().map_err(failed)?;
    let ours = metadata.is_dir() && metadata.uid() == rustix::process::getuid().as_raw() && metadata.mode() & 0o077 == 0;
    match ours {
        true => Ok((folder, path)),
        false => {
            let message = format!("`{}` is open to others\nhint: remove it, it will be made again", path.display());
            Err(Error::new(ErrorKind::Invalid, message))
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::{BufRead as _, Write as _};

    fn ask(state: &Path, question: &[u8]) -> String {
        let mut stream = BlockingStream::connect(state.join(format!("run/{}.sock", std::process::id()))).unwrap();
        // It may hang up before it has read everything.
        let _ = stream.write_all(question);
        let mut line = String::new();
        let _ = std::io::BufReader::new(stream).read_line(&mut line);
        line
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_socket_is_private_and_gone_when_it_is_dropped() {
        // Longer than the name of a socket may be.
        let state = tempfile::Builder::new().prefix(&"x".repeat(120)).tempdir().unwrap();
        let serving = serve(state.path(), &Handle::current(), |_| json!(7)).unwrap();
        let path = state.path().join("run");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let socket = path.join(format!("{}.sock", std::process::id()));
        assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
        drop(serving);
        assert!(!socket.exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_question_that_is_none_gets_an_error_and_the_next_an_answer() {
        let state = tempfile::tempdir().unwrap();
        let _serving = serve(state.path(), &Handle::current(), |_| json!(7)).unwrap();
        let folder = state.path().to_owned();
        let asked = move || (ask(&folder, b"{\"want\":\"all\"}\n"), ask(&folder, &[b'x'; 10_000]), ask(&folder, b"{\"want\":\"top\"}\n"));
        let (unknown, long, good) = tokio::task::spawn_blocking(asked).await.unwrap();
        assert!(unknown.starts_with("{\"error\":") && (long.is_empty() || long.starts_with("{\"error\":")), "{unknown} {long}");
        assert_eq!(good, "7\n");
    }

    #[tokio::test]
    async fn a_folder_that_others_may_read_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("run");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let error = serve(state.path(), &Handle::current(), |_| json!(1)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("open to others"), "{error}");
    }

    #[test]
    fn one_whose_listener_ended_leaves_the_socket_of_whoever_came_after_it() {
        let state = tempfile::tempdir().unwrap();
        let (first, second) = (tokio::runtime::Runtime::new().unwrap(), tokio::runtime::Runtime::new().unwrap());
        let ended = serve(state.path(), first.handle(), |_| json!(1)).unwrap();
        drop(first);
        let serving = serve(state.path(), second.handle(), |_| json!(2)).unwrap();
        drop(ended);
        assert_eq!(ask(state.path(), b"{\"want\":\"top\"}\n"), "2\n");
        drop(serving);
        assert_eq!(std::fs::read_dir(state.path().join(FOLDER)).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_second_one_in_the_same_folder_is_refused_and_what_a_dead_one_left_is_not_in_the_way() {
        let state = tempfile::tempdir().unwrap();
        let first = serve(state.path(), &Handle::current(), |_| json!(1)).unwrap();
        let second = serve(state.path(), &Handle::current(), |_| json!(2)).err().unwrap();
        assert_eq!(second.kind(), ErrorKind::Invalid);
        assert!(second.to_string().contains("is answered already"), "{second}");
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(state.path().join(format!("run/{}.sock", std::process::id()))).unwrap());
        serve(state.path(), &Handle::current(), |_| json!(3)).unwrap();
    }

    #[tokio::test]
    async fn a_socket_of_which_it_cannot_be_told_whether_it_is_answered_is_left_alone() {
        let state = tempfile::tempdir().unwrap();
        drop(serve(state.path(), &Handle::current(), |_| json!(1)).unwrap());
        let path = state.path().join(format!("run/{}.sock", std::process::id()));
        // Alive, and of another kind: connecting to it fails, but not because nobody is there.
        let _alive = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        assert_eq!(serve(state.path(), &Handle::current(), |_| json!(2)).err().unwrap().kind(), ErrorKind::Io);
        assert!(path.exists());
    }
}
