//! Compiling in a child: what it costs the host when the component is a bomb, what stands around the child, and how it ends.
//!
//! The child is `plugwork-compile`, seen from outside: the tests look at the very process that compiles, in `/proc`. What may surprise: a
//! child is found by the digest in its arguments, so tests beside each other do not take each other's.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use plugwork::compile::{ChildCompiler, Compiler};
use plugwork::core::{CompileFailure, CompileLimits, Digest};
use plugwork::{Allocation, Error, ErrorKind, Runtime, Source};
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, kill_process};

use crate::guest::{ECHO, Guest};
use crate::world::Number;

/// Longer than any child here may live; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn child() -> ChildCompiler {
    ChildCompiler::default().program(env!("CARGO_BIN_EXE_plugwork-compile"))
}

pub(crate) async fn open(state: &Path, compiler: ChildCompiler) -> Runtime {
    Runtime::builder(state).allocation(Allocation::OnDemand).compiler(Compiler::Child(compiler)).open().await.unwrap()
}

/// One function in which that many locals are alive at once. Takes the compiler much longer than their number.
pub(crate) fn bomb(locals: usize) -> Source {
    let mut code =
        format!("(import \"heap\" \"memory\" (memory 1)) (func (export \"run\") (param i32) (result i32) (local{})", " i32".repeat(locals));
    for local in 1..=locals {
        code.push_str(&format!("(local.set {local} (i32.load offset={} (local.get 0)))", local * 4));
    }
    code.push_str("(loop $again");
    for local in 1..=locals {
        code.push_str(&format!("(local.set {local} (i32.add (local.get {local}) (local.get {})))", local * 7 % locals + 1));
    }
    code.push_str("(br_if $again (local.get 1)))");
    code.push_str("(i32.const 0)");
    (1..=locals).for_each(|local| code.push_str(&format!("(i32.xor (local.get {local}))")));
    code.push(')');
    Guest::new(&code).source()
}

async fn refused(runtime: &Runtime, source: &Source) -> CompileFailure {
    let error = runtime.offer(source).await.unwrap().accept().await.expect_err("it must not be compiled");
    assert_eq!(error.kind(), ErrorKind::Compile, "{error}");
    error.compile_failure().unwrap().clone()
}

async fn answers(runtime: &Runtime) {
    let plugin = runtime.offer(&Guest::new(ECHO).source()).await.unwrap().accept().await.unwrap();
    assert_eq!(plugin.call::<Number>(&7).await.unwrap(), 7);
}

/// The child that compiles this component, once it is there.
pub(crate) async fn pid(digest: Digest) -> i32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(pid) = find(digest) {
            return pid;
        }
        assert!(Instant::now() < deadline, "no child compiles {digest}");
        tokio::task::yield_now().await;
    }
}

pub(crate) fn find(digest: Digest) -> Option<i32> {
    let digest = digest.to_string();
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line);
        (line.starts_with("plugwork-compile-child\0") && line.contains(&digest)).then_some(pid)
    })
}

fn status(pid: i32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// The child behind its walls: the filter is the last of them.
async fn enclosed(digest: Digest) -> i32 {
    let pid = pid(digest).await;
    let deadline = Instant::now() + PATIENCE;
    while status(pid, "Seccomp_filters") != "2" {
        assert!(Instant::now() < deadline, "no filter stands around {pid}: `{}`", status(pid, "Seccomp_filters"));
        tokio::task::yield_now().await;
    }
    pid
}

#[tokio::test]
async fn a_child_compiles_what_the_host_runs_and_tells_of_its_walls() {
    let state = tempfile::tempdir().unwrap();
    let runtime = open(state.path(), child()).await;
    assert_eq!(runtime.compile_walls(), None);
    answers(&runtime).await;
    assert!(runtime.compile_walls().unwrap().seccomp, "{:?}", runtime.compile_walls());
    drop(runtime);
    let again = open(state.path(), child()).await;
    answers(&again).await;
    assert_eq!((again.cache_counts().disk_hits, again.cache_counts().compiled), (1, 0));
}

#[tokio::test]
async fn a_bomb_is_stopped_by_processor_time_and_remembered() {
    let state = tempfile::tempdir().unwrap();
    let bomb = bomb(5_000);
    let limits = CompileLimits { cpu_ms: 1_000, memory_bytes: 8 << 30, ..CompileLimits::default() };
    let cpu = CompileFailure::Cpu { limit_ms: 1_000 };
    let runtime = open(state.path(), child().limits(limits)).await;
    assert_eq!(refused(&runtime, &bomb).await, cpu);
    answers(&runtime).await;
    // The next try is answered from memory, in this runtime and in the next.
    for runtime in [runtime, open(state.path(), child().limits(limits)).await] {
        let compiled = runtime.cache_counts().compiled;
        assert_eq!(refused(&runtime, &bomb).await, cpu);
        assert_eq!((runtime.cache_counts().compiled, runtime.cache_counts().refused), (compiled, 1));
    }
    // A raised limit is another question.
    let raised = CompileLimits { cpu_ms: 2_000, wall_ms: 1, ..limits };
    let runtime = open(state.path(), child().limits(raised)).await;
    assert_eq!(refused(&runtime, &bomb).await, CompileFailure::Wall { limit_ms: 1 });
    assert_eq!((runtime.cache_counts().compiled, runtime.cache_counts().refused), (1, 0));
}

#[tokio::test]
async fn a_bomb_is_stopped_by_address_space() {
    let state = tempfile::tempdir().unwrap();
    let limits = CompileLimits { memory_bytes: 64 << 20, threads: 1, ..CompileLimits::default() };
    let runtime = open(state.path(), child().limits(limits)).await;
    answers(&runtime).await;
    for _ in 0..2 {
        assert_eq!(refused(&runtime, &bomb(5_000)).await, CompileFailure::Memory { limit_bytes: 64 << 20 });
    }
    assert_eq!((runtime.cache_counts().compiled, runtime.cache_counts().refused), (2, 1));
}

#[tokio::test]
async fn a_bomb_is_stopped_by_the_clock_on_the_wall() {
    let state = tempfile::tempdir().unwrap();
    let limits = CompileLimits { wall_ms: 200, ..CompileLimits::default() };
    // Takes seconds here and most of one on a machine ten times as fast.
    let bomb = bomb(4_900);
    let runtime = open(state.path(), child().limits(limits)).await;
    assert_eq!(refused(&runtime, &bomb).await, CompileFailure::Wall { limit_ms: 200 });
    assert_eq!(find(bomb.digest()), None, "no child is left, not even as a zombie");
}

#[tokio::test]
async fn machine_code_beyond_its_limit_is_no_code() {
    let state = tempfile::tempdir().unwrap();
    let limits = CompileLimits { output_bytes: 4 << 10, ..CompileLimits::default() };
    let runtime = open(state.path(), child().limits(limits)).await;
    let source = Guest::new(ECHO).source();
    assert_eq!(refused(&runtime, &source).await, CompileFailure::Output { limit_bytes: 4 << 10 });
    assert!(!state.path().join("cache").join(format!("{}.hardened", source.digest().hex())).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_has_nothing_but_its_three_descriptors_its_limits_and_its_walls() {
    let state = tempfile::tempdir().unwrap();
    // One that the host forgot to close.
    let kept = File::create(state.path().join("secret")).unwrap();
    rustix::io::fcntl_setfd(&kept, FdFlags::empty()).unwrap();
    let runtime = open(state.path(), child()).await;
    let bomb = bomb(4_900);
    let (theirs, digest) = (bomb.clone(), bomb.digest());
    let compiling = tokio::spawn(async move { refused(&runtime, &theirs).await });
    let pid = enclosed(digest).await;
    let mut descriptors: Vec<_> =
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    descriptors.sort();
    assert_eq!(descriptors, ["0", "1", "2"]);
    let target = |number| fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap().display().to_string();
    assert!(target(0).starts_with("/memfd:plugwork-component"), "{}", target(0));
    assert!(target(1).starts_with("/memfd:plugwork-compiled"), "{}", target(1));
    assert!(target(2).starts_with("pipe:"), "{}", target(2));
    assert_eq!((status(pid, "NoNewPrivs"), status(pid, "Seccomp")), ("1".to_owned(), "2".to_owned()));
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let mut names: Vec<_> = environment.split_terminator('\0').map(|line| line.split('=').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["MALLOC_ARENA_MAX", "PLUGWORK_COMPILE_CHILD", "RAYON_NUM_THREADS"]);
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    for line in ["Max cpu time 120 122", "Max core file size 0 0", "Max open files 3 3", "Max address space 2147483648 2147483648"] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(limits.lines().any(|found| squeezed(found).starts_with(line)), "`{line}` is not in:\n{limits}");
    }
    let niceness = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert_eq!(niceness.rsplit(')').next().unwrap().split_whitespace().nth(16), Some("10"));

    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(compiling.await.unwrap(), CompileFailure::Crashed { signal: 9 });
    let left: Vec<_> =
        fs::read_dir(state.path().join("cache")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected = [format!("{}.facts", digest.hex()), format!("{}.hardened.refusal", digest.hex())];
    assert!(left.len() == 2 && expected.iter().all(|name| left.contains(name)), "no code, not even a part: {left:?}");
    assert_eq!(find(digest), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_ask_at_once_cost_one_child() {
    let state = tempfile::tempdir().unwrap();
    let runtime = open(state.path(), child().at_once(1).waiting(0)).await;
    let source = Guest::new(ECHO).source();
    let accepts = (0..100).map(|_| {
        let (runtime, source) = (runtime.clone(), source.clone());
        tokio::spawn(async move { runtime.offer(&source).await.unwrap().accept().await.map(drop) })
    });
    join_all(accepts).await.into_iter().for_each(|accepted| accepted.unwrap().unwrap());
    assert_eq!((runtime.cache_counts().compiled, runtime.cache_counts().memory_hits), (1, 99));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_component_more_than_may_wait_is_turned_away_and_not_remembered() {
    let state = tempfile::tempdir().unwrap();
    let runtime = open(state.path(), child().at_once(1).waiting(0)).await;
    let bomb = bomb(4_800);
    let (theirs, bombs) = (runtime.clone(), bomb.clone());
    let compiling = tokio::spawn(async move { refused(&theirs, &bombs).await });
    let pid = pid(bomb.digest()).await;
    assert_eq!(refused(&runtime, &Guest::new(ECHO).source()).await, CompileFailure::Busy { waiting_max: 0 });
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    compiling.await.unwrap();
    answers(&runtime).await;
}

async fn wrong(builder: plugwork::Builder) -> Error {
    builder.open().await.err().expect("it must not open")
}

#[tokio::test]
async fn a_child_without_a_state_folder_a_hook_or_sensible_limits_is_refused_at_the_start() {
    let error = wrong(Runtime::in_memory().compiler(Compiler::Child(child()))).await;
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("state folder"), "{error}");
    let state = tempfile::tempdir().unwrap();
    let error = wrong(Runtime::builder(state.path()).compiler(Compiler::Child(ChildCompiler::default()))).await;
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("child_main_if_asked"), "{error}");
    let none = child().limits(CompileLimits { cpu_ms: 0, ..CompileLimits::default() });
    let error = wrong(Runtime::builder(state.path()).compiler(Compiler::Child(none))).await;
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("cpu-ms"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_no_compiler_gives_an_error_and_no_code() {
    let state = tempfile::tempdir().unwrap();
    let failing = async |program: &str, wall_ms| {
        let compiler = ChildCompiler::default().program(program).limits(CompileLimits { wall_ms, ..CompileLimits::default() });
        let runtime = open(state.path(), compiler).await;
        // Each another component: a refusal is remembered.
        let source = Guest::new(&format!("{ECHO} (func (export \"{}\"))", program.replace('/', "-"))).source();
        runtime.offer(&source).await.unwrap().accept().await.err().unwrap()
    };
    let nothing = failing("/bin/true", 10_000).await;
    assert!(matches!(nothing.compile_failure(), Some(CompileFailure::Ended { code: 0, .. })), "{nothing}");
    let missing = failing("/nowhere/plugwork-compile", 10_000).await;
    assert_eq!(missing.kind(), ErrorKind::Engine, "{missing}");
    let loud = state.path().join("loud");
    fs::write(&loud, "#!/bin/sh\nwhile :; do printf 'x\\033[2J%01000d' 1 >&2 || exit 9; done\n").unwrap();
    fs::set_permissions(&loud, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let loud = failing(loud.to_str().unwrap(), 10_000).await;
    assert!(loud.to_string().len() < 16_000 && !loud.to_string().contains('\u{1b}'), "{loud}");
}

#[tokio::test]
async fn a_folder_that_cannot_keep_code_does_not_move_the_compiling_into_the_host() {
    let state = tempfile::tempdir().unwrap();
    let runtime = open(state.path(), child()).await;
    let folder = state.path().join("cache");
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let error = runtime.offer(&Guest::new(ECHO).source()).await.unwrap().accept().await.err().unwrap();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("0700"), "{error}");
    assert_eq!(runtime.cache_counts().compiled, 0);
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    answers(&runtime).await;
}

#[tokio::test]
async fn a_component_that_changed_since_it_was_offered_is_not_compiled() {
    let state = tempfile::tempdir().unwrap();
    let runtime = open(state.path(), child()).await;
    let file = state.path().join("a.wasm");
    fs::write(&file, Guest::new(ECHO).bytes()).unwrap();
    let offer = runtime.offer(&Source::file(&file).unwrap()).await.unwrap();
    fs::write(&file, Guest::new(&format!("{ECHO} (memory 1)")).bytes()).unwrap();
    let error = offer.accept().await.err().unwrap();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("changed since"), "{error}");
}
