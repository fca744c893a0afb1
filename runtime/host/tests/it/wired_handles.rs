//! Resources of one plugin in the hands of another: they work, they end with their owner, and they go nowhere else.

use plugwork::core::record::Settings;
use plugwork::{Fault, Grants};

use crate::guest::Guest;
use crate::wiring::{accepted, wired};
use crate::world::{self, Number, fault};

const CALL: &str = "[permissions.call]\ninterfaces = [\"acme:bank/accounts\", \"acme:shop/till\"]\n";

/// Has accounts: `open` gives one that holds so much, `take` takes one from it, `close` is given it back. Traps at `take` of an account that holds nothing.
fn bank() -> Guest {
    Guest::new(
        r#"(import "host" "new" (func $new (param i32) (result i32))) (import "host" "rep" (func $rep (param i32) (result i32)))
        (func (export "open") (param i32) (result i32) (call $new (local.get 0)))
        (func (export "take") (param i32) (result i32) (if (i32.eqz (local.get 0)) (then unreachable)) (i32.sub (local.get 0) (i32.const 1)))
        (func (export "close") (param i32) (result i32) (call $rep (local.get 0)))"#,
    )
    .import("(type $account (resource (rep i32))) (core func $new (canon resource.new $account)) (core func $rep (canon resource.rep $account))")
    .hosting(r#"(export "new" (func $new)) (export "rep" (func $rep))"#)
    .named("acme:bank", "")
    .exporting(
        r#"(func $open (param "holds" u32) (result (own $account)) (canon lift (core func $code "open")))
        (func $take (param "self" (borrow $account)) (result u32) (canon lift (core func $code "take")))
        (func $close (param "it" (own $account)) (result u32) (canon lift (core func $code "close")))
        (component $shim
          (import "account" (type $a (sub resource)))
          (import "open" (func $open (param "holds" u32) (result (own $a))))
          (import "take" (func $take (param "self" (borrow $a)) (result u32)))
          (import "close" (func $close (param "it" (own $a)) (result u32)))
          (export $e "account" (type $a))
          (export "open" (func $open) (func (param "holds" u32) (result (own $e))))
          (export "[method]account.take" (func $take) (func (param "self" (borrow $e)) (result u32)))
          (export "close" (func $close) (func (param "it" (own $e)) (result u32))))
        (instance $accounts (instantiate $shim (with "account" (type $account)) (with "open" (func $open)) (with "take" (func $take)) (with "close" (func $close))))
        (export "acme:bank/accounts@1.0.0" (instance $accounts))"#,
    )
}

const ACCOUNTS: &str = r#"(import "acme:bank/accounts@1.0.0" (instance $bank
    (export "account" (type $account (sub resource)))
    (export "open" (func (param "holds" u32) (result (own $account))))
    (export "[method]account.take" (func (param "self" (borrow $account)) (result u32)))
    (export "close" (func (param "it" (own $account)) (result u32)))))
  (alias export $bank "account" (type $account))"#;

const FUNCTIONS: &str = r#"(import "host" "open" (func $open (param i32) (result i32)))
    (import "host" "[method]account.take" (func $take (param i32) (result i32)))
    (import "host" "close" (func $close (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))"#;

fn customer(code: &str) -> Guest {
    Guest::new(&format!("{FUNCTIONS} {code}"))
        .import(ACCOUNTS)
        .import("(core func $drop (canon resource.drop $account))")
        .host("open", "$bank")
        .host("[method]account.take", "$bank")
        .host("close", "$bank")
        .hosting(r#"(export "drop" (func $drop))"#)
        .named("test:customer", CALL)
}

#[tokio::test]
async fn a_resource_of_another_plugin_is_used_and_given_back() {
    let runtime = world::runtime().await;
    let bank = accepted(&runtime, &bank()).await;
    let code = r#"(func (export "run") (param i32) (result i32) (local $one i32) (local $two i32)
        (local.set $one (call $open (local.get 0))) (local.set $two (call $open (i32.const 50)))
        (call $drop (local.get $two))
        (i32.add (i32.mul (call $take (local.get $one)) (i32.const 1000)) (call $close (local.get $one))))"#;
    let customer = wired(&runtime, &customer(code), &bank).await.unwrap();
    let mut session = customer.session::<Number>().await.unwrap();
    for holds in [3_u32, 9, 27] {
        assert_eq!(session.call_input(&holds).await.unwrap(), (holds - 1) * 1000 + holds);
    }
}

#[tokio::test]
async fn a_handle_that_was_given_back_is_no_more() {
    let runtime = world::runtime().await;
    let bank = accepted(&runtime, &bank()).await;
    let code = r#"(func (export "run") (param i32) (result i32) (local $one i32)
        (local.set $one (call $open (local.get 0))) (drop (call $close (local.get $one))) (call $take (local.get $one)))"#;
    let customer = wired(&runtime, &customer(code), &bank).await.unwrap();
    assert!(matches!(fault(customer.call::<Number>(&3).await), Fault::Trap { .. }));
}

#[tokio::test]
async fn a_handle_of_a_version_that_is_gone_is_no_more() {
    let runtime = world::runtime().await;
    let bank = runtime.offer(&bank().source()).await.unwrap();
    let bank = runtime.install(bank, Grants::none(), Settings::default()).await.unwrap();
    bank.enable("ada").await.unwrap();
    // Keeps the account that it is given first.
    let code = r#"(global $kept (mut i32) (i32.const 0)) (func (export "run") (param i32) (result i32)
        (if (local.get 0) (then (global.set $kept (call $open (local.get 0))))) (call $take (global.get $kept)))"#;
    let customer = runtime.offer(&customer(code).source()).await.unwrap().accept().await.unwrap();
    let mut session = customer.session::<Number>().await.unwrap();
    assert_eq!((session.call_input(&3).await.unwrap(), session.call_input(&0).await.unwrap()), (2, 2));
    bank.disable("ada", "").await.unwrap();
    bank.enable("ada").await.unwrap();
    let told = fault(session.call_input(&0).await).to_string();
    assert!(told.contains("has been started anew since it gave it"), "{told}");
}

#[tokio::test]
async fn more_handles_than_a_plugin_may_hold_are_not_given() {
    let runtime = world::runtime().await;
    let bank = accepted(&runtime, &bank()).await;
    let code = r#"(func (export "run") (param i32) (result i32) (loop $again (drop (call $open (i32.const 1))) (br $again)) i32.const 0)"#;
    let customer = wired(&runtime, &customer(code), &bank).await.unwrap();
    assert!(matches!(fault(customer.call::<Number>(&3).await), Fault::Trap { .. } | Fault::Callee { .. }));
}

#[tokio::test]
async fn a_handle_of_one_plugin_is_never_handed_to_another() {
    let runtime = world::runtime().await;
    let bank = accepted(&runtime, &bank()).await;
    // A shop that is paid with an account of the bank.
    let code = r#"(import "host" "[method]account.take" (func $take (param i32) (result i32)))
        (func (export "pay") (param i32) (result i32) (call $take (local.get 0)))"#;
    let shop = Guest::new(code).import(ACCOUNTS).host("[method]account.take", "$bank").named("acme:shop", CALL).exporting(
        r#"(func $pay (param "with" (borrow $account)) (result u32) (canon lift (core func $code "pay")))
            (component $shim
              (import "account" (type $a (sub resource)))
              (import "pay" (func $pay (param "with" (borrow $a)) (result u32)))
              (export $e "account" (type $a))
              (export "pay" (func $pay) (func (param "with" (borrow $e)) (result u32))))
            (instance $till (instantiate $shim (with "account" (type $account)) (with "pay" (func $pay))))
            (export "acme:shop/till@1.0.0" (instance $till))"#,
    );
    let shop = wired(&runtime, &shop, &bank).await.unwrap();
    let pays = customer(r#"(import "host" "pay" (func $pay (param i32) (result i32))) (func (export "run") (param i32) (result i32) (call $pay (call $open (i32.const 3))))"#)
        .import(
            r#"(import "acme:shop/till@1.0.0" (instance $till
              (alias outer 1 $account (type $its)) (export "account" (type $theirs (eq $its)))
              (export "pay" (func (param "with" (borrow $theirs)) (result u32)))))"#,
        )
        .host("pay", "$till");
    let offer = runtime.offer(&pays.source()).await.unwrap().wire(&bank).wire(&shop);
    let refused = offer.accept().await.unwrap_err();
    assert!(refused.to_string().contains("a handle of one plugin is never handed to another"), "{refused}");
}
