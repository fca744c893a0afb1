//! Who of the operators may do what: everything that is denied, first; then that another engine changes nothing else.

use plugwork_core::authorize::{
    Action, AuthenticationFailed, Authorize, Decision, Presented, Principal, Resource, Revocation, Scope, Scopes, TOKEN_LIFETIME_MS_MAX,
    Terms, Token, authenticate, decide_issue,
};

const AT_MS: u64 = 1_790_000_000_000;
const SECRET: [u8; 32] = [7; 32];

fn scope(tenant: Option<&str>, application: Option<&str>, actions: &[Action]) -> Scope {
    Scope { tenant: tenant.map(str::to_owned), application: application.map(str::to_owned), actions: actions.iter().copied().collect() }
}

fn terms(scope: Scope) -> Terms {
    Terms { scope, created_ms: AT_MS, expires_ms: AT_MS + 1_000, created_by: "ana".to_owned(), note: "ci".to_owned() }
}

fn token(scope: Scope) -> (Token, Presented) {
    let (token, text) = Token::issue(terms(scope), [1; 8], SECRET).unwrap();
    (token, Presented::parse(text.reveal()).unwrap())
}

fn principal(scope: Scope) -> Principal {
    let (token, presented) = token(scope);
    authenticate(Some(&presented), Some(&token), AT_MS).unwrap()
}

/// The code of a denial; empty where it is allowed.
fn code(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "",
        Decision::Deny { code, .. } => code,
    }
}

fn asked(engine: &dyn Authorize, principal: &Principal, action: Action, resource: Resource<'_>) -> &'static str {
    code(engine.authorize(principal, action, &resource, AT_MS))
}

#[test]
fn nobody_acts_outside_tenant_application_actions_and_time() {
    use Action::{DeploymentsRead, DeploymentsWrite, ServerRead};
    let application = Resource::application("a", "shop");
    for (tenant, only, actions, action, resource, expected) in [
        (Some("a"), None, &[DeploymentsRead][..], DeploymentsRead, application, ""),
        (Some("a"), None, &[DeploymentsRead], DeploymentsRead, Resource::tenant("a"), ""),
        (Some("a"), None, &[DeploymentsRead], DeploymentsWrite, application, "E-AUTH-SCOPE"),
        // Writing does not include reading.
        (Some("a"), None, &[DeploymentsWrite], DeploymentsRead, application, "E-AUTH-SCOPE"),
        (Some("b"), None, &[DeploymentsRead], DeploymentsRead, application, "E-AUTH-TENANT"),
        (Some("b"), None, &[], DeploymentsRead, application, "E-AUTH-TENANT"),
        (Some("a"), None, &[ServerRead], ServerRead, Resource::server(), "E-AUTH-TENANT"),
        (Some("a"), Some("shop"), &[DeploymentsRead], DeploymentsRead, application, ""),
        (Some("a"), Some("blog"), &[DeploymentsRead], DeploymentsRead, application, "E-AUTH-APPLICATION"),
        (Some("a"), Some("shop"), &[DeploymentsRead], DeploymentsRead, Resource::tenant("a"), "E-AUTH-APPLICATION"),
        (Some("b"), Some("shop"), &[DeploymentsRead], DeploymentsRead, application, "E-AUTH-TENANT"),
        (None, None, &[DeploymentsRead, ServerRead], DeploymentsRead, application, ""),
        (None, None, &[DeploymentsRead, ServerRead], ServerRead, Resource::server(), ""),
        (None, None, &[DeploymentsRead], ServerRead, Resource::server(), "E-AUTH-SCOPE"),
    ] {
        let who = Principal { name: "token:x".to_owned(), scope: scope(tenant, only, actions), expires_ms: Some(AT_MS + 1) };
        assert_eq!(asked(&Scopes, &who, action, resource), expected, "{who:?} {action} {resource:?}");
        let late = Scopes.authorize(&who, action, &resource, AT_MS + 1);
        assert_eq!(code(late), "E-AUTH-EXPIRED");
    }
    for action in Action::ALL {
        assert_eq!(asked(&Scopes, &Principal::local(), action, Resource::server()), "");
        assert_eq!(action.as_str().parse(), Ok(action));
    }
    assert!("deployments:*".parse::<Action>().is_err() && "*".parse::<Action>().is_err());
}

#[test]
fn nobody_issues_more_than_they_have_or_for_longer() {
    use Action::{DeploymentsRead, LogsRead, TokensWrite};
    let issuer = principal(scope(Some("a"), None, &[TokensWrite, DeploymentsRead]));
    let expires_ms = issuer.expires_ms.unwrap();
    for (wanted, expires_ms, expected) in [
        (scope(Some("a"), None, &[DeploymentsRead]), expires_ms, ""),
        (scope(Some("a"), Some("shop"), &[TokensWrite]), expires_ms, ""),
        (scope(Some("a"), None, &[DeploymentsRead]), expires_ms + 1, "E-AUTH-ESCALATION"),
        (scope(Some("a"), None, &[LogsRead]), expires_ms, "E-AUTH-ESCALATION"),
        (scope(Some("b"), None, &[DeploymentsRead]), expires_ms, "E-AUTH-ESCALATION"),
        (scope(None, None, &[DeploymentsRead]), expires_ms, "E-AUTH-ESCALATION"),
    ] {
        assert_eq!(code(decide_issue(&issuer, &wanted, expires_ms)), expected, "{wanted:?} {expires_ms}");
    }
    let narrow = principal(scope(Some("a"), Some("shop"), &[TokensWrite]));
    assert_eq!(code(decide_issue(&narrow, &scope(Some("a"), None, &[TokensWrite]), AT_MS)), "E-AUTH-ESCALATION");
    assert_eq!(code(decide_issue(&Principal::local(), &Scope::everything(), u64::MAX)), "");
}

#[test]
fn a_token_opens_nothing_with_another_secret_when_it_is_over_or_when_it_was_revoked() {
    use AuthenticationFailed::{Expired, Revoked, Unknown};
    let (token, right) = token(scope(Some("a"), None, &[Action::LogsRead]));
    let guess = |secret: [u8; 32]| Presented::parse(Token::issue(terms(token.scope.clone()), [1; 8], secret).unwrap().1.reveal()).unwrap();
    assert_eq!(authenticate(None, Some(&token), AT_MS), Err(Unknown));
    assert_eq!(authenticate(Some(&right), None, AT_MS), Err(Unknown));
    assert_eq!(
        authenticate(Some(&right), Some(&token), AT_MS + 999).map(|principal| principal.name),
        Ok("token:0101010101010101".to_owned())
    );
    assert_eq!(authenticate(Some(&right), Some(&token), AT_MS + 1_000), Err(Expired));
    let revoked = Token { revoked: Some(Revocation { at_ms: AT_MS, by: "bob".to_owned() }), ..token.clone() };
    assert_eq!(authenticate(Some(&right), Some(&revoked), AT_MS), Err(Revoked));
    // Who has not the secret does not learn that.
    assert_eq!(authenticate(Some(&guess([8; 32])), Some(&revoked), AT_MS + 1_000), Err(Unknown));
    // A record that was found under another id.
    let other = Token { id: "00000000000000ff".parse().unwrap(), ..token.clone() };
    assert_eq!(authenticate(Some(&right), Some(&other), AT_MS), Err(Unknown));
    for bit in 0..256 {
        let mut secret = SECRET;
        secret[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(authenticate(Some(&guess(secret)), Some(&token), AT_MS), Err(Unknown), "bit {bit}");
    }
}

#[test]
fn a_hundred_thousand_guesses_open_nothing() {
    let (token, right) = token(scope(None, None, &[Action::LogsRead]));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..100_000 {
        let digits: String = (0..4)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                format!("{state:016x}")
            })
            .collect();
        let guess = Presented::parse(&format!("plugwork_{}_{digits}", right.id())).unwrap();
        assert_eq!(authenticate(Some(&guess), Some(&token), AT_MS), Err(AuthenticationFailed::Unknown));
    }
}

#[test]
fn what_has_not_the_form_of_a_token_is_none_and_its_secret_is_not_shown() {
    let (_, text) = Token::issue(terms(Scope::everything()), [1; 8], SECRET).unwrap();
    let good = text.reveal();
    assert_eq!((good.len(), &good[..26]), (9 + 16 + 1 + 64, "plugwork_0101010101010101_"));
    for bad in [
        "",
        "plugwork_",
        "Bearer x",
        &good[1..],
        &good[..good.len() - 1],
        &good.to_uppercase(),
        &good.replace("01_", "0_1"),
        &format!("{good} "),
        &format!("{good}0"),
    ] {
        assert!(Presented::parse(bad).is_none(), "{bad}");
    }
    let shown = format!("{text:?} {:?}", Presented::parse(good));
    assert!(!shown.contains("0707"), "{shown}");
}

#[test]
fn terms_that_make_no_sense_are_refused_all_at_once() {
    let bad = Terms {
        scope: scope(None, Some("Shop"), &[]),
        created_ms: AT_MS,
        expires_ms: AT_MS,
        created_by: "\n".to_owned(),
        note: "\0".to_owned(),
    };
    let places: Vec<String> = Token::issue(bad, [1; 8], SECRET).unwrap_err().into_iter().map(|issue| issue.at).collect();
    assert_eq!(places, ["application", "application", "actions", "expires-ms", "by", "note"]);
    for (lifetime_ms, good) in [(0, false), (1, true), (TOKEN_LIFETIME_MS_MAX, true), (TOKEN_LIFETIME_MS_MAX + 1, false)] {
        let terms = Terms { expires_ms: AT_MS + lifetime_ms, ..terms(Scope::everything()) };
        assert_eq!(terms.issues().is_empty(), good, "{lifetime_ms}");
    }
}

#[test]
fn the_content_of_a_token_names_every_part_of_it() {
    let (token, _) = token(scope(Some("a"), None, &[Action::LogsRead]));
    let edits: [fn(&mut Token); 9] = [
        |one| one.id = "00000000000000ff".parse().unwrap(),
        |one| one.scope.tenant = None,
        |one| one.scope.application = Some(String::new()),
        |one| one.scope.actions.extend([Action::UsageRead]),
        |one| one.created_ms += 1,
        |one| one.expires_ms += 1,
        |one| one.note.push('x'),
        |one| one.hash = plugwork_core::Digest::of(b"x"),
        |one| one.revoked = Some(Revocation { at_ms: 1, by: String::new() }),
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let mut edited = token.clone();
        edit(&mut edited);
        assert_ne!(edited.content(), token.content(), "edit {index}");
    }
}

/// Another engine: whoever reads may, on weekdays; nobody else.
struct Readers;

impl Authorize for Readers {
    fn authorize(&self, principal: &Principal, action: Action, _: &Resource<'_>, at_ms: u64) -> Decision {
        let day = at_ms / 86_400_000 % 7;
        // 1970 began with a Thursday.
        match action.as_str().ends_with(":read") && day != 2 && day != 3 {
            true => Decision::Allow,
            false => Decision::Deny {
                code: "E-AUTH-READERS",
                rule: format!("`{}` only reads, on weekdays", principal.name),
                hint: String::new(),
            },
        }
    }
}

#[test]
fn another_engine_behind_the_seam_changes_nothing_else() {
    let (token, presented) = token(scope(Some("a"), None, &[Action::DeploymentsWrite]));
    let engines: [&dyn Authorize; 2] = [&Scopes, &Readers];
    let answers = engines.map(|engine| {
        let who = authenticate(Some(&presented), Some(&token), AT_MS).unwrap();
        [Action::DeploymentsRead, Action::DeploymentsWrite].map(|action| asked(engine, &who, action, Resource::tenant("a")))
    });
    assert_eq!(answers, [["E-AUTH-SCOPE", ""], ["", "E-AUTH-READERS"]]);
}
