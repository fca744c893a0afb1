//! Stores of values and secrets as an attacker uses them: filling a store, reading another's, getting at a secret that may only be sent.
//!
//! Not here: rows of their own; these variants belong to E8 and H7. Easily got wrong: `wasi:keyvalue` has few words for errors, so what a guest is
//! told is only that it was refused; the quota is checked at the store.

use plugwork_core::Grants;
use serde_json::{Value, json};

use super::answered::{answered, answers};
use super::fetching::REFUSAL;
use super::secrets::{CANARY, is_silent};
use crate::guest::Guest;
use crate::row::{Contained, SMALL, Variant};
use crate::world::Text;

const STORE: &str = r#"
  (import "wasi:keyvalue/store@0.2.0-draft" (instance $store
    (export "bucket" (type $bucket' (sub resource)))
    (type $e (variant (case "no-such-store") (case "access-denied") (case "other" string))) (export "error" (type $error (eq $e)))
    (export "open" (func (param "identifier" string) (result (result (own $bucket') (error $error)))))
    (export "[method]bucket.set" (func (param "self" (borrow $bucket')) (param "key" string) (param "value" (list u8)) (result (result (error $error)))))
    (export "[method]bucket.get" (func (param "self" (borrow $bucket')) (param "key" string) (result (result (option (list u8)) (error $error)))))))
"#;

/// A guest that opens `cache` once and does `deed` with the key at `$p`, `$n`; it answers the pair at 128.
fn keeping(deed: &str) -> Guest {
    let code = format!(
        r#"(import "heap" "memory" (memory 1))
        (import "host" "open" (func $open (param i32 i32 i32)))
        (import "host" "[method]bucket.set" (func $set (param i32 i32 i32 i32 i32 i32)))
        (import "host" "[method]bucket.get" (func $get (param i32 i32 i32 i32)))
        (data (i32.const 0) "cache") (data (i32.const 8) "yes") (data (i32.const 16) "no") (data (i32.const 24) "none")
        (global $bucket (mut i32) (i32.const 0))
        (func (export "run") (param $p i32) (param $n i32) (result i32)
          (i32.store (i32.const 128) (i32.const 16)) (i32.store (i32.const 132) (i32.const 2))
          (if (i32.eqz (global.get $bucket)) (then
            (call $open (i32.const 0) (i32.const 5) (i32.const 64))
            (if (i32.load8_u (i32.const 64)) (then (return (i32.const 128))))
            (global.set $bucket (i32.load (i32.const 68)))))
          {deed}
          i32.const 128)"#
    );
    Guest::new(&code)
        .import(STORE)
        .host("open", "$store")
        .host("[method]bucket.set", "$store")
        .host("[method]bucket.get", "$store")
        .point("text", "(param \"input\" string) (result string)", "", "")
        .realloc("", "(if (i32.lt_u (memory.size) (i32.const 8)) (then (drop (memory.grow (i32.const 8))))) i32.const 65536")
}

fn setting(bytes: u32) -> Guest {
    keeping(&format!(
        "(call $set (global.get $bucket) (local.get $p) (local.get $n) (i32.const 0) (i32.const {bytes}) (i32.const 64))
         (if (i32.eqz (i32.load8_u (i32.const 64))) (then (i32.store (i32.const 128) (i32.const 8)) (i32.store (i32.const 132) (i32.const 3))))"
    ))
}

fn bounds(capability: &str, bounds: Value) -> Grants {
    Grants::none().with(capability, bounds.as_object().unwrap().clone())
}

/// E8: more than a store may hold.
pub(super) fn filling() -> Vec<Variant> {
    const QUOTA_BYTES: u64 = 200_000;
    const QUOTA_KEYS: u64 = 30;
    [("values in a store", 60_000), ("keys in a store", 1)]
        .into_iter()
        .map(|(name, bytes)| {
            let guest = setting(bytes);
            Variant::new(name, move |arena| {
                let guest = guest.clone();
                Box::pin(async move {
                    let said = |error: plugwork::Error| format!("{error:?}");
                    let grant = json!({"stores": ["cache"], "access": "write", "bytes": QUOTA_BYTES, "keys": QUOTA_KEYS});
                    let plugin = arena.accept(&guest, SMALL, bounds("keyvalue", grant)).await.map_err(said)?;
                    let mut session = plugin.session::<Text>().await.map_err(said)?;
                    let mut taken = 0;
                    for number in 0..100 {
                        taken += u32::from(session.call_input(&format!("key-{number}")).await.map_err(said)? == "yes");
                    }
                    let kept = plugin.account().snapshot().storage;
                    let kept = kept.get("keyvalue").ok_or_else(|| format!("the account knows of no store: {kept:?}"))?;
                    if kept.bytes > QUOTA_BYTES || kept.keys > QUOTA_KEYS || taken == 0 || taken == 100 {
                        return Err(format!("{taken} of 100 were taken, {kept:?}"));
                    }
                    Ok(Contained::harmless("quota").on_record([(plugin.subject().clone(), "E-CAP-KV-".to_owned())]))
                })
            })
        })
        .collect()
}

const SECRETS: &str = r#"
  (import "plugwork:host/secrets@0.1.0" (instance $secrets
    (export "refusal" (type $refusal' (eq $refusal)))
    (export "secret" (type $secret' (sub resource)))
    (export "get" (func (param "name" string) (result (result (own $secret') (error $refusal')))))
    (export "reveal" (func (param "secret" (borrow $secret')) (result (result string (error $refusal')))))))
"#;

/// Gets a secret by its name and asks for its text: the answer is the text, or the first word of the refusal (of a denial: its code).
fn revealing() -> Guest {
    let code = r#"(import "heap" "memory" (memory 1))
        (import "host" "get" (func $get (param i32 i32 i32))) (import "host" "reveal" (func $reveal (param i32 i32)))
        (func (export "run") (param $p i32) (param $n i32) (result i32)
          (call $get (local.get $p) (local.get $n) (i32.const 64))
          (if (i32.load8_u (i32.const 64)) (then (return (i32.const 72))))
          (call $reveal (i32.load (i32.const 68)) (i32.const 64))
          (select (i32.const 72) (i32.const 68) (i32.load8_u (i32.const 64))))"#;
    Guest::new(code).import(REFUSAL).import(SECRETS).host("get", "$secrets").host("reveal", "$secrets").point(
        "text",
        "(param \"input\" string) (result string)",
        "",
        "",
    )
}

/// H7: what another plugin keeps, and a secret that may be sent but not seen.
pub(super) fn prying() -> Vec<Variant> {
    let found = "(call $get (global.get $bucket) (local.get $p) (local.get $n) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 128))))
        (if (i32.eqz (i32.load8_u (i32.const 68))) (then
          (i32.store (i32.const 72) (i32.const 24)) (i32.store (i32.const 76) (i32.const 4))))
        (return (i32.const 72))";
    let reading = keeping(found);
    // Keeps its own key as the value, so that the key can be the canary.
    let writing = keeping(
        "(call $set (global.get $bucket) (local.get $p) (local.get $n) (local.get $p) (local.get $n) (i32.const 64))
         (if (i32.eqz (i32.load8_u (i32.const 64))) (then (i32.store (i32.const 128) (i32.const 8)) (i32.store (i32.const 132) (i32.const 3))))",
    );
    let grant = || bounds("keyvalue", json!({"stores": ["cache"], "access": "write"}));
    let secret = |reveal: bool| bounds("secrets", json!({"names": ["canary"], "reveal": reveal, "hosts": ["api.example.com"]}));
    vec![
        Variant::new("the store of the same name of another plugin", move |arena| {
            let (reading, writing) = (reading.clone(), writing.clone());
            Box::pin(async move {
                let owner = answers(arena, &writing, SMALL, grant(), &[CANARY.to_owned()]).await?;
                let keys = [CANARY, "../cache", "", "*"].map(str::to_owned);
                let heard = answers(arena, &reading, SMALL, grant(), &keys).await?;
                match owner.as_slice() {
                    [yes] if yes == "yes" => is_silent(arena, &heard).await,
                    other => Err(format!("its owner is told {other:?}")),
                }
            })
        }),
        Variant::new("a secret that may be sent and not seen", move |arena| {
            Box::pin(async move {
                let names = ["canary", "other", "", "PATH", "../canary", "CANARY"].map(str::to_owned);
                let heard = answered(arena, &revealing(), SMALL, secret(false), &names).await?;
                if heard.texts[0] != "E-CAP-SECRETS-REVEAL" {
                    return Err(format!("{:?}", heard.texts));
                }
                is_silent(arena, &heard.texts).await?;
                Ok(heard.contained("silent"))
            })
        }),
        Variant::new("a secret that may be seen is", move |arena| {
            Box::pin(async move {
                match answers(arena, &revealing(), SMALL, secret(true), &["canary".to_owned()]).await?.as_slice() {
                    [text] if text == CANARY => is_silent(arena, &[]).await,
                    other => Err(format!("{other:?}")),
                }
            })
        }),
    ]
}
