//! The asking side: finds the sockets of the hosts that run on a state folder, asks each, and clears away what dead ones left.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::{ANSWER_BYTES_MAX, FOLDER, PATIENCE, Question, through};

/// A running host that answered, or did not.
pub(crate) struct Host {
    pub(crate) pid: u32,
    pub(crate) answer: io::Result<Value>,
}

/// What every host on this state folder answers to `top`, in the order of process numbers. No folder means no host.
pub(crate) fn top(state: &Path) -> io::Result<Vec<Host>> {
    every(state, |_| Question::Top)
}

/// What every host on this state folder answers to the question that it is asked.
pub(crate) fn every(state: &Path, question: impl Fn(u32) -> Question) -> io::Result<Vec<Host>> {
    let path = state.join(FOLDER);
    let entries = match std::fs::read_dir(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let folder = File::open(&path)?;
    let mut hosts = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_suffix(".sock")?.parse::<u32>().ok()) else { continue };
        // A socket of somebody else's would be asked for what only its owner may say of our plugins.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.file_type().is_socket() || metadata.uid() != rustix::process::getuid().as_raw() {
            continue;
        }
        let answer = ask(&through(&folder, &format!("{pid}.sock")), &question(pid));
        match answer {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                // Its process is gone. Gone already is as good.
                let _ = std::fs::remove_file(entry.path());
            }
            // It ended between the listing and the question.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            answer => hosts.push(Host { pid, answer }),
        }
    }
    hosts.sort_by_key(|host| host.pid);
    Ok(hosts)
}

fn ask(socket: &Path, question: &Question) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(question)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::super::serve::serve;
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_host_answers_while_it_lives_and_leaves_nothing() {
        // Longer than the name of a socket may be.
        let state = tempfile::Builder::new().prefix(&"x".repeat(120)).tempdir().unwrap();
        let serving = serve(state.path(), |_| json!({ "plugins": [1] })).unwrap();
        let path = state.path().join("run");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let socket = path.join(format!("{}.sock", std::process::id()));
        assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
        let hosts = tokio::task::spawn_blocking({
            let state = state.path().to_owned();
            move || top(&state).unwrap()
        });
        let hosts = hosts.await.unwrap();
        assert_eq!((hosts.len(), hosts[0].pid), (1, std::process::id()));
        assert_eq!(hosts[0].answer.as_ref().unwrap(), &json!({ "plugins": [1] }));
        drop(serving);
        assert!(!socket.exists() && top(state.path()).unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_question_that_is_none_gets_an_error_and_the_next_an_answer() {
        let state = tempfile::tempdir().unwrap();
        let _serving = serve(state.path(), |_| json!(7)).unwrap();
        let socket = state.path().join(format!("run/{}.sock", std::process::id()));
        let answers = tokio::task::spawn_blocking(move || {
            let said = |bytes: &[u8]| {
                let mut stream = UnixStream::connect(&socket).unwrap();
                // It may hang up before it has read everything.
                let _ = stream.write_all(bytes);
                let mut line = String::new();
                let _ = BufReader::new(stream).read_line(&mut line);
                line
            };
            (said(b"{\"want\":\"all\"}\n"), said(&[b'x'; 10_000]), said(b"{\"want\":\"top\"}\n"))
        });
        let (unknown, long, good) = answers.await.unwrap();
        assert!(unknown.starts_with("{\"error\":") && (long.is_empty() || long.starts_with("{\"error\":")), "{unknown} {long}");
        assert_eq!(good, "7\n");
    }

    #[test]
    fn what_a_dead_host_left_is_removed_and_what_is_no_socket_is_not() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("run");
        std::fs::create_dir(&path).unwrap();
        drop(UnixListener::bind(path.join("4000000.sock")).unwrap());
        std::fs::write(path.join("1.sock"), "").unwrap();
        assert!(top(state.path()).unwrap().is_empty());
        assert!(!path.join("4000000.sock").exists() && path.join("1.sock").exists());
    }

    #[tokio::test]
    async fn a_folder_that_others_may_read_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("run");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(serve(state.path(), |_| json!(1)).err().unwrap().to_string().contains("open to others"));
    }
}
