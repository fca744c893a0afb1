//! What a token may say and what not, at a fixed time: mostly what is refused.

use super::*;
use crate::identity::key::Key;
use crate::identity::signing::{Signer, encoded};
use serde_json::json;

const NOW_S: u64 = 1_900_000_000;

fn wanted() -> Wanted {
    let algorithms = vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
    let (issuer, audiences) = ("https://id.example".to_owned(), vec!["shop".to_owned(), "till".to_owned()]);
    Wanted { issuer, audiences, algorithms, leeway_seconds: 60, scopes: Vec::new(), claims: Vec::new() }
}

fn claims() -> Value {
    json!({ "iss": "https://id.example", "aud": "shop", "sub": "ada", "exp": NOW_S + 300 })
}

fn keys(signers: &[&Signer]) -> Keys {
    Keys::new(signers.iter().filter_map(|signer| Key::public(signer.jwk().as_object()?).ok()?).collect())
}

fn verified(text: &str, keys: &Keys, wanted: &Wanted) -> Result<Principal, Unidentified> {
    Token::read(text, wanted)?.verify(keys, wanted, NOW_S)
}

/// Why a token with these claims instead of the usual ones is refused; none: it is not.
fn refused(with: Value) -> Option<Unidentified> {
    let signer = Signer::ed25519("a", 1);
    let mut all = claims();
    for (name, value) in with.as_object().unwrap() {
        match value {
            Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
            value => all[name] = value.clone(),
        }
    }
    verified(&signer.token(&all), &keys(&[&signer]), &wanted()).err()
}

#[test]
fn what_is_signed_by_a_key_of_the_issuer_is_taken_whatever_its_kind() {
    let signers = [Signer::ed25519("a", 1), Signer::p256("b"), Signer::rsa("c")];
    let keys = keys(&signers.iter().collect::<Vec<_>>());
    for signer in &signers {
        let told = verified(&signer.token(&claims()), &keys, &wanted()).unwrap();
        assert_eq!((told.name.as_str(), told.claims.as_str()), ("ada", "{}"), "{}", signer.algorithm());
    }
    let secret = [7; 32];
    let wanted = Wanted { algorithms: vec![Algorithm::Hs256], ..wanted() };
    let keys = Keys::new(vec![Key::secret(&secret)]);
    assert!(verified(&Signer::secret(&secret).token(&claims()), &keys, &wanted).is_ok());
    assert!(verified(&Signer::secret(&[8; 32]).token(&claims()), &keys, &wanted).is_err());
}

#[test]
fn every_byte_of_a_token_counts() {
    let signer = Signer::p256("b");
    let (keys, token) = (keys(&[&signer]), signer.token(&claims()));
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verified(&changed, &keys, &wanted()).is_err(), "byte {at}");
        assert!(verified(&token[..at], &keys, &wanted()).is_err(), "{at} bytes");
    }
    assert!(verified(&format!("{token}."), &keys, &wanted()).is_err());
    assert!(verified(&format!("{token}="), &keys, &wanted()).is_err());
    assert!(verified(&format!("{token}.a.b"), &keys, &wanted()).is_err());
}

#[test]
fn nothing_lets_a_token_choose_how_it_is_verified() {
    let (rsa, other) = (Signer::rsa("c"), Signer::ed25519("c", 9));
    let keys = keys(&[&rsa]);
    let payload = claims().to_string();
    let modulus = rsa.jwk()["n"].as_str().unwrap().to_owned();
    for head in [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{"alg":""}"#, r#"{}"#, r#"{"alg":null}"#, r#"["RS256"]"#, ""] {
        for made in [String::new(), encoded("x")] {
            let token = format!("{}.{}.{made}", encoded(head), encoded(&payload));
            assert!(verified(&token, &keys, &wanted()).is_err(), "{head}");
        }
    }
    // The public key as the secret of an HMAC, in every form that it is known in; also where somebody configured both algorithms.
    let both = Wanted { algorithms: vec![Algorithm::Rs256, Algorithm::Hs256], ..wanted() };
    for secret in [modulus.clone(), rsa.jwk().to_string(), String::new()] {
        let token = Signer::secret(secret.as_bytes()).token_with(r#"{"alg":"HS256","kid":"c"}"#, &payload);
        assert!(verified(&token, &keys, &wanted()).is_err() && verified(&token, &keys, &both).is_err());
    }
    // A key of its own, and the address of one.
    let own = json!({ "alg": "EdDSA", "kid": "c", "jwk": other.jwk(), "jku": "https://evil.example/keys", "x5u": "https://evil.example" });
    assert!(verified(&other.token_with(&own.to_string(), &payload), &keys, &wanted()).is_err());
    // A key of one kind under another's name.
    assert!(verified(&other.token_with(r#"{"alg":"RS256","kid":"c"}"#, &payload), &keys, &wanted()).is_err());
    for head in [
        r#"{"alg":"RS256","kid":"c","crit":["exp"]}"#,
        r#"{"alg":"RS256","kid":"c","crit":null}"#,
        r#"{"alg":"RS256","kid":"c","b64":false}"#,
        r#"{"alg":"RS256","alg":"RS256","kid":"c"}"#,
        r#"{"alg":"RS256","kid":"c","typ":"logout+jwt"}"#,
        r#"{"alg":"RS256","kid":"c","typ":"dpop+jwt"}"#,
        r#"{"alg":"RS512","kid":"c"}"#,
    ] {
        assert!(verified(&rsa.token_with(head, &payload), &keys, &wanted()).is_err(), "{head}");
    }
    for head in
        [r#"{"alg":"RS256","kid":"c","typ":"at+jwt"}"#, r#"{"alg":"RS256","kid":"c","typ":"application/JWT"}"#, r#"{"alg":"RS256"}"#]
    {
        assert!(verified(&rsa.token_with(head, &payload), &keys, &wanted()).is_ok(), "{head}");
    }
}

#[test]
fn a_token_without_the_name_of_its_key_is_taken_only_where_there_is_one() {
    let (one, other) = (Signer::ed25519("a", 1), Signer::ed25519("b", 2));
    let nameless = Signer::ed25519("a", 1).without_id();
    let token = nameless.token(&claims());
    assert!(verified(&token, &keys(&[&one]), &wanted()).is_ok());
    assert!(verified(&token, &keys(&[&one, &other]), &wanted()).is_err());
    assert!(verified(&one.token(&claims()), &keys(&[&nameless]), &wanted()).is_ok(), "and where the key has none");
    assert!(verified(&one.token(&claims()), &keys(&[&nameless, &other]), &wanted()).is_err());
    assert!(verified(&one.token(&claims()), &keys(&[&other]), &wanted()).is_err());
    assert!(verified(&one.token(&claims()), &Keys::default(), &wanted()).is_err());
}

#[test]
fn another_issuer_or_audience_is_refused() {
    for with in [
        json!({ "iss": "https://id.example/" }),
        json!({ "iss": null }),
        json!({ "iss": ["https://id.example"] }),
        json!({ "aud": "shop2" }),
        json!({ "aud": null }),
        json!({ "aud": [] }),
        json!({ "aud": ["other", 7] }),
        json!({ "aud": { "shop": true } }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": "a\r\nx-plugwork-principal: root" }),
        json!({ "sub": "a".repeat(SUBJECT_BYTES_MAX + 1) }),
    ] {
        assert!(matches!(refused(with.clone()), Some(Unidentified::Invalid(_))), "{with}");
    }
    for with in [json!({ "aud": ["other", "till"] }), json!({ "sub": "a".repeat(SUBJECT_BYTES_MAX) })] {
        assert_eq!(refused(with.clone()), None, "{with}");
    }
}

#[test]
fn a_token_holds_in_its_time_and_a_little_more() {
    for with in [
        json!({ "exp": null }),
        json!({ "exp": "2030" }),
        json!({ "exp": [NOW_S + 9] }),
        json!({ "nbf": "soon" }),
        json!({ "nbf": NOW_S + 61 }),
    ] {
        assert!(matches!(refused(with.clone()), Some(Unidentified::Invalid(_))), "{with}");
    }
    for exp in [json!(NOW_S - 60), json!(0), json!(-1), json!(1.5)] {
        assert_eq!(refused(json!({ "exp": exp })), Some(Unidentified::Expired), "{exp}");
    }
    for with in
        [json!({ "exp": NOW_S - 59 }), json!({ "exp": NOW_S as f64 - 59.5 }), json!({ "nbf": NOW_S + 60 }), json!({ "exp": u64::MAX })]
    {
        assert_eq!(refused(with.clone()), None, "{with}");
    }
    // That it has expired is told only of a token that held.
    let signer = Signer::ed25519("a", 1);
    let mut late = claims();
    late["exp"] = 1.into();
    let forged = Signer::ed25519("a", 2).token(&late);
    assert!(matches!(verified(&forged, &keys(&[&signer]), &wanted()), Err(Unidentified::Invalid(_))));
}

#[test]
fn all_scopes_are_needed_whichever_way_they_are_written() {
    let signer = Signer::ed25519("a", 1);
    let wanted = Wanted { scopes: vec!["read".to_owned(), "write".to_owned()], ..wanted() };
    let with = |name: &str, value: Value| {
        let mut all = claims();
        all[name] = value;
        verified(&signer.token(&all), &keys(&[&signer]), &wanted)
    };
    for (name, value) in [
        ("scope", json!("read")),
        ("scope", json!("read,write")),
        ("scope", json!("read writer")),
        ("scp", json!({ "read": 1 })),
        ("x", json!("read write")),
    ] {
        assert_eq!(with(name, value.clone()).err(), Some(Unidentified::Scope("read write".to_owned())), "{value}");
    }
    for (name, value) in [("scope", json!("write other read")), ("scp", json!(["read", "write"])), ("scp", json!("read write"))] {
        assert!(with(name, value.clone()).is_ok(), "{value}");
    }
}

#[test]
fn a_plugin_is_told_the_claims_that_it_is_to_be_told_and_no_more_than_fits() {
    let signer = Signer::ed25519("a", 1);
    let wanted = Wanted { claims: ["email", "sub", "missing"].map(str::to_owned).to_vec(), ..wanted() };
    let told = |email: &str| {
        let mut all = claims();
        (all["email"], all["secret"]) = (email.into(), 7.into());
        verified(&signer.token(&all), &keys(&[&signer]), &wanted).map(|told| told.claims)
    };
    assert_eq!(told("a@b").unwrap(), r#"{"email":"a@b","sub":"ada"}"#);
    assert_eq!(told("\u{7f}\u{e4}\u{1f600}\r").unwrap(), r#"{"email":"\u007f\u00e4\ud83d\ude00\r","sub":"ada"}"#);
    let room = CLAIMS_BYTES_MAX - r#"{"email":"","sub":"ada"}"#.len();
    assert_eq!(told(&"a".repeat(room)).unwrap().len(), CLAIMS_BYTES_MAX);
    assert!(told(&"a".repeat(room + 1)).is_err());
}

#[test]
fn a_token_may_be_as_long_as_its_limit() {
    let signer = Signer::ed25519("a", 1);
    let of = |filling: usize| {
        let mut all = claims();
        all["filling"] = "a".repeat(filling).into();
        signer.token(&all)
    };
    let filling = (0..TOKEN_BYTES_MAX).rev().find(|filling| of(*filling).len() <= TOKEN_BYTES_MAX).unwrap();
    assert!(verified(&of(filling), &keys(&[&signer]), &wanted()).is_ok());
    assert_eq!(verified(&of(filling + 2), &keys(&[&signer]), &wanted()).err(), Some(Unidentified::Invalid("it is too long")));
}
