//! The contract of `Tokens`: what every implementation does alike. Memory and SQLite both run it. Then what only rows on a disk can have.

use std::ops::Deref;

use plugwork_core::authorize::{
    Action, AuthenticationFailed, MemoryTokens, PAGE_TOKENS_MAX, Presented, Revocation, Scope, TENANT_TOKENS_MAX, Terms, Token, TokenText,
    Tokens, TokensError, authenticate,
};

use crate::sample::{self, AT_MS, execute, raw, temporary};

pub(crate) fn token(id: u16, tenant: Option<&str>) -> (Token, TokenText) {
    let scope = Scope { tenant: tenant.map(str::to_owned), application: None, actions: [Action::LogsRead].into() };
    let terms = Terms { scope, created_ms: AT_MS, expires_ms: AT_MS + 9, created_by: "ana".to_owned(), note: "ci \u{1f980}".to_owned() };
    let [high, low] = id.to_be_bytes();
    Token::issue(terms, [0, 0, 0, 0, 0, 0, high, low], [5; 32]).unwrap()
}

fn revocation(by: &str) -> Revocation {
    Revocation { at_ms: AT_MS, by: by.to_owned() }
}

async fn tokens_contract<K, T>(make: impl AsyncFn() -> K)
where
    K: Deref<Target = T>,
    T: Tokens,
{
    a_token_that_is_not_there_opens_nothing_and_cannot_be_revoked(&*make().await).await;
    an_id_is_used_once(&*make().await).await;
    a_revocation_is_for_ever_and_the_first_one_stays(&*make().await).await;
    pages_go_by_id_and_show_one_tenant_only(&*make().await).await;
    what_was_issued_with_a_token_goes_with_it(&*make().await).await;
    nothing_is_issued_with_a_token_that_was_taken_back(&*make().await).await;
    a_tenant_has_so_many_good_tokens_and_not_one_more(&*make().await).await;
}

#[tokio::test]
async fn tokens_in_memory_keep_the_contract() {
    tokens_contract(async || Box::new(MemoryTokens::new())).await;
}

#[tokio::test]
async fn tokens_in_sqlite_keep_the_contract() {
    tokens_contract(sample::temporary).await;
}

async fn a_token_that_is_not_there_opens_nothing_and_cannot_be_revoked(tokens: &impl Tokens) {
    let (kept, text) = token(1, Some("a"));
    let presented = Presented::parse(text.reveal()).unwrap();
    let found = tokens.token(presented.id()).await.unwrap();
    assert_eq!(authenticate(Some(&presented), found.as_ref(), AT_MS), Err(AuthenticationFailed::Unknown));
    assert_eq!(tokens.revoke_token(&kept.id, revocation("bob")).await, Err(TokensError::Unknown { id: kept.id.clone() }));
    assert_eq!(tokens.tokens(None, None, 9).await.unwrap(), []);
    tokens.add_token(kept.clone()).await.unwrap();
    let found = tokens.token(presented.id()).await.unwrap();
    assert_eq!(found.as_ref(), Some(&kept));
    assert_eq!(authenticate(Some(&presented), found.as_ref(), AT_MS).unwrap().scope, kept.scope);
}

async fn an_id_is_used_once(tokens: &impl Tokens) {
    let (kept, _) = token(1, Some("a"));
    tokens.add_token(kept.clone()).await.unwrap();
    let (other, _) = token(1, None);
    assert_eq!(tokens.add_token(other).await, Err(TokensError::Exists { id: kept.id.clone() }));
    assert_eq!(tokens.token(&kept.id).await.unwrap(), Some(kept));
    let adds = (0..32).map(|_| tokens.add_token(token(2, None).0));
    assert_eq!(futures::future::join_all(adds).await.into_iter().filter(Result::is_ok).count(), 1);
}

async fn a_revocation_is_for_ever_and_the_first_one_stays(tokens: &impl Tokens) {
    let (kept, text) = token(1, Some("a"));
    tokens.add_token(kept.clone()).await.unwrap();
    assert!(matches!(tokens.revoke_token(&kept.id, revocation("\n")).await, Err(TokensError::Invalid(_))));
    assert_eq!(tokens.token(&kept.id).await.unwrap().unwrap().revoked, None);
    let revoked = tokens.revoke_token(&kept.id, revocation("bob")).await.unwrap();
    assert_eq!(tokens.revoke_token(&kept.id, revocation("eve")).await.unwrap(), revoked);
    let found = tokens.token(&kept.id).await.unwrap();
    assert_eq!(found, Some(Token { revoked: Some(revocation("bob")), ..kept.clone() }));
    assert_eq!(authenticate(Presented::parse(text.reveal()).as_ref(), found.as_ref(), AT_MS), Err(AuthenticationFailed::Revoked));
    assert_eq!(tokens.add_token(kept.clone()).await, Err(TokensError::Exists { id: kept.id }));
}

/// A token that was issued with another one.
fn issued(id: u16, issuer: u16) -> Token {
    let issuer = token(issuer, None).0.id;
    Token { created_by: format!("token:{issuer}"), ..token(id, Some("a")).0 }
}

async fn what_was_issued_with_a_token_goes_with_it(tokens: &impl Tokens) {
    tokens.add_token(token(1, Some("a")).0).await.unwrap();
    for (id, issuer) in [(2, 1), (3, 2), (4, 2), (5, 1)] {
        tokens.add_token(issued(id, issuer)).await.unwrap();
    }
    tokens.add_token(token(6, Some("a")).0).await.unwrap();
    let by = async || {
        let all = tokens.tokens(None, None, 9).await.unwrap();
        all.iter().map(|one| one.revoked.as_ref().map(|revoked| revoked.by.clone()).unwrap_or_default()).collect::<Vec<_>>()
    };
    tokens.revoke_token(&issued(4, 2).id, revocation("bob")).await.unwrap();
    assert_eq!(by().await, ["", "", "", "bob", "", ""]);
    let revoked = tokens.revoke_token(&issued(2, 1).id, revocation("eve")).await.unwrap();
    assert_eq!((revoked.id, revoked.revoked), (issued(2, 1).id, Some(revocation("eve"))));
    assert_eq!(by().await, ["", "eve", "eve", "bob", "", ""], "the first revocation of each stays");
    tokens.revoke_token(&token(1, None).0.id, revocation("ana")).await.unwrap();
    assert_eq!(by().await, ["ana", "eve", "eve", "bob", "ana", ""], "and what nobody issued with it");
}

async fn nothing_is_issued_with_a_token_that_was_taken_back(tokens: &impl Tokens) {
    let (kept, _) = token(1, Some("a"));
    tokens.add_token(kept.clone()).await.unwrap();
    // At once: whichever is first, nothing is left that opens anything.
    let adds = futures::future::join_all((2..34).map(|id| tokens.add_token(issued(id, 1))));
    let (added, revoked) = futures::future::join(adds, tokens.revoke_token(&kept.id, revocation("bob"))).await;
    revoked.unwrap();
    for refused in added.into_iter().filter_map(Result::err) {
        assert_eq!(refused, TokensError::Revoked { id: kept.id.clone() });
    }
    assert!(tokens.tokens(None, None, 99).await.unwrap().iter().all(|one| one.revoked.is_some()));
    assert_eq!(tokens.add_token(issued(40, 1)).await, Err(TokensError::Revoked { id: kept.id }));
    assert_eq!(tokens.add_token(issued(41, 50)).await, Err(TokensError::Unknown { id: token(50, None).0.id }));
}

async fn a_tenant_has_so_many_good_tokens_and_not_one_more(tokens: &impl Tokens) {
    let all = futures::future::join_all((1..=TENANT_TOKENS_MAX as u16).map(|id| tokens.add_token(token(id, Some("a")).0))).await;
    assert!(all.iter().all(Result::is_ok));
    let more = token(5_000, Some("a")).0;
    let refused = Err(TokensError::TooMany { tenant: "a".to_owned() });
    assert_eq!(tokens.add_token(more.clone()).await, refused);
    assert_eq!(tokens.token(&more.id).await.unwrap(), None);
    // Neither another tenant nor the server is bound by it.
    tokens.add_token(token(5_001, Some("b")).0).await.unwrap();
    tokens.add_token(token(5_002, None).0).await.unwrap();
    tokens.revoke_token(&token(7, None).0.id, revocation("bob")).await.unwrap();
    tokens.add_token(more).await.unwrap();
    let next = token(5_003, Some("a")).0;
    assert_eq!(tokens.add_token(next.clone()).await, refused);
    // All of them end at the same moment.
    let (created_ms, expires_ms) = (next.expires_ms, next.expires_ms + 9);
    assert_eq!(tokens.add_token(Token { created_ms: created_ms - 1, expires_ms, ..next.clone() }).await, refused);
    tokens.add_token(Token { created_ms, expires_ms, ..next }).await.unwrap();
}

async fn pages_go_by_id_and_show_one_tenant_only(tokens: &impl Tokens) {
    for (id, tenant) in [(5, Some("b")), (3, Some("a")), (4, None), (1, Some("ab")), (2, Some("a"))] {
        tokens.add_token(token(id, tenant).0).await.unwrap();
    }
    let ids = |page: Vec<Token>| page.into_iter().map(|one| u16::from_str_radix(one.id.as_str(), 16).unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(tokens.tokens(None, None, u32::MAX).await.unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(ids(tokens.tokens(Some("a"), None, PAGE_TOKENS_MAX).await.unwrap()), [2, 3]);
    assert_eq!(ids(tokens.tokens(None, Some(&token(2, None).0.id), 2).await.unwrap()), [3, 4]);
    assert_eq!(ids(tokens.tokens(Some("nobody"), None, 9).await.unwrap()), [0; 0]);
    assert_eq!(ids(tokens.tokens(None, None, 0).await.unwrap()), [0; 0]);
}

#[tokio::test]
async fn a_token_that_somebody_else_wrote_or_edited_is_never_given_out() {
    let store = temporary().await;
    let (kept, text) = token(1, Some("a"));
    store.add_token(kept.clone()).await.unwrap();
    store.revoke_token(&kept.id, revocation("bob")).await.unwrap();
    let (sound, _) = token(3, Some("b"));
    store.add_token(sound.clone()).await.unwrap();
    let mut database = raw(&store.folder, "records.db").await;
    for (column, value) in [
        ("body", "json_remove(body, '$.revoked')"),
        ("body", "json_set(body, '$.scope.tenant', NULL)"),
        ("body", "json_set(body, '$.scope.actions', json('[\"tokens:write\"]'))"),
        ("body", "json_set(body, '$.expires_ms', 9000000000000)"),
        ("body", "json_set(body, '$.scope.actions', json('[\"everything\"]'))"),
        ("body", "'{'"),
        ("tenant", "'b'"),
        ("tenant", "NULL"),
        ("stamp", "zeroblob(32)"),
        ("id", "'0000000000000002'"),
    ] {
        execute(
            &mut database,
            &format!("CREATE TABLE aside AS SELECT * FROM token; UPDATE token SET {column} = {value} WHERE id <> '{}'", sound.id),
        )
        .await;
        assert_eq!(store.tokens(None, None, 1).await.unwrap(), std::slice::from_ref(&sound), "{column} = {value}");
        assert_eq!(store.unreadable_tokens(None).await.unwrap().len(), 1, "{column} = {value}");
        if column != "id" {
            assert!(
                store.token(&kept.id).await.is_err() && store.revoke_token(&kept.id, revocation("eve")).await.is_err(),
                "{column} = {value}"
            );
        }
        let undo = "UPDATE token SET (id, tenant, body, stamp) = (SELECT id, tenant, body, stamp FROM aside WHERE id <> ?) WHERE id <> ?; DROP TABLE aside";
        execute(&mut database, &undo.replace('?', &format!("'{}'", sound.id))).await;
        store.token(&kept.id).await.unwrap();
    }
    let error = sqlx::query("DELETE FROM token").execute(&mut database).await.unwrap_err().to_string();
    assert!(error.contains("a token is never deleted"), "{error}");
    // Neither the folder nor what is listed has the secret.
    let secret = "05".repeat(32);
    assert!(text.reveal().contains(&secret) && !serde_json::to_string(&kept).unwrap().contains(&secret));
    for file in std::fs::read_dir(store.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(64).any(|window| window == secret.as_bytes()) && !bytes.windows(32).any(|window| window == [5; 32]));
    }
}
