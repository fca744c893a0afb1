//! Group C, second half: handles, floods of data, re-entrance, and what is left after a trap.
//!
//! Easily got wrong: most of these are two guest components in one plugin, because handles are numbers of one component instance and lies need
//! a second.

use plugwork::{ErrorKind, Profile};
use plugwork_core::Grants;
use plugwork_core::limits::LOG_RECORD_BYTES_MAX;

use super::processor::{POLL, counter, dropped_by_the_host, probe};
use crate::guest::{Guest, LOG, PROBE};
use crate::row::{Contained, Expected, Row, SMALL, Variant, faulted};
use crate::world::{Again, Bytes, Counting, Number};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("C5", "handles: forged, stale, of another type or instance, lent and kept", lies),
        Row::new("C6", "handles leaked for ever, destructors that trap (GHSA-q554-3cjc-rx7p)", leaks),
        Row::new("C7", "floods of data across the boundary (CVE-2026-27204)", floods),
        Row::new("C8", "re-entrance through the host, the allocator, post-return", reentrance).instances(16),
        Row::new("C9", "a call after a trap", after),
    ]
}

/// A guest with two resource types of its own and the host's `thing`; `body` is `run`.
fn handling(body: &str) -> Guest {
    let code = format!(
        r#"(import "host" "new" (func $new (param i32) (result i32)))
        (import "host" "rep" (func $rep (param i32) (result i32)))
        (import "host" "drop" (func $drop (param i32)))
        (import "host" "drop-other" (func $drop-other (param i32)))
        (import "host" "drop-thing" (func $drop-thing (param i32)))
        (import "host" "make" (func $make (result i32)))
        (import "host" "look" (func $look (param i32) (result i32)))
        (import "host" "take" (func $take (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (local $h i32) {body} (i32.const 0))"#
    );
    Guest::new(&code)
        .import(PROBE)
        .import("(type $own (resource (rep i32))) (type $other (resource (rep i32)))")
        .canon("new", "(canon resource.new $own)")
        .canon("rep", "(canon resource.rep $own)")
        .canon("drop", "(canon resource.drop $own)")
        .canon("drop-other", "(canon resource.drop $other)")
        .canon("drop-thing", "(canon resource.drop $thing)")
        .host("make", "$probe")
        .host("look", "$probe")
        .host("take", "$probe")
}

fn lies() -> Vec<Variant> {
    let own = "(local.set $h (call $new (i32.const 5)))";
    let thing = "(local.set $h (call $make))";
    let unknown = "unknown handle index";
    let wrong = "wrong type";
    let tries = [
        ("forged, dropped", "(call $drop (i32.const 4242))".to_owned(), unknown),
        ("forged, looked into", "(drop (call $rep (i32.const 4242)))".to_owned(), unknown),
        ("0", "(call $drop (i32.const 0))".to_owned(), unknown),
        ("2^32 - 1", "(call $drop (i32.const -1))".to_owned(), ""),
        ("dropped twice", format!("{own} (call $drop (local.get $h)) (call $drop (local.get $h))"), unknown),
        ("looked into after it was dropped", format!("{own} (call $drop (local.get $h)) (drop (call $rep (local.get $h)))"), unknown),
        ("dropped as another type", format!("{own} (call $drop-other (local.get $h))"), wrong),
        ("the host's, dropped as its own", format!("{thing} (call $drop (local.get $h))"), wrong),
        ("the host's, looked into", format!("{thing} (drop (call $rep (local.get $h)))"), wrong),
        ("its own, lent to the host as a thing", format!("{own} (drop (call $look (local.get $h)))"), wrong),
        ("its own, given to the host as a thing", format!("{own} (drop (call $take (local.get $h)))"), wrong),
        ("forged, lent to the host", "(drop (call $look (i32.const 77)))".to_owned(), unknown),
        ("given to the host twice", format!("{thing} (drop (call $take (local.get $h))) (drop (call $take (local.get $h)))"), unknown),
        ("lent after it was given", format!("{thing} (drop (call $take (local.get $h))) (drop (call $look (local.get $h)))"), unknown),
        ("lent after it was dropped", format!("{thing} (call $drop-thing (local.get $h)) (drop (call $look (local.get $h)))"), unknown),
    ];
    let mut variants: Vec<_> = tries
        .into_iter()
        .map(|(name, body, words)| Variant::granted::<Number>(name, handling(&body), SMALL, probe(), 0, Expected::trap(words)))
        .collect();
    for (name, signature, core, takes, gives, words) in [
        // What one component has is a mere number for the other.
        (
            "another component's, as a number",
            "(param \"x\" u32)",
            "(param i32)",
            "(call $drop (local.get 0))",
            "(call $f (local.get $h))",
            "",
        ),
        (
            "lent and kept past the call",
            "(param \"x\" (borrow $r))",
            "(param i32)",
            "",
            "(call $f (local.get $h))",
            "borrow handles still remain",
        ),
        (
            "lent and given away at once",
            "(param \"x\" (borrow $r)) (param \"y\" (own $r))",
            "(param i32 i32)",
            "(call $drop (local.get 0)) (call $drop (local.get 1))",
            "(call $f (local.get $h) (local.get $h))",
            "while borrowed",
        ),
        (
            "given away twice at once",
            "(param \"x\" (own $r)) (param \"y\" (own $r))",
            "(param i32 i32)",
            "(call $drop (local.get 0)) (call $drop (local.get 1))",
            "(call $f (local.get $h) (local.get $h))",
            unknown,
        ),
        (
            "lent, and dropped as if it were given",
            "(param \"x\" (borrow $r))",
            "(param i32)",
            "(call $drop (local.get 0)) (call $drop (local.get 0))",
            "(call $f (local.get $h))",
            unknown,
        ),
    ] {
        let guest = Guest::whole(lending(signature, core, takes, gives));
        variants.push(Variant::call::<Number>(name, guest, SMALL, 0, Expected::trap(words)));
    }
    variants
}

/// Three sibling components: one defines a resource, the second makes one and hands it to the third's `f`.
fn lending(signature: &str, core: &str, takes: &str, gives: &str) -> String {
    format!(
        r#"(component
  (component $owner
    (type $r' (resource (rep i32)))
    (core func $new (canon resource.new $r'))
    (core module $m (import "" "new" (func $new (param i32) (result i32))) (func (export "make") (result i32) (call $new (i32.const 5))))
    (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
    (export $r "r" (type $r'))
    (func (export "make") (result (own $r)) (canon lift (core func $i "make"))))
  (component $taker
    (import "r" (type $r (sub resource)))
    (core func $drop (canon resource.drop $r))
    (core module $m (import "" "drop" (func $drop (param i32))) (func (export "f") {core} {takes}))
    (core instance $i (instantiate $m (with "" (instance (export "drop" (func $drop))))))
    (func (export "f") {signature} (canon lift (core func $i "f"))))
  (component $giver
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (result (own $r))))
    (import "f" (func $f {signature}))
    (core func $make' (canon lower (func $make)))
    (core func $f' (canon lower (func $f)))
    (core module $m
      (import "" "make" (func $make (result i32))) (import "" "f" (func $f {core}))
      (func (export "run") (param i32) (result i32) (local $h i32) (local.set $h (call $make)) {gives} i32.const 0))
    (core instance $i (instantiate $m (with "" (instance (export "make" (func $make')) (export "f" (func $f'))))))
    (func (export "run") (param "input" u32) (result u32) (canon lift (core func $i "run"))))
  (instance $owner (instantiate $owner))
  (alias export $owner "r" (type $r))
  (instance $taker (instantiate $taker (with "r" (type $r))))
  (instance $giver (instantiate $giver (with "r" (type $r)) (with "make" (func $owner "make")) (with "f" (func $taker "f"))))
  (instance $point (export "run" (func $giver "run")))
  (export "attack:point/number@0.1.0" (instance $point)))"#
    )
}

fn leaks() -> Vec<Variant> {
    let for_ever = |deed: &str| handling(&format!("(loop $again {deed} (br $again))"));
    let poll = r#"
        (import "host" "subscribe-duration" (func $subscribe (param i64) (result i32)))
        (func (export "run") (param i32) (result i32) (loop $again (drop (call $subscribe (i64.const -1))) (br $again)) i32.const 0)"#;
    let poll = Guest::new(poll).import(POLL).host("subscribe-duration", "$clock");
    let limit = || Expected::trap("handle limit exceeded");
    vec![
        Variant::granted::<Number>("its own", for_ever("(drop (call $new (i32.const 1)))"), SMALL, probe(), 0, limit()),
        Variant::granted::<Number>("the host's", for_ever("(drop (call $make))"), SMALL, probe(), 0, limit()),
        Variant::call::<Number>("of WASI, which the host keeps", poll, SMALL, 0, Expected::trap("resource table")),
        Variant::call::<Counting>("a destructor traps, by the guest", counter("unreachable"), SMALL, 1, Expected::trap("unreachable")),
        dropped_by_the_host("a destructor traps, by the host", "unreachable", Expected::trap("unreachable"), SMALL),
        dropped_by_the_host(
            "a destructor recurses, by the host",
            "(loop $again (call $deep) (br $again)) ) (func $deep (call $deep)",
            Expected::Fault("stack", "stack"),
            SMALL,
        ),
    ]
}

/// Calls `write` with so many bytes, so many times.
fn writes(bytes: u32, times: u32) -> Guest {
    let code = format!(
        r#"(import "heap" "memory" (memory 1)) (import "host" "write" (func $write (param i32 i32 i32)))
        (func (export "run") (param i32) (result i32) (local $n i32)
          (drop (memory.grow (i32.const 60)))
          (memory.fill (i32.const 0) (i32.const 97) (i32.const 3900000))
          (loop $again
            (call $write (i32.const 2) (i32.const 0) (i32.const {bytes}))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))
          local.get $n)"#
    );
    Guest::new(&code).import(LOG).host("write", "$log")
}

fn floods() -> Vec<Variant> {
    let hear = |bytes: u32| {
        let code = format!(
            r#"(import "heap" "memory" (memory 1)) (import "host" "hear" (func $hear (param i32 i32) (result i32)))
            (func (export "run") (param i32) (result i32) (drop (memory.grow (i32.const 60))) (call $hear (i32.const 0) (i32.const {bytes})))"#
        );
        Guest::new(&code).import(PROBE).host("hear", "$probe")
    };
    let answer = r#"(import "heap" "memory" (memory 1))
        (func (export "run") (param i32 i32) (result i32) (drop (memory.grow (i32.const 60)))
          (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 1048577)) i32.const 128)"#;
    let answer = Guest::new(answer).point("bytes", "(param \"input\" (list u8)) (result (list u8))", "", "");
    let data = || Expected::Fault("data", "1048576 bytes");
    vec![
        Variant::granted::<Number>("at the limit", hear(1 << 20), SMALL, probe(), 0, Expected::answer(1 << 20)),
        Variant::granted::<Number>("one byte past it", hear((1 << 20) + 1), SMALL, probe(), 0, data()),
        Variant::call::<Bytes>("one byte past it, as an answer", answer, SMALL, vec![], data()),
        Variant::call::<Number>("3.9 MB to the log", writes(3_900_000, 1), SMALL, 0, data()),
        Variant::call::<Number>("100 MB that are not there", writes(100_000_000, 1), SMALL, 0, Expected::trap("out of bounds")),
        Variant::new("100 MB to the log, 100 KB at a time", |arena| {
            Box::pin(async move {
                let said = |error: plugwork::Error| format!("{error:?}");
                let plugin = arena.accept(&writes(100_000, 1_000), SMALL, Grants::none()).await.map_err(said)?;
                let calls = plugin.call::<Number>(&0).await.map_err(said)?;
                let records: Vec<_> = arena.log.said().into_iter().filter(|said| said.subject == *plugin.subject()).collect();
                let kept: usize = records.iter().map(|said| said.message.len()).sum();
                // Four seconds of its rate may come at once, and what comes in while it writes.
                let most = usize::try_from(SMALL.log_bytes_per_second * 6).unwrap();
                let longest = records.iter().map(|said| said.message.len()).max().unwrap_or_default();
                if calls != 1_000 || kept > most || longest > LOG_RECORD_BYTES_MAX + 64 {
                    return Err(format!("{calls} calls, {kept} bytes kept, the longest record {longest}"));
                }
                if !records.last().is_some_and(|said| said.message.contains("dropped")) {
                    return Err(format!("nothing says that records were dropped: {:?}", records.last()));
                }
                Ok(Contained::harmless("cut and dropped, counted"))
            })
        }),
    ]
}

fn reentrance() -> Vec<Variant> {
    let back = r#"(import "host" "again" (func $again (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (call $again (local.get 0)))"#;
    let back = Guest::new(back).import(PROBE).host("again", "$probe");
    let own = r#"(import "host" "itself" (func $itself (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (call $itself (local.get 0)))"#;
    // A component that lowers what it lifted itself, from a module that was there before.
    let own = Guest::new(own)
        .import(
            r#"(core module $echo (func (export "echo") (param i32) (result i32) local.get 0))
            (core instance $echo (instantiate $echo))
            (func $itself (param "input" u32) (result u32) (canon lift (core func $echo "echo")))"#,
        )
        .canon("itself", "(canon lower (func $itself))");
    let post = r#"(import "heap" "memory" (memory 1)) (import "host" "next" (func $next (result i32)))
        (func (export "post") (param i32) (drop (call $next)))
        (func (export "run") (param i32 i32) (result i32) (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 0)) i32.const 128)"#;
    let post = Guest::new(post).import(PROBE).host("next", "$probe").point(
        "bytes",
        "(param \"input\" (list u8)) (result (list u8))",
        "",
        "(post-return (func $code \"post\"))",
    );
    vec![
        Variant::new("the host calls it back", move |arena| {
            let back = back.clone();
            Box::pin(async move {
                let said = |error: plugwork::Error| format!("{error:?}");
                let plugin = arena.accept(&back, SMALL, probe()).await.map_err(said)?;
                let mut session = plugin.session::<Again>().await.map_err(said)?;
                let error = session.call_input(&1).await.err().ok_or("an answer")?;
                if !session.has_ended() {
                    return Err("the session goes on".to_owned());
                }
                ended_by_reentrance(arena.profile(), &plugin, &error)
            })
        }),
        Variant::call::<Number>("it calls its own export", own, SMALL, 0, Expected::trap("cannot enter component instance")),
        Variant::granted::<Bytes>(
            "post-return calls the host",
            post,
            SMALL,
            probe(),
            vec![],
            Expected::trap("cannot leave component instance"),
        ),
    ]
}

/// How a guest ends that a host function called back into itself, again and again.
///
/// The full profile keeps track of who runs and refuses the first entry. The hardened one does not: each entry is a stack of its own, and the
/// plugin ends when no more can be had.
pub(super) fn ended_by_reentrance(profile: Profile, plugin: &plugwork::Plugin, error: &plugwork::Error) -> crate::row::Ended {
    match (profile, error.fault().map(|fault| (fault.code(), fault.to_string()))) {
        (Profile::Full, Some(("trap", text))) if text.contains("cannot enter component instance") => faulted(plugin, error),
        (Profile::Hardened, Some(("stack", _))) => faulted(plugin, error),
        (profile, _) => Err(format!("{profile:?}: {error:?}")),
    }
}

fn after() -> Vec<Variant> {
    vec![Variant::new("the instance refuses, a new one answers", |arena| {
        Box::pin(async move {
            let said = |error: plugwork::Error| format!("{error:?}");
            let code = r#"(func (export "run") (param i32) (result i32) (if (local.get 0) (then unreachable)) i32.const 5)"#;
            let plugin = arena.accept(&Guest::new(code), SMALL, Grants::none()).await.map_err(said)?;
            let mut session = plugin.session::<Number>().await.map_err(said)?;
            let trapped = session.call_input(&1).await.err().ok_or("no trap")?;
            for input in [0, 1, 0] {
                let error = session.call_input(&input).await.err().ok_or("the broken instance answered")?;
                if error.kind() != ErrorKind::Invalid || !error.to_string().contains("the session has ended") {
                    return Err(format!("{error:?}"));
                }
            }
            match plugin.call::<Number>(&0).await.map_err(said)? {
                5 => faulted(&plugin, &trapped),
                other => Err(format!("another instance answers {other}")),
            }
        })
    })]
}
