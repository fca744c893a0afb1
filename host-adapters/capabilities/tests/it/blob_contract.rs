//! What every back end of `blob` keeps to.

use std::sync::Arc;

use plugwork::Subject;
use plugwork::interfaces::blob::{Blobs, GrantedContainers};
use plugwork::interfaces::storage::{Kept, Quota, StorageError};
use plugwork_capabilities::FolderBlobs;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{ODD_NAMES, assert_invalid, denied, plugin, refused_names, subject};

type Backend = Arc<dyn Blobs>;

const ROOMY: Quota = Quota { bytes: 100 << 20, entries: 10_000 };

fn granted(backend: &Backend, subject: &Subject, bounds: Value, quota: Quota) -> GrantedContainers {
    GrantedContainers::new(backend.clone(), subject, serde_json::from_value(bounds).unwrap(), quota)
}

fn writable(backend: &Backend, subject: &Subject, quota: Quota) -> GrantedContainers {
    granted(backend, subject, json!({ "containers": ["main", "side"], "access": "write" }), quota)
}

async fn put(containers: &GrantedContainers, container: &str, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
    let mut staged = containers.stage().await?;
    for chunk in bytes.chunks(64 << 10) {
        staged.what.write(chunk)?;
    }
    containers.keep(staged, container, name).await
}

async fn read(containers: &GrantedContainers, container: &str, name: &str) -> Result<Vec<u8>, StorageError> {
    let object = containers.object(container, name).await?;
    let mut whole = Vec::new();
    loop {
        let chunk = object.what.read_at(whole.len() as u64, 1 << 20)?;
        if chunk.is_empty() {
            return Ok(whole);
        }
        assert!(chunk.len() <= 64 << 10);
        whole.extend_from_slice(&chunk);
    }
}

async fn names(containers: &GrantedContainers, container: &str) -> Vec<String> {
    let mut names: Vec<String> = containers.list(container, None, 1_000).await.unwrap().0.into_iter().map(|listed| listed.name).collect();
    names.sort_unstable();
    names
}

#[track_caller]
fn assert_absent<T>(answer: Result<T, StorageError>) {
    assert!(matches!(answer.err(), Some(StorageError::Absent(_))));
}

async fn what_is_kept_is_read_until_it_is_deleted(backend: Backend) {
    let containers = writable(&backend, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    put(&containers, "main", "object", b"first").await.unwrap();
    put(&containers, "main", "object", &bytes).await.unwrap();
    put(&containers, "main", "empty", b"").await.unwrap();
    assert_eq!(read(&containers, "main", "object").await.unwrap(), bytes);
    assert_eq!(read(&containers, "main", "empty").await.unwrap(), b"");
    assert!(containers.has("main", "object").await.unwrap() && !containers.has("main", "other").await.unwrap());
    let object = containers.object("main", "object").await.unwrap();
    assert_eq!(object.what.size_bytes(), 800_000);
    assert!(object.what.created_s() > 1_700_000_000);
    assert_eq!(containers.kept().await.unwrap(), Kept { bytes: 800_000 + 6 + 5, entries: 2 });
    containers.delete("main", &["object".to_owned(), "never-there".to_owned()]).await.unwrap();
    assert_absent(read(&containers, "main", "object").await);
    assert_eq!(containers.kept().await.unwrap(), Kept { bytes: 5, entries: 1 });
}

async fn a_part_of_an_object_is_read_by_its_offset(backend: Backend) {
    let containers = writable(&backend, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    put(&containers, "main", "object", b"0123456789").await.unwrap();
    let object = containers.object("main", "object").await.unwrap();
    for (offset, bytes, part) in [(0, 3, &b"012"[..]), (7, 10, b"789"), (9, 1, b"9"), (10, 1, b""), (u64::MAX, 1, b""), (3, 0, b"")] {
        assert_eq!(object.what.read_at(offset, bytes).unwrap(), part, "{offset} {bytes}");
    }
}

async fn a_container_is_there_from_its_creation_to_its_removal(backend: Backend) {
    let containers = writable(&backend, &plugin(), ROOMY);
    assert_eq!(containers.created_s("main").await.unwrap(), None);
    assert_absent(put(&containers, "main", "object", b"x").await);
    assert_absent(containers.list("main", None, 10).await);
    assert_absent(containers.clear("main").await);
    containers.create("main").await.unwrap();
    assert_invalid(containers.create("main").await);
    assert!(containers.created_s("main").await.unwrap().unwrap() > 1_700_000_000);
    put(&containers, "main", "object", b"x").await.unwrap();
    containers.clear("main").await.unwrap();
    assert!(names(&containers, "main").await.is_empty() && containers.created_s("main").await.unwrap().is_some());
    put(&containers, "main", "object", b"x").await.unwrap();
    containers.remove("main").await.unwrap();
    containers.remove("main").await.unwrap();
    assert_eq!(containers.created_s("main").await.unwrap(), None);
    assert_eq!(containers.kept().await.unwrap(), Kept::default());
    containers.create("main").await.unwrap();
    assert!(names(&containers, "main").await.is_empty());
}

async fn a_container_that_is_not_granted_answers_nothing(backend: Backend) {
    let all = writable(&backend, &plugin(), ROOMY);
    all.create("main").await.unwrap();
    put(&all, "main", "object", b"kept").await.unwrap();
    let containers = granted(&backend, &plugin(), json!({ "containers": ["other"], "access": "write" }), ROOMY);
    const CODE: &str = "E-CAP-BLOB-CONTAINER";
    let denial = denied(containers.create("main").await, CODE);
    assert_eq!(denial.hint, "add to the plugin's `blob` grant: containers = [\"main\"]");
    assert!(denial.rule.contains("container `main` is not granted"), "{denial}");
    denied(containers.created_s("main").await, CODE);
    denied(containers.remove("main").await, CODE);
    denied(containers.clear("main").await, CODE);
    denied(containers.object("main", "object").await, CODE);
    denied(containers.has("main", "object").await, CODE);
    denied(containers.delete("main", &["object".to_owned()]).await, CODE);
    denied(containers.list("main", None, 10).await, CODE);
    denied(put(&containers, "main", "object", b"changed").await, CODE);
    containers.create("other").await.unwrap();
    denied(containers.copy(("main", "object"), ("other", "object")).await, CODE);
    put(&containers, "other", "object", b"mine").await.unwrap();
    denied(containers.copy(("other", "object"), ("main", "object")).await, CODE);
    assert_eq!(read(&all, "main", "object").await.unwrap(), b"kept");
}

async fn a_grant_to_read_changes_nothing(backend: Backend) {
    let all = writable(&backend, &plugin(), ROOMY);
    all.create("main").await.unwrap();
    put(&all, "main", "object", b"kept").await.unwrap();
    let containers = granted(&backend, &plugin(), json!({ "containers": ["main", "side"] }), ROOMY);
    const CODE: &str = "E-CAP-BLOB-ACCESS";
    let denial = denied(containers.create("side").await, CODE);
    assert_eq!(denial.hint, "add to the plugin's `blob` grant: access = \"write\"");
    denied(containers.remove("main").await, CODE);
    denied(containers.clear("main").await, CODE);
    denied(containers.delete("main", &["object".to_owned()]).await, CODE);
    denied(containers.stage().await, CODE);
    denied(containers.copy(("main", "object"), ("main", "copy")).await, CODE);
    let staged = all.stage().await.unwrap();
    denied(containers.keep(staged, "main", "object").await, CODE);
    assert_eq!(read(&containers, "main", "object").await.unwrap(), b"kept");
    assert_eq!(names(&containers, "main").await, ["object"]);
}

async fn nobody_sees_what_another_keeps(backend: Backend) {
    let everybody =
        [("default", "", "test:plugin"), ("other", "", "test:plugin"), ("default", "a", "test:plugin"), ("default", "", "test:plugin-a")];
    for (tenant, instance, package) in everybody {
        let containers = writable(&backend, &subject(tenant, instance, package), ROOMY);
        for container in ["main", "side"] {
            assert_eq!(containers.created_s(container).await.unwrap(), None);
            containers.create(container).await.unwrap();
            assert!(!containers.has(container, "object").await.unwrap());
            put(&containers, container, "object", format!("{tenant} {instance} {package} {container}").as_bytes()).await.unwrap();
        }
    }
    for (tenant, instance, package) in everybody {
        let containers = writable(&backend, &subject(tenant, instance, package), ROOMY);
        assert_eq!(read(&containers, "main", "object").await.unwrap(), format!("{tenant} {instance} {package} main").as_bytes());
        containers.remove("main").await.unwrap();
        assert!(containers.has("side", "object").await.unwrap());
    }
}

async fn the_quota_can_be_filled_and_not_passed(backend: Backend) {
    let containers = writable(&backend, &plugin(), Quota { bytes: 20, entries: 2 });
    for container in ["main", "side"] {
        containers.create(container).await.unwrap();
    }
    put(&containers, "main", "a", &[0; 9]).await.unwrap();
    let denial = denied(put(&containers, "side", "b", &[0; 10]).await, "E-CAP-BLOB-QUOTA");
    assert_eq!(denial.hint, "add to the plugin's `blob` grant: bytes = 21");
    put(&containers, "side", "b", &[0; 9]).await.unwrap();
    assert_eq!(containers.kept().await.unwrap(), Kept { bytes: 20, entries: 2 });
    let mut staged = containers.stage().await.unwrap();
    assert!(matches!(staged.what.write(&[0]), Err(StorageError::Full(_))), "staged bytes count before they are written");
    drop(staged);
    let denial = denied(put(&containers, "main", "c", b"").await, "E-CAP-BLOB-QUOTA");
    assert!(denial.hint.ends_with("bytes = 21") || denial.hint.ends_with("objects = 3"), "{denial}");
    containers.delete("main", &["a".to_owned()]).await.unwrap();
    put(&containers, "main", "c", b"").await.unwrap();
    let denial = denied(put(&containers, "main", "d", b"").await, "E-CAP-BLOB-QUOTA");
    assert_eq!(denial.hint, "add to the plugin's `blob` grant: objects = 3");
    assert!(!containers.has("main", "d").await.unwrap());
    // In place of one that is there no further object is needed.
    put(&containers, "main", "c", &[1; 5]).await.unwrap();
    assert_eq!(containers.kept().await.unwrap(), Kept { bytes: 10 + 6, entries: 2 });
}

async fn what_is_not_kept_leaves_nothing(backend: Backend) {
    let containers = writable(&backend, &plugin(), Quota { bytes: 100, entries: 2 });
    containers.create("main").await.unwrap();
    let mut staged = containers.stage().await.unwrap();
    staged.what.write(&[0; 100]).unwrap();
    assert_eq!(containers.kept().await.unwrap().bytes, 100);
    drop(staged);
    assert_eq!(containers.kept().await.unwrap(), Kept::default());
    assert!(names(&containers, "main").await.is_empty());
}

async fn an_object_that_is_read_stays_whole_when_it_is_replaced_or_removed(backend: Backend) {
    let containers = writable(&backend, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    put(&containers, "main", "object", b"before").await.unwrap();
    let open = containers.object("main", "object").await.unwrap();
    put(&containers, "main", "object", b"after!").await.unwrap();
    assert_eq!(open.what.read_at(0, 10).unwrap(), &b"before"[..]);
    containers.remove("main").await.unwrap();
    assert_eq!(open.what.read_at(0, 10).unwrap(), &b"before"[..]);
}

async fn a_name_is_a_text_and_never_a_path(backend: Backend) {
    let containers = writable(&backend, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    let long = "x".repeat(1024);
    let odd: Vec<&str> = ODD_NAMES.into_iter().chain([long.as_str()]).collect();
    for name in &odd {
        put(&containers, "main", name, name.as_bytes()).await.unwrap();
    }
    for name in &odd {
        assert_eq!(read(&containers, "main", name).await.unwrap(), name.as_bytes());
    }
    let mut sorted = odd.clone();
    sorted.sort_unstable();
    assert_eq!(names(&containers, "main").await, sorted);
    for name in refused_names() {
        denied(put(&containers, "main", &name, b"x").await, "E-CAP-BLOB-NAME");
        denied(containers.object("main", &name).await, "E-CAP-BLOB-NAME");
        denied(containers.has("main", &name).await, "E-CAP-BLOB-NAME");
        denied(containers.delete("main", &["a".to_owned(), name]).await, "E-CAP-BLOB-NAME");
    }
    assert_eq!(containers.kept().await.unwrap().entries, odd.len() as u64);
}

async fn pages_have_each_object_once_whatever_is_removed_meanwhile(backend: Backend) {
    let containers = writable(&backend, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    let mut all: Vec<String> = (0..300).map(|number| format!("{number:04}")).collect();
    for name in &all {
        put(&containers, "main", name, b"").await.unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let (listed, more) = containers.list("main", after.as_deref(), 70).await.unwrap();
        assert!(listed.len() <= 70);
        let page: Vec<String> = listed.iter().map(|listed| listed.name.clone()).collect();
        containers.delete("main", &page).await.unwrap();
        seen.extend(page);
        after = listed.last().map(|listed| listed.place.clone());
        if !more {
            break;
        }
    }
    seen.sort_unstable();
    all.sort_unstable();
    assert_eq!(seen, all);
    let many: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    assert_invalid(containers.delete("main", &many).await);
}

async fn a_copy_is_an_object_of_its_own(backend: Backend) {
    let containers = writable(&backend, &plugin(), ROOMY);
    for container in ["main", "side"] {
        containers.create(container).await.unwrap();
    }
    let bytes = vec![7; 300_000];
    put(&containers, "main", "object", &bytes).await.unwrap();
    containers.copy(("main", "object"), ("side", "copy")).await.unwrap();
    containers.copy(("main", "object"), ("main", "object")).await.unwrap();
    containers.delete("main", &["object".to_owned()]).await.unwrap();
    assert_eq!(read(&containers, "side", "copy").await.unwrap(), bytes);
    assert_absent(containers.copy(("main", "object"), ("side", "copy")).await);
}

async fn so_many_objects_may_be_open_and_no_more(backend: Backend) {
    let containers = writable(&backend, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    put(&containers, "main", "object", b"x").await.unwrap();
    let mut open = Vec::new();
    for _ in 0..63 {
        open.push(containers.object("main", "object").await.unwrap());
    }
    let staged = containers.stage().await.unwrap();
    denied(containers.object("main", "object").await, "E-CAP-BLOB-OPEN");
    denied(containers.stage().await, "E-CAP-BLOB-OPEN");
    drop(staged);
    containers.object("main", "object").await.unwrap();
}

async fn writers_at_once_pass_no_quota(backend: Backend) {
    let containers = writable(&backend, &plugin(), Quota { bytes: 1_000, entries: 8 });
    containers.create("main").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let containers = containers.clone();
        tasks.spawn(async move {
            for number in 0..5 {
                let _ = put(&containers, "main", &format!("{task}-{number}"), &[0; 90]).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let kept = containers.kept().await.unwrap();
    assert_eq!(kept.entries, names(&containers, "main").await.len() as u64);
    assert!(kept.entries <= 8 && kept.bytes == kept.entries * 93, "{kept:?}");
}

/// Every claim, with one back end.
macro_rules! contract {
    ($backend:ident: $make:expr; $($claim:ident)*) => {
        mod $backend {
            use super::*;
            $(
                #[tokio::test]
                async fn $claim() {
                    let (backend, _keep) = $make;
                    super::$claim(backend).await;
                }
            )*
        }
    };
}

fn in_folder() -> (Backend, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(FolderBlobs::at(folder.path().join("blobs"))), folder)
}

contract! {
    folder: in_folder();
    what_is_kept_is_read_until_it_is_deleted
    a_part_of_an_object_is_read_by_its_offset
    a_container_is_there_from_its_creation_to_its_removal
    a_container_that_is_not_granted_answers_nothing
    a_grant_to_read_changes_nothing
    nobody_sees_what_another_keeps
    the_quota_can_be_filled_and_not_passed
    what_is_not_kept_leaves_nothing
    an_object_that_is_read_stays_whole_when_it_is_replaced_or_removed
    a_name_is_a_text_and_never_a_path
    pages_have_each_object_once_whatever_is_removed_meanwhile
    a_copy_is_an_object_of_its_own
    so_many_objects_may_be_open_and_no_more
    writers_at_once_pass_no_quota
}

#[tokio::test]
async fn a_folder_opened_anew_has_and_counts_what_was_kept() {
    let (first, folder) = in_folder();
    let containers = writable(&first, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    put(&containers, "main", "object", b"kept").await.unwrap();
    let again: Backend = Arc::new(FolderBlobs::at(folder.path().join("blobs")));
    let containers = writable(&again, &plugin(), ROOMY);
    assert_eq!(read(&containers, "main", "object").await.unwrap(), b"kept");
    assert_eq!(containers.kept().await.unwrap(), Kept { bytes: 10, entries: 1 });
}

#[tokio::test]
async fn nothing_in_the_folder_is_for_others_and_nothing_is_named_by_a_plugin() {
    use std::os::unix::fs::PermissionsExt;
    let (backend, folder) = in_folder();
    let containers = writable(&backend, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    for name in ODD_NAMES {
        put(&containers, "main", name, b"x").await.unwrap();
    }
    let mut folders = vec![folder.path().join("blobs")];
    while let Some(path) = folders.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            assert!(name == "staging" || name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            // Shards lie below a container that is closed.
            assert!(name.len() == 2 || metadata.permissions().mode() & 0o077 == 0, "{name}");
        }
    }
}

#[tokio::test]
async fn a_damaged_object_is_an_error_and_no_panic() {
    let (backend, folder) = in_folder();
    let containers = writable(&backend, &plugin(), ROOMY);
    containers.create("main").await.unwrap();
    put(&containers, "main", "object", b"kept").await.unwrap();
    let mut file = folder.path().join("blobs");
    while file.is_dir() {
        let mut entries = std::fs::read_dir(&file).unwrap().map(|entry| entry.unwrap().path());
        file = entries.find(|path| !path.ends_with("staging")).unwrap();
    }
    let whole = std::fs::read(&file).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&file, &whole[..length]).unwrap();
        assert!(matches!(containers.object("main", "object").await.err(), Some(StorageError::Unavailable(_))), "{length}");
    }
    for at in [4, 16, 20, 24, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        std::fs::write(&file, &changed).unwrap();
        let answer = containers.object("main", "object").await;
        // The time of writing is all that may change unnoticed.
        assert!(answer.is_err() || (10..18).contains(&at), "{at}");
    }
}
