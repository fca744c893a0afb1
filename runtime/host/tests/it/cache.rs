//! What the cache keeps is loaded again only if it is exactly what was written, from a place that is ours alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use futures::future::join_all;
use plugwork::cache::{CacheCounts, Disk};
use plugwork::{Allocation, Runtime, Source};
use tempfile::TempDir;

use crate::guest::{ECHO, Guest};
use crate::world::Number;

/// Magic, length of the header.
const BEFORE_HEADER_BYTES: usize = 12;
const MAC_BYTES: usize = 32;

async fn open(state: &Path) -> Runtime {
    Runtime::builder(state).allocation(Allocation::OnDemand).open().await.unwrap()
}

/// Loads the guest in a new runtime, checks that it answers right, and says where its code came from.
async fn load(state: &Path, source: &Source) -> CacheCounts {
    let runtime = open(state).await;
    let plugin = runtime.offer(source).await.unwrap().accept().await.unwrap();
    assert_eq!(plugin.call::<Number>(&5).await.unwrap(), 5, "the answer is right wherever the code came from");
    runtime.cache_counts()
}

fn from(disk_hits: u64, compiled: u64, rejected: u64) -> CacheCounts {
    let mut counts = CacheCounts::default();
    (counts.disk_hits, counts.compiled, counts.rejected) = (disk_hits, compiled, rejected);
    counts
}

/// A state folder in which the guest was loaded once, and the path of its code entry.
pub(crate) async fn filled() -> (TempDir, Source, PathBuf) {
    let state = tempfile::tempdir().unwrap();
    let source = Guest::new(ECHO).source();
    assert_eq!(load(state.path(), &source).await, from(0, 1, 0));
    let entry = state.path().join("cache").join(format!("{}.hardened", source.digest().hex()));
    assert!(entry.is_file());
    (state, source, entry)
}

/// After `damage` the code entry is refused and compiled anew, and the time after that it is loaded.
async fn is_refused(damage: impl FnOnce(&Path, &Path)) {
    let (state, source, entry) = filled().await;
    damage(state.path(), &entry);
    assert_eq!(load(state.path(), &source).await, from(0, 1, 1));
    assert_eq!(load(state.path(), &source).await, from(1, 0, 0), "it was written anew");
}

fn change(entry: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(entry).unwrap();
    change(&mut bytes);
    fs::write(entry, bytes).unwrap();
}

fn header_bytes(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[8..BEFORE_HEADER_BYTES].try_into().unwrap()) as usize
}

#[tokio::test]
async fn a_second_runtime_loads_from_disk_what_the_first_compiled() {
    let (state, source, _) = filled().await;
    assert_eq!(load(state.path(), &source).await, from(1, 0, 0));
}

#[tokio::test]
async fn files_are_ours_alone() {
    let (state, _, entry) = filled().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&entry), 0o600);
    assert_eq!(mode(&state.path().join("cache")), 0o700);
    assert_eq!(mode(&state.path().join("cache.key")), 0o600);
}

#[tokio::test]
async fn a_flipped_byte_of_code_is_refused() {
    is_refused(|_, entry| change(entry, |bytes| *bytes.last_mut().unwrap() ^= 1)).await;
    is_refused(|_, entry| change(entry, |bytes| *bytes.iter_mut().rev().nth(5000).unwrap() ^= 0x80)).await;
}

#[tokio::test]
async fn a_flipped_byte_of_the_header_or_its_code_is_refused() {
    for at in [0, 8, BEFORE_HEADER_BYTES, BEFORE_HEADER_BYTES + 30] {
        is_refused(|_, entry| change(entry, |bytes| bytes[at] ^= 1)).await;
    }
    is_refused(|_, entry| {
        change(entry, |bytes| {
            let mac = BEFORE_HEADER_BYTES + header_bytes(bytes);
            bytes[mac] ^= 1;
        })
    })
    .await;
}

#[tokio::test]
async fn a_truncated_or_lengthened_entry_is_refused() {
    for length in [0, 5, BEFORE_HEADER_BYTES, 60, 200] {
        is_refused(|_, entry| change(entry, |bytes| bytes.truncate(length))).await;
    }
    is_refused(|_, entry| change(entry, |bytes| _ = bytes.pop())).await;
    is_refused(|_, entry| change(entry, |bytes| bytes.push(0))).await;
}

#[tokio::test]
async fn an_entry_of_another_version_is_refused_even_with_the_right_key() {
    is_refused(|state, entry| {
        change(entry, |bytes| {
            let payload = bytes.split_off(BEFORE_HEADER_BYTES + header_bytes(bytes) + MAC_BYTES);
            let header = String::from_utf8(bytes[BEFORE_HEADER_BYTES..bytes.len() - MAC_BYTES].to_vec()).unwrap();
            let foreign = header.replace("engine:", "engine:f");
            assert_ne!(header, foreign);
            let key = fs::read(state.join("cache.key")).unwrap();
            *bytes = signed(&foreign, &key.try_into().unwrap(), &payload);
        });
    })
    .await;
}

/// An entry as this version writes it.
fn signed(header: &str, key: &[u8; 32], payload: &[u8]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&(header.len() as u64).to_le_bytes()).update(header.as_bytes()).update(payload);
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    [b"PWCACHE1", &length[..], header.as_bytes(), hasher.finalize().as_bytes(), payload].concat()
}

#[tokio::test]
async fn the_format_that_the_forgeries_use_is_the_real_one() {
    let (state, source, entry) = filled().await;
    let key = fs::read(state.path().join("cache.key")).unwrap();
    change(&entry, |bytes| {
        let payload = bytes.split_off(BEFORE_HEADER_BYTES + header_bytes(bytes) + MAC_BYTES);
        let header = String::from_utf8(bytes[BEFORE_HEADER_BYTES..bytes.len() - MAC_BYTES].to_vec()).unwrap();
        *bytes = signed(&header, &key.try_into().unwrap(), &payload);
    });
    assert_eq!(load(state.path(), &source).await, from(1, 0, 0));
}

#[tokio::test]
async fn another_plugins_entry_under_this_name_is_refused() {
    let (state, source, entry) = filled().await;
    let other = Guest::new(r#"(func (export "run") (param i32) (result i32) i32.const 666)"#).source();
    let runtime = open(state.path()).await;
    runtime.offer(&other).await.unwrap().accept().await.unwrap();
    fs::copy(state.path().join("cache").join(format!("{}.hardened", other.digest().hex())), &entry).unwrap();
    assert_eq!(load(state.path(), &source).await, from(0, 1, 1));
}

#[tokio::test]
async fn entries_under_another_key_are_refused() {
    let (state, source, _) = filled().await;
    fs::write(state.path().join("cache.key"), [7; 32]).unwrap();
    // The facts and the code.
    assert_eq!(load(state.path(), &source).await, from(0, 1, 2));
    assert_eq!(load(state.path(), &source).await, from(1, 0, 0));
}

#[tokio::test]
async fn a_key_that_others_can_read_is_replaced_and_its_entries_are_refused() {
    let (state, source, _) = filled().await;
    let key = state.path().join("cache.key");
    let before = fs::read(&key).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(load(state.path(), &source).await, from(0, 1, 2));
    assert_ne!(fs::read(&key).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_others_can_read_or_write_is_refused() {
    for mode in [0o644, 0o606, 0o660] {
        is_refused(|_, entry| fs::set_permissions(entry, Permissions::from_mode(mode)).unwrap()).await;
    }
}

#[tokio::test]
async fn a_symbolic_link_is_refused_even_to_the_right_bytes() {
    is_refused(|state, entry| {
        let elsewhere = state.join("elsewhere");
        fs::rename(entry, &elsewhere).unwrap();
        symlink(&elsewhere, entry).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_folder_in_the_place_of_an_entry_is_refused_and_the_plugin_still_loads() {
    let (state, source, entry) = filled().await;
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    assert_eq!(load(state.path(), &source).await, from(0, 1, 1));
}

#[tokio::test]
async fn nothing_is_read_from_or_written_to_a_folder_that_others_can_write() {
    let (state, source, entry) = filled().await;
    let folder = state.path().join("cache");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let before = fs::metadata(&entry).unwrap().modified().unwrap();
    for _ in 0..2 {
        assert_eq!(load(state.path(), &source).await, from(0, 1, 2), "facts and code are refused, and compiled each time");
    }
    assert_eq!(fs::metadata(&entry).unwrap().modified().unwrap(), before);
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(load(state.path(), &source).await, from(1, 0, 0));
}

#[tokio::test]
async fn changed_facts_are_refused_and_read_from_the_component_again() {
    let (state, source, _) = filled().await;
    let facts = state.path().join("cache").join(format!("{}.facts", source.digest().hex()));
    change(&facts, |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(load(state.path(), &source).await, from(1, 0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_who_ask_at_once_wait_for_one_compilation() {
    let state = tempfile::tempdir().unwrap();
    let runtime = open(state.path()).await;
    let source = Guest::new(ECHO).source();
    let accepts = (0..16).map(|_| {
        let (runtime, source) = (runtime.clone(), source.clone());
        tokio::spawn(async move { runtime.offer(&source).await.unwrap().accept().await.unwrap() })
    });
    for plugin in join_all(accepts).await {
        assert_eq!(plugin.unwrap().call::<Number>(&1).await.unwrap(), 1);
    }
    let counts = runtime.cache_counts();
    assert_eq!((counts.compiled, counts.disk_hits, counts.memory_hits), (1, 0, 15));
}

#[tokio::test]
async fn what_cannot_be_compiled_is_not_remembered_as_compiled() {
    // A valid component whose code needs a feature that no profile has: the answer is the same error each time.
    let state = tempfile::tempdir().unwrap();
    let runtime = open(state.path()).await;
    let source = Guest::new(&format!("{ECHO} (memory i64 1)")).source();
    for _ in 0..2 {
        let refused = match runtime.offer(&source).await {
            Ok(offer) => offer.accept().await.err().unwrap(),
            Err(error) => error,
        };
        assert!(matches!(refused.kind(), plugwork::ErrorKind::Component | plugwork::ErrorKind::Compile), "{refused:?}");
    }
    assert_eq!(runtime.cache_counts().disk_hits, 0);
}

#[tokio::test]
async fn a_folder_can_be_listed_and_cleared() {
    let (state, source, entry) = filled().await;
    let disk = Disk::open(state.path()).unwrap();
    assert_eq!(disk.folder(), entry.parent().unwrap());
    let listed = disk.list().unwrap();
    let names: Vec<_> = listed.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, [format!("{}.facts", source.digest().hex()), format!("{}.hardened", source.digest().hex())]);
    assert!(listed[1].header.starts_with(&format!("code {} hardened engine:", source.digest())), "{}", listed[1].header);
    let bytes = fs::metadata(&entry).unwrap().len() + listed[0].bytes;
    assert_eq!(disk.clear().unwrap(), (2, bytes));
    assert!(disk.list().unwrap().is_empty());
    assert_eq!(load(state.path(), &source).await, from(0, 1, 0));
}

#[tokio::test]
async fn a_plugin_that_runs_keeps_its_code_when_the_cache_is_cleared() {
    let (state, source, _) = filled().await;
    let runtime = open(state.path()).await;
    let plugin = runtime.offer(&source).await.unwrap().accept().await.unwrap();
    Disk::open(state.path()).unwrap().clear().unwrap();
    assert_eq!(plugin.call::<Number>(&1).await.unwrap(), 1);
}
