//! The asking side: finds the sockets of the hosts that run on a state folder, asks each, and clears away what dead ones left.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use plugwork::observer::{ANSWER_BYTES_MAX, FOLDER, PATIENCE, Question, through};
use serde_json::Value;

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
    use super::*;
    use plugwork::{Allocation, Observer, Runtime};
    use std::os::unix::net::UnixListener;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_host_is_found_while_it_lives() {
        let state = tempfile::tempdir().unwrap();
        let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).open().await.unwrap();
        let observer = Observer::open(&runtime, state.path(), "shop").unwrap();
        let folder = state.path().to_owned();
        let hosts = tokio::task::spawn_blocking(move || top(&folder).unwrap()).await.unwrap();
        assert_eq!((hosts.len(), hosts[0].pid), (1, std::process::id()));
        let answer = hosts[0].answer.as_ref().unwrap();
        assert_eq!(
            (&answer["verb"], &answer["plugins"], &answer["status"]),
            (&"shop".into(), &Vec::<Value>::new().into(), &Vec::<Value>::new().into())
        );
        drop(observer);
        assert!(top(state.path()).unwrap().is_empty());
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
}
