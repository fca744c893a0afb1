//! Two plugins made one: they answer as they do wired, and only where they have one owner and one grant.

use plugwork::{ErrorKind, Fault, Grants, Plugin, Runtime};
use serde_json::json;

use crate::guest::{CALLS, Guest};
use crate::wiring::{ASKS, CALL, COUNTS, FIND, accepted, caller, provider};
use crate::world::{self, Number, fault, grant, object};

async fn fused(runtime: &Runtime, caller: &Guest, provider: &Plugin, grants: Grants) -> Result<Plugin, plugwork::Error> {
    runtime.offer(&caller.source()).await.unwrap().fuse(provider).await?.accept_only(grants).await
}

fn ours() -> Guest {
    caller(ASKS).named("acme:caller", CALL)
}

#[tokio::test]
async fn fused_plugins_answer_as_wired_ones_do() {
    let runtime = world::runtime().await;
    let geo = accepted(&runtime, &provider("acme:geo", COUNTS)).await;
    let one = fused(&runtime, &ours(), &geo, Grants::none()).await.unwrap();
    assert_eq!((one.call::<Number>(&7).await.unwrap(), one.call::<Number>(&8).await.unwrap()), (107, 108));
    let mut session = one.session::<Number>().await.unwrap();
    assert_eq!((session.call_input(&1).await.unwrap(), session.call_input(&2).await.unwrap()), (101, 202));
    assert_eq!((one.reach().len(), geo.account().snapshot().calls), (0, 0), "nothing is between them");
    assert_eq!((one.subject().package.as_str(), one.manifest().unwrap().name.as_str()), ("acme:caller", "acme:caller"));
}

#[tokio::test]
async fn a_fault_of_one_is_a_fault_of_the_whole() {
    let runtime = world::runtime().await;
    let geo = accepted(&runtime, &provider("acme:geo", r#"(func (export "find") (param i32) (result i32) unreachable)"#)).await;
    let one = fused(&runtime, &ours(), &geo, Grants::none()).await.unwrap();
    assert!(matches!(fault(one.call::<Number>(&7).await), Fault::Trap { .. }));
}

#[tokio::test]
async fn unequal_grants_and_other_owners_are_not_fused() {
    let runtime = world::runtime().await;
    let code = r#"(import "host" "next" (func $next (result i32))) (func (export "find") (param i32) (result i32) call $next)"#;
    let counts = provider("acme:geo", code).import(CALLS).host("next", "$calls").named("acme:geo", "[permissions.calls]\n");
    let rights = grant("calls", json!({"start": 40}));
    let geo = runtime.offer(&counts.source()).await.unwrap().accept_only(rights.clone()).await.unwrap();
    let refused = fused(&runtime, &ours(), &geo, Grants::none()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.denials()[0].code.as_str()), (ErrorKind::Refused, "E-WIRE-FUSE-RIGHTS"));
    let both = caller(ASKS).named("acme:caller", &format!("{CALL}[permissions.calls]\n"));
    let wider = Grants::none().with("calls", object(json!({"start": 41})));
    assert_eq!(fused(&runtime, &both, &geo, wider).await.unwrap_err().denials()[0].code, "E-WIRE-FUSE-RIGHTS");
    assert_eq!(fused(&runtime, &both, &geo, rights).await.unwrap().call::<Number>(&0).await.unwrap(), 41);
    let strangers = accepted(&runtime, &provider("twin:geo", COUNTS)).await;
    let refused = fused(&runtime, &ours(), &strangers, Grants::none()).await.unwrap_err();
    assert_eq!(refused.denials()[0].code, "E-WIRE-FUSE-OWNER");
    let nothing = Guest::new(ASKS).import(FIND).host("find", "$geo").named("acme:caller", CALL);
    let alone = accepted(&runtime, &Guest::new(crate::guest::ECHO).named("acme:other", "")).await;
    let error = fused(&runtime, &nothing, &alone, Grants::none()).await.unwrap_err();
    assert!(error.to_string().contains("exports nothing that the other one imports"), "{error}");
}
