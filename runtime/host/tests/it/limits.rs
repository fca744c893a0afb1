//! Every limit of an instance, at the limit and one past it.

use plugwork::core::limits::{Promised, RANDOM_BYTES_MAX};
use plugwork::{Fault, Limits};

use crate::guest::{ECHO, Guest};
use crate::world::{Bytes, Number, fault, plugin, plugin_with};

const PAGE_BYTES: u64 = 64 << 10;

const fn memory(bytes: u64) -> Limits {
    Limits { memory_bytes: bytes, ..Limits::interactive() }
}

/// Grows its own memory by as many pages as it is told, traps where that fails, and gives the size in pages.
const GROWS: &str = r#"
    (import "heap" "memory" (memory 1)) (memory $own 1)
    (func (export "run") (param i32) (result i32)
      (if (i32.eq (memory.grow $own (local.get 0)) (i32.const -1)) (then unreachable))
      (memory.size $own))"#;

#[tokio::test]
async fn memory_is_limited_over_all_memories() {
    // One page of the heap, one of its own, two to grow.
    let plugin = plugin_with(&Guest::new(GROWS).source(), memory(4 * PAGE_BYTES)).await;
    assert_eq!(plugin.call::<Number>(&2).await.unwrap(), 3);
    let refused = Fault::Memory { limit_bytes: 4 * PAGE_BYTES, asked_bytes: 5 * PAGE_BYTES };
    assert_eq!(fault(plugin.call::<Number>(&3).await), refused);
}

#[tokio::test]
async fn a_memory_that_starts_over_the_limit_is_a_memory_fault() {
    let source = Guest::new(&format!("{ECHO} (memory 4)")).source();
    assert_eq!(plugin_with(&source, memory(5 * PAGE_BYTES)).await.call::<Number>(&1).await.unwrap(), 1);
    let refused = Fault::Memory { limit_bytes: 5 * PAGE_BYTES - 1, asked_bytes: 5 * PAGE_BYTES };
    assert_eq!(fault(plugin_with(&source, memory(5 * PAGE_BYTES - 1)).await.call::<Number>(&1).await), refused);
}

#[tokio::test]
async fn tables_count_as_memory() {
    let code = r#"(table $t 0 funcref) (func (export "run") (param i32) (result i32)
        (if (i32.eq (table.grow $t (ref.null func) (local.get 0)) (i32.const -1)) (then unreachable)) (table.size $t))"#;
    let plugin = plugin_with(&Guest::new(code).source(), memory(2 * PAGE_BYTES)).await;
    assert_eq!(plugin.call::<Number>(&4096).await.unwrap(), 4096, "16 bytes an element fill a page");
    assert!(matches!(fault(plugin.call::<Number>(&4097).await), Fault::Memory { .. }));
}

#[tokio::test]
async fn growth_past_a_modules_own_maximum_is_not_charged() {
    let code = r#"(memory $own 1 2) (func (export "run") (param i32) (result i32)
        (drop (memory.grow $own (local.get 0))) (memory.size $own))"#;
    let plugin = plugin_with(&Guest::new(code).source(), memory(8 * PAGE_BYTES)).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    for _ in 0..20 {
        assert_eq!(session.call_input(&5).await.unwrap(), 1);
    }
    assert_eq!(session.spend().memory_bytes, 2 * PAGE_BYTES);
    assert_eq!(session.spend().memory_peak_bytes, 2 * PAGE_BYTES);
    assert_eq!(session.call_input(&1).await.unwrap(), 2);
}

#[tokio::test]
async fn spend_shows_what_was_used() {
    let plugin = plugin(&Guest::new(GROWS).source()).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    session.call_input(&3).await.unwrap();
    let spend = session.spend();
    assert_eq!((spend.memory_bytes, spend.memory_peak_bytes), (5 * PAGE_BYTES, 5 * PAGE_BYTES));
    assert!(!spend.time.is_zero());
}

/// Gives as many zero bytes as it is asked for.
fn making() -> Guest {
    let code = r#"
        (import "heap" "memory" (memory 1))
        (func (export "make") (param i32) (result i32)
          (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (local.get 0)) i32.const 0)"#;
    Guest::new(code).exporting(
        r#"(func $make (param "length" u32) (result (list u8)) (canon lift (core func $code "make") (memory $memory)))
        (instance $bytes (export "make" (func $make)))
        (export "test:point/bytes@0.1.0" (instance $bytes))"#,
    )
}

#[tokio::test]
async fn one_answer_may_carry_so_many_bytes_and_no_more() {
    let limits = Limits { call_data_bytes: 4096, ..Limits::interactive() };
    let plugin = plugin_with(&making().source(), limits).await;
    let mut session = plugin.session::<Bytes>().await.unwrap();
    for _ in 0..3 {
        assert_eq!(session.call_input(&4096).await.unwrap().len(), 4096, "each call has its own budget");
    }
    assert_eq!(fault(session.call_input(&4097).await), Fault::Data { limit_bytes: 4096 });
}

#[tokio::test]
async fn a_list_that_lies_about_its_length_is_a_trap() {
    let plugin = plugin(&making().source()).await;
    assert!(matches!(fault(plugin.call::<Bytes>(&(1 << 20)).await), Fault::Trap { .. }));
}

#[tokio::test]
async fn core_instances_memories_and_tables_are_counted() {
    let source = Guest::new(&format!("{ECHO} (memory 1) (table 1 funcref)")).source();
    // The heap's instance, the code's, and the one that hands the memory over is none of the engine's.
    let enough = Limits { core_instances: 2, memories: 2, tables: 1, ..Limits::interactive() };
    assert_eq!(plugin_with(&source, enough).await.call::<Number>(&1).await.unwrap(), 1);
    for too_few in [Limits { core_instances: 1, ..enough }, Limits { memories: 1, ..enough }, Limits { tables: 0, ..enough }] {
        let ended = fault(plugin_with(&source, too_few).await.call::<Number>(&1).await);
        assert!(matches!(&ended, Fault::Trap { message, .. } if message.contains("limit exceeded")), "{ended:?}");
    }
}

#[tokio::test]
async fn what_a_manifest_promises_tightens_the_hosts_limits() {
    let guest = Guest::new(ECHO).manifest("[limits]\nmemory-bytes = 65536\ndeadline-ms = 999999\n");
    let plugin = plugin(&guest.source()).await;
    let promised = Promised { deadline_ms: Some(999_999), memory_bytes: Some(65_536) };
    assert_eq!(*plugin.limits(), Limits::interactive().tightened_by(&promised));
    assert_eq!(plugin.limits().deadline_ms, Limits::interactive().deadline_ms);
}

#[tokio::test]
async fn one_call_gives_so_much_randomness_and_no_more() {
    let code = r#"
        (import "heap" "memory" (memory 1))
        (import "host" "get-random-bytes" (func $random (param i64 i32)))
        (func (export "run") (param i32) (result i32)
          (drop (memory.grow (i32.const 2)))
          (call $random (i64.extend_i32_u (local.get 0)) (i32.const 0)) (i32.load (i32.const 4)))"#;
    let import =
        r#"(import "wasi:random/random@0.2.6" (instance $random (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))"#;
    let plugin = plugin(&Guest::new(code).import(import).host("get-random-bytes", "$random").source()).await;
    let most = u32::try_from(RANDOM_BYTES_MAX).unwrap();
    assert_eq!(plugin.call::<Number>(&most).await.unwrap(), most);
    assert!(matches!(fault(plugin.call::<Number>(&(most + 1)).await), Fault::Trap { .. }));
}
