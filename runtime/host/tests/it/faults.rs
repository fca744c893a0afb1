//! Every way in which a guest call ends without an answer has a name, and the name is the right one.

use plugwork::{ErrorKind, Fault, Limits};
use serde_json::json;

use crate::guest::{CALLS, ECHO, Guest, LIFECYCLE_CODE};
use crate::world::{self, Number, fault, grant, plugin, plugin_with};

/// Long enough for a busy machine to start an instance, short enough to wait for.
const SHORT: Limits = Limits { deadline_ms: 250, ..Limits::interactive() };

const LOOP: &str = r#"(func (export "run") (param i32) (result i32) (loop $again (br $again)) i32.const 0)"#;

/// A guest that calls one of the test capability's functions.
fn calling(function: &str) -> Guest {
    Guest::new(&format!(r#"(import "host" "{function}" (func $it)) (func (export "run") (param i32) (result i32) call $it i32.const 0)"#))
        .import(CALLS)
        .host(function, "$calls")
}

async fn granted(guest: &Guest, limits: Limits) -> plugwork::Plugin {
    let offer = world::runtime().await.offer(&guest.source()).await.unwrap().limits(limits);
    offer.accept_only(grant("calls", json!({}))).await.unwrap()
}

#[tokio::test]
async fn a_trap_names_the_functions_it_happened_in() {
    let code = r#"(func $deep unreachable) (func $middle call $deep)
        (func (export "run") (param i32) (result i32) call $middle i32.const 0)"#;
    let error = plugin(&Guest::new(code).source()).await.call::<Number>(&0).await.unwrap_err();
    let Some(Fault::Trap { message, backtrace }) = error.fault() else { panic!("{error:?}") };
    assert!(message.contains("unreachable"), "{message}");
    assert!(backtrace[0].starts_with("deep") && backtrace[1].starts_with("middle"), "{backtrace:?}");
    assert!(error.to_string().starts_with("plugin `local:plugin-"), "{error}");
}

#[tokio::test]
async fn an_access_out_of_bounds_is_a_trap() {
    let code = r#"(import "heap" "memory" (memory 1)) (func (export "run") (param i32) (result i32) (i32.load (local.get 0)))"#;
    let ended = fault(plugin(&Guest::new(code).source()).await.call::<Number>(&0xffff_fff0).await);
    assert!(matches!(&ended, Fault::Trap { message, .. } if message.contains("out of bounds")), "{ended:?}");
}

/// Says `last words` from address 0, then traps where the input is not 0.
const LAST_WORDS: &str = r#"
    (import "heap" "memory" (memory 1))
    (import "host" "last-words" (func $last (param i32 i32 i32 i32)))
    (data (i32.const 0) "it brokeat line 7")
    (func (export "run") (param i32) (result i32)
      (if (i32.ne (local.get 0) (i32.const 2)) (then (call $last (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 9))))
      (if (local.get 0) (then unreachable))
      i32.const 0)"#;

#[tokio::test]
async fn a_trap_after_last_words_is_a_panic_with_its_message() {
    let plugin = plugin(&Guest::new(LAST_WORDS).with_log().source()).await;
    let panicked = Fault::Panic { message: "it broke".to_owned(), stack: "at line 7".to_owned() };
    assert_eq!(fault(plugin.call::<Number>(&1).await), panicked);
}

#[tokio::test]
async fn last_words_of_an_earlier_call_do_not_explain_a_later_trap() {
    let plugin = plugin(&Guest::new(LAST_WORDS).with_log().source()).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    session.call_input(&0).await.unwrap();
    assert!(matches!(fault(session.call_input(&2).await), Fault::Trap { .. }));
}

/// It was stopped by its deadline, and not long after it.
#[track_caller]
fn ran_for(limit: u64, fault: &Fault) {
    let Fault::Deadline { limit_ms, ran_ms } = fault else { panic!("{fault:?}") };
    assert!(*limit_ms == limit && *ran_ms >= limit, "{fault:?}");
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_deadline() {
    let plugin = plugin_with(&Guest::new(LOOP).source(), SHORT).await;
    ran_for(SHORT.deadline_ms, &fault(plugin.call::<Number>(&0).await));
}

#[tokio::test]
async fn an_endless_start_function_ends_at_its_deadline() {
    let code = format!("{ECHO} (func $start (loop $again (br $again))) (start $start)");
    let runtime = world::runtime().await;
    let plugin = runtime.offer(&Guest::new(&code).source()).await.unwrap().limits(SHORT).accept().await.unwrap();
    ran_for(SHORT.deadline_ms, &fault(plugin.call::<Number>(&0).await));
    ran_for(SHORT.deadline_ms, &fault(plugin.enable().await.map(drop)));
}

#[tokio::test]
async fn an_endless_init_ends_at_its_deadline() {
    let init = r#"(func (export "init") (param i32 i32) (result i32) (loop $again (br $again)) i32.const 16)"#;
    let guest = Guest::new(&format!("{LIFECYCLE_CODE}{init}{ECHO}")).with_lifecycle();
    let plugin = plugin_with(&guest.source(), SHORT).await;
    ran_for(SHORT.deadline_ms, &fault(plugin.session::<Number>().await));
}

#[tokio::test]
async fn a_host_function_that_never_answers_ends_at_the_deadline() {
    let plugin = granted(&calling("block"), SHORT).await;
    ran_for(SHORT.deadline_ms, &fault(plugin.call::<Number>(&0).await));
}

#[tokio::test]
async fn a_busy_guest_leaves_its_thread_to_others() {
    // One thread for both: the neighbour only gets to run if the loop gives way.
    let busy = plugin_with(&Guest::new(LOOP).source(), Limits { deadline_ms: 1_000, ..SHORT }).await;
    let neighbour = plugin(&Guest::new(ECHO).source()).await;
    let input = 7;
    let answer = tokio::select! {
        biased;
        _ = busy.call::<Number>(&0) => panic!("the neighbour was starved"),
        answer = neighbour.call::<Number>(&input) => answer,
    };
    assert_eq!(answer.unwrap(), 7);
}

#[tokio::test]
async fn recursion_without_end_uses_up_the_stack() {
    let code = r#"(func $again (export "run") (param i32) (result i32) (i32.add (call $again (local.get 0)) (i32.const 1)))"#;
    assert_eq!(fault(plugin(&Guest::new(code).source()).await.call::<Number>(&0).await), Fault::Stack);
}

#[tokio::test]
async fn a_host_function_that_panics_harms_one_instance_only() {
    let guest = calling("panic");
    let plugin = granted(&guest, SHORT).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    assert_eq!(fault(session.call_input(&0).await), Fault::HostPanic { message: "the host function broke".to_owned() });
    assert!(session.has_ended());
    // The same plugin, and the same thread, go on.
    assert_eq!(fault(plugin.call::<Number>(&0).await), Fault::HostPanic { message: "the host function broke".to_owned() });
}

#[tokio::test]
async fn a_guest_that_exits_is_told_apart_from_one_that_traps() {
    let code = r#"(import "host" "exit" (func $exit (param i32)))
        (func (export "run") (param i32) (result i32) (call $exit (local.get 0)) i32.const 0)"#;
    let exit = r#"(import "wasi:cli/exit@0.2.6" (instance $cli (export "exit" (func (param "status" (result))))))"#;
    let plugin = plugin(&Guest::new(code).import(exit).host("exit", "$cli").source()).await;
    assert_eq!(fault(plugin.call::<Number>(&0).await), Fault::Exit { code: 0 });
    assert_eq!(fault(plugin.call::<Number>(&1).await), Fault::Exit { code: 1 });
}

#[tokio::test]
async fn after_a_fault_the_session_says_that_it_has_ended_and_why() {
    let code = r#"(func (export "run") (param i32) (result i32) (if (local.get 0) (then unreachable)) i32.const 5)"#;
    let plugin = plugin(&Guest::new(code).source()).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&0).await.unwrap(), 5);
    assert!(session.call_input(&1).await.is_err());
    let error = session.call_input(&0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("the session has ended") && error.to_string().contains("unreachable"), "{error}");
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 5, "another instance of the plugin works");
}

#[tokio::test]
async fn a_call_that_its_caller_dropped_ends_the_session_as_cancelled() {
    let plugin = granted(&calling("block"), Limits::interactive()).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    {
        let call = std::pin::pin!(session.call_input(&0));
        assert!(futures::poll!(call).is_pending());
    }
    assert!(session.has_ended());
    let error = session.call_input(&0).await.unwrap_err();
    assert!(error.to_string().contains("was cancelled"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_keep_answering_while_others_fault() {
    let runtime = world::builder().limits(SHORT).open().await.unwrap();
    let good = runtime.offer(&Guest::new(ECHO).source()).await.unwrap().accept().await.unwrap();
    let mut bad = Vec::new();
    for code in [LOOP, r#"(func (export "run") (param i32) (result i32) unreachable)"#] {
        let plugin = runtime.offer(&Guest::new(code).source()).await.unwrap().accept().await.unwrap();
        bad.push(tokio::spawn(async move {
            for _ in 0..3 {
                plugin.call::<Number>(&0).await.unwrap_err();
            }
        }));
    }
    let mut session = good.session::<Number>().await.unwrap();
    let mut answered = 0;
    while answered < 100 || bad.iter().any(|task| !task.is_finished()) {
        assert_eq!(session.call_input(&answered).await.unwrap(), answered);
        answered += 1;
        tokio::task::yield_now().await;
    }
    for task in bad {
        task.await.unwrap();
    }
}
