//! The canary: a guest writes a secret into every memory, table and global that it can get; whoever has the slot next finds nothing of it.
//!
//! With each way to allocate and to reuse that is offered. May be misread: within one instance the secret has to be found, or looking would prove
//! nothing; that is the control.

use plugwork::{Allocation, Grants, Limits, PageScan, Plugin, Profile, Runtime, Session, Source};
use serde_json::json;

use crate::guest::Guest;
use crate::world::{Number, grant};

/// Past what a pool clears in place (a megabyte), in pages.
const OWN_PAGES: u32 = 40;
const HEAP_PAGES: u32 = 24;
const ENTRIES: u32 = 500;

/// `run` with 0 writes, with 1 counts what is not zero: words of both memories, entries of both tables, globals. It looks at what there is before
/// it grows anything, and again after. `salt` makes another component of it.
fn spy(salt: u32) -> Guest {
    let code = format!(
        r#"(import "heap" "memory" (memory $heap 1))
        (memory $own 2)
        (table $one 8 funcref)
        (table $two 3 funcref)
        (global $secret (mut i64) (i64.const 0))
        (elem declare func $run)
        (func (export "salt") (result i32) i32.const {salt})
        (func $grow
          (if (i32.lt_u (memory.size $own) (i32.const {OWN_PAGES}))
            (then (if (i32.eq (memory.grow $own (i32.sub (i32.const {OWN_PAGES}) (memory.size $own))) (i32.const -1)) (then unreachable))))
          (if (i32.lt_u (memory.size $heap) (i32.const {HEAP_PAGES}))
            (then (if (i32.eq (memory.grow $heap (i32.sub (i32.const {HEAP_PAGES}) (memory.size $heap))) (i32.const -1)) (then unreachable))))
          (if (i32.lt_u (table.size $one) (i32.const {ENTRIES}))
            (then (if (i32.eq (table.grow $one (ref.null func) (i32.sub (i32.const {ENTRIES}) (table.size $one))) (i32.const -1)) (then unreachable))))
          (if (i32.lt_u (table.size $two) (i32.const {ENTRIES}))
            (then (if (i32.eq (table.grow $two (ref.null func) (i32.sub (i32.const {ENTRIES}) (table.size $two))) (i32.const -1)) (then unreachable)))))
        (func $write
          (call $grow)
          (memory.fill $own (i32.const 0) (i32.const 0xA5) (i32.mul (memory.size $own) (i32.const 65536)))
          (memory.fill $heap (i32.const 0) (i32.const 0xA5) (i32.mul (memory.size $heap) (i32.const 65536)))
          (table.fill $one (i32.const 0) (ref.func $run) (table.size $one))
          (table.fill $two (i32.const 0) (ref.func $run) (table.size $two))
          (global.set $secret (i64.const 0x5ec2e7)))
        (func $count (result i32) (local $found i32) (local $at i32)
          (block $end (loop $next
            (br_if $end (i32.ge_u (local.get $at) (i32.mul (memory.size $own) (i32.const 65536))))
            (if (i64.ne (i64.load $own (local.get $at)) (i64.const 0)) (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br $next)))
          (local.set $at (i32.const 0))
          (block $end (loop $next
            (br_if $end (i32.ge_u (local.get $at) (i32.mul (memory.size $heap) (i32.const 65536))))
            (if (i64.ne (i64.load $heap (local.get $at)) (i64.const 0)) (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br $next)))
          (local.set $at (i32.const 0))
          (block $end (loop $next
            (br_if $end (i32.ge_u (local.get $at) (table.size $one)))
            (if (i32.eqz (ref.is_null (table.get $one (local.get $at)))) (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $next)))
          (local.set $at (i32.const 0))
          (block $end (loop $next
            (br_if $end (i32.ge_u (local.get $at) (table.size $two)))
            (if (i32.eqz (ref.is_null (table.get $two (local.get $at)))) (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $next)))
          (i32.add (local.get $found) (i64.ne (global.get $secret) (i64.const 0))))
        (func $run (export "run") (param i32) (result i32) (local $before i32)
          (if (i32.eqz (local.get 0)) (then (call $write) (return (i32.const 0))))
          (local.set $before (call $count))
          (call $grow)
          (i32.add (local.get $before) (call $count)))"#
    );
    Guest::new(&code)
}

const WRITE: u32 = 0;
const LOOK: u32 = 1;
/// Everything, counted twice: before and after growing what has grown already.
const EVERYTHING: u32 = 2 * ((OWN_PAGES + HEAP_PAGES) * 65_536 / 8 + 2 * ENTRIES + 1);

/// A way to run and to reset.
#[derive(Debug, Clone, Copy)]
struct Way {
    allocation: Allocation,
    /// Whether the kernel's page scan is wanted.
    scan: bool,
    /// Of the engine `full`, not `hardened`.
    full: bool,
    /// Of the engine that counts instructions.
    fuel: bool,
}

impl Way {
    fn of(allocation: Allocation) -> Self {
        Self { allocation, scan: true, full: false, fuel: false }
    }

    /// All that are offered beside the ordinary one.
    fn others(allocation: Allocation) -> impl Iterator<Item = Self> {
        let scans: &[bool] = if allocation == Allocation::OnDemand { &[true] } else { &[true, false] };
        let engines = [(false, false), (true, false), (false, true), (true, true)];
        scans.iter().flat_map(move |&scan| engines.map(move |(full, fuel)| Self { allocation, scan, full, fuel }))
    }

    async fn open(self) -> Runtime {
        let limits = Limits { deadline_ms: 60_000, fuel: self.fuel.then_some(1 << 40), ..Limits::interactive() };
        let runtime = Runtime::in_memory().allocation(self.allocation).page_scan(self.scan).limits(limits).open().await.unwrap();
        let expected: &[PageScan] = match (self.allocation, self.scan) {
            (Allocation::OnDemand, _) => &[PageScan::NoPool],
            (_, false) => &[PageScan::Off],
            // Which one is this machine's doing; that it is never used beside swap is tested where it is decided.
            (_, true) => &[PageScan::Used, PageScan::Swap, PageScan::Kernel],
        };
        assert!(expected.contains(&runtime.page_scan()), "{:?}", runtime.page_scan());
        runtime
    }

    fn grants(self, mut bounds: serde_json::Value) -> Grants {
        if self.full {
            bounds["profile"] = json!("full");
        }
        if bounds == json!({}) { Grants::none() } else { grant("engine", bounds) }
    }

    fn runs_as_asked(self, plugin: &Plugin) {
        let profile = if self.full { Profile::Full } else { Profile::Hardened };
        assert_eq!((plugin.profile(), plugin.limits().fuel.is_some()), (profile, self.fuel), "{self:?}");
    }
}

async fn accept(runtime: &Runtime, source: &Source, tenant: &str, grants: Grants) -> Plugin {
    runtime.offer(source).await.unwrap().tenant(tenant).accept_only(grants).await.unwrap()
}

async fn sessions(plugin: &Plugin, count: usize) -> Vec<Session<Number>> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(plugin.session::<Number>().await.unwrap());
    }
    sessions
}

/// Writes in every slot, one after the other and all at once, then looks in every slot as another tenant, with the same component and another.
async fn nothing_is_found(way: Way, slots: usize, rounds: u32) {
    let runtime = way.open().await;
    let grants = || way.grants(json!({}));
    let (same, other) = (spy(1).source(), spy(2).source());
    let writer = accept(&runtime, &same, "ada", grants()).await;
    way.runs_as_asked(&writer);
    let readers = [
        accept(&runtime, &same, "bob", grants()).await,
        accept(&runtime, &other, "bob", grants()).await,
        // Not another tenant, and no more entitled to what an earlier call left.
        writer.clone(),
    ];
    for round in 0..rounds {
        for reader in &readers {
            let mut writing = sessions(&writer, slots).await;
            for session in &mut writing {
                assert_eq!(session.call_input(&LOOK).await.unwrap(), 0, "{way:?}, round {round}: the writer began with something");
                session.call_input(&WRITE).await.unwrap();
                assert_eq!(session.call_input(&LOOK).await.unwrap(), EVERYTHING, "the control: what was written is found");
            }
            drop(writing);
            for session in &mut sessions(reader, slots).await {
                assert_eq!(session.call_input(&LOOK).await.unwrap(), 0, "{way:?}, round {round}: `{}` found it", reader.subject());
            }
        }
    }
}

#[tokio::test]
async fn a_pool_gives_no_slot_away_with_anything_in_it() {
    nothing_is_found(Way::of(Allocation::Pooling { instances: 1 }), 1, 3).await;
    nothing_is_found(Way::of(Allocation::Pooling { instances: 3 }), 3, 3).await;
}

#[tokio::test]
async fn nor_does_one_with_or_without_the_page_scan_of_whichever_engine() {
    for way in Way::others(Allocation::Pooling { instances: 2 }) {
        nothing_is_found(way, 2, 2).await;
    }
}

#[tokio::test]
async fn instances_on_demand_begin_with_nothing() {
    nothing_is_found(Way::of(Allocation::OnDemand), 2, 3).await;
    for way in Way::others(Allocation::OnDemand) {
        nothing_is_found(way, 2, 1).await;
    }
}

#[tokio::test]
async fn a_warm_instance_keeps_what_it_has_for_its_own_plugin_only() {
    for way in [Allocation::Pooling { instances: 2 }, Allocation::OnDemand].into_iter().flat_map(Way::others) {
        let runtime = way.open().await;
        let profile = if way.full { "full" } else { "hardened" };
        let asks = format!("[permissions.engine]\nreuse-calls = 1000\nprofile = \"{profile}\"\n");
        let source = Guest::manifest(spy(3), &asks).source();
        let reuse = || way.grants(json!({"reuse-calls": 1000}));
        let ada = accept(&runtime, &source, "ada", reuse()).await;
        let bob = accept(&runtime, &source, "bob", reuse()).await;
        let step = runtime.offer(&source).await.unwrap().tenant("ada").instance("step").accept_only(reuse()).await.unwrap();
        ada.call::<Number>(&WRITE).await.unwrap();
        assert_eq!(ada.call::<Number>(&LOOK).await.unwrap(), EVERYTHING, "the control: this is the instance that wrote");
        assert_eq!(bob.call::<Number>(&LOOK).await.unwrap(), 0, "{way:?}: another tenant has instances of its own");
        // Bob's warm instance and ada's fill the pool of two: this one takes the place of one of them.
        assert_eq!(step.call::<Number>(&LOOK).await.unwrap(), 0, "{way:?}: so has another instance of the same tenant");
        ada.call::<Number>(&WRITE).await.unwrap();
        drop(ada);
        drop(step);
        for session in &mut sessions(&bob, 1).await {
            assert_eq!(session.call_input(&LOOK).await.unwrap(), 0, "{way:?}: and finds nothing where that one was");
        }
    }
}

#[tokio::test]
async fn a_fault_leaves_nothing_either() {
    for way in [Allocation::Pooling { instances: 1 }, Allocation::OnDemand].into_iter().flat_map(Way::others) {
        let runtime = way.open().await;
        let ada = accept(&runtime, &spy(4).source(), "ada", way.grants(json!({}))).await;
        let trapping = Guest::new(
            r#"(memory $own 40) (func (export "run") (param i32) (result i32)
            (memory.fill $own (i32.const 0) (i32.const 0xA5) (i32.const 2621440)) unreachable)"#,
        );
        let eve = accept(&runtime, &trapping.source(), "eve", way.grants(json!({}))).await;
        for _ in 0..3 {
            assert_eq!(eve.call::<Number>(&0).await.unwrap_err().kind(), plugwork::ErrorKind::Fault);
            assert_eq!(ada.call::<Number>(&LOOK).await.unwrap(), 0, "{way:?}");
        }
    }
}
