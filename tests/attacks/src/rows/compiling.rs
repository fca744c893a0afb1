//! G2, G3, G5, G7: compiling, and the cache of what was compiled. Bombs in a child, entries that were tampered with, a hundred callers at once, a process killed while it writes.
//!
//! Not here: the rules of an entry, whose tests stand beside the code. Easily got wrong: an entry that is refused is made anew, so the answer of
//! the plugin alone shows nothing; the counts do.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::join_all;
use plugwork::cache::CacheCounts;
use plugwork::{Allocation, ChildCompiler, Compiler, ErrorKind, Runtime, Source};
use plugwork_core::{CompileLimits, Grants};
use serde_json::{Map, json};

use crate::arena::Arena;
use crate::guest::{ECHO, Guest};
use crate::row::{Contained, Ended, Row, Variant};
use crate::world::Number;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("G2", "components that are small and compile for ever", bombs),
        Row::new("G3", "cache entries flipped, cut, swapped, linked, left open to others", tampering),
        Row::new("G5", "the same component accepted a hundred times at once", at_once),
        Row::new("G7", "killed while it compiles and writes", killed),
    ]
}

fn said(error: plugwork::Error) -> String {
    format!("{error:?}")
}

/// A runtime over a folder, as another process would open it.
async fn reopened(state: &Path) -> Result<Runtime, String> {
    Arena::offering(Runtime::builder(state)).allocation(Allocation::OnDemand).open().await.map_err(said)
}

/// Accepts and calls; gives what this runtime's cache did.
async fn answers(runtime: &Runtime, grants: Grants, source: &Source) -> Result<CacheCounts, String> {
    let plugin = runtime.offer(source).await.map_err(said)?.accept_only(grants).await.map_err(said)?;
    match plugin.call::<Number>(&9).await.map_err(said)? {
        9 => Ok(runtime.cache_counts()),
        other => Err(format!("it answers {other} for 9")),
    }
}

/// The entries of a state folder, code and facts.
fn entries(state: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(state.join("cache")).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// How often the function of a bomb stands in it: an optimised compiler needs more of the same to be as slow.
const TWINS: usize = if cfg!(debug_assertions) { 1 } else { 12 };

/// Functions whose locals are all alive at once, all over a loop: small, and what register allocation fears.
fn interfering(locals: usize) -> Guest {
    let mut body = String::new();
    for index in 1..=locals {
        let (one, other) = (1 + index * 7 % locals, 1 + index * 13 % locals);
        write!(body, "(local.set {index} (i32.add (i32.mul (local.get {one}) (local.get {other})) (i32.const {index})))").unwrap();
    }
    let sum: String = (1..=locals).map(|index| format!("(local.get {index}) i32.xor ")).collect();
    let types = "i32 ".repeat(locals);
    let rest = format!("(param i32) (result i32) (local {types}) (loop $again {body} (br_if $again (local.get 1))) i32.const 0 {sum})");
    let twins: String = (1..TWINS).map(|_| format!("(func {rest}")).collect();
    Guest::new(&format!(r#"(func (export "run") {rest} {twins}"#))
}

fn bombs() -> Vec<Variant> {
    let child = |name: &'static str, guest: fn() -> Guest, limits: CompileLimits, expected: &'static [&'static str]| {
        Variant::new(name, move |arena| Box::pin(bombed(arena, guest(), limits, expected)))
    };
    let enough = CompileLimits { threads: 1, ..CompileLimits::default() };
    vec![
        child(
            "4,900 interfering locals, 1 s of processor",
            || interfering(4_900),
            CompileLimits { cpu_ms: 1_000, ..enough },
            &["E-COMPILE-CPU"],
        ),
        child(
            "4,900 interfering locals, 1 s of wall time",
            || interfering(4_900),
            CompileLimits { wall_ms: 1_000, ..enough },
            &["E-COMPILE-WALL"],
        ),
        child(
            "4,900 interfering locals, little memory",
            || interfering(4_900),
            CompileLimits { memory_bytes: 96 << 20, cpu_ms: 10_000, ..enough },
            &["E-COMPILE-MEMORY", "E-COMPILE-CPU"],
        ),
        child("more code than may come out", || interfering(300), CompileLimits { output_bytes: 4 << 10, ..enough }, &["E-COMPILE-OUTPUT"]),
        Variant::new("what is honest compiles in a child too", |arena| {
            Box::pin(async move {
                let state = tempfile::tempdir().map_err(|error| error.to_string())?;
                let runtime = in_child(arena, state.path(), CompileLimits { threads: 1, ..CompileLimits::default() }).await?;
                answers(&runtime, arena.grants(Grants::none()), &Guest::new(ECHO).source()).await?;
                Ok(Contained::harmless("compiled"))
            })
        }),
    ]
}

async fn in_child(arena: &Arena, state: &Path, limits: CompileLimits) -> Result<Runtime, String> {
    let compiler = Compiler::Child(ChildCompiler::default().limits(limits));
    Arena::offering(Runtime::builder(state))
        .allocation(Allocation::OnDemand)
        .compiler(compiler)
        .records(arena.records.clone())
        .open()
        .await
        .map_err(said)
}

async fn bombed(arena: &Arena, guest: Guest, limits: CompileLimits, expected: &[&str]) -> Ended {
    let state = tempfile::tempdir().map_err(|error| error.to_string())?;
    let source = guest.source();
    let (mut took, mut contained) = (Vec::new(), Contained::harmless(""));
    // Offered again by another process, its refusal is remembered.
    for _ in 0..2 {
        let runtime = in_child(arena, state.path(), limits).await?;
        let started = Instant::now();
        let offer = runtime.offer(&source).await.map_err(said)?;
        let error = offer.accept_only(arena.grants(Grants::none())).await.err().ok_or("it was compiled")?;
        took.push(started.elapsed());
        let code = error.compile_failure().map(plugwork_core::CompileFailure::code).ok_or_else(|| format!("{error:?}"))?;
        runtime.audited().await.map_err(said)?;
        let subject = error.subject().filter(|_| error.kind() == ErrorKind::Compile && expected.contains(&code));
        let subject = subject.ok_or_else(|| format!("expected one of {expected:?}, not {error:?}"))?;
        contained = Contained::harmless(code).on_record([(subject.clone(), code.to_owned())]);
    }
    match took[1] < Duration::from_millis(300) {
        true => Ok(contained),
        false => Err(format!("the second time it took {} ms, nothing was remembered", took[1].as_millis())),
    }
}

type Tamper = fn(&Path, usize);

fn tampering() -> Vec<Variant> {
    fn flip(path: &Path, round: usize) {
        let mut bytes = std::fs::read(path).unwrap();
        // All over the file: magic, header, MAC, payload, end.
        let at = (round * 7_919) % bytes.len();
        bytes[at] ^= 1 << (round % 8);
        std::fs::write(path, bytes).unwrap();
    }
    fn cut(path: &Path, round: usize) {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() * round / 20]).unwrap();
    }
    fn grown(path: &Path, _: usize) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.push(0);
        std::fs::write(path, bytes).unwrap();
    }
    fn linked(path: &Path, _: usize) {
        let elsewhere = path.with_file_name("elsewhere");
        std::fs::rename(path, &elsewhere).unwrap();
        symlink(&elsewhere, path).unwrap();
    }
    fn open_to_others(path: &Path, _: usize) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
    }
    let tries: [(&'static str, usize, Tamper); 5] = [
        ("a flipped bit", 64, flip),
        ("cut short", 20, cut),
        ("a byte too many", 1, grown),
        ("a link", 1, linked),
        ("open to others", 1, open_to_others),
    ];
    let mut variants: Vec<_> = tries.into_iter().map(|(name, rounds, tamper)| tampered(name, rounds, tamper)).collect();
    variants.push(Variant::new("an entry under another's name", |arena| {
        Box::pin(async move {
            let state = tempfile::tempdir().map_err(|error| error.to_string())?;
            let (one, other) = (Guest::new(ECHO).source(), Guest::new(&ECHO.replace("local.get 0", "i32.const 666")).source());
            let runtime = reopened(state.path()).await?;
            answers(&runtime, arena.grants(Grants::none()), &one).await?;
            runtime.offer(&other).await.map_err(said)?.accept_only(arena.grants(Grants::none())).await.map_err(said)?;
            let code: Vec<_> =
                entries(state.path()).into_iter().filter(|path| path.extension().is_some_and(|kind| kind != "facts")).collect();
            let [a, b] = code.as_slice() else { return Err(format!("{code:?}")) };
            let spare = state.path().join("spare");
            std::fs::rename(a, &spare)
                .and_then(|()| std::fs::rename(b, a))
                .and_then(|()| std::fs::rename(&spare, b))
                .map_err(|error| error.to_string())?;
            match answers(&reopened(state.path()).await?, arena.grants(Grants::none()), &one).await? {
                CacheCounts { compiled: 1, rejected: 1, .. } => Ok(Contained::harmless("compiled anew")),
                counts => Err(format!("{counts:?}")),
            }
        })
    }));
    variants.push(Variant::new("a folder that others may write to", |arena| {
        Box::pin(async move {
            let state = tempfile::tempdir().map_err(|error| error.to_string())?;
            answers(&reopened(state.path()).await?, arena.grants(Grants::none()), &Guest::new(ECHO).source()).await?;
            let open = std::fs::Permissions::from_mode(0o777);
            std::fs::set_permissions(state.path().join("cache"), open).map_err(|error| error.to_string())?;
            // Either nothing in it is used, or it is not opened at all.
            match reopened(state.path()).await {
                Err(_) => Ok(Contained::harmless("not opened")),
                Ok(runtime) => match answers(&runtime, arena.grants(Grants::none()), &Guest::new(ECHO).source()).await? {
                    CacheCounts { compiled: 1, disk_hits: 0, .. } => Ok(Contained::harmless("compiled anew")),
                    counts => Err(format!("{counts:?}")),
                },
            }
        })
    }));
    variants
}

fn tampered(name: &'static str, rounds: usize, tamper: Tamper) -> Variant {
    Variant::new(name, move |arena| {
        Box::pin(async move {
            let source = Guest::new(ECHO).source();
            let state = tempfile::tempdir().map_err(|error| error.to_string())?;
            answers(&reopened(state.path()).await?, arena.grants(Grants::none()), &source).await?;
            let files = entries(state.path());
            let [code, facts] = ["hardened", "full", "facts"]
                .map(|kind| files.iter().find(|path| path.extension().is_some_and(|it| it == kind)))
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()[..]
            else {
                return Err(format!("not code and facts: {files:?}"));
            };
            for round in 0..rounds {
                // One at a time: two that are refused would show the same as one.
                for (path, expected) in [(code, 1), (facts, 0)] {
                    tamper(path, round);
                    match answers(&reopened(state.path()).await?, arena.grants(Grants::none()), &source).await? {
                        CacheCounts { compiled, rejected: 1, .. } if compiled == expected => {}
                        counts => return Err(format!("round {round}, {}: {counts:?}", path.display())),
                    }
                }
            }
            // What replaced them is whole again.
            match answers(&reopened(state.path()).await?, arena.grants(Grants::none()), &source).await? {
                CacheCounts { compiled: 0, rejected: 0, .. } => Ok(Contained::harmless("refused and made anew")),
                counts => Err(format!("afterwards {counts:?}")),
            }
        })
    })
}

fn at_once() -> Vec<Variant> {
    vec![Variant::new("100 callers, one compilation", |arena| {
        Box::pin(async move {
            let source = Guest::new(&format!("{ECHO} (func (export \"hundred\"))")).source();
            let before = arena.runtime.cache_counts().compiled;
            let calls = (0..100).map(|_| {
                let (runtime, grants, source) = (arena.runtime.clone(), arena.grants(Grants::none()), source.clone());
                tokio::spawn(async move { runtime.offer(&source).await?.accept_only(grants).await })
            });
            for accepted in join_all(calls).await {
                accepted.map_err(|error| error.to_string())?.map_err(said)?;
            }
            match arena.runtime.cache_counts().compiled - before {
                1 => Ok(Contained::harmless("compiled once")),
                compiled => Err(format!("compiled {compiled} times")),
            }
        })
    })]
}

/// Where a child of this program compiles for ever: see [`compile_for_ever`].
pub const CHILD: &str = "PLUGWORK_ATTACKS_COMPILES_IN";

/// What such a child does: compiles one component after another into the state folder, until it is killed.
pub fn compile_for_ever(state: &Path) -> ! {
    crate::block_on(async {
        for number in 0_u64.. {
            let runtime = reopened(state).await.unwrap();
            let grants = [Grants::none(), Grants::none().with("engine", Map::from_iter([("profile".to_owned(), json!("full"))]))];
            for grants in grants {
                answers(&runtime, grants, &numbered(number % 50)).await.unwrap();
            }
            if number % 50 == 49 {
                entries(state).iter().for_each(|path| drop(std::fs::remove_file(path)));
            }
        }
        unreachable!("the numbers do not end")
    })
}

fn numbered(number: u64) -> Source {
    Guest::new(&format!("{ECHO} (func (export \"n{number}\"))")).source()
}

fn killed() -> Vec<Variant> {
    vec![Variant::new("20 times", |arena| Box::pin(killed_again_and_again(arena)))]
}

async fn killed_again_and_again(arena: &Arena) -> Ended {
    let state = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (mut made, mut used) = (0, 0);
    for round in 0..20_u64 {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = std::process::Command::new(program).env(CHILD, state.path()).spawn().map_err(|error| error.to_string())?;
        let patience = Instant::now() + Duration::from_secs(20);
        while written(state.path()).is_empty() && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Somewhere in its work from the first write on, each time somewhere else.
        tokio::time::sleep(Duration::from_millis(round * 5)).await;
        child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
        // Before anybody else writes here.
        made += written(state.path()).iter().filter(|path| path.extension().is_some_and(|kind| kind != "facts")).count();
        let runtime = reopened(state.path()).await?;
        for number in 0..3 {
            used = used.max(answers(&runtime, arena.grants(Grants::none()), &numbered(number)).await?.disk_hits);
        }
        // So that the next one has everything to write.
        written(state.path()).iter().try_for_each(std::fs::remove_file).map_err(|error| error.to_string())?;
    }
    // Rounds that never got to writing, or whose entries nobody took, show nothing.
    match (made, used) {
        (0, _) | (_, 0) => Err(format!("the children wrote {made} entries of code, {used} of them were used")),
        _ => Ok(Contained::harmless("whole entries only")),
    }
}

/// The entries under their names; none where there is no folder yet.
fn written(state: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(state.join("cache")).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))).collect()
}
