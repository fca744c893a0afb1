//! Which tokens were issued with which: a token that is taken back takes those along that its bearer made of it, and those that were made of them.
//!
//! Pure. Easily got wrong: who issued a token is what its record says, in the words of [`super::authenticate`]; an id in words of somebody else's is none.

use std::collections::{BTreeMap, BTreeSet};

use super::{Principal, Token, TokenId};

/// Before the id, in the name of whoever presented a token.
const BEARER: &str = "token:";

impl Principal {
    /// The name of whoever presents this token.
    pub fn bearer_of(id: &TokenId) -> String {
        format!("{BEARER}{id}")
    }
}

impl Token {
    /// The token that it was issued with; none: whoever issued it needed none.
    pub fn issuer(&self) -> Option<TokenId> {
        self.created_by.strip_prefix(BEARER).and_then(|id| id.parse().ok())
    }
}

/// Of these tokens, each with its issuer, those that go with this one: issued with it, or with one that was, without itself.
pub(super) fn issued_with(id: &TokenId, tokens: impl IntoIterator<Item = (TokenId, TokenId)>) -> BTreeSet<TokenId> {
    let mut by_issuer: BTreeMap<TokenId, Vec<TokenId>> = BTreeMap::new();
    for (token, issuer) in tokens {
        by_issuer.entry(issuer).or_default().push(token);
    }
    let (mut issued, mut waiting) = (BTreeSet::new(), vec![id.clone()]);
    while let Some(issuer) = waiting.pop() {
        // Taken out, so that records that name each other come to an end too.
        for token in by_issuer.remove(&issuer).unwrap_or_default() {
            if token != *id && issued.insert(token.clone()) {
                waiting.push(token);
            }
        }
    }
    issued
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_issued_goes_along_and_what_its_issuer_has_beside_it_stays() {
        let id = |number: u8| TokenId::from_bytes([0, 0, 0, 0, 0, 0, 0, number]);
        let pairs = [(2, 1), (3, 2), (4, 2), (5, 4), (6, 9), (9, 8)].map(|(token, issuer)| (id(token), id(issuer)));
        let of = |number| issued_with(&id(number), pairs.clone()).into_iter().collect::<Vec<_>>();
        assert_eq!(of(1), [id(2), id(3), id(4), id(5)]);
        assert_eq!(of(4), [id(5)]);
        assert_eq!(of(8), [id(6), id(9)]);
        assert_eq!(of(5), []);
        // No server writes this; a file might hold it.
        let circle = [(1, 3), (2, 1), (3, 2), (7, 7)].map(|(token, issuer)| (id(token), id(issuer)));
        assert_eq!(issued_with(&id(1), circle.clone()), [id(2), id(3)].into());
        assert_eq!(issued_with(&id(7), circle), [].into());
    }
}
